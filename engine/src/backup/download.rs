//! Opening what is stored, to send it.

use contract::{format, session::Permission};
use uuid::Uuid;

use super::{
    Backups,
    folder::{self, Folder},
    gone,
    manifest::{ARCHIVE, GLOBALS, Manifest, StoredFile},
    reconcile::{self, blocking},
    shelf::Shelf,
    stored::{self, Stored},
};
use crate::{Caller, Error, Result, audit};

/// A stored file to send. While `file` is open, its backup cannot be deleted.
#[derive(Debug)]
pub struct Download {
    /// The file, at its beginning.
    pub file: tokio::fs::File,
    /// What to call it: ASCII letters, digits, `-`, `_` and `.` alone.
    pub name: String,
    /// Its size in bytes.
    pub bytes: i64,
    /// Its SHA-256 as it was written, in hex.
    pub sha256: String,
}

impl Backups<'_> {
    /// Opens a backup's archive for a download.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the file is not the one that was written; `Io`; the store's failures.
    #[crate::boxed]
    pub async fn open(&self, caller: &Caller, target: &str, id: Uuid) -> Result<Download> {
        caller.permit(Permission::DownloadBackup)?;
        self.opened(caller, target, id, ARCHIVE).await
    }

    /// Opens the roles and tablespaces that were stored with a backup, as SQL without passwords.
    ///
    /// # Errors
    /// As for `open`; `NotFound` also when the server did not let the console read them.
    #[crate::boxed]
    pub async fn open_globals(&self, caller: &Caller, target: &str, id: Uuid) -> Result<Download> {
        caller.permit(Permission::DownloadBackup)?;
        self.opened(caller, target, id, GLOBALS).await
    }

    async fn opened(&self, caller: &Caller, target: &str, id: Uuid, name: &'static str) -> Result<Download> {
        let target = self.0.target(target)?;
        let folder = Folder::new(&self.0.config().backup_dir);
        let shelf = Shelf::of(self.0, &target).await?;
        let (place, Stored::Known { manifest, .. }) = reconcile::refresh(self.0, &folder, &shelf, id).await?
        else {
            return Err(gone());
        };
        let (wanted, shown) = part(&manifest, name)?;
        let path = folder.stored(&place, id).join(name);
        let (file, bytes) = blocking(move || {
            let file =
                folder::open_shared(&path).map_err(Error::io(format!("opening {}", path.display())))?;
            let bytes = file
                .metadata()
                .map_err(Error::io(format!("opening {}", path.display())))?
                .len();
            Ok((file, i64::try_from(bytes).unwrap_or(i64::MAX)))
        })
        .await?;
        if bytes != wanted.bytes {
            return Err(Error::conflict(
                format!(
                    "{name} has {bytes} bytes, not the {} that were written.",
                    wanted.bytes
                ),
                "Verify this backup to see what is wrong with it, and take a new one.",
            ));
        }
        let mut connection = self.0.store().acquire().await?;
        audit::record(
            &mut connection,
            audit::Entry {
                target: Some(target.name()),
                object: Some(&shown),
                detail: Some(&format::bytes(bytes)),
                ..audit::Entry::by(caller, "backup.download")
            },
        )
        .await?;
        Ok(Download {
            file: tokio::fs::File::from_std(file),
            name: shown,
            bytes,
            sha256: wanted.sha256.clone(),
        })
    }
}

/// A file of a backup as its manifest has it, and what to call it.
fn part<'a>(manifest: &'a Manifest, name: &str) -> Result<(&'a StoredFile, String)> {
    if name == ARCHIVE {
        return Ok((&manifest.archive, stored::file_name(manifest)));
    }
    match &manifest.globals {
        Some(globals) => Ok((globals, format!("{}-globals.sql", stored::base_name(manifest)))),
        None => Err(Error::not_found(
            "This backup holds no roles: the console's user was not allowed to read them.",
            "Grant the user the right to read roles and take a new backup.",
        )),
    }
}
