//! Deleting a backup.

use contract::{
    backup::{BackupList, BackupView, DeleteBackup as Request},
    format,
};

use super::api::delete_backup;
use crate::{
    prelude::*,
    rpc::ApiError,
    ui::{ConfirmDialog, use_toasts},
};

/// The question before a backup is deleted: says what will be lost and asks for the database's name.
#[component]
pub fn DeleteBackup(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// The backup.
    backup: Memo<BackupView>,
    /// Every stored one, newest first.
    list: Signal<BackupList>,
    /// Called when it was deleted.
    changed: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let delete = Action::new(|request: &Request| delete_backup(request.clone()));
    let fault = Signal::derive(move || match delete.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    Effect::new(move || {
        // What an earlier try was refused for is no news.
        if open.get() {
            delete.value().set(None);
        }
    });
    Effect::new(move || {
        if let Some(Ok(())) = delete.value().get() {
            open.set(false);
            toasts.ok("The backup is deleted.");
            changed.run(());
        }
    });
    let title = backup
        .with_untracked(|backup| format!("Delete the backup of {}?", crate::zone::absolute(backup.taken_at)));
    let name = backup.with_untracked(|backup| backup.database.clone());
    view! {
        <ConfirmDialog
            open
            title=Signal::stored(title)
            name=Signal::stored(name)
            act="Delete backup"
            pending=delete.pending()
            fault
            on_confirm=Callback::new(move |confirm: String| {
                let request = backup
                    .with_untracked(|backup| Request { target: backup.target.clone(), id: backup.id, confirm });
                delete.dispatch(request);
            })
        >
            <p>{move || backup.with(|backup| list.with(|list| consequence(backup, &list.backups)))}</p>
            <p>"This cannot be undone."</p>
        </ConfirmDialog>
    }
}

/// What will be lost, and what stays.
fn consequence(backup: &BackupView, all: &[BackupView]) -> String {
    let what = format!(
        "{} of {} with {} rows.",
        format::bytes(backup.bytes),
        backup.database,
        format::exact(backup.rows)
    );
    if backup.damage.is_some() {
        return format!("{what} It is damaged, so nothing could be restored from it anyway.");
    }
    if backup.uploaded.is_some() {
        return format!("{what} It was uploaded from elsewhere: no backup of this database goes with it.");
    }
    let mut good = all
        .iter()
        .filter(|other| other.is_sound() && other.id != backup.id);
    let Some(newest) = good.next() else {
        return format!("{what} It is the only good backup: afterwards nothing could be restored.");
    };
    let others = good.count() + 1;
    if newest.taken_at < backup.taken_at {
        let taken = crate::zone::absolute(newest.taken_at);
        return format!("{what} It is the newest good one: afterwards the newest is of {taken}.");
    }
    let others = if others == 1 {
        "1 other good one stays".to_owned()
    } else {
        format!("{others} other good ones stay")
    };
    format!("{what} It is not the newest; {others}.")
}

#[cfg(test)]
mod tests {
    use contract::backup::Proof;

    use super::*;

    fn backup(id: u128, seconds: i64, damage: Option<&str>) -> BackupView {
        let at = contract::Instant::from_timestamp(seconds, 0).unwrap_or_default();
        BackupView {
            id: uuid::Uuid::from_u128(id),
            target: "t".into(),
            database: "d".into(),
            file: "f.dump".into(),
            taken_at: at,
            duration_ms: 1,
            bytes: 2048,
            database_bytes: 4096,
            sha256: String::new(),
            proof: Proof::ReadBack,
            proven_at: at,
            proven_ms: None,
            exact: false,
            concern: None,
            damage: damage.map(str::to_owned),
            foreign: None,
            uploaded: None,
            server_version: "15.19".into(),
            tool_version: "15.19".into(),
            migration: None,
            tables: 1,
            rows: 1234,
            only: Vec::new(),
            marks: Default::default(),
            notes: Vec::new(),
            created_by: "ada".into(),
            job: None,
        }
    }

    #[test]
    fn the_question_says_what_is_left_afterwards() {
        let (new, old, broken) = (
            backup(3, 300, None),
            backup(2, 200, None),
            backup(1, 400, Some("hash differs")),
        );
        let all = [broken.clone(), new.clone(), old.clone()];
        assert!(
            consequence(&new, &all)
                .ends_with("It is the newest good one: afterwards the newest is of 1970-01-01 00:03:20 UTC.")
        );
        assert!(consequence(&old, &all).ends_with("It is not the newest; 1 other good one stays."));
        assert!(consequence(&new, &[broken.clone(), new.clone()]).contains("the only good backup"));
        assert!(consequence(&broken, &all).contains("damaged"));
        assert!(consequence(&new, &all).starts_with("2.00 kB of d with 1,234 rows."));
    }
}
