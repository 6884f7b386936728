//! What changed in the file's schema since it was looked at.

use std::collections::BTreeMap;

use contract::import::{Finding, FindingKind, IndexFacts, Severity};
use sqlite::{inspect::Inspected, schema};

use super::{super::load::Load, ANEW};
use crate::{Error, Result};

/// An index, a view or a trigger: the word for it, its name, its table, and its SQL.
type Objects = BTreeMap<(&'static str, String), (String, String)>;

/// Refuses when tables or columns changed. Gives indexes, views and triggers that did: rows alone are brought over.
///
/// # Errors
/// A conflict that names the table.
pub(super) fn look(load: &Load, inspected: &Inspected) -> Result<Vec<Finding>> {
    let file = &load.source.name;
    let unreadable = |error: rusqlite::Error| {
        Error::invalid(
            "file",
            format!("The list of tables of {file} cannot be read: {error}."),
            "Take another copy of the file.",
        )
    };
    let connection = load.source.connect()?;
    let tables = schema::tables(&connection).map_err(unreadable)?;
    let now: Vec<(&str, Option<&str>)> = tables
        .iter()
        .map(|table| (table.name.as_str(), table.sql.as_deref()))
        .collect();
    let then: Vec<(&str, Option<&str>)> = inspected
        .inspection
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.sql.as_deref()))
        .collect();
    if now != then {
        let other = now
            .iter()
            .find(|table| !then.contains(table))
            .or_else(|| then.iter().find(|table| !now.contains(table)))
            .map_or("the order of tables", |(name, _)| name);
        return Err(Error::conflict(
            format!("{file} has another schema than when it was loaded: {other} changed."),
            format!("Import it into another schema; or {ANEW}"),
        ));
    }
    let indexes = tables
        .iter()
        .flat_map(|table| table.indexes.iter().map(|index| (&table.name, index)));
    let mut now = indexes_of(indexes);
    for what in ["view", "trigger"] {
        let found = schema::objects(&connection, what).map_err(unreadable)?;
        now.extend(found.into_iter().map(|it| ((what, it.name), (it.table, it.sql))));
    }
    let inspection = &inspected.inspection;
    let indexes = inspection
        .tables
        .iter()
        .flat_map(|table| table.indexes.iter().map(|index| (&table.name, index)));
    let mut then = indexes_of(indexes);
    for (what, objects) in [("view", &inspection.views), ("trigger", &inspection.triggers)] {
        let known = objects.iter().cloned();
        then.extend(known.map(|it| ((what, it.name), (it.table, it.sql))));
    }
    Ok(differences(&now, &then))
}

/// Indexes with a statement of their own; those of constraints are a part of their table.
fn indexes_of<'a>(all: impl Iterator<Item = (&'a String, &'a IndexFacts)>) -> Objects {
    all.filter_map(|(table, index)| {
        let sql = index.sql.clone()?;
        let what = if index.unique { "unique index" } else { "index" };
        Some(((what, index.name.clone()), (table.clone(), sql)))
    })
    .collect()
}

fn differences(now: &Objects, then: &Objects) -> Vec<Finding> {
    let mut found = Vec::new();
    for ((what, name), (table, sql)) in now {
        let before = then.get(&(*what, name.clone()));
        let how = match before {
            Some(before) if before.1 == *sql => continue,
            Some(_) => "has changed",
            None => "has come",
        };
        // What is unique in the file need not be so in the database.
        let severity = match *what {
            "unique index" => Severity::Error,
            _ => Severity::Warning,
        };
        found.push(Finding {
            severity,
            kind: FindingKind::NotCarried,
            table: Some(table.clone()),
            column: None,
            words: format!(
                "The {what} {name} {how} in the file since it was looked at; following brings over rows alone."
            ),
            sql: Some(sql.clone()),
        });
    }
    for ((what, name), (table, sql)) in then {
        if !now.contains_key(&(*what, name.clone())) {
            found.push(Finding {
                severity: Severity::Warning,
                kind: FindingKind::Changed,
                table: Some(table.clone()),
                column: None,
                words: format!(
                    "The {what} {name} is not in the file any more; following leaves it in the database."
                ),
                sql: Some(sql.clone()),
            });
        }
    }
    found
}
