//! Reading a part of a table from the file, row by row, into the form in which it is sent.

use contract::{Code, Fault};
use rusqlite::{Connection, Statement};
use sqlite::{
    encode::Misfit,
    stop::{Stop, is_interrupted},
    wire::{END, RowHasher, SIGNATURE, Sum},
};
use tokio::sync::mpsc;

use super::super::plan::{ColumnPlan, TablePlan};
use crate::{Error, Result, quote};

/// Bytes that travel at a time.
const CHUNK: usize = 128 * 1024;
/// How many rows are kept apart by their hashes: as many as a part has that was cut by rows. A table that cannot be cut is
/// one part, whatever its size.
const APART: usize = 160_000;
/// How many rows are read between two looks at the wish to stop.
const STRIDE: i64 = 512;

/// Rows of a table in the order of the file.
#[derive(Clone, Copy, Debug)]
pub(in crate::import) struct Range {
    /// The row before the first; none for the beginning.
    after: Option<i64>,
    /// The last row; none for the end.
    upto: Option<i64>,
}

impl Range {
    /// A part of a table by its number.
    pub fn part(table: &TablePlan, part: usize) -> Self {
        let cut = |at: usize| table.cuts.get(at).copied();
        Self {
            after: part.checked_sub(1).and_then(cut),
            upto: cut(part),
        }
    }

    /// A whole table.
    pub const ALL: Self = Self {
        after: None,
        upto: None,
    };

    /// Whether a column of PostgreSQL that holds the rowid lies in it, as a condition.
    pub fn condition(&self, column: &str) -> String {
        let bounds = [
            self.after.map(|row| format!("{column} > {row}")),
            self.upto.map(|row| format!("{column} <= {row}")),
        ];
        let bounds: Vec<String> = bounds.into_iter().flatten().collect();
        match bounds.is_empty() {
            true => "true".to_owned(),
            false => format!("({})", bounds.join(" and ")),
        }
    }

    /// In words, for faults.
    pub fn words(&self, table: &TablePlan) -> String {
        let by = match table.rowid {
            Some(_) => "rowid",
            None => "row",
        };
        match (self.after, self.upto) {
            (None, None) => "all rows".to_owned(),
            (None, Some(last)) => format!("rows up to {by} {last}"),
            (Some(before), None) => format!("rows after {by} {before}"),
            (Some(before), Some(last)) => format!("rows after {by} {before} up to {last}"),
        }
    }
}

/// What is done with each row: its fields, those that PostgreSQL computes last, and how many bytes of them are sent.
pub(in crate::import) trait Sink {
    /// Takes a row.
    ///
    /// # Errors
    /// Ends the reading.
    fn row(&mut self, fields: &[u8], sent: usize) -> Result<()>;
}

/// Reads the rows of a range.
///
/// # Errors
/// `Cancelled`; a fault that names the table and the row.
pub(in crate::import) fn read(
    connection: &Connection,
    file: &str,
    table: &TablePlan,
    range: Range,
    stop: &Stop,
    sink: &mut impl Sink,
) -> Result<()> {
    let mut statement =
        prepare(connection, table, range).map_err(|error| unread(file, table, None, &error))?;
    let shift = usize::from(table.rowid.is_some());
    let mut fields = Vec::with_capacity(4096);
    let mut count = 0;
    let mut last = None;
    let mut rows = statement.raw_query();
    loop {
        if count % STRIDE == 0 {
            stop.check()?;
        }
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(()),
            Err(error) if is_interrupted(&error) => return Err(Error::Cancelled),
            Err(error) => return Err(unread(file, table, last, &error)),
        };
        count += 1;
        let number: i64 = match shift {
            0 => count,
            _ => row.get(0).map_err(|error| unread(file, table, last, &error))?,
        };
        last = Some(number);
        fields.clear();
        let mut sent = 0;
        for (at, column) in (shift..).zip(&table.columns) {
            let value = row
                .get_ref(at)
                .map_err(|error| unread(file, table, last, &error))?;
            column
                .encoder
                .write(value, &mut fields)
                .map_err(|why| misfit(file, table, column, number, why))?;
            if !column.generated {
                sent = fields.len();
            }
        }
        sink.row(&fields, sent)?;
        // One long value must not keep its room for ever.
        if fields.capacity() > 8 * CHUNK {
            fields = Vec::with_capacity(4096);
        }
    }
}

fn prepare<'a>(
    connection: &'a Connection,
    table: &TablePlan,
    range: Range,
) -> rusqlite::Result<Statement<'a>> {
    let rowid = table.rowid.as_deref();
    let columns = table.columns.iter().map(|column| match (&column.source, rowid) {
        (Some(name), _) => quote::ident(name),
        (None, Some(rowid)) => rowid.to_owned(),
        // A table without a rowid has a key of its own, so this does not come up; its rows are told apart by nothing.
        (None, None) => "null".to_owned(),
    });
    let list: Vec<String> = rowid.map(str::to_owned).into_iter().chain(columns).collect();
    let mut sql = format!(
        "select {} from {} not indexed",
        list.join(", "),
        quote::ident(&table.source)
    );
    match (rowid, range.after, range.upto) {
        (_, None, None) => {}
        (Some(rowid), after, upto) => {
            let conditions: Vec<String> = [
                after.map(|row| format!("{rowid} > {row}")),
                upto.map(|row| format!("{rowid} <= {row}")),
            ]
            .into_iter()
            .flatten()
            .collect();
            sql.push_str(&format!(" where {} order by {rowid}", conditions.join(" and ")));
        }
        // Positions count rows from 1.
        (None, after, upto) => {
            let skip = after.unwrap_or(0);
            let take = upto.map_or(-1, |upto| upto - skip);
            sql.push_str(&format!(" limit {take} offset {skip}"));
        }
    }
    connection.prepare(&sql)
}

fn misfit(file: &str, table: &TablePlan, column: &ColumnPlan, row: i64, why: Misfit) -> Error {
    let place = format!(
        "{file}: {}.{}, row {row}",
        table.source,
        column.source.as_deref().unwrap_or("rowid")
    );
    let to = column.encoder.to.sql();
    match why {
        Misfit::Type => Error::conflict(
            format!("{place}: the value is not of type {to} as it was when the file was looked at."),
            "The file was changed since: look at it again, then import.",
        ),
        Misfit::Form(form) => Error::conflict(
            format!(
                "{place}: {} were not in the column when the file was looked at, and {to} would not keep them as they are.",
                form.words()
            ),
            "Mend the value in the file, or import the file anew, into another schema: it is looked at again then.",
        ),
    }
}

fn unread(file: &str, table: &TablePlan, last: Option<i64>, error: &rusqlite::Error) -> Error {
    let place = last.map_or_else(
        || "its first row".to_owned(),
        |row| format!("what follows row {row}"),
    );
    Error::Refused(
        Fault::new(
            Code::Invalid,
            format!("{file}: {}: {place} cannot be read: {error}.", table.source),
        )
        .hint("Take another copy of the file; sqlite3 FILE .recover may save some of its rows."),
    )
}

/// Sends rows to a binary COPY, and adds up their hashes.
pub(in crate::import) struct Sender {
    chunk: Vec<u8>,
    count: [u8; 2],
    full: mpsc::Sender<Vec<u8>>,
    empty: mpsc::Receiver<Vec<u8>>,
    hasher: RowHasher,
    /// What was sent.
    pub sum: Sum,
    /// The hash of each row, when they are wanted one by one and are not too many.
    pub each: Option<Vec<u128>>,
    seen: Box<dyn Fn(i64, i64) + Send>,
    counted: (i64, i64),
}

/// The other end of a sender: chunks to send, and the way back for empty ones.
pub(in crate::import) struct Chunks {
    /// What is to be sent.
    pub full: mpsc::Receiver<Vec<u8>>,
    /// What was sent.
    pub empty: mpsc::Sender<Vec<u8>>,
}

impl Sender {
    /// A sender for a table; `seen` is told how many rows and bytes came by since it was told last.
    pub fn new(table: &TablePlan, each: bool, seen: impl Fn(i64, i64) + Send + 'static) -> (Self, Chunks) {
        let (full, to_send) = mpsc::channel(2);
        let (sent, empty) = mpsc::channel(4);
        let count = i16::try_from(table.sent().count())
            .unwrap_or_default()
            .to_be_bytes();
        let mut chunk = Vec::with_capacity(CHUNK + CHUNK / 8);
        chunk.extend_from_slice(SIGNATURE);
        let sender = Self {
            chunk,
            count,
            full,
            empty,
            hasher: RowHasher::new(&table.types()),
            sum: Sum::default(),
            each: each.then(Vec::new),
            seen: Box::new(seen),
            counted: (0, 0),
        };
        let chunks = Chunks {
            full: to_send,
            empty: sent,
        };
        (sender, chunks)
    }

    /// Sends the end of the stream.
    ///
    /// # Errors
    /// `Cancelled` when nobody takes it.
    pub fn finish(&mut self) -> Result<()> {
        self.chunk.extend_from_slice(&END);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        let next = match self.empty.try_recv() {
            Ok(mut chunk) => {
                chunk.clear();
                chunk
            }
            Err(_) => Vec::with_capacity(CHUNK + CHUNK / 8),
        };
        let chunk = std::mem::replace(&mut self.chunk, next);
        // The taker goes away when the server refuses or the job stops; it knows why.
        self.full.blocking_send(chunk).map_err(|_| Error::Cancelled)?;
        let (rows, bytes) = (self.sum.rows, self.sum.bytes);
        (self.seen)(rows - self.counted.0, bytes - self.counted.1);
        self.counted = (rows, bytes);
        Ok(())
    }
}

impl Sink for Sender {
    fn row(&mut self, fields: &[u8], sent: usize) -> Result<()> {
        let hash = self.hasher.hash(fields);
        self.sum.add(hash, fields.len());
        match &mut self.each {
            Some(each) if each.len() < APART => each.push(hash),
            each => *each = None,
        }
        self.chunk.extend_from_slice(&self.count);
        // A long value travels in pieces.
        let mut rest = &fields[..sent];
        while self.chunk.len() + rest.len() >= CHUNK {
            let (now, later) = rest.split_at(CHUNK.saturating_sub(self.chunk.len()).min(rest.len()));
            self.chunk.extend_from_slice(now);
            rest = later;
            self.flush()?;
        }
        self.chunk.extend_from_slice(rest);
        Ok(())
    }
}
