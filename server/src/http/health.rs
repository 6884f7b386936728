//! Probes: does the process live, does its store answer.

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use contract::finding::Finding;
use engine::Caller;
use serde::Serialize;

use super::{Web, fault};

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

/// One managed database in the detail.
#[derive(Serialize)]
struct Health {
    name: String,
    healthy: bool,
    findings: Vec<Finding>,
}

/// What needs attention in each managed database, for whoever may see them. It answers 200 whatever was found: the
/// console is ready, and says what is not.
pub(super) async fn detail(State(web): State<Web>, Extension(caller): Extension<Caller>) -> Response {
    match web.engine.targets().list(&caller).await {
        Ok(targets) => {
            let health = targets.into_iter().map(|target| Health {
                name: target.name,
                healthy: target.findings.is_empty(),
                findings: target.findings,
            });
            Json(health.collect::<Vec<_>>()).into_response()
        }
        Err(error) => fault::of_engine(&error),
    }
}
