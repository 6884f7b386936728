//! A plan that brings rows into tables that are there. Columns are matched by name; constraints and triggers hold.

mod order;
mod statements;

use std::collections::HashSet;

use contract::{
    format,
    import::{ColumnFacts, ColumnType, Finding, FindingKind, Mapping, OnConflict, Severity, TableFacts},
};
use sqlite::inspect::Inspected;

use super::{
    ColumnPlan, Draft, Existing, TablePlan, columns, finding, new,
    target::{ColumnThere, TableThere, There, TriggerThere},
};

pub(in crate::import::plan) fn plan(
    inspected: &Inspected,
    mapping: &Mapping,
    there: &There,
    draft: &mut Draft,
) {
    let mut not_carried = 0;
    if mapping.follow {
        draft.obstacle(
            None,
            None,
            "Rows in tables that are there are not followed.",
            "Switch following off; another import with upsert brings changed rows over.",
        );
    }
    for facts in &inspected.inspection.tables {
        let choice = mapping.tables.get(&facts.name);
        if new::is_left_out(facts, choice, draft) {
            continue;
        }
        let wanted = choice
            .and_then(|choice| choice.name.as_deref())
            .unwrap_or(&facts.name);
        let Some((name, table)) = by_name(
            wanted,
            there.tables.iter().map(|(name, table)| (name.as_str(), table)),
        ) else {
            match facts.rows {
                0 => draft.plan.items.push(finding(
                    Severity::Note,
                    FindingKind::NotCarried,
                    &facts.name,
                    format!("Has no rows, and {} has no such table.", mapping.schema),
                )),
                rows => draft.obstacle(
                    Some(&facts.name),
                    None,
                    format!(
                        "The schema {} has no table {wanted} for the {} rows of {}.",
                        mapping.schema,
                        format::exact(rows),
                        facts.name
                    ),
                    "Name another table, leave this one out, or make it first (a migration, or an import into new tables).",
                ),
            }
            continue;
        };
        not_carried += facts.indexes.len() + facts.checks.len() + facts.foreign_keys.len();
        one(inspected, facts, name, table, mapping, draft);
    }
    if not_carried > 0 {
        draft.plan.items.push(Finding {
            table: None,
            ..finding(
                Severity::Note,
                FindingKind::NotCarried,
                "",
                "Indexes, checks and keys of the file are not carried over: those of the tables that are there hold.",
            )
        });
    }
    order::order(there, mapping.create_parents, draft);
    order::again(there, &inspected.inspection.tables, mapping.on_conflict, draft);
    order::identities(there, draft);
    new::analyze(&mut draft.plan);
}

/// What has a name: the very same, else the only one that differs in nothing but capitals.
fn by_name<'a, T>(wanted: &str, all: impl Iterator<Item = (&'a str, T)>) -> Option<(&'a str, T)> {
    let mut alike = Vec::new();
    for (name, what) in all {
        if name == wanted {
            return Some((name, what));
        }
        if name.eq_ignore_ascii_case(wanted) {
            alike.push((name, what));
        }
    }
    match alike.len() {
        1 => alike.pop(),
        _ => None,
    }
}

fn one(
    inspected: &Inspected,
    facts: &TableFacts,
    name: &str,
    table: &TableThere,
    mapping: &Mapping,
    draft: &mut Draft,
) {
    if let Some(other) = draft.plan.tables.iter().find(|other| other.name == name) {
        let words = format!("Goes into {name}, and so does {}.", other.source);
        draft.obstacle(
            Some(&facts.name),
            None,
            words,
            "Name another table for one of them, or leave one out.",
        );
        return;
    }
    for rule in &table.insert_rules {
        draft.obstacle(
            Some(&facts.name),
            None,
            format!("The rule {rule} of {name} does something else for each insert, and what becomes of a row cannot be told."),
            "Disable the rule for the import (alter table … disable rule …), or leave the table out.",
        );
    }
    let layout = inspected.layout.get(&facts.name);
    let uncomputed = layout.map_or(&[][..], |layout| &layout.uncomputed);
    let Some(columns) = matched(facts, uncomputed, name, table, mapping, draft) else {
        return;
    };
    let cuts = layout
        .map(|layout| layout.parts(draft.plan.follow))
        .unwrap_or_default();
    let (conflict, keys) = keys(facts, &columns, name, table, mapping.on_conflict, draft);
    let runs = |trigger: &&TriggerThere| trigger.runs(mapping.on_conflict);
    let names: Vec<&str> = table
        .triggers
        .iter()
        .filter(runs)
        .map(|it| it.name.as_str())
        .collect();
    if !names.is_empty() {
        draft.plan.items.push(finding(
            Severity::Note,
            FindingKind::Changed,
            &facts.name,
            format!(
                "For each new row of {name} its triggers run: {}.",
                names.join(", ")
            ),
        ));
    }
    let throws = table.triggers.iter().any(|trigger| trigger.throws);
    let is_rowid = by_rowid(facts, &columns, &conflict) && layout.is_some_and(|it| it.rowid.is_some());
    let existing = Existing {
        parents: Vec::new(),
        after: Vec::new(),
        identities: identities(facts, &columns, name, table, draft),
        again: false,
        repeats: mapping.on_conflict == OnConflict::Upsert && !cuts.is_empty() && !is_rowid,
        kept_by: (mapping.on_conflict == OnConflict::Skip && throws).then_some(keys),
        conflict: conflict.clone(),
    };
    let key = match conflict.is_empty() {
        false => conflict.clone(),
        true => facts.primary_key.clone(),
    };
    let key = key
        .iter()
        .map(|part| columns.iter().position(|column| column.name == *part))
        .collect::<Option<Vec<usize>>>()
        .unwrap_or_default();
    draft.plan.tables.push(TablePlan {
        source: facts.name.clone(),
        name: name.to_owned(),
        key,
        identity: None,
        columns,
        rowid: layout.and_then(|layout| layout.rowid.clone()),
        cuts,
        rows: facts.rows,
        bytes: layout.map_or(0, |layout| layout.bytes),
        existing: Some(existing),
    });
}

/// The key by which rows are found again, and all keys of the table among the file's columns.
fn keys(
    facts: &TableFacts,
    columns: &[ColumnPlan],
    name: &str,
    table: &TableThere,
    on_conflict: OnConflict,
    draft: &mut Draft,
) -> (Vec<String>, Vec<Vec<String>>) {
    let named = |wanted: &String| columns.iter().any(|column| column.name == *wanted);
    let keys: Vec<Vec<String>> = table
        .keys
        .iter()
        .filter(|key| !key.is_empty() && key.iter().all(named))
        .cloned()
        .collect();
    // NULL is equal to nothing, so a row with one in its key is not found.
    let whole = keys.iter().find(|key| nulls(facts, columns, key).is_none());
    let conflict = whole.or(keys.first()).cloned().unwrap_or_default();
    let upsert = on_conflict == OnConflict::Upsert;
    if upsert && conflict.is_empty() {
        draft.obstacle(
            Some(&facts.name),
            None,
            format!("{name} has no unique key among the file's columns, so a row cannot be found again."),
            "Let conflicts fail or be skipped, or leave the table out.",
        );
    }
    if let Some((column, rows)) = nulls(facts, columns, &conflict) {
        let words = format!(
            "{} rows hold NULL in {column}, by which {name} tells its rows apart: each import brings them in once more.",
            format::exact(rows)
        );
        match upsert {
            true => draft.obstacle(
                Some(&facts.name),
                Some(&column),
                words,
                "Mend the rows in the file, let conflicts fail or be skipped, or leave the table out.",
            ),
            false => draft.plan.items.push(Finding {
                column: Some(column),
                ..finding(Severity::Warning, FindingKind::KeptAsStored, &facts.name, words)
            }),
        }
    }
    (conflict, keys)
}

/// The first column of a key, by its name in the file, in which rows hold NULL, and how many do.
fn nulls(facts: &TableFacts, columns: &[ColumnPlan], key: &[String]) -> Option<(String, i64)> {
    key.iter().find_map(|name| {
        let column = columns.iter().find(|column| column.name == *name)?;
        let source = column.source.as_ref()?;
        let stored = &facts.columns.iter().find(|it| it.name == *source)?.stored;
        (stored.nulls > 0).then(|| (source.clone(), stored.nulls))
    })
}

/// Whether a key is the rowid, of which no two rows have the same even in a damaged file: they are read by it.
fn by_rowid(facts: &TableFacts, columns: &[ColumnPlan], key: &[String]) -> bool {
    let [key] = key else { return false };
    columns.iter().any(|column| {
        let numbers = facts.identity.as_ref().map(|it| &it.column);
        column.name == *key && column.source.as_ref() == numbers && column.encoder.to == ColumnType::Bigint
    })
}

/// Columns that number rows and get values from the file.
fn identities(
    facts: &TableFacts,
    columns: &[ColumnPlan],
    name: &str,
    table: &TableThere,
    draft: &mut Draft,
) -> Vec<String> {
    let mut found = Vec::new();
    for column in table.columns.iter().filter(|column| !column.always) {
        let given = columns.iter().any(|it| it.name == column.name);
        match (&column.sequence, given) {
            (Some(sequence), true) if column.descends => draft.plan.items.push(finding(
                Severity::Warning,
                FindingKind::Changed,
                &facts.name,
                format!(
                    "{sequence} numbers {name}.{} downwards, and stays where it is.",
                    column.name
                ),
            )),
            (Some(_), true) => found.push(column.name.clone()),
            _ => {}
        }
    }
    found
}

/// The columns of the file that have a place in the table; none when something stands in the way.
fn matched(
    facts: &TableFacts,
    uncomputed: &[String],
    name: &str,
    table: &TableThere,
    mapping: &Mapping,
    draft: &mut Draft,
) -> Option<Vec<ColumnPlan>> {
    let choices = mapping.tables.get(&facts.name);
    let before = draft.obstacles.len();
    let mut found: Vec<ColumnPlan> = Vec::new();
    // Columns of the table that have one of the file, also one whose values do not fit.
    let mut met = HashSet::new();
    for column in facts
        .columns
        .iter()
        .filter(|column| !uncomputed.contains(&column.name))
    {
        let choice = choices.and_then(|choice| choice.columns.get(&column.name));
        if choice.is_some_and(|choice| choice.skip) {
            draft.plan.items.push(item(
                facts,
                column,
                Severity::Warning,
                format!(
                    "Left out by choice, with {} values.",
                    format::exact(column.stored.values())
                ),
            ));
            continue;
        }
        let wanted = choice
            .and_then(|choice| choice.name.as_deref())
            .unwrap_or(&column.name);
        let place = by_name(wanted, table.columns.iter().map(|it| (it.name.as_str(), it)));
        match place {
            None if column.stored.values() == 0 => draft.plan.items.push(item(
                facts,
                column,
                Severity::Note,
                format!("Holds nothing, and {name} has no such column."),
            )),
            None => draft.obstacle(
                Some(&facts.name),
                Some(&column.name),
                format!(
                    "{name} has no column {wanted} for {} values.",
                    format::exact(column.stored.values())
                ),
                "Name another column, leave this one out, or add it to the table first.",
            ),
            Some((_, there)) if there.always => draft.plan.items.push(item(
                facts,
                column,
                Severity::Warning,
                format!(
                    "PostgreSQL computes {} itself; the file's values are not carried over.",
                    there.name
                ),
            )),
            Some((_, there)) => {
                met.insert(&there.name);
                found.extend(fitted(facts, column, there, mapping, draft));
            }
        }
    }
    for there in &table.columns {
        if there.not_null && !there.has_default && !there.always && !met.contains(&there.name) {
            draft.obstacle(
                Some(&facts.name),
                None,
                format!(
                    "{name}.{} must have a value, has no default, and the file has no such column.",
                    there.name
                ),
                "Give it a default, or name the column of the file that belongs there.",
            );
        }
    }
    (draft.obstacles.len() == before && !found.is_empty()).then_some(found)
}

fn fitted(
    facts: &TableFacts,
    column: &ColumnFacts,
    there: &ColumnThere,
    mapping: &Mapping,
    draft: &mut Draft,
) -> Option<ColumnPlan> {
    let to = staged(&there.type_name);
    let encoder = columns::encoder(facts, column, to, mapping.text, draft)?;
    if there.not_null && column.stored.nulls > 0 {
        draft.obstacle(
            Some(&facts.name),
            Some(&column.name),
            format!(
                "{} rows hold NULL, which {} does not allow.",
                format::exact(column.stored.nulls),
                there.name
            ),
            "Mend the rows in the file, or allow NULL in the table first.",
        );
    }
    let range = match there.type_name.as_str() {
        "int2" => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
        "int4" => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        _ => None,
    };
    if let (Some((low, high)), Some((least, most))) = (range, column.stored.integer_range)
        && (least < low || most > high)
    {
        draft.obstacle(
            Some(&facts.name),
            Some(&column.name),
            format!(
                "Holds {} to {}, more than {} can.",
                format::exact(least),
                format::exact(most),
                there.declared
            ),
            "Widen the column to bigint first.",
        );
    }
    let mut plan = ColumnPlan::of(column, there.name.clone(), encoder);
    plan.declared = Some(there.declared.clone());
    Some(plan)
}

fn item(facts: &TableFacts, column: &ColumnFacts, severity: Severity, words: String) -> Finding {
    Finding {
        column: Some(column.name.clone()),
        ..finding(severity, FindingKind::NotCarried, &facts.name, words)
    }
}

/// The type in which values wait before they are assigned to a column of this type.
fn staged(type_name: &str) -> ColumnType {
    match type_name {
        "int2" | "int4" | "int8" => ColumnType::Bigint,
        "float4" | "float8" => ColumnType::Double,
        "numeric" => ColumnType::Numeric,
        "bool" => ColumnType::Boolean,
        "bytea" => ColumnType::Bytea,
        "date" => ColumnType::Date,
        "time" => ColumnType::Time,
        "json" => ColumnType::Json,
        "timestamp" => ColumnType::Timestamp,
        "timestamptz" => ColumnType::Timestamptz,
        "uuid" => ColumnType::Uuid,
        "jsonb" => ColumnType::Jsonb,
        _ => ColumnType::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_its_capitals_only_when_it_is_the_only_one() {
        let all = |names: &'static [&'static str]| names.iter().map(|name| (*name, ()));
        assert_eq!(by_name("Id", all(&["ID", "other"])), Some(("ID", ())));
        assert_eq!(by_name("Id", all(&["ID", "id"])), None);
        assert_eq!(by_name("id", all(&["ID", "id"])), Some(("id", ())));
    }
}
