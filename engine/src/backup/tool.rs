//! Running one of PostgreSQL's client tools: a fixed argument array, an environment of our own, a process group that
//! ends with the job.

use std::{
    process::{ExitStatus, Stdio},
    time::Duration,
};

use contract::{Code, Fault};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};
use tokio_util::sync::CancellationToken;

use super::reach::Reach;
use crate::{Error, Result, programs::Programs};

/// How long a tool that was asked to stop may take before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks whether a tool has ended.
const LOOK: Duration = Duration::from_millis(250);
/// How long its pipes may stay open after its end.
const OUTLIVED: Duration = Duration::from_secs(2);
/// The longest line that is kept of what a tool says.
const LINE: usize = 8 * 1024;

/// A running tool. Dropping it kills its process group.
pub(super) struct Tool {
    child: Child,
    group: Group,
}

/// A process group that is killed unless it is known to be over.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may be over this moment.
            killpg(group, signal).ok();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Prepares a tool. Nothing of the console's environment reaches it, so no PG* variable changes what it does.
pub(super) fn command(programs: &Programs, name: &str, reach: Option<&Reach>) -> Command {
    let mut command = Command::new(programs.path(name));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        // Messages are recognised in English.
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(passfile) = reach.and_then(Reach::passfile) {
        command.env("PGPASSFILE", passfile);
    }
    command
}

impl Tool {
    /// Starts a prepared tool.
    ///
    /// # Errors
    /// `Conflict` when it is not there or may not be run.
    pub(super) fn start(mut command: Command) -> Result<Self> {
        let child = command.spawn().map_err(|error| {
            let program = command.as_std().get_program().to_string_lossy().into_owned();
            tracing::warn!(program, %error, "a client tool could not be started");
            Error::Refused(
                Fault::new(Code::Conflict, format!("{program} could not be started."))
                    .hint("Install PostgreSQL's client programs (apt-get install postgresql-client), or set PG_BIN."),
            )
        })?;
        let group = Group(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .map(Pid::from_raw),
        );
        Ok(Self { child, group })
    }

    /// Its process number, which is its group's too.
    pub(super) fn pid(&self) -> Option<i32> {
        self.group.0.map(Pid::as_raw)
    }

    pub(super) fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    pub(super) fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Does `work` on the running tool's pipes, then waits for its end. When the work fails or the job shall stop, the
    /// tool is asked to end (SIGINT, which makes pg_dump cancel its statement too), and killed 5 s later.
    ///
    /// # Errors
    /// `Cancelled`, or what the work ended with.
    pub(super) async fn drive<T>(
        mut self,
        token: &CancellationToken,
        work: impl Future<Output = Result<T>>,
    ) -> Result<(T, ExitStatus)> {
        let leader = self.group.0.map(Pid::as_raw);
        let whole = async {
            let value = {
                let mut work = std::pin::pin!(work);
                tokio::select! {
                    value = &mut work => value?,
                    () = outlived(leader) => {
                        // What it had started holds its pipes open and has nobody to work for any more.
                        self.group.signal(Signal::SIGKILL);
                        work.await?
                    }
                }
            };
            let status = self
                .child
                .wait()
                .await
                .map_err(Error::io("waiting for a client tool"))?;
            Ok((value, status))
        };
        let done = tokio::select! {
            biased;
            () = token.cancelled() => Err(Error::Cancelled),
            done = whole => done,
        };
        match done {
            Ok(done) => {
                // The number may be another process' from now on.
                self.group.0 = None;
                Ok(done)
            }
            Err(error) => {
                self.end().await;
                Err(error)
            }
        }
    }

    async fn end(mut self) {
        // Nobody reads the pipes any more; a tool that is blocked on one goes on to see the signal.
        drop((self.stdin(), self.stdout(), self.stderr()));
        self.group.signal(Signal::SIGINT);
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            self.group.signal(Signal::SIGKILL);
            self.child.wait().await.ok();
        }
        self.group.0 = None;
    }
}

/// Comes back once a tool has ended some seconds ago, while those who read its pipes have not seen their end. It was not
/// waited for yet, so that its number is still its own. Where the system does not tell, it never comes back.
async fn outlived(pid: Option<i32>) {
    let Some(pid) = pid else {
        return std::future::pending().await;
    };
    let mut since = None;
    loop {
        tokio::time::sleep(LOOK).await;
        if !super::process::has_ended(pid) {
            since = None;
        } else if since.get_or_insert_with(std::time::Instant::now).elapsed() >= OUTLIVED {
            return;
        }
    }
}

/// Reads what a tool says, line by line, until it closes the pipe. Lines that are too long are cut.
///
/// # Errors
/// `Io` when the pipe breaks.
pub(super) async fn lines(pipe: Option<impl AsyncRead + Unpin>, mut each: impl FnMut(&str)) -> Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    let mut chunk = vec![0_u8; LINE];
    let mut line: Vec<u8> = Vec::new();
    loop {
        let read = pipe
            .read(&mut chunk)
            .await
            .map_err(Error::io("reading what a client tool says"))?;
        for &byte in &chunk[..read] {
            if byte == b'\n' {
                each(&String::from_utf8_lossy(&line));
                line.clear();
            } else if line.len() < LINE {
                line.push(byte);
            }
        }
        if read == 0 {
            if !line.is_empty() {
                each(&String::from_utf8_lossy(&line));
            }
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::Instant;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    fn alive(pid: i32) -> bool {
        super::super::process::started(pid).is_some()
            && !std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .unwrap_or_default()
                .contains(") Z ")
    }

    async fn first_number(tool: &mut Tool) -> i32 {
        let mut out = tool.stdout().unwrap();
        let mut bytes = [0; 32];
        let read = out.read(&mut bytes).await.unwrap();
        std::str::from_utf8(&bytes[..read])
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    #[tokio::test]
    async fn a_tool_that_ignores_the_wish_to_stop_is_killed_with_its_children() {
        let mut tool = Tool::start(shell("trap '' INT; sleep 60 & echo $!; wait; wait; sleep 60")).unwrap();
        let child = first_number(&mut tool).await;
        let token = CancellationToken::new();
        token.cancel();
        let started = Instant::now();
        let ended = tool.drive(&token, std::future::pending::<Result<()>>()).await;
        assert!(matches!(ended, Err(Error::Cancelled)));
        assert!(started.elapsed() >= GRACE && started.elapsed() < GRACE + Duration::from_secs(3));
        while alive(child) {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "the group's other process lives on"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_killed_tool_does_not_leave_its_children_at_work_nor_its_reader_waiting() {
        let mut tool = Tool::start(shell("sleep 60 >&2 & echo $!; wait")).unwrap();
        let child = first_number(&mut tool).await;
        let stderr = tool.stderr();
        nix::sys::signal::kill(Pid::from_raw(tool.pid().unwrap()), Signal::SIGKILL).unwrap();
        let ended = tool.drive(&CancellationToken::new(), lines(stderr, |_| ())).await;
        assert!(!ended.unwrap().1.success());
        let killed = Instant::now();
        while alive(child) {
            assert!(killed.elapsed() < Duration::from_secs(20), "the child lives on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_dropped_tool_is_gone_with_its_children() {
        let mut tool = Tool::start(shell("sleep 60 & echo $!; wait")).unwrap();
        let child = first_number(&mut tool).await;
        assert!(alive(child));
        drop(tool);
        let dropped = Instant::now();
        while alive(child) {
            assert!(dropped.elapsed() < Duration::from_secs(5), "it lives on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn lines_are_told_apart_and_cut() {
        let long = "x".repeat(3 * LINE);
        let text = format!("one\n\ntwo {long}\nlast");
        let mut seen = Vec::new();
        lines(Some(text.as_bytes()), |line| seen.push(line.to_owned()))
            .await
            .unwrap();
        assert_eq!(seen.len(), 4);
        assert_eq!(
            (seen[0].as_str(), seen[1].as_str(), seen[3].as_str()),
            ("one", "", "last")
        );
        assert_eq!(seen[2].len(), LINE);
    }

    #[tokio::test]
    async fn nothing_of_the_consoles_environment_reaches_a_tool() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pg_dump");
        std::fs::write(
            &path,
            "#!/bin/sh\ncase \"$1\" in --version) echo 'pg_dump (PostgreSQL) 15.20';; *) env >&2;; esac\n",
        )
        .unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let programs = Programs::find(Some(folder.path()), &["pg_dump"]).await.unwrap();
        let mut tool = Tool::start(command(&programs, "pg_dump", None)).unwrap();
        let mut names = Vec::new();
        let pipe = tool.stderr();
        lines(pipe, |line| {
            names.push(line.split('=').next().unwrap().to_owned())
        })
        .await
        .unwrap();
        // The shell that stands for pg_dump adds PWD and its kin by itself.
        names.retain(|name| !matches!(name.as_str(), "PWD" | "SHLVL" | "_" | "OLDPWD"));
        names.sort();
        assert_eq!(names, ["LANG", "PATH"]);
    }
}
