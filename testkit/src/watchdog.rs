use std::path::Path;
use std::process::{Child, Stdio};

use std::os::unix::process::CommandExt;

use crate::Failure;
use crate::failure::Doing;
use crate::owner::Owner;

/// Waits for the end of its input, which comes with the end of whoever holds the pipe's other end, then stops the
/// server and removes the folder. The second round is for a server that was just starting when the holder died.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
rounds=0
while [ -e "$2" ] && [ "$rounds" -lt 20 ]; do
  "$1/pg_ctl" stop --pgdata="$2/data" --mode=immediate --timeout=10
  rm -rf "$2" || sleep 0.5
  rounds=$((rounds + 1))
done
"#;

/// A shell beside the test process that outlives it, be it by a panic or `kill -9`, just long enough to clean up.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Watches over the cluster in `folder`, whose data is in `data` below it.
    pub(crate) fn start(owner: Owner, bin: &Path, folder: &Path) -> Result<Self, Failure> {
        owner
            .command(Path::new("/bin/sh"), Path::new("/"))
            .args(["-c", SCRIPT, "watchdog"])
            .args([bin, folder])
            .stdin(Stdio::piped())
            // It must not hold the test's own output open: `cargo test | tail` would wait for it.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own, so that Ctrl-C or a killed process group does not take the cleaner along.
            .process_group(0)
            .spawn()
            .map(Self)
            .doing("starting the shell that cleans up after the cluster")
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Closing the pipe is the signal; `wait` closes it first.
        let _gone_anyway = self.0.wait();
    }
}
