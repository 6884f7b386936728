//! Migrations of a managed database.

use serde::{Deserialize, Serialize};

use crate::{Fault, Instant};

/// Where one migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationState {
    /// Applied, and the file is as it was then.
    Applied,
    /// Not yet applied.
    Pending,
    /// Applied, but the file was edited since.
    Edited,
    /// Applied, but there is no such file any more.
    Missing,
    /// Not applied, though a later one is.
    OutOfOrder,
    /// Begun and not ended (only a `no-transaction` file can be in this state).
    Unfinished,
    /// Begun, and somebody is at work on it.
    Running,
    /// There is a file, but it cannot be read as a migration.
    Unreadable,
}

/// What keeps a file from being applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationObstacle {
    /// The line, from 1.
    pub line: i64,
    /// What stands there, as the end of a sentence.
    pub what: String,
    /// What to do, as a sentence.
    pub remedy: String,
}

/// One migration as the page shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MigrationView {
    /// The number at the beginning of the file's name.
    pub version: i64,
    /// The rest of the name, in words.
    pub description: String,
    /// The file's name.
    pub file: Option<String>,
    /// Where it stands.
    pub state: MigrationState,
    /// Whether it runs in one transaction.
    pub transactional: bool,
    /// When it was applied.
    pub applied_at: Option<Instant>,
    /// How long that took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// Who applied it; `None` when another tool did.
    pub applied_by: Option<String>,
    /// The text, for reading before it runs.
    pub sql: Option<String>,
    /// The statements that will run one by one.
    pub statements: i64,
    /// What keeps it from being applied, when it is to come.
    pub obstacles: Vec<MigrationObstacle>,
}

/// The text of one migration as it was applied, or will be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MigrationText {
    /// The number at the beginning of the file's name.
    pub version: i64,
    /// The text.
    pub sql: String,
    /// SHA-384 of what was applied, in hexadecimal digits, as sqlx keeps it.
    pub checksum: String,
    /// Where the text comes from: the file's name, or the database itself.
    pub from: String,
}

/// All migrations of one managed database, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MigrationStatus {
    /// The managed database.
    pub target: String,
    /// Where the files come from: `bundled: ai_pal`, a folder, or `none`.
    pub source: String,
    /// Whether a set of migrations belongs to the database at all.
    pub has_source: bool,
    /// Every known migration by version.
    pub migrations: Vec<MigrationView>,
    /// How many are pending.
    pub pending: i64,
    /// How many are late: older than the newest applied one and never applied. They are applied only when asked for.
    pub late: i64,
    /// How many were applied and have no file. They are left alone only when asked for.
    pub missing: i64,
    /// Why nothing can be applied now, if so.
    pub problem: Option<Fault>,
    /// Whether something can be applied when late files are allowed and missing ones left alone.
    pub can_be_chosen: bool,
    /// Who is applying migrations now, if somebody is.
    pub under_way: Option<String>,
}

/// What to apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrateSpec {
    /// The managed database.
    pub target: String,
    /// Apply up to and with this version; `None` applies all.
    pub up_to: Option<i64>,
    /// Apply late files too: those that are older than the newest applied one, as after a merge.
    #[serde(default)]
    pub allow_late: bool,
    /// Leave alone what was applied and has no file here, as when another program keeps its migrations in the same table.
    #[serde(default)]
    pub ignore_missing: bool,
}
