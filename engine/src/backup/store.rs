//! The console's own rows on backups. Queries are checked against migrations/store when they compile.

use contract::{
    backup::BackupView,
    jobs::{JobId, JobKind},
};
use sqlx::{PgConnection, PgPool, types::Json};
use uuid::Uuid;

use super::process;

/// Writes an attempt down, before anything is begun.
pub(super) async fn begin(
    pool: &PgPool,
    job: JobId,
    target: &str,
    tool_version: &str,
) -> Result<(), sqlx::Error> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    sqlx::query!(
        "insert into backup_attempts (job, target, tool_version, place, console_pid, console_started)
         values ($1, $2, $3, $4, $5, $6)",
        job.0,
        target,
        tool_version,
        process::place(),
        own,
        process::started(own),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Writes down the tool that runs now. Only a later clean-up needs it, so a store that is away is no reason to stop work.
pub(super) async fn tool_started(pool: &PgPool, job: JobId, pid: Option<i32>) {
    let noted = sqlx::query!(
        "update backup_attempts
            set pid = $2, pid_started = $3
          where job = $1",
        job.0,
        pid,
        pid.and_then(process::started),
    )
    .execute(pool)
    .await;
    if let Err(error) = noted {
        tracing::warn!(job.id = %job, %error, "the client tool at work could not be written down");
    }
}

/// Forgets the tool that ran.
pub(super) async fn tool_ended(pool: &PgPool, job: JobId) {
    tool_started(pool, job, None).await;
}

/// An attempt's tool, as another process wrote it down.
pub(super) struct Attempt {
    pub place: String,
    pub pid: Option<i32>,
    pub pid_started: Option<i64>,
}

/// The attempt of a job, if it is still under way.
pub(super) async fn attempt(pool: &PgPool, job: JobId) -> Result<Option<Attempt>, sqlx::Error> {
    sqlx::query_as!(
        Attempt,
        "select place, pid, pid_started from backup_attempts where job = $1",
        job.0
    )
    .fetch_optional(pool)
    .await
}

/// Forgets an attempt.
pub(super) async fn end(connection: &mut PgConnection, job: JobId) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from backup_attempts where job = $1", job.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether a job that is not over works on this attempt.
pub(super) async fn is_live(pool: &PgPool, job: JobId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (
               select
                 from jobs
                where id = $1
                  and state in ('queued', 'running', 'cancelling')) as "live!""#,
        job.0,
    )
    .fetch_one(pool)
    .await
}

/// The job that verifies a backup now, if one does.
pub(super) async fn verifying(pool: &PgPool, backup: Uuid) -> Result<Option<JobId>, sqlx::Error> {
    let id = sqlx::query_scalar!(
        "select id
           from jobs
          where state in ('queued', 'running', 'cancelling')
            and kind = $2
            and spec ->> 'backup' = $1
          limit 1",
        backup.to_string(),
        JobKind::VerifyBackup.name(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(id.map(JobId))
}

/// A row of the cache.
pub(super) struct Known {
    pub id: Uuid,
    pub stamp: String,
    /// The folder in the backup folder; none in rows from before databases had an identity.
    pub folder: Option<String>,
    pub view: Json<BackupView>,
}

/// The cached backups of a target in a backup folder, newest first.
pub(super) async fn known(pool: &PgPool, target: &str, root: &str) -> Result<Vec<Known>, sqlx::Error> {
    sqlx::query_as!(
        Known,
        r#"select id, stamp, folder, view as "view: Json<BackupView>"
             from backups
            where target = $1
              and coalesce(root, $2) = $2
            order by taken_at desc, id desc"#,
        target,
        root,
    )
    .fetch_all(pool)
    .await
}

/// Where the cache has a backup, of whatever target: target and folder.
pub(super) async fn place_of(
    pool: &PgPool,
    id: Uuid,
) -> Result<Option<(String, Option<String>)>, sqlx::Error> {
    let row = sqlx::query!("select target, folder from backups where id = $1", id)
        .fetch_optional(pool)
        .await?;
    Ok(row.map(|row| (row.target, row.folder)))
}

/// The folders in a backup folder that hold backups of a target, as far as the cache knows.
pub(super) async fn folders(pool: &PgPool, target: &str, root: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select distinct folder as "folder!"
             from backups
            where target = $1
              and root = $2
              and folder is not null"#,
        target,
        root,
    )
    .fetch_all(pool)
    .await
}

/// Puts a backup into the cache, or makes its row anew.
pub(super) async fn put(
    connection: &mut PgConnection,
    view: &BackupView,
    stamp: &str,
    root: &str,
    folder: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into backups (id, target, taken_at, stamp, view, root, folder)
         values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (id) do update
            set target = excluded.target, taken_at = excluded.taken_at, stamp = excluded.stamp, view = excluded.view,
                root = excluded.root, folder = excluded.folder",
        view.id,
        view.target,
        view.taken_at,
        stamp,
        Json(view) as _,
        root,
        folder,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes a backup out of the cache; whether it was there.
pub(super) async fn remove(connection: &mut PgConnection, id: Uuid) -> Result<bool, sqlx::Error> {
    let removed = sqlx::query!("delete from backups where id = $1", id)
        .execute(connection)
        .await?;
    Ok(removed.rows_affected() > 0)
}

/// Lets nobody else change the marks of a backup until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection, backup: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        backup.to_string()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The keys that seals are made and known with, the first one first: name and bits.
pub(super) async fn keys(pool: &PgPool) -> Result<Vec<(String, Vec<u8>)>, sqlx::Error> {
    let rows = sqlx::query!("select id, key from backup_keys order by number")
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.key)).collect())
}

/// Adds a key, if it is not there yet.
pub(super) async fn add_key(pool: &PgPool, id: &str, key: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into backup_keys (id, key) values ($1, $2) on conflict (id) do nothing",
        id,
        key,
    )
    .execute(pool)
    .await?;
    Ok(())
}
