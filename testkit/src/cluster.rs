use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};

use crate::address::{encoded, loopback_url, url_at};
use crate::failure::{Doing, or_fail};
use crate::server::{PASSWORD, SUPERUSER, Server};
use crate::{ClusterOptions, Database, Failure, Version};

/// A private PostgreSQL server in a temporary folder, which ends with this value or with the process.
///
/// The superuser is `postgres`; TCP on 127.0.0.1 asks for its password, the Unix socket trusts everyone.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) server: Arc<Server>,
    databases: AtomicU32,
}

/// The cluster that all tests of this process share, started by the first one that asks. Do not stop it and do not change
/// its settings; start one of your own for that.
pub async fn shared() -> &'static Cluster {
    static SHARED: Once = OnceLock::new();
    // A pool that a test leaves behind keeps its connections until the process ends, and hundreds of tests share this.
    once(&SHARED, ClusterOptions::new().max_connections(1000)).await
}

/// As [`shared`], of one version.
pub async fn shared_of(version: Version) -> &'static Cluster {
    static SHARED: [Once; Version::ALL.len()] = [const { OnceLock::new() }; _];
    let place = &SHARED[version as usize];
    once(place, ClusterOptions::new().version(version)).await
}

type Once = OnceLock<Result<Cluster, Failure>>;

async fn once(place: &'static Once, options: ClusterOptions) -> &'static Cluster {
    // Each test has a runtime of its own that ends with it, so nothing here may belong to a runtime.
    let started = blocking(move || Ok(place.get_or_init(|| Server::start(&options).map(Cluster::of)))).await;
    or_fail(started).as_ref().unwrap_or_else(|failure| failure.fail())
}

impl Cluster {
    /// Makes and starts a cluster with the default options; takes about a second.
    pub async fn start() -> Self {
        Self::start_with(ClusterOptions::default()).await
    }

    /// Makes and starts a cluster with these options.
    pub async fn start_with(options: ClusterOptions) -> Self {
        or_fail(Self::try_start(options).await)
    }

    /// As [`Cluster::start_with`], with the reason instead of a panic.
    ///
    /// # Errors
    /// When programs are missing or the server does not start; the text ends with the server's own last words.
    pub async fn try_start(options: ClusterOptions) -> Result<Self, Failure> {
        blocking(move || Server::start(&options)).await.map(Self::of)
    }

    /// Makes a fresh, empty database whose name begins with `hint`.
    pub async fn database(&self, hint: &str) -> Database {
        self.database_from("template1", hint).await
    }

    /// Makes a copy of a database, which must be of this cluster. Connections to the original are ended for it.
    pub async fn database_from_template(&self, hint: &str, template: &Database) -> Database {
        let mut admin = self.admin().await;
        let ended =
            sqlx::query("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1")
                .bind(template.name())
                .execute(&mut admin)
                .await;
        or_fail(ended.doing("ending connections to the template"));
        self.database_from(template.name(), hint).await
    }

    async fn database_from(&self, template: &str, hint: &str) -> Database {
        let number = self.databases.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("{hint}_{number}");
        if name.len() > 63 {
            Failure::new(format!(
                "{name:?} is longer than PostgreSQL's 63 bytes for a name"
            ))
            .fail();
        }
        self.execute(&format!(
            "create database {} template {}",
            quoted(&name),
            quoted(template)
        ))
        .await;
        Database::new(&name, self)
    }

    /// A superuser's connection to the database `postgres`.
    pub async fn admin(&self) -> PgConnection {
        or_fail(
            self.socket_options("postgres")
                .connect()
                .await
                .doing("connecting to the test cluster"),
        )
    }

    /// Runs statements as superuser in the database `postgres`: roles, `alter system`, `pg_reload_conf()`.
    pub async fn execute(&self, sql: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.admin().await)
            .await;
        or_fail(done.doing(sql));
    }

    /// How to connect over the Unix socket, without a password.
    #[must_use]
    pub fn socket_options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.server.sockets())
            .port(self.server.port)
            .username(SUPERUSER)
            .database(database)
    }

    /// The address of a database over TCP, with user and password: `postgres://user:password@127.0.0.1:port/name`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_of(SUPERUSER, PASSWORD, self.port(), database)
    }

    /// As [`Cluster::url`], for another user or, with a [`crate::Proxy`] between, another port.
    #[must_use]
    pub fn url_of(&self, user: &str, password: &str, port: u16, database: &str) -> String {
        loopback_url(user, password, port, database)
    }

    /// As [`Cluster::url`], by this name of 127.0.0.1 (`localhost` is one) and with full verification of the server's
    /// certificate against the authority in the file `root`.
    #[must_use]
    pub fn verified_url(&self, host: &str, root: &Path, database: &str) -> String {
        let root = encoded(&root.to_string_lossy());
        let url = url_at(host, SUPERUSER, PASSWORD, self.port(), database);
        format!("{url}?sslmode=verify-full&sslrootcert={root}")
    }

    /// Where it listens on 127.0.0.1. The same after a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The superuser's name.
    #[must_use]
    pub fn superuser(&self) -> &'static str {
        SUPERUSER
    }

    /// The superuser's password, for TCP.
    #[must_use]
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// The folder of its Unix socket, in the form that libpq's `host` takes.
    #[must_use]
    pub fn socket_dir(&self) -> PathBuf {
        self.server.sockets()
    }

    /// PGDATA. It belongs to the server's own user.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.server.data()
    }

    /// The folder that holds all this cluster has; it is gone when the cluster is.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.server.folder().to_path_buf()
    }

    /// The folder of the programs that belong to this server's version.
    #[must_use]
    pub fn bin_dir(&self) -> PathBuf {
        self.server.bin.clone()
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Stops the server as in an emergency (mode immediate): clients see their line break.
    pub async fn stop(&self) {
        self.blocking(Server::stop).await;
    }

    /// Starts the stopped or killed server again, on the same port, with what it had committed.
    pub async fn start_again(&self) {
        self.blocking(Server::run).await;
    }

    /// Kills every process of the server with SIGKILL.
    pub async fn kill9(&self) {
        self.blocking(Server::kill9).await;
    }

    pub(crate) fn of(server: Server) -> Self {
        Self {
            server: Arc::new(server),
            databases: AtomicU32::new(0),
        }
    }

    async fn blocking(&self, act: fn(&Server) -> Result<(), Failure>) {
        let server = Arc::clone(&self.server);
        or_fail(blocking(move || act(&server)).await);
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(act)
        .await
        .doing("starting or stopping a cluster")?
}

/// An identifier as SQL writes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
