//! The audit logs: the console's own, and the table `audit_logs` of a managed database.

mod store;

use contract::{
    audit::{Outcome, Severity},
    jobs::JobId,
};
use sqlx::PgConnection;

use crate::{Caller, Result};

/// An entry to write. It goes into the transaction of the act, so that neither exists without the other.
pub(crate) struct Entry<'a> {
    /// What kind of act, as `area.verb`.
    pub event_type: &'a str,
    /// How serious.
    pub severity: Severity,
    /// What came of it.
    pub outcome: Outcome,
    /// Who, when known.
    pub user: Option<&'a str>,
    /// From where, when over the network.
    pub address: Option<&'a str>,
    /// On which managed database.
    pub target: Option<&'a str>,
    /// On what, by name.
    pub object: Option<&'a str>,
    /// More, in words or SQL; never a secret or a row's value.
    pub detail: Option<&'a str>,
    /// The job that carries it out.
    pub job: Option<JobId>,
}

impl<'a> Entry<'a> {
    /// An act of a caller that worked, with nothing more to say.
    pub(crate) fn by(caller: &'a Caller, event_type: &'a str) -> Self {
        Self {
            event_type,
            severity: Severity::Info,
            outcome: Outcome::Success,
            user: Some(caller.name()),
            address: caller.address(),
            target: None,
            object: None,
            detail: None,
            job: None,
        }
    }
}

/// Writes an entry and returns its number.
///
/// # Errors
/// The store's failures.
pub(crate) async fn record(connection: &mut PgConnection, entry: Entry<'_>) -> Result<i64> {
    Ok(store::insert(connection, entry).await?)
}
