//! What the page of an import shows, cut to what its URL asks for, so that a file with hundreds of tables and ten
//! thousand findings is as quick to open as a small one.

use contract::{
    Instant,
    import::{
        ColumnType, Destination, FileFacts, ImportView, Mapping, NewerUploads, Obstacle, Room, Stage, Verdict,
    },
    jobs::JobView,
};
use serde::{Deserialize, Serialize};

use super::grid::Cells;

/// Rows on a page of tables, columns or findings.
pub const PER_PAGE: i64 = 50;

/// What is looked at; all of it is in the page's URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The table that is open.
    pub table: Option<String>,
    /// Text in the names of tables, or of columns of the open one.
    pub search: Option<String>,
    /// How tables are sorted: `name`, `rows` or `columns`; else as in the file.
    pub sort: Option<String>,
    /// Whether the sort is turned.
    pub descending: bool,
    /// Page of tables or columns, from 1.
    pub page: i64,
    /// Text in findings.
    pub finding: Option<String>,
    /// Only findings this severe.
    pub severity: Option<String>,
    /// Page of findings, from 1.
    pub finding_page: i64,
    /// Whether what was found in the file is shown also after the import.
    pub inspection: bool,
    /// Page of what a rehearsal says that changes, from 1.
    pub plan_page: i64,
}

/// An import, as far as it is looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sheet {
    /// The import.
    pub import: ImportView,
    /// Its last job.
    pub job: Option<JobView>,
    /// What is decided and saved.
    pub mapping: Mapping,
    /// Which decisions these are, about which state of the file.
    pub revision: String,
    /// The file, once it was looked at.
    pub file: Option<FileSheet>,
    /// A page of findings; after the import, of what changed and what was not carried over.
    pub findings: Option<Findings>,
    /// A page of the tables, unless one is open.
    pub tables: Option<Paged>,
    /// The open table.
    pub open: Option<OpenTable>,
    /// Whether the URL names a table that the file does not have.
    pub no_such_table: bool,
    /// The last rehearsal, before the load.
    pub plan: Option<PlanSheet>,
    /// What came out, once it is done.
    pub proof: Option<Proof>,
    /// Whether later runs bring over what changes in the file.
    pub following: bool,
    /// Where an upload is followed: what there is of its file as it is now.
    pub newer: Option<NewerUploads>,
}

/// The file as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileSheet {
    /// The file; of its damages the first few.
    pub facts: FileFacts,
    /// All damages.
    pub damages: i64,
    /// Tables that have rows of their own.
    pub tables: i64,
    /// Rows of all tables.
    pub rows: i64,
    /// Views.
    pub views: i64,
    /// Triggers.
    pub triggers: i64,
}

/// A page of rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paged {
    /// The rows.
    pub rows: Vec<Cells>,
    /// Which page, from 1.
    pub page: i64,
    /// Rows that fit the filter.
    pub matching: i64,
    /// Rows there are.
    pub all: i64,
}

/// A page of findings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// The page.
    pub page: Paged,
    /// How many errors, warnings and notes there are.
    pub counts: [i64; 3],
}

/// A table that is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenTable {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: i64,
    /// Its columns.
    pub columns: i64,
    /// What there is to say of it as a whole: why it is skipped, its key, who numbers its rows.
    pub notes: Vec<String>,
    /// The statement that made it.
    pub sql: Option<String>,
    /// Whether it is not read at all.
    pub skipped: bool,
    /// A page of its columns.
    pub page: Vec<OpenColumn>,
    /// Which page, from 1.
    pub page_number: i64,
    /// Columns that fit the filter.
    pub matching: i64,
    /// Its indexes, keys and checks.
    pub objects: Vec<Cells>,
    /// The first findings about it.
    pub findings: Vec<Cells>,
    /// The tables before and after it.
    pub neighbours: [Option<String>; 2],
}

/// A column of the open table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenColumn {
    /// Its name.
    pub name: String,
    /// What is declared.
    pub declared: String,
    /// What is stored, by class.
    pub stored: String,
    /// More about what is stored: a name and its words.
    pub facts: Vec<(String, String)>,
    /// The proposed type, in words.
    pub proposed: String,
    /// Why.
    pub reason: String,
    /// Other types.
    pub others: Vec<OtherChoice>,
}

/// Another type for a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherChoice {
    /// The type.
    pub column_type: ColumnType,
    /// In words.
    pub words: String,
    /// Why it cannot be chosen, if so.
    pub against: Option<String>,
}

/// What an import would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanSheet {
    /// When it was rehearsed.
    pub at: Instant,
    /// Whether it was for what is decided and saved, and for the file as it was looked at last.
    pub current: bool,
    /// The managed database.
    pub target: String,
    /// The schema.
    pub schema: String,
    /// Whether tables are made.
    pub into: Destination,
    /// Tables that get rows.
    pub tables: i64,
    /// All rows.
    pub rows: i64,
    /// What stands in the way, the first few.
    pub obstacles: Vec<Obstacle>,
    /// How much stands in the way.
    pub all_obstacles: i64,
    /// Room on the server's disk.
    pub room: Room,
    /// The statements by stage.
    pub stages: Vec<StageSheet>,
    /// A page of what changes or is not carried over.
    pub items: Paged,
    /// How the tables can be followed later, if that is asked for.
    pub follow: Option<FollowSheet>,
}

/// The statements of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageSheet {
    /// The stage.
    pub stage: Stage,
    /// How many statements there are.
    pub count: i64,
    /// How many of them are in the text.
    pub shown: i64,
    /// The text of the first ones.
    pub sql: String,
}

/// How tables can be followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FollowSheet {
    /// How many tables there are of each way.
    pub ways: Vec<(String, i64)>,
    /// The first ones that cannot be followed cheaply.
    pub costly: Vec<Cells>,
    /// How many of those there are.
    pub all_costly: i64,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// In one word.
    pub verdict: Verdict,
    /// In a sentence.
    pub summary: String,
    /// The schema that has the tables.
    pub schema: String,
    /// When, and how long each part took.
    pub facts: Vec<(String, String)>,
    /// A page of the tables with their hashes.
    pub tables: Paged,
    /// The first rows that differ, by table.
    pub differences: Vec<(String, Vec<String>)>,
    /// Columns that number their rows, the first few; those that are not right come first.
    pub identities: Vec<Cells>,
    /// How many of them there are.
    pub all_identities: i64,
    /// Foreign keys, the first few; those that are not validated come first.
    pub keys: Vec<Cells>,
    /// How many of them there are.
    pub all_keys: i64,
}

/// What can be saved as a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Export {
    /// What was found, whole, as JSON.
    Inspection,
    /// The tables, as CSV.
    Tables,
    /// The findings, as CSV.
    Findings,
    /// What was rehearsed, as JSON.
    Plan,
    /// Every statement of what was rehearsed.
    Sql,
    /// What is decided, as the command line takes it.
    Mapping,
    /// The report, as JSON.
    Report,
    /// The report, as Markdown.
    Markdown,
    /// What changed and what was not carried over, as CSV.
    Items,
}
