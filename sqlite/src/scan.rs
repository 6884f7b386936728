//! One full scan of a table: every value is looked at once, none is kept.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use contract::{
    Code, Fault,
    import::{RowsBy, Stored, TableKind},
};
use rusqlite::{
    Connection,
    functions::{Context, FunctionFlags},
    types::ValueRef,
};

use super::{
    quote::ident,
    schema::{Column, Table},
    source::Source,
    stop::{Stop, is_damage, is_interrupted},
    tally::Tally,
};
use crate::{Error, Result};

/// How many rows are read between two looks at the wish to stop.
const STRIDE: i64 = 512;
/// The function that SQLite calls with the values of each row. Asking for each by calls of its own makes an inspection a
/// sixth longer.
const TAKE: &str = "pgsteward_take";
/// The most columns of one call. SQLite takes 127 arguments wherever it takes the fewest.
const COLUMNS: usize = 100;

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
    match connection.prepare(&format!(
        "select {} from {}",
        names(table, &read).join(", "),
        ident(&table.name)
    )) {
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
            if !is_damage(&broken.error) && read.iter().zip(&table.columns).any(is_computed) =>
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
        let sql = format!("select {what}({rowid}) from {} not indexed", ident(&table.name));
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
    let columns = names(table, read);
    let reading = Reading(Arc::new(Mutex::new(State {
        part: Part {
            tallies: columns.iter().map(|_| Tally::default()).collect(),
            ..Part::default()
        },
        number: 0,
        shown: 0,
        cut: (0, 0),
        stop: stop.clone(),
        seen: seen.clone(),
    })));
    let state = reading.clone();
    let outcome = connection
        .create_scalar_function(
            TAKE,
            -1,
            FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY,
            move |values| state.lock().take(values),
        )
        .and_then(|()| connection.prepare(&query(table, &columns, range)))
        // No row comes out: they are taken on the way.
        .and_then(|mut statement| statement.raw_query().next().map(drop));
    let state = &mut *reading.lock();
    match outcome {
        Ok(()) => Ok(std::mem::take(&mut state.part)),
        Err(error) if is_interrupted(&error) || stop.check().is_err() => Err(Error::Cancelled.into()),
        Err(error) => Err(Unread::Row(Broken {
            last: state.part.last,
            count: state.part.rows,
            error,
        })),
    }
}

/// What is read, shared with the function that SQLite calls.
#[derive(Clone)]
struct Reading(Arc<Mutex<State>>);

impl Reading {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct State {
    part: Part,
    /// The rowid of the row, or its position.
    number: i64,
    /// Bytes that who waits was told of.
    shown: i64,
    /// Bytes and rows up to the last cut.
    cut: (i64, i64),
    stop: Stop,
    seen: Seen,
}

impl State {
    /// Takes some columns of a row: the first column's place, the rowid or NULL, then the values. Gives false, so that the
    /// query goes on to the next row.
    fn take(&mut self, values: &Context<'_>) -> rusqlite::Result<bool> {
        let first = usize::from(values.get::<u16>(0)?);
        if first == 0 {
            self.row(values.get_raw(1))?;
        }
        let part = &mut self.part;
        for (at, tally) in (2..values.len()).zip(part.tallies.iter_mut().skip(first)) {
            let value = values.get_raw(at);
            part.bytes += match value {
                ValueRef::Null => 0,
                ValueRef::Integer(_) | ValueRef::Real(_) => 8,
                ValueRef::Text(text) | ValueRef::Blob(text) => text.len() as i64,
            };
            tally.add(self.number, value);
        }
        Ok(false)
    }

    fn row(&mut self, rowid: ValueRef<'_>) -> rusqlite::Result<()> {
        let part = &mut self.part;
        if part.rows % STRIDE == 0 {
            self.stop
                .check()
                .map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error)))?;
            self.seen
                .add(part.bytes - self.shown, if part.rows == 0 { 0 } else { STRIDE });
            self.shown = part.bytes;
        }
        if part.bytes - self.cut.0 >= RANGE || part.rows - self.cut.1 >= RANGE_ROWS {
            part.cuts.extend(part.last);
            self.cut = (part.bytes, part.rows);
        }
        part.rows += 1;
        self.number = match rowid {
            ValueRef::Integer(rowid) => rowid,
            _ => part.rows,
        };
        part.last = Some(self.number);
        Ok(())
    }
}

/// How much was read so far, for the one who waits.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicI64,
    rows: AtomicI64,
}

impl Seen {
    fn add(&self, bytes: i64, rows: i64) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.0.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Bytes of values and rows.
    pub fn so_far(&self) -> (i64, i64) {
        (
            self.0.bytes.load(Ordering::Relaxed),
            self.0.rows.load(Ordering::Relaxed),
        )
    }
}

/// The columns that are read.
fn names(table: &Table, read: &[bool]) -> Vec<String> {
    table
        .columns
        .iter()
        .zip(read)
        .filter(|(_, read)| **read)
        .map(|(column, _)| ident(&column.name))
        .collect()
}

/// The query over the table itself: an index that holds all columns would be read in another order.
fn query(table: &Table, columns: &[String], range: Option<(i64, i64)>) -> String {
    let rowid = table.rowid.unwrap_or("null");
    let calls: Vec<String> = (0..)
        .step_by(COLUMNS)
        .zip(columns.chunks(COLUMNS))
        .map(|(first, columns)| format!("{TAKE}({first}, {rowid}, {})", columns.join(", ")))
        .collect();
    let range = match (table.rowid, range) {
        (Some(rowid), Some((first, last))) => format!("{rowid} between {first} and {last} and "),
        _ => String::new(),
    };
    format!(
        "select null from {} not indexed where {range}({})",
        ident(&table.name),
        calls.join(" or ")
    )
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
