//! Chosen schemas and tables of an archive: what belongs to them, and what they need.

use std::collections::{BTreeSet, HashMap, HashSet};

use contract::backup::Part;

use super::super::toc::{Entry, Toc};

/// Kinds that can be chosen by schema and name.
const RELATIONS: [&str; 5] = ["TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE"];
/// Kinds that belong to the relation that they need.
const BELONGING: [&str; 15] = [
    "ACL",
    "CHECK CONSTRAINT",
    "CONSTRAINT",
    "DEFAULT",
    "FK CONSTRAINT",
    "INDEX",
    "MATERIALIZED VIEW DATA",
    "POLICY",
    "ROW SECURITY",
    "RULE",
    "SECURITY LABEL",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
    "TABLE DATA",
    "TRIGGER",
];

/// What was chosen of an archive.
pub(super) struct Chosen {
    pub toc: Toc,
    /// Parts that the archive does not have.
    pub missing: Vec<String>,
    /// Parts that cannot be without others: a partition needs its parent.
    pub needing: Vec<String>,
    /// What belongs to the chosen parts and needs what was not chosen, by kind and name.
    pub left_out: Vec<String>,
}

/// Takes the chosen parts, what belongs to them, and the types, functions and schemas that these need.
pub(super) fn choose(toc: Toc, parts: &[Part]) -> Chosen {
    let by_id: HashMap<i64, &Entry> = toc.entries.iter().map(|entry| (entry.id, entry)).collect();
    let mut wanted: BTreeSet<i64> = BTreeSet::new();
    let mut missing = Vec::new();
    for part in parts {
        let of_part: Vec<i64> = toc
            .entries
            .iter()
            .filter(|entry| is_of(entry, part))
            .map(|entry| entry.id)
            .collect();
        if of_part.is_empty() {
            missing.push(part.to_string());
        }
        wanted.extend(of_part);
    }
    let mut relations: HashSet<i64> = wanted
        .iter()
        .copied()
        .filter(|id| by_id.get(id).is_some_and(|entry| is_relation(entry)))
        .collect();
    // Partitions bring their indexes, a column its sequence, an index its comment: until nothing more comes along.
    let mut before = usize::MAX;
    while before != wanted.len() {
        before = wanted.len();
        for entry in toc
            .entries
            .iter()
            .filter(|entry| !wanted.contains(&entry.id))
            .collect::<Vec<_>>()
        {
            let (kind, needs) = (entry.kind.as_str(), &entry.needs);
            let comes = if kind == "TABLE ATTACH" {
                let is_partition = |id: &i64| {
                    by_id
                        .get(id)
                        .is_some_and(|table| table.tag == entry.tag && table.schema == entry.schema)
                };
                let comes = needs.iter().any(|id| relations.contains(id) && !is_partition(id));
                if comes {
                    let partition = needs.iter().copied().filter(is_partition);
                    relations.extend(partition.clone());
                    wanted.extend(partition);
                }
                comes
            } else if kind == "SEQUENCE" {
                let owned = needs.iter().any(|id| relations.contains(id)) || serves(entry, &toc, &relations);
                if owned {
                    relations.insert(entry.id);
                }
                owned
            } else if matches!(kind, "COMMENT" | "INDEX ATTACH") {
                needs.iter().any(|id| wanted.contains(id))
            } else {
                BELONGING.contains(&kind) && needs.iter().any(|id| relations.contains(id))
            };
            if comes {
                wanted.insert(entry.id);
            }
        }
    }
    // What needs another relation is left out, and everything else that is needed comes along.
    let (mut left_out, mut needing) = (Vec::new(), Vec::new());
    let mut kept: BTreeSet<i64> = BTreeSet::new();
    for id in wanted {
        let mut needed = HashSet::new();
        gather(id, &by_id, &mut needed);
        let stranger = needed
            .iter()
            .filter_map(|id| by_id.get(id))
            // A sequence that a default takes its numbers from is no table, and comes along.
            .find(|entry| is_relation(entry) && entry.kind != "SEQUENCE" && !relations.contains(&entry.id));
        match (stranger, by_id.get(&id)) {
            (Some(stranger), Some(entry)) => {
                let itself = parts
                    .iter()
                    .any(|part| part.table.is_some() && is_of(entry, part));
                let list = if itself { &mut needing } else { &mut left_out };
                list.push(format!("{} (it needs {})", entry.named(), stranger.named()));
            }
            _ => kept.extend(needed),
        }
    }
    let schemas: HashSet<&str> = kept
        .iter()
        .filter_map(|id| by_id.get(id)?.schema.as_deref())
        .collect();
    kept.extend(
        toc.entries
            .iter()
            .filter(|entry| entry.kind == "SCHEMA" && schemas.contains(entry.tag.as_str()))
            .map(|entry| entry.id),
    );
    let rights: Vec<i64> = toc
        .entries
        .iter()
        .filter(|entry| {
            matches!(
                entry.kind.as_str(),
                "ACL" | "COMMENT" | "SECURITY LABEL" | "SEQUENCE SET" | "SEQUENCE OWNED BY"
            )
        })
        .filter(|entry| !entry.needs.is_empty() && entry.needs.iter().all(|id| kept.contains(id)))
        .map(|entry| entry.id)
        .collect();
    kept.extend(rights);
    let entries = toc
        .entries
        .iter()
        .filter(|entry| kept.contains(&entry.id) || is_frame(entry));
    Chosen {
        toc: Toc {
            head: toc.head,
            entries: entries.cloned().collect(),
            readable: toc.readable,
        },
        missing,
        needing,
        left_out,
    }
}

/// Whether it is something that can be chosen by schema and name.
pub(super) fn is_relation(entry: &Entry) -> bool {
    RELATIONS.contains(&entry.kind.as_str())
}

/// What says how the archive is written.
fn is_frame(entry: &Entry) -> bool {
    matches!(entry.kind.as_str(), "ENCODING" | "STDSTRINGS" | "SEARCHPATH")
}

fn is_of(entry: &Entry, part: &Part) -> bool {
    match &part.table {
        Some(table) => {
            is_relation(entry) && entry.schema.as_ref() == Some(&part.schema) && entry.tag == *table
        }
        None => {
            entry.schema.as_ref() == Some(&part.schema)
                || (entry.kind == "SCHEMA" && entry.tag == part.schema)
                || (matches!(entry.kind.as_str(), "COMMENT" | "ACL")
                    && entry.tag == format!("SCHEMA {}", part.schema))
        }
    }
}

/// Whether a sequence is owned by a column of one of these relations.
fn serves(sequence: &Entry, toc: &Toc, relations: &HashSet<i64>) -> bool {
    toc.entries.iter().any(|entry| {
        entry.kind == "SEQUENCE OWNED BY"
            && entry.needs.contains(&sequence.id)
            && entry.needs.iter().any(|id| relations.contains(id))
    })
}

/// An entry and all that it needs.
fn gather(id: i64, by_id: &HashMap<i64, &Entry>, found: &mut HashSet<i64>) {
    let mut next = vec![id];
    while let Some(id) = next.pop() {
        if let Some(entry) = by_id.get(&id)
            && found.insert(id)
        {
            next.extend(&entry.needs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::toc::Section;

    fn entry(id: i64, kind: &str, tag: &str, needs: &[i64]) -> Entry {
        Entry {
            id,
            oid: 0,
            file: None,
            kind: kind.into(),
            tag: tag.into(),
            schema: Some("s".into()).filter(|_| kind != "SCHEMA"),
            owner: String::new(),
            section: Section::Before,
            definition: String::new(),
            drop: String::new(),
            tablespace: String::new(),
            needs: needs.to_vec(),
        }
    }

    #[test]
    fn a_table_comes_with_all_that_is_its_own_and_all_that_it_needs() {
        let toc = Toc {
            head: crate::backup::toc::Head::default(),
            entries: vec![
                entry(1, "SCHEMA", "s", &[]),
                entry(2, "TYPE", "mood", &[1]),
                entry(3, "FUNCTION", "f()", &[]),
                entry(4, "TABLE", "t", &[2]),
                entry(5, "TABLE", "other", &[]),
                entry(6, "SEQUENCE", "t_id_seq", &[4]),
                entry(7, "TABLE DATA", "t", &[4]),
                entry(8, "TABLE DATA", "other", &[5]),
                entry(9, "INDEX", "i", &[4]),
                entry(10, "COMMENT", "INDEX i", &[9]),
                entry(11, "TRIGGER", "t trg", &[4, 3]),
                entry(12, "FK CONSTRAINT", "t fk", &[4, 5]),
                entry(13, "VIEW", "v", &[4]),
                entry(14, "ACL", "FUNCTION f()", &[3]),
                entry(15, "TABLE", "part", &[4]),
                entry(16, "TABLE ATTACH", "part", &[15, 4]),
                entry(17, "TABLE DATA", "part", &[15]),
                entry(18, "ENCODING", "ENCODING", &[]),
            ],
            readable: true,
        };
        let of = |table: Option<&str>| Part {
            schema: "s".into(),
            table: table.map(str::to_owned),
        };
        let ids = |chosen: &Chosen| {
            chosen
                .toc
                .entries
                .iter()
                .map(|entry| entry.id)
                .collect::<Vec<_>>()
        };
        let one = choose(toc.clone(), &[of(Some("t")), of(Some("none"))]);
        assert_eq!(ids(&one), [1, 2, 3, 4, 6, 7, 9, 10, 11, 14, 15, 16, 17, 18]);
        assert_eq!(one.missing, ["s.none"]);
        assert_eq!(one.left_out, ["fk constraint s.t fk (it needs table s.other)"]);
        let part = choose(toc.clone(), &[of(Some("part"))]);
        assert_eq!(part.needing, ["table s.part (it needs table s.t)"]);
        assert_eq!(choose(toc, &[of(None)]).toc.entries.len(), 18);
    }
}
