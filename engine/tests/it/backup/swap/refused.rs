//! What keeps a swap from being made is said before anything is done, with what helps; and a swap that cannot end is undone.

use std::time::Duration;

use contract::{Code, Fault, jobs::JobState};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use testkit::{Cluster, ClusterOptions};

use super::{Pair, oid, pair, pair_on, quoted, run, wait_for};

async fn refused(pair: &Pair) -> Fault {
    let fault = pair
        .engine
        .backup()
        .swap(&pair.caller, pair.spec())
        .await
        .unwrap_err()
        .fault();
    assert_eq!(fault.code, Code::Conflict, "{fault:?}");
    assert!(fault.hint.is_some(), "{fault:?}");
    assert_eq!(pair.live_reads().await, "old");
    fault
}

#[tokio::test]
async fn what_would_go_on_in_the_old_database_is_a_refusal() {
    let options = ClusterOptions::new()
        .setting("max_prepared_transactions", "5")
        .setting("wal_level", "logical");
    let cluster = Cluster::start_with(options).await;
    let pair = pair(&cluster, |_| {}).await;
    let pool = pair.live.pool().await;
    run(
        &pool,
        "begin; insert into which values ('later'); prepare transaction 'p'",
    )
    .await;
    let fault = refused(&pair).await;
    assert!(fault.message.contains("prepared transaction"), "{fault:?}");
    run(&pool, "rollback prepared 'p'").await;
    run(
        &pool,
        "select pg_create_logical_replication_slot('reader', 'pgoutput')",
    )
    .await;
    let fault = refused(&pair).await;
    assert!(fault.message.contains("reader"), "{fault:?}");
    run(&pool, "select pg_drop_replication_slot('reader')").await;
    run(
        &pool,
        "create subscription feed connection 'dbname=nowhere' publication p with (connect = false, slot_name = none)",
    )
    .await;
    let fault = refused(&pair).await;
    assert!(fault.message.contains("feed"), "{fault:?}");
    run(&pool, "drop subscription feed").await;
    // A standby.
    let standby = cluster.standby().await;
    cluster.wait_for_standby(&standby).await;
    let mut config = pair.console.config.clone();
    config.works = false;
    config.targets[0].options = standby.socket_options(pair.live.name());
    let on_standby = engine::Engine::open(config).await.unwrap();
    let fault = on_standby
        .backup()
        .swap(&pair.caller, pair.spec())
        .await
        .unwrap_err()
        .fault();
    assert!(fault.message.contains("standby"), "{fault:?}");
    on_standby.close().await;
    pair.swapped().await;
    assert_eq!(pair.live_reads().await, "new");
    pair.engine.close().await;
}

#[tokio::test]
async fn who_owns_both_and_may_create_databases_swaps_without_being_superuser() {
    let cluster = testkit::shared().await;
    let role = "owner_who_swaps";
    cluster
        .execute(&format!(
            "create role {role} login; create role another_client login; create role {role}_of_all"
        ))
        .await;
    let pair = pair_on(cluster, "owned", role, |config| {
        config.targets[0].options = config.targets[0].options.clone().username(role);
    })
    .await;
    let fault = refused(&pair).await;
    assert!(fault.message.contains("CREATEDB"), "{fault:?}");
    cluster.execute(&format!("alter role {role} createdb")).await;
    // A session of somebody else's.
    let mut client = pair
        .live
        .socket_options()
        .username("another_client")
        .connect()
        .await
        .unwrap();
    let fault = refused(&pair).await;
    assert!(fault.message.contains("may not end 1"), "{fault:?}");
    client.ping().await.unwrap();
    cluster
        .execute(&format!("grant pg_signal_backend to {role}"))
        .await;
    // A superuser's nobody but a superuser ends.
    let mut superuser = pair.live.socket_options().connect().await.unwrap();
    let fault = refused(&pair).await;
    assert!(fault.hint.unwrap().contains("superuser"));
    superuser.ping().await.unwrap();
    superuser.close().await.unwrap();
    // Another owner.
    let own = |owner: &str| format!("alter database {} owner to {owner}", quoted(pair.beside.name()));
    cluster.execute(&own(&format!("{role}_of_all"))).await;
    let fault = refused(&pair).await;
    assert!(fault.message.contains("does not own"), "{fault:?}");
    cluster.execute(&own(role)).await;
    pair.swapped().await;
    assert!(client.ping().await.is_err());
    assert_eq!(pair.live_reads().await, "new");
    pair.engine.close().await;
}

#[tokio::test]
async fn a_swap_that_is_cancelled_or_finds_the_door_held_leaves_all_as_it_was() {
    let cluster = testkit::shared().await;
    let pair = pair(cluster, |_| {}).await;
    let before = (
        oid(cluster, pair.live.name()).await,
        oid(cluster, pair.beside.name()).await,
    );
    let held = format!(
        "begin; comment on database {} is 'held'",
        quoted(pair.beside.name())
    );
    let mut door = cluster.admin().await;
    sqlx::raw_sql(AssertSqlSafe(held.clone()))
        .execute(&mut door)
        .await
        .unwrap();
    let id = pair.swap().await;
    let at_the_door = async || {
        let waits: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'alter database %' || $1 || '%'",
        )
        .bind(pair.live.name())
        .fetch_one(&mut cluster.admin().await)
        .await
        .unwrap();
        waits > 0
    };
    wait_for("the second rename waits", at_the_door).await;
    let asked = std::time::Instant::now();
    pair.engine.jobs().cancel(&pair.caller, id).await.unwrap();
    let job = pair.ended(id).await;
    assert_eq!(job.state, JobState::Cancelled, "{job:?}");
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert_eq!(pair.states().await, ["undone"]);
    // Not cancelled, it gives up by itself.
    let id = pair.swap().await;
    let job = pair.ended(id).await;
    assert_eq!(job.state, JobState::Failed, "{job:?}");
    assert_eq!(pair.states().await, ["undone", "undone"]);
    let after = (
        oid(cluster, pair.live.name()).await,
        oid(cluster, pair.beside.name()).await,
    );
    assert_eq!(before, after);
    assert_eq!(pair.live_reads().await, "old");
    assert_eq!(pair.spares().await.databases.len(), 1);
    sqlx::raw_sql("rollback").execute(&mut door).await.unwrap();
    pair.swapped().await;
    assert_eq!(pair.live_reads().await, "new");
    pair.engine.close().await;
}

#[tokio::test]
async fn a_look_that_meets_a_session_that_was_ended_is_made_once_more() {
    use contract::{session::Role, target::TargetState};
    let cluster = testkit::shared().await;
    let pair = pair(cluster, |_| {}).await;
    let live = quoted(pair.live.name());
    let preview = async || {
        pair.engine
            .backup()
            .preview_swap(&pair.caller, "main", pair.beside.name())
            .await
    };
    preview().await.unwrap();
    // As while names change: who was in is put out, and there is no database of the name.
    let away = quoted(&format!("{} away", pair.live.name()));
    cluster
        .execute(&format!("alter database {live} allow_connections false"))
        .await;
    let ends = format!(
        "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where datname = '{}'",
        pair.live.name()
    );
    cluster.execute(&ends).await;
    cluster
        .execute(&format!("alter database {live} rename to {away}"))
        .await;
    let viewer = crate::support::caller(&pair.engine, Role::Viewer).await;
    // It looks more and more rarely: by itself it would not see so soon that it is there again.
    wait_for("the console takes it for down", async || {
        let view = pair.engine.targets().view(&viewer, "main").await.unwrap();
        matches!(
            view.state,
            TargetState::Down { retry_at, .. } if retry_at > chrono::Utc::now() + chrono::TimeDelta::seconds(3)
        )
    })
    .await;
    for back in [
        format!("alter database {away} rename to {live}"),
        format!("alter database {live} allow_connections true"),
    ] {
        cluster.execute(&back).await;
    }
    preview().await.unwrap();
}
