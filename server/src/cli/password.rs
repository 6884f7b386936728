//! A password from a person or a pipe, never from an argument, which others on the machine can see.

use std::io::{BufRead, IsTerminal};

use secrecy::{ExposeSecret, SecretString};

use super::failure::Failure;

/// Asks twice without echo, or reads the first line of standard input.
pub(super) fn read(from_stdin: bool) -> Result<SecretString, Failure> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|error| unreadable(&error))?;
        return Ok(line.trim_end_matches(['\r', '\n']).into());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "there is no terminal to ask for the password on",
            "use --password-stdin",
        ));
    }
    let ask = |prompt| {
        rpassword::prompt_password(prompt)
            .map(SecretString::from)
            .map_err(|error| unreadable(&error))
    };
    let first = ask("Password: ")?;
    let second = ask("The same again: ")?;
    if first.expose_secret() == second.expose_secret() {
        Ok(first)
    } else {
        Err(Failure::with_hint(
            "the two passwords differ",
            "try again; nothing was changed",
        ))
    }
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::message(format!("the password cannot be read: {error}"))
}
