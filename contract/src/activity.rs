//! What happens on a server at this moment: its sessions, who holds up whom, and what runs.

use serde::{Deserialize, Serialize};

use crate::{Instant, finding::Finding};

/// Sessions on one page.
pub const SESSIONS_PER_PAGE: i64 = 50;

/// A column to sort sessions by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionSort {
    /// The process.
    Pid,
    /// The role.
    Role,
    /// The application.
    Application,
    /// The state.
    State,
    /// How long its transaction is open.
    #[default]
    Transaction,
    /// How long its statement runs, or has been over.
    Query,
}

impl SessionSort {
    /// Every column.
    pub const ALL: [Self; 6] = [
        Self::Pid,
        Self::Role,
        Self::Application,
        Self::State,
        Self::Transaction,
        Self::Query,
    ];

    /// The name in links.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pid => "pid",
            Self::Role => "role",
            Self::Application => "application",
            Self::State => "state",
            Self::Transaction => "transaction",
            Self::Query => "query",
        }
    }
}

impl std::str::FromStr for SessionSort {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|sort| sort.name() == name)
            .ok_or_else(|| format!("\"{name}\" is no column"))
    }
}

/// A kind of sessions to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionFilter {
    /// Runs a statement.
    Active,
    /// Has an open transaction and runs nothing.
    IdleInTransaction,
    /// Does nothing.
    Idle,
    /// Waits for a lock that another one holds or asked for before.
    Waiting,
}

impl SessionFilter {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Active, Self::IdleInTransaction, Self::Idle, Self::Waiting];

    /// The name in links.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::IdleInTransaction => "idle_in_transaction",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
        }
    }

    /// The words for it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::IdleInTransaction => "idle in transaction",
            Self::Idle => "idle",
            Self::Waiting => "waits for a lock",
        }
    }

    /// Whether a session is of this kind. One whose state is hidden is none but, where it is so, a waiting one.
    pub fn holds(self, session: &SessionStat) -> bool {
        let state = session.state.as_deref().unwrap_or_default();
        match self {
            Self::Active => session.is_active(),
            Self::IdleInTransaction => state.starts_with("idle in transaction"),
            Self::Idle => state == "idle",
            Self::Waiting => session.waits_for.is_some(),
        }
    }
}

impl std::str::FromStr for SessionFilter {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|filter| filter.name() == name)
            .ok_or_else(|| format!("\"{name}\" is no state"))
    }
}

/// Which sessions to show, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityQuery {
    /// The managed database.
    pub target: String,
    /// Sessions in other databases of the server too.
    #[serde(default)]
    pub all: bool,
    /// A part of the role, database, application, address or statement, or a pid.
    #[serde(default)]
    pub search: Option<String>,
    /// Only these.
    #[serde(default)]
    pub state: Option<SessionFilter>,
    /// Sorted by this.
    #[serde(default)]
    pub sort: SessionSort,
    /// The longest, or the last of the alphabet, first.
    #[serde(default)]
    pub descending: bool,
    /// From 1; one beyond the end is the last.
    #[serde(default)]
    pub page: i64,
}

/// What happens on a server, in one look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActivityView {
    /// The managed database.
    pub target: String,
    /// When this was read.
    pub sampled_at: Instant,
    /// False on a standby.
    pub primary: bool,
    /// Sessions of the page that was asked for.
    pub sessions: Vec<SessionStat>,
    /// The page shown, from 1.
    pub page: i64,
    /// Sessions that the query matches.
    pub matching: i64,
    /// Sessions of this database.
    pub here: i64,
    /// Sessions of the whole server, those of this database among them.
    pub everywhere: i64,
    /// Sessions beyond the most that one look reads; which they are is not known.
    pub unread: i64,
    /// Sessions whose statement, state and times are hidden from the console's role.
    pub hidden: i64,
    /// The statement that shows them, where some are hidden.
    pub grant: Option<String>,
    /// Sessions that wait for a lock, of the whole server.
    pub waiting: i64,
    /// Who holds up whom: each root before those that wait for it, the one that holds up most first.
    pub tree: Vec<BlockNode>,
    /// What keeps dead rows of this database from being removed, the worst first.
    pub horizon: Vec<HorizonHolder>,
    /// Prepared transactions of the whole server, the oldest first.
    pub prepared: Vec<PreparedView>,
    /// Commands that tell how far they are, of the whole server.
    pub running: Vec<RunningCommand>,
    /// Transactions and waits that are too long, the worst first.
    pub concerns: Vec<Finding>,
}

/// What a pid stands for: a number is used again, a number with the time at which its process began is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionKey {
    /// The server's process.
    pub pid: i32,
    /// When it began, to the microsecond; none where that is hidden from the console's role.
    pub started: Option<Instant>,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionStat {
    /// Which one.
    #[serde(flatten)]
    pub key: SessionKey,
    /// `client backend`, `autovacuum worker`, …; none where hidden.
    pub kind: Option<String>,
    /// The role it logged in as.
    pub role: Option<String>,
    /// The database it is in.
    pub database: Option<String>,
    /// Whether that is the managed one.
    pub here: bool,
    /// What it calls itself.
    pub application: String,
    /// The client's address; none for a socket of the same machine, and where hidden.
    pub client: Option<String>,
    /// `active`, `idle`, `idle in transaction`, …; none where hidden.
    pub state: Option<String>,
    /// Seconds in this state.
    pub state_s: Option<i64>,
    /// Seconds since its transaction began.
    pub transaction_s: Option<i64>,
    /// Seconds since its statement, or its last one, began.
    pub query_s: Option<i64>,
    /// What it waits for, as `Lock: transactionid`.
    pub wait: Option<String>,
    /// The lock it waits for, where it waits for one.
    pub waits_for: Option<LockWait>,
    /// Whom it waits for; 0 is a prepared transaction.
    pub blocked_by: Vec<i32>,
    /// Its statement, or its last one; without values for who may not see data. None where hidden.
    pub query: Option<String>,
    /// How many transactions began since the oldest one it may still see.
    pub horizon_xids: Option<i64>,
    /// Why the console ends neither it nor its statement; none where it may be asked to.
    pub protected: Option<String>,
}

impl SessionStat {
    /// Whether it runs a statement.
    pub fn is_active(&self) -> bool {
        matches!(self.state.as_deref(), Some("active" | "fastpath function call"))
    }

    /// Who it is, as `web, role ann`.
    pub fn who(&self) -> String {
        let kind = || self.kind.clone().filter(|kind| kind != "client backend");
        let mut who = match self.application.is_empty() {
            true => kind().unwrap_or_else(|| "no application name".to_owned()),
            false => self.application.clone(),
        };
        if let Some(role) = &self.role {
            who.push_str(", role ");
            who.push_str(role);
        }
        who
    }
}

/// A lock that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockWait {
    /// On what, in words: `table public.users`, `a row of public.users`.
    pub on: String,
    /// The mode, as `ShareLock`.
    pub mode: String,
    /// Seconds since it is waited for; none in the first moments.
    pub seconds: Option<i64>,
}

/// One place in the tree of who holds up whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockNode {
    /// 0 for a root.
    pub depth: u32,
    /// How many wait below it.
    pub below: i64,
    /// Seconds of the longest wait below it.
    pub longest_s: i64,
    /// The session; none for a prepared transaction, and for a process that cannot be seen.
    pub session: Option<SessionStat>,
    /// The transaction, where it is a prepared one.
    pub prepared: Option<PreparedView>,
    /// The process; 0 for a prepared transaction.
    pub pid: i32,
    /// Others that it waits for too.
    pub also: Vec<i32>,
}

impl BlockNode {
    /// Who it is, in words.
    pub fn who(&self) -> String {
        match (&self.session, &self.prepared) {
            (Some(session), _) => format!("pid {} ({})", self.pid, session.who()),
            (None, Some(prepared)) => format!(
                "the prepared transaction “{}” (role {})",
                prepared.name, prepared.owner
            ),
            (None, None) if self.pid == 0 => "a prepared transaction".to_owned(),
            (None, None) => format!("pid {}", self.pid),
        }
    }
}

/// A transaction that was prepared and neither committed nor rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedView {
    /// Its name, as its application gave it.
    pub name: String,
    /// Its number.
    pub transaction: String,
    /// Who prepared it.
    pub owner: String,
    /// In which database.
    pub database: String,
    /// Whether that is the managed one.
    pub here: bool,
    /// Seconds since it was prepared.
    pub age_s: i64,
    /// How many transactions began since.
    pub xids: i64,
    /// What ends it, run in its database by its owner or a superuser.
    pub remedy: String,
}

/// What kind of thing keeps dead rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    /// A session's transaction.
    Session,
    /// A prepared transaction.
    Prepared,
    /// A replication slot.
    Slot,
    /// A standby that sends feedback of its queries.
    Standby,
}

/// Something that keeps dead rows from being removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HorizonHolder {
    /// What it is.
    pub kind: HolderKind,
    /// Which one, in words.
    pub who: String,
    /// How many transactions began since the oldest one whose rows it keeps.
    pub xids: i64,
    /// Seconds since then; none where nobody wrote it down.
    pub age_s: Option<i64>,
    /// What to do about it.
    pub remedy: String,
}

/// A command that tells how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningCommand {
    /// The process.
    pub pid: i32,
    /// As `CREATE INDEX CONCURRENTLY`.
    pub command: String,
    /// On what: schema and name; none in other databases, whose names cannot be read from here, and where hidden.
    pub relation: Option<String>,
    /// In which database.
    pub database: Option<String>,
    /// Who runs it, in words.
    pub who: String,
    /// What it does now, in words.
    pub phase: String,
    /// How far it is, 0 to 1, and never 1 before its end; none where its total is unknown.
    pub fraction: Option<f64>,
    /// What was counted, as `1,200 of 4,000 blocks`.
    pub counted: Option<String>,
    /// Whether fraction is that of the phase alone.
    pub of_phase: bool,
    /// Seconds since its statement began.
    pub seconds: Option<i64>,
    /// Seconds that this phase may still take, once enough of it was seen.
    pub left_s: Option<i64>,
}

/// What is done to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionAct {
    /// Its statement is broken off; it stays.
    Cancel,
    /// It is ended, and its transaction rolled back.
    Terminate,
}

/// A session to cancel or terminate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndSession {
    /// The managed database by whose server it is.
    pub target: String,
    /// The server's process.
    pub pid: i32,
    /// When it began, as it was shown: another one that got its number meanwhile is left alone.
    pub started: Instant,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedSession {
    /// Whether the statement, or the session, is over. False is "asked, and still running".
    pub over: bool,
    /// What is so, in one sentence.
    pub words: String,
}
