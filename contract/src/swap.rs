//! Putting another database in the live one's place, and the databases that lie beside it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Fault, Instant};

/// A swap to make: a database beside the live one takes its name, and the live one is kept under another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapSpec {
    /// The managed database.
    pub target: String,
    /// The database that comes in, by its own name on its server: a restored one, or one that was kept.
    pub database: String,
    /// The live database's own name, as the user typed it.
    pub confirm: String,
}

/// A database to drop, with the typed confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropSpec {
    /// The managed database that it lies beside.
    pub target: String,
    /// Its own name on its server.
    pub database: String,
    /// The same, as the user typed it.
    pub confirm: String,
}

/// Where a database beside the live one comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A restore made it.
    Restored,
    /// It was the live one until a swap.
    Kept,
}

/// A database that lies beside the live one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpareDatabase {
    /// Its own name on its server.
    pub database: String,
    /// Where it comes from.
    pub origin: Origin,
    /// When it was restored, or when it stopped being the live one.
    pub since: Instant,
    /// The restore that made it.
    pub restore: Option<Uuid>,
    /// The backup that it was made from.
    pub backup: Option<Uuid>,
    /// Its size in bytes, where the console may ask.
    pub bytes: Option<i64>,
    /// Why it cannot be swapped in, if so.
    pub unusable: Option<String>,
}

/// The databases beside a live one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpareList {
    /// The managed database.
    pub target: String,
    /// Its own name on its server, which a swap gives to another.
    pub live: String,
    /// What lies beside it, newest first.
    pub databases: Vec<SpareDatabase>,
    /// Why it is not known whether they are still there, if so.
    pub unknown: Option<Fault>,
}

/// A session that a swap ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInTheWay {
    /// Its process on the server.
    pub pid: i32,
    /// The database that it is in.
    pub database: String,
    /// Its user.
    pub user: Option<String>,
    /// What it calls itself.
    pub application: String,
    /// The address it came from; none for a socket on the server's machine.
    pub client: Option<String>,
    /// What it is, when it is no client's: a background worker, a sender of changes.
    pub kind: Option<String>,
    /// When it began.
    pub since: Option<Instant>,
    /// How long its statement has run, in milliseconds; none when it is idle.
    pub statement_ms: Option<i64>,
    /// How long its transaction has been open, in milliseconds.
    pub transaction_ms: Option<i64>,
    /// Whether the console may end it.
    pub may_end: bool,
}

/// What a swap would do now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwapPreview {
    /// The managed database.
    pub target: String,
    /// The name that changes hands.
    pub live: String,
    /// The database that comes in, by its name now.
    pub coming: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The name under which the live one would be kept; with the minute of the swap itself.
    pub kept_as: String,
    /// Why it cannot be done, worst first; it can when there is none.
    pub refusals: Vec<Fault>,
    /// What a reader must know, in sentences.
    pub warnings: Vec<String>,
    /// What the incoming database takes over from the live one: owner, settings, rights.
    pub carried: Vec<String>,
    /// The sessions that would be ended, the longest at work first; at most a hundred.
    pub sessions: Vec<SessionInTheWay>,
    /// Sessions that are not listed.
    pub more_sessions: i64,
    /// Sessions of consoles among all of them, which come back by themselves; they are not listed.
    pub own_sessions: i64,
}
