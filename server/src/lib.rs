//! The binary `pgsteward`: its settings, its HTTP side and its command line. Each is a thin caller of `engine`.
//!
//! Invariants: environment variables are read in `config.rs` alone; one module writes to standard output; a request that
//! no line of `public_routes.txt` names needs a session; started as root, the process becomes another user before its
//! first thread. The main function is here so that tests can take the parts one by one.
//!
//! To add a setting: `config/setting.rs`, its reading in `config.rs`, then `.env.example` and docs/configuration.md (a
//! test compares all three). To add a command: `cli/<area>.rs` and its arm in `cli/mod.rs`. A new server function or page
//! needs a line in `routes.rs`, where a test misses it.

pub mod cli;
pub mod config;
mod console;
pub mod http;
mod logging;
mod privileges;
pub mod routes;

pub use cli::main;
