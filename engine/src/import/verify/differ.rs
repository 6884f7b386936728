//! Which rows differ: found by comparing sums of buckets of rows on both sides, then the rows of the buckets that differ.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use contract::import::{Difference, Side};
use sqlite::wire::{Fields, RowHasher};

use super::{each_row, types};
use crate::{
    Error, Result,
    import::{
        load::{
            Load,
            read::{Range, Sink, read},
        },
        plan::TablePlan,
        show,
    },
};

/// Buckets. The sums and numbers of all take 4 MB, and a bucket of a table with 250 million rows can be kept.
const BUCKETS: usize = 1 << 17;
/// Rows that are kept of each side.
const KEPT: usize = 2_000;
/// Bytes that are kept of a row: enough for its key, and for most rows whole.
const LONGEST: usize = 8 * 1024;
/// Differences that are named.
const NAMED: usize = 20;

fn bucket(hash: u128) -> usize {
    (hash >> 111) as usize
}

/// The rows of one bucket: what is left when those of one side are taken from those of the other, and how many each has.
#[derive(Clone, Copy, Default)]
struct Bucket {
    left: u128,
    file: u32,
    database: u32,
}

/// Rows by their hashes, with how often each is there.
type Kept = HashMap<u128, (Vec<u8>, u32)>;

/// Names the first rows that differ between the file and a table.
pub(super) async fn find(load: &Arc<Load>, place: usize) -> Result<Vec<Difference>> {
    let plan = Arc::clone(&load.plan);
    let table = &plan.tables[place];
    let mut session = load.stream().await?.into_session();
    // First which buckets differ …
    let mut buckets = vec![Bucket::default(); BUCKETS];
    let mut hasher = RowHasher::new(&types(table));
    each_row(load, &mut session, table, None, |row| {
        let hash = hasher.hash(row);
        let bucket = &mut buckets[bucket(hash)];
        bucket.left = bucket.left.wrapping_sub(hash);
        bucket.database = bucket.database.saturating_add(1);
    })
    .await?;
    let buckets = from_file(load, place, buckets, |buckets, hash, _| {
        let bucket = &mut buckets[bucket(hash)];
        bucket.left = bucket.left.wrapping_add(hash);
        bucket.file = bucket.file.saturating_add(1);
    })
    .await?;
    // … then the rows of those that can be kept whole on both sides: of a part of a bucket, equal rows would seem to differ.
    let chosen = Arc::new(choose(&buckets, KEPT));
    drop(buckets);
    let mut back = Kept::new();
    each_row(load, &mut session, table, None, |row| {
        keep(&mut back, &chosen, hasher.hash(row), row);
    })
    .await?;
    let wanted = Arc::clone(&chosen);
    let sent = from_file(load, place, Kept::new(), move |kept, hash, row| {
        keep(kept, &wanted, hash, row);
    })
    .await?;
    Ok(compare(table, &sent, &back))
}

/// Buckets that differ, as many as have no more rows on either side than can be kept.
fn choose(buckets: &[Bucket], most: usize) -> HashSet<usize> {
    let (mut file, mut database) = (0, 0);
    let mut chosen = HashSet::new();
    for (at, bucket) in buckets.iter().enumerate() {
        let (more, back) = (file + bucket.file as usize, database + bucket.database as usize);
        let differs = bucket.left != 0 || bucket.file != bucket.database;
        if differs && more <= most && back <= most {
            (file, database) = (more, back);
            chosen.insert(at);
        }
    }
    chosen
}

fn keep(kept: &mut Kept, chosen: &HashSet<usize>, hash: u128, row: &[u8]) {
    if chosen.contains(&bucket(hash)) {
        kept.entry(hash)
            .or_insert_with(|| (row[..row.len().min(LONGEST)].to_vec(), 0))
            .1 += 1;
    }
}

/// The rows that one side has more often than the other.
fn compare(table: &TablePlan, sent: &Kept, back: &Kept) -> Vec<Difference> {
    let only = |one: &Kept, other: &Kept| -> BTreeMap<String, Vec<u8>> {
        let more = |(hash, (_, count)): &(&u128, &(Vec<u8>, u32))| {
            *count > other.get(*hash).map_or(0, |(_, count)| *count)
        };
        one.iter()
            .filter(more)
            .map(|(_, (row, _))| (show::key(table, row), row.clone()))
            .collect()
    };
    let (file, mut database) = (only(sent, back), only(back, sent));
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
    found
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_buckets_are_chosen_that_fit_whole_on_both_sides() {
        let bucket = |left, file, database| Bucket { left, file, database };
        let buckets = [
            bucket(1, 5, 4),
            bucket(0, 90, 90),
            bucket(2, 2, 7),
            bucket(3, 4, 4),
            bucket(4, 1, 0),
        ];
        assert_eq!(choose(&buckets, 10), HashSet::from([0, 3, 4]));
        assert_eq!(choose(&buckets, 3), HashSet::from([4]));
        assert!(choose(&[bucket(1, 50, 50)], 10).is_empty());
    }
}
