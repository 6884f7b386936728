//! One store, several databases: what a command was asked to do is done to its own database or to none.

use nix::sys::signal::Signal;
use testkit::Cluster;

use crate::program::Home;

/// How many tables a database has in its own schemas.
async fn tables(cluster: &Cluster, database: &str) -> i64 {
    use sqlx::ConnectOptions;
    let mut connection = cluster.socket_options(database).connect().await.unwrap();
    sqlx::query_scalar(
        "select count(*) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_command_for_shop_does_nothing_to_the_consoles_capital_shop() {
    let cluster = Cluster::start().await;
    cluster.execute("create database \"Shop\"").await;
    cluster.execute("create database shop").await;
    let console = Home::new()
        .with("DATABASE_URL", &cluster.url("Shop"))
        .with("PGSTEWARD_ADMIN_PASSWORD", "nine boats on a lake");
    let serving = console.serve();
    let command = Home::new().with("DATABASE_URL", &cluster.url("shop"));
    let file = command.path().join("notes.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch(
            "create table note (id integer primary key, text text); insert into note values (1, 'one')",
        )
        .unwrap();
    let file = file.display().to_string();
    for arguments in [
        vec!["-y", "migrate", "up"],
        vec!["-y", "import", "sqlite", &file],
        vec!["backup", "create"],
        vec!["config", "check"],
    ] {
        let done = command.run(&arguments);
        assert_ne!(done.code, 0, "{arguments:?}: {}", done.out);
        for words in [
            "\"Shop\" at 127.0.0.1",
            "\"shop\" at 127.0.0.1",
            "PGSTEWARD_STORE_URL",
        ] {
            assert!(done.err.contains(words), "{arguments:?}: {}", done.err);
        }
    }
    // Under a name of its own it is done, to the right one.
    std::fs::write(
        command.path().join("pgsteward.toml"),
        format!(
            "[[target]]\nname = \"little\"\nurl = \"{}\"\nmigrations = \"ai_pal\"\n",
            cluster.url("shop")
        ),
    )
    .unwrap();
    let command = command
        .without("DATABASE_URL")
        .with("PGSTEWARD_STORE_URL", &cluster.url("pgsteward"))
        .with("PGSTEWARD_CONFIG", "pgsteward.toml");
    let done = command.run(&["-y", "migrate", "up"]);
    assert_eq!(done.code, 0, "{} {}", done.out, done.err);
    assert!(tables(&cluster, "shop").await > 10);
    assert_eq!(tables(&cluster, "Shop").await, 0);
    serving.stop(Signal::SIGINT);
}

#[tokio::test]
async fn staging_is_not_production_though_it_has_its_name_and_store() {
    let (production, staging) = (Cluster::start().await, Cluster::start().await);
    for cluster in [&production, &staging] {
        cluster.execute("create database orders").await;
    }
    let one = Home::new()
        .with("DATABASE_URL", &production.url("orders"))
        .with("PGSTEWARD_MIGRATIONS", "ai_pal");
    assert_eq!(one.run(&["-y", "migrate", "up", "--to", "1"]).code, 0);
    let applied = tables(&production, "orders").await;
    let other = Home::new()
        .with("DATABASE_URL", &staging.url("orders"))
        .with("PGSTEWARD_STORE_URL", &production.url("pgsteward"))
        .with("PGSTEWARD_MIGRATIONS", "ai_pal");
    let done = other.run(&["-y", "migrate", "up"]);
    assert_eq!(done.code, 1, "{}", done.out);
    for port in [production.port(), staging.port()] {
        assert!(done.err.contains(&format!("127.0.0.1:{port}")), "{}", done.err);
    }
    assert_eq!(tables(&production, "orders").await, applied);
    assert_eq!(tables(&staging, "orders").await, 0);

    // It is said how to go on when the database has moved.
    let early = other.run(&["-y", "target", "adopt", "orders"]);
    assert!(
        early.code == 1 && early.err.contains("wait a minute"),
        "{}",
        early.err
    );
    use sqlx::ConnectOptions;
    let mut store = production.socket_options("pgsteward").connect().await.unwrap();
    sqlx::query("update database_names set seen_at = seen_at - interval '2 minutes'")
        .execute(&mut store)
        .await
        .unwrap();
    let done = other.run(&["-y", "target", "adopt", "orders"]);
    assert!(
        done.code == 0 && done.out.contains("stands for"),
        "{} {}",
        done.out,
        done.err
    );
    assert_eq!(other.run(&["-y", "migrate", "up", "--to", "1"]).code, 0);
    assert_eq!(tables(&staging, "orders").await, applied);
}

#[tokio::test]
async fn a_consoles_own_database_is_refused_as_a_managed_one() {
    let cluster = Cluster::start().await;
    cluster.execute("create database shop").await;
    let console = Home::new().with("DATABASE_URL", &cluster.url("shop"));
    assert_eq!(console.run(&["migrate", "status"]).code, 0);
    // With the defaults: the other console's database is the one beside.
    let other = Home::new().with("DATABASE_URL", &cluster.url("pgsteward"));
    let done = other.run(&["config", "check"]);
    assert!(
        done.code == 1 && done.err.contains("own database of a pgsteward console"),
        "{}",
        done.err
    );
    for (target, store) in [
        (cluster.url("pgsteward"), cluster.url("pgsteward")),
        (
            cluster.url("pgsteward"),
            cluster.url("pgsteward").replace("127.0.0.1", "localhost"),
        ),
        (cluster.url("shop"), cluster.url("shop")),
    ] {
        let home = Home::new()
            .with("DATABASE_URL", &target)
            .with("PGSTEWARD_STORE_URL", &store);
        let done = home.run(&["backup", "create"]);
        assert!(
            done.code == 1
                && done.err.contains("the console's own database")
                && done.err.contains("PGSTEWARD_STORE_URL"),
            "{}",
            done.err
        );
    }
    assert_eq!(tables(&cluster, "shop").await, 0, "nothing was made in it");
}
