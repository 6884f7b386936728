//! What the statements of a managed database cost, from pg_stat_statements.

use serde::{Deserialize, Serialize};

use crate::{Instant, history::Range};

/// Statements that a page shows at first, and how many more at a time.
pub const QUERIES_SHOWN: i64 = 50;

/// The most statements that one question answers.
pub const MOST_QUERIES: i64 = 200;

/// What a statement did in a stretch of time. Blocks are the server's, of 8 kB unless it was built otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// How often it ran to its end.
    pub calls: i64,
    /// Milliseconds of execution; planning is not in it.
    pub total_ms: f64,
    /// Rows it returned or changed.
    pub rows: i64,
    /// Shared blocks found in the cache.
    pub hit: i64,
    /// Shared blocks read.
    pub read: i64,
    /// Shared blocks made dirty.
    pub dirtied: i64,
    /// Shared blocks it had to write itself.
    pub written: i64,
    /// Temporary blocks read and written.
    pub temp: i64,
    /// Bytes of write-ahead log.
    pub wal_bytes: i64,
    /// Milliseconds of reading and writing blocks; 0 without `track_io_timing`.
    pub io_ms: f64,
}

impl Sums {
    /// Milliseconds of one call; none when it never ran.
    pub fn mean_ms(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.total_ms / self.calls as f64)
    }

    /// Shared blocks read and written.
    pub fn io(&self) -> i64 {
        self.read.saturating_add(self.written)
    }

    /// Adds what another one did.
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.total_ms += other.total_ms;
        self.rows = self.rows.saturating_add(other.rows);
        self.hit = self.hit.saturating_add(other.hit);
        self.read = self.read.saturating_add(other.read);
        self.dirtied = self.dirtied.saturating_add(other.dirtied);
        self.written = self.written.saturating_add(other.written);
        self.temp = self.temp.saturating_add(other.temp);
        self.wal_bytes = self.wal_bytes.saturating_add(other.wal_bytes);
        self.io_ms += other.io_ms;
    }
}

/// What statements are sorted by, most first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuerySort {
    /// All its time.
    #[default]
    Total,
    /// The time of one call.
    Mean,
    /// How often it ran.
    Calls,
    /// Rows.
    Rows,
    /// Blocks read and written.
    Io,
    /// Write-ahead log.
    Wal,
    /// Temporary blocks.
    Temp,
}

impl QuerySort {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Total,
        Self::Mean,
        Self::Calls,
        Self::Rows,
        Self::Io,
        Self::Wal,
        Self::Temp,
    ];

    /// The name in links and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Mean => "mean",
            Self::Calls => "calls",
            Self::Rows => "rows",
            Self::Io => "io",
            Self::Wal => "wal",
            Self::Temp => "temp",
        }
    }
}

impl std::str::FromStr for QuerySort {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|sort| sort.name() == name)
            .ok_or_else(|| {
                format!("\"{name}\" is no order; there are total, mean, calls, rows, io, wal, temp")
            })
    }
}

/// Which statements to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueriesQuery {
    /// The managed database.
    pub target: String,
    /// The time.
    pub range: Range,
    /// The order.
    pub sort: QuerySort,
    /// Least first instead of most.
    pub ascending: bool,
    /// Words that the text has, whatever the case of letters.
    pub search: Option<String>,
    /// The role that ran it.
    pub role: Option<String>,
    /// A tag of its comments, as in `controller=orders`.
    pub tag: Option<String>,
    /// Milliseconds that a call takes at least, in the mean.
    pub min_mean_ms: Option<i64>,
    /// The most statements; at most [`MOST_QUERIES`].
    pub limit: i64,
}

/// Something that keeps statements from being counted, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryHint {
    /// What is so, in a sentence or two.
    pub words: String,
    /// The statements that change it, where there are some.
    pub statement: Option<String>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryStat {
    /// Its number in pg_stat_statements; as text, because it is greater than what a JSON number holds.
    pub queryid: String,
    /// Its text without values; none when the server did not give it.
    pub text: Option<String>,
    /// Whether that is all of it; what is longer than 20,000 characters is cut.
    pub whole_text: bool,
    /// Tags of its comments, as in `controller=orders`.
    pub tags: Vec<String>,
    /// The roles that ran it, by name.
    pub roles: Vec<String>,
    /// Whether it ran only inside functions: its time is in their callers' too.
    pub nested: bool,
    /// What it did.
    pub sums: Sums,
    /// The same in the stretch before; none when that was not measured.
    pub before: Option<Sums>,
    /// Its part of the time of all statements, 0 to 1.
    pub share: f64,
    /// Whether a call takes longer than the threshold in the mean.
    pub slow: bool,
}

/// What the numbers of a range of time cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// From when on; none when nothing is known.
    pub from: Option<Instant>,
    /// Until when.
    pub to: Option<Instant>,
    /// Seconds between two looks, added up: less than the whole where counters of another server or role came between.
    pub seconds: f64,
    /// The same of the stretch before; none when that was not measured.
    pub before_seconds: Option<f64>,
    /// Whether the numbers are those since the server began to count, because nothing was measured between two looks yet.
    pub cumulative: bool,
    /// How often the server dropped its least used statements; what those did since the look before is missing. None where
    /// it does not say.
    pub evictions: Option<i64>,
    /// Whether counters began anew (a reset, a crash, a statement of its own), so that some of what ran is missing.
    pub incomplete: bool,
    /// The last look.
    pub looked_at: Option<Instant>,
}

impl Coverage {
    /// Seconds within the stretch of which nothing is known.
    pub fn gap_s(&self) -> f64 {
        match (self.from, self.to) {
            (Some(from), Some(to)) if !self.cumulative => {
                ((to - from).num_milliseconds() as f64 / 1000.0 - self.seconds).max(0.0)
            }
            _ => 0.0,
        }
    }

    /// By how much of itself a sum grew against the stretch before, each a second of what was measured: 1.0 is twice as
    /// much. None when there is nothing to compare with.
    pub fn growth(&self, now: f64, before: f64) -> Option<f64> {
        let seconds = self.before_seconds.filter(|seconds| *seconds > 0.0)?;
        (before > 0.0 && self.seconds > 0.0).then(|| (now / self.seconds) / (before / seconds) - 1.0)
    }
}

/// The statements of a managed database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueriesView {
    /// The managed database.
    pub target: String,
    /// What the numbers cover.
    pub coverage: Coverage,
    /// What all statements did, those inside functions left out.
    pub whole: Sums,
    /// The part of it that is in no statement below, whatever is asked for: statements that were not among the greatest.
    pub others: Sums,
    /// The statements.
    pub statements: Vec<QueryStat>,
    /// How many match.
    pub matching: i64,
    /// How many there are.
    pub all: i64,
    /// The roles there are.
    pub roles: Vec<String>,
    /// The tags there are, at most 100.
    pub tags: Vec<String>,
    /// `SLOW_QUERY_THRESHOLD_MS`.
    pub threshold_ms: i64,
    /// What keeps statements from being counted.
    pub hints: Vec<QueryHint>,
    /// Why the last look could not be taken, when it could not.
    pub trouble: Option<String>,
}

/// What a role did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleSums {
    /// The role.
    pub role: String,
    /// Whether it was inside functions.
    pub nested: bool,
    /// What it did.
    pub sums: Sums,
}

/// A statement since the server began to count it, one role's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuerySince {
    /// The role.
    pub role: String,
    /// When counting began; none where the server does not say.
    pub since: Option<Instant>,
    /// How often it ran.
    pub calls: i64,
    /// The mean, in milliseconds.
    pub mean_ms: f64,
    /// The fastest call.
    pub min_ms: f64,
    /// The slowest call.
    pub max_ms: f64,
    /// The standard deviation.
    pub stddev_ms: f64,
}

/// Which statement to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryQuery {
    /// The managed database.
    pub target: String,
    /// Its number in pg_stat_statements.
    pub queryid: String,
    /// The time.
    pub range: Range,
}

/// The text of a statement, to ask for its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryText {
    /// Its number in pg_stat_statements.
    pub queryid: String,
    /// The text; none when what is kept of it has no plan.
    pub text: Option<String>,
    /// Why it has no plan, or what has to be done to the text first.
    pub note: Option<String>,
}

/// Why there are no numbers of a statement in a range of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryAbsence {
    /// What is so, in a sentence.
    pub words: String,
    /// A stretch of time at whose end it ran last, as far as that is kept.
    pub last: Option<(Instant, Instant)>,
}

/// One statement, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryDetail {
    /// The managed database.
    pub target: String,
    /// The name of the database on its server.
    pub database: String,
    /// The statement with the numbers of the range.
    pub statement: QueryStat,
    /// Why the range has no numbers of it, when it has none.
    pub absence: Option<QueryAbsence>,
    /// What the numbers cover.
    pub coverage: Coverage,
    /// Who called it, most time first.
    pub by_role: Vec<RoleSums>,
    /// Since the server began to count, as of the last look.
    pub since: Vec<QuerySince>,
    /// The first look that met it.
    pub first_seen_at: Option<Instant>,
    /// Why what is kept of its text has no plan; none when one can be asked for.
    pub no_plan: Option<String>,
    /// `SLOW_QUERY_THRESHOLD_MS`.
    pub threshold_ms: i64,
}
