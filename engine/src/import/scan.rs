//! One full scan of a table: every value is looked at once, none is kept.

use std::sync::atomic::{AtomicI64, Ordering};

use contract::{Code, Fault, import::RowsBy, import::Stored};
use rusqlite::{Connection, Row, Statement, types::ValueRef};

use super::{
    schema::{Table, quote},
    stop::{Stop, is_interrupted},
    tally::Tally,
};
use crate::{Error, Result};

/// How many rows are read between two looks at the wish to stop.
const STRIDE: i64 = 512;

/// What a scan found.
pub(super) struct Scanned {
    /// Rows.
    pub rows: i64,
    /// What is stored in each column, in their order; none for a column that cannot be computed here.
    pub columns: Vec<Option<Stored>>,
    /// Why columns could not be computed, if so.
    pub uncomputed: Option<String>,
    /// Bytes of all values, numbers counted as eight.
    pub bytes: i64,
    /// The last rows of all parts but the last one, each about [`PART`] bytes or [`PART_ROWS`] rows.
    pub cuts: Vec<i64>,
}

/// The bytes of a part of a table: what one transaction of an import loads.
const PART: i64 = 24 * 1024 * 1024;
/// The most rows of a part.
const PART_ROWS: i64 = 150_000;

/// Reads every row of a table.
///
/// # Errors
/// A fault that names the table and the last row that could be read; `Cancelled`.
pub(super) fn scan(
    connection: &Connection,
    file: &str,
    table: &Table,
    stop: &Stop,
    seen: &Seen,
) -> Result<Scanned> {
    let mut uncomputed = None;
    // The expression of a virtual column may call a function that only its own program knows.
    let readable = |with_virtual: bool| -> Vec<bool> {
        table
            .columns
            .iter()
            .map(|column| with_virtual || !column.is_virtual)
            .collect()
    };
    let mut read = readable(true);
    let mut statement = match prepare(connection, table, &read) {
        Err(error) if table.columns.iter().any(|column| column.is_virtual) => {
            uncomputed = Some(error.to_string());
            read = readable(false);
            prepare(connection, table, &read)
        }
        prepared => prepared,
    }
    .map_err(|error| unread(file, table, None, 0, &error))?;
    let named = usize::from(table.rowid.is_some());
    let mut tallies: Vec<Tally> = read
        .iter()
        .filter(|read| **read)
        .map(|_| Tally::default())
        .collect();
    let (mut count, mut last) = (0, None);
    let (mut bytes, mut counted) = (0, 0);
    let mut cuts = Vec::new();
    let (mut part_bytes, mut part_rows) = (0, 0);
    let mut rows = statement.raw_query();
    loop {
        if count % STRIDE == 0 {
            stop.check()?;
            seen.add(bytes - counted, if count == 0 { 0 } else { STRIDE });
            counted = bytes;
        }
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            Err(error) if is_interrupted(&error) => return Err(Error::Cancelled),
            Err(error) => return Err(unread(file, table, last, count, &error)),
        };
        if part_bytes >= PART || part_rows >= PART_ROWS {
            cuts.extend(last);
            (part_bytes, part_rows) = (0, 0);
        }
        count += 1;
        part_rows += 1;
        let number = number(row, named == 1, count);
        last = Some(number);
        for (at, tally) in (named..).zip(&mut tallies) {
            let value = row
                .get_ref(at)
                .map_err(|error| unread(file, table, last, count, &error))?;
            let size = match value {
                ValueRef::Null => 0,
                ValueRef::Integer(_) | ValueRef::Real(_) => 8,
                ValueRef::Text(text) | ValueRef::Blob(text) => text.len() as i64,
            };
            bytes += size;
            part_bytes += size;
            tally.add(number, value);
        }
    }
    let mut found = tallies.into_iter().map(Tally::finish);
    Ok(Scanned {
        rows: count,
        columns: read
            .into_iter()
            .map(|read| if read { found.next() } else { None })
            .collect(),
        uncomputed,
        bytes,
        cuts,
    })
}

/// How much was read so far, for the one who waits.
#[derive(Debug, Default)]
pub(super) struct Seen {
    bytes: AtomicI64,
    rows: AtomicI64,
}

impl Seen {
    fn add(&self, bytes: i64, rows: i64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Bytes of values and rows.
    pub fn so_far(&self) -> (i64, i64) {
        (self.bytes.load(Ordering::Relaxed), self.rows.load(Ordering::Relaxed))
    }
}

/// The query over the table itself: an index that holds all columns would be read in another order.
fn prepare<'a>(connection: &'a Connection, table: &Table, read: &[bool]) -> rusqlite::Result<Statement<'a>> {
    let columns = table
        .columns
        .iter()
        .zip(read)
        .filter(|(_, read)| **read)
        .map(|(column, _)| quote(&column.name));
    let list: Vec<String> = table
        .rowid
        .map(str::to_owned)
        .into_iter()
        .chain(columns)
        .collect();
    connection.prepare(&format!(
        "select {} from {} not indexed",
        list.join(", "),
        quote(&table.name)
    ))
}

fn number(row: &Row<'_>, has_rowid: bool, count: i64) -> i64 {
    match row.get_ref(0) {
        Ok(ValueRef::Integer(rowid)) if has_rowid => rowid,
        _ => count,
    }
}

fn unread(file: &str, table: &Table, last: Option<i64>, count: i64, error: &rusqlite::Error) -> Error {
    let after = match (last, table.rows_by()) {
        (None, _) => "no row of it".to_owned(),
        (Some(rowid), RowsBy::Rowid) => {
            format!("its rows up to rowid {rowid} ({count} rows), but none after it")
        }
        (Some(row), RowsBy::Position) => format!("its first {row} rows, but none after them"),
    };
    Error::Refused(
        Fault::new(
            Code::Invalid,
            format!("Table {} of {file} can be read only in part: {after}. SQLite says: {error}.", table.name),
        )
        .hint("Take another copy of the file. Without one, sqlite3 FILE .recover | sqlite3 NEW saves what can be saved; inspect NEW then."),
    )
}
