//! Restoring a backup into a new database beside the live one.

pub(super) mod store;

use contract::{restore::RestoredView, session::Permission};

use super::Backups;
use crate::{Caller, Result};

impl Backups<'_> {
    /// The restored databases beside a managed one, newest first: ready, being made, or left half-made.
    ///
    /// # Errors
    /// `NotFound` for the target; the store's failures.
    pub async fn restored(&self, caller: &Caller, target: &str) -> Result<Vec<RestoredView>> {
        caller.permit(Permission::ViewTarget)?;
        let database = self.0.target(target)?.database_id(true).await?;
        store::list(self.0.store(), database).await
    }
}
