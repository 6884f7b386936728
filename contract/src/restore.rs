//! Restoring a backup: what is asked for, what is told before anything is written, and what came of it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Instant,
    backup::{BackupView, Part},
    jobs::JobId,
};

/// What to restore, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreSpec {
    /// The managed database whose backup it is; the restored one is made beside it, unless `to` names another.
    pub target: String,
    /// The managed database on whose server the restored one is made, when that is another.
    #[serde(default)]
    pub to: Option<String>,
    /// The backup.
    pub backup: Uuid,
    /// The new database's name, which must not be taken; none for one of the source's name and the time. With `into_live`, the live
    /// database's own name, which who starts it must have typed.
    #[serde(default)]
    pub into: Option<String>,
    /// Add what is missing to the live database itself, instead of making a new one; nothing that is there is changed.
    #[serde(default)]
    pub into_live: bool,
    /// What of it; nothing chosen is all of it. Types, functions and schemas that the chosen parts need come along.
    #[serde(default)]
    pub only: Vec<Part>,
    /// How many connections load at the same time; none for as many as fit the console's machine, 8 at most.
    #[serde(default)]
    pub parallel: Option<i32>,
    /// Create roles that the server lacks, from those stored with the backup: without password, never a superuser.
    #[serde(default)]
    pub create_roles: bool,
    /// Give everything to this role, which must be no superuser, instead of the owners in the backup, and restore no grants.
    #[serde(default)]
    pub owner: Option<String>,
    /// Of an archive that was uploaded from elsewhere: let what stands in it run with the rights of the console's role, where that is no
    /// superuser and there is no other way, and make the extensions it names that only a superuser may make.
    #[serde(default)]
    pub trust: bool,
    /// Put everything into the server's default tablespace.
    #[serde(default)]
    pub no_tablespaces: bool,
    /// Load as the console's own role, although it is a superuser and the functions of the archive's authors would run with
    /// its rights: for a server that lets no other role in.
    #[serde(default)]
    pub as_superuser: bool,
}

impl RestoreSpec {
    /// The managed database on whose server the restored one is made, or to which what is missing is added.
    pub fn place(&self) -> &str {
        self.to.as_deref().unwrap_or(&self.target)
    }
}

/// What a look before a restore found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestorePlan {
    /// The backup.
    pub backup: BackupView,
    /// The name that the new database gets; the live one's own name, when what is missing is added to that.
    pub into: String,
    /// Whether it goes into the live database itself.
    #[serde(default)]
    pub into_live: bool,
    /// The managed database on whose server it is made.
    pub target: String,
    /// That server's version.
    pub server_version: String,
    /// Connections that load at the same time.
    pub parallel: i32,
    /// What was checked, in the order in which it was; those that keep the restore from beginning have the level `Blocks`.
    pub checks: Vec<RestoreCheck>,
    /// Every table of the backup and of the live database, by schema and name.
    pub tables: Vec<TableThenNow>,
}

impl RestorePlan {
    /// Whether nothing keeps the restore from beginning.
    pub fn may_begin(&self) -> bool {
        self.checks.iter().all(|check| check.level != CheckLevel::Blocks)
    }
}

/// How a check before a restore came out; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckLevel {
    /// As it should be.
    Fine,
    /// It could not be found out.
    Unknown,
    /// Something will be other than in the backup's time, or may go wrong.
    Warning,
    /// The restore cannot begin like this.
    Blocks,
}

impl CheckLevel {
    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Blocks => "blocks",
        }
    }
}

/// One thing that was looked at before a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreCheck {
    /// What was looked at; stays the same over versions, as in `restore.roles`.
    pub key: String,
    /// How it came out.
    pub level: CheckLevel,
    /// What is so, in one sentence or two.
    pub words: String,
    /// What to do about it; none where nothing need be done.
    pub remedy: Option<String>,
}

/// A table in the backup's time and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableThenNow {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Whether the backup has it.
    pub in_backup: bool,
    /// Its rows in the backup, counted; none when they were not.
    pub rows_then: Option<i64>,
    /// Whether the live database has it.
    pub is_live: bool,
    /// Its rows now by the planner's estimate; none when it was never analyzed, or is not there.
    pub rows_now_about: Option<i64>,
}

/// Where a restored database is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoredState {
    /// It is being made, under a name of its own.
    Making,
    /// It was not finished and could not be removed; it still has the name under which it was made.
    Partial,
    /// It is whole and was compared with its backup; it stands beside the live database.
    Ready,
    /// It was put in the live database's place.
    Live,
    /// It was removed.
    Gone,
}

impl RestoredState {
    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Making => "making",
            Self::Partial => "partial",
            Self::Ready => "ready",
            Self::Live => "live",
            Self::Gone => "gone",
        }
    }
}

impl std::str::FromStr for RestoredState {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Making, Self::Partial, Self::Ready, Self::Live, Self::Gone]
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| format!("\"{name}\" is no state of a restored database"))
    }
}

/// A database that a restore made, or is making.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestoredView {
    /// The job that made it.
    pub job: JobId,
    /// The backup.
    pub backup: Uuid,
    /// The instant whose state it holds.
    pub taken_at: Instant,
    /// The managed database on whose server it is.
    pub target: String,
    /// Its name there.
    pub database: String,
    /// Its number there, once it was made.
    pub oid: Option<i64>,
    /// Where in its life.
    pub state: RestoredState,
    /// When the restore began.
    pub started_at: Instant,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// What came of it; none until it is ready.
    pub report: Option<RestoreReport>,
}

/// What came of a restore that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// Tables whose rows were counted and are as many as in the backup.
    pub tables: i64,
    /// Rows over all of them.
    pub rows: i64,
    /// Definitions that were compared with the archive's: tables, policies, grants, comments and so on.
    pub definitions: i64,
    /// The parts that it is of, when the backup or the restore was of chosen ones: then it is not the whole database.
    #[serde(default)]
    pub only: Vec<Part>,
    /// What is not as it was in the backup and why that was so chosen, in sentences.
    pub notes: Vec<String>,
}
