//! Loading one part of a table, in one transaction with its note in the ledger.

use std::{collections::HashMap, sync::Arc};

use contract::import::OnConflict;
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    Load, Part, Stream,
    read::{Chunks, Range, Sender, read},
};
use crate::{
    Error, Result,
    import::{
        plan::{Parents, TablePlan},
        show,
        wire::{RowHasher, Rows, Sum},
    },
    quote,
};

/// How many keys of rows are named that were left as they were.
const NAMED: usize = 20;

impl Load {
    /// Loads a part.
    pub(super) async fn part(&self, stream: &mut Stream, place: usize, part: usize) -> Result<()> {
        let table = &self.plan.tables[place];
        let range = Range::part(table, part);
        self.watch.enter(place);
        self.try_part(stream, place, part, range)
            .await
            .map_err(|error| placed(error, &table.source, &range.words(table)))
    }

    async fn try_part(&self, stream: &mut Stream, place: usize, part: usize, range: Range) -> Result<()> {
        let failed = |source| self.target.error(source);
        let table = &self.plan.tables[place];
        let reader = stream.reader.take().ok_or_else(gone)?;
        stream.begin().await.map_err(failed)?;
        let session = &mut stream.session;
        let copy = match &table.existing {
            None => table.copy_in(&self.plan.schema),
            Some(_) => {
                sqlx::raw_sql(AssertSqlSafe(table.staging()))
                    .execute(&mut *session)
                    .await
                    .map_err(failed)?;
                "copy pgsteward_stage from stdin (format binary)".to_owned()
            }
        };
        let (watch, each) = (Arc::clone(&self.watch), table.existing.is_some());
        let (mut sender, chunks) = Sender::new(table, each, move |rows, bytes| watch.saw(place, rows, bytes));
        let (plan, source, stop) = (
            Arc::clone(&self.plan),
            Arc::clone(&self.source),
            self.stop.clone(),
        );
        let reading = tokio::task::spawn_blocking(move || {
            let table = &plan.tables[place];
            let ended =
                read(&reader, &source.name, table, range, &stop, &mut sender).and_then(|()| sender.finish());
            // The sender goes here: the other end waits for that.
            (reader, ended.map(|()| (sender.sum, sender.each)))
        });
        let sending = send(session, &copy, chunks);
        let (read, sent) = tokio::join!(reading, sending);
        let (reader, ended) = read.map_err(|error| Error::internal("reading a SQLite file", error))?;
        stream.reader = Some(reader);
        // The reader ends as cancelled when the server takes no more: then the server knows why.
        let (sum, each) = match (ended, sent) {
            (Err(Error::Cancelled) | Ok(_), Err(error)) => return Err(self.target.error(error)),
            (Err(error), _) => return Err(error),
            (Ok(read), Ok(())) => read,
        };
        let mut done = Part {
            sent: sum,
            ..Part::default()
        };
        if let Some(each) = each {
            self.bring_in(session, table, range, each, &mut done).await?;
        }
        self.ledger
            .loaded(session, place, part, &done)
            .await
            .map_err(failed)?;
        stream.commit().await.map_err(failed)
    }

    /// Brings staged rows into a table that is there, and compares what it keeps with what was staged.
    async fn bring_in(
        &self,
        session: &mut PgConnection,
        table: &TablePlan,
        range: Range,
        sent: Vec<u128>,
        done: &mut Part,
    ) -> Result<()> {
        let failed = |source| self.target.error(source);
        match self.plan.on_conflict {
            OnConflict::Upsert => {}
            OnConflict::Skip => done.skipped = self.already_there(session, table).await.map_err(failed)?,
            OnConflict::Fail => {
                // How many and not which: a fault is seen by those who may not see data.
                let there = self.count_there(session, table).await.map_err(failed)?;
                if there > 0 {
                    return Err(Error::conflict(
                        format!(
                            "{}, {}: {} rows have a key that {} has already.",
                            table.source,
                            range.words(table),
                            contract::format::exact(there),
                            table.name
                        ),
                        "Let such rows be skipped or updated (--on-conflict skip or upsert), or leave the table out.",
                    ));
                }
            }
        }
        let insert = table.bring_in(&self.plan.schema, self.plan.on_conflict);
        let mut expected: HashMap<u128, u32> = HashMap::with_capacity(sent.len());
        for hash in sent {
            *expected.entry(hash).or_default() += 1;
        }
        let types = table.types();
        let mut hasher = RowHasher::new(&types);
        let (mut back, mut same) = (Sum::default(), Sum::default());
        let mut rows = Rows::default();
        let mut stream = session
            .copy_out_raw(&format!("copy ({insert}) to stdout (format binary)"))
            .await
            .map_err(|source| self.target.error_at(source, &insert))?;
        while let Some(chunk) = stream
            .try_next()
            .await
            .map_err(|source| self.target.error_at(source, &insert))?
        {
            let take = |row: &[u8]| {
                let hash = hasher.hash(row);
                back.add(hash, row.len());
                match expected.get_mut(&hash).filter(|count| **count > 0) {
                    Some(count) => {
                        *count -= 1;
                        same.add(hash, row.len());
                    }
                    None => {
                        done.changed += 1;
                        if done.skipped.len() < NAMED {
                            let key = show::key(table, row);
                            done.skipped.push(format!("changed on its way in: {key}"));
                        }
                    }
                }
            };
            rows.take(&chunk, take)
                .map_err(|error| Error::internal("reading rows back", error))?;
        }
        drop(stream);
        rows.finish()
            .map_err(|error| Error::internal("reading rows back", error))?;
        done.back = Some(back);
        sqlx::raw_sql("drop table pgsteward_stage")
            .execute(session)
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// The first keys of staged rows that the table has already.
    async fn already_there(
        &self,
        session: &mut PgConnection,
        table: &TablePlan,
    ) -> Result<Vec<String>, sqlx::Error> {
        let Some((from, keys)) = self.staged_that_are_there(table) else {
            return Ok(Vec::new());
        };
        let shown: Vec<String> = keys.iter().map(|at| format!("left(s.c{at}::text, 80)")).collect();
        sqlx::query_scalar(AssertSqlSafe(format!(
            "select concat_ws(', ', {}) {from} limit {NAMED}",
            shown.join(", ")
        )))
        .fetch_all(session)
        .await
    }

    /// How many staged rows have a key that the table has already.
    async fn count_there(&self, session: &mut PgConnection, table: &TablePlan) -> Result<i64, sqlx::Error> {
        let Some((from, _)) = self.staged_that_are_there(table) else {
            return Ok(0);
        };
        sqlx::query_scalar(AssertSqlSafe(format!("select count(*) {from}")))
            .fetch_one(session)
            .await
    }

    /// Where staged rows meet those of the table by its key, and the places of the key's columns; none without a key.
    fn staged_that_are_there(&self, table: &TablePlan) -> Option<(String, Vec<usize>)> {
        let places = table.conflict_places()?;
        let pairs: Vec<String> = places
            .iter()
            .map(|at| {
                let column = &table.columns[*at];
                format!("t.{} = s.{}", quote::ident(&column.name), column.compared(*at))
            })
            .collect();
        let from = format!(
            "from pgsteward_stage s join {} t on {}",
            quote::qualified(&self.plan.schema, &table.name),
            pairs.join(" and ")
        );
        (!pairs.is_empty()).then_some((from, places))
    }

    /// Makes the parents that a table's rows name and nobody has, with their key alone.
    pub(super) async fn parents(&self, stream: &mut Stream, place: usize) -> Result<()> {
        let failed = |source| self.target.error(source);
        let plan = Arc::clone(&self.plan);
        let table = &plan.tables[place];
        let parents = table
            .existing
            .as_ref()
            .map_or(&[][..], |existing| &existing.parents);
        let mut made = 0;
        stream.begin().await.map_err(failed)?;
        for parent in parents {
            made += self
                .parents_of(&mut stream.session, &mut stream.reader, table, parent)
                .await
                .map_err(|error| placed(error, &table.source, &format!("parents in {}", parent.table)))?;
        }
        self.ledger
            .parents(&mut stream.session, place, made)
            .await
            .map_err(failed)?;
        stream.commit().await.map_err(failed)
    }

    async fn parents_of(
        &self,
        session: &mut PgConnection,
        reader: &mut Option<rusqlite::Connection>,
        table: &TablePlan,
        parent: &Parents,
    ) -> Result<i64> {
        let failed = |source| self.target.error(source);
        self.stage_columns(session, reader, table, &parent.columns, Range::ALL)
            .await?;
        let made = sqlx::raw_sql(AssertSqlSafe(make_parents(table, parent)))
            .execute(&mut *session)
            .await
            .map_err(failed)?
            .rows_affected();
        sqlx::raw_sql("drop table pgsteward_stage")
            .execute(session)
            .await
            .map_err(failed)?;
        let made = i64::try_from(made).unwrap_or(i64::MAX);
        if made > 0 {
            self.context.info(format!(
                "{}: made {} rows in {} that rows name and nobody had.",
                table.source,
                contract::format::exact(made),
                parent.table
            ));
        }
        Ok(made)
    }

    /// What a table that was there keeps now of the rows that came in, found by their keys: what ran after a row was in may
    /// have changed it, or a row of another table.
    pub(in crate::import) async fn by_key(&self, place: usize) -> Result<Sum> {
        let failed = |source| self.target.error(source);
        let table = &self.plan.tables[place];
        let key = table.conflict_places().unwrap_or_default();
        let pairs: Vec<String> = key
            .iter()
            .enumerate()
            .map(|(number, at)| {
                let column = &table.columns[*at];
                format!("t.{} = s.{}", quote::ident(&column.name), column.compared(number))
            })
            .collect();
        let sql = format!(
            "copy (select {} from pgsteward_stage s join {} t on {}) to stdout (format binary)",
            table.kept("t.").join(", "),
            quote::qualified(&self.plan.schema, &table.name),
            pairs.join(" and ")
        );
        let garbled = |error| Error::internal("reading rows back", error);
        let mut stream = self.stream().await?;
        let mut hasher = RowHasher::new(&table.types());
        let mut sum = Sum::default();
        for part in 0..table.parts() {
            self.context.check()?;
            stream.begin().await.map_err(failed)?;
            let (session, reader) = (&mut stream.session, &mut stream.reader);
            self.stage_columns(session, reader, table, &key, Range::part(table, part))
                .await?;
            let mut rows = Rows::default();
            let mut back = session.copy_out_raw(&sql).await.map_err(failed)?;
            while let Some(chunk) = back.try_next().await.map_err(failed)? {
                rows.take(&chunk, |row: &[u8]| sum.add(hasher.hash(row), row.len()))
                    .map_err(garbled)?;
            }
            drop(back);
            rows.finish().map_err(garbled)?;
            stream.roll_back().await.map_err(failed)?;
        }
        Ok(sum)
    }

    /// Sends some columns of a part of the file into the staging table, by their number in `columns`.
    async fn stage_columns(
        &self,
        session: &mut PgConnection,
        reader: &mut Option<rusqlite::Connection>,
        table: &TablePlan,
        columns: &[usize],
        range: Range,
    ) -> Result<()> {
        let staged = only(table, columns);
        sqlx::raw_sql(AssertSqlSafe(staged.staging()))
            .execute(&mut *session)
            .await
            .map_err(|source| self.target.error(source))?;
        let (mut sender, chunks) = Sender::new(&staged, false, |_, _| {});
        let (connection, source, stop) = (
            reader.take().ok_or_else(gone)?,
            Arc::clone(&self.source),
            self.stop.clone(),
        );
        let reading = tokio::task::spawn_blocking(move || {
            let ended = read(&connection, &source.name, &staged, range, &stop, &mut sender)
                .and_then(|()| sender.finish());
            (connection, ended)
        });
        let sending = send(session, "copy pgsteward_stage from stdin (format binary)", chunks);
        let (read, sent) = tokio::join!(reading, sending);
        let (connection, ended) = read.map_err(|error| Error::internal("reading a SQLite file", error))?;
        *reader = Some(connection);
        match (ended, sent) {
            (Err(Error::Cancelled) | Ok(()), Err(error)) => Err(self.target.error(error)),
            (ended, _) => ended,
        }
    }
}

/// Some columns of a table, as a table of their own.
fn only(table: &TablePlan, columns: &[usize]) -> TablePlan {
    TablePlan {
        columns: columns.iter().map(|at| table.columns[*at].clone()).collect(),
        key: Vec::new(),
        identity: None,
        existing: None,
        ..table.clone()
    }
}

fn make_parents(table: &TablePlan, parent: &Parents) -> String {
    let names: Vec<String> = parent
        .parent_columns
        .iter()
        .map(|name| quote::ident(name))
        .collect();
    let of_child = || parent.columns.iter().map(|at| &table.columns[*at]).enumerate();
    let values: Vec<String> = of_child().map(|(at, column)| column.given(at)).collect();
    let given: Vec<String> = (0..names.len())
        .map(|number| format!("c{number} is not null"))
        .collect();
    let same: Vec<String> = names
        .iter()
        .zip(of_child())
        .map(|(name, (at, column))| format!("p.{name} = s.{}", column.compared(at)))
        .collect();
    let parent = quote::qualified(&parent.schema, &parent.table);
    format!(
        "insert into {parent} ({names})
         select distinct {values}
           from pgsteward_stage s
          where {given}
            and not exists (select from {parent} p where {same})
         on conflict do nothing",
        names = names.join(", "),
        values = values.join(", "),
        given = given.join(" and "),
        same = same.join(" and ")
    )
}

/// Sends chunks until there are no more. When the reader ends early nothing of them stays.
pub(in crate::import) async fn send(
    session: &mut PgConnection,
    statement: &str,
    mut chunks: Chunks,
) -> Result<(), sqlx::Error> {
    let mut copy = session.copy_in_raw(statement).await?;
    let mut whole = false;
    while let Some(chunk) = chunks.full.recv().await {
        whole = chunk.ends_with(&super::super::wire::END);
        copy.send(chunk.as_slice()).await?;
        // Nobody waits for it when the reader has ended.
        chunks.empty.try_send(chunk).ok();
    }
    match whole {
        true => copy.finish().await.map(|_| ()),
        false => copy.abort("the file could not be read to its end").await,
    }
}

/// An error with the table and the rows that it came up at.
fn placed(error: Error, table: &str, range: &str) -> Error {
    match error {
        Error::Cancelled | Error::Refused(_) => error,
        error => {
            let internal = error.is_internal();
            let mut fault = error.fault();
            hide_values(&mut fault);
            if internal {
                tracing::error!(table, range, error = error.chain(), "loading failed");
            }
            fault.message = format!("{table}, {range}: {}", fault.message);
            Error::Refused(fault)
        }
    }
}

/// What PostgreSQL says of a value that it cannot take may quote the value, and a fault is seen by those who may not see data.
fn hide_values(fault: &mut contract::Fault) {
    let Some(refusal) = &mut fault.target else { return };
    let code = refusal.sqlstate.as_deref().unwrap_or_default();
    // A text that is too long and a number out of range are named without it.
    let quotes = code.starts_with("P0") || (code.starts_with("22") && !matches!(code, "22001" | "22003"));
    if quotes {
        let words = format!("the server does not take a value (SQLSTATE {code})");
        fault.message = format!("{}: {words}.", refusal.target);
        refusal.message = words;
        refusal.detail = None;
    }
}

fn gone() -> Error {
    Error::internal("loading a part", "its reader is gone")
}
