//! `PUT /import/uploads/{id}/{database|wal}?offset=N`: a file, or a piece of one, written to disk while it comes.
//!
//! It may be far larger and take far longer than any other request, so the limits of [`super::limits`] are not its own:
//! it may bring what was announced, must not rest for long, and ends with its session and with the console.

use std::time::Duration;

use axum::{
    Extension, Json,
    body::{Body, BodyDataStream, Bytes},
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use contract::{Code, Fault, import::UploadPart};
use engine::Caller;
use futures::{Stream, StreamExt};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::{Web, fault};

/// The longest rest between two pieces of a body.
const REST: Duration = Duration::from_secs(60);
/// Of a refused body so much is read on, so that its sender gets to read the answer.
const DRAINED: usize = 16 << 20;
/// How long that may take.
const DRAINING: Duration = Duration::from_secs(5);

/// Takes the body and answers with what is there of the upload.
pub(super) async fn take(
    State(web): State<Web>,
    Extension(caller): Extension<Caller>,
    Path((id, part)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut body = body.into_data_stream();
    let taken = match Address::read(&id, &part, query.as_deref()) {
        Ok(address) => address.take(&web, &caller, &headers, &mut body).await,
        Err(fault) => Err(fault::answer(fault)),
    };
    match taken {
        Ok(answer) => answer,
        Err(refusal) => {
            // A sender whose connection is cut while it writes never sees why.
            tokio::select! {
                () = drain(&mut body) => {}
                () = tokio::time::sleep(DRAINING) => {}
                () = web.closing.cancelled() => {}
            }
            refusal
        }
    }
}

/// Where the body belongs.
struct Address {
    id: Uuid,
    part: UploadPart,
    offset: i64,
}

impl Address {
    fn read(id: &str, part: &str, query: Option<&str>) -> Result<Self, Fault> {
        let address = |words: String| {
            Fault::new(Code::NotFound, words).hint(
                "Send to /import/uploads/{id}/database or /wal with the id that the upload's beginning gave.",
            )
        };
        let offset = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .find(|(name, _)| name == "offset")
            .and_then(|(_, value)| value.parse().ok())
            .filter(|offset| *offset >= 0);
        Ok(Self {
            id: id
                .parse()
                .map_err(|_| address(format!("\"{id}\" is no upload's id.")))?,
            part: part.parse().map_err(|words| address(format!("{words}.")))?,
            offset: offset.ok_or_else(|| {
                Fault::new(Code::Invalid, "The address does not say where the bytes belong.")
                    .field("offset")
                    .hint("Add ?offset= with how many bytes are there already; 0 at the beginning.")
            })?,
        })
    }

    async fn take(
        &self,
        web: &Web,
        caller: &Caller,
        headers: &HeaderMap,
        body: &mut BodyDataStream,
    ) -> Result<Response, Response> {
        let import = web.engine.import();
        let refused = |error: engine::Error| fault::of_engine(&error);
        let view = import.find_upload(caller, self.id).await.map_err(refused)?;
        let announced = match self.part {
            UploadPart::Database => view.bytes,
            UploadPart::Wal => view.wal.map_or(0, |(bytes, _)| bytes),
        };
        let length = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
        if length.is_some_and(|length| length > announced) {
            let fault = Fault::new(
                Code::Invalid,
                format!(
                    "The request is too large: {announced} bytes were announced for {}.",
                    view.name
                ),
            )
            .hint("The file grew, or is another one. Upload it anew.");
            return Err((StatusCode::PAYLOAD_TOO_LARGE, Json(fault)).into_response());
        }
        let data = chunks(web, caller, body);
        let taken = import.upload(caller, self.id, self.part, self.offset, data).await;
        taken.map(|view| Json(view).into_response()).map_err(refused)
    }
}

/// The body as it comes, for as long as there is a reason to wait for more.
fn chunks<'a>(
    web: &'a Web,
    caller: &'a Caller,
    body: &'a mut BodyDataStream,
) -> impl Stream<Item = Result<Bytes, &'static str>> + Send + 'a {
    async_stream::stream! {
        let mut recheck = tokio::time::interval_at(Instant::now() + web.recheck, web.recheck);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        loop {
            let next = tokio::select! {
                // A body that comes faster than it is written must not keep the others from being seen.
                biased;
                () = web.closing.cancelled() => Some(Err("the console is closing")),
                _ = recheck.tick() => {
                    if web.engine.session().still_live(caller).await {
                        continue;
                    }
                    Some(Err("the session has ended"))
                }
                () = tokio::time::sleep_until(last + REST) => Some(Err("nothing came for a minute")),
                next = body.next() => next.map(|chunk| chunk.map_err(|_| "the connection was lost")),
            };
            last = Instant::now();
            match next {
                Some(Ok(chunk)) => yield Ok(chunk),
                Some(Err(why)) => {
                    yield Err(why);
                    break;
                }
                None => break,
            }
        }
    }
}

async fn drain(body: &mut BodyDataStream) {
    let mut left = DRAINED;
    while let Some(Ok(chunk)) = body.next().await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => break,
        }
    }
}
