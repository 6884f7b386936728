//! Which rows differ: found by comparing sums of buckets of rows on both sides, then the rows of the buckets that differ.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use contract::import::{Difference, Side};

use super::{each_row, types};
use crate::{
    Error, Result,
    import::{
        load::{
            Load,
            read::{Range, Sink, read},
        },
        show,
        wire::{Fields, RowHasher},
    },
};

/// Buckets; a sum for each fits the memory of a job.
const BUCKETS: usize = 1 << 16;
/// Rows that are kept of each side.
const KEPT: usize = 2_000;
/// Bytes that are kept of a row: enough for its key, and for most rows whole.
const LONGEST: usize = 8 * 1024;
/// Differences that are named.
const NAMED: usize = 20;

fn bucket(hash: u128) -> usize {
    (hash >> 112) as usize
}

/// Names the first rows that differ between the file and a table.
pub(super) async fn find(load: &Arc<Load>, place: usize) -> Result<Vec<Difference>> {
    let plan = Arc::clone(&load.plan);
    let table = &plan.tables[place];
    let mut session = load.stream().await?.into_session();
    // First which buckets differ …
    let mut sums = vec![0_u128; BUCKETS];
    let mut hasher = RowHasher::new(&types(table));
    each_row(load, &mut session, table, None, |row| {
        let hash = hasher.hash(row);
        sums[bucket(hash)] = sums[bucket(hash)].wrapping_sub(hash);
    })
    .await?;
    let sums = from_file(load, place, sums, |sums, hash, _| {
        sums[bucket(hash)] = sums[bucket(hash)].wrapping_add(hash);
    })
    .await?;
    let differ: Arc<HashSet<usize>> = Arc::new((0..BUCKETS).filter(|at| sums[*at] != 0).collect());
    // … then their rows.
    let mut back: HashMap<u128, Vec<u8>> = HashMap::new();
    each_row(load, &mut session, table, None, |row| {
        let hash = hasher.hash(row);
        if differ.contains(&bucket(hash)) && back.len() < KEPT {
            back.insert(hash, row[..row.len().min(LONGEST)].to_vec());
        }
    })
    .await?;
    let wanted = Arc::clone(&differ);
    let sent = from_file(
        load,
        place,
        HashMap::<u128, Vec<u8>>::new(),
        move |kept, hash, row| {
            if wanted.contains(&bucket(hash)) && kept.len() < KEPT {
                kept.insert(hash, row[..row.len().min(LONGEST)].to_vec());
            }
        },
    )
    .await?;
    let only = |one: &HashMap<u128, Vec<u8>>, other: &HashMap<u128, Vec<u8>>| -> BTreeMap<String, Vec<u8>> {
        one.iter()
            .filter(|(hash, _)| !other.contains_key(hash))
            .map(|(_, row)| (show::key(table, row), row.clone()))
            .collect()
    };
    let (file, mut database) = (only(&sent, &back), only(&back, &sent));
    let mut found: Vec<Difference> = file
        .into_iter()
        .map(|(row, fields)| match database.remove(&row) {
            None => Difference {
                side: Side::File,
                row,
                columns: Vec::new(),
            },
            Some(other) => Difference {
                side: Side::Both,
                row,
                columns: Fields(&fields)
                    .zip(Fields(&other))
                    .zip(&table.columns)
                    .filter(|((one, other), _)| one != other)
                    .map(|(_, column)| column.name.clone())
                    .collect(),
            },
        })
        .collect();
    found.extend(database.into_keys().map(|row| Difference {
        side: Side::Database,
        row,
        columns: Vec::new(),
    }));
    found.truncate(NAMED);
    Ok(found)
}

/// Reads a table of the file once more and folds its rows.
async fn from_file<T: Send + 'static>(
    load: &Arc<Load>,
    place: usize,
    into: T,
    fold: impl Fn(&mut T, u128, &[u8]) + Send + 'static,
) -> Result<T> {
    let load = Arc::clone(load);
    let reading = tokio::task::spawn_blocking(move || {
        let table = &load.plan.tables[place];
        let connection = load.source.connect()?;
        load.stop.watch(&connection);
        let mut folding = Folding {
            hasher: RowHasher::new(&types(table)),
            into,
            fold,
        };
        read(
            &connection,
            &load.source.name,
            table,
            Range::ALL,
            &load.stop,
            &mut folding,
        )?;
        Ok(folding.into)
    });
    reading
        .await
        .map_err(|error| Error::internal("reading a SQLite file", error))?
}

struct Folding<T, F> {
    hasher: RowHasher,
    into: T,
    fold: F,
}

impl<T, F: Fn(&mut T, u128, &[u8])> Sink for Folding<T, F> {
    fn row(&mut self, fields: &[u8], _sent: usize) -> Result<()> {
        let hash = self.hasher.hash(fields);
        (self.fold)(&mut self.into, hash, fields);
        Ok(())
    }
}
