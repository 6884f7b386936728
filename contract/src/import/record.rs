//! Imports as the console keeps them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ImportReport, Inspection, Mapping, Rehearsal, Verdict};
use crate::{Fault, Instant, jobs::JobId};

/// An import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImportId(pub Uuid);

impl std::fmt::Display for ImportId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for ImportId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Where an import is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    /// The file is being looked at, or that ended badly: its job says so.
    Inspecting,
    /// The file is known; nothing is in the target.
    Ready,
    /// A job is at work, or ended in the middle: what is loaded is kept, and the next run goes on from there.
    Loading,
    /// Done and verified.
    Done,
}

impl ImportState {
    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inspecting => "inspecting",
            Self::Ready => "ready",
            Self::Loading => "loading",
            Self::Done => "done",
        }
    }
}

impl std::str::FromStr for ImportState {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Inspecting, Self::Ready, Self::Loading, Self::Done]
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| format!("\"{name}\" is no state of an import"))
    }
}

/// An import in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportView {
    /// The import.
    pub id: ImportId,
    /// The managed database.
    pub target: String,
    /// The file's name.
    pub file: String,
    /// Where in its life.
    pub state: ImportState,
    /// Its last job.
    pub job: Option<JobId>,
    /// What came out, once it is done.
    pub verdict: Option<Verdict>,
    /// Who began it.
    pub created_by: String,
    /// When.
    pub created_at: Instant,
}

/// An import with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportDetail {
    /// The import.
    pub import: ImportView,
    /// What is decided so far.
    pub mapping: Mapping,
    /// Which decisions, about which state of the file; a rehearsal and a start name the one that their reader saw.
    pub revision: String,
    /// What was found in the file, once it was looked at.
    pub inspection: Option<Inspection>,
    /// The last rehearsal.
    pub rehearsal: Option<Rehearsal>,
    /// What was done, once it is done.
    pub report: Option<ImportReport>,
    /// Whether later runs bring over what changed in the file since.
    pub following: bool,
    /// Where an upload is followed: what there is of its file as it is now.
    pub newer: Option<NewerUploads>,
}

/// Uploads of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewerUploads {
    /// Newest first: of a file that is followed the whole ones that may be it as it is now; of archives all of the caller's.
    pub uploads: Vec<UploadView>,
    /// The most bytes that an upload may have; 0 when uploads are switched off.
    pub upload_limit: i64,
}

/// Which file to import, and where to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewImport {
    /// The managed database.
    pub target: String,
    /// The file: one of [`ImportFiles`].
    pub file: ImportFile,
}

/// A file that can be imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportFile {
    /// By its path below the allowed folder.
    Server(String),
    /// An upload.
    Upload(Uuid),
}

/// Files that can be imported from the browser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportFiles {
    /// The allowed folder on the console's machine, if there is one.
    pub folder: Option<String>,
    /// Why the folder cannot be read, if it cannot.
    pub folder_fault: Option<Fault>,
    /// Files below it by their path, sorted; at most 1,000.
    pub server: Vec<FileEntry>,
    /// Whether there may be more below it than is listed, since it is large or deep.
    pub server_cut: bool,
    /// Uploads, newest first.
    pub uploads: Vec<UploadView>,
    /// The most bytes that an upload may have; 0 when uploads are switched off.
    pub upload_limit: i64,
}

/// A file below the allowed folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path below the folder.
    pub path: String,
    /// Its bytes.
    pub bytes: i64,
    /// When it was last written to.
    pub modified_at: Instant,
}

/// What an upload is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadKind {
    /// A SQLite database, to import.
    #[default]
    Database,
    /// An archive of pg_dump, to be stored beside the backups.
    Archive,
}

/// A file that is about to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewUpload {
    /// What it is for.
    #[serde(default)]
    pub kind: UploadKind,
    /// Its name; folders before it are left out.
    pub name: String,
    /// Its bytes.
    pub bytes: i64,
    /// Bytes of the `-wal` that belongs to it, when that is uploaded too.
    pub wal_bytes: Option<i64>,
    /// When the file was last written to on its own machine, in milliseconds since 1970, where that is known.
    #[serde(default)]
    pub modified_ms: Option<i64>,
    /// The same of the `-wal`.
    #[serde(default)]
    pub wal_modified_ms: Option<i64>,
}

/// The files of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadPart {
    /// The database itself.
    Database,
    /// Its write-ahead log.
    Wal,
}

impl UploadPart {
    /// The name in addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Wal => "wal",
        }
    }
}

impl std::str::FromStr for UploadPart {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Database, Self::Wal]
            .into_iter()
            .find(|part| part.name() == name)
            .ok_or_else(|| format!("\"{name}\" is no part of an upload"))
    }
}

/// An upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadView {
    /// The upload.
    pub id: Uuid,
    /// What it is for.
    #[serde(default)]
    pub kind: UploadKind,
    /// The name of the file.
    pub name: String,
    /// Bytes that the file has.
    pub bytes: i64,
    /// Bytes that are there.
    pub received: i64,
    /// Bytes of the `-wal` that belongs to it, and how many are there.
    pub wal: Option<(i64, i64)>,
    /// When the file was last written to on its own machine, in milliseconds since 1970, where that is known. One that
    /// was written to since is another file, whatever its size.
    pub modified_ms: Option<i64>,
    /// The same of the `-wal`.
    pub wal_modified_ms: Option<i64>,
    /// Who began it.
    pub created_by: String,
    /// When it was begun.
    pub created_at: Instant,
    /// When its last byte came; when it was begun, while none has.
    pub received_at: Instant,
}

impl UploadView {
    /// Whether everything is there.
    pub fn is_whole(&self) -> bool {
        self.received == self.bytes && self.wal.is_none_or(|(bytes, received)| bytes == received)
    }
}
