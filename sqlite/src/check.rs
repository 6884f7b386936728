//! SQLite's own checks: whether the file is sound, and whether rows keep its foreign keys.

use contract::import::{CheckFacts, ForeignKey};
use rusqlite::{Connection, ErrorCode, types::ValueRef};

use super::{
    quote::ident,
    schema::{Table, text},
    stop::{Stop, is_interrupted},
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

/// Whether SQLite says that the file itself is at fault.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::SystemIoFailure)
    )
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

/// Finds the rows whose parent is not there. Gives what SQLite has against a key that it cannot check.
///
/// # Errors
/// `Cancelled`.
pub fn orphans(
    connection: &Connection,
    table: &str,
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
        Err(error) if is_interrupted(&error) => Err(Error::Cancelled),
        Err(error) => Ok(Some(error.to_string())),
        Ok(()) => Ok(None),
    }
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
