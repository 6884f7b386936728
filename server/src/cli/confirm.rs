//! Asking before an act, where a person is there to answer.

use std::io::{BufRead, IsTerminal, Write};

use super::{Session, failure::Failure};

/// Asks a question on a terminal; without one, or with `--yes`, the command itself is the answer.
///
/// # Errors
/// When the answer is not yes.
pub(super) fn ask(session: &Session<'_>, question: &str) -> Result<(), Failure> {
    if session.yes || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    let mut line = String::new();
    let mut terminal = std::io::stderr().lock();
    let asked = write!(terminal, "{question} [y/N] ").and_then(|()| terminal.flush());
    asked
        .and_then(|()| std::io::stdin().lock().read_line(&mut line))
        .map_err(|error| Failure::message(format!("the answer cannot be read: {error}")))?;
    if matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::with_hint("nothing was done", "answer y, or use --yes"))
}
