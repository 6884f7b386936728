//! One path through the console on each version, with the client tools that belong to it.

use testkit::Version;

use crate::path::walk;

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
