//! What the statements of a managed database cost, from pg_stat_statements by looks and differences.
//!
//! The server's counters grow since they were last reset, and begin anew when a statement was dropped from its list. So the
//! console looks every five minutes, and when somebody reads, and keeps what was added since; nothing is ever reset. No text
//! holds a value. A database's page has the statements of that database alone, whatever else its server does.

mod catalog;
mod detail;
mod difference;
pub(crate) mod findings;
mod look;
mod page;
mod store;
#[cfg(feature = "test-jobs")]
pub mod test_clock;
mod text;

use contract::{
    history::HistoryView,
    query::{QueriesQuery, QueriesView, QueryDetail, QueryQuery, QueryText},
    session::Permission,
};

use crate::{Caller, Engine, Error, Result};

pub(crate) use look::look_at_all;

/// Bytes of one statement in one step, with its share of the indexes: reckoned from the types of its columns.
const ROW_BYTES: i64 = 300;
/// Bytes of a database's last look and its texts.
const LAST_BYTES: i64 = 4_000_000;

/// The operations on statements.
pub struct Queries<'a>(&'a Engine);

impl Engine {
    /// The operations on statements.
    pub fn query(&self) -> Queries<'_> {
        Queries(self)
    }
}

impl Queries<'_> {
    /// What the statements cost in a range of time, with the stretch before. As long as nothing was measured between two
    /// looks, what they cost since the server began to count. Takes a look when the last one is half a minute old.
    ///
    /// # Errors
    /// `NotFound` for the target; `Invalid` at `range`; the target's failure when it was never reached; the store's failures.
    #[crate::boxed]
    pub async fn list(&self, caller: &Caller, query: QueriesQuery) -> Result<QueriesView> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(&query.target)?;
        page::list(self.0, &target, query).await
    }

    /// One statement, with its numbers in a range of time; one that did not run in it with the words that it did not.
    ///
    /// # Errors
    /// As for `list`; `NotFound` for a statement of which nothing is known.
    #[crate::boxed]
    pub async fn view(&self, caller: &Caller, query: QueryQuery) -> Result<QueryDetail> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(&query.target)?;
        let id = number(&query.queryid)?;
        detail::view(self.0, &target, id, query).await
    }

    /// The text of one statement as it may be planned, or why it cannot be. It is read from the store alone.
    ///
    /// # Errors
    /// `NotFound` for the target, and for what is no number of a statement; the store's failures.
    #[crate::boxed]
    pub async fn text(&self, caller: &Caller, target: &str, queryid: &str) -> Result<QueryText> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        detail::text(self.0, &target, number(queryid)?).await
    }

    /// What one statement did over time, and in the same stretch a week before when asked for.
    ///
    /// # Errors
    /// As for `list`; `NotFound` for what is no number of a statement.
    #[crate::boxed]
    pub async fn history(&self, caller: &Caller, query: QueryQuery, before: bool) -> Result<HistoryView> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(&query.target)?;
        let id = number(&query.queryid)?;
        detail::history(self.0, &target, id, query.range, before).await
    }
}

/// The room that statements take in the store, and the most that it comes to for so many databases; an estimate.
///
/// # Errors
/// The store's failures.
pub(crate) async fn size(engine: &Engine, databases: i64) -> Result<(i64, i64)> {
    let rows = i64::try_from(look::GREATEST * 5 / 2).unwrap_or(i64::MAX);
    let each = store::kept_steps() * rows * ROW_BYTES + LAST_BYTES;
    Ok((
        store::bytes(engine.store()).await?,
        databases.saturating_mul(each),
    ))
}

/// The number of a statement; 0 stands for many of them.
fn number(queryid: &str) -> Result<i64> {
    let id = queryid.parse().ok();
    id.filter(|id| *id != 0).ok_or_else(|| no_such(queryid))
}

fn no_such(queryid: &str) -> Error {
    Error::not_found(
        format!("There is no statement {queryid} in what is known of this database."),
        "It was never met, or is gone since nothing of it is kept any more; look for it by its text in the list of statements.",
    )
}
