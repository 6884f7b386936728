//! Archives from elsewhere: uploaded, checked, and stored beside the backups of a managed database. They can be restored, and count
//! as no backup of it: no retention, no alarm and no "newest" takes one for that. Decision 0032.

mod describe;
mod run;

use contract::{
    audit::Severity,
    format,
    import::{NewUpload, UploadKind, UploadPart},
    jobs::JobId,
    session::Permission,
};
use futures::Stream;
use tokio_util::bytes::Bytes;
use uuid::Uuid;

pub(crate) use self::run::AddBackup;
use super::Backups;
use crate::{
    Caller, Result,
    import::uploads,
    jobs::{self, Act},
};

impl Backups<'_> {
    /// Queues the check of an uploaded archive, which is stored beside the backups when it is whole. It gets the job's id; the upload
    /// goes with it.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while the upload is not whole; the store's failures.
    #[crate::boxed]
    pub async fn add(&self, caller: &Caller, target: &str, upload: Uuid) -> Result<JobId> {
        caller.permit(Permission::BackUp)?;
        let target = self.0.target(target)?;
        let view = uploads::archive_of(self.0, caller, upload).await?;
        let act = Act {
            event_type: "backup.add",
            severity: Severity::Warning,
            object: Some(&view.name),
            detail: Some(&format::bytes(view.bytes)),
        };
        let job = AddBackup {
            target: target.name().to_owned(),
            upload,
            name: view.name.clone(),
        };
        jobs::start(self.0, caller, &job, act).await
    }

    /// The same for a file of the console's own machine, however large.
    ///
    /// # Errors
    /// As [`Self::add`]; `Invalid` for what is no archive; `Conflict` when the disk has too little room.
    pub async fn add_file(
        &self,
        caller: &Caller,
        target: &str,
        name: &str,
        bytes: i64,
        data: impl Stream<Item = std::io::Result<Bytes>> + Send,
    ) -> Result<JobId> {
        caller.permit(Permission::BackUp)?;
        self.0.target(target)?;
        let import = self.0.import();
        let new = NewUpload {
            kind: UploadKind::Archive,
            name: name.to_owned(),
            bytes,
            wal_bytes: None,
            modified_ms: None,
            wal_modified_ms: None,
        };
        let upload = import.begin_within(caller, new, i64::MAX).await?;
        let sent = import
            .upload(caller, upload.id, UploadPart::Database, 0, data)
            .await;
        let begun = match sent {
            Ok(_) => self.add(caller, target, upload.id).await,
            Err(error) => Err(error),
        };
        if begun.is_err() {
            // The file itself is where it was; a copy that nobody goes on with is of no use.
            uploads::remove_archive(self.0, upload.id, "it was not stored").await?;
        }
        begun
    }
}
