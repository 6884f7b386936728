//! Answers that carry a fault: JSON everywhere but where a person reads them as a page.

use std::any::Any;

use axum::{
    Json,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use contract::{Code, Fault};

/// An answer with a fault and its status.
pub(super) fn answer(fault: Fault) -> Response {
    let status = StatusCode::from_u16(fault.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(fault)).into_response()
}

/// An answer for an error of the engine; what a person must look at goes into the log under the reader's trace id.
pub(super) fn of_engine(error: &engine::Error) -> Response {
    let mut fault = error.fault();
    if error.is_internal() {
        let trace = uuid::Uuid::new_v4().to_string();
        tracing::error!(trace, error = error.chain(), "a request failed");
        fault.trace = Some(trace);
    }
    answer(fault)
}

/// An answer for a handler that panicked. The server lives; the cause is in the log.
pub(super) fn of_panic(cause: Box<dyn Any + Send>) -> Response {
    let text = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    let trace = uuid::Uuid::new_v4().to_string();
    tracing::error!(trace, panic = text, "a request panicked");
    let mut fault = Fault::new(Code::Internal, "The console made a mistake.")
        .hint("Look into the console's log for the trace id.");
    fault.trace = Some(trace);
    answer(fault)
}

/// No route of this path.
pub(super) async fn no_such_route(uri: Uri) -> Response {
    answer(
        Fault::new(Code::NotFound, format!("There is nothing at {}.", uri.path()))
            .hint("`pgsteward routes` lists what there is."),
    )
}

/// A route, but not by this method.
pub(super) async fn wrong_method(uri: Uri) -> Response {
    let fault = Fault::new(
        Code::Invalid,
        format!("{} does not answer to this method.", uri.path()),
    )
    .hint("`pgsteward routes` lists the methods.");
    (StatusCode::METHOD_NOT_ALLOWED, Json(fault)).into_response()
}
