//! A cluster that lives as long as one verification: in a folder of its own, without network, without a thought for durability,
//! gone afterwards. Its superuser never runs what the backup's author wrote (see `trial`), and asks for a password even on
//! its socket, so that such code cannot come in as one.

use std::{
    fs::{self, DirBuilder},
    io::ErrorKind,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use contract::{Code, Fault, format};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User, chown},
};
use rand::{Rng, distr::Alphanumeric};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::process::Command;
use uuid::Uuid;

use super::{
    folder::{Folder, private_file},
    reconcile::blocking,
};
use crate::{Error, Result, programs::Programs};

/// What it takes beside the client tools.
pub(super) const SERVER: [&str; 2] = ["initdb", "postgres"];
/// Whoever made the cluster. No database has an owner of this name.
const SUPERUSER: &str = "pgsteward_throw_away";
/// How long it may take to come up.
const START: Duration = Duration::from_secs(120);
/// How long it may take to stop by itself.
const STOP: Duration = Duration::from_secs(4);
/// The path of a Unix socket ends at 107 bytes, and its name takes up to 15.
const LONGEST_FOLDER: usize = 91;
/// Beside the database itself: the cluster's own files, its log of changes, and files for sorting.
const BESIDE: i64 = 256 << 20;

/// Where a verification's cluster lies.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: PathBuf,
    sockets: PathBuf,
}

/// A running cluster. Dropping it kills its first process, and the rest with it; [`Place::remove`] removes what is left.
pub(super) struct ThrowAway {
    place: Place,
    password: SecretString,
    _server: tokio::process::Child,
}

impl Place {
    /// Of a job.
    pub(super) fn of(data_dir: &Path, job: Uuid) -> Self {
        // A server's folder is compared with that of its processes.
        let top = fs::canonicalize(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        let folder = all(&top).join(job.to_string());
        let inside = folder.join("run");
        let sockets = if inside.as_os_str().len() <= LONGEST_FOLDER {
            inside
        } else {
            PathBuf::from(format!("/tmp/pgsteward-{}", job.simple()))
        };
        Self { folder, sockets }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A private folder for files that go with the cluster.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends every process of the cluster and removes its folders, whoever started it. Twice is no mistake. Blocks.
    ///
    /// # Errors
    /// `Io` when something cannot be removed.
    #[expect(
        clippy::disallowed_methods,
        reason = "it runs on a thread for work that blocks"
    )]
    pub(super) fn remove(&self) -> Result<()> {
        let data = self.data();
        let first = fs::read_to_string(data.join("postmaster.pid"))
            .ok()
            .and_then(|text| text.lines().next()?.trim().parse().ok());
        if let Some(first) = first.filter(|pid| works_in(*pid, &data)) {
            // At once, as nothing of it is kept.
            kill(Pid::from_raw(first), Signal::SIGQUIT).ok();
        }
        let asked = Instant::now();
        loop {
            let left = processes(&data);
            if left.is_empty() {
                break;
            }
            if asked.elapsed() > STOP {
                for pid in left {
                    kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
                }
            }
            if asked.elapsed() > STOP * 3 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for folder in [&self.sockets, &self.folder] {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::io(format!("removing {}", folder.display()))(error));
                }
                _ => {}
            }
        }
        // Where the console is root it lies among other people's folders.
        if nix::unistd::geteuid().is_root()
            && let Some(above) = self.folder.parent()
        {
            fs::remove_dir(above).ok();
        }
        Ok(())
    }
}

/// The folder of all throw-away clusters of a console. Where the console is root, the server's user may not come through to its
/// data folder.
fn all(data_dir: &Path) -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        let name = twox_hash::XxHash3_128::oneshot(data_dir.as_os_str().as_encoded_bytes());
        return PathBuf::from(format!("/tmp/pgsteward-verify-{:016x}", name >> 64));
    }
    data_dir.join("verify")
}

/// The jobs whose clusters are there. Blocks.
pub(super) fn left(data_dir: &Path) -> Vec<Uuid> {
    let top = fs::canonicalize(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    fs::read_dir(all(&top))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The processes that work in a folder: a server's all do.
fn processes(data: &Path) -> Vec<i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| works_in(*pid, data))
        .collect()
}

fn works_in(pid: i32, data: &Path) -> bool {
    // One that is over and not collected works nowhere.
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == data)
}

impl ThrowAway {
    /// Makes and starts one, with room for a database of this size.
    ///
    /// # Errors
    /// `Conflict` when there is no room, with what is missing; `Refused` when it does not start, with its last words.
    pub(super) async fn start(place: Place, programs: &Programs, bytes: i64) -> Result<Self> {
        let user = unprivileged()?;
        let made = place.clone();
        let owner = user.clone();
        blocking(move || {
            let make = |path: &Path| {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(path)
                    .map_err(Error::io(format!("making the folder {}", path.display())))
            };
            let above = made.folder.parent().unwrap_or(Path::new("/")).to_owned();
            make(&above)?;
            room(&above, bytes)?;
            make(&made.folder)?;
            make(&made.sockets)?;
            if let Some(user) = &owner {
                let give = |path: &Path| {
                    chown(path, Some(user.uid), Some(user.gid))
                        .map_err(|error| Error::io(format!("giving away {}", path.display()))(error.into()))
                };
                give(&above)?;
                give(&made.folder)?;
                give(&made.sockets)?;
            }
            Ok(())
        })
        .await?;
        let password = password();
        let pwfile = place.folder.join("password");
        write(&pwfile, password.expose_secret(), user.as_ref())?;
        let mut initdb = command(programs, "initdb", &place, user.as_ref());
        let made = initdb
            .args(["--encoding=UTF8", "--locale=C", "--no-instructions", "--no-sync"])
            .args(["--auth=scram-sha-256", "--username", SUPERUSER])
            .arg(format!("--pwfile={}", pwfile.display()))
            .arg(format!("--pgdata={}", place.data().display()))
            .output()
            .await
            .map_err(Error::io("running initdb"))?;
        if !made.status.success() {
            return Err(failed(
                "could not be made",
                &String::from_utf8_lossy(&made.stderr),
            ));
        }
        let log = place.folder.join("log");
        let out = private_file(&log).map_err(Error::io("making the log of the throw-away server"))?;
        let err = out
            .try_clone()
            .map_err(Error::io("making the log of the throw-away server"))?;
        let mut server = command(programs, "postgres", &place, user.as_ref());
        server.arg("-D").arg(place.data());
        for (name, value) in settings(&place.sockets, programs.version().major) {
            server.arg("-c").arg(format!("{name}={value}"));
        }
        let mut child = server
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(Error::io("starting the throw-away server"))?;
        let begun = Instant::now();
        let options = options(&place, &password, SUPERUSER, "postgres");
        loop {
            match PgConnection::connect_with(&options).await {
                Ok(connection) => {
                    connection.close().await.ok();
                    break;
                }
                Err(error) => {
                    let ended = child.try_wait().ok().flatten().is_some();
                    if ended || begun.elapsed() > START {
                        let said = fs::read_to_string(&log).unwrap_or_default();
                        tracing::warn!(%error, "the throw-away server does not come up");
                        return Err(failed("did not start", &said));
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Self {
            place,
            password,
            _server: child,
        })
    }

    /// A session of its superuser in one of its databases.
    ///
    /// # Errors
    /// The server's.
    pub(super) async fn connect(&self, database: &str) -> std::result::Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&options(&self.place, &self.password, SUPERUSER, database)).await
    }

    /// A libpq connection string to one of its databases, without a password.
    pub(super) fn connection(&self, user: &str, database: &str) -> String {
        format!(
            "dbname='{database}' host='{}' port='5432' user='{user}' application_name='pgsteward verify'",
            self.place
                .sockets
                .display()
                .to_string()
                .replace('\\', "\\\\")
                .replace('\'', "\\'")
        )
    }

    pub(super) fn superuser(&self) -> &'static str {
        SUPERUSER
    }

    /// Writes the file in which client tools find the passwords.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn passfile(&self, loader: &str, password: &SecretString) -> Result<PathBuf> {
        let path = self.place.folder.join("pgpass");
        let text = format!(
            "*:*:*:{SUPERUSER}:{}\n*:*:*:{loader}:{}\n",
            self.password.expose_secret(),
            password.expose_secret()
        );
        write(&path, &text, None)?;
        Ok(path)
    }
}

/// Letters and digits: 190 bits.
pub(super) fn password() -> SecretString {
    let text: String = rand::rng()
        .sample_iter(&Alphanumeric)
        .take(32)
        .map(char::from)
        .collect();
    SecretString::from(text)
}

fn options(place: &Place, password: &SecretString, user: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(&place.sockets)
        .port(5432)
        .username(user)
        .password(password.expose_secret())
        .database(database)
        .application_name("pgsteward verify")
        .disable_statement_logging()
}

/// No network, no promise that survives a power cut, and nothing that runs beside the work.
fn settings(sockets: &Path, major: u32) -> Vec<(&'static str, String)> {
    let mut settings: Vec<(&str, String)> = [
        ("listen_addresses", ""),
        ("port", "5432"),
        ("unix_socket_permissions", "0700"),
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("synchronous_commit", "off"),
        ("wal_level", "minimal"),
        ("max_wal_senders", "0"),
        ("max_wal_size", "256MB"),
        ("autovacuum", "off"),
        ("jit", "off"),
        ("max_connections", "20"),
        ("max_locks_per_transaction", "1024"),
        ("shared_buffers", "64MB"),
        ("maintenance_work_mem", "64MB"),
        ("shared_preload_libraries", ""),
        // Who loads is no superuser, and is not the owner of what it loads.
        ("lo_compat_privileges", "on"),
        ("logging_collector", "off"),
        ("lc_messages", "C"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec();
    settings.push(("unix_socket_directories", sockets.display().to_string()));
    if major >= 17 {
        // Those of the author would run for whoever logs in.
        settings.push(("event_triggers", "off".to_owned()));
    }
    settings
}

/// PostgreSQL refuses to run as root: whom it runs as then. A console that is root is one only in tests and while it starts.
fn unprivileged() -> Result<Option<User>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Ok(Some(user)) = User::from_name(name) {
            return Ok(Some(user));
        }
    }
    Err(Error::conflict(
        "PostgreSQL does not run as root, and there is no user postgres or nobody.",
        "Start the console as another user.",
    ))
}

fn command(programs: &Programs, name: &str, place: &Place, user: Option<&User>) -> Command {
    let mut command = Command::new(programs.path(name));
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir(&place.folder)
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

/// A file for its user alone.
fn write(path: &Path, text: &str, user: Option<&User>) -> Result<()> {
    use std::io::Write;
    let make = || -> std::io::Result<()> {
        private_file(path)?.write_all(text.as_bytes())?;
        if let Some(user) = user {
            chown(path, Some(user.uid), Some(user.gid))?;
        }
        Ok(())
    };
    make().map_err(Error::io(format!("writing {}", path.display())))
}

fn room(folder: &Path, bytes: i64) -> Result<()> {
    let needed = bytes.saturating_add(bytes / 4).saturating_add(BESIDE);
    match Folder::new(folder).free_bytes() {
        Some(free) if free < needed => Err(Error::conflict(
            format!(
                "There is no room to restore the backup: {} are free under {}, and about {} are needed.",
                format::bytes(free),
                folder.display(),
                format::bytes(needed),
            ),
            "Make room there, or read the backup back alone: pgsteward backup verify --level 1.",
        )),
        _ => Ok(()),
    }
}

fn failed(what: &str, said: &str) -> Error {
    let lines: Vec<&str> = said.trim().lines().collect();
    let last = lines[lines.len().saturating_sub(4)..].join("\n");
    Error::Refused(
        Fault::new(Code::Conflict, format!("The throw-away server {what}: {last}"))
            .hint("This says nothing of the backup. Read it back alone: pgsteward backup verify --level 1."),
    )
}
