//! One step after the rows, in one transaction with its note in the ledger.

use sqlx::{AssertSqlSafe, PgConnection};

use super::{Load, Stream};
use crate::Result;

/// How the ledger calls a step that PostgreSQL took.
pub(in crate::import) const DONE: &str = "done";
/// How it calls one of which something else was done instead.
pub(in crate::import) const INSTEAD: &str = "instead";
/// How it calls one that PostgreSQL did not take; what it said follows.
pub(in crate::import) const LOST: &str = "lost: ";

impl Load {
    /// Runs a step. What PostgreSQL refuses, as a rule that the rows break, is noted and the load goes on: nothing that was
    /// loaded is lost by it. What has another reason, such as a full disk, ends the load.
    pub(super) async fn step(&self, stream: &mut Stream, place: usize) -> Result<()> {
        let step = &self.plan.steps[place];
        self.watch.stepping(&self.context, step);
        let failed = |source| self.target.error(source);
        for (sql, how) in [(&step.sql, DONE), (&step.instead, INSTEAD)] {
            if sql.is_empty() {
                continue;
            }
            stream.begin().await.map_err(failed)?;
            match statements(&mut stream.session, sql).await {
                Ok(()) => {
                    self.ledger
                        .stepped(&mut stream.session, place, how)
                        .await
                        .map_err(failed)?;
                    stream.commit().await.map_err(failed)?;
                    self.watch.stepped();
                    return Ok(());
                }
                Err(error) => {
                    let Some(why) = refusal(&error) else {
                        return Err(self.target.error_at(error, &sql.join("; ")));
                    };
                    stream.roll_back().await.map_err(failed)?;
                    let text = format!("{}: {why}", step.about);
                    self.context.log(contract::jobs::LogLevel::Warn, text);
                    let last = how == INSTEAD || step.instead.is_empty();
                    if last {
                        let lost = format!("{LOST}{why}");
                        self.ledger
                            .stepped(&mut stream.session, place, &lost)
                            .await
                            .map_err(failed)?;
                    }
                }
            }
        }
        self.watch.stepped();
        Ok(())
    }
}

async fn statements(session: &mut PgConnection, sql: &[String]) -> Result<(), sqlx::Error> {
    for sql in sql {
        sqlx::raw_sql(AssertSqlSafe(sql.clone()))
            .execute(&mut *session)
            .await?;
    }
    Ok(())
}

/// What the server has against the statement itself; none when it could not do it for another reason.
pub(in crate::import) fn refusal(error: &sqlx::Error) -> Option<String> {
    let sqlx::Error::Database(error) = error else {
        return None;
    };
    let code = error.code()?;
    // Integrity, syntax and objects, values, features, prerequisites and program limits (such as a key that is too long).
    let of_statement = ["22", "23", "42", "0A", "55006", "54", "2B", "P0"];
    let words = match code.starts_with("22") {
        // It may quote the value.
        true => format!("a value is not one that it takes, SQLSTATE {code}"),
        false => error.message().to_owned(),
    };
    of_statement
        .iter()
        .any(|class| code.starts_with(class))
        .then_some(words)
}
