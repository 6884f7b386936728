//! Two console processes on one store: when one is killed, the other cleans up what it left.

use std::{
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use crate::program::Home;
use contract::jobs::{JobId, JobState, JobView};
use engine::{
    Engine, EngineConfig,
    config::{MigrationSource, PoolConfig, QueryLog, TargetConfig},
    jobs::test_job::{TestEnd, TestJob, Work, begin},
};
use nix::sys::signal::Signal;

async fn until(engine: &Engine, id: JobId, what: &str, reached: impl Fn(&JobView) -> bool) -> JobView {
    let caller = engine.session().command_line("test");
    let begun = Instant::now();
    loop {
        let job = engine.jobs().detail(&caller, id).await.unwrap().job;
        if reached(&job) {
            return job;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "waited in vain until {what}: {job:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_killed_consoles_job_is_cleaned_up_by_the_other_one() {
    let cluster = testkit::shared().await;
    let (store, target) = (cluster.database("store").await, cluster.database("main").await);
    let console = || {
        Home::new()
            .with("DATABASE_URL", &target.url())
            .with("PGSTEWARD_STORE_URL", &store.url())
            .with("PGSTEWARD_ADMIN_PASSWORD", "nine boats on a lake")
    };
    let (one, other) = (console(), console());
    let first = one.serve();

    let folder = tempfile::tempdir().unwrap();
    // The consoles write here, perhaps as another user.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let marker = folder.path().join("at-work");
    let engine = Engine::open(EngineConfig {
        store: store.socket_options(),
        store_connections: 4,
        targets: vec![TargetConfig {
            name: target.name().to_owned(),
            options: target.socket_options(),
            password: None,
            link: Default::default(),
            direct: None,
            disk_bytes: None,
            migrations: MigrationSource::None,
            pool: PoolConfig {
                size: 2,
                overflow: 2,
                recycle: Duration::from_secs(60),
                profile: "custom".into(),
            },
        }],
        data_dir: folder.path().join("data"),
        backup_dir: folder.path().join("backups"),
        import_dir: None,
        upload_limit: 1 << 30,
        pg_bin: None,
        jwt_secret: None,
        works: false,
        query_log: QueryLog {
            every: false,
            slow: Duration::from_secs(1),
        },
        about: Default::default(),
        network_timeout: Duration::from_secs(120),
        alarms: Default::default(),
    })
    .await
    .unwrap();
    let caller = engine.session().command_line("test");
    let job = TestJob {
        target: target.name().to_owned(),
        work_ms: 600_000,
        end: TestEnd::Succeed,
        marker: marker.clone(),
        deaf: false,
        work: Work::Change,
    };
    let id = begin(&engine, &caller, &job).await.unwrap();
    until(&engine, id, "the first console works", |job| {
        job.state == JobState::Running && marker.exists()
    })
    .await;
    let second = other.serve();

    first.stop(Signal::SIGKILL);
    let ended = until(&engine, id, "the job is over", |job| job.state.is_final()).await;
    assert_eq!(ended.state, JobState::Interrupted, "{ended:?}");
    assert!(!marker.exists(), "its clean-up did not run");
    let fault = ended.fault.unwrap();
    assert!(fault.hint.is_some(), "{fault:?}");

    // The target is free again, and the other console goes on working.
    let job = TestJob { work_ms: 100, ..job };
    let next = begin(&engine, &caller, &job).await.unwrap();
    until(&engine, next, "the next job succeeds", |job| {
        job.state == JobState::Succeeded
    })
    .await;
    second.stop(Signal::SIGINT);
    engine.close().await;
}
