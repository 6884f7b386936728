//! What changed in the file since it was loaded.

use std::sync::Arc;

use super::super::{
    check,
    load::{
        Done, Load,
        read::{Range, Sink, read},
    },
    plan::{IdentityPlan, words},
    schema,
    wire::{RowHasher, Sum},
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
pub(super) async fn compare(load: &Arc<Load>, done: &Done) -> Result<(Vec<Changed>, Vec<i64>)> {
    let (mut changed, mut counts) = (Vec::new(), Vec::new());
    let places: Vec<usize> = (0..load.plan.tables.len()).collect();
    let streams = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(1, 4);
    let next = Arc::new(std::sync::Mutex::new(
        places
            .iter()
            .flat_map(|place| (0..load.plan.tables[*place].parts()).map(|part| (*place, part)))
            .collect::<Vec<_>>()
            .into_iter(),
    ));
    let threads = (0..streams).map(|_| {
        let (load, next) = (Arc::clone(load), Arc::clone(&next));
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
                let table = &load.plan.tables[place];
                let mut adding = Adding {
                    hasher: RowHasher::new(&table.types()),
                    sum: Sum::default(),
                };
                read(
                    &connection,
                    &load.source.name,
                    table,
                    Range::part(table, part),
                    &load.stop,
                    &mut adding,
                )?;
                found.push((place, part, adding.sum));
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
    for place in places {
        let of = || sums.iter().filter(move |(it, ..)| *it == place);
        let parts: Vec<(usize, Sum)> = of()
            .filter(|(place, part, sum)| {
                done.parts
                    .get(&(*place as i32, *part as i32))
                    .is_none_or(|before| (before.sent.rows, before.sent.hash) != (sum.rows, sum.hash))
            })
            .map(|(_, part, sum)| (*part, *sum))
            .collect();
        counts.push(of().map(|(.., sum)| sum.rows).sum());
        if !parts.is_empty() {
            changed.push(Changed { place, parts });
        }
    }
    Ok((changed, counts))
}

struct Adding {
    hasher: RowHasher,
    sum: Sum,
}

impl Sink for Adding {
    fn row(&mut self, fields: &[u8], _sent: usize) -> Result<()> {
        let hash = self.hasher.hash(fields);
        self.sum.add(hash, fields.len());
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
        let connection = reading.source.connect()?;
        reading.stop.watch(&connection);
        let tables =
            schema::tables(&connection).map_err(|error| Error::internal("reading foreign keys", error))?;
        let mut found = Vec::new();
        for mut table in tables {
            check::orphans(&connection, &table.name, &mut table.foreign_keys, &reading.stop)?;
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
