//! Managed databases: how they are reached, and whether they can be.

mod catalog;
pub mod explain;
pub(crate) mod findings;
pub(crate) mod identity;
pub(crate) mod invalid;
pub(crate) mod live;
pub(crate) mod look;
mod monitor;
mod pool;
mod pooler;
mod replica;
mod series;
pub(crate) mod silence;
pub mod url;
pub(crate) mod worker;

use std::{
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::Utc;
use contract::{
    Code, Fault, Instant,
    audit::Severity,
    session::Permission,
    target::{PoolView, ReplicaView, TargetState, TargetView},
};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::sync::watch;

use crate::{
    Caller, Engine, Error, Result,
    activity::{Looks, Watched},
    audit,
    config::{MigrationSource, QueryLog, TargetConfig},
    finding::{self, Kept},
    stats::sample::Samples,
};

use look::Look;
use url::Link;

/// How long a page waits for a look to begin.
const BEGINS: Duration = Duration::from_secs(20);

/// One managed database with its pool and its last known state. Cheap to clone.
#[derive(Clone)]
pub struct Target(
    Arc<Inner>,
    /// For a job: the number in the store of the database that each of its sessions must lead to.
    Option<i64>,
);

/// What every target knows of the console.
pub(crate) struct Home {
    /// Where is written down which database a name stands for.
    pub store: PgPool,
    /// What the store itself is, which is never managed.
    pub identity: identity::Identity,
    /// The names of all targets.
    pub names: Vec<String>,
}

struct Inner {
    config: TargetConfig,
    pool: pool::GaugedPool,
    replicas: Vec<replica::Replica>,
    size: std::sync::Mutex<Option<monitor::Size>>,
    /// `None` until it was asked for the first time.
    state: watch::Sender<Option<TargetState>>,
    pending: RwLock<Option<i64>>,
    /// When the last look that a page asked for began.
    looked: tokio::sync::Mutex<Option<std::time::Instant>>,
    samples: Samples,
    watched: Watched,
    activity_looks: Looks,
    home: Arc<Home>,
    identity: RwLock<identity::Known>,
    kept: Kept,
    /// Whether a session was seen to stay one: no pooler lends its connection to others between two statements.
    keeps_sessions: AtomicBool,
}

impl Target {
    pub(crate) fn new(config: TargetConfig, log: QueryLog, home: Arc<Home>) -> Self {
        let inner = Inner {
            pool: pool::GaugedPool::new(&config, log),
            size: std::sync::Mutex::default(),
            replicas: config
                .replicas
                .iter()
                .cloned()
                .map(replica::Replica::new)
                .collect(),
            state: watch::Sender::new(None),
            pending: RwLock::new(None),
            looked: tokio::sync::Mutex::default(),
            samples: Samples::default(),
            watched: Watched::default(),
            activity_looks: Looks::default(),
            home,
            identity: RwLock::new(identity::Known::Nothing),
            kept: Kept::default(),
            keeps_sessions: AtomicBool::new(false),
            config,
        };
        Self(Arc::new(inner), None)
    }

    /// The name in links and commands.
    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    /// How large its disk is, in bytes, where somebody said so.
    pub(crate) fn disk_bytes(&self) -> Option<i64> {
        self.0.config.disk_bytes
    }

    /// The same for a job: its sessions lead to this database, by its number in the store, or fail.
    pub(crate) fn bound_to(&self, database: i64) -> Self {
        Self(Arc::clone(&self.0), Some(database))
    }

    fn bound(&self) -> Option<i64> {
        self.1
    }

    fn store(&self) -> &PgPool {
        &self.0.home.store
    }

    fn store_identity(&self) -> &identity::Identity {
        &self.0.home.identity
    }

    fn names(&self) -> &[String] {
        &self.0.home.names
    }

    fn identity(&self) -> RwLockReadGuard<'_, identity::Known> {
        self.0.identity.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_identity(&self, known: identity::Known) {
        *self.0.identity.write().unwrap_or_else(PoisonError::into_inner) = known;
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

    /// Where a session of a job's own is had: the server's own address, where there is one beside a pooler's. With the
    /// password, and with what else the URL says.
    pub(crate) fn session_address(&self) -> (&PgConnectOptions, Option<&SecretString>, &Link) {
        let config = &self.0.config;
        match &config.direct {
            Some(direct) => (&direct.options, direct.password.as_ref(), &direct.link),
            None => (&config.options, config.password.as_ref(), &config.link),
        }
    }

    /// Which migrations were chosen for it; `migration::source` says which belong to it.
    pub(crate) fn migrations(&self) -> &MigrationSource {
        &self.0.config.migrations
    }

    /// Whether its URL itself says in which schemas unqualified names are.
    pub(crate) fn chooses_search_path(&self) -> bool {
        self.options()
            .get_options()
            .is_some_and(|options| options.contains("search_path"))
    }

    /// Host and port, or the socket's folder.
    pub fn address(&self) -> String {
        address(self.options())
    }

    /// Whether its server runs on the console's machine, as far as its address says.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        let options = self.options();
        options.get_socket().is_some() || matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1")
    }

    /// A look for a page or a sampler: see [`look`]. What is known to be down is answered at once, with what is known.
    ///
    /// # Errors
    /// `Target`, or the refusal that the monitor met, when there is none to be had.
    pub(crate) async fn look(&self) -> Result<Look> {
        if self.0.state.borrow().is_none() {
            monitor::look_since(self, std::time::Instant::now()).await;
        }
        let mut state = self.0.state.subscribe();
        let goes_down = async {
            let down = state
                .wait_for(|state| matches!(state, Some(TargetState::Down { .. })))
                .await;
            match down.map(|state| state.clone()) {
                Ok(Some(TargetState::Down { fault, .. })) => fault,
                // The sender lives as long as the target.
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            fault = goes_down => Err(Error::Refused(fault)),
            begun = self.begin() => begun,
        }
    }

    /// Asks the server anew, on fresh connections: what is known of it may be of a session that somebody ended.
    pub(crate) async fn look_again(&self) {
        self.close_idle().await;
        monitor::look_since(self, std::time::Instant::now()).await;
    }

    async fn begin(&self) -> Result<Look> {
        let beginning = async {
            let connection = match self.0.pool.acquire().await {
                Err(sqlx::Error::PoolTimedOut) => {
                    // Either the pool is exhausted, or the server takes no more: a connection of one's own tells which.
                    self.try_to_connect().await?;
                    return Err(self.error(sqlx::Error::PoolTimedOut));
                }
                acquired => acquired.map_err(|source| self.error(source))?,
            };
            let mut look = look::begin(connection)
                .await
                .map_err(|source| self.error(source))?;
            if self.1.is_some() {
                self.check(&mut look).await?;
            }
            Ok(look)
        };
        match tokio::time::timeout(BEGINS, beginning).await {
            Ok(begun) => begun,
            Err(_) => Err(self.error(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
        }
    }

    /// Connects and goes away again: says at once what is wrong, where the pool would try until its time is over.
    async fn try_to_connect(&self) -> Result<()> {
        let (options, link) = (&self.0.config.options, &self.0.config.link);
        let connection = self
            .connect_at(options, link, pool::CONNECT_TIMEOUT, "look")
            .await?;
        connection.close().await.ok();
        Ok(())
    }

    /// A connection of its own, for a job: no timeouts, its own session, closed by dropping it. `purpose` is shown in
    /// `pg_stat_activity` as the application's name. Its search_path is that of a look; what users wrote asks for theirs by
    /// [`look::USERS_PATH`].
    ///
    /// # Errors
    /// `Target` when the server cannot be reached or refuses.
    pub async fn connect(&self, purpose: &str) -> Result<PgConnection> {
        // A pooler may have few connections, and those that only wait for the next page are in the job's way.
        self.0.pool.close_idle().await;
        let mut connection = self.connect_to_session(purpose).await?;
        if !self.0.keeps_sessions.load(Ordering::Relaxed) {
            let mut other = self.connect_to_session("check").await?;
            let lends = pooler::lends_by_transaction(&mut connection, &mut other).await;
            if lends.map_err(|source| self.error(source))? {
                return Err(self.needs_session());
            }
            other.close().await.ok();
            self.0.keeps_sessions.store(true, Ordering::Relaxed);
        }
        sqlx::raw_sql(look::SESSION)
            .execute(&mut connection)
            .await
            .map_err(|source| self.error(source))?;
        Ok(connection)
    }

    /// A session of its own in another database of the same server, for what can be done to this one only while nobody is in
    /// it. `postgres` where that can be had, else any other one but these; `template1` last, because no database can be made
    /// from it meanwhile.
    ///
    /// # Errors
    /// `Target` when the server cannot be reached; `Conflict` when it lets the console into no other database.
    pub(crate) async fn connect_outside(&self, but: &[&str], purpose: &str) -> Result<PgConnection> {
        let (options, _, link) = self.session_address();
        let into = async |name: &str| {
            let options = options.clone().database(name);
            let mut connection = self
                .connect_at(&options, link, pool::JOB_CONNECT_TIMEOUT, purpose)
                .await?;
            sqlx::raw_sql(look::SESSION)
                .execute(&mut connection)
                .await
                .map_err(|source| self.error(source))?;
            Ok::<_, Error>(connection)
        };
        let is_another = |name: &str| !but.contains(&name) && name != self.database();
        let mut found = match is_another("postgres") {
            true => into("postgres").await,
            false => Err(self.error(sqlx::Error::PoolClosed)),
        };
        if let Err(Error::Target {
            source: sqlx::Error::Io(_) | sqlx::Error::Tls(_),
            ..
        }) = &found
        {
            return found;
        }
        if found.is_err() {
            let mut names: Vec<String> = Vec::new();
            let asked = match self.connect_unchecked(pool::JOB_CONNECT_TIMEOUT, purpose).await {
                Ok(connection) => Ok(connection),
                Err(_) => into("template1").await,
            };
            if let Ok(mut connection) = asked {
                names = look::query_scalar(
                    "select datname::text
                       from pg_catalog.pg_database
                      where datallowconn
                        and not datistemplate
                        and datconnlimit operator(pg_catalog.<>) -2
                        and pg_catalog.has_database_privilege(oid, 'connect')
                      order by 1
                      limit 20",
                )
                .fetch_all(&mut connection)
                .await
                .map_err(|source| self.error(source))?;
            }
            names.push("template1".to_owned());
            for name in names.iter().filter(|name| is_another(name)) {
                found = into(name).await;
                if found.is_ok() {
                    break;
                }
            }
        }
        found.map_err(|error| {
            Error::conflict(
                format!(
                    "{} lets the console into no other database, and a database can be renamed or dropped only from another one: {}",
                    self.address(),
                    error.fault().message
                ),
                "Let the console's user connect to the database postgres, or to any other one there.",
            )
        })
    }

    /// A connection to another database of the same server, for a job that made it; as the console's role, or as another
    /// one with its password. Where it leads is for the caller to look at.
    ///
    /// # Errors
    /// `Target` when the server cannot be reached or refuses.
    pub(crate) async fn connect_beside(
        &self,
        database: &str,
        login: Option<(&str, &SecretString)>,
        purpose: &str,
    ) -> Result<PgConnection> {
        let (options, _, link) = self.session_address();
        let mut options = options.clone().database(database);
        if let Some((role, password)) = login {
            options = options.username(role).password(password.expose_secret());
        }
        let mut connection = self
            .connect_at(&options, link, pool::JOB_CONNECT_TIMEOUT, purpose)
            .await?;
        sqlx::raw_sql(look::SESSION)
            .execute(&mut connection)
            .await
            .map_err(|source| self.error(source))?;
        Ok(connection)
    }

    /// Closes the pool's idle connections, for a tool that needs one of its own.
    pub(crate) async fn close_idle(&self) {
        self.0.pool.close_idle().await;
    }

    async fn connect_to_session(&self, purpose: &str) -> Result<PgConnection> {
        let limit = pool::JOB_CONNECT_TIMEOUT;
        let mut connection = self.connect_unchecked(limit, purpose).await?;
        match tokio::time::timeout(limit, self.check(&mut connection)).await {
            Ok(checked) => checked.map(|()| connection),
            Err(_) => Err(self.error(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
        }
    }

    /// A connection of its own to whatever database is there.
    async fn connect_unchecked(&self, limit: Duration, purpose: &str) -> Result<PgConnection> {
        let (options, _, link) = self.session_address();
        self.connect_at(options, link, limit, purpose).await
    }

    fn needs_session(&self) -> Error {
        let name = self.name();
        Error::conflict(
            format!(
                "{name} is reached through a pooler that lends a server's connection for one transaction only, and this needs \
                 a session of its own."
            ),
            match self.0.config.direct {
                None => {
                    "Give the console the server's own address as well: DATABASE_DIRECT_URL, or direct_url in this \
                     database's section of pgsteward.toml. Pages need no such address."
                }
                Some(_) => "Its direct address leads to a pooler too: name the server itself there.",
            },
        )
    }

    async fn connect_at(
        &self,
        options: &PgConnectOptions,
        link: &Link,
        usual: Duration,
        purpose: &str,
    ) -> Result<PgConnection> {
        link.check().map_err(|problem| {
            Error::Refused(
                Fault::new(
                    Code::TargetUnreachable,
                    format!("{} cannot be reached: {problem}.", self.name()),
                )
                .hint("Put the file there, or correct its path in the database's URL."),
            )
        })?;
        let limit = link.connect_timeout.unwrap_or(usual);
        let options = options
            .clone()
            // PgBouncer refuses a startup parameter that it does not know.
            .extra_float_digits(None)
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
        self.0.state.borrow().clone().unwrap_or_else(|| {
            let now = Utc::now();
            TargetState::Down {
                fault: Fault::new(
                    Code::TargetUnreachable,
                    format!("{} has not been asked yet.", self.name()),
                )
                .hint("Wait a second: the console is connecting."),
                since: now,
                retry_at: now,
            }
        })
    }

    fn set_state(&self, state: TargetState) {
        self.0.state.send_replace(Some(state));
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
        let pending = *self
            .0
            .pending
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let state = self.state();
        let is_up = matches!(state, TargetState::Up(_));
        TargetView {
            findings: self.kept().list(findings::of_state(&state), is_up),
            name: self.name().to_owned(),
            database: self.database().to_owned(),
            address: self.address(),
            state,
            has_migrations: match self.migrations() {
                MigrationSource::AiPal | MigrationSource::Folder(_) => true,
                MigrationSource::None => false,
                MigrationSource::Unchosen => pending.is_some(),
            },
            pending_migrations: pending,
            replicas: self.replicas(),
            jobs,
        }
    }

    /// The last look at its tables.
    pub(crate) fn samples(&self) -> &Samples {
        &self.0.samples
    }

    /// What was seen of its running commands.
    pub(crate) fn watched(&self) -> &Watched {
        &self.0.watched
    }

    /// The last look at its sessions.
    pub(crate) fn activity_looks(&self) -> &Looks {
        &self.0.activity_looks
    }

    /// What was found at last.
    pub(crate) fn kept(&self) -> &Kept {
        &self.0.kept
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(*self.0.state.borrow(), Some(TargetState::Up(_)))
    }

    fn down_since(&self) -> Option<Instant> {
        match &*self.0.state.borrow() {
            Some(TargetState::Down { since, .. }) => Some(*since),
            _ => None,
        }
    }
}

/// The operations on managed databases as a whole.
pub struct Targets<'a>(pub(crate) &'a Engine);

impl Targets<'_> {
    /// The name of the managed database where there is only one, for whoever has just logged in.
    pub fn only_one(&self) -> Option<String> {
        match self.0.all_targets() {
            [only] => Some(only.name().to_owned()),
            _ => None,
        }
    }

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
    #[crate::boxed]
    pub async fn list(&self, caller: &Caller) -> Result<Vec<TargetView>> {
        caller.permit(Permission::ViewTarget)?;
        self.views().await
    }

    /// One managed database, looked at now; its findings are those after all that is known to have been done.
    ///
    /// # Errors
    /// `NotFound`; the store's failures. A target that is down is no error: its view says so.
    #[crate::boxed]
    pub async fn view(&self, caller: &Caller, name: &str) -> Result<TargetView> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(name)?;
        if target.is_up() || target.0.state.borrow().is_none() {
            monitor::look_since(&target, std::time::Instant::now()).await;
        }
        finding::refresh(self.0, &target).await;
        let live = crate::jobs::store::live_by_target(self.0.store()).await?;
        Ok(target.view(live.get(name).copied().unwrap_or(0)))
    }

    /// The console's own pool for one managed database.
    ///
    /// # Errors
    /// `NotFound`.
    #[crate::boxed]
    pub async fn pool(&self, caller: &Caller, name: &str) -> Result<PoolView> {
        caller.permit(Permission::ViewTarget)?;
        Ok(self.0.target(name)?.0.pool.view())
    }

    /// The replicas of a managed database, looked at now.
    ///
    /// # Errors
    /// `NotFound`. A replica that cannot be asked is no error: its view says why.
    #[crate::boxed]
    pub async fn replicas(&self, caller: &Caller, name: &str) -> Result<Vec<ReplicaView>> {
        caller.permit(Permission::ViewTarget)?;
        Ok(self.0.target(name)?.probe_replicas().await)
    }

    /// Lets a name stand for the database that is reached under it now, after a move to another server or a restore. The
    /// jobs that the other one still had are over.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound`; `Conflict` while a console still sees the other database; `Target`; the store's failures.
    #[crate::boxed]
    pub async fn adopt(&self, caller: &Caller, name: &str) -> Result<Option<String>> {
        caller.permit(Permission::ManageTargets)?;
        let target = self.0.target(name)?;
        let adopted = target.adopt().await?;
        if let Some(words) = &adopted {
            let entry = audit::Entry {
                severity: Severity::Warning,
                target: Some(name),
                detail: Some(words),
                ..audit::Entry::by(caller, "target.adopt")
            };
            audit::record(&mut *self.0.store().acquire().await?, entry).await?;
        }
        Ok(adopted)
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

/// Host and port, or the socket's folder.
pub(crate) fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("{}:{}", socket.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

pub(crate) use monitor::{meet, watch};
pub(crate) use pool::CONNECT_TIMEOUT;
pub(crate) use replica::Beside;
