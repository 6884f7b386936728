//! What is done already, written down in the target in the same transaction as the work itself, so that a later run goes on
//! exactly there.

use std::collections::{BTreeMap, BTreeSet};

use contract::import::{ImportId, Stage};
use sqlite::wire::Sum;
use sqlx::{AssertSqlSafe, Connection, FromRow, PgConnection};

use super::{super::plan::Plan, step::DONE};
use crate::{quote, target::worker};

/// The table's name, in the schema that receives the rows. It goes when the import is done.
const NAME: &str = "pgsteward_import";

/// The ledger of one import.
#[derive(Clone, Debug)]
pub(in crate::import) struct Ledger {
    table: String,
    import: ImportId,
}

/// What a ledger says.
#[derive(Debug, Default)]
pub(in crate::import) struct Done {
    /// Statements before any row, by place.
    pub created: BTreeSet<i32>,
    /// Parts of tables: what was read from the file, and what the target says it keeps.
    pub parts: BTreeMap<(i32, i32), Part>,
    /// Tables whose missing parents are made, with how many.
    pub parents: BTreeMap<i32, i64>,
    /// Statements after the rows, by place, with how they ended.
    pub steps: BTreeMap<i32, String>,
}

/// A loaded part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::import) struct Part {
    /// What was read from the file.
    pub sent: Sum,
    /// What became of it, when rows went into a table that was there.
    pub back: Option<Sum>,
    /// Rows that came back otherwise than they were sent.
    pub changed: i64,
    /// The first keys that were left as they were.
    pub skipped: Vec<String>,
}

#[derive(FromRow)]
struct Row {
    kind: String,
    place: i32,
    part: i32,
    rows: i64,
    bytes: i64,
    hash: String,
    rows_back: Option<i64>,
    hash_back: Option<String>,
    changed: i64,
    notes: Vec<String>,
}

impl Ledger {
    /// The ledger of an import in a schema.
    pub fn new(schema: &str, import: ImportId) -> Self {
        Self {
            table: quote::qualified(schema, NAME),
            import,
        }
    }

    /// The import.
    pub fn import(&self) -> ImportId {
        self.import
    }

    /// Makes the table when it is missing.
    pub async fn make(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let sql = format!(
            "create table if not exists {} (
                import uuid not null,
                kind text not null,
                place integer not null,
                part integer not null default 0,
                rows bigint not null default 0,
                bytes bigint not null default 0,
                hash text not null default '',
                rows_back bigint,
                hash_back text,
                changed bigint not null default 0,
                notes text[] not null default '{{}}',
                made oid,
                at timestamptz not null default now(),
                primary key (import, kind, place, part)
            )",
            self.table
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
        Ok(())
    }

    /// Reads it; nothing when there is none.
    pub async fn read(&self, connection: &mut PgConnection) -> Result<Option<Done>, sqlx::Error> {
        if !self.exists(connection).await? {
            return Ok(None);
        }
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(format!(
            "select kind, place, part, rows, bytes, hash, rows_back, hash_back, changed, notes
               from {}
              where import = $1",
            self.table
        )))
        .bind(self.import.0)
        .fetch_all(connection)
        .await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut done = Done::default();
        for row in rows {
            let hash = |text: &str| u128::from_str_radix(text, 16).unwrap_or_default();
            match row.kind.as_str() {
                "create" => {
                    done.created.insert(row.place);
                }
                "part" => {
                    let back = row.rows_back.map(|rows| Sum {
                        rows,
                        bytes: 0,
                        hash: hash(row.hash_back.as_deref().unwrap_or_default()),
                    });
                    let part = Part {
                        sent: Sum {
                            rows: row.rows,
                            bytes: row.bytes,
                            hash: hash(&row.hash),
                        },
                        back,
                        changed: row.changed,
                        skipped: row.notes,
                    };
                    done.parts.insert((row.place, row.part), part);
                }
                "parents" => {
                    done.parents.insert(row.place, row.rows);
                }
                _ => {
                    done.steps.insert(row.place, row.hash);
                }
            }
        }
        Ok(Some(done))
    }

    /// Whether there is a ledger in the schema.
    async fn exists(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar("select to_regclass($1) is not null")
            .bind(&self.table)
            .fetch_one(connection)
            .await
    }

    /// Notes a statement before any row; the table that it made, when it made one, by its identity.
    pub async fn created(
        &self,
        connection: &mut PgConnection,
        place: usize,
        made: Option<&str>,
    ) -> Result<(), sqlx::Error> {
        self.insert(
            connection,
            "place, kind, made",
            &format!("{place}, 'create', to_regclass($2)::oid"),
            made,
        )
        .await
    }

    /// Notes a loaded part.
    pub async fn loaded(
        &self,
        connection: &mut PgConnection,
        place: usize,
        part: usize,
        done: &Part,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(AssertSqlSafe(format!(
            "insert into {} (import, kind, place, part, rows, bytes, hash, rows_back, hash_back, changed, notes)
             values ($1, 'part', {place}, {part}, $2, $3, $4, $5, $6, $7, $8)",
            self.table
        )))
        .bind(self.import.0)
        .bind(done.sent.rows)
        .bind(done.sent.bytes)
        .bind(done.sent.hex())
        .bind(done.back.map(|back| back.rows))
        .bind(done.back.map(|back| back.hex()))
        .bind(done.changed)
        .bind(&done.skipped)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Notes what a part is now, after what changed was brought over.
    pub async fn reloaded(
        &self,
        connection: &mut PgConnection,
        place: usize,
        part: usize,
        done: &Part,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(AssertSqlSafe(format!(
            "delete from {} where import = $1 and kind = 'part' and place = {place} and part = {part}",
            self.table
        )))
        .bind(self.import.0)
        .execute(&mut *connection)
        .await?;
        self.loaded(connection, place, part, done).await
    }

    /// Notes that a table's missing parents are made.
    pub async fn parents(
        &self,
        connection: &mut PgConnection,
        place: usize,
        rows: i64,
    ) -> Result<(), sqlx::Error> {
        self.insert(
            connection,
            "place, kind, rows",
            &format!("{place}, 'parents', {rows}"),
            None,
        )
        .await
    }

    /// Notes how a statement after the rows ended.
    pub async fn stepped(
        &self,
        connection: &mut PgConnection,
        place: usize,
        how: &str,
    ) -> Result<(), sqlx::Error> {
        self.insert(
            connection,
            "place, kind, hash",
            &format!("{place}, 'step', $2"),
            Some(how),
        )
        .await
    }

    async fn insert(
        &self,
        connection: &mut PgConnection,
        columns: &str,
        values: &str,
        text: Option<&str>,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query(AssertSqlSafe(format!(
            "insert into {} (import, {columns}) values ($1, {values})",
            self.table
        )))
        .bind(self.import.0);
        let query = match values.contains("$2") {
            true => query.bind(text),
            false => query,
        };
        query.execute(connection).await?;
        Ok(())
    }

    /// Drops what the import made, and its part of the ledger; says the names of the tables, and of those that were renamed
    /// since, which stay. A table that someone made anew under the same name is not one of them, and nothing is dropped that
    /// others made: the server refuses when something of theirs hangs on a table, and says what. A schema that the import
    /// made goes when it is empty. All happens in one transaction, or in several when there is more than one can lock; each
    /// takes its notes with it, so that it can be called again.
    pub async fn undo(&self, connection: &mut PgConnection, plan: &Plan) -> Result<Undone, sqlx::Error> {
        let mut undone = Undone::default();
        let Some(done) = self.read(connection).await? else {
            self.forget(connection).await?;
            return Ok(undone);
        };
        let mut acts: Vec<Act> = Vec::new();
        // Indexes and checks go with their tables; views, functions of triggers and what ties tables together do not.
        for (place, step) in plan.steps.iter().enumerate().rev() {
            let is_done = done.steps.get(&(place as i32)).is_some_and(|how| how == DONE);
            let by_itself = matches!(step.stage, Stage::Finish | Stage::Relate);
            if let (true, true, Some(undo)) = (is_done, by_itself, &step.undo) {
                acts.push(Act::Step(place as i32, undo));
            }
        }
        for (place, schema, name) in self.made(connection).await? {
            let planned = usize::try_from(place)
                .ok()
                .and_then(|place| plan.create.get(place));
            match schema == plan.schema && planned.is_some_and(|create| create.table == name) {
                true => acts.push(Act::Table(place, quote::qualified(&schema, &name))),
                false => undone.renamed.push(format!("{schema}.{name}")),
            }
        }
        let together = if acts.len() <= MOST_TOGETHER {
            acts.len().max(1)
        } else {
            TOGETHER
        };
        for acts in acts.chunks(together) {
            let mut transaction = connection.begin().await?;
            give_way(&mut transaction).await?;
            let mut tables = Vec::new();
            let mut gone = Gone::default();
            for act in acts {
                match act {
                    Act::Step(place, undo) => {
                        execute(&mut transaction, (*undo).to_owned()).await?;
                        gone.steps.push(*place);
                    }
                    Act::Table(place, name) => {
                        tables.push(name.clone());
                        gone.table(plan, *place);
                    }
                }
            }
            if !tables.is_empty() {
                // All at once: they refer to each other.
                execute(&mut transaction, format!("drop table {}", tables.join(", "))).await?;
            }
            self.delete(&mut transaction, &gone).await?;
            transaction.commit().await?;
            undone.tables.extend(tables);
        }
        self.forget(connection).await?;
        let schema = plan.create.first().filter(|create| create.table.is_empty());
        if schema.is_some() && done.created.contains(&0) {
            let empty = format!("drop schema {}", quote::ident(&plan.schema));
            match execute(connection, empty).await {
                // Someone has put something into it.
                Err(error) if super::refusal(&error).is_none() => return Err(error),
                _ => {}
            }
        }
        Ok(undone)
    }

    /// Tables that the import made and that are still there: the place of their statement, their schema and name now.
    async fn made(&self, connection: &mut PgConnection) -> Result<Vec<(i32, String, String)>, sqlx::Error> {
        sqlx::query_as(AssertSqlSafe(format!(
            "select l.place, n.nspname::text, c.relname::text
               from {} l
               join pg_class c on c.oid = l.made
               join pg_namespace n on n.oid = c.relnamespace
              where l.import = $1
                and l.kind = 'create'
              order by c.relname",
            self.table
        )))
        .bind(self.import.0)
        .fetch_all(connection)
        .await
    }

    /// Deletes the notes of what is gone.
    async fn delete(&self, connection: &mut PgConnection, gone: &Gone) -> Result<(), sqlx::Error> {
        sqlx::query(AssertSqlSafe(format!(
            "delete from {}
              where import = $1
                and (kind = 'create' and place = any ($2)
                     or kind in ('part', 'parents') and place = any ($3)
                     or kind = 'step' and place = any ($4))",
            self.table
        )))
        .bind(self.import.0)
        .bind(&gone.creates)
        .bind(&gone.tables)
        .bind(&gone.steps)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Deletes the import's part of the ledger, and drops the ledger with its last part. While another import has notes in it
    /// that are not committed yet, it stays for that one.
    pub async fn forget(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if !self.exists(connection).await? {
            return Ok(());
        }
        let mut transaction = connection.begin().await?;
        sqlx::query(AssertSqlSafe(format!(
            "delete from {} where import = $1",
            self.table
        )))
        .bind(self.import.0)
        .execute(&mut *transaction)
        .await?;
        let mut savepoint = transaction.begin().await?;
        let alone = format!("lock table {} in access exclusive mode nowait", self.table);
        match execute(&mut savepoint, alone).await {
            Ok(()) => {
                let empty: bool = sqlx::query_scalar(AssertSqlSafe(format!(
                    "select not exists (select from {})",
                    self.table
                )))
                .fetch_one(&mut *savepoint)
                .await?;
                if empty {
                    execute(&mut savepoint, format!("drop table {}", self.table)).await?;
                }
                savepoint.commit().await?;
            }
            Err(error) if is_taken(&error) => savepoint.rollback().await?,
            Err(error) => return Err(error),
        }
        transaction.commit().await
    }
}

/// What was dropped of an import, and what was not.
#[derive(Debug, Default)]
pub(in crate::import) struct Undone {
    /// Tables that were dropped, quoted.
    pub tables: Vec<String>,
    /// Tables of the import that have another name now; they stay.
    pub renamed: Vec<String>,
}

/// The most acts of one transaction: each takes locks until its end, and the server has room for some thousands.
const MOST_TOGETHER: usize = 1000;
/// How many are done together when there are more.
const TOGETHER: usize = 200;

/// Something that takes back a part of an import.
enum Act<'a> {
    /// The step's place, and its statement.
    Step(i32, &'a str),
    /// The place of the statement that made the table, and the table.
    Table(i32, String),
}

/// Places of what is not there any more.
#[derive(Default)]
struct Gone {
    creates: Vec<i32>,
    tables: Vec<i32>,
    steps: Vec<i32>,
}

impl Gone {
    /// A table that was made by this statement goes with its rows and with what was built on them.
    fn table(&mut self, plan: &Plan, create: i32) {
        self.creates.push(create);
        let Some(made) = usize::try_from(create).ok().and_then(|at| plan.create.get(at)) else {
            return;
        };
        for (at, _) in plan
            .tables
            .iter()
            .enumerate()
            .filter(|(_, table)| table.name == made.table)
        {
            self.tables.push(at as i32);
            let steps = plan.steps.iter().enumerate();
            let on_it = steps.filter(|(_, step)| step.table == Some(at) || step.other == Some(at));
            self.steps.extend(on_it.map(|(step, _)| step as i32));
        }
    }
}

/// A wish for a strong lock holds up everyone who comes after it, so it does not wait long.
async fn give_way(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let timeout = format!("set local lock_timeout = {}", worker::LOCK_TIMEOUT.as_millis());
    execute(connection, timeout).await
}

fn is_taken(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().is_some_and(|code| code == "55P03"))
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map(|_| ())
}
