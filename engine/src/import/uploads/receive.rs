//! Bringing one request's bytes to disk, alone, and looking at what they are.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, SeekFrom},
    os::unix::fs::MetadataExt,
    path::Path,
    time::Duration,
};

use contract::{
    Fault,
    import::{UploadKind, UploadPart},
};
use sqlite::header::{self, PROBE};
use tokio::{
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    sync::mpsc,
};
use tokio_util::bytes::Bytes;

use super::{blocking, folder::Upload, words};
use crate::{
    Error, Result,
    archive::{self, ENOUGH},
};

/// How long a request waits for one that ends just now.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);
/// How a write-ahead log begins; its last bit says in which order its sums are.
const LOG: [u8; 3] = [0x37, 0x7f, 0x06];

/// Why no more is taken.
pub(super) enum Failure {
    /// It is not what it was announced as; nobody has a use for it.
    NoDatabase(Fault),
    /// The request is refused; what other requests brought is kept.
    Refused(Fault),
    /// The disk does not do as it should.
    System(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoDatabase(fault) | Failure::Refused(fault) => Self::Refused(fault),
            Failure::System(error) => Self::io("An upload cannot be written")(error),
        }
    }
}

/// A part that is open for one request, and locked against others.
pub(super) struct Receiver {
    file: tokio::fs::File,
    kind: UploadKind,
    part: UploadPart,
    name: String,
    /// Where the request began.
    offset: i64,
    /// How many bytes are there.
    at: i64,
    /// How many there may be.
    announced: i64,
    /// Whether its size alone does not say that a database is cut off, since a log belongs to it.
    with_wal: bool,
}

impl Receiver {
    /// Opens a part to go on at `offset`.
    pub async fn open(upload: &Upload, part: UploadPart, offset: i64) -> Result<Self> {
        let expected = &upload.expected;
        let announced = match part {
            UploadPart::Database => expected.bytes,
            UploadPart::Wal => expected.wal_bytes.ok_or_else(|| words::no_wal(&expected.name))?,
        };
        let file = lock(upload, part).await?;
        let at = upload.received(part);
        if at != offset {
            return Err(words::wrong_offset(&expected.name, at, offset));
        }
        let mut file = tokio::fs::File::from_std(file);
        let sought = file.seek(SeekFrom::End(0)).await;
        sought.map_err(Error::io(format!("writing {}", expected.name)))?;
        Ok(Self {
            file,
            kind: expected.kind,
            part,
            name: expected.name.clone(),
            offset,
            at,
            announced,
            with_wal: expected.wal_bytes.is_some(),
        })
    }

    /// Writes what comes until it ends. Says whether anything came. What is kept is on disk then.
    pub async fn run(mut self, upload: &Upload, mut chunks: mpsc::Receiver<Bytes>) -> Result<bool, Failure> {
        let taken = self.take(&mut chunks).await;
        // Nobody needs to read on for what is refused.
        drop(chunks);
        let synced = match self.file.flush().await {
            Ok(()) => self.file.sync_all().await,
            failed => failed,
        };
        let full =
            |error: &io::Error| matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        match taken.and(synced.map_err(Failure::System)) {
            Ok(()) => Ok(self.at > self.offset),
            Err(Failure::System(error)) if full(&error) => {
                let there = upload.received(self.part);
                Err(Failure::Refused(words::disk_full(
                    &self.name,
                    there,
                    self.announced,
                )))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn take(&mut self, chunks: &mut mpsc::Receiver<Bytes>) -> Result<(), Failure> {
        while let Some(bytes) = chunks.recv().await {
            let after = i64::try_from(bytes.len())
                .ok()
                .and_then(|more| self.at.checked_add(more))
                .filter(|after| *after <= self.announced);
            let Some(after) = after else {
                return Err(self.too_much().await?);
            };
            self.file.write_all(&bytes).await?;
            let before = std::mem::replace(&mut self.at, after);
            let enough = self.enough();
            if before < enough && after >= enough && after < self.announced {
                self.look().await?;
            }
        }
        if self.at == self.announced && self.at > self.offset {
            self.look().await?;
        }
        Ok(())
    }

    /// How many bytes say what the part is.
    fn enough(&self) -> i64 {
        match (self.part, self.kind) {
            (UploadPart::Database, UploadKind::Database) => PROBE as i64,
            (UploadPart::Database, UploadKind::Archive) => ENOUGH as i64,
            (UploadPart::Wal, _) => LOG.len() as i64,
        }
    }

    /// Looks at the beginning of what is there.
    async fn look(&mut self) -> Result<(), Failure> {
        let mut first = Vec::with_capacity(ENOUGH);
        let enough = self.enough() as u64;
        self.file.flush().await?;
        self.file.rewind().await?;
        (&mut self.file).take(enough).read_to_end(&mut first).await?;
        self.file.seek(SeekFrom::End(0)).await?;
        match self.part {
            UploadPart::Database if self.kind == UploadKind::Archive => {
                archive::look(&self.name, &first).map_err(Failure::NoDatabase)
            }
            UploadPart::Database => {
                let header = header::read(&self.name, &first).and_then(|header| {
                    let whole = self.at == self.announced && !self.with_wal;
                    if whole {
                        header.whole(&self.name, self.at)
                    } else {
                        Ok(())
                    }
                });
                header.map_err(Failure::NoDatabase)
            }
            UploadPart::Wal if first.starts_with(&LOG) => Ok(()),
            UploadPart::Wal => {
                self.cut(0).await?;
                Err(Failure::Refused(words::no_log(&self.name)))
            }
        }
    }

    /// Takes back what the request brought: a file that does not end where it was said to is another one.
    async fn too_much(&mut self) -> io::Result<Failure> {
        self.cut(self.offset).await?;
        Ok(Failure::Refused(words::too_much(&self.name, self.announced)))
    }

    async fn cut(&mut self, to: i64) -> io::Result<()> {
        self.file.flush().await?;
        self.file.set_len(u64::try_from(to).unwrap_or_default()).await?;
        self.at = to;
        Ok(())
    }
}

/// Locks every part of an upload against writers, readers and whoever removes it.
///
/// # Errors
/// `Busy` when another one does not let go in time.
pub(super) async fn lock_all(upload: &Upload) -> Result<Vec<File>> {
    let mut locks = Vec::new();
    for part in upload.parts() {
        locks.push(lock(upload, part).await?);
    }
    Ok(locks)
}

async fn lock(upload: &Upload, part: UploadPart) -> Result<File> {
    let begun = tokio::time::Instant::now();
    loop {
        let (path, gone) = (upload.part(part), upload.id);
        let locked = blocking(move || match alone(&path) {
            Ok(file) => Ok(file),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(words::no_upload(gone)),
            Err(error) => Err(Error::io(format!("opening {}", path.display()))(error)),
        });
        if let Some(file) = locked.await? {
            return Ok(file);
        }
        if begun.elapsed() > PATIENCE {
            return Err(words::busy(&upload.expected.name));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Opens a file for reading and writing and locks it; `None` when someone else holds it. The lock goes with the file,
/// and so with a process that dies.
pub(super) fn alone(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // It may have been removed between the two.
    if fs::metadata(path)?.ino() != file.metadata()?.ino() {
        return Err(ErrorKind::NotFound.into());
    }
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use uuid::Uuid;

    use super::*;
    use crate::import::uploads::{Expected, Folder};

    #[tokio::test]
    async fn a_full_disk_says_what_is_there_and_that_it_is_kept() {
        let room = tempfile::tempdir().unwrap();
        let folder = Folder::new(room.path());
        folder.make_root().unwrap();
        let expected = Expected {
            kind: contract::import::UploadKind::Database,
            name: "app.db".to_owned(),
            bytes: 9000,
            wal_bytes: None,
            modified_ms: None,
            wal_modified_ms: None,
            created_by: "me".to_owned(),
            created_at: chrono::Utc::now(),
        };
        let upload = folder.begin(Uuid::from_u128(1), expected).unwrap();
        fs::write(upload.part(UploadPart::Database), [1; 5000]).unwrap();
        let mut receiver = Receiver::open(&upload, UploadPart::Database, 5000).await.unwrap();
        // The device on which every write finds the disk full.
        receiver.file = tokio::fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/full")
            .await
            .unwrap();
        let (send, chunks) = mpsc::channel(1);
        send.send(Bytes::from_static(&[1; 100])).await.unwrap();
        drop(send);
        let failure = receiver.run(&upload, chunks).await.map(drop);
        let fault = failure.map_err(Error::from).unwrap_err().fault();
        assert_eq!(
            fault.message,
            "The disk is full: 5,000 of 9,000 bytes of app.db are there."
        );
        assert!(fault.field.is_none() && fault.hint.is_some_and(|hint| hint.contains("is kept")));
    }
}
