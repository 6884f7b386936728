//! The PostgreSQL that all are measured on.

use std::{fs, path::Path};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, postgres::PgConnection};
use testkit::{Cluster, ClusterOptions};

use super::program::{Ended, Program};
use crate::Result;

/// The settings, the same for all; the rest is PostgreSQL's own, but that testkit turns fsync and full_page_writes off.
pub const SETTINGS: [(&str, &str); 4] = [
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
    // Neither may begin in the middle of one and not of another.
    ("checkpoint_timeout", "1h"),
    ("autovacuum", "off"),
];

/// A throw-away server.
pub struct Stage {
    cluster: Cluster,
}

/// What is in a database after a load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Rows by table, in the order that was asked for.
    pub rows: Vec<u64>,
    /// Indexes on these tables, primary keys among them.
    pub indexes: i64,
    /// Foreign keys.
    pub foreign_keys: i64,
}

impl Found {
    /// All rows.
    pub fn total(&self) -> u64 {
        self.rows.iter().sum()
    }
}

impl Stage {
    /// Starts it.
    pub async fn start() -> Result<Self> {
        let options = SETTINGS
            .iter()
            .fold(ClusterOptions::new(), |options, (name, value)| {
                options.setting(name, value)
            });
        let cluster = Cluster::try_start(options)
            .await
            .map_err(|failure| failure.to_string())?;
        Ok(Self { cluster })
    }

    /// Makes an empty database and then a checkpoint, so that nobody pays for what was before.
    pub async fn begin(&self, database: &str) -> Result<()> {
        self.execute(&format!("create database {database}")).await?;
        self.execute("checkpoint").await
    }

    /// Drops a database.
    pub async fn end(&self, database: &str) -> Result<()> {
        self.execute(&format!("drop database {database} with (force)"))
            .await
    }

    /// The address of a database over TCP, as all use it.
    pub fn url(&self, database: &str) -> String {
        self.cluster.url(database)
    }

    /// The same for libpq's programs.
    pub fn variables(&self, database: &str) -> Vec<(&'static str, String)> {
        vec![
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.cluster.port().to_string()),
            ("PGUSER", self.cluster.superuser().to_owned()),
            ("PGPASSWORD", self.cluster.password().to_owned()),
            ("PGDATABASE", database.to_owned()),
            ("PGCLIENTENCODING", "UTF8".to_owned()),
        ]
    }

    /// psql's path.
    pub fn psql(&self) -> String {
        self.cluster.bin_dir().join("psql").to_string_lossy().into_owned()
    }

    /// Runs a script by psql, up to the first error.
    pub async fn script(&self, database: &str, folder: &Path, name: &str, sql: &str) -> Result<Ended> {
        let path = folder.join(format!("{name}.sql"));
        fs::write(&path, sql).map_err(|error| format!("writing {}: {error}", path.display()))?;
        Program::new(Path::new(&self.psql()), folder)
            .arguments(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file"])
            .arguments([path.to_string_lossy()])
            .variables(self.variables(database))
            .succeed(name)
            .await
    }

    /// Counts what is in a database; a table that is not there has no rows.
    pub async fn found(&self, database: &str, tables: &[&str]) -> Result<Found> {
        let looked = async {
            let mut connection = self.cluster.socket_options(database).connect().await?;
            let mut found = Found::default();
            for table in tables {
                found.rows.push(rows(&mut connection, table).await?);
            }
            found.indexes = sqlx::query_scalar(
                "select count(*)
                 from pg_index
                 where indrelid in (select to_regclass('public.' || name) from unnest($1::text[]) as name)",
            )
            .bind(tables)
            .fetch_one(&mut connection)
            .await?;
            found.foreign_keys = sqlx::query_scalar("select count(*) from pg_constraint where contype = 'f'")
                .fetch_one(&mut connection)
                .await?;
            connection.close().await?;
            Ok(found)
        };
        looked
            .await
            .map_err(|error: sqlx::Error| format!("counting rows in {database}: {error}"))
    }

    async fn execute(&self, sql: &str) -> Result<()> {
        let done = async {
            let mut connection = self.cluster.socket_options("postgres").connect().await?;
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                .execute(&mut connection)
                .await?;
            connection.close().await
        };
        done.await.map_err(|error| format!("{sql}: {error}"))
    }
}

async fn rows(connection: &mut PgConnection, table: &str) -> sqlx::Result<u64> {
    let there: bool = sqlx::query_scalar("select to_regclass('public.' || $1) is not null")
        .bind(table)
        .fetch_one(&mut *connection)
        .await?;
    if !there {
        return Ok(0);
    }
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {table}")))
        .fetch_one(connection)
        .await?;
    Ok(count.unsigned_abs())
}
