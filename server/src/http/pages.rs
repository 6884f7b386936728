//! Pages with their server functions, and the browser's files.

use std::path::Path;

use app::{App, shell};
use axum::{
    Router,
    extract::{OriginalUri, Request},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::Response,
};
use leptos::prelude::provide_context;
use leptos_axum::{LeptosRoutes, generate_route_list};
use tower_http::services::ServeDir;

use super::{Routed, fault};

/// Every page of the application and every server function.
pub(super) fn routes(routed: &Routed) -> Router<Routed> {
    let engine = routed.web.engine.clone();
    let assets = routed.web.assets.clone();
    Router::new().leptos_routes_with_context(
        routed,
        generate_route_list(App),
        move || provide_context(engine.clone()),
        move || shell(assets.clone()),
    )
}

/// The browser's files. Their names carry the hash of their content, so a browser may keep them for ever.
pub(super) fn files(site: &Path) -> Router {
    let folder = ServeDir::new(site.join("pkg"))
        .precompressed_br()
        .precompressed_gzip();
    Router::new()
        .fallback_service(folder)
        .layer(middleware::from_fn(keep_for_ever))
}

async fn keep_for_ever(OriginalUri(uri): OriginalUri, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    match response.status() {
        StatusCode::OK | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT => {
            let value = HeaderValue::from_static("public, max-age=31536000, immutable");
            response.headers_mut().insert(header::CACHE_CONTROL, value);
            response
        }
        StatusCode::NOT_FOUND => fault::no_such_route(uri).await,
        _ => response,
    }
}
