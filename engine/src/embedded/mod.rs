//! The embedded PostgreSQL: a private cluster in the data folder, for those who have no database yet.
//!
//! Invariants: it listens on loopback and on a socket of its own, and asks for a password on both; several console
//! processes may use it at the same time, the first one starts it and the last one stops it; a cluster that a killed
//! console left running is used as it is; a lock file that a dead server left is no obstacle. Why this runs PostgreSQL's
//! own programs and no library: docs/decisions/0005-embedded-postgresql.md.

mod cluster;
mod lock;
mod process;
mod provide;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Result,
    target::url::{DatabaseUrl, Link},
};
use cluster::Cluster;
use lock::{Turn, Use};

/// The database that pgsteward ships with as its first managed one.
pub const MANAGED: &str = "ai_pal";
/// The console's own database.
pub const STORE: &str = "pgsteward";
/// The files and folders of the embedded PostgreSQL in the data folder.
pub const FILES: [&str; 7] = [
    cluster::DATA,
    cluster::UNFINISHED,
    cluster::PASSWORD,
    cluster::PORT,
    cluster::SOCKETS,
    lock::TURN,
    lock::USERS,
];

/// The embedded PostgreSQL, running, and in use by this process. Without [`Embedded::close`] it keeps running, and the
/// next console finds it.
pub struct Embedded {
    cluster: Cluster,
    top: PathBuf,
    port: u16,
    /// The least that the server must allow.
    connections: u32,
    password: SecretString,
    using: Use,
}

/// Between two looks whether the server lives.
const LOOK: Duration = Duration::from_secs(1);
/// The longest pause between two attempts to start it again.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long what is in the server's memory may take to be written before it is stopped.
const CHECKPOINT: Duration = Duration::from_secs(60);
/// When a person is told that this goes on.
const TELL: Duration = Duration::from_secs(2);

impl Embedded {
    /// Makes the cluster when there is none, starts it when it does not run, and makes the managed database in it.
    /// `connections` is the least that the server must allow; `programs` is
    /// the folder with PostgreSQL's programs, when it shall not be searched for.
    ///
    /// # Errors
    /// `Refused`, with the remedy: when the programs are of another version than the cluster, the folder cannot be
    /// used, or the server does not start (with the end of its log).
    #[crate::boxed]
    pub async fn open(data_dir: &Path, programs: Option<&Path>, connections: u32) -> Result<Self> {
        cluster::private_folder(data_dir)?;
        let top =
            std::fs::canonicalize(data_dir).map_err(Error::io(format!("entering {}", data_dir.display())))?;
        // Held while the cluster is started or stopped, so that nobody finds it half-way.
        let turn = Turn::take(&top).await?;
        let cluster = Cluster::new(&top, programs).await?;
        let password = cluster.prepare().await?;
        let port = match cluster.running().await? {
            Some(port) => {
                tracing::info!(port, "the embedded PostgreSQL runs already");
                port
            }
            None => cluster.start(connections).await?,
        };
        let using = Use::begin(&top)?;
        let embedded = Self {
            cluster,
            top,
            port,
            connections,
            password,
            using,
        };
        let provided = provide::databases(&embedded).await;
        drop(turn);
        match provided {
            Ok(()) => Ok(embedded),
            Err(error) => {
                embedded.close(Duration::from_secs(10)).await?;
                Err(error)
            }
        }
    }

    /// How to reach one of its databases: over loopback, as its superuser.
    pub fn database(&self, name: &str) -> DatabaseUrl {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(cluster::SUPERUSER)
            .password(secrecy::ExposeSecret::expose_secret(&self.password))
            .database(name)
            .ssl_mode(PgSslMode::Disable);
        DatabaseUrl {
            link: Link::default(),
            options,
            password: Some(self.password.clone()),
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Looks whether the server lives until told to stop, and starts it again when it died.
    #[crate::boxed]
    pub async fn keep_alive(&self, stop: CancellationToken) {
        let mut pause = LOOK;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = match self.start_if_dead().await {
                Ok(()) => LOOK,
                Err(error) => {
                    tracing::error!(
                        error = error.chain(),
                        "the embedded PostgreSQL could not be started again"
                    );
                    (pause * 2).min(LONGEST_PAUSE)
                }
            };
        }
    }

    async fn start_if_dead(&self) -> Result<()> {
        if self.cluster.lives()? {
            return Ok(());
        }
        // Another console may see the same, and one of them starts it.
        let _turn = Turn::take(&self.top).await?;
        if self.cluster.running().await?.is_none() {
            tracing::error!(
                "the embedded PostgreSQL died and is started again; its log tells why: {}",
                self.top.join(cluster::DATA).join("log").display()
            );
            self.cluster.start_again(self.port, self.connections).await?;
            tracing::info!(port = self.port, "the embedded PostgreSQL runs again");
        }
        Ok(())
    }

    /// Leaves the cluster, and stops it when no other process uses it: what is in its memory is written first, for a minute
    /// at most; then clients are disconnected, and when the server needs longer than `within` for the rest, it is stopped
    /// at once and recovers at its next start.
    ///
    /// # Errors
    /// When the server cannot be stopped.
    #[crate::boxed]
    pub async fn close(&self, within: Duration) -> Result<()> {
        let turn = Turn::take(&self.top).await?;
        if self.using.end_as_last()? {
            self.checkpoint().await;
            self.cluster.stop(within).await?;
            tracing::info!("the embedded PostgreSQL has stopped");
        } else {
            tracing::info!("another console uses the embedded PostgreSQL; it keeps running");
        }
        drop(turn);
        Ok(())
    }

    /// Lets the server write its memory to disk while it still answers: a stop that has to do so is easily taken for one
    /// that hangs. Without it the stop only takes longer.
    async fn checkpoint(&self) {
        let work = provide::checkpoint(self);
        tokio::pin!(work);
        let done = match tokio::time::timeout(TELL, &mut work).await {
            Ok(done) => Ok(done),
            Err(_) => {
                tracing::info!(
                    "the embedded PostgreSQL writes its memory to disk before it stops, which takes a minute at most"
                );
                tokio::time::timeout(CHECKPOINT, work).await
            }
        };
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = error.chain(), "no checkpoint before the stop"),
            Err(_) => {
                tracing::warn!("the checkpoint before the stop took over a minute; stopping all the same")
            }
        }
    }
}
