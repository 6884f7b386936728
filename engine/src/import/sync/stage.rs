//! The rows that may have changed, in temporary tables of the session, typed as the ones they go to. Reading them takes as
//! long as the file is slow; so it is over before the first lock is taken.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    super::{
        load::{
            self, Load,
            read::{Chunks, Range, Sender, read},
        },
        plan::TablePlan,
    },
    compare::Changed,
};
use crate::{Error, Result, quote};

/// The staged rows of one table.
pub(super) struct Staged {
    /// The table, by place.
    pub place: usize,
    /// Its name as SQL; `t` in conditions.
    pub name: String,
    /// The temporary table with the rows of the parts that differ; `s` in conditions.
    pub rows: String,
    /// The temporary table with all keys of the file, where it takes them to tell which rows are gone.
    keys: Option<String>,
    /// Whether a row of `t` and one of `s` have the same key; none when the table has no key.
    pub same: Option<String>,
    /// Whether a row of `t` is not in the file any more, or goes because the table has no key.
    pub gone: String,
    /// Whether a row of `s` has other values than one of `t`.
    pub differs: String,
    /// The columns that are sent, as SQL.
    pub columns: Vec<String>,
}

/// Stages what changed in a table.
pub(super) async fn stage(load: &Arc<Load>, session: &mut PgConnection, changed: &Changed) -> Result<Staged> {
    let plan = &load.plan;
    let table = &plan.tables[changed.place];
    let name = quote::qualified(&plan.schema, &table.name);
    let parts: Vec<usize> = changed.parts.iter().map(|(part, _)| *part).collect();
    let whole = parts.len() == table.parts() || table.key.is_empty();
    let ranges = match whole {
        true => vec![Range::ALL],
        false => runs(table, &parts),
    };
    let rows = temporary("rows", changed.place);
    fill(load, session, table, &name, &rows, &ranges).await?;
    let columns: Vec<String> = table.sent().map(|column| quote::ident(&column.name)).collect();
    let list = |side: &str| {
        let columns: Vec<String> = columns.iter().map(|column| format!("{side}.{column}")).collect();
        columns.join(", ")
    };
    let mut staged = Staged {
        place: changed.place,
        // By their bytes: 0.0 and -0.0 are equal, and not the same.
        differs: format!("record_image_ne(row({}), row({}))", list("t"), list("s")),
        gone: "true".to_owned(),
        same: None,
        keys: None,
        name,
        rows,
        columns,
    };
    if table.key.is_empty() {
        return Ok(staged);
    }
    let same: Vec<String> = table
        .key
        .iter()
        .map(|at| quote::ident(&table.columns[*at].name))
        .map(|key| format!("t.{key} = s.{key}"))
        .collect();
    let same = same.join(" and ");
    // Where the key is the rowid, rows that are gone have theirs in the ranges that changed. Else it takes the keys of the
    // whole file to tell.
    let (within, known) = match table.rowid_column() {
        _ if whole => ("true".to_owned(), staged.rows.clone()),
        Some(rowid) => {
            let rowid = format!("t.{}", quote::ident(rowid));
            let within: Vec<String> = ranges.iter().map(|range| range.condition(&rowid)).collect();
            (within.join(" or "), staged.rows.clone())
        }
        None => {
            let keys = temporary("keys", changed.place);
            let only = TablePlan {
                columns: table.key.iter().map(|at| table.columns[*at].clone()).collect(),
                key: Vec::new(),
                ..table.clone()
            };
            fill(load, session, &only, &staged.name, &keys, &[Range::ALL]).await?;
            staged.keys = Some(keys.clone());
            ("true".to_owned(), keys)
        }
    };
    staged.gone = format!("({within}) and not exists (select from {known} s where {same})");
    staged.same = Some(same);
    Ok(staged)
}

impl Staged {
    /// Drops the temporary tables. One by one: thousands that go with the session take more locks than there may be.
    pub async fn drop(&self, load: &Load, session: &mut PgConnection) -> Result<()> {
        for table in std::iter::once(&self.rows).chain(&self.keys) {
            tell(load, session, &format!("drop table {table}")).await?;
        }
        Ok(())
    }
}

/// Parts that follow each other, as one range each. Rows that have no rowid are counted from the first one on, so theirs
/// are read at once, with what lies between.
fn runs(table: &TablePlan, parts: &[usize]) -> Vec<Range> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for part in parts {
        match runs.last_mut() {
            Some((_, last)) if table.rowid.is_none() || *last + 1 == *part => *last = *part,
            _ => runs.push((*part, *part)),
        }
    }
    let range = |(first, last): (usize, usize)| {
        let cuts = [first.checked_sub(1), Some(last)];
        let cuts: Vec<i64> = cuts
            .into_iter()
            .flatten()
            .filter_map(|cut| table.cuts.get(cut))
            .copied()
            .collect();
        let one = TablePlan {
            cuts,
            ..table.clone()
        };
        Range::part(&one, usize::from(first > 0))
    };
    runs.into_iter().map(range).collect()
}

fn temporary(what: &str, place: usize) -> String {
    format!("pg_temp.pgsteward_{what}_{place}")
}

async fn fill(
    load: &Arc<Load>,
    session: &mut PgConnection,
    table: &TablePlan,
    like: &str,
    into: &str,
    ranges: &[Range],
) -> Result<()> {
    let columns: Vec<String> = table.sent().map(|column| quote::ident(&column.name)).collect();
    let columns = columns.join(", ");
    let make = format!("create table {into} as select {columns} from {like} with no data");
    tell(load, session, &make).await?;
    let copy = format!("copy {into} ({columns}) from stdin (format binary)");
    for range in ranges {
        load.context.check()?;
        send(load, session, table, *range, &copy).await?;
    }
    tell(load, session, &format!("analyze {into}")).await
}

async fn send(
    load: &Arc<Load>,
    session: &mut PgConnection,
    table: &TablePlan,
    range: Range,
    copy: &str,
) -> Result<()> {
    let (mut sender, chunks): (Sender, Chunks) = Sender::new(table, false, |_, _| {});
    let (reading_load, reading_table) = (Arc::clone(load), table.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let connection = reading_load.source.connect()?;
        reading_load.stop.watch(&connection);
        let (name, stop) = (&reading_load.source.name, &reading_load.stop);
        read(&connection, name, &reading_table, range, stop, &mut sender)?;
        sender.finish()
    });
    let sending = load::send(session, copy, chunks);
    let (read, sent) = tokio::join!(reading, sending);
    let read: Result<()> = read.map_err(|error| Error::internal("reading a SQLite file", error))?;
    match (read, sent) {
        (Err(Error::Cancelled) | Ok(()), Err(error)) => Err(load.target.error_at(error, copy)),
        (read, _) => read,
    }
}

/// Runs a short statement outside of any transaction.
pub(super) async fn tell(load: &Load, session: &mut PgConnection, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(session)
        .await
        .map_err(|source| load.target.error_at(source, sql))?;
    Ok(())
}
