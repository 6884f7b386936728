//! What people write on a backup.

use contract::{
    backup::BackupView,
    retention::{Mark, MarkBackup},
};

use crate::{
    prelude::*,
    rpc::ApiError,
    schedule::api::mark_backup,
    ui::{Dialog, FaultView, Field, use_toasts},
};

/// Asks for a backup's label and note, and keeps both.
#[component]
pub fn LabelDialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// The backup.
    backup: Memo<BackupView>,
    /// The managed database.
    target: Memo<String>,
    /// Called when they are kept.
    changed: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let (label, note) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let keep = Action::new(|request: &MarkBackup| mark_backup(request.clone()));
    let fault = Signal::derive(move || match keep.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    Effect::new(move || {
        if open.get() {
            let marks = backup.with_untracked(|backup| backup.marks.clone());
            label.set(marks.label.unwrap_or_default());
            note.set(marks.note.unwrap_or_default());
            keep.value().set(None);
        }
    });
    Effect::new(move || {
        if let Some(Ok(_)) = keep.value().get() {
            open.set(false);
            toasts.ok("Label and note are kept beside the backup.");
            changed.run(());
        }
    });
    let title =
        backup.with_untracked(|backup| format!("The backup of {}", crate::zone::absolute(backup.taken_at)));
    view! {
        <Dialog open title=Signal::stored(title)>
            <form
                class="form"
                on:submit=move |event| {
                    event.prevent_default();
                    if !keep.pending().get_untracked() {
                        keep.dispatch(MarkBackup {
                            target: target.get_untracked(),
                            id: backup.with_untracked(|backup| backup.id),
                            mark: Mark::Words { label: label.get_untracked(), note: note.get_untracked() },
                        });
                    }
                }
            >
                <Field name="label" label="Label" value=label required=false help="A few words to know it by. No rule looks at them: only a pin keeps a backup." fault />
                <div class="field">
                    <label for="note">"Note"</label>
                    <textarea
                        id="note"
                        name="note"
                        rows="4"
                        prop:value=move || note.get()
                        on:input=move |event| note.set(event_target_value(&event))
                    ></textarea>
                </div>
                {move || {
                    fault.get().filter(|fault| fault.field.as_deref() != Some("label")).map(|fault| view! { <FaultView fault /> })
                }}
                <div class="act">
                    <button class="btn" type="button" on:click=move |_| open.set(false)>
                        "Cancel"
                    </button>
                    <button class="btn pri" type="submit" aria-disabled=move || keep.pending().get().then_some("true")>
                        "Save"
                    </button>
                </div>
            </form>
        </Dialog>
    }
}
