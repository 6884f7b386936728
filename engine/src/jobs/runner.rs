//! The worker of one process: claims jobs, runs them, ends them.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use contract::{
    Code, Fault,
    audit::{Outcome, Severity},
    jobs::{JobId, JobState, LogLevel, Phase},
};
use futures::FutureExt;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    JobContext, kinds,
    patience::{PATIENCE, PAUSE},
    progress::{self, Meter},
    recover,
    store::{self, Dead, Mine},
};
use crate::{
    Engine, Error, Result, audit,
    target::silence::{Probe, until_silent, waits},
};

/// Between two looks at the queue when no notification comes.
const LOOK: Duration = Duration::from_secs(2);
/// The shortest time between two writes of one job's progress: four a second.
const SAVE: Duration = Duration::from_millis(250);
/// How long a job that was asked to stop may take before it is dropped.
const GRACE: Duration = Duration::from_secs(6);
/// How long a clean-up may take before it is given up and reported.
const CLEAN_UP: Duration = Duration::from_secs(120);
/// Jobs at work in one process.
const AT_ONCE: usize = 20;

/// Why a job shall stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Nobody asked.
    None = 0,
    /// A user asked.
    Cancelled = 1,
    /// The console is closing.
    Closing = 2,
    /// Another worker has it now.
    Lost = 3,
}

#[derive(Clone)]
struct Handle {
    /// Which worker of this process has the job: a command that waits for several jobs has one for each.
    worker: i64,
    token: CancellationToken,
    why: Arc<AtomicU8>,
}

impl Handle {
    fn stop(&self, why: Why) {
        // The first reason stands, except that a lost job is lost whatever was asked before.
        let none = Why::None as u8;
        if why == Why::Lost {
            self.why.store(why as u8, Ordering::SeqCst);
        } else {
            self.why
                .compare_exchange(none, why as u8, Ordering::SeqCst, Ordering::SeqCst)
                .ok();
        }
        self.token.cancel();
    }

    fn why(&self) -> Why {
        match self.why.load(Ordering::SeqCst) {
            1 => Why::Cancelled,
            2 => Why::Closing,
            3 => Why::Lost,
            _ => Why::None,
        }
    }
}

/// The jobs that this process has, and a bell for new ones.
pub(crate) struct Runner {
    bell: Notify,
    running: Mutex<HashMap<JobId, Handle>>,
}

impl Runner {
    pub(crate) fn new() -> Self {
        Self {
            bell: Notify::new(),
            running: Mutex::default(),
        }
    }

    /// Looks at the queue now.
    pub(crate) fn wake(&self) {
        self.bell.notify_one();
    }

    /// Asks a job to stop, if this process has it.
    pub(crate) fn cancel(&self, id: JobId) {
        if let Some(handle) = self.running().get(&id) {
            handle.stop(Why::Cancelled);
        }
    }

    /// Compares what a worker of this process runs with what the store says that it has.
    pub(super) fn compare(&self, worker: i64, known: &[(JobId, JobState)]) {
        for (id, handle) in self
            .running()
            .iter()
            .filter(|(_, handle)| handle.worker == worker)
        {
            match known.iter().find(|(known, _)| known == id) {
                Some((_, JobState::Cancelling)) => handle.stop(Why::Cancelled),
                Some(_) => {}
                None => handle.stop(Why::Lost),
            }
        }
    }

    fn stop_all(&self) {
        for handle in self.running().values() {
            handle.stop(Why::Closing);
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, Handle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works until the token is cancelled; then stops what runs and waits for its clean-up. With `only`, takes no other job
/// from the queue: a command that ends with its own job must not end the jobs of others. It still cleans up after the
/// dead, whose jobs may stand in the way.
pub(crate) async fn work(engine: Engine, stop: CancellationToken, only: Option<JobId>) {
    let worker: i64 = rand::random();
    let mut pulse = recover::Pulse::begin(engine.clone(), worker);
    let mut jobs = JoinSet::new();
    while !stop.is_cancelled() {
        // Without the lock nobody could tell that this process lives: it takes nothing then.
        if pulse.holds() {
            take_what_there_is(&engine, worker, only, &mut jobs).await;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = engine.runner().bell.notified() => {}
            () = pulse.changed() => {}
            Some(_) = jobs.join_next() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    engine.runner().stop_all();
    while jobs.join_next().await.is_some() {}
    pulse.end().await;
}

async fn take_what_there_is(engine: &Engine, worker: i64, only: Option<JobId>, jobs: &mut JoinSet<()>) {
    // A worker that is to take nothing only buries the dead. Any other one could take what waits.
    let dead = match only == Some(JobId(Uuid::nil())) {
        true => Dead::OrForsaken,
        false => Dead::AtWork,
    };
    loop {
        match store::take_over(engine.store(), worker, &Mine::of(engine), dead).await {
            Ok(Some(orphan)) => {
                let engine = engine.clone();
                jobs.spawn(async move { recover::clean_up_after_the_dead(engine, worker, orphan).await });
            }
            Ok(None) => break,
            Err(error) => return tracing::warn!(%error, "cannot look for jobs of dead workers"),
        }
    }
    while jobs.len() < AT_ONCE {
        match store::claim(engine.store(), worker, only, &Mine::of(engine)).await {
            Ok(Some(job)) => {
                let engine = engine.clone();
                jobs.spawn(async move { run(engine, worker, job).await });
            }
            Ok(None) => break,
            Err(error) => return tracing::warn!(%error, "cannot look for jobs"),
        }
    }
    // Also with its hands full: it will take what waits, which nobody must believe forsaken.
    if let Err(error) = store::stand_in_line(engine.store(), only, &Mine::of(engine)).await {
        tracing::warn!(%error, "cannot stand in line for jobs");
    }
}

async fn run(engine: Engine, worker: i64, job: store::Claimed) {
    let started = Instant::now();
    tracing::info!(job.id = %job.id, job.kind = job.kind.name(), target = job.target, "job begins");
    let context = JobContext::new(engine.clone(), &job);
    let handle = Handle {
        worker,
        token: context.token().clone(),
        why: Arc::default(),
    };
    engine.runner().running().insert(job.id, handle.clone());
    if engine.stopping().is_cancelled() {
        handle.stop(Why::Closing);
    }
    // A cancel request that came between the claim and the line above is found by the next heartbeat.
    let saving = CancellationToken::new();
    let saver = tokio::spawn(save_until(context.clone(), worker, saving.clone()));

    let result = attempt(&job, &context).await;
    let ended = match result {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            if handle.why() != Why::Lost {
                clean_up(&job, &context).await;
            }
            Err(error)
        }
    };
    saving.cancel();
    // The saver hands back the meter, so that the last value is as monotonic as those before.
    let mut meter = saver.await.unwrap_or_else(|_| Meter::new());
    let why = handle.why();
    if why == Why::Lost {
        tracing::warn!(job.id = %job.id, "another worker has this job now; leaving it alone");
    } else {
        let end = end_of(&job, &context, ended, why, &mut meter);
        conclude(&engine, worker, &job, end).await;
    }
    engine.runner().running().remove(&job.id);
    tracing::info!(job.id = %job.id, duration_ms = started.elapsed().as_millis() as u64, "job is over");
}

/// Runs the job's own code; a panic is a failure, and a run that ignores the wish to stop is dropped.
async fn attempt(job: &store::Claimed, context: &JobContext) -> Result<String> {
    let run = AssertUnwindSafe(kinds::run(job.kind, job.spec.clone(), context.clone())).catch_unwind();
    let too_long = async {
        context.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = run => match done {
            Ok(result) => result,
            Err(_) => Err(Error::internal("running a job", "it panicked")),
        },
        () = too_long => {
            context.log(LogLevel::Warn, "It did not stop by itself in time and was broken off.");
            Err(Error::Cancelled)
        }
        lost = lost_target(job, context) => Err(lost),
    }
}

/// Comes back once the managed database of a job that needs it has not answered for too long, over any connection.
async fn lost_target(job: &store::Claimed, context: &JobContext) -> Error {
    let target = job.target.as_deref().filter(|_| kinds::needs_target(job.kind));
    let Some(target) = target.and_then(|name| context.target(name).ok()) else {
        return std::future::pending().await;
    };
    let limit = context.engine.config().network_timeout;
    let told = AtomicBool::new(false);
    let tell = |silent: Option<Duration>| match silent {
        Some(silent) => {
            let words = waits(target.name(), silent, limit);
            if !told.swap(true, Ordering::SeqCst) {
                context.log(LogLevel::Warn, format!("{words}."));
            }
            context.progress(|progress| progress.detail = Some(words));
        }
        None => told.store(false, Ordering::SeqCst),
    };
    until_silent(limit, &mut Probe::new(&target), tell).await;
    target.silent(limit)
}

pub(super) async fn clean_up(job: &store::Claimed, context: &JobContext) {
    context.shared().make_room_in_log();
    context.phase(Phase::CleaningUp, None);
    let work = AssertUnwindSafe(kinds::clean_up(
        job.kind,
        job.spec.clone(),
        context.for_clean_up(),
    ))
    .catch_unwind();
    let problem = match tokio::time::timeout(CLEAN_UP, work).await {
        Ok(Ok(Ok(()))) => return,
        Ok(Ok(Err(error))) => {
            tracing::error!(job.id = %job.id, error = error.chain(), "clean-up failed");
            error.fault().message
        }
        Ok(Err(_)) => "it panicked".to_owned(),
        Err(_) => "it took too long".to_owned(),
    };
    context.log(
        LogLevel::Error,
        format!("Cleaning up failed: {problem}. Something may be left behind."),
    );
}

/// How a job ended, as it will be stored.
pub(super) struct Ended {
    pub state: JobState,
    pub progress: contract::jobs::Progress,
    pub fault: Option<Fault>,
    pub outcome: Option<String>,
    pub log: Vec<(LogLevel, String)>,
}

fn end_of(
    job: &store::Claimed,
    context: &JobContext,
    result: Result<String>,
    why: Why,
    meter: &mut Meter,
) -> Ended {
    let mut progress = context.shared().progress();
    meter.settle(&mut progress, Instant::now());
    let mut log = context.shared().end_log();
    let (state, fault, outcome) = match result {
        Ok(outcome) => {
            progress.phase = Phase::Done;
            progress.detail = None;
            progress.fraction = Some(1.0);
            log.push((LogLevel::Info, outcome.clone()));
            (JobState::Succeeded, None, Some(outcome))
        }
        Err(_) if why == Why::Cancelled => (JobState::Cancelled, None, None),
        Err(_) if why == Why::Closing => {
            let fault = Fault::new(Code::Conflict, "The console was stopped while this job ran.")
                .hint("Its log says what was undone and what is kept; then start it again.");
            (JobState::Interrupted, Some(fault), None)
        }
        Err(error) => {
            let mut fault = error.fault();
            if error.is_internal() {
                fault.trace = Some(job.id.to_string());
            }
            tracing::error!(job.id = %job.id, error = error.chain(), "job failed");
            log.push((LogLevel::Error, fault.message.clone()));
            (JobState::Failed, Some(fault), None)
        }
    };
    Ended {
        state,
        progress,
        fault,
        outcome,
        log,
    }
}

/// Writes the end and its audit entry in one transaction; tries for ten minutes when the store is away or full.
pub(super) async fn conclude(engine: &Engine, worker: i64, job: &store::Claimed, mut end: Ended) {
    progress::close(&mut end.progress, end.state);
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && !engine.store().is_closed() {
        match try_conclude(engine, worker, job, &end).await {
            Ok(true) => return,
            Ok(false) => return tracing::warn!(job.id = %job.id, "another worker ended this job"),
            Err(error) => {
                tracing::warn!(job.id = %job.id, error = error.chain(), "the end is not stored yet")
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::error!(job.id = %job.id, "the end could not be stored; another worker will end it as interrupted");
}

async fn try_conclude(engine: &Engine, worker: i64, job: &store::Claimed, end: &Ended) -> Result<bool> {
    let mut transaction = engine.store().begin().await?;
    let row = store::End {
        state: end.state,
        progress: &end.progress,
        fault: end.fault.as_ref(),
        outcome: end.outcome.as_deref(),
        log: &end.log,
    };
    if !store::finish(&mut transaction, job.id, worker, row).await? {
        return Ok(false);
    }
    let (severity, outcome) = match end.state {
        JobState::Succeeded => (Severity::Info, Outcome::Success),
        JobState::Cancelled => (Severity::Warning, Outcome::Failure),
        _ => (Severity::Error, Outcome::Failure),
    };
    let detail = match (&end.outcome, &end.fault) {
        (Some(outcome), _) => Some(outcome.clone()),
        (None, Some(fault)) => Some(fault.message.clone()),
        (None, None) => Some(format!("It was {}.", end.state.name())),
    };
    audit::record(
        &mut transaction,
        audit::Entry {
            event_type: kinds::event_type(job.kind),
            severity,
            outcome,
            user: Some(&job.created_by),
            address: None,
            target: job.target.as_deref(),
            object: Some(&job.title),
            detail: detail.as_deref(),
            job: Some(job.id),
        },
    )
    .await?;
    transaction.commit().await?;
    engine.outdate(job.target.as_deref());
    Ok(true)
}

/// Stores progress and log whenever they changed, at most four times a second, until told that the run is over.
async fn save_until(context: JobContext, worker: i64, over: CancellationToken) -> Meter {
    let mut meter = Meter::new();
    loop {
        tokio::select! {
            () = over.cancelled() => return meter,
            () = context.shared().changed.notified() => {}
        }
        save(&context, worker, &mut meter).await;
        tokio::select! {
            () = over.cancelled() => return meter,
            () = tokio::time::sleep(SAVE) => {}
        }
    }
}

async fn save(context: &JobContext, worker: i64, meter: &mut Meter) {
    let mut progress = context.shared().progress();
    meter.settle(&mut progress, Instant::now());
    let log = context.shared().take_log();
    match store::save(context.engine.store(), context.id, worker, &progress, &log).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!(job.id = %context.id, "progress of a job that is not ours any more"),
        Err(error) => {
            tracing::warn!(job.id = %context.id, %error, "progress not stored");
            context.shared().put_back(log);
        }
    }
}
