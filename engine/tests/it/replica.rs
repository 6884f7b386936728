//! What a replica is asked, and that it is asked only while it may stand for its primary.

use std::time::{Duration, Instant as Stopwatch};

use chrono::Utc;
use contract::{
    history::{HistoryQuery, Range, Span},
    session::Role,
    stats::{RelationName, TablePage, TableQuery, TableSort},
    target::ReplicaView,
};
use engine::{Caller, Engine, history::test_clock::sample_at, target::url};
use sqlx::{Executor, PgConnection};
use testkit::Cluster;

use crate::{
    support,
    work::{PATIENCE, connect},
};

/// The page of tables with sizes of a look that began after all that was done so far.
async fn tables(engine: &Engine, caller: &Caller, session: &mut PgConnection) -> TablePage {
    let now: contract::Instant = sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(session)
        .await
        .unwrap();
    let begun = Stopwatch::now();
    loop {
        let query = TableQuery {
            target: "main".into(),
            search: None,
            sort: TableSort::Total,
            descending: true,
            page: 1,
            all: false,
            look: None,
        };
        let page = engine.stats().tables(caller, query).await.unwrap();
        if !page.settling && page.sampled_at > now {
            return page;
        }
        assert!(begun.elapsed() < PATIENCE, "no new look");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The one replica, once it is as wished.
async fn until(engine: &Engine, caller: &Caller, wished: impl Fn(&ReplicaView) -> bool) -> ReplicaView {
    let begun = Stopwatch::now();
    loop {
        let replica = engine.targets().replicas(caller, "main").await.unwrap().remove(0);
        if wished(&replica) {
            return replica;
        }
        assert!(begun.elapsed() < PATIENCE, "{replica:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn finding(engine: &Engine, caller: &Caller) -> Option<String> {
    let view = engine.targets().view(caller, "main").await.unwrap();
    let mut found = view.findings.into_iter();
    found
        .find(|finding| finding.key == "target.replica")
        .map(|finding| format!("{} {:?} {}", finding.words, finding.evidence, finding.remedy))
}

#[tokio::test]
async fn sizes_are_a_replicas_and_counters_the_primarys_and_one_that_cannot_be_asked_is_told() {
    let cluster = Cluster::start().await;
    let database = cluster.database("replicated").await;
    let base = support::engine(&database, false).await;
    let caller = support::caller(&base, Role::Viewer).await;
    let mut session = connect(database.socket_options()).await;
    session
        .execute(
            "create table orders (id int primary key, words text);
             insert into orders select n, repeat('x', 200) from generate_series(1, 5000) as n;
             analyze orders",
        )
        .await
        .unwrap();
    let standby = cluster.standby().await;
    cluster.wait_for_standby(&standby).await;
    let mut config = base.config.clone();
    config.targets[0].replicas = vec![url::parse(&standby.url(database.name())).unwrap()];
    let engine = Engine::open(config.clone()).await.unwrap();

    let replica = until(&engine, &caller, |replica| replica.lag_s.is_some()).await;
    assert_eq!(replica.fault, None);
    // What runs there is no scan of the primary's.
    let mut reader = connect(standby.socket_options(database.name())).await;
    for _ in 0..7 {
        reader.execute("select count(*) from orders").await.unwrap();
    }
    let page = tables(&engine, &caller, &mut session).await;
    assert_eq!(page.sizes_from.as_ref(), Some(&replica.address));
    let (bytes, scans): (i64, i64) =
        sqlx::query_as("select pg_total_relation_size('orders'), pg_stat_get_numscans('orders'::regclass)")
            .fetch_one(&mut session)
            .await
            .unwrap();
    let orders = page.tables.iter().find(|table| table.name == "orders").unwrap();
    assert_eq!((orders.total_bytes, orders.estimated), (bytes, false));
    assert_eq!(orders.sequential_scans, scans, "of the primary alone");
    assert_eq!(finding(&engine, &caller).await, None);

    // Their history too, which says so.
    sample_at(&engine, Utc::now()).await;
    let query = HistoryQuery {
        target: "main".into(),
        table: Some(RelationName {
            schema: "public".into(),
            name: "orders".into(),
        }),
        charts: None,
        range: Range::Last(Span::Hour),
        before: false,
    };
    let view = engine.history().view(&caller, query).await.unwrap();
    let size = view.charts.iter().find(|chart| chart.key == "size").unwrap();
    let words = format!("that of the replica at {}", replica.address);
    assert!(size.note.as_ref().unwrap().contains(&words), "{:?}", size.note);

    // One that falls behind is not asked, until it has caught up.
    standby.execute("select pg_wal_replay_pause()").await;
    session
        .execute("insert into orders select 5001, 'y'")
        .await
        .unwrap();
    let behind = |replica: &ReplicaView| {
        let fault = replica.fault.as_ref();
        fault.is_some_and(|fault| fault.message.contains("s behind"))
    };
    until(&engine, &caller, behind).await;
    assert_eq!(tables(&engine, &caller, &mut session).await.sizes_from, None);
    standby.execute("select pg_wal_replay_resume()").await;
    until(&engine, &caller, |replica| replica.lag_s.is_some()).await;
    let page = tables(&engine, &caller, &mut session).await;
    assert_eq!(page.sizes_from.as_ref(), Some(&replica.address));

    // One that is away: the primary answers, and it is a finding.
    drop(reader);
    standby.stop().await;
    let gone = until(&engine, &caller, |replica| replica.fault.is_some()).await;
    let words = gone.fault.unwrap().message;
    assert!(words.contains(&replica.address), "{words}");
    let page = tables(&engine, &caller, &mut session).await;
    assert_eq!(page.sizes_from, None);
    let orders = page.tables.iter().find(|table| table.name == "orders").unwrap();
    assert!(!orders.estimated && orders.total_bytes >= bytes);
    let begun = Stopwatch::now();
    let told = loop {
        // Looked at again once a minute, and by a console that has just begun.
        let beside = Engine::open(config.clone()).await.unwrap();
        let found = finding(&beside, &caller).await;
        beside.close().await;
        if let Some(found) = found {
            break found;
        }
        assert!(begun.elapsed() < PATIENCE, "it is no finding");
    };
    assert!(
        told.contains(&replica.address) && told.contains("The primary is asked in its place."),
        "{told}"
    );
    engine.close().await;

    // What takes changes of its own is no replica.
    config.targets[0].replicas = vec![url::parse(&cluster.url(database.name())).unwrap()];
    let engine = Engine::open(config).await.unwrap();
    let refused = until(&engine, &caller, |replica| replica.fault.is_some()).await;
    assert!(refused.fault.unwrap().message.contains("is no standby"));
    assert_eq!(tables(&engine, &caller, &mut session).await.sizes_from, None);
    engine.close().await;
}
