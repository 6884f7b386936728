//! One look at the schedules: what is due is begun, and what a run has to do next is done.
//!
//! A due time is taken by its row, in the transaction that also queues the job: of several consoles one takes it, and one
//! that dies at any moment leaves either both or neither. The clock is the store's. One that jumps ahead makes one run of
//! all that became due, and one that goes back makes none come twice.

use std::time::Duration;

use chrono::TimeDelta;
use contract::{
    Code, Instant,
    audit::Severity,
    backup::BackupSpec,
    format,
    jobs::{JobId, JobState},
    schedule::VerifyWhen,
};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{
    rule::Rule,
    store::{self, GoingOn, Row},
};
use crate::{
    Caller, Engine, Result,
    backup::retention,
    jobs::{Act, start_in},
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// A run that begins so long after its due time says so.
const LATE: TimeDelta = TimeDelta::minutes(5);
/// A clock that goes back by less was only set.
const SET_BACK: TimeDelta = TimeDelta::minutes(1);
/// Between two verifications that are to be weekly.
pub(super) const WEEK: TimeDelta = TimeDelta::days(7);

/// Looks at the schedules again and again, until the token is cancelled.
pub(crate) async fn keep_up(engine: Engine, stop: CancellationToken) {
    loop {
        let looked = async {
            let now = store::now(engine.store()).await?;
            turn(&engine, now).await
        };
        if let Err(error) = looked.await {
            tracing::warn!(error = error.chain(), "cannot look at the schedules");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Looks once, as if it were `now`. What fails for one managed database keeps none of the others waiting.
///
/// # Errors
/// The store's failures.
pub(super) async fn turn(engine: &Engine, now: Instant) -> Result<()> {
    let mine: Vec<String> = engine
        .all_targets()
        .iter()
        .map(|target| target.name().to_owned())
        .collect();
    for row in store::all(engine.store(), &mine).await? {
        for done in [
            begin_due(engine, &row, now).await,
            verify_weekly(engine, &row, now).await,
        ] {
            if let Err(error) = done {
                tracing::warn!(
                    target.name = row.target,
                    error = error.chain(),
                    "a schedule could not be kept"
                );
            }
        }
    }
    for run in store::going_on(engine.store(), &mine).await? {
        if let Err(error) = follow(engine, &run).await {
            tracing::warn!(
                target.name = run.target,
                error = error.chain(),
                "a scheduled run cannot go on yet"
            );
        }
    }
    Ok(())
}

/// Begins the backup that is due, if one is.
async fn begin_due(engine: &Engine, row: &Row, now: Instant) -> Result<()> {
    if row.paused_at.is_some() {
        return Ok(());
    }
    if row.settled_until > now {
        return went_back(engine, row, now).await;
    }
    let Some(due) = Rule::parse(&row.cron, &row.zone)?.due(row.settled_until, now) else {
        return Ok(());
    };
    if due.newest + jitter(row, due.newest) > now {
        return Ok(());
    }
    let late = now - due.newest - jitter(row, due.newest);
    let note = match due.missed {
        0 if late <= LATE => None,
        0 => Some(format!(
            "Begun {} late: no console was at work, or the clock went ahead.",
            format::duration(late.num_milliseconds())
        )),
        missed => Some(format!(
            "Makes up for {} that passed without a run: no console was at work, or the clock went ahead.",
            format::counted(
                usize::try_from(missed).unwrap_or(usize::MAX),
                "more due time",
                "more due times"
            ),
        )),
    };
    let caller = engine.session().schedule();
    // Before the transaction: a database that was never reached is reached now.
    let database = engine.target(&row.target)?.database_id(true).await;
    let mut transaction = engine.store().begin().await?;
    if !store::settle(&mut transaction, row, due.newest, None).await? {
        return Ok(());
    }
    if store::claim(&mut transaction, &row.target, due.newest, now, note.as_deref()).await? {
        match database {
            Ok(database) => {
                queue(
                    engine,
                    &mut transaction,
                    &caller,
                    row.backup(),
                    due.newest,
                    database,
                )
                .await?;
            }
            Err(error) => {
                let words = error.fault().message;
                tracing::warn!(
                    target.name = row.target,
                    error = error.chain(),
                    "a scheduled backup is not begun"
                );
                store::not_begun(&mut transaction, &row.target, due.newest, false, &words).await?;
            }
        }
    }
    transaction.commit().await?;
    engine.outdate(Some(&row.target));
    Ok(())
}

/// Queues the backup of a due time that was taken.
async fn queue(
    engine: &Engine,
    transaction: &mut sqlx::PgConnection,
    caller: &Caller,
    spec: BackupSpec,
    due_at: Instant,
    database: i64,
) -> Result<Option<JobId>> {
    let target = &spec.target.clone();
    let started = engine
        .backup()
        .start_in(transaction, caller, spec, database, "by its schedule")
        .await?;
    match started {
        Some(job) => store::begun(transaction, target, due_at, job).await?,
        None => {
            let words = "A backup was under way already.";
            store::not_begun(transaction, target, due_at, true, words).await?;
        }
    }
    Ok(started)
}

/// Begins a run now, for someone who asked for it. None when a backup is under way already.
///
/// # Errors
/// `Target` when the database was never reached and is not now; the store's failures.
pub(super) async fn begin_now(engine: &Engine, caller: &Caller, target: &str) -> Result<Option<JobId>> {
    let database = engine.target(target)?.database_id(true).await?;
    let now = store::now(engine.store()).await?;
    let mut transaction = engine.store().begin().await?;
    let note = "Asked for by hand.";
    if !store::claim(&mut transaction, target, now, now, Some(note)).await? {
        return Ok(None);
    }
    let row = store::one(&mut *transaction, target).await?;
    let spec = row.map_or_else(|| BackupSpec::whole(target), |row| row.backup());
    let job = queue(engine, &mut transaction, caller, spec, now, database).await?;
    if job.is_some() {
        transaction.commit().await?;
    }
    Ok(job)
}

/// The clock shows a time before one that it showed already. From now on it counts again; what ran does not run again,
/// because its row is there.
async fn went_back(engine: &Engine, row: &Row, now: Instant) -> Result<()> {
    let by = row.settled_until - now;
    let words = format!(
        "The clock of the console's own database went back by {} or more, to {}. Due times that ran already do not run again.",
        format::duration(by.num_milliseconds()),
        format::absolute(now),
    );
    let told = by > SET_BACK;
    if told {
        tracing::warn!(target.name = row.target, "{words}");
    }
    let note = if told {
        Some(words.as_str())
    } else {
        row.note.as_deref()
    };
    store::settle(&mut *engine.store().acquire().await?, row, now, note).await?;
    engine.outdate(Some(&row.target));
    Ok(())
}

/// How much later than its due time a run begins: always the same for one due time, whatever console asks.
fn jitter(row: &Row, due: Instant) -> TimeDelta {
    let digest = Sha256::digest(format!("{}\0{}", row.target, due.timestamp()));
    let number = digest
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let most = u64::try_from(row.jitter_s).unwrap_or_default();
    TimeDelta::seconds(i64::try_from(number % (most + 1)).unwrap_or_default())
}

/// Verifies the newest good backup, where that is to be done every week and a week is over.
async fn verify_weekly(engine: &Engine, row: &Row, now: Instant) -> Result<()> {
    let Some(at) = row.verify_at.filter(|_| row.paused_at.is_none()) else {
        return Ok(());
    };
    let went_back = at > now + WEEK;
    if at > now && !went_back {
        return Ok(());
    }
    let job = match went_back {
        true => None,
        false => {
            engine
                .backup()
                .verification(&row.target, None, row.level())
                .await?
        }
    };
    let target = engine.target(&row.target)?;
    let database = target.database_id(true).await?;
    let mut transaction = engine.store().begin().await?;
    if !store::settle_verify(&mut transaction, row, now + WEEK).await? {
        return Ok(());
    }
    if let Some((job, file)) = job {
        start_in(
            &mut transaction,
            &engine.session().schedule(),
            &job,
            Some(database),
            &verification(&file),
        )
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn verification(file: &str) -> Act<'_> {
    Act {
        event_type: "backup.verify",
        severity: Severity::Info,
        object: Some(file),
        detail: Some("by its schedule"),
    }
}

/// Does what comes after the stage of a run whose job is over.
async fn follow(engine: &Engine, run: &GoingOn) -> Result<()> {
    let state: Option<JobState> = run.state.as_deref().and_then(|state| state.parse().ok());
    if state.is_some_and(|state| !state.is_final()) {
        return Ok(());
    }
    let taken = run.stage != "backup" || state == Some(JobState::Succeeded);
    let schedule = store::one(engine.store(), &run.target).await?;
    let each = schedule
        .filter(|row| row.verify() == VerifyWhen::Each)
        .map(|row| row.level());
    let verify = match run.job.filter(|_| run.stage == "backup" && taken).zip(each) {
        Some((backup, level)) => {
            let found = engine
                .backup()
                .verification(&run.target, Some(backup), level)
                .await;
            match found {
                // Somebody deleted it.
                Err(error) if error.fault().code == Code::NotFound => None,
                found => found?,
            }
        }
        None => None,
    };
    let prune = match verify.is_none() && taken && run.stage != "prune" {
        true => retention::pruning(engine, &run.target).await?,
        false => None,
    };
    let database = engine.target(&run.target)?.database_id(true).await?;
    let caller = engine.session().schedule();
    let mut transaction = engine.store().begin().await?;
    let stage = match (&verify, &prune) {
        (Some(_), _) => "verify",
        (None, Some(_)) => "prune",
        (None, None) => "over",
    };
    if !store::advance(&mut transaction, run, stage).await? {
        return Ok(());
    }
    if let Some((job, file)) = verify
        && let Some(id) = start_in(
            &mut transaction,
            &caller,
            &job,
            Some(database),
            &verification(&file),
        )
        .await?
    {
        store::has_job(&mut transaction, run, stage, id).await?;
    }
    if let Some(job) = prune {
        let act = Act {
            event_type: "backup.prune",
            severity: Severity::Info,
            object: None,
            detail: Some("by its schedule"),
        };
        if let Some(id) = start_in(&mut transaction, &caller, &job, Some(database), &act).await? {
            store::has_job(&mut transaction, run, stage, id).await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}
