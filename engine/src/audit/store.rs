//! The console's own audit log.

use contract::{
    Instant,
    audit::{AuditEntry, AuditQuery, Outcome, Severity},
    jobs::JobId,
};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Entry, MOST_NAMES, cursor::Cursor};

pub(super) async fn insert(connection: &mut PgConnection, entry: Entry<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "insert into audit_log (severity, event_type, user_name, address, target, object, outcome, detail, job)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         returning id",
        entry.severity.name(),
        entry.event_type,
        entry.user,
        entry.address,
        entry.target,
        entry.object,
        entry.outcome.name(),
        entry.detail,
        entry.job.map(|job| job.0),
    )
    .fetch_one(connection)
    .await
}

struct EntryRow {
    id: i64,
    at: Instant,
    severity: String,
    event_type: String,
    user_name: Option<String>,
    address: Option<String>,
    target: Option<String>,
    object: Option<String>,
    outcome: String,
    detail: Option<String>,
    job: Option<Uuid>,
}

impl From<EntryRow> for AuditEntry {
    fn from(row: EntryRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            // The table checks both columns, so nothing else can be in them.
            severity: row.severity.parse().unwrap_or(Severity::Critical),
            outcome: super::outcome(&row.outcome).unwrap_or(Outcome::Failure),
            event_type: row.event_type,
            user: row.user_name,
            address: row.address,
            target: row.target,
            object: row.object,
            detail: row.detail,
            job: row.job.map(JobId),
        }
    }
}

/// The newest entries that a query asks for, before `before`.
pub(super) async fn list(
    pool: &PgPool,
    query: &AuditQuery,
    before: Option<(Instant, i64)>,
    limit: i64,
) -> Result<Vec<AuditEntry>, sqlx::Error> {
    // One bound instead of two: given both, PostgreSQL may begin at the wrong one. Numbers begin at 1.
    let before = match (query.until.map(|until| (until, 0)), before) {
        (Some(until), Some(before)) => Some(until.min(before)),
        (until, before) => until.or(before),
    };
    let mut transaction = pool.begin().await?;
    // One statement serves every mix of filters: planned with the values at hand, `null is null or …` is true and falls
    // away, and `user_name = …` uses its index. A plan made for all values could do neither.
    sqlx::query!("set local plan_cache_mode = 'force_custom_plan'")
        .execute(&mut *transaction)
        .await?;
    let rows = sqlx::query_as!(
        EntryRow,
        "select id, at, severity, event_type, user_name, address, target, object, outcome, detail, job
           from audit_log
          where ($1::text is null or user_name = $1)
            and ($2::text is null or event_type = $2)
            and ($3::text is null or severity = $3)
            and ($4::text is null or target = $4)
            and ($5::timestamptz is null or at >= $5)
            and ($6::timestamptz is null or (at, id) < ($6, $7::int8))
          order by at desc, id desc
          limit $8",
        query.user.as_deref(),
        query.event_type.as_deref(),
        query.severity.map(Severity::name),
        query.target.as_deref(),
        query.from,
        before.map(|(at, _)| at),
        before.map_or(0, |(_, id)| id),
        limit,
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(rows.into_iter().map(AuditEntry::from).collect())
}

/// The cursor after an entry.
pub(super) fn cursor(entry: &AuditEntry) -> Cursor {
    Cursor::Time {
        at: entry.at,
        id: entry.id,
    }
}

/// Event types that occur. It goes from one to the next in the index, without reading the entries between.
pub(super) async fn event_types(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"with recursive found as (
               (select event_type
                  from audit_log
                 order by event_type
                 limit 1)
               union all
               select (select event_type
                         from audit_log
                        where event_type > found.event_type
                        order by event_type
                        limit 1)
                 from found
                where found.event_type is not null
           )
           select event_type as "event_type!"
             from found
            where event_type is not null
            limit $1"#,
        MOST_NAMES,
    )
    .fetch_all(pool)
    .await
}

/// Users that occur; as [`event_types`].
pub(super) async fn users(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"with recursive found as (
               (select user_name
                  from audit_log
                 where user_name is not null
                 order by user_name
                 limit 1)
               union all
               select (select user_name
                         from audit_log
                        where user_name > found.user_name
                        order by user_name
                        limit 1)
                 from found
                where found.user_name is not null
           )
           select user_name as "user_name!"
             from found
            where user_name is not null
            limit $1"#,
        MOST_NAMES,
    )
    .fetch_all(pool)
    .await
}
