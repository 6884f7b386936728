//! The rows of schedules and of their runs. Queries are checked against migrations/store when they compile.

use contract::{
    Fault, Instant,
    backup::{BackupSpec, Proof},
    jobs::{JobId, JobKind, JobState},
    schedule::{RunState, RunView, ScheduleSpec, VerifyWhen},
};
use sqlx::{PgConnection, PgExecutor, PgPool, types::Json};
use uuid::Uuid;

use super::FailedVerification;

/// A schedule.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub target: String,
    pub cron: String,
    pub zone: String,
    pub jitter_s: i32,
    pub verify: String,
    pub verify_level: i16,
    pub alarm_hours: i32,
    pub parallel: i32,
    pub compression: String,
    pub settled_until: Instant,
    pub verify_at: Option<Instant>,
    pub paused_by: Option<String>,
    pub paused_at: Option<Instant>,
    pub set_by: String,
    pub set_at: Instant,
    pub note: Option<String>,
}

impl Row {
    /// Whether what it takes is verified again. The column holds nothing else: it is written from the enum.
    pub fn verify(&self) -> VerifyWhen {
        self.verify.parse().unwrap_or_default()
    }

    /// What it takes. The columns hold nothing else, as above.
    pub fn backup(&self) -> BackupSpec {
        BackupSpec {
            compression: self.compression.parse().unwrap_or_default(),
            parallel: self.parallel,
            ..BackupSpec::whole(&self.target)
        }
    }

    /// How far. The column holds nothing else, as above.
    pub fn level(&self) -> Proof {
        u8::try_from(self.verify_level)
            .ok()
            .and_then(Proof::of_level)
            .unwrap_or(Proof::ReadBack)
    }
}

/// The store's clock: the one that several consoles share.
pub(super) async fn now(pool: &PgPool) -> Result<Instant, sqlx::Error> {
    sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(pool)
        .await
}

/// The schedules of some managed databases, by name.
pub(super) async fn all(pool: &PgPool, targets: &[String]) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        "select target, cron, zone, jitter_s, verify, verify_level, alarm_hours, settled_until, verify_at, paused_by,
                paused_at, set_by, set_at, note, parallel, compression
           from schedules
          where target = any($1)
          order by target",
        targets,
    )
    .fetch_all(pool)
    .await
}

/// The schedule of a managed database.
pub(super) async fn one(executor: impl PgExecutor<'_>, target: &str) -> Result<Option<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        "select target, cron, zone, jitter_s, verify, verify_level, alarm_hours, settled_until, verify_at, paused_by,
                paused_at, set_by, set_at, note, parallel, compression
           from schedules
          where target = $1",
        target,
    )
    .fetch_optional(executor)
    .await
}

/// The last verification of a managed database's backups that `by` began and that came to an end by itself, when it failed and the
/// backup was not verified as far since.
pub(super) async fn failed_verification(
    pool: &PgPool,
    target: &str,
    by: &str,
) -> Result<Option<FailedVerification>, sqlx::Error> {
    let row = sqlx::query!(
        r#"with last as (
               select spec ->> 'backup' as backup, spec ->> 'level' as level, state, fault, created_at
                 from jobs
                where target = $1
                  and kind = $2
                  and created_by = $3
                  and state in ('succeeded', 'failed', 'interrupted')
                order by created_at desc, id desc
                limit 1
           )
           select backup as "backup!", fault as "fault: Json<Fault>"
             from last
            where state <> 'succeeded'
              and not exists (
                      select
                        from jobs again
                       where again.target = $1
                         and again.kind = $2
                         and again.state = 'succeeded'
                         and again.created_at > last.created_at
                         and again.spec ->> 'backup' = last.backup
                         and array_position(array['hash', 'read_back', 'restored', 'equal'], again.spec ->> 'level')
                             >= array_position(array['hash', 'read_back', 'restored', 'equal'], last.level))"#,
        target,
        JobKind::VerifyBackup.name(),
        by,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| FailedVerification {
        backup: row.backup,
        fault: row.fault.map(|fault| fault.0),
    }))
}

/// Sets a schedule; what was due before is none of it. A pause stays.
pub(super) async fn put(
    connection: &mut PgConnection,
    spec: &ScheduleSpec,
    by: &str,
    now: Instant,
    verify_at: Option<Instant>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into schedules (target, cron, zone, jitter_s, verify, alarm_hours, settled_until, verify_at, set_by, set_at,
                                verify_level, parallel, compression)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $7, $10, $11, $12)
             on conflict (target) do update
            set cron = excluded.cron, zone = excluded.zone, jitter_s = excluded.jitter_s, verify = excluded.verify,
                alarm_hours = excluded.alarm_hours, settled_until = excluded.settled_until,
                verify_at = excluded.verify_at, set_by = excluded.set_by, set_at = excluded.set_at,
                verify_level = excluded.verify_level, parallel = excluded.parallel,
                compression = excluded.compression, note = null",
        spec.target,
        spec.cron,
        spec.zone,
        spec.jitter_s,
        spec.verify.name(),
        spec.alarm_hours,
        now,
        verify_at,
        by,
        i16::from(spec.verify_level.level()),
        spec.parallel,
        spec.compression.name(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Pauses a schedule; false when there is none or it is paused already.
pub(super) async fn pause(
    connection: &mut PgConnection,
    target: &str,
    by: &str,
    now: Instant,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update schedules
            set paused_by = $2, paused_at = $3
          where target = $1
            and paused_at is null",
        target,
        by,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends a pause: what was due during it does not run. False when there is none.
pub(super) async fn resume(
    connection: &mut PgConnection,
    target: &str,
    now: Instant,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update schedules
            set paused_by = null, paused_at = null, settled_until = $2
          where target = $1
            and paused_at is not null",
        target,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes a schedule; its runs stay. False when there is none.
pub(super) async fn remove(connection: &mut PgConnection, target: &str) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!("delete from schedules where target = $1", target)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Deals with the due times up to an instant. False when another console, or a change of the schedule, was faster.
pub(super) async fn settle(
    connection: &mut PgConnection,
    row: &Row,
    until: Instant,
    note: Option<&str>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update schedules
            set settled_until = $3, note = $4
          where target = $1
            and settled_until = $2
            and paused_at is null",
        row.target,
        row.settled_until,
        until,
        note,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Moves the weekly verification. False when another console, or a change of the schedule, was faster.
pub(super) async fn settle_verify(
    connection: &mut PgConnection,
    row: &Row,
    next: Instant,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update schedules
            set verify_at = $3
          where target = $1
            and verify_at = $2",
        row.target,
        row.verify_at,
        next,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes a due time. False when it was taken before.
pub(super) async fn claim(
    connection: &mut PgConnection,
    target: &str,
    due_at: Instant,
    now: Instant,
    note: Option<&str>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "insert into schedule_runs (target, due_at, begun_at, stage, note)
         values ($1, $2, $3, 'over', $4)
             on conflict (target, due_at) do nothing",
        target,
        due_at,
        now,
        note,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Writes down the job of a due time that was taken.
pub(super) async fn begun(
    connection: &mut PgConnection,
    target: &str,
    due_at: Instant,
    job: JobId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update schedule_runs
            set stage = 'backup', job = $3
          where target = $1
            and due_at = $2",
        target,
        due_at,
        job.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes down why a due time that was taken has no job.
pub(super) async fn not_begun(
    connection: &mut PgConnection,
    target: &str,
    due_at: Instant,
    skipped: bool,
    note: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update schedule_runs
            set skipped = $3, note = concat_ws(' ', note, $4::text)
          where target = $1
            and due_at = $2",
        target,
        due_at,
        skipped,
        note,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A run that is not over.
pub(super) struct GoingOn {
    pub target: String,
    pub due_at: Instant,
    pub stage: String,
    /// The backup that it takes.
    pub job: Option<Uuid>,
    /// The state of the job at work; none when that is gone.
    pub state: Option<String>,
}

/// The runs of some managed databases that are not over, oldest first.
pub(super) async fn going_on(pool: &PgPool, targets: &[String]) -> Result<Vec<GoingOn>, sqlx::Error> {
    sqlx::query_as!(
        GoingOn,
        r#"select runs.target, due_at, stage, runs.job, jobs.state as "state?"
             from schedule_runs runs
             left join jobs
               on jobs.id = case stage when 'backup' then runs.job when 'verify' then verify_job else prune_job end
            where runs.target = any($1)
              and stage <> 'over'
            order by due_at"#,
        targets,
    )
    .fetch_all(pool)
    .await
}

/// Moves a run to its next stage, at first without a job. False when another console was faster.
pub(super) async fn advance(
    connection: &mut PgConnection,
    run: &GoingOn,
    stage: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update schedule_runs
            set stage = $4
          where target = $1
            and due_at = $2
            and stage = $3",
        run.target,
        run.due_at,
        run.stage,
        stage,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Writes down the job of a run's stage.
pub(super) async fn has_job(
    connection: &mut PgConnection,
    run: &GoingOn,
    stage: &str,
    job: JobId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update schedule_runs
            set verify_job = case $3 when 'verify' then $4 else verify_job end,
                prune_job = case $3 when 'prune' then $4 else prune_job end
          where target = $1
            and due_at = $2",
        run.target,
        run.due_at,
        stage,
        job.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The last runs of a managed database, newest first.
pub(super) async fn runs(pool: &PgPool, target: &str, limit: i64) -> Result<Vec<RunView>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select due_at, begun_at, runs.job, skipped, note, jobs.state as "state?"
             from schedule_runs runs
             left join jobs on jobs.id = runs.job
            where runs.target = $1
            order by due_at desc
            limit $2"#,
        target,
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| RunView {
            due_at: row.due_at,
            begun_at: row.begun_at,
            state: match (row.state.as_deref().map(str::parse), row.skipped) {
                (_, true) => RunState::Skipped,
                (None, false) => RunState::NotBegun,
                (Some(Ok(JobState::Succeeded)), _) => RunState::Taken,
                (Some(Ok(JobState::Queued | JobState::Running | JobState::Cancelling)), _) => {
                    RunState::UnderWay
                }
                (Some(_), _) => RunState::Failed,
            },
            job: row.job.map(JobId),
            note: row.note,
        })
        .collect())
}
