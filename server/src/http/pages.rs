//! Pages with their server functions, and the browser's files.

use app::{App, shell};
use axum::{
    Router,
    extract::{OriginalUri, Path, State},
    http::HeaderMap,
    response::Response,
};
use leptos::prelude::provide_context;
use leptos_axum::{LeptosRoutes, generate_route_list};

use super::{Routed, Web, fault};

/// Every page of the application and every server function.
pub(super) fn routes(routed: &Routed) -> Router<Routed> {
    let engine = routed.web.engine.clone();
    let assets = routed.web.site.assets.clone();
    Router::new().leptos_routes_with_context(
        routed,
        generate_route_list(App),
        move || provide_context(engine.clone()),
        move || shell(assets.clone()),
    )
}

/// One of the browser's files.
pub(super) async fn file(
    State(web): State<Web>,
    Path(name): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    match web.site.answer(&name, &headers) {
        Some(answer) => answer,
        None => fault::no_such_route(uri).await,
    }
}
