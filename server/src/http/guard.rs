//! Deny by default: without a session, nothing but what `server/public_routes.txt` names.

use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use contract::{Code, Fault};
use engine::Caller;

use super::{fault, public::Public};

/// Lets callers through, and strangers to public routes. Other pages lead strangers to the log-in; everything else
/// answers them with a fault.
pub(super) async fn deny_by_default(request: Request, next: Next) -> Response {
    let public = Public::covers(request.method(), request.uri().path());
    if public || request.extensions().get::<Caller>().is_some() {
        return next.run(request).await;
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads && is_page(request.uri().path()) {
        return to_log_in(
            request
                .uri()
                .path_and_query()
                .map_or("/", |target| target.as_str()),
        );
    }
    fault::answer(
        Fault::new(
            Code::Unauthenticated,
            "You are not logged in, or your session has ended.",
        )
        .hint("Log in again."),
    )
}

/// Whether a path is a page's: whatever is not made for programs.
fn is_page(path: &str) -> bool {
    ![
        "/rpc",
        "/events",
        "/readyz",
        "/download",
        "/hooks",
        "/import/uploads",
        "/api",
        "/metrics",
        "/pkg",
    ]
    .iter()
    .any(|top| {
        path.strip_prefix(top)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn to_log_in(wanted: &str) -> Response {
    let next: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    let location = if wanted == "/" {
        "/login".to_owned()
    } else {
        format!("/login?next={next}")
    };
    let value = HeaderValue::from_str(&location).unwrap_or(HeaderValue::from_static("/login"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, value)]).into_response()
}
