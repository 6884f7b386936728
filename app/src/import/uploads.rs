//! Uploads of other times: whole ones to import, unfinished ones to go on with.

use contract::import::UploadView;
use uuid::Uuid;

use super::{
    api::delete_upload,
    create::Create,
    send::picked,
    upload::{Upload, received, total},
};
use crate::{
    prelude::*,
    rpc::ApiError,
    ui::{Ago, Bytes, ConfirmDialog, needs_script, use_hydrated, use_toasts},
};

/// Below the buttons that begin an import: the plain form that they send.
const FORM: &str = "import-upload";

/// Uploads, newest first; nothing when there is none.
#[component]
pub fn Uploads(
    /// The uploads.
    there: Vec<UploadView>,
    /// The most bytes that an upload may have; 0 when uploads are switched off, and then none goes on.
    limit: i64,
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
    let goes_on = limit > 0;
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
            <form id=FORM method="post" action="/rpc/create_import">
                <input type="hidden" name="target" value=move || upload.target.get() />
            </form>
            {there
                .into_iter()
                .map(|view| view! { <Row view goes_on upload create ask /> })
                .collect_view()}
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
}

#[component]
fn Row(
    view: UploadView,
    goes_on: bool,
    upload: Upload,
    create: Create,
    ask: Callback<UploadView>,
) -> impl IntoView {
    let hydrated = use_hydrated();
    let id = view.id;
    let whole = view.is_whole();
    let with_wal = if view.wal.is_some() { " with its -wal" } else { "" };
    let so_far = (!whole).then(|| view! { <Bytes value=received(&view) /> " of " });
    let last = (!whole && view.received_at > view.created_at)
        .then(|| view! { ", last byte " <Ago at=view.received_at /> });
    let (verb, at) = match whole {
        true => (", uploaded ", view.received_at),
        false => (", begun ", view.created_at),
    };
    let again = StoredValue::new(view.clone());
    needs_script("Remove…");
    if !whole && goes_on {
        needs_script("Resume");
    }
    let act = match (whole, goes_on) {
        (true, _) => view! {
            <p>
                <button
                    class="btn sm"
                    type="submit"
                    form=FORM
                    name="upload"
                    value=id.to_string()
                    aria-label=format!("Inspect {}", view.name)
                    aria-disabled=move || create.pending().get().then_some("true")
                    on:click=move |event| {
                        if hydrated.get_untracked() {
                            event.prevent_default();
                            create.dispatch((upload.target.get_untracked(), None, Some(id)));
                        }
                    }
                >
                    "Inspect"
                </button>
            </p>
        },
        (false, true) => view! {
            <p>
                <label class="small">
                    {match view.wal {
                        Some(_) => format!("Resume: choose the same files, {0} and {0}-wal ", view.name),
                        None => format!("Resume: choose the same file, {} ", view.name),
                    }}
                    <input
                        type="file"
                        multiple
                        class="max-w-full"
                        on:change=move |event| upload.resume(again.get_value(), picked(&event))
                    />
                </label>
            </p>
        },
        (false, false) => ().into_any(),
    };
    view! {
        <div class="item">
            <span class=if whole { "badge ok" } else { "badge warn" }>{if whole { "Whole" } else { "Unfinished" }}</span>
            <b class="min-w-0">{view.name.clone()}</b>
            <button
                class="btn sm dan"
                type="button"
                aria-label=format!("Remove the upload of {}", view.name)
                on:click=move |_| ask.run(again.get_value())
            >
                "Remove…"
            </button>
            <p>
                {so_far} <Bytes value=total(&view) /> {with_wal} {verb} <Ago at /> " by " {view.created_by.clone()} {last}
            </p>
            {act}
        </div>
    }
}
