//! What pgsteward does: every act of a user is one public operation here.
//!
//! Invariants: SQL reaches a server only from this crate; an operation's first parameter is `&Caller` and its first line
//! asks for a permission; nothing here reads an environment variable or knows a page; a `Fault` is made only in `error.rs`
//! and where an operation refuses; what outlives a request is a job. What SQLite means in PostgreSQL is below it, in the
//! crate `sqlite`.
//!
//! To add an area:
//! 1. `contract/src/<area>.rs`: the specs and views.
//! 2. `engine/src/<area>/mod.rs`: the operations, each `#[crate::boxed]`, in a struct over `&Engine` that `Engine::<area>()`
//!    hands out; `store.rs` for own tables (compile-checked queries), `catalog.rs` for the managed database (a `FromRow` struct
//!    beside each query), `run.rs` for its job. Add new permissions to `contract::session::Permission`.
//! 3. `migrations/store/NNNN_<area>.sql` when it keeps something; a job kind goes into `jobs/kinds.rs`.
//! 4. `app/src/<area>/`: `api.rs` with server functions that only forward, and the pages.
//! 5. Tests: `engine/tests/it/<area>.rs` on a real cluster; the guard tests find the new routes by themselves.

pub mod activity;
pub mod alarm;
mod archive;
pub mod audit;
pub mod backup;
pub mod caller;
pub mod config;
pub mod console;
pub mod demo;
pub mod deployment;
pub mod embedded;
pub mod error;
pub mod events;
pub mod explain;
mod finding;
pub mod history;
pub mod import;
pub mod jobs;
mod lexer;
pub mod migration;
mod open;
pub mod optimize;
pub mod programs;
pub mod query;
pub mod schedule;
pub mod session;
pub mod stats;
mod store;
pub mod target;

pub use caller::Caller;
pub use config::EngineConfig;
pub use error::{Error, Result};
pub use open::Engine;
// An operation's future goes behind a pointer. Else each crate that calls it would compile anew all that it leads to, which is
// most of this one: the code of an `async fn` is made where it is polled.
use async_recursion::async_recursion as boxed;
// What both need lies in the lower of the two crates.
use sqlite::disk;
pub use sqlite::quote;
