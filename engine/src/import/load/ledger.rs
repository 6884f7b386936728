//! What is done already, written down in the target in the same transaction as the work itself, so that a later run goes on
//! exactly there.

use std::collections::{BTreeMap, BTreeSet};

use contract::import::{ImportId, Stage};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::{
    super::{plan::Plan, wire::Sum},
    step::DONE,
};
use crate::quote;

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

    /// Drops what the import made, and its part of the ledger; says the names of the tables. A table that someone made anew
    /// under the same name is not one of them, and nothing is dropped that others made: the server refuses when something
    /// of theirs hangs on a table, and says what. A schema that the import made goes when it is empty.
    pub async fn undo(&self, connection: &mut PgConnection, plan: &Plan) -> Result<Vec<String>, sqlx::Error> {
        if !self.exists(connection).await? {
            return Ok(Vec::new());
        }
        let execute = async |connection: &mut PgConnection, sql: String| {
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(connection)
                .await
                .map(|_| ())
        };
        let done = self.read(connection).await?.unwrap_or_default();
        let made: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
            "select format('%I.%I', n.nspname, c.relname)
               from {} l
               join pg_class c on c.oid = l.made
               join pg_namespace n on n.oid = c.relnamespace
              where l.import = $1
                and l.kind = 'create'
              group by c.oid, n.nspname, c.relname
              order by c.relname",
            self.table
        )))
        .bind(self.import.0)
        .fetch_all(&mut *connection)
        .await?;
        // Rules go with their tables; views and functions of triggers do not.
        for (place, step) in plan.steps.iter().enumerate().rev() {
            let is_done = done.steps.get(&(place as i32)).is_some_and(|how| how == DONE);
            if let (true, Stage::Finish, Some(undo)) = (is_done, step.stage, &step.undo) {
                execute(connection, undo.clone()).await?;
            }
        }
        if !made.is_empty() {
            // All at once: they refer to each other.
            execute(connection, format!("drop table {}", made.join(", "))).await?;
        }
        self.forget(connection).await?;
        let schema = plan.create.first().filter(|create| create.table.is_empty());
        if schema.is_some() && done.created.contains(&0) {
            let empty = format!("drop schema {}", quote::ident(&plan.schema));
            execute(connection, "savepoint pgsteward".to_owned()).await?;
            match execute(connection, empty).await {
                Ok(()) => execute(connection, "release savepoint pgsteward".to_owned()).await?,
                // Someone has put something into it.
                Err(error) if super::refusal(&error).is_some() => {
                    execute(connection, "rollback to savepoint pgsteward".to_owned()).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    /// Drops the import's part of the ledger, and the ledger with its last part.
    pub async fn forget(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if !self.exists(connection).await? {
            return Ok(());
        }
        sqlx::query(AssertSqlSafe(format!(
            "delete from {} where import = $1",
            self.table
        )))
        .bind(self.import.0)
        .execute(&mut *connection)
        .await?;
        let empty: bool = sqlx::query_scalar(AssertSqlSafe(format!(
            "select not exists (select from {})",
            self.table
        )))
        .fetch_one(&mut *connection)
        .await?;
        if empty {
            sqlx::raw_sql(AssertSqlSafe(format!("drop table {}", self.table)))
                .execute(connection)
                .await?;
        }
        Ok(())
    }
}
