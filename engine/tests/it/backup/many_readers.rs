//! Backups that several connections read: a folder of pg_dump's, stored as one tar.

use contract::{
    Code,
    backup::{BackupSpec, BackupView, Proof, VerifySpec},
    jobs::JobState,
};
use testkit::Version;

use super::{
    restored::{definitions, spec},
    round_trip::contents,
    world::{World, entries, fill, over, world},
};

fn parallel(parallel: i32) -> BackupSpec {
    BackupSpec {
        parallel,
        ..BackupSpec::whole("main")
    }
}

async fn taken(world: &World, spec: BackupSpec) -> BackupView {
    let id = world.engine.backup().start(&world.caller, spec).await.unwrap();
    let job = world.ended(id).await;
    assert_eq!(
        job.state,
        JobState::Succeeded,
        "{:?} {:?}",
        job.fault,
        world.log(id).await
    );
    let list = world.list().await;
    list.backups.into_iter().find(|backup| backup.id == id.0).unwrap()
}

async fn comes_back(cluster: &testkit::Cluster, world: &World) {
    let backup = taken(world, parallel(3)).await;
    assert!(backup.file.ends_with(".tar"), "{}", backup.file);
    assert_eq!(backup.rows, 2_382);
    // What pg_dump wrote is there once.
    let stored = entries(&world.stored(&backup));
    assert!(
        stored.iter().all(|name| !name.contains("unpacked"))
            && stored.iter().any(|name| name == "archive.dump"),
        "{stored:?}"
    );
    let spec_of = VerifySpec {
        target: "main".into(),
        id: backup.id,
        level: Proof::Equal,
        on: None,
    };
    let id = world
        .engine
        .backup()
        .verify_to(&world.caller, spec_of)
        .await
        .unwrap();
    let job = world.ended(id).await;
    assert_eq!(
        job.state,
        JobState::Succeeded,
        "{:?} {:?}",
        job.fault,
        world.log(id).await
    );
    let list = world.list().await;
    let proven = list.backups.iter().find(|one| one.id == backup.id).unwrap();
    assert_eq!(proven.proof, Proof::Equal);
    let restored = world.restore(spec(&backup)).await;
    let inside = world.inside(cluster, &restored).await;
    assert_eq!(contents(&inside).await, contents(&world.pool).await);
    assert_eq!(
        definitions(cluster, &restored.database),
        definitions(cluster, world.database.name())
    );
}

#[tokio::test]
async fn a_backup_that_three_connections_read_is_whole_proven_and_restored() {
    let world = world().await;
    comes_back(testkit::shared().await, &world).await;

    // A byte of it that is not what was written is found.
    let backup = taken(&world, parallel(2)).await;
    let archive = world.stored(&backup).join("archive.dump");
    let mut bytes = std::fs::read(&archive).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&archive, &bytes).unwrap();
    let job = world.verified(&backup).await;
    assert_eq!(job.state, JobState::Failed, "{job:?}");
    assert!(job.fault.unwrap().message.contains("damaged"));

    for wrong in [0, 65, -1] {
        let fault = world
            .engine
            .backup()
            .start(&world.caller, parallel(wrong))
            .await
            .unwrap_err()
            .fault();
        assert_eq!(
            (fault.code, fault.field.as_deref()),
            (Code::Invalid, Some("parallel"))
        );
    }
}

#[tokio::test]
async fn the_oldest_and_the_newest_server_are_read_by_several_connections() {
    for version in [Version::V14, Version::V18] {
        let cluster = testkit::shared_of(version).await;
        let database = cluster.database("many").await;
        let pool = database.pool().await;
        fill(&pool, 2000).await;
        let world = over(database, pool)
            .await
            .instead(|config| config.pg_bin = Some(version.bin_dir()))
            .await;
        comes_back(cluster, &world).await;
    }
}

#[tokio::test]
async fn one_that_is_cancelled_while_it_waits_leaves_nothing() {
    let world = world().await;
    let holder = world.lock_orders().await;
    let id = world
        .engine
        .backup()
        .start(&world.caller, parallel(3))
        .await
        .unwrap();
    world.until(id, |job| job.progress.waiting.is_some()).await;
    world.engine.jobs().cancel(&world.caller, id).await.unwrap();
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Cancelled, "{job:?}");
    drop(holder);
    assert_eq!(world.list().await.backups.len(), 0);
    assert_eq!(entries(&world.folder().join(".partial")), [] as [&str; 0]);
    assert_eq!(world.attempt_rows().await, 0);
}
