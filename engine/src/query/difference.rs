//! What happened between two looks: the difference of counters that may have begun anew meanwhile.

use std::collections::{HashMap, HashSet};

use contract::{Instant, query::Sums};
use serde::{Deserialize, Serialize};

/// The counters of one statement of one role, as the server keeps them.
#[derive(Clone, Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Counter {
    pub queryid: i64,
    pub userid: i64,
    pub role: String,
    pub nested: bool,
    #[sqlx(flatten)]
    pub sums: Counts,
    pub min_ms: f64,
    pub max_ms: f64,
    pub stddev_ms: f64,
    /// When counting began; none where the extension does not say.
    pub since: Option<Instant>,
}

/// [`Sums`] as columns.
#[derive(Clone, Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Counts {
    pub calls: i64,
    pub total_ms: f64,
    pub rows: i64,
    pub hit: i64,
    pub read: i64,
    pub dirtied: i64,
    pub written: i64,
    pub temp: i64,
    pub wal_bytes: i64,
    pub io_ms: f64,
}

impl From<&Counts> for Sums {
    fn from(counts: &Counts) -> Self {
        Self {
            calls: counts.calls,
            total_ms: counts.total_ms,
            rows: counts.rows,
            hit: counts.hit,
            read: counts.read,
            dirtied: counts.dirtied,
            written: counts.written,
            temp: counts.temp,
            wal_bytes: counts.wal_bytes,
            io_ms: counts.io_ms,
        }
    }
}

/// All counters of a managed database at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Snapshot {
    /// By the managed server's clock, before the counters were read.
    pub at: Instant,
    /// The moment by the store's clock.
    pub taken_at: Instant,
    /// When the server started.
    pub started_at: Instant,
    /// Whether the counters of all roles were read, or those of the console's alone.
    pub sees_all: bool,
    /// When all counters were last reset; none where the extension does not say.
    pub reset_at: Option<Instant>,
    /// How often the least used statements were dropped so far.
    pub evictions: Option<i64>,
    /// Whether there were more statements than were read.
    pub cut: bool,
    pub counters: Vec<Counter>,
}

impl Snapshot {
    /// All that was counted until then, as one difference.
    pub fn deltas(&self) -> Vec<Delta> {
        let deltas = self.counters.iter().map(|counter| Delta {
            queryid: counter.queryid,
            role: counter.role.clone(),
            nested: counter.nested,
            sums: Sums::from(&counter.sums),
        });
        deltas.collect()
    }
}

/// What one statement of one role did between two looks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Delta {
    pub queryid: i64,
    pub role: String,
    pub nested: bool,
    pub sums: Sums,
}

/// What all statements did between two looks.
#[derive(Debug)]
pub(super) struct Difference {
    pub deltas: Vec<Delta>,
    pub evictions: Option<i64>,
    /// Whether counters began anew, so that some of what ran is missing.
    pub incomplete: bool,
}

/// Whether two looks read the same counters: not those of another server (a standby that took over), and not those of more
/// roles or fewer than before.
pub(super) fn are_comparable(before: &Snapshot, now: &Snapshot) -> bool {
    let same_server = now.started_at == before.started_at || now.started_at >= before.at;
    // A reset that is older than the last look, which did not know of it, was another server's. After a crash there was none
    // since the year 2000, when PostgreSQL's time begins.
    let same_reset = match (before.reset_at, now.reset_at) {
        (Some(one), Some(other)) => one == other || other >= before.at || other.timestamp() == 946_684_800,
        _ => true,
    };
    same_server && same_reset && before.sees_all == now.sees_all
}

/// Takes the difference. It is never negative, and never counts what is older than `before`:
/// a counter that began anew since counts as it is, and what cannot be told apart counts as nothing.
///
/// What the server dropped for want of room is told by `evictions`; `incomplete` tells of what began anew or is gone without.
pub(super) fn between(before: &Snapshot, now: &Snapshot) -> Difference {
    let known: HashMap<_, _> = before
        .counters
        .iter()
        .map(|counter| (key(counter), counter))
        .collect();
    // A crash sets both back.
    let reset = before
        .reset_at
        .zip(now.reset_at)
        .is_some_and(|(one, other)| one != other);
    let fell = before
        .evictions
        .zip(now.evictions)
        .is_some_and(|(one, other)| other < one);
    let all_anew = reset || fell;
    let evictions = match (before.evictions, now.evictions) {
        (Some(before), Some(now)) if !all_anew => Some(now - before),
        (_, now) => now,
    };
    let dropped = evictions.is_some_and(|evictions| evictions > 0);
    let mut incomplete = all_anew;
    let mut sums: HashMap<(i64, &str, bool), Sums> = HashMap::new();
    for counter in &now.counters {
        let all = Sums::from(&counter.sums);
        let began_since = counter.since.map(|since| since >= before.at);
        let delta = match known.get(&key(counter)) {
            _ if all_anew => Some(all),
            Some(old) if counter.since == old.since => match minus(&all, &Sums::from(&old.sums)) {
                Some(delta) => Some(delta),
                // It fell: it began anew, and without `since` that was after the last look.
                None => {
                    incomplete |= !dropped;
                    Some(all)
                }
            },
            Some(_) => {
                incomplete |= !dropped;
                (began_since == Some(true)).then_some(all)
            }
            // What the last look did not read may be older than it.
            None => (began_since.unwrap_or(!before.cut)).then_some(all),
        };
        if let Some(delta) = delta.filter(|delta| delta.calls > 0) {
            sums.entry((counter.queryid, &counter.role, counter.nested))
                .or_default()
                .add(&delta);
        }
    }
    let seen: HashSet<_> = now.counters.iter().map(key).collect();
    // A statement that is gone may have run after the last look.
    incomplete |= !dropped
        && !now.cut
        && before
            .counters
            .iter()
            .any(|counter| !seen.contains(&key(counter)));
    Difference {
        deltas: sums
            .into_iter()
            .map(|((queryid, role, nested), sums)| Delta {
                queryid,
                role: role.to_owned(),
                nested,
                sums,
            })
            .collect(),
        evictions,
        incomplete,
    }
}

fn key(counter: &Counter) -> (i64, i64, bool) {
    (counter.queryid, counter.userid, counter.nested)
}

/// The difference; none when any counter fell.
fn minus(now: &Sums, before: &Sums) -> Option<Sums> {
    let delta = Sums {
        calls: now.calls - before.calls,
        total_ms: now.total_ms - before.total_ms,
        rows: now.rows - before.rows,
        hit: now.hit - before.hit,
        read: now.read - before.read,
        dirtied: now.dirtied - before.dirtied,
        written: now.written - before.written,
        temp: now.temp - before.temp,
        wal_bytes: now.wal_bytes - before.wal_bytes,
        io_ms: now.io_ms - before.io_ms,
    };
    let counts = [
        delta.calls,
        delta.rows,
        delta.hit,
        delta.read,
        delta.dirtied,
        delta.written,
        delta.temp,
        delta.wal_bytes,
    ];
    // A time that was written down and read again may differ in its last digit.
    let falls = |now: f64, before: f64| now < before * (1.0 - 1e-9);
    let fell = counts.iter().any(|count| *count < 0)
        || falls(now.total_ms, before.total_ms)
        || falls(now.io_ms, before.io_ms);
    (!fell).then(|| Sums {
        total_ms: delta.total_ms.max(0.0),
        io_ms: delta.io_ms.max(0.0),
        ..delta
    })
}

/// The greatest by each measure, `most` of them by time and a quarter of that by each other; all else in one row of queryid 0
/// for those that ran by themselves and one for those inside functions.
pub(super) fn greatest(deltas: Vec<Delta>, most: usize) -> Vec<Delta> {
    let mut order: Vec<usize> = (0..deltas.len()).collect();
    let mut kept = HashSet::new();
    let mut keep = |most: usize, by: &dyn Fn(&Sums) -> f64| {
        order.sort_by(|a, b| by(&deltas[*b].sums).total_cmp(&by(&deltas[*a].sums)));
        let great = order.iter().take(most).filter(|at| by(&deltas[**at].sums) > 0.0);
        kept.extend(great.copied());
    };
    {
        keep(most, &|sums| sums.total_ms);
        keep(most / 4, &|sums| sums.mean_ms().unwrap_or_default());
        keep(most / 4, &|sums| sums.calls as f64);
        keep(most / 4, &|sums| sums.rows as f64);
        keep(most / 4, &|sums| sums.io() as f64);
        keep(most / 4, &|sums| sums.wal_bytes as f64);
        keep(most / 4, &|sums| sums.temp as f64);
    }
    let mut out = Vec::new();
    for nested in [false, true] {
        let mut others = Sums::default();
        for (at, delta) in deltas
            .iter()
            .enumerate()
            .filter(|(_, delta)| delta.nested == nested)
        {
            if kept.contains(&at) {
                out.push(delta.clone());
            } else {
                others.add(&delta.sums);
            }
        }
        if others != Sums::default() {
            out.push(Delta {
                queryid: 0,
                role: String::new(),
                nested,
                sums: others,
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn at(minute: i64) -> Instant {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn counter(queryid: i64, calls: i64, since: Option<i64>) -> Counter {
        Counter {
            queryid,
            userid: 10,
            role: "app".into(),
            nested: false,
            sums: Counts {
                calls,
                total_ms: calls as f64,
                rows: calls,
                hit: 0,
                read: 0,
                dirtied: 0,
                written: 0,
                temp: 0,
                wal_bytes: 0,
                io_ms: 0.0,
            },
            min_ms: 1.0,
            max_ms: 1.0,
            stddev_ms: 0.0,
            since: since.map(at),
        }
    }

    fn snapshot(minute: i64, reset: Option<i64>, cut: bool, counters: Vec<Counter>) -> Snapshot {
        Snapshot {
            at: at(minute),
            taken_at: at(minute),
            started_at: at(0),
            sees_all: true,
            reset_at: reset.map(at),
            evictions: None,
            cut,
            counters,
        }
    }

    /// Calls of each statement between a look at minute 10 and one at minute 20, and whether something is missing.
    fn calls(before: &Snapshot, now: &Snapshot) -> (Vec<(i64, i64)>, bool) {
        let difference = between(before, now);
        let mut calls: Vec<_> = difference
            .deltas
            .iter()
            .map(|delta| (delta.queryid, delta.sums.calls))
            .collect();
        calls.sort_unstable();
        (calls, difference.incomplete)
    }

    #[test]
    fn what_ran_since_the_last_look_is_the_difference() {
        let before = snapshot(
            10,
            Some(0),
            false,
            vec![counter(1, 5, Some(1)), counter(2, 7, Some(1))],
        );
        let now = snapshot(
            20,
            Some(0),
            false,
            vec![
                counter(1, 9, Some(1)),
                counter(2, 7, Some(1)),
                counter(3, 2, Some(12)),
            ],
        );
        assert_eq!(calls(&before, &now), (vec![(1, 4), (3, 2)], false));
    }

    #[test]
    fn a_counter_that_began_anew_counts_as_it_is_and_says_so() {
        // By `since`, even when it has grown past the old value.
        let before = snapshot(10, Some(0), false, vec![counter(1, 5, Some(1))]);
        let now = snapshot(20, Some(0), false, vec![counter(1, 9, Some(15))]);
        assert_eq!(calls(&before, &now), (vec![(1, 9)], true));
        // Without it, when it fell.
        let before = snapshot(10, None, false, vec![counter(1, 5, None)]);
        let now = snapshot(20, None, false, vec![counter(1, 2, None)]);
        assert_eq!(calls(&before, &now), (vec![(1, 2)], true));
        // All at once.
        let before = snapshot(10, Some(0), false, vec![counter(1, 5, None)]);
        let now = snapshot(20, Some(15), false, vec![counter(1, 9, None)]);
        assert_eq!(calls(&before, &now), (vec![(1, 9)], true));
    }

    #[test]
    fn a_time_that_was_kept_and_read_again_is_the_same_time() {
        for step in 1..=2000 {
            let mut idle = counter(1, 5, Some(1));
            idle.sums.total_ms = f64::from(step) * 0.017_3 + 1.0 / 3.0;
            let before = snapshot(10, Some(0), false, vec![idle.clone()]);
            let kept = serde_json::to_value(&before).expect("it is written");
            let read: Snapshot = serde_json::from_str(&kept.to_string()).expect("it is read");
            let now = snapshot(20, Some(0), false, vec![idle]);
            assert_eq!(calls(&read, &now), (vec![], false), "{step}");
        }
    }

    #[test]
    fn what_may_be_older_than_the_last_look_does_not_count() {
        let before = snapshot(10, None, true, vec![]);
        let now = snapshot(20, None, true, vec![counter(1, 9, None), counter(2, 4, Some(3))]);
        assert_eq!(calls(&before, &now), (vec![], false));
    }

    #[test]
    fn a_statement_that_is_gone_is_told() {
        let before = snapshot(10, Some(0), false, vec![counter(1, 5, Some(1))]);
        let now = snapshot(20, Some(0), false, vec![]);
        assert_eq!(calls(&before, &now), (vec![], true));
    }

    #[test]
    fn what_the_server_dropped_for_want_of_room_is_told_by_its_count_alone() {
        let mut before = snapshot(10, Some(0), false, vec![counter(1, 5, Some(1))]);
        before.evictions = Some(3);
        let mut now = snapshot(20, Some(0), false, vec![counter(2, 4, Some(12))]);
        now.evictions = Some(4);
        let difference = between(&before, &now);
        assert_eq!((difference.evictions, difference.incomplete), (Some(1), false));
        // A crash begins everything anew, and its count too.
        now.evictions = Some(0);
        now.counters.push(counter(1, 9, None));
        let difference = between(&before, &now);
        assert_eq!((difference.evictions, difference.incomplete), (Some(0), true));
        assert_eq!(calls(&before, &now).0, [(1, 9), (2, 4)]);
    }

    #[test]
    fn counters_of_another_server_or_of_more_roles_are_no_continuation() {
        let before = snapshot(10, None, false, vec![]);
        let mut now = snapshot(20, None, false, vec![]);
        assert!(are_comparable(&before, &now));
        // Started again since: it keeps its counters.
        now.started_at = at(15);
        assert!(are_comparable(&before, &now));
        // Up for longer than that, and not the one that was looked at.
        now.started_at = at(5);
        assert!(!are_comparable(&before, &now));
        let mut now = snapshot(20, None, false, vec![]);
        now.sees_all = false;
        assert!(!are_comparable(&before, &now));
        // A reset since is the same server's; one before, that was not known, is not.
        let before = snapshot(10, Some(0), false, vec![]);
        assert!(are_comparable(&before, &snapshot(20, Some(15), false, vec![])));
        assert!(!are_comparable(&before, &snapshot(20, Some(5), false, vec![])));
    }

    #[test]
    fn all_that_is_not_kept_is_in_one_row() {
        let deltas: Vec<Delta> = (1..=1000)
            .map(|queryid| Delta {
                queryid,
                role: "app".into(),
                nested: false,
                sums: Sums::from(&counter(queryid, queryid, None).sums),
            })
            .collect();
        let kept = greatest(deltas, 40);
        assert!(kept.len() <= 40 + 60 + 1, "{}", kept.len());
        assert_eq!(kept.iter().map(|delta| delta.sums.calls).sum::<i64>(), 500_500);
        assert!(kept.iter().any(|delta| delta.queryid == 1000));
        assert_eq!(kept.iter().filter(|delta| delta.queryid == 0).count(), 1);
    }
}
