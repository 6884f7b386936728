//! What a restored database is compared with: the archive's own table of contents against the one that pg_dump makes of the
//! new database, the rows and sequences against what was written down. That pg_restore ended well proves none of it.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::{
    super::{
        manifest::{Manifest, Table},
        toc::{Entry, Section, Toc},
    },
    place,
};
use crate::{Result, lexer, target::Target};

/// Kinds that stand for rows, for the database itself, or for what a restore makes or leaves in another way.
fn is_compared(entry: &Entry) -> bool {
    let whole = ["DATABASE ", "SUBSCRIPTION ", "EVENT TRIGGER "];
    entry.section != Section::Data
        && !matches!(
            entry.kind.as_str(),
            "ENCODING"
                | "STDSTRINGS"
                | "SEARCHPATH"
                | "DATABASE"
                | "DATABASE PROPERTIES"
                | "SUBSCRIPTION"
                | "SUBSCRIPTION TABLE"
                | "EVENT TRIGGER"
                | "MATERIALIZED VIEW DATA"
                | "BLOB"
                | "BLOB METADATA"
                | "STATISTICS DATA"
        )
        && !(matches!(entry.kind.as_str(), "COMMENT" | "ACL" | "SECURITY LABEL")
            && (whole.iter().any(|kind| entry.tag.starts_with(kind)) || is_of_large_object(entry)))
}

/// pg_dump tells of large objects only together with their bytes.
fn is_of_large_object(entry: &Entry) -> bool {
    entry.tag.starts_with("LARGE OBJECT") || entry.tag.starts_with("LARGE OBJECTS")
}

/// What tells an entry from every other one of its database.
pub(super) fn key(entry: &Entry) -> (String, String, String) {
    (
        entry.kind.clone(),
        entry.schema.clone().unwrap_or_default(),
        entry.tag.clone(),
    )
}

/// Kinds whose text is the same whenever it is written. Expressions are not: `x in ('a')` comes out in another form the second
/// time.
const SAME_TEXT: [&str; 7] = [
    "COMMENT",
    "SECURITY LABEL",
    "SEQUENCE",
    "SEQUENCE OWNED BY",
    "ROW SECURITY",
    "TABLE ATTACH",
    "INDEX ATTACH",
];

/// How two tables of contents are compared.
pub(super) struct Compared {
    /// What differs, in words.
    pub differences: Vec<String>,
    /// Definitions that were compared.
    pub count: usize,
}

/// Compares the restored definitions with the archive's. `same_version`: the archive is of a server and a pg_dump of the same
/// major versions, so that texts can be compared too. `owner`: everything was given to this role, and no grants restored.
pub(super) fn definitions(
    archive: &Toc,
    restored: &Toc,
    same_version: bool,
    owner: Option<&str>,
) -> Compared {
    let mut left: BTreeMap<_, Vec<&Entry>> = BTreeMap::new();
    for entry in restored.entries.iter().filter(|entry| is_compared(entry)) {
        left.entry(key(entry)).or_default().push(entry);
    }
    let mut differences = Vec::new();
    let mut count = 0;
    for entry in archive.entries.iter().filter(|entry| is_compared(entry)) {
        let grant = matches!(entry.kind.as_str(), "ACL" | "DEFAULT ACL");
        if grant && owner.is_some() {
            continue;
        }
        count += 1;
        let found = left.get_mut(&key(entry)).and_then(Vec::pop);
        // Newer servers have other rights, another owner and another comment on the schema public by themselves.
        let public = entry.tag == "SCHEMA public" || (entry.kind == "SCHEMA" && entry.tag == "public");
        if public && !same_version {
            continue;
        }
        let Some(found) = found else {
            // A comment on an extension is its own, and so may be the rights of what it made.
            if same_version || !(entry.kind == "COMMENT" && entry.tag.starts_with("EXTENSION ")) {
                differences.push(format!("missing: {}", entry.named()));
            }
            continue;
        };
        let wanted = owner.unwrap_or(&entry.owner);
        if entry.has_owner() && found.owner != wanted {
            differences.push(format!(
                "{} belongs to {} and not to {wanted}",
                entry.named(),
                found.owner
            ));
        }
        if same_version && !same_text(entry, found) {
            differences.push(format!("defined otherwise: {}", entry.named()));
        }
    }
    for entry in left.into_values().flatten() {
        let grant = matches!(entry.kind.as_str(), "ACL" | "DEFAULT ACL");
        if (grant && owner.is_some()) || !same_version {
            continue;
        }
        differences.push(format!("not in the backup: {}", entry.named()));
    }
    Compared { differences, count }
}

fn same_text(one: &Entry, other: &Entry) -> bool {
    match one.kind.as_str() {
        // The rights of an object, in whatever order they were given.
        "ACL" | "DEFAULT ACL" => sorted(&one.definition) == sorted(&other.definition),
        // Up to its expressions: which command, for whom, permissive or not.
        "POLICY" => head(one, &["USING", "WITH"]) == head(other, &["USING", "WITH"]),
        "TRIGGER" => head(one, &["WHEN"]) == head(other, &["WHEN"]),
        "FUNCTION" | "PROCEDURE" => head(one, &["ATOMIC", "DEFAULT"]) == head(other, &["ATOMIC", "DEFAULT"]),
        kind if SAME_TEXT.contains(&kind) => one.definition == other.definition,
        _ => true,
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// A definition up to one of these words.
fn head<'a>(entry: &'a Entry, ends: &[&str]) -> &'a str {
    let text = &entry.definition;
    let end = lexer::tokens(text).find(|token| ends.iter().any(|end| token.is(end)));
    end.map_or(text, |end| &text[..end.start])
}

/// Compares definitions as they were before any function of the backup's authors could run with what they are now: the role
/// that loads owns everything for that while, and such a function could have changed what is another one's.
pub(super) fn untouched(before: &Toc, after: &Toc) -> Vec<String> {
    let replaced: Vec<_> = after
        .entries
        .iter()
        .filter(|entry| entry.kind == "RULE" && entry.tag.ends_with(" _RETURN"))
        .map(|entry| {
            (
                entry.schema.clone(),
                entry.tag.trim_end_matches(" _RETURN").to_owned(),
            )
        })
        .collect();
    let now: BTreeMap<_, &Entry> = after.entries.iter().map(|entry| (key(entry), entry)).collect();
    before
        .entries
        .iter()
        .filter(|entry| entry.section == Section::Before && is_compared(entry))
        // These belong to no one yet, and are given at the end.
        .filter(|entry| {
            !matches!(
                entry.kind.as_str(),
                "ACL" | "DEFAULT ACL" | "COMMENT" | "SECURITY LABEL"
            )
        })
        // It belonged to the role that loads then, and may be as in every new database now.
        .filter(|entry| !(entry.kind == "SCHEMA" && entry.tag == "public"))
        // A view that needs a primary key is a stand-in until that is there.
        .filter(|entry| !replaced.contains(&(entry.schema.clone(), entry.tag.clone())))
        .filter(|entry| {
            now.get(&key(entry))
                .is_none_or(|now| now.definition != entry.definition)
        })
        .map(|entry| format!("changed while rows were loaded: {}", entry.named()))
        .collect()
}

/// Compares sequences with where the archive sets them.
///
/// # Errors
/// The managed database's.
pub(super) async fn sequences(
    connection: &mut PgConnection,
    target: &Target,
    archive: &Toc,
) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    for entry in archive
        .entries
        .iter()
        .filter(|entry| entry.kind == "SEQUENCE SET")
    {
        let (Some(schema), Some(wanted)) = (&entry.schema, set_to(&entry.definition)) else {
            continue;
        };
        let found = place::sequence(connection, schema, &entry.tag)
            .await
            .map_err(|source| target.error(source))?;
        if found != wanted {
            differences.push(format!(
                "the sequence {schema}.{} stands at {} and not at {}",
                entry.tag, found.0, wanted.0
            ));
        }
    }
    Ok(differences)
}

/// The two last arguments of `setval('…', 42, true);`.
fn set_to(definition: &str) -> Option<(i64, bool)> {
    let (rest, called) = definition.trim_end().strip_suffix(");")?.rsplit_once(", ")?;
    let (_, value) = rest.rsplit_once(", ")?;
    Some((value.parse().ok()?, called.parse().ok()?))
}

/// Counts the rows of each table, and compares them with the backup's. Gives the differences, and how many tables and rows are
/// the same.
///
/// # Errors
/// The managed database's.
pub(super) async fn rows(
    connection: &mut PgConnection,
    target: &Target,
    manifest: &Manifest,
    mut each: impl FnMut(f64),
) -> Result<(Vec<String>, i64, i64)> {
    let (mut differences, mut tables, mut rows) = (Vec::new(), 0, 0);
    let weight = |table: &Table| table.bytes.max(8192) as f64;
    let all: f64 = manifest.tables.iter().map(weight).sum();
    let mut done = 0.0;
    let failed = |source| target.error(source);
    let roots = place::partition_roots(connection).await.map_err(failed)?;
    // A row may come into another partition of its table, as the hash of an enum's value depends on the database.
    let mut wholes: BTreeMap<i64, Vec<(&Table, i64, i64)>> = BTreeMap::new();
    for table in &manifest.tables {
        each(done / all);
        done += weight(table);
        let Some(wanted) = table.rows else { continue };
        let found = place::rows(connection, &table.schema, &table.name)
            .await
            .map_err(failed)?;
        match roots.get(&(table.schema.clone(), table.name.clone())) {
            Some(root) => wholes.entry(*root).or_default().push((table, wanted, found)),
            None if found == wanted => {
                tables += 1;
                rows += found;
            }
            None => differences.push(differs(table, wanted, found)),
        }
    }
    for parts in wholes.into_values() {
        let sums = parts
            .iter()
            .fold((0, 0), |sums, part| (sums.0 + part.1, sums.1 + part.2));
        for (table, wanted, found) in parts {
            if found == wanted || sums.0 == sums.1 {
                tables += 1;
                rows += found;
            } else {
                differences.push(differs(table, wanted, found));
            }
        }
    }
    Ok((differences, tables, rows))
}

fn differs(table: &Table, wanted: i64, found: i64) -> String {
    format!(
        "{}.{} has {found} rows and not {wanted}",
        table.schema, table.name
    )
}

/// Compares how many large objects there are.
///
/// # Errors
/// The managed database's.
pub(super) async fn large_objects(
    connection: &mut PgConnection,
    target: &Target,
    manifest: &Manifest,
) -> Result<Option<String>> {
    let found = place::large_objects(connection)
        .await
        .map_err(|source| target.error(source))?;
    let wanted = manifest.database.large_objects;
    Ok((found != wanted).then(|| format!("there are {found} large objects and not {wanted}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, tag: &str, owner: &str, definition: &str) -> Entry {
        Entry {
            id: 1,
            oid: 0,
            file: None,
            kind: kind.into(),
            tag: tag.into(),
            schema: Some("public".into()),
            owner: owner.into(),
            section: Section::Before,
            definition: definition.into(),
            drop: format!("DROP {kind} public.{tag};\n"),
            tablespace: String::new(),
            needs: Vec::new(),
        }
    }

    fn toc(entries: Vec<Entry>) -> Toc {
        Toc {
            entries,
            readable: true,
            ..Toc::default()
        }
    }

    #[test]
    fn each_difference_is_told_and_what_is_written_otherwise_is_none() {
        let archive = toc(vec![
            entry(
                "TABLE",
                "t",
                "a",
                "CREATE TABLE t (x text CHECK (x = ANY ('{a}')));",
            ),
            entry(
                "ACL",
                "TABLE t",
                "a",
                "GRANT SELECT ON TABLE t TO x;\nGRANT INSERT ON TABLE t TO y;",
            ),
            entry(
                "POLICY",
                "t p",
                "a",
                "CREATE POLICY p ON t FOR SELECT TO x USING ((a IN (1)));",
            ),
            entry("FUNCTION", "f()", "a", "CREATE FUNCTION f() AS $$1$$;"),
            entry("COMMENT", "TABLE t", "a", "COMMENT ON TABLE t IS 'one';"),
        ]);
        let mut restored = archive.clone();
        restored.entries[0].definition = "CREATE TABLE t (x text CHECK (x = ANY (ARRAY['a'])));".into();
        restored.entries[1].definition =
            "GRANT INSERT ON TABLE t TO y;\nGRANT SELECT ON TABLE t TO x;".into();
        restored.entries[2].definition = "CREATE POLICY p ON t FOR SELECT TO x USING ((a = ANY (1)));".into();
        let same = definitions(&archive, &restored, true, None);
        assert_eq!(
            (same.differences.len(), same.count),
            (0, 5),
            "{:?}",
            same.differences
        );
        restored.entries[0].owner = "b".into();
        restored.entries[1].definition = "GRANT INSERT ON TABLE t TO y;".into();
        restored.entries[2].definition = "CREATE POLICY p ON t TO x USING ((a IN (1)));".into();
        restored.entries[3].definition = "CREATE FUNCTION f() AS $$2$$;".into();
        restored.entries[4] = entry("COMMENT", "TABLE u", "a", "");
        assert_eq!(
            definitions(&archive, &restored, true, None).differences,
            [
                "table public.t belongs to b and not to a",
                "defined otherwise: acl public.TABLE t",
                "defined otherwise: policy public.t p",
                "defined otherwise: function public.f()",
                "missing: comment public.TABLE t",
                "not in the backup: comment public.TABLE u",
            ]
        );
        assert_eq!(
            untouched(&archive, &restored),
            [
                "changed while rows were loaded: table public.t",
                "changed while rows were loaded: policy public.t p",
                "changed while rows were loaded: function public.f()",
            ]
        );
    }

    #[test]
    fn a_sequences_place_is_read_whatever_its_name() {
        assert_eq!(
            set_to("SELECT pg_catalog.setval('public.\"a'', 1, true);\"', 42, false);\n\n"),
            Some((42, false))
        );
        assert_eq!(set_to("SELECT 1;"), None);
    }
}
