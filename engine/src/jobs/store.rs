//! The rows of jobs and their logs. Queries are checked against migrations/store when they compile.

use std::collections::HashMap;

use contract::{
    Fault, Instant,
    jobs::{JobId, JobKind, JobQuery, JobState, JobView, LogLevel, LogLine, Progress, WaitsFor},
};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor, PgPool, QueryBuilder, types::Json};
use uuid::Uuid;

use super::{Work, kinds::OFFLINE};
use crate::{
    Engine,
    events::{CHANNEL, Notice},
};

/// A job to put into the queue.
pub(super) struct NewJob<'a> {
    pub id: JobId,
    pub kind: JobKind,
    pub target: Option<&'a str>,
    /// The number in the store of the database that it is for.
    pub database: Option<i64>,
    pub title: &'a str,
    pub spec: Value,
    pub work: Work,
    pub progress: Progress,
    pub created_by: &'a str,
}

/// A job that this process has.
pub(super) struct Claimed {
    pub id: JobId,
    pub kind: JobKind,
    pub target: Option<String>,
    /// The number in the store of the database that it is for.
    pub database: Option<i64>,
    pub title: String,
    pub spec: Value,
    pub progress: Progress,
    pub created_by: String,
    /// Whoever asked for its cancellation before its worker died.
    pub cancelled_by: Option<String>,
}

/// The databases that a process manages: only their jobs are its own.
pub(super) struct Mine {
    /// Those that were reached, as pairs of a name and a number in the store.
    names: Vec<String>,
    databases: Vec<i64>,
    /// The names of all. Jobs that read files alone need no more than what the store knows of a name.
    all: Vec<String>,
    offline: Vec<String>,
}

impl Mine {
    pub(super) fn of(engine: &Engine) -> Self {
        let targets = engine.all_targets();
        let (names, databases) = targets
            .iter()
            .filter_map(|target| Some((target.name().to_owned(), target.known()?)))
            .unzip();
        Self {
            names,
            databases,
            all: targets
                .iter()
                .filter(|target| target.refusal().is_none())
                .map(|target| target.name().to_owned())
                .collect(),
            offline: OFFLINE.map(|kind| kind.name().to_owned()).to_vec(),
        }
    }
}

#[derive(sqlx::FromRow)]
struct JobRow {
    id: Uuid,
    kind: String,
    title: String,
    target: Option<String>,
    state: String,
    progress: Json<Progress>,
    fault: Option<Json<Fault>>,
    outcome: Option<String>,
    created_by: String,
    created_at: Instant,
    started_at: Option<Instant>,
    finished_at: Option<Instant>,
    version: i64,
    waits_for: Option<Json<WaitsFor>>,
}

impl From<JobRow> for JobView {
    fn from(row: JobRow) -> Self {
        // The column is checked by the table.
        let state = row.state.parse().unwrap_or(JobState::Failed);
        let mut progress = row.progress.0;
        // Also of rows that an older version wrote, and of jobs that were cancelled while they waited.
        super::progress::close(&mut progress, state);
        Self {
            id: JobId(row.id),
            // The column holds nothing else: kinds are written from the enum.
            kind: row.kind.parse().unwrap_or(JobKind::Test),
            title: row.title,
            target: row.target,
            state,
            progress,
            fault: row.fault.map(|fault| fault.0),
            outcome: row.outcome,
            created_by: row.created_by,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            version: row.version,
            waits_for: row.waits_for.map(|other| other.0),
        }
    }
}

pub(super) async fn insert(connection: &mut PgConnection, job: NewJob<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        // It has its place in the line from now on.
        "insert into jobs (id, kind, target, database_id, title, spec, work, progress, created_by, heartbeat_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())",
        job.id.0,
        job.kind.name(),
        job.target,
        job.database,
        job.title,
        job.spec,
        job.work.name(),
        Json(job.progress) as _,
        job.created_by,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether a name stands for this database, which does not change before the transaction ends: whoever gives the name to
/// another one finds the job that is queued here, and ends it.
pub(super) async fn stands_for(
    connection: &mut PgConnection,
    name: &str,
    database: i64,
) -> Result<bool, sqlx::Error> {
    let named = sqlx::query_scalar!(
        "select database_id
           from database_names
          where name = $1
            for share",
        name
    )
    .fetch_optional(connection)
    .await?;
    Ok(named.is_none_or(|named| named == database))
}

/// Tells every process of the store; heard when the transaction commits.
pub(super) async fn notify(connection: &mut PgConnection, notice: &Notice) -> Result<(), sqlx::Error> {
    let payload = serde_json::to_string(notice).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query!("select pg_notify($1, $2)", CHANNEL, payload)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn view(executor: impl PgExecutor<'_>, id: JobId) -> Result<Option<JobView>, sqlx::Error> {
    let row = sqlx::query_as!(
        JobRow,
        r#"select id, kind, title, target, state, progress as "progress: Json<Progress>",
                  fault as "fault: Json<Fault>", outcome, created_by, created_at, started_at, finished_at, version,
                  job_waits_for(jobs) as "waits_for: Json<WaitsFor>"
             from jobs
            where id = $1"#,
        id.0,
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(JobView::from))
}

/// Jobs by the page's filters, newest first. The statement is put together from fixed parts, because each combination
/// of filters has an index of its own to use.
pub(crate) async fn list(pool: &PgPool, query: &JobQuery, limit: i64) -> Result<Vec<JobView>, sqlx::Error> {
    let mut sql = QueryBuilder::new(
        "select id, kind, title, target, state, progress, fault, outcome, created_by, created_at, started_at,
                finished_at, version, job_waits_for(jobs) as waits_for
           from jobs
          where true",
    );
    if let Some(target) = &query.target {
        sql.push(" and target = ").push_bind(target);
    }
    if let Some(kind) = query.kind {
        sql.push(" and kind = ").push_bind(kind.name());
    }
    if let Some(state) = query.state {
        sql.push(" and state = ").push_bind(state.name());
    }
    if let Some(before) = query.before {
        sql.push(" and (created_at, id) < (select created_at, id from jobs where id = ")
            .push_bind(before.0)
            .push(")");
    }
    sql.push(" order by created_at desc, id desc limit ")
        .push_bind(limit);
    let rows: Vec<JobRow> = sql.build_query_as().fetch_all(pool).await?;
    Ok(rows.into_iter().map(JobView::from).collect())
}

/// Jobs that are not over, and those that ended in the last quarter of an hour; at most a hundred.
pub(crate) async fn live_and_recent(pool: &PgPool) -> Result<Vec<JobView>, sqlx::Error> {
    let rows = sqlx::query_as!(
        JobRow,
        r#"select id, kind, title, target, state, progress as "progress: Json<Progress>",
                  fault as "fault: Json<Fault>", outcome, created_by, created_at, started_at, finished_at, version,
                  job_waits_for(jobs) as "waits_for: Json<WaitsFor>"
             from jobs
            where state in ('queued', 'running', 'cancelling')
               or created_at > now() - interval '15 minutes'
            order by created_at desc, id desc
            limit 100"#,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(JobView::from).collect())
}

/// How many jobs are not over, by managed database.
pub(crate) async fn live_by_target(pool: &PgPool) -> Result<HashMap<String, i64>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select target as "target!", count(*) as "jobs!"
             from jobs
            where state in ('queued', 'running', 'cancelling')
              and target is not null
            group by target"#,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.target, row.jobs)).collect())
}

pub(super) async fn live_of_kind(
    pool: &PgPool,
    database: Option<i64>,
    kind: JobKind,
    work: Work,
) -> Result<Option<JobId>, sqlx::Error> {
    let id = sqlx::query_scalar!(
        "select id
           from jobs
          where database_id = $1
            and kind = $2
            and work = $3
            and state in ('queued', 'running', 'cancelling')",
        database,
        kind.name(),
        work.name(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(id.map(JobId))
}

pub(super) async fn log_newest(pool: &PgPool, id: JobId) -> Result<Vec<LogLine>, sqlx::Error> {
    let newest = sqlx::query_scalar!(
        r#"select coalesce(max(number), 0) as "newest!" from job_log where job = $1"#,
        id.0
    )
    .fetch_one(pool)
    .await?;
    log_after(pool, id, (newest - 1000).max(0)).await
}

pub(crate) async fn log_after(pool: &PgPool, id: JobId, after: i64) -> Result<Vec<LogLine>, sqlx::Error> {
    let rows = sqlx::query!(
        "select number, at, level, text
           from job_log
          where job = $1
            and number > $2
          order by number
          limit 1000",
        id.0,
        after,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| LogLine {
            number: row.number,
            at: row.at,
            level: match row.level.as_str() {
                "error" => LogLevel::Error,
                "warn" => LogLevel::Warn,
                _ => LogLevel::Info,
            },
            text: row.text,
        })
        .collect())
}

/// Asks a job to stop; gives its new state, or `None` when it cannot be asked (over, cancelling already, unknown).
pub(super) async fn request_cancel(
    connection: &mut PgConnection,
    id: JobId,
    by: &str,
) -> Result<Option<JobState>, sqlx::Error> {
    let state = sqlx::query_scalar!(
        "update jobs
            set state = case state when 'queued' then 'cancelled' else 'cancelling' end,
                finished_at = case state when 'queued' then now() end,
                cancelled_by = $2,
                version = version + 1
          where id = $1
            and state in ('queued', 'running')
        returning state",
        id.0,
        by,
    )
    .fetch_optional(connection)
    .await?;
    Ok(state.and_then(|name| name.parse().ok()))
}

/// Takes the oldest waiting job of one's own databases that may run now; those of others are left to who knows them. Two
/// workers that race for jobs that conflict meet in the store: the loser gets nothing this time. With `only`, takes no other job.
pub(super) async fn claim(
    pool: &PgPool,
    worker: i64,
    only: Option<JobId>,
    mine: &Mine,
) -> Result<Option<Claimed>, sqlx::Error> {
    let row = sqlx::query!(
        r#"with next as (
               -- The oldest waiting job whose database is managed here, with nothing in its way.
               select id
                 from jobs waiting
                where state = 'queued'
                  and ($2::uuid is null or id = $2)
                  and (target is null
                       or (target, database_id) in (select name, id from unnest($3::text[], $4::bigint[]) as own (name, id))
                       or (kind = any($5)
                           and exists (
                               select
                                 from database_names named
                                where named.name = any($6)
                                  and named.database_id = waiting.database_id)))
                  -- The other database that it works with is managed here, too; what nobody who could wants to take fails where it can be read.
                  and ((case kind when 'verify_backup' then spec ->> 'on'
                                  when 'restore' then case when spec #>> '{spec,to}' is not null then spec #>> '{spec,target}' end
                        end = any($6)) is not false
                       or heartbeat_at < now() - interval '60 seconds')
                  and job_in_the_way(waiting) is null
                order by created_at, id
                limit 1
                  for update skip locked
           )
           update jobs
              set state = 'running', worker = $1, heartbeat_at = now(), started_at = now(), version = version + 1
             from next
            where jobs.id = next.id
        returning jobs.id, kind, target, database_id, title, spec, progress as "progress: Json<Progress>", created_by"#,
        worker,
        only.map(|id| id.0),
        &mine.names,
        &mine.databases,
        &mine.offline,
        &mine.all,
    )
    .fetch_optional(pool)
    .await;
    match row {
        Ok(row) => Ok(row.map(|row| Claimed {
            id: JobId(row.id),
            kind: row.kind.parse().unwrap_or(JobKind::Test),
            target: row.target,
            database: row.database_id,
            title: row.title,
            spec: row.spec,
            progress: row.progress.0,
            created_by: row.created_by,
            cancelled_by: None,
        })),
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("jobs_kept_apart") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Notes that this process would take the jobs that wait, and what each of them waits for; who watches one is told when that
/// changes. With `only`, of no other job.
pub(super) async fn stand_in_line(
    pool: &PgPool,
    only: Option<JobId>,
    mine: &Mine,
) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let changed = sqlx::query_scalar!(
        r#"with line as (
               -- Waiting jobs whose databases are managed here, and what stands in their way.
               select id, waits_for, job_in_the_way(waiting) as other
                 from jobs waiting
                where state = 'queued'
                  and ($1::uuid is null or id = $1)
                  and (target is null
                       or (target, database_id) in (select name, id from unnest($2::text[], $3::bigint[]) as own (name, id))
                       or (kind = any($4)
                           and exists (
                               select
                                 from database_names named
                                where named.name = any($5)
                                  and named.database_id = waiting.database_id)))
                  and (case kind when 'verify_backup' then spec ->> 'on'
                                 when 'restore' then case when spec #>> '{spec,to}' is not null then spec #>> '{spec,target}' end
                       end = any($5)) is not false
                  for update skip locked
           ), noted as (
               update jobs
                  set heartbeat_at = now(),
                      waits_for = line.other,
                      version = version + case when line.other is distinct from line.waits_for then 1 else 0 end
                 from line
                where jobs.id = line.id
                  and (line.other is distinct from line.waits_for
                       or heartbeat_at is null
                       or heartbeat_at < now() - interval '1 second')
               returning jobs.id, line.other is distinct from line.waits_for as changed
           )
           select id
             from noted
            where changed"#,
        only.map(|id| id.0),
        &mine.names,
        &mine.databases,
        &mine.offline,
        &mine.all,
    )
    .fetch_all(&mut *transaction)
    .await?;
    for id in changed {
        notify(&mut transaction, &Notice::Changed(JobId(id))).await?;
    }
    transaction.commit().await
}

/// Which jobs of the dead are taken over.
#[derive(Clone, Copy)]
pub(super) enum Dead {
    /// Those that are at work.
    AtWork,
    /// Also one that waits, stands in others' way, and that nobody has wanted to take for ten seconds: the command that queued it was
    /// killed before it could begin.
    OrForsaken,
    /// This one alone, at work or forsaken.
    One(JobId),
}

/// Takes over one job of one's own databases whose worker is gone: its advisory lock is free and its heart has not beaten for five seconds, or
/// it holds the lock but hangs for a minute.
pub(super) async fn take_over(
    pool: &PgPool,
    worker: i64,
    mine: &Mine,
    dead: Dead,
) -> Result<Option<Claimed>, sqlx::Error> {
    let row = sqlx::query!(
        r#"with alive as (
               -- Keys of the workers that hold their lock now.
               select (classid::bigint << 32) | objid::bigint as key
                 from pg_locks
                where locktype = 'advisory'
                  and objsubid = 1
                  and granted
                  and database = (select oid from pg_database where datname = current_database())
           ), orphan as (
               select id
                 from jobs
                where (target is null
                       or (target, database_id) in (select name, id from unnest($2::text[], $3::bigint[]) as own (name, id))
                       or (kind = any($4)
                           and exists (
                               select
                                 from database_names named
                                where named.name = any($5)
                                  and named.database_id = jobs.database_id)))
                  -- As for taking it.
                  and ((case kind when 'verify_backup' then spec ->> 'on'
                                  when 'restore' then case when spec #>> '{spec,to}' is not null then spec #>> '{spec,target}' end
                        end = any($5)) is not false
                       or heartbeat_at < now() - interval '60 seconds')
                  and ($7::uuid is null or id = $7)
                  and ((state in ('running', 'cancelling')
                        and worker <> $1
                        and (heartbeat_at < now() - interval '60 seconds'
                             or (heartbeat_at < now() - interval '5 seconds'
                                 and not exists (select from alive where alive.key = jobs.worker))))
                       or ($6
                           and state = 'queued'
                           and (work <> 'aside' or id = $7)
                           and heartbeat_at < now() - interval '10 seconds'))
                order by created_at
                limit 1
                  for update skip locked
           )
           update jobs
              set state = 'cancelling', abandoned = true, worker = $1, heartbeat_at = now(), version = version + 1
             from orphan
            where jobs.id = orphan.id
        returning jobs.id, kind, target, database_id, title, spec, progress as "progress: Json<Progress>",
                  created_by, cancelled_by"#,
        worker,
        &mine.names,
        &mine.databases,
        &mine.offline,
        &mine.all,
        !matches!(dead, Dead::AtWork),
        match dead {
            Dead::One(job) => Some(job.0),
            _ => None,
        },
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Claimed {
        id: JobId(row.id),
        kind: row.kind.parse().unwrap_or(JobKind::Test),
        target: row.target,
        database: row.database_id,
        title: row.title,
        spec: row.spec,
        progress: row.progress.0,
        created_by: row.created_by,
        cancelled_by: row.cancelled_by,
    }))
}

/// What is known of the processes whose jobs stand in the way of others on a database.
pub(super) struct Owners {
    /// One is gone, or cleans up after one that is: the job's lock is free or its heart still, or nobody wants to take it any more.
    pub dead: bool,
    /// One has given no sign of life since.
    pub unsure: bool,
}

/// The time by the store's clock.
pub(super) async fn now(pool: &PgPool) -> Result<Instant, sqlx::Error> {
    sqlx::query_scalar!(r#"select now() as "now!""#)
        .fetch_one(pool)
        .await
}

/// Looks at the processes whose jobs stand in the way of others on a database. Death is what [`take_over`] calls death, except
/// that a free lock says so at once. A dead one of another console's name for the database is that console's to clean up after.
pub(super) async fn owners(
    pool: &PgPool,
    mine: &Mine,
    database: i64,
    since: Instant,
) -> Result<Owners, sqlx::Error> {
    sqlx::query_as!(
        Owners,
        r#"with alive as (
               -- Keys of the workers that hold their lock now.
               select (classid::bigint << 32) | objid::bigint as key
                 from pg_locks
                where locktype = 'advisory'
                  and objsubid = 1
                  and granted
                  and database = (select oid from pg_database where datname = current_database())
           ), owner as (
               select heartbeat_at > $2 as has_beaten,
                      target is null or target = any($3) or kind = any($4) as is_mine,
                      case
                          when state = 'queued' then heartbeat_at < now() - interval '10 seconds'
                          else abandoned
                               or heartbeat_at < now() - interval '60 seconds'
                               or not exists (select from alive where alive.key = jobs.worker)
                      end as dead
                 from jobs
                where database_id = $1
                  and work <> 'aside'
                  and state in ('queued', 'running', 'cancelling')
           )
           select coalesce(bool_or(dead and is_mine), false) as "dead!",
                  coalesce(bool_or(not has_beaten and not dead), false) as "unsure!"
             from owner"#,
        database,
        since,
        &mine.all,
        &mine.offline,
    )
    .fetch_one(pool)
    .await
}

/// The same of the process of one job that is not over; none when it is.
pub(super) async fn owner(
    pool: &PgPool,
    mine: &Mine,
    job: JobId,
    since: Instant,
) -> Result<Option<Owners>, sqlx::Error> {
    sqlx::query_as!(
        Owners,
        r#"with alive as (
               -- Keys of the workers that hold their lock now.
               select (classid::bigint << 32) | objid::bigint as key
                 from pg_locks
                where locktype = 'advisory'
                  and objsubid = 1
                  and granted
                  and database = (select oid from pg_database where datname = current_database())
           ), owner as (
               select heartbeat_at > $2 as has_beaten,
                      target is null or target = any($3) as is_mine,
                      case
                          when state = 'queued' then heartbeat_at < now() - interval '10 seconds'
                          else abandoned
                               or heartbeat_at < now() - interval '60 seconds'
                               or not exists (select from alive where alive.key = jobs.worker)
                      end as dead
                 from jobs
                where id = $1
                  and state in ('queued', 'running', 'cancelling')
           )
           select coalesce(dead and is_mine, false) as "dead!", coalesce(not has_beaten and not dead, false) as "unsure!"
             from owner"#,
        job.0,
        since,
        &mine.all,
    )
    .fetch_optional(pool)
    .await
}

/// Beats the heart of every job of a worker and gives their states.
pub(super) async fn heartbeat(
    connection: &mut PgConnection,
    worker: i64,
) -> Result<Vec<(JobId, JobState)>, sqlx::Error> {
    let rows = sqlx::query!(
        "update jobs
            set heartbeat_at = now()
          where worker = $1
            and state in ('running', 'cancelling')
        returning id, state",
        worker,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (JobId(row.id), row.state.parse().unwrap_or(JobState::Running)))
        .collect())
}

/// Stores a job's progress and new log lines, and tells everyone. False when the job is not this worker's any more.
pub(super) async fn save(
    pool: &PgPool,
    id: JobId,
    worker: i64,
    progress: &Progress,
    log: &[(LogLevel, String)],
) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let saved = sqlx::query!(
        "update jobs
            set progress = $3, version = version + 1
          where id = $1
            and worker = $2
            and state in ('running', 'cancelling')",
        id.0,
        worker,
        Json(progress) as _,
    )
    .execute(&mut *transaction)
    .await?;
    if saved.rows_affected() == 0 {
        return Ok(false);
    }
    append(&mut transaction, id, log).await?;
    notify(&mut transaction, &Notice::Changed(id)).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Adds log lines; the job's row is locked by the caller's transaction, so numbers have no gap and no rival.
async fn append(
    connection: &mut PgConnection,
    id: JobId,
    log: &[(LogLevel, String)],
) -> Result<(), sqlx::Error> {
    if log.is_empty() {
        return Ok(());
    }
    let levels: Vec<String> = log.iter().map(|(level, _)| level.name().to_owned()).collect();
    // PostgreSQL's text holds no NUL.
    let texts: Vec<String> = log
        .iter()
        .map(|(_, text)| text.replace('\0', "\u{fffd}"))
        .collect();
    let last = sqlx::query_scalar!(
        r#"select coalesce(max(number), 0) as "last!" from job_log where job = $1"#,
        id.0
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into job_log (job, number, level, text)
         select $1, $2 + line.place, line.level, line.text
           from unnest($3::text[], $4::text[]) with ordinality as line (level, text, place)",
        id.0,
        last,
        &levels,
        &texts,
    )
    .execute(&mut *connection)
    .await?;
    notify(connection, &Notice::Logged(id, last)).await
}

/// How a job ended.
pub(super) struct End<'a> {
    pub state: JobState,
    pub progress: &'a Progress,
    pub fault: Option<&'a Fault>,
    pub outcome: Option<&'a str>,
    pub log: &'a [(LogLevel, String)],
}

/// Ends a job. False when it is not this worker's any more.
pub(super) async fn finish(
    connection: &mut PgConnection,
    id: JobId,
    worker: i64,
    end: End<'_>,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query!(
        "update jobs
            set state = $3, progress = $4, fault = $5, outcome = $6, finished_at = now(), version = version + 1
          where id = $1
            and worker = $2
            and state in ('running', 'cancelling')",
        id.0,
        worker,
        end.state.name(),
        Json(end.progress) as _,
        end.fault.map(Json) as _,
        end.outcome,
    )
    .execute(&mut *connection)
    .await?;
    if ended.rows_affected() == 0 {
        return Ok(false);
    }
    append(connection, id, end.log).await?;
    notify(connection, &Notice::Changed(id)).await?;
    Ok(true)
}
