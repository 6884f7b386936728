//! An inspection in words.

use contract::{
    format,
    import::{ColumnFacts, Finding, Inspection, Severity, TableFacts, TableKind},
};

use crate::cli::table;

pub(super) fn words(found: &Inspection) -> String {
    let file = &found.file;
    let rows: i64 = found.tables.iter().map(|table| table.rows).sum();
    let read = found
        .tables
        .iter()
        .filter(|table| table.kind.skipped().is_none())
        .count();
    let mut text = format!(
        "{}: {}, pages of {} bytes, {}, {} journal; {}\n{} tables with {} rows, {} views, {} triggers",
        file.name,
        format::bytes(file.bytes),
        file.page_size,
        file.encoding,
        file.journal,
        match file.integrity.len() {
            0 => "SQLite's integrity check finds nothing wrong".to_owned(),
            many => format!("SQLite's integrity check complains {many} times"),
        },
        read,
        format::exact(rows),
        found.views.len(),
        found.triggers.len(),
    );
    for table in &found.tables {
        text.push_str("\n\n");
        text.push_str(&one_table(table));
    }
    text.push_str("\n\n");
    text.push_str(&match found.findings.as_slice() {
        [] => "Nothing to report: every value goes over as it is.".to_owned(),
        found => findings(found),
    });
    text
}

fn one_table(facts: &TableFacts) -> String {
    let name = visible(&facts.name);
    if let Some(why) = facts.kind.skipped() {
        return format!("{name}: left out, {why}");
    }
    let kind = match facts.kind {
        TableKind::WithoutRowid => ", without rowid",
        _ => "",
    };
    let head = ["column", "declared", "stored", "proposed", "why"];
    let rows: Vec<Vec<String>> = facts.columns.iter().map(row).collect();
    format!(
        "{name}: {} rows{kind}\n{}",
        format::exact(facts.rows),
        table::lay_out(&head, &[], &rows)
    )
}

fn row(column: &ColumnFacts) -> Vec<String> {
    let declared = match column.declared.as_str() {
        "" => "—".to_owned(),
        declared => visible(declared),
    };
    let proposed = match column.proposal.conversion {
        Some(conversion) => format!("{}, {}", column.proposal.column_type.sql(), conversion.words()),
        None => column.proposal.column_type.sql().to_owned(),
    };
    vec![
        visible(&column.name),
        declared,
        stored(column),
        proposed,
        visible(&column.proposal.reason),
    ]
}

/// How many values of each storage class.
fn stored(column: &ColumnFacts) -> String {
    let stored = &column.stored;
    let counts = [
        (stored.integers, "integer"),
        (stored.reals, "real"),
        (stored.texts, "text"),
        (stored.blobs, "blob"),
        (stored.nulls, "null"),
    ];
    let shown: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, class)| format!("{} {class}", format::exact(*count)))
        .collect();
    match shown.is_empty() {
        true => "nothing".to_owned(),
        false => shown.join(", "),
    }
}

/// Findings, one a line, with their number by severity.
pub(super) fn findings(found: &[Finding]) -> String {
    let mut lines = Vec::new();
    for finding in found {
        let place = finding.place();
        lines.push(match place.is_empty() {
            true => format!("{}: {}", finding.severity.name(), visible(&finding.words)),
            false => format!(
                "{}: {}: {}",
                finding.severity.name(),
                visible(&place),
                visible(&finding.words)
            ),
        });
    }
    let count = |severity| found.iter().filter(|finding| finding.severity == severity).count();
    lines.push(format!(
        "{} errors, {} warnings, {} notes",
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Note)
    ));
    lines.join("\n")
}

/// A stranger's name must not steer the terminal.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect()
}
