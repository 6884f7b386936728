//! The one error type of the engine, and the only place that decides what of it may leave.

use contract::{Code, Fault, Refusal};

use crate::target::explain;

/// A result of the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not work. `Display` never prints the source: a log prints the chain, a reader gets the fault.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operation refused, in words made for the reader.
    #[error("refused: {0}")]
    Refused(Fault),
    /// The console's own store failed.
    #[error("the console's own database failed")]
    Store(#[source] sqlx::Error),
    /// The managed database could not be reached, or refused.
    #[error("managed database {target} failed")]
    Target {
        /// Its name.
        target: String,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
        /// The statement, where it is the console's or a migration's own text.
        statement: Option<String>,
    },
    /// A file or folder could not be used.
    #[error("{what}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A program of PostgreSQL ended badly.
    #[error("{program} failed: {message}")]
    Tool {
        /// Its name.
        program: String,
        /// The managed database it worked on.
        target: String,
        /// Its own last words, without secrets.
        message: String,
    },
    /// The job was asked to stop.
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
    /// A refusal with a code and a message.
    pub fn refused(code: Code, message: impl Into<String>) -> Self {
        Self::Refused(Fault::new(code, message))
    }

    /// Something that does not exist, with where to look.
    pub fn not_found(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused(Fault::new(Code::NotFound, message).hint(hint))
    }

    /// A wrong part of a request.
    pub fn invalid(field: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused(Fault::new(Code::Invalid, message).field(field).hint(hint))
    }

    /// A state of things that does not allow the act.
    pub fn conflict(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused(Fault::new(Code::Conflict, message).hint(hint))
    }

    /// A failure of the console itself, with what was going on.
    pub fn internal(
        context: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal {
            context,
            source: source.into(),
        }
    }

    /// A closure for `map_err` on file operations.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// What its reader is told. Internal causes stay in the log, under the trace id that the caller adds.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Refused(fault) => fault.clone(),
            Self::Store(source) if is_away(source) => store_away(),
            Self::Store(source) if holds_unknown_character(source) => Fault::new(
                Code::Invalid,
                "A text holds a character that the console's database cannot store.",
            )
            .hint(HIDDEN),
            Self::Store(_) => Fault::new(
                Code::Internal,
                "The console's own database did not answer as it should.",
            )
            .hint("Try again; if it stays, look into the console's log for the trace id."),
            Self::Target {
                target,
                source,
                statement,
            } => {
                let fault = explain::fault(target, source, statement.as_deref());
                match fault.hint {
                    None if holds_unknown_character(source) => fault.hint(HIDDEN),
                    _ => fault,
                }
            }
            Self::Io { what, source } => {
                let fault = Fault::new(Code::Internal, format!("{what}: {}.", io_words(source)));
                match io_hint(source) {
                    Some(hint) => fault.hint(hint),
                    None => fault,
                }
            }
            Self::Tool {
                program,
                target,
                message,
            } => {
                let mut fault = Fault::new(Code::TargetRefused, format!("{program} failed on {target}."));
                fault.target = Some(Refusal {
                    target: target.clone(),
                    message: message.clone(),
                    ..Refusal::default()
                });
                fault
            }
            Self::Cancelled => Fault::new(Code::Conflict, "The job was cancelled."),
            Self::Internal { .. } => Fault::new(Code::Internal, "The console made a mistake.")
                .hint("Look into the console's log for the trace id."),
        }
    }

    /// Whether the cause belongs into the console's error log, because a person must look.
    pub fn is_internal(&self) -> bool {
        match self {
            Self::Store(source) => !holds_unknown_character(source),
            Self::Io { .. } | Self::Internal { .. } => true,
            _ => false,
        }
    }

    /// The chain of causes in one line, for the log.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }
}

impl From<sqlite::Error> for Error {
    /// A file is the caller's own, so what is wrong with it is told as it is.
    fn from(error: sqlite::Error) -> Self {
        match error {
            sqlite::Error::Refused(fault) => Self::Refused(fault),
            sqlite::Error::Io { what, source } => Self::Io { what, source },
            sqlite::Error::Cancelled => Self::Cancelled,
            sqlite::Error::Internal { context, source } => Self::Internal { context, source },
        }
    }
}

impl From<sqlx::Error> for Error {
    /// Queries on the store propagate with `?`; those on a managed database name it with `Target::error`.
    fn from(source: sqlx::Error) -> Self {
        Self::Store(source)
    }
}

/// What to do about a text that no database holds.
const HIDDEN: &str = "Remove what cannot be seen in the text, such as a NUL character.";

/// Nothing can be looked up or written down while the store is away.
pub(crate) fn store_away() -> Fault {
    Fault::new(
        Code::Unavailable,
        "The console's own database does not answer, or all its connections are in use.",
    )
    .hint("Wait a few seconds and try again. If it stays, look whether the server of PGSTEWARD_STORE_URL runs; the console comes back with it by itself.")
}

/// Whether the server was not there, went away, or let nobody in.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Io(_)
        | sqlx::Error::Tls(_) => true,
        // Shutting down, starting up, too many clients, the connection's end (class 08).
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            matches!(code.as_ref(), "57P01" | "57P02" | "57P03" | "53300") || code.starts_with("08")
        }),
        _ => false,
    }
}

/// Whether a server refused a text because of a character: NUL in any encoding (`22021`, in JSON `22P05`), or one that
/// its encoding has not. Only a caller's own text can bring one, so that this is the one place to say so.
fn holds_unknown_character(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("22021" | "22P05"))
}

fn io_words(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "no such file or folder",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::StorageFull => "the disk is full",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        ErrorKind::AlreadyExists => "it exists already",
        _ => "the system refused",
    }
}

fn io_hint(error: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull => Some("Free some room, then try again; nothing half-done was kept."),
        ErrorKind::PermissionDenied => Some("Give the console's user the right to this path."),
        _ => None,
    }
}
