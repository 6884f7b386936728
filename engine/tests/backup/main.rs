//! Backups against real clusters: what is listed is whole, whatever happens, and what is damaged is found.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

mod crash;
mod delete;
mod failure;
mod hostile;
mod prove;
mod round_trip;
mod world;
