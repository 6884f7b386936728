//! Deleting a backup: gone as a whole together with its audit entry, or not at all.

use std::fs::TryLockError;

use contract::{
    audit::Severity,
    backup::{BackupView, DeleteBackup},
    format,
    session::Permission,
};

use super::{
    Backups,
    folder::{self, Folder},
    gone,
    reconcile::{self, blocking},
    shelf::Shelf,
    store,
    stored::Stored,
};
use crate::{Caller, Engine, Error, Result, audit, target::Target};

impl Backups<'_> {
    /// Deletes a backup whose database's name was typed as confirmation. It is gone from the list as a whole, together
    /// with its audit entry, or not at all.
    ///
    /// # Errors
    /// `Invalid` for a wrong confirmation; `NotFound`; `Conflict` while it is downloaded or verified; `Io`; the store's
    /// failures.
    #[crate::boxed]
    pub async fn delete(&self, caller: &Caller, request: DeleteBackup) -> Result<()> {
        caller.permit(Permission::DeleteBackup)?;
        let view = self.find(&request.target, request.id).await?;
        if request.confirm != view.database {
            return Err(Error::invalid(
                "confirm",
                "The typed name is not the database's.",
                format!("Type {} to delete this backup of it.", view.database),
            ));
        }
        let target = self.0.target(&request.target)?;
        let entry = audit::Entry {
            severity: Severity::Warning,
            ..audit::Entry::by(caller, "backup.delete")
        };
        remove(self.0, &target, &view, entry).await
    }
}

/// Deletes a backup together with its audit entry, whose detail is the reason.
///
/// # Errors
/// `NotFound`; `Conflict` while it is downloaded or verified, or when it is pinned; `Io`; the store's failures.
pub(super) async fn remove(
    engine: &Engine,
    target: &Target,
    view: &BackupView,
    entry: audit::Entry<'_>,
) -> Result<()> {
    let folder = Folder::new(&engine.config().backup_dir);
    let shelf = Shelf::of(engine, target).await?;
    let (finding, on, id) = (folder.clone(), shelf.clone(), view.id);
    let Some(place) = blocking(move || finding.find(&on, id)).await? else {
        return Err(gone());
    };
    let path = folder.stored(&place, view.id);
    let alone = blocking(move || match folder::lock_alone(&path) {
        Ok(file) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::conflict(
            "This backup is being downloaded or verified.",
            "Wait until that has ended, or cancel it, then delete it.",
        )),
        Err(TryLockError::Error(error)) => Err(Error::io("locking the backup")(error)),
    })
    .await?;
    // Nobody marks it while it is locked.
    let (_, stored) = reconcile::refresh(engine, &folder, &shelf, id).await?;
    if let Stored::Known { view, .. } = stored
        && view.marks.pinned
    {
        return Err(Error::conflict(
            "This backup is pinned.",
            format!("Unpin it first: pgsteward backup unpin {id}"),
        ));
    }
    let mut transaction = engine.store().begin().await?;
    if !store::remove(&mut transaction, view.id).await? {
        return Err(gone());
    }
    let detail = format!(
        "{}, taken {}{}",
        format::bytes(view.bytes),
        format::absolute(view.taken_at),
        entry.detail.map(|why| format!("; {why}")).unwrap_or_default(),
    );
    audit::record(
        &mut transaction,
        audit::Entry {
            target: Some(&view.target),
            object: Some(&view.file),
            detail: Some(&detail),
            ..entry
        },
    )
    .await?;
    let (withdrawing, from) = (folder.clone(), place.clone());
    blocking(move || withdrawing.withdraw(&from, id)).await?;
    // Should this process die here, the row is still there, and the next look at the folder puts the backup back.
    if let Err(error) = transaction.commit().await {
        let restoring = folder.clone();
        blocking(move || restoring.restore(&place, id)).await?;
        return Err(error.into());
    }
    engine.outdate(Some(&view.target));
    let removed = blocking(move || folder.remove_deleted(id)).await;
    drop(alone);
    // It is deleted for every reader; what is left of it goes with the next sweep.
    if let Err(error) = removed {
        tracing::warn!(backup.id = %id, error = error.chain(), "a deleted backup's files are not all gone yet");
    }
    Ok(())
}
