//! The console where something stands between it and the server, or where the server follows another.

use testkit::{Cluster, ClusterOptions, Database, PgBouncer, PgBouncerOptions, PoolMode, tls::Authority};

use crate::program::{Done, Home};

/// A console that manages the database at this address, with a store on the shared cluster.
async fn console(url: &str) -> Home {
    let store = testkit::shared().await.database("store").await;
    Home::new()
        .with("DATABASE_URL", url)
        .with("PGSTEWARD_STORE_URL", &store.url())
}

async fn database_with_a_table(cluster: &Cluster) -> Database {
    let database = cluster.database("beside").await;
    let pool = database.pool().await;
    sqlx::raw_sql("create table orders (id integer); insert into orders values (1)")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    database
}

/// It reaches the database and sees the table.
fn sees_the_table(home: &Home) {
    let parts = home.json(&["config", "check"]);
    assert!(
        parts.as_array().unwrap().iter().all(|part| part["ok"] == true),
        "{parts}"
    );
    let stats = home.json(&["stats"]);
    let tables = stats["tables"].as_array().unwrap();
    assert!(tables.iter().any(|table| table["name"] == "orders"), "{stats}");
}

#[tokio::test]
async fn a_server_with_tls_and_an_own_authority_is_verified_by_name() {
    let authority = Authority::new();
    let options = ClusterOptions::new().tls_only(&authority.issue(&["localhost"]));
    let cluster = Cluster::start_with(options).await;
    let database = database_with_a_table(&cluster).await;

    let folder = tempfile::tempdir().unwrap();
    let root = authority.write_into(folder.path());
    open_to_all(folder.path());
    sees_the_table(&console(&cluster.verified_url("localhost", &root, database.name())).await);

    let by_number = cluster.verified_url("127.0.0.1", &root, database.name());
    is_refused(console(&by_number).await.run(&["config", "check"]));
    let stranger = tempfile::tempdir().unwrap();
    let other = Authority::new().write_into(stranger.path());
    open_to_all(stranger.path());
    let distrusted = cluster.verified_url("localhost", &other, database.name());
    is_refused(console(&distrusted).await.run(&["config", "check"]));
}

fn is_refused(done: Done) {
    assert!(
        done.code == 1 && done.out.contains("certificate"),
        "{} {} {}",
        done.code,
        done.out,
        done.err
    );
}

/// As root the console becomes another user.
fn open_to_all(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn the_tables_of_a_standby_are_seen_with_a_store_elsewhere() {
    let primary = Cluster::start().await;
    let database = database_with_a_table(&primary).await;
    let standby = primary.standby().await;
    primary.wait_for_standby(&standby).await;
    sees_the_table(&console(&standby.url(database.name())).await);
}

#[tokio::test]
async fn the_tables_behind_a_pgbouncer_that_pools_sessions_are_seen() {
    let cluster = testkit::shared().await;
    let database = database_with_a_table(cluster).await;
    let options =
        PgBouncerOptions::new(PoolMode::Session).setting("ignore_startup_parameters", "extra_float_digits");
    let bouncer = PgBouncer::start_with(cluster, options).await;
    sees_the_table(&console(&bouncer.url(database.name())).await);
    assert!(bouncer.log().contains("login attempt"), "{}", bouncer.log());
}
