//! A file that is followed and came by upload comes again as another upload: one that is whole never changes.

use std::{fs, path::PathBuf};

use contract::{
    format,
    import::{NewerUploads, UploadKind, UploadView},
};
use uuid::Uuid;

use super::{
    blocking,
    folder::{Folder, is_of},
};
use crate::{Caller, Error, Result, config::EngineConfig};

/// Whole uploads that may be a file as it is now, newest first: none that was begun before the upload that was read last, or
/// written to before it. With `again` the one that was read last is among them: it was not brought over to its end.
///
/// # Errors
/// `Io`.
pub(in crate::import) async fn newer(
    config: &EngineConfig,
    caller: &Caller,
    last: Uuid,
    again: bool,
) -> Result<NewerUploads> {
    let (folder, upload_limit) = (Folder::new(&config.data_dir), config.upload_limit);
    let caller = caller.clone();
    blocking(move || {
        let mut uploads = folder.views()?;
        let known = uploads.iter().find(|view| view.id == last).cloned();
        uploads.retain(|view| {
            let later = known
                .as_ref()
                .is_none_or(|last| view.created_at > last.created_at && !is_before(view, written(last)));
            // The one that was read last belongs to the import by now.
            view.is_whole()
                && view.kind == UploadKind::Database
                && if view.id == last {
                    again
                } else {
                    later && is_of(&caller, &view.created_by)
                }
        });
        Ok(NewerUploads {
            uploads,
            upload_limit,
        })
    })
    .await
}

/// Refuses an upload that cannot be the file of the one that was read last, as it is later.
///
/// # Errors
/// `NotFound`, also for another user's; `Conflict` for one that is not whole or was written to before the other; `Io`.
pub(in crate::import) async fn check_newer(
    config: &EngineConfig,
    caller: &Caller,
    last: Uuid,
    upload: Uuid,
) -> Result<()> {
    let folder = Folder::new(&config.data_dir);
    let caller = caller.clone();
    blocking(move || {
        let found = folder.find_for(&caller, upload)?;
        found.to_open()?;
        let view = found.view();
        // The last one is kept as long as it is followed; if it is gone all the same, its time is not known any more.
        let last = folder.find(last).ok().and_then(|upload| written(&upload.view()));
        match last.filter(|last| is_before(&view, Some(*last))) {
            None => Ok(()),
            Some(last) => Err(Error::conflict(
                format!(
                    "{} was last written to before the upload that was brought over last, which is as of {}.",
                    view.name,
                    chrono::DateTime::from_timestamp_millis(last)
                        .map_or_else(|| last.to_string(), format::absolute)
                ),
                "It would take back what changed since. Upload the file as it is now.",
            )),
        }
    })
    .await
}

/// The database of an upload.
///
/// # Errors
/// `NotFound`; `Conflict` when it is not whole; `Io`.
pub(in crate::import) async fn path(config: &EngineConfig, upload: Uuid) -> Result<PathBuf> {
    let folder = Folder::new(&config.data_dir);
    blocking(move || {
        let (path, _) = folder.find(upload)?.to_open()?;
        fs::canonicalize(&path).map_err(Error::io(format!("reading the upload {upload}")))
    })
    .await
}

/// When the file, or what belongs to it, was last written to on its own machine.
fn written(view: &UploadView) -> Option<i64> {
    view.modified_ms.max(view.wal_modified_ms)
}

fn is_before(view: &UploadView, last: Option<i64>) -> bool {
    written(view)
        .zip(last)
        .is_some_and(|(written, last)| written < last)
}
