//! How a command fails.

use std::process::ExitCode;

use contract::Fault;

use super::{out::tell, plain};
use crate::config::ConfigError;

/// Why a command failed, and with which exit code the process ends.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// A failure in one line.
    pub fn message(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            code: 1,
        }
    }

    /// A failure with what to do.
    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: Some(hint.into()),
            code: 1,
        }
    }

    /// Wrong arguments, with what would be right.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            code: 2,
            ..Self::with_hint(message, hint)
        }
    }

    /// Ended by Ctrl-C.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self {
            code: 130,
            ..Self::message(message)
        }
    }

    /// Prints the failure on standard error; gives the exit code.
    pub fn report(&self) -> ExitCode {
        // A line of a database's message must not look like one of ours.
        let shown = |text: &str| plain::lines(text).replace('\n', "\n  ");
        tell(&format!("error: {}", shown(self.message.trim_end_matches('.'))));
        if let Some(hint) = &self.hint {
            tell(&format!("hint: {}", shown(hint)));
        }
        ExitCode::from(self.code)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let said = fault.target.as_ref().map(|refusal| refusal.message.as_str());
        let message = match said {
            Some(said) if !fault.message.contains(said) => {
                format!("{} ({said})", fault.message.trim_end_matches('.'))
            }
            _ => fault.message,
        };
        Self {
            message,
            hint: fault.hint,
            code: 1,
        }
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        if error.is_internal() {
            tracing::error!(error = error.chain(), "the command failed");
        }
        let mut fault = error.fault();
        if matches!(error, engine::Error::Internal { .. } | engine::Error::Store(_)) {
            // The reader of the command line is the one who can look.
            fault.message = error.chain();
        }
        fault.into()
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self {
            message: error.to_string(),
            hint: Some(format!("for example: {}", error.example)),
            code: 2,
        }
    }
}
