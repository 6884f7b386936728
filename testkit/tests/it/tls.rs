//! A cluster with TLS presents a certificate that its authority vouches for.

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use testkit::tls::{Authority, Identity};
use testkit::{Cluster, ClusterOptions};

#[tokio::test]
async fn the_certificate_is_trusted_by_its_authority_only_and_plain_tcp_is_refused() {
    let authority = Authority::new();
    let options = ClusterOptions::new().tls_only(&authority.issue(&["127.0.0.1", "localhost"]));
    let cluster = Cluster::start_with(options).await;
    let url: PgConnectOptions = cluster.url("postgres").parse().unwrap();
    let trusting = |trusted: &Authority| {
        url.clone()
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert_from_pem(trusted.certificate().into())
    };

    let mut connection = trusting(&authority).connect().await.unwrap();
    let encrypted: bool = sqlx::query_scalar("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(encrypted);
    trusting(&Authority::new()).connect().await.unwrap_err();
    let plain = url.ssl_mode(PgSslMode::Disable).connect().await.unwrap_err();
    assert_eq!(
        plain
            .as_database_error()
            .and_then(|error| error.code())
            .as_deref(),
        Some("28000"),
        "{plain}"
    );
}

#[tokio::test]
async fn a_certificate_for_another_host_fails_full_verification() {
    let authority = Authority::new();
    let cluster =
        Cluster::start_with(ClusterOptions::new().tls(&authority.issue(&["elsewhere.example"]))).await;
    let url: PgConnectOptions = cluster.url("postgres").parse().unwrap();
    let trusting = url.ssl_root_cert_from_pem(authority.certificate().into());
    trusting
        .clone()
        .ssl_mode(PgSslMode::VerifyCa)
        .connect()
        .await
        .unwrap();
    trusting
        .ssl_mode(PgSslMode::VerifyFull)
        .connect()
        .await
        .unwrap_err();
}

#[tokio::test]
async fn a_client_is_known_by_its_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let options = ClusterOptions::new()
        .tls_only(&servers.issue(&["localhost"]))
        .client_certificates(&clients);
    let cluster = Cluster::start_with(options).await;
    let folder = tempfile::tempdir().unwrap();
    let root = servers.write_into(folder.path());
    let url = cluster.verified_url("localhost", &root, "postgres");
    let with = |identity: Option<&Identity>| {
        let options: PgConnectOptions = url.parse().unwrap();
        let Some(identity) = identity else { return options };
        let (certificate, key) = identity.write_into(folder.path());
        options.ssl_client_cert(certificate).ssl_client_key(key)
    };
    with(Some(&clients.issue(&[cluster.superuser()])))
        .connect()
        .await
        .unwrap();
    for wrong in [
        None,
        Some(clients.issue(&["somebody"])),
        Some(servers.issue(&[cluster.superuser()])),
    ] {
        with(wrong.as_ref()).connect().await.unwrap_err();
    }
}
