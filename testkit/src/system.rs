//! What the operating system knows about ports and processes.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Failure;
use crate::failure::Doing;

/// A loopback port that nobody listens on. Taken from below the range of outgoing connections, so that the port is still
/// free when a stopped server comes back to it.
pub(crate) fn free_port() -> Result<u16, Failure> {
    let start = RandomState::new().hash_one(std::process::id());
    (0..200)
        .map(|step| 20_000 + u16::try_from((start.wrapping_add(step * 37)) % 12_000).unwrap_or(0))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| Failure::new("found no free port between 20000 and 32000 on 127.0.0.1"))
}

/// What a program has written to the file `log` in its folder; nothing before it began.
pub(crate) fn log_in(folder: &Path) -> String {
    fs::read(folder.join("log"))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// The server's main process, as its lock file in `data` names it.
pub(crate) fn main_process(data: &Path) -> Result<Pid, Failure> {
    let text = fs::read_to_string(data.join("postmaster.pid"))
        .doing("the server does not run: reading postmaster.pid")?;
    let first = text.lines().next().unwrap_or_default();
    first
        .trim()
        .parse()
        .map(Pid::from_raw)
        .doing("reading the process number in postmaster.pid")
}

/// Kills a process and its children with SIGKILL and waits until they are gone.
#[expect(
    clippy::disallowed_methods,
    reason = "runs on a thread for blocking work, and nothing tells of a process that is not a child"
)]
pub(crate) fn kill_family(parent: Pid) -> Result<(), Failure> {
    let mut family = vec![parent];
    family.extend(
        processes()
            .filter(|(_, stat)| stat.parent == parent)
            .map(|(pid, _)| pid),
    );
    for pid in &family {
        // A child may have ended by itself after its parent; that is what we want.
        let _gone = kill(*pid, Signal::SIGKILL);
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while family.iter().any(|pid| is_alive(*pid)) {
        if Instant::now() > deadline {
            return Err(Failure::new("killed server processes are still there after 10 s"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Whether the process runs. One that ended and was not yet collected by its parent does not.
pub(crate) fn is_alive(pid: Pid) -> bool {
    match Stat::read(pid) {
        Some(stat) => stat.state != 'Z',
        // No /proc on this system: ask by an empty signal.
        None => !Path::new("/proc/self/stat").exists() && kill(pid, None).is_ok(),
    }
}

struct Stat {
    state: char,
    parent: Pid,
}

impl Stat {
    /// `/proc/<pid>/stat` is `pid (name) state parent …`, and the name may hold spaces and brackets.
    fn read(pid: Pid) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok().map(Pid::from_raw)?;
        Some(Self { state, parent })
    }
}

fn processes() -> impl Iterator<Item = (Pid, Stat)> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?);
            Some((pid, Stat::read(pid)?))
        })
}
