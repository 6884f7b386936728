//! Uploads of other times: whole ones to import, unfinished ones to go on with.

use contract::{format, import::UploadView};
use leptos::prelude::*;
use uuid::Uuid;

use super::{
    api::delete_upload,
    choose::Create,
    send::picked,
    upload::{Upload, received, total},
};
use crate::{
    rpc::ApiError,
    ui::{Ago, ConfirmDialog, use_hydrated, use_toasts},
};

/// Uploads, newest first; nothing when there is none.
#[component]
pub fn Uploads(
    /// The uploads.
    there: Vec<UploadView>,
    /// The upload of this tab.
    upload: Upload,
    /// Begins an import.
    create: Create,
    /// Called when one was removed.
    changed: Callback<()>,
) -> impl IntoView {
    if there.is_empty() {
        return ().into_any();
    }
    let toasts = use_toasts();
    let asked = RwSignal::new(None::<UploadView>);
    let open = RwSignal::new(false);
    let remove = Action::new(|id: &Uuid| delete_upload(*id));
    let fault = Signal::derive(move || match remove.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    Effect::new(move || {
        if let Some(Ok(())) = remove.value().get() {
            open.set(false);
            toasts.ok("The upload is removed.");
            changed.run(());
        }
    });
    let ask = Callback::new(move |view| {
        remove.value().set(None);
        asked.set(Some(view));
        open.set(true);
    });
    let name = move || asked.with(|view| view.as_ref().map(|view| view.name.clone()).unwrap_or_default());
    view! {
        <div hidden=move || upload.is_busy()>
            {there.into_iter().map(|view| view! { <Row view upload create ask /> }).collect_view()}
        </div>
        <ConfirmDialog
            open
            title=Signal::derive(move || format!("Remove the upload of {}?", name()))
            name=""
            act="Remove upload"
            pending=remove.pending()
            fault
            on_confirm=Callback::new(move |_| {
                if let Some(id) = asked.with_untracked(|view| view.as_ref().map(|view| view.id)) {
                    remove.dispatch(id);
                }
            })
        >
            <p>"The copy on the console's machine is deleted. Your own file stays as it is."</p>
        </ConfirmDialog>
    }
    .into_any()
}

#[component]
fn Row(view: UploadView, upload: Upload, create: Create, ask: Callback<UploadView>) -> impl IntoView {
    let hydrated = use_hydrated();
    let id = view.id;
    let whole = view.is_whole();
    let with_wal = if view.wal.is_some() { " with its -wal" } else { "" };
    let words = match whole {
        true => format!("{}{with_wal}, uploaded ", format::bytes(total(&view))),
        false => format!(
            "{} of {}{with_wal}, begun ",
            format::bytes(received(&view)),
            format::bytes(total(&view))
        ),
    };
    let again = StoredValue::new(view.clone());
    let act = match whole {
        true => view! {
            <button
                class="btn sm"
                type="button"
                aria-label=format!("Inspect {}", view.name)
                disabled=move || !hydrated.get() || create.pending().get()
                on:click=move |_| {
                    create.dispatch((None, Some(id)));
                }
            >
                "Inspect"
            </button>
        }
        .into_any(),
        false => view! {
            <label class="small">
                "Resume: choose the same file "
                <input
                    type="file"
                    multiple
                    class="max-w-full"
                    disabled=move || !hydrated.get()
                    on:change=move |event| upload.resume(again.get_value(), picked(&event))
                />
            </label>
        }
        .into_any(),
    };
    view! {
        <div class="item">
            <span class=if whole { "badge ok" } else { "badge warn" }>{if whole { "Whole" } else { "Unfinished" }}</span>
            <b class="min-w-0">{view.name.clone()}</b>
            <button
                class="btn sm dan"
                type="button"
                aria-label=format!("Remove the upload of {}", view.name)
                disabled=move || !hydrated.get()
                on:click=move |_| ask.run(again.get_value())
            >
                "Remove…"
            </button>
            <p>{words} <Ago at=view.created_at /></p>
            <p>{act}</p>
        </div>
    }
    .into_any()
}
