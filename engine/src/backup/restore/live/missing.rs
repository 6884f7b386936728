//! What of an archive the live database has not, and what of that is made in which way.

use std::collections::{BTreeSet, HashSet};

use super::super::{
    super::toc::{Entry, Section, Toc},
    compare::key,
    parts::Part,
};

/// What others may need, and is used as it stands when it is there.
const SHARED: [&str; 12] = [
    "SCHEMA",
    "TYPE",
    "SHELL TYPE",
    "DOMAIN",
    "FUNCTION",
    "PROCEDURE",
    "AGGREGATE",
    "COLLATION",
    "SEQUENCE",
    "OPERATOR",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
];
/// What is of something else, and stays as it is with it.
const OF_ANOTHER: [&str; 5] = [
    "ACL",
    "COMMENT",
    "SECURITY LABEL",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
];

/// The entries of an archive beside a live database.
#[derive(Default)]
pub(super) struct Missing<'a> {
    /// What is made, in the archive's order.
    pub made: Vec<&'a Entry>,
    /// Grants and comments of what is made.
    pub given: Vec<&'a Entry>,
    /// What is there, and is used as it is.
    pub used: Vec<&'a Entry>,
    /// What is there, and cannot be added therefore.
    pub in_the_way: Vec<&'a Entry>,
}

impl<'a> Missing<'a> {
    /// Parts the archive's entries by what stands in `live`, whose schemas are all of `schemas`.
    pub(super) fn of(
        archive: &'a Toc,
        live: &Toc,
        schemas: &HashSet<String>,
        trusted: &HashSet<String>,
    ) -> Self {
        let there: HashSet<_> = live.entries.iter().map(key).collect();
        let is_there = |entry: &Entry| match entry.kind.as_str() {
            "SCHEMA" => schemas.contains(&entry.tag),
            _ => there.contains(&key(entry)),
        };
        // Of a serial column: the sequence and its table.
        let owned: Vec<&Entry> = archive
            .entries
            .iter()
            .filter(|entry| entry.kind == "SEQUENCE OWNED BY")
            .collect();
        let mut missing = Self::default();
        let mut made: HashSet<i64> = HashSet::new();
        let mut kept: HashSet<i64> = HashSet::new();
        let mut kept_schemas: BTreeSet<&str> = BTreeSet::new();
        for entry in &archive.entries {
            let part = entry.part(trusted);
            if part == Part::Apart || OF_ANOTHER.contains(&entry.kind.as_str()) {
                continue;
            }
            if entry.section == Section::Data {
                // The rows of an extension's table, or of one that is there, are left alone.
                if entry.needs.iter().any(|id| made.contains(id)) {
                    made.insert(entry.id);
                    missing.made.push(entry);
                }
            } else if !is_there(entry) {
                made.insert(entry.id);
                missing.made.push(entry);
            } else if entry.kind == "SEQUENCE" && is_of(entry, &made, &owned) {
                // It cannot belong to the column that is made, whose numbers would come from nowhere.
                kept.insert(entry.id);
                missing.in_the_way.push(entry);
            } else if SHARED.contains(&entry.kind.as_str()) {
                kept.insert(entry.id);
                if entry.kind == "SCHEMA" {
                    kept_schemas.insert(&entry.tag);
                }
                missing.used.push(entry);
            } else {
                missing.in_the_way.push(entry);
            }
        }
        for entry in &archive.entries {
            if !OF_ANOTHER.contains(&entry.kind.as_str()) {
                continue;
            }
            let of_made = entry.needs.iter().any(|id| made.contains(id))
                && !entry.needs.iter().any(|id| kept.contains(id));
            // Those of a schema need not say which entry that is.
            let of_schema = entry.tag.strip_prefix("SCHEMA ").is_some_and(|schema| {
                !kept_schemas.contains(schema)
                    && archive.entries.iter().any(|other| {
                        other.kind == "SCHEMA" && other.tag == schema && made.contains(&other.id)
                    })
            });
            if !of_made && !of_schema {
                continue;
            }
            match entry.kind.as_str() {
                "SEQUENCE OWNED BY" | "SEQUENCE SET" => missing.made.push(entry),
                _ => missing.given.push(entry),
            }
        }
        // pg_restore takes its list's order.
        missing.made.sort_by_key(|entry| place(archive, entry.id));
        missing
    }
}

/// Whether a sequence is that of an identity or a serial column of what is made.
fn is_of(sequence: &Entry, made: &HashSet<i64>, owned: &[&Entry]) -> bool {
    let of_made = |entry: &Entry| entry.needs.iter().any(|id| made.contains(id));
    (sequence.definition.contains("AS IDENTITY") && of_made(sequence))
        || owned
            .iter()
            .any(|entry| entry.needs.contains(&sequence.id) && of_made(entry))
}

fn place(archive: &Toc, id: i64) -> usize {
    archive
        .entries
        .iter()
        .position(|entry| entry.id == id)
        .unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::toc::Head;

    fn entry(id: i64, kind: &str, tag: &str, needs: &[i64]) -> Entry {
        Entry {
            id,
            oid: 0,
            file: None,
            kind: kind.into(),
            tag: tag.into(),
            schema: Some("s".into()).filter(|_| kind != "SCHEMA"),
            owner: String::new(),
            section: match kind {
                "TABLE DATA" | "SEQUENCE SET" => Section::Data,
                "INDEX" => Section::After,
                _ => Section::Before,
            },
            definition: String::new(),
            drop: String::new(),
            tablespace: String::new(),
            needs: needs.to_vec(),
        }
    }

    #[test]
    fn what_is_there_is_used_or_in_the_way_and_what_is_its_own_stays() {
        let archive = Toc {
            head: Head::default(),
            entries: vec![
                entry(1, "SCHEMA", "s", &[]),
                entry(2, "COMMENT", "SCHEMA s", &[]),
                entry(3, "TYPE", "mood", &[]),
                entry(4, "COMMENT", "TYPE mood", &[3]),
                entry(5, "TABLE", "lost", &[3]),
                entry(6, "ACL", "TABLE lost", &[5]),
                entry(7, "SEQUENCE", "numbers", &[]),
                entry(8, "SEQUENCE", "lost_id_seq", &[5]),
                entry(9, "SEQUENCE OWNED BY", "lost_id_seq", &[8, 5]),
                entry(10, "TABLE DATA", "lost", &[5]),
                entry(11, "TABLE DATA", "of_an_extension", &[]),
                entry(12, "SEQUENCE SET", "numbers", &[7]),
                entry(13, "SEQUENCE SET", "lost_id_seq", &[8]),
                entry(14, "INDEX", "lost_i", &[5]),
                entry(15, "TABLE", "stays", &[]),
                entry(16, "TABLE DATA", "stays", &[15]),
                entry(17, "SCHEMA", "gone", &[]),
                entry(18, "ACL", "SCHEMA gone", &[]),
                entry(19, "EXTENSION", "x", &[]),
                entry(20, "ENCODING", "ENCODING", &[]),
                entry(21, "SEQUENCE", "lost_n_seq", &[5]),
                entry(22, "SEQUENCE OWNED BY", "lost_n_seq", &[21, 5]),
                Entry {
                    definition: "ALTER TABLE s.lost ALTER COLUMN i ADD GENERATED ALWAYS AS IDENTITY (".into(),
                    ..entry(23, "SEQUENCE", "lost_i_seq", &[5])
                },
            ],
            readable: true,
        };
        let live = Toc {
            entries: vec![
                entry(1, "TYPE", "mood", &[]),
                entry(2, "SEQUENCE", "numbers", &[]),
                entry(3, "TABLE", "stays", &[]),
                entry(4, "SEQUENCE", "lost_n_seq", &[]),
                entry(5, "SEQUENCE", "lost_i_seq", &[]),
            ],
            ..Toc::default()
        };
        let schemas = HashSet::from(["s".to_owned(), "public".to_owned()]);
        let missing = Missing::of(&archive, &live, &schemas, &HashSet::new());
        let ids = |entries: &[&Entry]| entries.iter().map(|entry| entry.id).collect::<Vec<_>>();
        assert_eq!(ids(&missing.made), [5, 8, 9, 10, 13, 14, 17]);
        assert_eq!(ids(&missing.given), [6, 18]);
        assert_eq!(ids(&missing.used), [1, 3, 7]);
        assert_eq!(ids(&missing.in_the_way), [15, 21, 23]);
    }
}
