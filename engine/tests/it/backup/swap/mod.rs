//! Swaps on real clusters: whatever happens, the live name leads to the whole old database or to the whole new one.

mod course;
mod death;
mod refused;

use std::time::Duration;

use contract::{
    jobs::{JobId, JobState, JobView},
    session::Role,
    swap::{SpareList, SwapSpec},
};
use engine::{Caller, Engine, EngineConfig};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool, postgres::PgConnectOptions};
use testkit::{Cluster, Database};

use super::{
    support::{self, Console},
    world::until,
};

/// A console over a live database that says `old`, and one beside it that says `new`, as a restore would have left it.
struct Pair {
    console: Console,
    engine: Engine,
    caller: Caller,
    live: Database,
    beside: Database,
}

async fn pair(cluster: &Cluster, change: impl FnOnce(&mut EngineConfig)) -> Pair {
    pair_on(cluster, "live", "", change).await
}

/// `owner` is a statement's end, such as `owner app`.
async fn pair_on(cluster: &Cluster, hint: &str, owner: &str, change: impl FnOnce(&mut EngineConfig)) -> Pair {
    let (live, beside) = (
        cluster.database(hint).await,
        cluster.database(&format!("{hint} \"restored\"")).await,
    );
    for (database, word) in [(&live, "old"), (&beside, "new")] {
        let pool = database.pool().await;
        run(
            &pool,
            &format!("create table which (word text); insert into which values ('{word}'); grant select on which to public"),
        )
        .await;
        pool.close().await;
        if !owner.is_empty() {
            let owned = format!("alter database {} owner to {owner}", quoted(database.name()));
            cluster.execute(&owned).await;
        }
    }
    let console = support::engine(&live, false).await;
    console.close().await;
    let (mut config, store) = (console.config.clone(), console.store.clone());
    change(&mut config);
    let console = console.reopened(config, store, true).await;
    let engine = (*console).clone();
    let caller = support::caller(&engine, Role::Administrator).await;
    let pair = Pair {
        console,
        engine,
        caller,
        live,
        beside,
    };
    pair.restored(cluster).await;
    pair
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(pool)
        .await
        .unwrap();
}

/// What a new session under a name reads.
async fn reads(options: &PgConnectOptions) -> Result<String, sqlx::Error> {
    let mut connection = options.connect().await?;
    sqlx::query_scalar("select word from which")
        .fetch_one(&mut connection)
        .await
}

async fn oid(cluster: &Cluster, name: &str) -> Option<i64> {
    sqlx::query_scalar("select oid::int8 from pg_database where datname = $1")
        .bind(name)
        .fetch_optional(&mut cluster.admin().await)
        .await
        .unwrap()
}

impl Pair {
    /// The row that a restore leaves.
    async fn restored(&self, cluster: &Cluster) {
        // The target was reached, so that it has its number.
        self.engine.backup().spares(&self.caller, "main").await.unwrap();
        let id = uuid::Uuid::now_v7();
        let store = self.console.store.pool().await;
        sqlx::query(
            "with made as (
                 insert into jobs (id, kind, target, title, spec, work, state, progress, created_by, finished_at)
                 values ($1, 'test', 'main', 'Restore', '{}', 'aside', 'succeeded', $4, 'test', now())
             )
             insert into restores (job, backup, taken_at, database_id, target, name, wanted_name, oid, state, ended_at, report)
             select $1, $1, now(), database_id, 'main', $2, $2, $3, 'ready', now(), $5
               from database_names
              where name = 'main'",
        )
        .bind(id)
        .bind(self.beside.name())
        .bind(oid(cluster, self.beside.name()).await.unwrap())
        .bind(serde_json::json!({"phase": "done", "detail": null, "fraction": 1.0, "eta_s": null, "waiting": null, "steps": []}))
        .bind(serde_json::json!({"duration_ms": 1, "tables": 1, "rows": 1, "definitions": 1, "notes": []}))
        .execute(&store)
        .await
        .unwrap();
        store.close().await;
    }

    fn spec(&self) -> SwapSpec {
        SwapSpec {
            target: "main".into(),
            database: self.beside.name().into(),
            confirm: self.live.name().into(),
        }
    }

    async fn swap(&self) -> JobId {
        self.engine
            .backup()
            .swap(&self.caller, self.spec())
            .await
            .unwrap()
    }

    async fn ended(&self, id: JobId) -> JobView {
        until(&self.engine, &self.caller, id, |job| job.state.is_final()).await
    }

    async fn swapped(&self) -> JobView {
        let id = self.swap().await;
        let job = self.ended(id).await;
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
        job
    }

    async fn spares(&self) -> SpareList {
        self.engine.backup().spares(&self.caller, "main").await.unwrap()
    }

    async fn live_reads(&self) -> String {
        reads(&self.live.socket_options()).await.unwrap()
    }

    async fn log(&self, id: JobId) -> String {
        let detail = self.engine.jobs().detail(&self.caller, id).await.unwrap();
        let lines: Vec<String> = detail.log.into_iter().map(|line| line.text).collect();
        lines.join("\n")
    }

    /// States of the swaps that the store knows.
    async fn states(&self) -> Vec<String> {
        let store = self.console.store.pool().await;
        sqlx::query_scalar("select state from swaps order by begun_at")
            .fetch_all(&store)
            .await
            .unwrap()
    }

    /// The number on the server of the database that the store says the name stands for.
    async fn named(&self) -> i64 {
        let store = self.console.store.pool().await;
        sqlx::query_scalar(
            "select d.oid from database_names n join databases d on d.id = n.database_id where n.name = 'main'",
        )
        .fetch_one(&store)
        .await
        .unwrap()
    }
}

/// Waits for a fact.
async fn wait_for(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain until {what}");
}
