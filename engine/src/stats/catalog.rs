//! Sizes and activity of tables, from the catalogs of a managed database.

use contract::{Instant, stats::TableStat};
use sqlx::{PgConnection, postgres::types::Oid};

use crate::target::look::query_as;

/// How long a look at a size may wait for a lock that was taken after `pg_locks` was read.
const HURRY: &str = "set local lock_timeout = '100ms'";

#[derive(sqlx::FromRow)]
struct TableRow {
    schema: String,
    name: String,
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

impl From<TableRow> for TableStat {
    fn from(row: TableRow) -> Self {
        Self {
            schema: row.schema,
            name: row.name,
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
        "select stats_reset, now() as now
           from pg_stat_database
          where datname = current_database()",
    )
    .fetch_one(connection)
    .await
}

/// Makes the rest of a look one that does not wait for locks.
pub(super) async fn hurry(look: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(HURRY).execute(look).await?;
    Ok(())
}

/// Reads every table and materialized view, or one of them. With `exact`, sizes are those of the files, except where
/// an ACCESS EXCLUSIVE lock is held or waited for; else all are those of the last vacuum or analyze and no lock is
/// taken. Partitioned tables hold nothing themselves; their partitions are listed.
pub(super) async fn tables(
    connection: &mut PgConnection,
    only: Option<Oid>,
    exact: bool,
) -> Result<Vec<TableStat>, sqlx::Error> {
    hurry(&mut *connection).await?;
    let rows: Vec<TableRow> = query_as(
        "with
         -- Relations whose size cannot be read without waiting: pg_relation_size() takes ACCESS SHARE.
         locked as materialized (
             select distinct relation
               from pg_locks
              where locktype = 'relation'
                and mode = 'AccessExclusiveLock'
                and database = (select oid from pg_database where datname = current_database())
         ),
         -- The tables that users made.
         tables as materialized (
             select class.oid,
                    namespace.nspname as schema,
                    class.relname as name,
                    class.reltuples,
                    class.reltoastrelid
               from pg_class as class
               join pg_namespace as namespace on namespace.oid = class.relnamespace
              where class.relkind in ('r', 'm')
                and class.relpersistence <> 't'
                and namespace.nspname !~ '^pg_'
                and namespace.nspname <> 'information_schema'
                and ($1::oid is null or class.oid = $1)
         ),
         -- Each file that belongs to one of them, by what it is.
         parts as (
             select oid as of_table, 'heap' as part, oid, reltoastrelid <> 0 as has_toast
               from tables
             union all
             select oid, 'toast', reltoastrelid, false
               from tables
              where reltoastrelid <> 0
             union all
             select tables.oid, 'toast', index.indexrelid, false
               from tables
               join pg_index as index on index.indrelid = tables.reltoastrelid
             union all
             select tables.oid, 'index', index.indexrelid, false
               from tables
               join pg_index as index on index.indrelid = tables.oid
         ),
         -- The bytes of each; pg_table_size() of a table would count its TOAST table too. It is null for what was
         -- dropped since.
         sized as (
             select parts.of_table,
                    parts.part,
                    parts.oid,
                    not $2 or locked.relation is not null as estimated,
                    case
                        when not $2 or locked.relation is not null
                            then class.relpages * current_setting('block_size')::int8
                        when parts.has_toast
                            then pg_relation_size(parts.oid, 'main') + pg_relation_size(parts.oid, 'fsm')
                                 + pg_relation_size(parts.oid, 'vm') + pg_relation_size(parts.oid, 'init')
                        else pg_table_size(parts.oid)
                    end as bytes
               from parts
               join pg_class as class on class.oid = parts.oid
               left join locked on locked.relation = parts.oid
         ),
         -- The same by table.
         sums as (
             select of_table,
                    sum(bytes) filter (where part = 'heap')::int8 as heap_bytes,
                    coalesce(sum(bytes) filter (where part = 'toast'), 0)::int8 as toast_bytes,
                    coalesce(sum(bytes) filter (where part = 'index'), 0)::int8 as index_bytes,
                    bool_or(estimated) as estimated,
                    count(*) filter (where part = 'index') as indexes,
                    coalesce(sum(pg_stat_get_numscans(oid)) filter (where part = 'index'), 0)::int8 as index_scans
               from sized
              group by of_table
         )
         select tables.schema::text,
                tables.name::text,
                case when tables.reltuples >= 0 then tables.reltuples::int8 end as rows,
                pg_stat_get_dead_tuples(tables.oid) as dead_rows,
                sums.heap_bytes,
                sums.toast_bytes,
                sums.index_bytes,
                sums.estimated,
                greatest(
                    pg_stat_get_last_vacuum_time(tables.oid),
                    pg_stat_get_last_autovacuum_time(tables.oid)
                ) as last_vacuum,
                greatest(
                    pg_stat_get_last_analyze_time(tables.oid),
                    pg_stat_get_last_autoanalyze_time(tables.oid)
                ) as last_analyze,
                pg_stat_get_numscans(tables.oid) as sequential_scans,
                sums.index_scans,
                sums.indexes
           from tables
           join sums on sums.of_table = tables.oid
          where sums.heap_bytes is not null",
    )
    .bind(only)
    .bind(exact)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(TableStat::from).collect())
}
