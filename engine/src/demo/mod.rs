//! Invented rows for the AI-PAL schema, so that every page has something to show on a fresh console.
//!
//! The same rows come out of every run with the same number of rows, apart from the moment at which time ends. A fill
//! that was interrupted goes on where it stopped. Nothing is ever written into a database that holds rows of others.

mod command;
mod plan;

use chrono::{NaiveDateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use plan::{BATCH, Plan, Table};

/// Rows of [`fill`] in a demonstration that shows more than a handful of pages.
pub const DEFAULT_ROWS: u64 = 1_000_000;

/// What [`fill`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// The rows are there now, from this run or from this one and an interrupted one before.
    Now,
    /// They were there, and nothing was written.
    Before,
}

/// Why [`fill`] wrote nothing, or not all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A table of the schema is missing.
    #[error("the database has no table {0}: apply the AI-PAL migrations first")]
    NotMigrated(&'static str),
    /// Somebody else's rows are there.
    #[error(
        "table {0} has rows that are not demonstration data: give the demonstration a database of its own"
    )]
    NotEmpty(&'static str),
    /// Another process fills the same database.
    #[error("another process is filling this database with demonstration data: wait for it")]
    Busy,
    /// The database refused or went away.
    #[error("filling the database with demonstration data failed")]
    Database(#[from] sqlx::Error),
}

/// Any 64-bit number that nobody else uses as an advisory lock.
const LOCK: i64 = 0x7067_7374_6465_6d6f;

/// The profile that carries the [`Marker`].
const FIRST_USER: &str = "demo-user-000001";

/// What is being filled in, kept in the first profile's preferences. Its end is what tells a full database from one whose
/// fill was interrupted, and from one where rows were deleted since.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Marker {
    demo: Progress,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Progress {
    rows: u64,
    until: NaiveDateTime,
    complete: bool,
}

/// Fills the ten AI-PAL tables with about `rows` rows in all (at least 1,000) that reach two years back, and analyses
/// them. `on_progress` gets the rows that are there and the rows that will be, after each batch. A second call does
/// nothing; one after an interrupted call finishes that one, with its number of rows.
///
/// # Errors
/// [`Error::NotMigrated`] and [`Error::NotEmpty`] before anything is written; [`Error::Busy`] while another process fills;
/// [`Error::Database`] at any time, after which a second call goes on.
pub async fn fill(pool: &PgPool, rows: u64, on_progress: impl FnMut(u64, u64)) -> Result<Filled, Error> {
    // A connection of its own: the session's lock and functions must not stay behind in the pool.
    let mut connection = pool.acquire().await?.detach();
    let filled = fill_over(&mut connection, rows, on_progress).await;
    // The server lets go of a closed session's locks a moment later, and the next caller would find it busy.
    let _gone_with_the_session = sqlx::query("select pg_advisory_unlock_all()")
        .execute(&mut connection)
        .await;
    let _filled_anyway = connection.close().await;
    filled
}

async fn fill_over(
    connection: &mut PgConnection,
    rows: u64,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<Filled, Error> {
    let free: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
        .bind(LOCK)
        .fetch_one(&mut *connection)
        .await?;
    if !free {
        return Err(Error::Busy);
    }
    require_schema(connection).await?;
    let progress = match marker(connection).await? {
        Some(marker) if marker.demo.complete => return Ok(Filled::Before),
        Some(marker) => marker.demo,
        None => {
            require_empty(connection).await?;
            // The marker and generated times have whole seconds, so that an interrupted fill reads back what it wrote.
            let until = Utc::now().naive_utc().trunc_subsecs(0);
            Progress {
                rows,
                until,
                complete: false,
            }
        }
    };
    let plan = Plan::of(progress.rows);
    sqlx::raw_sql(AssertSqlSafe(plan.session_sql(progress.until)))
        .execute(&mut *connection)
        .await?;

    let mut done = 0;
    for table in Table::ALL {
        let total = plan.rows(table);
        let mut next = count(connection, table).await? + 1;
        done += next.min(total + 1) - 1;
        while next <= total {
            let last = total.min(next + BATCH - 1);
            write(connection, &plan, table, next, last, &progress).await?;
            done += last + 1 - next;
            next = last + 1;
            on_progress(done, plan.total());
        }
    }
    finish(connection, progress).await?;
    Ok(Filled::Now)
}

/// Writes rows `first` to `last` of a table. The marker comes with the first profile, so that there is never a row without it.
async fn write(
    connection: &mut PgConnection,
    plan: &Plan,
    table: Table,
    first: u64,
    last: u64,
    progress: &Progress,
) -> Result<(), Error> {
    let mut batch = connection.begin().await?;
    sqlx::query(AssertSqlSafe(plan.insert_sql(table)))
        .bind(signed(first))
        .bind(signed(last))
        .bind(signed(plan.rows(table)))
        .execute(&mut *batch)
        .await?;
    if table == Table::UserProfiles && first == 1 {
        set_marker(&mut batch, progress).await?;
    }
    batch.commit().await?;
    Ok(())
}

/// Brings the profiles' figures in line with the rows, analyses, and marks the data as whole.
async fn finish(connection: &mut PgConnection, progress: Progress) -> Result<(), Error> {
    sqlx::raw_sql(include_str!("sql/totals.sql"))
        .execute(&mut *connection)
        .await?;
    for table in Table::ALL {
        sqlx::raw_sql(AssertSqlSafe(format!("analyze {}", table.name())))
            .execute(&mut *connection)
            .await?;
    }
    set_marker(
        connection,
        &Progress {
            complete: true,
            ..progress
        },
    )
    .await?;
    Ok(())
}

async fn set_marker(connection: &mut PgConnection, progress: &Progress) -> Result<(), sqlx::Error> {
    let marker = serde_json::to_string(&Marker {
        demo: progress.clone(),
    })
    .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    sqlx::query("update user_profiles set preferences = $2 where user_id = $1")
        .bind(FIRST_USER)
        .bind(marker)
        .execute(connection)
        .await?;
    Ok(())
}

async fn marker(connection: &mut PgConnection) -> Result<Option<Marker>, sqlx::Error> {
    let kept: Option<Option<String>> =
        sqlx::query_scalar("select preferences from user_profiles where user_id = $1")
            .bind(FIRST_USER)
            .fetch_optional(connection)
            .await?;
    Ok(kept.flatten().and_then(|text| serde_json::from_str(&text).ok()))
}

async fn require_schema(connection: &mut PgConnection) -> Result<(), Error> {
    for table in Table::ALL {
        let found: bool = sqlx::query_scalar("select to_regclass($1) is not null")
            .bind(table.name())
            .fetch_one(&mut *connection)
            .await?;
        if !found {
            return Err(Error::NotMigrated(table.name()));
        }
    }
    Ok(())
}

async fn require_empty(connection: &mut PgConnection) -> Result<(), Error> {
    for table in Table::ALL {
        let sql = format!("select exists (select from {})", table.name());
        if sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *connection)
            .await?
        {
            return Err(Error::NotEmpty(table.name()));
        }
    }
    Ok(())
}

async fn count(connection: &mut PgConnection, table: Table) -> Result<u64, sqlx::Error> {
    let sql = format!("select count(*) from {}", table.name());
    let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(connection)
        .await?;
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// PostgreSQL has no unsigned numbers.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
