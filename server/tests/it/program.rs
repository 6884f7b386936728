//! The built program, run as its users run it: in a folder of its own, with only the variables that a test gives.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A folder to work in, with the console's data in `data` and a site whose files are empty.
pub struct Home {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command did.
pub struct Done {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Home {
    /// A new folder. As root the program becomes another user, who must be able to reach it.
    pub fn new() -> Self {
        // What asks the program over HTTP needs to know whose cryptography to use, also where none is used.
        rustls::crypto::ring::default_provider().install_default().ok();
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let site = folder.path().join("site");
        std::fs::create_dir_all(site.join("pkg")).unwrap();
        std::fs::write(
            site.join("assets.json"),
            r#"{"js":"a.js","link":"b.js","wasm":"a.wasm","css":"a.css","parts":{}}"#,
        )
        .unwrap();
        let home = Self {
            folder,
            variables: Vec::new(),
        };
        let site = site.display().to_string();
        home.with("LEPTOS_SITE_ROOT", &site)
            .with("PGSTEWARD_ADDR", "127.0.0.1:0")
    }

    /// Without a variable that it had.
    pub fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// With one more variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The console's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The program with these arguments, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgsteward"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Done {
        done(self.command(arguments).output().unwrap())
    }

    /// Runs a command that reads this from standard input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Done {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        // A command that fails early does not read it.
        child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        done(child.wait_with_output().unwrap())
    }

    /// Runs a command that must succeed, and reads its JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let done = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.err);
        serde_json::from_str(&done.out)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error} in {:?}", done.out))
    }

    /// Starts the console and waits until it is ready.
    pub fn serve(&self) -> Serving {
        self.serve_with_log(Stdio::piped())
    }

    /// The same with its log going there; what comes through a pipe of this process is read.
    pub fn serve_with_log(&self, to: Stdio) -> Serving {
        let mut child = self.command(&["serve"]).stderr(to).spawn().unwrap();
        let (said, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .for_each(|line| said.send(line).unwrap_or(()))
        });
        let log = child.stderr.take().map(|mut err| {
            std::thread::spawn(move || {
                let mut text = String::new();
                err.read_to_string(&mut text).ok();
                text
            })
        });
        let mut serving = Serving {
            child,
            url: String::new(),
            said: Vec::new(),
            lines,
            log,
        };
        let begun = Instant::now();
        while serving.url.is_empty() {
            match serving.lines.recv_timeout(Duration::from_millis(200)) {
                Ok(line) => {
                    if let Some(url) = line.strip_prefix("pgsteward is ready on ") {
                        serving.url = url.to_owned();
                    }
                    serving.said.push(line);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => panic!("it ended: {}", serving.log()),
                Err(_) if begun.elapsed() > PATIENCE => panic!("it is not ready: {:?}", serving.said),
                Err(_) => {}
            }
        }
        serving
    }

    /// The process number of the embedded server, if its lock file is there.
    pub fn postmaster(&self) -> Option<i32> {
        let text = std::fs::read_to_string(self.data().join("postgres/postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }
}

impl Drop for Home {
    /// A test that failed must leave no server behind.
    fn drop(&mut self) {
        if let Some(pid) = self.postmaster()
            && works_in(pid, &self.data().join("postgres"))
        {
            kill(Pid::from_raw(pid), Signal::SIGQUIT).ok();
            wait_until("the server is gone", || !is_alive(pid));
        }
    }
}

/// A running console.
pub struct Serving {
    child: Child,
    /// Where it listens, as `http://127.0.0.1:port`.
    pub url: String,
    said: Vec<String>,
    lines: mpsc::Receiver<String>,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Serving {
    /// Everything it said on standard output so far.
    pub fn said(&mut self) -> String {
        // What comes with the address follows in the same write.
        std::thread::sleep(Duration::from_millis(100));
        self.said.extend(self.lines.try_iter());
        self.said.join("\n")
    }

    /// Its process number.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Asks it to end, and gives how long that took.
    pub fn stop(mut self, signal: Signal) -> Duration {
        let begun = Instant::now();
        kill(Pid::from_raw(self.pid()), signal).unwrap();
        let ended = self.child.wait().unwrap();
        assert!(
            signal == Signal::SIGKILL || ended.success(),
            "{ended}: {}",
            self.log()
        );
        begun.elapsed()
    }

    fn log(&mut self) -> String {
        self.child.kill().ok();
        self.log
            .take()
            .map_or_else(String::new, |log| log.join().unwrap())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            kill(Pid::from_raw(self.pid()), Signal::SIGINT).ok();
            let pid = self.pid();
            wait_until("the console ends", || {
                self.child.try_wait().is_ok_and(|ended| ended.is_some()) || !is_alive(pid)
            });
        }
    }
}

fn done(output: Output) -> Done {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Waits for something that must come.
pub fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !reached() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether a process lives; one that was killed and not collected does not.
pub fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn works_in(pid: i32, folder: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder)
}
