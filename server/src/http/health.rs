//! Probes: does the process live, does its store answer.

use axum::{extract::State, http::StatusCode, response::IntoResponse};

use super::Web;

/// The process lives.
pub(super) async fn lives() -> &'static str {
    "ok\n"
}

/// The store answers. A managed database that is down does not count: the console is there to say so.
pub(super) async fn ready(State(web): State<Web>) -> impl IntoResponse {
    match web.engine.ready().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::warn!(error = error.chain(), "not ready: the store does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n")
        }
    }
}
