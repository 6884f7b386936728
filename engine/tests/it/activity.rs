//! Sessions, who holds up whom, and their end: on real servers, with real locks.

use std::time::{Duration, Instant};

use contract::{
    Code,
    activity::{ActivityQuery, ActivityView, BlockNode, EndSession, HolderKind, SessionFilter, SessionStat},
    audit::{AuditEntry, AuditQuery, Outcome},
    session::Role,
};
use engine::{Caller, Engine, EngineConfig, activity::test_clock::look_each_time, target::url};
use sqlx::{AssertSqlSafe, PgConnection, postgres::PgConnectOptions};
use testkit::{Cluster, ClusterOptions, Database, PgBouncer, PoolMode, Version, shared};
use tokio::task::JoinHandle;

use crate::{
    activity_commands,
    support::{self, Console},
    work::{PATIENCE, connect, refused},
};

pub struct Test {
    pub console: Console,
    pub viewer: Caller,
    pub operator: Caller,
    pub database: Database,
}

pub async fn test() -> Test {
    with(shared().await.database("activity").await).await
}

pub async fn with(database: Database) -> Test {
    let console = support::engine(&database, false).await;
    // What a test has done is looked for at once.
    look_each_time(&console, "main").unwrap();
    Test {
        viewer: support::caller(&console, Role::Viewer).await,
        operator: support::caller(&console, Role::Operator).await,
        console,
        database,
    }
}

fn query() -> ActivityQuery {
    ActivityQuery {
        target: "main".into(),
        ..ActivityQuery::default()
    }
}

/// A session of an application, with its pid.
pub struct Session {
    connection: PgConnection,
    pub pid: i32,
}

pub async fn session(options: PgConnectOptions, application: &str) -> Session {
    let mut connection = connect(options.application_name(application)).await;
    let pid = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    Session { connection, pid }
}

impl Session {
    pub async fn run(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.connection)
            .await
            .unwrap();
    }

    /// Runs a statement that does not end soon.
    pub fn wait_for(mut self, sql: &str) -> JoinHandle<(Session, Result<(), sqlx::Error>)> {
        let sql = sql.to_owned();
        tokio::spawn(async move {
            let done = sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut self.connection)
                .await;
            (self, done.map(drop))
        })
    }
}

/// Looks until something is so.
pub async fn until<T>(
    engine: &Engine,
    caller: &Caller,
    what: impl Fn(&ActivityView) -> Option<T>,
) -> (ActivityView, T) {
    until_of(engine, caller, query(), what).await
}

/// The same with the sessions of the whole server, also those that are in no database.
pub async fn until_everywhere<T>(
    engine: &Engine,
    caller: &Caller,
    what: impl Fn(&ActivityView) -> Option<T>,
) -> (ActivityView, T) {
    let all = ActivityQuery { all: true, ..query() };
    until_of(engine, caller, all, what).await
}

async fn until_of<T>(
    engine: &Engine,
    caller: &Caller,
    query: ActivityQuery,
    what: impl Fn(&ActivityView) -> Option<T>,
) -> (ActivityView, T) {
    let begun = Instant::now();
    loop {
        let view = engine.activity().look(caller, query.clone()).await.unwrap();
        if let Some(found) = what(&view) {
            return (view, found);
        }
        assert!(begun.elapsed() < PATIENCE, "{view:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn node(view: &ActivityView, pid: i32) -> Option<&BlockNode> {
    view.tree.iter().find(|node| node.pid == pid)
}

pub fn stat(view: &ActivityView, pid: i32) -> Option<&SessionStat> {
    view.sessions.iter().find(|session| session.key.pid == pid)
}

pub fn end(session: &SessionStat) -> EndSession {
    EndSession {
        target: "main".into(),
        pid: session.key.pid,
        started: session.key.started.unwrap(),
    }
}

async fn audited(console: &Console, caller: &Caller, event: &str) -> Vec<AuditEntry> {
    let query = AuditQuery {
        event_type: Some(event.into()),
        ..AuditQuery::default()
    };
    console.audit().export(caller, query).await.unwrap()
}

pub async fn is_alive(database: &Database, pid: i32) -> bool {
    sqlx::query_scalar("select exists (select from pg_stat_activity where pid = $1)")
        .bind(pid)
        .fetch_one(&database.pool().await)
        .await
        .unwrap()
}

const TABLE: &str = "create table t (id int primary key, n int); insert into t values (1, 0), (2, 0)";

#[tokio::test]
async fn the_first_cause_stands_on_top_and_a_cancel_ends_one_statement_and_no_other() {
    let test = test().await;
    let options = || test.database.socket_options();
    let mut first = session(options(), "first").await;
    first.run(TABLE).await;
    first.run("begin; update t set n = 4711 where id = 1").await;
    let mut second = session(options(), "second").await;
    second.run("begin; update t set n = 1 where id = 2").await;
    let third = session(options(), "third").await;
    let (one, two, three) = (first.pid, second.pid, third.pid);
    let second = second.wait_for("update t set n = 2 where id = 1");
    let third = third.wait_for("update t set n = 3 where id = 2");

    let (view, root) = until(&test.console, &test.viewer, |view| {
        node(view, one).filter(|node| node.below == 2).cloned()
    })
    .await;
    let at = view.tree.iter().position(|node| node.pid == one).unwrap();
    let shape: Vec<(u32, i32, i64)> = view.tree[at..at + 3]
        .iter()
        .map(|node| (node.depth, node.pid, node.below))
        .collect();
    assert_eq!(shape, [(0, one, 2), (1, two, 1), (2, three, 0)]);
    let waits = view.tree[at + 2].session.as_ref().unwrap();
    assert_eq!(waits.blocked_by, [two]);
    let lock = waits.waits_for.as_ref().unwrap();
    assert_eq!(
        (lock.on.as_str(), lock.mode.as_str()),
        ("a row of public.t", "ShareLock")
    );
    assert!(view.waiting >= 2);
    assert!(
        root.who().starts_with(&format!("pid {one} (first, role ")),
        "{}",
        root.who()
    );
    // A viewer sees no data.
    let seen = root.session.unwrap().query.unwrap();
    assert_eq!(seen, "begin; update t set n = … where id = …");
    let whole = test
        .console
        .activity()
        .look(&test.operator, query())
        .await
        .unwrap();
    let whole = stat(&whole, one).unwrap().query.clone().unwrap();
    assert!(whole.contains("4711"), "{whole}");
    // Nor by searching for it.
    let search = |text: &str| ActivityQuery {
        search: Some(text.to_owned()),
        ..query()
    };
    let found = test
        .console
        .activity()
        .look(&test.viewer, search("4711 where"))
        .await
        .unwrap();
    assert_eq!((found.matching, found.sessions.len()), (0, 0));
    let found = test
        .console
        .activity()
        .look(&test.operator, search("4711 where"))
        .await
        .unwrap();
    assert_eq!(found.sessions[0].key.pid, one);
    let waiting = ActivityQuery {
        state: Some(SessionFilter::Waiting),
        ..query()
    };
    let found = test
        .console
        .activity()
        .all_sessions(&test.viewer, waiting)
        .await
        .unwrap();
    let mut pids: Vec<i32> = found.sessions.iter().map(|session| session.key.pid).collect();
    pids.sort_unstable();
    let mut expected = vec![two, three];
    expected.sort_unstable();
    assert_eq!(pids, expected);

    let request = end(view.tree[at + 1].session.as_ref().unwrap());
    let forbidden = test
        .console
        .activity()
        .cancel_session(&test.viewer, request.clone())
        .await;
    refused(forbidden, Code::Forbidden);
    let forbidden = test
        .console
        .activity()
        .terminate_session(&test.viewer, request.clone())
        .await;
    refused(forbidden, Code::Forbidden);
    let ended = test
        .console
        .activity()
        .cancel_session(&test.operator, request)
        .await
        .unwrap();
    assert!(ended.over && ended.words.contains("still open"), "{ended:?}");
    let (_second, done) = second.await.unwrap();
    let error = done.unwrap_err();
    assert_eq!(
        error.as_database_error().unwrap().code().as_deref(),
        Some("57014")
    );
    let (_third, done) = third.await.unwrap();
    done.unwrap();
    first.run("commit").await;

    let entries = audited(&test.console, &test.viewer, "activity.cancel").await;
    let outcomes: Vec<Outcome> = entries.iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Started]);
    let (entry, name) = (&entries[0], test.operator.name());
    assert_eq!(
        (
            entry.user.as_deref(),
            entry.target.as_deref(),
            entry.object.as_deref()
        ),
        (Some(name), Some("main"), Some(format!("pid {two}").as_str()))
    );
    let detail = entry.detail.as_deref().unwrap();
    assert!(
        detail.contains("application “second”") && detail.contains("is over"),
        "{detail}"
    );
    // On the page, the act and its end are one row.
    let query = AuditQuery {
        event_type: Some("activity.cancel".into()),
        ..AuditQuery::default()
    };
    let rows = test
        .console
        .audit()
        .list(&test.viewer, query)
        .await
        .unwrap()
        .entries;
    let rows: Vec<_> = rows.iter().map(|row| (row.outcome, row.began_at)).collect();
    assert_eq!(rows, [(Outcome::Success, Some(entries[1].at))]);
}

#[tokio::test]
async fn all_who_look_at_once_share_a_look_and_an_act_is_seen_after_it() {
    let database = shared().await.database("looked_at").await;
    let console = support::engine(&database, false).await;
    let operator = support::caller(&console, Role::Operator).await;
    let idle = session(database.socket_options(), "idle").await;
    let look = async || console.activity().look(&operator, query()).await;
    look().await.unwrap();
    let views = futures::future::join_all((0..20).map(|_| look())).await;
    let mut moments: Vec<_> = views.into_iter().map(|view| view.unwrap().sampled_at).collect();
    moments.dedup();
    assert_eq!(moments.len(), 1, "{moments:?}");
    let (_, found) = until(&console, &operator, |view| stat(view, idle.pid).cloned()).await;
    let ended = console.activity().terminate_session(&operator, end(&found)).await;
    assert!(ended.unwrap().over);
    assert!(stat(&look().await.unwrap(), idle.pid).is_none(), "it was ended");
    console.close().await;
}

#[tokio::test]
async fn a_pid_that_belongs_to_another_session_by_now_is_left_alone() {
    let test = test().await;
    let idle = session(test.database.socket_options(), "idle").await;
    let (_, shown) = until(&test.console, &test.operator, |view| {
        stat(view, idle.pid).cloned()
    })
    .await;
    let right = end(&shown);
    let other = EndSession {
        started: right.started - chrono::TimeDelta::microseconds(1),
        ..right.clone()
    };
    let activity = test.console.activity();
    let fault = refused(
        activity.terminate_session(&test.operator, other).await,
        Code::NotFound,
    );
    assert!(fault.hint.unwrap().contains("left alone"));
    let fault = refused(
        activity.cancel_session(&test.operator, right.clone()).await,
        Code::Conflict,
    );
    assert!(fault.message.contains("runs no statement: it is idle"), "{fault}");
    assert!(is_alive(&test.database, idle.pid).await);
    assert!(
        audited(&test.console, &test.viewer, "activity.terminate")
            .await
            .is_empty()
    );
    let ended = activity
        .terminate_session(&test.operator, right.clone())
        .await
        .unwrap();
    assert!(ended.over, "{ended:?}");
    assert!(!is_alive(&test.database, idle.pid).await);
    refused(
        activity.terminate_session(&test.operator, right).await,
        Code::NotFound,
    );
}

#[tokio::test]
async fn sessions_of_the_server_and_of_consoles_are_left_alone() {
    let test = test().await;
    let own = session(test.database.socket_options(), "pgsteward backup").await;
    let pool = test.database.pool().await;
    let processes: Vec<(i32, contract::Instant)> = sqlx::query_as(
        "select pid, backend_start
           from pg_stat_activity
          where pid = $1
             or backend_type in ('checkpointer', 'autovacuum launcher')",
    )
    .bind(own.pid)
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(processes.len(), 3);
    for (pid, started) in processes {
        let request = EndSession {
            target: "main".into(),
            pid,
            started,
        };
        for act in [true, false] {
            let done = match act {
                true => {
                    test.console
                        .activity()
                        .terminate_session(&test.operator, request.clone())
                        .await
                }
                false => {
                    test.console
                        .activity()
                        .cancel_session(&test.operator, request.clone())
                        .await
                }
            };
            let fault = refused(done, Code::Conflict);
            let expected = match pid == own.pid {
                true => "session of a console",
                false => "process of the server",
            };
            assert!(fault.message.contains(expected), "{fault}");
            assert!(is_alive(&test.database, pid).await);
        }
    }
    let (_, shown) = until(&test.console, &test.viewer, |view| stat(view, own.pid).cloned()).await;
    assert!(shown.protected.is_some());
}

/// A console that reaches the database by this URL.
async fn by(console: &Console, url: &str) -> Engine {
    let parsed = url::parse(url).unwrap();
    let mut config: EngineConfig = console.config.clone();
    config.targets[0].options = parsed.options;
    config.targets[0].password = parsed.password;
    Engine::open(config).await.unwrap()
}

#[tokio::test]
async fn what_the_consoles_role_may_not_see_or_end_is_told_with_the_grant() {
    let test = test().await;
    let cluster = shared().await;
    let steward = format!("steward_{}", test.database.name());
    let clerk = format!("clerk_{}", test.database.name());
    for role in [&steward, &clerk] {
        cluster
            .execute(&format!("create role {role} login password 'a long sentence'"))
            .await;
    }
    let url = |role: &str| cluster.url_of(role, "a long sentence", cluster.port(), test.database.name());
    let engine = by(&test.console, &url(&steward)).await;
    let mut root = session(test.database.socket_options(), "root").await;
    root.run(TABLE).await;
    root.run("begin; lock table t").await;
    let other = session(
        url::parse(&url(&clerk))
            .unwrap()
            .options
            .password("a long sentence"),
        "clerk",
    )
    .await;
    let (root_pid, other_pid) = (root.pid, other.pid);
    let waits = session(test.database.socket_options(), "waits").await;
    let waits_pid = waits.pid;
    let waits = waits.wait_for("select * from t");

    // Without pg_monitor.
    let (view, tree) = until(&engine, &test.viewer, |view| {
        node(view, root_pid).filter(|node| node.below == 1).cloned()
    })
    .await;
    assert!(view.hidden >= 3 && view.here >= 3, "{view:#?}");
    assert_eq!(
        view.grant.as_deref(),
        Some(format!("grant pg_monitor to \"{steward}\";").as_str())
    );
    let session = tree.session.unwrap();
    assert_eq!(
        (session.key.started, session.query, session.state),
        (None, None, None)
    );
    assert!(
        node(&view, waits_pid)
            .unwrap()
            .session
            .as_ref()
            .unwrap()
            .waits_for
            .is_some()
    );
    let started = |pid: i32| {
        let pool = test.database.pool();
        async move {
            sqlx::query_scalar("select backend_start from pg_stat_activity where pid = $1")
                .bind(pid)
                .fetch_one(&pool.await)
                .await
                .unwrap()
        }
    };
    let mut end_other = EndSession {
        target: "main".into(),
        pid: other_pid,
        started: started(other_pid).await,
    };
    let terminate = |request: EndSession| {
        let (engine, operator) = (&engine, &test.operator);
        async move { engine.activity().terminate_session(operator, request).await }
    };
    let fault = refused(terminate(end_other.clone()).await, Code::Conflict);
    assert!(fault.hint.unwrap().contains("grant pg_monitor to"));

    // With it, and without pg_signal_backend.
    cluster.execute(&format!("grant pg_monitor to {steward}")).await;
    let (view, shown) = until(&engine, &test.operator, |view| {
        stat(view, other_pid)
            .filter(|it| it.key.started.is_some())
            .cloned()
    })
    .await;
    assert!(stat(&view, root_pid).unwrap().query.is_some());
    end_other = end(&shown);
    let fault = refused(terminate(end_other.clone()).await, Code::Conflict);
    assert!(fault.hint.unwrap().contains("grant pg_signal_backend to"));
    cluster
        .execute(&format!("grant pg_signal_backend to {steward}"))
        .await;
    let root_ended = end(stat(&view, root_pid).unwrap());
    let fault = refused(terminate(root_ended).await, Code::Conflict);
    assert!(fault.message.contains("superuser's"), "{fault}");
    assert!(terminate(end_other).await.unwrap().over);
    assert!(!is_alive(&test.database, other_pid).await);
    assert!(is_alive(&test.database, root_pid).await);
    root.run("commit").await;
    let (_, done) = waits.await.unwrap();
    done.unwrap();
    engine.close().await;
    for role in [&steward, &clerk] {
        // A session's process ends a moment after its client.
        cluster.execute(&format!("drop role {role}")).await;
    }
}

async fn on_version(version: Version) {
    let options = ClusterOptions::new()
        .version(version)
        .setting("max_prepared_transactions", "4")
        .setting("wal_level", "logical");
    let cluster = Cluster::start_with(options).await;
    let test = with(cluster.database("versions").await).await;
    let options = || test.database.socket_options();
    let mut first = session(options(), "first").await;
    first.run(TABLE).await;
    first
        .run("select pg_create_logical_replication_slot('kept', 'pgoutput')")
        .await;
    first.run("create table u (id int)").await;
    first
        .run("begin; update t set n = 1 where id = 1; prepare transaction 'half done'")
        .await;
    let waits = session(options(), "waits").await;
    let waits_pid = waits.pid;
    let waits = waits.wait_for("update t set n = 2 where id = 1");
    let (view, root) = until(&test.console, &test.viewer, |view| {
        let at = view.tree.iter().position(|node| node.pid == waits_pid)?;
        Some(view.tree[at.checked_sub(1)?].clone())
    })
    .await;
    assert_eq!((root.pid, root.depth, root.below), (0, 0, 1), "{version:?}");
    let prepared = root.prepared.unwrap();
    assert_eq!((prepared.name.as_str(), prepared.here), ("half done", true));
    assert_eq!(
        prepared.remedy,
        "commit prepared 'half done'; or rollback prepared 'half done';"
    );
    assert_eq!(view.prepared, [prepared]);
    let held = |kind, name: &str| {
        let found = view.horizon.iter().find(|holder| holder.kind == kind);
        assert!(
            found.is_some_and(|holder| holder.who.contains(name)),
            "{version:?}: {:#?}",
            view.horizon
        );
    };
    held(HolderKind::Prepared, "half done");
    held(HolderKind::Slot, "kept, which nobody uses");
    first.run("rollback prepared 'half done'").await;
    let (_waits, done) = waits.await.unwrap();
    done.unwrap();

    // An index build that waits for a writer.
    first.run("begin; insert into u values (1)").await;
    let builder = session(options(), "builder").await;
    let builder_pid = builder.pid;
    let builder = builder.wait_for("create index concurrently u_id on u (id)");
    let (_, build) = until(&test.console, &test.viewer, |view| {
        let build = view.running.iter().find(|command| command.pid == builder_pid);
        build.filter(|build| build.phase.contains("waiting")).cloned()
    })
    .await;
    assert_eq!(build.command, "CREATE INDEX CONCURRENTLY", "{version:?}");
    assert_eq!(build.relation.as_deref(), Some("public.u"));
    assert!(build.who.starts_with("builder, role "), "{build:?}");
    assert!(build.fraction.is_some_and(|fraction| fraction < 0.5), "{build:?}");
    assert_eq!(build.left_s, None);
    first.run("commit").await;
    let (_builder, done) = builder.await.unwrap();
    done.unwrap();
    activity_commands::tell_how_far_they_are(&cluster, &test).await;
    activity_commands::base_backup(&cluster, &test).await;
}

#[tokio::test]
async fn prepared_transactions_slots_and_commands_show_on_version_14() {
    on_version(Version::V14).await;
}

#[tokio::test]
async fn prepared_transactions_slots_and_commands_show_on_version_15() {
    on_version(Version::V15).await;
}

#[tokio::test]
async fn prepared_transactions_slots_and_commands_show_on_version_16() {
    on_version(Version::V16).await;
}

#[tokio::test]
async fn prepared_transactions_slots_and_commands_show_on_version_17() {
    on_version(Version::V17).await;
}

#[tokio::test]
async fn prepared_transactions_slots_and_commands_show_on_version_18() {
    on_version(Version::V18).await;
}

#[tokio::test]
async fn a_standby_shows_its_own_sessions_and_ends_them() {
    let cluster = Cluster::start().await;
    let database = cluster.database("stands_by").await;
    let standby = cluster.standby().await;
    cluster.wait_for_standby(&standby).await;
    let console = support::engine(&database, false).await;
    let operator = support::caller(&console, Role::Operator).await;
    let mut config = console.config.clone();
    config.targets[0].options = standby.socket_options(database.name());
    let engine = Engine::open(config).await.unwrap();
    let reader = session(standby.socket_options(database.name()), "reader").await;
    let pid = reader.pid;
    let reader = reader.wait_for("select pg_sleep(600)");
    let (view, shown) = until(&engine, &operator, |view| {
        stat(view, pid)
            .filter(|it| it.is_active() && it.horizon_xids.is_some())
            .cloned()
    })
    .await;
    assert!(!view.primary);
    let ended = engine
        .activity()
        .cancel_session(&operator, end(&shown))
        .await
        .unwrap();
    assert_eq!(
        (ended.over, ended.words.as_str()),
        (true, "Its statement is over.")
    );
    let (_reader, done) = reader.await.unwrap();
    done.unwrap_err();
    engine.close().await;
}

#[tokio::test]
async fn it_all_goes_through_a_transaction_pooler() {
    let test = test().await;
    let bouncer = PgBouncer::before(shared().await, PoolMode::Transaction).await;
    let engine = by(&test.console, &bouncer.url(test.database.name())).await;
    let mut idle = session(test.database.socket_options(), "idle").await;
    idle.run("begin; select 1").await;
    let (view, shown) = until(&engine, &test.operator, |view| {
        stat(view, idle.pid)
            .filter(|it| SessionFilter::IdleInTransaction.holds(it))
            .cloned()
    })
    .await;
    assert_eq!((view.hidden, view.grant), (0, None));
    assert!(view.everywhere >= view.here && view.here >= 1);
    assert!(
        engine
            .activity()
            .terminate_session(&test.operator, end(&shown))
            .await
            .unwrap()
            .over
    );
    assert!(!is_alive(&test.database, idle.pid).await);
    engine.close().await;
}
