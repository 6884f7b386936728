//! Foreign keys that others made onto tables of the import. A row that goes would take theirs with it or make them lose
//! their parent, so nothing goes that one of theirs names.

use std::collections::HashMap;

use contract::format;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::{
    super::{
        load::Load,
        plan::{Plan, TablePlan},
    },
    stage::Staged,
};
use crate::{Error, Result, quote};

/// A foreign key that is none of the plan.
#[derive(Debug)]
pub(super) struct Foreign {
    /// Its name.
    pub name: String,
    /// The table that refers, as SQL.
    pub table: String,
    /// The same table when it is the import's, by place.
    pub own: Option<usize>,
    /// The table of the import that it refers to, by place.
    pub parent: usize,
    /// Its definition as SQL.
    pub definition: String,
    shown: String,
    columns: Vec<String>,
    parent_columns: Vec<String>,
}

#[derive(FromRow)]
struct Row {
    name: String,
    schema: String,
    table_name: String,
    parent: String,
    definition: String,
    columns: Vec<String>,
    parent_columns: Vec<String>,
}

/// Which rows of a table are about to go or to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    /// Those that are not in the file any more, and values that change in place.
    Changed,
    /// Those that have to be taken out and put in again.
    Replaced,
}

/// The foreign keys onto tables of the plan that are none of its own.
pub(super) async fn foreign(load: &Load, session: &mut PgConnection) -> Result<Vec<Foreign>> {
    let rows: Vec<Row> = sqlx::query_as(
        "select o.conname::text as name, n.nspname::text as schema, c.relname::text as table_name,
                p.relname::text as parent, pg_get_constraintdef(o.oid) as definition,
                array(select a.attname::text
                        from unnest(o.conkey) with ordinality as k (attnum, place)
                        join pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.attnum
                       order by k.place) as columns,
                array(select a.attname::text
                        from unnest(o.confkey) with ordinality as k (attnum, place)
                        join pg_attribute a on a.attrelid = o.confrelid and a.attnum = k.attnum
                       order by k.place) as parent_columns
           from pg_constraint o
           join pg_class c on c.oid = o.conrelid
           join pg_namespace n on n.oid = c.relnamespace
           join pg_class p on p.oid = o.confrelid
           join pg_namespace pn on pn.oid = p.relnamespace
          where pn.nspname = $1
            and o.contype = 'f'
            and o.conparentid = 0
          order by n.nspname, c.relname, o.conname",
    )
    .bind(&load.plan.schema)
    .fetch_all(session)
    .await
    .map_err(|source| load.target.error(source))?;
    Ok(of_others(&load.plan, rows))
}

fn of_others(plan: &Plan, rows: Vec<Row>) -> Vec<Foreign> {
    let places: HashMap<&str, usize> = plan
        .tables
        .iter()
        .enumerate()
        .map(|(place, table)| (table.name.as_str(), place))
        .collect();
    rows.into_iter()
        .filter_map(|row| {
            let parent = *places.get(row.parent.as_str())?;
            let own = places
                .get(row.table_name.as_str())
                .copied()
                .filter(|_| row.schema == plan.schema);
            let planned = plan.steps.iter().any(|step| {
                step.foreign_key.as_ref().is_some_and(|key| key.name == row.name)
                    && step.table == own
                    && own.is_some()
            });
            (!planned).then(|| Foreign {
                table: quote::qualified(&row.schema, &row.table_name),
                shown: format!("{}.{}", row.schema, row.table_name),
                name: row.name,
                own,
                parent,
                definition: row.definition,
                columns: row.columns,
                parent_columns: row.parent_columns,
            })
        })
        .collect()
}

/// Refuses when rows of others name what is about to go or to change in a table.
///
/// # Errors
/// A conflict that names their table and the constraint.
pub(super) async fn refuse(
    load: &Load,
    session: &mut PgConnection,
    foreign: &[Foreign],
    staged: &Staged,
    going: Going,
) -> Result<()> {
    let table = &load.plan.tables[staged.place];
    for key in foreign
        .iter()
        .filter(|key| key.parent == staged.place && key.own.is_none())
    {
        let named: Vec<String> = key
            .columns
            .iter()
            .zip(&key.parent_columns)
            .map(|(from, to)| format!("o.{} = t.{}", quote::ident(from), quote::ident(to)))
            .collect();
        let named = named.join(" and ");
        let mut conditions = Vec::new();
        match (&staged.same, going) {
            (Some(same), Going::Replaced) => conditions.push(format!(
                "exists (select from {} s where {same} and {})",
                staged.rows, staged.differs
            )),
            (_, Going::Replaced) => {}
            (same, Going::Changed) => {
                conditions.push(staged.gone.clone());
                let changes = same.as_ref().and_then(|same| changes(key, table, staged, same));
                conditions.extend(changes);
            }
        }
        for condition in conditions {
            let sql = format!(
                "select count(*)
                   from {} o
                  where exists (select from only {} t where {named} and ({condition}))",
                key.table, staged.name
            );
            let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql.clone()))
                .persistent(false)
                .fetch_one(&mut *session)
                .await
                .map_err(|source| load.target.error_at(source, &sql))?;
            if rows > 0 {
                return Err(conflict(key, &table.name, table.key.is_empty(), rows));
            }
        }
    }
    Ok(())
}

/// Whether the values that a foreign key refers to change in place; none when they are a part of the key, which does not.
fn changes(key: &Foreign, table: &TablePlan, staged: &Staged, same: &str) -> Option<String> {
    let of_key = |name: &String| table.key.iter().any(|at| table.columns[*at].name == *name);
    if key.parent_columns.iter().all(of_key) {
        return None;
    }
    let sent = |name: &String| table.sent().any(|column| column.name == *name);
    let differs = match key.parent_columns.iter().all(sent) {
        true => {
            let side = |side: &str| {
                let columns: Vec<String> = key
                    .parent_columns
                    .iter()
                    .map(|column| format!("{side}.{}", quote::ident(column)))
                    .collect();
                columns.join(", ")
            };
            format!("record_image_ne(row({}), row({}))", side("t"), side("s"))
        }
        // PostgreSQL computes them.
        false => staged.differs.clone(),
    };
    Some(format!(
        "exists (select from {} s where {same} and {differs})",
        staged.rows
    ))
}

fn conflict(key: &Foreign, table: &str, keyless: bool, rows: i64) -> Error {
    let (rows, name) = match rows {
        1 => ("One row".to_owned(), "names"),
        _ => (format!("{} rows", format::exact(rows)), "name"),
    };
    let why = match keyless {
        true => format!("rows of {table}, which has no key and would be loaded anew as a whole"),
        false => format!("rows of {table} that are gone from the file, or whose values must change places"),
    };
    Error::conflict(
        format!(
            "{rows} of {} {name}, by the foreign key {}, {why}.",
            key.shown, key.name
        ),
        format!(
            "Change or delete such rows of {0}, or drop the constraint {1} of {0}; then run it again.",
            key.shown, key.name
        ),
    )
}
