//! The folder of uploads: `<data folder>/uploads/<id>/`. In each `upload.json` says what is expected, and the files are
//! named so that SQLite finds the one beside the other. An upload appears and goes by one rename of its folder.

use std::{
    fs::{self, DirBuilder, File, FileTimes, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use contract::{
    Instant,
    import::{UploadKind, UploadPart, UploadView},
    session::Role,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::words;
use crate::{Caller, Error, Result};

/// What is expected.
const EXPECTED: &str = "upload.json";
/// Before the id of an upload that is being made, and of one that is being removed.
const PASSING: [&str; 2] = [".begun-", ".deleted-"];

/// The folder. All functions block: call them where blocking is allowed.
#[derive(Clone, Debug)]
pub(in crate::import) struct Folder {
    root: PathBuf,
}

/// What was announced.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::import) struct Expected {
    /// What it is for; a database in uploads of older consoles.
    #[serde(default)]
    pub kind: UploadKind,
    /// The file's name, made harmless.
    pub name: String,
    pub bytes: i64,
    pub wal_bytes: Option<i64>,
    /// When the sender's own file was last written to, in milliseconds since 1970; uploads of older consoles do not say.
    #[serde(default)]
    pub modified_ms: Option<i64>,
    #[serde(default)]
    pub wal_modified_ms: Option<i64>,
    pub created_by: String,
    pub created_at: Instant,
}

/// An upload that is there.
#[derive(Clone, Debug)]
pub(in crate::import) struct Upload {
    pub(super) id: Uuid,
    pub(super) path: PathBuf,
    pub(in crate::import) expected: Expected,
}

impl Expected {
    /// Bytes of both files.
    pub fn total(&self) -> i64 {
        self.bytes.saturating_add(self.wal_bytes.unwrap_or_default())
    }
}

impl Folder {
    pub fn new(data_dir: &Path) -> Self {
        Self {
            root: data_dir.join("uploads"),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every upload with what is there of it, newest first.
    pub fn views(&self) -> Result<Vec<UploadView>> {
        Ok(self.list()?.iter().map(Upload::view).collect())
    }

    /// Every upload, newest first.
    pub fn list(&self) -> Result<Vec<Upload>> {
        let mut found: Vec<Upload> = self
            .names()?
            .iter()
            .filter_map(|name| name.parse().ok())
            .filter_map(|id| self.read(id).unwrap_or_else(|error| unreadable(id, &error)))
            .collect();
        found.sort_by_key(|upload| std::cmp::Reverse((upload.expected.created_at, upload.id)));
        Ok(found)
    }

    /// One upload that is the caller's; another's is not there.
    pub fn find_for(&self, caller: &Caller, id: Uuid) -> Result<Upload> {
        self.find(id)
            .and_then(|upload| match is_of(caller, &upload.expected.created_by) {
                true => Ok(upload),
                false => Err(words::no_upload(id)),
            })
    }

    /// One upload, whoever's.
    pub fn find(&self, id: Uuid) -> Result<Upload> {
        let reading = Error::io(format!("reading the upload {id}"));
        self.read(id)
            .map_err(reading)?
            .ok_or_else(|| words::no_upload(id))
    }

    pub fn make_root(&self) -> Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.root)
            .map_err(Error::io(format!("making the folder {}", self.root.display())))
    }

    /// Makes an upload with nothing in it yet.
    pub fn begin(&self, id: Uuid, expected: Expected) -> Result<Upload> {
        let (passing, path) = (self.passing(0, id), self.root.join(id.to_string()));
        let make = || -> io::Result<()> {
            DirBuilder::new().mode(0o700).create(&passing)?;
            let mut file = private_file(&passing.join(EXPECTED))?;
            file.write_all(&serde_json::to_vec(&expected)?)?;
            file.sync_all()?;
            private_file(&passing.join(file_name(UploadPart::Database)))?;
            if expected.wal_bytes.is_some() {
                private_file(&passing.join(file_name(UploadPart::Wal)))?;
            }
            sync_folder(&passing)?;
            fs::rename(&passing, &path)?;
            sync_folder(&self.root)
        };
        make().map_err(|error| {
            fs::remove_dir_all(&passing).ok();
            Error::io(format!("making the folder {}", path.display()))(error)
        })?;
        Ok(Upload { id, path, expected })
    }

    /// Bytes that the console's user may still write there; `None` when the system does not say.
    pub fn free_bytes(&self) -> Option<i64> {
        crate::disk::free_bytes(&self.root).ok()
    }

    /// Removes what a killed process left half made or half removed before `until`.
    pub fn remove_passing(&self, until: SystemTime) -> Result<()> {
        for name in self.names()? {
            let path = self.root.join(&name);
            let old = || {
                fs::symlink_metadata(&path)
                    .and_then(|seen| seen.modified())
                    .is_ok_and(|at| at < until)
            };
            if PASSING.iter().any(|prefix| name.starts_with(prefix)) && old() {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>> {
        let reading = |error| Error::io(format!("reading the folder {}", self.root.display()))(error);
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(reading(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            // What we did not name is not ours.
            names.extend(entry.map_err(reading)?.file_name().into_string());
        }
        Ok(names)
    }

    fn read(&self, id: Uuid) -> io::Result<Option<Upload>> {
        let path = self.root.join(id.to_string());
        let text = match fs::read(path.join(EXPECTED)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let expected = serde_json::from_slice(&text)?;
        Ok(Some(Upload { id, path, expected }))
    }

    fn passing(&self, kind: usize, id: Uuid) -> PathBuf {
        self.root.join(format!("{}{id}", PASSING[kind]))
    }
}

impl Upload {
    /// The files that are expected.
    pub(super) fn parts(&self) -> impl Iterator<Item = UploadPart> {
        let wal = self.expected.wal_bytes.map(|_| UploadPart::Wal);
        [UploadPart::Database].into_iter().chain(wal)
    }

    /// Where a part lies.
    pub fn part(&self, part: UploadPart) -> PathBuf {
        self.path.join(file_name(part))
    }

    /// Bytes of a part that are there.
    pub(super) fn received(&self, part: UploadPart) -> i64 {
        fs::metadata(self.part(part)).map_or(0, |seen| i64::try_from(seen.len()).unwrap_or(i64::MAX))
    }

    pub(super) fn view(&self) -> UploadView {
        UploadView {
            id: self.id,
            kind: self.expected.kind,
            name: self.expected.name.clone(),
            bytes: self.expected.bytes,
            received: self.received(UploadPart::Database),
            wal: self
                .expected
                .wal_bytes
                .map(|bytes| (bytes, self.received(UploadPart::Wal))),
            modified_ms: self.expected.modified_ms,
            wal_modified_ms: self.expected.wal_modified_ms,
            created_by: self.expected.created_by.clone(),
            created_at: self.expected.created_at,
            received_at: self.received_at(),
        }
    }

    /// When its last byte came. An empty part was only made.
    fn received_at(&self) -> Instant {
        self.parts()
            .filter_map(|part| fs::metadata(self.part(part)).ok())
            .filter(|seen| seen.len() > 0)
            .filter_map(|seen| seen.modified().ok())
            .map(Instant::from)
            .max()
            .unwrap_or(self.expected.created_at)
    }

    /// Bytes that have not come yet.
    pub(super) fn missing(&self) -> i64 {
        let there: i64 = self.parts().map(|part| self.received(part)).sum();
        self.expected.total().saturating_sub(there)
    }

    /// The database's path and name, once everything is there; it counts as used now.
    pub fn to_open(&self) -> Result<(PathBuf, String)> {
        let view = self.view();
        if !view.is_whole() {
            return Err(words::not_whole(&view));
        }
        let path = self.part(UploadPart::Database);
        let used = FileTimes::new().set_accessed(SystemTime::now());
        if let Err(error) = File::open(&path).and_then(|file| file.set_times(used)) {
            tracing::warn!(upload.id = %self.id, %error, "that an upload is used cannot be noted");
        }
        Ok((path, self.expected.name.clone()))
    }

    /// When one of its files was last written or read.
    pub(super) fn last_touched(&self) -> SystemTime {
        let times = |seen: fs::Metadata| [seen.modified().ok(), seen.accessed().ok()];
        self.parts()
            .filter_map(|part| fs::metadata(self.part(part)).ok())
            .flat_map(times)
            .flatten()
            .max()
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Removes it, whether somebody uses it or not. It may be gone already.
    pub(super) fn remove(&self) -> Result<()> {
        let folder = Folder {
            root: self.path.parent().unwrap_or(&self.path).to_owned(),
        };
        let passing = folder.passing(1, self.id);
        match fs::rename(&self.path, &passing) {
            Ok(()) => remove(&passing),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io(format!("removing {}", self.path.display()))(error)),
        }
    }
}

/// Whether an upload is the caller's: what somebody sent is theirs until they import it, and an administrator's to see.
pub(in crate::import) fn is_of(caller: &Caller, created_by: &str) -> bool {
    caller.role() == Role::Administrator || caller.name() == created_by
}

/// Bytes of a part, and how many are there.
pub(super) fn sizes(view: &UploadView, part: UploadPart) -> (i64, i64) {
    match part {
        UploadPart::Database => (view.bytes, view.received),
        UploadPart::Wal => view.wal.unwrap_or_default(),
    }
}

pub(super) fn is_whole(view: &UploadView, part: UploadPart) -> bool {
    let (bytes, there) = sizes(view, part);
    bytes == there
}

const fn file_name(part: UploadPart) -> &'static str {
    match part {
        UploadPart::Database => "database",
        UploadPart::Wal => "database-wal",
    }
}

fn unreadable(id: Uuid, error: &io::Error) -> Option<Upload> {
    tracing::warn!(upload.id = %id, %error, "an upload cannot be read and is left out");
    None
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("removing {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_upload_of_an_older_console_is_still_read() {
        let room = tempfile::tempdir().unwrap();
        let folder = Folder::new(room.path());
        folder.make_root().unwrap();
        let id = Uuid::from_u128(3);
        let expected = Expected {
            kind: contract::import::UploadKind::Database,
            name: "app.db".to_owned(),
            bytes: 10,
            wal_bytes: Some(4),
            modified_ms: Some(1_700_000_000_123),
            wal_modified_ms: None,
            created_by: "me".to_owned(),
            created_at: chrono::Utc::now(),
        };
        let upload = folder.begin(id, expected).unwrap();
        let view = folder.find(id).unwrap().view();
        assert_eq!(view.modified_ms, Some(1_700_000_000_123));
        assert_eq!(view.received_at, view.created_at, "nothing came yet");

        let old = r#"{"name":"app.db","bytes":10,"wal_bytes":4,"created_by":"me","created_at":"2025-01-02T03:04:05Z"}"#;
        fs::write(upload.path.join(EXPECTED), old).unwrap();
        fs::write(upload.part(UploadPart::Database), [0; 7]).unwrap();
        let view = folder.find(id).unwrap().view();
        assert_eq!(
            (view.received, view.modified_ms, view.wal_modified_ms),
            (7, None, None)
        );
        assert_eq!(view.created_by, "me");
        assert!(view.received_at > view.created_at);
    }
}
