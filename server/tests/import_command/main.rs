//! `pgsteward import sqlite`, run as a program against real servers: to its end, and broken off in every way.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test waits for another process by sleeping"
)]

mod broken;
mod decisions;
mod disk;
mod existing;
mod follow;
mod killed;
#[expect(dead_code, reason = "other test files use the rest")]
#[path = "../support/program.rs"]
mod program;
mod sample;
mod state;
mod world;
