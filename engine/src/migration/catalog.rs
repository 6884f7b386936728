//! What a managed database itself knows of its migrations: sqlx' table, and our ledger beside it.

use contract::Instant;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::quote;

/// The two tables, where they are or will be. Names are qualified, because a migration may change the search path.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// sqlx' table.
    pub sqlx: String,
    /// Whether it is there.
    pub sqlx_exists: bool,
    /// Our ledger.
    pub ledger: String,
    /// Whether it is there.
    pub ledger_exists: bool,
}

/// A row of sqlx' table.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct AppliedRow {
    /// The version.
    pub version: i64,
    /// Its description at that time.
    pub description: String,
    /// When it was applied or begun.
    pub installed_on: Instant,
    /// False while a file without transaction is not done.
    pub success: bool,
    /// SHA-384 of the text that was applied.
    pub checksum: Vec<u8>,
    /// Nanoseconds; -1 when that is not known.
    pub execution_time: i64,
}

/// A row of our ledger.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct LedgerRow {
    /// The version.
    pub version: i64,
    /// Who applied it.
    pub applied_by: String,
    /// When it was done.
    pub finished_at: Option<Instant>,
    /// How long it took.
    pub duration_ms: Option<i64>,
    /// Statements that are done, of a file without transaction.
    pub statements_done: i32,
    /// What the server said to the one that failed.
    pub failed_with: Option<String>,
}

#[derive(sqlx::FromRow)]
struct PlaceRow {
    schema: Option<String>,
    sqlx_exists: bool,
    ledger_exists: bool,
}

/// Finds the tables. `None` when no schema of the search path exists.
pub(crate) async fn tables(connection: &mut PgConnection) -> Result<Option<Tables>, sqlx::Error> {
    let row: PlaceRow = sqlx::query_as(
        "select place.schema,
                place.sqlx is not null as sqlx_exists,
                to_regclass(format('%I._pgsteward_migrations', place.schema)) is not null as ledger_exists
           from (select found.sqlx,
                        coalesce(
                            (select schema.nspname::text
                               from pg_class as class
                               join pg_namespace as schema on schema.oid = class.relnamespace
                              where class.oid = found.sqlx),
                            current_schema()::text) as schema
                   from to_regclass('_sqlx_migrations') as found (sqlx)) as place",
    )
    .persistent(false)
    .fetch_one(connection)
    .await?;
    Ok(row.schema.map(|schema| Tables {
        sqlx: quote::qualified(&schema, "_sqlx_migrations"),
        sqlx_exists: row.sqlx_exists,
        ledger: quote::qualified(&schema, "_pgsteward_migrations"),
        ledger_exists: row.ledger_exists,
    }))
}

/// Every row of sqlx' table, by version.
pub(crate) async fn applied(
    connection: &mut PgConnection,
    tables: &Tables,
) -> Result<Vec<AppliedRow>, sqlx::Error> {
    if !tables.sqlx_exists {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select version, description, installed_on, success, checksum, execution_time
           from {}
          order by version",
        tables.sqlx
    );
    sqlx::query_as(AssertSqlSafe(sql))
        .persistent(false)
        .fetch_all(connection)
        .await
}

/// Every row of our ledger.
pub(crate) async fn ledger(
    connection: &mut PgConnection,
    tables: &Tables,
) -> Result<Vec<LedgerRow>, sqlx::Error> {
    if !tables.ledger_exists {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select version, applied_by, finished_at, duration_ms, statements_done, failed_with
           from {}",
        tables.ledger
    );
    sqlx::query_as(AssertSqlSafe(sql))
        .persistent(false)
        .fetch_all(connection)
        .await
}
