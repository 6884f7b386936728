//! What chosen parts of a database need and a backup of them does not hold: the schema of a table, the function of a trigger, the table
//! that a foreign key leads to. pg_dump leaves it out without a word, and such a backup can only be restored beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, postgres::types::Oid};

use super::{chosen::Chosen, words as list};
use crate::target::look::{query_as, query_scalar};

/// Parts that are named as those that need something.
const NAMED: usize = 3;
/// Needed things that a sentence names.
const LISTED: usize = 20;

/// Something that one of the chosen parts needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Need {
    /// As PostgreSQL calls it: `function`, `table`, `schema`.
    pub kind: String,
    /// Its whole name, quoted where it must be.
    pub name: String,
    /// Its name and arguments as `pg_get_object_address` takes them.
    pub names: Vec<String>,
    pub args: Vec<String>,
    /// The schema that it is in, quoted where it must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Whether what needs it is a part of it, or inherits from it: only the owner of a table lets another one be that.
    #[serde(default)]
    pub parent: bool,
    /// The table, view or sequence that needs it, by schema and name; none where it is something else of a schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<(String, String)>,
}

impl Need {
    /// The statement that lets a role, whose name is quoted, use it for what is made; none where everyone may, or nobody can be let.
    pub(super) fn right(&self, role: &str) -> Option<String> {
        let (right, kind) = match self.kind.as_str() {
            "schema" => ("usage", "schema"),
            // A key leads to it, or a view reads it.
            "table" => ("references, select", "table"),
            "view" | "materialized view" | "foreign table" => ("select", "table"),
            "sequence" => ("usage", "sequence"),
            "function" | "procedure" | "aggregate" => ("execute", "routine"),
            "type" => ("usage", "type"),
            _ => return None,
        };
        Some(format!("grant {right} on {kind} {} to {role}", self.name))
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    name: String,
    names: Vec<String>,
    args: Vec<String>,
    schema: Option<String>,
    parent: bool,
    by_schema: Option<String>,
    by_name: Option<String>,
}

/// What the chosen parts need and a backup of them will not hold; none when all is taken.
///
/// # Errors
/// What the managed database says.
pub(super) async fn of(
    connection: &mut PgConnection,
    chosen: &Chosen,
) -> Result<Option<Vec<Need>>, sqlx::Error> {
    let Chosen::Parts {
        relations, schemas, ..
    } = chosen
    else {
        return Ok(None);
    };
    let rows: Vec<Row> = query_as(SQL)
        .bind(relations)
        .bind(schemas)
        // The first number that the server gives to what users make.
        .bind(Oid(16_384))
        .fetch_all(connection)
        .await?;
    Ok(Some(
        rows.into_iter()
            .map(|row| Need {
                kind: row.kind,
                name: row.name,
                names: row.names,
                args: row.args,
                schema: row.schema,
                parent: row.parent,
                by: row.by_schema.zip(row.by_name),
            })
            .collect(),
    ))
}

const SQL: &str = "with recursive
  -- Relations, and all that is in the schemas but what an extension makes.
  chosen as (
      select 'pg_class'::regclass::oid as classid, id as objid
        from unnest($1::oid[]) as id
       union
      select d.classid, d.objid
        from pg_depend d
        join pg_namespace n on n.oid = d.refobjid
       where d.refclassid = 'pg_namespace'::regclass
         and d.deptype = 'n'
         and n.nspname = any($2)
         and not exists (
                 select
                   from pg_depend e
                  where e.classid = d.classid
                    and e.objid = d.objid
                    and e.deptype = 'e')
       union
      select 'pg_namespace'::regclass::oid, oid
        from pg_namespace
       where nspname = any($2)
  ),
  -- With what is theirs: defaults, indexes, constraints, triggers, rules, policies, types of rows, sequences.
  held as (
      select classid, objid, classid as of_class, objid as of_object
        from chosen
       union
      select d.classid, d.objid, held.of_class, held.of_object
        from held
        join pg_depend d on d.refclassid = held.classid and d.refobjid = held.objid
       where d.deptype in ('a', 'i', 'P', 'S')
  ),
  referred as (
      select d.refclassid as classid, d.refobjid as objid, false as parent, held.of_class, held.of_object
        from held
        join pg_depend d on d.classid = held.classid and d.objid = held.objid
       where d.deptype = 'n'
         and d.refobjid >= $3
         -- Those of a table alone are not dumped with it by every pg_dump.
         and held.classid <> 'pg_statistic_ext'::regclass
       union
      select held.classid, i.inhparent, true, held.of_class, held.of_object
        from held
        join pg_inherits i on i.inhrelid = held.objid
        join pg_class c on c.oid = i.inhparent and c.relkind in ('r', 'p', 'f')
       where held.classid = 'pg_class'::regclass
  ),
  -- For an array what it is of, for the type of a table's rows the table.
  plain as (
      select case when rows.oid is null then r.classid else 'pg_class'::regclass::oid end as classid,
             coalesce(rows.oid, element.oid, r.objid) as objid,
             r.parent, r.of_class, r.of_object
        from referred r
        left join pg_type t on r.classid = 'pg_type'::regclass and t.oid = r.objid
        left join pg_type element on r.classid = 'pg_type'::regclass and element.typarray = r.objid
        left join pg_class rows
               on rows.oid = coalesce(element.typrelid, t.typrelid)
              and rows.relkind in ('r', 'v', 'm', 'p', 'f')
  ),
  -- For what an extension makes the extension. A table's indexes and keys come with it, and every database has a schema public.
  needed as (
      select coalesce(e.refclassid, p.classid) as classid,
             coalesce(e.refobjid, p.objid) as objid,
             p.of_class, p.of_object, bool_or(p.parent) as parent
        from plain p
        left join pg_depend e on e.classid = p.classid and e.objid = p.objid and e.deptype = 'e'
        left join pg_class c on p.classid = 'pg_class'::regclass and c.oid = p.objid
        left join pg_namespace n on p.classid = 'pg_namespace'::regclass and n.oid = p.objid
       where not exists (
                 select
                   from held
                  where held.classid = p.classid
                    and held.objid = p.objid)
         and p.classid <> 'pg_constraint'::regclass
         and (c.relkind is null or c.relkind not in ('i', 'I'))
         and n.nspname is distinct from 'public'
       group by 1, 2, 3, 4
  )
select named.type as kind,
       named.identity as name,
       address.object_names as names,
       address.object_args as args,
       quote_ident(named.schema) as schema,
       needed.parent,
       own_schema.nspname::text as by_schema,
       own.relname::text as by_name
  from needed
 cross join lateral pg_identify_object(needed.classid, needed.objid, 0) named
 cross join lateral pg_identify_object_as_address(needed.classid, needed.objid, 0) address
  left join pg_class own on needed.of_class = 'pg_class'::regclass and own.oid = needed.of_object
  left join pg_namespace own_schema on own_schema.oid = own.relnamespace
 where named.identity is not null
 order by named.type = 'schema' desc, 1, 2, 7, 8";

/// Each thing once, with those that need it.
pub(super) fn words(needs: &[Need]) -> Vec<String> {
    let mut things: BTreeMap<(bool, &str, &str), Vec<String>> = BTreeMap::new();
    for need in needs {
        let by = things
            .entry((need.kind != "schema", need.kind.as_str(), need.name.as_str()))
            .or_default();
        by.extend(need.by.iter().map(|(schema, name)| format!("{schema}.{name}")));
    }
    things
        .into_iter()
        .map(|((_, kind, name), by)| match by.is_empty() {
            true => format!("{kind} {name}"),
            false => format!("{kind} {name} (for {})", list::first(&by, NAMED)),
        })
        .collect()
}

/// The same in a sentence that stays with the backup; none when nothing is needed.
pub(super) fn note(needs: &[Need]) -> Option<String> {
    let words = words(needs);
    (!words.is_empty()).then(|| {
        format!(
            "By themselves they cannot be restored, because they need what is not in this backup: {}.",
            list::first(&words, LISTED)
        )
    })
}

/// Those that the database of the connection, which is in a transaction, does not have.
///
/// # Errors
/// What the managed database says beside that.
pub(super) async fn missing(connection: &mut PgConnection, needs: &[Need]) -> Result<Vec<Need>, sqlx::Error> {
    let mut known: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    let mut found = Vec::new();
    for need in needs {
        let is_there = match known.get(&(need.kind.as_str(), need.name.as_str())) {
            Some(&is_there) => is_there,
            None => {
                let is_there = is_there(connection, need).await?;
                known.insert((need.kind.as_str(), need.name.as_str()), is_there);
                is_there
            }
        };
        if !is_there {
            found.push(need.clone());
        }
    }
    Ok(found)
}

async fn is_there(connection: &mut PgConnection, need: &Need) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("savepoint before_a_name")
        .execute(&mut *connection)
        .await?;
    let found: Result<bool, sqlx::Error> = query_scalar("select true from pg_get_object_address($1, $2, $3)")
        .bind(&need.kind)
        .bind(&need.names)
        .bind(&need.args)
        .fetch_one(&mut *connection)
        .await;
    sqlx::raw_sql("rollback to savepoint before_a_name")
        .execute(&mut *connection)
        .await?;
    match found {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(error)) => match error.code().as_deref() {
            // A schema that the console may not look into.
            Some("42501") => Ok(true),
            Some(code) if code.starts_with("42") || code.starts_with("3F") => Ok(false),
            _ => Err(sqlx::Error::Database(error)),
        },
        Err(error) => Err(error),
    }
}
