//! The console's own database: what keeps it from being used is said with what mends it.

use testkit::Cluster;

use crate::program::Home;

/// A cluster with a database `shop` and a user `app` who may do nothing beyond it.
async fn with_a_user_of_few_rights() -> (Cluster, String) {
    let cluster = Cluster::start().await;
    cluster.execute("create role app login password 'secret'").await;
    cluster.execute("create database shop owner app").await;
    let url = cluster.url_of("app", "secret", cluster.port(), "shop");
    (cluster, url)
}

/// The statement of a hint that begins so, up to its semicolon.
fn statement<'a>(text: &'a str, begins: &str) -> &'a str {
    let at = text
        .find(begins)
        .unwrap_or_else(|| panic!("no {begins:?} in {text}"));
    let end = text[at..].find(';').unwrap();
    &text[at..at + end]
}

#[tokio::test]
async fn a_standby_is_no_place_for_the_store_and_the_setting_is_named() {
    let cluster = Cluster::start().await;
    cluster.execute("create database shop").await;
    let standby = cluster.standby().await;
    cluster.wait_for_standby(&standby).await;
    let home = Home::new().with("DATABASE_URL", &standby.url("shop"));
    let refused = |place: &str| {
        let done = home.run(&["config", "check"]);
        assert_eq!(done.code, 1, "{place}: {}", done.out);
        for words in ["is a standby", "PGSTEWARD_STORE_URL", &standby.port().to_string()] {
            assert!(done.err.contains(words), "{place}: {}", done.err);
        }
    };
    refused("without the database");
    let on_primary = Home::new().with("DATABASE_URL", &cluster.url("shop"));
    assert_eq!(on_primary.run(&["config", "check"]).code, 0);
    cluster.wait_for_standby(&standby).await;
    refused("with the primary's store replicated");
}

#[tokio::test]
async fn a_user_who_may_not_create_the_store_is_given_the_statement() {
    let (cluster, url) = with_a_user_of_few_rights().await;
    let home = Home::new().with("DATABASE_URL", &url);
    let done = home.run(&["config", "check"]);
    assert!(
        done.code == 1 && done.err.contains("\"app\" may not create it") && !done.err.contains("pg_monitor"),
        "{}",
        done.err
    );
    cluster.execute(statement(&done.err, "create database")).await;
    let done = home.run(&["config", "check"]);
    assert_eq!(done.code, 0, "{} {}", done.out, done.err);
}

#[tokio::test]
async fn a_user_who_may_not_use_the_store_is_given_the_statement() {
    let (cluster, url) = with_a_user_of_few_rights().await;
    cluster.execute("create database pgsteward").await;
    let home = Home::new().with("DATABASE_URL", &url);
    let done = home.run(&["config", "check"]);
    assert!(
        done.code == 1
            && done.err.contains("\"app\" may not create tables")
            && !done.err.contains("pg_monitor"),
        "{}",
        done.err
    );
    cluster
        .execute("revoke connect on database pgsteward from public")
        .await;
    let done = home.run(&["config", "check"]);
    assert!(
        done.code == 1 && done.err.contains("\"app\" may not use"),
        "{}",
        done.err
    );
    cluster.execute(statement(&done.err, "alter database")).await;
    let done = home.run(&["config", "check"]);
    assert_eq!(done.code, 0, "{} {}", done.out, done.err);
}
