//! The audit logs: the console's own, and the table `audit_logs` of a managed database.

mod chain;
mod cursor;
mod managed;
mod refusals;
mod repeats;
mod store;

use chrono::Datelike;
use contract::{
    Instant,
    audit::{AUDIT_PER_PAGE, AuditEntry, AuditPage, AuditQuery, AuditSource, Outcome, Severity},
    jobs::JobId,
    session::Permission,
};
use cursor::Cursor;
use sqlx::PgConnection;
use uuid::Uuid;

pub(crate) use refusals::{Refusal, Refusals, write as write_refusals};
pub(crate) use repeats::{keep_settling, record_or_count};

use crate::{Caller, Engine, Error, Result};

/// The most entries that an export holds; a longer one is made in parts, by time.
pub const MOST_EXPORTED: i64 = 10_000;

/// The most names that a filter offers; others can be typed.
const MOST_NAMES: i64 = 100;

/// The operations on the audit logs.
pub struct Audit<'a>(&'a Engine);

impl Engine {
    /// The operations on the audit logs.
    pub fn audit(&self) -> Audit<'_> {
        Audit(self)
    }
}

impl Audit<'_> {
    /// A page of one of the logs, newest first; in the console's own, one row for an act and its end. Pages go on after the last entry of the one before, so that entries
    /// which are added meanwhile neither repeat nor hide one.
    ///
    /// # Errors
    /// `Forbidden`; `Invalid` for a time or a page's beginning that cannot be; `NotFound` for a target, or one without
    /// the table; the store's and the target's failures.
    #[crate::boxed]
    pub async fn list(&self, caller: &Caller, query: AuditQuery) -> Result<AuditPage> {
        caller.permit(Permission::ViewAudit)?;
        check(&query)?;
        match query.source {
            AuditSource::Console => self.own_page(&query).await,
            AuditSource::Target => self.target_page(&query).await,
        }
    }

    /// Every entry that a query asks for, newest first, at most [`MOST_EXPORTED`]; where a page begins is of no matter.
    ///
    /// # Errors
    /// As [`Self::list`].
    #[crate::boxed]
    pub async fn export(&self, caller: &Caller, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        caller.permit(Permission::ViewAudit)?;
        check(&query)?;
        match query.source {
            AuditSource::Console => Ok(store::list(self.0.store(), &query, None, MOST_EXPORTED).await?),
            AuditSource::Target => {
                let target = self.0.target(target_of(&query)?)?;
                let mut connection = target.look().await?;
                let mut log = managed::Log::open(&target, &mut connection).await?;
                log.list(&query, None, MOST_EXPORTED).await
            }
        }
    }

    async fn own_page(&self, query: &AuditQuery) -> Result<AuditPage> {
        let before = match after(query)? {
            None => None,
            Some(Cursor::Time { at, id }) => Some((at, id)),
            Some(Cursor::Number(_)) => return Err(no_such_beginning()),
        };
        let pool = self.0.store();
        let entries = store::acts(pool, query, before, AUDIT_PER_PAGE + 1).await?;
        Ok(AuditPage {
            event_types: store::event_types(pool).await?,
            users: store::users(pool).await?,
            ..cut(entries, store::cursor)
        })
    }

    async fn target_page(&self, query: &AuditQuery) -> Result<AuditPage> {
        let after = after(query)?;
        let target = self.0.target(target_of(query)?)?;
        let mut connection = target.look().await?;
        let mut log = managed::Log::open(&target, &mut connection).await?;
        match (after, log.order(query)) {
            (None, _)
            | (Some(Cursor::Time { .. }), managed::Order::Time)
            | (Some(Cursor::Number(_)), managed::Order::Number) => {}
            _ => return Err(no_such_beginning()),
        }
        let entries = log.list(query, after, AUDIT_PER_PAGE + 1).await?;
        Ok(AuditPage {
            event_types: log.event_types().await?,
            users: log.users().await?,
            ..cut(entries, |entry| log.cursor(query, entry))
        })
    }
}

/// A page out of one entry more than it holds.
fn cut(mut entries: Vec<AuditEntry>, cursor: impl Fn(&AuditEntry) -> Cursor) -> AuditPage {
    let more = entries.len() > AUDIT_PER_PAGE as usize;
    entries.truncate(AUDIT_PER_PAGE as usize);
    let next = entries
        .last()
        .filter(|_| more)
        .map(|last| cursor(last).to_string());
    AuditPage {
        entries,
        next,
        ..AuditPage::default()
    }
}

fn after(query: &AuditQuery) -> Result<Option<Cursor>> {
    query
        .after
        .as_deref()
        .map(|text| text.parse().map_err(|()| no_such_beginning()))
        .transpose()
}

fn no_such_beginning() -> Error {
    Error::invalid(
        "after",
        "This link does not lead to a page of the log.",
        "Go back to the newest entries.",
    )
}

fn target_of(query: &AuditQuery) -> Result<&str> {
    query.target.as_deref().ok_or_else(|| {
        Error::invalid(
            "target",
            "It is not said whose audit_logs to read.",
            "Choose a managed database.",
        )
    })
}

/// Times that the databases can compare, in an order that can hold something, and texts that they can hold.
fn check(query: &AuditQuery) -> Result<()> {
    for (field, at) in [("from", query.from), ("until", query.until)] {
        if at.is_some_and(|at: Instant| !(1..=9999).contains(&at.year())) {
            return Err(Error::invalid(
                field,
                "There is nothing at such a time.",
                "Use a year from 1 to 9999.",
            ));
        }
    }
    if let (Some(from), Some(until)) = (query.from, query.until)
        && from >= until
    {
        return Err(Error::invalid(
            "until",
            "The end is not after the beginning.",
            "Choose a later end, or none.",
        ));
    }
    if query.source == AuditSource::Target && query.address.is_some() {
        return Err(Error::invalid(
            "address",
            "The log of a managed database is not kept in order of addresses.",
            "Leave the address out, or look at the console's own log.",
        ));
    }
    for (field, text) in [
        ("user", &query.user),
        ("event_type", &query.event_type),
        ("target", &query.target),
        ("address", &query.address),
    ] {
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            return Err(Error::invalid(
                field,
                "It contains a character that no log holds.",
                "Remove the NUL character.",
            ));
        }
    }
    Ok(())
}

/// An outcome by its name in the logs.
fn outcome(name: &str) -> Option<Outcome> {
    [
        Outcome::Started,
        Outcome::Success,
        Outcome::Failure,
        Outcome::Denied,
    ]
    .into_iter()
    .find(|it| it.name() == name)
}

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
    Ok(store::insert(connection, entry, None).await?)
}

/// Writes the beginning or the end of an act that is no job's; both are given the same number, by which a page shows them as one.
///
/// # Errors
/// The store's failures.
pub(crate) async fn record_half(connection: &mut PgConnection, act: Uuid, entry: Entry<'_>) -> Result<i64> {
    Ok(store::insert(connection, entry, Some(act)).await?)
}
