//! The card of an upload: choosing by click or by dropping, progress, and uploads of other times.

use crate::prelude::*;
use contract::{
    format,
    import::{UploadKind, UploadView},
};

use super::{
    create::Create,
    send::{dropped, picked},
    upload::{Going, Upload, received, total},
    uploads::Uploads,
};
use crate::ui::{Bytes, FaultView, ProgressBar, needs_script, whole_seconds};

/// All of it.
#[component]
pub fn UploadCard(
    /// Uploads that are there.
    there: Vec<UploadView>,
    /// The most bytes that an upload may have; 0 when uploads are switched off.
    limit: i64,
    /// The upload of this tab.
    upload: Upload,
    /// Begins an import.
    create: Create,
    /// Called when the list of uploads changed.
    changed: Callback<()>,
) -> impl IntoView {
    Effect::new(move |before: Option<Going>| {
        let going = upload.going.get();
        // What was left half done, or done, is in the list now.
        if before.is_some_and(|before| before != Going::No) && going == Going::No {
            changed.run(());
        }
        going
    });
    let head = match limit {
        0 => view! { <p>"Uploads are switched off. What is there already can be imported, or removed."</p> },
        limit => view! {
            <p>"Up to " <Bytes value=limit /> ". It goes to the console's machine and no further."</p>
        },
    };
    view! {
        <section class="card" aria-label="Upload">
            <div class="ch">
                <h2>"A file of your own"</h2>
                {head}
            </div>
            <div class="cb" hidden=move || limit == 0 && upload.fault.with(Option::is_none)>
                <Sending limit upload />
            </div>
            <Uploads there limit upload create changed />
        </section>
    }
}

/// Choosing a file, and sending it.
#[component]
pub fn Sending(
    /// The most bytes that an upload may have; 0 when uploads are switched off.
    limit: i64,
    /// The upload of this tab.
    upload: Upload,
) -> impl IntoView {
    let (what, label, more) = match upload.kind {
        UploadKind::Database => (
            "Choose a SQLite file",
            "Choose a SQLite file, or drop it here",
            "Is there a file of the same name that ends in -wal beside it? Choose both: the rows that were written last may be in it alone.",
        ),
        UploadKind::Archive => (
            "Choose an archive",
            "Choose an archive, or drop it here",
            "Of pg_dump --format=custom or tar, or the folder of --format=directory as one tar. SQL text is none.",
        ),
    };
    if limit > 0 {
        needs_script(what);
    }
    let over = RwSignal::new(false);
    let take = move |files| upload.choose(files, limit);
    let idle = move || !upload.is_busy();
    let drop = (limit > 0).then(|| {
        view! {
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
                <label for="upload-file">{label}</label>
                <input
                    id="upload-file"
                    type="file"
                    multiple={upload.kind == UploadKind::Database}
                    node_ref=upload.file_input
                    aria-describedby="upload-wal"
                    on:change=move |event| take(picked(&event))
                />
                <small id="upload-wal">
                    {more}
                </small>
            </div>
        }
    });
    view! {
        <div class="stack-s">
            {drop}
            <Chosen upload />
            <OnItsWay upload />
            <Spoken upload />
            {move || upload.fault.get().map(|fault| view! { <FaultView fault /> })}
        </div>
    }
}

/// What is chosen, before it is sent.
#[component]
fn Chosen(upload: Upload) -> impl IntoView {
    let words = move || {
        upload.chosen.get().map(|new| {
            let wal = match (new.wal_bytes, new.kind) {
                (Some(bytes), _) => view! { " with its -wal of " <Bytes value=bytes /> },
                (None, UploadKind::Database) => " without a -wal".into_any(),
                (None, UploadKind::Archive) => ().into_any(),
            };
            view! { {new.name} ", " <Bytes value=new.bytes /> {wal} }
        })
    };
    view! {
        <div class="row between" hidden=move || upload.chosen.with(Option::is_none) || upload.is_busy()>
            <b class="min-w-0">{words}</b>
            <div class="row">
                <button class="btn sm" type="button" on:click=move |_| upload.forget()>
                    "Another file"
                </button>
                <button class="btn pri sm" type="button" on:click=move |_| upload.begin()>
                    {upload.act}
                </button>
            </div>
        </div>
    }
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
    let (there, all) = (
        Signal::derive(move || sizes.get().0),
        Signal::derive(move || sizes.get().1),
    );
    let words = move || match (upload.going.get(), upload.pace.get()) {
        (Going::On, Some(pace)) if pace >= 1.0 => {
            let (received, total) = sizes.get();
            let left = whole_seconds(((total - received) as f64 / pace * 1000.0) as i64);
            format!(" · {} a second · about {left} left", format::bytes(pace as i64))
        }
        (Going::Waiting, _) => " · waiting to go on".to_owned(),
        (Going::Paused, _) => " · paused".to_owned(),
        (Going::Failed, _) => " · stopped".to_owned(),
        _ => String::new(),
    };
    // The reader may look at another database meanwhile.
    let destination = move || {
        let destination = upload.destination.get();
        (destination != upload.target.get()).then(|| format!(" · for {destination}"))
    };
    let sends = move || upload.going.get().sends();
    view! {
        <div class="job" hidden=move || !upload.is_busy()>
            <div class="r">
                <b>{move || format!("Upload {}", name.get())}</b>
                <span>{move || fraction.get().map(format::percent)}</span>
            </div>
            <ProgressBar fraction label=Signal::derive(move || format!("Upload of {}", name.get())) />
            <small class=move || if upload.going.get() == Going::Waiting { "wait" } else { "" }>
                <Bytes value=there />
                " of "
                <Bytes value=all />
                {words}
                {destination}
            </small>
            <p class="small" hidden=move || upload.why.with(Option::is_none)>
                {move || upload.why.get()}
            </p>
            <div class="row end mt-2">
                // One button for both, so that the focus stays on it.
                <button
                    class=move || if sends() { "btn sm" } else { "btn sm pri" }
                    type="button"
                    node_ref=upload.pause_button
                    on:click=move |_| {
                        match upload.going.get_untracked().sends() {
                            true => upload.pause(),
                            false => upload.run(),
                        }
                    }
                >
                    {move || if sends() { "Pause" } else { "Go on" }}
                </button>
                <button class="btn sm" type="button" on:click=move |_| upload.forget()>
                    "Stop"
                </button>
            </div>
        </div>
    }
}

/// Where the upload is, for who cannot see the bar: said when it begins, waits, goes on or is paused, not at each percent.
#[component]
fn Spoken(upload: Upload) -> impl IntoView {
    let words = Memo::new(move |_| {
        let name = || {
            let name = |view: &Option<UploadView>| view.as_ref().map(|view| view.name.clone());
            upload.view.with(name).unwrap_or_default()
        };
        match upload.going.get() {
            // A fault speaks for itself.
            Going::No | Going::Failed => String::new(),
            Going::On => format!("Uploading {}.", name()),
            Going::Waiting => {
                let why = upload.why.get().unwrap_or_default();
                format!("The upload waits to go on. {why}")
            }
            Going::Paused => format!("The upload of {} is paused.", name()),
        }
    });
    view! {
        <p class="sr-only" role="status" aria-live="polite">
            {words}
        </p>
    }
}
