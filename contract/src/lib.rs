//! The words both sides speak: plain serde types, no IO, compiled for the server and for WebAssembly.
//!
//! Invariants: nothing here knows a database, a browser or a framework; integers have a fixed size (a `usize` differs
//! between the two sides); no type here can hold a secret that the browser must not see.
//!
//! To add an area: one file with its specs (what a caller asks for) and views (whole values that a page shows),
//! then follow the recipe in `engine/src/lib.rs`.

pub mod activity;
pub mod alarm;
pub mod audit;
pub mod backup;
pub mod command;
pub mod console;
pub mod deployment;
pub mod explain;
pub mod fault;
pub mod finding;
pub mod format;
pub mod history;
pub mod import;
pub mod jobs;
pub mod migration;
pub mod optimize;
pub mod query;
pub mod restore;
pub mod retention;
pub mod schedule;
pub mod session;
pub mod stats;
pub mod swap;
pub mod target;

pub use fault::{Code, Fault, Refusal};

/// An instant in UTC, as every view carries it.
pub type Instant = chrono::DateTime<chrono::Utc>;
