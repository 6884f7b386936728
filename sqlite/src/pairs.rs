//! Columns that foreign keys tie together: they must get one type.

use contract::import::{ColumnFacts, TableFacts};

/// A column in its table.
pub(super) type Place<'a> = (&'a TableFacts, &'a ColumnFacts);

/// The columns that foreign keys of a table tie together, with the key in words.
pub(super) fn pairs<'a>(
    table: &'a TableFacts,
    tables: &'a [TableFacts],
) -> Vec<(Place<'a>, Place<'a>, String)> {
    let column = |table: &'a TableFacts, name: &str| {
        table
            .columns
            .iter()
            .find(|it| it.name.eq_ignore_ascii_case(name))
            .map(|it| (table, it))
    };
    let mut pairs = Vec::new();
    for key in &table.foreign_keys {
        let Some(parent) = tables.iter().find(|it| it.name.eq_ignore_ascii_case(&key.parent)) else {
            continue;
        };
        let named = match key.parent_columns.is_empty() {
            true => &parent.primary_key,
            false => &key.parent_columns,
        };
        for (from, to) in key.columns.iter().zip(named) {
            if let (Some(child), Some(to)) = (column(table, from), column(parent, to)) {
                let words = format!("{}.{} → {}.{}", table.name, child.1.name, parent.name, to.1.name);
                pairs.push((child, to, words));
            }
        }
    }
    pairs
}
