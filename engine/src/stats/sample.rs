//! One look at all tables, shared by everyone who asks at the same time.
//!
//! Exact sizes cost one stat() per file: about half a second for 10,000 tables with two indexes each (measured on
//! PostgreSQL 15), and leave 90 MB of relation cache in the server process that did it. So there is one look at a
//! time for each target, a costly one is used again for a while, and a page that would have to wait for it takes the
//! last one or, at first, the sizes of the last vacuum. The last few looks are kept, so that the pages of one list are all
//! of one look.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::Utc;
use sqlx::postgres::types::Oid;
use tokio::sync::watch;

use super::{
    catalog::{self, Clock},
    is_lock_timeout,
    tree::{Row, Tree},
};
use crate::{Engine, Result, target::Target};

/// How long a page waits for a look at the sizes.
const PATIENCE: Duration = Duration::from_millis(100);
/// How much longer it waits where there are no more than `MANY` tables.
const PATIENCE_WITH_FEW: Duration = Duration::from_millis(700);
/// How long whoever wants all of a list waits for it.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(20);
/// A look that took less is not used again: what the page shows is as of now.
const CHEAP: Duration = Duration::from_millis(150);
/// A costlier look is used again for so many times as long as it took: at most one twentieth of a processor goes there.
const REUSE: u32 = 20;
/// The oldest look that a page takes rather than wait.
const OLDEST: Duration = Duration::from_secs(60);
/// Looking at more tables than this takes long, and the server process that did it is not kept in the pool, for its
/// memory.
const MANY: usize = 1_000;
/// Looks that are kept for the later pages of a list.
const KEPT: usize = 4;
/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// The longest that a look goes round locks that get in between; what is left then is estimated.
const LONGEST: Duration = Duration::from_secs(15);

/// All tables at one moment.
pub(crate) struct Sample {
    /// Tells it from others.
    pub id: i64,
    /// Every table, view and the like, in no order.
    pub tree: Tree,
    /// When the statistics were last reset.
    pub stats_reset: Option<contract::Instant>,
    /// When this was read, by the server's clock.
    pub at: contract::Instant,
    /// Whether sizes are those of the files, but for what was locked.
    pub exact: bool,
    /// The replica that the sizes are from; none: from the database itself.
    pub sizes_from: Option<String>,
}

/// The last looks at one target's tables, and the one under way.
#[derive(Default)]
pub(crate) struct Samples {
    state: Mutex<State>,
    /// The last estimate with when it began; held by whoever makes one, for all that ask at the same time.
    estimate: tokio::sync::Mutex<Option<(Instant, Arc<Sample>)>>,
}

#[derive(Default)]
struct State {
    last: Option<Look>,
    flight: Option<watch::Receiver<()>>,
    /// What was shown, newest first.
    shown: VecDeque<(Instant, Arc<Sample>)>,
}

struct Look {
    sample: Arc<Sample>,
    begun: Instant,
    at: Instant,
    fresh_for: Duration,
}

/// The tables as they are now, or were a moment ago.
///
/// # Errors
/// The target's failures.
pub(super) async fn current(engine: &Engine, target: &Target) -> Result<Arc<Sample>> {
    let sample = newest(engine, target).await?;
    target.samples().lock().show(&sample);
    Ok(sample)
}

/// The look that earlier pages of a list came from: the one of this id, else the last one that was shown a moment ago.
pub(super) fn earlier(target: &Target, id: Option<i64>) -> Option<Arc<Sample>> {
    let state = target.samples().lock();
    let found = state.shown.iter().find(|(at, sample)| match id {
        Some(id) => sample.id == id && at.elapsed() < KEPT_FOR,
        None => at.elapsed() < OLDEST,
    });
    found.map(|(_, sample)| Arc::clone(sample))
}

/// The tables with exact sizes, as of a look that begins now; it waits for that. Only when it takes too long, they are
/// estimates.
///
/// # Errors
/// The target's failures.
pub(super) async fn exact(engine: &Engine, target: &Target) -> Result<Arc<Sample>> {
    let asked = Instant::now();
    let looked = async {
        // The one under way may have begun before something that the asker knows of.
        for _ in 0..2 {
            let mut landed = flight(engine, target);
            landed.changed().await.ok();
            let state = target.samples().lock();
            if let Some(look) = state.last.as_ref().filter(|look| look.begun >= asked) {
                return Some(Arc::clone(&look.sample));
            }
        }
        None
    };
    match tokio::time::timeout(PATIENCE_FOR_ALL, looked).await {
        Ok(Some(sample)) => Ok(sample),
        _ => estimate(target).await,
    }
}

/// The look under way, or one that begins now.
fn flight(engine: &Engine, target: &Target) -> watch::Receiver<()> {
    let mut state = target.samples().lock();
    if let Some(flight) = &state.flight {
        return flight.clone();
    }
    let (ends, flight) = watch::channel(());
    state.flight = Some(flight.clone());
    drop(state);
    engine.spawn(look(
        target.clone(),
        Flight {
            target: target.clone(),
            _ends: ends,
        },
    ));
    flight
}

async fn newest(engine: &Engine, target: &Target) -> Result<Arc<Sample>> {
    let samples = target.samples();
    let fresh = |state: &State| {
        let look = state.last.as_ref()?;
        (look.at.elapsed() < look.fresh_for).then(|| Arc::clone(&look.sample))
    };
    if let Some(sample) = fresh(&samples.lock()) {
        return Ok(sample);
    }
    let mut landed = flight(engine, target);
    let asked = Instant::now();
    // Where a look is cheap, an old one is worse than the sizes of the last vacuum: tables may have come and gone.
    let usable = |look: &&Look| look.at >= asked || (!look.fresh_for.is_zero() && look.at.elapsed() < OLDEST);
    let seen = || {
        samples
            .lock()
            .last
            .as_ref()
            .filter(usable)
            .map(|look| Arc::clone(&look.sample))
    };
    // The sender never sends: it is dropped when the look is over, however it ended.
    tokio::time::timeout(PATIENCE, landed.changed()).await.ok();
    if let Some(sample) = seen() {
        return Ok(sample);
    }
    let estimate = estimate(target).await?;
    if estimate.tree.stats.len() <= MANY {
        // So few are done at any moment, however busy the server is.
        tokio::time::timeout(PATIENCE_WITH_FEW, landed.changed())
            .await
            .ok();
        if let Some(sample) = seen() {
            return Ok(sample);
        }
    }
    Ok(estimate)
}

/// Looks once and keeps what it saw.
async fn look(target: Target, flight: Flight) {
    let started = Instant::now();
    if let Some((rows, clock, replica)) = with_sizes_of_a_replica(&target).await {
        keep(&target, started, rows, clock, Some(replica));
        drop(flight);
        return;
    }
    // A clone per look: a future that borrows across an async closure is not `Send` for every lifetime.
    let reading = |only: Option<Vec<u32>>, exact| {
        let target = target.clone();
        async move { read(&target, only, exact).await }
    };
    match round_locks(reading).await {
        Ok((rows, clock)) => keep(&target, started, rows, clock, None),
        // Whoever waited asks without sizes and gets the failure in its own words.
        Err(error) => tracing::debug!(
            target.name = target.name(),
            error = error.chain(),
            "no look at the tables"
        ),
    }
    drop(flight);
}

/// Keeps what a look with exact sizes saw.
fn keep(target: &Target, started: Instant, rows: Vec<Row>, clock: Clock, sizes_from: Option<String>) {
    let took = started.elapsed();
    let fresh_for = if took < CHEAP {
        Duration::ZERO
    } else {
        (took * REUSE).min(OLDEST / 2)
    };
    let rows = target.samples().lock().remembered(rows);
    let look = Look {
        sample: Arc::new(Sample {
            sizes_from,
            ..sample(rows, clock, true)
        }),
        begun: started,
        at: Instant::now(),
        fresh_for,
    };
    target.samples().lock().last = Some(look);
}

/// Reads sizes where a replica can be asked for them, with its address, and all else from the database itself: what was
/// counted there is not what the replica counts. None where it has to be asked for everything.
async fn with_sizes_of_a_replica(target: &Target) -> Option<(Vec<Row>, Clock, String)> {
    let mut beside = target.beside().await?;
    let address = beside.address.clone();
    let sized = catalog::relations(&mut beside.connection, None, true).await;
    beside.close().await;
    match sized {
        Ok(sized) => {
            let (mut rows, clock) = read(target, None, false).await.ok()?;
            take_sizes(&mut rows, sized);
            Some((rows, clock, address))
        }
        Err(source) => {
            tracing::info!(
                target.name = target.name(),
                replica = address,
                error = target.error(source).chain(),
                "a replica gave no sizes"
            );
            None
        }
    }
}

/// Gives rows the sizes of others with the same number. What the others do not know yet keeps its estimate.
fn take_sizes(rows: &mut [Row], sized: Vec<Row>) {
    let sized: HashMap<u32, Row> = sized.into_iter().map(|row| (row.oid, row)).collect();
    for row in rows {
        if let Some(Row { stat, .. }) = sized.get(&row.oid) {
            row.stat.heap_bytes = stat.heap_bytes;
            row.stat.toast_bytes = stat.toast_bytes;
            row.stat.index_bytes = stat.index_bytes;
            row.stat.total_bytes = stat.total_bytes;
            row.stat.estimated = stat.estimated;
        }
    }
}

/// Reads exact sizes. A lock that gets in between fails the whole question, so the tables are then asked for by halves,
/// until what is locked stands alone: that has an estimate, all else is exact.
async fn round_locks<Asked>(ask: impl Fn(Option<Vec<u32>>, bool) -> Asked) -> Result<(Vec<Row>, Clock)>
where
    Asked: Future<Output = Result<(Vec<Row>, Clock)>> + Send,
{
    match ask(None, true).await {
        Err(error) if is_lock_timeout(&error) => {}
        answer => return answer,
    }
    let begun = Instant::now();
    let (estimates, clock) = ask(None, false).await?;
    let mut known: HashMap<u32, Row> = estimates.into_iter().map(|row| (row.oid, row)).collect();
    let mut oids: Vec<u32> = known.keys().copied().collect();
    oids.sort_unstable();
    let mut open = vec![oids];
    while let Some(part) = open.pop() {
        if begun.elapsed() > LONGEST {
            break;
        }
        match ask(Some(part.clone()), true).await {
            Ok((rows, _)) => {
                // What is not among them was dropped since.
                for oid in part {
                    known.remove(&oid);
                }
                known.extend(rows.into_iter().map(|row| (row.oid, row)));
            }
            Err(error) if is_lock_timeout(&error) => {
                if part.len() > 1 {
                    let (first, second) = part.split_at(part.len() / 2);
                    open.extend([first.to_vec(), second.to_vec()]);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok((known.into_values().collect(), clock))
}

/// The tables as the catalogs alone have them, with the last exact sizes where there are any. Who asks while one is made
/// takes the next one, all of them the same.
async fn estimate(target: &Target) -> Result<Arc<Sample>> {
    let asked = Instant::now();
    let mut last = target.samples().estimate.lock().await;
    if let Some((begun, sample)) = last.as_ref()
        && *begun >= asked
    {
        return Ok(Arc::clone(sample));
    }
    let begun = Instant::now();
    let (rows, clock) = read(target, None, false).await?;
    let rows = target.samples().lock().remembered(rows);
    let made = Arc::new(sample(rows, clock, false));
    *last = Some((begun, Arc::clone(&made)));
    Ok(made)
}

fn sample(rows: Vec<Row>, clock: Clock, exact: bool) -> Sample {
    Sample {
        id: Utc::now().timestamp_micros(),
        tree: Tree::of(rows),
        stats_reset: clock.stats_reset,
        at: clock.now,
        exact,
        sizes_from: None,
    }
}

async fn read(target: &Target, only: Option<Vec<u32>>, exact: bool) -> Result<(Vec<Row>, Clock)> {
    let only: Option<Vec<Oid>> = only.map(|oids| oids.into_iter().map(Oid).collect());
    let mut connection = target.look().await?;
    let reading = async {
        // First, so that nothing is older than it says.
        let clock = catalog::clock(&mut connection).await?;
        let rows = catalog::relations(&mut connection, only.as_deref(), exact).await?;
        Ok((rows, clock))
    };
    let (rows, clock) = reading.await.map_err(|source| target.error(source))?;
    if exact && rows.len() > MANY {
        connection.close_on_drop();
    }
    Ok((rows, clock))
}

/// A look under way; when it is dropped, those who wait go on.
struct Flight {
    target: Target,
    _ends: watch::Sender<()>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.target.samples().lock().flight = None;
    }
}

impl Samples {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps what a page shows for the pages after it.
    fn show(&mut self, sample: &Arc<Sample>) {
        self.shown
            .retain(|(at, known)| known.id != sample.id && at.elapsed() < KEPT_FOR);
        self.shown.push_front((Instant::now(), Arc::clone(sample)));
        self.shown.truncate(KEPT);
    }

    /// Rows with the last exact sizes instead of estimates: those of the last vacuum are zero for what was just made. They
    /// stay marked.
    fn remembered(&self, mut rows: Vec<Row>) -> Vec<Row> {
        let Some(last) = &self.last else { return rows };
        let tree = &last.sample.tree;
        let places: HashMap<u32, usize> = (0..tree.stats.len()).map(|at| (tree.oid(at), at)).collect();
        for row in rows.iter_mut().filter(|row| row.stat.estimated) {
            if let Some(before) = places.get(&row.oid).map(|at| &tree.stats[*at]) {
                row.stat.heap_bytes = before.heap_bytes;
                row.stat.toast_bytes = before.toast_bytes;
                row.stat.index_bytes = before.index_bytes;
                row.stat.total_bytes = before.total_bytes;
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::atomic::{AtomicU32, Ordering};

    use contract::stats::RelationKind;

    use super::{super::tests::lock_timeout, *};
    use crate::{Error, stats::tree::tests::row};

    #[tokio::test]
    async fn a_lock_that_gets_in_between_costs_the_locked_table_alone_its_exact_size() {
        let asked = AtomicU32::new(0);
        let ask = |only: Option<Vec<u32>>, exact: bool| {
            asked.fetch_add(1, Ordering::Relaxed);
            async move {
                let oids = only.unwrap_or_else(|| (1..=100).collect());
                // 17 is locked whenever it is looked at, and 40 was dropped after the first look.
                if exact && oids.contains(&17) {
                    return Err(lock_timeout().await);
                }
                let rows = oids.into_iter().filter(|oid| !exact || *oid != 40).map(|oid| {
                    let mut row = row(oid, None, RelationKind::Table, 1);
                    row.stat.estimated = !exact;
                    row
                });
                let clock = Clock {
                    stats_reset: None,
                    now: Utc::now(),
                };
                Ok((rows.collect(), clock))
            }
        };
        let (rows, _) = round_locks(ask).await.unwrap();
        let estimated: Vec<u32> = rows
            .iter()
            .filter(|row| row.stat.estimated)
            .map(|row| row.oid)
            .collect();
        assert_eq!((rows.len(), estimated), (99, vec![17]));
        assert!(asked.load(Ordering::Relaxed) < 20, "by halves, not one by one");
    }

    #[tokio::test]
    async fn any_other_failure_of_a_look_is_told_at_once() {
        let asked = AtomicU32::new(0);
        let ask = |_, _| {
            asked.fetch_add(1, Ordering::Relaxed);
            async { Err(Error::Cancelled) }
        };
        assert!(matches!(round_locks(ask).await, Err(Error::Cancelled)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
