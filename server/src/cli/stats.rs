//! `pgsteward stats`: the sizes of tables, as the guide's `--stats` shows them.

use contract::{
    format,
    stats::{TablePage, TableQuery, TableSort, TableStat},
};

use super::{Session, failure::Failure, table};
use crate::console::Console;

pub(super) async fn run(session: &Session<'_>, console: &Console) -> Result<(), Failure> {
    let target = session.target(console).await?;
    let caller = session.caller(console);
    let query = TableQuery {
        target,
        search: None,
        sort: TableSort::Total,
        descending: true,
        page: 1,
        all: true,
        look: None,
    };
    let all = console.engine.stats().all_tables(&caller, query).await?;
    session.out.show(&all, || words(&all));
    Ok(())
}

fn words(page: &TablePage) -> String {
    let head = [
        "table",
        "kind",
        "rows",
        "heap",
        "toast",
        "indexes",
        "total",
        "last analyze",
    ];
    let rows: Vec<Vec<String>> = page
        .tables
        .iter()
        .map(|table| {
            vec![
                if table.schema == "public" {
                    table.name.clone()
                } else {
                    format!("{}.{}", table.schema, table.name)
                },
                kind(table),
                table.rows.map_or_else(|| "unknown".to_owned(), format::exact),
                size(table, table.heap_bytes),
                size(table, table.toast_bytes),
                size(table, table.index_bytes),
                size(table, table.total_bytes),
                table
                    .last_analyze
                    .map_or_else(|| "never".to_owned(), format::absolute),
            ]
        })
        .collect();
    let tables = table::lay_out(&head, &head[2..7], &rows);
    let mut text = format!(
        "{tables}\n\n{} relations, {} in all",
        format::exact(page.all),
        format::bytes(page.total_bytes)
    );
    if let Some(note) = &page.note {
        text.push('\n');
        text.push_str(note);
    }
    text
}

/// What it is, and of what it is a part.
fn kind(table: &TableStat) -> String {
    match &table.partition_of {
        Some(parent) => format!("partition of {}", parent.name),
        None => table.kind.name().to_owned(),
    }
}

fn size(table: &TableStat, bytes: i64) -> String {
    match (table.kind.has_files(), table.estimated) {
        (false, _) => "-".to_owned(),
        (true, true) => format!("≈ {}", format::bytes(bytes)),
        (true, false) => format::bytes(bytes),
    }
}
