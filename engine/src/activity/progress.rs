//! How far running commands are, whoever started them.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use contract::{activity::RunningCommand, format};
use sqlx::{FromRow, PgConnection};

use crate::target::{
    live::{Build, HIDDEN, analyzed, share},
    look::query_as,
};

/// The rest of a phase is told once it was seen for so long, and is so far.
const SEEN: Duration = Duration::from_secs(10);
/// See `SEEN`.
const FAR: f64 = 0.05;
/// Nothing is at its end before it has ended.
const MOST: f64 = 0.99;
/// Of a base backup the files are this much; the rest is WAL and what is written to disk.
const FILES: f64 = 0.97;

#[derive(FromRow)]
struct Row {
    kind: String,
    pid: i32,
    began: Option<contract::Instant>,
    database: Option<String>,
    relation: Option<String>,
    command: Option<String>,
    phase: Option<String>,
    first_done: Option<i64>,
    first_total: Option<i64>,
    second_done: Option<i64>,
    second_total: Option<i64>,
    third_done: Option<i64>,
    third_total: Option<i64>,
    role: Option<String>,
    application: String,
    process: Option<String>,
    seconds: Option<i64>,
}

/// Each view in one shape. What its three pairs of numbers are is told in [`Row::told`].
const RUNNING: &str = "
    with told as (
        select 'vacuum' as kind, v.pid, v.datid, v.relid, null::text as command, v.phase,
               v.heap_blks_scanned as first_done, v.heap_blks_total as first_total,
               v.heap_blks_vacuumed as second_done, v.heap_blks_total as second_total,
               -- Since 17.
               (to_jsonb(v) ->> 'indexes_processed')::int8 as third_done,
               (to_jsonb(v) ->> 'indexes_total')::int8 as third_total
          from pg_stat_progress_vacuum as v
         union all
        select 'analyze', pid, datid, relid, null, phase,
               sample_blks_scanned, sample_blks_total, null, null, null, null
          from pg_stat_progress_analyze
         union all
        select 'index', pid, datid, relid, command, phase,
               blocks_done, blocks_total, tuples_done, tuples_total, lockers_done, lockers_total
          from pg_stat_progress_create_index
         union all
        select 'cluster', pid, datid, relid, command, phase,
               heap_blks_scanned, heap_blks_total, heap_tuples_written, null, null, null
          from pg_stat_progress_cluster
         union all
        select 'base backup', pid, null, null, null, phase,
               backup_streamed, backup_total, null, null, null, null
          from pg_stat_progress_basebackup
         union all
        select 'copy', pid, datid, relid, command, null,
               bytes_processed, nullif(bytes_total, 0), tuples_processed, null, null, null
          from pg_stat_progress_copy
    )
    select told.kind, told.pid, session.query_start as began,
           base.datname::text as database,
           case when base.datname = current_database()
                then (select schema.nspname || '.' || class.relname
                        from pg_class as class
                        join pg_namespace as schema on schema.oid = class.relnamespace
                       where class.oid = told.relid) end as relation,
           told.command, told.phase,
           told.first_done, told.first_total, told.second_done, told.second_total, told.third_done, told.third_total,
           session.usename::text as role,
           coalesce(session.application_name, '') as application,
           session.backend_type as process,
           case when session.query_start is not null
                then greatest(0, floor(extract(epoch from clock_timestamp() - session.query_start)))::int8 end as seconds
      from told
      left join pg_stat_activity as session on session.pid = told.pid
      left join pg_database as base on base.oid = told.datid
     order by seconds desc nulls last, told.pid
     limit 100";

/// Reads them all.
pub(super) async fn running(
    connection: &mut PgConnection,
    watched: &Watched,
) -> Result<Vec<RunningCommand>, sqlx::Error> {
    let rows: Vec<Row> = query_as(RUNNING).fetch_all(connection).await?;
    let mut seen = watched.0.lock().unwrap_or_else(PoisonError::into_inner);
    let told: Vec<(Key, Told, Row)> = rows.into_iter().map(|row| (row.key(), row.told(), row)).collect();
    seen.retain(|key, _| told.iter().any(|(known, ..)| known == key));
    let now = Instant::now();
    Ok(told
        .into_iter()
        .map(|(key, told, row)| {
            let seen = seen
                .entry(key)
                .or_insert_with(|| Seen::new(&told.phase, told.within, now));
            let (fraction, left_s) = seen.look(&told, now);
            RunningCommand {
                pid: row.pid,
                command: row.command_words(),
                who: row.who(),
                relation: row.relation,
                database: row.database,
                fraction,
                counted: told.counted,
                of_phase: told.of_phase,
                seconds: row.seconds,
                left_s,
                phase: told.phase,
            }
        })
        .collect())
}

/// What one command says of itself.
struct Told {
    phase: String,
    fraction: Option<f64>,
    of_phase: bool,
    /// How far its phase is.
    within: Option<f64>,
    counted: Option<String>,
}

type Key = (i32, String, Option<contract::Instant>, Option<String>);

impl Row {
    fn key(&self) -> Key {
        (self.pid, self.kind.clone(), self.began, self.relation.clone())
    }

    fn told(&self) -> Told {
        let phase = match (self.phase.as_deref(), self.kind.as_str()) {
            (Some(phase), _) => phase,
            // A copy has but one phase; its command is hidden where its counts are.
            (None, "copy") if self.command.is_some() => "copying",
            (None, _) => {
                return Told {
                    phase: HIDDEN.to_owned(),
                    fraction: None,
                    of_phase: false,
                    within: None,
                    counted: None,
                };
            }
        };
        let first = (self.first_done, self.first_total);
        let known = |(done, total): (Option<i64>, Option<i64>)| {
            total
                .filter(|total| *total > 0)
                .map(|total| share(done, Some(total)))
        };
        let (counts, unit, fraction, of_phase, phase) = match self.kind.as_str() {
            "index" => {
                let build = Build {
                    command: self.command.clone(),
                    phase: Some(phase.to_owned()),
                    lockers: (self.third_done, self.third_total),
                    blocks: first,
                    tuples: (self.second_done, self.second_total),
                };
                let (done, total, unit) = build.counts();
                let (words, fraction) = build.told();
                let words = words.unwrap_or_else(|| phase.to_owned());
                ((done, total), unit, fraction, false, words)
            }
            "analyze" => {
                // Before the first block is read the total is 0, and how far it is is not known.
                let fraction = known(first).map(|_| analyzed(first.0, first.1));
                (first, "sampled blocks", fraction, false, phase.to_owned())
            }
            "base backup" => {
                let fraction = match phase {
                    "streaming database files" => known(first).map(|share| share * FILES),
                    "waiting for wal archiving to finish" | "transferring wal files" => {
                        known(first).map(|_| FILES)
                    }
                    _ => None,
                };
                (first, "bytes", fraction, false, phase.to_owned())
            }
            "copy" => (first, "bytes", known(first), false, phase.to_owned()),
            // Vacuum and CLUSTER: a bar for each phase, since the first alone is most of the time.
            _ => {
                let (counts, unit) = match phase {
                    "scanning heap" | "seq scanning heap" => (first, "blocks"),
                    "vacuuming heap" => ((self.second_done, self.second_total), "blocks"),
                    "vacuuming indexes" | "cleaning up indexes" => {
                        ((self.third_done, self.third_total), "indexes")
                    }
                    _ => ((None, None), ""),
                };
                (counts, unit, known(counts), true, phase.to_owned())
            }
        };
        let words = |count: i64| match unit {
            "bytes" => format::bytes(count),
            unit => format!("{} {unit}", format::exact(count)),
        };
        let counted = match counts {
            (Some(done), Some(total)) if total > 0 && unit != "bytes" => {
                Some(format!("{} of {}", format::exact(done), words(total)))
            }
            (Some(done), Some(total)) if total > 0 => Some(format!("{} of {}", words(done), words(total))),
            (Some(done), _) if done > 0 => Some(words(done)),
            _ => None,
        };
        let rows = self.second_done.filter(|_| self.kind == "copy");
        let counted = match (counted, rows) {
            (Some(counted), Some(rows)) => Some(format!("{counted}, {} rows", format::exact(rows))),
            (None, Some(rows)) => Some(format!("{} rows", format::exact(rows))),
            (counted, None) => counted,
        };
        Told {
            phase,
            fraction,
            of_phase,
            within: known(counts),
            counted,
        }
    }

    fn command_words(&self) -> String {
        match (&self.command, self.kind.as_str(), self.process.as_deref()) {
            (Some(command), "copy", _) => format!("COPY {}", command.trim_start_matches("COPY ")),
            (Some(command), ..) => command.clone(),
            (None, "vacuum", Some("autovacuum worker")) => "autovacuum: VACUUM".to_owned(),
            (None, "analyze", Some("autovacuum worker")) => "autovacuum: ANALYZE".to_owned(),
            (None, "index", _) => "CREATE INDEX or REINDEX".to_owned(),
            (None, "cluster", _) => "CLUSTER or VACUUM FULL".to_owned(),
            (None, "base backup", _) => "BASE_BACKUP".to_owned(),
            (None, kind, _) => kind.to_uppercase(),
        }
    }

    fn who(&self) -> String {
        let name = match (self.application.as_str(), self.process.as_deref()) {
            ("", Some("client backend") | None) => "no application name",
            ("", Some(process)) => process,
            (application, _) => application,
        };
        match &self.role {
            Some(role) => format!("{name}, role {role}"),
            None => name.to_owned(),
        }
    }
}

/// What was seen of commands before, so that the rest of a phase can be told and no bar goes back: PostgreSQL does not
/// say when a phase began. Holds what runs now and nothing else.
#[derive(Default)]
pub(crate) struct Watched(Mutex<HashMap<Key, Seen>>);

struct Seen {
    phase: String,
    since: Instant,
    /// How far the phase was when it was first seen.
    from: f64,
    /// The furthest that was told: of the whole, or of the phase.
    best: f64,
}

impl Seen {
    fn new(phase: &str, within: Option<f64>, now: Instant) -> Self {
        Self {
            phase: phase.to_owned(),
            since: now,
            from: within.unwrap_or(0.0),
            best: 0.0,
        }
    }

    /// How far it is, and how many seconds its phase may still take.
    fn look(&mut self, told: &Told, now: Instant) -> (Option<f64>, Option<i64>) {
        if self.phase != told.phase {
            let best = if told.of_phase { 0.0 } else { self.best };
            *self = Self {
                best,
                ..Self::new(&told.phase, told.within, now)
            };
        }
        let fraction = told.fraction.map(|fraction| {
            self.best = self.best.max(fraction.clamp(0.0, MOST));
            self.best
        });
        let elapsed = now.duration_since(self.since);
        let left = told.within.and_then(|within| {
            let moved = within - self.from;
            let enough = elapsed >= SEEN && within >= FAR && moved > 0.0;
            enough.then(|| ((1.0 - within) / moved * elapsed.as_secs_f64()).round() as i64)
        });
        (fraction, left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: &str, phase: &str, first: (i64, i64)) -> Row {
        Row {
            kind: kind.into(),
            pid: 1,
            began: None,
            database: None,
            relation: None,
            command: None,
            phase: Some(phase.into()),
            first_done: Some(first.0),
            first_total: Some(first.1),
            second_done: None,
            second_total: None,
            third_done: None,
            third_total: None,
            role: None,
            application: String::new(),
            process: None,
            seconds: None,
        }
    }

    #[test]
    fn the_rest_of_a_phase_is_told_after_ten_seconds_and_a_twentieth_and_from_what_was_seen() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let scan = |done| row("vacuum", "scanning heap", (done, 1000)).told();
        // First seen at 40 %: what went before is not of this rate.
        let mut seen = Seen::new("scanning heap", scan(400).within, start);
        assert_eq!(seen.look(&scan(400), start), (Some(0.4), None));
        assert_eq!(seen.look(&scan(500), at(9)), (Some(0.5), None), "not yet 10 s");
        assert_eq!(seen.look(&scan(600), at(20)), (Some(0.6), Some(40)));
        // Nothing goes back within a phase, and the next phase begins anew, also with its rest.
        assert_eq!(seen.look(&scan(550), at(21)).0, Some(0.6));
        let mut next = row("vacuum", "vacuuming heap", (1000, 1000));
        (next.second_done, next.second_total) = (Some(10), Some(1000));
        assert_eq!(seen.look(&next.told(), at(22)), (Some(0.01), None));
        (next.second_done, next.second_total) = (Some(30), Some(1000));
        assert_eq!(seen.look(&next.told(), at(40)), (Some(0.03), None), "not yet 5 %");
    }

    #[test]
    fn an_unknown_total_is_unknown_and_nothing_is_at_its_end_before() {
        let mut copy = row("copy", "", (4096, 0));
        (copy.phase, copy.first_total) = (None, None);
        copy.command = Some("COPY TO".into());
        copy.second_done = Some(12);
        let told = copy.told();
        assert_eq!(told.fraction, None);
        assert_eq!(told.counted.as_deref(), Some("4.00 kB, 12 rows"));
        assert_eq!(copy.command_words(), "COPY TO");
        let full = row("vacuum", "scanning heap", (1000, 1000)).told();
        let now = Instant::now();
        assert_eq!(
            Seen::new("scanning heap", full.within, now).look(&full, now).0,
            Some(MOST)
        );
        let stream = row("base backup", "streaming database files", (50, 100)).told();
        assert_eq!(stream.fraction, Some(0.485));
        assert_eq!(
            row("base backup", "estimating backup size", (0, 0))
                .told()
                .fraction,
            None
        );
        let mut hidden = row("index", "", (0, 0));
        hidden.phase = None;
        assert_eq!(
            (hidden.told().phase.as_str(), hidden.told().fraction),
            (HIDDEN, None)
        );
        assert!(
            row("vacuum", "vacuuming indexes", (1, 2))
                .told()
                .fraction
                .is_none(),
            "unknown before 17"
        );
    }
}
