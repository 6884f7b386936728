//! The cluster's folder and its server, by `initdb` and `pg_ctl`.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{ErrorKind, Write},
    net::TcpListener,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use contract::{Code, Fault};
use rand::{Rng, distr::Alphanumeric};
use secrecy::{ExposeSecret, SecretString};
use tokio::{net::TcpStream, process::Command, time::Instant};

use super::process::{self, Found};
use crate::{Error, Result, programs::Programs};

pub(super) const DATA: &str = "postgres";
pub(super) const UNFINISHED: &str = "postgres.unfinished";
pub(super) const PASSWORD: &str = "postgres.password";
pub(super) const PORT: &str = "postgres.port";
pub(super) const SOCKETS: &str = "postgres.run";
pub(super) const SUPERUSER: &str = "postgres";

/// What a cluster cannot do without.
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "pg_ctl"];
/// Recovery after a crash may take its time.
const START: Duration = Duration::from_secs(300);
/// The path of a Unix socket ends at 107 bytes, and its name takes up to 15.
const LONGEST_FOLDER: usize = 91;

/// The files of one cluster, and the programs that work on them.
pub(super) struct Cluster {
    top: PathBuf,
    programs: Programs,
}

impl Cluster {
    /// The cluster below `top`, with the programs of its version: those of the folder `given`, else those found.
    pub(super) async fn new(top: &Path, given: Option<&Path>) -> Result<Self> {
        let mut programs = Programs::find(given, &PROGRAMS).await?;
        if let (None, Some(major)) = (given, major_of(top))
            && programs.version().major != major
            && let Ok(own) = Programs::find(
                Some(Path::new(&format!("/usr/lib/postgresql/{major}/bin"))),
                &PROGRAMS,
            )
            .await
        {
            programs = own;
        }
        Ok(Self {
            top: top.to_owned(),
            programs,
        })
    }

    fn data(&self) -> PathBuf {
        self.top.join(DATA)
    }

    /// Makes the cluster when there is none; gives its superuser's password.
    pub(super) async fn prepare(&self) -> Result<SecretString> {
        let password = self.password()?;
        if major_of(&self.top).is_some() {
            let password = password.ok_or_else(|| self.no_password())?;
            self.check_version()?;
            return Ok(password);
        }
        let password = match password {
            Some(password) => password,
            None => self.new_password()?,
        };
        self.initialise().await?;
        Ok(password)
    }

    /// The port of the server when it runs and takes connections.
    pub(super) async fn running(&self) -> Result<Option<u16>> {
        match process::look(&self.data())? {
            Found::None => Ok(None),
            Found::Stale(lock) => process::clear(&self.data(), &lock).await.map(|()| None),
            Found::Running(port) => {
                let begun = Instant::now();
                // It may be starting: someone killed the console that started it.
                while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                    match process::look(&self.data())? {
                        Found::Running(_) if begun.elapsed() < START => {}
                        Found::Running(_) => return Err(self.failed("does not take connections")),
                        Found::None | Found::Stale(_) => return Ok(None),
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Ok(Some(port))
            }
        }
    }

    /// Starts the server and waits until it takes connections; gives its port, the one of last time if it is free.
    pub(super) async fn start(&self, connections: u32) -> Result<u16> {
        let remembered = fs::read_to_string(self.top.join(PORT))
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let mut port = match remembered.filter(|&port| is_free(port)) {
            Some(port) => port,
            None => free_port()?,
        };
        for attempt in 1.. {
            if self.launch(port, connections).await? {
                break;
            }
            // Somebody else took the port this moment; any other reason would come again.
            if attempt == 5 || !self.log_end().contains("Address already in use") {
                return Err(self.failed("did not start"));
            }
            port = free_port()?;
        }
        write(&self.top.join(PORT), &format!("{port}\n"), false)?;
        tracing::info!(port, folder = %self.data().display(), "the embedded PostgreSQL has started");
        Ok(port)
    }

    /// Starts a server that died again, on the port where its clients look for it.
    pub(super) async fn start_again(&self, port: u16, connections: u32) -> Result<()> {
        match self.launch(port, connections).await? {
            true => Ok(()),
            false => Err(self.failed("did not start again")),
        }
    }

    async fn launch(&self, port: u16, connections: u32) -> Result<bool> {
        self.configure(port, connections)?;
        let started = self
            .pg_ctl("start")
            .arg("--log")
            .arg(self.log())
            .args(["--wait", "--timeout"])
            .arg(START.as_secs().to_string())
            .status()
            .await
            .map_err(Error::io("running pg_ctl"))?;
        Ok(started.success())
    }

    /// Whether the server's main process lives.
    pub(super) fn lives(&self) -> Result<bool> {
        Ok(matches!(process::look(&self.data())?, Found::Running(_)))
    }

    /// Stops the server: clients are disconnected; when it takes longer than `within` leaves, it is stopped at once.
    pub(super) async fn stop(&self, within: Duration) -> Result<()> {
        let patience = within.saturating_sub(Duration::from_secs(2)).as_secs().max(2);
        for (mode, seconds) in [("fast", patience), ("immediate", 5)] {
            // Never without this look: pg_ctl signals whatever process the lock file names.
            if !matches!(process::look(&self.data())?, Found::Running(_)) {
                return Ok(());
            }
            let stopped = self
                .pg_ctl("stop")
                .args(["--mode", mode, "--wait", "--timeout", &seconds.to_string()])
                .status()
                .await
                .map_err(Error::io("running pg_ctl"))?;
            if stopped.success() {
                return Ok(());
            }
            match mode {
                "fast" => tracing::warn!(
                    seconds,
                    "the embedded PostgreSQL did not stop in time and is stopped at once: its next start recovers, which loses \
                     its activity statistics and nothing else"
                ),
                _ => tracing::warn!(seconds, "the embedded PostgreSQL did not stop in time"),
            }
        }
        match process::look(&self.data())? {
            Found::Running(_) => Err(self.failed("could not be stopped")),
            Found::None | Found::Stale(_) => Ok(()),
        }
    }

    fn password(&self) -> Result<Option<SecretString>> {
        match fs::read_to_string(self.top.join(PASSWORD)) {
            Ok(text) => Ok(Some(text.trim_end().into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format!(
                "reading {}",
                self.top.join(PASSWORD).display()
            ))(error)),
        }
    }

    fn new_password(&self) -> Result<SecretString> {
        // 32 letters and digits are 190 bits.
        let password: String = rand::rng()
            .sample_iter(&Alphanumeric)
            .take(32)
            .map(char::from)
            .collect();
        let password = SecretString::from(password);
        write(&self.top.join(PASSWORD), password.expose_secret(), true)?;
        Ok(password)
    }

    fn no_password(&self) -> Error {
        Error::conflict(
            format!(
                "The embedded PostgreSQL's password file {} is gone.",
                self.top.join(PASSWORD).display()
            ),
            format!(
                "Put it back, or move {} away to begin with an empty one.",
                self.data().display()
            ),
        )
    }

    /// A cluster is read by its own major version only.
    fn check_version(&self) -> Result<()> {
        let found = self.programs.version();
        match major_of(&self.top) {
            Some(cluster) if cluster != found.major => Err(Error::conflict(
                format!(
                    "The embedded cluster in {} is of PostgreSQL {cluster}, and the programs in {} are of {found}.",
                    self.data().display(),
                    self.programs.folder().display(),
                ),
                format!(
                    "Install PostgreSQL {cluster} beside them, and set PG_BIN to its folder, for example \
                     /usr/lib/postgresql/{cluster}/bin."
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Makes the cluster beside its place and moves it there when it is whole, so that a killed console leaves no half.
    async fn initialise(&self) -> Result<()> {
        let folder = self.top.join(UNFINISHED);
        tracing::info!(folder = %self.data().display(), "making the embedded PostgreSQL");
        let mut last = String::new();
        // Every system has the first one's rules for letters outside ASCII, but some under no name.
        for locale in ["C.UTF-8", "C"] {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::io(format!("removing {}", folder.display()))(error));
                }
                _ => {}
            }
            let made = self
                .command("initdb")
                .args(["--encoding", "UTF8", "--locale", locale, "--username", SUPERUSER])
                .args(["--auth-local", "scram-sha-256", "--auth-host", "scram-sha-256"])
                .args(["--data-checksums", "--no-instructions", "--pwfile"])
                .arg(self.top.join(PASSWORD))
                .arg("--pgdata")
                .arg(&folder)
                .output()
                .await
                .map_err(Error::io("running initdb"))?;
            if made.status.success() {
                let mut file = OpenOptions::new()
                    .append(true)
                    .open(folder.join("postgresql.conf"))
                    .map_err(Error::io("opening postgresql.conf"))?;
                file.write_all(
                    b"\n# What pgsteward sets at each start.\ninclude_if_exists 'pgsteward.conf'\n",
                )
                .map_err(Error::io("writing postgresql.conf"))?;
                return fs::rename(&folder, self.data())
                    .map_err(Error::io(format!("making {}", self.data().display())));
            }
            last = String::from_utf8_lossy(&made.stderr).trim().to_owned();
        }
        Err(Error::Refused(
            Fault::new(
                Code::Internal,
                format!("initdb could not make the embedded PostgreSQL: {last}"),
            )
            .hint("Set DATABASE_URL to use a PostgreSQL of your own instead."),
        ))
    }

    fn configure(&self, port: u16, connections: u32) -> Result<()> {
        let sockets = self.top.join(SOCKETS);
        private_folder(&sockets)?;
        let sockets = if sockets.as_os_str().len() <= LONGEST_FOLDER {
            sockets
        } else {
            PathBuf::new()
        };
        let settings = [
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("port", port.to_string()),
            ("unix_socket_directories", sockets.to_string_lossy().into_owned()),
            ("unix_socket_permissions", "0700".to_owned()),
            ("max_connections", connections.max(100).to_string()),
            ("shared_preload_libraries", "pg_stat_statements".to_owned()),
            ("timezone", "UTC".to_owned()),
            ("log_checkpoints", "on".to_owned()),
            // A week of logs, one file a weekday.
            ("logging_collector", "on".to_owned()),
            ("log_directory", "log".to_owned()),
            ("log_filename", "postgresql-%a.log".to_owned()),
            ("log_truncate_on_rotation", "on".to_owned()),
            ("log_rotation_age", "1d".to_owned()),
            ("log_rotation_size", "0".to_owned()),
        ];
        let text: String = settings
            .iter()
            .map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")))
            .collect();
        write(&self.data().join("pgsteward.conf"), &text, false)
    }

    fn pg_ctl(&self, action: &str) -> Command {
        let mut command = self.command("pg_ctl");
        command
            .arg(action)
            .arg("--silent")
            .arg("--pgdata")
            .arg(self.data());
        // The server would inherit a pipe and hold it open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// One of PostgreSQL's programs with an environment of its own: no `PG*` variable, no secret of ours, and messages
    /// in a language that this code reads.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.path(program));
        command
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", "/usr/local/bin:/usr/bin:/bin");
        // A process group of its own: Ctrl-C on the terminal is for the console, which then stops the server in order.
        command
            .current_dir(&self.top)
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    fn log(&self) -> PathBuf {
        self.data().join("start.log")
    }

    /// The end of what the server said at its start, or of today's log when it came that far.
    fn log_end(&self) -> String {
        let logs = fs::read_dir(self.data().join("log"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let newest = logs.max_by_key(|path| fs::metadata(path).and_then(|found| found.modified()).ok());
        let text: String = [Some(self.log()), newest]
            .into_iter()
            .flatten()
            .filter_map(|path| fs::read(path).ok())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    fn failed(&self, what: &str) -> Error {
        Error::Refused(
            Fault::new(
                Code::Internal,
                format!(
                    "The embedded PostgreSQL in {} {what}. Its log ends:\n{}",
                    self.data().display(),
                    self.log_end()
                ),
            )
            .hint("Correct what the log says, or set DATABASE_URL to use a PostgreSQL of your own."),
        )
    }
}

/// The major version of the cluster that is there; `None` when there is none.
fn major_of(top: &Path) -> Option<u32> {
    fs::read_to_string(top.join(DATA).join("PG_VERSION"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Makes a folder that its owner alone can enter; one that is there is left as it is.
pub(super) fn private_folder(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(Error::io(format!("making the folder {}", path.display())))
}

/// Writes a file whole or not at all, readable by its owner alone. With `synced` it survives a power cut.
fn write(path: &Path, text: &str, synced: bool) -> Result<()> {
    let failed = || Error::io(format!("writing {}", path.display()));
    let part = path.with_added_extension("part");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&part)
        .map_err(failed())?;
    file.set_permissions(fs::Permissions::from_mode(0o600))
        .map_err(failed())?;
    file.write_all(text.as_bytes()).map_err(failed())?;
    if synced {
        file.sync_all().map_err(failed())?;
    }
    fs::rename(&part, path).map_err(failed())
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Error::io("looking for a free port"))?;
    Ok(listener
        .local_addr()
        .map_err(Error::io("looking for a free port"))?
        .port())
}
