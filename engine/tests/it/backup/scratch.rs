//! Where the console's machine has no server programs of a backup's version, the server of a managed database takes the trial.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use contract::{
    Code,
    backup::{BackupView, Proof, TrialReport, VerifySpec},
    jobs::{JobId, JobState},
    session::Role,
};
use testkit::Version;

use super::{
    equal::enrich,
    restore_faults::{standing, stands},
    support,
    world::{World, entries, processes_with, world},
};

fn on(backup: &BackupView, place: Option<&str>) -> VerifySpec {
    VerifySpec {
        target: "main".into(),
        id: backup.id,
        level: Proof::Equal,
        on: place.map(str::to_owned),
    }
}

async fn start(world: &World, spec: VerifySpec) -> JobId {
    world
        .engine
        .backup()
        .verify_to(&world.caller, spec)
        .await
        .unwrap()
}

async fn trial(world: &World, backup: &BackupView) -> TrialReport {
    let report = world
        .engine
        .backup()
        .report(&world.caller, "main", backup.id)
        .await
        .unwrap();
    report.trial.unwrap()
}

#[tokio::test]
async fn without_server_programs_here_the_server_of_a_managed_database_takes_the_trial_and_keeps_nothing() {
    let there = testkit::shared_of(Version::V17).await;
    let other = there.database("other").await;
    let world = world().await;
    enrich(&world.pool, "scratch").await;
    let backup = world.backup().await;
    // Client tools for both, a server for neither.
    let tools = tempfile::tempdir().unwrap();
    for name in ["pg_dump", "pg_dumpall", "pg_restore"] {
        symlink(Version::V17.bin_dir().join(name), tools.path().join(name)).unwrap();
    }
    let world = world
        .instead(|config| {
            let mut second = config.targets[0].clone();
            second.name = "second".into();
            second.options = other.socket_options();
            config.targets.push(second);
            config.pg_bin = Some(tools.path().to_owned());
            config.verify_on = Some("second".into());
        })
        .await;
    // Others make roles on that server meanwhile.
    let roles = "select count(*) from pg_roles where rolname in ('owner_scratch', 'Reader scratch')";
    let id = start(&world, on(&backup, None)).await;
    let job = world.ended(id).await;
    assert_eq!(
        job.state,
        JobState::Succeeded,
        "{:#?} {:?}",
        job.fault,
        world.log(id).await
    );
    assert!(job.outcome.unwrap().starts_with(Proof::Equal.label()));
    assert!(
        job.progress
            .steps
            .iter()
            .any(|step| step.name == "Make a scratch database")
    );
    let trial = trial(&world, &backup).await;
    assert_eq!((trial.failure, trial.differences), (None, Vec::new()));
    assert!(trial.server.unwrap().starts_with("17"));
    assert!(
        trial.notes[0].contains("on the server of second"),
        "{:?}",
        trial.notes
    );
    assert!(trial.tables.iter().all(|table| table.equal) && trial.tables.len() > 5);
    assert_eq!(world.list().await.backups[0].proof, Proof::Equal);
    world.nothing_of(there, &world.ended(id).await).await;
    let left: i64 = sqlx::query_scalar(roles)
        .fetch_one(&mut there.admin().await)
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert_eq!(entries(&world.folder().join(".partial")), [] as [&str; 0]);
}

#[tokio::test]
async fn two_trials_on_one_server_do_not_take_each_others_roles_away() {
    let there = testkit::shared_of(Version::V17).await;
    let other = there.database("twice").await;
    let world = world().await;
    enrich(&world.pool, "twice").await;
    let (first, second) = (world.backup().await, world.backup().await);
    let world = world
        .instead(|config| {
            let mut second = config.targets[0].clone();
            second.name = "second".into();
            second.options = other.socket_options();
            config.targets.push(second);
            config.pg_bin = Some(Version::V17.bin_dir());
        })
        .await;
    let ids = [
        start(&world, on(&first, Some("second"))).await,
        start(&world, on(&second, Some("second"))).await,
    ];
    let jobs = [world.ended(ids[0]).await, world.ended(ids[1]).await];
    for job in jobs {
        assert_eq!(
            job.state,
            JobState::Succeeded,
            "{:?} {:?}",
            job.fault,
            world.log(job.id).await
        );
        world.nothing_of(there, &job).await;
    }
    let left: i64 =
        sqlx::query_scalar("select count(*) from pg_roles where rolname in ('owner_twice', 'Reader twice')")
            .fetch_one(&mut there.admin().await)
            .await
            .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_lower_trial_makes_nothing_of_a_difference_good() {
    let world = world().await;
    let backup = world.backup().await;
    let folder = tempfile::tempdir().unwrap();
    let world = changing(world, folder.path()).await;
    let id = start(&world, on(&backup, Some("main"))).await;
    assert_eq!(world.ended(id).await.state, JobState::Failed);
    assert!(world.list().await.backups[0].damage.is_some());
    // Restored for trial, and not compared: that cannot know.
    let world = world.instead(|config| config.pg_bin = None).await;
    let restored = VerifySpec {
        level: Proof::Restored,
        ..on(&backup, None)
    };
    let id = start(&world, restored).await;
    world.ended(id).await;
    let listed = &world.list().await.backups[0];
    assert!(listed.damage.is_some(), "{listed:?}");
    let id = start(&world, on(&backup, None)).await;
    assert_eq!(world.ended(id).await.state, JobState::Succeeded);
    let listed = &world.list().await.backups[0];
    assert_eq!((listed.proof, &listed.damage), (Proof::Equal, &None));
}

/// With a pg_restore that changes a row after all are loaded: their number stays.
async fn changing(world: World, folder: &std::path::Path) -> World {
    let bin = testkit::shared().await.bin_dir();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["pg_dump", "pg_dumpall"] {
        symlink(bin.join(name), folder.join(name)).unwrap();
    }
    let script = format!(
        "#!/bin/sh\nREAL={}\n$REAL/pg_restore \"$@\" || exit $?\nfor a in \"$@\"; do case \"$a\" in\n\
         --dbname=*) db=\"${{a#--dbname=}}\";; --use-list=*/load) last=1;; esac; done\n\
         if [ -n \"$last\" ]; then exec $REAL/psql -X -q -v ON_ERROR_STOP=1 -d \"$db\" \
         -c \"update public.orders set note = note || ' ' where id = 17\"; fi\n",
        bin.display()
    );
    let path = folder.join("pg_restore");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    world
        .instead(|config| config.pg_bin = Some(folder.to_owned()))
        .await
}

#[tokio::test]
async fn a_scratch_database_that_is_not_equal_is_damage_and_goes_as_well() {
    let cluster = testkit::shared().await;
    let world = world().await;
    let backup = world.backup().await;
    let folder = tempfile::tempdir().unwrap();
    let world = changing(world, folder.path()).await;
    let id = start(&world, on(&backup, Some("main"))).await;
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Failed, "{:?}", world.log(id).await);
    let fault = job.fault.clone().unwrap();
    assert!(fault.message.contains("not what its snapshot was"), "{fault}");
    let trial = trial(&world, &backup).await;
    assert_eq!(
        trial.differences,
        ["table public.orders has 2,000 rows as in the backup, but not the same ones"]
    );
    assert!(world.list().await.backups[0].damage.is_some());
    world.nothing_of(cluster, &job).await;
}

#[tokio::test]
async fn a_trial_elsewhere_is_cancelled_like_a_restore_and_asked_for_by_who_may_restore() {
    let cluster = testkit::shared().await;
    let world = standing(cluster).await;
    let backup = world.backup().await;
    let id = start(&world, on(&backup, Some("main"))).await;
    stands(cluster, id).await;
    world.engine.jobs().cancel(&world.caller, id).await.unwrap();
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Cancelled);
    world.nothing_of(cluster, &job).await;
    assert_eq!(processes_with(&id.to_string()), [] as [&str; 0]);
    assert_eq!(world.list().await.backups[0].proof, Proof::ReadBack);

    let refused = async |caller: &engine::Caller, spec: VerifySpec| {
        let refused = world.engine.backup().verify_to(caller, spec).await;
        refused.unwrap_err().fault()
    };
    let fault = refused(&world.caller, on(&backup, Some("nowhere"))).await;
    assert_eq!(fault.code, Code::NotFound, "{fault}");
    let read = VerifySpec {
        level: Proof::ReadBack,
        ..on(&backup, Some("main"))
    };
    let fault = refused(&world.caller, read).await;
    assert_eq!(fault.code, Code::Invalid, "{fault}");
    let viewer = support::caller(&world.engine, Role::Viewer).await;
    let fault = refused(&viewer, on(&backup, Some("main"))).await;
    assert_eq!(fault.code, Code::Forbidden, "{fault}");
}

#[tokio::test]
async fn a_trial_on_a_server_that_a_console_does_not_manage_is_left_to_the_one_that_does() {
    let there = testkit::shared_of(Version::V17).await;
    let other = there.database("left").await;
    let world = world().await;
    let backup = world.backup().await;
    let mut config = world.config.clone();
    let mut second = config.targets[0].clone();
    second.name = "second".into();
    second.options = other.socket_options();
    config.targets.push(second);
    config.works = false;
    config.pg_bin = Some(Version::V17.bin_dir());
    let command = engine::Engine::open(config).await.unwrap();
    let caller = support::caller(&command, Role::Administrator).await;
    let id = command
        .backup()
        .verify_to(&caller, on(&backup, Some("second")))
        .await
        .unwrap();
    // The console takes what comes after it, and so has seen it.
    let next = world.start().await;
    world.ended(next).await;
    let waits = world.until(id, |_| true).await;
    assert_eq!(waits.state, JobState::Queued);
    command.jobs().work_on(&caller, id).await.unwrap();
    let job = world.ended(id).await;
    assert_eq!(
        job.state,
        JobState::Succeeded,
        "{:?} {:?}",
        job.fault,
        world.log(id).await
    );
    command.close().await;
}
