mod options;

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use options::{PgBouncerOptions, PoolMode};

use crate::address::loopback_url;
use crate::cluster::blocking;
use crate::failure::or_fail;
use crate::owner::Owner;
use crate::server::new_folder;
use crate::system::{free_port, log_in};
use crate::watchdog::{ENDED, Watchdog};
use crate::{Cluster, Failure, programs};

/// A PgBouncer before all databases of a cluster, which ends with this value or with the process. It lets in the cluster's
/// superuser by its password.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    user: String,
    password: String,
    folder: PathBuf,
    _watchdog: Watchdog,
}

impl PgBouncer {
    /// Starts one of this mode before a cluster, with PgBouncer's defaults for the rest.
    pub async fn before(cluster: &Cluster, mode: PoolMode) -> Self {
        Self::start_with(cluster, PgBouncerOptions::new(mode)).await
    }

    /// Starts one with these options before a cluster.
    pub async fn start_with(cluster: &Cluster, options: PgBouncerOptions) -> Self {
        or_fail(Self::try_start(cluster, options).await)
    }

    /// As [`PgBouncer::start_with`], with the reason instead of a panic.
    ///
    /// # Errors
    /// When the program is missing or does not start; the text ends with its own last words.
    pub async fn try_start(cluster: &Cluster, options: PgBouncerOptions) -> Result<Self, Failure> {
        let (server, user, password) = (cluster.port(), cluster.superuser(), cluster.password());
        blocking(move || Self::start(server, user, password, &options)).await
    }

    /// The address of a database behind it, as the superuser: `postgres://user:password@127.0.0.1:port/name`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        loopback_url(&self.user, &self.password, self.port, database)
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that holds all it has; it is gone when PgBouncer is.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        log_in(&self.folder)
    }

    fn start(server: u16, user: &str, password: &str, options: &PgBouncerOptions) -> Result<Self, Failure> {
        let program = programs::pgbouncer()?;
        let owner = Owner::choose()?;
        for attempt in 1.. {
            let folder = new_folder(owner)?;
            let port = free_port()?;
            let users = format!("\"{user}\" \"{password}\"\n");
            owner.write(&folder.join("users.txt"), &users, 0o600)?;
            let configuration = options.configuration(server, port, &folder);
            owner.write(&folder.join("pgbouncer.ini"), &configuration, 0o600)?;
            let watchdog = Watchdog::over_pgbouncer(owner, &program, &folder)?;
            match wait_for(port, &folder) {
                Ok(()) => {
                    return Ok(Self {
                        port,
                        user: user.to_owned(),
                        password: password.to_owned(),
                        folder,
                        _watchdog: watchdog,
                    });
                }
                // Somebody else was faster; any other reason would come again.
                Err(_) if attempt < 5 && log_in(&folder).contains("Address already in use") => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::new("found no port for PgBouncer"))
    }
}

/// Waits until it takes connections. The watchdog leaves a mark when the program has ended by itself.
#[expect(
    clippy::disallowed_methods,
    reason = "runs on a thread for blocking work, and nothing tells of a port that somebody begins to listen on"
)]
fn wait_for(port: u16, folder: &Path) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() || folder.join(ENDED).exists() {
        if folder.join(ENDED).exists() || Instant::now() > deadline {
            return Err(Failure::new(format!(
                "PgBouncer did not start. Its log is:\n{}",
                log_in(folder)
            )));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
