//! Throw-away PostgreSQL clusters and seed data for tests. Knows no crate of ours.
//!
//! Invariant: everything a test starts here is gone when the test process is gone, also after `kill -9`, and no test
//! is skipped because a program is missing: that is a failure which says what to install.
//!
//! ```no_run
//! # async fn a_test() {
//! let database = testkit::shared().await.database("orders").await; // fresh and empty
//! let pool = database.pool().await;
//! # }
//! ```
//!
//! One cluster serves all tests of a process ([`shared`]); a test that stops servers or needs other settings starts
//! its own ([`Cluster::start`], [`ClusterOptions`]). [`shared_of`] and [`ClusterOptions::version`] run PostgreSQL 14 to 18,
//! [`Cluster::standby`] follows a server, [`PgBouncer`] pools its connections, a certificate of [`tls`] makes it speak TLS.
//! [`Proxy`] stands between a client and a server and can cut the line; a [`Disk`] can be full.
//! By hand: `cargo run -p testkit --bin scratch-cluster` keeps a cluster up until Ctrl-C.
//!
//! Functions here panic on failure, with the remedy in the message: a test fails by panicking.

mod address;
/// The bundled AI-PAL schema, ready to be filled.
pub mod ai_pal;
mod cluster;
mod database;
mod disk;
mod failure;
mod options;
mod owner;
mod pgbouncer;
/// Finding PostgreSQL's programs.
pub mod programs;
mod proxy;
/// Data sets that are larger than a test wants to write out.
pub mod seed;
mod server;
/// SQLite files with one trap each.
pub mod sqlite;
mod standby;
mod system;
/// Certificates for servers that speak TLS.
pub mod tls;
mod version;
mod watchdog;

pub use cluster::{Cluster, shared, shared_of};
pub use database::Database;
pub use disk::Disk;
pub use failure::Failure;
pub use options::ClusterOptions;
pub use pgbouncer::{PgBouncer, PgBouncerOptions, PoolMode};
pub use proxy::Proxy;
pub use version::Version;
