//! Putting another database in the live one's place: the two change names in one transaction on the server, so that at no
//! moment there is no database of the live name, and after a death at any point it is either the old one whole or the new
//! one. What was live is kept beside it until an administrator drops it; going back is the same act the other way.
//!
//! The server's own lock keeps the door shut meanwhile: a rename takes it before it looks whether anybody is inside, and who
//! connects waits for it. So nothing is set on either database that would have to be put right after a crash.

mod carry;
mod catalog;
pub(crate) mod drop;
mod look;
pub(crate) mod run;
mod store;

use chrono::{DateTime, Utc};
use contract::{
    Code, Fault,
    audit::Severity,
    jobs::JobId,
    session::Permission,
    swap::{DropSpec, SpareList, SwapPreview, SwapSpec},
};

use self::store::Spare;
pub(crate) use self::store::{between, made};
use super::Backups;
use crate::{
    Caller, Engine, Error, Result,
    jobs::{self, Act},
    target::Target,
};

/// A database's name has at most this many bytes.
const NAME: usize = 63;

impl Backups<'_> {
    /// The databases beside a live one: restored ones that are ready, and those that a swap took out.
    ///
    /// # Errors
    /// `NotFound` for the target; the store's failures. That the server cannot be asked is in the answer.
    #[crate::boxed]
    pub async fn spares(&self, caller: &Caller, target: &str) -> Result<SpareList> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        look::spares(self.0, &target).await
    }

    /// What a swap would do now: the sessions that it would end, what the incoming database takes over, and what keeps it
    /// from being made.
    ///
    /// # Errors
    /// `NotFound`; `Target` when the server cannot be asked; the store's failures.
    #[crate::boxed]
    pub async fn preview_swap(&self, caller: &Caller, target: &str, database: &str) -> Result<SwapPreview> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        match self.previewed(&target, database).await {
            // Its session was one of those that the last swap ended: asked once more, it has another one, or the server is away.
            Err(error) if error.fault().code == Code::TargetUnreachable => {
                target.look_again().await;
                self.previewed(&target, database).await
            }
            previewed => previewed,
        }
    }

    async fn previewed(&self, target: &Target, database: &str) -> Result<SwapPreview> {
        let spare = spare(self.0, target, database).await?;
        look::preview(self.0, target, &spare).await
    }

    /// Queues a swap: the database that comes in takes the live one's name, which was typed, and that one is kept under
    /// another.
    ///
    /// # Errors
    /// `Invalid` for a wrong confirmation; `NotFound`; `Conflict` when it cannot be made now, with the reason; `Target`; the
    /// store's failures.
    #[crate::boxed]
    pub async fn swap(&self, caller: &Caller, spec: SwapSpec) -> Result<JobId> {
        caller.permit(Permission::Swap)?;
        let target = self.0.target(&spec.target)?;
        if spec.confirm != target.database() {
            return Err(Error::invalid(
                "confirm",
                "The typed name is not the live database's.",
                format!(
                    "Type {} to give its name to {}.",
                    target.database(),
                    spec.database
                ),
            ));
        }
        self.start_swap(caller, &target, &spec.database).await
    }

    /// Queues the way back: the database that the last swap took out gets its name again, and the one that came in is kept.
    /// `database` is the one that must be meant; none for whichever was kept last.
    ///
    /// # Errors
    /// `NotFound` when nothing is kept; `Conflict` when it cannot be made now, or another database than the one that is meant
    /// was kept last; `Target`; the store's failures.
    #[crate::boxed]
    pub async fn swap_back(&self, caller: &Caller, target: &str, database: Option<&str>) -> Result<JobId> {
        caller.permit(Permission::Swap)?;
        let target = self.0.target(target)?;
        let last = last_kept(self.0, &target).await?;
        if let Some(meant) = database
            && meant != last.database
        {
            return Err(Error::conflict(
                format!(
                    "The way back from the last swap leads to {}, not to {meant}.",
                    last.database
                ),
                "Look at the list again. Any other database is swapped in like a restored one.",
            ));
        }
        self.start_swap(caller, &target, &last.database).await
    }

    /// Queues the removal of a database beside the live one, whose name was typed.
    ///
    /// # Errors
    /// `Invalid` for a wrong confirmation; `NotFound`; `Conflict`; `Target`; the store's failures.
    #[crate::boxed]
    pub async fn drop_spare(&self, caller: &Caller, spec: DropSpec) -> Result<JobId> {
        caller.permit(Permission::DropDatabase)?;
        let target = self.0.target(&spec.target)?;
        if spec.confirm != spec.database {
            return Err(Error::invalid(
                "confirm",
                "The typed name is not the database's.",
                format!("Type {} to drop it.", spec.database),
            ));
        }
        let spare = spare(self.0, &target, &spec.database).await?;
        let act = Act {
            event_type: "backup.drop_database",
            severity: Severity::Warning,
            object: Some(&spare.database),
            detail: None,
        };
        let job = drop::DropDatabase {
            target: target.name().to_owned(),
            database: spare.database.clone(),
            oid: spare.oid,
        };
        jobs::start(self.0, caller, &job, act).await
    }

    async fn start_swap(&self, caller: &Caller, target: &Target, database: &str) -> Result<JobId> {
        let spare = spare(self.0, target, database).await?;
        // Its connection goes back before the job asks for its own.
        let preview = look::preview(self.0, target, &spare).await?;
        if let Some(fault) = preview.refusals.into_iter().next() {
            return Err(Error::Refused(fault));
        }
        let act = Act {
            event_type: "backup.swap",
            severity: Severity::Warning,
            object: Some(&spare.database),
            detail: None,
        };
        let job = run::Swap {
            target: target.name().to_owned(),
            database: spare.database.clone(),
            oid: spare.oid,
        };
        jobs::start(self.0, caller, &job, act).await
    }
}

/// The database beside the live one that has a name.
async fn spare(engine: &Engine, target: &Target, database: &str) -> Result<Spare> {
    let live = target.database_id(false).await?;
    let spares = store::spares(engine.store(), live).await?;
    spares
        .into_iter()
        .find(|spare| spare.database == database)
        .ok_or_else(|| {
            Error::not_found(
                format!(
                    "No database \"{database}\" lies beside {} that was restored or kept by this console.",
                    target.database()
                ),
                "Look at the list of restored databases; it may have been swapped in, renamed or dropped.",
            )
        })
}

async fn last_kept(engine: &Engine, target: &Target) -> Result<Spare> {
    let live = target.database_id(false).await?;
    let spares = store::spares(engine.store(), live).await?;
    spares
        .into_iter()
        .find(|spare| spare.origin == contract::swap::Origin::Kept)
        .ok_or_else(|| {
            Error::not_found(
                format!("No database is kept that was {} before.", target.database()),
                "There is a way back once a database was swapped in, until the one before is dropped.",
            )
        })
}

/// The name under which a database is kept, which none of these has.
fn kept_name(live: &str, at: DateTime<Utc>, taken: &[String]) -> String {
    let date = at.format("_before_%Y%m%d_%H%M").to_string();
    (1..)
        .map(|number| match number {
            1 => date.clone(),
            number => format!("{date}_{number}"),
        })
        .map(|end| {
            let mut room = NAME - end.len();
            while !live.is_char_boundary(room.min(live.len())) {
                room -= 1;
            }
            format!("{}{end}", &live[..room.min(live.len())])
        })
        .find(|name| !taken.contains(name))
        .unwrap_or(date)
}

fn no_such_database(name: &str) -> Fault {
    Fault::new(
        Code::Conflict,
        format!("The database {name} is not on the server any more, or another one has its name."),
    )
    .hint("Look at the list again: somebody renamed or dropped it.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_databases_name_is_dated_free_and_short_enough() {
        let at = DateTime::from_timestamp(1_795_916_520, 0).unwrap_or_default();
        let first = kept_name("shop", at, &[]);
        assert!(first.starts_with("shop_before_2026"), "{first}");
        let second = kept_name("shop", at, std::slice::from_ref(&first));
        assert_eq!(second, format!("{first}_2"));
        for name in ["x".repeat(63), "ü".repeat(31), String::new()] {
            let kept = kept_name(&name, at, &[]);
            assert!(kept.len() <= NAME && kept.contains("_before_2026"), "{kept}");
        }
    }
}
