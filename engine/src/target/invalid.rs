//! Indexes that are not valid: what a broken-off concurrent build or drop leaves.

use sqlx::{AssertSqlSafe, PgConnection, postgres::types::Oid};

use super::look::{query_as, query_scalar};
use crate::quote;

/// An index that no query uses.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct InvalidIndex {
    /// The schema of the index and its table.
    pub schema: String,
    /// The index.
    pub name: String,
    /// Its table.
    pub table: String,
    /// Its table's oid.
    pub table_oid: Oid,
    /// The statement that makes it, without `concurrently`.
    pub definition: String,
    /// False when a drop was broken off: such an index can only be dropped.
    pub live: bool,
    /// The constraint that stands on it.
    pub backs: Option<String>,
    /// A server process that builds indexes of its table at this moment, perhaps this one.
    pub built_by: Option<i32>,
    /// Its size in bytes when the server last counted.
    pub bytes: i64,
    /// Whether it is the index of a partitioned table, which is valid when each partition has an index of it.
    pub partitioned: bool,
    /// The partitions that have no valid index of it.
    pub lacking: Vec<String>,
}

impl InvalidIndex {
    /// Whether this is what a broken-off REINDEX CONCURRENTLY leaves beside the real index.
    pub fn is_rebuild_leftover(&self) -> bool {
        let stem = self.name.trim_end_matches(|c: char| c.is_ascii_digit());
        stem.ends_with("_ccnew") || stem.ends_with("_ccold")
    }

    /// Whether nobody needs it or works on it.
    pub fn is_leftover(&self) -> bool {
        self.backs.is_none() && self.built_by.is_none() && !self.partitioned
    }

    /// The statement that removes it.
    pub fn drop_sql(&self) -> String {
        format!(
            "drop index concurrently if exists {}",
            quote::qualified(&self.schema, &self.name)
        )
    }
}

/// Every invalid index of the users' schemas, by name.
pub(crate) async fn list(connection: &mut PgConnection) -> Result<Vec<InvalidIndex>, sqlx::Error> {
    query_as(
        "select schema.nspname as schema,
                index.relname as name,
                heap.relname as \"table\",
                heap.oid as table_oid,
                pg_catalog.pg_get_indexdef(index.oid) as definition,
                i.indislive as live,
                (select conname
                   from pg_catalog.pg_constraint
                  where conindid = index.oid
                    and contype in ('p', 'u', 'x')
                  limit 1) as backs,
                -- By table: a rebuild of several indexes names only the one at hand.
                (select pid
                   from pg_catalog.pg_stat_progress_create_index as build
                  where build.datid = (select oid
                                         from pg_catalog.pg_database
                                        where datname = pg_catalog.current_database())
                    and (build.relid = heap.oid or build.relid is null)
                  limit 1) as built_by,
                index.relpages::bigint * pg_catalog.current_setting('block_size')::bigint as bytes,
                index.relkind = 'I' as partitioned,
                array(
                    select pg_catalog.format('%I.%I', place.nspname, partition.relname)
                      from pg_catalog.pg_inherits as below
                      join pg_catalog.pg_class as partition on partition.oid = below.inhrelid
                      join pg_catalog.pg_namespace as place on place.oid = partition.relnamespace
                     where index.relkind = 'I'
                       and below.inhparent = heap.oid
                       and not exists (
                           select
                             from pg_catalog.pg_inherits as attached
                             join pg_catalog.pg_index as own on own.indexrelid = attached.inhrelid
                            where attached.inhparent = index.oid
                              and own.indrelid = partition.oid
                              and own.indisvalid)
                     order by 1) as lacking
           from pg_catalog.pg_index as i
           join pg_catalog.pg_class as index on index.oid = i.indexrelid
           join pg_catalog.pg_class as heap on heap.oid = i.indrelid
           join pg_catalog.pg_namespace as schema on schema.oid = index.relnamespace
          where not i.indisvalid
            and index.relkind in ('i', 'I')
            and schema.nspname !~ '^pg_'
            and schema.nspname <> 'information_schema'
          order by 1, 2",
    )
    .fetch_all(connection)
    .await
}

/// The oid of a table, as a statement writes it; `None` when there is no such table.
pub(crate) async fn table_oid(
    connection: &mut PgConnection,
    table: &str,
) -> Result<Option<Oid>, sqlx::Error> {
    // Asked where the search_path is the users', on purpose: nothing is looked up by it but the table.
    query_scalar("select pg_catalog.to_regclass($1)::pg_catalog.oid")
        .bind(table)
        .fetch_one(connection)
        .await
}

/// Drops those leftovers that `ours` names, each in at most `seconds`; it has to wait for whoever uses the table.
/// Returns the names of those that are gone and of those that are still there.
pub(crate) async fn drop_leftovers(
    connection: &mut PgConnection,
    seconds: u32,
    ours: impl Fn(&InvalidIndex) -> bool,
) -> Result<(Vec<String>, Vec<String>), sqlx::Error> {
    let (mut gone, mut stay) = (Vec::new(), Vec::new());
    let limit = format!("set statement_timeout = '{seconds}s'");
    sqlx::raw_sql(AssertSqlSafe(limit))
        .execute(&mut *connection)
        .await?;
    for index in list(connection)
        .await?
        .into_iter()
        .filter(|index| index.is_leftover() && ours(index))
    {
        match sqlx::raw_sql(AssertSqlSafe(index.drop_sql()))
            .execute(&mut *connection)
            .await
        {
            Ok(_) => gone.push(index.name),
            Err(sqlx::Error::Database(error)) => {
                tracing::warn!(
                    index = index.name,
                    error = error.message(),
                    "an invalid index could not be dropped"
                );
                stay.push(index.name);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((gone, stay))
}
