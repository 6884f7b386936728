//! Sizes and activity of tables, from the catalogs of a managed database.

use contract::{
    Instant,
    stats::{RelationKind, TableStat},
};
use sqlx::{PgConnection, postgres::types::Oid};

use super::tree::Row;
use crate::target::look::{query_as, query_scalar};

/// How long a look at a size may wait for a lock that was taken after `pg_locks` was read.
const HURRY: &str = "set local lock_timeout = '100ms'";

#[derive(sqlx::FromRow)]
struct TableRow {
    oid: Oid,
    parent: Option<Oid>,
    kind: String,
    schema: String,
    name: String,
    own: bool,
    rows: Option<i64>,
    dead_rows: i64,
    heap_bytes: i64,
    toast_bytes: i64,
    index_bytes: i64,
    estimated: bool,
    last_vacuum: Option<Instant>,
    last_analyze: Option<Instant>,
    sequential_scans: i64,
    index_scans: i64,
    indexes: i64,
}

impl From<TableRow> for Row {
    fn from(row: TableRow) -> Self {
        Self {
            oid: row.oid.0,
            parent: row.parent.map(|parent| parent.0),
            stat: TableStat {
                schema: row.schema,
                name: row.name,
                kind: match row.kind.as_str() {
                    "p" => RelationKind::Partitioned,
                    "m" => RelationKind::Materialized,
                    "f" => RelationKind::Foreign,
                    "v" => RelationKind::View,
                    _ => RelationKind::Table,
                },
                partition_of: None,
                partitions: 0,
                own: row.own,
                rows: row.rows,
                dead_rows: row.dead_rows,
                heap_bytes: row.heap_bytes,
                toast_bytes: row.toast_bytes,
                index_bytes: row.index_bytes,
                total_bytes: row.heap_bytes + row.toast_bytes + row.index_bytes,
                estimated: row.estimated,
                last_vacuum: row.last_vacuum,
                last_analyze: row.last_analyze,
                sequential_scans: row.sequential_scans,
                index_scans: row.index_scans,
                indexes: row.indexes,
            },
        }
    }
}

/// When the statistics were last reset, and the server's time now.
#[derive(sqlx::FromRow)]
pub(super) struct Clock {
    pub stats_reset: Option<Instant>,
    pub now: Instant,
}

/// Reads the server's clock.
pub(super) async fn clock(connection: &mut PgConnection) -> Result<Clock, sqlx::Error> {
    query_as(
        "select stats_reset, pg_catalog.now() as now
           from pg_catalog.pg_stat_database
          where datname = pg_catalog.current_database()",
    )
    .fetch_one(connection)
    .await
}

/// Makes the rest of a look one that does not wait for locks.
pub(super) async fn hurry(look: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(HURRY).execute(look).await?;
    Ok(())
}

/// Reads every relation of the users' schemas that is a table or like one, or some of them by number. With `exact`, sizes
/// are those of the files, except where an ACCESS EXCLUSIVE lock is held or waited for; else all are those of the last
/// vacuum or analyze and no lock is taken. What has no files has no bytes.
pub(super) async fn relations(
    connection: &mut PgConnection,
    only: Option<&[Oid]>,
    exact: bool,
) -> Result<Vec<Row>, sqlx::Error> {
    hurry(&mut *connection).await?;
    let rows: Vec<TableRow> = query_as(
        "with
         -- Relations whose size cannot be read without waiting: pg_relation_size() takes ACCESS SHARE.
         locked as materialized (
             select distinct relation
               from pg_catalog.pg_locks
              where locktype = 'relation'
                and mode = 'AccessExclusiveLock'
                and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
         ),
         -- What users made.
         relations as materialized (
             select class.oid,
                    namespace.nspname as schema,
                    class.relname as name,
                    class.relkind as kind,
                    above.inhparent as parent,
                    class.reltuples,
                    class.reltoastrelid
               from pg_catalog.pg_class as class
               join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
               -- A partition has one table above it; inheritance of the old kind does not count.
               left join pg_catalog.pg_inherits as above on above.inhrelid = class.oid and class.relispartition
              where class.relkind in ('r', 'm', 'p', 'f', 'v')
                and class.relpersistence <> 't'
                and namespace.nspname !~ '^pg_'
                and namespace.nspname <> 'information_schema'
                and ($1::oid[] is null or class.oid = any($1))
         ),
         -- Each file that belongs to one of them, by what it is; a partitioned table's indexes have none.
         parts as (
             select oid as of_table, 'heap' as part, oid, reltoastrelid <> 0 as has_toast
               from relations
              where kind in ('r', 'm')
             union all
             select oid, 'toast', reltoastrelid, false
               from relations
              where reltoastrelid <> 0
             union all
             select relations.oid, 'toast', index.indexrelid, false
               from relations
               join pg_catalog.pg_index as index on index.indrelid = relations.reltoastrelid
             union all
             select relations.oid, 'index', index.indexrelid, false
               from relations
               join pg_catalog.pg_index as index on index.indrelid = relations.oid
         ),
         -- The bytes of each; pg_table_size() of a table would count its TOAST table too. It is null for what was
         -- dropped since.
         sized as (
             select parts.of_table,
                    parts.part,
                    parts.oid,
                    class.relkind <> 'I' and (not $2 or locked.relation is not null) as estimated,
                    case
                        when class.relkind = 'I' then 0
                        when not $2 or locked.relation is not null
                            then class.relpages * pg_catalog.current_setting('block_size')::int8
                        when parts.has_toast
                            then pg_catalog.pg_relation_size(parts.oid, 'main')
                                 + pg_catalog.pg_relation_size(parts.oid, 'fsm')
                                 + pg_catalog.pg_relation_size(parts.oid, 'vm')
                                 + pg_catalog.pg_relation_size(parts.oid, 'init')
                        else pg_catalog.pg_table_size(parts.oid)
                    end as bytes
               from parts
               join pg_catalog.pg_class as class on class.oid = parts.oid
               left join locked on locked.relation = parts.oid
         ),
         -- The same by relation.
         sums as (
             select of_table,
                    sum(bytes) filter (where part = 'heap')::int8 as heap_bytes,
                    coalesce(sum(bytes) filter (where part = 'toast'), 0)::int8 as toast_bytes,
                    coalesce(sum(bytes) filter (where part = 'index'), 0)::int8 as index_bytes,
                    bool_or(estimated) as estimated,
                    count(*) filter (where part = 'index') as indexes,
                    coalesce(sum(pg_catalog.pg_stat_get_numscans(oid)) filter (where part = 'index'), 0)::int8
                        as index_scans
               from sized
              group by of_table
         )
         select relations.oid,
                relations.parent,
                relations.kind::text as kind,
                relations.schema::text,
                relations.name::text,
                relations.name in ('_sqlx_migrations', '_pgsteward_migrations')
                    or relations.name ~ '^_pgsteward_' as own,
                case when relations.reltuples >= 0 and relations.kind <> 'v' then relations.reltuples::int8 end as rows,
                pg_catalog.pg_stat_get_dead_tuples(relations.oid) as dead_rows,
                coalesce(sums.heap_bytes, 0) as heap_bytes,
                coalesce(sums.toast_bytes, 0) as toast_bytes,
                coalesce(sums.index_bytes, 0) as index_bytes,
                coalesce(sums.estimated, false) as estimated,
                greatest(
                    pg_catalog.pg_stat_get_last_vacuum_time(relations.oid),
                    pg_catalog.pg_stat_get_last_autovacuum_time(relations.oid)
                ) as last_vacuum,
                greatest(
                    pg_catalog.pg_stat_get_last_analyze_time(relations.oid),
                    pg_catalog.pg_stat_get_last_autoanalyze_time(relations.oid)
                ) as last_analyze,
                pg_catalog.pg_stat_get_numscans(relations.oid) as sequential_scans,
                coalesce(sums.index_scans, 0) as index_scans,
                coalesce(sums.indexes, 0) as indexes
           from relations
           left join sums on sums.of_table = relations.oid
          where relations.kind not in ('r', 'm')
             or sums.heap_bytes is not null",
    )
    .bind(only)
    .bind(exact)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Row::from).collect())
}

/// A relation and all partitions below it.
pub(super) async fn below(connection: &mut PgConnection, top: Oid) -> Result<Vec<Oid>, sqlx::Error> {
    query_scalar(
        "with recursive
         tree (oid) as (
             select $1::oid
             union
             select below.inhrelid
               from tree
               join pg_catalog.pg_inherits as below on below.inhparent = tree.oid
               join pg_catalog.pg_class as class on class.oid = below.inhrelid and class.relispartition
         )
         select oid from tree",
    )
    .bind(top)
    .fetch_all(connection)
    .await
}
