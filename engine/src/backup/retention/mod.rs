//! Which backups are kept: planned first, shown, and carried out by a job.

mod now;
mod plan;
mod run;
mod store;

use chrono_tz::Tz;
use contract::{
    audit::Severity,
    jobs::JobId,
    retention::{PrunePlan, Retention, RetentionSpec, RetentionView},
    session::Permission,
};

use self::now::{known, planned};
pub(crate) use self::run::PruneBackups;
use super::Backups;
use crate::{
    Caller, Engine, Error, Result, audit,
    jobs::{self, Act},
};

/// Rules are no larger than this: more than anybody keeps.
const MOST: i32 = 100_000;

impl Backups<'_> {
    /// What is kept of a managed database's backups, and what a run would do now.
    ///
    /// # Errors
    /// `NotFound` for the target; the backup folder's and the store's failures.
    #[crate::boxed]
    pub async fn retention(&self, caller: &Caller, target: &str) -> Result<RetentionView> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        let row = store::one(self.0.store(), target.name()).await?;
        let (keep, zone) = match &row {
            Some(row) => (row.keep.clone(), row.zone.clone()),
            None => (Retention::default(), "UTC".to_owned()),
        };
        let (_, plan) = planned(self.0, &target, &keep, &zone).await?;
        Ok(RetentionView {
            spec: RetentionSpec {
                target: target.name().to_owned(),
                keep,
                zone,
            },
            ran_at: row.as_ref().and_then(|row| row.ran_at),
            set: row.map(|row| (row.set_by, row.set_at)),
            plan,
        })
    }

    /// What other rules would do now; nothing is changed.
    ///
    /// # Errors
    /// `Invalid` at the field that is wrong; as [`Self::retention`].
    #[crate::boxed]
    pub async fn plan_retention(&self, caller: &Caller, spec: RetentionSpec) -> Result<PrunePlan> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(&spec.target)?;
        check(&spec)?;
        Ok(planned(self.0, &target, &spec.keep, &spec.zone).await?.1)
    }

    /// Sets what is kept. It is carried out after each backup that the schedule takes, and by [`Self::prune`].
    ///
    /// # Errors
    /// As [`Self::plan_retention`].
    #[crate::boxed]
    pub async fn set_retention(&self, caller: &Caller, spec: RetentionSpec) -> Result<RetentionView> {
        caller.permit(Permission::DeleteBackup)?;
        let target = self.0.target(&spec.target)?;
        let zone = check(&spec)?;
        let spec = RetentionSpec {
            zone: zone.name().to_owned(),
            ..spec
        };
        let words = format!("{} ({})", spec.keep.words(), spec.zone);
        let mut transaction = self.0.store().begin().await?;
        store::put(&mut transaction, &spec, caller.name()).await?;
        audit::record(
            &mut transaction,
            audit::Entry {
                severity: Severity::Warning,
                target: Some(target.name()),
                detail: Some(&words),
                ..audit::Entry::by(caller, "backup.retention")
            },
        )
        .await?;
        transaction.commit().await?;
        self.retention(caller, target.name()).await
    }

    /// Queues the removal of what no rule keeps.
    ///
    /// # Errors
    /// `NotFound` for the target; `Conflict` when there is no rule; the store's failures.
    #[crate::boxed]
    pub async fn prune(&self, caller: &Caller, target: &str) -> Result<JobId> {
        caller.permit(Permission::DeleteBackup)?;
        let target = self.0.target(target)?.name().to_owned();
        let Some(job) = pruning(self.0, &target).await? else {
            return Err(Error::conflict(
                "There is no rule, so every backup is kept.",
                "Set what is kept first: pgsteward backup retention, or on the page of the schedule.",
            ));
        };
        let act = Act {
            event_type: "backup.prune",
            severity: Severity::Warning,
            object: None,
            detail: None,
        };
        jobs::start(self.0, caller, &job, act).await
    }
}

/// The job that removes what no rule keeps; none where every backup is kept.
///
/// # Errors
/// The store's failures.
pub(crate) async fn pruning(engine: &Engine, target: &str) -> Result<Option<PruneBackups>> {
    let row = store::one(engine.store(), target).await?;
    Ok(row.filter(|row| !row.keep.is_empty()).map(|_| PruneBackups {
        target: target.to_owned(),
    }))
}

/// Which backups are kept, in words; none when every one is.
///
/// # Errors
/// The store's failures.
pub(crate) async fn keeps(engine: &Engine, target: &str) -> Result<Option<String>> {
    let row = store::one(engine.store(), target).await?;
    Ok(row.filter(|row| !row.keep.is_empty()).map(|row| row.keep.words()))
}

fn check(spec: &RetentionSpec) -> Result<Tz> {
    for (field, number) in spec.keep.rules() {
        if !(0..=MOST).contains(&number) {
            return Err(Error::invalid(
                field,
                format!("{number} is no number of backups to keep."),
                format!("Write 0, for no such rule, to {MOST}."),
            ));
        }
    }
    known(&spec.zone)
}
