//! What a job has done must not be lost because the console's own database is away for a while.

use std::time::{Duration, Instant};

use crate::{Error, Result};

/// How long the end of a job waits for the store.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// Between two attempts.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// Works on the store, again and again while it is away or full, for ten minutes at most. For the end of work that is done
/// and cannot be undone; what is only begun fails at once instead.
///
/// # Errors
/// The work's own, and the store's last one.
pub(crate) async fn patiently<T, F: Future<Output = Result<T>>>(mut work: impl FnMut() -> F) -> Result<T> {
    let begun = Instant::now();
    loop {
        match work().await {
            Err(Error::Store(error)) if passes(&error) && begun.elapsed() < PATIENCE => {
                tracing::warn!(%error, "the end of a job is not stored yet");
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

/// Whether an error may be gone the next time: no connection, no room, a restart, a failover.
fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "53", "57P", "25006"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}
