//! Folders for private copies. Each goes with its inspection; what a killed process left behind goes with the next one.

use std::{fs, path::Path};

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};
use tempfile::TempDir;

use crate::{Error, Result};

/// What the name of such a folder begins with; the process's number follows.
const PREFIX: &str = ".inspect-";

/// A new folder in `room`, which only this user can look into.
///
/// # Errors
/// `Io` when `room` cannot be written to.
pub(super) fn folder(room: &Path) -> Result<TempDir> {
    let what = || format!("No folder for a private copy can be made in {}", room.display());
    fs::create_dir_all(room).map_err(Error::io(what()))?;
    sweep(room);
    tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}-", std::process::id()))
        .tempdir_in(room)
        .map_err(Error::io(what()))
}

/// Removes folders whose process is gone.
fn sweep(room: &Path) {
    for entry in fs::read_dir(room).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .and_then(|rest| rest.split('-').next())
            .and_then(|pid| pid.parse().ok());
        let Some(pid) = pid else { continue };
        if kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(folder = %entry.path().display(), %error, "an old copy cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_killed_process_left_behind_goes_with_the_next_inspection() {
        let room = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        // No process has a number this high: Linux ends at 2^22.
        let old = room.path().join(".inspect-2000000000-x");
        let other = room.path().join("backups");
        assert!(
            std::fs::create_dir(&old)
                .and_then(|()| std::fs::create_dir(&other))
                .is_ok()
        );
        let new = super::folder(room.path()).map(|folder| folder.path().exists());
        assert!(new.is_ok_and(|made| made));
        assert!(!old.exists() && other.exists());
    }
}
