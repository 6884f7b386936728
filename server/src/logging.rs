//! The log: one line an event on standard error, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::ConfigError;

/// Begins to log. `usual` holds when the settings name no filter.
///
/// # Errors
/// When the filter cannot be read.
pub fn begin(filter: Option<&str>, usual: &str, json: bool) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(filter.unwrap_or(usual)).map_err(|error| ConfigError {
        name: "RUST_LOG".to_owned(),
        problem: format!("it cannot be read: {error}"),
        example: "RUST_LOG=info,engine=debug".to_owned(),
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second call, in tests, changes nothing.
    if json {
        log.json().try_init().ok();
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).try_init().ok();
    }
    Ok(())
}
