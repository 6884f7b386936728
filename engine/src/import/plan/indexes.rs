//! Primary keys, unique keys and indexes of tables that the plan makes.

use contract::import::{ColumnType, FindingKind, IndexFacts, Severity, Stage};

use super::{
    Draft, Step, bare, finding,
    naming::Names,
    new::{Source, is_full_text, is_long, nullable_key},
};
use crate::{import::translate, quote};

/// Bytes of a value that fit an index entry for sure: a third of a page, less for other columns.
const FITS: i64 = 2_000;

/// Adds the steps of one table.
pub(super) fn plan(source: &Source<'_>, schema: &translate::Schema, names: &mut Names, draft: &mut Draft) {
    let facts = source.facts;
    for place in &source.places {
        primary_key(*place, source, names, draft);
        if is_full_text(facts) {
            full_text(*place, source, names, draft);
        }
    }
    for index in &facts.indexes {
        // Behind the primary key stands one of its own, which `primary_key` has made.
        let parts: Option<Vec<&String>> = index.columns.iter().map(|part| part.name.as_ref()).collect();
        let of_key =
            index.of_constraint && parts.is_some_and(|parts| parts.into_iter().eq(&facts.primary_key));
        if of_key {
            continue;
        }
        one(index, source, schema, names, draft);
    }
}

fn primary_key(place: usize, source: &Source<'_>, names: &mut Names, draft: &mut Draft) {
    let facts = source.facts;
    let table = &draft.plan.tables[place];
    // A part of a table that is too wide and has no key is told by its rowid.
    let by_rowid = table.columns.first().filter(|column| column.source.is_none());
    let columns: Vec<String> = match by_rowid {
        Some(column) => vec![quote::ident(&column.name)],
        None => table
            .key
            .iter()
            .map(|at| quote::ident(&table.columns[*at].name))
            .collect(),
    };
    if columns.is_empty() {
        return;
    }
    let long = table.key.iter().any(|at| {
        let column = &table.columns[*at];
        is_long(column.encoder.to) && longest(source, column.source.as_deref()) > FITS
    });
    let name = quote::qualified(&draft.plan.schema, &table.name);
    let index = names.take(&format!("{}_pkey", table.name), "pkey");
    let build = |keys: &[String]| {
        format!(
            "create unique index {} on {name} ({})",
            quote::ident(&index),
            keys.join(", ")
        )
    };
    let about = index.clone();
    let constraint = !nullable_key(facts) && !long;
    let keys = match long {
        true => hashed(source, place, draft),
        false => columns,
    };
    if long {
        draft.plan.items.push(finding(
            Severity::Warning,
            FindingKind::Changed,
            &facts.name,
            "The primary key holds values longer than an index entry: it becomes a unique index over their MD5 sums.",
        ));
    }
    let table_name = facts.name.clone();
    let step = |stage, sql: String| Step {
        stage,
        table: Some(place),
        other: None,
        about: about.clone(),
        sql: vec![sql],
        instead: Vec::new(),
        or_else: finding(
            Severity::Error,
            FindingKind::NotCarried,
            &table_name,
            "The primary key could not be made.",
        ),
        foreign_key: None,
        undo: None,
    };
    draft.plan.steps.push(step(Stage::Index, build(&keys)));
    if constraint {
        // Building the index first lets other indexes of the table be built at the same time.
        draft.plan.steps.push(step(
            Stage::Constrain,
            format!(
                "alter table {name} add constraint {0} primary key using index {0}",
                quote::ident(&index)
            ),
        ));
    }
}

/// An index by which words are found, as the table's module found them. The configuration `simple` takes words as they are.
fn full_text(place: usize, source: &Source<'_>, names: &mut Names, draft: &mut Draft) {
    let table = &draft.plan.tables[place];
    let texts: Vec<String> = table
        .columns
        .iter()
        .filter(|column| column.encoder.to == ColumnType::Text)
        .map(|column| format!("coalesce({}, '')", quote::ident(&column.name)))
        .collect();
    if texts.is_empty() {
        return;
    }
    let index = names.take(&format!("{}_words", table.name), "words");
    let sql = format!(
        "create index {} on {} using gin (to_tsvector('simple', {}))",
        quote::ident(&index),
        quote::qualified(&draft.plan.schema, &table.name),
        texts.join(" || ' ' || ")
    );
    draft.plan.steps.push(Step {
        stage: Stage::Index,
        table: Some(place),
        other: None,
        about: index,
        sql: vec![sql],
        instead: Vec::new(),
        or_else: finding(
            Severity::Warning,
            FindingKind::NotCarried,
            &source.facts.name,
            "The index for text search could not be built.",
        ),
        foreign_key: None,
        undo: None,
    });
}

/// The key with long values replaced by their sums.
fn hashed(source: &Source<'_>, place: usize, draft: &Draft) -> Vec<String> {
    let table = &draft.plan.tables[place];
    table
        .key
        .iter()
        .map(|at| {
            let column = &table.columns[*at];
            let long = is_long(column.encoder.to) && longest(source, column.source.as_deref()) > FITS;
            key_of(&column.name, column.encoder.to, long)
        })
        .collect()
}

/// A column as part of an index.
fn key_of(name: &str, of: ColumnType, long: bool) -> String {
    let name = quote::ident(name);
    match (long, of) {
        (false, _) => name,
        (true, ColumnType::Text | ColumnType::Bytea) => format!("md5({name})"),
        (true, _) => format!("md5({name}::text)"),
    }
}

fn longest(source: &Source<'_>, column: Option<&str>) -> i64 {
    source
        .facts
        .columns
        .iter()
        .find(|it| Some(it.name.as_str()) == column)
        .map_or(0, |it| it.stored.longest_text.max(it.stored.longest_blob))
}

fn one(
    index: &IndexFacts,
    source: &Source<'_>,
    schema: &translate::Schema,
    names: &mut Names,
    draft: &mut Draft,
) {
    let facts = source.facts;
    let Some(&place) = source.places.first() else {
        return;
    };
    let plain = !index.partial && index.columns.iter().all(|part| part.name.is_some());
    let mut notes = Vec::new();
    let keys = if plain {
        plain_keys(index, source, draft, &mut notes).map(|keys| (keys, None))
    } else {
        index
            .sql
            .as_deref()
            .ok_or_else(|| "the file does not say how it was made".to_owned())
            .and_then(|sql| {
                let table = schema
                    .tables
                    .iter()
                    .find(|table| table.source == facts.name)
                    .ok_or_else(|| "its table is not carried over".to_owned())?;
                translate::index(sql, table).map(|translated| (translated.keys, translated.predicate))
            })
    };
    let sql_of_file = index.sql.clone();
    let lost = |severity, words: String| contract::import::Finding {
        sql: sql_of_file.clone(),
        ..finding(severity, FindingKind::NotCarried, &facts.name, words)
    };
    let (keys, predicate) = match keys {
        Ok(found) => found,
        Err(why) => {
            let severity = if index.unique {
                Severity::Error
            } else {
                Severity::Warning
            };
            draft.plan.items.push(lost(
                severity,
                format!("The index {} is not carried over: {}.", index.name, bare(&why)),
            ));
            return;
        }
    };
    let table = &draft.plan.tables[place];
    let wanted = match index.sql {
        Some(_) => index.name.clone(),
        None => {
            let parts: Vec<&str> = index
                .columns
                .iter()
                .filter_map(|part| part.name.as_deref())
                .collect();
            format!("{}_{}_key", table.name, parts.join("_"))
        }
    };
    let name = names.take(&wanted, "index");
    let table_name = quote::qualified(&draft.plan.schema, &table.name);
    let unique = if index.unique { "unique " } else { "" };
    let predicate = predicate.map(|it| format!(" where {it}")).unwrap_or_default();
    let build = |unique: &str| {
        format!(
            "create {unique}index {} on {table_name} ({}){predicate}",
            quote::ident(&name),
            keys.join(", ")
        )
    };
    if index.sql.is_some() && name != index.name {
        notes.push(finding(
            Severity::Note,
            FindingKind::Renamed,
            &facts.name,
            format!("The index {} becomes {name}.", index.name),
        ));
    }
    draft.plan.items.extend(notes);
    let or_else = if index.unique {
        lost(
            Severity::Error,
            format!(
                "The values of {} are not unique in PostgreSQL: it becomes an index that does not forbid it.",
                index.name
            ),
        )
    } else {
        lost(
            Severity::Warning,
            format!("The index {} could not be built.", index.name),
        )
    };
    draft.plan.steps.push(Step {
        stage: Stage::Index,
        table: Some(place),
        other: None,
        about: name.clone(),
        sql: vec![build(unique)],
        instead: if index.unique { vec![build("")] } else { Vec::new() },
        or_else,
        foreign_key: None,
        undo: None,
    });
}

/// The parts of an index over whole columns.
fn plain_keys(
    index: &IndexFacts,
    source: &Source<'_>,
    draft: &Draft,
    notes: &mut Vec<contract::import::Finding>,
) -> Result<Vec<String>, String> {
    let facts = source.facts;
    let place = source.places.first().copied().unwrap_or_default();
    let table = &draft.plan.tables[place];
    let mut keys = Vec::new();
    for part in &index.columns {
        let wanted = part.name.as_deref().unwrap_or_default();
        let column = table
            .columns
            .iter()
            .find(|column| column.source.as_deref() == Some(wanted))
            .ok_or_else(|| format!("its column {wanted} is not in the table"))?;
        let of = column.encoder.to;
        let long = is_long(of) && longest(source, Some(wanted)) > FITS;
        if long {
            notes.push(finding(
                Severity::Warning,
                FindingKind::Changed,
                &facts.name,
                format!(
                    "The index {} is over the MD5 sum of {wanted}, whose values are longer than an index entry.",
                    index.name
                ),
            ));
        }
        let mut key = key_of(&column.name, of, long);
        if of == ColumnType::Text && !long {
            match part.collation.to_ascii_lowercase().as_str() {
                "nocase" => key = format!("lower({key})"),
                "rtrim" => key = format!("rtrim({key})"),
                "binary" | "" => {}
                other => notes.push(finding(
                    Severity::Warning,
                    FindingKind::Changed,
                    &facts.name,
                    format!("The index {} compares {wanted} by the collation {other}, which PostgreSQL does not have.", index.name),
                )),
            }
        }
        if part.descending {
            key.push_str(" desc");
        }
        keys.push(key);
    }
    Ok(keys)
}
