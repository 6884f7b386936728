//! Each database's backups lie in a folder of its own, whatever the database is called.

use std::{collections::BTreeSet, fs, path::Path};

use contract::{backup::BackupSpec, session::Role};
use engine::{Engine, EngineConfig, config::TargetConfig};
use testkit::Database;

use super::{
    support,
    world::{World, over, until, world},
};

/// A console on a store of its own that manages a database under this name, over the same backup folder.
async fn beside(world: &World, name: &str, database: &Database) -> Engine {
    let store = testkit::shared().await.database("store").await;
    Engine::open(EngineConfig {
        store: store.socket_options(),
        targets: vec![TargetConfig {
            name: name.to_owned(),
            options: database.socket_options(),
            ..world.config.targets[0].clone()
        }],
        ..world.config.clone()
    })
    .await
    .unwrap()
}

async fn ids(engine: &Engine, name: &str) -> Vec<uuid::Uuid> {
    let caller = support::caller(engine, Role::Administrator).await;
    let list = engine.backup().list(&caller, name).await.unwrap();
    list.backups.iter().map(|backup| backup.id).collect()
}

fn folders(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != ".partial")
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn two_databases_of_one_name_never_share_a_folder() {
    let world = world().await;
    let own = world.backup().await;
    let other = testkit::shared().await.database("other").await;
    let stranger = beside(&world, "main", &other).await;
    assert_eq!(ids(&stranger, "main").await, [] as [uuid::Uuid; 0]);
    let caller = support::caller(&stranger, Role::Administrator).await;
    let spec = BackupSpec::whole("main");
    let id = stranger.backup().start(&caller, spec).await.unwrap();
    until(&stranger, &caller, id, |job| job.state.is_final()).await;
    assert_eq!(ids(&stranger, "main").await, [id.0]);
    assert_eq!(ids(&world.engine, "main").await, [own.id]);
    let folders = folders(&world.folder());
    assert!(
        folders.len() == 2 && folders.iter().all(|name| name.starts_with("main~")),
        "{folders:?}"
    );
    stranger.close().await;
}

#[tokio::test]
async fn names_that_look_alike_have_a_folder_each() {
    let world = world().await;
    let names = ["Sales 2026", "sales 2026", "größe", "grüße"];
    let mut kept = Vec::new();
    for name in names {
        let database = testkit::shared().await.database(name).await;
        let console = beside(&world, name, &database).await;
        let caller = support::caller(&console, Role::Administrator).await;
        let spec = BackupSpec::whole(name);
        let id = console.backup().start(&caller, spec).await.unwrap();
        until(&console, &caller, id, |job| job.state.is_final()).await;
        kept.push((console, name, id.0));
    }
    for (console, name, id) in kept {
        assert_eq!(ids(&console, name).await, [id], "{name}");
        console.close().await;
    }
    // Also where the disk does not tell capital letters from small ones.
    let folders: BTreeSet<String> = folders(&world.folder())
        .iter()
        .map(|name| name.to_lowercase())
        .collect();
    assert_eq!(folders.len(), names.len(), "{folders:?}");
}

#[tokio::test]
async fn folders_of_older_versions_are_read_and_each_database_takes_its_own() {
    let world = world().await;
    let backup = world.backup().await;
    let stored = world.stored(&backup);
    let old = world.folder().join("main");
    fs::create_dir(&old).unwrap();
    fs::rename(&stored, old.join(backup.id.to_string())).unwrap();
    fs::remove_dir(stored.parent().unwrap()).unwrap();
    let store = world.console.store.pool().await;
    sqlx::query("update backups set root = null, folder = null")
        .execute(&store)
        .await
        .unwrap();
    assert_eq!(ids(&world.engine, "main").await, [backup.id]);
    assert_eq!(world.stored(&backup), old.join(backup.id.to_string()));
    let verified = world.verified(&backup).await;
    assert!(verified.outcome.is_some(), "{verified:?}");
    // Another database of this name finds nothing of it there.
    let other = testkit::shared().await.database("other").await;
    let stranger = beside(&world, "main", &other).await;
    assert_eq!(ids(&stranger, "main").await, [] as [uuid::Uuid; 0]);
    stranger.close().await;
    // The same database under another name finds what has its identity.
    let renamed = beside(&world, "renamed", &world.database).await;
    let next = world.backup().await;
    assert_eq!(ids(&renamed, "renamed").await, [next.id]);
    renamed.close().await;
}

#[tokio::test]
async fn an_empty_mount_point_is_refused_and_nothing_is_written_below_it() {
    let world = world().await;
    let backup = world.backup().await;
    let aside = world.folder().with_extension("aside");
    fs::rename(world.folder(), &aside).unwrap();
    fs::create_dir(world.folder()).unwrap();
    let fault = world
        .engine
        .backup()
        .list(&world.caller, "main")
        .await
        .unwrap_err()
        .fault();
    assert!(
        fault.message.contains(&world.folder().display().to_string())
            && fault.hint.unwrap().contains("mounted"),
        "{}",
        fault.message
    );
    let id = world.start().await;
    let job = world.ended(id).await;
    assert!(job.fault.unwrap().message.contains("holds nothing"));
    assert_eq!(folders(&world.folder()), [] as [&str; 0]);
    fs::remove_dir_all(world.folder()).unwrap();
    fs::rename(&aside, world.folder()).unwrap();
    assert_eq!(ids(&world.engine, "main").await, [backup.id]);
    // Deleting the last backup leaves a folder that is known.
    let request = contract::backup::DeleteBackup {
        target: "main".into(),
        id: backup.id,
        confirm: world.database.name().to_owned(),
    };
    world
        .engine
        .backup()
        .delete(&world.caller, request)
        .await
        .unwrap();
    assert_eq!(ids(&world.engine, "main").await, [] as [uuid::Uuid; 0]);
    world.backup().await;
}

#[tokio::test]
async fn a_database_that_was_adopted_keeps_the_backups_of_the_one_before() {
    let world = world().await;
    let before = world.backup().await;
    world.engine.close().await;
    let store = world.console.store.pool().await;
    sqlx::query("update database_names set seen_at = seen_at - interval '2 minutes'")
        .execute(&store)
        .await
        .unwrap();
    let moved = testkit::shared().await.database("moved").await;
    let config = EngineConfig {
        targets: vec![TargetConfig {
            options: moved.socket_options(),
            ..world.config.targets[0].clone()
        }],
        ..world.config.clone()
    };
    let adopting = Engine::open_to_adopt(config.clone()).await.unwrap();
    let caller = support::caller(&adopting, Role::Administrator).await;
    let fault = adopting.backup().list(&caller, "main").await.unwrap_err().fault();
    assert!(fault.message.contains("two databases"), "{fault:?}");
    adopting.targets().adopt(&caller, "main").await.unwrap().unwrap();
    adopting.close().await;
    let after = Engine::open(config).await.unwrap();
    let id = after
        .backup()
        .start(&caller, BackupSpec::whole("main"))
        .await
        .unwrap();
    until(&after, &caller, id, |job| job.state.is_final()).await;
    assert_eq!(ids(&after, "main").await, [id.0, before.id]);
    after.close().await;
}

#[tokio::test]
async fn a_store_that_is_younger_than_the_backups_says_what_it_lacks() {
    let world = world().await;
    let backup = world.backup().await;
    let words = "jobs, users and audit entries from before are not in it";
    let warning = world.list().await.warning.unwrap_or_default();
    assert!(!warning.contains(words), "{warning}");
    world.engine.close().await;
    // The store is lost; backups, data folder and database are there.
    let anew = beside(&world, "main", &world.database).await;
    let caller = support::caller(&anew, Role::Administrator).await;
    let list = anew.backup().list(&caller, "main").await.unwrap();
    assert_eq!(
        list.backups.iter().map(|it| it.id).collect::<Vec<_>>(),
        [backup.id]
    );
    assert!(list.backups[0].is_sound(), "{:?}", list.backups[0]);
    assert!(list.warning.unwrap_or_default().contains(words));
    anew.close().await;
}

#[tokio::test]
async fn backups_are_listed_and_verified_while_their_database_is_away() {
    let database = testkit::shared().await.database("away").await;
    let pool = database.pool().await;
    let world = over(database, pool).await;
    let backup = world.backup().await;
    let world = world
        .instead(|config| {
            config.targets[0].options = config.targets[0].options.clone().socket("/nowhere").port(1)
        })
        .await;
    assert_eq!(ids(&world.engine, "main").await, [backup.id]);
    let verified = world.verified(&backup).await;
    assert!(verified.outcome.is_some(), "{verified:?}");
}
