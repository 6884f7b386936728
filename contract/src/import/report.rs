//! What an import did, and the proof.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Destination, Finding, FindingKind, Severity};
use crate::{Instant, format};

/// What an import did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportReport {
    /// The import.
    pub id: Uuid,
    /// The file's name.
    pub file: String,
    /// Bytes of the file.
    pub bytes: i64,
    /// The managed database.
    pub target: String,
    /// The schema.
    pub schema: String,
    /// Whether tables were made.
    pub into: Destination,
    /// What came out.
    pub verdict: Verdict,
    /// The tables.
    pub tables: Vec<TableReport>,
    /// Everything changed, renamed, kept as text or not carried over.
    pub items: Vec<Finding>,
    /// Columns that number their rows.
    pub identities: Vec<IdentityReport>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKeyReport>,
    /// Milliseconds of looking at the file.
    pub inspect_ms: i64,
    /// Milliseconds from the first statement to the last index and key. After an interruption, of the last run.
    pub load_ms: i64,
    /// Milliseconds of reading everything back.
    pub verify_ms: i64,
    /// When the last run ended.
    pub ended_at: Instant,
}

/// What a comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every value and every rule is there, as it was or as the plan says that it becomes.
    Identical,
    /// Rows stayed as they were in the target because a policy wished it, something of the file is not carried over, or
    /// texts are changed that PostgreSQL cannot hold, as the plan said before the start. Each is listed.
    Explained,
    /// Rows or keys differ from the file and nobody wished it, or the file is damaged.
    Differs,
}

impl Verdict {
    /// One word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Explained => "explained",
            Self::Differs => "differs",
        }
    }
}

/// One table after the import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableReport {
    /// Its name in the file.
    pub source: String,
    /// Its name in the schema.
    pub name: String,
    /// Rows of the file.
    pub rows: i64,
    /// Rows that were read back.
    pub rows_back: i64,
    /// Rows left as they were in the target, because their key was there.
    pub skipped: i64,
    /// Bytes of the rows as they were sent.
    pub bytes: i64,
    /// The sum of the hashes of all rows as sent, and as read back: XXH3 of 128 bits each, added without carry-out.
    pub hash: String,
    /// See `hash`.
    pub hash_back: String,
    /// What the comparison came to.
    pub verdict: Verdict,
    /// The first rows that differ.
    pub differences: Vec<Difference>,
}

/// A row that is on one side only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which side has it.
    pub side: Side,
    /// Which row: its key, or its rowid in the file; what became of it too, where the columns are not known.
    pub row: String,
    /// The columns whose values differ, when the other side has a row of the same key and they are known.
    pub columns: Vec<String>,
}

/// A side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Only the file has it.
    File,
    /// Only the database has it.
    Database,
    /// Both have the key, with other values.
    Both,
}

/// A column that numbers its rows, after the import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityReport {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// The number that the file would give next; none when there is no further one.
    pub expected: Option<i64>,
    /// The number that the database will give next.
    pub next: Option<i64>,
    /// Whether that is right: the same, or for tables that were there, not below.
    pub right: bool,
}

/// A foreign key after the import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKeyReport {
    /// The table.
    pub table: String,
    /// The key in words: columns, parent and its columns.
    pub words: String,
    /// Whether every row was checked against it. When not, it holds for new rows alone.
    pub validated: bool,
    /// Rows without a parent.
    pub orphans: i64,
    /// Whether the plan had said that there are such rows.
    #[serde(default)]
    pub foretold: bool,
}

/// How many things that are not right a sentence names.
const NAMED: usize = 3;

impl ImportReport {
    /// All rows of the file.
    pub fn rows(&self) -> i64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// The verdict in a sentence.
    pub fn summary(&self) -> String {
        let rows = format::exact(self.rows());
        let tables = self.tables.len();
        match self.verdict {
            Verdict::Identical if tables == 0 => "Identical: the file has no rows to bring over.".to_owned(),
            Verdict::Explained if tables == 0 => format!(
                "Explained: no table gets rows; {}, as listed.",
                self.explanations().join(" and ")
            ),
            Verdict::Identical => {
                format!("Identical: all {rows} rows of {tables} tables were read back and compared.")
            }
            Verdict::Explained => {
                format!(
                    "Explained: {rows} rows of {tables} tables were compared; {}, as listed.",
                    self.explanations().join(" and ")
                )
            }
            Verdict::Differs => {
                let names: Vec<&str> = self
                    .tables
                    .iter()
                    .filter(|table| table.verdict == Verdict::Differs)
                    .map(|table| table.name.as_str())
                    .collect();
                let damaged = self.errors().any(|item| item.kind == FindingKind::Damage);
                match (names.is_empty(), damaged) {
                    (false, _) => format!("Differs: {}.", names.join(", ")),
                    (true, true) => {
                        "Differs: what could be read is identical, but the file is damaged and may have lost rows.".to_owned()
                    }
                    (true, false) => format!("Differs: the rows are identical, but {}.", self.not_right()),
                }
            }
        }
    }

    /// What stayed, is left out or is changed, as the plan said.
    fn explanations(&self) -> Vec<String> {
        let skipped: i64 = self.tables.iter().map(|table| table.skipped).sum();
        let count = |wanted: fn(&Finding) -> bool| self.items.iter().filter(|item| wanted(item)).count();
        let altered = count(|item| item.kind == FindingKind::Altered);
        let lost = count(|item| {
            item.severity == Severity::Error || item.is_loss() && item.kind != FindingKind::Altered
        });
        let stayed =
            (skipped > 0).then(|| format!("{} stayed as they were in the target", format::exact(skipped)));
        let lost = match lost {
            0 => None,
            1 => Some("one thing of the file is not carried over".to_owned()),
            many => Some(format!("{many} things of the file are not carried over")),
        };
        let altered = (altered > 0).then(|| "texts are changed that PostgreSQL cannot hold".to_owned());
        stayed.into_iter().chain(lost).chain(altered).collect()
    }

    /// What is wrong beside the rows.
    fn not_right(&self) -> String {
        let keys = self
            .foreign_keys
            .iter()
            .filter(|key| !key.validated && !key.foretold);
        let keys = keys.map(|key| match key.orphans {
            0 => format!("the foreign key {} does not hold", key.words),
            1 => format!("1 row has no parent by the foreign key {}", key.words),
            many => format!(
                "{} rows have no parent by the foreign key {}",
                format::exact(many),
                key.words
            ),
        });
        let identities = self.identities.iter().filter(|it| !it.right).map(|it| {
            let number =
                |next: Option<i64>| next.map_or_else(|| "no further number".to_owned(), format::exact);
            format!(
                "{}.{} goes on with {} and not with {}",
                it.table,
                it.column,
                number(it.next),
                number(it.expected)
            )
        });
        let mut all: Vec<String> = keys.chain(identities).collect();
        if all.is_empty() {
            all.push("something that it must have is missing, as listed".to_owned());
        }
        let more = all.len().saturating_sub(NAMED);
        all.truncate(NAMED);
        if more > 0 {
            all.push(format!("{more} more things are not right, as listed"));
        }
        all.join("; ")
    }

    /// What is missing or damaged.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.items.iter().filter(|item| item.severity == Severity::Error)
    }

    /// The whole report as Markdown.
    pub fn markdown(&self) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "# Import of {} into {}, schema {}\n\n**{}**\n\n| | |\n|---|---|\n| file | {}, {} |\n| ended | {} |\n| looked at | {} |\n| loaded | {} |\n| verified | {} |\n\n## Tables\n\n| table | rows | read back | skipped | hash sent | hash read back | verdict |\n|---|---:|---:|---:|---|---|---|\n",
            cell(&self.file),
            cell(&self.target),
            cell(&self.schema),
            cell(&self.summary()),
            cell(&self.file),
            format::bytes(self.bytes),
            self.ended_at.format("%Y-%m-%d %H:%M:%S UTC"),
            format::duration(self.inspect_ms),
            format::duration(self.load_ms),
            format::duration(self.verify_ms),
        );
        for table in &self.tables {
            let name = match table.name == table.source {
                true => cell(&table.name),
                false => format!("{} → {}", cell(&table.source), cell(&table.name)),
            };
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | `{}` | `{}` | {} |",
                format::exact(table.rows),
                format::exact(table.rows_back),
                format::exact(table.skipped),
                table.hash,
                table.hash_back,
                table.verdict.name()
            );
        }
        for table in self.tables.iter().filter(|table| !table.differences.is_empty()) {
            let _ = write!(text, "\n### Rows of {} that differ\n\n", cell(&table.name));
            for difference in &table.differences {
                let _ = writeln!(text, "- {}", cell(&difference.words()));
            }
        }
        if !self.identities.is_empty() {
            text.push_str("\n## Identities\n\n| column | next in the file | next in the database | right |\n|---|---:|---:|---|\n");
            for it in &self.identities {
                let number = |value: Option<i64>| value.map_or_else(|| "none".to_owned(), format::exact);
                let _ = writeln!(
                    text,
                    "| {}.{} | {} | {} | {} |",
                    cell(&it.table),
                    cell(&it.column),
                    number(it.expected),
                    number(it.next),
                    if it.right { "yes" } else { "no" }
                );
            }
        }
        if !self.foreign_keys.is_empty() {
            text.push_str(
                "\n## Foreign keys\n\n| key | validated | rows without a parent |\n|---|---|---:|\n",
            );
            for key in &self.foreign_keys {
                let _ = writeln!(
                    text,
                    "| {} | {} | {} |",
                    cell(&key.words),
                    if key.validated { "yes" } else { "no" },
                    format::exact(key.orphans)
                );
            }
        }
        text.push_str("\n## What changed, and what was not carried over\n");
        if self.items.is_empty() {
            text.push_str("\nNothing: every value and every object went over as it was.\n");
        }
        for severity in [Severity::Error, Severity::Warning, Severity::Note] {
            let items: Vec<&Finding> = self
                .items
                .iter()
                .filter(|item| item.severity == severity)
                .collect();
            if items.is_empty() {
                continue;
            }
            let _ = write!(text, "\n### {}s\n\n", capital(severity.name()));
            for item in items {
                let place = item.place();
                let _ = match place.is_empty() {
                    true => writeln!(text, "- {}", cell(&item.words)),
                    false => writeln!(text, "- **{}**: {}", cell(&place), cell(&item.words)),
                };
                if let Some(sql) = &item.sql {
                    let fence = "`".repeat(longest_run(sql).max(2) + 1);
                    let _ = writeln!(
                        text,
                        "\n  {fence}sql\n  {}\n  {fence}",
                        sql.trim().replace('\n', "\n  ")
                    );
                }
            }
        }
        text
    }
}

impl Difference {
    /// The difference in words, on one line.
    pub fn words(&self) -> String {
        let words = match self.side {
            Side::File => format!("{}: only in the file", self.row),
            Side::Database => format!("{}: only in the database", self.row),
            // Which columns they are is not known.
            Side::Both if self.columns.is_empty() => self.row.clone(),
            Side::Both => format!("{}: other values in {}", self.row, self.columns.join(", ")),
        };
        words.replace(char::is_control, " ")
    }
}

/// A stranger's text that must not end a table's cell or begin markup.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '|' | '\\' | '`' | '*' | '[' | ']' | '<' | '>' => {
                out.push('\\');
                out.push(char);
            }
            _ if char.is_control() => out.push(' '),
            _ => out.push(char),
        }
    }
    out
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The longest run of backticks in a text: its fence must be longer.
fn longest_run(text: &str) -> usize {
    text.split(|char| char != '`').map(str::len).max().unwrap_or(0)
}
