//! Sizes and activity of the tables and indexes of a managed database.

mod catalog;
mod detail;
mod page;
pub(crate) mod sample;
mod tree;

use contract::{
    session::Permission,
    stats::{IndexStat, TableDetail, TablePage, TableQuery},
};

use crate::{Caller, Engine, Error, Result};

/// The most indexes that one question answers.
pub const MOST_INDEXES: i64 = 500;

/// The operations on statistics.
pub struct Stats<'a>(&'a Engine);

impl Engine {
    /// The operations on statistics.
    pub fn stats(&self) -> Stats<'_> {
        Stats(self)
    }
}

impl Stats<'_> {
    /// A page of the managed database's tables and what is like them. A page beyond the end is the last one; later pages
    /// come from the look of the first one, when it is still kept. Never waits behind a lock: what is locked exclusively
    /// has its last known size, and says so.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` for the target; its failures.
    #[crate::boxed]
    pub async fn tables(&self, caller: &Caller, query: TableQuery) -> Result<TablePage> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(&query.target)?;
        let continues = query.page > 1;
        let earlier = continues.then(|| sample::earlier(&target, query.look)).flatten();
        let sample = match earlier {
            Some(sample) => sample,
            None => sample::current(self.0, &target).await?,
        };
        Ok(page::of(&sample, query))
    }

    /// All tables that a query matches, in one look with exact sizes; the query's page does not count. It waits for the
    /// look, some seconds at most.
    ///
    /// # Errors
    /// As [`Self::tables`].
    #[crate::boxed]
    pub async fn all_tables(&self, caller: &Caller, query: TableQuery) -> Result<TablePage> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(&query.target)?;
        let sample = sample::exact(self.0, &target).await?;
        Ok(page::whole(&sample, query))
    }

    /// One table, or what is like one, with its columns, indexes and constraints. While it is locked exclusively, defaults
    /// and definitions are left out: PostgreSQL would have to wait to put them into words.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` for the target or the table; the target's failures.
    #[crate::boxed]
    pub async fn table(
        &self,
        caller: &Caller,
        target: &str,
        schema: &str,
        name: &str,
    ) -> Result<TableDetail> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        detail::table(&target, schema, name).await
    }

    /// The largest indexes of the managed database, at most [`MOST_INDEXES`]. When there are more, the choice (not the
    /// sizes shown) goes by the pages of each one's last vacuum or analyze. Definitions as in [`Self::table`].
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` for the target; its failures.
    #[crate::boxed]
    pub async fn indexes(&self, caller: &Caller, target: &str) -> Result<Vec<IndexStat>> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        detail::indexes(&target).await
    }
}

/// Asks a question whose sizes take ACCESS SHARE locks: first for exact sizes of what is not locked, and when a lock
/// got in between, once more (it shows in `pg_locks` by now), and at last for the sizes of the last vacuum.
async fn without_waiting<T, Asked>(ask: impl Fn(bool) -> Asked) -> Result<T>
where
    Asked: Future<Output = Result<T>> + Send,
{
    for _ in 0..2 {
        match ask(true).await {
            Err(error) if is_lock_timeout(&error) => {}
            answer => return answer,
        }
    }
    ask(false).await
}

/// Whether a question failed because a lock was not free in time.
fn is_lock_timeout(error: &Error) -> bool {
    matches!(
        error,
        Error::Target { source: sqlx::Error::Database(error), .. } if error.code().as_deref() == Some("55P03")
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::atomic::{AtomicU32, Ordering};

    use sqlx::Executor;

    use super::*;

    /// What a server answers when a lock was not free in time.
    pub(super) async fn lock_timeout() -> Error {
        let pool = testkit::shared().await.database("race").await.pool().await;
        pool.execute("create table busy (id int)").await.unwrap();
        let mut holder = pool.begin().await.unwrap();
        holder.execute("lock table busy").await.unwrap();
        let mut hurried = pool.begin().await.unwrap();
        hurried.execute("set local lock_timeout = '1ms'").await.unwrap();
        let source = hurried.execute("table busy").await.unwrap_err();
        Error::Target {
            target: "main".into(),
            source,
            statement: None,
        }
    }

    #[tokio::test]
    async fn a_lock_that_gets_in_between_is_looked_at_once_more_and_then_left_alone() {
        for (failures, answers) in [(0, true), (1, true), (2, false)] {
            let asked = AtomicU32::new(0);
            let answer = without_waiting(|exact| {
                let fails = asked.fetch_add(1, Ordering::Relaxed) < failures;
                async move {
                    if fails {
                        Err(lock_timeout().await)
                    } else {
                        Ok(exact)
                    }
                }
            });
            assert_eq!(answer.await.unwrap(), answers, "after {failures} failures");
        }
    }

    #[tokio::test]
    async fn any_other_failure_is_told_at_once() {
        let asked = AtomicU32::new(0);
        let answer: Result<()> = without_waiting(|_| {
            asked.fetch_add(1, Ordering::Relaxed);
            async { Err(Error::Cancelled) }
        })
        .await;
        assert!(matches!(answer, Err(Error::Cancelled)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
