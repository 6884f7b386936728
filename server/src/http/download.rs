//! `/download/…`: a stored backup as a file, read while it is sent.

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use contract::{Code, Fault};
use engine::{Caller, backup::Download};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::{Web, fault};

/// Bytes that are read at once; what one download holds in memory.
const CHUNK: usize = 64 * 1024;

/// The archive.
pub(super) async fn archive(
    State(web): State<Web>,
    Extension(caller): Extension<Caller>,
    Path((target, id)): Path<(String, String)>,
) -> Response {
    let Ok(id) = id.parse::<Uuid>() else {
        return no_id(&id);
    };
    send(web.engine.backup().open(&caller, &target, id).await)
}

/// The roles and tablespaces that were stored with it.
pub(super) async fn globals(
    State(web): State<Web>,
    Extension(caller): Extension<Caller>,
    Path((target, id)): Path<(String, String)>,
) -> Response {
    let Ok(id) = id.parse::<Uuid>() else {
        return no_id(&id);
    };
    send(web.engine.backup().open_globals(&caller, &target, id).await)
}

fn send(opened: engine::Result<Download>) -> Response {
    let Download {
        file,
        name,
        bytes,
        sha256,
    } = match opened {
        Ok(download) => download,
        Err(error) => return fault::of_engine(&error),
    };
    // The engine promises a name without quotes or line breaks.
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        ),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_LENGTH, HeaderValue::from(bytes)),
    ];
    let mut response = (
        headers,
        Body::from_stream(ReaderStream::with_capacity(file, CHUNK)),
    )
        .into_response();
    if let Ok(hash) = HeaderValue::from_str(&format!("\"sha256-{sha256}\"")) {
        response.headers_mut().insert(header::ETAG, hash);
    }
    response
}

fn no_id(text: &str) -> Response {
    fault::answer(
        Fault::new(Code::NotFound, format!("\"{text}\" is no backup's id."))
            .hint("Take the link from the Backups page."),
    )
}
