//! What an inspection says of SQLite files: of one file for each trap, of real ones, and of those that it must refuse.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod behaviour;
mod compare;
mod course;
mod existing;
mod expected;
mod follow;
mod load;
mod refused;
mod run;
mod samples;
#[expect(dead_code, reason = "other test files use the rest")]
#[path = "../support/mod.rs"]
mod support;
mod traps;
mod uploads;
mod world;
