use std::time::{Duration, Instant};

use contract::{
    Code,
    backup::BackupView,
    jobs::{JobId, JobState},
    restore::RestoredState,
    session::Role,
};
use engine::Engine;
use nix::{sys::signal, unistd::Pid};
use sqlx::{AssertSqlSafe, Executor};
use testkit::Cluster;

use super::{
    failure::through,
    restored::{left_on, spec},
    support,
    world::{World, entries, fill, over, processes_with, until},
};

/// How long anything here may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database whose restore stands still at one row until it is stopped.
pub(super) async fn standing(cluster: &Cluster) -> World {
    let database = cluster.database("shop").await;
    let pool = database.pool().await;
    fill(&pool, 500).await;
    let sql = "create function wait() returns boolean language plpgsql immutable as $f$
               begin
                 if current_database() like 'pgsteward_restoring%' then perform pg_sleep(600); end if;
                 return true;
               end $f$;
               create table slow (n int check (wait()));
               insert into slow values (1)";
    pool.execute(sql).await.unwrap();
    over(database, pool).await
}

/// Waits until the restore stands at that row.
pub(super) async fn stands(cluster: &Cluster, job: JobId) {
    let mut admin = cluster.admin().await;
    let begun = Instant::now();
    loop {
        let standing: bool = sqlx::query_scalar(
            "select exists (select from pg_stat_activity where application_name = $1 and wait_event = 'PgSleep')",
        )
        .bind(format!("pgsteward restore {job}"))
        .fetch_one(&mut admin)
        .await
        .unwrap();
        if standing {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the restore does not get there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the managed database is asked over connections that live.
async fn answers(world: &World, backup: &BackupView) {
    let begun = Instant::now();
    let backups = world.engine.backup();
    while let Err(error) = backups.plan_restore(&world.caller, spec(backup)).await {
        assert!(begun.elapsed() < PATIENCE, "{}", error.fault());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The live database, by its rows.
async fn live(world: &World) -> i64 {
    sqlx::query_scalar("select (select count(*) from orders) + (select count(*) from slow)")
        .fetch_one(&world.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_cancelled_restore_ends_and_leaves_nothing_within_ten_seconds() {
    let cluster = testkit::shared().await;
    let world = standing(cluster).await;
    let backup = world.backup().await;
    let id = world.start_restore(spec(&backup)).await;
    stands(cluster, id).await;
    let making = world.restored(id).await.unwrap();
    assert_eq!(making.state, RestoredState::Making);
    assert!(making.database.starts_with("pgsteward_restoring_"), "{making:?}");
    let shown = world
        .until(id, |job| job.progress.fraction.is_some())
        .await
        .progress;
    assert!(
        shown.fraction.unwrap() > 0.0 && shown.fraction.unwrap() < 0.95,
        "{shown:?}"
    );
    world.engine.jobs().cancel(&world.caller, id).await.unwrap();
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Cancelled);
    // By the store's clock, from the wish to the end of the clean-up.
    let store = world.console.store.pool().await;
    let took: f64 = sqlx::query_scalar(
        "select extract(epoch from jobs.finished_at - asked.at)::float8
           from jobs
           join audit_log asked on asked.job = jobs.id and asked.event_type = 'job.cancel'
          where jobs.id = $1",
    )
    .bind(id.0)
    .fetch_one(&store)
    .await
    .unwrap();
    assert!((0.0..=10.0).contains(&took), "{took} s");
    world.nothing_of(cluster, &job).await;
    assert_eq!(live(&world).await, 501);
}

#[tokio::test]
async fn a_network_that_goes_away_without_a_word_ends_the_restore_and_what_it_left_goes_with_the_next() {
    let cluster = testkit::shared().await;
    let proxy = testkit::Proxy::start(cluster.port()).await;
    let world = through(standing(cluster).await, &proxy, 12).await;
    let backup = world.backup().await;
    let id = world.start_restore(spec(&backup)).await;
    stands(cluster, id).await;
    proxy.stall();
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Failed, "{job:?}");
    let fault = job.fault.unwrap();
    assert_eq!(fault.code, Code::TargetUnreachable, "{fault:?}");
    assert!(
        fault.message.contains("Nothing came from main for 12 s"),
        "{fault}"
    );
    assert_eq!(
        processes_with(&format!("pgsteward restore {id}")),
        [] as [&str; 0]
    );
    assert_eq!(
        entries(&world.config.data_dir.join("tool-secrets")),
        [] as [&str; 0]
    );
    // Nobody could be asked to remove it, and it is not taken for a whole one.
    let left = world.restored(id).await.unwrap();
    assert_eq!(left.state, RestoredState::Partial, "{:?}", world.log(id).await);
    assert!(left.database.starts_with("pgsteward_restoring_"), "{left:?}");
    assert_eq!(live(&world).await, 501);
    proxy.cut().await;
    proxy.restore().await;
    world
        .pool
        .execute("create or replace function wait() returns boolean language sql as 'select true'")
        .await
        .unwrap();
    answers(&world, &backup).await;
    let next = world.backup().await;
    world.restore(spec(&next)).await;
    assert_eq!(left_on(&mut cluster.admin().await, id).await, [] as [&str; 0]);
    assert_eq!(world.restored(id).await, None);
}

#[tokio::test]
async fn a_killed_pg_restore_is_a_failure_that_leaves_nothing() {
    let cluster = testkit::shared().await;
    let world = standing(cluster).await;
    let backup = world.backup().await;
    let id = world.start_restore(spec(&backup)).await;
    stands(cluster, id).await;
    let store = world.console.store.pool().await;
    let pid: i32 = sqlx::query_scalar("select pid from backup_attempts")
        .fetch_one(&store)
        .await
        .unwrap();
    signal::kill(Pid::from_raw(pid), signal::Signal::SIGKILL).unwrap();
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Failed, "{job:?}");
    let fault = job.fault.clone().unwrap();
    assert!(fault.message.contains("signal 9"), "{fault}");
    world.nothing_of(cluster, &job).await;
    assert_eq!(live(&world).await, 501);
}

#[tokio::test]
async fn a_killed_server_ends_the_restore_and_what_it_left_is_marked_and_goes_with_the_next() {
    let cluster = Cluster::start().await;
    let world = standing(&cluster).await;
    let backup = world.backup().await;
    let id = world.start_restore(spec(&backup)).await;
    stands(&cluster, id).await;
    cluster.kill9().await;
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Failed, "{job:?}");
    assert_eq!(
        processes_with(&format!("pgsteward restore {id}")),
        [] as [&str; 0]
    );
    assert_eq!(
        entries(&world.config.data_dir.join("tool-secrets")),
        [] as [&str; 0]
    );
    let left = world.restored(id).await.unwrap();
    assert_eq!(left.state, RestoredState::Partial, "{:?}", world.log(id).await);
    cluster.start_again().await;
    let mut admin = cluster.admin().await;
    let names = left_on(&mut admin, id).await;
    assert!(
        names.iter().all(|name| name.contains("pgsteward_restor")),
        "marked by their names: {names:?}"
    );
    assert_eq!(live(&world).await, 501);
    // Let the next one through, which takes the rest away.
    world
        .pool
        .execute("create or replace function wait() returns boolean language sql as 'select true'")
        .await
        .unwrap();
    answers(&world, &backup).await;
    let next = world.backup().await;
    world.restore(spec(&next)).await;
    assert_eq!(left_on(&mut admin, id).await, [] as [&str; 0]);
    assert_eq!(world.restored(id).await, None);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how many, and which, is asked of the one test that is run by hand with more"
)]
fn a_console_that_vanishes_at_any_moment_leaves_a_whole_database_or_nothing() {
    let count: u64 = std::env::var("PGSTEWARD_FAULTS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(6);
    let seed: u64 = std::env::var("PGSTEWARD_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("PGSTEWARD_SEED={seed}");
    let outer = tokio::runtime::Runtime::new().unwrap();
    let (world, backup, cluster) = outer.block_on(async {
        let cluster = testkit::shared().await;
        let database = cluster.database("shop").await;
        let pool = database.pool().await;
        fill(&pool, 3000).await;
        let world = over(database, pool).await;
        let backup = world.backup().await;
        (
            world.instead(|config| config.works = false).await,
            backup,
            cluster,
        )
    });
    // The time that a whole restore takes here, over which the moments are spread.
    let (mut states, mut whole) = (Vec::new(), Duration::from_secs(4));
    for number in 0..count {
        let share = (seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(number.wrapping_mul(1_442_695_040_888_963_407))
            >> 33)
            % 1000;
        // The first one is let go to its end.
        let moment = match number {
            0 => PATIENCE,
            _ => whole.mul_f64((number as f64 + share as f64 / 1000.0) / count as f64),
        };
        let inner = tokio::runtime::Runtime::new().unwrap();
        let begun = Instant::now();
        let id = inner.block_on(async {
            let mut config = world.config.clone();
            config.works = true;
            let engine = Engine::open(config).await.unwrap();
            let caller = support::caller(&engine, Role::Administrator).await;
            let id = engine.backup().restore(&caller, spec(&backup)).await.unwrap();
            let over = until(&engine, &caller, id, |job| job.state.is_final());
            tokio::time::timeout(moment, over).await.ok();
            id
        });
        inner.shutdown_background();
        if number == 0 {
            whole = begun.elapsed();
        }
        states.push(outer.block_on(after_the_dead(&world, cluster, id)));
    }
    assert_eq!(states[0], JobState::Succeeded);
    assert!(
        states.contains(&JobState::Interrupted),
        "none was hit at work: {states:?}"
    );
}

/// Lets another console clean up, and looks at what there is.
async fn after_the_dead(world: &World, cluster: &Cluster, id: JobId) -> JobState {
    let mut config = world.config.clone();
    config.works = true;
    let engine = Engine::open(config).await.unwrap();
    let job = until(&engine, &world.caller, id, |job| job.state.is_final()).await;
    let mut admin = cluster.admin().await;
    let left = left_on(&mut admin, id).await;
    assert_eq!(left, [] as [&str; 0], "{job:?}");
    assert_eq!(
        processes_with(&format!("pgsteward restore {id}")),
        [] as [&str; 0]
    );
    assert_eq!(
        entries(&world.config.data_dir.join("tool-secrets")),
        [] as [&str; 0]
    );
    assert_eq!(world.attempt_rows().await, 0);
    let restored = engine.backup().restored(&world.caller, "main").await.unwrap();
    let restored = restored.into_iter().find(|restored| restored.job == id);
    match &restored {
        Some(restored) => {
            assert_eq!(restored.state, RestoredState::Ready);
            let pool = sqlx::PgPool::connect_with(cluster.socket_options(&restored.database))
                .await
                .unwrap();
            let rows: i64 = sqlx::query_scalar("select count(*) from orders")
                .fetch_one(&pool)
                .await
                .unwrap();
            assert_eq!(rows, 3000);
            pool.close().await;
            admin
                .execute(AssertSqlSafe(format!(
                    "drop database \"{}\" with (force)",
                    restored.database
                )))
                .await
                .unwrap();
        }
        None => assert_eq!(job.state, JobState::Interrupted, "{job:?}"),
    }
    engine.close().await;
    job.state
}
