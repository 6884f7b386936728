//! What the embedded server must have: the managed database, with statistics of statements.

use sqlx::{Connection, PgConnection};

use super::{Embedded, MANAGED};
use crate::{Error, Result, quote};

/// Makes the managed database and the extension when they are missing. The store's database is the engine's matter.
pub(super) async fn databases(embedded: &Embedded) -> Result<()> {
    let mut server = connect(embedded, "postgres").await?;
    let there: bool = sqlx::query_scalar(
        "select exists (
                select from pg_database where datname = $1)",
    )
    .bind(MANAGED)
    .fetch_one(&mut server)
    .await
    .map_err(failed)?;
    if !there {
        let create = format!("create database {}", quote::ident(MANAGED));
        sqlx::query(sqlx::AssertSqlSafe(create))
            .execute(&mut server)
            .await
            .map_err(failed)?;
    }
    server.close().await.map_err(failed)?;
    let mut managed = connect(embedded, MANAGED).await?;
    sqlx::query("create extension if not exists pg_stat_statements")
        .execute(&mut managed)
        .await
        .map_err(failed)?;
    managed.close().await.map_err(failed)
}

/// Writes what the server has in memory to disk.
pub(super) async fn checkpoint(embedded: &Embedded) -> Result<()> {
    let mut server = connect(embedded, "postgres").await?;
    sqlx::query("checkpoint")
        .execute(&mut server)
        .await
        .map_err(failed)?;
    server.close().await.map_err(failed)
}

async fn connect(embedded: &Embedded, database: &str) -> Result<PgConnection> {
    PgConnection::connect_with(&embedded.database(database).options)
        .await
        .map_err(failed)
}

fn failed(source: sqlx::Error) -> Error {
    Error::Target {
        target: "the embedded PostgreSQL".to_owned(),
        source,
        statement: None,
    }
}
