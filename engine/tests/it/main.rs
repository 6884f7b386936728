//! What the engine promises, shown on real servers: one program, so that all tests share one cluster.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod activity;
mod activity_commands;
#[cfg(feature = "test-jobs")]
mod alarm;
mod audit;
mod audit_chain;
mod backup;
mod demo;
mod deployment;
mod explain;
mod finding;
#[cfg(feature = "test-jobs")]
mod history;
#[cfg(feature = "test-jobs")]
mod identity;
mod import;
#[cfg(feature = "test-jobs")]
mod jobs;
mod look;
mod migration;
mod optimize;
#[cfg(feature = "test-jobs")]
mod query;
#[cfg(feature = "test-jobs")]
mod replica;
#[cfg(feature = "test-jobs")]
mod schedule;
mod session;
mod stats;
mod support;
mod target;
mod urls;
mod work;
