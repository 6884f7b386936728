//! Where sequences stand. They live outside of every transaction: while an application goes on, the value in an archive is some
//! one between that at the snapshot and that at the dump's end.

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::{Sequence, Standing, named};
use crate::{
    quote,
    target::look::{query, query_as},
};

/// Sequences that are read in one statement.
const AT_ONCE: usize = 100;

/// One that was read.
#[derive(Clone, Debug)]
pub(in crate::backup) struct Read {
    name: String,
    cycles: bool,
    standing: Standing,
}

/// Reads all sequences, inside a transaction. One that goes away meanwhile is left out: the archive says what became of it.
pub(in crate::backup) async fn stand(connection: &mut PgConnection) -> Result<Vec<Read>, sqlx::Error> {
    let names: Vec<(String, String, bool)> = query_as(
        "select n.nspname::text, c.relname::text, s.seqcycle
           from pg_sequence s
           join pg_class c on c.oid = s.seqrelid
           join pg_namespace n on n.oid = c.relnamespace
          where n.nspname !~ '^pg_'
            and n.nspname <> 'information_schema'
            -- A standby has none of the unlogged ones.
            and (c.relpersistence = 'p' or (c.relpersistence = 'u' and not pg_is_in_recovery()))
            and not exists (
                    select
                      from pg_depend d
                     where d.classid = 'pg_class'::regclass
                       and d.objid = c.oid
                       and d.deptype = 'e')
          order by n.nspname, c.relname",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut found = Vec::with_capacity(names.len());
    for batch in names.chunks(AT_ONCE) {
        match read(connection, batch).await {
            Err(error) if is_gone(&error) => {
                for one in batch {
                    match read(connection, std::slice::from_ref(one)).await {
                        Err(error) if is_gone(&error) => {}
                        read => found.extend(read?),
                    }
                }
            }
            read => found.extend(read?),
        }
    }
    Ok(found)
}

fn is_gone(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("42P01"))
}

async fn read(
    connection: &mut PgConnection,
    names: &[(String, String, bool)],
) -> Result<Vec<Read>, sqlx::Error> {
    let parts: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(place, (schema, name, _))| {
            format!(
                "select {place}, last_value, is_called from {}",
                quote::qualified(schema, name)
            )
        })
        .collect();
    // One that is gone must not end the transaction.
    connection.execute("savepoint before_sequences").await?;
    let rows = query(AssertSqlSafe(parts.join(" union all ")))
        .fetch_all(&mut *connection)
        .await;
    if rows.is_err() {
        connection
            .execute("rollback to savepoint before_sequences")
            .await?;
    }
    let rows = rows?;
    connection.execute("release savepoint before_sequences").await?;
    rows.into_iter()
        .map(|row| {
            let place: i32 = row.try_get(0)?;
            let (schema, name, cycles) = &names[usize::try_from(place).unwrap_or_default()];
            Ok(Read {
                name: named(schema, name),
                cycles: *cycles,
                standing: Standing {
                    value: row.try_get(1)?,
                    called: row.try_get(2)?,
                },
            })
        })
        .collect()
}

/// The sequences that were there at both times.
pub(in crate::backup) fn between(first: Vec<Read>, last: Vec<Read>) -> Vec<Sequence> {
    let mut last: std::collections::HashMap<String, Read> =
        last.into_iter().map(|read| (read.name.clone(), read)).collect();
    first
        .into_iter()
        .filter_map(|first| {
            let last = last.remove(&first.name)?;
            Some(Sequence {
                name: first.name,
                first: first.standing,
                last: last.standing,
                cycles: last.cycles,
            })
        })
        .collect()
}
