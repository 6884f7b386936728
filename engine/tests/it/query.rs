//! What statements cost is what the server counted, with a clock that the tests set.

use std::time::Instant as Stopwatch;

use chrono::{DurationRound, TimeDelta, Utc};
use contract::{
    Code, Instant,
    explain::ExplainSpec,
    history::{Range, Span},
    query::{QueriesQuery, QueriesView, QueryDetail, QueryQuery, QuerySort, QueryStat},
    session::Role,
    target::TargetState,
};
use engine::{
    Caller, Engine,
    config::TargetConfig,
    query::test_clock::{let_nobody_look_by_reading, look_at},
    target::url,
};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use testkit::{Cluster, ClusterOptions, Database, PgBouncer, PoolMode, Version, shared};

use crate::{
    support,
    work::{PATIENCE, connect, refused},
};

/// A console that takes no looks by itself, on a server of its own: what others do there would throw statements out.
struct World {
    cluster: Cluster,
    database: Database,
    console: support::Console,
    caller: Caller,
    store: PgPool,
    now: Instant,
}

async fn world_on(options: ClusterOptions) -> World {
    let_nobody_look_by_reading();
    let cluster = Cluster::start_with(options).await;
    let database = cluster.database("queries").await;
    let console = support::engine(&database, false).await;
    let world = World {
        caller: support::caller(&console, Role::Viewer).await,
        store: console.store.pool().await,
        now: Utc::now(),
        console,
        database,
        cluster,
    };
    world
        .sql("create extension pg_stat_statements; create table orders (id int, amount numeric); create table lines (n int)")
        .await;
    world
}

async fn world() -> World {
    world_on(ClusterOptions::new()).await
}

impl World {
    /// Takes a look, as if it were so many minutes ago.
    async fn look(&self, minutes_ago: i64) {
        assert!(
            look_at(&self.console, "main", self.now - TimeDelta::minutes(minutes_ago))
                .await
                .unwrap(),
            "it is nobody's turn"
        );
    }

    async fn list(&self, query: QueriesQuery) -> QueriesView {
        self.console.query().list(&self.caller, query).await.unwrap()
    }

    /// The statements whose text begins like this, in the last hour.
    async fn found(&self, text: &str) -> Vec<QueryStat> {
        starting(&self.list(query()).await, text)
    }

    async fn detail(&self, queryid: &str, range: Range) -> QueryDetail {
        let query = QueryQuery {
            target: "main".into(),
            queryid: queryid.into(),
            range,
        };
        self.console.query().view(&self.caller, query).await.unwrap()
    }

    async fn session(&self) -> PgConnection {
        connect(self.database.socket_options()).await
    }

    async fn sql(&self, sql: &str) {
        run(&mut self.session().await, sql).await;
    }

    /// Runs a statement so many times, each by itself.
    async fn work(&self, sql: &str, times: usize) {
        let mut session = self.session().await;
        for _ in 0..times {
            run(&mut session, sql).await;
        }
    }

    /// What pg_stat_statements itself says of the statements whose text begins like this: calls, rows and milliseconds.
    async fn counted(&self, text: &str) -> (i64, i64, f64) {
        sqlx::query_as(
            "select sum(calls)::int8, sum(rows)::int8, sum(total_exec_time)::float8
               from pg_stat_statements
              where query like $1 || '%'
                and dbid = (select oid from pg_database where datname = current_database())",
        )
        .bind(text)
        .fetch_one(&mut self.session().await)
        .await
        .unwrap()
    }

    async fn is_up(&self) {
        let begun = Stopwatch::now();
        while !matches!(
            self.console
                .targets()
                .view(&self.caller, "main")
                .await
                .unwrap()
                .state,
            TargetState::Up(_)
        ) {
            assert!(begun.elapsed() < PATIENCE, "the database did not come back");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

async fn run(session: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(session)
        .await
        .unwrap();
}

fn query() -> QueriesQuery {
    QueriesQuery {
        target: "main".into(),
        range: Range::Last(Span::Hour),
        sort: QuerySort::Total,
        ascending: false,
        search: None,
        role: None,
        tag: None,
        min_mean_ms: None,
        limit: 200,
    }
}

fn starting(view: &QueriesView, text: &str) -> Vec<QueryStat> {
    let all = view.statements.iter();
    all.filter(|it| it.text.as_deref().is_some_and(|it| it.starts_with(text)))
        .cloned()
        .collect()
}

fn is_within_a_hundredth(found: f64, truth: f64) {
    assert!((found - truth).abs() <= truth * 0.01, "{found} for {truth}");
}

/// The one statement whose text begins like this.
fn one(view: &QueriesView, text: &str) -> QueryStat {
    let mut found = starting(view, text);
    assert_eq!(found.len(), 1, "{text}: {:?}", view.statements);
    found.remove(0)
}

const INSERT: &str = "insert into orders";
const SELECT: &str = "select * from orders";

/// What the page shows of a workload is that workload, by pg_stat_statements itself.
async fn shows_the_truth_on(version: Version) {
    let world = world_on(ClusterOptions::new().version(version)).await;
    world
        .work("insert into orders select 1, 2 from generate_series(1, 7)", 50)
        .await;
    // Before there are two looks, what was counted until now.
    world.look(10).await;
    let first = world.list(query()).await;
    assert!(first.coverage.cumulative);
    assert_eq!((first.hints.len(), &first.trouble), (0, &None));
    let before = world.counted(INSERT).await;
    assert_eq!((before.0, before.1), (50, 350));
    let insert = one(&first, INSERT);
    assert_eq!((insert.sums.calls, insert.sums.rows), (50, 350));
    assert_eq!(insert.before, None);
    world
        .work("insert into orders select 1, 2 from generate_series(1, 3)", 100)
        .await;
    world.work("select * from orders limit 10", 30).await;
    world.work("select pg_sleep(0.02)", 5).await;
    world.look(5).await;
    let (insert, select, sleep) = (
        world.counted(INSERT).await,
        world.counted(SELECT).await,
        world.counted("select pg_sleep").await,
    );
    let view = world.list(query()).await;
    assert!(!view.coverage.cumulative && !view.coverage.incomplete);
    assert_eq!(view.coverage.evictions, Some(0));
    assert_eq!(view.coverage.seconds, 300.0);
    for (text, calls, rows, ms) in [
        (INSERT, 100, 300, insert.2 - before.2),
        (SELECT, 30, 300, select.2),
        ("select pg_sleep", 5, 5, sleep.2),
    ] {
        let found = one(&view, text);
        assert_eq!((found.sums.calls, found.sums.rows), (calls, rows), "{text}");
        is_within_a_hundredth(found.sums.total_ms, ms);
        is_within_a_hundredth(found.share, ms / view.whole.total_ms);
        assert!(
            !found.text.as_deref().unwrap().contains("0.02"),
            "no value stands in a text"
        );
    }
    assert_eq!((select.0, select.1), (30, 300));
    let insert = one(&view, INSERT);
    assert!(insert.sums.wal_bytes > 0 && insert.sums.hit > 0);
    // The stretch before, and the statement by itself.
    world
        .work("insert into orders select 1, 2 from generate_series(1, 3)", 40)
        .await;
    world.look(0).await;
    let minutes = |ago: i64| {
        let at = world.now - TimeDelta::minutes(ago);
        at.duration_trunc(TimeDelta::minutes(5)).unwrap()
    };
    let last = Range::Between(minutes(0), world.now.max(minutes(0) + TimeDelta::seconds(1)));
    let page = world
        .list(QueriesQuery {
            range: last,
            ..query()
        })
        .await;
    let insert = starting(&page, INSERT).remove(0);
    assert_eq!(insert.sums.calls, 40);
    assert_eq!(insert.before.unwrap().calls, 100);
    let growth = page.coverage.growth(40.0, 100.0).unwrap();
    assert!((growth + 0.6).abs() < 1e-9, "{growth}");
    let detail = world.detail(&insert.queryid, Range::Last(Span::Hour)).await;
    assert_eq!(detail.statement.sums.calls, 140);
    assert_eq!(detail.database, world.database.name());
    assert_eq!(detail.by_role.len(), 1);
    assert_eq!(detail.by_role[0].sums.calls, 140);
    assert_eq!(detail.since[0].calls, 190);
    assert!(
        detail.since[0].min_ms <= detail.since[0].mean_ms
            && detail.since[0].mean_ms <= detail.since[0].max_ms
    );
    assert!(detail.first_seen_at.is_some());
    let asked = QueryQuery {
        target: "main".into(),
        queryid: insert.queryid.clone(),
        range: Range::Last(Span::Hour),
    };
    let history = world
        .console
        .query()
        .history(&world.caller, asked, true)
        .await
        .unwrap();
    assert_eq!(
        (history.step_s, history.sampled_at),
        (300, detail.coverage.looked_at)
    );
    let calls = &history.charts[0];
    assert_eq!(calls.key, "calls");
    let known: Vec<f64> = calls.series[0]
        .values
        .iter()
        .flatten()
        .map(|a_second| a_second * 300.0)
        .collect();
    assert_eq!(known.len(), 2, "{known:?}");
    assert!(
        (known[0] - 100.0).abs() < 1e-6 && (known[1] - 40.0).abs() < 1e-6,
        "{known:?}"
    );
    world.console.close().await;
}

#[tokio::test]
async fn statements_show_a_workload_as_it_was_on_14() {
    shows_the_truth_on(Version::V14).await;
}

#[tokio::test]
async fn statements_show_a_workload_as_it_was_on_15() {
    shows_the_truth_on(Version::V15).await;
}

#[tokio::test]
async fn statements_show_a_workload_as_it_was_on_16() {
    shows_the_truth_on(Version::V16).await;
}

#[tokio::test]
async fn statements_show_a_workload_as_it_was_on_17() {
    shows_the_truth_on(Version::V17).await;
}

#[tokio::test]
async fn statements_show_a_workload_as_it_was_on_18() {
    shows_the_truth_on(Version::V18).await;
}

async fn gaps_on(version: Version) {
    let world = world_on(ClusterOptions::new().version(version)).await;
    let calls = async || -> i64 {
        let found = world.found(INSERT).await;
        found.iter().map(|it| it.sums.calls).sum()
    };
    let is_incomplete = async || world.list(query()).await.coverage.incomplete;
    world.work("insert into orders values (1, 2)", 20).await;
    world.look(40).await;
    world.work("insert into orders values (1, 2)", 30).await;
    world.look(35).await;
    assert_eq!((calls().await, is_incomplete().await), (30, false));
    // A server that was stopped in order keeps what it counted.
    world.cluster.stop().await;
    world.cluster.start_again().await;
    world.is_up().await;
    world.work("insert into orders values (1, 2)", 5).await;
    world.look(30).await;
    assert_eq!((calls().await, is_incomplete().await), (35, false));
    // Another tool's reset: what ran since is counted, and that something is missing is told.
    world.work("insert into orders values (1, 2)", 50).await;
    world.sql("select pg_stat_statements_reset()").await;
    world.work("insert into orders values (1, 2)", 60).await;
    world.look(25).await;
    assert_eq!((calls().await, is_incomplete().await), (95, true));
    world.look(20).await;
    assert_eq!(calls().await, 95);
    // A crash loses them.
    world.work("insert into orders values (1, 2)", 9).await;
    world.cluster.kill9().await;
    world.cluster.start_again().await;
    world.is_up().await;
    world.work("insert into orders values (1, 2)", 70).await;
    world.look(15).await;
    assert_eq!(calls().await, 165);
    let view = world.list(query()).await;
    for it in view.statements {
        let sums = it.sums;
        let counts = [
            sums.calls,
            sums.rows,
            sums.hit,
            sums.read,
            sums.temp,
            sums.wal_bytes,
        ];
        assert!(
            counts.iter().all(|count| *count >= 0) && sums.total_ms >= 0.0,
            "{sums:?}"
        );
    }
    // The steps that began anew are told alone.
    let since = Range::Between(world.now - TimeDelta::minutes(9), world.now);
    world.look(5).await;
    let view = world
        .list(QueriesQuery {
            range: since,
            ..query()
        })
        .await;
    assert!(!view.coverage.incomplete);
    world.console.close().await;
}

#[tokio::test]
async fn restarts_crashes_and_resets_by_others_are_told_and_never_negative_on_14() {
    gaps_on(Version::V14).await;
}

#[tokio::test]
async fn restarts_crashes_and_resets_by_others_are_told_and_never_negative_on_18() {
    gaps_on(Version::V18).await;
}

/// Statements that differ by their number of columns, from one number to another.
fn many(from: usize, to: usize) -> String {
    (from..to)
        .map(|columns| format!("select {}", vec!["1"; columns].join(", ")))
        .collect::<Vec<_>>()
        .join(";")
}

#[tokio::test]
async fn statements_that_the_server_drops_are_told_by_their_number() {
    let world = world_on(ClusterOptions::new().setting("pg_stat_statements.max", "100")).await;
    world.work("insert into orders values (1, 2)", 30).await;
    world.look(10).await;
    world.work("insert into orders values (1, 2)", 30).await;
    world.sql(&many(1, 200)).await;
    world.look(5).await;
    let view = world.list(query()).await;
    assert!(view.coverage.evictions.unwrap() > 0);
    assert!(
        !view.coverage.incomplete,
        "evictions are told by their count alone"
    );
    let insert = starting(&view, INSERT);
    let calls: i64 = insert.iter().map(|it| it.sums.calls).sum();
    assert!((0..=30).contains(&calls), "{calls}");
    world.console.close().await;
}

#[tokio::test]
async fn an_hour_keeps_the_greatest_statements_and_the_sum_of_the_rest() {
    let world = world().await;
    // Whole hours ago, so that all three looks are in one.
    let hour = (world.now - TimeDelta::hours(3))
        .duration_trunc(TimeDelta::hours(1))
        .unwrap();
    let look = async |minutes: i64| {
        assert!(
            look_at(&world.console, "main", hour + TimeDelta::minutes(minutes))
                .await
                .unwrap()
        );
    };
    look(1).await;
    for (from, minute) in [(1, 10), (150, 20), (300, 30)] {
        world.sql(&many(from, from + 150)).await;
        look(minute).await;
    }
    let rows = async || -> (i64, i64) {
        sqlx::query_as(
            "select count(*) filter (where queryid <> 0), sum(calls)::int8
               from query_deltas
              where step = 3600 and at = $1",
        )
        .bind(hour)
        .fetch_one(&world.store)
        .await
        .unwrap()
    };
    let before = rows().await;
    assert!(before.0 > 275, "{before:?}");
    look(70).await;
    let after = rows().await;
    assert!(after.0 <= 250, "{after:?}");
    assert_eq!(after.1, before.1, "no call is lost");
    // Twice as long ago as steps of five minutes are kept.
    look(60 * 24 * 4).await;
    let oldest: Option<Instant> = sqlx::query_scalar("select min(at) from query_deltas where step = 300")
        .fetch_one(&world.store)
        .await
        .unwrap();
    assert!(
        oldest.is_none_or(|oldest| oldest > hour + TimeDelta::days(1)),
        "{oldest:?}"
    );
    world.console.close().await;
}

#[tokio::test]
async fn who_may_not_see_the_statements_of_others_is_told_the_grant() {
    let world = world().await;
    world
        .cluster
        .execute("create role steward login; create role clerk login")
        .await;
    world.sql("grant all on orders to clerk").await;
    let mut config = world.console.config.clone();
    config.targets[0].options = world.database.socket_options().username("steward");
    let engine = Engine::open(config).await.unwrap();
    let now = world.now;
    let look = async |minutes: i64| {
        look_at(&engine, "main", now - TimeDelta::minutes(minutes))
            .await
            .unwrap()
    };
    let mut clerk = connect(world.database.socket_options().username("clerk")).await;
    run(&mut clerk, "insert into orders values (1, 2)").await;
    assert!(look(20).await);
    run(&mut clerk, "insert into orders values (1, 2)").await;
    assert!(look(15).await);
    let view = engine.query().list(&world.caller, query()).await.unwrap();
    let statements: Vec<&str> = view
        .hints
        .iter()
        .filter_map(|hint| hint.statement.as_deref())
        .collect();
    assert_eq!(statements, ["grant pg_read_all_stats to \"steward\""]);
    assert_eq!(starting(&view, INSERT).len(), 0, "those of others are not there");
    world.cluster.execute(statements[0]).await;
    // What others had done before is not what happened since the last look.
    assert!(look(10).await);
    let view = engine.query().list(&world.caller, query()).await.unwrap();
    assert_eq!(view.hints, []);
    assert_eq!(starting(&view, INSERT).len(), 0);
    run(&mut clerk, "insert into orders values (1, 2)").await;
    assert!(look(5).await);
    let view = engine.query().list(&world.caller, query()).await.unwrap();
    let insert = starting(&view, INSERT);
    assert_eq!(
        (insert[0].sums.calls, &insert[0].roles[..]),
        (1, &["clerk".to_owned()][..])
    );
    assert!(
        view.coverage.gap_s() > 200.0,
        "that a stretch is missing is known"
    );
    engine.close().await;
}

#[tokio::test]
async fn what_is_not_installed_is_told_with_the_statements_that_install_it() {
    let_nobody_look_by_reading();
    let cluster = Cluster::start_with(ClusterOptions::new().without_preloaded_libraries()).await;
    let database = cluster.database("bare").await;
    let console = support::engine(&database, false).await;
    let caller = support::caller(&console, Role::Viewer).await;
    let statements = async || -> Vec<Option<String>> {
        let view = console.query().list(&caller, query()).await.unwrap();
        assert_eq!((view.all, view.coverage.from, view.trouble), (0, None, None));
        view.hints.into_iter().map(|hint| hint.statement).collect()
    };
    assert_eq!(
        statements().await,
        [
            Some("alter system set shared_preload_libraries = 'pg_stat_statements'".to_owned()),
            Some("create extension pg_stat_statements".to_owned()),
        ]
    );
    // The statements do what they are said to do.
    let mut session = connect(database.socket_options()).await;
    run(&mut session, "create extension pg_stat_statements").await;
    assert_eq!(statements().await.len(), 1, "the library is not loaded yet");
    run(
        &mut session,
        "alter system set shared_preload_libraries = 'pg_stat_statements'",
    )
    .await;
    cluster.stop().await;
    cluster.start_again().await;
    let begun = Stopwatch::now();
    loop {
        let listed = console.query().list(&caller, query()).await;
        if listed.is_ok_and(|view| view.hints.is_empty() && view.trouble.is_none()) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the hint stays");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    console.close().await;
}

#[tokio::test]
async fn statements_are_found_by_text_role_tag_and_time() {
    let world = world().await;
    world
        .cluster
        .execute("create role \"O'Hara \"\"x\"\"\" login")
        .await;
    world.sql("grant all on orders, lines to public").await;
    world.look(10).await;
    let mut other = connect(world.database.socket_options().username("O'Hara \"x\"")).await;
    run(
        &mut other,
        "select count(*) from lines /*controller='orders%20list',action='index'*/",
    )
    .await;
    run(&mut other, "insert into orders values (1, 2)").await;
    world.work("insert into orders values (1, 2)", 3).await;
    world.work("select pg_sleep(0.2)", 1).await;
    world.look(5).await;
    let texts = async |query: QueriesQuery| -> Vec<String> {
        let view = world.list(query).await;
        assert_eq!(view.matching, view.statements.len() as i64);
        view.statements.into_iter().filter_map(|it| it.text).collect()
    };
    let tagged = QueriesQuery {
        tag: Some("controller=orders list".into()),
        ..query()
    };
    assert_eq!(texts(tagged).await.len(), 1);
    let all = world.list(query()).await;
    assert!(all.tags.contains(&"action=index".to_owned()), "{:?}", all.tags);
    assert!(all.roles.contains(&"O'Hara \"x\"".to_owned()));
    let by_role = world
        .list(QueriesQuery {
            role: Some("O'Hara \"x\"".into()),
            search: Some("INSERT into".into()),
            ..query()
        })
        .await;
    assert_eq!(by_role.statements.len(), 1);
    assert_eq!(by_role.statements[0].sums.calls, 1, "of that role alone");
    assert_eq!(starting(&all, INSERT)[0].sums.calls, 4);
    let slow = QueriesQuery {
        min_mean_ms: Some(150),
        ..query()
    };
    let slow = world.list(slow).await;
    assert_eq!(starting(&slow, "select pg_sleep").len(), 1);
    assert!(
        slow.statements.iter().all(|it| it.sums.mean_ms() >= Some(150.0)),
        "{slow:?}"
    );
    for sort in QuerySort::ALL {
        let view = world.list(QueriesQuery { sort, ..query() }).await;
        let least = world
            .list(QueriesQuery {
                sort,
                ascending: true,
                limit: 1,
                ..query()
            })
            .await;
        let value = |it: &QueryStat| match sort {
            QuerySort::Total => it.sums.total_ms,
            QuerySort::Mean => it.sums.mean_ms().unwrap_or_default(),
            QuerySort::Calls => it.sums.calls as f64,
            QuerySort::Rows => it.sums.rows as f64,
            QuerySort::Io => it.sums.io() as f64,
            QuerySort::Wal => it.sums.wal_bytes as f64,
            QuerySort::Temp => it.sums.temp as f64,
        };
        let values: Vec<f64> = view.statements.iter().map(value).collect();
        assert!(values.is_sorted_by(|a, b| a >= b), "{sort:?}: {values:?}");
        assert_eq!((least.statements.len(), least.matching), (1, view.matching));
        assert_eq!(value(&least.statements[0]), *values.last().unwrap(), "{sort:?}");
    }
    let insert = starting(&all, INSERT).remove(0);
    let detail = world.detail(&insert.queryid, Range::default()).await;
    assert_eq!(detail.by_role.len(), 2, "who calls it");
    assert_eq!(detail.by_role.iter().map(|it| it.sums.calls).sum::<i64>(), 4);
    for queryid in ["1", "0", "x", "-5; drop table lines"] {
        let query = QueryQuery {
            target: "main".into(),
            queryid: queryid.into(),
            range: Range::default(),
        };
        let refused = world
            .console
            .query()
            .view(&world.caller, query)
            .await
            .unwrap_err();
        assert_eq!(refused.fault().code, Code::NotFound, "{queryid}");
    }
    let backwards = QueriesQuery {
        range: Range::Between(world.now, world.now - TimeDelta::hours(1)),
        ..query()
    };
    let refused = world
        .console
        .query()
        .list(&world.caller, backwards)
        .await
        .unwrap_err();
    assert_eq!(refused.fault().code, Code::Invalid);
    world.console.close().await;
}

#[tokio::test]
async fn time_inside_functions_is_not_counted_twice() {
    let world = world().await;
    world
        .sql("create function inner_sleep() returns void language plpgsql as $$ begin perform pg_sleep(0.1); end $$")
        .await;
    world.look(10).await;
    let mut session = world.session().await;
    run(&mut session, "set pg_stat_statements.track = 'all'").await;
    run(&mut session, "select inner_sleep()").await;
    world.look(5).await;
    let view = world.list(query()).await;
    let outer = starting(&view, "select inner_sleep").remove(0);
    let inner = view.statements.iter().find(|it| it.nested).unwrap();
    assert!(!outer.nested && outer.sums.total_ms >= 100.0 && inner.sums.total_ms >= 100.0);
    let top: f64 = view
        .statements
        .iter()
        .filter(|it| !it.nested)
        .map(|it| it.sums.total_ms)
        .sum();
    is_within_a_hundredth(view.whole.total_ms, top);
    assert!(view.statements.iter().all(|it| it.share <= 1.0));
    world.console.close().await;
}

#[tokio::test]
async fn two_consoles_take_one_look_and_a_database_that_is_down_shows_what_it_did() {
    let world = world().await;
    let beside = world.console.beside(false).await;
    world.look(10).await;
    world.work("insert into orders values (1, 2)", 40).await;
    let at = world.now - TimeDelta::minutes(5);
    let (one, other) = tokio::join!(look_at(&world.console, "main", at), look_at(&beside, "main", at));
    assert!(one.unwrap() || other.unwrap());
    assert_eq!(world.found(INSERT).await[0].sums.calls, 40);
    world.cluster.stop().await;
    let view = world.list(query()).await;
    assert_eq!(starting(&view, INSERT)[0].sums.calls, 40);
    assert!(view.trouble.is_some(), "that it is down is told");
    beside.close().await;
    world.console.close().await;
}

#[tokio::test]
async fn a_slow_statement_is_a_finding() {
    let world = world().await;
    let mut config = world.console.config.clone();
    config.query_log.slow = std::time::Duration::from_millis(30);
    let engine = Engine::open(config).await.unwrap();
    let found = async || {
        // Looks are asked for anew when a page of the target is read.
        let view = engine.targets().view(&world.caller, "main").await.unwrap();
        view.findings
            .into_iter()
            .find(|finding| finding.key == "query.slow")
    };
    world.look(10).await;
    world.work("select pg_sleep(0.05)", 12).await;
    world.look(5).await;
    assert!(world.found("select pg_sleep").await[0].sums.calls == 12);
    let begun = Stopwatch::now();
    let finding = loop {
        if let Some(finding) = found().await {
            break finding;
        }
        assert!(begun.elapsed() < PATIENCE, "it is not found");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert!(finding.words.contains("more than 30 ms"), "{finding:?}");
    let queryid = &world.found("select pg_sleep").await[0].queryid;
    assert_eq!(finding.page, Some(format!("queries/{queryid}")));
    engine.close().await;
}

#[tokio::test]
async fn it_goes_through_a_transaction_pooler() {
    let world = world().await;
    let bouncer = PgBouncer::before(&world.cluster, PoolMode::Transaction).await;
    let parsed = url::parse(&bouncer.url(world.database.name())).unwrap();
    let mut config = world.console.config.clone();
    config.targets[0].options = parsed.options;
    config.targets[0].password = parsed.password;
    let engine = Engine::open(config).await.unwrap();
    let look = async |minutes: i64| {
        look_at(&engine, "main", world.now - TimeDelta::minutes(minutes))
            .await
            .unwrap()
    };
    assert!(look(10).await);
    world.work("insert into orders values (1, 2)", 11).await;
    assert!(look(5).await);
    let view = engine.query().list(&world.caller, query()).await.unwrap();
    assert_eq!(starting(&view, INSERT)[0].sums.calls, 11);
    assert_eq!((view.hints, view.trouble), (vec![], None));
    engine.close().await;
}

#[tokio::test]
async fn a_standby_shows_its_own_statements() {
    let world = world().await;
    world.work("insert into orders values (1, 2)", 3).await;
    let standby = world.cluster.standby().await;
    world.cluster.wait_for_standby(&standby).await;
    let mut config = world.console.config.clone();
    config.targets[0].options = standby.socket_options(world.database.name());
    let engine = Engine::open(config).await.unwrap();
    let look = async |minutes: i64| {
        look_at(&engine, "main", world.now - TimeDelta::minutes(minutes))
            .await
            .unwrap()
    };
    assert!(look(10).await);
    let mut reader = connect(standby.socket_options(world.database.name())).await;
    for _ in 0..13 {
        run(&mut reader, "select * from orders").await;
    }
    assert!(look(5).await);
    let view = engine.query().list(&world.caller, query()).await.unwrap();
    let select = starting(&view, SELECT).remove(0);
    assert_eq!((select.sums.calls, select.sums.rows), (13, 39));
    assert_eq!(starting(&view, INSERT).len(), 0);
    engine.close().await;
}

#[tokio::test]
async fn a_primary_and_its_standby_have_their_own_statements_beside_each_other() {
    let world = world().await;
    let standby = world.cluster.standby().await;
    world.cluster.wait_for_standby(&standby).await;
    let mut config = world.console.config.clone();
    config.targets.push(TargetConfig {
        name: "replica".to_owned(),
        options: standby.socket_options(world.database.name()),
        ..config.targets[0].clone()
    });
    let engine = Engine::open(config).await.unwrap();
    let look = async |minutes: i64| {
        let at = world.now - TimeDelta::minutes(minutes);
        for target in ["main", "replica"] {
            assert!(look_at(&engine, target, at).await.unwrap(), "each has a turn");
        }
    };
    look(10).await;
    world.work("insert into orders values (1, 2)", 40).await;
    let mut reader = connect(standby.socket_options(world.database.name())).await;
    for _ in 0..13 {
        run(&mut reader, SELECT).await;
    }
    look(5).await;
    let calls = async |target: &str| -> Vec<(String, i64)> {
        let query = QueriesQuery {
            target: target.into(),
            ..query()
        };
        let view = engine.query().list(&world.caller, query).await.unwrap();
        let of = |text: &str| starting(&view, text);
        [INSERT, SELECT]
            .into_iter()
            .flat_map(|text| {
                of(text)
                    .into_iter()
                    .map(move |it| (text.to_owned(), it.sums.calls))
            })
            .collect()
    };
    assert_eq!(calls("main").await, [(INSERT.to_owned(), 40)]);
    assert_eq!(calls("replica").await, [(SELECT.to_owned(), 13)]);
    engine.close().await;
    world.console.close().await;
}

#[tokio::test]
async fn a_statement_that_did_not_run_in_the_chosen_time_is_shown_with_the_time_when_it_did() {
    let world = world().await;
    world.look(185).await;
    world.work("insert into orders values (1, 2)", 40).await;
    world.look(180).await;
    let long_ago = QueriesQuery {
        range: Range::Last(Span::Hours6),
        ..query()
    };
    let queryid = one(&world.list(long_ago).await, INSERT).queryid;
    world.look(40).await;
    world.look(35).await;
    let hour = Range::Last(Span::Hour);
    let detail = world.detail(&queryid, hour).await;
    assert!(detail.statement.text.unwrap().starts_with(INSERT));
    assert_eq!((detail.statement.sums.calls, detail.by_role.len()), (0, 0));
    assert_eq!(detail.since[0].calls, 40, "what the server has counted is there");
    let absence = detail.absence.unwrap();
    assert_eq!(absence.words, "It did not run in this time.");
    let (from, to) = absence.last.unwrap();
    let then = world.detail(&queryid, Range::Between(from, to)).await;
    assert_eq!((then.statement.sums.calls, then.absence), (40, None));
    let query = QueryQuery {
        target: "main".into(),
        queryid: "4711".into(),
        range: hour,
    };
    refused(
        world.console.query().view(&world.caller, query).await,
        Code::NotFound,
    );
    world.console.close().await;
}

#[tokio::test]
async fn a_page_shows_the_statements_of_its_own_database_alone() {
    let (one, other) = (
        shared().await.database("mine").await,
        shared().await.database("theirs").await,
    );
    let mut theirs = connect(other.socket_options()).await;
    run(
        &mut theirs,
        "create extension pg_stat_statements; create table theirs_alone (n int)",
    )
    .await;
    let mut mine = connect(one.socket_options()).await;
    run(&mut mine, "create extension pg_stat_statements").await;
    run(&mut theirs, "select * from theirs_alone").await;
    let console = support::engine(&one, false).await;
    let caller = support::caller(&console, Role::Viewer).await;
    assert!(look_at(&console, "main", Utc::now()).await.unwrap());
    let view = console.query().list(&caller, query()).await.unwrap();
    assert!(view.coverage.cumulative && view.all > 0);
    assert!(view.statements.iter().all(|it| {
        it.text
            .as_deref()
            .is_none_or(|text| !text.contains("theirs_alone"))
    }));
    console.close().await;
}

#[tokio::test]
async fn the_text_of_a_statement_is_explained_or_it_is_said_why_not() {
    let world = world().await;
    // Before PostgreSQL 16, values for a plan are taken from statistics.
    world
        .sql("insert into orders select n, n from generate_series(1, 100) as n; analyze orders")
        .await;
    world.look(10).await;
    world
        .work("select * from orders where id = 7 order by amount", 2)
        .await;
    let columns: Vec<String> = (0..600)
        .map(|at| format!("amount as a_column_with_a_name_of_its_own_{at}"))
        .collect();
    world
        .sql(&format!("select {} from orders", columns.join(", ")))
        .await;
    world.sql("analyze orders").await;
    world.look(5).await;
    let view = world.list(query()).await;
    let text = async |beginning: &str| {
        let queryid = one(&view, beginning).queryid;
        let detail = world.detail(&queryid, Range::default()).await;
        let text = world
            .console
            .query()
            .text(&world.caller, "main", &queryid)
            .await
            .unwrap();
        assert_eq!(detail.no_plan.is_none(), text.text.is_some());
        assert_eq!(text.queryid, queryid);
        text
    };
    let whole = text("select * from orders where").await;
    assert_eq!(whole.note, None);
    let statement = whole.text.unwrap();
    assert_eq!(statement, "select * from orders where id = $1 order by amount");
    let spec = ExplainSpec {
        target: "main".into(),
        statement,
        ..ExplainSpec::default()
    };
    let plan = world.console.explain().plan(&world.caller, spec).await.unwrap();
    assert!(
        plan.plan
            .nodes
            .iter()
            .any(|node| node.relation.as_deref() == Some("orders"))
    );

    let cut = text("select amount as a_column").await;
    assert_eq!(cut.text, None);
    assert!(cut.note.unwrap().contains("first 20,000 characters"));
    let command = text("analyze orders").await;
    assert_eq!(command.text, None);
    assert!(command.note.unwrap().contains("command"));
    let unknown = world
        .console
        .query()
        .text(&world.caller, "main", "123")
        .await
        .unwrap();
    assert_eq!(unknown.text, None);
    assert!(unknown.note.unwrap().contains("not known"));
    for queryid in ["0", "x", "1; drop table lines"] {
        let refused = world
            .console
            .query()
            .text(&world.caller, "main", queryid)
            .await
            .unwrap_err();
        assert_eq!(refused.fault().code, Code::NotFound, "{queryid}");
    }
    world.console.close().await;
}
