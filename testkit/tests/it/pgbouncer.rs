//! A PgBouncer pools as it is told, and says why it does not start.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Row};
use testkit::{PgBouncer, PgBouncerOptions, PoolMode, shared};

/// Connects without the startup parameter that PgBouncer does not know.
async fn connect(bouncer: &PgBouncer, database: &str) -> PgConnection {
    let options: PgConnectOptions = bouncer.url(database).parse().unwrap();
    options.extra_float_digits(None).connect().await.unwrap()
}

/// The server's process that answers.
async fn process(client: &mut PgConnection) -> i32 {
    let answer = sqlx::raw_sql("select pg_backend_pid()").fetch_one(client).await;
    answer.unwrap().get(0)
}

#[tokio::test]
async fn a_session_keeps_its_connection_and_what_was_set_on_it() {
    let cluster = shared().await;
    let database = cluster.database("sessions").await;
    let bouncer = PgBouncer::before(cluster, PoolMode::Session).await;
    let (mut one, mut other) = (
        connect(&bouncer, database.name()).await,
        connect(&bouncer, database.name()).await,
    );
    sqlx::raw_sql("set statement_timeout = '7s'")
        .execute(&mut one)
        .await
        .unwrap();
    assert_ne!(process(&mut one).await, process(&mut other).await);
    for (client, expected) in [(&mut one, "7s"), (&mut other, "0")] {
        let set = sqlx::raw_sql("show statement_timeout").fetch_one(client).await;
        assert_eq!(set.unwrap().get::<String, _>(0), expected);
    }
}

#[tokio::test]
async fn transactions_of_two_clients_share_one_connection() {
    let cluster = shared().await;
    let database = cluster.database("transactions").await;
    let options = PgBouncerOptions::new(PoolMode::Transaction).setting("default_pool_size", "1");
    let bouncer = PgBouncer::start_with(cluster, options).await;
    let (mut one, mut other) = (
        connect(&bouncer, database.name()).await,
        connect(&bouncer, database.name()).await,
    );
    assert_eq!(process(&mut one).await, process(&mut other).await);
}

#[tokio::test]
async fn a_fresh_one_refuses_a_startup_parameter_and_a_wrong_password() {
    let cluster = shared().await;
    let bouncer = PgBouncer::before(cluster, PoolMode::Session).await;
    let refused = PgConnection::connect(&bouncer.url("postgres")).await.unwrap_err();
    assert!(refused.to_string().contains("extra_float_digits"), "{refused}");
    let guess = cluster.url_of("postgres", "guess", bouncer.port(), "postgres");
    let options: PgConnectOptions = guess.parse().unwrap();
    let refused = options.extra_float_digits(None).connect().await.unwrap_err();
    assert!(refused.to_string().contains("authentication failed"), "{refused}");
}

#[tokio::test]
async fn one_that_cannot_start_says_why() {
    let options = PgBouncerOptions::new(PoolMode::Session).setting("max_client_conn", "many");
    let failure = PgBouncer::try_start(shared().await, options).await.unwrap_err();
    assert!(failure.to_string().contains("max_client_conn"), "{failure}");
}

#[tokio::test]
async fn a_dropped_one_is_gone_at_once() {
    let bouncer = PgBouncer::before(shared().await, PoolMode::Session).await;
    let folder = bouncer.folder();
    let mut client = connect(&bouncer, "postgres").await;
    assert!(folder.is_dir());
    drop(bouncer);
    assert!(!folder.exists());
    client.ping().await.unwrap_err();
}
