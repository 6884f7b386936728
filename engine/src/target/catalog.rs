//! What a server says of itself.

use contract::{Instant, target::ServerView};
use sqlx::PgConnection;

use super::look::{query_as, query_scalar};

#[derive(sqlx::FromRow)]
struct ServerRow {
    version: String,
    version_num: i32,
    primary: bool,
    started_at: Instant,
    connections: i64,
    max_connections: i32,
    tls: bool,
    cache_hit: Option<f64>,
    sampled_at: Instant,
}

/// The size of the database, at the cost of one stat() for each of its files.
pub(super) async fn database_bytes(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    query_scalar("select pg_database_size(current_database())")
        .fetch_one(connection)
        .await
}

/// Reads the server's own description, but for the database's size. Takes no lock on any table.
pub(super) async fn server(
    connection: &mut PgConnection,
    database_bytes: i64,
) -> Result<ServerView, sqlx::Error> {
    let row: ServerRow = query_as(
        "select split_part(current_setting('server_version'), ' ', 1) as version,
                current_setting('server_version_num')::int as version_num,
                not pg_is_in_recovery() as primary,
                pg_postmaster_start_time() as started_at,
                (select coalesce(sum(numbackends), 0) from pg_stat_database) as connections,
                current_setting('max_connections')::int as max_connections,
                coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as tls,
                (select blks_hit::float8 / nullif(blks_hit + blks_read, 0)
                   from pg_stat_database
                  where datname = current_database()) as cache_hit,
                now() as sampled_at",
    )
    .fetch_one(connection)
    .await?;
    Ok(ServerView {
        version: row.version,
        version_num: row.version_num,
        primary: row.primary,
        started_at: row.started_at,
        database_bytes,
        connections: row.connections,
        max_connections: row.max_connections.into(),
        tls: row.tls,
        cache_hit: row.cache_hit,
        sampled_at: row.sampled_at,
    })
}
