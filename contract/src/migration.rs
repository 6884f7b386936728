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
}

/// All migrations of one managed database, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MigrationStatus {
    /// The managed database.
    pub target: String,
    /// Where the files come from: `bundled: ai_pal`, or a folder.
    pub source: String,
    /// Every known migration by version.
    pub migrations: Vec<MigrationView>,
    /// How many are pending.
    pub pending: i64,
    /// Why nothing can be applied now, if so.
    pub problem: Option<Fault>,
}

/// What to apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrateSpec {
    /// The managed database.
    pub target: String,
    /// Apply up to and with this version; `None` applies all.
    pub up_to: Option<i64>,
}
