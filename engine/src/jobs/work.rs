//! What a job does to its database. Which classes exclude each other stands in the store alone (`work_conflicts`), which keeps
//! jobs that conflict apart.

use serde::{Deserialize, Serialize};

/// A class of work on a managed database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Touches nothing of the live database: reads files, works in another database, rolls back what it does.
    Aside,
    /// Reads all of it under one snapshot.
    Read,
    /// Analyzes or vacuums.
    Maintain,
    /// Changes its structure or rows.
    Change,
    /// Puts another database in its place.
    Swap,
}

impl Work {
    /// The name in the store.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Aside => "aside",
            Self::Read => "read",
            Self::Maintain => "maintain",
            Self::Change => "change",
            Self::Swap => "swap",
        }
    }
}
