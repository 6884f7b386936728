//! What is in the schema already.

use std::collections::{BTreeMap, HashSet};

use sqlx::{FromRow, PgConnection};

/// What is in a schema.
pub(super) struct There {
    /// Whether the schema exists.
    pub schema: bool,
    /// The names of its tables, indexes, views and sequences, and of its types.
    pub names: HashSet<String>,
    /// Its tables.
    pub tables: BTreeMap<String, TableThere>,
}

/// A table that is there.
#[derive(Default)]
pub(super) struct TableThere {
    /// Its columns in their order.
    pub columns: Vec<ColumnThere>,
    /// The columns of each of its unique keys over whole columns and rows, the primary key first.
    pub keys: Vec<Vec<String>>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKeyThere>,
    /// Names of its own triggers that fire for inserted rows, and whether each runs after the row is in.
    pub triggers: Vec<(String, bool)>,
}

/// A column that is there.
#[derive(FromRow)]
pub(super) struct ColumnThere {
    /// The table.
    pub table_name: String,
    /// Its name.
    pub name: String,
    /// Its type with its modifiers.
    pub declared: String,
    /// The type's own name, without modifiers, of the base type of a domain.
    pub type_name: String,
    /// Whether NULL is forbidden.
    pub not_null: bool,
    /// Whether it has a default or numbers its rows.
    pub has_default: bool,
    /// Whether it numbers its rows, by an identity or a sequence that it owns.
    pub numbers: bool,
    /// Whether PostgreSQL computes it.
    pub always: bool,
}

/// A foreign key that is there.
#[derive(FromRow)]
pub(super) struct ForeignKeyThere {
    /// The table.
    pub table_name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The parent's schema.
    pub parent_schema: String,
    /// The parent.
    pub parent: String,
    /// Its columns.
    pub parent_columns: Vec<String>,
}

/// Looks at a schema.
pub(super) async fn look(connection: &mut PgConnection, schema: &str) -> Result<There, sqlx::Error> {
    let exists: bool = sqlx::query_scalar("select exists (select from pg_namespace where nspname = $1)")
        .bind(schema)
        .fetch_one(&mut *connection)
        .await?;
    let names: Vec<String> = sqlx::query_scalar(
        "select c.relname::text
           from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = $1
         union
         select t.typname::text
           from pg_type t
           join pg_namespace n on n.oid = t.typnamespace
          where n.nspname = $1
            and t.typelem = 0",
    )
    .bind(schema)
    .fetch_all(&mut *connection)
    .await?;
    let mut tables: BTreeMap<String, TableThere> = BTreeMap::new();
    for column in columns(connection, schema).await? {
        tables
            .entry(column.table_name.clone())
            .or_default()
            .columns
            .push(column);
    }
    for (table, key) in keys(connection, schema).await? {
        tables.entry(table).or_default().keys.push(key);
    }
    for key in foreign_keys(connection, schema).await? {
        tables
            .entry(key.table_name.clone())
            .or_default()
            .foreign_keys
            .push(key);
    }
    for (table, trigger, after) in triggers(connection, schema).await? {
        tables.entry(table).or_default().triggers.push((trigger, after));
    }
    Ok(There {
        schema: exists,
        names: names.into_iter().collect(),
        tables,
    })
}

async fn columns(connection: &mut PgConnection, schema: &str) -> Result<Vec<ColumnThere>, sqlx::Error> {
    sqlx::query_as(
        "select c.relname::text as table_name,
                a.attname::text as name,
                format_type(a.atttypid, a.atttypmod) as declared,
                coalesce(b.typname, t.typname)::text as type_name,
                a.attnotnull as not_null,
                a.atthasdef or a.attidentity <> '' as has_default,
                a.attidentity <> ''
                    or pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname) is not null as numbers,
                a.attgenerated <> '' as always
           from pg_attribute a
           join pg_class c on c.oid = a.attrelid
           join pg_namespace n on n.oid = c.relnamespace
           join pg_type t on t.oid = a.atttypid
           left join pg_type b on b.oid = t.typbasetype
          where n.nspname = $1
            and c.relkind in ('r', 'p')
            and a.attnum > 0
            and not a.attisdropped
          order by c.relname, a.attnum",
    )
    .bind(schema)
    .fetch_all(connection)
    .await
}

async fn keys(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Vec<(String, Vec<String>)>, sqlx::Error> {
    sqlx::query_as(
        "select c.relname::text,
                array(select a.attname::text
                        from unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
                        join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
                       order by k.place)
           from pg_index i
           join pg_class c on c.oid = i.indrelid
           join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = $1
            and i.indisunique
            and i.indisvalid
            and i.indimmediate
            and i.indpred is null
            and i.indexprs is null
            and i.indnkeyatts = i.indnatts
          order by c.relname, i.indisprimary desc, i.indexrelid",
    )
    .bind(schema)
    .fetch_all(connection)
    .await
}

async fn foreign_keys(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Vec<ForeignKeyThere>, sqlx::Error> {
    sqlx::query_as(
        "select c.relname::text as table_name,
                array(select a.attname::text
                        from unnest(o.conkey) with ordinality as k (attnum, place)
                        join pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.attnum
                       order by k.place) as columns,
                pn.nspname::text as parent_schema,
                p.relname::text as parent,
                array(select a.attname::text
                        from unnest(o.confkey) with ordinality as k (attnum, place)
                        join pg_attribute a on a.attrelid = o.confrelid and a.attnum = k.attnum
                       order by k.place) as parent_columns
           from pg_constraint o
           join pg_class c on c.oid = o.conrelid
           join pg_namespace n on n.oid = c.relnamespace
           join pg_class p on p.oid = o.confrelid
           join pg_namespace pn on pn.oid = p.relnamespace
          where n.nspname = $1
            and o.contype = 'f'
            and o.conparentid = 0
          order by c.relname, o.oid",
    )
    .bind(schema)
    .fetch_all(connection)
    .await
}

async fn triggers(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Vec<(String, String, bool)>, sqlx::Error> {
    sqlx::query_as(
        "select c.relname::text, t.tgname::text, t.tgtype & 66 = 0
           from pg_trigger t
           join pg_class c on c.oid = t.tgrelid
           join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = $1
            and not t.tgisinternal
            and t.tgenabled in ('O', 'A')
            and t.tgtype & 4 <> 0
          order by c.relname, t.tgname",
    )
    .bind(schema)
    .fetch_all(connection)
    .await
}
