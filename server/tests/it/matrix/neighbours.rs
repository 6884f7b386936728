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

/// A server with TLS and an own authority is verified by name, and refused when its name or its authority is another.
pub async fn behind_tls(options: ClusterOptions) {
    let authority = Authority::new();
    let cluster = Cluster::start_with(options.tls_only(&authority.issue(&["localhost"]))).await;
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

/// The tables of a standby are seen, with a store elsewhere.
pub async fn on_a_standby(options: ClusterOptions) {
    let primary = Cluster::start_with(options).await;
    let database = database_with_a_table(&primary).await;
    let standby = primary.standby().await;
    primary.wait_for_standby(&standby).await;
    sees_the_table(&console(&standby.url(database.name())).await);
}

/// The tables behind a PgBouncer that pools sessions are seen.
pub async fn behind_pgbouncer(cluster: &Cluster) {
    let database = database_with_a_table(cluster).await;
    let options =
        PgBouncerOptions::new(PoolMode::Session).setting("ignore_startup_parameters", "extra_float_digits");
    let bouncer = PgBouncer::start_with(cluster, options).await;
    sees_the_table(&console(&bouncer.url(database.name())).await);
    assert!(bouncer.log().contains("login attempt"), "{}", bouncer.log());
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
