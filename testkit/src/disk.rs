use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Failure;
use crate::failure::{Doing, or_fail};
use crate::owner::Owner;

/// Waits for the end of its input, which also comes when the test is killed.
const SWEEPER: &str = r#"trap '' INT TERM HUP; read -r _; umount -l "$1""#;

/// A small disk of memory (tmpfs) that can be full. Only root can make one; it goes with this value or with the process.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    sweeper: Child,
}

impl Disk {
    /// Mounts a disk of this size (`32m`) at a path that is not there yet. Servers of testkit can write to it.
    #[must_use]
    pub fn new(path: &Path, size: &str) -> Self {
        or_fail(std::fs::create_dir(path).doing("making a disk"));
        mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], path);
        let sweeper = Command::new("/bin/sh")
            .args(["-c", SWEEPER, "sweeper"])
            .arg(path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn();
        let disk = Self {
            path: path.to_owned(),
            sweeper: or_fail(sweeper.doing("making a disk")),
        };
        or_fail(Owner::choose().and_then(|owner| owner.give(path)));
        let private = std::fs::Permissions::from_mode(0o700);
        or_fail(std::fs::set_permissions(path, private).doing("making a disk"));
        disk
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it another size.
    pub fn resize(&self, size: &str) {
        mount(&["-o", &format!("remount,size={size}")], &self.path);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(mut input) = self.sweeper.stdin.take() {
            input.write_all(b"now\n").ok();
        }
        self.sweeper.wait().ok();
    }
}

fn mount(arguments: &[&str], path: &Path) {
    let done = or_fail(
        Command::new("mount")
            .args(arguments)
            .arg(path)
            .output()
            .doing("mounting a disk"),
    );
    if !done.status.success() {
        Failure::new(format!("mount: {}", String::from_utf8_lossy(&done.stderr))).fail();
    }
}
