//! The proof: every row is read back and compared with what was sent; identities and foreign keys are looked at.

mod differ;
mod keys;

use std::sync::Arc;

use contract::import::{ColumnType, Difference, TableReport, Verdict};
use futures::TryStreamExt;
use sqlite::wire::{RowHasher, Rows, Sum};
use sqlx::PgConnection;

pub(super) use self::keys::{foreign_keys, identities};
use super::{
    load::{Done, Load},
    plan::TablePlan,
};
use crate::{Error, Result, quote};

/// Pages that one stream reads at a time: 64 MiB.
const PAGES: i64 = 8192;
/// Ranges of pages are read by themselves since PostgreSQL 14; before, each would be a scan of the whole table.
const RANGES_SINCE: i32 = 140_000;

/// A part of a table to be read back.
struct Piece {
    table: usize,
    pages: Option<(i64, i64)>,
}

/// Reads every table back and compares.
///
/// # Errors
/// `Cancelled`; what the server said.
pub(super) async fn tables(load: &Arc<Load>, done: &Done) -> Result<Vec<TableReport>> {
    load.watch.verify(&load.context);
    let plan = &load.plan;
    let mut sent = vec![Sum::default(); plan.tables.len()];
    let mut back = vec![Sum::default(); plan.tables.len()];
    for ((place, _), part) in &done.parts {
        let Some(place) = usize::try_from(*place).ok().filter(|place| *place < sent.len()) else {
            continue;
        };
        sent[place].join(part.sent);
        // Rows that went into a table that was there were compared as they went in, each with what the table keeps.
        back[place].join(part.back.unwrap_or_default());
    }
    let mut connection = load.target.connect("verify").await?;
    let pieces = pieces(load, &mut connection).await?;
    let next = std::sync::Mutex::new(pieces.into_iter());
    let sums = std::sync::Mutex::new(&mut back);
    let streams = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 4);
    let take = || {
        next.lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .next()
    };
    let work = (0..streams).map(|_| async {
        let mut session = None;
        while let Some(piece) = take() {
            load.context.check()?;
            let session = match &mut session {
                Some(session) => session,
                none => none.insert(load.stream().await?.into_session()),
            };
            let sum = read_back(load, session, &piece).await?;
            let mut sums = sums.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            sums[piece.table].join(sum);
        }
        Ok::<(), Error>(())
    });
    let ticker = load.watch.tick(&load.context);
    tokio::select! {
        biased;
        () = load.context.cancelled() => Err(Error::Cancelled),
        ended = futures::future::try_join_all(work) => ended.map(|_| ()),
        never = ticker => match never {},
    }?;
    for (place, table) in plan.tables.iter().enumerate() {
        if table.existing.as_ref().is_some_and(|existing| existing.again) {
            back[place] = load.context.unless_cancelled(load.by_key(place)).await?;
        }
    }
    let may_skip = plan.on_conflict == contract::import::OnConflict::Skip;
    let mut reports = Vec::new();
    for (place, table) in plan.tables.iter().enumerate() {
        let mut report = report(table, may_skip, sent[place], back[place], done, place);
        if report.verdict == Verdict::Differs && table.existing.is_none() {
            report.differences = differ::find(load, place).await?;
        }
        reports.push(report);
    }
    load.watch.verified(&load.context, plan, &reports);
    Ok(reports)
}

async fn pieces(load: &Load, connection: &mut PgConnection) -> Result<Vec<Piece>> {
    let failed = |source| load.target.error(source);
    let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let mut pieces = Vec::new();
    for (place, table) in load.plan.tables.iter().enumerate() {
        if table.existing.is_some() {
            continue;
        }
        let pages: i64 =
            sqlx::query_scalar("select pg_relation_size($1::regclass) / current_setting('block_size')::int")
                .bind(quote::qualified(&load.plan.schema, &table.name))
                .fetch_one(&mut *connection)
                .await
                .map_err(failed)?;
        if version < RANGES_SINCE || pages <= PAGES {
            pieces.push((
                pages,
                Piece {
                    table: place,
                    pages: None,
                },
            ));
            continue;
        }
        // The last range is open, for rows that came since. A block's number has 32 bits.
        for from in (0..pages).step_by(PAGES as usize) {
            let to = if from + PAGES >= pages {
                i64::from(u32::MAX)
            } else {
                from + PAGES
            };
            pieces.push((
                PAGES,
                Piece {
                    table: place,
                    pages: Some((from, to)),
                },
            ));
        }
    }
    pieces.sort_by_key(|(pages, _)| std::cmp::Reverse(*pages));
    Ok(pieces.into_iter().map(|(_, piece)| piece).collect())
}

async fn read_back(load: &Load, session: &mut PgConnection, piece: &Piece) -> Result<Sum> {
    let table = &load.plan.tables[piece.table];
    let mut hasher = RowHasher::new(&table.types());
    let mut sum = Sum::default();
    let mut shown = 0;
    each_row(load, session, table, piece.pages, |row| {
        sum.add(hasher.hash(row), row.len());
        if sum.rows - shown >= 10_000 {
            load.watch.read_back(piece.table, sum.rows - shown);
            shown = sum.rows;
        }
    })
    .await?;
    load.watch.read_back(piece.table, sum.rows - shown);
    Ok(sum)
}

/// Reads rows of a table back, one by one.
async fn each_row(
    load: &Load,
    session: &mut PgConnection,
    table: &TablePlan,
    pages: Option<(i64, i64)>,
    mut row: impl FnMut(&[u8]),
) -> Result<()> {
    let sql = table.copy_out(&load.plan.schema, pages);
    let failed = |source| load.target.error_at(source, &sql);
    let garbled = |error| Error::internal("reading rows back", error);
    let mut rows = Rows::default();
    let mut stream = session.copy_out_raw(&sql).await.map_err(failed)?;
    while let Some(chunk) = stream.try_next().await.map_err(failed)? {
        rows.take(&chunk, &mut row).map_err(garbled)?;
    }
    rows.finish().map_err(garbled)
}

fn report(table: &TablePlan, may_skip: bool, sent: Sum, back: Sum, done: &Done, place: usize) -> TableReport {
    let parts = || {
        done.parts
            .iter()
            .filter(move |((of, _), _)| usize::try_from(*of) == Ok(place))
            .map(|(_, part)| part)
    };
    let changed: i64 = parts().map(|part| part.changed).sum();
    let skipped = match table.existing {
        Some(_) => (sent.rows - back.rows).max(0),
        None => 0,
    };
    let same = sent.rows == back.rows && sent.hash == back.hash && sent.rows == table.rows;
    let verdict = match () {
        () if same => Verdict::Identical,
        () if changed == 0 && skipped > 0 && may_skip && sent.rows == table.rows => Verdict::Explained,
        () => Verdict::Differs,
    };
    let notes = parts().flat_map(|part| &part.skipped).take(20);
    TableReport {
        source: table.source.clone(),
        name: table.name.clone(),
        rows: table.rows,
        rows_back: back.rows,
        skipped,
        bytes: sent.bytes,
        hash: sent.hex(),
        hash_back: back.hex(),
        verdict,
        differences: notes
            .map(|row| Difference {
                side: contract::import::Side::Both,
                row: row.clone(),
                columns: Vec::new(),
            })
            .collect(),
    }
}

/// The types of a table's columns, for comparing.
fn types(table: &TablePlan) -> Vec<ColumnType> {
    table.types()
}
