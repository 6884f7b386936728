//! One table of the file as one of the plan, or as several when it is too wide.

use contract::import::{ColumnType, Finding, FindingKind, Severity, TableFacts};
use sqlite::{
    findings::{MOST_COLUMNS, ROW, width},
    inspect::Inspected,
};

use super::super::{ColumnPlan, Draft, IdentityPlan, TablePlan, columns::by, finding, naming::Names};

/// The most columns of a part of a table that is too wide, so that some can be added.
const FEW_COLUMNS: usize = 1_500;
/// See `FEW_COLUMNS`, in bytes of a row.
const NARROW: i64 = ROW - 160;

/// Adds a table to the plan, or several when PostgreSQL cannot hold it whole.
pub(super) fn tables(
    inspected: &Inspected,
    facts: &TableFacts,
    name: &str,
    columns: Vec<ColumnPlan>,
    names: &mut Names,
    draft: &mut Draft,
) -> Vec<usize> {
    let layout = inspected.layout.get(&facts.name);
    let stored = |column: &ColumnPlan| {
        facts
            .columns
            .iter()
            .find(|it| Some(&it.name) == column.source.as_ref())
    };
    let widths: Vec<i64> = columns
        .iter()
        .map(|column| stored(column).map_or(8, |facts| width(column.encoder.to, facts)))
        .collect();
    let groups = match columns.len() > MOST_COLUMNS || widths.iter().sum::<i64>() > ROW {
        true => split(facts, columns, &widths),
        false => vec![columns],
    };
    let several = groups.len() > 1;
    let mut places = Vec::new();
    for (number, columns) in groups.into_iter().enumerate() {
        let name = match number {
            0 => name.to_owned(),
            _ => names.take(&format!("{name}_{}", number + 1), "table"),
        };
        let place_of = |wanted: &str| {
            columns
                .iter()
                .position(|column| column.source.as_deref() == Some(wanted))
        };
        let key: Option<Vec<usize>> = facts.primary_key.iter().map(|part| place_of(part)).collect();
        let numbering = facts.identity.as_ref().filter(|_| number == 0);
        let numbering = numbering.and_then(|identity| Some((identity, place_of(&identity.column)?)));
        let identity = numbering
            .filter(|(_, place)| columns[*place].encoder.to == ColumnType::Bigint)
            .map(|(identity, place)| IdentityPlan {
                column: columns[place].name.clone(),
                next: identity.next,
            });
        if let (Some((numbers, _)), None) = (numbering, &identity) {
            draft.plan.items.push(Finding {
                column: Some(numbers.column.clone()),
                ..finding(
                    Severity::Warning,
                    FindingKind::NotCarried,
                    &facts.name,
                    "Numbers its rows in the file, and not as the type that is chosen.",
                )
            });
        }
        places.push(draft.plan.tables.len());
        draft.plan.tables.push(TablePlan {
            source: facts.name.clone(),
            name,
            key: key.filter(|key| !key.is_empty()).unwrap_or_default(),
            identity,
            columns,
            rowid: layout.and_then(|layout| layout.rowid.clone()),
            cuts: layout
                .map(|layout| layout.parts(draft.plan.follow))
                .unwrap_or_default(),
            rows: facts.rows,
            bytes: layout.map_or(0, |layout| layout.bytes),
            existing: None,
        });
    }
    if several {
        let list: Vec<&str> = places
            .iter()
            .map(|place| draft.plan.tables[*place].name.as_str())
            .collect();
        let by = match facts.primary_key.is_empty() {
            true => by(facts.rows_by).to_owned(),
            false => facts.primary_key.join(", "),
        };
        let words = format!(
            "Wider than a table of PostgreSQL can be: it is split into {}, joined by {by}.",
            list.join(", ")
        );
        draft.plan.items.push(finding(
            Severity::Warning,
            FindingKind::Changed,
            &facts.name,
            words,
        ));
    }
    places
}

/// Cuts columns into groups that each fit a table, every group with the key, or with the rowid when there is none.
fn split(facts: &TableFacts, columns: Vec<ColumnPlan>, widths: &[i64]) -> Vec<Vec<ColumnPlan>> {
    let is_key = |column: &ColumnPlan| {
        column
            .source
            .as_ref()
            .is_some_and(|name| facts.primary_key.contains(name))
    };
    let mut key: Vec<ColumnPlan> = columns.iter().filter(|column| is_key(column)).cloned().collect();
    if key.is_empty() {
        let mut names = Names::with(columns.iter().map(|column| column.name.clone()));
        key.push(ColumnPlan::rowid(names.take("rowid", "rowid")));
    }
    let key_width: i64 = key.len() as i64 * 20;
    let mut groups = Vec::new();
    let mut group = key.clone();
    let mut wide = key_width;
    for (column, width) in columns.into_iter().zip(widths) {
        if is_key(&column) {
            continue;
        }
        if group.len() >= FEW_COLUMNS || wide + width > NARROW {
            groups.push(std::mem::replace(&mut group, key.clone()));
            wide = key_width;
        }
        wide += width;
        group.push(column);
    }
    groups.push(group);
    groups
}
