//! The console with PostgreSQL 14 to 18, and with what stands between it and a server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test waits for another process by sleeping"
)]

mod neighbours;
mod path;
#[expect(dead_code, reason = "other test files use the rest")]
#[path = "../support/program.rs"]
mod program;
mod versions;
