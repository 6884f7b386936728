//! Discarding an import.

use contract::import::{Destination, ImportId, ImportView};
use leptos_router::hooks::use_navigate;

use super::api::discard_import;
use crate::{
    address::link,
    prelude::*,
    rpc::ApiError,
    ui::{ConfirmDialog, needs_script, use_toasts},
};

/// A button that says what will be lost. Where tables would be dropped, the database's name must be typed.
#[component]
pub fn DiscardButton(
    /// The import.
    import: ImportView,
    /// Whether rows of it are in the target.
    left_something: bool,
    /// Whether it made its tables.
    into: Destination,
    /// Whether a job goes on, which has to end first.
    going_on: Memo<bool>,
) -> impl IntoView {
    needs_script("Discard…");
    let toasts = use_toasts();
    let navigate = use_navigate();
    let open = RwSignal::new(false);
    let discard = Action::new(|(id, confirm): &(ImportId, String)| discard_import(*id, confirm.clone()));
    let fault = Signal::derive(move || match discard.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    let back = link(&import.target, "import");
    Effect::new(move || match discard.value().get() {
        Some(Ok(None)) => {
            open.set(false);
            toasts.ok("The import is discarded.");
            navigate(&back, Default::default());
        }
        // The job may take a while, and says what it dropped. The page of an import that goes away is left for good.
        #[cfg(feature = "hydrate")]
        Some(Ok(Some(job))) => {
            // Fails only in a window that is going away itself.
            let _ = window().location().set_href(&format!("/jobs/{job}"));
        }
        _ => {}
    });
    let (id, target) = (import.id, import.target.clone());
    let name = StoredValue::new(target.clone());
    let title = format!("Discard the import of {} into {target}?", import.file);
    let words = match (left_something, into) {
        (true, Destination::Existing) => format!(
            "What is noted about how far the import was is deleted, and its record. Rows that went into tables of {target} stay there."
        ),
        (true, Destination::New) => format!(
            "The tables that this import made in {target} are dropped with all their rows, and its record is deleted. Tables that were there before stay, and so do rows that went into them."
        ),
        (false, _) => format!(
            "What was found and decided is forgotten. Nothing of this import is in {target}, so nothing is dropped there."
        ),
    };
    let words = StoredValue::new(words);
    let asked = if left_something {
        name.get_value()
    } else {
        String::new()
    };
    view! {
        <button
            class="btn dan"
            type="button"
            aria-disabled=move || going_on.get().then_some("true")
            on:click=move |_| {
                discard.value().set(None);
                open.set(true);
            }
        >
            "Discard…"
        </button>
        <ConfirmDialog
            open
            title=Signal::stored(title)
            name=Signal::stored(asked)
            act="Discard"
            pending=discard.pending()
            fault
            on_confirm=Callback::new(move |typed: String| {
                // Where nothing is to be dropped nobody has confirmed a name, and none is sent.
                discard.dispatch((id, if left_something { typed } else { String::new() }));
            })
        >
            <p>{words.get_value()}</p>
            <p>"The file itself is not touched. This cannot be undone."</p>
        </ConfirmDialog>
    }
}
