//! One type for the columns that foreign keys tie together: PostgreSQL allows no key between two.

use std::collections::{HashMap, HashSet};

use contract::import::{ColumnFacts, ColumnType, Form, OtherType, TableFacts};

use super::{
    fit::Forms,
    pairs::{Place, pairs},
    propose::could_become_equal,
};

/// A column, by the places of its table and of itself.
type At = (usize, usize);

/// Two columns that a foreign key ties together.
struct Tie {
    child: At,
    parent: At,
    key: String,
}

/// Gives columns that foreign keys tie together one type, where their values allow it. UUIDs stay text beside a column that
/// holds other things. A child takes its parent's type when it holds all of the child's values; a parent of whole numbers
/// becomes text when its children hold more than numbers.
pub(super) fn agree(tables: &mut [TableFacts]) {
    let mut moved = HashSet::new();
    uuids(tables, &mut moved);
    let ties = ties(tables);
    // A column takes another type at most once, and then text at most once, so this comes to an end.
    loop {
        let mut changed = false;
        for tie in &ties {
            let to = column(tables, tie.parent).proposal.column_type;
            let settled = to != ColumnType::Text && moved.contains(&tie.child);
            if !settled && follows(tables, tie.child, to) {
                moved.insert(tie.child);
                give(tables, tie.child, to, &tie.key);
                changed = true;
            }
        }
        if changed {
            continue;
        }
        let led = ties.iter().find(|tie| {
            column(tables, tie.child).proposal.column_type == ColumnType::Text
                && follows(tables, tie.parent, ColumnType::Text)
        });
        let Some(tie) = led else { return };
        moved.insert(tie.parent);
        give(tables, tie.parent, ColumnType::Text, &tie.key);
    }
}

fn ties(tables: &[TableFacts]) -> Vec<Tie> {
    let places: HashMap<&str, usize> = (0..)
        .zip(tables)
        .map(|(at, table)| (table.name.as_str(), at))
        .collect();
    let at = |(table, column): Place<'_>| {
        let place = *places.get(table.name.as_str())?;
        let of_table = table.columns.iter().position(|it| it.name == column.name)?;
        Some((place, of_table))
    };
    tables
        .iter()
        .flat_map(|table| pairs(table, tables))
        .filter_map(|(child, parent, key)| {
            Some(Tie {
                child: at(child)?,
                parent: at(parent)?,
                key,
            })
        })
        .collect()
}

fn column(tables: &[TableFacts], (table, column): At) -> &ColumnFacts {
    &tables[table].columns[column]
}

/// Whether a column of another type can take this one: no value changes but the way in which a number is written.
fn follows(tables: &[TableFacts], at: At, to: ColumnType) -> bool {
    let facts = column(tables, at);
    let numbers_rows = tables[at.0]
        .identity
        .as_ref()
        .is_some_and(|it| it.column == facts.name);
    if facts.proposal.column_type == to || numbers_rows {
        return false;
    }
    let stored = &facts.stored;
    let forms = Forms(stored);
    let values = stored.values();
    match to {
        _ if values == 0 => true,
        ColumnType::Text => stored.integers == values || stored.texts == values,
        ColumnType::Bytea => stored.blobs == values,
        ColumnType::Boolean => forms.only(&[Form::ZeroOne]),
        ColumnType::Bigint
        | ColumnType::Numeric
        | ColumnType::Double
        | ColumnType::Date
        | ColumnType::Uuid => forms.all(to) && !could_become_equal(to, &forms),
        ColumnType::Time | ColumnType::Timestamp | ColumnType::Timestamptz => {
            forms.all(to) && forms.single().is_some() && stored.times_alike
        }
        ColumnType::Jsonb | ColumnType::Json => false,
    }
}

fn give(tables: &mut [TableFacts], (table, column): At, to: ColumnType, key: &str) {
    let ColumnFacts { proposal, stored, .. } = &mut tables[table].columns[column];
    let forms = Forms(stored);
    let before = std::mem::replace(&mut proposal.column_type, to);
    let conversion = proposal.conversion.take();
    proposal.others.retain(|other| other.column_type != to);
    if stored.values() == 0 {
        proposal.reason = format!("no values, so it follows the foreign key {key}");
    } else {
        proposal.conversion = forms.conversion(to);
        proposal.reason = format!("{}, as the foreign key {key} needs it", to.sql());
        if proposal.others.iter().all(|other| other.column_type != before) {
            proposal.others.insert(
                0,
                OtherType {
                    column_type: before,
                    conversion,
                    against: forms.against(before),
                },
            );
        }
    }
    proposal.tied = Some(key.to_owned());
}

/// Where only one of two sides would be a UUID, a side without values follows the other; else both stay text, or bytes.
fn uuids(tables: &mut [TableFacts], moved: &mut HashSet<At>) {
    let ties = ties(tables);
    loop {
        let mut changed = false;
        for tie in &ties {
            for (one, other) in [(tie.child, tie.parent), (tie.parent, tie.child)] {
                let is_uuid = |at| column(tables, at).proposal.column_type == ColumnType::Uuid;
                if !is_uuid(one) || is_uuid(other) {
                    continue;
                }
                changed = true;
                if column(tables, other).stored.values() == 0 && moved.insert(other) {
                    give(tables, other, ColumnType::Uuid, &tie.key);
                    continue;
                }
                let ColumnFacts { proposal, stored, .. } = &mut tables[one.0].columns[one.1];
                let to = match stored.blobs > 0 && stored.blobs == stored.values() {
                    true => ColumnType::Bytea,
                    false => ColumnType::Text,
                };
                proposal.conversion = Forms(stored).conversion(to);
                proposal.column_type = to;
                proposal.reason = format!(
                    "UUIDs, but the foreign key {} ties it to a column that is none",
                    tie.key
                );
                proposal.tied = Some(tie.key.clone());
                proposal.others.retain(|other| other.column_type != to);
            }
        }
        if !changed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use rusqlite::Connection;

    use super::ColumnType::{self, *};
    use crate::{inspect, scan, stop::Stop};

    /// The types of columns, and the foreign keys that tie two types.
    fn types(sql: &str, wanted: &[(&str, ColumnType)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.db");
        let connection = Connection::open(&file).unwrap();
        connection.execute_batch("pragma foreign_keys = off").unwrap();
        connection.execute_batch(sql).unwrap();
        drop(connection);
        let found = inspect::run(
            &file,
            None,
            folder.path(),
            true,
            &Stop::default(),
            &scan::Seen::default(),
        );
        let found = found.unwrap().inspection;
        for (place, expected) in wanted {
            let (table, column) = place.split_once('.').unwrap();
            let table = found.tables.iter().find(|it| it.name == table).unwrap();
            let column = table.columns.iter().find(|it| it.name == column).unwrap();
            let proposal = &column.proposal;
            assert_eq!(proposal.column_type, *expected, "{place}: {}", proposal.reason);
        }
        let untied = found.findings.into_iter();
        untied
            .filter(|finding| finding.words.contains(" ties "))
            .map(|finding| finding.words)
            .collect()
    }

    #[test]
    fn a_child_takes_its_parents_type_where_that_holds_its_values() {
        let untied = types(
            "create table p (code int_or_text primary key);
             create table c (p int_or_text references p (code));
             create table grandchild (p int_or_text references c (p));
             create table void (p references p (code));
             insert into p values (1), ('x');
             insert into c values (1);
             insert into grandchild values (1);
             create table n (id integer primary key);
             create table words (n text references n (id));
             insert into n values (1), (7);
             insert into words values ('7');
             create table d (day text primary key);
             create table e (day date references d (day));
             insert into d values ('2024-05-01'), ('other');
             insert into e values ('2024-05-01');",
            &[
                ("p.code", Text),
                ("c.p", Text),
                ("grandchild.p", Text),
                ("void.p", Text),
                ("words.n", Bigint),
                ("e.day", Text),
            ],
        );
        assert_eq!(untied, [""; 0]);
    }

    #[test]
    fn a_parent_of_numbers_becomes_text_for_children_that_hold_more() {
        let untied = types(
            "create table p (code int_or_text primary key);
             create table one (p int_or_text references p (code));
             create table other (p int_or_text references p (code));
             insert into p values (1), (2);
             insert into one values (1), ('gone');
             insert into other values (2);",
            &[("p.code", Text), ("one.p", Text), ("other.p", Text)],
        );
        assert_eq!(untied, [""; 0]);
    }

    #[test]
    fn what_numbers_rows_stays_a_number_and_the_key_is_told() {
        let untied = types(
            "create table p (id integer primary key);
             create table c (p int_or_text references p (id), q int_or_text references q (x), r int_or_text references r (y));
             create table q (x int_or_text unique references r (y));
             create table r (y int_or_text unique references q (x));
             insert into p values (1);
             insert into c values (1, 1, 1), ('gone', 'y', 2);
             insert into q values (1);
             insert into r values (1), ('z');",
            // Keys in a circle come to one type too.
            &[("p.id", Bigint), ("c.p", Text), ("q.x", Text), ("r.y", Text), ("c.q", Text), ("c.r", Text)],
        );
        assert_eq!(untied.len(), 1, "{untied:?}");
        assert!(untied[0].contains("c.p → p.id ties text to bigint"), "{untied:?}");
    }
}
