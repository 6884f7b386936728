//! Sizes and activity of tables and indexes.

use serde::{Deserialize, Serialize};

use crate::Instant;

/// A column to sort tables by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableSort {
    /// Schema and name.
    Name,
    /// Estimated rows.
    Rows,
    /// Dead rows.
    Dead,
    /// Heap bytes.
    Heap,
    /// TOAST bytes.
    Toast,
    /// Index bytes.
    Indexes,
    /// All bytes.
    #[default]
    Total,
    /// The last vacuum, by hand or automatic.
    Vacuum,
    /// The last analyze, by hand or automatic.
    Analyze,
}

impl TableSort {
    /// Every column.
    pub const ALL: [Self; 9] = [
        Self::Name,
        Self::Rows,
        Self::Dead,
        Self::Heap,
        Self::Toast,
        Self::Indexes,
        Self::Total,
        Self::Vacuum,
        Self::Analyze,
    ];

    /// The name in links.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Rows => "rows",
            Self::Dead => "dead",
            Self::Heap => "heap",
            Self::Toast => "toast",
            Self::Indexes => "indexes",
            Self::Total => "total",
            Self::Vacuum => "vacuum",
            Self::Analyze => "analyze",
        }
    }
}

impl std::str::FromStr for TableSort {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|sort| sort.name() == name)
            .ok_or_else(|| format!("\"{name}\" is no column"))
    }
}

/// Which tables to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableQuery {
    /// The managed database.
    pub target: String,
    /// Only names that contain this, without regard to case.
    pub search: Option<String>,
    /// The column to sort by.
    pub sort: TableSort,
    /// Largest or latest first.
    pub descending: bool,
    /// The page, from 1.
    pub page: i64,
}

/// Tables on one page.
pub const TABLES_PER_PAGE: i64 = 50;

/// One table. Bytes are exact unless `estimated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableStat {
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
    /// The planner's estimate; `None` when never analyzed.
    pub rows: Option<i64>,
    /// Dead rows by the statistics collector.
    pub dead_rows: i64,
    /// Bytes of the heap with its maps.
    pub heap_bytes: i64,
    /// Bytes of the TOAST table with its index.
    pub toast_bytes: i64,
    /// Bytes of all indexes.
    pub index_bytes: i64,
    /// All of them.
    pub total_bytes: i64,
    /// Whether the bytes are those of the last vacuum or analyze: the table is locked exclusively now, or reading the
    /// sizes of very many tables has just begun.
    pub estimated: bool,
    /// The last vacuum, by hand or automatic.
    pub last_vacuum: Option<Instant>,
    /// The last analyze, by hand or automatic.
    pub last_analyze: Option<Instant>,
    /// Sequential scans since the statistics were reset.
    pub sequential_scans: i64,
    /// Index scans since the statistics were reset.
    pub index_scans: i64,
    /// How many indexes it has.
    pub indexes: i64,
}

/// A page of tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TablePage {
    /// The managed database.
    pub target: String,
    /// The tables of this page.
    pub tables: Vec<TableStat>,
    /// How many tables match.
    pub matching: i64,
    /// How many tables there are.
    pub all: i64,
    /// Bytes over all tables that match.
    pub total_bytes: i64,
    /// Size of the largest match in bytes, for the bars.
    pub largest_bytes: i64,
    /// When the statistics were last reset.
    pub stats_reset: Option<Instant>,
    /// When this was read.
    pub sampled_at: Instant,
}

/// One index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexStat {
    /// The schema.
    pub schema: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Bytes; exact unless `estimated`.
    pub bytes: i64,
    /// Whether the bytes are those of the last vacuum or analyze, since the index is locked exclusively now.
    pub estimated: bool,
    /// Scans since the statistics were reset.
    pub scans: i64,
    /// Whether it enforces uniqueness.
    pub unique: bool,
    /// Whether it is the primary key.
    pub primary: bool,
    /// False after a build that was broken off.
    pub valid: bool,
    /// The statement that would create it; empty while its table is locked exclusively.
    pub definition: String,
}

/// One table whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableDetail {
    /// The table.
    pub table: TableStat,
    /// Its comment.
    pub comment: Option<String>,
    /// Its columns: name, type, whether null is allowed, default.
    pub columns: Vec<ColumnView>,
    /// Its indexes, largest first.
    pub indexes: Vec<IndexStat>,
    /// Its constraints as text.
    pub constraints: Vec<ConstraintView>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnView {
    /// The name.
    pub name: String,
    /// The type as SQL.
    pub sql_type: String,
    /// Whether null is refused.
    pub not_null: bool,
    /// The default or identity as SQL; left out while the table is locked exclusively.
    pub default: Option<String>,
}

/// One constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConstraintView {
    /// The name.
    pub name: String,
    /// The definition as SQL; empty while the table is locked exclusively.
    pub definition: String,
    /// Whether existing rows were checked.
    pub validated: bool,
}
