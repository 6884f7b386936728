//! What differs between two inventories, in words. Never a row's value.

use std::collections::{BTreeMap, HashMap};

use contract::format;

use super::{Aspect, Content, Inventory, Object, Sequence, Standing, TableContent, named};

/// Tables with generated columns that are named.
const GENERATED: usize = 50;

/// Something that was not restored as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backup) struct Difference {
    /// Of what kind.
    pub about: About,
    /// Of what object, by kind and name.
    pub object: String,
    /// What differs: a clause that goes on after the object.
    pub words: String,
}

/// What kind of thing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backup) enum About {
    Rows,
    Sequence,
    LargeObject,
    Object(Aspect),
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.object, self.words)
    }
}

impl Inventory {
    /// What a restored database has otherwise than this one says. Empty when it is equal.
    pub(in crate::backup) fn differences(&self, restored: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        tables(&self.tables, &restored.tables, &mut found);
        sequences(&self.sequences, &restored.sequences, &mut found);
        self.large_objects(restored, &mut found);
        let same = self.server_version_num / 10_000 == restored.server_version_num / 10_000;
        objects(&self.objects, &restored.objects, same, &mut found);
        // A table that is missing is so with its rows.
        let mut told = std::collections::HashSet::new();
        found.retain(|difference| told.insert(difference.to_string()));
        found
    }

    /// Every table: its name, its rows, those restored, and whether they are the same.
    pub(in crate::backup) fn compared_tables<'a>(
        &'a self,
        restored: &'a Self,
    ) -> impl Iterator<Item = (String, i64, Option<i64>, bool)> + 'a {
        let there: HashMap<(&str, &str), Content> = restored
            .tables
            .iter()
            .map(|table| ((table.schema.as_str(), table.name.as_str()), table.content))
            .collect();
        let (before, after) = (roots(&self.tables), roots(&restored.tables));
        self.tables.iter().map(move |table| {
            let other = there.get(&(table.schema.as_str(), table.name.as_str())).copied();
            let whole = table
                .root
                .as_ref()
                .is_some_and(|root| before.contains_key(root) && before.get(root) == after.get(root));
            (
                named(&table.schema, &table.name),
                table.content.count,
                other.map(|other| other.count),
                other.is_some_and(|other| whole || other == table.content),
            )
        })
    }

    /// The generated columns that are stored and not compared, by table; none where there are none.
    pub(in crate::backup) fn generated(&self) -> Option<String> {
        let tables: Vec<String> = self
            .tables
            .iter()
            .filter(|table| !table.generated.is_empty())
            .map(|table| {
                format!(
                    "{} ({})",
                    named(&table.schema, &table.name),
                    table.generated.join(", ")
                )
            })
            .collect();
        (!tables.is_empty()).then(|| crate::backup::words::first(&tables, GENERATED))
    }

    /// What there is beside the rows, in words, each with its number.
    pub(in crate::backup) fn counts(&self) -> Vec<(String, i64)> {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for object in &self.objects {
            let what = match object.aspect {
                Aspect::Definition => format!("definition of {}", object.kind),
                Aspect::Owner => "owner".to_owned(),
                Aspect::Grants => "list of grants".to_owned(),
                Aspect::Comment => "comment".to_owned(),
            };
            *counts.entry(what).or_default() += 1;
        }
        for (what, count) in [
            ("sequence value", self.sequences.len() as i64),
            ("large object", self.large_objects.content.count),
        ] {
            if count > 0 {
                counts.insert(what.to_owned(), count);
            }
        }
        counts.into_iter().collect()
    }

    fn large_objects(&self, restored: &Self, found: &mut Vec<Difference>) {
        let (before, after) = (&self.large_objects, &restored.large_objects);
        if before.content == after.content {
            return;
        }
        let listed = |objects: &super::LargeObjects| objects.each.len() as i64 == objects.content.count;
        if !listed(before) || !listed(after) {
            found.push(Difference {
                about: About::LargeObject,
                object: "large objects".to_owned(),
                words: if before.content.count == after.content.count {
                    "are as many as in the backup, but not the same ones, or not with the same owners and grants".to_owned()
                } else {
                    format!(
                        "are {}, not {}",
                        format::exact(after.content.count),
                        format::exact(before.content.count)
                    )
                },
            });
            return;
        }
        let mut there: BTreeMap<i64, u128> = after.each.iter().map(|each| (each.id, each.hash)).collect();
        let mut tell = |id: i64, words: &str| {
            found.push(Difference {
                about: About::LargeObject,
                object: format!("large object {id}"),
                words: words.to_owned(),
            });
        };
        for each in &before.each {
            match there.remove(&each.id) {
                None => tell(each.id, "is missing"),
                Some(hash) if hash != each.hash => {
                    tell(each.id, "has other bytes, another owner or other grants");
                }
                Some(_) => {}
            }
        }
        for id in there.into_keys() {
            tell(id, "is not in the backup");
        }
    }
}

fn tables(before: &[TableContent], after: &[TableContent], found: &mut Vec<Difference>) {
    let key = |table: &TableContent| (table.schema.clone(), table.name.clone());
    let mut there: BTreeMap<_, &TableContent> = after.iter().map(|table| (key(table), table)).collect();
    // A row may come into another partition of its table, as the hash of an enum's value depends on the database.
    let (whole_before, whole_after) = (roots(before), roots(after));
    let same_whole = |table: &TableContent| {
        table.root.as_ref().is_some_and(|root| {
            whole_before.contains_key(root) && whole_before.get(root) == whole_after.get(root)
        })
    };
    let mut tell = |table: &TableContent, words: String| {
        found.push(Difference {
            about: About::Rows,
            object: format!("table {}", named(&table.schema, &table.name)),
            words,
        });
    };
    for table in before {
        match there.remove(&key(table)) {
            None => tell(table, "is missing".to_owned()),
            Some(other) if other.content == table.content || same_whole(table) => {}
            Some(other) if other.content.count == table.content.count => tell(
                table,
                format!(
                    "has {} rows as in the backup, but not the same ones",
                    format::exact(table.content.count)
                ),
            ),
            Some(other) => tell(
                table,
                format!(
                    "has {} rows, not {}",
                    format::exact(other.content.count),
                    format::exact(table.content.count)
                ),
            ),
        }
    }
    for table in there.into_values() {
        tell(table, "is not in the backup".to_owned());
    }
}

/// The rows of partitioned tables.
fn roots(tables: &[TableContent]) -> HashMap<&String, Content> {
    let mut whole: HashMap<&String, Content> = HashMap::new();
    for table in tables {
        if let Some(root) = &table.root {
            whole.entry(root).or_default().join(table.content);
        }
    }
    whole
}

fn sequences(before: &[Sequence], after: &[Sequence], found: &mut Vec<Difference>) {
    let mut there: BTreeMap<&str, &Sequence> = after
        .iter()
        .map(|sequence| (sequence.name.as_str(), sequence))
        .collect();
    let mut tell = |name: &str, words: String| {
        found.push(Difference {
            about: About::Sequence,
            object: format!("sequence {name}"),
            words,
        });
    };
    for sequence in before {
        let Some(other) = there.remove(sequence.name.as_str()) else {
            tell(&sequence.name, "is missing".to_owned());
            continue;
        };
        let (first, last) = (sequence.first, sequence.last);
        let (low, high) = (first.min(last), first.max(last));
        // One that begins anew may have had any value in between.
        let moved = sequence.cycles && first != last;
        if !moved && !(low..=high).contains(&other.last) {
            let expected = if first == last {
                words(first)
            } else {
                format!("between {} and {}", words(low), words(high))
            };
            tell(
                &sequence.name,
                format!("stands at {}, not {expected}", words(other.last)),
            );
        }
    }
    for name in there.into_keys() {
        tell(name, "is not in the backup".to_owned());
    }
}

fn words(standing: Standing) -> String {
    let value = format::exact(standing.value);
    if standing.called {
        value
    } else {
        format!("{value} (not given out yet)")
    }
}

fn objects(before: &[Object], after: &[Object], same_version: bool, found: &mut Vec<Difference>) {
    let key = |object: &Object| (object.aspect, object.kind.clone(), object.name.clone());
    let mut there: BTreeMap<_, &Object> = after.iter().map(|object| (key(object), object)).collect();
    let mut tell = |object: &Object, words: String| {
        found.push(Difference {
            about: About::Object(object.aspect),
            object: format!("{} {}", object.kind, object.name),
            words,
        });
    };
    for object in before {
        // Each version of the server makes it in its own way.
        if !same_version && object.kind == "schema" && object.name == "public" {
            there.remove(&key(object));
            continue;
        }
        match there.remove(&key(object)) {
            None => tell(object, lost(object)),
            // Another version of the server brings its own version of an extension.
            Some(_) if !same_version && object.kind == "extension" => {}
            Some(other) if other.plain != object.plain => tell(object, changed(object, other)),
            Some(other) if same_version && other.rendered != object.rendered => {
                tell(object, changed(object, other));
            }
            Some(_) => {}
        }
    }
    for object in there.into_values() {
        if same_version || object.kind != "schema" || object.name != "public" {
            tell(object, added(object));
        }
    }
}

fn said(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.starts_with("xxh3:"))
}

fn lost(object: &Object) -> String {
    let was = said(object.plain.as_ref());
    match (object.aspect, was) {
        (Aspect::Definition, _) => "is missing".to_owned(),
        (Aspect::Owner, _) => "has no known owner".to_owned(),
        (Aspect::Grants, Some(was)) => format!("lost its grants: {was}"),
        (Aspect::Grants, None) => "lost its grants".to_owned(),
        (Aspect::Comment, _) => "lost its comment".to_owned(),
    }
}

fn added(object: &Object) -> String {
    match object.aspect {
        Aspect::Definition => "is not in the backup".to_owned(),
        Aspect::Owner => "has an owner that the backup does not know".to_owned(),
        Aspect::Grants => match said(object.plain.as_ref()) {
            Some(is) => format!("has grants that are not in the backup: {is}"),
            None => "has grants that are not in the backup".to_owned(),
        },
        Aspect::Comment => "has a comment that is not in the backup".to_owned(),
    }
}

fn changed(object: &Object, other: &Object) -> String {
    match (
        object.aspect,
        said(object.plain.as_ref()),
        said(other.plain.as_ref()),
    ) {
        (Aspect::Owner, Some(was), Some(is)) => format!("belongs to {is}, not to {was}"),
        (Aspect::Grants, Some(was), Some(is)) => format!("has the grants {is}, not {was}"),
        (Aspect::Owner, ..) => "belongs to another role".to_owned(),
        (Aspect::Grants, ..) => "has other grants".to_owned(),
        (Aspect::Comment, ..) => "has another comment".to_owned(),
        (Aspect::Definition, Some(was), Some(is)) if was != is => format!("is {is}, not {was}"),
        (Aspect::Definition, ..) => "is defined differently".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, root: Option<&str>, count: i64, hash: u128) -> TableContent {
        TableContent {
            schema: "public".into(),
            name: name.into(),
            root: root.map(Into::into),
            generated: Vec::new(),
            content: Content { count, hash },
        }
    }

    fn told(before: &Inventory, after: &Inventory) -> Vec<String> {
        before
            .differences(after)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn rows_are_compared_by_number_and_hash_and_partitions_as_a_whole() {
        let of = |tables| Inventory {
            tables,
            ..Inventory::default()
        };
        let before = of(vec![
            table("a", None, 2, 7),
            table("b", None, 1, 1),
            table("p1", Some("p"), 2, 5),
            table("p2", Some("p"), 1, 6),
        ]);
        assert_eq!(before.differences(&before), []);
        let moved = of(vec![
            table("a", None, 2, 7),
            table("b", None, 1, 1),
            table("p1", Some("p"), 1, 2),
            table("p2", Some("p"), 2, 9),
        ]);
        assert_eq!(before.differences(&moved), []);
        let other = of(vec![
            table("a", None, 2, 8),
            table("c", None, 0, 0),
            table("p1", Some("p"), 2, 5),
        ]);
        assert_eq!(
            told(&before, &other),
            [
                "table public.a has 2 rows as in the backup, but not the same ones",
                "table public.b is missing",
                "table public.p2 is missing",
                "table public.c is not in the backup",
            ]
        );
    }

    #[test]
    fn a_sequence_stands_where_it_stood_or_between() {
        let at = |value, called| Standing { value, called };
        let of = |first, last| Inventory {
            sequences: vec![Sequence {
                name: "public.s".into(),
                first,
                last,
                cycles: false,
            }],
            ..Inventory::default()
        };
        let before = of(at(10, true), at(14, true));
        for value in [10, 12, 14] {
            assert_eq!(before.differences(&of(at(value, true), at(value, true))), []);
        }
        assert_eq!(
            told(&before, &of(at(9, true), at(9, true))),
            ["sequence public.s stands at 9, not between 10 and 14"]
        );
        let still = of(at(1, false), at(1, false));
        assert_eq!(
            told(&still, &of(at(1, true), at(1, true))),
            ["sequence public.s stands at 1, not 1 (not given out yet)"]
        );
    }

    #[test]
    fn what_a_server_renders_counts_within_one_version_alone() {
        let of = |version, rendered: &str| Inventory {
            server_version_num: version,
            objects: vec![Object {
                aspect: Aspect::Definition,
                kind: "view".into(),
                name: "public.v".into(),
                plain: Some("p".into()),
                rendered: Some(rendered.into()),
            }],
            ..Inventory::default()
        };
        assert_eq!(of(150_001, "a").differences(&of(160_001, "b")), []);
        assert_eq!(
            told(&of(150_001, "a"), &of(150_002, "b")),
            ["view public.v is defined differently"]
        );
    }
}
