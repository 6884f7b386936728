//! What the reader must know of the file, its tables, views and triggers.

use contract::{
    format,
    import::{
        ColumnFacts, ColumnType, FileFacts, Finding, FindingKind, ObjectFacts, RowsBy, Severity, TableFacts,
        TableKind,
    },
};

use super::{
    check::{is_broken_rule, unchecked as unchecked_words},
    column_findings::{self, rows},
    names,
    pairs::pairs,
    schema::Table,
};

/// The most columns that a table of PostgreSQL can have.
pub const MOST_COLUMNS: usize = 1600;
/// What a row may take in a page of 8 kB, less its header.
pub const ROW: i64 = 8160;
/// What a long value takes in its row when it is moved out of it.
const MOVED_OUT: i64 = 18;

/// What is to say of the file itself.
pub(super) fn of_file(file: &FileFacts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |severity, kind, words: String| found.push(finding(severity, kind, None, None, words));
    for line in &file.integrity {
        if let Some(why) = unchecked_words(line) {
            say(
                Severity::Warning,
                FindingKind::Damage,
                format!("SQLite could not check the whole file: {why}. Every row was read nevertheless."),
            );
            continue;
        }
        match is_broken_rule(line) {
            true => say(
                Severity::Warning,
                FindingKind::Broken,
                format!("Rows break a rule of the schema: {line}."),
            ),
            false => say(
                Severity::Error,
                FindingKind::Damage,
                format!("The file is damaged: {line}."),
            ),
        }
    }
    if let Some(bytes) = file.wal_bytes {
        let bytes = format::bytes(bytes);
        say(
            Severity::Note,
            FindingKind::Changed,
            format!(
                "A -wal of {bytes} lies beside the file; what is committed in it was read with it, from a copy."
            ),
        );
    } else if file.journal == "wal" {
        say(
            Severity::Warning,
            FindingKind::Damage,
            "The file is in WAL mode and no -wal lies beside it. If it was copied without one, its latest rows are missing.".to_owned(),
        );
    }
    if let Some(bytes) = file.journal_bytes {
        let bytes = format::bytes(bytes);
        say(
            Severity::Warning,
            FindingKind::Changed,
            format!(
                "A rollback journal of {bytes} lies beside the file: a writer ended in the middle. A copy was read, rolled back where the journal says so."
            ),
        );
    }
    found
}

/// What is to say of the tables; `found` may hold other findings already.
pub(super) fn of_tables(tables: &[TableFacts], found: &mut Vec<Finding>) {
    names::check(tables, found);
    for table in tables {
        let mut say = |severity, kind, column: Option<&str>, words: String| {
            found.push(finding(severity, kind, Some(&table.name), column, words));
        };
        if let Some(why) = table.kind.skipped() {
            let severity = match table.kind {
                TableKind::Unreadable { .. } => Severity::Warning,
                _ => Severity::Note,
            };
            say(
                severity,
                FindingKind::NotCarried,
                None,
                format!("Left out: {why}."),
            );
            continue;
        }
        if let TableKind::Searchable { module } = &table.kind {
            let what = match module.to_ascii_lowercase().starts_with("fts") {
                true => "what it holds becomes a table with an index for text search",
                false => "what it holds becomes a table with its numbers",
            };
            say(
                Severity::Note,
                FindingKind::Changed,
                None,
                format!(
                    "A virtual table of {module}: {what}. Queries that use the module have to be written anew."
                ),
            );
        }
        for column in &table.columns {
            let key = table.primary_key.contains(&column.name);
            for (severity, kind, words) in column_findings::of(column, key, table.rows_by) {
                say(severity, kind, Some(&column.name), words);
            }
        }
        if table.columns.len() > MOST_COLUMNS {
            say(
                Severity::Warning,
                FindingKind::Changed,
                None,
                format!(
                    "Has {} columns; a table of PostgreSQL has at most {MOST_COLUMNS}, so it becomes several.",
                    table.columns.len()
                ),
            );
        } else if widest_row(table) > ROW {
            say(
                Severity::Warning,
                FindingKind::Changed,
                None,
                format!(
                    "With all {} columns filled, a row needs more than a page of PostgreSQL holds.",
                    table.columns.len()
                ),
            );
        }
        for check in table.checks.iter().filter(|check| check.broken.count > 0) {
            say(
                Severity::Warning,
                FindingKind::Broken,
                None,
                format!(
                    "Rows break the check ({}): {}.",
                    check.expression,
                    rows(&check.broken, table.rows_by)
                ),
            );
        }
        for key in &table.foreign_keys {
            let parent = tables.iter().any(|it| it.name.eq_ignore_ascii_case(&key.parent));
            let columns = key.columns.join(", ");
            if !parent {
                say(
                    Severity::Warning,
                    FindingKind::Untied,
                    None,
                    format!(
                        "The foreign key ({columns}) refers to {}, which the file does not have.",
                        key.parent
                    ),
                );
            } else if key.orphans.count > 0 {
                say(
                    Severity::Warning,
                    FindingKind::Broken,
                    None,
                    format!(
                        "The foreign key ({columns}) to {} has rows without a parent: {}.",
                        key.parent,
                        rows(&key.orphans, RowsBy::Rowid)
                    ),
                );
            }
        }
        for (child, parent, words) in pairs(table, tables) {
            let [child_type, parent_type] = [child, parent].map(|(_, column)| column.proposal.column_type);
            if child_type != parent_type {
                say(
                    Severity::Warning,
                    FindingKind::Untied,
                    Some(&child.1.name),
                    format!(
                        "The foreign key {words} ties {} to {}, which PostgreSQL does not allow.",
                        child_type.sql(),
                        parent_type.sql()
                    ),
                );
            }
        }
    }
}

/// Views and triggers come with their SQL, for they are programs in SQLite's language.
pub(super) fn of_objects(views: &[ObjectFacts], triggers: &[ObjectFacts], found: &mut Vec<Finding>) {
    for (objects, what) in [(views, "view"), (triggers, "trigger")] {
        for object in objects {
            found.push(finding(
                Severity::Note,
                FindingKind::NotCarried,
                Some(&object.name),
                None,
                format!("A {what} in SQLite's language; its SQL is in the report."),
            ));
        }
    }
}

/// Columns whose expression SQLite cannot compute here.
pub(super) fn uncomputed(table: &Table, why: &str) -> Vec<Finding> {
    table
        .columns
        .iter()
        .filter(|column| column.is_virtual)
        .map(|column| {
            finding(
                Severity::Error,
                FindingKind::NotCarried,
                Some(&table.name),
                Some(&column.name),
                format!("The generated column cannot be computed here: {why}."),
            )
        })
        .collect()
}

/// Rules of a table that SQLite cannot follow up here.
pub(super) fn unchecked(table: &str, what: &str, why: &str) -> Finding {
    finding(
        Severity::Warning,
        FindingKind::Broken,
        Some(table),
        None,
        format!("Its {what} cannot be followed up: {why}."),
    )
}

fn finding(
    severity: Severity,
    kind: FindingKind,
    table: Option<&str>,
    column: Option<&str>,
    words: String,
) -> Finding {
    Finding {
        severity,
        kind,
        table: table.map(str::to_owned),
        column: column.map(str::to_owned),
        words,
        sql: None,
    }
}

/// The bytes of a row in which every column has its longest value, long ones moved out.
fn widest_row(table: &TableFacts) -> i64 {
    table
        .columns
        .iter()
        .map(|column| width(column.proposal.column_type, column))
        .sum()
}

/// The bytes that the longest value of a column takes in its row, long ones moved out.
pub fn width(of: ColumnType, column: &ColumnFacts) -> i64 {
    match of {
        ColumnType::Boolean => 1,
        ColumnType::Date => 4,
        ColumnType::Bigint
        | ColumnType::Double
        | ColumnType::Time
        | ColumnType::Timestamp
        | ColumnType::Timestamptz => 8,
        ColumnType::Uuid => 16,
        ColumnType::Numeric => MOVED_OUT,
        ColumnType::Text | ColumnType::Bytea | ColumnType::Jsonb | ColumnType::Json => {
            (column.stored.longest_text.max(column.stored.longest_blob) + 4).min(MOVED_OUT)
        }
    }
}
