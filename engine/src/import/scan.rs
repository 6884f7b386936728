//! One full scan of a table: every value is looked at once, none is kept.

use std::sync::atomic::{AtomicI64, Ordering};

use contract::{
    Code, Fault,
    import::{RowsBy, Stored, TableKind},
};
use rusqlite::{Connection, Row, Statement, types::ValueRef};

use super::{
    check,
    schema::{Column, Table, quote},
    source::Source,
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
    /// The last rows of all ranges but the last one, each about [`RANGE`] bytes or [`RANGE_ROWS`] rows.
    pub cuts: Vec<i64>,
}

/// The bytes of a range of rows: what is compared at once with a file that is followed.
const RANGE: i64 = 2 * 1024 * 1024;
/// The most rows of a range.
const RANGE_ROWS: i64 = 12_500;

/// The span of rowids from which a table is read by several threads.
const WIDE: i64 = 50_000;
/// The most threads that read one table.
const MOST_THREADS: usize = 4;

/// Reads every row of a table, a large one by several threads, each from one rowid up to another.
///
/// # Errors
/// A fault that names the table and the last row that could be read; `Cancelled`.
pub(super) fn scan(
    source: &Source,
    connection: &Connection,
    table: &Table,
    stop: &Stop,
    seen: &Seen,
) -> Result<Scanned> {
    let file = source.name.as_str();
    // The expression of a virtual column may call a function that only its own program knows.
    let readable = |with_virtual: bool| -> Vec<bool> {
        table
            .columns
            .iter()
            .map(|column| with_virtual || !column.is_virtual)
            .collect()
    };
    let mut uncomputed = None;
    let mut read = readable(true);
    match prepare(connection, table, &read, None) {
        Err(error) if table.columns.iter().any(|column| column.is_virtual) => {
            uncomputed = Some(error.to_string());
            read = readable(false);
        }
        Err(error) => return Err(unread(file, table, None, 0, &error)),
        Ok(_) => {}
    }
    let parts = match parts(source, connection, table, &read, stop, seen) {
        // A virtual column may fail at a single row: of text that is no JSON, say. The row is there nevertheless.
        Err(Unread::Row(broken))
            if !check::is_damage(&broken.error) && read.iter().zip(&table.columns).any(is_computed) =>
        {
            uncomputed = Some(broken.error.to_string());
            read = readable(false);
            parts(source, connection, table, &read, stop, seen)
        }
        parts => parts,
    };
    let parts = parts.map_err(|why| match why {
        Unread::Row(broken) => unread(file, table, broken.last, broken.count, &broken.error),
        Unread::Other(error) => error,
    })?;
    let whole = parts.into_iter().reduce(Part::join).unwrap_or_default();
    let mut found = whole.tallies.into_iter().map(Tally::finish);
    Ok(Scanned {
        rows: whole.rows,
        columns: read
            .into_iter()
            .map(|read| if read { found.next() } else { None })
            .collect(),
        uncomputed,
        bytes: whole.bytes,
        cuts: whole.cuts,
    })
}

fn is_computed((read, column): (&bool, &Column)) -> bool {
    *read && column.is_virtual
}

/// Why rows could not be read.
enum Unread {
    /// SQLite could not.
    Row(Broken),
    /// Anything else.
    Other(Error),
}

/// Where the reading ended.
struct Broken {
    last: Option<i64>,
    count: i64,
    error: rusqlite::Error,
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Reads all rows, with several threads where that is worth it.
fn parts(
    source: &Source,
    connection: &Connection,
    table: &Table,
    read: &[bool],
    stop: &Stop,
    seen: &Seen,
) -> Result<Vec<Part>, Unread> {
    let part = |connection: &Connection, range| one_part(connection, table, read, range, stop, seen);
    let broken = |error| {
        Unread::Row(Broken {
            last: None,
            count: 0,
            error,
        })
    };
    let ranges = ranges(connection, table).map_err(broken)?;
    if ranges.is_empty() {
        return Ok(vec![part(connection, None)?]);
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = ranges
            .iter()
            .map(|range| {
                scope.spawn(|| {
                    let connection = source.connect()?;
                    stop.watch(&connection);
                    part(&connection, Some(*range))
                })
            })
            .collect();
        let joined = threads.into_iter().map(|thread| {
            thread
                .join()
                .map_err(|_| Error::internal("reading a SQLite file", "it panicked"))?
        });
        joined.collect()
    })
}

/// What one thread found.
#[derive(Default)]
struct Part {
    rows: i64,
    bytes: i64,
    tallies: Vec<Tally>,
    cuts: Vec<i64>,
    last: Option<i64>,
}

impl Part {
    /// With the rows that follow.
    fn join(mut self, other: Self) -> Self {
        if other.rows > 0 && self.rows > 0 {
            self.cuts.extend(self.last);
        }
        self.cuts.extend(other.cuts);
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.last = other.last.or(self.last);
        for (tally, other) in self.tallies.iter_mut().zip(other.tallies) {
            tally.join(other);
        }
        self
    }
}

/// Ranges of rowids for several threads; none when one is enough.
fn ranges(connection: &Connection, table: &Table) -> rusqlite::Result<Vec<(i64, i64)>> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_THREADS) as i64;
    let (Some(rowid), TableKind::Ordinary) = (table.rowid, &table.kind) else {
        return Ok(Vec::new());
    };
    let of = |what: &str| {
        let sql = format!("select {what}({rowid}) from {} not indexed", quote(&table.name));
        connection.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0))
    };
    let (Some(first), Some(last)) = (of("min")?, of("max")?) else {
        return Ok(Vec::new());
    };
    let span = last
        .checked_sub(first)
        .filter(|span| *span >= WIDE && threads > 1);
    let Some(step) = span.map(|span| span / threads) else {
        return Ok(Vec::new());
    };
    Ok((0..threads)
        .map(|at| {
            let begin = first + at * step;
            let end = if at + 1 == threads { last } else { begin + step - 1 };
            (begin, end)
        })
        .collect())
}

fn one_part(
    connection: &Connection,
    table: &Table,
    read: &[bool],
    range: Option<(i64, i64)>,
    stop: &Stop,
    seen: &Seen,
) -> Result<Part, Unread> {
    let broken = |last, count, error| Unread::Row(Broken { last, count, error });
    let mut statement = prepare(connection, table, read, range).map_err(|error| broken(None, 0, error))?;
    let named = usize::from(table.rowid.is_some());
    let mut part = Part {
        tallies: read
            .iter()
            .filter(|read| **read)
            .map(|_| Tally::default())
            .collect(),
        ..Part::default()
    };
    let (mut shown, mut cut_bytes, mut cut_rows) = (0, 0, 0);
    let mut rows = statement.raw_query();
    loop {
        if part.rows % STRIDE == 0 {
            stop.check()?;
            seen.add(part.bytes - shown, if part.rows == 0 { 0 } else { STRIDE });
            shown = part.bytes;
        }
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(part),
            Err(error) if is_interrupted(&error) => return Err(Error::Cancelled.into()),
            Err(error) => return Err(broken(part.last, part.rows, error)),
        };
        if part.bytes - cut_bytes >= RANGE || part.rows - cut_rows >= RANGE_ROWS {
            part.cuts.extend(part.last);
            (cut_bytes, cut_rows) = (part.bytes, part.rows);
        }
        part.rows += 1;
        let number = number(row, named == 1, part.rows);
        part.last = Some(number);
        for (at, tally) in (named..).zip(&mut part.tallies) {
            let value = row
                .get_ref(at)
                .map_err(|error| broken(Some(number), part.rows, error))?;
            part.bytes += match value {
                ValueRef::Null => 0,
                ValueRef::Integer(_) | ValueRef::Real(_) => 8,
                ValueRef::Text(text) | ValueRef::Blob(text) => text.len() as i64,
            };
            tally.add(number, value);
        }
    }
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
        (
            self.bytes.load(Ordering::Relaxed),
            self.rows.load(Ordering::Relaxed),
        )
    }
}

/// The query over the table itself: an index that holds all columns would be read in another order.
fn prepare<'a>(
    connection: &'a Connection,
    table: &Table,
    read: &[bool],
    range: Option<(i64, i64)>,
) -> rusqlite::Result<Statement<'a>> {
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
    let range = match (table.rowid, range) {
        (Some(rowid), Some((first, last))) => format!(" where {rowid} between {first} and {last}"),
        _ => String::new(),
    };
    connection.prepare(&format!(
        "select {} from {} not indexed{range}",
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
