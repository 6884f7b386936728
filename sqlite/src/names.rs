//! Names that PostgreSQL cannot keep.

use std::collections::BTreeMap;

use contract::import::{Finding, FindingKind, Severity, TableFacts};

/// The longest name in bytes (`NAMEDATALEN` less one).
const LONGEST: usize = 63;
/// What PostgreSQL calls its own columns of every table.
const SYSTEM: [&str; 6] = ["ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"];

/// Finds tables and columns that need another name.
pub(super) fn check(tables: &[TableFacts], found: &mut Vec<Finding>) {
    let read: Vec<&TableFacts> = tables
        .iter()
        .filter(|table| table.kind.skipped().is_none())
        .collect();
    let names: Vec<&str> = read.iter().map(|table| table.name.as_str()).collect();
    for (name, why) in unfit(&names, &[]) {
        found.push(renamed(
            name,
            None,
            &format!("The table's name {why}; it needs another one."),
        ));
    }
    for table in read {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        for (name, why) in unfit(&names, &SYSTEM) {
            let words = format!("The column's name {why}; it needs another one.");
            found.push(renamed(&table.name, Some(name), &words));
        }
    }
}

/// The names among these that cannot stay, and why.
fn unfit<'a>(names: &[&'a str], taken: &[&str]) -> Vec<(&'a str, &'static str)> {
    let mut beginnings: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *beginnings.entry(beginning(name)).or_default() += 1;
    }
    names
        .iter()
        .filter_map(|name| {
            let why = if name.is_empty() {
                "is empty"
            } else if taken.contains(name) {
                "belongs to PostgreSQL's own columns"
            } else if beginnings.get(beginning(name)).is_some_and(|many| *many > 1) {
                "has the same first 63 bytes as another one, and PostgreSQL keeps no more"
            } else if name.len() > LONGEST {
                "has over 63 bytes, of which PostgreSQL keeps no more"
            } else {
                return None;
            };
            Some((*name, why))
        })
        .collect()
}

/// What PostgreSQL keeps of a name; it cuts between characters.
fn beginning(name: &str) -> &str {
    &name[..name.floor_char_boundary(LONGEST)]
}

fn renamed(table: &str, column: Option<&str>, words: &str) -> Finding {
    Finding {
        severity: Severity::Warning,
        kind: FindingKind::Renamed,
        table: Some(table.to_owned()),
        column: column.map(str::to_owned),
        words: words.to_owned(),
        sql: None,
    }
}

#[cfg(test)]
mod tests {
    use super::unfit;

    #[test]
    fn only_names_that_cannot_stay_are_named() {
        let long = "é".repeat(40);
        let other = format!("{}x", "é".repeat(31));
        let whys: Vec<&str> = unfit(&["", "ctid", "oid", "Plain Name", &long, &other], &["ctid"])
            .into_iter()
            .map(|(_, why)| why.split(',').next().unwrap_or_default())
            .collect();
        assert_eq!(
            whys,
            [
                "is empty",
                "belongs to PostgreSQL's own columns",
                "has over 63 bytes"
            ],
            "{other} has 63 bytes and another end"
        );
        let twins = [format!("{}a", "x".repeat(63)), format!("{}b", "x".repeat(63))];
        assert_eq!(unfit(&[&twins[0], &twins[1]], &[]).len(), 2);
    }
}
