//! The console's own rows on restored databases. Queries are checked against migrations/store when they compile.

use contract::{
    Instant,
    jobs::JobId,
    restore::{RestoreReport, RestoredState, RestoredView},
};
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

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
