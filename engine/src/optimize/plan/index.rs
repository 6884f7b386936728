//! Indexes of the plan: those that are wanted, and those that are broken.

use contract::{
    format,
    optimize::{ItemKind, ItemState},
};
use sqlx::postgres::types::Oid;

use super::{Act, Item, item};
use crate::{
    optimize::{
        ai_pal::WantedIndex,
        catalog::{IndexRow, TableRow},
    },
    quote,
    target::invalid::InvalidIndex,
};

/// An index that should be there.
pub(super) fn wanted(
    wanted: &WantedIndex,
    all: &[WantedIndex],
    table: &TableRow,
    rows: &[IndexRow],
    invalid: &[InvalidIndex],
) -> Item {
    let item = |state| {
        item(
            ItemKind::Index,
            &table.schema,
            wanted.table,
            wanted.name,
            state,
            table.bytes,
        )
    };
    let Some(oid) = table.oid else {
        return item(ItemState::NoTable);
    };
    let create = create_sql(wanted, &table.schema);
    let note = cost(wanted, all, oid, rows);
    let row = rows
        .iter()
        .find(|row| row.schema == table.schema && row.name == wanted.name);
    let mut item = match row {
        None if table.kind.as_deref() == Some("p") => {
            return item(ItemState::Missing)
                .note("The table is partitioned: build the index on each partition, then on the table.");
        }
        None => item(ItemState::Missing).due(Act::Create, vec![create]),
        Some(row) if row.table_oid != Some(oid) => {
            let what = match &row.table {
                Some(table) => format!("an index of {table}"),
                None => "another relation".to_owned(),
            };
            return item(ItemState::Different).note(format!("Left alone: the name belongs to {what}."));
        }
        Some(row) if !is_same(row, wanted) => {
            let parts = row.columns.join(", ");
            return item(ItemState::Different).note(format!(
                "Left alone: the index of this name has another definition (columns {parts})."
            ));
        }
        Some(row) if row.valid => item(ItemState::Present),
        Some(_) => {
            let broken = invalid
                .iter()
                .find(|broken| broken.table_oid == oid && broken.name == wanted.name);
            match broken {
                Some(broken) if broken.is_leftover() => item(ItemState::Invalid)
                    .due(Act::Rebuild, vec![broken.drop_sql(), create])
                    .note("Its build was broken off: no query uses it, and every write pays for it."),
                broken => item(ItemState::Invalid).note(why_not(broken)),
            }
        }
    };
    item.view.bytes = row.map(|row| row.bytes);
    if item.view.note.is_none() {
        item.view.note = note;
    }
    item
}

fn create_sql(wanted: &WantedIndex, schema: &str) -> String {
    let columns: Vec<String> = wanted
        .columns
        .iter()
        .map(|column| {
            let direction = if column.option() == 0 { "" } else { " desc" };
            format!("{}{direction}", quote::ident(column.name()))
        })
        .collect();
    format!(
        "create index concurrently if not exists {} on {} ({})",
        quote::ident(wanted.name),
        quote::qualified(schema, wanted.table),
        columns.join(", ")
    )
}

fn is_same(row: &IndexRow, wanted: &WantedIndex) -> bool {
    row.plain
        && row
            .columns
            .iter()
            .eq(wanted.columns.iter().map(|column| column.name()))
        && row
            .options
            .iter()
            .copied()
            .eq(wanted.columns.iter().map(|column| column.option()))
}

/// What an index costs for nothing: one with these columns at its beginning serves the same queries.
fn cost(wanted: &WantedIndex, all: &[WantedIndex], table: Oid, rows: &[IndexRow]) -> Option<String> {
    let own: Vec<&str> = wanted.columns.iter().map(|column| column.name()).collect();
    let there = rows
        .iter()
        .filter(|row| row.table_oid == Some(table) && row.valid && row.plain && row.name != wanted.name)
        .find(|row| row.columns.len() >= own.len() && row.columns.iter().zip(&own).all(|(a, b)| a == b))
        .map(|row| row.name.as_str());
    let planned = all
        .iter()
        .filter(|other| other.table == wanted.table && other.columns.len() > own.len())
        .find(|other| {
            other
                .columns
                .iter()
                .zip(&own)
                .all(|(column, own)| column.name() == *own)
        })
        .map(|other| other.name);
    let other = there.or(planned)?;
    let bytes = rows
        .iter()
        .find(|row| row.name == wanted.name && row.table_oid == Some(table))
        .map(|row| row.bytes);
    Some(match bytes {
        Some(bytes) => {
            format!(
                "Kept because the guide names it; costs {} beside {other}, which begins with its columns.",
                format::bytes(bytes)
            )
        }
        None => format!("Wanted because the guide names it, though {other} begins with its columns."),
    })
}

/// An invalid index that nobody named.
pub(super) fn broken(row: &InvalidIndex) -> Item {
    let mut item = item(
        ItemKind::Index,
        &row.schema,
        &row.table,
        &row.name,
        ItemState::Invalid,
        row.bytes,
    );
    item.view.bytes = Some(row.bytes);
    if !row.is_leftover() {
        return item.note(why_not(Some(row)));
    }
    if row.is_rebuild_leftover() {
        return item
            .due(Act::Drop, vec![row.drop_sql()])
            .note("What a broken-off REINDEX CONCURRENTLY left.");
    }
    if !row.live {
        return item
            .due(Act::Drop, vec![row.drop_sql()])
            .note("Its removal was broken off.");
    }
    // A rebuild rather than drop and create: when it fails, the index and its definition are still there.
    let rebuild = format!(
        "reindex index concurrently {}",
        quote::qualified(&row.schema, &row.name)
    );
    item.due(Act::Rebuild, vec![rebuild])
        .note(format!("Its build was broken off: {}.", row.definition))
}

/// Partitions that are named; the rest is counted.
const NAMED: usize = 5;

fn why_not(row: Option<&InvalidIndex>) -> String {
    match row {
        Some(row) if row.partitioned => parts_to_build(row),
        Some(InvalidIndex {
            built_by: Some(pid), ..
        }) => format!("Being built at this moment by pid {pid}."),
        Some(InvalidIndex {
            backs: Some(constraint),
            ..
        }) => {
            format!("Left alone: the constraint {constraint} stands on it.")
        }
        _ => "It became valid at this moment.".to_owned(),
    }
}

/// What is left to do by hand for the index of a partitioned table.
fn parts_to_build(row: &InvalidIndex) -> String {
    let name = quote::qualified(&row.schema, &row.name);
    let more = match row.lacking.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {} more", format::exact(more as i64)),
    };
    let lacking: Vec<&str> = row.lacking.iter().take(NAMED).map(String::as_str).collect();
    format!(
        "It was made for the partitioned table alone ({}), and no index of it is on {}{more}. Create one on each with \
         create index concurrently, then attach each with alter index {name} attach partition; with the last one it \
         becomes valid.",
        row.definition,
        lacking.join(", ")
    )
}
