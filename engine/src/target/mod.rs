//! Managed databases: how they are reached, and whether they can be.

mod catalog;
pub mod explain;
pub(crate) mod invalid;
pub(crate) mod live;
mod monitor;
mod pool;
pub mod url;
pub(crate) mod worker;

use std::sync::{Arc, RwLock};

use chrono::Utc;
use contract::{
    Code, Fault, Instant,
    session::Permission,
    target::{PoolView, TargetState, TargetView},
};
use sqlx::{
    ConnectOptions, Connection, PgConnection,
    pool::PoolConnection,
    postgres::{PgConnectOptions, Postgres},
};

use crate::{
    Caller, Engine, Error, Result,
    config::{MigrationSource, QueryLog, TargetConfig},
    stats::sample::Samples,
};

/// One managed database with its pool and its last known state. Cheap to clone.
#[derive(Clone)]
pub struct Target(Arc<Inner>);

struct Inner {
    config: TargetConfig,
    pool: pool::GaugedPool,
    state: RwLock<TargetState>,
    pending: RwLock<Option<i64>>,
    /// When the last look that a page asked for began.
    looked: tokio::sync::Mutex<Option<std::time::Instant>>,
    samples: Samples,
}

impl Target {
    pub(crate) fn new(config: TargetConfig, log: QueryLog) -> Self {
        let now = Utc::now();
        let starting = Fault::new(
            Code::TargetUnreachable,
            format!("{} has not been asked yet.", config.name),
        )
        .hint("Wait a second: the console is connecting.");
        Self(Arc::new(Inner {
            pool: pool::GaugedPool::new(&config, log),
            state: RwLock::new(TargetState::Down {
                fault: starting,
                since: now,
                retry_at: now,
            }),
            pending: RwLock::new(None),
            looked: tokio::sync::Mutex::default(),
            samples: Samples::default(),
            config,
        }))
    }

    /// The name in links and commands.
    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    /// The database's own name on its server.
    pub fn database(&self) -> &str {
        let options = &self.0.config.options;
        options.get_database().unwrap_or_else(|| options.get_username())
    }

    /// How to reach it. Holds the password.
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.0.config.options
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> &TargetConfig {
        &self.0.config
    }

    /// Which migrations belong to it.
    pub fn migrations(&self) -> &MigrationSource {
        &self.0.config.migrations
    }

    /// Host and port, or the socket's folder.
    pub fn address(&self) -> String {
        let options = self.options();
        match options.get_socket() {
            Some(socket) => format!("{}:{}", socket.display(), options.get_port()),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        }
    }

    /// Whether its server runs on the console's machine, as far as its address says.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        let options = self.options();
        options.get_socket().is_some() || matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1")
    }

    /// A connection of the pool, for a question that a page asks. It has a statement timeout of 15 s and a lock
    /// timeout of 2 s: no page hangs behind a lock.
    ///
    /// # Errors
    /// `Target` when none can be had.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>> {
        if !self.is_up() {
            // The pool would try until its time is over; one try of one's own fails at once and says why.
            self.connect("look").await?;
        }
        match self.0.pool.acquire().await {
            Ok(connection) => Ok(connection),
            Err(sqlx::Error::PoolTimedOut) => {
                // Either the pool is exhausted, or the server takes no more: a connection of one's own tells which.
                self.connect("look").await?;
                Err(self.error(sqlx::Error::PoolTimedOut))
            }
            Err(source) => Err(self.error(source)),
        }
    }

    /// A connection of its own, for a job: no timeouts, its own session, closed by dropping it. `purpose` is shown in
    /// `pg_stat_activity` as the application's name.
    ///
    /// # Errors
    /// `Target` when the server cannot be reached or refuses.
    pub async fn connect(&self, purpose: &str) -> Result<PgConnection> {
        self.connect_within(pool::JOB_CONNECT_TIMEOUT, purpose).await
    }

    async fn connect_within(&self, limit: std::time::Duration, purpose: &str) -> Result<PgConnection> {
        let options = self
            .options()
            .clone()
            .application_name(&format!("pgsteward {purpose}"))
            // Building an index is slow by nature, and the job tells how long it took.
            .disable_statement_logging();
        let connecting = PgConnection::connect_with(&options);
        match tokio::time::timeout(limit, connecting).await {
            Ok(connected) => connected.map_err(|source| self.error(source)),
            Err(_) => Err(self.error(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
        }
    }

    /// An error of this managed database.
    pub fn error(&self, source: sqlx::Error) -> Error {
        Error::Target {
            target: self.name().to_owned(),
            source,
            statement: None,
        }
    }

    /// An error of this managed database at a statement that may be shown.
    pub fn error_at(&self, source: sqlx::Error, statement: &str) -> Error {
        Error::Target {
            target: self.name().to_owned(),
            source,
            statement: Some(statement.to_owned()),
        }
    }

    /// The last known state.
    pub fn state(&self) -> TargetState {
        self.0
            .state
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    fn set_state(&self, state: TargetState) {
        *self
            .0
            .state
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = state;
    }

    /// Remembers how many migrations are pending, for the navigation.
    pub(crate) fn set_pending(&self, pending: Option<i64>) {
        *self
            .0
            .pending
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = pending;
    }

    pub(crate) fn view(&self, jobs: i64) -> TargetView {
        TargetView {
            name: self.name().to_owned(),
            database: self.database().to_owned(),
            address: self.address(),
            state: self.state(),
            has_migrations: *self.migrations() != MigrationSource::None,
            pending_migrations: *self
                .0
                .pending
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
            jobs,
        }
    }

    /// The last look at its tables.
    pub(crate) fn samples(&self) -> &Samples {
        &self.0.samples
    }

    fn is_up(&self) -> bool {
        matches!(self.state(), TargetState::Up(_))
    }

    fn down_since(&self) -> Option<Instant> {
        match self.state() {
            TargetState::Down { since, .. } => Some(since),
            TargetState::Up(_) => None,
        }
    }
}

/// The operations on managed databases as a whole.
pub struct Targets<'a>(pub(crate) &'a Engine);

impl Targets<'_> {
    /// The names of the managed databases, in the order of the configuration; known without asking any of them.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn names(&self, caller: &Caller) -> Result<Vec<String>> {
        caller.permit(Permission::ViewTarget)?;
        Ok(self
            .0
            .all_targets()
            .iter()
            .map(|target| target.name().to_owned())
            .collect())
    }

    /// Every managed database with its last known state.
    ///
    /// # Errors
    /// `Forbidden`; the store's failures.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<TargetView>> {
        caller.permit(Permission::ViewTarget)?;
        self.views().await
    }

    /// One managed database, looked at now.
    ///
    /// # Errors
    /// `NotFound`; the store's failures. A target that is down is no error: its view says so.
    pub async fn view(&self, caller: &Caller, name: &str) -> Result<TargetView> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(name)?;
        if target.is_up() {
            monitor::look_since(&target, std::time::Instant::now()).await;
        }
        let live = crate::jobs::store::live_by_target(self.0.store()).await?;
        Ok(target.view(live.get(name).copied().unwrap_or(0)))
    }

    /// The console's own pool for one managed database.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn pool(&self, caller: &Caller, name: &str) -> Result<PoolView> {
        caller.permit(Permission::ViewTarget)?;
        Ok(self.0.target(name)?.0.pool.view())
    }

    pub(crate) async fn views(&self) -> Result<Vec<TargetView>> {
        let live = crate::jobs::store::live_by_target(self.0.store()).await?;
        Ok(self
            .0
            .all_targets()
            .iter()
            .map(|target| target.view(live.get(target.name()).copied().unwrap_or(0)))
            .collect())
    }
}

pub(crate) use monitor::watch;
