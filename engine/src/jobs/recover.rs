//! How processes know of each other's life and death.
//!
//! A worker holds an advisory lock under its own key on a connection of its own. The lock vanishes with the process,
//! also with `kill -9`, as soon as the kernel closes the connection. The same connection carries the heartbeat.

use std::time::Duration;

use contract::{
    Code, Fault,
    jobs::{JobId, JobState, LogLevel},
};
use sqlx::{Connection, PgConnection};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{JobContext, runner, runner::Ended, store};
use crate::{Engine, Result};

/// Between two heartbeats. Shorter than the five seconds of silence that count as death.
const BEAT: Duration = Duration::from_secs(2);

/// Between two looks at whether the dead are buried.
const LOOK: Duration = Duration::from_millis(250);

/// The life sign of this process.
pub(super) struct Pulse {
    holds: watch::Receiver<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Pulse {
    pub(super) fn begin(engine: Engine, worker: i64) -> Self {
        let (sender, holds) = watch::channel(false);
        // It beats on while the last jobs clean up, so it has a token of its own.
        let stop = CancellationToken::new();
        let task = tokio::spawn(beat(engine, worker, sender, stop.clone()));
        Self { holds, stop, task }
    }

    /// Whether the lock is held now.
    pub(super) fn holds(&self) -> bool {
        *self.holds.borrow()
    }

    /// Resolves when the lock was won or lost.
    pub(super) async fn changed(&mut self) {
        if self.holds.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(super) async fn end(self) {
        self.stop.cancel();
        self.task.await.ok();
    }
}

async fn beat(engine: Engine, worker: i64, holds: watch::Sender<bool>, stop: CancellationToken) {
    loop {
        let lost = tokio::select! {
            () = stop.cancelled() => return,
            lost = beat_once(&engine, worker, &holds) => lost,
        };
        holds.send_replace(false);
        if let Err(error) = lost {
            tracing::warn!(%error, "the life sign in the store is lost; connecting again");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
    }
}

async fn beat_once(engine: &Engine, worker: i64, holds: &watch::Sender<bool>) -> Result<(), sqlx::Error> {
    let options = engine.config().store.clone().application_name("pgsteward worker");
    let mut connection = PgConnection::connect_with(&options).await?;
    let won = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "won!""#, worker)
        .fetch_one(&mut connection)
        .await?;
    if !won {
        // The server has not yet noticed that this process' last connection is gone.
        return connection.close().await;
    }
    loop {
        let known = store::heartbeat(&mut connection, worker).await?;
        engine.runner().compare(worker, &known);
        holds.send_if_modified(|held| !std::mem::replace(held, true));
        tokio::time::sleep(BEAT).await;
    }
}

/// Cleans up after dead processes whose jobs stand in the way on a database, for a process that takes no jobs by itself, and
/// waits for that. False when all live. Whoever lives gives a sign of it every few seconds; a process counts as dead after
/// five seconds of silence, and one that was killed before it could begin its job after ten.
pub(crate) async fn bury(engine: &Engine, database: i64) -> Result<bool> {
    let (asked, mine) = (store::now(engine.store()).await?, store::Mine::of(engine));
    loop {
        let owners = store::owners(engine.store(), &mine, database, asked).await?;
        if owners.dead {
            break;
        }
        if !owners.unsure {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
    tracing::warn!("a job is in the way whose process has died; waiting until it is cleaned up after");
    // No job has this id: the worker only looks for what the dead have left.
    let none = Some(JobId(Uuid::nil()));
    engine.spawn(runner::work(engine.clone(), engine.stopping(), none));
    while store::owners(engine.store(), &mine, database, asked).await?.dead {
        tokio::time::sleep(LOOK).await;
    }
    Ok(true)
}

/// The same for one job that works aside: it stands in nobody's way but in that of another one like it, and where nobody takes jobs
/// one that was killed before it could begin waits for ever. False when its process lives, or another console's is to clean up after
/// it.
pub(crate) async fn bury_one(engine: &Engine, job: JobId) -> Result<bool> {
    let (asked, mine) = (store::now(engine.store()).await?, store::Mine::of(engine));
    loop {
        match store::owner(engine.store(), &mine, job, asked).await? {
            // It is over.
            None => return Ok(true),
            Some(owner) if owner.dead => break,
            Some(owner) if !owner.unsure => return Ok(false),
            Some(_) => tokio::time::sleep(LOOK).await,
        }
    }
    tracing::warn!(job.id = %job, "a job is in the way whose process has died; cleaning up after it");
    let worker: i64 = rand::random();
    let mut pulse = Pulse::begin(engine.clone(), worker);
    while !pulse.holds() {
        pulse.changed().await;
    }
    let buried = async {
        while store::owner(engine.store(), &mine, job, asked).await?.is_some() {
            match store::take_over(engine.store(), worker, &mine, store::Dead::One(job)).await? {
                Some(orphan) => clean_up_after_the_dead(engine.clone(), worker, orphan).await,
                // Another one cleans up, or it has not been silent for long enough.
                None => tokio::time::sleep(LOOK).await,
            }
        }
        Ok(true)
    };
    let buried = buried.await;
    pulse.end().await;
    buried
}

/// Lets the kind of a dead worker's job clean up, and ends the job. Nothing is rerun.
pub(super) async fn clean_up_after_the_dead(engine: Engine, worker: i64, job: store::Claimed) {
    tracing::warn!(job.id = %job.id, job.kind = job.kind.name(), "a job's worker died; cleaning up after it");
    let context = JobContext::new(engine.clone(), &job);
    context.log(
        LogLevel::Warn,
        "The console that ran this job is gone. Cleaning up what it left.",
    );
    runner::clean_up(&job, &context).await;
    let fault = Fault::new(Code::Conflict, "The console that ran this job died.")
        .hint("Its log says what was undone and what is kept; then start it again.");
    let (state, fault) = match job.cancelled_by {
        Some(_) => (JobState::Cancelled, None),
        None => (JobState::Interrupted, Some(fault)),
    };
    let end = Ended {
        state,
        progress: context.shared().progress(),
        fault,
        outcome: None,
        log: context.shared().end_log(),
    };
    runner::conclude(&engine, worker, &job, end).await;
}
