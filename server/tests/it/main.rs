//! What the program, its routes and its pages promise: one program, so that all tests share one cluster.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test waits for another process by sleeping, and starts itself again"
)]

mod beside;
mod bounds;
mod cli;
mod events;
mod explain;
mod history;
mod hook;
mod http;
mod identity;
mod import_command;
mod killed;
mod log;
mod matrix;
mod names;
mod program;
mod rights;
mod routes;
mod rules;
mod serve;
mod settings;
mod store;
mod support;
mod swap;
#[cfg(feature = "test-jobs")]
mod two_consoles;
mod upload_memory;
mod uploads;
