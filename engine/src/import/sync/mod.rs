//! Bringing over what changed in the file since it was loaded.
//!
//! Each part of a table is read again and its hash compared with the one in the ledger. Of a table with parts that differ,
//! rows whose key the file has not any more go, those that changed are changed in place, and new ones come in. A table
//! without a key is loaded anew when anything in it changed. The rows are read into temporary tables first; locks are taken
//! when all is read, and rules that bind rows are looked at for all rows when others can write again.

mod apply;
mod batches;
mod compare;
mod drift;
mod known;
mod others;
mod rules;
mod stage;

use std::{path::Path, sync::Arc};

use contract::{format, import::Destination, jobs::Phase};
use sqlite::inspect::Inspected;
use sqlx::PgConnection;
use uuid::Uuid;

use self::{
    apply::apply,
    compare::{compare, identities, orphans},
};
use super::{
    load::{Done, Load, Watch, nothing_to_note},
    plan::Plan,
    store,
};
use crate::{Error, Result};

/// Brings over what changed; gives the load with its plan as it is now, and what is in the ledger then. `newer` is the upload
/// that is read instead of the one before, and its file: from the first change on, it is the one that is followed.
///
/// # Errors
/// A conflict when tables or columns changed; what the server said. Nothing is changed then.
pub(super) async fn run(
    load: &Arc<Load>,
    inspected: &Inspected,
    newer: Option<(Uuid, &Path)>,
) -> Result<(Arc<Load>, Done)> {
    let failed = |source| load.target.error(source);
    if load.plan.into == Destination::Existing {
        return Err(Error::conflict(
            "Rows that went into existing tables are not followed.",
            "Import the file again with upsert: rows that changed get the new values.",
        ));
    }
    let mut stream = load.stream().await?.into_session();
    let done = load.ledger.read(&mut stream).await.map_err(failed)?;
    let gone = load.gone(&mut stream).await?;
    let Some(done) = done.or_else(|| nothing_to_note(&load.plan)) else {
        return Err(followed_no_longer(load, &mut stream, "what it would compare with is").await?);
    };
    match gone.len() {
        0 => {}
        all if all == load.plan.tables.len() => {
            return Err(followed_no_longer(load, &mut stream, "its tables are").await?);
        }
        _ => {
            return Err(Error::conflict(
                format!(
                    "Tables that the import had made are not in the target any more: {}.",
                    gone.join(", ")
                ),
                format!("Give them back as they were; or {ANEW}"),
            ));
        }
    }
    let drifted = drift::look(load, inspected)?;
    load.context
        .phase(Phase::Inspecting, Some("comparing with the file".to_owned()));
    let (changed, counts) = compare(load, &inspected.inspection, &done).await?;
    load.source.unchanged()?;
    let rows: i64 = changed
        .iter()
        .flat_map(|table| &table.parts)
        .map(|(_, sum)| sum.rows)
        .sum();
    load.context.info(format!(
        "{} tables changed; {} rows lie in parts that differ.",
        changed.len(),
        format::exact(rows)
    ));
    let mut plan = (*load.plan).clone();
    let identities = identities(load)?;
    let orphans = orphans(load).await?;
    load.context
        .phase(Phase::Loading, Some("bringing over what changed".to_owned()));
    if let Some((upload, path)) = newer {
        let (store, import) = (load.context.engine.store(), load.ledger.import());
        store::set_upload(store, import, upload, &path.to_string_lossy()).await?;
    }
    let (mut worker, lost) = apply(load, &changed, &identities).await?;
    load.context
        .phase(Phase::Loading, Some("looking at keys and checks".to_owned()));
    rules::validate(load, &mut worker, &orphans).await?;
    for (table, rows) in plan.tables.iter_mut().zip(counts) {
        table.rows = rows;
    }
    for (step, count) in orphans {
        if let Some(key) = &mut plan.steps[step].foreign_key {
            key.orphans = count;
        }
    }
    for (place, identity) in identities {
        plan.tables[place].identity = Some(identity);
    }
    let mut done = load
        .ledger
        .read(&mut stream)
        .await
        .map_err(failed)?
        .or_else(|| nothing_to_note(&plan))
        .ok_or_else(|| super::load::lost_ledger(&plan.schema))?;
    rules::settle(load, worker.session(), &lost, &mut plan, &mut done).await?;
    worker.close().await;
    store::set_plan(load.context.engine.store(), load.ledger.import(), &plan).await?;
    // Told as they are now, and found again by the next run.
    plan.items.extend(drifted);
    Ok((with_plan(load, plan), done))
}

/// How an import that is followed is begun anew.
pub(super) const ANEW: &str = "end the following (pgsteward import sqlite FILE --discard, which leaves the tables), drop what is left of the tables, and import anew.";

/// Nothing is left that could be followed: the same file can be imported anew.
async fn followed_no_longer(load: &Load, session: &mut PgConnection, what: &str) -> Result<Error> {
    load.ledger
        .forget(session)
        .await
        .map_err(|source| load.target.error(source))?;
    store::end_following(load.context.engine.store(), load.ledger.import(), &load.plan).await?;
    Ok(Error::conflict(
        format!("This import is followed no longer: {what} not in the target any more."),
        "Import the file again: it begins anew.",
    ))
}

fn with_plan(load: &Arc<Load>, plan: Plan) -> Arc<Load> {
    Arc::new(Load {
        context: load.context.clone(),
        target: load.target.clone(),
        watch: Arc::new(Watch::new(&plan)),
        plan: Arc::new(plan),
        source: Arc::clone(&load.source),
        stop: load.stop.clone(),
        ledger: load.ledger.clone(),
    })
}
