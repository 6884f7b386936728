//! The rows of retention. Queries are checked against migrations/store when they compile.

use std::collections::HashSet;

use contract::{
    Instant,
    retention::{Retention, RetentionSpec},
};
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

/// What is kept of a managed database's backups.
pub(super) struct Row {
    pub keep: Retention,
    pub zone: String,
    pub set_by: String,
    pub set_at: Instant,
    pub ran_at: Option<Instant>,
}

pub(super) async fn one(executor: impl PgExecutor<'_>, target: &str) -> Result<Option<Row>, sqlx::Error> {
    let row = sqlx::query!(
        "select keep_last, keep_days, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly, zone, set_by,
                set_at, ran_at
           from retention
          where target = $1",
        target,
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Row {
        keep: Retention {
            last: row.keep_last,
            days: row.keep_days,
            hourly: row.keep_hourly,
            daily: row.keep_daily,
            weekly: row.keep_weekly,
            monthly: row.keep_monthly,
            yearly: row.keep_yearly,
        },
        zone: row.zone,
        set_by: row.set_by,
        set_at: row.set_at,
        ran_at: row.ran_at,
    }))
}

pub(super) async fn put(
    connection: &mut PgConnection,
    spec: &RetentionSpec,
    by: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into retention (target, keep_last, keep_days, keep_hourly, keep_daily, keep_weekly, keep_monthly,
                                keep_yearly, zone, set_by, set_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp())
             on conflict (target) do update
            set keep_last = excluded.keep_last, keep_days = excluded.keep_days, keep_hourly = excluded.keep_hourly,
                keep_daily = excluded.keep_daily, keep_weekly = excluded.keep_weekly,
                keep_monthly = excluded.keep_monthly, keep_yearly = excluded.keep_yearly, zone = excluded.zone,
                set_by = excluded.set_by, set_at = excluded.set_at",
        spec.target,
        spec.keep.last,
        spec.keep.days,
        spec.keep.hourly,
        spec.keep.daily,
        spec.keep.weekly,
        spec.keep.monthly,
        spec.keep.yearly,
        spec.zone,
        by,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that a run has looked at the backups, by the store's clock.
pub(super) async fn ran(pool: &PgPool, target: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update retention
            set ran_at = clock_timestamp()
          where target = $1",
        target,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The store's clock.
pub(super) async fn now(pool: &PgPool) -> Result<Instant, sqlx::Error> {
    sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(pool)
        .await
}

/// Backups that jobs work with, of whatever kind: their specs name them so, a restore's one level deeper.
pub(super) async fn in_use(pool: &PgPool) -> Result<HashSet<Uuid>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        r#"select coalesce(spec ->> 'backup', spec #>> '{spec,backup}') as "id!"
             from jobs
            where state in ('queued', 'running', 'cancelling')
              and coalesce(spec ->> 'backup', spec #>> '{spec,backup}') is not null"#,
    )
    .fetch_all(pool)
    .await?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}
