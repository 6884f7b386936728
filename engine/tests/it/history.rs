//! What is kept of managed databases over time is what happened there, with a clock that the tests set.

use std::time::Instant as Stopwatch;

use chrono::{DurationRound, TimeDelta, Utc};
use contract::{
    Code, Instant,
    history::{Chart, HistoryQuery, HistoryView, MarkKind, Pulse, Range, Span},
    jobs::Event,
    session::Role,
    stats::RelationName,
    target::TargetState,
};
use engine::{
    Caller, Engine, EngineConfig,
    config::TargetConfig,
    history::test_clock::{pulses, sample_at},
    target::url,
};
use futures::{Stream, StreamExt};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use testkit::{Cluster, ClusterOptions, Database, PgBouncer, PgBouncerOptions, PoolMode, Version, shared};

use crate::{support, work::PATIENCE};

/// A console that takes no snapshots by itself, on a database of a server of its own.
struct World {
    cluster: Cluster,
    database: Database,
    console: support::Console,
    caller: Caller,
    store: PgPool,
    /// A minute in the past that ten minutes begin with.
    base: Instant,
}

async fn world_on(cluster: Cluster) -> World {
    let database = cluster.database("measured").await;
    let console = support::engine(&database, false).await;
    World {
        caller: support::caller(&console, Role::Viewer).await,
        store: console.store.pool().await,
        base: (Utc::now() - TimeDelta::hours(3))
            .duration_trunc(TimeDelta::minutes(10))
            .unwrap(),
        console,
        database,
        cluster,
    }
}

async fn world() -> World {
    world_on(Cluster::start().await).await
}

impl World {
    /// So many minutes after the beginning.
    fn minute(&self, minutes: i64) -> Instant {
        self.base + TimeDelta::minutes(minutes)
    }

    /// Takes the snapshot of a minute; its values are those of the minute before.
    async fn sample(&self, minutes: i64) {
        sample_at(&self.console, self.minute(minutes)).await;
    }

    async fn view(&self, from: i64, to: i64) -> HistoryView {
        view(&self.console, &self.caller, self.minute(from), self.minute(to)).await
    }

    /// A chart over some minutes.
    async fn chart(&self, key: &str, from: i64, to: i64) -> Chart {
        chart(self.view(from, to).await, key)
    }

    async fn session(&self) -> PgConnection {
        PgConnection::connect_with(&self.database.socket_options())
            .await
            .unwrap()
    }

    async fn sql(&self, sql: &str) {
        let mut session = self.session().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut session)
            .await
            .unwrap();
        session.close().await.unwrap();
    }

    /// Commits and rolls back so many transactions, and waits until the server has counted them.
    async fn work(&self, commits: i64, rollbacks: i64) {
        let before = self.counted().await;
        let mut session = self.session().await;
        for _ in 0..commits {
            session.execute("select 1").await.unwrap();
        }
        for _ in 0..rollbacks {
            session.execute("begin").await.unwrap();
            session.execute("rollback").await.unwrap();
        }
        session.close().await.unwrap();
        let begun = Stopwatch::now();
        while self.counted().await < before + commits + rollbacks {
            assert!(begun.elapsed() < PATIENCE, "the server did not count them");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    async fn counted(&self) -> i64 {
        sqlx::query_scalar("select xact_commit + xact_rollback from pg_stat_database where datname = $1")
            .bind(self.database.name())
            .fetch_one(&mut self.cluster.admin().await)
            .await
            .unwrap()
    }

    /// Commits and rollbacks by the server's own count.
    async fn counted_apart(&self) -> (i64, i64) {
        sqlx::query_as("select xact_commit, xact_rollback from pg_stat_database where datname = $1")
            .bind(self.database.name())
            .fetch_one(&mut self.cluster.admin().await)
            .await
            .unwrap()
    }

    /// A number out of the store.
    async fn stored(&self, sql: &str) -> f64 {
        sqlx::query_scalar(AssertSqlSafe(format!("select ({sql})::float8")))
            .fetch_one(&self.store)
            .await
            .unwrap()
    }

    async fn is_up(&self) {
        let begun = Stopwatch::now();
        let caller = &self.caller;
        while !matches!(
            self.console.targets().view(caller, "main").await.unwrap().state,
            TargetState::Up(_)
        ) {
            assert!(begun.elapsed() < PATIENCE, "the database did not come back");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

async fn view(engine: &Engine, caller: &Caller, from: Instant, to: Instant) -> HistoryView {
    let query = HistoryQuery {
        range: Range::Between(from, to),
        ..query()
    };
    engine.history().view(caller, query).await.unwrap()
}

fn query() -> HistoryQuery {
    HistoryQuery {
        target: "main".into(),
        table: None,
        charts: None,
        range: Range::Last(Span::Hour),
        before: false,
    }
}

fn chart(view: HistoryView, key: &str) -> Chart {
    view.charts.into_iter().find(|chart| chart.key == key).unwrap()
}

fn values<'a>(chart: &'a Chart, key: &str) -> &'a [Option<f64>] {
    let series = chart.series.iter().find(|series| series.key == key);
    &series.unwrap().values
}

/// The one value of a chart of one step.
fn value(chart: &Chart, key: &str) -> Option<f64> {
    let [value] = values(chart, key) else {
        panic!("{chart:?}");
    };
    *value
}

fn is_within_a_hundredth(found: Option<f64>, truth: f64) {
    let found = found.unwrap();
    assert!((found - truth).abs() <= truth * 0.01, "{found} for {truth}");
}

/// What the charts show of a workload is that workload.
async fn shows_the_truth_on(version: Version) {
    let world = world_on(Cluster::start_with(ClusterOptions::new().version(version)).await).await;
    world
        .sql("create extension pg_stat_statements; create table t (n int)")
        .await;
    let statements = async || -> (i64, f64) {
        sqlx::query_as(
            "select sum(calls)::int8, sum(total_exec_time)::float8
               from pg_stat_statements
              where toplevel
                and dbid = (select oid from pg_database where datname = current_database())",
        )
        .fetch_one(&mut world.session().await)
        .await
        .unwrap()
    };
    let mut waiting = world.session().await;
    let mut holding = world.session().await;
    holding.execute("begin; select 1").await.unwrap();
    let before = statements().await;
    let counted = world.counted_apart().await;
    world.sample(0).await;
    for _ in 0..30 {
        waiting.execute("select pg_sleep(0.1)").await.unwrap();
    }
    world.work(3000, 2000).await;
    world.sample(1).await;
    let after = statements().await;
    let by_now = world.counted_apart().await;
    let view = world.view(0, 1).await;
    assert_eq!((view.step_s, view.steps()), (60, 1));
    assert_eq!(view.trouble, None);
    let of = |key: &str| chart(view.clone(), key);
    // A minute has 60 seconds.
    let of_workload = |chart: &str, key: &str, made: i64, counted: i64| {
        let found = value(&of(chart), key).unwrap() * 60.0;
        // The console's own looks are among them, and how many those are depends on how long all this takes.
        assert!(
            found >= made as f64 * 0.99 && found <= counted as f64 * 1.01,
            "{key}: {found} for {made} of {counted}"
        );
    };
    of_workload("transactions", "commits", 3030, by_now.0 - counted.0);
    of_workload("transactions", "rollbacks", 2000, by_now.1 - counted.1);
    of_workload("queries", "queries", 7030, after.0 - before.0);
    let mean = (after.1 - before.1) / (after.0 - before.0) as f64;
    is_within_a_hundredth(value(&of("latency"), "mean"), mean);
    let connections = of("connections");
    assert_eq!(value(&connections, "idle_in_transaction"), Some(1.0));
    assert_eq!(
        value(&connections, "active"),
        Some(0.0),
        "the console's look is idle"
    );
    assert!(value(&connections, "idle") >= Some(1.0));
    assert_eq!(connections.missing, None);
    let (name, limit) = connections.limit.unwrap();
    let most: i64 = sqlx::query_scalar("select current_setting('max_connections')::int8")
        .fetch_one(&mut waiting)
        .await
        .unwrap();
    assert_eq!((name.as_str(), limit), ("max_connections", most as f64));
    for (chart, key) in [
        ("checkpoints", "timed"),
        ("checkpoints", "requested"),
        ("wal", "wal"),
        ("temp", "temp"),
        ("waits", "running"),
    ] {
        assert!(value(&of(chart), key).is_some(), "{chart} {key}");
    }
    let share = value(&of("cache"), "hits").unwrap();
    assert!((0.0..=1.0).contains(&share), "{share}");
    assert!(value(&of("size"), "size").unwrap() > 1e6);
    assert_eq!(
        of("lag").note.as_deref(),
        Some("No standby is connected to this server now.")
    );
    world.console.close().await;
}

#[tokio::test]
async fn charts_show_a_workload_as_it_was_on_14() {
    shows_the_truth_on(Version::V14).await;
}

#[tokio::test]
async fn charts_show_a_workload_as_it_was_on_18() {
    shows_the_truth_on(Version::V18).await;
}

#[tokio::test]
async fn a_reset_or_a_restart_leaves_a_gap_and_no_false_peak() {
    let world = world().await;
    world.work(5000, 0).await;
    world.sample(0).await;
    world.work(60, 0).await;
    world.sample(1).await;
    world.sql("select pg_stat_reset()").await;
    world.work(60, 0).await;
    world.sample(2).await;
    world.work(60, 0).await;
    world.sample(3).await;
    world.cluster.stop().await;
    // Nobody can look at a server that is down.
    world.cluster.start_again().await;
    world.is_up().await;
    world.sample(4).await;
    world.work(60, 0).await;
    world.sample(5).await;
    // Three minutes in which no console was at work.
    world.work(240, 0).await;
    world.sample(9).await;
    world.work(6000, 0).await;
    world.sample(30).await;
    let view = world.view(-1, 30).await;
    let transactions = chart(view.clone(), "transactions");
    let known: Vec<i64> = values(&transactions, "commits")
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_some())
        .map(|(step, _)| step as i64 - 1)
        .collect();
    assert_eq!(known, [0, 2, 4, 8], "{:?}", values(&transactions, "commits"));
    for value in values(&transactions, "commits").iter().flatten() {
        assert!((0.9..1.5).contains(value), "{value} a second");
    }
    // What is no counter has a value each time.
    let connections = chart(view, "connections");
    let states = values(&connections, "idle").iter().flatten().count();
    assert_eq!(states, 8);
    let now = Utc::now() + TimeDelta::minutes(1);
    let marks = view_marks(&world, world.base, now).await;
    assert_eq!(marks, [MarkKind::Restart]);
    world.console.close().await;
}

async fn view_marks(world: &World, from: Instant, to: Instant) -> Vec<MarkKind> {
    let view = view(&world.console, &world.caller, from, to).await;
    view.marks.into_iter().map(|mark| mark.kind).collect()
}

#[tokio::test]
async fn two_consoles_take_the_snapshot_of_a_minute_once() {
    let world = world().await;
    world.sql("create extension pg_stat_statements").await;
    let beside = world.console.beside(false).await;
    for minute in 0..6 {
        world.work(60, 0).await;
        let now = world.minute(minute);
        tokio::join!(sample_at(&world.console, now), sample_at(&beside, now));
    }
    let asked: i64 = sqlx::query_scalar(
        "select sum(calls)::int8
           from pg_stat_statements
          where query like '%idle_in_failed%'
            and query not like '%pg_stat_statements%'",
    )
    .fetch_one(&mut world.session().await)
    .await
    .unwrap();
    assert_eq!(asked, 6);
    assert_eq!(
        world
            .stored("select count(*) from history where step_s = 60")
            .await,
        6.0
    );
    let commits = world.chart("transactions", 0, 5).await;
    for value in values(&commits, "commits") {
        assert!((0.9..1.5).contains(&value.unwrap()), "{value:?}");
    }
    // A minute that is over is nobody's any more, and one that an hour's jump of the clock skipped does not come back.
    sample_at(&beside, world.minute(3)).await;
    assert_eq!(
        world
            .stored("select count(*) from history where step_s = 60")
            .await,
        6.0
    );
    beside.close().await;
    world.console.close().await;
}

#[tokio::test]
async fn coarser_steps_are_the_sums_of_their_parts_and_old_ones_go() {
    let world = world().await;
    world.sql("create table t (n int)").await;
    // The last of these minutes ends an hour.
    let hour = world.base.duration_trunc(TimeDelta::hours(1)).unwrap();
    for minute in 0..=25 {
        if minute % 5 == 0 {
            world.work(20 + minute, 3).await;
        }
        sample_at(&world.console, hour + TimeDelta::minutes(minute - 25)).await;
    }
    for (what, place) in [
        ("commits", 1),
        ("rollbacks", 2),
        ("idle connections", 17),
        ("bytes", 34),
    ] {
        for array in ["sums", "weights"] {
            let sum = async |step: i64| {
                world
                    .stored(&format!(
                        "select sum({array}[{place}]) from history where step_s = {step} and subject = ''"
                    ))
                    .await
            };
            let minutes = sum(60).await;
            assert!(minutes > 0.0, "{what}");
            assert_eq!(
                (sum(600).await, sum(86_400).await),
                (minutes, minutes),
                "{what} {array}"
            );
        }
        let peak = async |step: i64| {
            world
                .stored(&format!(
                    "select max(peaks[{place}]) from history where step_s = {step} and subject = ''"
                ))
                .await
        };
        assert_eq!(
            (peak(600).await, peak(86_400).await),
            (peak(60).await, peak(60).await),
            "{what}"
        );
    }
    let count = "select count(*) from history where step_s = 600 and subject = ''";
    assert!(world.stored(count).await >= 3.0);
    let days = "select count(*) from history where step_s = 86400 and subject <> ''";
    assert!(world.stored(days).await >= 1.0, "tables too");

    // What is too old goes, and what is not stays.
    world
        .store
        .execute(
            "insert into history (series_id, subject, step_s, at, sums, weights, peaks)
             select series_id, subject, step_s, clock_timestamp() - age, '{1}', '{1}', '{1}'
               from history_turns,
                    (values ('', 60, interval '49 hours', 'old'), ('', 60, interval '47 hours', 'new'),
                            ('', 600, interval '32 days', 'old'), ('', 600, interval '29 days', 'new'),
                            ('t', 600, interval '9 days', 'old'), ('t', 600, interval '6 days', 'new'),
                            ('', 86400, interval '732 days', 'old'), ('', 86400, interval '729 days', 'new'),
                            ('t', 86400, interval '732 days', 'old'), ('t', 86400, interval '729 days', 'new'))
                        as made (subject, step_s, age, what)",
        )
        .await
        .unwrap();
    let made = "select count(*) from history where sums = '{1}'";
    assert_eq!(world.stored(made).await, 10.0);
    let now = Utc::now().duration_trunc(TimeDelta::minutes(10)).unwrap();
    sample_at(&world.console, now).await;
    assert_eq!(world.stored(made).await, 5.0);
    let size = world.console.history().size(&world.caller).await.unwrap();
    assert!(size.bytes > 0 && size.bytes < size.most_bytes, "{size:?}");
    world.console.close().await;
}

/// A console that reaches a database by this address.
async fn by_url(console: &support::Console, url: &str) -> Engine {
    let parsed = url::parse(url).unwrap();
    let mut config: EngineConfig = console.config.clone();
    config.targets[0].options = parsed.options;
    config.targets[0].password = parsed.password;
    config.targets[0].link = parsed.link;
    Engine::open(config).await.unwrap()
}

#[tokio::test]
async fn what_a_role_may_not_see_is_named_with_the_statement_that_grants_it() {
    let world = world().await;
    let (admin, port) = (&world.cluster, world.cluster.port());
    admin
        .execute("create role \"Weak\" login password 'secret'")
        .await;
    let url = admin.url_of("Weak", "secret", port, world.database.name());
    let engine = by_url(&world.console, &url).await;
    let caller = support::caller(&engine, Role::Viewer).await;
    let _others = world.session().await;
    sample_at(&engine, world.minute(0)).await;
    world.work(6000, 0).await;
    sample_at(&engine, world.minute(1)).await;
    let one = view(&engine, &caller, world.minute(0), world.minute(1)).await;
    let of = |key: &str| chart(one.clone(), key);
    let missing = |key: &str| of(key).missing.unwrap();
    assert!(missing("connections").contains("grant pg_monitor to \"Weak\";"));
    assert!(missing("waits").contains("grant pg_monitor to \"Weak\";"));
    assert!(missing("queries").contains("create extension pg_stat_statements;"));
    assert!(missing("latency").contains("create extension pg_stat_statements;"));
    assert!(value(&of("connections"), "not_visible") >= Some(1.0));
    assert_eq!(value(&of("waits"), "running"), None, "not zero: not known");
    is_within_a_hundredth(value(&of("transactions"), "commits"), 100.0);
    // As the statements say.
    world.sql("create extension pg_stat_statements").await;
    admin.execute("grant pg_monitor to \"Weak\"").await;
    sample_at(&engine, world.minute(2)).await;
    sample_at(&engine, world.minute(3)).await;
    let one = view(&engine, &caller, world.minute(2), world.minute(3)).await;
    for key in ["connections", "waits", "queries", "latency"] {
        assert_eq!(chart(one.clone(), key).missing, None, "{key}");
    }
    let connections = chart(one.clone(), "connections");
    assert_eq!(value(&connections, "not_visible"), Some(0.0));
    assert!(value(&chart(one, "queries"), "queries").is_some());
    engine.close().await;
    world.console.close().await;
}

#[tokio::test]
async fn a_standby_and_its_primary_show_how_far_they_are_apart() {
    let world = world().await;
    world.sql("create table t (n int)").await;
    world
        .cluster
        .execute("select pg_create_physical_replication_slot('left_behind', true)")
        .await;
    let standby = world.cluster.standby().await;
    world.cluster.wait_for_standby(&standby).await;
    let engine = by_url(&world.console, &standby.url(world.database.name())).await;
    world.sample(0).await;
    sample_at(&engine, world.minute(1)).await;
    world.sql("insert into t select generate_series(1, 20000)").await;
    world.cluster.wait_for_standby(&standby).await;
    // The same database, by whoever takes the turn: a value between two servers is none.
    world.sample(2).await;
    let both = world.view(0, 2).await;
    assert_eq!(
        values(&chart(both.clone(), "transactions"), "commits"),
        [None, None]
    );
    assert_eq!(values(&chart(both.clone(), "wal"), "wal"), [None, None]);
    assert_eq!(values(&chart(both, "replay_delay"), "delay").len(), 2);
    world.sample(3).await;
    world.sql("insert into t select generate_series(1, 20000)").await;
    world.sample(4).await;
    let primary = world.view(3, 4).await;
    assert!(value(&chart(primary.clone(), "lag"), "lag").is_some());
    assert!(value(&chart(primary.clone(), "slots"), "held").unwrap() > 1e6);
    assert!(value(&chart(primary, "wal"), "wal").unwrap() > 1e6 / 60.0);
    // The standby alone.
    sample_at(&engine, world.minute(5)).await;
    sample_at(&engine, world.minute(6)).await;
    let alone = world.view(5, 6).await;
    assert!(value(&chart(alone.clone(), "replay_delay"), "delay").is_some());
    assert!(value(&chart(alone.clone(), "wal"), "wal").is_some());
    assert!(value(&chart(alone, "transactions"), "commits").is_some());
    engine.close().await;
    world.console.close().await;
}

/// The first target of a configuration by other names, and at the addresses of these servers.
fn managed(base: &EngineConfig, named: &[(&str, &Cluster)], database: &Database) -> EngineConfig {
    let targets = named.iter().map(|(name, cluster)| TargetConfig {
        name: (*name).to_owned(),
        options: cluster.socket_options(database.name()),
        ..base.targets[0].clone()
    });
    EngineConfig {
        targets: targets.collect(),
        ..base.clone()
    }
}

async fn of(engine: &Engine, caller: &Caller, target: &str, from: Instant, to: Instant) -> HistoryView {
    let query = HistoryQuery {
        target: target.into(),
        range: Range::Between(from, to),
        ..query()
    };
    engine.history().view(caller, query).await.unwrap()
}

#[tokio::test]
async fn a_primary_and_its_standby_have_a_series_each_that_goes_on_after_a_failover() {
    let world = world().await;
    world.sql("create table t (n int)").await;
    let standby = world.cluster.standby().await;
    world.sql("insert into t values (1)").await;
    world.cluster.wait_for_standby(&standby).await;
    let config = managed(
        &world.console.config,
        &[("main", &world.cluster), ("replica", &standby)],
        &world.database,
    );
    let engine = Engine::open(config).await.unwrap();
    sample_at(&engine, world.minute(0)).await;
    world.work(120, 0).await;
    sample_at(&engine, world.minute(1)).await;
    let commits = async |target: &str, to: i64| -> Vec<Option<f64>> {
        let view = of(&engine, &world.caller, target, world.minute(0), world.minute(to)).await;
        values(&chart(view, "transactions"), "commits").to_vec()
    };
    let (main, replica) = (commits("main", 1).await, commits("replica", 1).await);
    assert!(main[0].unwrap() >= 2.0, "{main:?}");
    assert!(
        replica[0].unwrap() < 1.0,
        "the primary's are not its own: {replica:?}"
    );
    let has_delay = async |target: &str| {
        let view = of(&engine, &world.caller, target, world.minute(0), world.minute(1)).await;
        view.charts.iter().any(|chart| chart.key == "replay_delay")
    };
    assert_eq!(
        (has_delay("main").await, has_delay("replica").await),
        (false, true)
    );
    let mut seen = Vec::new();
    for target in ["main", "replica"] {
        let mut pulses = engine.history().pulse(&world.caller, target).unwrap().boxed();
        seen.push(next_pulse(&mut pulses).await);
    }
    let delay = |pulse: &Pulse| pulse.values("replay_delay").unwrap()[0].is_some();
    assert_eq!((delay(&seen[0]), delay(&seen[1])), (false, true), "{seen:?}");

    // The standby takes over, and its series goes on under its name.
    world.cluster.stop().await;
    standby.execute("select pg_promote()").await;
    sample_at(&engine, world.minute(2)).await;
    let counted = async || -> i64 {
        sqlx::query_scalar("select xact_commit from pg_stat_database where datname = $1")
            .bind(world.database.name())
            .fetch_one(&mut standby.admin().await)
            .await
            .unwrap()
    };
    let before = counted().await;
    let mut session = PgConnection::connect_with(&standby.socket_options(world.database.name()))
        .await
        .unwrap();
    for _ in 0..120 {
        session.execute("select 1").await.unwrap();
    }
    session.close().await.unwrap();
    let begun = Stopwatch::now();
    while counted().await < before + 120 {
        assert!(begun.elapsed() < PATIENCE, "the server did not count them");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    sample_at(&engine, world.minute(3)).await;
    let replica = commits("replica", 3).await;
    assert!(replica[0].unwrap() < 1.0, "{replica:?}");
    assert_eq!(replica[1], None, "a standby that became the primary");
    assert!(replica[2].unwrap() >= 2.0, "{replica:?}");
    let main = commits("main", 3).await;
    assert_eq!(main[1..], [None, None], "{main:?}");
    assert_eq!(world.stored("select count(*) from series").await, 2.0);
    engine.close().await;
    world.console.close().await;
}

/// Makes the store believe that a name has not been seen for two minutes.
async fn forgotten(store: &PgPool, name: &str) {
    sqlx::query(
        "update database_names
            set seen_at = seen_at - interval '2 minutes', named_at = named_at - interval '3 minutes'
          where name = $1",
    )
    .bind(name)
    .execute(store)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_renamed_database_keeps_its_series_and_what_was_measured_under_the_new_name_meanwhile() {
    let world = world().await;
    world.sample(0).await;
    world.work(120, 0).await;
    world.sample(1).await;
    let base = world.console.config.clone();
    world.console.close().await;
    let renamed = managed(&base, &[("renamed", &world.cluster)], &world.database);
    let commits = async |engine: &Engine, to: i64| -> Vec<Option<f64>> {
        let view = of(
            engine,
            &world.caller,
            "renamed",
            world.minute(0),
            world.minute(to),
        )
        .await;
        values(&chart(view, "transactions"), "commits").to_vec()
    };
    // The old name may still be another console's.
    let engine = Engine::open(renamed.clone()).await.unwrap();
    sample_at(&engine, world.minute(2)).await;
    world.work(180, 0).await;
    sample_at(&engine, world.minute(3)).await;
    assert!(commits(&engine, 3).await[2].unwrap() >= 3.0);
    engine.close().await;
    forgotten(&world.store, "main").await;
    let engine = Engine::open(renamed).await.unwrap();
    let whole = commits(&engine, 3).await;
    assert!(whole[0].unwrap() >= 2.0 && whole[2].unwrap() >= 3.0, "{whole:?}");
    world.work(60, 0).await;
    sample_at(&engine, world.minute(4)).await;
    assert!(commits(&engine, 4).await[3].unwrap() >= 1.0);
    let names: Vec<String> = sqlx::query_scalar("select name from series")
        .fetch_all(&world.store)
        .await
        .unwrap();
    assert_eq!(names, ["renamed"]);
    engine.close().await;
}

#[tokio::test]
async fn a_primary_and_its_standby_that_are_renamed_at_once_keep_a_series_each() {
    let world = world().await;
    let standby = world.cluster.standby().await;
    world.cluster.wait_for_standby(&standby).await;
    let base = world.console.config.clone();
    world.console.close().await;
    let servers = [("main", &world.cluster), ("replica", &standby)];
    let engine = Engine::open(managed(&base, &servers, &world.database))
        .await
        .unwrap();
    sample_at(&engine, world.minute(0)).await;
    world.work(120, 0).await;
    sample_at(&engine, world.minute(1)).await;
    engine.close().await;
    for name in ["main", "replica"] {
        forgotten(&world.store, name).await;
    }
    let servers = [("two", &standby), ("one", &world.cluster)];
    let engine = Engine::open(managed(&base, &servers, &world.database))
        .await
        .unwrap();
    let commits = async |target: &str| {
        let view = of(&engine, &world.caller, target, world.minute(0), world.minute(1)).await;
        value(&chart(view, "transactions"), "commits")
    };
    assert!(commits("one").await.unwrap() >= 2.0);
    assert!(commits("two").await.is_none_or(|commits| commits < 1.0));
    engine.close().await;
}

#[tokio::test]
async fn a_range_of_months_has_what_was_measured_a_minute_ago() {
    let world = world().await;
    let last = async || {
        let query = HistoryQuery {
            range: Range::Last(Span::Season),
            ..query()
        };
        let view = world.console.history().view(&world.caller, query).await.unwrap();
        assert_eq!(view.step_s, 86_400);
        let chart = chart(view, "connections");
        let idle = values(&chart, "idle_in_transaction").iter().flatten().copied();
        (idle.last(), chart.note.unwrap())
    };
    // The first snapshot begins a day, and no full hour comes after it.
    let first = (1..)
        .find(|minute| world.minute(*minute).timestamp() % 3600 != 0)
        .unwrap();
    world.sample(first).await;
    let (idle, note) = last().await;
    assert_eq!(idle, Some(0.0));
    assert!(note.contains("at once in this time"), "{note}");
    let mut holding = Vec::new();
    for _ in 0..3 {
        let mut session = world.session().await;
        session.execute("begin; select 1").await.unwrap();
        holding.push(session);
    }
    world.sample(first + 1).await;
    let (idle, note) = last().await;
    assert_eq!(idle, Some(1.5), "the mean of the day so far");
    assert!(
        !note.contains("at once in this time"),
        "of one snapshot alone: {note}"
    );
    world.console.close().await;
}

#[tokio::test]
async fn snapshots_go_through_a_transaction_pooler() {
    let world = world().await;
    let options = PgBouncerOptions::new(PoolMode::Transaction).setting("default_pool_size", "1");
    let bouncer = PgBouncer::start_with(&world.cluster, options).await;
    let engine = by_url(&world.console, &bouncer.url(world.database.name())).await;
    sample_at(&engine, world.minute(0)).await;
    world.work(6000, 0).await;
    sample_at(&engine, world.minute(1)).await;
    is_within_a_hundredth(value(&world.chart("transactions", 0, 1).await, "commits"), 100.0);
    engine.close().await;
    world.console.close().await;
}

#[tokio::test]
async fn a_table_has_its_own_history_and_a_lock_on_it_costs_the_database_none() {
    let world = world().await;
    world
        .sql("create table \"T.x\" (id int primary key); create table held (n int)")
        .await;
    world.sample(0).await;
    world
        .sql(
            "insert into \"T.x\" select generate_series(1, 6000);
             delete from \"T.x\" where id <= 600;
             analyze \"T.x\"",
        )
        .await;
    let begun = Stopwatch::now();
    while deleted(&world).await < 600.0 {
        assert!(begun.elapsed() < PATIENCE, "the server did not count them");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut holder = world.session().await;
    holder
        .execute("begin; lock table held in access exclusive mode")
        .await
        .unwrap();
    world.sample(10).await;
    let of = async |name: &str| {
        let query = HistoryQuery {
            table: Some(RelationName {
                schema: "public".into(),
                name: name.into(),
            }),
            range: Range::Between(world.minute(0), world.minute(10)),
            ..query()
        };
        world.console.history().view(&world.caller, query).await.unwrap()
    };
    let view = of("T.x").await;
    assert_eq!((view.step_s, view.steps()), (600, 1));
    let one = |key: &str, line: &str| value(&chart(view.clone(), key), line);
    assert_eq!(one("changes", "inserted"), Some(10.0));
    assert_eq!(one("changes", "deleted"), Some(1.0));
    assert_eq!(one("changes", "updated"), Some(0.0));
    assert_eq!(one("rows", "rows"), Some(5400.0));
    let bytes: i64 = sqlx::query_scalar("select pg_total_relation_size('\"T.x\"')")
        .fetch_one(&mut world.session().await)
        .await
        .unwrap();
    assert_eq!(one("size", "size"), Some(bytes as f64));
    // The one that is held has no size, and the others and the database do.
    let held = of("held").await;
    assert_eq!(value(&chart(held.clone(), "size"), "size"), None);
    assert_eq!(value(&chart(held, "changes"), "inserted"), Some(0.0));
    assert!(value(&world.chart("transactions", 9, 10).await, "commits").is_some());
    world.sql("create view looked_through as select 1 as one").await;
    let none = of("looked_through").await;
    assert!(
        none.charts[0]
            .note
            .as_deref()
            .unwrap()
            .contains("Nothing was measured")
    );
    let unknown = HistoryQuery {
        table: Some(RelationName {
            schema: "public".into(),
            name: "no_such_table".into(),
        }),
        ..query()
    };
    let refused = world.console.history().view(&world.caller, unknown).await;
    assert_eq!(refused.unwrap_err().fault().code, Code::NotFound);
    drop(holder);
    world.console.close().await;
}

async fn deleted(world: &World) -> f64 {
    let rows: i64 = sqlx::query_scalar("select n_tup_del from pg_stat_user_tables where relname = 'T.x'")
        .fetch_one(&mut world.session().await)
        .await
        .unwrap();
    rows as f64
}

#[tokio::test]
async fn history_is_there_while_the_database_is_down_and_before_there_is_any() {
    let database = shared().await.database("measured").await;
    let console = support::engine(&database, false).await;
    let viewer = support::caller(&console, Role::Viewer).await;
    let history = console.history();
    let empty = history.view(&viewer, query()).await.unwrap();
    assert_eq!((empty.steps(), empty.sampled_at, empty.since), (60, None, None));
    assert!(empty.charts.iter().all(|chart| {
        chart
            .series
            .iter()
            .all(|series| series.values.iter().all(Option::is_none))
    }));
    let now = Utc::now();
    sample_at(&console, now - TimeDelta::minutes(1)).await;
    sample_at(&console, now).await;
    let some = HistoryQuery {
        charts: Some(vec!["size".into(), "connections".into()]),
        before: true,
        ..query()
    };
    let seen = history.view(&viewer, some.clone()).await.unwrap();
    let keys: Vec<&str> = seen.charts.iter().map(|chart| chart.key.as_str()).collect();
    assert_eq!(keys, ["connections", "size"]);
    assert!(seen.sampled_at.is_some() && seen.since.is_some());
    let size = &seen.charts[1].series[0];
    assert!(size.values.iter().flatten().count() >= 1, "{size:?}");
    assert_eq!(size.before.as_ref().unwrap().len(), size.values.len());
    let sparks = history.sparks(&viewer).await.unwrap();
    assert_eq!((sparks.len(), sparks[0].target.as_str()), (1, "main"));
    assert_eq!(sparks[0].connections.len(), 36);
    assert!(sparks[0].connections.iter().flatten().any(|count| *count >= 1.0));
    assert!(sparks[0].transactions.iter().flatten().count() >= 1);
    let unknown = HistoryQuery {
        target: "nobody".into(),
        ..query()
    };
    let fault = history.view(&viewer, unknown).await.unwrap_err().fault();
    assert_eq!(fault.code, Code::NotFound);
    // The same store, and an address where nobody answers.
    let mut config: EngineConfig = console.config.clone();
    config.targets[0].options = config.targets[0].options.clone().port(1);
    console.close().await;
    let later = Engine::open(config).await.unwrap();
    let caller = support::caller(&later, Role::Viewer).await;
    let down = later.history().view(&caller, some).await.unwrap();
    assert!(down.trouble.is_some());
    assert_eq!(
        down.charts[1].series[0].values.iter().flatten().count(),
        size.values.iter().flatten().count()
    );
    later.close().await;
}

#[tokio::test]
async fn the_day_when_the_disk_is_full_is_told_where_the_disk_is_known() {
    const GB: f64 = 1024.0 * 1024.0 * 1024.0;
    let database = shared().await.database("growing").await;
    let console = support::engine(&database, false).await;
    let viewer = support::caller(&console, Role::Viewer).await;
    sample_at(&console, Utc::now() - TimeDelta::days(8)).await;
    // A week from 100 GB on, with 2 GB more each day. The size is the last value of a step.
    let made = sqlx::query(
        "insert into history (series_id, subject, step_s, at, sums, weights, peaks)
         select series_id, '', 600, at, array_fill(null::float8, array[33]) || $1 * (100 + 2 * day),
                array_fill(null::real, array[33]) || 1::real, array_fill(null::real, array[34])
           from history_turns,
                generate_series(0, 6.9, 0.1) as day,
                date_bin('10 minutes', now() - interval '7 days' + day * interval '1 day', 'epoch') as at",
    )
    .bind(GB)
    .execute(&console.store.pool().await)
    .await
    .unwrap();
    assert_eq!(made.rows_affected(), 70);
    let size = |view: HistoryView| chart(view, "size");
    let unknown = size(console.history().view(&viewer, query()).await.unwrap());
    let note = unknown.note.unwrap();
    assert!(
        note.starts_with("Grows by about 2.00 GB a day") && note.contains("PGSTEWARD_DISK_SIZE"),
        "{note}"
    );
    assert_eq!(unknown.limit, None);
    let mut config: EngineConfig = console.config.clone();
    config.targets[0].disk_bytes = Some(200 << 30);
    console.close().await;
    let console = Engine::open(config).await.unwrap();
    let viewer = support::caller(&console, Role::Viewer).await;
    let known = size(console.history().view(&viewer, query()).await.unwrap());
    // From 113.8 GB on, 86.2 GB are left.
    let day = (Utc::now() + TimeDelta::days(43)).format("%-d %B %Y").to_string();
    let note = known.note.unwrap();
    assert!(
        note.contains("fills the disk of 200 GB") && note.contains("in 43 days"),
        "{note}"
    );
    assert!(
        note.contains(&day) || Utc::now().format("%H:%M").to_string() == "00:00",
        "{day}: {note}"
    );
    assert_eq!(known.limit, Some(("disk".to_owned(), 200.0 * GB)));
    console.close().await;
}

/// How often the server was asked for a snapshot.
async fn looks(session: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "select coalesce(sum(calls), 0)::int8
           from pg_stat_statements
          where query like '%pg_stat_get_wal_senders%checkpoints%xact_commit as commits%'
            and query not like '%pg_stat_statements%'",
    )
    .fetch_one(session)
    .await
    .unwrap()
}

async fn next_pulse(stream: &mut (impl Stream<Item = Event> + Unpin)) -> Pulse {
    match tokio::time::timeout(PATIENCE, stream.next()).await.unwrap() {
        Some(Event::Pulse { pulse }) => *pulse,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_pulse_is_taken_once_a_second_for_all_who_look_and_not_at_all_for_nobody() {
    let world = world().await;
    world.sql("create extension pg_stat_statements").await;
    let beside = world.console.beside(false).await;
    let other = support::caller(&beside, Role::Viewer).await;
    let mut holding = world.session().await;
    holding.execute("begin; select 1").await.unwrap();
    let mut asking = world.session().await;
    let before = looks(&mut asking).await;
    let begun = Stopwatch::now();
    let mut streams = Vec::new();
    for _ in 0..3 {
        let here = world.console.history().pulse(&world.caller, "main").unwrap();
        let there = beside.history().pulse(&other, "main").unwrap();
        streams.extend([here.boxed(), there.boxed()]);
    }
    assert_eq!((pulses(&world.console), pulses(&beside)), (1, 1));
    let mut last = Vec::new();
    for stream in &mut streams {
        let mut at = next_pulse(stream).await.at;
        for _ in 0..3 {
            let pulse = next_pulse(stream).await;
            assert!(pulse.at > at, "each is newer");
            at = pulse.at;
            last.push(pulse);
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let asked = looks(&mut asking).await - before;
    assert!(
        asked >= 4 && asked as f64 <= took / 0.9 + 1.0,
        "{asked} looks in {took} s"
    );
    for pulse in &last {
        assert_eq!(pulse.target, "main");
        let plans = world.view(0, 1).await.charts;
        let connections = plans.iter().find(|chart| chart.key == "connections");
        let Some(connections) = connections else { continue };
        let place = connections
            .series
            .iter()
            .position(|series| series.key == "idle_in_transaction");
        // A console's own look, between two of its statements, is one as well.
        let idle = pulse.values("connections").unwrap()[place.unwrap()].unwrap();
        assert!((1.0..=3.0).contains(&idle), "{idle} idle in transaction");
    }
    assert!(
        last.iter()
            .any(|pulse| pulse.values("transactions").unwrap()[0].is_some())
    );
    assert_eq!(last[0].values("checkpoints"), None, "it is counted over a step");

    drop(streams);
    let begun = Stopwatch::now();
    while pulses(&world.console) + pulses(&beside) > 0 {
        assert!(begun.elapsed() < PATIENCE, "somebody still looks");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // One that was on its way may still come; then, over two beats, none does.
    loop {
        let before = looks(&mut asking).await;
        tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
        if looks(&mut asking).await == before {
            break;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "nobody looks, and it is asked on and on"
        );
    }
    let unknown = world
        .console
        .history()
        .pulse(&world.caller, "nobody")
        .err()
        .unwrap();
    assert_eq!(unknown.fault().code, Code::NotFound);
    beside.close().await;
    world.console.close().await;
}

#[tokio::test]
async fn a_pulse_adds_many_statements_up_every_few_seconds_and_shows_their_rate_in_each() {
    let world = world().await;
    world.sql("create extension pg_stat_statements").await;
    let columns: Vec<String> = (0..12).map(|column| format!("c{column}")).collect();
    let typed: Vec<String> = columns.iter().map(|column| format!("{column} int")).collect();
    world
        .sql(&format!("create table wide ({})", typed.join(", ")))
        .await;
    // Each choice of columns is a statement of its own.
    let mut session = world.session().await;
    for first in (1..1 << columns.len()).step_by(256) {
        let statements: Vec<String> = (first..first + 256)
            .filter(|choice| *choice < 1 << columns.len())
            .map(|choice: usize| {
                let chosen = columns.iter().enumerate();
                let chosen = chosen.filter(|(place, _)| choice >> place & 1 == 1);
                let chosen: Vec<&str> = chosen.map(|(_, column)| column.as_str()).collect();
                format!("select {} from wide", chosen.join(", "))
            })
            .collect();
        session
            .execute(AssertSqlSafe(statements.join("; ")))
            .await
            .unwrap();
    }
    let mut asking = world.session().await;
    let read = async |session: &mut PgConnection| -> i64 {
        sqlx::query_scalar(
            "select coalesce(sum(calls), 0)::int8
               from pg_stat_statements
              where query like '%statement_timestamp()%pg_stat_statements_info()%'",
        )
        .fetch_one(session)
        .await
        .unwrap()
    };
    let before = (looks(&mut asking).await, read(&mut asking).await);
    let mut stream = world
        .console
        .history()
        .pulse(&world.caller, "main")
        .unwrap()
        .boxed();
    let mut seen = Vec::new();
    for _ in 0..10 {
        seen.push(next_pulse(&mut stream).await);
    }
    let asked = looks(&mut asking).await - before.0;
    let added = read(&mut asking).await - before.1;
    assert!(added >= 2 && added + 3 <= asked, "{added} of {asked}");
    let rate = |pulse: &Pulse| pulse.values("queries").unwrap()[0];
    assert_eq!(rate(&seen[0]), None);
    assert!(
        seen[1..].iter().all(|pulse| rate(pulse).is_some()),
        "{:?}",
        seen.iter().map(rate).collect::<Vec<_>>()
    );
    drop(stream);
    world.console.close().await;
}
