//! Programs that are measured from their start to their end.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time,
};

use super::footprint::{Footprint, Watch};
use crate::Result;

/// Where programs are looked for.
const FOLDERS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// Nothing that is measured here takes longer unless it hangs.
const LONGEST: Duration = Duration::from_secs(1200);

/// Starts a program in a session of its own, says its number, and ends as it ends. When its own input ends first, because the
/// run was stopped or killed, the whole group is killed. A session, because a Lisp that dies opens the terminal to ask what
/// to do, and would wait there for ever.
const KEEPER: &str = r#"
out=$1 err=$2
shift 2
exec 3<&0
setsid "$@" >"$out" 2>"$err" </dev/null 3<&- &
program=$!
echo "$program"
exec >/dev/null 2>&1
trap '' INT TERM HUP
{ read -r _ <&3; kill -KILL -- "-$program"; } &
guard=$!
wait "$program"
status=$?
kill -KILL "$guard"
exit "$status"
"#;

/// A program to run.
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
    folder: PathBuf,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Seconds from before the start to after the end.
    pub seconds: f64,
    /// Its memory; not that of programs which it started.
    pub memory: Footprint,
    /// Its exit status, 128 and more for a signal; none when it was given up.
    pub status: Option<i32>,
    /// What it printed.
    pub output: String,
    /// What it complained about.
    pub complaints: String,
}

impl Program {
    /// A program by its path, working in this folder. It inherits nothing.
    pub fn new(path: &Path, folder: &Path) -> Self {
        Self {
            path: path.to_owned(),
            arguments: Vec::new(),
            variables: vec![("PATH", FOLDERS.join(":")), ("LC_ALL", "C".to_owned())],
            folder: folder.to_owned(),
        }
    }

    /// A program that the system has; the remedy says how it gets it.
    pub fn named(name: &str, remedy: &str, folder: &Path) -> Result<Self> {
        let found = FOLDERS
            .iter()
            .map(|place| Path::new(place).join(name))
            .find(|path| path.is_file());
        found
            .map(|path| Self::new(&path, folder))
            .ok_or_else(|| format!("{name} is not installed: run `{remedy}`"))
    }

    /// Adds arguments.
    pub fn arguments<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds environment variables.
    pub fn variables(mut self, variables: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// Runs it, also to a bad end.
    pub async fn run(self, name: &str) -> Result<Ended> {
        let [output, complaints] = ["out", "err"].map(|end| self.folder.join(format!("{name}.{end}")));
        let failed = |error: std::io::Error| format!("running {}: {error}", self.path.display());
        let mut command = Command::new("/bin/bash");
        command
            .args(["-c", KEEPER, "keeper"])
            .args([&output, &complaints, &self.path])
            .args(&self.arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let begun = Instant::now();
        let mut keeper = command.spawn().map_err(failed)?;
        // Kept open until the end: closing it is the word to kill. `wait` would close it if it were the child's still.
        let held = keeper.stdin.take();
        let mut first = String::new();
        if let Some(said) = keeper.stdout.take() {
            BufReader::new(said).read_line(&mut first).await.map_err(failed)?;
        }
        let pid = first
            .trim()
            .parse()
            .map_err(|_| format!("{} was not started", self.path.display()))?;
        let watch = Watch::begin(pid);
        let ended = time::timeout(LONGEST, keeper.wait()).await;
        let seconds = begun.elapsed().as_secs_f64();
        drop(held);
        let status = match ended {
            Ok(status) => status.map_err(failed)?.code(),
            Err(_) => {
                let _killed = keeper.wait().await;
                None
            }
        };
        let read = |path: &Path| {
            let bytes = fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ok(Ended {
            seconds,
            memory: watch.end().await,
            status,
            output: read(&output),
            complaints: read(&complaints),
        })
    }

    /// Runs it; anything but exit status 0 is an error with its last words.
    pub async fn succeed(self, name: &str) -> Result<Ended> {
        let ended = self.run(name).await?;
        match ended.status {
            Some(0) => Ok(ended),
            _ => Err(format!("{name} {}", ended.fate())),
        }
    }
}

impl Ended {
    /// How it ended, with its last words.
    pub fn fate(&self) -> String {
        let how = match self.status {
            Some(0) => "ended well".to_owned(),
            Some(status) => format!("ended with status {status} after {:.1} s", self.seconds),
            None => format!("did not end within {} s", LONGEST.as_secs()),
        };
        let words = if self.complaints.trim().is_empty() {
            &self.output
        } else {
            &self.complaints
        };
        let last: Vec<&str> = words
            .lines()
            .rev()
            .filter(|line| !line.trim().is_empty())
            .take(4)
            .collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        match last.is_empty() {
            true => how,
            false => format!("{how}: {}", last.join(" / ")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn shell(folder: &Path, script: &str) -> Program {
        Program::new(Path::new("/bin/sh"), folder).arguments(["-c", script])
    }

    #[tokio::test]
    async fn output_status_and_memory_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let ended = shell(folder.path(), "echo said; echo hurt >&2; sleep 0.3; exit 3")
            .run("p")
            .await
            .unwrap();
        assert_eq!(
            (ended.status, ended.output.trim(), ended.complaints.trim()),
            (Some(3), "said", "hurt")
        );
        assert!(
            ended.memory.whole > 100 << 10 && ended.seconds >= 0.3,
            "{ended:?}"
        );
        let error = shell(folder.path(), "echo hurt >&2; exit 3")
            .succeed("p")
            .await
            .unwrap_err();
        assert!(error.contains("status 3") && error.contains("hurt"), "{error}");
    }

    #[tokio::test]
    async fn what_is_given_up_ends_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let script = "sleep 300 & echo $! >inner; wait";
        let given_up = time::timeout(Duration::from_millis(700), shell(folder.path(), script).run("p")).await;
        assert!(given_up.is_err());
        let inner: u32 = fs::read_to_string(folder.path().join("inner"))
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let gone = || {
            let stat = fs::read_to_string(format!("/proc/{inner}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        for _ in 0..100 {
            if gone() {
                return;
            }
            time::sleep(Duration::from_millis(20)).await;
        }
        assert!(gone(), "process {inner} is still there");
    }
}
