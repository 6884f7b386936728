//! The server's disk is full in the middle.

use nix::unistd::Uid;
use testkit::Disk;

use super::{
    sample,
    world::{World, folder},
};

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
            disk.path().display()
        ))
        .await;
    world
        .execute(&format!("alter database {name} set default_tablespace = 'small'"))
        .await;
    let done = world.import(&file, "s", &[]);
    done.failed_with(&["readings, rows ", "rowid", "disk is full", "hint: "]);
    disk.resize("400m");
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
