//! What can be done with one backup.

use contract::{
    backup::{BackupList, BackupView, Proof, VerifySpec},
    command::Act,
    retention::{Mark, MarkBackup},
    session::Permission,
};

use super::{api::verify_backup, delete::DeleteBackup, label::LabelDialog};
use crate::{
    address::{link, segment},
    jobs::Work,
    prelude::*,
    rpc::ApiError,
    schedule::api::mark_backup,
    session::use_may,
    ui::{CopyCommand, Icon, Menu, icons, needs_script, use_toasts},
};

/// Download, verify, pin, label, delete, in a menu; what the role may not do is left out.
#[component]
pub fn Acts(
    /// The backup.
    backup: Memo<BackupView>,
    /// Every stored one, newest first.
    list: Signal<BackupList>,
    /// The managed database.
    target: Memo<String>,
    /// What the page and its job tell each other.
    work: Work,
    /// Called when it was deleted.
    changed: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let (id, taken_at, of) =
        backup.with_untracked(|backup| (backup.id, backup.taken_at, backup.target.clone()));
    let href = format!("/download/{}/{id}", segment(&of));
    let (deleting, labelling) = (RwSignal::new(false), RwSignal::new(false));
    let verify = Action::new(move |()| {
        verify_backup(VerifySpec {
            target: target.get_untracked(),
            id,
            level: Proof::ReadBack,
            on: None,
        })
    });
    Effect::new(move || match verify.value().get() {
        Some(Ok(_)) => work.begin(),
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    let pinned = Memo::new(move |_| backup.with(|backup| backup.marks.pinned));
    let mark = Action::new(move |mark: &Mark| {
        mark_backup(MarkBackup {
            target: target.get_untracked(),
            id,
            mark: mark.clone(),
        })
    });
    Effect::new(move || match mark.value().get() {
        Some(Ok(_)) => changed.run(()),
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    let download = use_may(Permission::DownloadBackup).then(|| {
        view! {
            <a class="menu-item" href=href rel="external" download>
                <Icon icon=icons::Download />
                "Download"
            </a>
        }
    });
    let report = format!("{}/{id}", link(&of, "backups"));
    let report = view! {
        <a class="menu-item" href=report>
            <Icon icon=icons::Search />
            "Report"
        </a>
    };
    let may_verify = use_may(Permission::BackUp);
    let verify = may_verify.then(|| {
        needs_script("Verify");
        let command = Signal::derive(move || {
            let (target, level) = (&target.get(), Proof::ReadBack);
            Act::Verify {
                target,
                id,
                level,
                on: None,
            }
            .line()
        });
        view! {
            <button
                class="menu-item"
                type="button"
                title="reads the stored archive back whole"
                aria-disabled=move || verify.pending().get().then_some("true")
                on:click=move |_| {
                    verify.dispatch(());
                }
            >
                <Icon icon=icons::Again />
                "Verify"
            </button>
            <CopyCommand command />
        }
    });
    let restore = use_may(Permission::Restore).then(|| {
        view! {
            <a class="menu-item" href=link(&of, &format!("backups/{id}/restore"))>
                <Icon icon=icons::Backups />
                "Restore…"
            </a>
        }
    });
    let may_delete = use_may(Permission::DeleteBackup);
    let label = format!("Delete the backup of {}", crate::zone::absolute(taken_at));
    let delete = may_delete.then(|| {
        needs_script("Delete…");
        let label = label.clone();
        view! {
            <hr class="menu-sep" />
            <button class="menu-item bad-text" type="button" aria-label=label on:click=move |_| deleting.set(true)>
                <Icon icon=icons::Close />
                "Delete…"
            </button>
        }
    });
    let pin = may_verify.then(|| {
        needs_script("Pin");
        needs_script("Label and note…");
        view! {
            <button
                class="menu-item"
                type="button"
                title="a pinned backup is kept whatever the rules say, and cannot be deleted"
                aria-disabled=move || mark.pending().get().then_some("true")
                on:click=move |_| {
                    mark.dispatch(if pinned.get_untracked() { Mark::Unpin } else { Mark::Pin });
                }
            >
                <Icon icon=icons::Pin />
                {move || if pinned.get() { "Unpin" } else { "Pin" }}
            </button>
            <button class="menu-item" type="button" on:click=move |_| labelling.set(true)>
                <Icon icon=icons::Tag />
                "Label and note…"
            </button>
        }
    });
    let menu = {
        view! {
            <Menu
                id=format!("acts-{id}")
                label=format!("Actions for the backup of {}", crate::zone::absolute(taken_at))
                button=|| view! { <Icon icon=icons::More /> }
            >
                {report}
                {restore}
                {download}
                {verify}
                {pin}
                {delete}
            </Menu>
        }
    };
    view! {
        {menu}
        {may_verify.then(|| view! { <LabelDialog open=labelling backup target changed /> })}
        {may_delete.then(|| view! { <DeleteBackup open=deleting backup list changed /> })}
    }
}
