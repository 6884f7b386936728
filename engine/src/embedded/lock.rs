//! Who uses the cluster. The kernel drops these locks with the process, also after `kill -9`.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use contract::{Code, Fault};
use tokio::time::Instant;

use crate::{Error, Result};

/// Locked by one process while it starts or stops the cluster.
pub(super) const TURN: &str = "postgres.turn.lock";
/// Locked, shared, by every process while it uses the cluster.
pub(super) const USERS: &str = "postgres.users.lock";

/// Longer than any start or stop takes.
const PATIENCE: Duration = Duration::from_secs(330);
const PAUSE: Duration = Duration::from_millis(50);

/// The turn to start or stop the cluster; over when dropped.
pub(super) struct Turn {
    _file: File,
}

impl Turn {
    pub(super) async fn take(top: &Path) -> Result<Self> {
        let file = open(top, TURN)?;
        let begun = Instant::now();
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(failed(top, TURN)(error)),
                Err(TryLockError::WouldBlock) if begun.elapsed() > PATIENCE => {
                    return Err(Error::Refused(
                        Fault::new(
                            Code::Conflict,
                            "Another pgsteward is starting or stopping the embedded PostgreSQL for minutes.",
                        )
                        .hint(format!(
                            "Find out what holds {} (`fuser`), and end it.",
                            top.join(TURN).display()
                        )),
                    ));
                }
                Err(TryLockError::WouldBlock) => {
                    if begun.elapsed() > Duration::from_secs(2) && !told {
                        told = true;
                        tracing::info!(
                            "waiting for another pgsteward that starts or stops the embedded PostgreSQL"
                        );
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// This process's use of the cluster; over when dropped.
pub(super) struct Use {
    file: File,
    top: std::path::PathBuf,
}

impl Use {
    /// Only within a turn.
    pub(super) fn begin(top: &Path) -> Result<Self> {
        let file = open(top, USERS)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self {
                file,
                top: top.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(failed(top, USERS)(error)),
            // Only a turn locks it alone, and this is our turn.
            Err(TryLockError::WouldBlock) => Err(failed(top, USERS)(std::io::ErrorKind::ResourceBusy.into())),
        }
    }

    /// Ends the use and tells whether no other process uses the cluster. Only within a turn.
    pub(super) fn end_as_last(&self) -> Result<bool> {
        self.file.unlock().map_err(failed(&self.top, USERS))?;
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(failed(&self.top, USERS)(error)),
        }
    }
}

fn open(top: &Path, name: &str) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(top.join(name))
        .map_err(failed(top, name))
}

fn failed(top: &Path, name: &str) -> impl FnOnce(std::io::Error) -> Error + use<> {
    Error::io(format!("locking {}", top.join(name).display()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[tokio::test]
    async fn only_the_last_user_is_told_so() {
        let top = tempfile::tempdir().unwrap();
        let turn = Turn::take(top.path()).await.unwrap();
        let first = Use::begin(top.path()).unwrap();
        let second = Use::begin(top.path()).unwrap();
        assert!(!first.end_as_last().unwrap());
        drop(first);
        assert!(second.end_as_last().unwrap());
        let rival = Turn::take(top.path());
        assert!(
            tokio::time::timeout(Duration::from_millis(200), rival)
                .await
                .is_err()
        );
        drop(turn);
        Turn::take(top.path()).await.unwrap();
    }
}
