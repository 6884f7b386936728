//! The folder of the measurement, which holds several times the file's size and must not outlive the run.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::Result;

/// Waits for the end of its input, which comes with the folder's end or the bench's, and removes the folder; also the run's
/// own when nobody else is left to do it and it is empty. A second round is for what a dying program was still writing.
const SWEEPER: &str = r#"
trap '' INT TERM HUP
word=
read -r word
for _ in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf "$1" && break
  sleep 0.5
done
[ "$word" = stay ] || { sleep 1; rm -rf "$1"; rmdir "${1%/*}"; }
"#;

/// A folder that is removed when this value goes, or the process.
pub struct Folder {
    path: PathBuf,
    sweeper: Child,
}

impl Folder {
    /// Makes it.
    pub fn new(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).map_err(|error| format!("making {}: {error}", path.display()))?;
        let sweeper = Command::new("/bin/bash")
            .args(["-c", SWEEPER, "sweeper"])
            .arg(&path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("starting bash: {error}"))?;
        Ok(Self { path, sweeper })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(mut input) = self.sweeper.stdin.take() {
            match input.write_all(b"stay\n") {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                    eprintln!("ending the sweeper: {error}")
                }
                _ => {}
            }
        }
        let _gone_anyway = self.sweeper.wait();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_folder_goes_with_all_that_is_in_it_and_the_one_above_stays() {
        let top = tempfile::tempdir().unwrap();
        let folder = Folder::new(top.path().join("import")).unwrap();
        fs::write(folder.path().join("half.bin"), "rows").unwrap();
        drop(folder);
        assert!(top.path().is_dir() && !top.path().join("import").exists());
    }
}
