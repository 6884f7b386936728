//! Restoring a backup into a new database beside the live one, or what is missing into the live one itself.

mod choice;
mod compare;
pub(crate) mod live;
mod load;
mod parts;
mod place;
mod plan;
mod progress;
mod roles;
pub(crate) mod run;
pub(super) mod scratch;
pub(super) mod store;
mod stranger;

use contract::{
    Code, Fault,
    audit::Severity,
    jobs::JobId,
    restore::{RestorePlan, RestoreSpec, RestoredView},
    session::Permission,
};

use sqlx::PgConnection;

use super::Backups;
use crate::{
    Caller, Error, Result,
    jobs::{self, Act},
};

/// Why the console's role may make no database on a server, if so.
///
/// # Errors
/// What the server said.
pub(super) async fn may_create(connection: &mut PgConnection) -> Result<Option<Fault>, sqlx::Error> {
    let console = place::console(connection).await?;
    Ok(match plan::refused_to_create(&console) {
        Some((message, hint)) => Some(Fault::new(Code::Conflict, message).hint(hint)),
        None => None,
    })
}

impl Backups<'_> {
    /// Looks at backup, server and live database, and tells what a restore would find. Nothing is written.
    ///
    /// # Errors
    /// `Invalid`, with the field; `NotFound`; `Target`; the folder's and the store's failures.
    #[crate::boxed]
    pub async fn plan_restore(&self, caller: &Caller, spec: RestoreSpec) -> Result<RestorePlan> {
        caller.permit(Permission::Restore)?;
        plan::validate(&spec)?;
        let target = self.0.target(spec.place())?;
        Ok(plan::look(self.0, &target, &spec).await?.plan)
    }

    /// Queues a restore into a new database, or into the live one. It gets the job's id.
    ///
    /// # Errors
    /// As `plan_restore`; `Invalid` unless the live database's own name was typed; `Conflict` with every reason, and what to do, when something keeps it from beginning; `Forbidden`
    /// for a caller who may not let a backup's functions run as a superuser, nor vouch for an archive from elsewhere.
    #[crate::boxed]
    pub async fn restore(&self, caller: &Caller, mut spec: RestoreSpec) -> Result<JobId> {
        caller.permit(Permission::Restore)?;
        if spec.as_superuser || spec.trust {
            caller.permit(Permission::ManageTargets)?;
        }
        plan::validate(&spec)?;
        let target = self.0.target(spec.place())?;
        let prepared = plan::look(self.0, &target, &spec).await?;
        if spec.into_live && spec.into.as_deref() != Some(target.database()) {
            return Err(Error::invalid(
                "into",
                format!(
                    "What is missing is added to the live database {} only when its name is typed.",
                    target.database()
                ),
                "Type the live database's own name.",
            ));
        }
        run::may_begin(&prepared)?;
        spec.into = Some(prepared.plan.into.clone());
        spec.owner = prepared.given_to;
        let (file, taken_at) = (&prepared.plan.backup.file, prepared.plan.backup.taken_at);
        if spec.into_live {
            let act = Act {
                event_type: "backup.restore",
                severity: Severity::Warning,
                object: Some(file),
                detail: Some(&format!("into the live database {}", prepared.plan.into)),
            };
            return jobs::start(self.0, caller, &live::RestoreLive { spec, taken_at }, act).await;
        }
        let act = Act {
            event_type: "backup.restore",
            severity: Severity::Warning,
            object: Some(file),
            detail: Some(&format!("into the new database {}", prepared.plan.into)),
        };
        let backup = &prepared.plan.backup;
        let job = run::Restore {
            spec,
            taken_at,
            uploaded: backup.uploaded.as_ref().map(|uploaded| uploaded.name.clone()),
        };
        jobs::start(self.0, caller, &job, act).await
    }

    /// The restored databases beside a managed one, newest first: ready, being made, or left half-made.
    ///
    /// # Errors
    /// `NotFound` for the target; the store's failures.
    #[crate::boxed]
    pub async fn restored(&self, caller: &Caller, target: &str) -> Result<Vec<RestoredView>> {
        caller.permit(Permission::ViewTarget)?;
        let database = self.0.target(target)?.database_id(true).await?;
        store::list(self.0.store(), database).await
    }
}
