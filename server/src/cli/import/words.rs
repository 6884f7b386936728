//! A plan and a report in words.

use contract::{
    format,
    import::{Destination, ImportPlan, ImportReport, Severity, Stage},
};

use super::inspection::{findings, visible};
use crate::cli::table;

/// A plan with every statement.
pub(super) fn plan(plan: &ImportPlan) -> String {
    let mut text = String::new();
    let mut stage = None;
    for statement in &plan.statements {
        if stage != Some(statement.stage) {
            stage = Some(statement.stage);
            text.push_str(&format!("-- {}\n", statement.stage.label()));
        }
        text.push_str(&format!("{};\n", visible_lines(&statement.sql)));
        if statement.stage != Stage::Load {
            text.push('\n');
        }
    }
    text.push('\n');
    text.push_str(&columns(plan));
    if !plan.items.is_empty() {
        text.push_str("\n\n");
        text.push_str(&findings(&plan.items));
    }
    text.push_str(&format!("\n\n{}", summary(plan)));
    if !plan.obstacles.is_empty() {
        text.push_str("\n\n");
        text.push_str(&obstacles(plan));
    }
    text
}

fn columns(plan: &ImportPlan) -> String {
    let head = ["table", "rows", "follow"];
    let rows: Vec<Vec<String>> = plan
        .tables
        .iter()
        .map(|table| vec![visible(&table.name), format::exact(table.rows), table.follow.clone()])
        .collect();
    table::lay_out(&head, &["rows"], &rows)
}

/// What stands in the way.
pub(super) fn obstacles(plan: &ImportPlan) -> String {
    let lines: Vec<String> = plan
        .obstacles
        .iter()
        .map(|obstacle| {
            let place: Vec<String> = [&obstacle.table, &obstacle.column]
                .into_iter()
                .flatten()
                .map(|name| visible(name))
                .collect();
            let place = match place.is_empty() {
                true => String::new(),
                false => format!("{}: ", place.join(".")),
            };
            format!("obstacle: {place}{}\n  {}", visible(&obstacle.words), visible(&obstacle.hint))
        })
        .collect();
    lines.join("\n")
}

/// Whether to begin.
pub(super) fn question(plan: &ImportPlan) -> String {
    let count = |severity| plan.items.iter().filter(|item| item.severity == severity).count();
    let noted = match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => String::new(),
        (errors, warnings) => format!(" ({errors} errors and {warnings} warnings in the plan: see --plan)"),
    };
    format!("{}{noted} Import?", summary(plan))
}

fn summary(plan: &ImportPlan) -> String {
    let into = match plan.into {
        Destination::New => "new tables of",
        Destination::Existing => "existing tables of",
    };
    let free = match plan.room.free {
        Some(free) => format!(", {} free", format::bytes(free)),
        None => String::new(),
    };
    format!(
        "{} rows into {} {into} {}.{}; about {} on the server's disk{free}.",
        format::exact(plan.rows),
        plan.tables.len(),
        visible(&plan.target),
        visible(&plan.schema),
        format::bytes(plan.room.needed)
    )
}

/// A report, its verdict last.
pub(super) fn report(report: &ImportReport) -> String {
    let head = ["table", "rows", "read back", "bytes", "verdict"];
    let rows: Vec<Vec<String>> = report
        .tables
        .iter()
        .map(|table| {
            vec![
                visible(&table.name),
                format::exact(table.rows),
                format::exact(table.rows_back),
                format::bytes(table.bytes),
                table.verdict.name().to_owned(),
            ]
        })
        .collect();
    let mut text = table::lay_out(&head, &["rows", "read back", "bytes"], &rows);
    for table in report.tables.iter().filter(|table| !table.differences.is_empty()) {
        for difference in &table.differences {
            text.push_str(&format!("\n{}: {}", visible(&table.name), visible(&difference.words())));
        }
    }
    for key in report.foreign_keys.iter().filter(|key| !key.validated) {
        text.push_str(&format!(
            "\nforeign key {}: not validated, {} rows without a parent",
            visible(&key.words),
            format::exact(key.orphans)
        ));
    }
    for identity in report.identities.iter().filter(|identity| !identity.right) {
        text.push_str(&format!(
            "\nidentity {}.{}: goes on at another number than in the file",
            visible(&identity.table),
            visible(&identity.column)
        ));
    }
    if !report.items.is_empty() {
        text.push_str("\n\n");
        text.push_str(&findings(&report.items));
    }
    text.push_str(&format!(
        "\n\nlooked at in {}, loaded in {}, verified in {}\n{}",
        format::duration(report.inspect_ms),
        format::duration(report.load_ms),
        format::duration(report.verify_ms),
        report.summary()
    ));
    text
}

/// Like `visible`, with line ends kept.
fn visible_lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}
