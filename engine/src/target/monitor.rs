//! Looks at each managed database every few seconds; after a failure more and more rarely, up to a quarter minute.

use std::time::{Duration, Instant};

use chrono::Utc;
use contract::target::TargetState;
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
        let server = catalog::server(&mut look).await;
        Ok(TargetState::Up(server.map_err(|source| target.error(source))?))
    };
    match tokio::time::timeout(ANSWERS, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(target.error(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
    }
}
