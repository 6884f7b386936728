//! The build steps that cargo cannot do: the frontend's WebAssembly, the stylesheet, content-hashed and compressed
//! assets, and the checked queries in `.sqlx/`.
//!
//! The invariant: every step is a function of files in this repository and the lockfile. No step needs Node, a downloaded
//! tool or a network beyond cargo's own, none is done twice for the same input, and a failure is one message that says
//! what to change.

pub mod assets;
pub mod budget;
pub mod compress;
pub mod css;
pub mod fonts;
pub mod link;
pub mod merge;
pub mod prepare;
pub mod sections;
pub mod shared;
pub mod site;
pub mod split;
pub mod tests;
pub mod unused;
pub mod wasm;

use std::path::{Path, PathBuf};
use std::time::Instant;

/// The outcome of a build step; the error is a message for the person at the terminal.
pub type Result<T> = std::result::Result<T, String>;

/// The repository's top folder.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Runs one step and prints its name and the time it took, in seconds, to standard error.
///
/// # Errors
/// Those of the step.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let outcome = work();
    let end = if outcome.is_ok() { "" } else { "  failed" };
    eprintln!("  {name:<46}{:>6.1} s{end}", start.elapsed().as_secs_f64());
    outcome
}

/// Reads a text file.
///
/// # Errors
/// A message with the file's path.
pub fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Writes a file whole or not at all: beside its place first, then renamed, so that no reader sees half of it.
///
/// # Errors
/// A message with the file's path.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let part = path.with_file_name(name);
    std::fs::write(&part, bytes)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|e| format!("{}: {e}", path.display()))
}
