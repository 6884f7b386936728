//! Parts of an import as files.

use contract::{
    Code, Fault,
    import::{Finding, ImportDetail, Inspection},
};

use super::sheet::Export;
use crate::ui::csv_text;

/// The text of the file.
///
/// # Errors
/// `NotFound` where the import has not come so far.
pub fn text(detail: &ImportDetail, what: Export) -> Result<String, Fault> {
    let inspection = || {
        detail.inspection.as_ref().ok_or_else(|| {
            Fault::new(Code::NotFound, "The file was not looked at yet.")
                .hint("Wait until its inspection is done.")
        })
    };
    let report = || {
        detail.report.as_ref().ok_or_else(|| {
            Fault::new(Code::NotFound, "There is no report yet.")
                .hint("It is written when the import is done.")
        })
    };
    match what {
        Export::Inspection => json(inspection()?),
        Export::Tables => Ok(tables(inspection()?)),
        Export::Findings => Ok(findings(&inspection()?.findings)),
        Export::Report => json(report()?),
        Export::Markdown => Ok(report()?.markdown()),
        Export::Items => Ok(findings(&report()?.items)),
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Fault::new(Code::Internal, format!("The file could not be written: {error}.")))
}

fn tables(inspection: &Inspection) -> String {
    let rows: Vec<Vec<String>> = inspection
        .tables
        .iter()
        .map(|table| {
            vec![
                table.name.clone(),
                table.rows.to_string(),
                table.columns.len().to_string(),
                table.indexes.len().to_string(),
                table.foreign_keys.len().to_string(),
                table.kind.skipped().unwrap_or_default(),
            ]
        })
        .collect();
    csv_text(
        &["table", "rows", "columns", "indexes", "foreign_keys", "skipped"],
        &rows,
    )
}

fn findings(items: &[Finding]) -> String {
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| {
            vec![
                item.severity.name().to_owned(),
                item.table.clone().unwrap_or_default(),
                item.column.clone().unwrap_or_default(),
                item.words.clone(),
                item.sql.clone().unwrap_or_default(),
            ]
        })
        .collect();
    csv_text(&["severity", "table", "column", "words", "sql"], &rows)
}
