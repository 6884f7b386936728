//! The pulse of a database while somebody looks: the values of its charts at this moment, once a second for all viewers and
//! all consoles of a store. When nobody looks, nothing is asked.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use contract::{
    history::{Beat, Pulse},
    target::TargetState,
};
use tokio::{sync::broadcast, time::MissedTickBehavior};

use super::{
    catalog::{self, Snapshot},
    chart::{self, How},
    metric::Metric,
    step::{self, Step},
    store,
};
use crate::{Engine, Error, Result, target::Target};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a look may take; what takes longer is not of this second.
const LONGEST: Duration = Duration::from_secs(3);
/// Looks that are further apart say nothing of this moment.
const APART: TimeDelta = TimeDelta::seconds(10);
/// Pulses that a viewer may be behind; older ones are of no use to anybody.
const BEHIND: usize = 4;

/// Whose pulse is taken in this process, and who is told.
pub(crate) struct Pulses(Mutex<HashMap<String, broadcast::Sender<Pulse>>>);

impl Pulses {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Joins those who look at a database; the first one begins it.
    pub(super) fn join(&self, engine: &Engine, target: &Target) -> broadcast::Receiver<Pulse> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = open.get(target.name()) {
            return sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(BEHIND);
        open.insert(target.name().to_owned(), sender.clone());
        engine.spawn(keep_up(engine.clone(), target.clone(), sender));
        receiver
    }

    /// Ends it when nobody looks any more. Nobody joins meanwhile.
    fn is_left(&self, name: &str, sender: &broadcast::Sender<Pulse>) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = sender.receiver_count() == 0;
        if left {
            open.remove(name);
        }
        left
    }

    /// Databases whose pulse is taken.
    #[cfg(feature = "test-jobs")]
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

async fn keep_up(engine: Engine, target: Target, sender: broadcast::Sender<Pulse>) {
    let stop = engine.stopping();
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if engine.pulses().is_left(target.name(), &sender) {
            return;
        }
        match take(&engine, &target, last).await {
            Ok(Some(pulse)) => {
                last = Some(pulse.at);
                sender.send(pulse).ok();
            }
            Ok(None) => {}
            // The monitor tells of a database that is down, and the store's listener of the store.
            Err(error) => tracing::debug!(target.name = target.name(), error = error.chain(), "no pulse"),
        }
    }
}

/// The pulse of this second: taken here, or by another console.
async fn take(engine: &Engine, target: &Target, last: Option<contract::Instant>) -> Result<Option<Pulse>> {
    let (TargetState::Up(server), Some(database)) = (target.state(), target.known()) else {
        return Ok(None);
    };
    let pool = engine.store();
    let series = target.series_of(database).await?;
    let named = |mut pulse: Pulse| {
        pulse.target = target.name().to_owned();
        pulse
    };
    let Some(before) = store::take_beat(pool, series).await? else {
        let taken = store::beat(pool, series).await?;
        return Ok(taken
            .filter(|pulse| last.is_none_or(|last| pulse.at > last))
            .map(named));
    };
    let (before, last_pulse) = before;
    let looked = tokio::time::timeout(LONGEST, look(&target.bound_to(database), before.as_ref())).await;
    let now =
        looked.unwrap_or_else(|_| Err(target.error(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))))?;
    let before = before.filter(|before| now.at - before.at <= APART);
    let values = step::of_database(before.as_ref(), &now, Some(server.database_bytes));
    // What was not read again is what it was.
    let held = before.is_some_and(|before| before.statements.is_the_same(&now.statements));
    let held = last_pulse.filter(|_| held);
    let pulse = Pulse {
        target: String::new(),
        at: now.at,
        charts: beats(&values, held.as_ref()),
    };
    store::keep_beat(pool, series, &now, &pulse).await?;
    Ok(Some(named(pulse)))
}

async fn look(target: &Target, before: Option<&Snapshot>) -> Result<Snapshot> {
    let mut look = target.look().await?;
    let looking = async {
        sqlx::raw_sql("set local statement_timeout = '2s'")
            .execute(&mut *look)
            .await?;
        catalog::beat(&mut look, before).await
    };
    let looked: Result<Snapshot, Error> = looking.await.map_err(|source| target.error(source));
    looked
}

/// The values of every chart; those of statements out of an earlier pulse when they are held from there. What is counted over a step
/// has none of a moment.
fn beats(step: &Step, held: Option<&Pulse>) -> Vec<Beat> {
    let value = |place: usize| {
        let weight = f64::from(step.weights.get(place).copied().flatten()?);
        let sum = step.sums.get(place).copied().flatten()?;
        (weight > 0.0).then(|| sum / weight)
    };
    chart::of_database()
        .iter()
        .filter(|plan| !matches!(plan.how, How::Sum))
        .map(|plan| {
            let of_statements = |place| [Metric::Queries as usize, Metric::Latency as usize].contains(&place);
            let held = held.filter(|_| plan.lines.iter().all(|line| of_statements(line.place)));
            Beat {
                chart: plan.key.to_owned(),
                values: match held.and_then(|pulse| pulse.values(plan.key)) {
                    Some(values) => values.to_vec(),
                    None => plan.lines.iter().map(|line| value(line.place)).collect(),
                },
            }
        })
        .collect()
}
