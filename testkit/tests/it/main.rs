//! What testkit promises the tests that use it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ai_pal_schema;
mod cluster;
mod pgbouncer;
mod proxy;
mod seed;
mod tls;
mod versions;
