//! The wire between client and server can be cut, stalled and restored.

use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use testkit::{Proxy, shared};
use tokio::time::timeout;

async fn one(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("select 1").fetch_one(connection).await
}

async fn wired() -> (Proxy, String) {
    let cluster = shared().await;
    let proxy = Proxy::start(cluster.port()).await;
    let url = cluster.url_of(cluster.superuser(), cluster.password(), proxy.port(), "postgres");
    (proxy, url)
}

#[tokio::test]
async fn a_cut_line_breaks_refuses_and_comes_back() {
    let (proxy, url) = wired().await;
    let mut open = PgConnection::connect(&url).await.unwrap();
    assert_eq!(one(&mut open).await.unwrap(), 1);
    proxy.cut().await;
    one(&mut open).await.unwrap_err();
    let refused = PgConnection::connect(&url).await.unwrap_err();
    assert!(
        matches!(&refused, sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused),
        "{refused}"
    );
    proxy.restore().await;
    let mut again = PgConnection::connect(&url).await.unwrap();
    assert_eq!(one(&mut again).await.unwrap(), 1);
}

#[tokio::test]
async fn a_cut_too_short_to_notice_still_ends_open_connections() {
    let (proxy, url) = wired().await;
    let mut open = PgConnection::connect(&url).await.unwrap();
    proxy.cut().await;
    proxy.restore().await;
    one(&mut open).await.unwrap_err();
}

#[tokio::test]
async fn a_stalled_line_holds_the_answer_back_until_restored() {
    let (proxy, url) = wired().await;
    let mut open = PgConnection::connect(&url).await.unwrap();
    proxy.stall();
    {
        let asking = one(&mut open);
        tokio::pin!(asking);
        timeout(Duration::from_millis(300), &mut asking)
            .await
            .unwrap_err();
        proxy.restore().await;
        assert_eq!(timeout(Duration::from_secs(5), asking).await.unwrap().unwrap(), 1);
    }
    assert_eq!(one(&mut open).await.unwrap(), 1);
}
