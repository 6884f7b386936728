//! Asking before an act, where a person is there to answer.

use std::io::{BufRead, IsTerminal, Write};

use super::{Session, failure::Failure, job, plain};

/// Asks a question on a terminal; without one, or with `--yes`, the command itself is the answer.
///
/// # Errors
/// When the answer is not yes.
pub(super) fn ask(session: &Session<'_>, question: &str) -> Result<(), Failure> {
    match session.yes || !std::io::stdin().is_terminal() {
        true => Ok(()),
        false => answer(question),
    }
}

/// The same after a job was waited for, when Ctrl-C does not end the process by itself any more.
///
/// # Errors
/// When the answer is not yes; an interruption.
pub(super) async fn ask_after_job(session: &Session<'_>, question: String) -> Result<(), Failure> {
    if session.yes || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    let (tell, told) = tokio::sync::oneshot::channel();
    // A thread that the runtime does not wait for: nobody may ever answer.
    std::thread::spawn(move || tell.send(answer(&question)));
    let answered = job::unless_interrupted(told).await?;
    answered.unwrap_or_else(|_| Err(Failure::message("the answer cannot be read")))
}

fn answer(question: &str) -> Result<(), Failure> {
    let mut line = String::new();
    let mut terminal = std::io::stderr().lock();
    let asked = write!(terminal, "{} [y/N] ", plain::lines(question)).and_then(|()| terminal.flush());
    drop(terminal);
    asked
        .and_then(|()| std::io::stdin().lock().read_line(&mut line))
        .map_err(|error| Failure::message(format!("the answer cannot be read: {error}")))?;
    if matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::with_hint("nothing was done", "answer y, or use --yes"))
}
