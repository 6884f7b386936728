//! Which table is filled before which, what is made or compared beside the rows, and the numbers afterwards.

use contract::import::{FindingKind, Obstacle, OnConflict, Severity, Stage};

use super::super::{Draft, Parents, Step, finding, target::There};
use crate::quote;

/// Which tables wait for which, and whose parents may be missing.
pub(super) fn order(there: &There, create_parents: bool, draft: &mut Draft) {
    let places: Vec<(String, usize)> = draft
        .plan
        .tables
        .iter()
        .enumerate()
        .map(|(place, table)| (table.name.clone(), place))
        .collect();
    let schema = draft.plan.schema.clone();
    for (name, place) in &places {
        let Some(table) = there.tables.get(name) else {
            continue;
        };
        let (mut after, mut parents, mut of_itself) = (Vec::new(), Vec::new(), false);
        for key in &table.foreign_keys {
            let here = key.parent_schema == schema;
            match places.iter().find(|(parent, _)| here && *parent == key.parent) {
                Some((_, parent)) if parent == place => of_itself = true,
                Some((_, parent)) => after.push(*parent),
                None => {}
            }
            let columns: Option<Vec<usize>> = key
                .columns
                .iter()
                .map(|column| {
                    let planned = &draft.plan.tables[*place].columns;
                    planned.iter().position(|it| it.name == *column)
                })
                .collect();
            let can_be_made = create_parents
                && here
                && key.parent != *name
                && there.tables.get(&key.parent).is_some_and(|parent| {
                    parent.columns.iter().all(|column| {
                        !column.not_null || column.has_default || key.parent_columns.contains(&column.name)
                    })
                });
            if let (Some(columns), true) = (columns, can_be_made) {
                parents.push(Parents {
                    columns,
                    schema: key.parent_schema.clone(),
                    table: key.parent.clone(),
                    parent_columns: key.parent_columns.clone(),
                });
            }
        }
        let table = &mut draft.plan.tables[*place];
        if of_itself {
            // A row may come before its parent; within one statement that is allowed.
            table.cuts.clear();
        }
        if let Some(existing) = &mut table.existing {
            existing.after = after;
            existing.parents = parents;
        }
    }
    let graph: Vec<Vec<usize>> = draft
        .plan
        .tables
        .iter()
        .map(|table| {
            table
                .existing
                .as_ref()
                .map(|it| it.after.clone())
                .unwrap_or_default()
        })
        .collect();
    if let Some(place) = (0..graph.len()).find(|place| reaches(&graph, *place, *place)) {
        let table = &draft.plan.tables[place];
        draft.obstacles.push(Obstacle {
            table: Some(table.source.clone()),
            column: None,
            words: format!(
                "The foreign keys of {} lead in a circle, so no table can be filled first.",
                table.name
            ),
            hint: "Drop one of the keys for the import, or leave a table out.".to_owned(),
        });
    }
}

fn reaches(graph: &[Vec<usize>], from: usize, to: usize) -> bool {
    let mut seen = vec![false; graph.len()];
    let mut next = graph[from].clone();
    while let Some(place) = next.pop() {
        if place == to {
            return true;
        }
        if !std::mem::replace(&mut seen[place], true) {
            next.extend(&graph[place]);
        }
    }
    false
}

/// Triggers that run after a row is in may change it, and rows of other tables: then all are compared again at the end.
pub(super) fn again(there: &There, on_conflict: OnConflict, draft: &mut Draft) {
    let mut running = draft
        .plan
        .tables
        .iter()
        .filter_map(|table| there.tables.get(&table.name))
        .flat_map(|table| &table.triggers);
    if !running.any(|(_, after)| *after) {
        return;
    }
    for table in &mut draft.plan.tables {
        // Rows that stayed as they were cannot be told from those that came in.
        let can = on_conflict != OnConflict::Skip && table.conflict_places().is_some();
        match &mut table.existing {
            Some(existing) if can => existing.again = true,
            _ => draft.plan.items.push(finding(
                Severity::Warning,
                FindingKind::Changed,
                &table.source,
                format!(
                    "What triggers change in {} after a row is in is not compared with the file: {}.",
                    table.name,
                    match on_conflict {
                        OnConflict::Skip => "rows that were there may be skipped",
                        OnConflict::Fail | OnConflict::Upsert => "it has no key among the file's columns",
                    }
                ),
            )),
        }
    }
}

/// Sequences that go on after the largest number that came in.
pub(super) fn identities(draft: &mut Draft) {
    let mut steps = Vec::new();
    for (place, table) in draft.plan.tables.iter().enumerate() {
        let name = quote::qualified(&draft.plan.schema, &table.name);
        for column in table.existing.iter().flat_map(|existing| &existing.identities) {
            let sequence = format!(
                "pg_get_serial_sequence({}, {})",
                quote::literal(&name),
                quote::literal(column)
            );
            steps.push(Step {
                stage: Stage::Constrain,
                table: Some(place),
                other: None,
                about: table.name.clone(),
                // Never back: numbers that were given away before stay given away.
                sql: vec![format!(
                    "select setval({sequence}, greatest(max({0}), pg_sequence_last_value({sequence}::regclass)))
   from {name}
 having greatest(max({0}), pg_sequence_last_value({sequence}::regclass)) is not null",
                    quote::ident(column)
                )],
                instead: Vec::new(),
                or_else: finding(
                    Severity::Error,
                    FindingKind::NotCarried,
                    &table.source,
                    format!("The numbers of {column} could not be set to go on after the largest one."),
                ),
                foreign_key: None,
                undo: None,
            });
        }
    }
    draft.plan.steps.extend(steps);
}
