//! The browser's side of an upload: chosen files, and their bytes on the way, a slice at a time.
//!
//! Each slice is one request that names its offset. What the console has is the truth: after anything unexpected it is
//! asked, and the upload goes on from there, also after the page was loaded again. What may pass is waited for.

#[cfg(any(feature = "hydrate", test))]
use contract::{Code, Fault, import::UploadView};
use leptos::prelude::*;

/// A chosen file as the browser holds it.
#[cfg(feature = "hydrate")]
pub type Handle = web_sys::File;

/// On the server nothing is ever chosen.
#[cfg(not(feature = "hydrate"))]
pub type Handle = ();

/// A chosen file.
#[derive(Clone, Debug)]
pub struct Picked {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: i64,
    /// When it was last written to, in milliseconds since 1970.
    pub modified_ms: Option<i64>,
    /// The file itself.
    pub handle: Handle,
}

/// The files that an `<input type="file">` was given; it forgets them, so that the same can be chosen again.
#[cfg(feature = "hydrate")]
pub fn picked(event: &leptos::ev::Event) -> Vec<Picked> {
    let input: web_sys::HtmlInputElement = event_target(event);
    let files = input.files().map(list).unwrap_or_default();
    input.set_value("");
    files
}

#[cfg(not(feature = "hydrate"))]
pub fn picked(_event: &leptos::ev::Event) -> Vec<Picked> {
    Vec::new()
}

/// The files that were dropped onto the page.
#[cfg(feature = "hydrate")]
pub fn dropped(event: &leptos::ev::DragEvent) -> Vec<Picked> {
    let files = event.data_transfer().and_then(|data| data.files());
    files.map(list).unwrap_or_default()
}

#[cfg(not(feature = "hydrate"))]
pub fn dropped(_event: &leptos::ev::DragEvent) -> Vec<Picked> {
    Vec::new()
}

/// Reads a small file as text; nothing when it cannot be read.
#[cfg(feature = "hydrate")]
pub fn read_text(file: Picked, then: Callback<Option<String>>) {
    leptos::task::spawn_local(async move {
        let text = wasm_bindgen_futures::JsFuture::from(file.handle.text()).await;
        then.run(text.ok().and_then(|text| text.as_string()));
    });
}

#[cfg(not(feature = "hydrate"))]
pub fn read_text(_file: Picked, _then: Callback<Option<String>>) {}

/// A text of JSON with line breaks, as people like to read it.
#[cfg(feature = "hydrate")]
pub fn pretty(json: &str) -> String {
    use wasm_bindgen::JsValue;

    js_sys::JSON::parse(json)
        .and_then(|value| {
            js_sys::JSON::stringify_with_replacer_and_space(&value, &JsValue::NULL, &JsValue::from_f64(2.0))
        })
        .map_or_else(|_| json.to_owned(), String::from)
}

#[cfg(not(feature = "hydrate"))]
pub fn pretty(json: &str) -> String {
    json.to_owned()
}

#[cfg(feature = "hydrate")]
fn list(files: web_sys::FileList) -> Vec<Picked> {
    (0..files.length())
        .filter_map(|at| files.get(at))
        .map(|file| Picked {
            name: file.name(),
            bytes: file.size() as i64,
            modified_ms: Some(file.last_modified() as i64),
            handle: file,
        })
        .collect()
}

/// What became of a slice.
#[cfg(any(feature = "hydrate", test))]
#[derive(Debug, PartialEq)]
enum Answer {
    /// It is there.
    Taken(UploadView),
    /// The console has another number of bytes than we thought.
    Elsewhere(String),
    /// Something is in the way that may pass, such as a console that starts again.
    Later(String),
    /// It is not taken, and would not be later.
    Refused(Fault),
}

#[cfg(any(feature = "hydrate", test))]
impl Answer {
    /// Reads an answer of the console, or of what stands before it.
    fn read(status: u16, text: &str) -> Self {
        if (200..300).contains(&status) {
            let unread = || Self::Later("The console's answer could not be read.".to_owned());
            return serde_json::from_str(text).map_or_else(|_| unread(), Self::Taken);
        }
        match (status, serde_json::from_str::<Fault>(text)) {
            // Other conflicts, such as a full disk, do not pass by asking again.
            (409, Ok(fault)) if fault.field.as_deref() == Some("offset") => Self::Elsewhere(fault.message),
            // A request that broke off holds the file until the console notices, which takes up to a minute.
            (429 | 502..=504, Ok(fault)) => Self::Later(fault.message),
            // A proxy's own words.
            (408 | 425 | 429 | 502..=504, Err(_)) => Self::Later(format!(
                "Something before the console answers with status {status}."
            )),
            (_, Ok(fault)) => Self::Refused(fault),
            (status, Err(_)) => Self::Refused(
                Fault::new(
                    Code::Internal,
                    format!("The upload was answered with status {status}."),
                )
                .hint("Something between this browser and the console may limit the size of requests."),
            ),
        }
    }
}

/// How long to wait after so many tries in vain, in milliseconds: twice as long each time, at most ten seconds.
#[cfg(any(feature = "hydrate", test))]
fn pause_ms(tries: u32) -> i32 {
    (500 << tries.min(5)).min(10_000)
}

#[cfg(feature = "hydrate")]
pub use way::{Stop, now_ms, send};

#[cfg(feature = "hydrate")]
mod way {
    use contract::{Code, Fault, import::UploadView};
    use leptos::prelude::*;
    use wasm_bindgen::{JsCast, JsValue};
    use wasm_bindgen_futures::JsFuture;
    use web_sys::{AbortController, Blob, RequestInit, Response};

    use super::{Answer, Handle, pause_ms};
    use crate::{import::api::find_upload, rpc::ApiError};

    /// Bytes of a slice.
    const SLICE: i64 = 8 * 1024 * 1024;

    /// Bytes of the first slice after trouble, whose end soon says that the upload goes on.
    const SMALL_SLICE: i64 = 512 * 1024;

    /// How long it is tried in vain before the reader is asked, in milliseconds.
    const PATIENCE_MS: f64 = 180_000.0;

    /// Between two looks whether a wait was ended, in milliseconds.
    const LOOK_MS: i32 = 250;

    /// Breaks off the request that is on its way.
    pub type Stop = AbortController;

    /// Sends what is missing of a file's part. Ends well with all of it there, or because it was stopped. `told` gets to
    /// know how much is there, and what is waited for.
    ///
    /// # Errors
    /// What the console refused, or that it was tried in vain for too long.
    pub async fn send(
        file: &Handle,
        wal: bool,
        view: &mut UploadView,
        stop: &Stop,
        told: &impl Fn(&UploadView, Option<&str>),
    ) -> Result<(), Fault> {
        let (mut since, mut tries) = (None, 0);
        loop {
            let (bytes, received) = match (wal, view.wal) {
                (false, _) => (view.bytes, view.received),
                (true, Some(wal)) => wal,
                (true, None) => return Ok(()),
            };
            if received >= bytes || stop.signal().aborted() {
                return Ok(());
            }
            let slice = if tries == 0 { SLICE } else { SMALL_SLICE };
            let end = (received + slice).min(bytes);
            let part = if wal { "wal" } else { "database" };
            let url = format!("/import/uploads/{}/{part}?offset={received}", view.id);
            let (mut why, mut at_once) = match put(&url, file, received, end, stop).await {
                Answer::Taken(there) => {
                    (since, tries) = (None, 0);
                    *view = there;
                    told(view, None);
                    continue;
                }
                Answer::Refused(fault) => return Err(fault),
                Answer::Elsewhere(why) => (why, tries == 0),
                Answer::Later(why) => (why, false),
            };
            // Asks how much is there, until there is an answer.
            loop {
                if stop.signal().aborted() {
                    return Ok(());
                }
                if now_ms() - *since.get_or_insert_with(now_ms) > PATIENCE_MS {
                    return Err(halted(&why));
                }
                if !std::mem::take(&mut at_once) {
                    told(view, Some(&why));
                    pause(pause_ms(tries), stop).await;
                }
                tries += 1;
                match find_upload(view.id).await {
                    Ok(there) => {
                        *view = there;
                        break;
                    }
                    Err(ApiError(fault))
                        if matches!(fault.code, Code::Internal | Code::Busy | Code::Unavailable) =>
                    {
                        why = fault.message;
                    }
                    Err(ApiError(fault)) => return Err(fault),
                }
            }
        }
    }

    fn halted(why: &str) -> Fault {
        Fault::new(
            Code::Internal,
            format!("The upload came to a halt, after three minutes in vain. {why}"),
        )
        .hint("Check the network and whether the console runs, then go on; what is there is kept.")
    }

    async fn put(url: &str, file: &Handle, from: i64, to: i64, stop: &Stop) -> Answer {
        let Ok(slice) = file.slice_with_f64_and_f64(from as f64, to as f64) else {
            return Answer::Refused(unreadable());
        };
        let init = RequestInit::new();
        init.set_method("PUT");
        init.set_body(&slice);
        init.set_signal(Some(&stop.signal()));
        let lost = || Answer::Later("The console cannot be reached.".to_owned());
        let answer = JsFuture::from(window().fetch_with_str_and_init(url, &init)).await;
        let Some(answer) = answer.ok().and_then(|answer| answer.dyn_into::<Response>().ok()) else {
            // The browser does not say whether it is the network or the file.
            return match stop.signal().aborted() || is_readable(&slice).await {
                true => lost(),
                false => Answer::Refused(unreadable()),
            };
        };
        let text = match answer.text() {
            Ok(text) => JsFuture::from(text).await,
            Err(error) => Err(error),
        };
        match text.ok().and_then(|text| text.as_string()) {
            Some(text) => Answer::read(answer.status(), &text),
            None => lost(),
        }
    }

    /// Browsers let nothing be read of a file that was changed since it was chosen.
    async fn is_readable(slice: &Blob) -> bool {
        match slice.slice_with_f64_and_f64(0.0, 1.0) {
            Ok(first) => JsFuture::from(first.text()).await.is_ok(),
            Err(_) => false,
        }
    }

    fn unreadable() -> Fault {
        Fault::new(
            Code::Conflict,
            "The file cannot be read any more: it was changed, moved or removed since it was chosen.",
        )
        .hint("Stop the program that uses it. If it was changed, remove this upload and begin anew.")
    }

    /// Waits, unless it is stopped.
    async fn pause(ms: i32, stop: &Stop) {
        let mut left = ms;
        while left > 0 && !stop.signal().aborted() {
            sleep(left.min(LOOK_MS)).await;
            left -= LOOK_MS;
        }
    }

    async fn sleep(ms: i32) {
        let wait = js_sys::Promise::new(&mut |resolve, _| {
            // Fails only in a window that is going away, where nothing waits any more.
            let _ = window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms);
        });
        let _: Result<JsValue, JsValue> = JsFuture::from(wait).await;
    }

    /// The browser's clock in milliseconds.
    pub fn now_ms() -> f64 {
        js_sys::Date::now()
    }
}

#[cfg(all(test, not(feature = "hydrate")))]
mod tests {
    use super::*;

    fn answered(code: Code, field: Option<&str>, words: &str) -> Answer {
        let fault = Fault {
            field: field.map(str::to_owned),
            ..Fault::new(code, words)
        };
        Answer::read(code.status(), &serde_json::to_string(&fault).unwrap_or_default())
    }

    #[test]
    fn only_another_offset_sends_the_upload_elsewhere() {
        let elsewhere = answered(Code::Conflict, Some("offset"), "8 bytes are there.");
        assert_eq!(elsewhere, Answer::Elsewhere("8 bytes are there.".to_owned()));
        let Answer::Refused(fault) = answered(Code::Conflict, None, "The disk is full.") else {
            unreachable!("a full disk is not tried again")
        };
        assert_eq!(fault.message, "The disk is full.");
    }

    #[test]
    fn what_may_pass_is_waited_for_and_says_why() {
        let busy = answered(Code::Busy, None, "a.db is being sent by someone else.");
        assert_eq!(
            busy,
            Answer::Later("a.db is being sent by someone else.".to_owned())
        );
        for status in [429, 502, 503, 504] {
            let proxy = Answer::read(status, "<html>a proxy's page</html>");
            assert!(
                matches!(&proxy, Answer::Later(why) if why.contains(&status.to_string())),
                "{proxy:?}"
            );
        }
        assert!(matches!(Answer::read(200, "<html>"), Answer::Later(_)));
        for status in [409, 413, 500] {
            assert!(
                matches!(Answer::read(status, "<html>"), Answer::Refused(_)),
                "{status}"
            );
        }
        assert!(matches!(
            answered(Code::Unauthenticated, None, "Gone."),
            Answer::Refused(_)
        ));
    }

    #[test]
    fn the_pauses_grow_and_end_at_ten_seconds() {
        let pauses: Vec<i32> = (0..7).map(pause_ms).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(pause_ms(u32::MAX), 10_000);
    }
}
