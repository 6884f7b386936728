//! Applying one migration: a file in one transaction, or statement by statement where it asks for none.

use std::time::{Duration, Instant};

use contract::{Code, Fault, jobs::LogLevel};
use sqlx::{
    Row,
    postgres::{PgDatabaseError, PgErrorPosition},
};

use super::{
    catalog::Tables,
    ledger::{self, Author},
    source::File,
    statements::Statement,
};
use crate::{
    Error, Result,
    jobs::JobContext,
    lexer,
    target::{
        Target, invalid,
        live::Live,
        look,
        worker::{Stopped, Worker},
    },
};

/// What applying needs.
pub(crate) struct Applying<'a> {
    /// The job.
    pub context: &'a JobContext,
    /// Where it is written down.
    pub tables: &'a Tables,
    /// By whom.
    pub author: &'a Author<'a>,
}

impl Applying<'_> {
    /// Applies one file; returns how long it took, as the ledger has it. `watch` is told what the server is doing, the
    /// fraction being that of the file.
    ///
    /// # Errors
    /// What the server said, at its statement and line; `Cancelled`.
    pub async fn apply(
        &self,
        worker: &mut Worker,
        file: &File,
        watch: impl FnMut(Live) + Send,
    ) -> Result<Duration> {
        let applied = if file.transactional {
            Box::pin(self.whole(worker, file, watch)).await
        } else {
            Box::pin(self.stepwise(worker, file, watch)).await
        };
        let settled = worker.settle().await;
        let took = applied?;
        settled.map_err(|source| worker.target().error(source))?;
        Ok(took)
    }

    /// The file and its row in one transaction: either both are there or neither.
    async fn whole(
        &self,
        worker: &mut Worker,
        file: &File,
        watch: impl FnMut(Live) + Send,
    ) -> Result<Duration> {
        let target = worker.target().clone();
        let begun = Instant::now();
        worker.as_users().await.map_err(|source| target.error(source))?;
        if let Err(stopped) = worker.begin(self.context, &file.script(), watch).await {
            return Err(in_file(&target, file, stopped));
        }
        let took = begun.elapsed();
        let recorded = async {
            // The file may have changed the role and the search path of this transaction. What the row needs is the
            // system's; what is deferred until the commit finds the file's path again.
            let sql = "reset session authorization; reset role; show search_path";
            let path: String = sqlx::raw_sql(sql).fetch_one(worker.session()).await?.try_get(0)?;
            sqlx::raw_sql("set local search_path = pg_catalog, pg_temp")
                .execute(worker.session())
                .await?;
            let first = ledger::record(worker.session(), self.tables, file, self.author, took).await?;
            look::query("select set_config('search_path', $1, true)")
                .bind(path)
                .execute(worker.session())
                .await?;
            Ok(first)
        };
        match recorded.await {
            Ok(true) => worker
                .commit()
                .await
                .map(|()| took)
                .map_err(|source| at_commit(&target, file, source)),
            Ok(false) => {
                worker.roll_back().await;
                Err(overtaken(file))
            }
            Err(source) => {
                worker.roll_back().await;
                Err(target.error(source))
            }
        }
    }

    /// Statement by statement. The row says "not done" until the last one is.
    async fn stepwise(
        &self,
        worker: &mut Worker,
        file: &File,
        mut watch: impl FnMut(Live) + Send,
    ) -> Result<Duration> {
        let target = worker.target().clone();
        let failed = |source| target.error(source);
        let begun = Instant::now();
        let repeated = self.is_begun(worker, file).await.map_err(failed)?;
        if !ledger::begin(worker.watcher(), self.tables, file, self.author)
            .await
            .map_err(failed)?
        {
            return Err(overtaken(file));
        }
        let count = file.statements.len();
        worker.as_users().await.map_err(failed)?;
        for (number, statement) in file.statements.iter().enumerate() {
            let running = self.statement(worker, statement, |live| {
                let within = live.fraction.unwrap_or(0.0);
                let detail = format!("statement {} of {count}", number + 1);
                watch(Live {
                    detail: Some(match live.detail {
                        Some(phase) => format!("{detail}: {phase}"),
                        None => detail,
                    }),
                    fraction: Some((number as f64 + within) / count as f64),
                    ..live
                });
            });
            let ran = Box::pin(running).await;
            if let Err(stopped) = ran {
                // The step may have been a transaction of the file's own.
                worker.roll_back().await;
                let nothing_changed =
                    number == 0 && !repeated && statement.is_all_or_nothing() && !stopped.is_lost();
                let error = at_statement(&target, file, statement, stopped);
                self.write_down_failure(worker, file, &error, nothing_changed)
                    .await;
                return Err(error);
            }
            ledger::advance(worker.watcher(), self.tables, file.version, number + 1)
                .await
                .map_err(failed)?;
        }
        let took = begun.elapsed();
        ledger::finish(worker.watcher(), self.tables, file, self.author, took)
            .await
            .map_err(failed)?;
        Ok(took)
    }

    async fn statement(
        &self,
        worker: &mut Worker,
        statement: &Statement,
        mut watch: impl FnMut(Live) + Send,
    ) -> Result<(), Stopped> {
        // An invalid index of this name would make `if not exists` do nothing, and anything else fail.
        for drop_sql in leftovers(worker, statement).await? {
            self.context.log(
                LogLevel::Warn,
                format!("A broken-off build left an invalid index: {drop_sql}"),
            );
            worker.run(self.context, &drop_sql, &mut watch).await?;
        }
        worker.run(self.context, &statement.text, watch).await
    }

    async fn is_begun(&self, worker: &mut Worker, file: &File) -> Result<bool, sqlx::Error> {
        let rows = super::catalog::applied(worker.watcher(), self.tables).await?;
        Ok(rows.iter().any(|row| row.version == file.version && !row.success))
    }

    async fn write_down_failure(
        &self,
        worker: &mut Worker,
        file: &File,
        error: &Error,
        nothing_changed: bool,
    ) {
        let words = match error {
            Error::Cancelled => "it was cancelled".to_owned(),
            error => error
                .fault()
                .target
                .map_or_else(|| error.to_string(), |refusal| refusal.message),
        };
        let written = if nothing_changed {
            ledger::forget(worker.watcher(), self.tables, file.version).await
        } else {
            ledger::fail(worker.watcher(), self.tables, file.version, &words).await
        };
        if let Err(source) = written {
            // Then the row says "begun and not ended", which is true as well.
            tracing::warn!(error = %source, "the end of a migration could not be written down");
        }
    }
}

/// The statements that remove what a broken-off build of this statement's index left.
async fn leftovers(worker: &mut Worker, statement: &Statement) -> Result<Vec<String>, sqlx::Error> {
    let Some(index) = statement.concurrent_index() else {
        return Ok(Vec::new());
    };
    // Asked in the session, because the statement finds its table by the session's search path.
    let table = invalid::table_oid(worker.session(), &index.table).await?;
    let invalid = invalid::list(worker.watcher()).await?;
    Ok(invalid
        .iter()
        .filter(|found| found.name == index.name && Some(found.table_oid) == table && found.is_leftover())
        .map(invalid::InvalidIndex::drop_sql)
        .collect())
}

/// A failure of a file that was sent as one string: its statement is found by the server's position, else by how many
/// statements were done before it.
fn in_file(target: &Target, file: &File, stopped: Stopped) -> Error {
    let Stopped::Failed { source, done } = stopped else {
        return Error::Cancelled;
    };
    let position = position(&source).map(|position| position - 1);
    let statement = match position {
        Some(at) => file
            .statements
            .iter()
            .rev()
            .find(|statement| statement.start <= at),
        None => file.statements.get(done),
    };
    match statement {
        Some(statement) => {
            let within = position.map(|at| at - statement.start);
            refusal(target, file, statement, within, source)
        }
        None => target.error(source),
    }
}

fn at_statement(target: &Target, file: &File, statement: &Statement, stopped: Stopped) -> Error {
    let Stopped::Failed { source, .. } = stopped else {
        return Error::Cancelled;
    };
    let within = position(&source).map(|position| position - 1);
    refusal(target, file, statement, within, source)
}

fn at_commit(target: &Target, file: &File, source: sqlx::Error) -> Error {
    let mut fault = target.error(source).fault();
    fault.message = format!("Migration {}, at its end: {}", file.title(), fault.message);
    fault
        .hint
        .get_or_insert_with(|| "Nothing of it was kept. A deferred constraint does not hold.".into());
    Error::Refused(fault)
}

/// The server's words at one statement; `within` counts its characters from 0.
fn refusal(
    target: &Target,
    file: &File,
    statement: &Statement,
    within: Option<usize>,
    source: sqlx::Error,
) -> Error {
    if !matches!(source, sqlx::Error::Database(_)) {
        return target.error(source);
    }
    let mut fault = target.error_at(source, &statement.text).fault();
    let before: String = statement.text.chars().take(within.unwrap_or(0)).collect();
    let line = statement.line + lexer::line_ends(&before);
    fault.message = format!("Migration {}, line {line}: {}", file.title(), fault.message);
    if let Some(refusal) = &mut fault.target {
        refusal.position = within.and_then(|at| u32::try_from(at + 1).ok());
        // "cannot run inside a transaction block"
        if refusal.sqlstate.as_deref() == Some("25001") && file.transactional {
            fault.hint = Some("Make `-- no-transaction` the first line of the file.".into());
        }
    }
    fault.hint.get_or_insert_with(|| {
        if file.transactional {
            "Nothing of this migration was kept. Correct the file, then apply again.".into()
        } else {
            "The statements before it are done and stay. See the migration's state for what to do.".into()
        }
    });
    Error::Refused(fault)
}

fn position(source: &sqlx::Error) -> Option<usize> {
    let report = source
        .as_database_error()?
        .try_downcast_ref::<PgDatabaseError>()?;
    match report.position() {
        Some(PgErrorPosition::Original(at)) if at > 0 => Some(at),
        _ => None,
    }
}

fn overtaken(file: &File) -> Error {
    Error::Refused(
        Fault::new(
            Code::Conflict,
            format!(
                "Another tool applied migration {} at the same time, without taking the lock.",
                file.title()
            ),
        )
        .hint("Look at the migrations again; nothing of this run's own is left of it."),
    )
}
