//! What a managed database has: read from the catalogs without a lock on any table.
//!
//! Sizes are the server's own counts of pages, since the exact ones would open every relation.

use sqlx::{PgConnection, postgres::types::Oid};

use crate::target::{
    live::HolderRow,
    look::{self, query_as, query_scalar},
};

/// A table that is wanted, by name; found by the search path.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct TableRow {
    pub name: String,
    pub oid: Option<Oid>,
    pub schema: String,
    /// As in `pg_class.relkind`.
    pub kind: Option<String>,
    pub bytes: i64,
}

/// An index of one of those tables, or another relation that has the name of a wanted index.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct IndexRow {
    pub schema: String,
    pub name: String,
    /// Its table; `None` when this is no index.
    pub table_oid: Option<Oid>,
    pub table: Option<String>,
    pub valid: bool,
    /// A plain, not unique btree of whole columns with default operators and collations.
    pub plain: bool,
    pub columns: Vec<String>,
    pub options: Vec<i16>,
    pub bytes: i64,
}

/// A constraint that is not valid, or that has the name of a wanted one.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct ConstraintRow {
    pub schema: String,
    pub table: String,
    pub table_oid: Oid,
    pub name: String,
    pub validated: bool,
    pub definition: String,
    pub bytes: i64,
}

/// A table and its planner statistics.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct StatisticsRow {
    pub schema: String,
    pub table: String,
    pub analyzed: bool,
    pub live: i64,
    pub modified: i64,
    pub bytes: i64,
    /// Whether our user may analyze it.
    pub allowed: bool,
}

pub(super) async fn tables(
    connection: &mut PgConnection,
    names: &[&str],
) -> Result<Vec<TableRow>, sqlx::Error> {
    let path = look::users_schemas(&mut *connection).await?;
    query_as(
        "select wanted.name,
                found.oid,
                coalesce(found.schema, ($2::text[])[1], 'public') as schema,
                found.kind,
                coalesce(found.relpages, 0)::bigint * current_setting('block_size')::bigint as bytes
           from unnest($1::text[]) as wanted (name)
           -- The first of this name on the users' search_path.
           left join lateral (
                    select class.oid, schema.nspname::text as schema, class.relkind::text as kind, class.relpages
                      from pg_class as class
                      join pg_namespace as schema on schema.oid = class.relnamespace
                      join unnest($2::text[]) with ordinality as path (schema, place) on path.schema = schema.nspname
                     where class.relname = wanted.name
                     order by path.place
                     limit 1) as found on true",
    )
    .bind(names)
    .bind(path)
    .fetch_all(connection)
    .await
}

pub(super) async fn indexes(
    connection: &mut PgConnection,
    tables: &[Oid],
    names: &[&str],
) -> Result<Vec<IndexRow>, sqlx::Error> {
    query_as(
        "select schema.nspname::text as schema,
                class.relname::text as name,
                i.indrelid as table_oid,
                heap.relname::text as \"table\",
                coalesce(i.indisvalid, false) as valid,
                coalesce(
                    not i.indisunique
                    and i.indpred is null
                    and i.indexprs is null
                    and i.indnatts = i.indnkeyatts
                    and (select amname from pg_am where oid = class.relam) = 'btree'
                    and not exists (
                        select
                          from unnest(i.indclass) as used (oid)
                          join pg_opclass as operators using (oid)
                         where not operators.opcdefault)
                    and not exists (
                        select
                          from unnest(i.indkey, i.indcollation) as part (attnum, ordering)
                          join pg_attribute as own on own.attrelid = i.indrelid and own.attnum = part.attnum
                         where own.attcollation <> part.ordering),
                    false) as plain,
                array(
                    select own.attname::text
                      from unnest(i.indkey) with ordinality as part (attnum, place)
                      join pg_attribute as own on own.attrelid = i.indrelid and own.attnum = part.attnum
                     order by part.place) as columns,
                array(select unnest(i.indoption)) as options,
                class.relpages::bigint * current_setting('block_size')::bigint as bytes
           from pg_class as class
           join pg_namespace as schema on schema.oid = class.relnamespace
           left join pg_index as i on i.indexrelid = class.oid
           left join pg_class as heap on heap.oid = i.indrelid
          where i.indrelid = any($1)
             or (class.relname = any($2) and schema.nspname !~ '^pg_')
          order by 1, 2",
    )
    .bind(tables)
    .bind(names)
    .fetch_all(connection)
    .await
}

pub(super) async fn constraints(
    connection: &mut PgConnection,
    tables: &[Oid],
    names: &[&str],
) -> Result<Vec<ConstraintRow>, sqlx::Error> {
    query_as(
        "select schema.nspname::text as schema,
                heap.relname::text as \"table\",
                heap.oid as table_oid,
                rule.conname::text as name,
                rule.convalidated as validated,
                pg_get_constraintdef(rule.oid) as definition,
                heap.relpages::bigint * current_setting('block_size')::bigint as bytes
           from pg_constraint as rule
           join pg_class as heap on heap.oid = rule.conrelid
           join pg_namespace as schema on schema.oid = heap.relnamespace
          where (rule.conrelid = any($1) and rule.conname = any($2))
             or (not rule.convalidated
                 -- Checks, foreign keys and, since 18, not null. A partition's follow their parent's.
                 and rule.contype in ('c', 'f', 'n')
                 and rule.conparentid = 0
                 and rule.coninhcount = 0
                 and schema.nspname !~ '^pg_'
                 and schema.nspname <> 'information_schema'
                 -- Since 18 a constraint can be not enforced; such a one cannot be validated.
                 and coalesce((to_jsonb(rule) ->> 'conenforced')::boolean, true))
          order by 1, 2, 4",
    )
    .bind(tables)
    .bind(names)
    .fetch_all(connection)
    .await
}

/// Every table that ANALYZE works on, apart from the two in which migrations are written down.
pub(super) async fn statistics(connection: &mut PgConnection) -> Result<Vec<StatisticsRow>, sqlx::Error> {
    query_as(
        "select schema.nspname::text as schema,
                class.relname::text as \"table\",
                coalesce(pg_stat_get_last_analyze_time(class.oid), pg_stat_get_last_autoanalyze_time(class.oid))
                    is not null as analyzed,
                pg_stat_get_live_tuples(class.oid) as live,
                pg_stat_get_mod_since_analyze(class.oid) as modified,
                class.relpages::bigint * current_setting('block_size')::bigint as bytes,
                pg_has_role(class.relowner, 'usage')
                    or pg_has_role((select datdba from pg_database where datname = current_database()), 'usage')
                    as allowed
           from pg_class as class
           join pg_namespace as schema on schema.oid = class.relnamespace
          where class.relkind in ('r', 'm', 'p')
            and class.relpersistence <> 't'
            and schema.nspname !~ '^pg_'
            and schema.nspname <> 'information_schema'
            and class.relname not in ('_sqlx_migrations', '_pgsteward_migrations')
          order by 1, 2",
    )
    .fetch_all(connection)
    .await
}

/// Sessions and prepared transactions that a concurrent build would wait for: those that have had a snapshot or a
/// transaction for more than a second. Sessions that are hidden from our user come as well; their query says so.
pub(super) async fn snapshots(connection: &mut PgConnection) -> Result<Vec<HolderRow>, sqlx::Error> {
    query_as(
        "select session.pid as holder_pid,
                session.application_name as holder_application,
                session.state as holder_state,
                extract(epoch from clock_timestamp() - session.xact_start)::bigint as holder_age_s,
                session.query as holder_query
           from pg_stat_activity as session
          where session.datname = current_database()
            and session.pid <> pg_backend_pid()
            and (session.query = '<insufficient privilege>'
                 or (session.backend_type = 'client backend'
                     and (session.backend_xid is not null or session.backend_xmin is not null)
                     and session.xact_start < clock_timestamp() - interval '1 s'))
         union all
         select 0, null, null, extract(epoch from clock_timestamp() - prepared)::bigint, null
           from pg_prepared_xacts
          where database = current_database()
          order by holder_age_s desc",
    )
    .fetch_all(connection)
    .await
}

/// Whether an index is there and valid.
pub(super) async fn is_valid(
    connection: &mut PgConnection,
    schema: &str,
    index: &str,
) -> Result<bool, sqlx::Error> {
    let valid: Option<bool> = query_scalar(
        "select i.indisvalid
           from pg_index as i
           join pg_class as class on class.oid = i.indexrelid
           join pg_namespace as schema on schema.oid = class.relnamespace
          where schema.nspname = $1
            and class.relname = $2",
    )
    .bind(schema)
    .bind(index)
    .fetch_optional(connection)
    .await?;
    Ok(valid.unwrap_or(false))
}
