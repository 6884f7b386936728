//! `pgsteward import …`: looking at a file before it is brought in.

use std::{fs::File, io::Write};

use contract::{
    format,
    import::{ColumnFacts, Inspection, Severity, TableFacts, TableKind},
};

use super::{Session, arguments::Import, failure::Failure, table};
use crate::console::Console;

pub(super) async fn run(
    session: &Session<'_>,
    console: &Console,
    what: Import,
    report: Option<File>,
) -> Result<(), Failure> {
    let Import::Sqlite {
        file, report: path, ..
    } = what;
    let caller = session.caller(console);
    let import = console.engine.import();
    let found = tokio::select! {
        found = import.inspect(&caller, &file) => found,
        _ = tokio::signal::ctrl_c() => {
            discard(path.as_deref());
            return Err(Failure::interrupted("the inspection was ended; the file is as it was"));
        }
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            discard(path.as_deref());
            return Err(error.into());
        }
    };
    if let (Some(mut report), Some(path)) = (report, &path) {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::with_hint(
                format!("{} cannot be written: {error}", path.display()),
                "free some room, remove the unfinished file, and try again",
            )
        };
        let text = serde_json::to_string_pretty(&found).map_err(|error| failed(&error))?;
        writeln!(report, "{text}")
            .and_then(|()| report.sync_all())
            .map_err(|error| failed(&error))?;
    }
    session.out.show(&found, || words(&found));
    Ok(())
}

/// Removes the report that was opened for nothing; where that is not allowed, it stays empty.
fn discard(report: Option<&std::path::Path>) {
    if let Some(path) = report
        && let Err(error) = std::fs::remove_file(path)
    {
        tracing::debug!(%error, "the empty report stays");
    }
}

fn words(found: &Inspection) -> String {
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
    text.push_str(&findings(found));
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

fn findings(found: &Inspection) -> String {
    if found.findings.is_empty() {
        return "Nothing to report: every value goes over as it is.".to_owned();
    }
    let mut lines = Vec::new();
    for finding in &found.findings {
        let place: Vec<String> = [&finding.table, &finding.column]
            .into_iter()
            .flatten()
            .map(|name| visible(name))
            .collect();
        lines.push(match place.is_empty() {
            true => format!("{}: {}", finding.severity.name(), visible(&finding.words)),
            false => format!(
                "{}: {}: {}",
                finding.severity.name(),
                place.join("."),
                visible(&finding.words)
            ),
        });
    }
    let count = |severity| {
        found
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    lines.push(format!(
        "{} errors, {} warnings, {} notes",
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Note)
    ));
    lines.join("\n")
}

/// A stranger's name must not steer the terminal.
fn visible(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect()
}
