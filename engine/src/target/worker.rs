//! A job's own session on a managed database, and a second one beside it that watches it and can stop it.

use std::{convert::Infallible, time::Duration};

use contract::jobs::{JobId, LogLevel, Waiting};
use futures::TryStreamExt;
use sqlx::{
    AssertSqlSafe, Connection, PgConnection,
    postgres::{PgDatabaseError, PgSeverity},
};

use super::{
    Target,
    live::{Live, Look},
    look::{self, query, query_scalar},
};
use crate::{Error, Result, jobs::JobContext};

/// Between two looks at a running statement.
const LOOK: Duration = Duration::from_millis(500);
/// How long a statement may take to end after it was cancelled, before its session is ended.
const TO_CANCEL: Duration = Duration::from_secs(3);
/// How long anything else may take that stops a session.
const TO_END: Duration = Duration::from_secs(2);
/// How long a statement of a transaction waits for each lock. A request for a strong lock that waits holds up everyone
/// who comes after it, so it must give way.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a transaction is tried that did not get its locks.
pub(crate) const TRIES: u32 = 5;

/// A job's session.
pub(crate) struct Worker {
    target: Target,
    session: PgConnection,
    watcher: PgConnection,
    pid: i32,
}

/// Why a statement did not end well.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The job shall stop; the statement has been cancelled.
    Cancelled,
    /// The server refused, or is gone.
    Failed {
        /// What the driver said.
        source: sqlx::Error,
        /// How many statements of the text had been done.
        done: usize,
    },
}

impl Stopped {
    /// The five characters of SQLSTATE, if the server sent some.
    pub fn sqlstate(&self) -> Option<String> {
        match self {
            Self::Failed {
                source: sqlx::Error::Database(error),
                ..
            } => error.code().map(|code| code.into_owned()),
            _ => None,
        }
    }

    /// Whether the session is gone, so that there is no use in going on.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Cancelled => false,
            // An error of a statement leaves the session as it is, whatever it is about: that the server of a foreign
            // table cannot be reached (08001) is no failure of this connection.
            Self::Failed {
                source: sqlx::Error::Database(error),
                ..
            } => error
                .try_downcast_ref::<PgDatabaseError>()
                .is_none_or(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic)),
            Self::Failed { .. } => true,
        }
    }

    /// The same as an error of the engine. The statement is shown to the reader.
    pub fn into_error(self, target: &Target, statement: &str) -> Error {
        match self {
            Self::Cancelled => Error::Cancelled,
            Self::Failed { source, .. } => target.error_at(source, statement),
        }
    }
}

impl From<sqlx::Error> for Stopped {
    fn from(source: sqlx::Error) -> Self {
        Self::Failed { source, done: 0 }
    }
}

/// The name under which a job's session is seen in `pg_stat_activity`. The last digits of the id are the random ones.
pub(crate) fn purpose(kind: &str, job: JobId) -> String {
    let id = job.0.simple().to_string();
    format!("{kind} {}", &id[id.len() - 12..])
}

impl Worker {
    /// Connects twice. No timeout of a role or database applies to the session; should the console die, the server
    /// ends the statement by itself within seconds.
    ///
    /// # Errors
    /// `Target` when the server cannot be reached or refuses.
    pub async fn connect(target: &Target, kind: &str, job: JobId) -> Result<Self> {
        let mut session = target.connect(&purpose(kind, job)).await?;
        let watcher = target.connect("watcher").await?;
        let pid = query_scalar("select pg_backend_pid()")
            .fetch_one(&mut session)
            .await
            .map_err(|source| target.error(source))?;
        let mut worker = Self {
            target: target.clone(),
            session,
            watcher,
            pid,
        };
        worker.settle().await.map_err(|source| target.error(source))?;
        Ok(worker)
    }

    /// Gives the session back the role it began with and the settings of a job, whatever a migration did to them.
    pub async fn settle(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(
            "reset session authorization;
             reset role;
             reset all;
             set statement_timeout = 0;
             set lock_timeout = 0;
             set idle_in_transaction_session_timeout = 0",
        )
        .execute(&mut self.session)
        .await?;
        sqlx::raw_sql(look::SESSION).execute(&mut self.session).await?;
        // Not every platform can look after its client while it works; those that cannot refuse this.
        sqlx::raw_sql("set client_connection_check_interval = '2s'")
            .execute(&mut self.session)
            .await
            .ok();
        Ok(())
    }

    /// Gives the session the search_path that its users chose, for what they wrote; until it is settled again.
    ///
    /// # Errors
    /// What the server said.
    pub async fn as_users(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(look::USERS_PATH).execute(&mut self.session).await?;
        Ok(())
    }

    /// The managed database.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The session itself, for short statements.
    pub fn session(&mut self) -> &mut PgConnection {
        &mut self.session
    }

    /// The second session, for questions and for what must not depend on the first one's settings.
    pub fn watcher(&mut self) -> &mut PgConnection {
        &mut self.watcher
    }

    /// Runs a text of one or more statements, as one string. `watch` is told what the server is doing twice a second.
    /// When the job shall stop, the statement is cancelled and its end awaited.
    ///
    /// # Errors
    /// How it was stopped.
    pub async fn run(
        &mut self,
        context: &JobContext,
        sql: &str,
        mut watch: impl FnMut(Live) + Send,
    ) -> Result<(), Stopped> {
        let mut work = Box::pin(execute(&mut self.session, sql));
        let ended = {
            let watching = watch_for_ever(&mut self.watcher, self.pid, &mut watch);
            tokio::select! {
                biased;
                ended = &mut work => Some(ended),
                () = context.cancelled() => None,
                never = watching => match never {},
            }
        };
        match ended {
            Some(ended) => ended,
            None => {
                cancel(&self.target, &mut self.watcher, self.pid).await;
                if tokio::time::timeout(TO_CANCEL, work).await.is_err() {
                    terminate(&mut self.watcher, self.pid).await;
                }
                Err(Stopped::Cancelled)
            }
        }
    }

    /// Begins a transaction and runs a text in it, waiting a short time only for each lock. What could not get its
    /// locks, or was the victim of a deadlock, is rolled back and tried again after a pause, up to five times. On
    /// success the transaction is open.
    ///
    /// # Errors
    /// How it was stopped; the transaction is rolled back then.
    pub async fn begin(
        &mut self,
        context: &JobContext,
        sql: &str,
        mut watch: impl FnMut(Live) + Send,
    ) -> Result<(), Stopped> {
        let open = format!("begin; set local lock_timeout = '{} s'", LOCK_TIMEOUT.as_secs());
        let mut pause = Duration::from_secs(1);
        for attempt in 1.. {
            sqlx::raw_sql(AssertSqlSafe(open.clone()))
                .execute(&mut self.session)
                .await?;
            let mut held_by: Option<Waiting> = None;
            let running = self.run(context, sql, |live| {
                held_by = live.waiting.clone().or(held_by.take());
                watch(live);
            });
            let ran = Box::pin(running).await;
            let Err(stopped) = ran else { return Ok(()) };
            // A session that is gone has rolled back by itself.
            sqlx::raw_sql("rollback").execute(&mut self.session).await.ok();
            if !matches!(stopped.sqlstate().as_deref(), Some("55P03" | "40P01")) {
                return Err(stopped);
            }
            let holder = held_by
                .as_ref()
                .map_or_else(String::new, |held| format!(" (pid {}: {})", held.pid, held.who));
            let what = format!("A lock was not free within {} s{holder}", LOCK_TIMEOUT.as_secs());
            if attempt == TRIES {
                context.log(
                    LogLevel::Warn,
                    format!("{what}; that was the last of {TRIES} attempts."),
                );
                return Err(stopped);
            }
            context.info(format!(
                "{what}; trying again in {} s (attempt {} of {TRIES}).",
                pause.as_secs(),
                attempt + 1
            ));
            watch(Live {
                waiting: held_by,
                ..Live::default()
            });
            tokio::select! {
                () = context.cancelled() => return Err(Stopped::Cancelled),
                () = tokio::time::sleep(pause) => {}
            }
            pause *= 2;
        }
        Ok(())
    }

    /// Commits the transaction that `begin` opened.
    ///
    /// # Errors
    /// What the server said, such as a deferred constraint that does not hold.
    pub async fn commit(&mut self) -> Result<(), sqlx::Error> {
        // A transaction that failed answers `commit` with a silent rollback, so each error must have been looked at.
        sqlx::raw_sql("commit").execute(&mut self.session).await?;
        Ok(())
    }

    /// Rolls the open transaction back.
    pub async fn roll_back(&mut self) {
        sqlx::raw_sql("rollback").execute(&mut self.session).await.ok();
    }

    /// Ends both sessions, and with them every lock they hold.
    pub async fn close(self) {
        let both = futures::future::join(self.session.close(), self.watcher.close());
        // Dropping closes as well; this only is politer.
        tokio::time::timeout(TO_END, both).await.ok();
    }
}

/// Ends the session that a job's dead worker may have left at work.
///
/// # Errors
/// `Target` when the server cannot be asked.
pub(crate) async fn end_leftover(
    watcher: &mut PgConnection,
    kind: &str,
    job: JobId,
) -> Result<bool, sqlx::Error> {
    let ended: Vec<bool> = query_scalar(
        "select pg_terminate_backend(pid, 3000)
           from pg_stat_activity
          where datname = current_database()
            and application_name = $1
            and pid <> pg_backend_pid()",
    )
    .bind(format!("pgsteward {}", purpose(kind, job)))
    .fetch_all(watcher)
    .await?;
    Ok(!ended.is_empty())
}

async fn execute(session: &mut PgConnection, sql: &str) -> Result<(), Stopped> {
    let mut done = 0;
    let mut results = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_many(session);
    loop {
        match results.try_next().await {
            Ok(Some(sqlx::Either::Left(_))) => done += 1,
            Ok(Some(sqlx::Either::Right(_))) => {}
            Ok(None) => return Ok(()),
            Err(source) => return Err(Stopped::Failed { source, done }),
        }
    }
}

async fn watch_for_ever(
    watcher: &mut PgConnection,
    pid: i32,
    watch: &mut (impl FnMut(Live) + Send),
) -> Infallible {
    let mut look = Look::at(pid);
    loop {
        tokio::time::sleep(LOOK).await;
        match look.once(watcher).await {
            Ok(live) => watch(live),
            Err(error) => tracing::debug!(%error, "cannot watch a statement"),
        }
    }
}

/// Cancels what a session does; over a new connection when the watcher's is broken.
async fn cancel(target: &Target, watcher: &mut PgConnection, pid: i32) {
    const CANCEL: &str = "select pg_cancel_backend($1)";
    if asked(watcher, CANCEL, pid).await {
        return;
    }
    let cancelled = match tokio::time::timeout(TO_END, target.connect("watcher")).await {
        Ok(Ok(mut other)) => asked(&mut other, CANCEL, pid).await,
        _ => false,
    };
    if !cancelled {
        tracing::warn!(
            pid,
            "a statement could not be cancelled; its session will be dropped"
        );
    }
}

async fn terminate(watcher: &mut PgConnection, pid: i32) {
    if !asked(watcher, "select pg_terminate_backend($1)", pid).await {
        tracing::warn!(
            pid,
            "a session could not be ended; the server ends it when it sees that its client is gone"
        );
    }
}

async fn asked(watcher: &mut PgConnection, sql: &'static str, pid: i32) -> bool {
    let asking = query(sql).bind(pid).execute(watcher);
    matches!(tokio::time::timeout(TO_END, asking).await, Ok(Ok(_)))
}
