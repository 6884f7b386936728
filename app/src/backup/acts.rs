//! What can be done with one backup.

use contract::{backup::BackupView, session::Permission};
use leptos::prelude::*;

use super::{api::verify_backup, delete::DeleteBackupButton};
use crate::{
    address::segment,
    jobs::Work,
    rpc::ApiError,
    session::use_may,
    ui::{Icon, icons, needs_script, use_toasts},
};

/// Download, verify, delete; what the role may not do is left out.
#[component]
pub fn Acts(
    /// The backup.
    backup: BackupView,
    /// Every stored one, newest first.
    all: StoredValue<Vec<BackupView>>,
    /// What the page and its job tell each other.
    work: Work,
    /// Called when it was deleted.
    changed: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let (target, id) = (backup.target.clone(), backup.id);
    let href = format!("/download/{}/{id}", segment(&target));
    let target = StoredValue::new(target);
    let verify = Action::new(move |()| verify_backup(target.get_value(), id));
    Effect::new(move || match verify.value().get() {
        Some(Ok(_)) => work.begin(),
        Some(Err(ApiError(fault))) => {
            toasts.bad(format!("{} {}", fault.message, fault.hint.unwrap_or_default()))
        }
        None => {}
    });
    let download = use_may(Permission::DownloadBackup).then(|| {
        view! {
            <a class="btn sm" href=href rel="external" download>
                <Icon icon=icons::Download />
                "Download"
            </a>
        }
    });
    let verify = use_may(Permission::BackUp).then(|| {
        needs_script("Verify");
        view! {
            <button
                class="btn sm"
                type="button"
                title="reads the stored archive back whole"
                disabled=move || verify.pending().get()
                on:click=move |_| {
                    verify.dispatch(());
                }
            >
                "Verify"
            </button>
        }
    });
    let delete =
        use_may(Permission::DeleteBackup).then(|| view! { <DeleteBackupButton backup all changed /> });
    view! { <div class="row end">{download} {verify} {delete}</div> }.into_any()
}
