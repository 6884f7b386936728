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
    /// Only from this address; with `Console` alone.
    #[serde(default)]
    pub address: Option<String>,
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
    /// When the act began, where this entry stands for its beginning and its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Instant>,
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

/// A place in the chain over the console's log, to be noted where the store's owner cannot change it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// The link's number.
    pub link: i64,
    /// Its hash, in hexadecimal digits.
    pub hash: String,
}

impl std::fmt::Display for ChainHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.link, self.hash)
    }
}

impl std::str::FromStr for ChainHead {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (link, hash) = text.trim().split_once(':')?;
            let hash = hash.to_ascii_lowercase();
            let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            let link = link.parse().ok().filter(|link| *link >= 0)?;
            is_hash.then_some(Self { link, hash })
        };
        read().ok_or_else(|| "a head is a link's number and its hash, as `audit verify` prints it".to_owned())
    }
}

/// What a check of the chain found, as far as it got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCheck {
    /// Links that were looked at now.
    pub checked: i64,
    /// The chain's last link when the check began.
    pub last: i64,
    /// The link after which to go on; `None` when the check is over.
    pub next: Option<i64>,
    /// When the chain began: entries from before are counted, and not proven.
    pub begun: Option<Instant>,
    /// How many entries are from before.
    pub before: i64,
    /// The end of the chain, once all of it was looked at.
    pub head: Option<ChainHead>,
    /// The first thing that is wrong.
    pub broken: Option<BrokenAudit>,
}

/// Where the console's log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenAudit {
    /// The link, where one is concerned.
    pub link: Option<i64>,
    /// The entry's number, where one is concerned.
    pub entry: Option<i64>,
    /// What was found.
    pub what: String,
    /// What it means.
    pub means: String,
}

/// An entry with its place in the chain, as an export holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainedEntry {
    /// The entry.
    #[serde(flatten)]
    pub entry: AuditEntry,
    /// Its link; `None` for entries from before the chain, and for those that were slipped in.
    pub link: Option<i64>,
    /// The link's hash, in hexadecimal digits.
    pub hash: Option<String>,
}
