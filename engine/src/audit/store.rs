//! The console's own audit log.

use sqlx::PgConnection;

use super::Entry;

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
