//! The card of an upload: choosing by click or by dropping, progress, and uploads of other times.

use contract::{format, import::UploadView};
use leptos::prelude::*;

use super::{
    choose::Create,
    send::{dropped, picked},
    upload::{Going, Upload, received, total},
    uploads::Uploads,
};
use crate::ui::{FaultView, ProgressBar, use_hydrated, whole_seconds};

/// All of it.
#[component]
pub fn UploadCard(
    /// Uploads that are there.
    there: Vec<UploadView>,
    /// The most bytes that an upload may have.
    limit: i64,
    /// Begins an import.
    create: Create,
    /// Called when the list of uploads changed.
    changed: Callback<()>,
) -> impl IntoView {
    let upload = Upload::new(create);
    let hydrated = use_hydrated();
    let over = RwSignal::new(false);
    let take = move |files| upload.choose(files, limit);
    let idle = move || !upload.is_busy();
    Effect::new(move |before: Option<Going>| {
        let going = upload.going.get();
        // What was left half done, or done, is in the list now.
        if before.is_some_and(|before| before != Going::No) && going == Going::No {
            changed.run(());
        }
        going
    });
    view! {
        <section class="card" aria-label="Upload">
            <div class="ch">
                <h2>"A file of your own"</h2>
                <p>{format!("Up to {}. It goes to the console's machine and no further.", format::bytes(limit))}</p>
            </div>
            <div class="cb stack-s">
                <div
                    class=move || if over.get() { "drop over" } else { "drop" }
                    hidden=move || !idle()
                    on:dragover=move |event| {
                        event.prevent_default();
                        over.set(true);
                    }
                    on:dragleave=move |_| over.set(false)
                    on:drop=move |event| {
                        event.prevent_default();
                        over.set(false);
                        take(dropped(&event));
                    }
                >
                    <label for="upload-file">"Choose a SQLite file, or drop it here"</label>
                    <input
                        id="upload-file"
                        type="file"
                        multiple
                        aria-describedby="upload-wal"
                        disabled=move || !hydrated.get()
                        on:change=move |event| take(picked(&event))
                    />
                    <small id="upload-wal">
                        "Is there a file of the same name that ends in -wal beside it? Choose both: the rows that were written last may be in it alone."
                    </small>
                </div>
                <p class="muted small" hidden=move || hydrated.get()>
                    "Uploading needs JavaScript."
                </p>
                <Chosen upload />
                <OnItsWay upload />
                {move || upload.fault.get().map(|fault| view! { <FaultView fault /> })}
            </div>
            <Uploads there upload create changed />
        </section>
    }
    .into_any()
}

/// What is chosen, before it is sent.
#[component]
fn Chosen(upload: Upload) -> impl IntoView {
    let words = move || {
        upload.chosen.get().map(|new| {
            let wal = match new.wal_bytes {
                Some(bytes) => format!(" with its -wal of {}", format::bytes(bytes)),
                None => " without a -wal".to_owned(),
            };
            format!("{}, {}{wal}", new.name, format::bytes(new.bytes))
        })
    };
    view! {
        <div class="row between" hidden=move || upload.chosen.with(Option::is_none) || upload.is_busy()>
            <b class="min-w-0">{words}</b>
            <div class="row">
                <button class="btn sm" type="button" on:click=move |_| upload.forget()>
                    "Another file"
                </button>
                <button class="btn pri sm" type="button" on:click=move |_| upload.run()>
                    "Upload and inspect"
                </button>
            </div>
        </div>
    }
    .into_any()
}

/// The bar, the pace, and what can be done meanwhile.
#[component]
fn OnItsWay(upload: Upload) -> impl IntoView {
    let sizes = Memo::new(move |_| {
        upload
            .view
            .with(|view| view.as_ref().map_or((0, 0), |view| (received(view), total(view))))
    });
    let fraction = Signal::derive(move || match sizes.get() {
        (_, 0) => None,
        (received, total) => Some(received as f64 / total as f64),
    });
    let name = Signal::derive(move || {
        upload
            .view
            .with(|view| view.as_ref().map(|view| view.name.clone()).unwrap_or_default())
    });
    let words = move || {
        let (received, total) = sizes.get();
        let mut words = format!("{} of {}", format::bytes(received), format::bytes(total));
        match (upload.going.get(), upload.pace.get()) {
            (Going::On, Some(pace)) if pace >= 1.0 => {
                let left = whole_seconds(((total - received) as f64 / pace * 1000.0) as i64);
                words.push_str(&format!(
                    " · {} a second · about {left} left",
                    format::bytes(pace as i64)
                ));
            }
            (Going::Paused, _) => words.push_str(" · paused"),
            (Going::Failed, _) => words.push_str(" · stopped"),
            _ => {}
        }
        words
    };
    let is_on = move || upload.going.get() == Going::On;
    view! {
        <div class="job" hidden=move || !upload.is_busy()>
            <div class="r">
                <b>{move || format!("Upload {}", name.get())}</b>
                <span>{move || fraction.get().map(format::percent)}</span>
            </div>
            <ProgressBar fraction label=Signal::derive(move || format!("Upload of {}", name.get())) />
            <small>{words}</small>
            <div class="row end mt-2">
                <button class="btn sm" type="button" hidden=move || !is_on() on:click=move |_| upload.pause()>
                    "Pause"
                </button>
                <button class="btn sm pri" type="button" hidden=is_on on:click=move |_| upload.run()>
                    "Go on"
                </button>
                <button class="btn sm" type="button" on:click=move |_| upload.forget()>
                    "Stop"
                </button>
            </div>
        </div>
    }
    .into_any()
}
