//! Uploads: SQLite files that come over HTTP, in as many requests as it takes.
//!
//! They live on disk alone. What is there is what has come: a request that breaks off leaves its bytes, and the next one
//! goes on after them. Of each file one request writes at a time.

mod expiry;
mod folder;
mod newer;
mod receive;
mod words;

use contract::{
    audit::{Outcome, Severity},
    format,
    import::{NewUpload, NewerUploads, UploadKind, UploadPart, UploadView},
    session::Permission,
};
use futures::{Stream, StreamExt};
use sqlite::header;
use tokio::sync::mpsc;
use tokio_util::bytes::Bytes;
use uuid::Uuid;

pub(super) use self::{
    expiry::sweep,
    folder::{Expected, Folder, is_of},
    newer::{check_newer, newer, path},
};
use self::{folder::Upload, receive::Receiver};
use super::{Import, store};
use crate::{Caller, Engine, Error, Result, audit};

/// Room that is left to others on the disk: a full one would stop a database that lives there.
const RESERVE: i64 = 64 << 20;
/// Chunks of a request that wait for the disk.
const WAITING: usize = 8;

impl Import<'_> {
    /// Makes room for a file that is then sent by [`Self::upload`], and removes uploads that nobody wants any more.
    ///
    /// # Errors
    /// `Invalid` for a file without a name or bytes, or one over the limit; `Conflict` when uploads are turned off or the
    /// disk has too little room; `Io`; the store's failures.
    #[crate::boxed]
    pub async fn begin_upload(&self, caller: &Caller, new: NewUpload) -> Result<UploadView> {
        caller.permit(Permission::Import)?;
        self.begin_within(caller, new, self.0.config().upload_limit).await
    }

    /// The same with a limit of its own, for what does not come over HTTP.
    pub(crate) async fn begin_within(
        &self,
        caller: &Caller,
        new: NewUpload,
        limit: i64,
    ) -> Result<UploadView> {
        let config = self.0.config();
        let expected = expected(caller, new, limit)?;
        sweep(self.0).await?;
        let folder = Folder::new(&config.data_dir);
        let (name, size) = (expected.name.clone(), expected.total());
        let upload = blocking(move || {
            folder.make_root()?;
            let announced: i64 = folder.list()?.iter().map(Upload::missing).sum();
            let needed = size.saturating_add(announced).saturating_add(RESERVE);
            match folder.free_bytes() {
                Some(free) if free < needed => {
                    Err(words::too_little_room(&folder, &name, size, free, announced))
                }
                _ => folder.begin(Uuid::now_v7(), expected),
            }
        })
        .await?;
        let begun = record(self.0, &upload, Act::Begun(caller)).await;
        if let Err(error) = begun {
            // Nothing is there without its entry in the log.
            blocking(move || upload.remove()).await?;
            return Err(error);
        }
        Ok(upload.view())
    }

    /// Takes a part of an upload, or a piece of it, from `offset` on, which must be what is there already. The memory it
    /// takes does not grow with the file. What came before `data` ended, well or not, is kept and on disk when this
    /// returns; also when the future is dropped.
    ///
    /// A database or an archive is looked at as soon as its first bytes are there, and again when it is whole: what is none is
    /// refused and removed.
    ///
    /// # Errors
    /// `NotFound`, also for another user's; `Busy` while another request writes this part; `Conflict` with the field `offset` when `offset` is not
    /// what is there or `data` breaks off, with how much is there; `Conflict` without it when the disk is full; `Invalid`
    /// for more bytes than were announced, and for what is no SQLite database; `Io`; the store's failures.
    pub async fn upload<E: std::fmt::Display>(
        &self,
        caller: &Caller,
        id: Uuid,
        part: UploadPart,
        offset: i64,
        data: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<UploadView> {
        caller.permit(Permission::Import)?;
        let folder = Folder::new(&self.0.config().data_dir);
        let upload = owned(folder, caller, id).await?;
        let receiver = Receiver::open(&upload, part, offset).await?;
        let (send, chunks) = mpsc::channel(WAITING);
        // A task of its own: it brings to disk what has come even when the request is dropped in the middle.
        let task = tokio::spawn(take(self.0.clone(), caller.clone(), upload, receiver, chunks));
        let mut broken = None;
        let mut data = std::pin::pin!(data);
        while let Some(next) = data.next().await {
            match next {
                Ok(bytes) => {
                    if send.send(bytes).await.is_err() {
                        // The task has a reason to take no more, and says it.
                        break;
                    }
                }
                Err(error) => {
                    broken = Some(error.to_string());
                    break;
                }
            }
        }
        drop(send);
        let view = task
            .await
            .map_err(|error| Error::internal("taking an upload", error))??;
        match broken {
            Some(why) if !folder::is_whole(&view, part) => Err(words::broken_off(&view, part, &why)),
            _ => Ok(view),
        }
    }

    /// The caller's uploads of archives (an administrator's: all), newest first.
    ///
    /// # Errors
    /// `Io`; the store's failures.
    #[crate::boxed]
    pub async fn archives(&self, caller: &Caller) -> Result<NewerUploads> {
        caller.permit(Permission::Import)?;
        sweep(self.0).await?;
        let config = self.0.config();
        let (folder, upload_limit) = (Folder::new(&config.data_dir), config.upload_limit);
        let caller = caller.clone();
        blocking(move || {
            let mut uploads = folder.views()?;
            uploads.retain(|view| view.kind == UploadKind::Archive && is_of(&caller, &view.created_by));
            Ok(NewerUploads {
                uploads,
                upload_limit,
            })
        })
        .await
    }

    /// An upload with what is there of it.
    ///
    /// # Errors
    /// `NotFound`, also for another user's; `Io`.
    #[crate::boxed]
    pub async fn find_upload(&self, caller: &Caller, id: Uuid) -> Result<UploadView> {
        caller.permit(Permission::Import)?;
        let folder = Folder::new(&self.0.config().data_dir);
        Ok(owned(folder, caller, id).await?.view())
    }

    /// Deletes an upload, whole or not.
    ///
    /// # Errors
    /// `NotFound`, also for another user's; `Busy` while it is being sent or read; `Conflict` while an import needs it, which is then named; `Io`;
    /// the store's failures.
    #[crate::boxed]
    pub async fn delete_upload(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.permit(Permission::Import)?;
        let folder = Folder::new(&self.0.config().data_dir);
        let upload = owned(folder, caller, id).await?;
        // A browser that breaks an upload off and deletes it is faster than the request's end.
        let _alone = receive::lock_all(&upload).await?;
        if let Some(import) = store::needing(self.0.store(), id).await? {
            return Err(words::needed(&upload.expected.name, &import));
        }
        record(self.0, &upload, Act::Deleted(Some(caller), None)).await?;
        blocking(move || upload.remove()).await
    }
}

/// A whole archive of the caller's.
///
/// # Errors
/// `NotFound`, also for another user's and for what is no archive; `Conflict` when it is not whole; `Io`.
pub(crate) async fn archive_of(engine: &Engine, caller: &Caller, id: Uuid) -> Result<UploadView> {
    let upload = owned(Folder::new(&engine.config().data_dir), caller, id).await?;
    blocking(move || {
        if upload.expected.kind != UploadKind::Archive {
            return Err(words::no_upload(id));
        }
        upload.to_open()?;
        Ok(upload.view())
    })
    .await
}

/// The file of a whole archive, held against its removal for as long as it is open.
///
/// # Errors
/// `NotFound`; `Busy` while someone sends or removes it; `Io`.
pub(crate) async fn open_archive(engine: &Engine, id: Uuid) -> Result<std::fs::File> {
    let folder = Folder::new(&engine.config().data_dir);
    blocking(move || {
        let upload = folder.find(id)?;
        let (path, name) = upload.to_open()?;
        let file = std::fs::File::open(&path).map_err(Error::io(format!("opening {}", path.display())))?;
        match file.try_lock_shared() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(words::busy(&name)),
            Err(std::fs::TryLockError::Error(error)) => {
                Err(Error::io(format!("opening {}", path.display()))(error))
            }
        }
    })
    .await
}

/// Removes an upload that is stored elsewhere now, or that nobody has a use for, with the reason for the log.
///
/// # Errors
/// `Io`; the store's failures.
pub(crate) async fn remove_archive(engine: &Engine, id: Uuid, why: &str) -> Result<()> {
    let folder = Folder::new(&engine.config().data_dir);
    let found = blocking(move || Ok(folder.find(id).ok())).await?;
    let Some(upload) = found else { return Ok(()) };
    record(engine, &upload, Act::Deleted(None, Some(why))).await?;
    blocking(move || upload.remove()).await
}

/// An upload of the caller's.
pub(super) async fn owned(folder: Folder, caller: &Caller, id: Uuid) -> Result<Upload> {
    let caller = caller.clone();
    blocking(move || folder.find_for(&caller, id)).await
}

/// What a new upload will hold.
fn expected(caller: &Caller, new: NewUpload, limit: i64) -> Result<Expected> {
    if limit == 0 {
        return Err(words::turned_off());
    }
    let name = words::base_name(&new.name)?;
    if new.bytes == 0 {
        // An empty file is refused in the words that it would be refused in on disk.
        match new.kind {
            UploadKind::Database => header::read(&name, &[]).map(drop),
            UploadKind::Archive => crate::archive::look(&name, &[]),
        }
        .map_err(Error::Refused)?;
    }
    if new.kind == UploadKind::Archive && new.wal_bytes.is_some() {
        return Err(words::no_wal(&name));
    }
    if new.bytes < 0 || new.wal_bytes.is_some_and(|bytes| bytes < 0) {
        return Err(words::no_size());
    }
    let expected = Expected {
        kind: new.kind,
        name,
        bytes: new.bytes,
        wal_bytes: new.wal_bytes,
        modified_ms: new.modified_ms,
        wal_modified_ms: new.wal_modified_ms,
        created_by: caller.name().to_owned(),
        created_at: chrono::Utc::now(),
    };
    if expected.total() > limit {
        return Err(words::too_large(&expected, limit));
    }
    Ok(expected)
}

/// Writes what comes, and says in the log what became of it.
async fn take(
    engine: Engine,
    caller: Caller,
    upload: Upload,
    receiver: Receiver,
    chunks: mpsc::Receiver<Bytes>,
) -> Result<UploadView> {
    match receiver.run(&upload, chunks).await {
        Ok(grew) => {
            let view = upload.view();
            if grew && view.is_whole() {
                record(&engine, &upload, Act::Whole(&caller)).await?;
            }
            Ok(view)
        }
        Err(error) => {
            if let receive::Failure::NoDatabase(fault) = &error {
                let (gone, words) = (upload.clone(), fault.message.clone());
                blocking(move || gone.remove()).await?;
                record(&engine, &upload, Act::Refused(&caller, &words)).await?;
            }
            Err(error.into())
        }
    }
}

/// What the log says.
enum Act<'a> {
    Begun(&'a Caller),
    Whole(&'a Caller),
    Refused(&'a Caller, &'a str),
    /// By whom, or why the console did it by itself.
    Deleted(Option<&'a Caller>, Option<&'a str>),
}

async fn record(engine: &Engine, upload: &Upload, act: Act<'_>) -> Result<()> {
    let size = format::bytes(upload.expected.total());
    let (caller, event_type, severity, outcome, detail) = match act {
        Act::Begun(caller) => (
            Some(caller),
            "import.upload",
            Severity::Info,
            Outcome::Started,
            size,
        ),
        Act::Whole(caller) => (
            Some(caller),
            "import.upload",
            Severity::Info,
            Outcome::Success,
            size,
        ),
        Act::Refused(caller, words) => (
            Some(caller),
            "import.upload",
            Severity::Warning,
            Outcome::Failure,
            words.to_owned(),
        ),
        Act::Deleted(caller, why) => (
            caller,
            "import.upload_delete",
            Severity::Warning,
            Outcome::Success,
            why.map_or_else(|| size.clone(), |why| format!("{size}, {why}")),
        ),
    };
    let mut connection = engine.store().acquire().await?;
    audit::record_half(
        &mut connection,
        upload.id,
        audit::Entry {
            event_type,
            severity,
            outcome,
            user: caller.map(Caller::name),
            address: caller.and_then(Caller::address),
            target: None,
            object: Some(&upload.expected.name),
            detail: Some(&detail),
            job: None,
        },
    )
    .await?;
    Ok(())
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("working with uploads", error))?
}
