//! Primary keys, unique keys and indexes of tables that the plan makes.

use contract::import::{ColumnType, Finding, FindingKind, IndexFacts, Severity, Stage, TableFacts};
use sqlite::translate;

use super::{
    Draft, Step, bare, finding,
    naming::Names,
    new::{Source, is_full_text, is_long, nullable_key},
};
use crate::quote;

/// Bytes of a value that are kept in an index as they are.
const FITS: i64 = 2_000;
/// Bytes that all values of an index entry may have for sure: a third of a page, less what belongs to it.
const ENTRY: i64 = 2_400;
/// Bytes of an MD5 sum as text.
const SUM: i64 = 36;

/// Adds the steps of one table. Gives the columns of its unique keys over plain columns, by their names in the file.
pub(super) fn plan(
    source: &Source<'_>,
    schema: &translate::Schema,
    names: &mut Names,
    draft: &mut Draft,
) -> Vec<Vec<String>> {
    let facts = source.facts;
    let mut plain = Vec::new();
    for place in &source.places {
        if primary_key(*place, source, names, draft) && source.places.len() == 1 {
            plain.push(facts.primary_key.clone());
        }
        if is_full_text(facts) {
            full_text(*place, source, names, draft);
        }
    }
    for index in &facts.indexes {
        // Behind the primary key stands one of its own, which `primary_key` has made.
        if is_of_key(index, facts) {
            continue;
        }
        plain.extend(one(index, source, schema, names, draft));
    }
    plain
}

fn is_of_key(index: &IndexFacts, facts: &TableFacts) -> bool {
    let parts: Option<Vec<&String>> = index.columns.iter().map(|part| part.name.as_ref()).collect();
    index.of_constraint && parts.is_some_and(|parts| parts.into_iter().eq(&facts.primary_key))
}

/// A part of an index.
struct Part {
    /// The column or the expression.
    sql: String,
    of: ColumnType,
    /// Bytes of its longest value.
    width: i64,
    descending: bool,
    /// Whether it is the values as they are.
    plain: bool,
}

impl Part {
    /// A column, compared by a collation of SQLite; the name of one that PostgreSQL does not have.
    fn of_column(
        name: &str,
        of: ColumnType,
        longest: i64,
        collation: &str,
        unique: bool,
    ) -> (Self, Option<String>) {
        let name = quote::ident(name);
        let mut strange = None;
        let sql = match (of, collation.to_ascii_lowercase().as_str()) {
            // SQLite folds ASCII letters alone, and a rule must not forbid more. Other indexes serve queries as people write them.
            (ColumnType::Text, "nocase") if unique => format!("lower({name} collate \"C\")"),
            (ColumnType::Text, "nocase") => format!("lower({name})"),
            (ColumnType::Text, "rtrim") => format!("rtrim({name})"),
            (ColumnType::Text, other) if !matches!(other, "" | "binary") => {
                strange = Some(collation.to_owned());
                name.clone()
            }
            _ => name.clone(),
        };
        let part = Self {
            plain: sql == name,
            sql,
            of,
            width: width(of, longest),
            descending: false,
        };
        (part, strange)
    }

    fn sql(&self, hashed: bool) -> String {
        let value = match (hashed, self.of) {
            (false, _) => self.sql.clone(),
            (true, ColumnType::Text | ColumnType::Bytea) => format!("md5({})", self.sql),
            (true, _) => format!("md5({}::text)", self.sql),
        };
        match self.descending {
            true => format!("{value} desc"),
            false => value,
        }
    }
}

/// Bytes that a value takes in an index entry at most.
fn width(of: ColumnType, longest: i64) -> i64 {
    match of {
        // Each number of a list has an entry of its own there.
        ColumnType::Jsonb | ColumnType::Json => longest.saturating_mul(6) + 16,
        ColumnType::Text | ColumnType::Bytea | ColumnType::Numeric => longest + 16,
        _ => 16,
    }
}

/// Which parts are too long, alone or together, so that their sums stand for them.
fn too_long(parts: &[Part]) -> Vec<bool> {
    let mut long: Vec<bool> = parts
        .iter()
        .map(|part| is_long(part.of) && part.width > FITS)
        .collect();
    loop {
        let all: i64 = parts
            .iter()
            .zip(&long)
            .map(|(part, long)| if *long { SUM } else { part.width })
            .sum();
        let longest = (0..parts.len())
            .filter(|at| !long[*at] && is_long(parts[*at].of) && parts[*at].width > SUM)
            .max_by_key(|at| parts[*at].width);
        match longest {
            Some(at) if all > ENTRY => long[at] = true,
            _ => return long,
        }
    }
}

fn keys(parts: &[Part], long: &[bool]) -> String {
    let keys: Vec<String> = parts
        .iter()
        .zip(long)
        .map(|(part, long)| part.sql(*long))
        .collect();
    keys.join(", ")
}

/// Makes the primary key; gives whether it is one over plain columns.
fn primary_key(place: usize, source: &Source<'_>, names: &mut Names, draft: &mut Draft) -> bool {
    let facts = source.facts;
    let table = &draft.plan.tables[place];
    let of_constraint = facts.indexes.iter().find(|index| is_of_key(index, facts));
    let collation = |column: &str| {
        let part = of_constraint.and_then(|index| {
            index
                .columns
                .iter()
                .find(|part| part.name.as_deref() == Some(column))
        });
        let own = facts.columns.iter().find(|it| it.name == column);
        part.map(|part| part.collation.as_str())
            .or_else(|| own.and_then(|own| own.collation.as_deref()))
            .unwrap_or_default()
    };
    // A part of a table that is too wide and has no key is told by its rowid.
    let by_rowid = table.columns.first().filter(|column| column.source.is_none());
    let columns: Vec<_> = match by_rowid {
        Some(column) => vec![column],
        // One that holds NULLs tells no rows apart, so that the table has no key; but it is unique.
        None => {
            let of_file = |name: &String| table.columns.iter().find(|it| it.source.as_ref() == Some(name));
            let all: Option<Vec<_>> = facts.primary_key.iter().map(of_file).collect();
            all.unwrap_or_default()
        }
    };
    if columns.is_empty() {
        return false;
    }
    let mut strange = Vec::new();
    // The columns as they are, and as SQLite compares them.
    let (mut plain, mut compared) = (Vec::new(), Vec::new());
    for column in columns {
        let wanted = column.source.as_deref();
        let of_file = wanted.map(collation).unwrap_or_default();
        let longest = longest(source, wanted);
        let (part, unknown) = Part::of_column(&column.name, column.encoder.to, longest, of_file, true);
        strange.extend(unknown);
        compared.push(part);
        plain.push(Part::of_column(&column.name, column.encoder.to, longest, "", true).0);
    }
    let long = too_long(&plain);
    let is_hashed = long.contains(&true);
    let is_folded = compared.iter().any(|part| !part.plain);
    let name = quote::qualified(&draft.plan.schema, &table.name);
    let wanted = format!("{}_pkey", table.name);
    let mut step = |stage, about: &str, sql: String| {
        draft.plan.steps.push(Step {
            stage,
            table: Some(place),
            other: None,
            about: about.to_owned(),
            sql: vec![sql],
            instead: Vec::new(),
            or_else: finding(
                Severity::Error,
                FindingKind::NotCarried,
                &facts.name,
                "The primary key could not be made.",
            ),
            lost: None,
            foreign_key: None,
            undo: None,
        });
    };
    let build =
        |index: &str, keys: String| format!("create unique index {} on {name} ({keys})", quote::ident(index));
    let index = names.take(&wanted, "pkey");
    let parts = if is_hashed { &compared } else { &plain };
    step(Stage::Index, &index, build(&index, keys(parts, &long)));
    if !nullable_key(facts) && !is_hashed {
        // Building the index first lets other indexes of the table be built at the same time.
        step(
            Stage::Constrain,
            &index,
            format!(
                "alter table {name} add constraint {0} primary key using index {0}",
                quote::ident(&index)
            ),
        );
    }
    let mut say = |words: String| {
        let changed = finding(Severity::Warning, FindingKind::Changed, &facts.name, words);
        draft.plan.items.push(changed);
    };
    if is_folded && !is_hashed {
        let beside = names.take(&format!("{wanted}_compared"), "pkey");
        let sql = build(&beside, keys(&compared, &long));
        say(format!(
            "The primary key compares as PostgreSQL's keys do not, without regard to case or to spaces at the end: the unique index {beside} stands beside it."
        ));
        step(Stage::Index, &beside, sql);
    }
    if is_hashed {
        say("The primary key holds values longer than an index entry: it becomes a unique index over their MD5 sums.".to_owned());
    }
    for collation in strange {
        say(format!(
            "The primary key compares by the collation {collation}, which PostgreSQL does not have."
        ));
    }
    !is_hashed && !is_folded
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
        lost: None,
        foreign_key: None,
        undo: None,
    });
}

fn longest(source: &Source<'_>, column: Option<&str>) -> i64 {
    source
        .facts
        .columns
        .iter()
        .find(|it| Some(it.name.as_str()) == column)
        .map_or(0, |it| it.stored.longest_text.max(it.stored.longest_blob))
}

/// Adds an index; gives its columns when it is unique over plain ones.
fn one(
    index: &IndexFacts,
    source: &Source<'_>,
    schema: &translate::Schema,
    names: &mut Names,
    draft: &mut Draft,
) -> Option<Vec<String>> {
    let facts = source.facts;
    let place = *source.places.first()?;
    let whole = !index.partial && index.columns.iter().all(|part| part.name.is_some());
    let mut notes = Vec::new();
    let found = match whole {
        true => whole_columns(index, source, draft, &mut notes).map(|parts| (parts, None)),
        false => expressions(index, source, schema),
    };
    let sql_of_file = index.sql.clone();
    let lost = |severity, words: String| Finding {
        sql: sql_of_file.clone(),
        ..finding(severity, FindingKind::NotCarried, &facts.name, words)
    };
    let (parts, predicate) = match found {
        Ok(found) => found,
        Err(why) => {
            let severity = match index.unique {
                true => Severity::Error,
                false => Severity::Warning,
            };
            let words = format!("The index {} is not carried over: {}.", index.name, bare(&why));
            draft.plan.items.push(lost(severity, words));
            return None;
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
    let build = |unique: &str, long: &[bool]| {
        format!(
            "create {unique}index {} on {table_name} ({}){predicate}",
            quote::ident(&name),
            keys(&parts, long)
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
    let long = too_long(&parts);
    let is_hashed = long.contains(&true);
    // How long the values of an expression are shows the building. What is no rule is tried as it is, for queries find it so.
    let tried = is_hashed && !whole && !index.unique;
    let over_sums = format!(
        "The index {} is over MD5 sums, for its values are longer than an index entry.",
        index.name
    );
    let (sql, instead) = match (index.unique, tried) {
        (true, _) => (build(unique, &long), vec![build("", &long)]),
        (false, true) => (build("", &vec![false; parts.len()]), vec![build("", &long)]),
        (false, false) => (build("", &long), Vec::new()),
    };
    if is_hashed && !tried {
        let changed = finding(
            Severity::Warning,
            FindingKind::Changed,
            &facts.name,
            over_sums.clone(),
        );
        notes.push(changed);
    }
    draft.plan.items.extend(notes);
    let or_else = match (index.unique, tried) {
        (true, _) => lost(
            Severity::Error,
            format!(
                "The values of {} are not unique in PostgreSQL: it becomes an index that does not forbid it.",
                index.name
            ),
        ),
        (false, true) => Finding {
            kind: FindingKind::Changed,
            ..lost(Severity::Warning, over_sums)
        },
        (false, false) => lost(
            Severity::Warning,
            format!("The index {} could not be built.", index.name),
        ),
    };
    let severity = match index.unique {
        true => Severity::Error,
        false => Severity::Warning,
    };
    let not_built = lost(severity, format!("The index {} could not be built.", index.name));
    draft.plan.steps.push(Step {
        stage: Stage::Index,
        table: Some(place),
        other: None,
        about: name.clone(),
        sql: vec![sql],
        instead,
        or_else,
        lost: Some(not_built),
        foreign_key: None,
        undo: None,
    });
    let plain = index.unique && whole && !is_hashed && parts.iter().all(|part| part.plain);
    plain.then(|| {
        index
            .columns
            .iter()
            .filter_map(|part| part.name.clone())
            .collect()
    })
}

type Found = (Vec<Part>, Option<String>);

/// The parts and the condition of an index that has expressions or a condition.
fn expressions(index: &IndexFacts, source: &Source<'_>, schema: &translate::Schema) -> Result<Found, String> {
    let sql = index
        .sql
        .as_deref()
        .ok_or("the file does not say how it was made")?;
    let table = schema
        .tables
        .iter()
        .find(|table| table.source == source.facts.name)
        .ok_or("its table is not carried over")?;
    let translated = translate::index(sql, table)?;
    let parts = translated.keys.into_iter().map(|key| {
        let of = key.columns.iter().map(|column| longest(source, Some(column)));
        Part {
            width: width(key.column_type, of.sum()),
            plain: key.plain,
            of: key.column_type,
            descending: key.descending,
            sql: key.sql,
        }
    });
    Ok((parts.collect(), translated.predicate))
}

/// The parts of an index over whole columns.
fn whole_columns(
    index: &IndexFacts,
    source: &Source<'_>,
    draft: &Draft,
    notes: &mut Vec<Finding>,
) -> Result<Vec<Part>, String> {
    let place = source.places.first().copied().unwrap_or_default();
    let table = &draft.plan.tables[place];
    let mut parts = Vec::new();
    for of_file in &index.columns {
        let wanted = of_file.name.as_deref().unwrap_or_default();
        let column = table
            .columns
            .iter()
            .find(|column| column.source.as_deref() == Some(wanted))
            .ok_or_else(|| format!("its column {wanted} is not in the table"))?;
        let longest = longest(source, Some(wanted));
        let (part, strange) = Part::of_column(
            &column.name,
            column.encoder.to,
            longest,
            &of_file.collation,
            index.unique,
        );
        if let Some(other) = strange {
            notes.push(finding(
                Severity::Warning,
                FindingKind::Changed,
                &source.facts.name,
                format!(
                    "The index {} compares {wanted} by the collation {other}, which PostgreSQL does not have.",
                    index.name
                ),
            ));
        }
        parts.push(Part {
            descending: of_file.descending,
            ..part
        });
    }
    Ok(parts)
}
