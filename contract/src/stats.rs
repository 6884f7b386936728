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

/// What kind of relation something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// A table with rows of its own; a partition too.
    Table,
    /// A table whose rows are in its partitions.
    Partitioned,
    /// A query whose result is kept.
    Materialized,
    /// A table whose rows are elsewhere.
    Foreign,
    /// A query.
    View,
}

impl RelationKind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Partitioned => "partitioned table",
            Self::Materialized => "materialized view",
            Self::Foreign => "foreign table",
            Self::View => "view",
        }
    }

    /// Whether it has files in this database, itself or through its partitions.
    pub const fn has_files(self) -> bool {
        matches!(self, Self::Table | Self::Partitioned | Self::Materialized)
    }
}

/// A relation's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelationName {
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
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
    /// Whether partitions, views and the console's own tables are listed too. A search finds them anyway.
    #[serde(default)]
    pub all: bool,
    /// The look that an earlier page came from, so that this one continues it.
    #[serde(default)]
    pub look: Option<i64>,
}

/// Tables on one page.
pub const TABLES_PER_PAGE: i64 = 50;

/// One table, or what is like one. Bytes are exact unless `estimated`. What a partitioned table shows is the sum over all
/// its partitions, but for its indexes and its last analyze, which are its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableStat {
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// The partitioned table that it is a partition of.
    pub partition_of: Option<RelationName>,
    /// How many partitions it has directly below it.
    pub partitions: i64,
    /// Whether it is a table of the console or of sqlx, in which migrations and imports are written down.
    pub own: bool,
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
    /// How many tables there are to match.
    pub all: i64,
    /// Partitions, views and own tables that are not listed.
    pub hidden: i64,
    /// Bytes over all tables that match; what is in a partition counts once.
    pub total_bytes: i64,
    /// Size of the largest match in bytes, for the bars.
    pub largest_bytes: i64,
    /// When the statistics were last reset.
    pub stats_reset: Option<Instant>,
    /// When this was read.
    pub sampled_at: Instant,
    /// The look that this page came from.
    pub look: i64,
    /// Whether the sizes are being read at this moment: ask again soon.
    pub settling: bool,
    /// The replica that the sizes are from, by its address; none: from the database itself, as all else.
    pub sizes_from: Option<String>,
    /// Why some sizes are not exact, in a sentence.
    pub note: Option<String>,
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
    /// Its partitions, largest first; at most [`MOST_PARTITIONS`].
    pub partitions: Vec<TableStat>,
    /// The query of a view; left out while what it reads is locked exclusively.
    pub query: Option<String>,
    /// The foreign server that has its rows.
    pub server: Option<String>,
}

/// The most partitions that a table's page lists.
pub const MOST_PARTITIONS: usize = 200;

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
