use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::Cluster;
use crate::failure::{Doing, or_fail};

/// One database of a test's own. It goes with its cluster.
#[derive(Debug, Clone)]
pub struct Database {
    name: String,
    url: String,
    socket: PgConnectOptions,
}

impl Database {
    pub(crate) fn new(name: &str, cluster: &Cluster) -> Self {
        Self {
            name: name.to_owned(),
            url: cluster.url(name),
            socket: cluster.socket_options(name),
        }
    }

    /// The database's name as the server knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `postgres://user:password@127.0.0.1:port/name`, as the superuser.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// How to connect over the Unix socket, as the superuser.
    #[must_use]
    pub fn socket_options(&self) -> PgConnectOptions {
        self.socket.clone()
    }

    /// A pool of up to 10 connections over the Unix socket, as the superuser, with one of them open.
    pub async fn pool(&self) -> PgPool {
        let pool = PgPoolOptions::new()
            .max_connections(10)
            .connect_with(self.socket.clone())
            .await;
        or_fail(pool.doing("connecting to the test database"))
    }
}
