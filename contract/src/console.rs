//! The console itself: what it is, what it was told, and where it keeps things.

use serde::{Deserialize, Serialize};

use crate::{Fault, Instant};

/// One setting, by the name of its environment variable. A secret's value never comes along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingView {
    /// The variable.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Its value; none when it is not set, or is a secret.
    pub value: Option<String>,
    /// Whether it is set, as a variable, in `.env`, or by a file.
    pub is_set: bool,
    /// What holds when it is not set.
    pub default: String,
}

/// A folder that the console works with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderView {
    /// What it is for.
    pub purpose: String,
    /// Where it is.
    pub path: String,
    /// Bytes that may still be written there; none when that cannot be told.
    pub free_bytes: Option<i64>,
    /// Why it cannot be used, if so.
    pub problem: Option<String>,
}

/// The console's own database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreView {
    /// Host and port, or the socket's folder; never user or password.
    pub address: String,
    /// The database's name.
    pub database: String,
    /// The server's version, when it answers.
    pub version: Option<String>,
    /// How long it took to answer, in milliseconds.
    pub answered_ms: Option<f64>,
    /// Why it does not.
    pub fault: Option<Fault>,
    /// Connections that this process has open to it, and the most it may have.
    pub connections: (u32, u32),
}

/// The console as its page shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsoleView {
    /// The program's version.
    pub version: String,
    /// How it was built.
    pub build: String,
    /// When this process began.
    pub started_at: Instant,
    /// Whether this process takes jobs.
    pub works: bool,
    /// The console's own database.
    pub store: StoreView,
    /// PostgreSQL's client programs: their version and folder.
    pub tools: Result<String, Fault>,
    /// Its folders.
    pub folders: Vec<FolderView>,
    /// Every setting.
    pub settings: Vec<SettingView>,
    /// What the person who set it up should know.
    pub warnings: Vec<String>,
}
