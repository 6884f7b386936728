//! Managed databases and the pools that reach them.

use serde::{Deserialize, Serialize};

use crate::{Fault, Instant, finding::Finding};

/// A managed database as pages show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetView {
    /// The name in links and commands.
    pub name: String,
    /// The database's own name on its server; typed to confirm destructive acts.
    pub database: String,
    /// Host and port, or the socket's folder; never user or password.
    pub address: String,
    /// Whether it can be reached.
    pub state: TargetState,
    /// Whether a set of migrations belongs to it.
    pub has_migrations: bool,
    /// Migrations not yet applied, once known.
    pub pending_migrations: Option<i64>,
    /// Its replicas that are asked for sizes in its place, as they were at the last look.
    pub replicas: Vec<ReplicaView>,
    /// Jobs running or waiting on it.
    pub jobs: i64,
    /// What needs attention, what matters most first. It is healthy only when there is nothing.
    pub findings: Vec<Finding>,
}

/// A standby of a managed database. It was not looked at yet when there is neither a lag nor a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaView {
    /// Host and port, or the socket's folder.
    pub address: String,
    /// Seconds that it is behind, when it is asked.
    pub lag_s: Option<f64>,
    /// Why it is not asked, and what to do.
    pub fault: Option<Fault>,
}

/// Whether a managed database can be reached at this moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// It answered the last look.
    Up(ServerView),
    /// It did not; the console keeps trying by itself.
    Down {
        /// Why, and what to do.
        fault: Fault,
        /// Since when.
        since: Instant,
        /// When the console tries next.
        retry_at: Instant,
    },
}

/// What a reachable server says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerView {
    /// As in `15.19`.
    pub version: String,
    /// As in `150019`.
    pub version_num: i32,
    /// False on a replica.
    pub primary: bool,
    /// When the server started.
    pub started_at: Instant,
    /// Size of the database in bytes; of a database with many files it may have been read up to a minute before.
    pub database_bytes: i64,
    /// Client connections to the whole server.
    pub connections: i64,
    /// `max_connections`.
    pub max_connections: i64,
    /// Whether this connection is encrypted.
    pub tls: bool,
    /// Share of block reads served from shared buffers since the statistics were reset, 0 to 1.
    pub cache_hit: Option<f64>,
    /// When this was read.
    pub sampled_at: Instant,
}

/// The console's own pool for one managed database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolView {
    /// Connections that are kept: `DB_POOL_SIZE`.
    pub keep: u32,
    /// The most there can be: size and overflow.
    pub max: u32,
    /// Open now.
    pub open: u32,
    /// Open and idle.
    pub idle: u32,
    /// Lent out now.
    pub in_use: u32,
    /// Callers waiting for one.
    pub waiting: u32,
    /// Mean and longest time to get one over the last minute, in milliseconds.
    pub acquire_mean_ms: f64,
    /// See `acquire_mean_ms`.
    pub acquire_max_ms: f64,
    /// Seconds after which a connection is replaced: `DB_POOL_RECYCLE`.
    pub recycle_s: u64,
    /// The profile that gave the numbers: `low`, `standard`, `high` or `custom`.
    pub profile: String,
}
