//! Taking over a backup that another console sealed.

use contract::{audit::Severity, session::Permission};
use uuid::Uuid;

use super::{
    Backups,
    folder::{self, Folder},
    gone,
    manifest::{MANIFEST, unsealed},
    reconcile::{self, blocking},
    seal::Seals,
    shelf::Shelf,
    stored::Stored,
};
use crate::{Caller, Error, Result, audit};

impl Backups<'_> {
    /// Seals a backup's manifest anew, when another console sealed it and a verification here has found the backup whole.
    /// From then on it counts as one of this console's own; the manifest says who took it over.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is this console's own, is damaged, or was not verified here; `Io`; the store's
    /// failures.
    #[crate::boxed]
    pub async fn adopt(&self, caller: &Caller, target: &str, id: Uuid) -> Result<()> {
        caller.permit(Permission::ManageTargets)?;
        let target = self.0.target(target)?;
        let shelf = Shelf::of(self.0, &target).await?;
        let folder = Folder::new(&self.0.config().backup_dir);
        let (place, stored) = reconcile::refresh(self.0, &folder, &shelf, id).await?;
        let Stored::Known {
            mut manifest,
            view,
            proven,
            ..
        } = stored
        else {
            return Err(gone());
        };
        if let Some(damage) = view.damage {
            return Err(Error::conflict(
                format!("The backup is damaged. {damage}"),
                "Only a whole backup can be taken over.",
            ));
        }
        let Some(foreign) = view.foreign else {
            return Err(Error::conflict(
                "The backup is one of this console's own already.",
                "There is nothing to take over.",
            ));
        };
        if !proven {
            return Err(Error::conflict(
                "The backup was not verified by this console yet.",
                format!("Read it back first: pgsteward backup verify {id}"),
            ));
        }
        let seals = Seals::load(self.0).await?;
        manifest.notes.push(format!(
            "{foreign} Taken over by {} on {}, after it was read back whole.",
            caller.name(),
            contract::format::absolute(chrono::Utc::now()),
        ));
        manifest.key = seals.key();
        manifest.mac = unsealed();
        let sealed = seals.set(&manifest)?;
        let mut transaction = self.0.store().begin().await?;
        audit::record(
            &mut transaction,
            audit::Entry {
                severity: Severity::Warning,
                target: Some(target.name()),
                object: Some(&view.file),
                detail: Some(&foreign),
                ..audit::Entry::by(caller, "backup.adopt")
            },
        )
        .await?;
        let path = folder.stored(&place, id);
        blocking(move || folder::write_whole(&path, MANIFEST, &sealed)).await?;
        transaction.commit().await?;
        reconcile::refresh(self.0, &folder, &shelf, id).await?;
        Ok(())
    }
}
