//! The constraints and indexes that a managed database should have, and its planner statistics.

use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// What an item of the plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A check or foreign key.
    Constraint,
    /// An index.
    Index,
    /// Planner statistics of one table.
    Statistics,
}

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// There and good.
    Present,
    /// Not there.
    Missing,
    /// There, but invalid (an index whose build was broken off) or not validated (a constraint).
    Invalid,
    /// There under this name, but with another definition; left alone and named.
    Different,
    /// The table is not there yet.
    NoTable,
    /// Statistics that are missing or older than the table's changes.
    Stale,
}

/// One thing that should be there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimizeItem {
    /// What it is.
    pub kind: ItemKind,
    /// Its table, with the schema.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: ItemState,
    /// The statements that would be run, in order; empty when there is nothing to do.
    pub sql: Vec<String>,
    /// Its size in bytes, when it is there and has one.
    pub bytes: Option<i64>,
    /// What a reader should know, such as another index that covers this one and what that costs.
    pub note: Option<String>,
}

impl OptimizeItem {
    /// Whether a run would change it.
    pub fn is_due(&self) -> bool {
        !self.sql.is_empty()
    }
}

/// What there is and what a run would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimizePlan {
    /// The managed database.
    pub target: String,
    /// What needs attention among the items, as the overview tells it.
    pub findings: Vec<Finding>,
    /// Every item: constraints, then indexes, then statistics.
    pub items: Vec<OptimizeItem>,
    /// Transactions that a concurrent index build would wait for, in words.
    pub blockers: Vec<String>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptimizeSpec {
    /// The managed database.
    pub target: String,
    /// Add and validate constraints.
    pub constraints: bool,
    /// Create missing indexes and rebuild invalid ones, concurrently.
    pub indexes: bool,
    /// Analyze: every table, or beside constraints or indexes those whose statistics are missing or old.
    pub analyze: bool,
}

impl OptimizeSpec {
    /// All three.
    pub fn all(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            constraints: true,
            indexes: true,
            analyze: true,
        }
    }
}
