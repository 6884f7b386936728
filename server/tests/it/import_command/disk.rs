//! The server's disk is full in the middle.

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::unistd::{Uid, User, chown};

use super::{
    sample,
    world::{World, folder},
};

/// Waits for the end of its input, which also comes when the test is killed.
const SWEEPER: &str = r#"trap '' INT TERM HUP; read -r _; umount -l "$1""#;

/// A small disk of memory.
struct Disk {
    path: PathBuf,
    sweeper: Child,
}

impl Disk {
    fn new(path: &Path, size: &str) -> Self {
        std::fs::create_dir(path).unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], path);
        let sweeper = Command::new("/bin/sh")
            .args(["-c", SWEEPER, "sweeper"])
            .arg(path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let server = User::from_name("postgres").unwrap().unwrap();
        chown(path, Some(server.uid), Some(server.gid)).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
        Self {
            path: path.to_owned(),
            sweeper,
        }
    }

    fn grow(&self, size: &str) {
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
    let done = Command::new("mount").args(arguments).arg(path).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_with_the_rows_and_with_more_room_the_same_command_goes_on() {
    // Only root can make a disk; where the tests run as someone else, nobody can say what a full one does.
    if !Uid::effective().is_root() {
        return;
    }
    let files = folder();
    let file = files.path().join("long.db");
    sample::long(&file);
    let disk = Disk::new(&files.path().join("disk"), "32m");
    let world = World::new("full").await;
    let name = world.target.name();
    world
        .execute(&format!(
            "create tablespace small location '{}'",
            disk.path.display()
        ))
        .await;
    world
        .execute(&format!("alter database {name} set default_tablespace = 'small'"))
        .await;
    let done = world.import(&file, "s", &[]);
    done.failed_with(&["readings, rows ", "rowid", "disk is full", "hint: "]);
    disk.grow("400m");
    world.identical(&file, "s", &[]);
    let rows = "select count(*) || ' ' || count(distinct id) from s.readings";
    assert_eq!(world.texts(rows).await, ["900000 900000"]);
    assert_eq!(world.tables("s").await, ["readings"]);
    // The server must not look for the disk after it is gone.
    world.execute("drop schema s cascade").await;
    world
        .execute(&format!("alter database {name} reset default_tablespace"))
        .await;
    world.execute("drop tablespace small").await;
}
