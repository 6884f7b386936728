//! Asking a server for a plan.

use contract::explain::{PlanMode, PlanParameter};
use sqlx::{
    AssertSqlSafe, Encode, Postgres, Row, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, types::Oid},
};

use super::statement::Statement;
use crate::{
    Error, Result, quote,
    target::{
        Target,
        look::{self, Look, query, query_as, query_scalar},
    },
};

/// Since when a plan is made without values.
const GENERIC: i32 = 160_000;

/// A server's plan as it came.
pub(super) struct Answer {
    pub text: String,
    pub mode: PlanMode,
}

/// A transaction in which a statement is planned: the names in it mean what they mean to the console's own sessions, but the
/// system's catalog goes first.
pub(super) struct Session {
    pub connection: Look,
    pub schemas: Vec<String>,
    pub version: i32,
    pid: i32,
}

/// Begins one. To run a statement, it is no read-only one (except on a standby), and has a time of its own.
pub(super) async fn begin(target: &Target, seconds: Option<u32>) -> Result<Session> {
    let failed = |source| target.error(source);
    let mut connection = target.look().await?;
    if let Some(seconds) = seconds {
        let again = format!(
            "rollback;
             begin isolation level read committed;
             set local search_path = pg_catalog, pg_temp;
             set local statement_timeout = '{seconds}s';
             set local lock_timeout = '2s';
             set local idle_in_transaction_session_timeout = '60s';
             set local client_min_messages = error;
             set local standard_conforming_strings = on;
             set local quote_all_identifiers = off"
        );
        sqlx::raw_sql(AssertSqlSafe(again))
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
    }
    let schemas = look::users_schemas(&mut connection).await.map_err(failed)?;
    let (version, pid): (i32, i32) =
        query_as("select current_setting('server_version_num')::int4, pg_backend_pid()")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
    Ok(Session {
        connection,
        schemas,
        version,
        pid,
    })
}

impl Session {
    /// From here on, names are looked for where the console's own sessions would look.
    async fn open_path(&mut self) -> Result<(), sqlx::Error> {
        let names = ["pg_catalog"]
            .into_iter()
            .chain(self.schemas.iter().map(String::as_str));
        let path: Vec<String> = names.chain(["pg_temp"]).map(quote::ident).collect();
        let sql = format!("set local search_path = {}", path.join(", "));
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// Back to what a look trusts.
    pub(super) async fn close_path(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("set local search_path = pg_catalog, pg_temp")
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// Whether this server plans a statement without values.
    pub fn has_generic(&self) -> bool {
        self.version >= GENERIC
    }

    /// Plans a statement, with these values or without any.
    ///
    /// # Errors
    /// The server's refusal, fit for who asks.
    pub(super) async fn plan(
        &mut self,
        target: &Target,
        statement: &Statement,
        values: &[PlanParameter],
        sees_data: bool,
    ) -> Result<Answer> {
        const OPTIONS: &str = "explain (format json, verbose, settings) ";
        let refused = |source, prefix: &str| refused(target, source, prefix, &statement.text, sees_data);
        self.open_path().await.map_err(|source| target.error(source))?;
        if statement.parameters == 0 || !values.is_empty() {
            let text = self
                .ask(OPTIONS, &filled(statement, values))
                .await
                .map_err(|source| without_position(refused(source, OPTIONS), values))?;
            return Ok(Answer {
                text,
                mode: PlanMode::Plain,
            });
        }
        // A plan without values is only had by a simple query, which would take several statements. So the server reads it as a
        // prepared one first, with nulls: that takes one and no more.
        const FIRST: &str = "explain (costs off) ";
        let first = format!("{FIRST}{}", statement.text);
        let mut asking = query(AssertSqlSafe(first));
        for _ in 0..statement.parameters {
            asking = asking.bind(Unknown);
        }
        asking
            .fetch_all(&mut *self.connection)
            .await
            .map_err(|source| refused(source, FIRST))?;
        const OPEN: &str = "explain (generic_plan, format json, verbose, settings) ";
        let row = sqlx::raw_sql(AssertSqlSafe(format!("{OPEN}{}", statement.text)))
            .fetch_one(&mut *self.connection)
            .await
            .map_err(|source| refused(source, OPEN))?;
        Ok(Answer {
            text: row
                .try_get_unchecked::<String, _>(0)
                .map_err(|source| target.error(source))?,
            mode: PlanMode::Generic,
        })
    }

    /// Runs a statement for its plan, and rolls back.
    ///
    /// # Errors
    /// The server's refusal; whatever came of it, it is rolled back.
    pub(super) async fn analyze(
        mut self,
        target: &Target,
        statement: &Statement,
        values: &[PlanParameter],
        seconds: u32,
    ) -> Result<Answer> {
        const OPTIONS: &str = "explain (analyze, buffers, format json, verbose, settings) ";
        self.open_path().await.map_err(|source| target.error(source))?;
        let cancels = CancelOnDrop {
            target: target.clone(),
            pid: self.pid,
            runs: true,
        };
        let asked = self.ask(OPTIONS, &filled(statement, values)).await;
        cancels.disarm();
        // Whoever gets the connection next gets it without this transaction; a connection that is gone has rolled back by itself.
        let rolled_back = sqlx::raw_sql("rollback").execute(&mut *self.connection).await;
        let text = asked.map_err(|source| {
            let timed_out = source
                .as_database_error()
                .is_some_and(|error| error.code().as_deref() == Some("57014"));
            let error = without_position(refused(target, source, OPTIONS, &statement.text, true), values);
            match (error, timed_out) {
                (Error::Refused(fault), true) => {
                    let mut fault = fault
                        .hint("Ask for the plan without ANALYZE, or for fewer rows. It was rolled back.");
                    fault.message = format!("It did not end within {seconds} s, and was cancelled.");
                    Error::Refused(fault)
                }
                (error, _) => error,
            }
        })?;
        rolled_back.map_err(|source| target.error(source))?;
        Ok(Answer {
            text,
            mode: PlanMode::Analyze,
        })
    }

    /// Asks as a prepared statement, of which there is one in a message.
    async fn ask(&mut self, options: &str, statement: &str) -> Result<String, sqlx::Error> {
        let row = query(AssertSqlSafe(format!("{options}{statement}")))
            .fetch_one(&mut *self.connection)
            .await?;
        // JSON crosses as its text.
        row.try_get_unchecked::<String, _>(0)
    }
}

fn filled(statement: &Statement, values: &[PlanParameter]) -> String {
    statement.with(|number| {
        let known = values.iter().find(|parameter| parameter.number == number);
        known.map(|parameter| super::params::as_sql(&parameter.value))
    })
}

/// The server's refusal of a statement. What it says when it evaluates something may hold what is in the tables, so those who see
/// no data are told the kind alone.
fn refused(target: &Target, source: sqlx::Error, prefix: &str, statement: &str, sees_data: bool) -> Error {
    let state = source.as_database_error().and_then(|error| error.code());
    let Some(state) = state.map(|code| code.into_owned()) else {
        return target.error(source);
    };
    let mut fault = target.error(source).fault();
    if state == "42501" {
        fault.hint = Some(
            "The console's role needs the right itself: grant it to the user in the database's URL, or run EXPLAIN as one who has \
             it and paste the plan."
                .to_owned(),
        );
    }
    let Some(refusal) = &mut fault.target else {
        return Error::Refused(fault);
    };
    // It is counted in characters from 1.
    let before = u32::try_from(prefix.chars().count()).unwrap_or(0);
    refusal.position = refusal
        .position
        .and_then(|at| at.checked_sub(before))
        .filter(|at| *at > 0);
    refusal.statement = Some(statement.to_owned());
    let is_of_reading = ["42", "0A", "08", "25", "53", "55", "57"]
        .iter()
        .any(|class| state.starts_with(class));
    if !sees_data && !is_of_reading {
        fault.message = format!(
            "{} refused the statement ({state}) while it planned it.",
            target.name()
        );
        fault.hint = Some("What it said may hold data, which the role viewer does not see.".to_owned());
        fault.target = None;
    }
    Error::Refused(fault)
}

/// With values in the place of its parameters, the statement is another one than its reader knows.
fn without_position(error: Error, values: &[PlanParameter]) -> Error {
    match error {
        Error::Refused(mut fault) if !values.is_empty() => {
            if let Some(refusal) = &mut fault.target {
                refusal.position = None;
            }
            Error::Refused(fault)
        }
        error => error,
    }
}

/// A null whose type the server finds out.
struct Unknown;

impl Type<Postgres> for Unknown {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Unknown {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}

/// Cancels what runs when nobody waits for it any more.
struct CancelOnDrop {
    target: Target,
    pid: i32,
    runs: bool,
}

impl CancelOnDrop {
    fn disarm(mut self) {
        self.runs = false;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if !self.runs {
            return;
        }
        let (target, pid) = (self.target.clone(), self.pid);
        tokio::spawn(async move {
            let cancelled = async {
                let mut connection = target.look().await?;
                // Through a pooler the process may work for somebody else by now.
                query_scalar::<bool>(
                    "select pg_cancel_backend(pid)
                       from pg_stat_activity
                      where pid = $1
                        and query like 'explain (analyze, buffers, format json, verbose, settings) %'",
                )
                .bind(pid)
                .fetch_optional(&mut *connection)
                .await
                .map_err(|source| target.error(source))
            };
            if let Err(error) = cancelled.await {
                tracing::warn!(
                    target = target.name(),
                    error = error.chain(),
                    "a statement that nobody waits for goes on"
                );
            }
        });
    }
}
