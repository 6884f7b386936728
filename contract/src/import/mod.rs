//! What was found in a SQLite file, and what it would become in PostgreSQL.
//!
//! Rows are named by their rowid; a `WITHOUT ROWID` table has none, its rows are named by their position from 1 in the
//! order of its primary key ([`TableFacts::rows_by`]). Lists of rows hold the first few, counts hold all.

mod column;
mod form;
mod mapping;
mod plan;
mod record;
mod report;

use serde::{Deserialize, Serialize};

pub use self::{
    column::{Affinity, ColumnFacts, ColumnType, Conversion, OtherType, Proposal, Stored},
    form::{Form, FormFacts, Places},
    mapping::{
        ColumnChoice, Destination, Mapping, NamePolicy, OnCancel, OnConflict, TableChoice, TextPolicy,
    },
    plan::{ImportPlan, Obstacle, PlannedColumn, PlannedStatement, PlannedTable, Rehearsal, Room, Stage},
    record::{
        FileEntry, ImportDetail, ImportFile, ImportFiles, ImportId, ImportState, ImportView, NewImport,
        NewUpload, NewerUploads, UploadKind, UploadPart, UploadView,
    },
    report::{Difference, ForeignKeyReport, IdentityReport, ImportReport, Side, TableReport, Verdict},
};

/// Everything that an inspection found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// The file itself.
    pub file: FileFacts,
    /// Tables in the order of the file's schema, those that are skipped included.
    pub tables: Vec<TableFacts>,
    /// Views in the order of the schema.
    pub views: Vec<ObjectFacts>,
    /// Triggers in the order of the schema.
    pub triggers: Vec<ObjectFacts>,
    /// What the reader must know, worst first.
    pub findings: Vec<Finding>,
}

/// The file itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// The file's name without its folder.
    pub name: String,
    /// Its size in bytes.
    pub bytes: i64,
    /// Size of a page in bytes.
    pub page_size: i64,
    /// How its text is encoded: `UTF-8`, `UTF-16le` or `UTF-16be`.
    pub encoding: String,
    /// How it keeps its transactions: `wal` or `rollback`.
    pub journal: String,
    /// Bytes of the `-wal` beside it, which was read with it.
    pub wal_bytes: Option<i64>,
    /// Bytes of the rollback journal beside it, which was applied to a copy.
    pub journal_bytes: Option<i64>,
    /// `pragma application_id`.
    pub application_id: i64,
    /// `pragma user_version`.
    pub user_version: i64,
    /// What SQLite's integrity check found; empty when the file is sound.
    pub integrity: Vec<String>,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableFacts {
    /// Its name.
    pub name: String,
    /// What it is, and why it is skipped when it is.
    pub kind: TableKind,
    /// The statement that made it, as the file keeps it.
    pub sql: Option<String>,
    /// Rows that the scan read; 0 for a skipped table.
    pub rows: i64,
    /// How its rows are named.
    pub rows_by: RowsBy,
    /// Columns in their order; none for a skipped table.
    pub columns: Vec<ColumnFacts>,
    /// Columns of the primary key in the key's order.
    pub primary_key: Vec<String>,
    /// The column that numbers its rows by itself, if any.
    pub identity: Option<Identity>,
    /// Foreign keys in the order of their declaration.
    pub foreign_keys: Vec<ForeignKey>,
    /// Indexes, those behind constraints included.
    pub indexes: Vec<IndexFacts>,
    /// Its `CHECK` constraints.
    pub checks: Vec<CheckFacts>,
}

/// A `CHECK` constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFacts {
    /// Its expression.
    pub expression: String,
    /// Rows for which it is false.
    pub broken: Places,
}

/// What a table is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// A table with rowids.
    Ordinary,
    /// A table kept in the order of its primary key.
    WithoutRowid,
    /// A virtual table that keeps what it holds itself, as those for full-text search and R-Trees do: read through its
    /// module.
    Searchable {
        /// The module behind it, such as `fts5`.
        module: String,
    },
    /// Another virtual table, which holds nothing itself: skipped.
    Virtual {
        /// The module behind it, such as `fts5`.
        module: String,
    },
    /// A virtual table that cannot be opened here: skipped, and what it keeps in tables of its own is read from those.
    Unreadable {
        /// The module behind it.
        module: String,
        /// What SQLite says.
        why: String,
    },
    /// A table in which a virtual one keeps its data: skipped.
    Shadow,
}

impl TableKind {
    /// Why a table of this kind is not read, if it is not.
    pub fn skipped(&self) -> Option<String> {
        match self {
            Self::Ordinary | Self::WithoutRowid | Self::Searchable { .. } => None,
            Self::Virtual { module } => {
                Some(format!("a virtual table of {module}: its content lies elsewhere"))
            }
            Self::Unreadable { module, why } => Some(format!(
                "a virtual table of {module} that cannot be opened here ({why}); what it holds is in tables of its own"
            )),
            Self::Shadow => Some("belongs to a virtual table, which keeps its index in it".to_owned()),
        }
    }
}

/// How rows are named in counter-examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowsBy {
    /// By rowid.
    Rowid,
    /// By position from 1, because there is no rowid, or all its names are those of columns.
    Position,
}

/// A column that numbers its rows by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The column.
    pub column: String,
    /// Whether numbers of deleted rows never come again (`AUTOINCREMENT`).
    pub autoincrement: bool,
    /// The number that the next row gets; none when the largest possible one is taken.
    pub next: Option<i64>,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The referring columns.
    pub columns: Vec<String>,
    /// The table they refer to.
    pub parent: String,
    /// The columns there; empty when the key refers to the primary key without naming it.
    pub parent_columns: Vec<String>,
    /// `ON UPDATE`, as SQLite spells it.
    pub on_update: String,
    /// `ON DELETE`, as SQLite spells it.
    pub on_delete: String,
    /// Rows whose parent is not there.
    pub orphans: Places,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexFacts {
    /// Its name.
    pub name: String,
    /// Whether no two rows may agree.
    pub unique: bool,
    /// Whether it stands behind a constraint of the table instead of a statement of its own.
    pub of_constraint: bool,
    /// Whether it holds only some of the rows.
    pub partial: bool,
    /// What it is over, in order.
    pub columns: Vec<IndexColumn>,
    /// The statement that made it, if there is one.
    pub sql: Option<String>,
}

/// One part of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexColumn {
    /// The column; none for an expression, which stands in the index's SQL.
    pub name: Option<String>,
    /// Whether it is in descending order.
    pub descending: bool,
    /// Its collation.
    pub collation: String,
}

/// A view or a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectFacts {
    /// Its name.
    pub name: String,
    /// The table or view it belongs to; its own name for a view.
    pub table: String,
    /// The statement that made it.
    pub sql: String,
}

/// Something that the reader must know before an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it means for what is stored.
    pub kind: FindingKind,
    /// The table, view or trigger; none when it is about the whole file.
    pub table: Option<String>,
    /// The column.
    pub column: Option<String>,
    /// What was found, in a sentence.
    pub words: String,
    /// The SQL that it is about, if it is about some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
}

impl Finding {
    /// Where it is: table and column, or nothing when it is about the whole file.
    pub fn place(&self) -> String {
        [&self.table, &self.column]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(".")
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Worth a decision before the import.
    Warning,
    /// It cannot be carried over as it is.
    Error,
}

impl Severity {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Finding {
    /// Whether something of the file is missing or not whole afterwards.
    pub fn is_loss(&self) -> bool {
        self.severity >= Severity::Warning
            && matches!(self.kind, FindingKind::NotCarried | FindingKind::Altered)
    }
}

/// What a finding means for what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Values arrive in another form.
    Changed,
    /// Values do not arrive whole: characters are replaced or left out. The plan says of which.
    Altered,
    /// Values stay as they are although the declaration promises another type.
    KeptAsStored,
    /// The object or constraint cannot be carried over as it is.
    NotCarried,
    /// A foreign key that the proposed types do not allow; the plan says what becomes of it.
    Untied,
    /// A name cannot stay.
    Renamed,
    /// Rows break a rule of the file's own schema, or it is not known whether they do.
    Broken,
    /// The file is damaged, or may lack rows.
    Damage,
}
