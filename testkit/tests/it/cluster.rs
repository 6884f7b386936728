//! A throw-away cluster starts, keeps databases apart, goes down and comes back, and leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use testkit::{Cluster, ClusterOptions, Failure, shared};

async fn number(connection: &mut PgConnection, sql: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(sql).fetch_one(connection).await
}

#[tokio::test]
async fn two_databases_of_one_cluster_do_not_see_each_other() {
    let (one, two) = (
        shared().await.database("apart").await,
        shared().await.database("apart").await,
    );
    assert_ne!(one.name(), two.name());
    let (one, two) = (one.pool().await, two.pool().await);
    sqlx::raw_sql("create table only_here (id integer)")
        .execute(&one)
        .await
        .unwrap();
    let seen: bool = sqlx::query_scalar("select to_regclass('only_here') is not null")
        .fetch_one(&two)
        .await
        .unwrap();
    assert!(!seen);
}

#[tokio::test]
async fn a_name_with_quotes_and_spaces_is_reached_through_its_url() {
    let database = shared().await.database(r#"it's "odd" %/?"#).await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let name: String = sqlx::query_scalar("select current_database()::text")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(name, database.name());
}

#[tokio::test]
async fn a_copy_has_what_its_template_had_though_clients_were_connected() {
    let cluster = shared().await;
    let template = cluster.database("template").await;
    let open = template.pool().await;
    sqlx::raw_sql("create table kept (id integer); insert into kept values (7)")
        .execute(&open)
        .await
        .unwrap();
    let copy = cluster
        .database_from_template("copy", &template)
        .await
        .pool()
        .await;
    let kept: i32 = sqlx::query_scalar("select id from kept")
        .fetch_one(&copy)
        .await
        .unwrap();
    assert_eq!(kept, 7);
}

#[tokio::test]
async fn tcp_asks_for_the_password() {
    let cluster = shared().await;
    let right = cluster.url_of("postgres", cluster.password(), cluster.port(), "postgres");
    PgConnection::connect(&right).await.unwrap();
    let wrong = cluster.url_of("postgres", "guess", cluster.port(), "postgres");
    let refused = PgConnection::connect(&wrong).await.unwrap_err();
    assert_eq!(
        refused
            .as_database_error()
            .and_then(|error| error.code())
            .as_deref(),
        Some("28P01"),
        "{refused}"
    );
}

#[tokio::test]
async fn statement_statistics_are_there_when_the_library_is() {
    let database = shared().await.database("statements").await.pool().await;
    let loaded: bool =
        sqlx::query_scalar("select current_setting('shared_preload_libraries') = 'pg_stat_statements'")
            .fetch_one(&database)
            .await
            .unwrap();
    let available: bool = sqlx::query_scalar(
        "select exists (select from pg_available_extensions where name = 'pg_stat_statements')",
    )
    .fetch_one(&database)
    .await
    .unwrap();
    assert_eq!(loaded, available);
}

#[tokio::test]
async fn a_stopped_or_killed_server_comes_back_on_its_port_with_its_data() {
    let cluster = Cluster::start().await;
    let database = cluster.database("survivor").await;
    let pool = database.pool().await;
    sqlx::raw_sql("create table kept (id integer)")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    for kill in [false, true] {
        let mut before = PgConnection::connect(&database.url()).await.unwrap();
        sqlx::raw_sql("insert into kept values (1)")
            .execute(&mut before)
            .await
            .unwrap();
        if kill {
            cluster.kill9().await;
        } else {
            cluster.stop().await;
        }
        number(&mut before, "select 1::bigint").await.unwrap_err();
        let refused = PgConnection::connect(&database.url()).await.unwrap_err();
        assert!(
            matches!(&refused, sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused),
            "{refused}"
        );
        cluster.start_again().await;
    }
    let mut after = PgConnection::connect(&database.url()).await.unwrap();
    assert_eq!(number(&mut after, "select count(*) from kept").await.unwrap(), 2);
}

#[tokio::test]
async fn options_reach_the_server() {
    let options = ClusterOptions::new()
        .max_connections(17)
        .setting("work_mem", "7MB")
        .without_preloaded_libraries();
    let cluster = Cluster::start_with(options).await;
    let mut admin = cluster.admin().await;
    for (name, value) in [
        ("max_connections", "17"),
        ("work_mem", "7MB"),
        ("shared_preload_libraries", ""),
    ] {
        let set: String = sqlx::query_scalar("select current_setting($1)")
            .bind(name)
            .fetch_one(&mut admin)
            .await
            .unwrap();
        assert_eq!(set, value, "{name}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let failure: Failure = Cluster::try_start(ClusterOptions::new().setting("shared_buffers", "many"))
        .await
        .unwrap_err();
    assert!(failure.to_string().contains("shared_buffers"), "{failure}");
    let missing = Cluster::try_start(ClusterOptions::new().bin_dir("/nonexistent"))
        .await
        .unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/initdb"), "{missing}");
}

#[tokio::test]
async fn a_dropped_cluster_is_gone_at_once() {
    let cluster = Cluster::start().await;
    let (folder, options) = (cluster.folder(), cluster.socket_options("postgres"));
    drop(cluster);
    assert!(!folder.exists());
    assert!(options.connect().await.is_err());
}

#[tokio::test]
async fn all_servers_are_gone_after_their_holder_was_killed() {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_scratch-cluster"))
        .args(["standby", "pgbouncer"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let mut held = Vec::new();
    for _ in ["server", "standby", "pgbouncer"] {
        let url: PgConnectOptions = lines.next().unwrap().unwrap().parse().unwrap();
        let folder = std::path::PathBuf::from(lines.next().unwrap().unwrap());
        // PgBouncer knows no such startup parameter.
        let options = url.extra_float_digits(None);
        let client = options.connect().await.unwrap();
        assert!(folder.is_dir());
        held.push((options, folder, client));
    }

    holder.kill().unwrap();
    holder.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    for (options, folder, mut client) in held {
        while folder.exists() {
            assert!(Instant::now() < deadline, "{} is still there", folder.display());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        number(&mut client, "select 1::bigint").await.unwrap_err();
        options.connect().await.unwrap_err();
    }
}
