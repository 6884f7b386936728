//! A console that dies in the middle of a swap.

use contract::{
    jobs::{JobState, Phase},
    session::Role,
};
use engine::Engine;
use sqlx::AssertSqlSafe;

use super::{
    super::{support, world::until},
    Pair, oid, pair, quoted, run, wait_for,
};

/// Starts a swap in a runtime of its own, drops that as a crash does once `reached` says so, and gives the swap's job.
fn dies(
    pair: &Pair,
    reached: impl AsyncFn() -> bool,
    outer: &tokio::runtime::Runtime,
) -> contract::jobs::JobId {
    let inner = tokio::runtime::Runtime::new().unwrap();
    let id = inner.block_on(async {
        let engine = pair.console.beside(true).await;
        engine.backup().swap(&pair.caller, pair.spec()).await.unwrap()
    });
    outer.block_on(wait_for("the swap is there", reached));
    inner.shutdown_background();
    id
}

#[test]
fn after_the_names_changed_and_before_it_was_written_down_the_name_follows() {
    let outer = tokio::runtime::Runtime::new().unwrap();
    let cluster = outer.block_on(testkit::shared());
    let pair = outer.block_on(async {
        let pair = pair(cluster, |_| {}).await;
        pair.engine.close().await;
        // The store takes no end of a swap: it is full.
        run(
            &pair.console.store.pool().await,
            "create function full_disk() returns trigger language plpgsql
             as $$ begin raise 'no room' using errcode = 'disk_full'; end $$;
             create trigger full_disk before update on swaps execute function full_disk()",
        )
        .await;
        pair
    });
    let new = outer.block_on(oid(cluster, pair.beside.name()));
    let is_made = async || oid(cluster, pair.live.name()).await == new;
    let id = dies(&pair, is_made, &outer);
    outer.block_on(async {
        assert_eq!(pair.states().await, ["begun"]);
        run(
            &pair.console.store.pool().await,
            "drop trigger full_disk on swaps",
        )
        .await;
        // It opens: the name is not for two databases, but for the one that was swapped in.
        let engine = pair.console.beside(true).await;
        assert_eq!(Some(pair.named().await), new);
        assert_eq!(pair.states().await, ["swapped"]);
        let job = until(&engine, &pair.caller, id, |job| job.state.is_final()).await;
        assert_eq!(job.state, JobState::Interrupted, "{job:?}");
        assert_eq!(pair.live_reads().await, "new");
        works_on(&engine, &pair).await;
        let back = engine
            .backup()
            .swap_back(&pair.caller, "main", None)
            .await
            .unwrap();
        let job = until(&engine, &pair.caller, back, |job| job.state.is_final()).await;
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
        assert_eq!(pair.live_reads().await, "old");
        engine.close().await;
    });
}

#[test]
fn before_the_names_changed_all_is_as_it_was() {
    let outer = tokio::runtime::Runtime::new().unwrap();
    let cluster = outer.block_on(testkit::shared());
    let pair = outer.block_on(pair(cluster, |_| {}));
    outer.block_on(pair.engine.close());
    let mut door = outer.block_on(cluster.admin());
    let held = format!(
        "begin; comment on database {} is 'held'",
        quoted(pair.beside.name())
    );
    outer
        .block_on(sqlx::raw_sql(AssertSqlSafe(held)).execute(&mut door))
        .unwrap();
    // The live database has its other name already, in a transaction that nobody will commit.
    let waits = async || {
        let waits: i64 = sqlx::query_scalar(
            "select count(*)
               from pg_stat_activity
              where wait_event_type = 'Lock'
                and query like 'alter database %rename to \"' || $1 || '\"'",
        )
        .bind(pair.live.name())
        .fetch_one(&mut cluster.admin().await)
        .await
        .unwrap();
        waits > 0
    };
    let id = dies(&pair, waits, &outer);
    outer.block_on(async {
        sqlx::raw_sql("rollback").execute(&mut door).await.unwrap();
        let engine = pair.console.beside(true).await;
        let job = until(&engine, &pair.caller, id, |job| job.state.is_final()).await;
        assert_eq!(job.state, JobState::Interrupted, "{job:?}");
        assert_ne!(job.progress.phase, Phase::Done);
        assert_eq!(pair.states().await, ["undone"]);
        assert_eq!(pair.live_reads().await, "old");
        assert_eq!(oid(cluster, pair.live.name()).await, Some(pair.named().await));
        works_on(&engine, &pair).await;
        engine.close().await;
    });
}

/// The console's next job is well, on whichever database has the name.
async fn works_on(engine: &Engine, pair: &Pair) {
    let caller = support::caller(engine, Role::Administrator).await;
    let spec = contract::backup::BackupSpec::whole("main");
    let id = engine.backup().start(&caller, spec).await.unwrap();
    let job = until(engine, &pair.caller, id, |job| job.state.is_final()).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
}
