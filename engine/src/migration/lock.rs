//! The lock that keeps two migrations of one database apart, whoever runs them: it is the one that sqlx takes.

use std::time::{Duration, Instant};

use contract::jobs::{Phase, Waiting};
use crc::{CRC_32_ISO_HDLC, Crc};
use sqlx::PgConnection;

use crate::{
    Error, Result,
    jobs::JobContext,
    target::{
        live::HolderRow,
        look::{query_as, query_scalar},
        worker::Worker,
    },
};

/// How long the holder may do nothing until a migration no longer waits for it. One that works is waited for as long as
/// it works; a lock that a failed run left with a pooled connection would be waited for in vain.
const IDLE: Duration = Duration::from_secs(60);
/// Between two tries. A waiting `pg_advisory_lock` would hold a snapshot, for which an index that the other migration
/// builds concurrently would wait in turn.
const PAUSE: Duration = Duration::from_millis(500);

/// Takes the lock for the session, which holds it until it ends.
///
/// # Errors
/// `Conflict`, naming who holds it, when that session has done nothing for a minute; `Cancelled`; `Target`.
pub(crate) async fn acquire(context: &JobContext, worker: &mut Worker) -> Result<()> {
    let target = worker.target().clone();
    let failed = |source| target.error(source);
    let key = key_here(worker.session()).await.map_err(failed)?;
    let begun = Instant::now();
    let mut worked = begun;
    loop {
        let won: bool = query_scalar("select pg_try_advisory_lock($1)")
            .bind(key)
            .fetch_one(worker.session())
            .await
            .map_err(failed)?;
        if won {
            return Ok(());
        }
        let holder = holder(worker.watcher(), key).await.map_err(failed)?;
        // It may have been given back between the try and this question.
        let holder = holder.unwrap_or_default();
        if holder.state.as_deref().is_some_and(|state| state != "idle") {
            worked = Instant::now();
        }
        let (pid, who) = (holder.pid.unwrap_or(0), holder.who());
        if worked.elapsed() >= IDLE {
            return Err(Error::conflict(
                format!(
                    "Another migration of {} has done nothing for {} s: pid {pid} ({who}) holds the migration lock.",
                    target.name(),
                    IDLE.as_secs()
                ),
                format!("End that session (select pg_terminate_backend({pid})); then try again."),
            ));
        }
        context.progress(|progress| {
            progress.phase = Phase::WaitingForLock;
            progress.detail = None;
            progress.waiting = Some(Waiting {
                pid,
                who,
                seconds: begun.elapsed().as_secs() as i64,
            });
        });
        tokio::select! {
            () = context.cancelled() => return Err(Error::Cancelled),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Who is applying migrations to this database now, in words, if somebody is.
pub(crate) async fn at_work(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let key = key_here(connection).await?;
    let holder = holder(connection, key).await?;
    Ok(holder.map(|holder| format!("pid {} ({})", holder.pid.unwrap_or(0), holder.who())))
}

async fn key_here(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let database: String = query_scalar("select current_database()::text")
        .fetch_one(connection)
        .await?;
    Ok(key(&database))
}

/// The key of sqlx' lock for a database (sqlx-postgres, `migrate.rs`, `generate_lock_id`).
fn key(database: &str) -> i64 {
    0x3d32_ad9e * i64::from(Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(database.as_bytes()))
}

async fn holder(watcher: &mut PgConnection, key: i64) -> Result<Option<HolderRow>, sqlx::Error> {
    query_as(
        "select held.pid as holder_pid,
                session.application_name as holder_application,
                session.state as holder_state,
                extract(epoch from clock_timestamp() - session.backend_start)::bigint as holder_age_s,
                null::text as holder_query
           from pg_locks as held
           left join pg_stat_activity as session using (pid)
          where held.locktype = 'advisory'
            and held.granted
            and held.database = (select oid from pg_database where datname = current_database())
            and held.objsubid = 1
            and held.classid::bigint = $1
            and held.objid::bigint = $2
          limit 1",
    )
    .bind(key >> 32)
    .bind(key & 0xffff_ffff)
    .fetch_optional(watcher)
    .await
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn the_key_is_that_of_sqlx() {
        // CRC-32 of "123456789" is the check value of the algorithm, 0xcbf43926.
        assert_eq!(key("123456789"), 0x3d32_ad9e * 0xcbf4_3926);
    }
}
