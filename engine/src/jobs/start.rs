//! Putting a job into the queue, together with its audit entry.

use contract::{
    Code, Fault,
    audit::{Outcome, Severity},
    jobs::{JobId, Progress},
};
use uuid::Uuid;

use super::{Job, recover, store};
use crate::{Caller, Engine, Error, Result, audit, events::Notice};

/// What the audit log says of the act that a job carries out.
pub(crate) struct Act<'a> {
    /// As `area.verb`.
    pub event_type: &'a str,
    /// How serious it is by its nature.
    pub severity: Severity,
    /// On what, by name, beside the target.
    pub object: Option<&'a str>,
    /// More, in words or SQL.
    pub detail: Option<&'a str>,
}

/// Queues a job and wakes a worker.
///
/// # Errors
/// `Conflict`, with the job's id in the hint, when one of the same kind is waiting or running on the same target.
pub(crate) async fn start<J: Job>(engine: &Engine, caller: &Caller, job: &J, act: Act<'_>) -> Result<JobId> {
    match queue(engine, caller, job, &act).await {
        // A process that was killed has left a job at work, and where no console runs nobody else would ever end it.
        Err(error)
            if error.fault().code == Code::Conflict
                && !engine.config().works
                && recover::bury(engine, job.target().unwrap_or_default()).await? =>
        {
            queue(engine, caller, job, &act).await
        }
        queued => queued,
    }
}

async fn queue<J: Job>(engine: &Engine, caller: &Caller, job: &J, act: &Act<'_>) -> Result<JobId> {
    let id = JobId(Uuid::now_v7());
    let spec = serde_json::to_value(job).map_err(|error| Error::internal("writing down a job", error))?;
    let mut transaction = engine.store().begin().await?;
    let row = store::NewJob {
        id,
        kind: J::KIND,
        target: job.target(),
        title: &job.title(),
        spec,
        exclusive: J::EXCLUSIVE,
        progress: Progress::default(),
        created_by: caller.name(),
    };
    if let Err(error) = store::insert(&mut transaction, row).await {
        drop(transaction);
        return Err(match &error {
            sqlx::Error::Database(cause) if cause.constraint() == Some("jobs_one_waiting_per_kind") => {
                already(engine, job).await?
            }
            _ => error.into(),
        });
    }
    audit::record(
        &mut transaction,
        audit::Entry {
            severity: act.severity,
            outcome: Outcome::Started,
            target: job.target(),
            object: act.object,
            detail: act.detail,
            job: Some(id),
            ..audit::Entry::by(caller, act.event_type)
        },
    )
    .await?;
    store::notify(&mut transaction, &Notice::Queued(id)).await?;
    store::notify(&mut transaction, &Notice::Changed(id)).await?;
    transaction.commit().await?;
    Ok(id)
}

async fn already<J: Job>(engine: &Engine, job: &J) -> Result<Error> {
    let target = job.target().unwrap_or_default();
    let running = store::live_of_kind(engine.store(), target, J::KIND).await?;
    let fault = Fault::new(
        Code::Conflict,
        format!("\"{}\" is under way already.", job.title()),
    );
    Ok(Error::Refused(match running {
        Some(id) => fault.hint(format!("Watch it under /jobs/{id}, or cancel it there first.")),
        None => fault.hint("It ended this moment: try again."),
    }))
}
