//! What there is now, for the plan to go by.

use chrono::Utc;
use chrono_tz::Tz;
use contract::{
    backup::BackupView,
    jobs::{JobKind, JobQuery, JobState},
    retention::{PrunePlan, Retention},
};

use super::{
    plan::{Facts, plan},
    store,
};
use crate::{
    Engine, Error, Result,
    backup::{reconcile, shelf::Shelf},
    jobs,
    target::Target,
};

/// Attempts that are looked at for the last one that came to an end.
const ATTEMPTS: i64 = 20;

/// The backups of a managed database, newest first, and what rules make of them now.
///
/// # Errors
/// `Invalid` at `zone`; the backup folder's and the store's failures.
pub(super) async fn planned(
    engine: &Engine,
    target: &Target,
    keep: &Retention,
    zone: &str,
) -> Result<(Vec<BackupView>, PrunePlan)> {
    let shelf = Shelf::of(engine, target).await?;
    let backups = reconcile::reconcile(engine, &shelf).await?.backups;
    let query = JobQuery {
        target: Some(target.name().to_owned()),
        kind: Some(JobKind::Backup),
        ..JobQuery::default()
    };
    let attempts = jobs::store::list(engine.store(), &query, ATTEMPTS).await?;
    // What was cancelled was so on purpose.
    let last = attempts.iter().find(|job| {
        matches!(
            job.state,
            JobState::Failed | JobState::Interrupted | JobState::Succeeded
        )
    });
    let facts = Facts {
        now: store::now(engine.store()).await?,
        own: Utc::now(),
        ran_at: store::one(engine.store(), target.name())
            .await?
            .and_then(|row| row.ran_at),
        failed_at: last
            .filter(|job| job.state != JobState::Succeeded)
            .map(|job| job.created_at),
        in_use: store::in_use(engine.store()).await?,
        zone: known(zone)?,
    };
    let plan = plan(&backups, keep, &facts);
    Ok((backups, plan))
}

/// A time zone by its IANA name.
///
/// # Errors
/// `Invalid` at `zone`.
pub(super) fn known(zone: &str) -> Result<Tz> {
    zone.trim().parse().map_err(|_| {
        Error::invalid(
            "zone",
            format!("\"{zone}\" is no time zone that is known here."),
            "Write its IANA name, such as Europe/Berlin, America/New_York or UTC.",
        )
    })
}
