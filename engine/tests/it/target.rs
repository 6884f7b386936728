//! Managed databases that cannot be reached: each cause has its own words and remedy, the console stays up, and it
//! connects again by itself.

use std::time::Duration;

use contract::{
    Code, Fault,
    target::{TargetState, TargetView},
};
use engine::{
    Engine, EngineConfig,
    config::{MigrationSource, PoolConfig, TargetConfig},
    target::url,
};
use testkit::{Cluster, ClusterOptions, Proxy, tls::Authority};

fn target(url_text: &str) -> TargetConfig {
    let parsed = url::parse(url_text).unwrap();
    TargetConfig {
        name: "main".into(),
        options: parsed.options,
        password: parsed.password,
        link: parsed.link,
        direct: None,
        replicas: Vec::new(),
        disk_bytes: None,
        migrations: MigrationSource::None,
        pool: PoolConfig {
            size: 2,
            overflow: 3,
            recycle: Duration::from_secs(3600),
            profile: "custom".into(),
        },
    }
}

/// A console whose one managed database has this address.
async fn console(url_text: &str) -> Engine {
    let base = crate::support::engine(&testkit::shared().await.database("unused").await, false).await;
    let config = EngineConfig {
        targets: vec![target(url_text)],
        // In a store of its own: in the other one this name stands for another database.
        store: testkit::shared().await.database("store").await.socket_options(),
        ..base.config.clone()
    };
    Engine::open(config).await.unwrap()
}

async fn view(engine: &Engine) -> TargetView {
    let caller = engine.session().command_line("test");
    engine.targets().list(&caller).await.unwrap().remove(0)
}

/// Waits until the state is as wished, at most 25 seconds.
async fn until(engine: &Engine, wished: impl Fn(&TargetState) -> bool) -> TargetState {
    for _ in 0..500 {
        let state = view(engine).await.state;
        if wished(&state) {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the state stayed {:?}", view(engine).await.state);
}

fn is_up(state: &TargetState) -> bool {
    matches!(state, TargetState::Up(_))
}

/// The fault once the console has really asked (not the one that says that it has not).
async fn down(url_text: &str) -> Fault {
    let engine = console(url_text).await;
    let asked = |state: &TargetState| match state {
        TargetState::Down { fault, .. } => !fault.message.contains("not been asked"),
        TargetState::Up(_) => panic!("it can be reached"),
    };
    let TargetState::Down { fault, .. } = until(&engine, asked).await else {
        unreachable!()
    };
    assert!(fault.hint.is_some(), "every cause has a remedy: {fault:?}");
    let text = serde_json::to_string(&fault).unwrap();
    assert!(!text.contains("top-secret"), "no password in {text}");
    fault
}

#[tokio::test]
async fn each_cause_has_its_own_words() {
    let cluster = testkit::shared().await;
    let database = cluster.database("reach").await;
    let closed = Proxy::start(cluster.port()).await;
    closed.cut().await;
    let at = |user: &str, password: &str, port: u16, name: &str| cluster.url_of(user, password, port, name);
    let port = cluster.port();
    let user = cluster.superuser();
    let good = cluster.password();
    for (url_text, words, remedy) in [
        (
            at(user, good, closed.port(), database.name()),
            "Connection refused",
            "Start the server",
        ),
        (
            at(user, "top-secret", port, database.name()),
            "refused the password",
            "user and password",
        ),
        (
            at(user, good, port, "no_such_database"),
            "no such database",
            "create the database",
        ),
        (
            format!("{}?sslmode=require", database.url()),
            "does not offer encryption",
            "sslmode",
        ),
    ] {
        let fault = down(&url_text).await;
        assert_eq!(fault.code, Code::TargetUnreachable, "{fault:?}");
        assert!(fault.message.contains(words), "{fault:?}");
        assert!(
            fault.hint.as_deref().unwrap_or_default().contains(remedy),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn sslmode_is_kept_and_its_failures_are_told_apart() {
    let authority = Authority::new();
    let cluster =
        Cluster::start_with(ClusterOptions::new().tls_only(&authority.issue(&["localhost", "127.0.0.1"])))
            .await;
    let database = cluster.database("tls").await;
    let folder = tempfile::tempdir().unwrap();
    let root = authority.write_into(folder.path());
    let stranger = tempfile::tempdir().unwrap();
    let other_root = Authority::new().write_into(stranger.path());

    let plain = down(&format!("{}?sslmode=disable", database.url())).await;
    assert!(
        plain.message.contains("pg_hba.conf has no line") && plain.message.contains("without encryption"),
        "{plain:?}"
    );
    assert!(plain.hint.unwrap().contains("sslmode=require"));

    let distrusted = down(&format!(
        "{}?sslmode=verify-full&sslrootcert={}",
        database.url(),
        other_root.display()
    ))
    .await;
    assert!(
        distrusted.message.contains("not signed by an authority"),
        "{distrusted:?}"
    );

    for (identity, mode, words) in [
        (authority.itself(), "verify-ca", "CA:TRUE"),
        (
            authority.issue_by_common_name("localhost"),
            "verify-full",
            "no subjectAltName",
        ),
        (
            authority.issue(&["elsewhere.example"]),
            "verify-full",
            "another host name",
        ),
    ] {
        let odd = Cluster::start_with(ClusterOptions::new().tls(&identity)).await;
        let url = odd.url("postgres").replace("127.0.0.1", "localhost");
        let fault = down(&format!("{url}?sslmode={mode}&sslrootcert={}", root.display())).await;
        assert!(fault.message.contains(words), "{fault:?}");
    }

    for mode in [
        "sslmode=require".to_owned(),
        format!("sslmode=verify-full&sslrootcert={}", root.display()),
    ] {
        let engine = console(&format!("{}?{mode}", database.url())).await;
        let TargetState::Up(server) = until(&engine, is_up).await else {
            unreachable!()
        };
        assert!(server.tls, "{mode}");
    }
}

#[tokio::test]
async fn too_many_clients_is_named_and_passes() {
    let cluster = Cluster::start_with(ClusterOptions::new().max_connections(6)).await;
    let database = cluster.database("full").await;
    cluster.execute("create role small login password 'small'").await;
    let url_text = cluster.url_of("small", "small", cluster.port(), database.name());
    let mut crowd = Vec::new();
    while let Ok(connection) = sqlx::postgres::PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(2))
        .connect(&url_text)
        .await
    {
        crowd.push(connection);
    }
    assert!(!crowd.is_empty());
    let engine = console(&url_text).await;
    let full =
        |state: &TargetState| matches!(state, TargetState::Down { fault, .. } if fault.code == Code::Busy);
    let TargetState::Down { fault, .. } = until(&engine, full).await else {
        unreachable!()
    };
    assert!(fault.message.contains("too many clients"), "{fault:?}");
    assert!(fault.hint.unwrap().contains("PgBouncer"));
    for pool in crowd {
        pool.close().await;
    }
    until(&engine, is_up).await;
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back_is_found_again() {
    let cluster = testkit::shared().await;
    let database = cluster.database("flaky").await;
    let wire = Proxy::start(cluster.port()).await;
    wire.cut().await;
    let engine = console(&cluster.url_of(
        cluster.superuser(),
        cluster.password(),
        wire.port(),
        database.name(),
    ))
    .await;
    until(
        &engine,
        |state| matches!(state, TargetState::Down { fault, .. } if fault.message.contains("refused")),
    )
    .await;
    wire.restore().await;
    until(&engine, is_up).await;
    wire.cut().await;
    let TargetState::Down { since, retry_at, .. } = until(&engine, |state| !is_up(state)).await else {
        unreachable!()
    };
    assert!(retry_at >= since);
    let caller = engine.session().command_line("test");
    assert!(
        engine
            .jobs()
            .list(&caller, Default::default())
            .await
            .unwrap()
            .jobs
            .is_empty(),
        "the console stays up"
    );
    let stats = engine
        .stats()
        .tables(&caller, tables())
        .await
        .unwrap_err()
        .fault();
    assert_eq!(stats.code, Code::TargetUnreachable, "{stats:?}");
    wire.restore().await;
    until(&engine, is_up).await;
    engine.stats().tables(&caller, tables()).await.unwrap();
}

fn tables() -> contract::stats::TableQuery {
    contract::stats::TableQuery {
        target: "main".into(),
        search: None,
        sort: contract::stats::TableSort::Name,
        descending: false,
        page: 1,
        all: false,
        look: None,
    }
}

#[tokio::test]
async fn the_pool_keeps_its_size_and_closes_the_overflow() {
    let database = testkit::shared().await.database("pool").await;
    let engine = console(&database.url()).await;
    until(&engine, is_up).await;
    let caller = engine.session().command_line("test");
    let mut asked = Vec::new();
    for _ in 0..30 {
        let engine = engine.clone();
        let caller = caller.clone();
        asked.push(tokio::spawn(async move {
            engine.stats().indexes(&caller, "main").await.map(|_| ())
        }));
    }
    let mut most = 0;
    while asked.iter().any(|task| !task.is_finished()) {
        let pool = engine.targets().pool(&caller, "main").await.unwrap();
        assert!(pool.open <= 5, "at most size and overflow: {pool:?}");
        most = most.max(pool.open);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for task in asked {
        task.await.unwrap().unwrap();
    }
    assert!(most > 2, "the overflow was used");
    let pool = engine.targets().pool(&caller, "main").await.unwrap();
    assert_eq!((pool.keep, pool.max, pool.profile.as_str()), (2, 5, "custom"));
    assert!(pool.acquire_max_ms >= pool.acquire_mean_ms && pool.acquire_mean_ms > 0.0);
    for _ in 0..100 {
        if engine.targets().pool(&caller, "main").await.unwrap().open <= 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "the overflow was not closed: {:?}",
        engine.targets().pool(&caller, "main").await.unwrap()
    );
}
