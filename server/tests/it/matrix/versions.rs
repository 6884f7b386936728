//! One path through the console on each version, with the client tools that belong to it; then each neighbour once.

use testkit::{ClusterOptions, Version};

use super::neighbours::{behind_pgbouncer, behind_tls, on_a_standby};
use super::path::walk;

#[tokio::test]
async fn postgresql_14_with_the_tools_of_15() {
    walk(Version::V14, Version::V15).await;
}

#[tokio::test]
async fn postgresql_15_with_its_own_tools() {
    walk(Version::V15, Version::V15).await;
}

#[tokio::test]
async fn postgresql_16_with_its_own_tools() {
    walk(Version::V16, Version::V16).await;
}

#[tokio::test]
async fn postgresql_17_with_its_own_tools() {
    walk(Version::V17, Version::V17).await;
}

#[tokio::test]
async fn postgresql_18_with_its_own_tools() {
    walk(Version::V18, Version::V18).await;
}

#[tokio::test]
async fn a_server_with_tls_and_an_own_authority_is_verified_by_name() {
    behind_tls(ClusterOptions::new()).await;
}

#[tokio::test]
async fn the_tables_of_a_standby_are_seen_with_a_store_elsewhere() {
    on_a_standby(ClusterOptions::new()).await;
}

#[tokio::test]
async fn the_tables_behind_a_pgbouncer_that_pools_sessions_are_seen() {
    behind_pgbouncer(testkit::shared().await).await;
}
