//! What cannot be inspected is said plainly, each in its own words.

use std::{
    fs,
    fs::File,
    os::unix::fs::{PermissionsExt, symlink},
    time::{Duration, Instant},
};

use contract::{Code, session::Role};
use nix::{
    fcntl::{FcntlArg, fcntl},
    libc,
};
use testkit::sqlite::{refused, traps};

use super::{
    support::caller,
    world::{World, hashes},
};

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_are_called_what_they_are() {
    let world = World::new().await;
    let expected = [
        ("empty_file", "empty_file.db is empty"),
        ("short_header", "is cut off: it ends after 18 bytes"),
        ("words", "is no SQLite database: its first bytes"),
        ("text_dump", "a text dump of a database"),
        ("gzip", "a gzip archive"),
        ("encrypted", "looks encrypted"),
        ("truncated", "is cut off: its header speaks of"),
        (
            "damaged_page",
            "Table t of damaged_page.db can be read only in part: its rows up to rowid ",
        ),
        ("damaged_schema", "is damaged: its list of tables cannot be read"),
    ];
    assert_eq!(refused().count(), expected.len());
    for trap in refused() {
        let (_, words) = expected.iter().find(|(name, _)| *name == trap.name).unwrap();
        let file = trap.write(world.folder.path());
        let before = hashes(world.folder.path());
        let fault = world.inspect(&file).await.map(|found| found.file).unwrap_err();
        assert!(fault.message.contains(words), "{}: {}", trap.name, fault.message);
        assert_eq!(fault.code, Code::Invalid, "{}", trap.name);
        assert!(fault.hint.is_some(), "{}", trap.name);
        assert_eq!(hashes(world.folder.path()), before, "{}", trap.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_is_refused() {
    let world = World::new().await;
    let folder = world.folder.path();
    let gone = world.inspect(&folder.join("gone.db")).await.unwrap_err();
    assert_eq!(gone.code, Code::NotFound);
    assert!(
        gone.message.contains("There is no file") && gone.hint.is_some(),
        "{gone}"
    );
    let itself = world.inspect(folder).await.unwrap_err();
    assert!(itself.message.contains("is a folder"), "{itself}");
    let device = world.inspect("/dev/zero".as_ref()).await.unwrap_err();
    assert!(device.message.contains("no ordinary file"), "{device}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_user_may_not_read_names_the_user() {
    let world = World::new().await;
    let file = world.folder.path().join("closed.db");
    fs::write(&file, "x").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let found = world.inspect(&file).await.unwrap_err();
    if nix::unistd::Uid::effective().is_root() {
        // Root reads it all the same, and then sees what it is.
        assert!(found.message.contains("no SQLite database"), "{found}");
    } else {
        assert!(found.message.contains("cannot be read by user"), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_process_writes_to_is_a_conflict() {
    let world = World::new().await;
    let trap = traps().find(|trap| trap.name == "booleans").unwrap();
    let file = trap.write(world.folder.path());
    let writer = File::options().read(true).write(true).open(&file).unwrap();
    // The lock of an open file stands against those of processes, this one included: as SQLite's RESERVED elsewhere.
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0x4000_0001,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&writer, FcntlArg::F_OFD_SETLK(&lock)).unwrap();
    let fault = world.inspect(&file).await.unwrap_err();
    assert_eq!(fault.code, Code::Conflict);
    assert!(fault.message.contains("is writing to it"), "{fault}");
    drop(writer);
    assert!(world.inspect(&file).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_to_the_journal_of_the_file_behind_it() {
    let world = World::new().await;
    let trap = traps().find(|trap| trap.name == "wal_pending").unwrap();
    let file = trap.write(world.folder.path());
    let link = world.folder.path().join("a name with ? and % and #.db");
    symlink(&file, &link).unwrap();
    let found = world.inspect(&link).await.unwrap();
    assert_eq!(found.tables[0].rows, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_the_reading_and_its_copy() {
    let world = World::new().await;
    let file = world.folder.path().join("long.db");
    let writer = rusqlite::Connection::open(&file).unwrap();
    writer
        .execute_batch(
            "pragma journal_mode = wal;
             create table t (v text);
             insert into t
             with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000)
             select 'a text like many others, number ' || i from n;",
        )
        .unwrap();
    let inspection = world.inspect(&file);
    let (mut seen, begun) = (false, Instant::now());
    tokio::select! {
        ended = inspection => panic!("it was over too soon: {:?}", ended.map(|found| found.file)),
        () = async {
            while !seen {
                tokio::time::sleep(Duration::from_millis(2)).await;
                seen = !world.left_behind().is_empty();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        } => {}
    }
    while !world.left_behind().is_empty() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the copy is still there"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_may_not_inspect() {
    let world = World::new().await;
    let viewer = caller(&world.console, Role::Viewer).await;
    let refused = world.console.import().inspect(&viewer, "/nowhere".as_ref()).await;
    assert_eq!(refused.unwrap_err().fault().code, Code::Forbidden);
}
