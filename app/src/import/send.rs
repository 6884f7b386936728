//! The browser's side of an upload: chosen files, and their bytes on the way, a slice at a time.
//!
//! Each slice is one request that names its offset. What the console has is the truth: after anything unexpected it is
//! asked, and the upload goes on from there, also after the page was loaded again.

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

#[cfg(feature = "hydrate")]
pub use way::{Stop, now_ms, send};

#[cfg(feature = "hydrate")]
mod way {
    use contract::{Code, Fault, import::UploadView};
    use leptos::prelude::*;
    use wasm_bindgen::{JsCast, JsValue};
    use wasm_bindgen_futures::JsFuture;
    use web_sys::{AbortController, RequestInit, Response};

    use super::Handle;
    use crate::{import::api::find_upload, rpc::ApiError};

    /// Bytes of a slice.
    const SLICE: i64 = 8 * 1024 * 1024;

    /// Tries in a row that may fail before the reader is asked.
    const TRIES: u32 = 6;

    /// Breaks off the request that is on its way.
    pub type Stop = AbortController;

    /// What became of a slice.
    enum Answer {
        Taken(UploadView),
        /// The console has another number of bytes than we thought.
        Elsewhere,
        /// No answer: the network, or the console is starting again.
        Lost,
        Refused(Fault),
    }

    /// Sends what is missing of a file's part. Ends well with all of it there, or because it was stopped.
    ///
    /// # Errors
    /// What the console refused, or that it cannot be reached for a while.
    pub async fn send(
        file: &Handle,
        wal: bool,
        upload: RwSignal<Option<UploadView>>,
        stop: &Stop,
        told: impl Fn(&UploadView),
    ) -> Result<(), Fault> {
        let mut failed = 0;
        loop {
            let Some(view) = upload.get_untracked() else {
                return Ok(());
            };
            let (bytes, received) = match (wal, view.wal) {
                (false, _) => (view.bytes, view.received),
                (true, Some(wal)) => wal,
                (true, None) => return Ok(()),
            };
            if received >= bytes || stop.signal().aborted() {
                return Ok(());
            }
            let end = (received + SLICE).min(bytes);
            let part = if wal { "wal" } else { "database" };
            let url = format!("/import/uploads/{}/{part}?offset={received}", view.id);
            match put(&url, file, received, end, stop).await {
                Answer::Taken(view) => {
                    failed = 0;
                    told(&view);
                    upload.set(Some(view));
                    continue;
                }
                Answer::Refused(fault) => return Err(fault),
                Answer::Elsewhere | Answer::Lost if stop.signal().aborted() => return Ok(()),
                Answer::Elsewhere => {}
                Answer::Lost => sleep(500 << failed.min(4)).await,
            }
            failed += 1;
            if failed >= TRIES {
                return Err(Fault::new(Code::Internal, "The upload came to a halt.").hint(
                    "Check the network and that the file was not changed since it was chosen, then go on.",
                ));
            }
            match find_upload(view.id).await {
                Ok(view) => upload.set(Some(view)),
                Err(ApiError(fault)) if fault.code == Code::Internal => {}
                Err(ApiError(fault)) => return Err(fault),
            }
        }
    }

    async fn put(url: &str, file: &Handle, from: i64, to: i64, stop: &Stop) -> Answer {
        let Ok(slice) = file.slice_with_f64_and_f64(from as f64, to as f64) else {
            return Answer::Lost;
        };
        let init = RequestInit::new();
        init.set_method("PUT");
        init.set_body(&slice);
        init.set_signal(Some(&stop.signal()));
        let answer = JsFuture::from(window().fetch_with_str_and_init(url, &init)).await;
        let Some(answer) = answer.ok().and_then(|answer| answer.dyn_into::<Response>().ok()) else {
            return Answer::Lost;
        };
        let text = match answer.text() {
            Ok(text) => JsFuture::from(text).await,
            Err(error) => Err(error),
        };
        let Some(text) = text.ok().and_then(|text| text.as_string()) else {
            return Answer::Lost;
        };
        match answer.status() {
            200..=299 => serde_json::from_str(&text).map_or(Answer::Lost, Answer::Taken),
            409 => Answer::Elsewhere,
            // A proxy's own words, while the console behind it starts again.
            502..=504 => Answer::Lost,
            status => Answer::Refused(serde_json::from_str(&text).unwrap_or_else(|_| {
                Fault::new(
                    Code::Internal,
                    format!("The upload was answered with status {status}."),
                )
                .hint("Something between this browser and the console may limit the size of requests.")
            })),
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
