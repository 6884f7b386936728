//! Putting a job into the queue, together with its audit entry.

use contract::{
    Code, Fault,
    audit::{Outcome, Severity},
    jobs::{JobId, Progress},
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{Job, kinds, recover, store};
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
/// `Conflict`, with the job's id in the hint, when one of the same kind is waiting or running on the same database;
/// `Target` when it is not known which database that is, because it was never reached.
pub(crate) async fn start<J: Job>(engine: &Engine, caller: &Caller, job: &J, act: Act<'_>) -> Result<JobId> {
    let database = match job.target() {
        Some(name) => {
            let offline = kinds::OFFLINE.contains(&J::KIND);
            Some(engine.target(name)?.database_id(offline).await?)
        }
        None => None,
    };
    match queue(engine, caller, job, database, &act).await {
        // A process that was killed has left a job at work or waiting, and where no console runs nobody else would ever end it.
        Err(error)
            if error.fault().code == Code::Conflict
                && !engine.config().works
                && let Some(database) = database
                && recover::bury(engine, database).await? =>
        {
            queue(engine, caller, job, Some(database), &act).await
        }
        queued => queued,
    }
}

async fn queue<J: Job>(
    engine: &Engine,
    caller: &Caller,
    job: &J,
    database: Option<i64>,
    act: &Act<'_>,
) -> Result<JobId> {
    let mut transaction = engine.store().begin().await?;
    match start_in(&mut transaction, caller, job, database, act).await? {
        Some(id) => {
            transaction.commit().await?;
            Ok(id)
        }
        None => {
            drop(transaction);
            Err(already(engine, job, database).await?)
        }
    }
}

/// Queues a job in a transaction of others, so that what they write and the job are there together or not at all. None
/// when one of the same kind is waiting or running on the same database; the transaction can go on then.
pub(crate) async fn start_in<J: Job>(
    transaction: &mut PgConnection,
    caller: &Caller,
    job: &J,
    database: Option<i64>,
    act: &Act<'_>,
) -> Result<Option<JobId>> {
    let id = JobId(Uuid::now_v7());
    let spec = serde_json::to_value(job).map_err(|error| Error::internal("writing down a job", error))?;
    let row = store::NewJob {
        id,
        kind: J::KIND,
        target: job.target(),
        database,
        title: &job.title(),
        spec,
        work: job.work(),
        progress: Progress::default(),
        created_by: caller.name(),
    };
    let mut savepoint = transaction.begin().await?;
    match store::insert(&mut savepoint, row).await {
        Ok(()) => savepoint.commit().await?,
        Err(error) => {
            savepoint.rollback().await?;
            return match &error {
                sqlx::Error::Database(cause)
                    if cause.constraint() == Some("jobs_one_waiting_per_database_and_kind") =>
                {
                    Ok(None)
                }
                _ => Err(error.into()),
            };
        }
    }
    if let (Some(name), Some(database)) = (job.target(), database)
        && !store::stands_for(transaction, name, database).await?
    {
        return Err(Error::conflict(
            format!("Another database was just swapped in for {name}."),
            "Look at it, then start this again for the one that is there now.",
        ));
    }
    audit::record(
        transaction,
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
    store::notify(transaction, &Notice::Queued(id)).await?;
    store::notify(transaction, &Notice::Changed(id)).await?;
    Ok(Some(id))
}

async fn already<J: Job>(engine: &Engine, job: &J, database: Option<i64>) -> Result<Error> {
    let running = store::live_of_kind(engine.store(), database, J::KIND, job.work()).await?;
    let fault = Fault::new(
        Code::Conflict,
        format!("\"{}\" is under way already.", job.title()),
    );
    Ok(Error::Refused(match running {
        Some(id) => fault.hint(format!("Watch it under /jobs/{id}, or cancel it there first.")),
        None => fault.hint("It ended this moment: try again."),
    }))
}
