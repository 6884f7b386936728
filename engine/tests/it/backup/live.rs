use std::time::{Duration, Instant};

use contract::{
    Code,
    backup::{BackupView, Part},
    jobs::{JobId, JobState},
    optimize::OptimizeSpec,
    restore::{CheckLevel, RestoreSpec},
    session::Role,
};
use engine::Engine;
use nix::{sys::signal, unistd::Pid};
use sqlx::Executor;
use testkit::Cluster;

use super::{
    restore::{furnished, roles},
    restored::{definitions, left_on, spec},
    round_trip::contents,
    support,
    world::{World, entries, fill, over, processes_with, until, world},
};

/// How long anything here may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
const ODD: &str = "it's; a \"schema\"";

fn part(schema: &str, table: &str) -> Part {
    Part {
        schema: schema.into(),
        table: Some(table.into()),
    }
}

/// A restore of these parts into the live database, whose name is typed.
fn into_live(world: &World, backup: &BackupView, only: Vec<Part>) -> RestoreSpec {
    RestoreSpec {
        into: Some(world.database.name().to_owned()),
        into_live: true,
        only,
        ..spec(backup)
    }
}

async fn rows(world: &World, table: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {table}")))
        .fetch_one(&world.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_was_lost_is_added_to_the_live_database_as_it_was_and_nothing_else_changes() {
    let cluster = testkit::shared().await;
    let world = furnished("liv").await;
    let backup = world.backup().await;
    let (before, rows_before) = (
        definitions(cluster, world.database.name()),
        contents(&world.pool).await,
    );
    world
        .pool
        .execute(
            r#"drop table "it's; a ""schema""".people cascade;
               insert into orders (note) values ('written since');
               select nextval('"it''s; a ""schema""".counter')"#,
        )
        .await
        .unwrap();
    let rows_since = contents(&world.pool).await;
    let lost = vec![part(ODD, "people"), part(ODD, "happy"), part(ODD, "total")];
    let asked = into_live(&world, &backup, lost);
    let plan = world
        .engine
        .backup()
        .plan_restore(&world.caller, asked.clone())
        .await
        .unwrap();
    assert!(plan.may_begin() && plan.into_live, "{:?}", plan.checks);
    assert_eq!(plan.into, world.database.name());
    let fresh = plan
        .checks
        .iter()
        .find(|check| check.key == "restore.fresh")
        .unwrap();
    assert_eq!(fresh.level, CheckLevel::Fine, "{fresh:?}");

    let id = world.start_restore(asked).await;
    let job = world.ended(id).await;
    assert_eq!(
        job.state,
        JobState::Succeeded,
        "{:#?} {:?}",
        job.fault,
        world.log(id).await
    );
    let outcome = job.outcome.clone().unwrap();
    assert!(outcome.contains("500 rows in 1 table"), "{outcome}");
    assert_eq!(definitions(cluster, world.database.name()), before);
    let found = contents(&world.pool).await;
    for (table, content) in &found {
        let wanted = rows_since.get(table).unwrap_or_else(|| &rows_before[table]);
        assert_eq!(content, wanted, "{table}");
    }
    assert_eq!(found.len(), rows_before.len());
    let total: i64 = sqlx::query_scalar(r#"select size from "it's; a ""schema""".total"#)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(total, 125_250, "materialized views are filled");
    let next: i64 = sqlx::query_scalar(r#"select nextval('"it''s; a ""schema""".counter')"#)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(next, 508, "a sequence that is there goes on from where it stands");
    world.nothing_of(cluster, &job).await;
}

#[tokio::test]
async fn what_is_there_is_never_written_over_and_the_name_must_be_typed() {
    let world = furnished("typ").await;
    let backup = world.backup().await;
    let whole = into_live(&world, &backup, Vec::new());
    let fault = world.refused(whole.clone()).await;
    assert!(
        fault.message.contains("never writes over") && fault.message.contains("table public.orders"),
        "{fault}"
    );
    assert!(fault.hint.unwrap().contains("rename to"));
    world.pool.execute("drop table quick").await.unwrap();
    let only = vec![part("public", "quick")];
    for name in [None, Some("quick".to_owned())] {
        let asked = RestoreSpec {
            into: name,
            ..into_live(&world, &backup, only.clone())
        };
        let fault = world.refused(asked).await;
        assert_eq!(
            (fault.code, fault.field.as_deref()),
            (Code::Invalid, Some("into")),
            "{fault}"
        );
    }
    let operator = support::caller(&world.engine, Role::Operator).await;
    let asked = RestoreSpec {
        as_superuser: true,
        ..into_live(&world, &backup, only.clone())
    };
    let refused = world.engine.backup().restore(&operator, asked).await;
    assert_eq!(refused.unwrap_err().fault().code, Code::Forbidden);
    let viewer = support::caller(&world.engine, Role::Viewer).await;
    let refused = world
        .engine
        .backup()
        .restore(&viewer, into_live(&world, &backup, only.clone()))
        .await;
    assert_eq!(refused.unwrap_err().fault().code, Code::Forbidden);
    let id = world.start_restore(into_live(&world, &backup, only)).await;
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Succeeded, "{job:?}");
    assert_eq!(rows(&world, "quick").await, 2);
}

/// A world that has lost a table in whose check a function of the database's author runs.
async fn lost(cluster: &Cluster) -> (World, BackupView) {
    let database = cluster.database("shop").await;
    let pool = database.pool().await;
    fill(&pool, 500).await;
    pool.execute(
        "create table slow (n int);
         create function passes() returns boolean language plpgsql immutable as $f$ begin return true; end $f$;
         alter table slow add check (passes());
         insert into slow select generate_series(1, 50)",
    )
    .await
    .unwrap();
    let world = over(database, pool).await;
    let backup = world.backup().await;
    world.pool.execute("drop table slow").await.unwrap();
    (world, backup)
}

/// Lets the function that is there do this, whoever calls it.
async fn acts(world: &World, body: &str) {
    let sql = format!(
        "create or replace function passes() returns boolean language plpgsql immutable as $f$ begin {body} return true; end $f$"
    );
    world.pool.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
}

fn slow(world: &World, backup: &BackupView) -> RestoreSpec {
    into_live(world, backup, vec![part("public", "slow")])
}

/// Waits until the restore stands in the function.
async fn stands(cluster: &Cluster, job: JobId) {
    let mut admin = cluster.admin().await;
    let begun = Instant::now();
    loop {
        let standing: bool = sqlx::query_scalar(
            "select exists (select from pg_stat_activity where application_name = $1 and wait_event = 'PgSleep')",
        )
        .bind(format!("pgsteward restore {job}"))
        .fetch_one(&mut admin)
        .await
        .unwrap();
        if standing {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the restore does not get there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn one_that_fails_is_cancelled_or_loses_its_tool_leaves_the_live_database_as_it_was() {
    let cluster = testkit::shared().await;
    let (world, backup) = lost(cluster).await;
    // No function of the database's author runs as a superuser.
    acts(
        &world,
        "if (select rolsuper from pg_roles where rolname = current_user) then create table as_superuser (); end if;
         raise exception 'not today';",
    )
    .await;
    let before = definitions(cluster, world.database.name());
    let fault = world.fails_to_restore(cluster, slow(&world, &backup)).await;
    assert!(
        fault.target.as_ref().unwrap().message.contains("not today"),
        "{fault:?}"
    );
    assert_eq!(definitions(cluster, world.database.name()), before);

    acts(&world, "perform pg_sleep(600);").await;
    let before = definitions(cluster, world.database.name());
    let id = world.start_restore(slow(&world, &backup)).await;
    stands(cluster, id).await;
    // Whoever changes the database waits for it.
    let analyze = OptimizeSpec {
        constraints: false,
        indexes: false,
        ..OptimizeSpec::all("main")
    };
    let waiting = world
        .engine
        .optimize()
        .start(&world.caller, analyze)
        .await
        .unwrap();
    world.engine.jobs().cancel(&world.caller, id).await.unwrap();
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Cancelled, "{job:?}");
    world.nothing_of(cluster, &job).await;
    world.ended(waiting).await;
    assert_eq!(definitions(cluster, world.database.name()), before);

    let id = world.start_restore(slow(&world, &backup)).await;
    stands(cluster, id).await;
    let store = world.console.store.pool().await;
    let pid: i32 = sqlx::query_scalar("select pid from backup_attempts")
        .fetch_one(&store)
        .await
        .unwrap();
    signal::kill(Pid::from_raw(pid), signal::Signal::SIGKILL).unwrap();
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Failed, "{job:?}");
    world.nothing_of(cluster, &job).await;
    assert_eq!(definitions(cluster, world.database.name()), before);

    acts(&world, "").await;
    let id = world.start_restore(slow(&world, &backup)).await;
    assert_eq!(world.ended(id).await.state, JobState::Succeeded);
    assert_eq!(rows(&world, "slow").await, 50);
}

#[tokio::test]
async fn a_role_that_owns_the_database_and_is_no_superuser_adds_all_of_it_or_nothing() {
    let cluster = testkit::shared().await;
    roles(cluster, "lone").await;
    cluster
        .execute(
            r#"create role lone_console login password 'p'; grant "lone own""er" to lone_console;
               grant pg_read_all_stats to lone_console"#,
        )
        .await;
    let database = cluster.database("lone").await;
    let pool = database.pool().await;
    cluster
        .execute(&format!(
            "alter database \"{}\" owner to lone_console; grant all on schema public to lone_console",
            database.name()
        ))
        .await;
    pool.execute(
        r#"grant all on schema public to lone_console, "lone own""er";
           set role lone_console;
           create function passes() returns boolean language plpgsql immutable as $f$ begin return true; end $f$;
           create table mine (id int primary key, note text);
           insert into mine select n, n::text from generate_series(1, 300) n;
           create schema other authorization "lone own""er";
           create table other.theirs (id int references mine check (passes()));
           insert into other.theirs select 7;
           alter table other.theirs owner to "lone own""er";
           grant select on mine to lone_reader;
           reset role"#,
    )
    .await
    .unwrap();
    let world = over(database, pool).await;
    let url = cluster.url_of("lone_console", "p", cluster.port(), world.database.name());
    let world = world
        .instead(|config| {
            let parsed = engine::target::url::parse(&url).unwrap();
            config.targets[0].options = parsed.options;
            config.targets[0].password = parsed.password;
        })
        .await;
    let backup = world.backup().await;
    let before = definitions(cluster, world.database.name());
    world
        .pool
        .execute("drop table other.theirs, mine; create table since (id int); alter table since owner to lone_console")
        .await
        .unwrap();
    let both = || {
        into_live(
            &world,
            &backup,
            vec![part("public", "mine"), part("other", "theirs")],
        )
    };
    acts(&world, "raise exception 'not today';").await;
    let id = world.start_restore(both()).await;
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Failed, "{job:?}");
    let there: bool = sqlx::query_scalar(
        "select to_regclass('mine') is not null or to_regclass('other.theirs') is not null",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert!(!there);
    acts(&world, "").await;
    let id = world.start_restore(both()).await;
    let job = world.ended(id).await;
    assert_eq!(
        job.state,
        JobState::Succeeded,
        "{:#?} {:?}",
        job.fault,
        world.log(id).await
    );
    world.pool.execute("drop table since").await.unwrap();
    assert_eq!(definitions(cluster, world.database.name()).len(), before.len());
    assert_eq!(rows(&world, "mine").await, 300);
    assert_eq!(rows(&world, "other.theirs").await, 1);
    let owners: Vec<String> = sqlx::query_scalar(
        "select relowner::regrole::text from pg_class where oid in ('mine'::regclass, 'other.theirs'::regclass) order by relname",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert_eq!(owners, ["lone_console", "\"lone own\"\"er\""]);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how many, and which, is asked of the one test that is run by hand with more"
)]
fn a_console_that_vanishes_at_any_moment_leaves_all_of_what_was_lost_or_nothing_of_it() {
    let count: u64 = std::env::var("PGSTEWARD_FAULTS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(5);
    let seed: u64 = std::env::var("PGSTEWARD_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("PGSTEWARD_SEED={seed}");
    let outer = tokio::runtime::Runtime::new().unwrap();
    let (world, backup, cluster) = outer.block_on(async {
        let cluster = testkit::shared().await;
        let world = world().await;
        let backup = world.backup().await;
        (
            world.instead(|config| config.works = false).await,
            backup,
            cluster,
        )
    });
    // The time that a whole restore takes here, over which the moments are spread.
    let (mut states, mut whole) = (Vec::new(), Duration::from_secs(4));
    for number in 0..count {
        let share = (seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(number.wrapping_mul(1_442_695_040_888_963_407))
            >> 33)
            % 1000;
        // The first one is let go to its end.
        let moment = match number {
            0 => PATIENCE,
            _ => whole.mul_f64((number as f64 + share as f64 / 1000.0) / count as f64),
        };
        outer.block_on(async {
            world
                .pool
                .execute("drop table if exists orders cascade")
                .await
                .unwrap()
        });
        let before = definitions(cluster, world.database.name());
        let inner = tokio::runtime::Runtime::new().unwrap();
        let begun = Instant::now();
        let id = inner.block_on(async {
            let mut config = world.config.clone();
            config.works = true;
            let engine = Engine::open(config).await.unwrap();
            let caller = support::caller(&engine, Role::Administrator).await;
            let asked = into_live(&world, &backup, vec![part("public", "orders")]);
            let id = engine.backup().restore(&caller, asked).await.unwrap();
            let over = until(&engine, &caller, id, |job| job.state.is_final());
            tokio::time::timeout(moment, over).await.ok();
            id
        });
        inner.shutdown_background();
        if number == 0 {
            whole = begun.elapsed();
        }
        states.push(outer.block_on(after_the_dead(&world, cluster, id, &before)));
    }
    assert_eq!(states[0], JobState::Succeeded);
}

/// Lets another console clean up, and looks at what there is.
async fn after_the_dead(world: &World, cluster: &Cluster, id: JobId, before: &[String]) -> JobState {
    let mut config = world.config.clone();
    config.works = true;
    let engine = Engine::open(config).await.unwrap();
    let job = until(&engine, &world.caller, id, |job| job.state.is_final()).await;
    let mut admin = cluster.admin().await;
    assert_eq!(left_on(&mut admin, id).await, [] as [&str; 0], "{job:?}");
    assert_eq!(
        processes_with(&format!("pgsteward restore {id}")),
        [] as [&str; 0]
    );
    assert_eq!(
        entries(&world.config.data_dir.join("tool-secrets")),
        [] as [&str; 0]
    );
    assert_eq!(world.attempt_rows().await, 0);
    let there: bool = sqlx::query_scalar("select to_regclass('orders') is not null")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    match there {
        true => {
            assert_eq!(rows(world, "orders").await, 2000);
            let owner: String = sqlx::query_scalar(
                "select relowner::regrole::text from pg_class where oid = 'orders'::regclass",
            )
            .fetch_one(&world.pool)
            .await
            .unwrap();
            assert_eq!(owner, "postgres");
        }
        false => {
            assert_ne!(job.state, JobState::Succeeded, "{job:?}");
            assert_eq!(definitions(cluster, world.database.name()), before);
        }
    }
    engine.close().await;
    job.state
}
