//! Work that outlives a request: durable, cancellable, with one of four ends.
//!
//! A job is a row. A worker claims it in a short transaction, runs it with none open, and ends it in one transaction
//! together with its audit entry. A worker proves that it lives by holding an advisory lock of the store; when the
//! lock is gone, another worker takes the job over, lets its kind clean up, and ends it as interrupted. Nothing that
//! writes is ever rerun silently.

mod context;
mod kinds;
mod patience;
mod progress;
mod recover;
mod runner;
mod start;
pub(crate) mod store;
#[cfg(feature = "test-jobs")]
pub mod test_job;
mod work;

pub(crate) use context::JobContext;
pub(crate) use kinds::Job;
pub(crate) use patience::patiently;
pub(crate) use recover::{bury, bury_one};
pub(crate) use runner::{Runner, work};
pub(crate) use start::{Act, start, start_in};
pub(crate) use work::Work;

use contract::{
    audit::{Outcome, Severity},
    jobs::{JobDetail, JobId, JobPage, JobQuery, JobState, JobView, LogLine},
    session::Permission,
};

use crate::{Caller, Engine, Error, Result, audit, events::Notice};

/// Jobs on one page of the list.
pub(crate) const PER_PAGE: i64 = 50;

/// The operations on jobs.
pub struct Jobs<'a>(&'a Engine);

impl Engine {
    /// The operations on jobs.
    pub fn jobs(&self) -> Jobs<'_> {
        Jobs(self)
    }
}

impl Jobs<'_> {
    /// A page of jobs, newest first.
    ///
    /// # Errors
    /// `Forbidden`; the store's failures.
    #[crate::boxed]
    pub async fn list(&self, caller: &Caller, query: JobQuery) -> Result<JobPage> {
        caller.permit(Permission::ViewJobs)?;
        let mut jobs = store::list(self.0.store(), &query, PER_PAGE + 1).await?;
        let more = jobs.len() as i64 > PER_PAGE;
        jobs.truncate(PER_PAGE as usize);
        let next = if more { jobs.last().map(|job| job.id) } else { None };
        Ok(JobPage { jobs, next })
    }

    /// One job with the newest lines of its log.
    ///
    /// # Errors
    /// `NotFound`; the store's failures.
    #[crate::boxed]
    pub async fn detail(&self, caller: &Caller, id: JobId) -> Result<JobDetail> {
        caller.permit(Permission::ViewJobs)?;
        let job = self.find(id).await?;
        let log = store::log_newest(self.0.store(), id).await?;
        Ok(JobDetail { job, log })
    }

    /// Lines of a job's log after a number, at most a thousand.
    ///
    /// # Errors
    /// `NotFound`; the store's failures.
    #[crate::boxed]
    pub async fn log(&self, caller: &Caller, id: JobId, after: i64) -> Result<Vec<LogLine>> {
        caller.permit(Permission::ViewJobs)?;
        self.find(id).await?;
        Ok(store::log_after(self.0.store(), id, after).await?)
    }

    /// Lets this process take one job from the queue, and no other, for a command that waits for it: a console that
    /// works on the same store may be faster, which is as well. Only for an engine that does not take jobs by itself.
    ///
    /// # Errors
    /// `NotFound`; the store's failures.
    #[crate::boxed]
    pub async fn work_on(&self, caller: &Caller, id: JobId) -> Result<()> {
        caller.permit(Permission::ViewJobs)?;
        self.find(id).await?;
        if !self.0.config().works {
            self.0.spawn(work(self.0.clone(), self.0.stopping(), Some(id)));
        }
        Ok(())
    }

    /// Asks a job to stop. A waiting one is over at once; a running one cleans up first.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is over; the store's failures.
    #[crate::boxed]
    pub async fn cancel(&self, caller: &Caller, id: JobId) -> Result<JobView> {
        caller.permit(Permission::CancelJob)?;
        let mut transaction = self.0.store().begin().await?;
        let Some(state) = store::request_cancel(&mut transaction, id, caller.name()).await? else {
            drop(transaction);
            let job = self.find(id).await?;
            return match job.state {
                // A second click is no mistake.
                JobState::Cancelling => Ok(job),
                state => Err(Error::conflict(
                    format!("The job is over already: it {}.", past(state)),
                    "Start it again if you want another run.",
                )),
            };
        };
        let job = store::view(&mut *transaction, id)
            .await?
            .ok_or_else(|| unknown(id))?;
        audit::record(
            &mut transaction,
            audit::Entry {
                severity: Severity::Warning,
                outcome: if state == JobState::Cancelled {
                    Outcome::Success
                } else {
                    Outcome::Started
                },
                target: job.target.as_deref(),
                object: Some(&job.title),
                job: Some(id),
                ..audit::Entry::by(caller, "job.cancel")
            },
        )
        .await?;
        store::notify(&mut transaction, &Notice::Cancel(id)).await?;
        store::notify(&mut transaction, &Notice::Changed(id)).await?;
        transaction.commit().await?;
        Ok(job)
    }

    async fn find(&self, id: JobId) -> Result<JobView> {
        store::view(self.0.store(), id).await?.ok_or_else(|| unknown(id))
    }
}

fn unknown(id: JobId) -> Error {
    Error::not_found(format!("There is no job {id}."), "Look for it on the Jobs page.")
}

fn past(state: JobState) -> &'static str {
    match state {
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "was cancelled",
        JobState::Interrupted => "was interrupted",
        JobState::Queued | JobState::Running | JobState::Cancelling => "is still going on",
    }
}
