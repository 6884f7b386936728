//! Work that outlives a request, as whole values.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Fault, Instant};

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waiting for a worker, or for another job on the same managed database.
    Queued,
    /// A worker has it.
    Running,
    /// Asked to stop, cleaning up.
    Cancelling,
    /// Ended well.
    Succeeded,
    /// Ended with a fault.
    Failed,
    /// Ended because someone asked.
    Cancelled,
    /// Ended because its worker died.
    Interrupted,
}

impl JobState {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Cancelling,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
    ];

    /// The name in the store, in links and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether the job will never change again.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Interrupted
        )
    }
}

impl std::str::FromStr for JobState {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| format!("\"{name}\" is no job state"))
    }
}

/// What kind of work a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Apply migrations.
    Migrate,
    /// Create constraints and indexes, analyze.
    Optimize,
    /// Take a backup.
    Backup,
    /// Read a stored backup back whole.
    VerifyBackup,
    /// Restore a backup into a new database.
    Restore,
    /// Check an uploaded archive, and store it beside the backups.
    AddBackup,
    /// Remove backups that no rule keeps.
    PruneBackups,
    /// Look at a SQLite file.
    InspectFile,
    /// Run every statement of an import on empty tables, and roll it back.
    RehearseImport,
    /// Bring a SQLite file in, and prove it.
    Import,
    /// Remove what an unfinished import left.
    DiscardImport,
    /// Put another database in the live one's place.
    Swap,
    /// Drop a database beside the live one.
    DropDatabase,
    /// Add what a backup has and the live database has not.
    RestoreLive,
    /// A job that only the tests of the runner use.
    Test,
}

impl JobKind {
    /// Every kind that the product starts.
    pub const ALL: [Self; 15] = [
        Self::Migrate,
        Self::Optimize,
        Self::Backup,
        Self::VerifyBackup,
        Self::Restore,
        Self::AddBackup,
        Self::PruneBackups,
        Self::InspectFile,
        Self::RehearseImport,
        Self::Import,
        Self::DiscardImport,
        Self::Swap,
        Self::DropDatabase,
        Self::RestoreLive,
        Self::Test,
    ];

    /// The name in the store and in links.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Optimize => "optimize",
            Self::Backup => "backup",
            Self::VerifyBackup => "verify_backup",
            Self::Restore => "restore",
            Self::AddBackup => "add_backup",
            Self::PruneBackups => "prune_backups",
            Self::InspectFile => "inspect_file",
            Self::RehearseImport => "rehearse_import",
            Self::Import => "import",
            Self::DiscardImport => "discard_import",
            Self::Swap => "swap",
            Self::DropDatabase => "drop_database",
            Self::RestoreLive => "restore_live",
            Self::Test => "test",
        }
    }
}

impl std::str::FromStr for JobKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("\"{name}\" is no kind of job"))
    }
}

/// What a running job is doing, typed so that pages and scripts can tell phases apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not yet begun.
    #[default]
    Waiting,
    /// Reading what there is and checking what is asked.
    Preparing,
    /// Waiting for the migration lock of another process.
    WaitingForLock,
    /// Applying a migration.
    Applying,
    /// Adding or validating constraints.
    Constraining,
    /// Building indexes.
    Indexing,
    /// Collecting planner statistics.
    Analyzing,
    /// pg_dump is writing.
    Dumping,
    /// Reading the archive back.
    ReadingBack,
    /// Reading a SQLite file.
    Inspecting,
    /// Running statements that are rolled back.
    Rehearsing,
    /// Bringing rows in.
    Loading,
    /// Reading everything back and comparing.
    Verifying,
    /// Ending the sessions in the way and changing the names of two databases.
    Swapping,
    /// Dropping a database.
    Dropping,
    /// Making the result durable.
    Storing,
    /// Removing old backups.
    Pruning,
    /// Removing what an ended job left.
    CleaningUp,
    /// Over.
    Done,
}

impl Phase {
    /// The phase in words.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Preparing => "Preparing",
            Self::WaitingForLock => "Waiting for another migration",
            Self::Applying => "Applying migrations",
            Self::Constraining => "Adding constraints",
            Self::Indexing => "Building indexes",
            Self::Analyzing => "Analyzing",
            Self::Dumping => "Dumping",
            Self::ReadingBack => "Reading back",
            Self::Inspecting => "Looking at the file",
            Self::Rehearsing => "Rehearsing every statement",
            Self::Loading => "Loading rows",
            Self::Verifying => "Verifying",
            Self::Swapping => "Changing the names",
            Self::Dropping => "Dropping",
            Self::Storing => "Storing",
            Self::Pruning => "Removing old backups",
            Self::CleaningUp => "Cleaning up",
            Self::Done => "Done",
        }
    }
}

/// Where a step of a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not yet begun.
    Pending,
    /// Going on.
    Running,
    /// Ended well.
    Done,
    /// There was nothing to do.
    Skipped,
    /// Ended with a fault.
    Failed,
    /// It was at work when its job ended, and nothing says how far it came beyond what it last told.
    BrokenOff,
    /// Its job ended before it.
    NotBegun,
}

impl StepState {
    /// Whether it can still change.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

/// One named part of a job, such as one migration or one index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What it is about, by name.
    pub name: String,
    /// Where it is.
    pub state: StepState,
    /// A few words: the phase it is in, or what came out.
    pub detail: Option<String>,
    /// How far, 0 to 1; `None` when that cannot be known.
    pub fraction: Option<f64>,
    /// How long it took, in milliseconds, once over.
    pub duration_ms: Option<i64>,
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The server process that holds what is needed.
    pub pid: i32,
    /// Who that is, in words: application, state and age.
    pub who: String,
    /// How long already, in seconds.
    pub seconds: i64,
}

/// How far a job is: always the whole picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is going on.
    pub phase: Phase,
    /// A few words beside the phase, such as the table at hand.
    pub detail: Option<String>,
    /// How far over all, 0 to 1; `None` while unknown. Never falls, and is at most 0.99 before the end.
    pub fraction: Option<f64>,
    /// Seconds to go, once the guess is worth something.
    pub eta_s: Option<i64>,
    /// Whom the job waits for, if it does.
    pub waiting: Option<Waiting>,
    /// The named parts.
    pub steps: Vec<Step>,
}

/// A job that another one waits for, since both cannot be at work on one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitsFor {
    /// The job.
    pub id: JobId,
    /// Its title.
    pub title: String,
}

/// A job as pages and commands show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// The job.
    pub id: JobId,
    /// What kind of work.
    pub kind: JobKind,
    /// One line, such as `Back up ai_pal`.
    pub title: String,
    /// The managed database it works on.
    pub target: Option<String>,
    /// Where in its life.
    pub state: JobState,
    /// How far.
    pub progress: Progress,
    /// Why it failed or was interrupted.
    pub fault: Option<Fault>,
    /// What came out, in one line.
    pub outcome: Option<String>,
    /// Who started it.
    pub created_by: String,
    /// When it was asked for.
    pub created_at: Instant,
    /// When a worker took it.
    pub started_at: Option<Instant>,
    /// When it ended.
    pub finished_at: Option<Instant>,
    /// Grows with every change; a view with a higher number is newer.
    pub version: i64,
    /// What a queued job waits for.
    #[serde(default)]
    pub waits_for: Option<WaitsFor>,
}

impl JobView {
    /// What a queued job waits for, in words.
    pub fn turn(&self) -> String {
        match &self.waits_for {
            Some(other) => format!("Waiting for \u{201c}{}\u{201d} to end", other.title),
            None => "Waiting for its turn".to_owned(),
        }
    }

    /// How long it ran, or has been running at `now`, in milliseconds.
    pub fn duration_ms(&self, now: Instant) -> Option<i64> {
        let start = self.started_at?;
        Some(
            (self.finished_at.unwrap_or(now) - start)
                .num_milliseconds()
                .max(0),
        )
    }
}

/// One line of a job's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its number within the job, from 1.
    pub number: i64,
    /// When.
    pub at: Instant,
    /// `info`, `warn` or `error`.
    pub level: LogLevel,
    /// The text.
    pub text: String,
}

/// How serious a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What was done.
    Info,
    /// What a person should know.
    Warn,
    /// What went wrong.
    Error,
}

impl LogLevel {
    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Which jobs to list; everything is optional and lives in the page's URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobQuery {
    /// Only on this managed database.
    pub target: Option<String>,
    /// Only of this kind.
    pub kind: Option<JobKind>,
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only older than this job (the last of the page before).
    pub before: Option<JobId>,
}

/// A page of jobs, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobView>,
    /// Where the next page begins, if there is one.
    pub next: Option<JobId>,
}

/// A job with its log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobDetail {
    /// The job.
    pub job: JobView,
    /// The newest lines of its log, oldest first; at most 1,000.
    pub log: Vec<LogLine>,
}

/// What `/events` sends: whole values only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Everything that is live for this caller; sent first, and again after a lag.
    Snapshot {
        /// Jobs that are not over, and those that ended in the last minutes.
        jobs: Vec<JobView>,
        /// Every managed database.
        targets: Vec<crate::target::TargetView>,
    },
    /// A job changed.
    Job {
        /// The whole job.
        job: Box<JobView>,
    },
    /// Lines were added to a job's log.
    Log {
        /// The job.
        job: JobId,
        /// The new lines.
        lines: Vec<LogLine>,
    },
    /// A managed database came, went, or changed.
    Target {
        /// The whole view.
        target: Box<crate::target::TargetView>,
    },
    /// The values of a managed database's charts at this moment; only where they were asked for.
    Pulse {
        /// All of them.
        pulse: Box<crate::history::Pulse>,
    },
}
