//! Whether identities go on right, and which foreign keys are validated.

use contract::import::{ForeignKeyReport, IdentityReport};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{import::plan::Plan, quote};

/// What each identity gives next.
pub(in crate::import) async fn identities(
    connection: &mut PgConnection,
    plan: &Plan,
) -> Result<Vec<IdentityReport>, sqlx::Error> {
    let mut found = Vec::new();
    for table in &plan.tables {
        let name = quote::qualified(&plan.schema, &table.name);
        let made = table
            .identity
            .iter()
            .map(|identity| (identity.column.clone(), Some(identity.next)));
        let there = table
            .existing
            .iter()
            .flat_map(|existing| &existing.identities)
            .map(|column| (column.clone(), None));
        for (column, expected) in made.chain(there) {
            let next = next(connection, &name, &column).await?;
            let (expected, right) = match expected {
                Some(expected) => (expected, next == expected),
                // In a table that was there, numbers must only be new.
                None => {
                    let largest: Option<i64> = sqlx::query_scalar(AssertSqlSafe(format!(
                        "select max({})::bigint from {name}",
                        quote::ident(&column)
                    )))
                    .fetch_one(&mut *connection)
                    .await?;
                    let expected = largest.map_or(Some(1), |largest| largest.checked_add(1));
                    (
                        expected,
                        expected.is_none_or(|expected| next.is_none_or(|next| next >= expected)),
                    )
                }
            };
            found.push(IdentityReport {
                table: table.name.clone(),
                column,
                expected,
                next,
                right,
            });
        }
    }
    Ok(found)
}

/// The number that comes next; none when there is no further one.
async fn next(connection: &mut PgConnection, table: &str, column: &str) -> Result<Option<i64>, sqlx::Error> {
    let sequence: Option<String> = sqlx::query_scalar("select pg_get_serial_sequence($1, $2)")
        .bind(table)
        .bind(column)
        .fetch_one(&mut *connection)
        .await?;
    let Some(sequence) = sequence else { return Ok(None) };
    let (last, called): (i64, bool) = sqlx::query_as(AssertSqlSafe(format!(
        "select last_value, is_called from {sequence}"
    )))
    .fetch_one(connection)
    .await?;
    Ok(if called { last.checked_add(1) } else { Some(last) })
}

/// The foreign keys of the plan, as the database has them.
pub(in crate::import) async fn foreign_keys(
    connection: &mut PgConnection,
    plan: &Plan,
) -> Result<Vec<ForeignKeyReport>, sqlx::Error> {
    let mut found = Vec::new();
    for step in &plan.steps {
        let Some(key) = &step.foreign_key else { continue };
        let validated: Option<bool> = sqlx::query_scalar(
            "select convalidated
               from pg_constraint
              where conrelid = to_regclass($1)
                and conname = $2",
        )
        .bind(quote::qualified(&plan.schema, &step.about))
        .bind(&key.name)
        .fetch_optional(&mut *connection)
        .await?;
        let foretold = key.orphans > 0;
        let orphans = match validated {
            Some(false) if !foretold => {
                orphans(
                    connection,
                    &quote::qualified(&plan.schema, &step.about),
                    &key.name,
                )
                .await?
            }
            _ => key.orphans,
        };
        found.push(ForeignKeyReport {
            table: step.about.clone(),
            words: key.words.clone(),
            validated: validated.unwrap_or(false),
            orphans,
            foretold,
        });
    }
    Ok(found)
}

/// Rows without a parent of a foreign key that was not validated and of which the file said nothing.
async fn orphans(connection: &mut PgConnection, table: &str, name: &str) -> Result<i64, sqlx::Error> {
    // As SQL, so that the server quotes each name and compares by the operators of the key.
    let sql: String = sqlx::query_scalar(
        "select format(
                    'select count(*) from %s c where %s and not exists (select from %s p where %s)',
                    o.conrelid::regclass,
                    string_agg(format('c.%I is not null', a.attname), ' and ' order by k.place),
                    o.confrelid::regclass,
                    string_agg(format('p.%I = c.%I', b.attname, a.attname), ' and ' order by k.place)
                )
           from pg_constraint o
           cross join unnest(o.conkey, o.confkey) with ordinality as k (child, parent, place)
           join pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.child
           join pg_attribute b on b.attrelid = o.confrelid and b.attnum = k.parent
          where o.conrelid = to_regclass($1)
            and o.conname = $2
          group by o.oid, o.conrelid, o.confrelid",
    )
    .bind(table)
    .bind(name)
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await
}
