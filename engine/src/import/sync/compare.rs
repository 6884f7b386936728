//! What changed in the file since it was loaded.

use std::sync::Arc;

use contract::import::Inspection;
use sqlite::{
    check, schema,
    wire::{RowHasher, Sum},
};

use super::{
    super::{
        load::{
            Done, Load,
            read::{Range, Sink, read},
        },
        plan::{IdentityPlan, TablePlan, words},
    },
    known::strict,
};
use crate::{Error, Result};

/// What is new in a table.
pub(super) struct Changed {
    /// The table, by place.
    pub place: usize,
    /// Parts that differ, with what they are now.
    pub parts: Vec<(usize, Sum)>,
}

/// Reads every part again; gives the tables in which some differ, and the rows of all.
///
/// # Errors
/// A conflict for the first value of a form that the column did not have when the file was looked at.
pub(super) async fn compare(
    load: &Arc<Load>,
    inspection: &Inspection,
    done: &Done,
) -> Result<(Vec<Changed>, Vec<i64>)> {
    let tables: Vec<TablePlan> = load
        .plan
        .tables
        .iter()
        .map(|table| strict(table, inspection))
        .collect();
    let (mut changed, mut counts) = (Vec::new(), Vec::new());
    let streams = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(1, 4);
    let reads: Vec<(usize, Option<usize>)> = tables
        .iter()
        .enumerate()
        .flat_map(|(place, table)| {
            let parts = match table.rowid {
                Some(_) => (0..table.parts()).map(Some).collect(),
                // Rows that are told by their position are counted from the first one on, so all parts are read at once.
                None => vec![None],
            };
            parts.into_iter().map(move |part| (place, part))
        })
        .collect();
    let tables = Arc::new(tables);
    let next = Arc::new(std::sync::Mutex::new(reads.into_iter()));
    let threads = (0..streams).map(|_| {
        let (load, tables, next) = (Arc::clone(load), Arc::clone(&tables), Arc::clone(&next));
        tokio::task::spawn_blocking(move || -> Result<Vec<(usize, usize, Sum)>> {
            let connection = load.source.connect()?;
            load.stop.watch(&connection);
            let mut found = Vec::new();
            loop {
                let taken = next
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .next();
                let Some((place, part)) = taken else {
                    return Ok(found);
                };
                let table = &tables[place];
                let (range, cuts) = match part {
                    Some(part) => (Range::part(table, part), &[][..]),
                    None => (Range::ALL, &table.cuts[..]),
                };
                let mut adding = Adding {
                    hasher: RowHasher::new(&table.types()),
                    sums: vec![Sum::default(); cuts.len() + 1],
                    cuts,
                    rows: 0,
                    at: 0,
                };
                let name = &load.source.name;
                read(&connection, name, table, range, &load.stop, &mut adding)?;
                let sums = adding.sums.into_iter().enumerate();
                found.extend(sums.map(|(number, sum)| (place, part.unwrap_or(number), sum)));
            }
        })
    });
    let reading = async {
        let mut all = Vec::new();
        for thread in futures::future::join_all(threads).await {
            all.extend(thread.map_err(|error| Error::internal("reading a SQLite file", error))??);
        }
        Ok(all)
    };
    let mut sums = load.context.unless_cancelled(reading).await?;
    sums.sort_by_key(|(place, part, _)| (*place, *part));
    for of in sums.chunk_by(|one, other| one.0 == other.0) {
        let Some((place, ..)) = of.first().copied() else {
            continue;
        };
        let parts: Vec<(usize, Sum)> = of
            .iter()
            .filter(|(place, part, sum)| {
                done.parts
                    .get(&(*place as i32, *part as i32))
                    .is_none_or(|before| (before.sent.rows, before.sent.hash) != (sum.rows, sum.hash))
            })
            .map(|(_, part, sum)| (*part, *sum))
            .collect();
        counts.push(of.iter().map(|(.., sum)| sum.rows).sum());
        if !parts.is_empty() {
            changed.push(Changed { place, parts });
        }
    }
    Ok((changed, counts))
}

/// Adds up the rows of each part of a table.
struct Adding<'a> {
    hasher: RowHasher,
    sums: Vec<Sum>,
    /// The last rows of all parts but the last one, by position.
    cuts: &'a [i64],
    rows: i64,
    at: usize,
}

impl Sink for Adding<'_> {
    fn row(&mut self, fields: &[u8], _sent: usize) -> Result<()> {
        while self.cuts.get(self.at).is_some_and(|last| self.rows >= *last) {
            self.at += 1;
        }
        self.rows += 1;
        let hash = self.hasher.hash(fields);
        self.sums[self.at].add(hash, fields.len());
        Ok(())
    }
}

/// The numbers that come next now. They may change when no row does.
pub(super) fn identities(load: &Load) -> Result<Vec<(usize, IdentityPlan)>> {
    let now = schema::tables(&load.source.connect()?)
        .map_err(|error| Error::internal("reading identities", error))?;
    let tables = load.plan.tables.iter().enumerate();
    Ok(tables
        .filter_map(|(place, planned)| {
            let identity = planned.identity.as_ref()?;
            let next = now
                .iter()
                .find(|it| it.name == planned.source)?
                .identity
                .as_ref()?
                .next;
            Some((
                place,
                IdentityPlan {
                    column: identity.column.clone(),
                    next,
                },
            ))
        })
        .collect())
}

/// Rows without a parent now, by the place of the foreign key's step: the file need not keep its keys.
pub(super) async fn orphans(load: &Arc<Load>) -> Result<Vec<(usize, i64)>> {
    let reading = Arc::clone(load);
    let counting = tokio::task::spawn_blocking(move || -> Result<Vec<(usize, i64)>> {
        let connection = reading.source.connect_for_rules()?;
        reading.stop.watch(&connection);
        let tables =
            schema::tables(&connection).map_err(|error| Error::internal("reading foreign keys", error))?;
        let mut found = Vec::new();
        for mut table in tables {
            check::orphans(
                &connection,
                &table.name,
                table.rowid,
                &mut table.foreign_keys,
                &reading.stop,
            )?;
            for key in &table.foreign_keys {
                let words = words(&table.name, key);
                let step = reading
                    .plan
                    .steps
                    .iter()
                    .position(|step| step.foreign_key.as_ref().is_some_and(|it| it.words == words));
                found.extend(step.map(|step| (step, key.orphans.count)));
            }
        }
        Ok(found)
    });
    counting
        .await
        .map_err(|error| Error::internal("reading a SQLite file", error))?
}
