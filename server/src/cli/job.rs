//! Waiting for a job: this process works on it unless a console is faster, shows how far it is, and on Ctrl-C or SIGTERM has it
//! cancelled and waits for its clean-up.

use std::time::Duration;

use contract::{
    format,
    jobs::{Event, JobId, JobState, JobView},
};
use engine::Caller;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Session, failure::Failure, out::tell, plain};
use crate::console::Console;

/// Between two looks at the job when no value comes by itself.
const LOOK: Duration = Duration::from_secs(2);
/// Looks at another one's job until one's own is tried again.
const LOOKS: u32 = 3;

/// Waits until a job is over and shows it.
///
/// # Errors
/// The job's fault when it did not succeed.
pub(super) async fn wait(session: &Session<'_>, console: &Console, id: JobId) -> Result<JobView, Failure> {
    let (job, asked_to_stop) = until_over(session, console, id).await?;
    session.out.show(&job, || words(&job));
    succeeded(job, asked_to_stop)
}

/// Waits until a job is over; its progress is shown, its end is not.
///
/// # Errors
/// The job's fault when it did not succeed.
pub(super) async fn wait_quietly(
    session: &Session<'_>,
    console: &Console,
    id: JobId,
) -> Result<JobView, Failure> {
    let (job, asked_to_stop) = until_over(session, console, id).await?;
    succeeded(job, asked_to_stop)
}

/// The job once it is over, and whether it was asked to stop here.
async fn until_over(session: &Session<'_>, console: &Console, id: JobId) -> Result<(JobView, bool), Failure> {
    let caller = session.caller(console);
    let jobs = console.engine.jobs();
    let mut values = Box::pin(console.engine.watch(&caller)?);
    // One listener for the whole wait, and there before the job can be at work: between two would be moments in which a
    // Ctrl-C is heard by nobody, or ends the process in the middle.
    let mut interrupt = interrupts()?;
    let mut terminate = signal(SignalKind::terminate()).map_err(uncaught)?;
    // A terminal that is closed, as by a lost SSH session, does not end the job.
    let _hang_up = signal(SignalKind::hangup()).map_err(uncaught)?;
    jobs.work_on(&caller, id).await?;
    let mut shown = Shown::new(session.out.has_progress_bar(), session.out.is_json());
    let mut job = jobs.detail(&caller, id).await?.job;
    let mut asked_to_stop = false;
    while !job.state.is_final() {
        shown.at(&job);
        let asked = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        tokio::select! {
            value = values.next() => match value {
                Some(value) => job = newer(value, job),
                None => return Err(Failure::message("the console closed before the job ended")),
            },
            () = tokio::time::sleep(LOOK) => job = jobs.detail(&caller, id).await?.job,
            () = asked, if !asked_to_stop => {
                asked_to_stop = true;
                shown.note("cancelling; waiting for the clean-up");
                cancel(console, &caller, id).await?;
            }
        }
    }
    shown.over();
    Ok((job, asked_to_stop))
}

/// Hears Ctrl-C from now on, which then no longer ends the process by itself.
///
/// # Errors
/// When signals cannot be caught.
pub(super) fn interrupts() -> Result<Signal, Failure> {
    signal(SignalKind::interrupt()).map_err(uncaught)
}

/// Waits while another one's job is at work, for some seconds at most: who ends a job whose process died is found by
/// asking for one of one's own again.
///
/// # Errors
/// An interruption, which does nothing to the job.
pub(super) async fn linger(
    session: &Session<'_>,
    console: &Console,
    id: JobId,
    interrupt: &mut Signal,
) -> Result<(), Failure> {
    let caller = session.caller(console);
    let work = async {
        for _ in 0..LOOKS {
            let job = console.engine.jobs().detail(&caller, id).await?.job;
            if job.state.is_final() {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok::<(), Failure>(())
    };
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => Err(Failure::interrupted("stopped waiting; the other run goes on")),
    }
}

/// Does something that is no job, unless Ctrl-C ends it. Once a job was waited for, Ctrl-C does nothing by itself any more.
///
/// # Errors
/// An interruption.
pub(super) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let mut interrupt = interrupts()?;
    tokio::select! {
        done = work => Ok(done),
        _ = interrupt.recv() => Err(Failure::interrupted("interrupted; nothing was changed")),
    }
}

fn uncaught(error: std::io::Error) -> Failure {
    Failure::message(format!("signals cannot be caught: {error}"))
}

fn succeeded(job: JobView, asked_to_stop: bool) -> Result<JobView, Failure> {
    match job.state {
        JobState::Succeeded => Ok(job),
        JobState::Cancelled if asked_to_stop => Err(Failure::interrupted("cancelled")),
        JobState::Cancelled => Err(Failure::message("the job was cancelled")),
        _ => Err(match job.fault.clone() {
            Some(fault) => fault.into(),
            None => Failure::message(format!("the job {}", job.state.name())),
        }),
    }
}

/// Ctrl-C may come just as the job ends, which is no failure of the command.
async fn cancel(console: &Console, caller: &Caller, id: JobId) -> Result<(), Failure> {
    match console.engine.jobs().cancel(caller, id).await {
        Err(error) if error.fault().code != contract::Code::Conflict => Err(error.into()),
        _ => Ok(()),
    }
}

fn newer(value: Event, job: JobView) -> JobView {
    let found = match value {
        Event::Job { job: new } => Some(*new).filter(|new| new.id == job.id),
        Event::Snapshot { jobs, .. } => jobs.into_iter().find(|new| new.id == job.id),
        Event::Log { .. } | Event::Target { .. } | Event::Pulse { .. } => None,
    };
    found.filter(|new| new.version > job.version).unwrap_or(job)
}

fn words(job: &JobView) -> String {
    let took = job
        .duration_ms(chrono::Utc::now())
        .map(format::duration)
        .unwrap_or_default();
    match &job.outcome {
        Some(outcome) => format!("{}: {outcome} ({took})", job.title),
        None => format!("{}: {} after {took}", job.title, job.state.name()),
    }
}

/// How far a job is, on standard error: a bar on a terminal, else a line for each new phase and each tenth.
struct Shown {
    bar: Option<ProgressBar>,
    silent: bool,
    last: String,
}

impl Shown {
    fn new(on_terminal: bool, silent: bool) -> Self {
        let bar = on_terminal.then(|| {
            let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}");
            let bar = ProgressBar::new(1000);
            style.into_iter().for_each(|style| bar.set_style(style));
            bar
        });
        Self {
            bar,
            silent,
            last: String::new(),
        }
    }

    fn at(&mut self, job: &JobView) {
        let progress = &job.progress;
        let waiting = progress
            .waiting
            .as_ref()
            .map(|it| format!("waiting for a lock held by pid {} ({})", it.pid, it.who));
        let detail = waiting
            .or_else(|| progress.detail.clone())
            .map(|text| format!(": {text}"))
            .unwrap_or_default();
        let what = match job.state {
            JobState::Queued => match &job.waits_for {
                Some(other) => format!("{} (job {})", plain::line(&job.turn()), other.id),
                None => job.turn(),
            },
            _ => format!("{}{}", progress.phase.label(), plain::line(&detail)),
        };
        if let Some(bar) = &self.bar {
            let eta = progress
                .eta_s
                .map(|seconds| format!(", about {} to go", format::duration(seconds * 1000)));
            bar.set_position((progress.fraction.unwrap_or(0.0) * 1000.0) as u64);
            bar.set_message(format!("{what}{}", eta.unwrap_or_default()));
            return;
        }
        let tenths = progress
            .fraction
            .map(|fraction| format!("{:>3} %  ", (fraction * 10.0) as u32 * 10));
        let line = format!("{}{what}", tenths.unwrap_or_default());
        if line != self.last && !self.silent {
            tell(&line);
            self.last = line;
        }
    }

    fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(plain::lines(text)),
            None => tell(text),
        }
    }

    fn over(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
