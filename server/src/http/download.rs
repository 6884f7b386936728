//! `/download/…`: a stored backup as a file, read while it is sent. It ends with its session, as every stream does.

use std::io;

use app::address::name_of;
use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use contract::{Code, Fault};
use engine::{Caller, backup::Download};
use futures::{Stream, StreamExt};
use tokio::time::{Instant, MissedTickBehavior};
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
    let opened = web.engine.backup().open(&caller, &name_of(&target), id).await;
    send(web, caller, opened)
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
    let opened = web
        .engine
        .backup()
        .open_globals(&caller, &name_of(&target), id)
        .await;
    send(web, caller, opened)
}

fn send(web: Web, caller: Caller, opened: engine::Result<Download>) -> Response {
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
        Body::from_stream(while_live(web, caller, ReaderStream::with_capacity(file, CHUNK))),
    )
        .into_response();
    if let Ok(hash) = HeaderValue::from_str(&format!("\"sha256-{sha256}\"")) {
        response.headers_mut().insert(header::ETAG, hash);
    }
    response
}

/// The pieces of a file for as long as the caller's session lives. One that is cut off is shorter than its announced
/// length, so that no browser takes it for whole.
fn while_live(
    web: Web,
    caller: Caller,
    mut pieces: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    async_stream::stream! {
        let mut looks = web.streams.looks();
        let mut recheck = tokio::time::interval_at(Instant::now() + web.recheck, web.recheck);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let piece = tokio::select! {
                // A file that is read fast must not keep the others from being seen.
                biased;
                _ = recheck.tick() => None,
                Ok(()) = looks.changed() => None,
                piece = pieces.next() => match piece {
                    Some(piece) => Some(piece),
                    None => return,
                },
            };
            match piece {
                Some(piece) => yield piece,
                None if web.engine.session().still_live(&caller).await => {}
                None => {
                    tracing::info!(user.name = caller.name(), "a download was cut off: its session has ended");
                    yield Err(io::Error::new(io::ErrorKind::PermissionDenied, "the session has ended"));
                    return;
                }
            }
        }
    }
}

fn no_id(text: &str) -> Response {
    fault::answer(
        Fault::new(Code::NotFound, format!("\"{text}\" is no backup's id."))
            .hint("Take the link from the Backups page."),
    )
}
