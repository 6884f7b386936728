//! One table whole, and the largest indexes.

use contract::stats::{
    ColumnView, ConstraintView, IndexStat, MOST_PARTITIONS, RelationKind, RelationName, TableDetail,
    TableStat,
};
use sqlx::{PgConnection, postgres::types::Oid};

use super::{MOST_INDEXES, catalog, tree::Tree, without_waiting};
use crate::{
    Error, Result,
    target::{
        Target,
        look::{query_as, query_scalar},
    },
};

#[derive(sqlx::FromRow)]
struct IndexRow {
    schema: String,
    table: String,
    name: String,
    bytes: i64,
    estimated: bool,
    scans: i64,
    unique: bool,
    primary: bool,
    valid: bool,
    definition: String,
}

impl From<IndexRow> for IndexStat {
    fn from(row: IndexRow) -> Self {
        Self {
            schema: row.schema,
            table: row.table,
            name: row.name,
            bytes: row.bytes,
            estimated: row.estimated,
            scans: row.scans,
            unique: row.unique,
            primary: row.primary,
            valid: row.valid,
            definition: row.definition,
        }
    }
}

/// Reads one table.
pub(super) async fn table(target: &Target, schema: &str, name: &str) -> Result<TableDetail> {
    let read = |exact| async move {
        let mut connection = target.look().await?;
        read(&mut connection, schema, name, exact)
            .await
            .map_err(|source| target.error(source))
    };
    without_waiting(read).await?.ok_or_else(|| {
        Error::not_found(
            format!("There is no table {schema}.{name} in {}.", target.name()),
            "It may have been dropped or renamed: look for it on the Tables page.",
        )
    })
}

#[derive(sqlx::FromRow)]
struct FoundRow {
    oid: Oid,
    comment: Option<String>,
    server: Option<String>,
}

async fn read(
    connection: &mut PgConnection,
    schema: &str,
    name: &str,
    exact: bool,
) -> Result<Option<TableDetail>, sqlx::Error> {
    let found: Option<FoundRow> = query_as(
        "select class.oid,
                pg_catalog.obj_description(class.oid, 'pg_class') as comment,
                (select server.srvname::text
                   from pg_catalog.pg_foreign_table as elsewhere
                   join pg_catalog.pg_foreign_server as server on server.oid = elsewhere.ftserver
                  where elsewhere.ftrelid = class.oid) as server
           from pg_catalog.pg_class as class
           join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
          where namespace.nspname = $1
            and class.relname = $2",
    )
    .bind(schema)
    .bind(name)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(FoundRow { oid, comment, server }) = found else {
        return Ok(None);
    };
    let tree = catalog::below(connection, oid).await?;
    let tree = Tree::of(catalog::relations(connection, Some(&tree), exact).await?);
    // System tables, indexes and the like have an oid, and no row here.
    let Some(place) = tree.find(oid.0) else {
        return Ok(None);
    };
    let table = tree.stats[place].clone();
    let mut partitions: Vec<TableStat> = (0..tree.stats.len())
        .filter(|at| tree.parent(*at) == Some(place))
        .map(|at| tree.stats[at].clone())
        .collect();
    partitions.sort_by(|a, b| {
        b.total_bytes
            .cmp(&a.total_bytes)
            .then_with(|| a.name.cmp(&b.name))
    });
    partitions.truncate(MOST_PARTITIONS);
    // The table above was not asked for; its name is enough.
    let partition_of = above(connection, oid).await?;
    // pg_get_expr() and its like take ACCESS SHARE on the table whose columns they name.
    let words = exact && !table.estimated;
    let detail = TableDetail {
        query: match table.kind {
            RelationKind::View | RelationKind::Materialized if words => query(&mut *connection, oid).await?,
            _ => None,
        },
        table: TableStat {
            partition_of,
            ..table
        },
        comment,
        columns: columns(&mut *connection, oid, words).await?,
        indexes: largest_indexes(&mut *connection, Some(oid), exact).await?,
        constraints: constraints(&mut *connection, oid, words).await?,
        partitions,
        server,
    };
    Ok(Some(detail))
}

/// The partitioned table directly above a partition.
async fn above(connection: &mut PgConnection, partition: Oid) -> Result<Option<RelationName>, sqlx::Error> {
    let name: Option<(String, String)> = query_as(
        "select namespace.nspname::text, parent.relname::text
           from pg_catalog.pg_inherits as link
           join pg_catalog.pg_class as class on class.oid = link.inhrelid and class.relispartition
           join pg_catalog.pg_class as parent on parent.oid = link.inhparent
           join pg_catalog.pg_namespace as namespace on namespace.oid = parent.relnamespace
          where link.inhrelid = $1",
    )
    .bind(partition)
    .fetch_optional(connection)
    .await?;
    Ok(name.map(|(schema, name)| RelationName { schema, name }))
}

/// The query of a view.
async fn query(connection: &mut PgConnection, view: Oid) -> Result<Option<String>, sqlx::Error> {
    query_scalar("select pg_catalog.pg_get_viewdef($1, true)")
        .bind(view)
        .fetch_one(connection)
        .await
}

async fn columns(
    connection: &mut PgConnection,
    table: Oid,
    words: bool,
) -> Result<Vec<ColumnView>, sqlx::Error> {
    let rows: Vec<(String, String, bool, Option<String>)> = query_as(
        "select attribute.attname::text,
                format_type(attribute.atttypid, attribute.atttypmod),
                attribute.attnotnull,
                case
                    when attribute.attidentity = 'a' then 'generated always as identity'
                    when attribute.attidentity = 'd' then 'generated by default as identity'
                    when not $2 then null
                    when attribute.attgenerated <> ''
                        then 'generated always as (' || pg_get_expr(value.adbin, value.adrelid) || ')'
                    else pg_get_expr(value.adbin, value.adrelid)
                end
           from pg_attribute as attribute
           left join pg_attrdef as value on value.adrelid = attribute.attrelid and value.adnum = attribute.attnum
          where attribute.attrelid = $1
            and attribute.attnum > 0
            and not attribute.attisdropped
          order by attribute.attnum",
    )
    .bind(table)
    .bind(words)
    .fetch_all(connection)
    .await?;
    let view = |(name, sql_type, not_null, default)| ColumnView {
        name,
        sql_type,
        not_null,
        default,
    };
    Ok(rows.into_iter().map(view).collect())
}

async fn constraints(
    connection: &mut PgConnection,
    table: Oid,
    words: bool,
) -> Result<Vec<ConstraintView>, sqlx::Error> {
    let rows: Vec<(String, String, bool)> = query_as(
        "select conname::text,
                case when $2 then pg_get_constraintdef(oid) else '' end,
                convalidated
           from pg_constraint
          where conrelid = $1
            -- Since PostgreSQL 18 NOT NULL is listed too; the columns show it already.
            and contype <> 'n'
          order by array_position(array['p', 'u', 'x', 'f', 'c', 't'], contype::text), conname",
    )
    .bind(table)
    .bind(words)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(name, definition, validated)| ConstraintView {
            name,
            definition,
            validated,
        })
        .collect())
}

/// Reads the largest indexes of users' tables.
pub(super) async fn indexes(target: &Target) -> Result<Vec<IndexStat>> {
    let read = |exact| async move {
        let mut connection = target.look().await?;
        let reading = async {
            catalog::hurry(&mut connection).await?;
            largest_indexes(&mut connection, None, exact).await
        };
        reading.await.map_err(|source| target.error(source))
    };
    without_waiting(read).await
}

async fn largest_indexes(
    connection: &mut PgConnection,
    of_table: Option<Oid>,
    exact: bool,
) -> Result<Vec<IndexStat>, sqlx::Error> {
    let rows: Vec<IndexRow> = query_as(
        "with recursive
         -- Relations whose size cannot be read without waiting: pg_table_size() takes ACCESS SHARE.
         locked as materialized (
             select distinct relation
               from pg_locks
              where locktype = 'relation'
                and mode = 'AccessExclusiveLock'
                and database = (select oid from pg_database where datname = current_database())
         ),
         -- The indexes of tables that users made. Those of partitioned tables hold nothing themselves, and are shown with
         -- their table alone.
         chosen as materialized (
             select namespace.nspname as schema,
                    owner.relname as of_table,
                    class.oid,
                    class.relname as name,
                    class.relkind,
                    class.relpages,
                    index.indrelid,
                    index.indisunique,
                    index.indisprimary,
                    index.indisvalid
               from pg_catalog.pg_index as index
               join pg_catalog.pg_class as class on class.oid = index.indexrelid
               join pg_catalog.pg_class as owner on owner.oid = index.indrelid
               join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
              where class.relpersistence <> 't'
                and ((class.relkind = 'i' and owner.relkind in ('r', 'm')) or (class.relkind = 'I' and $1 is not null))
                and namespace.nspname !~ '^pg_'
                and namespace.nspname <> 'information_schema'
                and ($1::oid is null or index.indrelid = $1)
              order by class.relpages desc, class.oid
              limit $3
         ),
         -- Each of them with the indexes of partitions below it, over all levels.
         tree (top, oid) as (
             select oid, oid
               from chosen
             union all
             select tree.top, below.inhrelid
               from tree
               join pg_catalog.pg_inherits as below on below.inhparent = tree.oid
         ),
         files as (
             select tree.top,
                    not $2 or locked.relation is not null as estimated,
                    case
                        when not $2 or locked.relation is not null
                            then class.relpages * pg_catalog.current_setting('block_size')::int8
                        else pg_catalog.pg_table_size(tree.oid)
                    end as bytes,
                    pg_catalog.pg_stat_get_numscans(tree.oid) as scans
               from tree
               join pg_catalog.pg_class as class on class.oid = tree.oid and class.relkind = 'i'
               left join locked on locked.relation = tree.oid
         ),
         sums as (
             select top, bool_or(estimated) as estimated, sum(bytes)::int8 as bytes, sum(scans)::int8 as scans
               from files
              group by top
         ),
         sized as (
             select chosen.*,
                    coalesce(sums.estimated, false) as estimated,
                    case when chosen.relkind = 'I' then coalesce(sums.bytes, 0) else sums.bytes end as bytes,
                    coalesce(sums.scans, 0) as scans,
                    -- Its words need a look at the table.
                    case
                        when $2 and indrelid not in (select relation from locked) and locked.relation is null
                            then pg_catalog.pg_get_indexdef(chosen.oid)
                    end as definition
               from chosen
               left join sums on sums.top = chosen.oid
               left join locked on locked.relation = chosen.oid
         )
         select schema::text,
                of_table::text as table,
                name::text,
                bytes,
                estimated,
                scans,
                indisunique as unique,
                indisprimary as primary,
                indisvalid as valid,
                coalesce(definition, '') as definition
           from sized
          -- What was dropped since has no size.
          where bytes is not null
          order by bytes desc, schema, name",
    )
    .bind(of_table)
    .bind(exact)
    .bind(MOST_INDEXES)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(IndexStat::from).collect())
}
