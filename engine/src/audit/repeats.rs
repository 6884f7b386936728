//! Refusals in floods: the first of a kind is an entry at once, those after it within [`INTERVAL`] are counted, and become
//! one entry with their number. So nobody can fill the log, and nothing is left out of it.

use std::time::Duration;

use contract::audit::{Outcome, Severity};
use sqlx::PgConnection;

use super::{Entry, record, store};
use crate::{Engine, Result};

/// How long refusals of one kind are counted as one.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Kinds that are counted at a time for one type of event; those above it are counted together.
pub(super) const MOST_KINDS: i64 = 500;
/// Between two looks for counts whose time is over.
const LOOK: Duration = Duration::from_secs(30);

/// Writes an entry, or counts it with one that was written lately under the same key.
///
/// # Errors
/// The store's failures.
pub(crate) async fn record_or_count(
    connection: &mut PgConnection,
    key: &str,
    entry: Entry<'_>,
) -> Result<()> {
    // What was counted before comes first, as it happened.
    settle(connection).await?;
    if store::count_repeat(connection, key, &entry).await? {
        record(connection, entry).await?;
    }
    Ok(())
}

/// Turns counts whose time is over into entries.
///
/// # Errors
/// The store's failures.
pub(crate) async fn settle(connection: &mut PgConnection) -> Result<()> {
    for over in store::take_repeats(connection).await? {
        if over.more == 0 {
            continue;
        }
        let detail = format!(
            "{} more like the one of {}, in the {} after it.",
            contract::format::exact(over.more),
            contract::format::absolute(over.since),
            contract::format::duration(INTERVAL.as_millis().try_into().unwrap_or(i64::MAX)),
        );
        let entry = Entry {
            event_type: &over.event_type,
            severity: Severity::Warning,
            outcome: Outcome::Denied,
            user: over.user_name.as_deref(),
            address: over.address.as_deref(),
            target: None,
            object: over.object.as_deref(),
            detail: Some(&detail),
            job: None,
        };
        record(connection, entry).await?;
    }
    Ok(())
}

/// Settles from time to time until the engine closes.
pub(crate) async fn keep_settling(engine: Engine) {
    let stop = engine.stopping();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let settled = async {
            let mut transaction = engine.store().begin().await?;
            settle(&mut transaction).await?;
            transaction.commit().await?;
            Ok::<_, crate::Error>(())
        };
        if let Err(error) = settled.await {
            tracing::warn!(
                error = error.chain(),
                "counted refusals are not written into the audit log yet"
            );
        }
    }
}
