//! One look at all tables, shared by everyone who asks at the same time.
//!
//! Exact sizes cost one stat() per file: about half a second for 10,000 tables with two indexes each (measured on
//! PostgreSQL 15), and leave 90 MB of relation cache in the server process that did it. So there is one look at a
//! time for each target, a costly one is used again for a while, and a page that would have to wait for it takes the
//! last one or, at first, the sizes of the last vacuum.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use contract::stats::TableStat;
use tokio::sync::watch;

use super::{catalog, without_waiting};
use crate::{Engine, Result, target::Target};

/// How long a page waits for a look at the sizes.
const PATIENCE: Duration = Duration::from_millis(100);
/// How much longer it waits where there are no more than `MANY` tables.
const PATIENCE_WITH_FEW: Duration = Duration::from_millis(700);
/// A look that took less is not used again: what the page shows is as of now.
const CHEAP: Duration = Duration::from_millis(150);
/// A costlier look is used again for so many times as long as it took: at most one twentieth of a processor goes there.
const REUSE: u32 = 20;
/// The oldest look that a page takes rather than wait.
const OLDEST: Duration = Duration::from_secs(60);
/// Looking at more tables than this takes long, and the server process that did it is not kept in the pool, for its
/// memory.
const MANY: usize = 1_000;

/// All tables at one moment.
pub(crate) struct Sample {
    /// Every table and materialized view, in no order.
    pub tables: Vec<TableStat>,
    /// When the statistics were last reset.
    pub stats_reset: Option<contract::Instant>,
    /// When this was read, by the server's clock.
    pub at: contract::Instant,
}

/// The last look at one target's tables, and the one under way.
#[derive(Default)]
pub(crate) struct Samples(Mutex<State>);

#[derive(Default)]
struct State {
    last: Option<Look>,
    flight: Option<watch::Receiver<()>>,
}

struct Look {
    sample: Arc<Sample>,
    at: Instant,
    fresh_for: Duration,
}

/// The tables as they are now, or were a moment ago.
///
/// # Errors
/// The target's failures.
pub(super) async fn current(engine: &Engine, target: &Target) -> Result<Arc<Sample>> {
    let samples = target.samples();
    let mut landed = {
        let mut state = samples.lock();
        if let Some(look) = state
            .last
            .as_ref()
            .filter(|look| look.at.elapsed() < look.fresh_for)
        {
            return Ok(Arc::clone(&look.sample));
        }
        match &state.flight {
            Some(flight) => flight.clone(),
            None => {
                let (ends, flight) = watch::channel(());
                state.flight = Some(flight.clone());
                engine.spawn(look(
                    target.clone(),
                    Flight {
                        target: target.clone(),
                        _ends: ends,
                    },
                ));
                flight
            }
        }
    };
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
    let estimate = read(target, false).await?;
    if estimate.tables.len() <= MANY {
        // So few are done at any moment, however busy the server is.
        tokio::time::timeout(PATIENCE_WITH_FEW, landed.changed())
            .await
            .ok();
        if let Some(sample) = seen() {
            return Ok(sample);
        }
    }
    Ok(Arc::new(estimate))
}

/// Looks once and keeps what it saw.
async fn look(target: Target, flight: Flight) {
    let started = Instant::now();
    // A clone per look: a future that borrows across an async closure is not `Send` for every lifetime.
    let reading = |exact| {
        let target = target.clone();
        async move { read(&target, exact).await }
    };
    match without_waiting(reading).await {
        Ok(sample) => {
            let took = started.elapsed();
            let fresh_for = if took < CHEAP {
                Duration::ZERO
            } else {
                (took * REUSE).min(OLDEST / 2)
            };
            let look = Look {
                sample: Arc::new(sample),
                at: Instant::now(),
                fresh_for,
            };
            target.samples().lock().last = Some(look);
        }
        // Whoever waited asks without sizes and gets the failure in its own words.
        Err(error) => tracing::debug!(
            target.name = target.name(),
            error = error.chain(),
            "no look at the tables"
        ),
    }
    drop(flight);
}

async fn read(target: &Target, exact: bool) -> Result<Sample> {
    let mut connection = target.look().await?;
    let reading = async {
        let tables = catalog::tables(&mut connection, None, exact).await?;
        let clock = catalog::clock(&mut connection).await?;
        Ok(Sample {
            tables,
            stats_reset: clock.stats_reset,
            at: clock.now,
        })
    };
    let sample = reading.await.map_err(|source| target.error(source))?;
    if exact && sample.tables.len() > MANY {
        connection.close_on_drop();
    }
    Ok(sample)
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
