//! Whether another process is writing to a SQLite file at this moment.
//!
//! SQLite locks single bytes, as its file format says: in the database far behind its data, in WAL mode in the `-shm`.
//! Asking who holds a lock takes none, so the other process notices nothing.

use std::{fs::File, path::Path};

use contract::{Code, Fault};
use nix::{
    fcntl::{FcntlArg, fcntl},
    libc,
};

/// The bytes for PENDING, RESERVED and SHARED: a write lock on any of them is a writer.
const DATABASE: (i64, i64) = (0x4000_0000, 512);
/// The bytes for the writer, the checkpointer and the recovery in a `-shm`.
const SHARED_MEMORY: (i64, i64) = (120, 3);

/// Refuses when another process writes.
///
/// # Errors
/// A conflict that names the process where the system knows it.
pub(super) fn ask(name: &str, database: &File, shared_memory: &Path) -> Result<(), Fault> {
    let mut holder = holder(database, DATABASE);
    if holder.is_none()
        && let Ok(memory) = File::open(shared_memory)
    {
        holder = self::holder(&memory, SHARED_MEMORY);
    }
    let Some(pid) = holder else { return Ok(()) };
    let who = if pid > 0 {
        format!("process {pid}")
    } else {
        "another process".to_owned()
    };
    Err(Fault::new(
        Code::Conflict,
        format!("{name} is locked: {who} is writing to it."),
    )
    .hint(
        "Stop the program that uses it, or take a copy with sqlite3 FILE \".backup COPY\", then try again.",
    ))
}

/// Refuses because the file is not the one that the reading began with.
pub(super) fn changed(name: &str) -> Fault {
    Fault::new(
        Code::Conflict,
        format!("{name} was written to while it was read."),
    )
    .hint("Stop the program that uses it, or take a copy with sqlite3 FILE \".backup COPY\", then try again.")
}

/// The process with a write lock in the range; 0 or less when the system does not say which.
fn holder(file: &File, (start, length): (i64, i64)) -> Option<i32> {
    let mut lock = libc::flock {
        // A reader's lock: only a writer's stands against it.
        l_type: libc::F_RDLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: length,
        l_pid: 0,
    };
    // A file system without locks cannot say; then the comparison before and after must do.
    fcntl(file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    (i32::from(lock.l_type) != libc::F_UNLCK).then_some(lock.l_pid)
}
