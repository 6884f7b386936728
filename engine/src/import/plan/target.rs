//! What is in the schema already.

use std::collections::{BTreeMap, HashSet};

use contract::import::OnConflict;
use sqlx::{FromRow, PgConnection};

/// What is in a schema.
pub(super) struct There {
    /// How the database encodes its text, as PostgreSQL calls it.
    pub encoding: String,
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
    /// What runs by itself when rows come in or change, in it and in its partitions.
    pub triggers: Vec<TriggerThere>,
    /// Names of its rules that turn an insert into something else.
    pub insert_rules: Vec<String>,
}

/// A trigger of a table that is there, enabled and no part of a constraint.
#[derive(FromRow)]
pub(super) struct TriggerThere {
    /// The table.
    pub table_name: String,
    /// Its name.
    pub name: String,
    /// Whether it fires for inserts.
    pub inserts: bool,
    /// Whether it fires for updates.
    pub updates: bool,
    /// Whether it can throw a row away that is to be inserted.
    pub throws: bool,
}

impl TriggerThere {
    /// Whether it fires while rows come in.
    pub fn runs(&self, on_conflict: OnConflict) -> bool {
        self.inserts || self.updates && on_conflict == OnConflict::Upsert
    }
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
    /// The sequence that numbers its rows, by an identity or because the column owns it, as SQL names it.
    pub sequence: Option<String>,
    /// Whether that sequence counts downwards.
    pub descends: bool,
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
    /// Whether its rows change when the key of their parent does.
    pub follows: bool,
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
    for trigger in triggers(connection, schema).await? {
        tables
            .entry(trigger.table_name.clone())
            .or_default()
            .triggers
            .push(trigger);
    }
    for (table, rule) in insert_rules(&mut *connection, schema).await? {
        tables.entry(table).or_default().insert_rules.push(rule);
    }
    let encoding = sqlx::query_scalar("select current_setting('server_encoding')")
        .fetch_one(connection)
        .await?;
    Ok(There {
        encoding,
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
                q.sequence,
                coalesce(s.seqincrement < 0, false) as descends,
                a.attgenerated <> '' as always
           from pg_attribute a
           join pg_class c on c.oid = a.attrelid
           join pg_namespace n on n.oid = c.relnamespace
           join pg_type t on t.oid = a.atttypid
           left join pg_type b on b.oid = t.typbasetype
           left join lateral (select pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname)) q (sequence)
             on true
           left join pg_sequence s on s.seqrelid = q.sequence::regclass
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
                       order by k.place) as parent_columns,
                o.confupdtype in ('c', 'n', 'd') as follows
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

async fn triggers(connection: &mut PgConnection, schema: &str) -> Result<Vec<TriggerThere>, sqlx::Error> {
    sqlx::query_as(
        // A row that goes into a partition runs the partition's own triggers too, but not those for whole statements.
        "with recursive family as (
             select c.oid as root, c.oid as member, c.relname
               from pg_class c
               join pg_namespace n on n.oid = c.relnamespace
              where n.nspname = $1
                and c.relkind in ('r', 'p')
             union all
             select f.root, i.inhrelid, f.relname
               from family f
               join pg_inherits i on i.inhparent = f.member
               join pg_class p on p.oid = i.inhrelid
              where p.relispartition
         )
         select f.relname::text as table_name,
                t.tgname::text as name,
                bool_or(t.tgtype & 4 <> 0) as inserts,
                bool_or(t.tgtype & 16 <> 0) as updates,
                bool_or(t.tgtype & 7 = 7) as throws
           from family f
           join pg_trigger t on t.tgrelid = f.member
          where not t.tgisinternal
            and t.tgenabled in ('O', 'A')
            and t.tgtype & 20 <> 0
            and (f.member = f.root or t.tgtype & 1 <> 0)
          group by f.root, f.relname, t.tgname
          order by f.relname, t.tgname",
    )
    .bind(schema)
    .fetch_all(connection)
    .await
}

async fn insert_rules(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Vec<(String, String)>, sqlx::Error> {
    sqlx::query_as(
        "select c.relname::text, r.rulename::text
           from pg_rewrite r
           join pg_class c on c.oid = r.ev_class
           join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = $1
            and c.relkind in ('r', 'p')
            and r.ev_type = '3'
            and r.ev_enabled in ('O', 'A')
          order by c.relname, r.rulename",
    )
    .bind(schema)
    .fetch_all(connection)
    .await
}
