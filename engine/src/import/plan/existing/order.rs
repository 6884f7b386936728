//! Which table is filled before which, what is made or compared beside the rows, and the numbers afterwards.

use contract::import::{FindingKind, Obstacle, OnConflict, Severity, Stage, TableFacts};

use super::super::{
    Draft, Parents, Step, finding,
    target::{ForeignKeyThere, There},
};
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
            // One statement refuses two rows with one key by itself.
            existing.repeats &= !of_itself;
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

/// What runs by itself while rows come in may change them, those of before, and rows of other tables: then all are compared
/// again at the end.
pub(super) fn again(there: &There, facts: &[TableFacts], on_conflict: OnConflict, draft: &mut Draft) {
    if !runs(there, on_conflict, draft) {
        return;
    }
    for table in &mut draft.plan.tables {
        let found = facts.iter().find(|facts| facts.name == table.source);
        let conflict = table
            .existing
            .as_ref()
            .map_or(&[][..], |existing| &existing.conflict);
        let why = match on_conflict {
            // Rows that stayed as they were cannot be told from those that came in.
            OnConflict::Skip => Some("rows that were there may be skipped"),
            OnConflict::Fail | OnConflict::Upsert if table.conflict_places().is_none() => {
                Some("it has no key among the file's columns")
            }
            OnConflict::Fail | OnConflict::Upsert => found
                .and_then(|facts| super::nulls(facts, &table.columns, conflict))
                .map(|_| "rows hold NULL in its key"),
        };
        match (why, &mut table.existing) {
            (None, Some(existing)) => existing.again = true,
            (why, _) => draft.plan.items.push(finding(
                Severity::Warning,
                FindingKind::Changed,
                &table.source,
                format!(
                    "What triggers change in {} after a row is in is not compared with the file: {}.",
                    table.name,
                    why.unwrap_or("it is new")
                ),
            )),
        }
    }
}

/// Whether anything runs by itself, at the tables of the plan or at the parents that are made for them.
fn runs(there: &There, on_conflict: OnConflict, draft: &Draft) -> bool {
    let parents = draft
        .plan
        .tables
        .iter()
        .filter_map(|table| table.existing.as_ref())
        .flat_map(|existing| &existing.parents)
        .map(|parent| &parent.table);
    let mut filled = draft.plan.tables.iter().map(|table| &table.name).chain(parents);
    filled.any(|name| {
        let Some(table) = there.tables.get(name) else {
            return false;
        };
        // A key that follows its parent in the same table may do so when its own row is in already.
        let follows = |key: &ForeignKeyThere| {
            key.follows && key.parent == *name && key.parent_schema == draft.plan.schema
        };
        table.triggers.iter().any(|trigger| trigger.runs(on_conflict))
            || on_conflict == OnConflict::Upsert && table.foreign_keys.iter().any(follows)
    })
}

/// Sequences that go on after the largest number that came in.
pub(super) fn identities(there: &There, draft: &mut Draft) {
    let mut steps = Vec::new();
    for (place, table) in draft.plan.tables.iter().enumerate() {
        let name = quote::qualified(&draft.plan.schema, &table.name);
        for column in table.existing.iter().flat_map(|existing| &existing.identities) {
            let column_there = there
                .tables
                .get(&table.name)
                .and_then(|table| table.columns.iter().find(|it| it.name == *column));
            let Some(sequence) = column_there.and_then(|it| it.sequence.as_deref()) else {
                continue;
            };
            steps.push(Step {
                stage: Stage::Constrain,
                table: Some(place),
                other: None,
                about: table.name.clone(),
                // Never back: numbers that were given away before stay given away, and one that begins later begins there.
                sql: vec![format!(
                    "select setval({}, max({column})::bigint)
   from {name}
 having max({column}) >= (select last_value::numeric + is_called::int from {sequence})",
                    quote::literal(sequence),
                    column = quote::ident(column)
                )],
                instead: Vec::new(),
                or_else: finding(
                    Severity::Error,
                    FindingKind::NotCarried,
                    &table.source,
                    format!("The numbers of {column} could not be set to go on after the largest one."),
                ),
                lost: None,
                foreign_key: None,
                undo: None,
            });
        }
    }
    draft.plan.steps.extend(steps);
}
