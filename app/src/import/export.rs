//! Parts of an import as files.

use contract::{
    Code, Fault,
    import::{Finding, ImportDetail, ImportPlan, Inspection},
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
    let plan = || {
        let rehearsal = detail.rehearsal.as_ref().ok_or_else(|| {
            Fault::new(Code::NotFound, "The import was not rehearsed yet.").hint("Rehearse it first.")
        })?;
        Ok::<_, Fault>(&rehearsal.plan)
    };
    match what {
        Export::Plan => json(plan()?),
        Export::Sql => Ok(sql(plan()?)),
        Export::Mapping => json(&detail.mapping),
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

fn sql(plan: &ImportPlan) -> String {
    let mut text = String::new();
    let mut stage = None;
    for statement in &plan.statements {
        if stage != Some(statement.stage) {
            stage = Some(statement.stage);
            text.push_str(&format!("-- {}\n\n", statement.stage.label()));
        }
        text.push_str(&ended(&statement.sql));
        text.push_str("\n\n");
    }
    text
}

/// A statement with its semicolon.
pub fn ended(sql: &str) -> String {
    let sql = sql.trim_end().trim_end_matches(';');
    format!("{sql};")
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
