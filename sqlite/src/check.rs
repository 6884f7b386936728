//! SQLite's own checks: whether the file is sound, and whether rows keep its foreign keys.

use contract::import::{CheckFacts, ForeignKey, Places};
use rusqlite::{Connection, types::ValueRef};

use super::{
    quote::ident,
    schema::{Table, text},
    stop::{Stop, is_damage, is_interrupted},
    tally::note,
};
use crate::{Error, Result};

/// How many faults of a file are listed; a file with this many is not to be trusted at all.
const LISTED: usize = 100;
/// What a line begins with when the check ended before its end.
const UNCHECKED: &str = "the check ended early: ";

/// Checks the pages and rows of the whole file. Whether indexes hold what their tables hold is left out: an import makes
/// its indexes from the rows.
///
/// # Errors
/// `Cancelled`.
pub(super) fn integrity(connection: &Connection, stop: &Stop) -> Result<Vec<String>> {
    stop.check()?;
    let mut found = Vec::new();
    let read = (|| {
        let mut query = connection.prepare(&format!("pragma quick_check({LISTED})"))?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            // One answer may hold several lines.
            found.extend(text(row, 0)?.lines().map(str::to_owned));
        }
        Ok(())
    })();
    match read {
        Err(error) if is_interrupted(&error) => return Err(Error::Cancelled),
        Err(error) if is_damage(&error) => found.push(error.to_string()),
        // A function or collation of another program in the schema ends the check, and says nothing about the file.
        Err(error) => found.push(format!("{UNCHECKED}{error}")),
        Ok(()) => {}
    }
    // SQLite forgets the checks of a file that it opens for reading; [`checks`] asks for them, and names the rows. A heading
    // is no fault.
    found.retain(|line| {
        line != "ok" && !line.starts_with("*** in database") && !line.starts_with("CHECK constraint failed")
    });
    Ok(found)
}

/// What SQLite says when it could not go on checking, if the line says so.
pub(super) fn unchecked(line: &str) -> Option<&str> {
    line.strip_prefix(UNCHECKED)
}

/// Whether a line of the check speaks of rows that break a rule of the schema, not of damage.
pub(super) fn is_broken_rule(line: &str) -> bool {
    [
        "NULL value in",
        "NUMERIC value in",
        "TEXT value in",
        "non-INT value",
        "non-INTEGER value",
        "non-REAL value",
        "non-TEXT value",
        "non-BLOB value",
        "non-NUMERIC value",
        "non-unique entry",
    ]
    .iter()
    .any(|begin| line.starts_with(begin))
}

/// Finds the rows whose parent is not there. Gives what SQLite has against a key that it cannot check. SQLite checks all
/// keys of a table or none, so after one that it cannot check, each is asked for by itself. `rowid` is the name of the
/// table's rowid, if it has one.
///
/// # Errors
/// `Cancelled`.
pub fn orphans(
    connection: &Connection,
    table: &str,
    rowid: Option<&str>,
    keys: &mut [ForeignKey],
    stop: &Stop,
) -> Result<Option<String>> {
    if keys.is_empty() {
        return Ok(None);
    }
    stop.check()?;
    let read = (|| {
        let mut query = connection.prepare(&format!("pragma foreign_key_check({})", ident(table)))?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let key = usize::try_from(row.get::<_, i64>(3)?).ok();
            let Some(key) = key.and_then(|key| keys.get_mut(key)) else {
                continue;
            };
            match row.get_ref(1)? {
                ValueRef::Integer(rowid) => note(&mut key.orphans, rowid),
                _ => key.orphans.count += 1,
            }
        }
        Ok(())
    })();
    match read {
        Err(error) if is_interrupted(&error) => return Err(Error::Cancelled),
        Err(_) => {}
        Ok(()) => return Ok(None),
    }
    let mut against = None;
    for key in keys {
        key.orphans = Places::default();
        match orphans_of(connection, table, rowid, key) {
            Err(error) if is_interrupted(&error) => return Err(Error::Cancelled),
            Err(error) => against = against.or(Some(error.to_string())),
            Ok(()) => {}
        }
    }
    Ok(against)
}

/// Finds the rows that one key leads to no parent, as SQLite compares them: by the parent's collation, and no NULL.
fn orphans_of(
    connection: &Connection,
    table: &str,
    rowid: Option<&str>,
    key: &mut ForeignKey,
) -> rusqlite::Result<()> {
    let mut parents = key.parent_columns.clone();
    let is_there: bool = connection.query_row(
        "select exists (select 1 from sqlite_schema where type in ('table', 'view') and name = ?1 collate nocase)",
        [&key.parent],
        |row| row.get(0),
    )?;
    if is_there && parents.is_empty() {
        let mut query =
            connection.prepare("select name from pragma_table_info(?1) where pk > 0 order by pk")?;
        parents = query
            .query_map([&key.parent], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
    }
    if is_there && parents.len() != key.columns.len() {
        return Ok(());
    }
    let given: Vec<String> = key
        .columns
        .iter()
        .map(|column| format!("child.{} is not null", ident(column)))
        .collect();
    let same: Vec<String> = parents
        .iter()
        .zip(&key.columns)
        .map(|(parent, column)| format!("parent.{} = child.{}", ident(parent), ident(column)))
        .collect();
    // No row has a parent in a table that is not there.
    let orphaned = match is_there {
        true => format!(
            " and not exists (select 1 from {} as parent where {})",
            ident(&key.parent),
            same.join(" and ")
        ),
        false => String::new(),
    };
    let mut query = connection.prepare(&format!(
        "select {} from {} as child where {}{orphaned}",
        rowid.map_or_else(|| "null".to_owned(), |rowid| format!("child.{rowid}")),
        ident(table),
        given.join(" and ")
    ))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        match row.get_ref(0)? {
            ValueRef::Integer(rowid) => note(&mut key.orphans, rowid),
            _ => key.orphans.count += 1,
        }
    }
    Ok(())
}

/// Finds the rows that break the table's checks. Gives what SQLite has against checks that it cannot compute.
///
/// # Errors
/// `Cancelled`.
pub(super) fn checks(
    connection: &Connection,
    table: &Table,
    checks: &mut [CheckFacts],
    stop: &Stop,
) -> Result<Option<String>> {
    if checks.is_empty() {
        return Ok(None);
    }
    stop.check()?;
    let broken: Vec<String> = checks
        .iter()
        // It may end in a comment, which lasts to the end of its line.
        .map(|check| format!("not ({}\n)", check.expression))
        .collect();
    let read = (|| {
        let mut query = connection.prepare(&format!(
            "select {}, {} from {} not indexed where {}",
            table.rowid.unwrap_or("null"),
            broken.join(", "),
            ident(&table.name),
            broken.join(" or ")
        ))?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            for (at, check) in (1..).zip(checks.iter_mut()) {
                match (row.get_ref(at)?, row.get_ref(0)?) {
                    (ValueRef::Integer(1), ValueRef::Integer(rowid)) => note(&mut check.broken, rowid),
                    (ValueRef::Integer(1), _) => check.broken.count += 1,
                    _ => {}
                }
            }
        }
        Ok(())
    })();
    match read {
        Err(error) if is_interrupted(&error) => Err(Error::Cancelled),
        Err(error) => Ok(Some(error.to_string())),
        Ok(()) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::schema;

    #[test]
    fn a_key_that_cannot_be_checked_hides_no_orphans_of_another() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "pragma foreign_keys = off;
                 create table p(id integer primary key, nu text);
                 create table c(id integer primary key, p integer references p(id), nu text references p(nu), g references gone);
                 insert into p values (1, 'a'), (2, 'a');
                 insert into c values (1, 1, 'a', 1), (2, 9, 'a', null), (3, null, null, null), (4, 2, 'z', null);",
            )
            .unwrap();
        let mut table = schema::tables(&connection)
            .unwrap()
            .into_iter()
            .find(|table| table.name == "c")
            .unwrap();
        let why = orphans(
            &connection,
            "c",
            table.rowid,
            &mut table.foreign_keys,
            &Stop::default(),
        )
        .unwrap();
        assert_eq!(why, None);
        let found = |column: &str| {
            let key = table.foreign_keys.iter().find(|key| key.columns == [column]);
            key.unwrap().orphans.first.clone()
        };
        assert_eq!((found("p"), found("nu"), found("g")), (vec![2], vec![4], vec![1]));
    }
}
