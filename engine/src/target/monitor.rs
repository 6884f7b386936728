//! Looks at each managed database every few seconds; after a failure more and more rarely, up to a quarter minute.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use chrono::Utc;
use contract::target::TargetState;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::{Target, catalog};
use crate::{Engine, Error, Result};

/// Between two looks at a target that is up.
const UP: Duration = Duration::from_secs(5);
/// Between the first two looks at a target that is down; doubles up to `DOWN_MOST`.
const DOWN_FIRST: Duration = Duration::from_secs(1);
/// See `DOWN_FIRST`.
const DOWN_MOST: Duration = Duration::from_secs(15);
/// How long the whole of a look may take: a server that keeps the connection and says nothing is down.
const ANSWERS: Duration = Duration::from_secs(15);

/// How many times longer than reading it took the size of a database is taken to be what it was, and how long at most: with
/// 10,000 tables it takes a tenth of a second, and was nine tenths of all that watching cost.
const SIZE_REUSE: u32 = 400;
/// See `SIZE_REUSE`.
const SIZE_OLDEST: Duration = Duration::from_secs(60);

/// The size of a database as it was read at last.
#[derive(Clone, Copy)]
pub(super) struct Size {
    database: i64,
    bytes: i64,
    took: Duration,
    at: Instant,
}

impl Size {
    fn holds(self, database: i64) -> bool {
        self.database == database && self.at.elapsed() < (self.took * SIZE_REUSE).min(SIZE_OLDEST)
    }
}

/// Watches one target until the token is cancelled, and publishes what it sees.
pub(crate) async fn watch(engine: Engine, target: Target, stop: CancellationToken) {
    let mut pause = DOWN_FIRST;
    loop {
        let was_up = target.is_up();
        let up = look(&target, pause).await;
        if up && !was_up {
            tracing::info!(target.name = target.name(), "managed database is up");
        }
        if up != was_up {
            // What could not be asked can be now, or the other way round.
            target.kept().outdate();
        }
        if let Err(error) = engine.events().publish_target(&engine, &target).await {
            tracing::warn!(
                target.name = target.name(),
                error = error.chain(),
                "state not published"
            );
        }
        let wait = if up { UP } else { pause };
        pause = if up {
            DOWN_FIRST
        } else {
            (pause * 2).min(DOWN_MOST)
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// The first look at every target, before anything else is done: what must not be managed is told to who starts the
/// console. A target that is down, or slow to answer, is met later.
///
/// # Errors
/// `Refused`, with what to do.
pub(crate) async fn meet(targets: &[Target]) -> Result<()> {
    let looks = targets.iter().map(|target| async {
        tokio::time::timeout(super::pool::CONNECT_TIMEOUT, look(target, DOWN_FIRST))
            .await
            .ok();
        target.refusal()
    });
    match futures::future::join_all(looks)
        .await
        .into_iter()
        .flatten()
        .next()
    {
        Some(fault) => Err(Error::Refused(fault)),
        None => Ok(()),
    }
}

/// Looks once, now, and remembers what it saw; `pause` is when the next look comes should this one fail.
pub(super) async fn look(target: &Target, pause: Duration) -> bool {
    match sample(target).await {
        Ok(state) => {
            target.set_state(state);
            true
        }
        Err(error) => {
            let now = Utc::now();
            let since = target.down_since().unwrap_or(now);
            if target.is_up() {
                tracing::warn!(
                    target.name = target.name(),
                    error = error.chain(),
                    "managed database is down"
                );
            }
            let retry_at = now + chrono::TimeDelta::from_std(pause).unwrap_or_default();
            target.set_state(TargetState::Down {
                fault: error.fault(),
                since,
                retry_at,
            });
            false
        }
    }
}

/// Looks once for all that ask at the same time: after it, what is remembered was seen after `asked`.
pub(super) async fn look_since(target: &Target, asked: Instant) {
    let mut looked = target.0.looked.lock().await;
    if looked.is_none_or(|began| began < asked) {
        let begins = Instant::now();
        look(target, Duration::ZERO).await;
        // Only now: who asked for a look may leave before it is over, and then it was none.
        *looked = Some(begins);
    }
}

async fn sample(target: &Target) -> Result<TargetState> {
    let asking = async {
        if !target.is_up() {
            target.try_to_connect().await?;
        }
        let mut look = target.begin().await?;
        target.check(&mut look).await?;
        let reading = async {
            let bytes = size(target, &mut look).await?;
            catalog::server(&mut look, bytes).await
        };
        let server = reading.await.map_err(|source| target.error(source))?;
        Ok(TargetState::Up(server))
    };
    match tokio::time::timeout(ANSWERS, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(target.error(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
    }
}

/// The size of the database: read now, or a moment ago where reading it is costly.
async fn size(target: &Target, look: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let database = target.known().unwrap_or_default();
    let last = *target.0.size.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(size) = last.filter(|size| size.holds(database)) {
        return Ok(size.bytes);
    }
    let at = Instant::now();
    let bytes = catalog::database_bytes(look).await?;
    let read = Size {
        database,
        bytes,
        took: at.elapsed(),
        at,
    };
    *target.0.size.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_was_costly_to_read_is_used_again_and_no_other() {
        let ago = |seconds: u64, took_ms: u64| Size {
            database: 1,
            bytes: 5,
            took: Duration::from_millis(took_ms),
            at: Instant::now() - Duration::from_secs(seconds),
        };
        assert!(ago(20, 250).holds(1));
        assert!(!ago(20, 250).holds(2), "of another database");
        assert!(!ago(3, 1).holds(1), "it costs nothing to read it");
        assert!(!ago(61, 5_000).holds(1), "it is too old");
    }
}
