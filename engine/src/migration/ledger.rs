//! Writing down what was applied: the row that sqlx-cli reads, and beside it who did it, how long it took, and by which
//! job. Table names come from `catalog::tables`.

use std::time::Duration;

use contract::jobs::JobId;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{catalog::Tables, source::File};
use crate::target::look::{query, query_scalar};

/// Who applies.
pub(crate) struct Author<'a> {
    /// The user's name.
    pub name: &'a str,
    /// The job.
    pub job: JobId,
}

/// Makes the two tables when they are missing; sqlx' one exactly as sqlx makes it.
pub(crate) async fn ensure(connection: &mut PgConnection, tables: &Tables) -> Result<(), sqlx::Error> {
    if !tables.sqlx_exists {
        let sql = format!(
            "create table if not exists {} (
                 version bigint primary key,
                 description text not null,
                 installed_on timestamptz not null default now(),
                 success boolean not null,
                 checksum bytea not null,
                 execution_time bigint not null
             )",
            tables.sqlx
        );
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *connection)
            .await?;
    }
    if !tables.ledger_exists {
        let sql = format!(
            "create table if not exists {} (
                 version bigint primary key,
                 applied_by text not null,
                 job uuid not null,
                 sql_sha256 text not null,
                 started_at timestamptz not null,
                 finished_at timestamptz,
                 duration_ms bigint,
                 statements_done integer not null default 0,
                 failed_with text,
                 sql text
             )",
            tables.ledger
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    } else if !keeps_texts(connection, tables).await? {
        let sql = format!("alter table {} add column sql text", tables.ledger);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    }
    Ok(())
}

async fn keeps_texts(connection: &mut PgConnection, tables: &Tables) -> Result<bool, sqlx::Error> {
    query_scalar(
        "select exists (
             select from pg_catalog.pg_attribute
              where attrelid = pg_catalog.to_regclass($1)
                and attname = 'sql'
                and not attisdropped)",
    )
    .bind(&tables.ledger)
    .fetch_one(connection)
    .await
}

/// Writes a migration down as applied. Runs inside of the migration's own transaction, which must be rolled back when
/// this returns false: another tool that takes no lock has applied it in the meantime.
pub(crate) async fn record(
    connection: &mut PgConnection,
    tables: &Tables,
    file: &File,
    author: &Author<'_>,
    took: Duration,
) -> Result<bool, sqlx::Error> {
    let first = put_applied(connection, tables, file, true, took).await?;
    put_ledger(connection, tables, file, author, Some(took)).await?;
    Ok(first)
}

/// Writes a file without transaction down as begun: whatever happens from here on, nobody takes it for applied. False
/// when another tool has applied it in the meantime.
pub(crate) async fn begin(
    connection: &mut PgConnection,
    tables: &Tables,
    file: &File,
    author: &Author<'_>,
) -> Result<bool, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let first = put_applied(&mut transaction, tables, file, false, Duration::ZERO).await?;
    if first {
        put_ledger(&mut transaction, tables, file, author, None).await?;
        transaction.commit().await?;
    }
    Ok(first)
}

/// Counts the statements that are done of a file without transaction.
pub(crate) async fn advance(
    connection: &mut PgConnection,
    tables: &Tables,
    version: i64,
    done: usize,
) -> Result<(), sqlx::Error> {
    let sql = format!(
        "update {} set statements_done = $2 where version = $1",
        tables.ledger
    );
    query(AssertSqlSafe(sql))
        .bind(version)
        .bind(i32::try_from(done).unwrap_or(i32::MAX))
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes down what the server said to the statement that ended a file without transaction.
pub(crate) async fn fail(
    connection: &mut PgConnection,
    tables: &Tables,
    version: i64,
    words: &str,
) -> Result<(), sqlx::Error> {
    let sql = format!("update {} set failed_with = $2 where version = $1", tables.ledger);
    query(AssertSqlSafe(sql))
        .bind(version)
        .bind(words)
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes back that a file without transaction was begun: it has changed nothing.
pub(crate) async fn forget(
    connection: &mut PgConnection,
    tables: &Tables,
    version: i64,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    for table in [&tables.sqlx, &tables.ledger] {
        let sql = format!("delete from {table} where version = $1");
        query(AssertSqlSafe(sql))
            .bind(version)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}

/// Writes a file without transaction down as done.
pub(crate) async fn finish(
    connection: &mut PgConnection,
    tables: &Tables,
    file: &File,
    author: &Author<'_>,
    took: Duration,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    record(&mut transaction, tables, file, author, took).await?;
    transaction.commit().await
}

async fn put_applied(
    connection: &mut PgConnection,
    tables: &Tables,
    file: &File,
    success: bool,
    took: Duration,
) -> Result<bool, sqlx::Error> {
    // Only a file that is repeated after it was broken off finds its row there.
    let sql = format!(
        "insert into {} as known (version, description, success, checksum, execution_time)
         values ($1, $2, $3, $4, $5)
         on conflict (version) do update
            set description = excluded.description,
                success = excluded.success,
                checksum = excluded.checksum,
                execution_time = excluded.execution_time
          where not known.success",
        tables.sqlx
    );
    let nanoseconds = if success {
        i64::try_from(took.as_nanos()).unwrap_or(i64::MAX)
    } else {
        -1
    };
    let done = query(AssertSqlSafe(sql))
        .bind(file.version)
        .bind(&file.description)
        .bind(success)
        .bind(&file.checksum)
        .bind(nanoseconds)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

async fn put_ledger(
    connection: &mut PgConnection,
    tables: &Tables,
    file: &File,
    author: &Author<'_>,
    took: Option<Duration>,
) -> Result<(), sqlx::Error> {
    let done = took.map_or(0, |_| file.statements.len());
    let sql = format!(
        "insert into {} as known
                (version, applied_by, job, sql_sha256, started_at, finished_at, duration_ms, statements_done, sql)
         values ($1, $2, $3, $4,
                 clock_timestamp() - coalesce($5, 0) * interval '1 ms',
                 case when $5 is null then null else clock_timestamp() end,
                 $5, $6, $7)
         on conflict (version) do update
            set applied_by = excluded.applied_by,
                job = excluded.job,
                sql_sha256 = excluded.sql_sha256,
                started_at = case when excluded.finished_at is null then excluded.started_at else known.started_at end,
                finished_at = excluded.finished_at,
                duration_ms = excluded.duration_ms,
                statements_done = excluded.statements_done,
                failed_with = null,
                sql = excluded.sql",
        tables.ledger
    );
    query(AssertSqlSafe(sql))
        .bind(file.version)
        .bind(author.name)
        .bind(author.job.0)
        .bind(hex::encode(Sha256::digest(file.sql.as_bytes())))
        .bind(took.map(|took| i64::try_from(took.as_millis()).unwrap_or(i64::MAX)))
        .bind(i32::try_from(done).unwrap_or(i32::MAX))
        .bind(&file.sql)
        .execute(connection)
        .await?;
    Ok(())
}
