//! What `postmaster.pid` says, and whether to believe it.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};

use crate::{Error, Result};

/// The server's process in a data folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// None, and nothing that says otherwise.
    None,
    /// One that lives, with its port; it may still be starting.
    Running(u16),
    /// The lock file of a server that is gone, whose process number something else has now (or nobody collected). The
    /// server itself would not dare to start beside it.
    Stale(LockFile),
}

/// The lines of `postmaster.pid` that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LockFile {
    pid: i32,
    port: u16,
    sockets: Option<PathBuf>,
}

impl LockFile {
    /// Process number, folder, start time, port and socket folder, one a line. A file that is being written is short.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let port = lines.nth(2)?.trim().parse().ok()?;
        let sockets = lines
            .next()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(PathBuf::from);
        Some(Self { pid, port, sockets })
    }
}

/// Looks at the lock file of a data folder and at the process it names.
pub(super) fn look(data: &Path) -> Result<Found> {
    let path = data.join("postmaster.pid");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::None),
        Err(error) => return Err(Error::io(format!("reading {}", path.display()))(error)),
    };
    // The server judges a file that it did not finish writing better than we do.
    let Some(lock) = LockFile::parse(&text) else {
        return Ok(Found::None);
    };
    Ok(match standing(lock.pid, data) {
        Standing::Ours => Found::Running(lock.port),
        // The server finds that out itself, and looks for memory that a survivor still uses.
        Standing::Gone => Found::None,
        Standing::Other => Found::Stale(lock),
    })
}

/// Removes the lock files of a server that is gone, once no process of it is left.
pub(super) async fn clear(data: &Path, lock: &LockFile) -> Result<()> {
    for _ in 0..100 {
        if !anyone_in(data) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if anyone_in(data) {
        return Err(Error::conflict(
            format!(
                "The embedded PostgreSQL died, and some of its processes still use {}.",
                data.display()
            ),
            "End them (`pgrep -u postgres -a postgres`), then start again.",
        ));
    }
    tracing::warn!(
        pid = lock.pid,
        "removing the lock file of an embedded PostgreSQL that is gone"
    );
    let socket = lock
        .sockets
        .as_ref()
        .map(|folder| folder.join(format!(".s.PGSQL.{}", lock.port)));
    let beside = socket
        .iter()
        .flat_map(|socket| [socket.clone(), socket.with_added_extension("lock")]);
    for path in beside.chain([data.join("postmaster.pid")]) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io(format!("removing {}", path.display()))(error));
            }
            _ => {}
        }
    }
    Ok(())
}

enum Standing {
    Ours,
    Gone,
    Other,
}

fn standing(pid: i32, data: &Path) -> Standing {
    if kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH) {
        return Standing::Gone;
    }
    let process = PathBuf::from(format!("/proc/{pid}"));
    if !process.exists() {
        // A system without /proc: the server is believed.
        return Standing::Ours;
    }
    // A server works in its data folder, and is this user's; one that was killed and not collected works nowhere.
    match fs::read_link(process.join("cwd")) {
        Ok(folder) if folder == data => Standing::Ours,
        _ => Standing::Other,
    }
}

fn is_zombie(process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('Z'))
}

/// Whether any process works in this folder, as far as this user can see: the server's own do, and are this user's.
fn anyone_in(data: &Path) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.map(|entry| entry.path()).any(|process| {
        fs::read_link(process.join("cwd")).is_ok_and(|folder| folder == data) && !is_zombie(&process)
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_process_number_that_something_else_has_is_no_server() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(look(data.path()).unwrap(), Found::None);
        let write = |pid: u32| {
            let text = format!(
                "{pid}\n{}\n1700000000\n6001\n/tmp/s\n127.0.0.1\n",
                data.path().display()
            );
            fs::write(data.path().join("postmaster.pid"), text).unwrap();
        };
        write(std::process::id());
        let lock = LockFile {
            pid: std::process::id().cast_signed(),
            port: 6001,
            sockets: Some(PathBuf::from("/tmp/s")),
        };
        assert_eq!(look(data.path()).unwrap(), Found::Stale(lock));
        // Above the largest process number there is.
        write(4_194_305);
        assert_eq!(look(data.path()).unwrap(), Found::None);
        fs::write(data.path().join("postmaster.pid"), "12\n").unwrap();
        assert_eq!(look(data.path()).unwrap(), Found::None);
    }
}
