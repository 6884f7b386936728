//! What was measured of managed databases over time.
//!
//! One console of a store takes a snapshot of each database a minute; what changed since the one before is a step. Steps are
//! rolled up by adding, and removed when they are too old, so that the room they take is bounded. Nothing is ever reset on a
//! managed database: counters that went back, a server that started again, a reset by others make a gap and no false value.

mod catalog;
mod chart;
mod growth;
mod metric;
mod pulse;
mod step;
mod store;
#[cfg(feature = "test-jobs")]
pub mod test_clock;
mod turn;
mod view;

use chrono::{DurationRound, TimeDelta};
use contract::{
    history::{HistoryQuery, HistorySize, HistoryView, Spark},
    jobs::Event,
    session::Permission,
};

use futures::Stream;
use tokio::sync::broadcast::error::RecvError;

use self::metric::Metric;
use crate::{Caller, Engine, Result, target::Target};

pub(crate) use pulse::Pulses;
pub(crate) use store::{DAYS as KEPT, now};
pub(crate) use turn::keep_up;

/// The stretch of a small line, of ten minutes each.
const SPARK_STEPS: usize = 36;
/// Bytes of one step of a database with its share of the indexes: reckoned from the types of its columns, with every value there.
const STEP_BYTES: i64 = 1_000;
/// The same of a table.
const TABLE_STEP_BYTES: i64 = 400;
/// The most tables that are measured of one database.
const TABLES: i64 = 250;

/// The operations on history.
pub struct History<'a>(&'a Engine);

impl Engine {
    /// The operations on history.
    pub fn history(&self) -> History<'_> {
        History(self)
    }
}

impl History<'_> {
    /// The charts of a managed database, or of one of its tables, over a stretch of time, with what happened meanwhile. It
    /// is read from the store alone, so that a database that is down shows what it did before.
    ///
    /// # Errors
    /// `NotFound` for the target, and for a table that is not there and of which nothing is kept; `Invalid` at `range` when it ends before it begins, or holds no moment of the last two
    /// years; the store's failures.
    #[crate::boxed]
    pub async fn view(&self, caller: &Caller, query: HistoryQuery) -> Result<HistoryView> {
        caller.permit(Permission::ViewTarget)?;
        view::view(self.0, query).await
    }

    /// Six hours of every managed database as small lines, in the order of the configuration.
    ///
    /// # Errors
    /// The store's failures.
    #[crate::boxed]
    pub async fn sparks(&self, caller: &Caller) -> Result<Vec<Spark>> {
        caller.permit(Permission::ViewTarget)?;
        let step = TimeDelta::minutes(10);
        let now = store::now(self.0.store()).await?;
        // The last step is the one that is not over.
        let from = now.duration_trunc(step).unwrap_or(now)
            - TimeDelta::minutes(10 * i64::try_from(SPARK_STEPS - 1).unwrap_or_default());
        let names: Vec<String> = self
            .0
            .all_targets()
            .iter()
            .map(|target| target.name().to_owned())
            .collect();
        let places =
            |metrics: &[Metric]| -> Vec<i32> { metrics.iter().map(|metric| *metric as i32 + 1).collect() };
        let transactions = places(&[Metric::Commits, Metric::Rollbacks]);
        let connections = places(&chart::STATES);
        let mut points = store::sparks(self.0.store(), &names, from, (&transactions, &connections)).await?;
        let sparks = names.into_iter().map(|target| {
            let mut spark = Spark {
                transactions: vec![None; SPARK_STEPS],
                connections: vec![None; SPARK_STEPS],
                target,
            };
            for point in points.remove(&spark.target).unwrap_or_default() {
                let place = (point.at - from).num_seconds() / 600;
                if let Some(place) = usize::try_from(place).ok().filter(|place| *place < SPARK_STEPS) {
                    spark.transactions[place] = point.transactions;
                    spark.connections[place] = point.connections;
                }
            }
            spark
        });
        Ok(sparks.collect())
    }

    /// The values of the charts of a managed database, once a second for as long as the stream is read: one look for all who read
    /// one, here and in other consoles of the store. It pauses while the database is down.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` for the target.
    pub fn pulse(&self, caller: &Caller, target: &str) -> Result<impl Stream<Item = Event> + Send + use<>> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        let receiver = self.0.pulses().join(self.0, &target);
        Ok(futures::stream::unfold(receiver, |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(pulse) => {
                        let pulse = Box::new(pulse);
                        return Some((Event::Pulse { pulse }, receiver));
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        }))
    }

    /// The room that history takes in the store, and the most that it comes to.
    ///
    /// # Errors
    /// The store's failures.
    #[crate::boxed]
    pub async fn size(&self, caller: &Caller) -> Result<HistorySize> {
        caller.permit(Permission::ViewTarget)?;
        let steps = store::MINUTES.num_minutes() + store::TENS.num_minutes() / 10 + store::DAYS.num_days();
        let of_tables = store::TENS_OF_TABLES.num_minutes() / 10 + store::DAYS.num_days();
        let each = steps * STEP_BYTES + TABLES * of_tables * TABLE_STEP_BYTES;
        let databases = i64::try_from(self.0.all_targets().len()).unwrap_or(i64::MAX);
        let statements = crate::query::size(self.0, databases).await?;
        Ok(HistorySize {
            bytes: store::bytes(self.0.store()).await? + statements.0,
            most_bytes: databases.saturating_mul(each).saturating_add(statements.1),
        })
    }
}

/// The numbers in the store of a target's database and of its series there, also while it is down; none with the reason when it
/// was never reached.
async fn measured_of(target: &Target) -> Result<(i64, i64), String> {
    let numbers = async {
        let database = target.database_id(true).await?;
        Ok::<_, crate::Error>((database, target.series_of(database).await?))
    };
    numbers.await.map_err(|error| error.fault().message)
}
