//! Messages that do not go out.

use contract::finding::{Finding, Level};

use super::store;
use crate::{Engine, Result, target::Target};

/// Looks for messages about a managed database that could not be sent.
///
/// # Errors
/// The store's failures.
pub(crate) async fn look(engine: &Engine, target: &Target) -> Result<Vec<Finding>> {
    let stuck = store::stuck(engine.store(), target.name()).await?;
    Ok(stuck
        .into_iter()
        .map(|(channel, error)| {
            Finding::new(
                "alarm.undelivered",
                Level::Warning,
                format!(
                    "An alarm could not be sent: {}.",
                    store::channel(&channel).label().to_lowercase()
                ),
                "Check the settings, and send a test from the page of the schedule. It is tried again by itself.",
            )
            .because(error)
            .on("backups/schedule")
        })
        .collect())
}
