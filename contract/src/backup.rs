//! Backups: what is stored, and what proves it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Instant, jobs::JobId, jobs::JobView};

/// How well a stored backup is proven; each level includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// L0: the stored bytes have the hash that was computed while they were written.
    Hash,
    /// L1: pg_restore read the archive whole.
    ReadBack,
}

impl Proof {
    /// What was done to prove it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hash => "Hash only",
            Self::ReadBack => "Read back whole",
        }
    }
}

/// A stored backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackupView {
    /// The backup.
    pub id: Uuid,
    /// The managed database it is of.
    pub target: String,
    /// The database's own name.
    pub database: String,
    /// The file's name, for the download.
    pub file: String,
    /// The instant whose state it holds.
    pub taken_at: Instant,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// Size of the archive in bytes.
    pub bytes: i64,
    /// Size of the database when it was taken, in bytes.
    pub database_bytes: i64,
    /// SHA-256 of the archive, in hex.
    pub sha256: String,
    /// How well it is proven.
    pub proof: Proof,
    /// When that was last proven.
    pub proven_at: Instant,
    /// What the last verification found wrong, if anything: then this is no backup any more.
    pub damage: Option<String>,
    /// Why its manifest cannot be vouched for, if so: another console sealed it. Not damage: it can be verified, and taken
    /// over.
    #[serde(default)]
    pub foreign: Option<String>,
    /// The server's version.
    pub server_version: String,
    /// pg_dump's version.
    pub tool_version: String,
    /// The newest applied migration.
    pub migration: Option<i64>,
    /// Tables in it, with their rows (counted in the dump's own snapshot).
    pub tables: i64,
    /// Rows over all tables.
    pub rows: i64,
    /// What a reader must know of it, in sentences, such as that the rows of foreign tables are not in it.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Who asked for it.
    pub created_by: String,
    /// The job that made it.
    pub job: Option<JobId>,
}

impl BackupView {
    /// Whether something could be restored from it, as far as this console knows and vouches for.
    pub fn is_sound(&self) -> bool {
        self.damage.is_none() && self.foreign.is_none()
    }
}

/// The Backups page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackupList {
    /// The managed database.
    pub target: String,
    /// Stored backups, newest first.
    pub backups: Vec<BackupView>,
    /// Attempts that are running or did not become a backup, newest first.
    pub attempts: Vec<JobView>,
    /// What the reader must know of the client tools, if anything.
    pub warning: Option<String>,
    /// Where backups are stored.
    pub location: String,
    /// Bytes free there.
    pub free_bytes: Option<i64>,
    /// Bytes that a next one will need, from the last one or the database's size.
    pub expected_bytes: Option<i64>,
    /// Milliseconds that a next one will take, from the last one.
    pub expected_ms: Option<i64>,
}

/// What to back up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSpec {
    /// The managed database.
    pub target: String,
}

/// A backup to delete, with the typed confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteBackup {
    /// The managed database.
    pub target: String,
    /// The backup.
    pub id: Uuid,
    /// The database's name as the user typed it.
    pub confirm: String,
}
