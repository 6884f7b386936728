//! A job that only tests use: it proves what the runner promises for every kind.

use std::{path::PathBuf, time::Duration};

use contract::{
    audit::Severity,
    jobs::{JobId, JobKind, Phase, StepState},
    session::Permission,
};
use serde::{Deserialize, Serialize};

pub use super::work::Work;
use super::{Act, Job, JobContext, start};
use crate::{Caller, Engine, Error, Result};

/// What the test job does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TestJob {
    /// The managed database it pretends to work on.
    pub target: String,
    /// How long it works, in milliseconds.
    pub work_ms: u64,
    /// How it ends.
    pub end: TestEnd,
    /// A file that is there while the job works, and that its clean-up removes.
    pub marker: PathBuf,
    /// Whether it ignores the wish to stop.
    pub deaf: bool,
    /// What it pretends to do.
    pub work: Work,
}

/// How the test job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TestEnd {
    /// Well.
    Succeed,
    /// With a fault.
    Fail,
    /// With a panic.
    Panic,
}

/// Queues a test job.
///
/// # Errors
/// Like every start of a job.
#[crate::boxed]
pub async fn begin(engine: &Engine, caller: &Caller, job: &TestJob) -> Result<JobId> {
    caller.permit(Permission::Optimize)?;
    let act = Act {
        event_type: "test.run",
        severity: Severity::Info,
        object: None,
        detail: None,
    };
    start(engine, caller, job, act).await
}

impl Job for TestJob {
    const KIND: JobKind = JobKind::Test;
    const EVENT_TYPE: &'static str = "test.run";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn work(&self) -> Work {
        self.work
    }

    fn title(&self) -> String {
        format!("Test on {}", self.target)
    }

    async fn run(self, context: JobContext) -> Result<String> {
        tokio::fs::write(&self.marker, "at work")
            .await
            .map_err(Error::io("writing the marker"))?;
        context.phase(Phase::Preparing, None);
        context.steps(["work", "rest"].map(str::to_owned));
        context.step(0, |step| step.state = StepState::Running);
        let parts = 50;
        for part in 0..parts {
            if !self.deaf {
                context.check()?;
            }
            context.info(format!("part {part}"));
            context.progress(|progress| progress.fraction = Some(f64::from(part) / f64::from(parts)));
            tokio::time::sleep(Duration::from_millis(self.work_ms) / parts).await;
        }
        match self.end {
            TestEnd::Succeed => {
                tokio::fs::remove_file(&self.marker)
                    .await
                    .map_err(Error::io("removing the marker"))?;
                Ok("worked".to_owned())
            }
            TestEnd::Fail => Err(Error::conflict(
                "It failed, as it was told.",
                "Tell it otherwise.",
            )),
            TestEnd::Panic => std::panic::resume_unwind(Box::new("as it was told")),
        }
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        context.info("cleaning up");
        match tokio::fs::remove_file(&self.marker).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("removing the marker")(error))
            }
            _ => Ok(()),
        }
    }
}
