//! What the reader of a page is told when something did not work.

use serde::{Deserialize, Serialize};

/// The kind of a failure. Callers branch on this, never on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No valid session.
    Unauthenticated,
    /// A session without the permission that the act asks for.
    Forbidden,
    /// The named thing does not exist.
    NotFound,
    /// The request's own content is wrong; `Fault::field` may name the part.
    Invalid,
    /// The state of things does not allow the act now.
    Conflict,
    /// Too many attempts or too much work at once; try again later.
    Busy,
    /// The console's own database cannot be used now.
    Unavailable,
    /// The managed database cannot be reached.
    TargetUnreachable,
    /// The managed database answered with an error.
    TargetRefused,
    /// The managed database did not answer in time.
    TargetTimeout,
    /// A fault of the console itself; the details are in its log under the trace id.
    Internal,
}

impl Code {
    /// The HTTP status that carries this code.
    pub const fn status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Invalid | Self::TargetRefused => 422,
            Self::Conflict => 409,
            Self::Busy => 429,
            Self::Unavailable => 503,
            Self::TargetUnreachable => 502,
            Self::TargetTimeout => 504,
            Self::Internal => 500,
        }
    }
}

/// A failure as its reader sees it: what happened, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The kind.
    pub code: Code,
    /// One sentence: what did not work.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The form field that is wrong, by its name.
    pub field: Option<String>,
    /// What the managed database itself said.
    pub target: Option<Refusal>,
    /// The id under which the console's log holds the cause.
    pub trace: Option<String>,
}

impl Fault {
    /// A fault with a code and a message alone.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            field: None,
            target: None,
            trace: None,
        }
    }

    /// The same fault with what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same fault, shown at one field of the form.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// An error report of a managed database, passed on because the reader is its administrator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The name of the managed database.
    pub target: String,
    /// The five characters of SQLSTATE, when the server sent an error report.
    pub sqlstate: Option<String>,
    /// The server's message.
    pub message: String,
    /// The server's detail. Left out where it would carry a row's values.
    pub detail: Option<String>,
    /// The server's hint.
    pub hint: Option<String>,
    /// Where in the statement, counted in characters from 1.
    pub position: Option<u32>,
    /// The statement, where it is the console's or a migration's own text.
    pub statement: Option<String>,
}
