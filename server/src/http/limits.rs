//! How large a request's body may be, and how long its answer may take to begin. Streams and downloads begin at once and
//! then take their time.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::Request,
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use contract::{Code, Fault};
use http_body_util::Limited;

use super::fault;

/// The most bytes of a request's body. Nothing that a page sends comes near it, with one exception.
const BODY: usize = 1024 * 1024;
/// The most bytes of what is decided about an import: a file with a hundred thousand columns has as many decisions.
const DECISIONS: usize = 32 * 1024 * 1024;
/// From the request's head to the answer's head, reading the body included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Refuses a body that says it is too large (a body that lies is cut off while it is read), and gives up a request that
/// takes too long.
pub(super) async fn keep(request: Request, next: Next) -> Response {
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let path = request.uri().path().to_owned();
    let most = if path == "/rpc/rehearse_import" {
        DECISIONS
    } else {
        BODY
    };
    if length.is_some_and(|length| length > most as u64) {
        let fault =
            Fault::new(Code::Invalid, "The request is too large.").hint(format!("It may have {most} bytes."));
        return (StatusCode::PAYLOAD_TOO_LARGE, Json(fault)).into_response();
    }
    let request = request.map(|body| Body::new(Limited::new(body, most)));
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(path, "a request took too long and was given up");
            fault::answer(
                Fault::new(
                    Code::TargetTimeout,
                    format!("There was no answer within {} s.", PATIENCE.as_secs()),
                )
                .hint("Try again; if it stays, look at Activity for what the server is busy with."),
            )
        }
    }
}
