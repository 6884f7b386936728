//! The console's own rows on restored databases. Queries are checked against migrations/store when they compile.

use contract::{
    Instant,
    jobs::JobId,
    restore::{RestoreReport, RestoredState, RestoredView},
};
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::progress::Course;
use crate::{Error, Result};

struct Row {
    job: Uuid,
    backup: Uuid,
    taken_at: Instant,
    target: String,
    name: String,
    oid: Option<i64>,
    state: String,
    started_at: Instant,
    ended_at: Option<Instant>,
    report: Option<Json<RestoreReport>>,
}

impl TryFrom<Row> for RestoredView {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let state: RestoredState = row
            .state
            .parse()
            .map_err(|error: String| Error::internal("reading a restored database's state", error))?;
        Ok(Self {
            job: JobId(row.job),
            backup: row.backup,
            taken_at: row.taken_at,
            target: row.target,
            database: row.name,
            oid: row.oid,
            state,
            started_at: row.started_at,
            ended_at: row.ended_at,
            report: row.report.map(|report| report.0),
        })
    }
}

/// The restored databases beside a managed one that are not gone, newest first.
pub(in crate::backup) async fn list(pool: &PgPool, database: i64) -> Result<Vec<RestoredView>> {
    sqlx::query_as!(
        Row,
        r#"select job, backup, taken_at, target, name, oid, state, started_at, ended_at,
                  report as "report: Json<RestoreReport>"
             from restores
            where database_id = $1
              and state <> 'gone'
            order by started_at desc, job desc"#,
        database,
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(RestoredView::try_from)
    .collect()
}

/// A restore that begins.
pub(super) struct New<'a> {
    pub job: JobId,
    pub backup: Uuid,
    pub taken_at: Instant,
    pub database: i64,
    pub target: &'a str,
    pub name: &'a str,
    pub wanted_name: &'a str,
}

/// Writes a restore down, before anything is made.
pub(super) async fn begin(pool: &PgPool, new: New<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into restores (job, backup, taken_at, database_id, target, name, wanted_name)
         values ($1, $2, $3, $4, $5, $6, $7)",
        new.job.0,
        new.backup,
        new.taken_at,
        new.database,
        new.target,
        new.name,
        new.wanted_name,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Writes down the number of the database that was made.
pub(super) async fn made(pool: &PgPool, job: JobId, oid: i64) -> Result<(), sqlx::Error> {
    sqlx::query!("update restores set oid = $2 where job = $1", job.0, oid)
        .execute(pool)
        .await?;
    Ok(())
}

/// It is whole and has its name.
pub(super) async fn ready(
    pool: &PgPool,
    job: JobId,
    report: &RestoreReport,
    course: &Course,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update restores
            set state = 'ready', name = wanted_name, ended_at = clock_timestamp(), report = $2, pace = $3
          where job = $1
            and state = 'making'",
        job.0,
        Json(report) as _,
        Json(course) as _,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The course of the last restore beside a database that came to its end.
pub(super) async fn last_course(pool: &PgPool, database: i64) -> Result<Option<Course>, sqlx::Error> {
    let course = sqlx::query_scalar!(
        r#"select pace as "pace!: Json<Course>"
             from restores
            where database_id = $1
              and pace is not null
            order by ended_at desc
            limit 1"#,
        database,
    );
    Ok(course.fetch_optional(pool).await?.map(|course| course.0))
}

/// It was not finished: it is gone, or could not be removed.
pub(super) async fn broken_off(pool: &PgPool, job: JobId, state: RestoredState) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update restores
            set state = $2, ended_at = clock_timestamp()
          where job = $1
            and state in ('making', 'partial')",
        job.0,
        state.name(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A restore that is not finished.
pub(super) struct Unfinished {
    pub job: Uuid,
    pub database: i64,
    pub wanted_name: String,
    pub oid: Option<i64>,
}

/// The restore of a job, if it is not finished and something of it may be left.
pub(super) async fn unfinished(pool: &PgPool, job: JobId) -> Result<Option<Unfinished>, sqlx::Error> {
    sqlx::query_as!(
        Unfinished,
        "select job, database_id as database, wanted_name, oid
           from restores
          where job = $1
            and state in ('making', 'partial')",
        job.0,
    )
    .fetch_optional(pool)
    .await
}

/// What earlier restores beside a database could not remove.
pub(super) async fn partial(pool: &PgPool, database: i64) -> Result<Vec<Unfinished>, sqlx::Error> {
    sqlx::query_as!(
        Unfinished,
        "select job, database_id as database, wanted_name, oid
           from restores
          where database_id = $1
            and state = 'partial'",
        database,
    )
    .fetch_all(pool)
    .await
}

/// Whether another restore beside the same database is to get this name.
pub(super) async fn is_wanted(
    pool: &PgPool,
    database: i64,
    name: &str,
    but: Option<JobId>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (
               select
                 from restores
                where database_id = $1
                  and wanted_name = $2
                  and state = 'making'
                  and job is distinct from $3) as "there!""#,
        database,
        name,
        but.map(|job| job.0),
    )
    .fetch_one(pool)
    .await
}
