//! A job belongs to a database, not to a name: who manages that very database takes it, and nobody else.

use std::time::Duration;

use contract::{
    Code, Fault,
    audit::AuditQuery,
    jobs::{JobId, JobState, JobView},
    migration::MigrateSpec,
    session::Role,
    target::TargetState,
};
use engine::{
    Engine, EngineConfig, Error,
    config::TargetConfig,
    jobs::test_job::{TestEnd, TestJob, Work, begin},
    target::url,
};
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{Cluster, Database, Proxy};

use crate::support::{self, Console, caller};

/// A console on a fresh store that manages these databases under these names.
async fn console(targets: &[(&str, &Database)]) -> Console {
    let unused = testkit::shared().await.database("unused").await;
    let base = support::engine(&unused, false).await;
    // In this store nothing is named yet.
    let store = testkit::shared().await.database("store").await;
    let config = EngineConfig {
        store: store.socket_options(),
        ..with(&base.config, targets)
    };
    base.close().await;
    base.reopened(config, store, false).await
}

fn with(config: &EngineConfig, targets: &[(&str, &Database)]) -> EngineConfig {
    let target = |(name, database): &(&str, &Database)| TargetConfig {
        name: (*name).to_owned(),
        options: database.socket_options(),
        ..config.targets[0].clone()
    };
    EngineConfig {
        targets: targets.iter().map(target).collect(),
        ..config.clone()
    }
}

async fn works(config: EngineConfig) -> Engine {
    Engine::open(EngineConfig {
        works: true,
        ..config
    })
    .await
    .unwrap()
}

fn fault(opened: Result<Engine, Error>) -> Fault {
    match opened {
        Ok(_) => panic!("it opened"),
        Err(error) => error.fault(),
    }
}

fn job(folder: &tempfile::TempDir, target: &str) -> TestJob {
    TestJob {
        target: target.to_owned(),
        work_ms: 50,
        end: TestEnd::Succeed,
        marker: folder.path().join(target),
        deaf: false,
        work: Work::Change,
    }
}

async fn seen(engine: &Engine, id: JobId) -> JobView {
    let caller = caller(engine, Role::Administrator).await;
    engine.jobs().detail(&caller, id).await.unwrap().job
}

async fn until(engine: &Engine, id: JobId, state: JobState) -> JobView {
    for _ in 0..2400 {
        let job = seen(engine, id).await;
        if job.state == state {
            return job;
        }
        assert!(!job.state.is_final(), "it should be {state:?}: {job:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("job {id} is not {state:?} in 120 s: {:?}", seen(engine, id).await)
}

async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(pool)
        .await
        .unwrap();
}

async fn count(database: &Database, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_one(&database.pool().await)
        .await
        .unwrap()
}

/// Makes the store believe that no console has seen any database for a while.
async fn forget(store: &Database) {
    run(
        &store.pool().await,
        "update database_names set seen_at = seen_at - interval '2 minutes', named_at = named_at - interval '3 minutes'",
    )
    .await;
}

#[tokio::test]
async fn a_job_waits_for_a_process_that_manages_its_database() {
    let cluster = testkit::shared().await;
    let (a, b) = (cluster.database("a").await, cluster.database("b").await);
    let command = console(&[("b", &b)]).await;
    let administrator = caller(&command, Role::Administrator).await;
    let folder = tempfile::tempdir().unwrap();
    let theirs = begin(&command, &administrator, &job(&folder, "b")).await.unwrap();

    // A console that knows another database alone leaves it, and does its own.
    let other = works(with(&command.config, &[("a", &a)])).await;
    for _ in 0..3 {
        let own = begin(&other, &administrator, &job(&folder, "a")).await.unwrap();
        until(&other, own, JobState::Succeeded).await;
    }
    assert_eq!(seen(&other, theirs).await.state, JobState::Queued);

    // The dead are cleaned up after by the same rule.
    let store = command.store.pool().await;
    let stranded = |id: JobId| {
        format!(
            "update jobs
                set state = 'running', worker = 1, heartbeat_at = now() - interval '1 hour', started_at = now(),
                    finished_at = null
              where id = '{id}'"
        )
    };
    let own = begin(&other, &administrator, &job(&folder, "a")).await.unwrap();
    until(&other, own, JobState::Succeeded).await;
    run(&store, &stranded(theirs)).await;
    run(&store, &stranded(own)).await;
    until(&other, own, JobState::Interrupted).await;
    assert_eq!(seen(&other, theirs).await.state, JobState::Running);

    let knows = works(command.config.clone()).await;
    until(&knows, theirs, JobState::Interrupted).await;
    let again = begin(&command, &administrator, &job(&folder, "b")).await.unwrap();
    until(&knows, again, JobState::Succeeded).await;
    knows.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_name_for_two_databases_is_refused_with_both_addresses() {
    let cluster = testkit::shared().await;
    let second = Cluster::start().await;
    let (one, beside, elsewhere) = (
        cluster.database("one").await,
        cluster.database("One").await,
        second.database("one").await,
    );
    let console = console(&[("one", &one)]).await;
    for (other, at) in [
        (&beside, cluster.socket_dir().display().to_string()),
        (&elsewhere, second.socket_dir().display().to_string()),
    ] {
        let fault = fault(Engine::open(with(&console.config, &[("one", other)])).await);
        assert_eq!(fault.code, Code::Conflict);
        for words in [
            one.name(),
            other.name(),
            &at,
            &cluster.socket_dir().display().to_string(),
        ] {
            assert!(fault.message.contains(words), "{words} is not in {fault:?}");
        }
        let hint = fault.hint.unwrap();
        for words in [
            "PGSTEWARD_STORE_URL",
            "pgsteward.toml",
            "pgsteward target adopt one",
        ] {
            assert!(hint.contains(words), "{hint}");
        }
    }
    // The one that has the name is not disturbed, by whatever way it is reached.
    let by_tcp = TargetConfig {
        options: url::parse(&one.url()).unwrap().options,
        ..console.config.targets[0].clone()
    };
    let again = works(EngineConfig {
        targets: vec![by_tcp],
        ..console.config.clone()
    })
    .await;
    let administrator = caller(&console, Role::Administrator).await;
    let folder = tempfile::tempdir().unwrap();
    let id = begin(&console, &administrator, &job(&folder, "one"))
        .await
        .unwrap();
    until(&again, id, JobState::Succeeded).await;
    again.close().await;
}

#[tokio::test]
async fn a_database_made_anew_keeps_its_name_and_a_moved_one_is_adopted() {
    let (first, second) = (Cluster::start().await, Cluster::start().await);
    let old = first.database("shop").await;
    let console = console(&[("shop", &old)]).await;
    console.close().await;
    let name = old.name();
    first
        .execute(&format!("drop database \"{name}\" with (force)"))
        .await;
    first.execute(&format!("create database \"{name}\"")).await;
    // The one before is gone for good, so nothing can be done to it by mistake.
    let anew = Engine::open(console.config.clone()).await.unwrap();
    let administrator = caller(&anew, Role::Administrator).await;
    let folder = tempfile::tempdir().unwrap();
    let waiting = begin(&anew, &administrator, &job(&folder, "shop")).await.unwrap();

    let moved = with(&console.config, &[("shop", &second.database("shop").await)]);
    assert_eq!(fault(Engine::open(moved.clone()).await).code, Code::Conflict);
    let adopting = Engine::open_to_adopt(moved.clone()).await.unwrap();
    let refused = begin(&adopting, &administrator, &job(&folder, "shop"))
        .await
        .unwrap_err()
        .fault();
    assert!(refused.message.contains("two databases"), "{refused:?}");
    let early = adopting
        .targets()
        .adopt(&administrator, "shop")
        .await
        .unwrap_err()
        .fault();
    assert!(
        early.message.contains("saw") && early.message.contains(&first.socket_dir().display().to_string()),
        "{early:?}"
    );
    anew.close().await;
    forget(&console.store).await;
    let words = adopting
        .targets()
        .adopt(&administrator, "shop")
        .await
        .unwrap()
        .unwrap();
    assert!(
        words.contains(&second.socket_dir().display().to_string()),
        "{words}"
    );
    assert_eq!(
        adopting.targets().adopt(&administrator, "shop").await.unwrap(),
        None,
        "a second time there is nothing to do"
    );
    adopting.close().await;

    let console = works(moved).await;
    let over = seen(&console, waiting).await;
    assert_eq!(
        over.state,
        JobState::Interrupted,
        "it was for the other one: {over:?}"
    );
    let audit = console
        .audit()
        .list(&administrator, AuditQuery::default())
        .await
        .unwrap();
    assert!(
        audit
            .entries
            .iter()
            .any(|entry| entry.event_type == "target.adopt")
    );
    let id = begin(&console, &administrator, &job(&folder, "shop"))
        .await
        .unwrap();
    until(&console, id, JobState::Succeeded).await;
    console.close().await;
}

#[tokio::test]
async fn what_a_renamed_database_had_follows_its_new_name() {
    let database = testkit::shared().await.database("renamed").await;
    let console = console(&[("before", &database)]).await;
    let administrator = caller(&console, Role::Administrator).await;
    let folder = tempfile::tempdir().unwrap();
    let id = begin(&console, &administrator, &job(&folder, "before"))
        .await
        .unwrap();
    console.close().await;
    forget(&console.store).await;
    let after = works(with(&console.config, &[("after", &database)])).await;
    let done = until(&after, id, JobState::Succeeded).await;
    assert_eq!(done.target.as_deref(), Some("after"));
    after.close().await;
}

#[tokio::test]
async fn a_standby_with_a_name_of_its_own_is_left_alone() {
    let primary = Cluster::start().await;
    let database = primary.database("pair").await;
    let standby = primary.standby().await;
    primary.wait_for_standby(&standby).await;
    let console = console(&[("pair", &database)]).await;
    let replica = EngineConfig {
        targets: vec![TargetConfig {
            name: "replica".to_owned(),
            options: standby.socket_options(database.name()),
            ..console.config.targets[0].clone()
        }],
        ..console.config.clone()
    };
    let beside = Engine::open(replica.clone()).await.unwrap();
    let administrator = caller(&console, Role::Administrator).await;
    let folder = tempfile::tempdir().unwrap();
    // It is the same database, so one of two exclusive jobs waits, and each is done where it was asked for.
    let on_replica = begin(&beside, &administrator, &job(&folder, "replica"))
        .await
        .unwrap();
    let refused = begin(&console, &administrator, &job(&folder, "pair"))
        .await
        .unwrap_err();
    assert_eq!(refused.fault().code, Code::Conflict);
    let on_primary = works(console.config.clone()).await;
    let other = works(replica).await;
    until(&other, on_replica, JobState::Succeeded).await;
    on_primary.close().await;
    other.close().await;
    beside.close().await;
}

#[tokio::test]
async fn a_consoles_own_database_is_never_managed_by_whatever_address() {
    let cluster = testkit::shared().await;
    let fresh = cluster.database("fresh").await;
    let main = cluster.database("main").await;
    let base = console(&[("main", &main)]).await;
    let spellings = [
        fresh.socket_options(),
        url::parse(&fresh.url()).unwrap().options,
        url::parse(&fresh.url().replace("127.0.0.1", "localhost"))
            .unwrap()
            .options,
    ];
    let at = |options: &sqlx::postgres::PgConnectOptions| {
        vec![TargetConfig {
            name: "itself".to_owned(),
            options: options.clone(),
            ..base.config.targets[0].clone()
        }]
    };
    let own = |options| EngineConfig {
        store: fresh.socket_options(),
        targets: at(options),
        ..base.config.clone()
    };
    for options in &spellings {
        let fault = fault(Engine::open(own(options)).await);
        assert!(fault.message.contains("the console's own database"), "{fault:?}");
        assert!(fault.hint.unwrap().contains("PGSTEWARD_STORE_URL"));
        assert_eq!(
            count(
                &fresh,
                "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
            )
            .await,
            0,
            "nothing was made in it"
        );
    }
    // Once it is a store, it is refused by its own console and by others.
    let console = Engine::open(EngineConfig {
        store: fresh.socket_options(),
        ..base.config.clone()
    })
    .await
    .unwrap();
    console.close().await;
    for options in &spellings {
        let fault = fault(Engine::open(own(options)).await);
        assert!(fault.message.contains("the console's own database"), "{fault:?}");
        let strange = EngineConfig {
            targets: at(options),
            ..base.config.clone()
        };
        let fault = self::fault(Engine::open(strange).await);
        assert!(
            fault.message.contains("own database of a pgsteward console"),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_store_that_comes_within_reach_later_is_refused_as_a_state() {
    let main = testkit::shared().await.database("main").await;
    let base = console(&[("main", &main)]).await;
    let cluster = testkit::shared().await;
    let proxy = Proxy::start(cluster.port()).await;
    proxy.cut().await;
    let itself = TargetConfig {
        name: "itself".to_owned(),
        options: url::parse(&cluster.url_of(
            cluster.superuser(),
            cluster.password(),
            proxy.port(),
            base.store.name(),
        ))
        .unwrap()
        .options,
        ..base.config.targets[0].clone()
    };
    let console = works(EngineConfig {
        targets: vec![itself],
        ..base.config.clone()
    })
    .await;
    let administrator = caller(&console, Role::Administrator).await;
    proxy.restore().await;
    for attempt in 0.. {
        let view = console.targets().list(&administrator).await.unwrap().remove(0);
        match view.state {
            TargetState::Up(_) => panic!("it is served"),
            TargetState::Down { fault, .. } if fault.message.contains("the console's own database") => break,
            TargetState::Down { fault, .. } => assert!(attempt < 2400, "{fault:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let refused = begin(&console, &administrator, &job(&folder, "itself"))
        .await
        .unwrap_err();
    assert!(refused.fault().message.contains("the console's own database"));
    let refused = console
        .migration()
        .status(&administrator, "itself")
        .await
        .unwrap_err();
    assert!(refused.fault().message.contains("the console's own database"));
    console.close().await;
}

#[tokio::test]
async fn a_job_whose_address_leads_elsewhere_now_touches_nothing() {
    let cluster = Cluster::start().await;
    let (asked, other) = (cluster.database("asked").await, cluster.database("other").await);
    let console = console(&[("main", &asked)]).await;
    let administrator = caller(&console, Role::Administrator).await;
    let spec = MigrateSpec {
        target: "main".to_owned(),
        ..MigrateSpec::default()
    };
    let id = console.migration().start(&administrator, spec).await.unwrap();
    let (from, to) = (asked.name(), other.name());
    cluster
        .execute(&format!("alter database \"{from}\" allow_connections false"))
        .await;
    cluster
        .execute(&format!(
            "select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname in ('{from}', '{to}')"
        ))
        .await;
    cluster
        .execute(&format!("alter database \"{from}\" rename to kept"))
        .await;
    cluster
        .execute(&format!("alter database \"{to}\" rename to \"{from}\""))
        .await;
    cluster
        .execute("alter database kept allow_connections true")
        .await;
    console.jobs().work_on(&administrator, id).await.unwrap();
    // Either it was taken and its session found out, or the console found out first and takes it no more.
    let refused = |state: &TargetState| matches!(state, TargetState::Down { fault, .. } if fault.message.contains("two databases"));
    for attempt in 0.. {
        let job = seen(&console, id).await;
        if job.state == JobState::Failed {
            let fault = job.fault.unwrap();
            assert!(
                fault.message.contains("another database") || fault.message.contains("two databases"),
                "{fault:?}"
            );
            break;
        }
        let view = console.targets().list(&administrator).await.unwrap().remove(0);
        if job.state == JobState::Queued && refused(&view.state) {
            break;
        }
        assert!(attempt < 2400, "{job:?} {view:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let tables = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    let now = sqlx::PgPool::connect_with(cluster.socket_options(from))
        .await
        .unwrap();
    assert_eq!(
        sqlx::query_scalar::<_, i64>(tables)
            .fetch_one(&now)
            .await
            .unwrap(),
        0
    );
    console.close().await;
}
