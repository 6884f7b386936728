//! Why a file could not be read. Whoever calls decides what of it may leave.

use contract::{Code, Fault};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something about a SQLite file did not work. `Display` never prints the source.
#[derive(Debug, thiserror::Error)]
#[expect(
    clippy::large_enum_variant,
    reason = "a refusal carries its whole fault; it is made rarely and handed up a few frames"
)]
pub enum Error {
    /// The file is not as it must be, in words made for the reader.
    #[error("refused: {0}")]
    Refused(Fault),
    /// A file or folder could not be used.
    #[error("{what}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The reading was asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// What must not happen.
    #[error("{context}")]
    Internal {
        /// What was going on.
        context: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// A wrong part of a request.
    pub(crate) fn invalid(field: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused(Fault::new(Code::Invalid, message).field(field).hint(hint))
    }

    /// A state of things that does not allow the reading.
    pub(crate) fn conflict(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused(Fault::new(Code::Conflict, message).hint(hint))
    }

    /// A failure of the program itself, with what was going on.
    pub(crate) fn internal(
        context: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal {
            context,
            source: source.into(),
        }
    }

    /// A closure for `map_err` on file operations.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
