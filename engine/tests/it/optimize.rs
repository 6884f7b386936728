//! Constraints, indexes and statistics on a real server: what is wanted comes to be, what is broken is made anew, what
//! is someone else's is left alone, and nothing half-built stays.

use std::time::Duration;

use crate::work::{PATIENCE, World, refused};
use contract::{
    Code,
    jobs::{JobId, JobState, JobView, Phase, StepState},
    optimize::{ItemKind, ItemState, OptimizeItem, OptimizePlan, OptimizeSpec},
    session::Role,
};
use engine::{Engine, EngineConfig, config::TargetConfig};
use sqlx::{AssertSqlSafe, PgConnection};

fn only_indexes() -> OptimizeSpec {
    OptimizeSpec {
        constraints: false,
        analyze: false,
        ..OptimizeSpec::all("main")
    }
}

fn only_constraints() -> OptimizeSpec {
    OptimizeSpec {
        indexes: false,
        analyze: false,
        ..OptimizeSpec::all("main")
    }
}

impl World {
    async fn plan(&self) -> OptimizePlan {
        self.engine.optimize().plan(&self.caller, "main").await.unwrap()
    }

    async fn item(&self, name: &str) -> OptimizeItem {
        self.plan()
            .await
            .items
            .into_iter()
            .find(|item| item.name == name)
            .unwrap()
    }

    async fn optimize(&self, spec: OptimizeSpec) -> JobId {
        self.engine.optimize().start(&self.caller, spec).await.unwrap()
    }

    async fn with_schema() -> Self {
        let world = crate::work::ai_pal().await;
        testkit::ai_pal::apply_schema(&world.pool).await;
        world
    }

    /// Breaks a concurrent statement while it waits for an old snapshot, as a cancelled or killed client does.
    async fn broken(&self, sql: &str) {
        let (snapshot, _) = self.old_snapshot().await;
        let mut builder = crate::work::connect(self.database.socket_options()).await;
        let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(&mut builder)
            .await
            .unwrap();
        let sql = sql.to_owned();
        let building = tokio::spawn(async move {
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut builder)
                .await
                .unwrap_err();
        });
        let waits = format!(
            "select count(*) from pg_stat_progress_create_index where pid = {pid} and phase = 'waiting for old snapshots'"
        );
        while self.number(&waits).await == 0 {
            assert!(!building.is_finished());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.sql(&format!("select pg_cancel_backend({pid})")).await;
        building.await.unwrap();
        drop(snapshot);
    }
}

fn step(job: &JobView, name: &str) -> StepState {
    job.progress
        .steps
        .iter()
        .find(|step| step.name == name)
        .unwrap()
        .state
}

#[tokio::test]
async fn all_that_the_guide_names_comes_to_be() {
    let world = crate::work::ai_pal().await;
    let plan = world.plan().await;
    assert_eq!(plan.items.len(), 22);
    assert!(
        plan.items
            .iter()
            .all(|item| item.state == ItemState::NoTable && !item.is_due())
    );
    let fault = refused(
        world
            .engine
            .optimize()
            .start(&world.caller, OptimizeSpec::all("main"))
            .await,
        Code::Conflict,
    );
    assert!(fault.hint.unwrap().contains("Apply the migrations first"));

    testkit::ai_pal::apply_schema(&world.pool).await;
    // What autovacuum analyzes by itself is not due.
    world
        .sql("alter table ari_snapshots set (autovacuum_enabled = false)")
        .await;
    world.sql("insert into ari_snapshots select n::text, n, 'u' || n % 100, now(), 1, 1, 1, 1, 1, 1, 1, n, 1 from generate_series(1, 20000) as n").await;
    let plan = world.plan().await;
    let due = |kind| {
        plan.items
            .iter()
            .filter(|item| item.kind == kind && item.is_due())
            .count()
    };
    assert_eq!((due(ItemKind::Constraint), due(ItemKind::Index)), (2, 20));
    assert!(
        plan.items
            .iter()
            .all(|item| item.kind != ItemKind::Statistics || item.table.starts_with("public."))
    );
    let viewer = crate::support::caller(&world.engine, Role::Viewer).await;
    refused(
        world
            .engine
            .optimize()
            .start(&viewer, OptimizeSpec::all("main"))
            .await,
        Code::Forbidden,
    );

    let id = world.optimize(OptimizeSpec::all("main")).await;
    let outcome = world.succeeded(id).await;
    assert!(
        outcome.starts_with("2 constraints and 20 indexes created, 10 tables analyzed in "),
        "{outcome}"
    );
    let job = world.ended(id).await;
    assert_eq!(job.progress.steps.len(), 32);
    assert!(
        job.progress
            .steps
            .iter()
            .all(|step| step.state == StepState::Done && step.duration_ms.is_some())
    );

    let mut definitions: Vec<String> = sqlx::query_scalar(
        "select regexp_replace(pg_get_indexdef(indexrelid), '^CREATE INDEX (\\S+) ON public.(\\S+) USING btree', '\\2: \\1')
           from pg_index
          where indrelid::regclass::text in ('ari_snapshots', 'background_tasks', 'ffe_goals', 'edm_debts', 'atomic_blocks',
                                             'audit_logs', 'patch_requests')
            and not indisunique
            and indisvalid",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    definitions.sort();
    insta::assert_snapshot!(definitions.join("\n"), @r#"
    ari_snapshots: idx_ari_score (autonomy_retention DESC)
    ari_snapshots: idx_ari_timestamp ("timestamp" DESC)
    ari_snapshots: idx_ari_user_id (user_id)
    ari_snapshots: idx_ari_user_timestamp (user_id, "timestamp" DESC)
    atomic_blocks: idx_block_goal_id (goal_id)
    atomic_blocks: idx_block_user_id (user_id)
    audit_logs: idx_audit_event_type (event_type)
    audit_logs: idx_audit_severity (severity)
    audit_logs: idx_audit_user_timestamp (user_id, "timestamp" DESC)
    background_tasks: idx_task_celery_id (celery_task_id)
    background_tasks: idx_task_created (created_at DESC)
    background_tasks: idx_task_status (status)
    background_tasks: idx_task_type (task_type)
    background_tasks: idx_task_user_status (user_id, status)
    edm_debts: idx_edm_severity (severity)
    edm_debts: idx_edm_user_unresolved (user_id, resolved)
    ffe_goals: idx_goal_deadline (deadline)
    ffe_goals: idx_goal_user_status (user_id, status)
    patch_requests: idx_patch_component_status (component, status)
    patch_requests: idx_patch_status (status)
    "#);
    let constraints = world
        .number("select count(*) from pg_constraint where conrelid = 'audit_logs'::regclass and contype = 'c' and convalidated")
        .await;
    assert_eq!(constraints, 2);
    world
        .sql("insert into audit_logs (event_type, component, action) values ('a', 'b', 'c')")
        .await;
    let wrong =
        "insert into audit_logs (event_type, component, action, severity) values ('a', 'b', 'c', 'loud')";
    assert!(sqlx::query(wrong).execute(&world.pool).await.is_err());

    // What was made is recognised; statistics reach the view a moment later.
    for _ in 0..100 {
        if world
            .plan()
            .await
            .items
            .iter()
            .all(|item| item.state == ItemState::Present)
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let plan = world.plan().await;
    assert!(
        plan.items.iter().all(|item| item.state == ItemState::Present),
        "{plan:#?}"
    );
    let prefix = world.item("idx_ari_user_id").await;
    let note = prefix.note.unwrap();
    assert!(
        note.starts_with("Kept because the guide names it; costs ")
            && note.contains("idx_ari_user_timestamp"),
        "{note}"
    );
    assert!(prefix.bytes.unwrap() > 100_000);
    let fault = refused(
        world.engine.optimize().start(&world.caller, only_indexes()).await,
        Code::Conflict,
    );
    assert!(fault.message.contains("has all that is wanted"), "{fault:?}");
    // Statistics can always be collected anew.
    let analyze = OptimizeSpec {
        constraints: false,
        indexes: false,
        ..OptimizeSpec::all("main")
    };
    let outcome = world.succeeded(world.optimize(analyze).await).await;
    assert!(outcome.starts_with("10 tables analyzed in "), "{outcome}");
}

#[tokio::test]
async fn what_is_broken_is_made_anew_and_what_differs_is_left_alone() {
    let world = World::with_schema().await;
    world
        .broken("create index concurrently idx_ari_user_id on ari_snapshots (user_id)")
        .await;
    world
        .sql(
            "create index idx_ari_score on ari_snapshots (autonomy_retention);
         create table other (id int, owner int);
         create index idx_task_type on other (id);
         insert into other values (1, 1);
         create table owners (id int primary key);
         insert into owners values (1);
         alter table other add constraint other_owner foreign key (owner) references owners not valid;
         alter table audit_logs add constraint audit_logs_severity_check check (severity <> 'loud');
         alter table audit_logs add constraint audit_logs_result_check
             check (result in ('denied', 'failure', 'success')) not valid",
        )
        .await;
    world
        .broken("create index concurrently \"My index\" on other (owner) where id > 0")
        .await;
    world.sql("create index sound on other (id, owner)").await;
    world.broken("reindex index concurrently sound").await;
    assert_eq!(world.invalid_indexes().await, 3);

    let broken = world.item("idx_ari_user_id").await;
    assert_eq!((broken.state, broken.sql.len()), (ItemState::Invalid, 2));
    assert_eq!(
        broken.sql[0],
        "drop index concurrently if exists \"public\".\"idx_ari_user_id\""
    );
    assert_eq!(
        broken.sql[1],
        "create index concurrently if not exists \"idx_ari_user_id\" on \"public\".\"ari_snapshots\" (\"user_id\")"
    );
    for name in ["idx_ari_score", "idx_task_type", "audit_logs_severity_check"] {
        let item = world.item(name).await;
        assert_eq!(
            (item.state, item.is_due()),
            (ItemState::Different, false),
            "{name}"
        );
        assert!(item.note.unwrap().starts_with("Left alone"), "{name}");
    }
    for name in [
        "My index",
        "sound_ccnew",
        "other_owner",
        "audit_logs_result_check",
    ] {
        let item = world.item(name).await;
        assert_eq!((item.state, item.sql.len()), (ItemState::Invalid, 1), "{name}");
    }

    let spec = OptimizeSpec {
        analyze: false,
        ..OptimizeSpec::all("main")
    };
    let outcome = world.succeeded(world.optimize(spec).await).await;
    assert!(
        outcome.starts_with(
            "17 indexes created, 2 constraints validated, 2 indexes rebuilt, 1 leftover dropped in "
        ),
        "{outcome}"
    );
    assert_eq!(world.invalid_indexes().await, 0);
    assert_eq!(
        world
            .number("select count(*) from pg_constraint where not convalidated")
            .await,
        0
    );
    assert!(world.has("My index").await && world.has("sound").await && !world.has("sound_ccnew").await);
    let own = "select count(*) from pg_indexes where indexname = 'My index' and indexdef like '%(owner) WHERE (id > 0)'";
    assert_eq!(world.number(own).await, 1);
    assert_eq!(
        world
            .number(
                "select count(*) from pg_indexes where indexname = 'idx_ari_score' and indexdef like '%DESC%'"
            )
            .await,
        0
    );
}

#[tokio::test]
async fn a_cancelled_build_leaves_no_invalid_index() {
    let world = World::with_schema().await;
    let (snapshot, pid) = world.old_snapshot().await;
    // It is named once it is a second old.
    let named = format!("pid {pid}: reader, idle in transaction, for ");
    let begun = std::time::Instant::now();
    while !world
        .plan()
        .await
        .blockers
        .iter()
        .any(|it| it.starts_with(&named))
    {
        assert!(begun.elapsed() < PATIENCE, "{named}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let id = world.optimize(only_indexes()).await;
    let job = world.until(id, |job| job.progress.waiting.is_some()).await;
    assert_eq!(job.progress.phase, Phase::Indexing);
    assert_eq!(job.progress.waiting.unwrap().pid, pid);
    let first = &job.progress.steps[0];
    assert_eq!(
        (first.name.as_str(), first.state),
        ("idx_ari_user_id", StepState::Running)
    );
    assert_eq!(
        first.detail.as_deref(),
        Some("phase 7 of 7: waiting for old snapshots")
    );
    assert!(
        world
            .detail(id)
            .await
            .log
            .iter()
            .any(|line| line.text.starts_with("A concurrent build has to wait for pid"))
    );
    assert_eq!(world.invalid_indexes().await, 1);
    world.cancel(id).await;
    assert_eq!(world.invalid_indexes().await, 0);
    assert!(!world.has("idx_ari_user_id").await);
    drop(snapshot);
    let outcome = world.succeeded(world.optimize(only_indexes()).await).await;
    assert!(outcome.starts_with("20 indexes created in "), "{outcome}");
}

#[tokio::test]
async fn one_failure_does_not_stop_the_rest_and_is_named_at_the_end() {
    let world = World::with_schema().await;
    world
        .sql(
            "insert into audit_logs (event_type, component, action, severity) values ('a', 'b', 'c', 'loud');
         create table doubles (id int);
         insert into doubles values (1), (1)",
        )
        .await;
    let failed = sqlx::raw_sql("create unique index concurrently one_each on doubles (id)")
        .execute(&world.pool)
        .await;
    assert!(failed.is_err());
    let spec = OptimizeSpec {
        analyze: false,
        ..OptimizeSpec::all("main")
    };
    let id = world.optimize(spec).await;
    let fault = world.failed(id).await;
    assert!(
        fault.message.starts_with("Not done: audit_logs_severity_check ("),
        "{fault:?}"
    );
    assert!(fault.message.contains("; one_each ("), "{fault:?}");
    assert!(
        !format!("{fault:?}").contains("loud") && !format!("{fault:?}").contains("(id)=(1)"),
        "{fault:?}"
    );
    assert!(
        fault.hint.as_ref().unwrap().contains("20 indexes created"),
        "{fault:?}"
    );
    let job = world.ended(id).await;
    assert_eq!(step(&job, "audit_logs_severity_check"), StepState::Failed);
    assert_eq!(step(&job, "audit_logs_result_check"), StepState::Done);
    assert_eq!(step(&job, "one_each"), StepState::Failed);
    assert_eq!(step(&job, "idx_patch_status"), StepState::Done);
    // The check holds for new rows; the index keeps its definition, and what the rebuild made beside it is gone.
    assert_eq!(
        world.item("audit_logs_severity_check").await.state,
        ItemState::Invalid
    );
    assert_eq!(world.invalid_indexes().await, 1);
    assert_eq!(
        world.item("one_each").await.sql,
        ["reindex index concurrently \"public\".\"one_each\""]
    );
    // Once the rows are right, the same run ends well.
    world
        .sql("update audit_logs set severity = 'error'; delete from doubles where ctid = '(0,1)'")
        .await;
    let outcome = world
        .succeeded(
            world
                .optimize(OptimizeSpec {
                    analyze: false,
                    ..OptimizeSpec::all("main")
                })
                .await,
        )
        .await;
    assert!(
        outcome.starts_with("1 constraint validated, 1 index rebuilt in "),
        "{outcome}"
    );
}

#[tokio::test]
async fn a_constraint_gives_way_to_those_who_use_its_table() {
    let world = World::with_schema().await;
    let mut reader: PgConnection =
        crate::work::connect(world.database.socket_options().application_name("reader")).await;
    sqlx::raw_sql("begin; lock table audit_logs in access share mode")
        .execute(&mut reader)
        .await
        .unwrap();
    let id = world.optimize(only_constraints()).await;
    let job = world.until(id, |job| job.progress.waiting.is_some()).await;
    assert_eq!(job.progress.phase, Phase::Constraining);
    assert!(job.progress.waiting.unwrap().who.starts_with("reader, "));
    // Writers get through between the turns.
    sqlx::query("insert into audit_logs (event_type, component, action) values ('a', 'b', 'c')")
        .execute(&world.pool)
        .await
        .unwrap();
    sqlx::raw_sql("commit").execute(&mut reader).await.unwrap();
    let outcome = world.succeeded(id).await;
    assert!(outcome.starts_with("2 constraints created in "), "{outcome}");
}

#[test]
fn a_console_that_dies_leaves_nothing_that_the_next_one_does_not_clean_up() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, id, snapshot) = runtime.block_on(async {
        let world = World::with_schema().await;
        let (snapshot, _) = world.old_snapshot().await;
        // This console dies with its runtime: all its sockets close at once, as when a process is killed.
        let config = world.config.clone();
        world.engine.close().await;
        let (told, id) = std::sync::mpsc::channel();
        let dying = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let engine = Engine::open(config).await.unwrap();
                let caller = crate::support::caller(&engine, Role::Administrator).await;
                let id = engine.optimize().start(&caller, only_indexes()).await.unwrap();
                crate::work::until(&engine, &caller, id, PATIENCE, |job| {
                    job.progress.waiting.is_some()
                })
                .await;
                told.send(id).unwrap();
            });
            runtime.shutdown_background();
        });
        tokio::task::spawn_blocking(move || dying.join().unwrap())
            .await
            .unwrap();
        (world, id.recv().unwrap(), snapshot)
    });
    runtime.block_on(async {
        let next = Engine::open(world.config.clone()).await.unwrap();
        let caller = crate::support::caller(&next, Role::Administrator).await;
        let job = crate::work::until(&next, &caller, id, PATIENCE, |job| job.state.is_final()).await;
        assert_eq!(job.state, JobState::Interrupted, "{job:#?}");
        world.quiet().await;
        assert_eq!(world.invalid_indexes().await, 0);
        drop(snapshot);
        next.close().await;
    });
}

#[tokio::test]
async fn a_user_with_few_rights_is_told_what_is_hidden() {
    let world = World::with_schema().await;
    world.sql("create role limited_test login; create schema own authorization limited_test; create table own.t (id int); alter table own.t owner to limited_test").await;
    let (_snapshot, _) = world.old_snapshot().await;
    let target = TargetConfig {
        options: world.database.socket_options().username("limited_test"),
        ..world.config.targets[0].clone()
    };
    let store = testkit::shared().await.database("store").await;
    let config = EngineConfig {
        targets: vec![target],
        store: store.socket_options(),
        ..world.config.clone()
    };
    let engine = Engine::open(config).await.unwrap();
    let caller = crate::support::caller(&engine, Role::Administrator).await;
    let plan = engine.optimize().plan(&caller, "main").await.unwrap();
    assert!(
        plan.blockers
            .iter()
            .any(|it| it.contains("hidden: grant pg_monitor")),
        "{:?}",
        plan.blockers
    );
    let tables: Vec<&str> = plan
        .items
        .iter()
        .filter(|it| it.kind == ItemKind::Statistics)
        .map(|it| it.table.as_str())
        .collect();
    assert_eq!(tables, ["own.t"]);
    // An index on someone else's table is refused by the server, and the others are not even begun to be missed.
    let id = engine
        .optimize()
        .start(&caller, OptimizeSpec::all("main"))
        .await
        .unwrap();
    let job = crate::work::until(&engine, &caller, id, PATIENCE, |job| job.state.is_final()).await;
    let fault = job.fault.clone().unwrap();
    assert!(fault.message.contains("and 17 more"), "{fault:?}");
    assert_eq!(fault.target.unwrap().sqlstate.as_deref(), Some("42501"));
    assert_eq!(step(&job, "analyze own.t"), StepState::Done);
    engine.close().await;
    world.sql("drop schema own cascade; drop role limited_test").await;
}

#[tokio::test]
async fn a_foreign_server_that_is_away_stops_its_own_table_alone_and_what_is_done_is_not_repeated() {
    let world = crate::work::files(&[]).await;
    world
        .sql(
            "create extension postgres_fdw;
             create server away foreign data wrapper postgres_fdw options (host '127.0.0.1', port '1', dbname 'x');
             create user mapping for public server away options (user 'nobody', password 'hush');
             create table a_first (id int);
             create table m_tree (id int) partition by range (id);
             create table m_tree_1 partition of m_tree for values from (0) to (10);
             create foreign table m_tree_2 partition of m_tree for values from (10) to (20) server away;
             create table z_last (id int);
             insert into a_first values (1);
             insert into z_last values (1);",
        )
        .await;
    let id = world.optimize(OptimizeSpec::all("main")).await;
    let fault = world.failed(id).await;
    assert!(
        fault.message.starts_with("Not done: m_tree (") && fault.message.contains("foreign table"),
        "{fault:?}"
    );
    assert!(fault.hint.unwrap().contains("3 tables analyzed"));
    let job = world.ended(id).await;
    assert_eq!(step(&job, "analyze public.m_tree"), StepState::Failed);
    for name in ["a_first", "m_tree_1", "z_last"] {
        assert_eq!(
            step(&job, &format!("analyze public.{name}")),
            StepState::Done,
            "{name}"
        );
    }
    let text = format!("{:?} {:?}", job.fault, world.detail(id).await.log);
    assert!(!text.contains("hush"), "{text}");

    // Statistics reach the view a moment later.
    let due = async || {
        let plan = world.plan().await;
        plan.items
            .into_iter()
            .filter(OptimizeItem::is_due)
            .map(|item| item.name)
            .collect::<Vec<_>>()
    };
    let begun = std::time::Instant::now();
    while due().await != ["m_tree"] {
        assert!(begun.elapsed() < PATIENCE, "{:?}", due().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let id = world.optimize(OptimizeSpec::all("main")).await;
    world.failed(id).await;
    let steps: Vec<String> = world
        .ended(id)
        .await
        .progress
        .steps
        .into_iter()
        .map(|step| step.name)
        .collect();
    assert_eq!(steps, ["analyze public.m_tree"]);
}

#[tokio::test]
async fn the_invalid_index_of_a_partitioned_table_is_found_and_left_for_its_partitions() {
    let world = crate::work::files(&[]).await;
    world
        .sql(
            "create table tree (id int) partition by range (id);
             create table tree_1 partition of tree for values from (0) to (10);
             create table \"Tree 2\" partition of tree for values from (10) to (20);
             create index tree_id on only tree (id);
             create index tree_1_id on tree_1 (id);
             alter index tree_id attach partition tree_1_id;
             analyze",
        )
        .await;
    let item = world.item("tree_id").await;
    assert_eq!((item.state, item.is_due()), (ItemState::Invalid, false));
    let note = item.note.unwrap();
    assert!(
        note.contains("public.\"Tree 2\"") && !note.contains("tree_1,") && note.contains("attach partition"),
        "{note}"
    );
    let plan = world.plan().await;
    assert!(
        plan.findings
            .iter()
            .any(|finding| finding.key == "optimize.invalid_index" && finding.count == 1),
        "{:?}",
        plan.findings
    );
    // A run that cleans up after others leaves it alone.
    refused(
        world.engine.optimize().start(&world.caller, only_indexes()).await,
        Code::Conflict,
    );
    assert!(world.has("tree_id").await);
    world
        .sql("create index two on \"Tree 2\" (id); alter index tree_id attach partition two")
        .await;
    assert!(world.plan().await.items.iter().all(|item| item.name != "tree_id"));
}
