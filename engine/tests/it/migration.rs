//! Migrations on a real server: the whole set is judged first, each is applied whole or not at all, and whoever else
//! migrates the database sees the same.

use std::time::{Duration, Instant};

use crate::work::{PATIENCE, World, refused};
use contract::{
    Code,
    jobs::{JobId, JobState, Phase, StepState},
    migration::{MigrateSpec, MigrationState, MigrationStatus},
    session::Role,
};
use engine::{Engine, EngineConfig};
use sqlx::migrate::Migrator;

fn all() -> MigrateSpec {
    MigrateSpec {
        target: "main".into(),
        ..MigrateSpec::default()
    }
}

fn late() -> MigrateSpec {
    MigrateSpec {
        allow_late: true,
        ..all()
    }
}

fn up_to(version: i64) -> MigrateSpec {
    MigrateSpec {
        up_to: Some(version),
        ..all()
    }
}

impl World {
    async fn status(&self) -> MigrationStatus {
        self.engine
            .migration()
            .status(&self.caller, "main")
            .await
            .unwrap()
    }

    async fn states(&self) -> Vec<MigrationState> {
        self.status()
            .await
            .migrations
            .iter()
            .map(|migration| migration.state)
            .collect()
    }

    async fn start(&self, spec: MigrateSpec) -> JobId {
        self.engine.migration().start(&self.caller, spec).await.unwrap()
    }
}

#[tokio::test]
async fn the_bundled_set_is_applied_whole_and_sqlx_agrees() {
    let world = crate::work::ai_pal().await;
    let before = world.status().await;
    assert_eq!((before.source.as_str(), before.pending), ("bundled: ai_pal", 10));
    assert!(
        before
            .migrations
            .iter()
            .all(|it| it.state == MigrationState::Pending && it.sql.is_some())
    );
    assert_eq!(before.migrations[9].statements, 2);
    assert!(!before.migrations[9].transactional);

    let viewer = crate::support::caller(&world.engine, Role::Viewer).await;
    refused(
        world.engine.migration().start(&viewer, all()).await,
        Code::Forbidden,
    );

    let id = world.start(all()).await;
    let outcome = world.succeeded(id).await;
    assert!(outcome.starts_with("10 migrations applied in "), "{outcome}");
    let job = world.ended(id).await;
    assert_eq!(job.progress.steps.len(), 10);
    assert!(
        job.progress
            .steps
            .iter()
            .all(|it| it.state == StepState::Done && it.duration_ms.is_some())
    );
    assert_eq!(job.progress.fraction, Some(1.0));

    let after = world.status().await;
    assert_eq!(after.pending, 0);
    assert!(after.migrations.iter().all(|it| {
        it.state == MigrationState::Applied
            && it.applied_by.as_deref() == Some(world.caller.name())
            && it.applied_at.is_some()
    }));
    let target = world.engine.targets().view(&world.caller, "main").await.unwrap();
    assert_eq!(target.pending_migrations, Some(0));
    assert_eq!(world.invalid_indexes().await, 0);
    assert!(world.has("idx_tapestry_user_id").await && world.has("idx_momentum_user_id").await);

    // sqlx finds nothing to do, no checksum that differs, and its lock free.
    Migrator::new(testkit::ai_pal::migrations())
        .await
        .unwrap()
        .run(&world.pool)
        .await
        .unwrap();
    let fault = refused(
        world.engine.migration().start(&world.caller, all()).await,
        Code::Conflict,
    );
    assert!(fault.message.contains("up to date"), "{fault:?}");
}

#[tokio::test]
async fn one_at_a_time() {
    let world = crate::work::ai_pal().await;
    let outcome = world.succeeded(world.start(up_to(1)).await).await;
    assert!(outcome.starts_with("1 migration applied in "), "{outcome}");
    let plan = world
        .engine
        .migration()
        .plan(&world.caller, up_to(3))
        .await
        .unwrap();
    let versions: Vec<i64> = plan
        .migrations
        .iter()
        .map(|migration| migration.version)
        .collect();
    assert_eq!(versions, [2, 3]);
    assert!(
        plan.migrations[0]
            .sql
            .as_ref()
            .unwrap()
            .contains("create table ari_snapshots")
    );
    assert!(!world.has("ari_snapshots").await);
    let fault = refused(
        world.engine.migration().start(&world.caller, up_to(99)).await,
        Code::Invalid,
    );
    assert_eq!(fault.field.as_deref(), Some("up_to"));
    refused(
        world.engine.migration().start(&world.caller, up_to(1)).await,
        Code::Conflict,
    );
}

#[tokio::test]
async fn what_sqlx_applied_is_seen_and_carried_on() {
    let world = crate::work::files(&[
        ("1_one.sql", "create table one ()"),
        ("2_two.sql", "create table two ()"),
    ])
    .await;
    Migrator::new(world.folder.path())
        .await
        .unwrap()
        .run(&world.pool)
        .await
        .unwrap();
    let status = world.status().await;
    assert!(
        status
            .migrations
            .iter()
            .all(|it| it.state == MigrationState::Applied && it.applied_by.is_none())
    );
    assert_eq!(status.migrations[0].file.as_deref(), Some("1_one.sql"));
    world.write("3_three.sql", "create table three ()");
    world.succeeded(world.start(all()).await).await;
    Migrator::new(world.folder.path())
        .await
        .unwrap()
        .run(&world.pool)
        .await
        .unwrap();
    assert!(world.has("three").await);
}

#[tokio::test]
async fn a_set_in_disorder_is_refused_whole() {
    let world = crate::work::files(&[
        ("10_ten.sql", "create table ten ()"),
        ("20_twenty.sql", "create table twenty ()"),
    ])
    .await;
    world.succeeded(world.start(all()).await).await;
    world.write("10_ten.sql", "create table ten (id int)");
    std::fs::remove_file(world.file("20_twenty.sql")).unwrap();
    world.write("15_late.sql", "create table late ()");
    world.write("30_a.sql", "create table a ()");
    world.write("30_b.sql", "create table b ()");
    world.write("40_c.sql", "create table c (); commit; create table d ()");
    use MigrationState::{Edited, Missing, OutOfOrder, Pending};
    assert_eq!(
        world.states().await,
        [Edited, OutOfOrder, Missing, Pending, Pending, Pending]
    );
    let problem = world.status().await.problem.unwrap();
    for word in [
        "10 (ten) was edited",
        "20 (twenty) was applied, but its file is missing",
        "15 (late) is older",
        "version 30 is in 2 files: 30_a.sql and 30_b.sql",
        "40_c.sql, line 1: `commit` does not go with the one transaction",
    ] {
        assert!(problem.message.contains(word), "{word}: {problem:?}");
    }
    let hint = problem.hint.as_ref().unwrap();
    assert!(
        hint.contains("Put a missing file back") && !hint.contains("delete"),
        "{hint}"
    );
    assert_eq!(
        refused(
            world.engine.migration().start(&world.caller, all()).await,
            Code::Conflict
        ),
        problem
    );
    for table in ["late", "a", "b", "c"] {
        assert!(!world.has(table).await, "{table}");
    }
    // A run that was asked for before the disorder came finds it under the lock.
    std::fs::remove_file(world.file("30_b.sql")).unwrap();
    std::fs::remove_file(world.file("15_late.sql")).unwrap();
    std::fs::remove_file(world.file("40_c.sql")).unwrap();
    world.write("10_ten.sql", "create table ten ()");
    world.write("20_twenty.sql", "create table twenty ()");
    assert_eq!(world.status().await.problem, None);
    let mut other = holder_of_the_lock(&world).await;
    let id = world.start(all()).await;
    world
        .until(id, |job| job.progress.phase == Phase::WaitingForLock)
        .await;
    world.write("10_ten.sql", "select 10");
    sqlx::Connection::close(other.take().unwrap()).await.unwrap();
    let fault = world.failed(id).await;
    assert!(fault.message.contains("10 (ten) was edited"), "{fault:?}");
    assert!(!world.has("a").await);
}

/// Another tool's session that holds sqlx' lock.
async fn holder_of_the_lock(world: &World) -> Option<sqlx::PgConnection> {
    use sqlx::migrate::Migrate;
    let mut other =
        crate::work::connect(world.database.socket_options().application_name("other tool")).await;
    other.lock().await.unwrap();
    Some(other)
}

#[tokio::test]
async fn a_migration_whose_network_goes_away_without_a_word_ends() {
    let world = crate::work::files(&[("1_long.sql", "select pg_sleep(600)")]).await;
    let cluster = testkit::shared().await;
    let proxy = testkit::Proxy::start(cluster.port()).await;
    let url = cluster.url_of("postgres", "throw-away", proxy.port(), world.database.name());
    let mut config = world.config.clone();
    config.targets[0].options = engine::target::url::parse(&url).unwrap().options;
    config.network_timeout = std::time::Duration::from_secs(8);
    world.engine.close().await;
    let far = Engine::open(config).await.unwrap();
    let caller = crate::support::caller(&far, Role::Administrator).await;
    let id = far.migration().start(&caller, all()).await.unwrap();
    crate::work::until(&far, &caller, id, PATIENCE, |job| {
        job.progress.phase == Phase::Applying
    })
    .await;
    proxy.stall();
    let job = crate::work::until(&far, &caller, id, PATIENCE * 2, |job| job.state.is_final()).await;
    assert_eq!(job.state, JobState::Failed, "{job:?}");
    let fault = job.fault.unwrap();
    assert_eq!(fault.code, Code::TargetUnreachable, "{fault:?}");
    assert!(fault.message.contains("Nothing came from main for 8"), "{fault}");
}

#[tokio::test]
async fn of_two_runs_at_once_only_one_applies() {
    let world = crate::work::files(&[
        (
            "1_slow.sql",
            "create table one (); do $$begin while not exists (select from gate) loop perform pg_sleep(0.02); end loop; end$$",
        ),
        ("2_two.sql", "create table two ()"),
    ])
    .await;
    sqlx::raw_sql("create table gate (open bool)")
        .execute(&world.pool)
        .await
        .unwrap();
    // A console on another store knows nothing of this one's jobs.
    let store = testkit::shared().await.database("store").await;
    let stranger = Engine::open(EngineConfig {
        store: store.socket_options(),
        ..world.config.clone()
    })
    .await
    .unwrap();
    let their = crate::support::caller(&stranger, Role::Administrator).await;
    let first = world.start(all()).await;
    world
        .until(first, |job| job.progress.phase == Phase::Applying)
        .await;
    let fault = refused(
        world.engine.migration().start(&world.caller, all()).await,
        Code::Conflict,
    );
    assert!(fault.hint.unwrap().contains(&first.to_string()));
    let second = stranger.migration().start(&their, all()).await.unwrap();
    let most = PATIENCE;
    let waits = crate::work::until(&stranger, &their, second, most, |job| {
        job.progress.waiting.is_some()
    })
    .await;
    assert_eq!(waits.progress.phase, Phase::WaitingForLock);
    assert!(
        waits
            .progress
            .waiting
            .unwrap()
            .who
            .starts_with("pgsteward migrate ")
    );
    sqlx::raw_sql("insert into gate values (true)")
        .execute(&world.pool)
        .await
        .unwrap();
    assert!(world.succeeded(first).await.starts_with("2 migrations applied"));
    let second = crate::work::until(&stranger, &their, second, most, |job| job.state.is_final()).await;
    assert_eq!(
        second.outcome.as_deref(),
        Some("Nothing was left to apply: another process had done it")
    );
    stranger.close().await;
}

#[tokio::test]
async fn a_lock_that_stays_taken_is_given_up_after_a_minute_naming_its_holder() {
    let world = crate::work::files(&[("1_one.sql", "create table one ()")]).await;
    let mut other = holder_of_the_lock(&world).await.unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut other)
        .await
        .unwrap();
    let id = world.start(all()).await;
    let job = world.until(id, |job| job.progress.waiting.is_some()).await;
    assert_eq!(job.progress.waiting.unwrap().pid, pid);
    let begun = Instant::now();
    let job = crate::work::until(&world.engine, &world.caller, id, 2 * PATIENCE, |job| {
        job.state.is_final()
    })
    .await;
    assert!(begun.elapsed() > Duration::from_secs(50));
    let fault = job.fault.unwrap();
    assert!(
        fault.message.contains(&format!("pid {pid} (other tool, ")),
        "{fault:?}"
    );
    assert!(
        fault
            .hint
            .unwrap()
            .contains(&format!("pg_terminate_backend({pid})"))
    );
    assert!(!world.has("one").await);
}

#[tokio::test]
async fn a_failure_in_the_middle_leaves_nothing_and_is_found_by_its_line() {
    let world = crate::work::files(&[
        ("1_good.sql", "create table good ()"),
        ("2_bad.sql", "create table b (id int);\n\ninsert into b values (1);\nselect 1 / id\n  from (select 0 as id) as z;\n"),
        ("3_never.sql", "create table never ()"),
    ])
    .await;
    let id = world.start(all()).await;
    let fault = world.failed(id).await;
    // The server gives no position for what fails while it runs; the count of done statements tells.
    assert_eq!(
        fault.message,
        "Migration 2 (bad), line 4: main refused: division by zero."
    );
    let refusal = fault.target.unwrap();
    assert!(refusal.statement.unwrap().starts_with("select 1 / id"));
    assert_eq!(refusal.sqlstate.as_deref(), Some("22012"));
    use MigrationState::{Applied, Pending};
    assert_eq!(world.states().await, [Applied, Pending, Pending]);
    assert!(world.has("good").await && !world.has("b").await && !world.has("never").await);
    let steps = world.ended(id).await.progress.steps;
    assert_eq!(
        steps.iter().map(|step| step.state).collect::<Vec<_>>(),
        [StepState::Done, StepState::Failed, StepState::NotBegun]
    );

    world.write(
        "2_bad.sql",
        "-- ünder\ncreate table b ();\nselect *\n  from nowhere;\n",
    );
    let fault = world.failed(world.start(all()).await).await;
    assert!(
        fault.message.starts_with("Migration 2 (bad), line 4: "),
        "{fault:?}"
    );
    let refusal = fault.target.unwrap();
    let statement = refusal.statement.unwrap();
    let at = refusal.position.unwrap() as usize;
    assert!(
        statement
            .chars()
            .skip(at - 1)
            .collect::<String>()
            .starts_with("nowhere")
    );

    world.write("2_bad.sql", "create index concurrently i on good (id)");
    let fault = world.failed(world.start(all()).await).await;
    assert!(fault.hint.unwrap().contains("-- no-transaction"));

    world.write("2_bad.sql", "create table b ()");
    assert!(
        world
            .succeeded(world.start(all()).await)
            .await
            .starts_with("2 migrations applied")
    );
}

#[tokio::test]
async fn a_file_without_transaction_goes_statement_by_statement() {
    let world = crate::work::files(&[
        ("1_table.sql", "create table t (id int)"),
        (
            "2_steps.sql",
            "-- no-transaction\ncreate index concurrently i on t (id);\nalter type nothing add value 'x';\ncreate table late ();\n",
        ),
    ])
    .await;
    let fault = world.failed(world.start(all()).await).await;
    assert!(
        fault.message.starts_with("Migration 2 (steps), line 3: "),
        "{fault:?}"
    );
    assert!(world.has("i").await && !world.has("late").await);
    use MigrationState::{Applied, Unfinished};
    let status = world.status().await;
    assert_eq!(world.states().await, [Applied, Unfinished]);
    assert_eq!(status.pending, 0);
    let problem = status.problem.unwrap();
    for words in [
        "of its 3 statements the first 1 are done",
        "number 2 (line 3, `alter type nothing add value 'x'`)",
        "does not exist",
    ] {
        assert!(problem.message.contains(words), "{problem:?}");
    }
    assert!(
        problem
            .hint
            .as_ref()
            .unwrap()
            .contains("set success = true where version = 2")
    );
    assert_eq!(
        refused(
            world.engine.migration().start(&world.caller, all()).await,
            Code::Conflict
        ),
        problem
    );
    // sqlx-cli refuses as well. (After an error its lock stays with the session.)
    let mut session = crate::work::connect(world.database.socket_options()).await;
    let error = Migrator::new(world.folder.path())
        .await
        .unwrap()
        .run(&mut session)
        .await
        .unwrap_err();
    drop(session);
    assert!(matches!(error, sqlx::migrate::MigrateError::Dirty(2)), "{error}");

    // The remedy works.
    world
        .sql("drop index i; delete from _sqlx_migrations where version = 2")
        .await;
    world.write(
        "2_steps.sql",
        "-- no-transaction\ncreate index concurrently i on t (id);\ncreate table late ();\n",
    );
    world.succeeded(world.start(all()).await).await;
    assert_eq!(world.states().await, [Applied, Applied]);

    // A first statement that fails has changed nothing, and the file is pending as before.
    world.write(
        "3_first.sql",
        "-- no-transaction\nalter table nowhere add x int;\ncreate table more ();\n",
    );
    world.failed(world.start(all()).await).await;
    assert_eq!(world.states().await, [Applied, Applied, MigrationState::Pending]);
}

#[tokio::test]
async fn a_build_that_is_cancelled_leaves_no_invalid_index_and_is_repeated() {
    let world = crate::work::files(&[
        ("1_table.sql", "create table t (a int, b int)"),
        (
            "2_indexes.sql",
            "-- no-transaction\ncreate index concurrently if not exists i on t (a);\n\
             create index concurrently if not exists j on t (b);\n",
        ),
    ])
    .await;
    world.succeeded(world.start(up_to(1)).await).await;
    world.sql("create index i on t (a)").await;
    let (snapshot, pid) = world.old_snapshot().await;
    let id = world.start(all()).await;
    let job = world.until(id, |job| job.progress.waiting.is_some()).await;
    let waiting = job.progress.waiting.unwrap();
    assert_eq!(waiting.pid, pid);
    assert!(
        waiting.who.starts_with("reader, idle in transaction"),
        "{}",
        waiting.who
    );
    let detail = job.progress.steps[0].detail.clone().unwrap();
    assert!(
        detail.starts_with("statement 2 of 2: phase 7 of 7: waiting for old snapshots"),
        "{detail}"
    );
    assert_eq!(world.invalid_indexes().await, 1);
    world.cancel(id).await;
    assert_eq!(world.invalid_indexes().await, 0);
    use MigrationState::{Applied, Unfinished};
    assert_eq!(world.states().await, [Applied, Unfinished]);
    let status = world.status().await;
    assert_eq!((status.pending, status.problem), (1, None));
    drop(snapshot);
    world.succeeded(world.start(all()).await).await;
    assert_eq!(world.states().await, [Applied, Applied]);
    assert!(world.has("j").await);
    Migrator::new(world.folder.path())
        .await
        .unwrap()
        .run(&world.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_cancelled_migration_is_rolled_back() {
    let world = crate::work::files(&[(
        "1_long.sql",
        "create table long (); select pg_sleep(120); create table more ()",
    )])
    .await;
    let id = world.start(all()).await;
    world.until(id, |job| job.progress.phase == Phase::Applying).await;
    let asleep =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    let begun = Instant::now();
    while world.number(asleep).await == 0 {
        assert!(begun.elapsed() < PATIENCE, "the migration does not sleep");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.cancel(id).await;
    assert!(!world.has("long").await);
    assert_eq!(world.states().await, [MigrationState::Pending]);
    let locks = world.number("select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())").await;
    assert_eq!(locks, 0);
}

#[tokio::test]
async fn a_locked_table_is_waited_for_in_short_turns() {
    let world = crate::work::files(&[
        ("1_table.sql", "create table t ()"),
        ("2_column.sql", "alter table t add column id int"),
    ])
    .await;
    world.succeeded(world.start(up_to(1)).await).await;
    let mut reader = crate::work::connect(world.database.socket_options().application_name("reader")).await;
    sqlx::raw_sql("begin; lock table t in access share mode")
        .execute(&mut reader)
        .await
        .unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut reader)
        .await
        .unwrap();
    let id = world.start(all()).await;
    let job = world.until(id, |job| job.progress.waiting.is_some()).await;
    assert_eq!(job.progress.waiting.unwrap().pid, pid);
    let line = format!("A lock was not free within 5 s (pid {pid}: reader, idle in transaction");
    for _ in 0..200 {
        if world
            .detail(id)
            .await
            .log
            .iter()
            .any(|it| it.text.starts_with(&line))
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.ended_or_not(id).await, JobState::Running);
    sqlx::raw_sql("commit").execute(&mut reader).await.unwrap();
    world.succeeded(id).await;
    let log = world.detail(id).await.log;
    assert!(log.iter().any(|it| it.text.starts_with(&line)), "{log:#?}");
}

impl World {
    async fn ended_or_not(&self, id: JobId) -> JobState {
        self.detail(id).await.job.state
    }
}

#[tokio::test]
async fn settings_of_one_file_do_not_reach_the_next() {
    let world = crate::work::files(&[
        ("1_dump.sql", "select pg_catalog.set_config('search_path', '', false); create table public.one ()"),
        ("2_role.sql", "create role migrator_test; grant create on schema public to migrator_test; set role migrator_test; create table two ()"),
        ("3_plain.sql", "create table three ()"),
        ("4_step.sql", "-- no-transaction\nset search_path = pg_catalog;\nset role migrator_test;\nselect 1;\n"),
    ])
    .await;
    world.succeeded(world.start(all()).await).await;
    let owners = world
        .number("select count(distinct relowner) from pg_class where relname in ('one', 'three')")
        .await;
    assert_eq!(owners, 1);
    assert_eq!(
        world
            .number("select count(*) from _sqlx_migrations where success and execution_time > 0")
            .await,
        4
    );
    world
        .sql("drop table two; revoke all on schema public from migrator_test; drop role migrator_test")
        .await;
}

#[tokio::test]
async fn a_file_that_cannot_be_taken_is_told_beside_the_others() {
    let world = crate::work::files(&[
        ("1_good.sql", "create table good ()"),
        ("x2_bad.sql", "select 1"),
        ("0003-dash.sql", "select 1"),
    ])
    .await;
    let utf_16: Vec<u8> = "\u{feff}create table t ()"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    std::fs::write(world.file("4_wide.sql"), utf_16).unwrap();
    use MigrationState::{Pending, Unreadable};
    let status = world.status().await;
    assert_eq!(world.states().await, [Pending, Unreadable]);
    let problem = status.problem.unwrap();
    for words in [
        "x2_bad.sql does not begin with a number",
        "0003-dash.sql is not named as a migration",
        "4_wide.sql is UTF-16 text",
    ] {
        assert!(problem.message.contains(words), "{problem:?}");
    }
    assert!(problem.hint.as_ref().unwrap().contains("Save it as UTF-8"));
    assert_eq!(
        refused(
            world.engine.migration().start(&world.caller, all()).await,
            Code::Conflict
        ),
        problem
    );
    assert!(!world.has("good").await);
    let gone = crate::work::files(&[]).await;
    std::fs::remove_dir(gone.folder.path()).unwrap();
    let fault = refused(
        gone.engine.migration().status(&gone.caller, "main").await,
        Code::Conflict,
    );
    assert!(
        fault.message.contains(&gone.folder.path().display().to_string()),
        "{fault:?}"
    );
}

#[tokio::test]
async fn what_only_psql_understands_is_told_before_anything_runs() {
    let world = crate::work::files(&[
        ("1_table.sql", "create table t (id int)"),
        ("2_rows.sql", "-- rows\ncopy t from stdin;\n1\nit's\n\\.\n"),
        (
            "3_last.sql",
            "\\set x 1\ninsert into t values (:x);\ncopy t from stdin;",
        ),
    ])
    .await;
    let status = world.status().await;
    let lines: Vec<Vec<i64>> = status
        .migrations
        .iter()
        .map(|migration| migration.obstacles.iter().map(|obstacle| obstacle.line).collect())
        .collect();
    assert_eq!(lines, [vec![], vec![2], vec![1, 2, 3]]);
    let problem = status.problem.unwrap();
    for words in [
        "2_rows.sql, line 2: `copy … from stdin`",
        "3_last.sql, line 1: `\\set` is a command of psql",
        "3_last.sql, line 2: `:x` is a variable of psql",
        "3_last.sql, line 3: `copy … from stdin`",
    ] {
        assert!(problem.message.contains(words), "{words}: {problem:?}");
    }
    let plan = world.engine.migration().plan(&world.caller, all()).await.unwrap();
    assert_eq!(plan.problem.as_ref(), Some(&problem));
    assert_eq!(
        refused(
            world.engine.migration().start(&world.caller, all()).await,
            Code::Conflict
        ),
        problem
    );
    assert!(!world.has("t").await);
    // What lies before can be applied, and what psql did by hand can be written down as the hint says.
    world.succeeded(world.start(up_to(1)).await).await;
    let hint = world.status().await.problem.unwrap().hint.unwrap();
    for insert in hint.split("insert into ").skip(2).step_by(2) {
        let end = insert.find(", 0)").unwrap() + ", 0)".len();
        world.sql(&format!("insert into {}", &insert[..end])).await;
    }
    assert_eq!(world.states().await, [MigrationState::Applied; 3]);
    assert_eq!(world.status().await.problem, None);
    Migrator::new(world.folder.path())
        .await
        .unwrap()
        .run(&world.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_files_own_transaction_is_ours_and_its_text_stays() {
    let world = crate::work::files(&[
        (
            "1_own.sql",
            "-- ours\nBEGIN;\ncreate table own (id int);\ncreate table two ();\nCOMMIT;\n",
        ),
        (
            "2_bad.sql",
            "begin;\ncreate table bad ();\nselect 1 / (select count(id) from own);\ncommit",
        ),
    ])
    .await;
    let fault = world.failed(world.start(all()).await).await;
    assert!(
        fault.message.starts_with("Migration 2 (bad), line 3: "),
        "{fault:?}"
    );
    assert!(world.has("own").await && world.has("two").await && !world.has("bad").await);
    use MigrationState::{Applied, Pending};
    assert_eq!(world.states().await, [Applied, Pending]);
    std::fs::remove_file(world.file("2_bad.sql")).unwrap();
    // The checksum is that of the text with its `begin`.
    Migrator::new(world.folder.path())
        .await
        .unwrap()
        .run(&world.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_transaction_in_a_file_without_one_is_whole_or_told() {
    let world = crate::work::files(&[(
        "1_open.sql",
        "-- no-transaction\nBEGIN;\ncreate table a(id int);\n",
    )])
    .await;
    let problem = world.status().await.problem.unwrap();
    assert!(
        problem
            .message
            .contains("1_open.sql, line 2: `begin` begins a transaction that the file does not end"),
        "{problem:?}"
    );
    refused(
        world.engine.migration().start(&world.caller, all()).await,
        Code::Conflict,
    );
    world.write(
        "1_open.sql",
        "-- no-transaction\ncreate table zero ();\nbegin;\ncreate table a(id int);\nselect 1 / count(id) from a;\ncommit;\n",
    );
    let fault = world.failed(world.start(all()).await).await;
    assert!(fault.message.contains("division by zero"), "{fault:?}");
    assert!(
        world.has("zero").await && !world.has("a").await,
        "the step is rolled back"
    );
    let status = world.status().await;
    assert_eq!(
        (world.states().await, status.pending),
        (vec![MigrationState::Unfinished], 0)
    );
    let problem = status.problem.unwrap();
    assert!(
        problem
            .message
            .contains("of its 2 statements the first 1 are done"),
        "{problem:?}"
    );
    world.sql("drop table zero; delete from _sqlx_migrations").await;
    world.write(
        "1_open.sql",
        "-- no-transaction\nbegin;\ncreate table a(id int);\ncommit;\ncreate index concurrently i on a (id);\n",
    );
    world.succeeded(world.start(all()).await).await;
    assert!(world.has("a").await && world.has("i").await);
}

#[tokio::test]
async fn marks_and_line_ends_of_every_kind_are_read_and_are_no_edits() {
    let texts = [
        (
            "1_mark.sql",
            "\u{feff}-- no-transaction\ncreate table mark ();\nselect 1;\n",
        ),
        ("2_windows.sql", "\u{feff}-- a; b\r\ncreate table windows ();\r\n"),
        (
            "3_mac.sql",
            "-- a; b\rcreate table mac ();\rcreate table more ();\r",
        ),
    ];
    let world = crate::work::files(&texts).await;
    assert!(!world.status().await.migrations[0].transactional);
    world.succeeded(world.start(all()).await).await;
    assert!(world.has("mark").await && world.has("windows").await && world.has("more").await);
    Migrator::new(world.folder.path())
        .await
        .unwrap()
        .run(&world.pool)
        .await
        .unwrap();
    for line_end in ["\n", "\r\n", "\r"] {
        for (name, text) in texts {
            let text = text
                .trim_start_matches('\u{feff}')
                .replace("\r\n", "\n")
                .replace('\r', "\n");
            world.write(name, &text.replace('\n', line_end));
        }
        assert_eq!(world.states().await, [MigrationState::Applied; 3], "{line_end:?}");
        assert_eq!(world.status().await.problem, None);
    }
    // The line of a failure is told in every form.
    world.write("4_bad.sql", "-- a\r\n\r\nselect * from nowhere;\r\n");
    let fault = world.failed(world.start(all()).await).await;
    assert!(
        fault.message.starts_with("Migration 4 (bad), line 3: "),
        "{fault:?}"
    );
}

#[tokio::test]
async fn late_files_are_applied_when_asked_for() {
    let world = crate::work::files(&[
        ("10_ten.sql", "create table ten ()"),
        ("30_thirty.sql", "create table thirty ()"),
    ])
    .await;
    world.succeeded(world.start(all()).await).await;
    world.write("20_merged.sql", "create table merged ()");
    world.write("40_next.sql", "create table next ()");
    let status = world.status().await;
    assert_eq!((status.late, status.pending, status.can_be_chosen), (1, 1, true));
    assert!(status.problem.unwrap().hint.unwrap().contains("--allow-late"));
    refused(
        world.engine.migration().start(&world.caller, all()).await,
        Code::Conflict,
    );
    let plan = world
        .engine
        .migration()
        .plan(&world.caller, late())
        .await
        .unwrap();
    let planned: Vec<i64> = plan
        .migrations
        .iter()
        .map(|migration| migration.version)
        .collect();
    assert_eq!((planned, plan.problem), (vec![20, 40], None));
    let id = world.start(late()).await;
    world.succeeded(id).await;
    assert_eq!(world.states().await, [MigrationState::Applied; 4]);
    let query = contract::audit::AuditQuery {
        event_type: Some("migration.apply".into()),
        ..Default::default()
    };
    // What was asked for is in the entry of the beginning.
    let entries = world.engine.audit().export(&world.caller, query).await.unwrap();
    assert!(
        entries
            .iter()
            .any(|entry| entry.detail.as_deref() == Some("20 (merged), late, 40 (next)")),
        "{entries:#?}"
    );
}

#[tokio::test]
async fn a_database_of_ones_own_is_offered_no_migrations() {
    let world = crate::work::unchosen().await;
    world
        .sql("create table orders (id int primary key); create table user_profiles (id int)")
        .await;
    let nothing = async |why: &str| {
        let status = world.status().await;
        assert_eq!(
            (status.has_source, status.pending, status.migrations.len()),
            (false, 0, 0),
            "{why}"
        );
        assert_eq!(status.problem, None, "{why}");
        let fault = refused(
            world.engine.migration().start(&world.caller, all()).await,
            Code::Conflict,
        );
        assert!(fault.hint.unwrap().contains("PGSTEWARD_MIGRATIONS"), "{why}");
        let target = world.engine.targets().view(&world.caller, "main").await.unwrap();
        assert_eq!(
            (target.has_migrations, target.pending_migrations),
            (false, None),
            "{why}"
        );
        let plan = world.engine.optimize().plan(&world.caller, "main").await.unwrap();
        let missing = plan
            .items
            .iter()
            .filter(|item| item.state == contract::optimize::ItemState::NoTable)
            .count();
        assert_eq!(missing, 0, "{why}");
    };
    nothing("an ordinary database").await;
    // Another program's migrations.
    world
        .sql(
            "create table _sqlx_migrations (version bigint primary key, description text not null,
                 installed_on timestamptz not null default now(), success boolean not null,
                 checksum bytea not null, execution_time bigint not null);
             insert into _sqlx_migrations values (1, 'user profiles', now(), true, 'x', 1)",
        )
        .await;
    nothing("another program's migrations").await;
    world
        .sql(
            "delete from _sqlx_migrations;
             create table ari_snapshots (); create table edm_debts (); create table ffe_goals ()",
        )
        .await;
    let status = world.status().await;
    assert_eq!(
        (status.source.as_str(), status.pending),
        ("bundled: ai_pal", 10),
        "its tables tell"
    );
    // What AI-PAL's own tool applied tells as well.
    let other = crate::work::unchosen().await;
    Migrator::new(testkit::ai_pal::migrations())
        .await
        .unwrap()
        .run(&other.pool)
        .await
        // It sends the last file, which is without transaction, as one string, and so never gets beyond it.
        .unwrap_err();
    let status = other.status().await;
    assert_eq!(
        (status.has_source, status.pending, status.problem),
        (true, 1, None)
    );
    let target = other.engine.targets().view(&other.caller, "main").await.unwrap();
    assert_eq!(
        (target.has_migrations, target.pending_migrations),
        (true, Some(1))
    );
    let plan = other.engine.optimize().plan(&other.caller, "main").await.unwrap();
    assert!(
        plan.items.iter().any(|item| item.name == "idx_ari_user_id"),
        "{plan:#?}"
    );
}

#[tokio::test]
async fn two_programs_can_share_the_table() {
    let world = crate::work::files(&[("1_ours.sql", "create table ours ()")]).await;
    world.succeeded(world.start(all()).await).await;
    world
        .sql("insert into _sqlx_migrations values (20260101, 'theirs', now(), true, 'x', 1)")
        .await;
    world.write("2_ours.sql", "create table more ()");
    let status = world.status().await;
    let hint = status.problem.unwrap().hint.unwrap();
    assert!(
        !hint.contains("delete") && hint.contains("--ignore-missing"),
        "{hint}"
    );
    assert_eq!((status.missing, status.can_be_chosen), (1, true));
    let spec = MigrateSpec {
        ignore_missing: true,
        ..all()
    };
    world.succeeded(world.start(spec).await).await;
    assert!(world.has("more").await);
    assert_eq!(world.number("select count(*) from _sqlx_migrations").await, 3);
}

#[tokio::test]
async fn what_was_applied_can_be_read_whatever_becomes_of_its_file() {
    let world = crate::work::files(&[
        ("1_one.sql", "\u{feff}create table one ()\r\n"),
        ("2_two.sql", "create table two ()"),
        ("3_three.sql", "create table three ()"),
    ])
    .await;
    // A ledger that an earlier version of the console made.
    world.succeeded(world.start(up_to(1)).await).await;
    world
        .sql("alter table _pgsteward_migrations drop column sql")
        .await;
    let text = async |version: i64| {
        world
            .engine
            .migration()
            .text(&world.caller, "main", version)
            .await
    };
    let one = text(1).await.unwrap();
    assert_eq!(
        (one.sql.as_str(), one.from.as_str()),
        ("create table one ()\r\n", "1_one.sql")
    );
    let known: String =
        sqlx::query_scalar("select encode(checksum, 'hex') from _sqlx_migrations where version = 1")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(one.checksum, known);
    world.succeeded(world.start(up_to(2)).await).await;
    assert_eq!(
        text(3).await.unwrap().sql,
        "create table three ()",
        "what is to come"
    );
    world.write("1_one.sql", "create table other ()");
    std::fs::remove_file(world.file("2_two.sql")).unwrap();
    assert_eq!(text(2).await.unwrap().sql, "create table two ()");
    refused(text(1).await, Code::NotFound);
    refused(text(9).await, Code::NotFound);
    let viewer = crate::support::caller(&world.engine, Role::Viewer).await;
    world.engine.migration().text(&viewer, "main", 2).await.unwrap();
}

#[tokio::test]
async fn how_long_it_took_is_told_once() {
    let world = crate::work::files(&[
        ("1_one.sql", "create table one (); select pg_sleep(0.05)"),
        ("2_two.sql", "-- no-transaction\nselect pg_sleep(0.05)"),
    ])
    .await;
    let id = world.start(all()).await;
    world.succeeded(id).await;
    let shown: Vec<Option<i64>> = world
        .status()
        .await
        .migrations
        .iter()
        .map(|it| it.duration_ms)
        .collect();
    let steps: Vec<Option<i64>> = world
        .ended(id)
        .await
        .progress
        .steps
        .iter()
        .map(|it| it.duration_ms)
        .collect();
    assert_eq!(steps, shown);
    for (version, took) in [(1, shown[0]), (2, shown[1])] {
        let kept = world
            .number(&format!(
                "select execution_time / 1000000 from _sqlx_migrations where version = {version}"
            ))
            .await;
        assert_eq!(Some(kept), took);
    }
}

#[tokio::test]
async fn a_file_that_somebody_is_at_work_on_is_not_called_broken() {
    let world = crate::work::files(&[(
        "1_slow.sql",
        "-- no-transaction\ncreate table one ();\ndo $$begin while not exists (select from gate) loop perform pg_sleep(0.02); end loop; end$$;\n",
    )])
    .await;
    world.sql("create table gate (open bool)").await;
    let store = testkit::shared().await.database("store").await;
    let stranger = Engine::open(EngineConfig {
        store: store.socket_options(),
        ..world.config.clone()
    })
    .await
    .unwrap();
    let their = crate::support::caller(&stranger, Role::Administrator).await;
    let id = world.start(all()).await;
    let begun = Instant::now();
    while !world.has("one").await {
        assert!(begun.elapsed() < PATIENCE, "the first statement does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = stranger.migration().status(&their, "main").await.unwrap();
    assert_eq!(status.migrations[0].state, MigrationState::Running);
    assert_eq!((status.problem, status.pending), (None, 0));
    assert!(status.under_way.unwrap().contains("pgsteward migrate"));
    // Another process's run waits for it, and finds nothing to do.
    let second = stranger.migration().start(&their, all()).await.unwrap();
    crate::work::until(&stranger, &their, second, PATIENCE, |job| {
        job.progress.phase == Phase::WaitingForLock
    })
    .await;
    world.sql("insert into gate values (true)").await;
    world.succeeded(id).await;
    let second = crate::work::until(&stranger, &their, second, PATIENCE, |job| job.state.is_final()).await;
    assert_eq!(second.state, JobState::Succeeded, "{second:#?}");
    assert_eq!(world.states().await, [MigrationState::Applied]);
    stranger.close().await;
}

#[tokio::test]
async fn the_ledger_is_found_where_it_is_after_the_search_path_moved() {
    let world = crate::work::files(&[
        ("1_orders.sql", "create table orders (id int)"),
        (
            "2_shop.sql",
            "create schema shop;
             create table shop.goods (id int);
             set search_path to shop;
             do $$ begin execute format('alter database %I set search_path to shop', current_database()); end $$",
        ),
        ("3_prices.sql", "create table prices (id int)"),
    ])
    .await;
    world.succeeded(world.start(up_to(2)).await).await;
    world.engine.close().await;
    // A connection that begins anew finds the new path.
    let mut world = world;
    world.engine = Engine::open(world.config.clone()).await.unwrap();
    world.caller = crate::support::caller(&world.engine, Role::Administrator).await;
    assert_eq!(world.status().await.pending, 1);
    world.succeeded(world.start(all()).await).await;
    assert_eq!(world.status().await.pending, 0);
    let homes =
        "select count(*) from pg_class where relname in ('_sqlx_migrations', '_pgsteward_migrations')";
    assert_eq!(world.number(homes).await, 2, "a second ledger was made");
    // What the users write goes where their search path leads.
    let prices = "select count(*) from pg_class where oid = to_regclass('shop.prices')";
    assert_eq!(world.number(prices).await, 1);
    let id = world
        .engine
        .backup()
        .start(&world.caller, contract::backup::BackupSpec::whole("main"))
        .await
        .unwrap();
    world.succeeded(id).await;
    let stored = world
        .engine
        .backup()
        .list(&world.caller, "main")
        .await
        .unwrap()
        .backups;
    assert_eq!(stored[0].migration, Some(3));
}

#[tokio::test]
async fn a_search_path_of_a_roles_own_has_a_ledger_of_its_own() {
    let files = [("1_orders.sql", "create table orders (id int)")];
    let world = crate::work::files(&files).await;
    world.succeeded(world.start(all()).await).await;
    world.sql("create schema tenant").await;
    // The same database, as another tenant's URL names it.
    let target = engine::config::TargetConfig {
        options: world
            .database
            .socket_options()
            .options([("search_path", "tenant")]),
        ..world.config.targets[0].clone()
    };
    let config = EngineConfig {
        targets: vec![target],
        store: testkit::shared().await.database("store").await.socket_options(),
        ..world.config.clone()
    };
    let tenant = Engine::open(config).await.unwrap();
    let caller = crate::support::caller(&tenant, Role::Administrator).await;
    let status = tenant.migration().status(&caller, "main").await.unwrap();
    assert_eq!(status.pending, 1);
    let id = tenant.migration().start(&caller, all()).await.unwrap();
    crate::work::until(&tenant, &caller, id, PATIENCE, |job| job.state.is_final()).await;
    let made = "select count(*) from pg_class where oid in (to_regclass('tenant.orders'), to_regclass('tenant._sqlx_migrations'))";
    assert_eq!(world.number(made).await, 2);
    tenant.close().await;
}
