//! What a running job holds: its engine, its progress, its log, and the wish that it stop.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use contract::jobs::{JobId, LogLevel, Phase, Progress, Step, StepState};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::store::Claimed;
use crate::{Engine, Error, Result, target::Target};

/// Cheap to clone; every clone speaks for the same job.
#[derive(Clone)]
pub(crate) struct JobContext {
    /// The engine that runs it.
    pub engine: Engine,
    /// The job.
    pub id: JobId,
    /// Who asked for it.
    pub created_by: Arc<str>,
    /// The number in the store of the database that the job is for.
    pub database: Option<i64>,
    token: CancellationToken,
    shared: Arc<Shared>,
}

/// Lines of a job's log that the store keeps. Each is a row for good, and a tool that warns without end must not fill the
/// store; a reader needs the first of many, and how many there were.
const MOST_LINES: usize = 2_000;
/// Lines more for the clean-up, whose word is always heard.
const CLEAN_UP_LINES: usize = 200;

/// Lines on their way to the store.
struct Lines {
    waiting: Vec<(LogLevel, String)>,
    /// How many may still come.
    room: usize,
    dropped: i64,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            room: MOST_LINES,
            dropped: 0,
        }
    }
}

impl Lines {
    fn add(&mut self, level: LogLevel, text: String) {
        match self.room.checked_sub(1) {
            Some(room) => {
                self.room = room;
                self.waiting.push((level, text));
            }
            None => self.dropped += 1,
        }
    }

    /// Says how many were left out, if any.
    fn tell(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            let text = format!(
                "{} more lines are not kept here.",
                contract::format::exact(dropped)
            );
            self.waiting.push((LogLevel::Warn, text));
        }
    }
}

#[derive(Default)]
pub(super) struct Shared {
    progress: Mutex<Progress>,
    log: Mutex<Lines>,
    pub(super) changed: Notify,
}

impl JobContext {
    pub(super) fn new(engine: Engine, job: &Claimed) -> Self {
        let shared = Shared {
            progress: Mutex::new(job.progress.clone()),
            ..Shared::default()
        };
        Self {
            engine,
            id: job.id,
            created_by: job.created_by.as_str().into(),
            database: job.database,
            token: CancellationToken::new(),
            shared: Arc::new(shared),
        }
    }

    /// The same job with a token of its own: a clean-up must not be stopped by the wish that stopped the run.
    pub(super) fn for_clean_up(&self) -> Self {
        Self {
            token: CancellationToken::new(),
            ..self.clone()
        }
    }

    /// The job's managed database. Its sessions lead to the very database that the job is for, or fail.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn target(&self, name: &str) -> Result<Target> {
        match self.database {
            Some(database) => self.engine.target_of(name, database),
            None => self.engine.target(name),
        }
    }

    /// Resolves when the job shall stop.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Ends the job here if it shall stop.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn check(&self) -> Result<()> {
        if self.token.is_cancelled() {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Waits for `work`, or drops it and ends with `Cancelled` when the job shall stop.
    ///
    /// # Errors
    /// `Cancelled`, or what `work` ended with.
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.token.cancelled() => Err(Error::Cancelled),
            done = work => done,
        }
    }

    /// The token, for what must be told apart from dropping (a child process).
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Changes the progress; it is stored and shown at most four times a second.
    pub fn progress(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut lock(&self.shared.progress));
        self.shared.changed.notify_one();
    }

    /// Enters a phase; the waiting line of the last one is gone.
    pub fn phase(&self, phase: Phase, detail: impl Into<Option<String>>) {
        let detail = detail.into();
        self.progress(|progress| {
            progress.phase = phase;
            progress.detail = detail;
            progress.waiting = None;
        });
    }

    /// Names the parts of the job, all pending.
    pub fn steps(&self, names: impl IntoIterator<Item = String>) {
        let steps = names
            .into_iter()
            .map(|name| Step {
                name,
                state: StepState::Pending,
                detail: None,
                fraction: None,
                duration_ms: None,
            })
            .collect();
        self.progress(|progress| progress.steps = steps);
    }

    /// Changes one part by its place.
    pub fn step(&self, index: usize, change: impl FnOnce(&mut Step)) {
        self.progress(|progress| {
            if let Some(step) = progress.steps.get_mut(index) {
                change(step);
            }
        });
    }

    /// Enters a part of the job.
    pub fn begin(&self, index: usize, phase: Phase) -> Instant {
        self.phase(phase, None);
        self.step(index, |step| step.state = StepState::Running);
        Instant::now()
    }

    /// Leaves a part of the job; gives how long it took, in milliseconds.
    pub fn end(&self, index: usize, started: Instant, detail: impl Into<String>) -> i64 {
        let took = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.step(index, |step| {
            step.state = StepState::Done;
            step.fraction = Some(1.0);
            step.detail = Some(detail.into());
            step.duration_ms = Some(took);
        });
        took
    }

    /// Adds a line to the job's log. Of very many the first are kept, and the number of the rest.
    pub fn log(&self, level: LogLevel, text: impl Into<String>) {
        lock(&self.shared.log).add(level, text.into());
        self.shared.changed.notify_one();
    }

    /// Adds an ordinary line to the job's log.
    pub fn info(&self, text: impl Into<String>) {
        self.log(LogLevel::Info, text);
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    pub(super) fn progress(&self) -> Progress {
        lock(&self.progress).clone()
    }

    pub(super) fn take_log(&self) -> Vec<(LogLevel, String)> {
        std::mem::take(&mut lock(&self.log).waiting)
    }

    /// Gives lines back that could not be stored.
    pub(super) fn put_back(&self, mut lines: Vec<(LogLevel, String)>) {
        let mut log = lock(&self.log);
        lines.append(&mut log.waiting);
        log.waiting = lines;
    }

    /// The run is over: what it had too much is told, and the clean-up may tell more.
    pub(super) fn make_room_in_log(&self) {
        let mut log = lock(&self.log);
        log.tell();
        log.room = log.room.max(CLEAN_UP_LINES);
    }

    /// All that is left of the log, at the job's end.
    pub(super) fn end_log(&self) -> Vec<(LogLevel, String)> {
        lock(&self.log).tell();
        self.take_log()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
