//! Checks and foreign keys of the plan.

use contract::optimize::{ItemKind, ItemState};

use super::{Act, Item, item};
use crate::{
    optimize::{
        ai_pal::WantedCheck,
        catalog::{ConstraintRow, TableRow},
        check,
    },
    quote,
};

/// A check that should be there.
pub(super) fn wanted(wanted: &WantedCheck, table: &TableRow, rows: &[ConstraintRow]) -> Item {
    let item = |state| {
        item(
            ItemKind::Constraint,
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
    let place = quote::qualified(&table.schema, wanted.table);
    let validate = format!(
        "alter table {place} validate constraint {}",
        quote::ident(wanted.name)
    );
    match rows
        .iter()
        .find(|row| row.table_oid == oid && row.name == wanted.name)
    {
        None => {
            let allowed: Vec<String> = wanted.allowed.iter().map(|value| quote::literal(value)).collect();
            let add = format!(
                "alter table {place} add constraint {} check ({} in ({})) not valid",
                quote::ident(wanted.name),
                quote::ident(wanted.column),
                allowed.join(", ")
            );
            item(ItemState::Missing).due(Act::Create, vec![add, validate])
        }
        Some(row) if !check::is_same(&row.definition, wanted) => item(ItemState::Different).note(format!(
            "Left alone: under this name there is {}.",
            row.definition
        )),
        Some(row) if row.validated => item(ItemState::Present),
        Some(_) => item(ItemState::Invalid)
            .due(Act::Validate, vec![validate])
            .note("It holds for new rows; the rows from before it are not yet checked."),
    }
}

/// A constraint that was added without looking at the rows before it.
pub(super) fn not_valid(row: &ConstraintRow) -> Item {
    let place = quote::qualified(&row.schema, &row.table);
    let validate = format!(
        "alter table {place} validate constraint {}",
        quote::ident(&row.name)
    );
    item(
        ItemKind::Constraint,
        &row.schema,
        &row.table,
        &row.name,
        ItemState::Invalid,
        row.bytes,
    )
    .due(Act::Validate, vec![validate])
    .note(format!(
        "{}. The rows from before it are not yet checked.",
        row.definition
    ))
}
