//! What the catalogs know of the tables in a plan.

use std::collections::HashMap;

use contract::explain::Plan;
use sqlx::{FromRow, PgConnection, postgres::types::Oid};

use crate::target::look::query_as;

/// A table of a plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub schema: String,
    pub name: String,
    /// Rows as of the last VACUUM or ANALYZE; none when there was none yet.
    pub rows: Option<f64>,
    pub columns: Vec<String>,
    pub indexes: Vec<Index>,
}

/// An index of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    pub name: String,
    /// Its key columns in their order; none for an expression.
    pub keys: Vec<Option<String>>,
    pub method: String,
    pub valid: bool,
    pub partial: bool,
}

/// The tables of a plan, by schema and name as the plan has them.
pub(super) type Tables = HashMap<(Option<String>, String), Table>;

#[derive(FromRow)]
struct TableRow {
    oid: Oid,
    asked_schema: Option<String>,
    asked: String,
    schema: String,
    name: String,
    rows: f32,
    columns: Vec<String>,
}

#[derive(FromRow)]
struct IndexRow {
    table: Oid,
    name: String,
    keys: Vec<Option<String>>,
    method: String,
    valid: bool,
    partial: bool,
}

/// Looks the tables of a plan up; what is not there, or no table, is left out.
///
/// # Errors
/// What the server said.
pub(super) async fn tables(
    connection: &mut PgConnection,
    plan: &Plan,
    schemas: &[String],
) -> Result<Tables, sqlx::Error> {
    let mut asked: Vec<(Option<&str>, &str)> = plan
        .nodes
        .iter()
        .filter_map(|node| Some((node.schema.as_deref(), node.relation.as_deref()?)))
        .collect();
    asked.sort_unstable();
    asked.dedup();
    asked.truncate(100);
    if asked.is_empty() {
        return Ok(Tables::new());
    }
    let (in_schemas, names): (Vec<Option<&str>>, Vec<&str>) = asked.into_iter().unzip();
    let rows: Vec<TableRow> = query_as(
        "select distinct on (asked.schema, asked.name)
                class.oid,
                asked.schema as asked_schema,
                asked.name as asked,
                schema.nspname::text as schema,
                class.relname::text as name,
                class.reltuples as rows,
                array (
                    select attname::text
                      from pg_attribute
                     where attrelid = class.oid
                       and attnum > 0
                       and not attisdropped
                     order by attnum
                ) as columns
           from unnest($1::text[], $2::text[]) as asked (schema, name)
           join pg_class as class on class.relname = asked.name and class.relkind in ('r', 'p', 'm')
           join pg_namespace as schema on schema.oid = class.relnamespace
           left join unnest($3::text[]) with ordinality as path (schema, place) on path.schema = schema.nspname
          where case when asked.schema is null then path.place is not null else schema.nspname = asked.schema end
          order by asked.schema, asked.name, path.place",
    )
    .bind(in_schemas)
    .bind(names)
    .bind(schemas)
    .fetch_all(&mut *connection)
    .await?;
    let oids: Vec<Oid> = rows.iter().map(|row| row.oid).collect();
    let indexes: Vec<IndexRow> = query_as(
        "select index.indrelid as \"table\",
                class.relname::text as name,
                array (
                    select attribute.attname::text
                      from unnest(index.indkey::int2[]) with ordinality as key (number, place)
                      left join pg_attribute as attribute
                        on attribute.attrelid = index.indrelid
                       and attribute.attnum = key.number
                       and key.number <> 0
                     where key.place <= index.indnkeyatts
                     order by key.place
                ) as keys,
                method.amname::text as method,
                index.indisvalid as valid,
                index.indpred is not null as partial
           from pg_index as index
           join pg_class as class on class.oid = index.indexrelid
           join pg_am as method on method.oid = class.relam
          where index.indrelid = any ($1)
          order by class.relname",
    )
    .bind(&oids)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let table = Table {
                schema: row.schema,
                name: row.name,
                rows: (row.rows >= 0.0).then_some(f64::from(row.rows)),
                columns: row.columns,
                indexes: indexes
                    .iter()
                    .filter(|index| index.table == row.oid)
                    .map(|index| Index {
                        name: index.name.clone(),
                        keys: index.keys.clone(),
                        method: index.method.clone(),
                        valid: index.valid,
                        partial: index.partial,
                    })
                    .collect(),
            };
            ((row.asked_schema, row.asked), table)
        })
        .collect())
}
