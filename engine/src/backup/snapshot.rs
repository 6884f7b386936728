//! The one state that everything in a backup is of: a transaction whose snapshot pg_dump uses too, and in which the
//! rows are counted while it works.

use std::collections::{HashMap, HashSet};

use contract::{Instant, backup::Part};
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, postgres::types::Oid};
use tokio::sync::watch;

use super::{
    catalog::{self, TableRow},
    chosen::Chosen,
    dump::Reads,
    inventory::{self, Content, Inventory, Read},
    needs::{self, Need},
    pump::Flow,
};
use crate::{
    Result, quote,
    target::{
        Target,
        look::{self, query_scalar},
    },
};

/// Tables that are locked at once.
const AT_ONCE: usize = 50;

/// An open transaction with an exported snapshot. Dropping it ends the snapshot.
pub(super) struct Snapshot {
    connection: PgConnection,
    target: Target,
    /// What `pg_dump --snapshot` takes.
    pub id: String,
    /// The instant whose state it holds.
    pub taken_at: Instant,
    pub tables: Vec<TableRow>,
    /// What pg_dump leaves out by its nature, in words.
    pub left_out: Vec<String>,
    pub migration: Option<i64>,
    pub large_objects: i64,
    /// What makes pg_dump take the chosen parts alone.
    pub arguments: Vec<String>,
    /// What the chosen parts need and pg_dump leaves out; none when all is taken.
    pub needs: Option<Vec<Need>>,
    /// Where the sequences stand; none when nothing is to be counted and hashed.
    pub sequences: Option<Vec<Read>>,
}

/// What was counted in a snapshot.
pub(super) struct Counted {
    /// The rows of each table, in the order of `Snapshot::tables`.
    pub rows: Vec<Option<i64>>,
    /// Everything, when that was asked for; why not, when it could not be had.
    pub inventory: Option<std::result::Result<Inventory, String>>,
}

impl Snapshot {
    /// Takes the snapshot on a connection of the backup's own.
    ///
    /// # Errors
    /// The managed database's.
    pub(super) async fn take(
        mut connection: PgConnection,
        target: &Target,
        version_num: i32,
        sizes: &HashMap<i64, i64>,
        only: &[Part],
        exact: bool,
    ) -> Result<Self> {
        let failed = |source| target.error(source);
        settle(&mut connection, version_num).await.map_err(failed)?;
        connection
            .execute("begin transaction isolation level repeatable read, read only")
            .await
            .map_err(failed)?;
        let (id, taken_at) = catalog::export(&mut connection).await.map_err(failed)?;
        let chosen = Chosen::of(&mut connection, target, only).await?;
        let mut tables = chosen.keep(catalog::tables(&mut connection).await.map_err(failed)?);
        for table in &mut tables {
            if let Some(&bytes) = sizes.get(&table.id) {
                table.bytes = bytes;
            }
        }
        let mut left_out = catalog::left_out(&mut connection, chosen.relations())
            .await
            .map_err(failed)?;
        let migration = crate::migration::newest(target, &mut connection).await?;
        let needs = needs::of(&mut connection, &chosen).await.map_err(failed)?;
        let (large_objects, arguments) = match chosen {
            Chosen::All => {
                let count = catalog::large_objects(&mut connection).await.map_err(failed)?;
                (count, Vec::new())
            }
            Chosen::Parts { arguments, note, .. } => {
                let needed = needs.as_deref().and_then(needs::note);
                left_out.splice(0..0, std::iter::once(note).chain(needed));
                (0, arguments)
            }
        };
        // Before pg_dump reads any.
        let sequences = match exact {
            true => Some(inventory::stand(&mut connection).await.map_err(failed)?),
            false => None,
        };
        Ok(Self {
            connection,
            target: target.clone(),
            id,
            taken_at,
            tables,
            left_out,
            migration,
            large_objects,
            arguments,
            needs,
            sequences,
        })
    }

    /// Counts the rows of each table, and hashes them when the inventory is wanted, and ends the transaction, with `shared` not before pg_dump
    /// has read everything, because its connections take the snapshot one after the other. Waits until `reads` says
    /// that pg_dump holds its locks: then nothing can be truncated or dropped under the count. A table is `None` when another
    /// session is waiting to change it (asking for its lock would wait for that session, and that session waits for
    /// pg_dump), and when the server has no room for one lock more.
    ///
    /// # Errors
    /// The managed database's.
    pub(super) async fn count(
        mut self,
        mut reads: watch::Receiver<Reads>,
        shared: bool,
        flow: &Flow,
    ) -> Result<Counted> {
        if reads.wait_for(|&reads| reads >= Reads::Locked).await.is_err() {
            // pg_dump failed before it had its locks. It says why; whoever waits for both hears that and not this.
            return std::future::pending().await;
        }
        let target = self.target;
        let failed = |source| target.error(source);
        let how = match &self.sequences {
            Some(_) => {
                inventory::settle(&mut self.connection).await.map_err(failed)?;
                How::Exactly(inventory::columns(&mut self.connection).await.map_err(failed)?)
            }
            None => {
                // Planning a count evaluates expressions of indexes and the like. Where those are others', rows are counted as
                // they are copied out, which plans nothing.
                let ids: Vec<Oid> = self.tables.iter().filter_map(TableRow::oid).collect();
                let others = look::distrusted(&mut self.connection, &ids)
                    .await
                    .map_err(failed)?;
                How::Rows(others.into_iter().map(|(table, _)| table).collect())
            }
        };
        let mut contents = Vec::with_capacity(self.tables.len());
        for batch in self.tables.chunks(AT_ONCE) {
            match count_all(&mut self.connection, &target, batch, &how, flow).await? {
                Some(counted) => contents.extend(counted.into_iter().map(Some)),
                None => {
                    for table in batch {
                        let one = std::slice::from_ref(table);
                        let one = count_all(&mut self.connection, &target, one, &how, flow).await?;
                        contents.push(one.and_then(|one| one.first().copied()));
                    }
                }
            }
        }
        let inventory = match &how {
            How::Exactly(columns) => {
                let tables = self
                    .tables
                    .iter()
                    .zip(&contents)
                    .map(|(table, content)| content.map(|content| columns.with(table, content)))
                    .collect::<Option<Vec<_>>>();
                Some(match tables {
                    Some(tables) => rest(&mut self.connection, tables).await.map_err(failed)?,
                    None => Err("other sessions were waiting to change tables".to_owned()),
                })
            }
            How::Rows(_) => None,
        };
        if shared {
            // One that fails says so itself.
            reads.wait_for(|&reads| reads == Reads::Over).await.ok();
        }
        self.connection.execute("commit").await.map_err(failed)?;
        self.connection.close().await.map_err(failed)?;
        Ok(Counted {
            rows: contents
                .into_iter()
                .map(|content| content.map(|content| content.count))
                .collect(),
            inventory,
        })
    }
}

/// How rows are counted.
enum How {
    /// By number and hash.
    Exactly(inventory::Columns),
    /// By number alone; these are copied out for it.
    Rows(HashSet<Oid>),
}

/// All of an inventory but its tables and sequences. What the server refuses takes only the inventory away, not the backup; in words why.
async fn rest(
    connection: &mut PgConnection,
    tables: Vec<inventory::TableContent>,
) -> Result<std::result::Result<Inventory, String>, sqlx::Error> {
    // A view's definition is asked for under a lock, and who waits to change its tables comes first.
    connection
        .execute("savepoint before_inventory; set local lock_timeout = '3s'")
        .await?;
    match Inventory::of(connection, tables).await {
        Ok(inventory) => Ok(Ok(inventory)),
        Err(sqlx::Error::Database(error)) => {
            connection
                .execute("rollback to savepoint before_inventory")
                .await?;
            Ok(Err(format!("the server said: {}", error.message())))
        }
        Err(error) => Err(error),
    }
}

/// Counts rows as they come: in COPY's text each ends with a line break, and those of values are written `\n`.
async fn copied(connection: &mut PgConnection, copy: &str) -> Result<i64, sqlx::Error> {
    let mut stream = connection.copy_out_raw(copy).await?;
    let mut rows = 0;
    while let Some(bytes) = stream.try_next().await? {
        rows += bytes.iter().filter(|byte| **byte == b'\n').count() as i64;
    }
    Ok(rows)
}

/// Counts the rows of all these tables, or of none when their locks cannot be had at once. It holds none of them
/// afterwards: pg_dump holds its own, and the server's lock table has room for one set where it has none for two.
async fn count_all(
    connection: &mut PgConnection,
    target: &Target,
    tables: &[TableRow],
    how: &How,
    flow: &Flow,
) -> Result<Option<Vec<Content>>> {
    let failed = |source| target.error(source);
    connection
        .execute("savepoint before_lock")
        .await
        .map_err(failed)?;
    let mut rows = Vec::with_capacity(tables.len());
    let mut refused = lock(connection, tables).await.err().map(|source| (source, None));
    if refused.is_none() {
        for table in tables {
            let name = quote::qualified(&table.schema, &table.name);
            let (count, counted) = match how {
                How::Exactly(columns) => {
                    let copy = columns.copy(table);
                    let counted = inventory::content(&mut *connection, &copy, |_| flow.count()).await;
                    (copy, counted)
                }
                How::Rows(others) if table.oid().is_none_or(|oid| others.contains(&oid)) => {
                    let copy = format!("copy {name} to stdout");
                    let counted = copied(&mut *connection, &copy).await.map(Content::of);
                    (copy, counted)
                }
                How::Rows(_) => {
                    let count = format!("select count(*) from only {name}");
                    let counted = query_scalar(AssertSqlSafe(count.clone()))
                        .fetch_one(&mut *connection)
                        .await
                        .map(Content::of);
                    (count, counted)
                }
            };
            match counted {
                Ok(counted) => rows.push(counted),
                Err(source) => {
                    refused = Some((source, Some(count)));
                    break;
                }
            }
        }
    }
    match refused {
        // The lock is not free, or the lock table is full.
        Some((sqlx::Error::Database(error), _))
            if matches!(error.code().as_deref(), Some("55P03" | "53200")) => {}
        Some((source, Some(count))) => return Err(target.error_at(source, &count)),
        Some((source, None)) => return Err(failed(source)),
        None => {
            release(connection).await.map_err(failed)?;
            return Ok(Some(rows));
        }
    }
    release(connection).await.map_err(failed)?;
    Ok(None)
}

/// Gives back the locks that were taken since the savepoint.
async fn release(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection
        .execute("rollback to savepoint before_lock; release savepoint before_lock")
        .await?;
    Ok(())
}

/// Makes the session fit for hours: no timeout ends it, row security fails instead of hiding rows, counting leaves the
/// other processors to pg_dump, and the server notices when the console is gone.
async fn settle(connection: &mut PgConnection, version_num: i32) -> Result<(), sqlx::Error> {
    connection
        .execute(
            "set statement_timeout = 0;
             set lock_timeout = 0;
             set idle_in_transaction_session_timeout = 0;
             set row_security = off;
             set max_parallel_workers_per_gather = 0",
        )
        .await?;
    if version_num >= 170_000 {
        connection.execute("set transaction_timeout = 0").await?;
    }
    // Some systems cannot watch a connection; there the setting is refused and the clean-up ends the session.
    connection
        .execute("set client_connection_check_interval = '2s'")
        .await
        .ok();
    Ok(())
}

/// Takes the locks of all these tables, without waiting.
async fn lock(connection: &mut PgConnection, tables: &[TableRow]) -> Result<(), sqlx::Error> {
    let names: Vec<String> = tables
        .iter()
        .map(|table| format!("only {}", quote::qualified(&table.schema, &table.name)))
        .collect();
    let lock = format!("lock table {} in access share mode nowait", names.join(", "));
    connection.execute(AssertSqlSafe(lock)).await?;
    Ok(())
}
