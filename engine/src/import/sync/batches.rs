//! Which tables are brought over together. Every table takes locks until the end of its transaction, and a server has room
//! for so many.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contract::format;
use sqlx::PgConnection;

use super::{
    super::{load::Load, plan::Plan},
    compare::Changed,
    others::Foreign,
};
use crate::{Error, Result};

/// The most tables of a transaction, when rules do not tie more of them together.
const TOGETHER: usize = 100;
/// Locks that a table takes: itself, its indexes, what it keeps long values in, the staged rows, and its rules.
const LOCKS: i64 = 16;

/// The changed tables, by place, in batches.
pub(super) fn batches(plan: &Plan, changed: &[Changed], foreign: &[Foreign]) -> Vec<BTreeSet<usize>> {
    let rules = plan
        .steps
        .iter()
        .filter(|step| step.undo.is_some())
        .filter_map(|step| Some((step.table?, step.other?)));
    let others = foreign.iter().filter_map(|key| Some((key.own?, key.parent)));
    pack(changed.iter().map(|table| table.place), rules.chain(others))
}

/// Puts what is tied together into one batch, and fills batches up.
fn pack(
    places: impl Iterator<Item = usize>,
    ties: impl Iterator<Item = (usize, usize)>,
) -> Vec<BTreeSet<usize>> {
    // Each place points to another one of its group, or to itself.
    let mut group: HashMap<usize, usize> = places.map(|place| (place, place)).collect();
    fn head(group: &HashMap<usize, usize>, mut place: usize) -> usize {
        while group[&place] != place {
            place = group[&place];
        }
        place
    }
    for (one, other) in ties {
        if group.contains_key(&one) && group.contains_key(&other) {
            let (one, other) = (head(&group, one), head(&group, other));
            group.insert(one.max(other), one.min(other));
        }
    }
    let mut groups: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for place in group.keys() {
        groups.entry(head(&group, *place)).or_default().insert(*place);
    }
    let mut batches: Vec<BTreeSet<usize>> = Vec::new();
    for group in groups.into_values() {
        match batches.last_mut() {
            Some(batch) if batch.len() + group.len() <= TOGETHER => batch.extend(group),
            _ => batches.push(group),
        }
    }
    batches
}

/// Refuses when a batch needs more locks than the server has.
///
/// # Errors
/// A conflict that names the setting.
pub(super) async fn room(load: &Load, session: &mut PgConnection, batches: &[BTreeSet<usize>]) -> Result<()> {
    let most = batches.iter().map(BTreeSet::len).max().unwrap_or_default();
    if most <= TOGETHER {
        return Ok(());
    }
    let (each, sessions): (i64, i64) = sqlx::query_as(
        "select current_setting('max_locks_per_transaction')::bigint,
                current_setting('max_connections')::bigint
                + current_setting('max_prepared_transactions')::bigint",
    )
    .fetch_one(session)
    .await
    .map_err(|source| load.target.error(source))?;
    let needed = most as i64 * LOCKS;
    if needed <= each * sessions {
        return Ok(());
    }
    Err(Error::conflict(
        format!(
            "{} tables that foreign keys tie together have changed, and bringing them over at once takes about {} locks; the server has room for {}.",
            format::exact(most as i64),
            format::exact(needed),
            format::exact(each * sessions)
        ),
        format!(
            "Set max_locks_per_transaction to {} and restart the server, or import the file anew.",
            needed / sessions.max(1) + 1
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_are_tied_together_are_brought_over_together() {
        let batches = pack(0..250, [(0, 249), (249, 120), (300, 5)].into_iter());
        assert!(batches[0].is_superset(&BTreeSet::from([0, 120, 249])));
        let sizes: Vec<usize> = batches.iter().map(BTreeSet::len).collect();
        assert_eq!(sizes, [100, 100, 50]);
        // A group that is larger than a batch stays whole.
        let all = pack(0..250, (1..250).map(|place| (place, 0)));
        assert_eq!(all.len(), 1);
        assert_eq!(
            pack([3, 7].into_iter(), std::iter::empty()),
            [BTreeSet::from([3, 7])]
        );
        assert!(pack(std::iter::empty(), std::iter::empty()).is_empty());
    }
}
