//! Bringing over what changed in an upload that is followed: its file comes again as another upload.

use crate::prelude::*;
use contract::{
    format,
    import::{ImportView, NewerUploads, UploadKind},
};
use uuid::Uuid;

use super::{
    start::{Ask, FinishButton, StartButton},
    upload::{Upload, total},
    upload_card::Sending,
};

/// Takes the file as it is now, or one of the uploads that may be it, and brings over what changed.
#[component]
pub fn FollowUpload(
    /// The import.
    import: ImportView,
    /// What there is of the file as it is now.
    newer: NewerUploads,
    /// Whether a job goes on.
    going_on: Memo<bool>,
    /// Loads the page again.
    reload: Callback<()>,
) -> impl IntoView {
    let NewerUploads {
        uploads,
        upload_limit,
    } = newer;
    // One of another name may be another database with the same tables: that one has to be chosen.
    let first = uploads
        .first()
        .filter(|view| view.name == import.file)
        .map(|view| view.id);
    let chosen = RwSignal::new(first);
    let upload = Signal::from(chosen);
    let id = import.id;
    let target = StoredValue::new(import.target.clone());
    let sending = Upload::new(
        UploadKind::Database,
        Memo::new(move |_| target.get_value()),
        "Upload",
        // It is the first of those that are offered then.
        Callback::new(move |_| reload.run(())),
    );
    let hint = match upload_limit {
        0 => "Uploads are switched off. What is there already can be chosen.",
        _ => "To bring over what changed since, upload the file as it is now.",
    };
    let waits = Memo::new(move |_| going_on.get() || chosen.get().is_none());
    let offered: Vec<(Uuid, String)> = uploads
        .iter()
        .map(|view| {
            let (size, when) = (
                format::bytes(total(view)),
                crate::zone::absolute(view.received_at),
            );
            (view.id, format!("{}, {size}, uploaded {when}", view.name))
        })
        .collect();
    let named = StoredValue::new(offered.clone());
    let reads = Signal::derive(move || {
        let words = chosen.get().and_then(|chosen| {
            named.with_value(|named| {
                let found = named.iter().find(|(id, _)| *id == chosen);
                found.map(|(_, words)| words.clone())
            })
        });
        match words {
            Some(words) => format!("The file that is read: {words}."),
            None => "No newer upload is chosen: the one that was read last is read again, and following ends with it.".to_owned(),
        }
    });
    let choice = (!offered.is_empty()).then(|| {
        let options = offered.into_iter().map(|(id, words)| {
            view! {
                <option value=id.to_string() selected=Some(id) == first>
                    {words}
                </option>
            }
        });
        view! {
            <select
                class="input w-auto max-w-full"
                aria-label="The file as it is now"
                on:change=move |event| chosen.set(event_target_value(&event).parse().ok())
            >
                <option value="" selected=first.is_none()>
                    "Choose the upload"
                </option>
                {options.collect_view()}
            </select>
            <StartButton id ask=Ask::Follow upload going_on=waits reload />
        }
    });
    view! {
        <div class="ch" data-part="import_newer">
            <h3>"Followed"</h3>
            <span class="muted">{hint}</span>
        </div>
        <div class="cb stack-s">
            <div hidden=move || going_on.get() || upload_limit == 0>
                <Sending limit=upload_limit upload=sending />
            </div>
            <div class="row">
                {choice} <FinishButton import upload reads going_on reload />
            </div>
        </div>
    }
}
