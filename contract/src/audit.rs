//! Who did what, when, and what came of it.

use serde::{Deserialize, Serialize};

use crate::{Instant, jobs::JobId};

/// Whose log is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditSource {
    /// The console's own acts.
    #[default]
    Console,
    /// The table `audit_logs` of a managed database.
    Target,
}

/// How serious an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For developers.
    Debug,
    /// An ordinary act.
    Info,
    /// An act that destroys something, or an attempt that was refused.
    Warning,
    /// An act that failed.
    Error,
    /// A danger to all.
    Critical,
}

impl Severity {
    /// Every severity, mildest first.
    pub const ALL: [Self; 5] = [
        Self::Debug,
        Self::Info,
        Self::Warning,
        Self::Error,
        Self::Critical,
    ];

    /// The name in both logs and in links.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl std::str::FromStr for Severity {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|it| it.name() == name)
            .ok_or_else(|| format!("\"{name}\" is no severity"))
    }
}

/// What came of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Begun; a job carries it on.
    Started,
    /// It worked.
    Success,
    /// It did not.
    Failure,
    /// It was refused.
    Denied,
}

impl Outcome {
    /// The name in the logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

/// Which entries to show; lives in the page's URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditQuery {
    /// Whose log.
    pub source: AuditSource,
    /// The managed database: whose log with `Target`, a filter with `Console`.
    pub target: Option<String>,
    /// Only by this user.
    pub user: Option<String>,
    /// Only of this type.
    pub event_type: Option<String>,
    /// Only this severity.
    pub severity: Option<Severity>,
    /// Only at or after.
    pub from: Option<Instant>,
    /// Only before.
    pub until: Option<Instant>,
    /// The last entry of the page before, as `AuditPage::next` gave it.
    pub after: Option<String>,
}

/// Entries on one page.
pub const AUDIT_PER_PAGE: i64 = 50;

/// One entry of either log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number in its log.
    pub id: i64,
    /// When.
    pub at: Instant,
    /// How serious.
    pub severity: Severity,
    /// What kind of act, such as `backup.create`.
    pub event_type: String,
    /// Who; `None` when nobody was logged in.
    pub user: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// On which managed database.
    pub target: Option<String>,
    /// On what, by name.
    pub object: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// More, in words or SQL.
    pub detail: Option<String>,
    /// The job that carried it out.
    pub job: Option<JobId>,
}

/// A page of entries, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// Event types that occur, for the filter.
    pub event_types: Vec<String>,
    /// Users that occur, for the filter.
    pub users: Vec<String>,
}
