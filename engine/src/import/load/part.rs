//! Loading one part of a table, in one transaction with its note in the ledger.

use std::sync::Arc;

use contract::import::{ColumnType, OnConflict};
use futures::TryStreamExt;
use sqlite::wire::{RowHasher, Rows, Sum};
use sqlx::{AssertSqlSafe, PgConnection, postgres::PgDatabaseError};

use super::{
    Load, Part, Stream,
    read::{Chunks, Range, Sender, read},
};
use crate::{
    Error, Result,
    import::{
        plan::{Parents, TablePlan},
        show,
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
        if table.existing.is_some() {
            let each = match respelling(table) {
                None => each,
                Some(sql) => self.respell(session, table, &sql, each, &mut done).await?,
            };
            self.bring_in(session, table, range, each, &mut done).await?;
        }
        // What was read while someone wrote is neither the old state nor the new one, and must not be noted as done.
        self.source.unchanged()?;
        self.ledger
            .loaded(session, place, part, &done)
            .await
            .map_err(failed)?;
        stream.commit().await.map_err(failed)
    }

    /// Brings staged rows into a table that is there, and compares what it keeps with what was staged: here by the hashes of
    /// the rows, or in the server when they are too many for that.
    async fn bring_in(
        &self,
        session: &mut PgConnection,
        table: &TablePlan,
        range: Range,
        each: Option<Vec<u128>>,
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
        match each {
            Some(sent) => self.compare_here(session, table, sent, done).await?,
            None => self.compare_there(session, table, done).await?,
        }
        if done.changed > 0 && self.plan.on_conflict != OnConflict::Skip {
            let named = self.changed_columns(session, table).await.map_err(failed)?;
            // A row whose key was changed is not found by it.
            if named.len() as i64 == done.changed.min(NAMED as i64) {
                done.skipped = named;
            }
        }
        let kept_by = table
            .existing
            .as_ref()
            .and_then(|existing| existing.kept_by.as_ref());
        if let Some(keys) = kept_by {
            self.thrown_away(session, table, keys, done)
                .await
                .map_err(failed)?;
        }
        sqlx::raw_sql("drop table pgsteward_stage")
            .execute(session)
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Gives staged texts the spelling that PostgreSQL has for the types of their columns, and counts and hashes the rows anew:
    /// `1 day 2:00` is the interval that comes back as `1 day 02:00:00`.
    async fn respell(
        &self,
        session: &mut PgConnection,
        table: &TablePlan,
        sql: &str,
        each: Option<Vec<u128>>,
        done: &mut Part,
    ) -> Result<Option<Vec<u128>>> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut *session)
            .await
            .map_err(|source| self.target.error_at(source, sql))?;
        let mut hasher = RowHasher::new(&table.types());
        let (mut sum, mut hashes) = (Sum::default(), each.is_some().then(Vec::new));
        self.copied_out(session, table, "table pgsteward_stage", |row| {
            let hash = hasher.hash(row);
            sum.add(hash, row.len());
            if let Some(hashes) = &mut hashes {
                hashes.push(hash);
            }
        })
        .await?;
        done.sent = sum;
        Ok(hashes)
    }

    /// Brings staged rows in, and compares each that comes back with the hashes of those that were sent.
    async fn compare_here(
        &self,
        session: &mut PgConnection,
        table: &TablePlan,
        sent: Vec<u128>,
        done: &mut Part,
    ) -> Result<()> {
        let insert = table.bring_in(&self.plan.schema, self.plan.on_conflict);
        let mut expected = Expected::new(sent);
        let (mut hasher, mut back) = (RowHasher::new(&table.types()), Sum::default());
        self.copied_out(session, table, &insert, |row| {
            let hash = hasher.hash(row);
            back.add(hash, row.len());
            if !expected.take(hash) {
                done.changed += 1;
                done.name(|| format!("changed on its way in: {}", show::key(table, row)));
            }
        })
        .await?;
        done.back = Some(back);
        Ok(())
    }

    /// Brings staged rows in, and lets the server compare what it keeps of them, row by row when the sums do not agree.
    async fn compare_there(
        &self,
        session: &mut PgConnection,
        table: &TablePlan,
        done: &mut Part,
    ) -> Result<()> {
        let insert = table.bring_in(&self.plan.schema, self.plan.on_conflict);
        let keep = format!("with came as ({insert}) insert into pgsteward_back select * from came");
        for sql in [
            "create temp table pgsteward_back (like pgsteward_stage) on commit drop",
            &keep,
        ] {
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                .execute(&mut *session)
                .await
                .map_err(|source| self.not_taken(table, source, sql))?;
        }
        let (mut hasher, mut back) = (RowHasher::new(&table.types()), Sum::default());
        self.copied_out(session, table, "table pgsteward_back", |row| {
            back.add(hasher.hash(row), row.len());
        })
        .await?;
        done.back = Some(back);
        if (back.rows, back.hash) != (done.sent.rows, done.sent.hash) {
            // json has no equality of its own.
            let columns: Vec<String> = (0..)
                .zip(&table.columns)
                .map(|(at, column)| match column.encoder.to {
                    ColumnType::Json => format!("c{at}::text"),
                    _ => format!("c{at}"),
                })
                .collect();
            let columns = columns.join(", ");
            let changed = format!(
                "select {columns} from pgsteward_back except all select {columns} from pgsteward_stage"
            );
            done.changed =
                sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from ({changed}) changed")))
                    .fetch_one(&mut *session)
                    .await
                    .map_err(|source| self.target.error(source))?;
            self.copied_out(session, table, &format!("{changed} limit {NAMED}"), |row| {
                done.name(|| format!("changed on its way in: {}", show::key(table, row)));
            })
            .await?;
        }
        sqlx::raw_sql("drop table pgsteward_back")
            .execute(session)
            .await
            .map_err(|source| self.target.error(source))?;
        Ok(())
    }

    /// Runs a query of one table and gives each of its rows.
    async fn copied_out(
        &self,
        session: &mut PgConnection,
        table: &TablePlan,
        query: &str,
        mut row: impl FnMut(&[u8]),
    ) -> Result<()> {
        let failed = |source| self.not_taken(table, source, query);
        let garbled = |error| Error::internal("reading rows back", error);
        let mut rows = Rows::default();
        let mut stream = session
            .copy_out_raw(&format!("copy ({query}) to stdout (format binary)"))
            .await
            .map_err(failed)?;
        while let Some(chunk) = stream.try_next().await.map_err(failed)? {
            rows.take(&chunk, &mut row).map_err(garbled)?;
        }
        rows.finish().map_err(garbled)
    }

    /// What the server has against a statement that brings rows in.
    fn not_taken(&self, table: &TablePlan, source: sqlx::Error, sql: &str) -> Error {
        let of_upsert = source.as_database_error().is_some_and(|error| {
            let report = error.try_downcast_ref::<PgDatabaseError>();
            // A trigger may get the same code for a query of its own.
            error.code().as_deref() == Some("21000")
                && report.and_then(PgDatabaseError::routine) == Some("ExecOnConflictUpdate")
        });
        match of_upsert {
            true => twice(table, None),
            false => self.target.error_at(source, sql),
        }
    }

    /// The first rows that the table keeps otherwise than they were staged, with the columns in which they differ; none where
    /// no key tells rows apart.
    async fn changed_columns(
        &self,
        session: &mut PgConnection,
        table: &TablePlan,
    ) -> Result<Vec<String>, sqlx::Error> {
        let Some((from, keys)) = self.staged_that_are_there(table) else {
            return Ok(Vec::new());
        };
        let of_key: Vec<String> = keys
            .iter()
            .map(|at| {
                let name = quote::literal(&format!("{} ", table.columns[*at].name));
                format!("{name} || left(s.c{at}::text, 80)")
            })
            .collect();
        let columns: Vec<String> = table
            .kept("t.")
            .iter()
            .zip(&table.columns)
            .enumerate()
            .map(|(at, (kept, column))| {
                let name = quote::literal(&column.name);
                // json has no equality of its own.
                let text = if column.encoder.to == ColumnType::Json {
                    "::text"
                } else {
                    ""
                };
                format!("case when ({kept}){text} is distinct from s.c{at}{text} then {name} end")
            })
            .collect();
        // A call has at most a hundred arguments, an array any number of elements.
        sqlx::query_scalar(AssertSqlSafe(format!(
            "select 'changed on its way in: ' || array_to_string(key, ', ') || ', in ' || array_to_string(columns, ', ')
               from (select array[{}] as key, array[{}] as columns {from}) changed
              where array_to_string(columns, '') <> ''
              limit {NAMED}",
            of_key.join(", "),
            columns.join(", ")
        )))
        .fetch_all(session)
        .await
    }

    /// Counts staged rows that did not come in although nothing that is there keeps them out: a trigger threw them away.
    async fn thrown_away(
        &self,
        session: &mut PgConnection,
        table: &TablePlan,
        keys: &[Vec<String>],
        done: &mut Part,
    ) -> Result<(), sqlx::Error> {
        let out = done.sent.rows - done.back.map_or(0, |back| back.rows);
        if out <= 0 {
            return Ok(());
        }
        let (mut given, mut met, mut first) = (Vec::new(), Vec::new(), Vec::new());
        for places in keys.iter().filter_map(|key| table.places(key)) {
            let whole: Vec<String> = places.iter().map(|at| format!("s.c{at} is not null")).collect();
            given.push(format!("({})", whole.join(" and ")));
            met.push(format!(
                "not exists (select from {} t where {})",
                quote::qualified(&self.plan.schema, &table.name),
                same_key(table, &places)
            ));
            if first.is_empty() {
                first = places;
            }
        }
        if first.is_empty() {
            // Nothing tells rows apart, so nothing else can have kept them out.
            done.changed += out;
            done.name(|| format!("{} rows that did not come in", contract::format::exact(out)));
            return Ok(());
        }
        let from = format!(
            "from pgsteward_stage s where ({}) and {}",
            given.join(" or "),
            met.join(" and ")
        );
        let thrown: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) {from}")))
            .fetch_one(&mut *session)
            .await?;
        if thrown > 0 {
            done.changed += thrown;
            let names: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
                "select {} {from} limit {NAMED}",
                shown(&first)
            )))
            .fetch_all(session)
            .await?;
            for name in names {
                done.name(|| format!("neither came in nor is there: {name}"));
            }
        }
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
        sqlx::query_scalar(AssertSqlSafe(format!(
            "select {} || ': its key was there' {from} limit {NAMED}",
            shown(&keys)
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
        let places = table.conflict_places().filter(|places| !places.is_empty())?;
        let from = format!(
            "from pgsteward_stage s join {} t on {}",
            quote::qualified(&self.plan.schema, &table.name),
            same_key(table, &places)
        );
        Some((from, places))
    }

    /// Makes the parents that a table's rows name and nobody has, with their key alone; before that, refuses rows of which one
    /// would overwrite the other.
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
        if table.existing.as_ref().is_some_and(|existing| existing.repeats) {
            self.refuse_repeats(&mut stream.session, &mut stream.reader, table)
                .await
                .map_err(|error| placed(error, &table.source, "all keys"))?;
        }
        for parent in parents {
            made += self
                .parents_of(&mut stream.session, &mut stream.reader, table, parent)
                .await
                .map_err(|error| placed(error, &table.source, &format!("parents in {}", parent.table)))?;
        }
        self.source.unchanged()?;
        self.ledger
            .parents(&mut stream.session, place, made)
            .await
            .map_err(failed)?;
        stream.commit().await.map_err(failed)
    }

    /// Refuses a file with several rows for one row of the table. Parts do not see each other's rows, so their sums would agree.
    async fn refuse_repeats(
        &self,
        session: &mut PgConnection,
        reader: &mut Option<rusqlite::Connection>,
        table: &TablePlan,
    ) -> Result<()> {
        let failed = |source| self.target.error(source);
        let Some(key) = table.conflict_places() else {
            return Ok(());
        };
        self.stage_columns(session, reader, table, &key, Range::ALL)
            .await?;
        let of_table: Vec<String> = key
            .iter()
            .map(|at| quote::ident(&table.columns[*at].name))
            .collect();
        let of_file: Vec<String> = key
            .iter()
            .enumerate()
            .map(|(number, at)| table.columns[*at].compared(number))
            .collect();
        // The table's own columns come first, so that their types and collations say what is equal.
        let repeated: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
            "select count(*)
               from (select 1
                       from (select {names} from {name} where false
                             union all
                             select {values} from pgsteward_stage) key
                      group by {names}
                     having count(*) > 1) repeated",
            names = of_table.join(", "),
            name = quote::qualified(&self.plan.schema, &table.name),
            values = of_file.join(", ")
        )))
        .fetch_one(&mut *session)
        .await
        .map_err(failed)?;
        sqlx::raw_sql("drop table pgsteward_stage")
            .execute(session)
            .await
            .map_err(failed)?;
        match repeated {
            0 => Ok(()),
            repeated => Err(twice(table, Some(repeated))),
        }
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

/// Types that PostgreSQL spells in its own way, and reads without a loss: modifiers are left away, for they would cut.
const RESPELLED: [&str; 13] = [
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "time with time zone",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "daterange",
    "bigint[]",
    "integer[]",
];

/// The statement that gives staged texts PostgreSQL's spelling; none when no column has a type that needs it.
fn respelling(table: &TablePlan) -> Option<String> {
    let sets: Vec<String> = (0..)
        .zip(&table.columns)
        .filter(|(_, column)| column.encoder.to == ColumnType::Text)
        .filter_map(|(at, column)| {
            let declared = column.declared.as_deref()?;
            // interval(3), interval day to second, time(3) with time zone
            let of = match declared.starts_with("interval") && !declared.ends_with(']') {
                true => "interval",
                false => {
                    let bare = match declared.split_once('(').zip(declared.split_once(')')) {
                        Some(((begin, _), (_, end))) => format!("{begin}{end}"),
                        None => declared.to_owned(),
                    };
                    RESPELLED.into_iter().find(|it| *it == bare)?
                }
            };
            Some(format!("c{at} = c{at}::{of}::text"))
        })
        .collect();
    (!sets.is_empty()).then(|| format!("update pgsteward_stage set {}", sets.join(", ")))
}

impl Part {
    /// Names a row, unless enough are named.
    fn name(&mut self, row: impl FnOnce() -> String) {
        if self.skipped.len() < NAMED {
            self.skipped.push(row());
        }
    }
}

/// Hashes of the rows that were sent, each as often as it was sent.
struct Expected {
    sorted: Vec<u128>,
    /// How many of the rows with a hash came back, where its first one stands.
    met: Vec<u32>,
}

impl Expected {
    fn new(mut sorted: Vec<u128>) -> Self {
        sorted.sort_unstable();
        Self {
            met: vec![0; sorted.len()],
            sorted,
        }
    }

    /// Whether a row was sent with this hash that has not come back yet; it has then.
    fn take(&mut self, hash: u128) -> bool {
        let first = self.sorted.partition_point(|it| *it < hash);
        let Some(met) = self.met.get_mut(first) else {
            return false;
        };
        let is_there = self.sorted.get(first + *met as usize) == Some(&hash);
        *met += u32::from(is_there);
        is_there
    }
}

/// Where a row `t` of the table has the key of the staged row `s`.
fn same_key(table: &TablePlan, places: &[usize]) -> String {
    let pairs: Vec<String> = places
        .iter()
        .map(|at| {
            let column = &table.columns[*at];
            format!("t.{} = s.{}", quote::ident(&column.name), column.compared(*at))
        })
        .collect();
    pairs.join(" and ")
}

/// The key of a staged row, for the reader.
fn shown(places: &[usize]) -> String {
    let shown: Vec<String> = places
        .iter()
        .map(|at| format!("left(s.c{at}::text, 80)"))
        .collect();
    format!("concat_ws(', ', {})", shown.join(", "))
}

/// Rows of the file with one key of the table; how many such keys, when that is known.
fn twice(table: &TablePlan, keys: Option<i64>) -> Error {
    let columns = table
        .existing
        .as_ref()
        .map(|existing| existing.conflict.join(", "))
        .unwrap_or_default();
    let what = match keys {
        None => "two rows of the file have one key".to_owned(),
        Some(1) => "one key stands in several rows of the file".to_owned(),
        Some(keys) => format!(
            "{} keys stand in several rows of the file each",
            contract::format::exact(keys)
        ),
    };
    Error::conflict(
        format!(
            "{}: {what} ({columns}), and the last row would overwrite the others in {}.",
            table.source, table.name
        ),
        "Leave one row for each key in the file, or bring it into a table without that key.",
    )
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
        whole = chunk.ends_with(&sqlite::wire::END);
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
