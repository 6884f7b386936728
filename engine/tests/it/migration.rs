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
        up_to: None,
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
        "40 (c) has a transaction of its own (`commit`, line 1)",
    ] {
        assert!(problem.message.contains(word), "{word}: {problem:?}");
    }
    assert!(
        problem
            .hint
            .as_ref()
            .unwrap()
            .contains("delete from \"public\".\"_sqlx_migrations\" where version = 20")
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
        [StepState::Done, StepState::Failed, StepState::Pending]
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
async fn a_folder_that_cannot_be_read_is_named() {
    let world = crate::work::files(&[("x1_bad.sql", "select 1")]).await;
    let fault = refused(
        world.engine.migration().status(&world.caller, "main").await,
        Code::Conflict,
    );
    assert!(fault.message.contains("x1_bad.sql"), "{fault:?}");
    assert!(fault.hint.is_some());
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
        .start(
            &world.caller,
            contract::backup::BackupSpec {
                target: "main".into(),
            },
        )
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
