//! An engine in the test's own process, beside consoles of the built program: it queues what they do, and sees what came of it.

use std::time::{Duration, Instant};

use contract::jobs::{JobId, JobView};
use engine::{
    Engine, EngineConfig,
    config::{MigrationSource, PoolConfig, QueryLog, TargetConfig},
};
use testkit::Database;

use crate::program::{Home, PATIENCE};

/// An engine that takes no jobs, over the store, the managed database and the folders of a console in this home.
pub async fn engine(home: &Home, store: &Database, target: &Database) -> Engine {
    let config = EngineConfig {
        store: store.socket_options(),
        store_connections: 4,
        targets: vec![TargetConfig {
            name: target.name().to_owned(),
            options: target.socket_options(),
            password: None,
            link: Default::default(),
            direct: None,
            replicas: Vec::new(),
            disk_bytes: None,
            migrations: MigrationSource::None,
            pool: PoolConfig {
                size: 2,
                overflow: 2,
                recycle: Duration::from_secs(60),
                profile: "custom".into(),
            },
        }],
        data_dir: home.data(),
        backup_dir: home.data().join("backups"),
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
        verify_on: None,
    };
    Engine::open(config).await.unwrap()
}

/// Waits for a state of a job.
pub async fn until(engine: &Engine, id: JobId, what: &str, reached: impl Fn(&JobView) -> bool) -> JobView {
    let caller = engine.session().command_line("test");
    let begun = Instant::now();
    loop {
        let job = engine.jobs().detail(&caller, id).await.unwrap().job;
        if reached(&job) {
            return job;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}: {job:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
