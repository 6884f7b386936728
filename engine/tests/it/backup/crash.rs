use std::{fs, time::Duration};

use contract::{
    Code,
    backup::BackupSpec,
    jobs::{JobId, JobState},
    session::Role,
};
use engine::Engine;

use super::{
    support,
    world::{entries, processes_with, until, world},
};

#[tokio::test]
async fn the_rows_follow_the_manifests() {
    let world = world().await;
    let (first, second) = (world.backup().await, world.backup().await);
    let before = world.list().await.backups;
    let store = world.console.store.pool().await;
    // Rows that are lost come back.
    sqlx::query("delete from backups").execute(&store).await.unwrap();
    assert_eq!(world.list().await.backups, before);
    // Rows without a manifest go.
    fs::remove_dir_all(world.stored(&first)).unwrap();
    assert_eq!(world.list().await.backups, before[..1]);
    let rows: Vec<uuid::Uuid> = sqlx::query_scalar("select id from backups")
        .fetch_all(&store)
        .await
        .unwrap();
    assert_eq!(rows, [second.id]);
    // A folder that is not there at all is a disk that is not mounted.
    let aside = world.folder().with_extension("aside");
    fs::rename(world.folder(), &aside).unwrap();
    let fault = world
        .engine
        .backup()
        .list(&world.caller, "main")
        .await
        .unwrap_err()
        .fault();
    assert!(fault.message.contains("backup folder"), "{fault}");
    fs::rename(&aside, world.folder()).unwrap();
    assert_eq!(world.list().await.backups, before[..1]);
}

#[tokio::test]
async fn what_a_killed_process_leaves_at_any_point_is_never_listed_and_goes() {
    let world = world().await;
    let backup = world.backup().await;
    let whole = world.stored(&backup);
    let partial = world.folder().join(".partial");
    // After each point of the protocol: the folder, half an archive, the archive, the roles, half a manifest, all.
    let archive = fs::read(whole.join("archive.dump")).unwrap();
    let manifest = fs::read(whole.join("manifest.json")).unwrap();
    let states: [&[(&str, &[u8])]; 6] = [
        &[],
        &[("archive.dump", &archive[..archive.len() / 2])],
        &[("archive.dump", &archive)],
        &[("archive.dump", &archive), ("globals.sql", b"--")],
        &[
            ("archive.dump", &archive),
            ("globals.sql", b"--"),
            ("manifest.json.0123", &manifest[..99]),
        ],
        &[
            ("archive.dump", &archive),
            ("globals.sql", b"--"),
            ("manifest.json", &manifest),
        ],
    ];
    for files in states {
        let folder = partial.join(uuid::Uuid::now_v7().to_string());
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in files {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
    assert_eq!(
        entries(&partial)
            .iter()
            .filter(|path| !path.contains('/'))
            .count(),
        6
    );
    assert_eq!(world.list().await.backups, std::slice::from_ref(&backup));
    assert_eq!(entries(&partial), [] as [&str; 0]);
    // After the rename and before the row: it is whole, and it is listed.
    let store = world.console.store.pool().await;
    sqlx::query("delete from backups").execute(&store).await.unwrap();
    assert_eq!(world.list().await.backups, [backup]);
}

#[tokio::test]
async fn a_verification_whose_process_died_is_in_nobodys_way_where_no_console_runs() {
    let world = world().await;
    let backup = world.backup().await;
    let world = world.instead(|config| config.works = false).await;
    let store = world.console.store.pool().await;
    let verify = || async {
        world
            .engine
            .backup()
            .verify(&world.caller, "main", backup.id)
            .await
    };
    // At work when its process was killed, and killed before it could begin.
    for (state, worker, silent_s) in [("running", Some(4711_i64), 6), ("queued", None, 11)] {
        let dead = verify().await.unwrap();
        sqlx::query(
            "update jobs
                set state = $2, worker = $3, heartbeat_at = now() - make_interval(secs => $4)
              where id = $1",
        )
        .bind(dead.0)
        .bind(state)
        .bind(worker)
        .bind(f64::from(silent_s))
        .execute(&store)
        .await
        .unwrap();
        let next = verify().await.unwrap();
        let ended = world.until(dead, |job| job.state.is_final()).await;
        assert_eq!(ended.state, JobState::Interrupted);
        world.engine.jobs().cancel(&world.caller, next).await.unwrap();
    }
    // One whose worker holds its lock, and whose heart beats, lives.
    let alive = verify().await.unwrap();
    let mut worker = store.acquire().await.unwrap();
    sqlx::query("select pg_advisory_lock(4712)")
        .execute(&mut *worker)
        .await
        .unwrap();
    sqlx::query(
        "update jobs
            set state = 'running', worker = 4712, heartbeat_at = now() + interval '1 minute'
          where id = $1",
    )
    .bind(alive.0)
    .execute(&store)
    .await
    .unwrap();
    let fault = verify().await.unwrap_err().fault();
    assert!(
        fault.code == Code::Conflict && fault.message.contains("verified already"),
        "{fault}"
    );
}

#[test]
fn a_console_that_vanishes_at_any_moment_leaves_a_whole_backup_or_none() {
    let moments = [0, 80, 200, 400, 700, 1200, 2000];
    let interrupted = std::thread::scope(|scope| {
        let all = moments.map(|moment| scope.spawn(move || vanish_after(Duration::from_millis(moment))));
        all.into_iter()
            .filter_map(|one| one.join().ok())
            .map(|state| state == JobState::Interrupted)
            .collect::<Vec<_>>()
    });
    assert_eq!(
        interrupted.len(),
        moments.len(),
        "each of them ended as it should"
    );
    assert!(
        interrupted.iter().filter(|&&it| it).count() >= 2,
        "too few were hit at work: {interrupted:?}"
    );
}

/// Drops every task of a console at once, as a crash does, and lets another console clean up; how the job ended.
fn vanish_after(moment: Duration) -> JobState {
    let outer = tokio::runtime::Runtime::new().unwrap();
    let world = outer.block_on(async {
        let world = world().await.instead(|config| config.works = false).await;
        // About 20 MB, so that the dump takes a while.
        let more =
            "insert into orders (note) select repeat(md5(n::text), 40) from generate_series(1, 15000) n";
        sqlx::raw_sql(more).execute(&world.pool).await.unwrap();
        world
    });
    let config = world.config.clone();
    let inner = tokio::runtime::Runtime::new().unwrap();
    let id: JobId = inner.block_on(async {
        let mut config = config.clone();
        config.works = true;
        let engine = Engine::open(config).await.unwrap();
        let caller = support::caller(&engine, Role::Administrator).await;
        let id = engine
            .backup()
            .start(&caller, BackupSpec::whole("main"))
            .await
            .unwrap();
        until(&engine, &caller, id, |job| job.state != JobState::Queued).await;
        tokio::time::sleep(moment).await;
        id
    });
    inner.shutdown_background();
    outer.block_on(async {
        let mut config = config;
        config.works = true;
        let engine = Engine::open(config).await.unwrap();
        let job = until(&engine, &world.caller, id, |job| job.state.is_final()).await;
        let ended = job.state;
        assert!(
            matches!(ended, JobState::Interrupted | JobState::Succeeded),
            "{job:?}"
        );
        let list = engine.backup().list(&world.caller, "main").await.unwrap();
        assert_eq!(entries(&world.folder().join(".partial")), [] as [&str; 0]);
        assert_eq!(processes_with(&format!("pgsteward backup {id}")), [] as [&str; 0]);
        assert_eq!(world.sessions(id).await, 0);
        assert_eq!(world.attempt_rows().await, 0);
        assert!(list.backups.len() <= 1);
        for backup in &list.backups {
            let verify = engine
                .backup()
                .verify(&world.caller, "main", backup.id)
                .await
                .unwrap();
            let job = until(&engine, &world.caller, verify, |job| job.state.is_final()).await;
            assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
        }
        // And the next one works.
        let next = engine
            .backup()
            .start(&world.caller, BackupSpec::whole("main"))
            .await
            .unwrap();
        let job = until(&engine, &world.caller, next, |job| job.state.is_final()).await;
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
        engine.close().await;
        ended
    })
}
