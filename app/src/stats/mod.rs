//! Sizes and activity of tables: all of a managed database, and one whole.

pub mod api;
mod detail;
mod list;
mod rows;

pub use detail::TablePage;
pub use list::TablesPage;

use contract::stats::TableStat;

use crate::address::segment;

/// A table's link: its page below `/db/{target}/tables/`.
pub(crate) fn table_link(target: &str, schema: &str, name: &str) -> String {
    crate::address::link(target, &format!("tables/{}/{}", segment(schema), segment(name)))
}

/// A table's name as people say it: the schema only where it is not `public`.
pub(crate) fn spoken_name(table: &TableStat) -> String {
    if table.schema == "public" {
        table.name.clone()
    } else {
        format!("{}.{}", table.schema, table.name)
    }
}

/// Whether so many rows are dead that vacuum is behind: more than a tenth of the live ones, and enough to matter.
fn has_many_dead(table: &TableStat) -> bool {
    table.dead_rows >= 1000 && table.rows.is_some_and(|rows| table.dead_rows * 10 > rows)
}
