//! A console with one database to back up, and what the tests ask of both.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use contract::{
    backup::{BackupList, BackupSpec, BackupView},
    jobs::{JobId, JobState, JobView},
    session::Role,
};
use engine::{Caller, Engine, EngineConfig};
use sqlx::{Executor, PgPool};
use testkit::Database;

use super::support::{self, Console};

pub struct World {
    /// Owns the store and the folders; `engine` may be another one than it opened.
    pub console: Console,
    pub engine: Engine,
    pub config: EngineConfig,
    pub caller: Caller,
    pub database: Database,
    pub pool: PgPool,
}

/// A console that works, over a database with a bit of everything.
pub async fn world() -> World {
    let database = testkit::shared().await.database("shop").await;
    let pool = database.pool().await;
    fill(&pool, 2000).await;
    over(database, pool).await
}

pub async fn over(database: Database, pool: PgPool) -> World {
    let console = support::engine(&database, true).await;
    let caller = support::caller(&console, Role::Administrator).await;
    World {
        engine: console.clone(),
        config: console.config.clone(),
        console,
        caller,
        database,
        pool,
    }
}

/// Tables of many kinds, with names that are hard to quote.
pub async fn fill(pool: &PgPool, rows: i32) {
    let sql = format!(
        r#"create schema "Other ""Schema""";
           create table orders (id bigint generated always as identity primary key, note text not null, at timestamptz);
           insert into orders (note, at)
           select repeat(md5(n::text), 1 + n % 40), timestamptz '2026-01-01' + n * interval '1 minute'
             from generate_series(1, {rows}) n;
           create table "Other ""Schema"""."Ünï; drop table orders; --" (a bytea, b jsonb, "c'c" text[]);
           insert into "Other ""Schema"""."Ünï; drop table orders; --"
           select sha256(n::text::bytea), jsonb_build_object('n', n), array['a', null, E'line\nbreak\\.'] from generate_series(1, 77) n;
           create table parts (day int, value int) partition by range (day);
           create table parts_1 partition of parts for values from (0) to (10);
           create table parts_2 partition of parts for values from (10) to (20);
           insert into parts select n % 20, n from generate_series(1, 300) n;
           create table nothing (id int);
           create unlogged table quick (id int);
           insert into quick values (1), (2);
           create materialized view many as select count(*) as n from orders;
           create extension pg_stat_statements;
           select lo_from_bytea(0, 'large'), lo_from_bytea(0, 'larger');
           create table _sqlx_migrations (version bigint primary key, success boolean not null);
           insert into _sqlx_migrations values (1, true), (7, true), (8, false);
           analyze"#
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(pool)
        .await
        .unwrap();
}

impl World {
    pub async fn start(&self) -> JobId {
        self.engine
            .backup()
            .start(&self.caller, BackupSpec::whole("main"))
            .await
            .unwrap()
    }

    pub async fn list(&self) -> BackupList {
        self.engine.backup().list(&self.caller, "main").await.unwrap()
    }

    pub async fn until(&self, id: JobId, what: impl Fn(&JobView) -> bool) -> JobView {
        until(&self.engine, &self.caller, id, what).await
    }

    pub async fn ended(&self, id: JobId) -> JobView {
        self.until(id, |job| job.state.is_final()).await
    }

    /// Takes a backup and gives it as it is listed.
    pub async fn backup(&self) -> BackupView {
        let id = self.start().await;
        let job = self.ended(id).await;
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
        let list = self.list().await;
        list.backups.into_iter().find(|backup| backup.id == id.0).unwrap()
    }

    /// Starts a verification and waits for its end.
    pub async fn verified(&self, backup: &BackupView) -> JobView {
        let id = self
            .engine
            .backup()
            .verify(&self.caller, "main", backup.id)
            .await
            .unwrap();
        self.ended(id).await
    }

    pub fn folder(&self) -> PathBuf {
        self.config.backup_dir.clone()
    }

    pub fn stored(&self, backup: &BackupView) -> PathBuf {
        let id = backup.id.to_string();
        let folders = std::fs::read_dir(self.folder()).unwrap();
        folders
            .map(|folder| folder.unwrap().path().join(&id))
            .find(|path| path.exists() && !path.starts_with(self.folder().join(".partial")))
            // It was deleted.
            .unwrap_or_else(|| self.folder().join("none").join(&id))
    }

    /// Another engine with other settings on the same store, which works alone.
    pub async fn instead(mut self, change: impl FnOnce(&mut EngineConfig)) -> World {
        self.engine.close().await;
        change(&mut self.config);
        self.engine = Engine::open(self.config.clone()).await.unwrap();
        self.caller = support::caller(&self.engine, Role::Administrator).await;
        self
    }

    /// Makes the schema change that a migration would hold its lock for.
    pub async fn lock_orders(&self) -> sqlx::Transaction<'static, sqlx::Postgres> {
        let mut holder = self.pool.begin().await.unwrap();
        holder
            .execute("set application_name = 'a migration'")
            .await
            .unwrap();
        holder
            .execute("lock table orders in access exclusive mode")
            .await
            .unwrap();
        holder
    }

    /// How many sessions of this backup the server has.
    pub async fn sessions(&self, id: JobId) -> i64 {
        sqlx::query_scalar("select count(*) from pg_stat_activity where application_name = $1")
            .bind(format!("pgsteward backup {id}"))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    pub async fn attempt_rows(&self) -> i64 {
        let store = self.console.store.pool().await;
        sqlx::query_scalar("select count(*) from backup_attempts")
            .fetch_one(&store)
            .await
            .unwrap()
    }
}

pub async fn job(engine: &Engine, caller: &Caller, id: JobId) -> JobView {
    engine.jobs().detail(caller, id).await.unwrap().job
}

pub async fn until(engine: &Engine, caller: &Caller, id: JobId, what: impl Fn(&JobView) -> bool) -> JobView {
    for _ in 0..1200 {
        let job = job(engine, caller, id).await;
        if what(&job) {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "job {id} did not get there in 60 s: {:?}",
        job(engine, caller, id).await
    );
}

/// Every entry under a folder, by its path in it.
pub fn entries(folder: &Path) -> Vec<String> {
    fn add(top: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            found.push(entry.path().strip_prefix(top).unwrap().display().to_string());
            add(top, &entry.path(), found);
        }
    }
    let mut found = Vec::new();
    add(folder, folder, &mut found);
    found.sort();
    found
}

/// Numbers of the processes whose command line or environment holds this text.
pub fn processes_with(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == std::process::id().to_string() || name.parse::<u32>().is_err() {
            continue;
        }
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
            if String::from_utf8_lossy(&bytes).contains(text) {
                found.push(format!("{name}/{file}"));
            }
        }
    }
    found
}
