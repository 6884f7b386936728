//! A console at work on one managed database, and its jobs.

use std::{
    fs,
    time::{Duration, Instant},
};

use contract::{
    Code, Fault,
    jobs::{JobDetail, JobId, JobState, JobView},
    session::Role,
};
use engine::{
    Caller, Engine, EngineConfig,
    config::{MigrationSource, TargetConfig},
};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, postgres::PgConnectOptions};
use tempfile::TempDir;
use testkit::Database;

use crate::support;

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// An engine that takes jobs on one managed database.
pub struct World {
    pub engine: Engine,
    pub config: EngineConfig,
    pub caller: Caller,
    pub database: Database,
    pub pool: PgPool,
    pub folder: TempDir,
    _console: support::Console,
}

/// With the AI-PAL migrations.
pub async fn ai_pal() -> World {
    world(MigrationSource::AiPal, tempfile::tempdir().unwrap()).await
}

/// Of a database that nobody chose migrations for.
pub async fn unchosen() -> World {
    world(MigrationSource::Unchosen, tempfile::tempdir().unwrap()).await
}

/// With a folder of migrations: name and text of each.
pub async fn files(files: &[(&str, &str)]) -> World {
    let folder = tempfile::tempdir().unwrap();
    for (name, sql) in files {
        fs::write(folder.path().join(name), sql).unwrap();
    }
    world(MigrationSource::Folder(folder.path().to_owned()), folder).await
}

async fn world(migrations: MigrationSource, folder: TempDir) -> World {
    let database = testkit::shared().await.database("work").await;
    let console = support::engine(&database, false).await;
    let target = TargetConfig {
        migrations,
        ..console.config.targets[0].clone()
    };
    let config = EngineConfig {
        targets: vec![target],
        works: true,
        ..console.config.clone()
    };
    let engine = Engine::open(config.clone()).await.unwrap();
    let caller = support::caller(&engine, Role::Administrator).await;
    let pool = database.pool().await;
    World {
        engine,
        config,
        caller,
        database,
        pool,
        folder,
        _console: console,
    }
}

impl World {
    /// Runs statements in the managed database.
    pub async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// The first column of the first row.
    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Whether there is a relation of this name.
    pub async fn has(&self, relation: &str) -> bool {
        self.number(&format!(
            "select count(*) from pg_class where relname = '{relation}'"
        ))
        .await
            == 1
    }

    /// Sessions of jobs in the managed database.
    pub async fn job_sessions(&self) -> i64 {
        self.number(
            "select count(*) from pg_stat_activity
              where datname = current_database()
                and application_name ~ '^pgsteward (migrate|optimize|watcher|clean-up)'",
        )
        .await
    }

    /// Indexes that no query uses.
    pub async fn invalid_indexes(&self) -> i64 {
        self.number("select count(*) from pg_index where not indisvalid")
            .await
    }

    /// A session in a transaction that has a snapshot, so that every concurrent build waits for it; and its pid.
    pub async fn old_snapshot(&self) -> (PgConnection, i32) {
        let mut session = connect(self.database.socket_options().application_name("reader")).await;
        sqlx::raw_sql("begin isolation level repeatable read; select 1")
            .execute(&mut session)
            .await
            .unwrap();
        let pid = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(&mut session)
            .await
            .unwrap();
        (session, pid)
    }

    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a migration.
    pub fn write(&self, name: &str, sql: &str) {
        fs::write(self.file(name), sql).unwrap();
    }

    /// A job once it is as asked.
    pub async fn until(&self, id: JobId, what: impl Fn(&JobView) -> bool) -> JobView {
        until(&self.engine, &self.caller, id, PATIENCE, what).await
    }

    /// A job once it is over.
    pub async fn ended(&self, id: JobId) -> JobView {
        self.until(id, |job| job.state.is_final()).await
    }

    /// A job that is over and has failed: its fault.
    pub async fn failed(&self, id: JobId) -> Fault {
        let job = self.ended(id).await;
        assert_eq!(job.state, JobState::Failed, "{job:#?}");
        job.fault.unwrap()
    }

    /// A job that is over and has succeeded: its outcome.
    pub async fn succeeded(&self, id: JobId) -> String {
        let job = self.ended(id).await;
        assert_eq!(job.state, JobState::Succeeded, "{job:#?}");
        job.outcome.unwrap()
    }

    /// Cancels a job, and waits until it is over and none of its sessions is left. How soon is measured by `make bench`.
    pub async fn cancel(&self, id: JobId) {
        self.engine.jobs().cancel(&self.caller, id).await.unwrap();
        let job = self.ended(id).await;
        assert_eq!(job.state, JobState::Cancelled, "{job:#?}");
        self.quiet().await;
    }

    /// Once no session of a job is left; a server process ends a moment after its client.
    pub async fn quiet(&self) {
        for _ in 0..2000 {
            if self.job_sessions().await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("a job's session is left");
    }

    pub async fn detail(&self, id: JobId) -> JobDetail {
        self.engine.jobs().detail(&self.caller, id).await.unwrap()
    }
}

pub async fn connect(options: PgConnectOptions) -> PgConnection {
    <PgConnection as sqlx::Connection>::connect_with(&options)
        .await
        .unwrap()
}

pub async fn until(
    engine: &Engine,
    caller: &Caller,
    id: JobId,
    most: Duration,
    what: impl Fn(&JobView) -> bool,
) -> JobView {
    let begun = Instant::now();
    loop {
        let detail = engine.jobs().detail(caller, id).await.unwrap();
        if what(&detail.job) {
            return detail.job;
        }
        assert!(begun.elapsed() < most, "the job did not get there: {detail:#?}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// The fault of an operation that must refuse.
pub fn refused<T: std::fmt::Debug>(result: engine::Result<T>, code: Code) -> Fault {
    let fault = result.unwrap_err().fault();
    assert_eq!(fault.code, code, "{fault:?}");
    fault
}
