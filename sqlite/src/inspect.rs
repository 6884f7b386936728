//! One inspection, from opening the file to the findings.

use std::{collections::BTreeMap, path::Path, time::Instant};

use contract::{
    Code, Fault,
    import::{
        CheckFacts, ColumnFacts, FileFacts, Finding, ForeignKey, Inspection, ObjectFacts, TableFacts,
        TableKind,
    },
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{
    affinity::affinity,
    agree, check, findings,
    propose::{Part, propose},
    scan::{self, Seen},
    schema::{self, Table},
    source::Source,
    stop::{Stop, is_interrupted},
};
use crate::{Error, Result};

/// What an inspection found, and what a load needs to know beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inspected {
    /// What was found.
    pub inspection: Inspection,
    /// Which state of the file that was.
    pub stamp: String,
    /// How the tables lie in the file, by name; none of those that are skipped.
    pub layout: BTreeMap<String, Layout>,
    /// How long the looking took, in milliseconds.
    pub took_ms: i64,
}

/// How a table lies in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Layout {
    /// The name under which a query gets the rowid, if there is one.
    pub rowid: Option<String>,
    /// Bytes of all values, numbers counted as eight.
    pub bytes: i64,
    /// The last rows of all ranges but the last one.
    pub cuts: Vec<i64>,
    /// Columns that cannot be computed outside of the program that made the file.
    pub uncomputed: Vec<String>,
}

/// How many ranges are loaded in one transaction, when they need not be told apart later.
const TOGETHER: usize = 12;

impl Layout {
    /// The last rows of all parts but the last one. The parts of a file that is followed are small, for a part in which
    /// anything changed is brought over as a whole.
    pub fn parts(&self, follow: bool) -> Vec<i64> {
        let each = if follow { 1 } else { TOGETHER };
        self.cuts.iter().skip(each - 1).step_by(each).copied().collect()
    }
}

/// Looks at a file; a private copy, when one is needed, goes into `room`.
pub fn run(
    file: &Path,
    name: Option<&str>,
    room: &Path,
    alone: bool,
    stop: &Stop,
    seen: &Seen,
) -> Result<Inspected> {
    stop.check()?;
    let source = Source::open(file, name, room, alone, stop)?;
    inspect(&source, stop, seen)
}

/// Looks at an open file.
fn inspect(source: &Source, stop: &Stop, seen: &Seen) -> Result<Inspected> {
    let begun = Instant::now();
    let connection = source.connect()?;
    stop.watch(&connection);
    let checking = source.connect_for_rules()?;
    stop.watch(&checking);
    // The check of the pages and the look at the rows read the same file, each on a processor of its own.
    let (checked, read) = std::thread::scope(|scope| {
        let checked = scope.spawn(|| -> Result<_> {
            let checking = checking;
            let integrity = check::integrity(&checking, stop)?;
            Ok((integrity, rules(&checking, stop)))
        });
        let read = read(source, &connection, stop, seen);
        (checked.join(), read)
    });
    let checked = checked.map_err(|_| Error::internal("checking a SQLite file", "it panicked"))?;
    let (integrity, rules) = checked?;
    let (mut tables, layout, views, triggers, from_tables) = read?;
    let broken = rules?;
    let facts = file_facts(source, &connection, integrity).map_err(|error| failed(source, &error))?;
    let mut found = findings::of_file(&facts);
    found.extend(from_tables);
    for mut rules in broken {
        found.append(&mut rules.unchecked);
        if let Some(table) = tables.iter_mut().find(|table| table.name == rules.table) {
            table.checks = rules.checks;
            table.foreign_keys = rules.foreign_keys;
        }
    }
    agree::agree(&mut tables);
    // What was read while someone wrote is neither the old state nor the new one.
    source.unchanged()?;
    findings::of_tables(&tables, &mut found);
    findings::of_objects(&views, &triggers, &mut found);
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let took_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    tracing::info!(
        file = source.name,
        bytes = source.bytes,
        tables = tables.len(),
        duration_ms = took_ms,
        "inspected a SQLite file"
    );
    Ok(Inspected {
        inspection: Inspection {
            file: facts,
            tables,
            views,
            triggers,
            findings: found,
        },
        stamp: source.stamp(),
        layout,
        took_ms,
    })
}

type Read = (
    Vec<TableFacts>,
    BTreeMap<String, Layout>,
    Vec<ObjectFacts>,
    Vec<ObjectFacts>,
    Vec<Finding>,
);

fn failed(source: &Source, error: &rusqlite::Error) -> Error {
    match is_interrupted(error) {
        true => Error::Cancelled,
        false => unreadable(&source.name, error),
    }
}

/// Reads the schema and every row.
fn read(source: &Source, connection: &Connection, stop: &Stop, seen: &Seen) -> Result<Read> {
    let failed = |error| failed(source, &error);
    let (mut tables, mut layout, mut found) = (Vec::new(), BTreeMap::new(), Vec::new());
    for table in schema::tables(connection).map_err(failed)? {
        let (facts, laid) = one_table(source, connection, table, stop, seen, &mut found)?;
        layout.extend(laid.map(|laid| (facts.name.clone(), laid)));
        tables.push(facts);
    }
    let views = schema::objects(connection, "view").map_err(failed)?;
    let triggers = schema::objects(connection, "trigger").map_err(failed)?;
    Ok((tables, layout, views, triggers, found))
}

/// Which rows of a table keep its rules.
struct Rules {
    table: String,
    checks: Vec<CheckFacts>,
    foreign_keys: Vec<ForeignKey>,
    /// Rules that SQLite cannot follow up.
    unchecked: Vec<Finding>,
}

/// Looks for rows that break the checks and foreign keys of their tables.
fn rules(connection: &Connection, stop: &Stop) -> Result<Vec<Rules>> {
    let unreadable = |error| match is_interrupted(&error) {
        true => Error::Cancelled,
        false => Error::internal("reading the rules of a SQLite file", error),
    };
    let mut all = Vec::new();
    for mut table in schema::tables(connection).map_err(unreadable)? {
        if table.kind.skipped().is_some() {
            continue;
        }
        let mut rules = Rules {
            table: table.name.clone(),
            checks: std::mem::take(&mut table.checks),
            foreign_keys: std::mem::take(&mut table.foreign_keys),
            unchecked: Vec::new(),
        };
        if let Some(why) = check::checks(connection, &table, &mut rules.checks, stop)? {
            rules
                .unchecked
                .push(findings::unchecked(&table.name, "checks", &why));
        }
        if let Some(why) = check::orphans(
            connection,
            &table.name,
            table.rowid,
            &mut rules.foreign_keys,
            stop,
        )? {
            rules
                .unchecked
                .push(findings::unchecked(&table.name, "foreign keys", &why));
        }
        all.push(rules);
    }
    Ok(all)
}

fn file_facts(
    source: &Source,
    connection: &Connection,
    integrity: Vec<String>,
) -> rusqlite::Result<FileFacts> {
    let number = |name: &str| connection.query_row(&format!("pragma {name}"), [], |row| row.get::<_, i64>(0));
    Ok(FileFacts {
        name: source.name.clone(),
        bytes: source.bytes,
        page_size: source.header.page_size,
        encoding: connection.query_row("pragma encoding", [], |row| row.get(0))?,
        journal: if source.header.wal { "wal" } else { "rollback" }.to_owned(),
        wal_bytes: source.wal_bytes,
        journal_bytes: source.journal_bytes,
        application_id: number("application_id")?,
        user_version: number("user_version")?,
        integrity,
    })
}

fn one_table(
    source: &Source,
    connection: &Connection,
    mut table: Table,
    stop: &Stop,
    seen: &Seen,
    found: &mut Vec<Finding>,
) -> Result<(TableFacts, Option<Layout>)> {
    let mut facts = TableFacts {
        rows_by: table.rows_by(),
        name: table.name.clone(),
        kind: table.kind.clone(),
        sql: table.sql.clone(),
        rows: 0,
        columns: Vec::new(),
        primary_key: std::mem::take(&mut table.primary_key),
        identity: table.identity.take(),
        foreign_keys: std::mem::take(&mut table.foreign_keys),
        indexes: std::mem::take(&mut table.indexes),
        checks: std::mem::take(&mut table.checks),
    };
    if facts.kind.skipped().is_some() {
        return Ok((facts, None));
    }
    let scanned = scan::scan(source, connection, &table, stop, seen)?;
    facts.rows = scanned.rows;
    if let Some(why) = &scanned.uncomputed {
        found.extend(findings::uncomputed(&table, why));
    }
    let layout = Layout {
        rowid: table.rowid_alone.map(str::to_owned),
        bytes: scanned.bytes,
        // Positions say nothing to a query by rowid, and a module need not give its rows in the order of theirs.
        cuts: match facts.kind == TableKind::Ordinary && table.rowid == table.rowid_alone
            || table.rowid_alone.is_none()
        {
            true => scanned.cuts,
            false => Vec::new(),
        },
        uncomputed: match scanned.uncomputed {
            Some(_) => table
                .columns
                .iter()
                .filter(|it| it.is_virtual)
                .map(|it| it.name.clone())
                .collect(),
            None => Vec::new(),
        },
    };
    let strict = table.strict;
    for (column, stored) in table.columns.into_iter().zip(scanned.columns) {
        let stored = stored.unwrap_or_default();
        let key = facts.primary_key.contains(&column.name);
        let in_unique = facts
            .indexes
            .iter()
            .filter(|index| index.unique)
            .flat_map(|index| &index.columns)
            // An expression may be over any column.
            .any(|part| part.name.as_ref().is_none_or(|name| *name == column.name));
        let indexed = facts
            .indexes
            .iter()
            .flat_map(|index| &index.columns)
            .any(|part| part.name.as_ref() == Some(&column.name));
        let part = Part {
            unique: key || in_unique,
            key,
            indexed,
        };
        facts.columns.push(ColumnFacts {
            proposal: propose(&column.declared, part, &stored),
            affinity: affinity(&column.declared, strict),
            name: column.name,
            declared: column.declared,
            not_null: column.not_null,
            default: column.default,
            generated: column.generated,
            collation: column.collation,
            stored,
        });
    }
    Ok((facts, Some(layout)))
}

fn unreadable(name: &str, error: &rusqlite::Error) -> Error {
    if let rusqlite::Error::InvalidColumnName(column) = error {
        return Error::Refused(
            Fault::new(
                Code::Invalid,
                format!(
                    "{name} has a column whose name is no UTF-8, and PostgreSQL takes no other: {column}."
                ),
            )
            .hint("Rename it in a copy of the file: alter table … rename column … to …"),
        );
    }
    Error::Refused(
        Fault::new(
            Code::Invalid,
            format!("The list of tables of {name} cannot be read whole: {error}."),
        )
        .hint("Take another copy of the file; sqlite3 FILE .recover may save some of its rows."),
    )
}
