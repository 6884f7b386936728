mod prepare;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Doing;
use crate::owner::Owner;
use crate::system::{free_port, is_alive, kill_family, log_in, main_process};
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
    options: ClusterOptions,
    // Dropped last: it stops the server and removes the folder.
    _watchdog: Watchdog,
}

impl Server {
    /// Makes a cluster and starts it; takes about a second.
    pub(crate) fn start(options: &ClusterOptions) -> Result<Self, Failure> {
        let bin = match (&options.bin, options.version) {
            (Some(folder), _) => folder.clone(),
            (None, Some(version)) => version.try_bin_dir()?,
            (None, None) => programs::bin_dir()?,
        };
        let mut server = Self::prepared(bin, options)?;
        server.initialise()?;
        server.run_on_a_free_port()?;
        Ok(server)
    }

    /// Copies a running server and starts the copy as its standby.
    pub(crate) fn standby(primary: &Self) -> Result<Self, Failure> {
        let mut server = Self::prepared(primary.bin.clone(), &primary.options)?;
        server.copy(primary)?;
        server.run_on_a_free_port()?;
        Ok(server)
    }

    /// A folder that is watched over, and nothing in it.
    fn prepared(bin: PathBuf, options: &ClusterOptions) -> Result<Self, Failure> {
        let owner = Owner::choose()?;
        if bin.is_dir() && !owner.can_reach(&bin) {
            return Err(Failure::new(format!(
                "PostgreSQL does not run as root, and its user cannot enter {}. Run `xtask/setup.sh test` as root, or open \
                 the folders above it to others (chmod o+x)",
                bin.display()
            )));
        }
        let folder = new_folder(owner)?;
        let watchdog = Watchdog::over_server(owner, &bin, &folder)?;
        Ok(Self {
            bin,
            port: 0,
            folder,
            owner,
            options: options.clone(),
            _watchdog: watchdog,
        })
    }

    fn run_on_a_free_port(&mut self) -> Result<(), Failure> {
        for attempt in 1.. {
            self.port = free_port()?;
            self.configure()?;
            match self.run() {
                Ok(()) => break,
                // Somebody else was faster; any other reason would come again.
                Err(_) if attempt < 5 && self.log().contains("Address already in use") => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
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
        log_in(&self.folder)
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

    /// A program of this version, which finds its own libpq: of whole installations only the programs know where theirs
    /// is, not the modules that a server loads.
    fn command(&self, program: &Path) -> Command {
        let mut command = self.owner.command(program, &self.folder);
        let libraries = self.bin.parent().map(|parent| parent.join("lib"));
        if let Some(folder) = libraries.filter(|folder| folder.join("libpq.so.5").exists()) {
            command.env("LD_LIBRARY_PATH", folder);
        }
        command
    }

    fn pg_ctl(&self, action: &str) -> Command {
        let mut command = self.command(&self.bin.join("pg_ctl"));
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
}

/// A new folder of the owner's own. The watchdog removes it, not a destructor: that would not run after SIGKILL.
pub(crate) fn new_folder(owner: Owner) -> Result<PathBuf, Failure> {
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
