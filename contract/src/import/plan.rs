//! What an import would do, before anything runs.

use serde::{Deserialize, Serialize};

use super::{ColumnType, Conversion, Destination, Finding};
use crate::Instant;

/// A plan whose every statement ran on empty tables and was rolled back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The decisions and the state of the file that it was for.
    pub revision: String,
    /// When.
    pub at: Instant,
    /// What the import would do.
    pub plan: ImportPlan,
}

/// What an import would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportPlan {
    /// The managed database.
    pub target: String,
    /// The schema.
    pub schema: String,
    /// Whether tables are made.
    pub into: Destination,
    /// Tables that get rows, in the order of the file. A table that PostgreSQL cannot hold whole comes in several.
    pub tables: Vec<PlannedTable>,
    /// Every statement in the order in which it runs; indexes and keys of different tables run side by side.
    pub statements: Vec<PlannedStatement>,
    /// What changes, what is renamed, and what is not carried over.
    pub items: Vec<Finding>,
    /// What has to be decided or mended first; while there is any, the import does not start.
    pub obstacles: Vec<Obstacle>,
    /// Room on the server's disk.
    pub room: Room,
    /// All rows.
    pub rows: i64,
}

/// One table of the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTable {
    /// Its name in the file.
    pub source: String,
    /// Its name in the schema.
    pub name: String,
    /// Rows of the file.
    pub rows: i64,
    /// Its columns.
    pub columns: Vec<PlannedColumn>,
    /// Whether later runs can bring over what changed since, and how; or why not cheaply.
    pub follow: String,
    /// Whether that costs little where little changed.
    #[serde(default)]
    pub follow_cheaply: bool,
}

/// One column of a planned table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedColumn {
    /// Its name in the file.
    pub source: String,
    /// Its name in the table.
    pub name: String,
    /// The type that its values are given.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// The type of the column, when it is there already.
    pub declared: Option<String>,
    /// What is done to the values.
    pub conversion: Option<Conversion>,
    /// Whether PostgreSQL computes it.
    pub generated: bool,
}

/// A statement of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStatement {
    /// When it runs.
    pub stage: Stage,
    /// The table, view or trigger it is about, as it is called in the schema.
    pub about: String,
    /// Its text.
    pub sql: String,
}

/// When a statement runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before any row.
    Create,
    /// The rows themselves.
    Load,
    /// Once a table has its rows: indexes.
    Index,
    /// Once a table has its indexes: keys, checks, identities.
    Constrain,
    /// Once all tables have their keys: foreign keys.
    Relate,
    /// At the end: statistics, views and triggers.
    Finish,
}

impl Stage {
    /// The stage in words.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Create => "Make tables",
            Self::Load => "Load rows",
            Self::Index => "Build indexes",
            Self::Constrain => "Add keys and checks",
            Self::Relate => "Add foreign keys",
            Self::Finish => "Views, triggers, statistics",
        }
    }
}

/// What stands in the way of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// The table of the file it is about.
    pub table: Option<String>,
    /// The column.
    pub column: Option<String>,
    /// What it is.
    pub words: String,
    /// What to do.
    pub hint: String,
}

/// Room on the server's disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Bytes that rows and indexes will need, as a guess.
    pub needed: i64,
    /// Bytes that are free; none when the server is on another machine and does not say.
    pub free: Option<i64>,
}
