//! Pages with their server functions, and the browser's files.

use app::{App, shell};
use axum::{
    Router,
    extract::{OriginalUri, Path, State},
    http::HeaderMap,
    response::Response,
    routing::get,
};
use leptos::prelude::provide_context;
use leptos_axum::{LeptosRoutes, generate_route_list};

use super::{Routed, Site, fault};

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

/// The browser's files.
pub(super) fn files(site: Site) -> Router {
    Router::new()
        .route("/{*name}", get(file))
        .fallback(fault::no_such_route)
        .method_not_allowed_fallback(fault::wrong_method)
        .with_state(site)
}

async fn file(
    State(site): State<Site>,
    Path(name): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    match site.answer(&name, &headers) {
        Some(answer) => answer,
        None => fault::no_such_route(uri).await,
    }
}
