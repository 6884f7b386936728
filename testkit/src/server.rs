use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Doing;
use crate::owner::Owner;
use crate::system::{free_port, is_alive, kill_family, main_process};
use crate::watchdog::Watchdog;
use crate::{ClusterOptions, Failure, programs};

pub(crate) const SUPERUSER: &str = "postgres";
pub(crate) const PASSWORD: &str = "throw-away";

/// A Unix socket's path ends at 107 bytes, so a longer temporary folder cannot hold one.
const LONGEST_FOLDER: usize = 60;

/// One PostgreSQL server with its folder, driven by blocking calls.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) bin: PathBuf,
    pub(crate) port: u16,
    folder: PathBuf,
    owner: Owner,
    // Dropped last: it stops the server and removes the folder.
    _watchdog: Watchdog,
}

impl Server {
    /// Makes a cluster and starts it; takes about a second.
    pub(crate) fn start(options: &ClusterOptions) -> Result<Self, Failure> {
        let bin = options.bin.clone().map_or_else(programs::bin_dir, Ok)?;
        let owner = Owner::choose()?;
        let folder = new_folder(owner)?;
        let watchdog = Watchdog::start(owner, &bin, &folder)?;
        let mut server = Self {
            bin,
            port: 0,
            folder,
            owner,
            _watchdog: watchdog,
        };
        server.initialise(options)?;
        for attempt in 1.. {
            server.port = free_port()?;
            server.configure(options)?;
            match server.run() {
                Ok(()) => break,
                // Somebody else was faster; any other reason would come again.
                Err(_) if attempt < 5 && server.log().contains("Address already in use") => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(server)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn sockets(&self) -> PathBuf {
        self.folder.join("s")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the server wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read(self.folder.join("log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Starts the stopped server on its old port and waits until it takes connections.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let log = self.folder.join("log");
        let ended = self
            .pg_ctl("start")
            .arg("--log")
            .arg(&log)
            .args(["--wait", "--timeout=60"])
            .status();
        if ended.doing("running pg_ctl start")?.success() {
            return Ok(());
        }
        let text = self.log();
        let tail: Vec<&str> = text.lines().rev().take(8).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        Err(Failure::new(format!(
            "the server did not start. Its log ends:\n{}",
            tail.join("\n")
        )))
    }

    /// Stops at once, as in an emergency: clients see the line break, and the next start recovers.
    pub(crate) fn stop(&self) -> Result<(), Failure> {
        let ended = self
            .pg_ctl("stop")
            .args(["--mode=immediate", "--wait", "--timeout=30"])
            .status();
        match ended.doing("running pg_ctl stop")?.success() {
            true => Ok(()),
            false => Err(Failure::new(format!(
                "pg_ctl could not stop the server in {}",
                self.folder.display()
            ))),
        }
    }

    /// Kills every process of the server with SIGKILL.
    pub(crate) fn kill9(&self) -> Result<(), Failure> {
        let process = main_process(&self.data())?;
        kill_family(process)?;
        if is_alive(process) {
            return Err(Failure::new(format!("process {process} survived SIGKILL")));
        }
        // Where nobody collects orphans at once the process number stays taken for a while, and the server would refuse
        // to start beside what it takes for itself.
        let sockets = fs::read_dir(self.sockets()).doing("reading the folder of sockets")?;
        let locks = sockets
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "lock"));
        for lock in locks.chain([self.data().join("postmaster.pid")]) {
            fs::remove_file(&lock).doing("removing a lock file of the killed server")?;
        }
        Ok(())
    }

    fn pg_ctl(&self, action: &str) -> Command {
        let mut command = self.owner.command(&self.bin.join("pg_ctl"), &self.folder);
        command
            .arg(action)
            .arg("--silent")
            .arg("--pgdata")
            .arg(self.data());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn initialise(&self, options: &ClusterOptions) -> Result<(), Failure> {
        let password = self.folder.join("password");
        self.write(&password, PASSWORD, 0o600)?;
        let initdb = self.bin.join("initdb");
        let output = self
            .owner
            .command(&initdb, &self.folder)
            .args([
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
            ])
            .args(["--username", SUPERUSER])
            .arg("--pwfile")
            .arg(&password)
            .arg("--pgdata")
            .arg(self.data())
            .stdin(Stdio::null())
            .output()
            .doing(&format!("running {}", initdb.display()))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Failure::new(format!(
                "initdb failed in {}: {reason}",
                self.folder.display()
            )));
        }
        fs::create_dir(self.sockets()).doing("making the folder for sockets")?;
        self.owner.give(&self.sockets())?;
        if let Some(identity) = &options.tls {
            self.write(&self.data().join("server.crt"), &identity.certificate, 0o644)?;
            self.write(&self.data().join("server.key"), &identity.key, 0o600)?;
        }
        self.write(&self.data().join("pg_hba.conf"), &options.access(), 0o600)
    }

    fn configure(&self, options: &ClusterOptions) -> Result<(), Failure> {
        let mut options = options.clone();
        options
            .preload
            .retain(|library| programs::has_library(&self.bin, library));
        let sockets = self.sockets();
        let text = options.configuration(self.port, &sockets.to_string_lossy());
        self.write(&self.data().join("postgresql.conf"), &text, 0o600)
    }

    fn write(&self, path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
        let what = format!("writing {}", path.display());
        fs::write(path, text).doing(&what)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).doing(&what)?;
        self.owner.give(path)
    }
}

/// A new folder of the owner's own. The watchdog removes it, not a destructor: that would not run after SIGKILL.
fn new_folder(owner: Owner) -> Result<PathBuf, Failure> {
    let mut top = std::env::temp_dir();
    if top.as_os_str().len() > LONGEST_FOLDER {
        top = PathBuf::from("/tmp");
    }
    if !owner.can_reach(&top) {
        return Err(Failure::new(format!(
            "PostgreSQL does not run as root, and its user cannot enter {}. Set TMPDIR to a folder that everybody can \
             enter, for example TMPDIR=/tmp",
            top.display()
        )));
    }
    let folder = tempfile::Builder::new()
        .prefix("pgt-")
        .tempdir_in(&top)
        .doing(&format!("making a folder in {}", top.display()))?
        .keep();
    owner.give(&folder)?;
    Ok(folder)
}
