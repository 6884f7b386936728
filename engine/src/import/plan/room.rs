//! Room on the server's disk.

use std::{io::ErrorKind, path::PathBuf};

use contract::import::{ColumnType, Room, Stage};
use sqlx::PgConnection;

use super::Plan;
use crate::{disk::free_bytes, target::Target};

/// Bytes of a row beside its values: its header and its pointer in the page.
const PER_ROW: i64 = 28;
/// Bytes of an entry of a B-tree beside its values, the pages filled to nine tenths.
const PER_ENTRY: i64 = 18;

/// How much room the plan needs, as a guess, and how much there is, where that can be known: the server runs on this
/// machine and says where its files are.
pub(in crate::import) async fn look(plan: &Plan, target: &Target, connection: &mut PgConnection) -> Room {
    let tables: i64 = plan
        .tables
        .iter()
        .map(|table| table.bytes + table.rows * PER_ROW)
        .sum();
    let indexes: i64 = plan
        .steps
        .iter()
        .filter(|step| step.stage == Stage::Index)
        .filter_map(|step| plan.tables.get(step.table?))
        .map(|table| {
            let columns = i64::try_from(table.columns.len()).unwrap_or(1).max(1);
            let longest = table.columns.iter().map(|column| match column.encoder.to {
                ColumnType::Uuid => 16,
                ColumnType::Text | ColumnType::Bytea | ColumnType::Jsonb => {
                    table.bytes / table.rows.max(1) / columns
                }
                _ => 8,
            });
            table.rows * (PER_ENTRY + longest.max().unwrap_or(8).min(200))
        })
        .sum();
    Room {
        needed: tables + indexes,
        free: free(target, connection).await,
    }
}

async fn free(target: &Target, connection: &mut PgConnection) -> Option<i64> {
    if !target.is_on_this_machine() {
        return None;
    }
    let folder: Option<String> = sqlx::query_scalar("select current_setting('data_directory', true)")
        .fetch_one(connection)
        .await
        .ok()?;
    let mut folder = PathBuf::from(folder?);
    // The folder itself may be closed to the console's user; the ones above it lie on the same disk more often than not.
    loop {
        match free_bytes(&folder) {
            Ok(bytes) => return Some(bytes),
            // This is another machine, behind a tunnel or in a container.
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(_) if folder.pop() => {}
            Err(_) => return None,
        }
    }
}
