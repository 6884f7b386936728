//! `pgsteward stats`: the sizes of tables, as the guide's `--stats` shows them.

use contract::{
    format,
    stats::{TablePage, TableQuery, TableSort},
};

use super::{Session, failure::Failure, table};
use crate::console::Console;

pub(super) async fn run(session: &Session<'_>, console: &Console) -> Result<(), Failure> {
    let target = session.target(console).await?;
    let caller = session.caller(console);
    let mut query = TableQuery {
        target,
        search: None,
        sort: TableSort::Total,
        descending: true,
        page: 1,
    };
    let mut all = console.engine.stats().tables(&caller, query.clone()).await?;
    while (all.tables.len() as i64) < all.matching {
        query.page += 1;
        let next = console.engine.stats().tables(&caller, query.clone()).await?;
        if next.tables.is_empty() {
            break;
        }
        all.tables.extend(next.tables);
    }
    session.out.show(&all, || words(&all));
    Ok(())
}

fn words(page: &TablePage) -> String {
    let head = [
        "table",
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
                table.rows.map_or_else(|| "unknown".to_owned(), format::exact),
                format::bytes(table.heap_bytes),
                format::bytes(table.toast_bytes),
                format::bytes(table.index_bytes),
                format::bytes(table.total_bytes),
                table
                    .last_analyze
                    .map_or_else(|| "never".to_owned(), format::absolute),
            ]
        })
        .collect();
    let tables = table::lay_out(&head, &head[1..6], &rows);
    format!(
        "{tables}\n\n{} tables, {} in all",
        page.all,
        format::bytes(page.total_bytes)
    )
}
