//! Each version runs, with the client tools that belong to it, speaks TLS, and has a standby.

use std::path::Path;
use std::process::{Command, Output};

use testkit::tls::Authority;
use testkit::{Cluster, ClusterOptions, Version, shared_of};

async fn is_whole(version: Version) {
    let authority = Authority::new();
    let options = ClusterOptions::new()
        .version(version)
        .tls_only(&authority.issue(&["localhost"]));
    let cluster = Cluster::start_with(options).await;
    assert_eq!(cluster.bin_dir(), version.bin_dir());
    for program in ["pg_dump", "pg_restore", "pg_dumpall", "pg_basebackup", "psql"] {
        let text = said(Command::new(cluster.bin_dir().join(program)).arg("--version"));
        assert!(text.contains(&format!(" {version}.")), "{program}: {text}");
    }

    let database = cluster.database("orders").await;
    let pool = database.pool().await;
    sqlx::raw_sql("create table orders (id integer); insert into orders values (7)")
        .execute(&pool)
        .await
        .unwrap();
    let number: String = sqlx::query_scalar("show server_version_num")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(number.len(), 6);
    assert!(number.starts_with(&version.to_string()), "{number}");
    sqlx::raw_sql("create extension pg_stat_statements; select count(*) from pg_stat_statements")
        .execute(&pool)
        .await
        .unwrap();

    let folder = tempfile::tempdir().unwrap();
    let root = authority.write_into(folder.path());
    let encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let ssl = psql(
        &cluster,
        &cluster.verified_url("localhost", &root, database.name()),
        encrypted,
    );
    assert_eq!(ssl, "t");

    let standby = cluster.standby().await;
    sqlx::raw_sql("insert into orders values (8)")
        .execute(&pool)
        .await
        .unwrap();
    cluster.wait_for_standby(&standby).await;
    let url = standby.verified_url("localhost", &root, database.name());
    let seen = psql(&standby, &url, "select pg_is_in_recovery(), sum(id) from orders");
    assert_eq!(seen, "t|15");
}

/// What a query answers, by the server's own psql.
fn psql(cluster: &Cluster, url: &str, query: &str) -> String {
    let program = cluster.bin_dir().join("psql");
    said(Command::new(program).args(["--no-psqlrc", "--no-align", "--tuples-only", "-c", query, url]))
}

fn said(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.current_dir(Path::new("/")).output().unwrap();
    let err = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {err}");
    String::from_utf8(stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn postgresql_14_is_whole() {
    is_whole(Version::V14).await;
}

#[tokio::test]
async fn postgresql_15_is_whole() {
    is_whole(Version::V15).await;
}

#[tokio::test]
async fn postgresql_16_is_whole() {
    is_whole(Version::V16).await;
}

#[tokio::test]
async fn postgresql_17_is_whole() {
    is_whole(Version::V17).await;
}

#[tokio::test]
async fn postgresql_18_is_whole() {
    is_whole(Version::V18).await;
}

#[tokio::test]
async fn one_cluster_of_a_version_serves_all_who_ask() {
    let (one, other) = tokio::join!(shared_of(Version::V17), shared_of(Version::V17));
    assert_eq!(one.port(), other.port());
    assert_ne!(one.port(), shared_of(Version::V18).await.port());
}
