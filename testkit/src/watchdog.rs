use std::path::Path;
use std::process::{Child, Stdio};

use std::os::unix::process::CommandExt;

use crate::Failure;
use crate::failure::Doing;
use crate::owner::Owner;

/// Waits for the end of its input, which comes with the end of whoever holds the pipe's other end, then stops the
/// server and removes the folder. The second round is for a server that was just starting when the holder died.
const SERVER: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
rounds=0
while [ -e "$2" ] && [ "$rounds" -lt 20 ]; do
  "$1/pg_ctl" stop --pgdata="$2/data" --mode=immediate --timeout=10
  rm -rf "$2" || sleep 0.5
  rounds=$((rounds + 1))
done
"#;

/// The same for PgBouncer, which is the shell's own child: so its process number cannot be another's by then.
const PGBOUNCER: &str = r#"
trap '' INT TERM HUP
exec 3<&0
"$1" "$2/pgbouncer.ini" </dev/null >>"$2/log" 2>&1 3<&- &
bouncer=$!
{ cat <&3 >/dev/null; kill -KILL "$bouncer"; } &
wait "$bouncer"
: >"$2/ended"
wait
rm -rf "$2"
"#;

/// The file in PgBouncer's folder that says that it has ended.
pub(crate) const ENDED: &str = "ended";

/// A shell beside the test process that outlives it, be it by a panic or `kill -9`, just long enough to clean up.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Watches over the cluster in `folder`, whose data is in `data` below it.
    pub(crate) fn over_server(owner: Owner, bin: &Path, folder: &Path) -> Result<Self, Failure> {
        Self::start(owner, SERVER, bin, folder)
    }

    /// Starts PgBouncer with the configuration in `folder`, and watches over it.
    pub(crate) fn over_pgbouncer(owner: Owner, program: &Path, folder: &Path) -> Result<Self, Failure> {
        Self::start(owner, PGBOUNCER, program, folder)
    }

    fn start(owner: Owner, script: &str, programs: &Path, folder: &Path) -> Result<Self, Failure> {
        owner
            .command(Path::new("/bin/sh"), Path::new("/"))
            .args(["-c", script, "watchdog"])
            .args([programs, folder])
            .stdin(Stdio::piped())
            // It must not hold the test's own output open: `cargo test | tail` would wait for it.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own, so that Ctrl-C or a killed process group does not take the cleaner along.
            .process_group(0)
            .spawn()
            .map(Self)
            .doing("starting the shell that cleans up after a server")
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Closing the pipe is the signal; `wait` closes it first.
        let _gone_anyway = self.0.wait();
    }
}
