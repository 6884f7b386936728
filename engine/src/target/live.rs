//! What one server process is doing: how far its index build or ANALYZE is, and whom it waits for.

use std::time::{Duration, Instant};

use contract::{format, jobs::Waiting};
use sqlx::PgConnection;

use super::look::query_as;
use crate::lexer;

/// A wait is shown once it has lasted this long: shorter ones come and go on a busy server.
const WORTH_TELLING: Duration = Duration::from_secs(2);
/// Characters of another session's query that are shown.
const QUERY: usize = 120;

/// One look at a server process.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Live {
    /// The phase in words.
    pub detail: Option<String>,
    /// How far its statement is, 0 to 1.
    pub fraction: Option<f64>,
    /// Whom it waits for.
    pub waiting: Option<Waiting>,
}

#[derive(Default, sqlx::FromRow)]
struct LiveRow {
    builds: bool,
    command: Option<String>,
    build_phase: Option<String>,
    lockers_total: Option<i64>,
    lockers_done: Option<i64>,
    blocks_total: Option<i64>,
    blocks_done: Option<i64>,
    tuples_total: Option<i64>,
    tuples_done: Option<i64>,
    analyzes: bool,
    analyze_phase: Option<String>,
    sample_total: Option<i64>,
    sample_done: Option<i64>,
    #[sqlx(flatten)]
    holder: HolderRow,
}

/// A session that others wait for. `pid` is 0 for a prepared transaction, which has no process.
#[derive(Clone, Default, sqlx::FromRow)]
pub(crate) struct HolderRow {
    #[sqlx(rename = "holder_pid")]
    pub pid: Option<i32>,
    #[sqlx(rename = "holder_application")]
    pub application: Option<String>,
    #[sqlx(rename = "holder_state")]
    pub state: Option<String>,
    #[sqlx(rename = "holder_age_s")]
    pub age_s: Option<i64>,
    #[sqlx(rename = "holder_query")]
    pub query: Option<String>,
}

impl HolderRow {
    /// The session in words: application, state, age of its transaction, and its query without values.
    pub fn who(&self) -> String {
        if self.pid == Some(0) {
            return "a prepared transaction".to_owned();
        }
        let application = self
            .application
            .as_deref()
            .filter(|name| !name.is_empty())
            .unwrap_or("a session");
        let mut who = application.to_owned();
        if let Some(state) = &self.state {
            who.push_str(", ");
            who.push_str(state);
        }
        if let Some(age) = self.age_s {
            who.push_str(&format!(", for {}", format::duration(age.max(0) * 1000)));
        }
        match self.query.as_deref().filter(|query| !query.is_empty()) {
            // The server's own words to a role without pg_monitor.
            Some("<insufficient privilege>") => who.push_str(" (its query is hidden: grant pg_monitor)"),
            Some(query) => who.push_str(&format!(": {}", lexer::without_values(query, QUERY))),
            None => {}
        }
        who
    }
}

/// Looks again and again at one server process.
pub(crate) struct Look {
    pid: i32,
    waits_since: Option<Instant>,
}

impl Look {
    pub fn at(pid: i32) -> Self {
        Self {
            pid,
            waits_since: None,
        }
    }

    /// Looks once. Takes no lock on any table.
    pub async fn once(&mut self, watcher: &mut PgConnection) -> Result<Live, sqlx::Error> {
        let row: LiveRow = query_as(LOOK).bind(self.pid).fetch_one(watcher).await?;
        let waiting = self.waiting(&row.holder);
        let (detail, fraction) = match (row.builds, row.analyzes) {
            (true, _) => row.build(),
            (_, true) => row.analyze(),
            _ => (None, None),
        };
        Ok(Live {
            detail,
            fraction,
            waiting,
        })
    }

    fn waiting(&mut self, holder: &HolderRow) -> Option<Waiting> {
        let Some(pid) = holder.pid else {
            self.waits_since = None;
            return None;
        };
        let waited = self.waits_since.get_or_insert_with(Instant::now).elapsed();
        (waited >= WORTH_TELLING).then(|| Waiting {
            pid,
            who: holder.who(),
            seconds: waited.as_secs() as i64,
        })
    }
}

const LOOK: &str = "
    select build.pid is not null as builds,
           build.command,
           build.phase as build_phase,
           build.lockers_total,
           build.lockers_done,
           build.blocks_total,
           build.blocks_done,
           build.tuples_total,
           build.tuples_done,
           sample.pid is not null as analyzes,
           sample.phase as analyze_phase,
           sample.sample_blks_total as sample_total,
           sample.sample_blks_scanned as sample_done,
           holder.pid as holder_pid,
           session.application_name as holder_application,
           session.state as holder_state,
           extract(epoch from clock_timestamp() - coalesce(session.xact_start, session.backend_start))::bigint
               as holder_age_s,
           left(session.query, 2000) as holder_query
      from (select $1::int as pid) as asked
      left join pg_stat_progress_create_index as build on build.pid = asked.pid
      left join pg_stat_progress_analyze as sample on sample.pid = asked.pid
      -- Whoever holds or asks for the lock before us; a concurrent build waits for the lock of a whole transaction.
      left join lateral (select pid from unnest(pg_blocking_pids(asked.pid)) as pid order by pid desc limit 1)
             as holder on true
      left join pg_stat_activity as session on session.pid = holder.pid
     limit 1";

/// What a CREATE INDEX or REINDEX says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Build {
    /// As `CREATE INDEX CONCURRENTLY`.
    pub command: Option<String>,
    /// None where it is hidden.
    pub phase: Option<String>,
    /// Done and total of each.
    pub lockers: (Option<i64>, Option<i64>),
    /// See `lockers`.
    pub blocks: (Option<i64>, Option<i64>),
    /// See `lockers`.
    pub tuples: (Option<i64>, Option<i64>),
}

impl Build {
    /// What its phase counts, done and total, and the word for it.
    pub fn counts(&self) -> (Option<i64>, Option<i64>, &'static str) {
        match self.phase.as_deref().unwrap_or_default() {
            phase if phase.starts_with("waiting") => (self.lockers.0, self.lockers.1, "transactions"),
            // Only this subphase of a build, and the last phase of all, count in rows.
            "building index: loading tuples in tree" => (self.tuples.0, self.tuples.1, "rows"),
            _ => (self.blocks.0, self.blocks.1, "blocks"),
        }
    }

    /// The phase in words, and how far the whole is.
    pub fn told(&self) -> (Option<String>, Option<f64>) {
        let Some(phase) = self.phase.as_deref() else {
            return (Some(HIDDEN.to_owned()), None);
        };
        let (done, total, _) = self.counts();
        let within = share(done, total);
        let command = self.command.as_deref().unwrap_or_default();
        if !command.ends_with("CONCURRENTLY") {
            return (Some(phase.to_owned()), Some(build_share(phase, within)));
        }
        let number = PHASES
            .iter()
            .position(|(name, _)| phase.starts_with(name))
            .unwrap_or(0);
        let from = PHASES[number].1;
        let to = PHASES.get(number + 1).map_or(1.0, |(_, to)| *to);
        let within = if phase.starts_with("building index") {
            build_share(phase, within)
        } else {
            within
        };
        // The two last phases are a rebuild's alone.
        let of = if command.starts_with("REINDEX") {
            PHASES.len() - 1
        } else {
            PHASES.len() - 3
        };
        let detail = if number == 0 {
            phase.to_owned()
        } else {
            format!("phase {number} of {of}: {phase}")
        };
        (Some(detail), Some(from + (to - from) * within))
    }
}

/// How far an ANALYZE is. Computing the statistics takes a moment after the last block; it is not counted.
pub(crate) fn analyzed(done: Option<i64>, total: Option<i64>) -> f64 {
    share(done, total) * 0.95
}

/// Where a role without pg_monitor looks at another one's command.
pub(crate) const HIDDEN: &str = "progress is hidden: grant pg_monitor to the console's user";

impl LiveRow {
    fn build(&self) -> (Option<String>, Option<f64>) {
        let build = Build {
            command: self.command.clone(),
            phase: self.build_phase.clone(),
            lockers: (self.lockers_done, self.lockers_total),
            blocks: (self.blocks_done, self.blocks_total),
            tuples: (self.tuples_done, self.tuples_total),
        };
        build.told()
    }

    fn analyze(&self) -> (Option<String>, Option<f64>) {
        let Some(phase) = &self.analyze_phase else {
            return (Some(HIDDEN.to_owned()), None);
        };
        (
            Some(phase.clone()),
            Some(analyzed(self.sample_done, self.sample_total)),
        )
    }
}

/// The phases of a concurrent build in order, and where each begins in the whole: measured on three million rows, with an
/// index on an integer, a text and a time.
const PHASES: [(&str, f64); 10] = [
    ("initializing", 0.0),
    ("waiting for writers before build", 0.0),
    ("building index", 0.02),
    ("waiting for writers before validation", 0.69),
    ("index validation: scanning index", 0.70),
    ("index validation: sorting tuples", 0.80),
    ("index validation: scanning table", 0.82),
    ("waiting for old snapshots", 0.96),
    ("waiting for readers before marking dead", 0.97),
    ("waiting for readers before dropping", 0.98),
];

/// The share of the build itself: scan 0.60 by blocks, sort 0.05, load 0.35 by rows.
fn build_share(phase: &str, within: f64) -> f64 {
    match phase {
        "building index: sorting live tuples" | "building index: sorting dead tuples" => 0.60,
        "building index: loading tuples in tree" => 0.65 + 0.35 * within,
        _ => 0.60 * within,
    }
}

/// Done of total; nothing where the total is unknown.
pub(crate) fn share(done: Option<i64>, total: Option<i64>) -> f64 {
    match (done, total) {
        (Some(done), Some(total)) if total > 0 => (done as f64 / total as f64).clamp(0.0, 1.0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concurrent(phase: &str, blocks: (i64, i64), tuples: (i64, i64)) -> LiveRow {
        LiveRow {
            builds: true,
            command: Some("CREATE INDEX CONCURRENTLY".into()),
            build_phase: Some(phase.into()),
            blocks_done: Some(blocks.0),
            blocks_total: Some(blocks.1),
            tuples_done: Some(tuples.0),
            tuples_total: Some(tuples.1),
            ..LiveRow::default()
        }
    }

    #[test]
    fn a_build_moves_forward_through_its_phases() {
        let course = [
            concurrent("initializing", (0, 0), (0, 0)),
            concurrent("waiting for writers before build", (0, 0), (0, 0)),
            concurrent("building index: scanning table", (50, 100), (0, 0)),
            concurrent("building index: sorting live tuples", (100, 100), (0, 0)),
            concurrent("building index: loading tuples in tree", (100, 100), (5, 10)),
            concurrent("waiting for writers before validation", (0, 0), (0, 0)),
            concurrent("index validation: scanning index", (1, 10), (0, 0)),
            concurrent("index validation: sorting tuples", (0, 0), (0, 0)),
            concurrent("index validation: scanning table", (9, 10), (0, 0)),
            concurrent("waiting for old snapshots", (0, 0), (0, 0)),
        ];
        let fractions: Vec<f64> = course.iter().filter_map(|row| row.build().1).collect();
        assert_eq!(fractions.len(), course.len());
        assert!(fractions.is_sorted(), "{fractions:?}");
        assert!(
            fractions.iter().all(|fraction| (0.0..1.0).contains(fraction)),
            "{fractions:?}"
        );
        assert_eq!(
            course[2].build().0.as_deref(),
            Some("phase 2 of 7: building index: scanning table")
        );
    }

    #[test]
    fn hidden_progress_says_what_is_missing() {
        let hidden = LiveRow {
            builds: true,
            ..LiveRow::default()
        };
        let (detail, fraction) = hidden.build();
        assert!(detail.is_some_and(|detail| detail.contains("pg_monitor")));
        assert_eq!(fraction, None);
    }

    #[test]
    fn a_holder_is_named_without_its_values() {
        let holder = HolderRow {
            pid: Some(7),
            application: Some("psql".into()),
            state: Some("idle in transaction".into()),
            age_s: Some(80),
            query: Some("update t set name = 'Ann'".into()),
        };
        assert_eq!(
            holder.who(),
            "psql, idle in transaction, for 1 min 20 s: update t set name = …"
        );
    }
}
