use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cluster::blocking;
use crate::failure::{Doing, or_fail};
use crate::server::Server;
use crate::{Cluster, Failure};

impl Cluster {
    /// Makes a standby of the same version that follows this server by streaming and answers reads. It has this server's
    /// databases, roles and options, and a port of its own.
    pub async fn standby(&self) -> Self {
        let primary = Arc::clone(&self.server);
        Self::of(or_fail(blocking(move || Server::standby(&primary)).await))
    }

    /// Waits until a standby of this server shows all that was committed here before the call.
    pub async fn wait_for_standby(&self, standby: &Self) {
        let position: Result<String, _> = sqlx::query_scalar("select pg_current_wal_flush_lsn()::text")
            .fetch_one(&mut self.admin().await)
            .await;
        let position = or_fail(position.doing("asking for the server's position"));
        let mut behind = standby.admin().await;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let shown: Result<bool, _> =
                sqlx::query_scalar("select coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)")
                    .bind(&position)
                    .fetch_one(&mut behind)
                    .await;
            if or_fail(shown.doing("asking how far the standby is")) {
                return;
            }
            if Instant::now() > deadline {
                Failure::new(format!(
                    "the standby has not come to {position} in 60 s. Its log is:\n{}",
                    standby.log()
                ))
                .fail();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
