//! Bringing over what changed in the file since it was loaded, in one transaction.
//!
//! Each part of a table is read again and its hash compared with the one in the ledger. Of a table with parts that differ,
//! rows whose key the file has not any more go; then rows of those parts that changed or are new come in by their key. A
//! table without a key is loaded anew when anything in it changed.

mod apply;
mod compare;

use std::sync::Arc;

use contract::{format, import::Destination, jobs::Phase};

use self::{
    apply::apply,
    compare::{compare, identities, orphans},
};
use super::{
    inspect::Inspected,
    load::{Done, Load, Watch},
    plan::Plan,
    schema, store,
};
use crate::{Error, Result};

/// Brings over what changed; gives the load with its plan as it is now, and what is in the ledger then.
///
/// # Errors
/// A conflict when tables or columns changed; what the server said. Nothing is changed then.
pub(super) async fn run(load: &Arc<Load>, inspected: &Inspected) -> Result<(Arc<Load>, Done)> {
    let failed = |source| load.target.error(source);
    if load.plan.into == Destination::Existing {
        return Err(Error::conflict(
            "Rows that went into existing tables are not followed.",
            "Import the file again with upsert: rows that changed get the new values.",
        ));
    }
    same_schema(load, inspected)?;
    let mut stream = load.stream().await?.into_session();
    let done = load
        .ledger
        .read(&mut stream)
        .await
        .map_err(failed)?
        .ok_or_else(|| {
            Error::conflict(
                "This import is not followed: what it would compare with is not in the target any more.",
                "Import the file again, with following switched on.",
            )
        })?;
    load.context
        .phase(Phase::Inspecting, Some("comparing with the file".to_owned()));
    let (changed, counts) = compare(load, &done).await?;
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
    apply(load, &mut stream, &changed, &identities).await?;
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
    store::set_plan(load.context.engine.store(), load.ledger.import(), &plan).await?;
    let done = load
        .ledger
        .read(&mut stream)
        .await
        .map_err(failed)?
        .ok_or_else(|| super::load::lost_ledger(&plan.schema))?;
    Ok((with_plan(load, plan), done))
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

/// Tables and columns must be those that were loaded.
fn same_schema(load: &Load, inspected: &Inspected) -> Result<()> {
    let unreadable = |error: rusqlite::Error| {
        Error::invalid(
            "file",
            format!(
                "The list of tables of {} cannot be read: {error}.",
                load.source.name
            ),
            "Take another copy of the file.",
        )
    };
    let now = schema::tables(&load.source.connect()?).map_err(unreadable)?;
    let now: Vec<(&str, Option<&str>)> = now
        .iter()
        .map(|table| (table.name.as_str(), table.sql.as_deref()))
        .collect();
    let then: Vec<(&str, Option<&str>)> = inspected
        .inspection
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.sql.as_deref()))
        .collect();
    if now == then {
        return Ok(());
    }
    let other = now
        .iter()
        .find(|table| !then.contains(table))
        .or_else(|| then.iter().find(|table| !now.contains(table)))
        .map_or("the order of tables", |(name, _)| name);
    Err(Error::conflict(
        format!(
            "{} has another schema than when it was loaded: {other} changed.",
            load.source.name
        ),
        "Import the file anew: into another schema, or after dropping the tables.",
    ))
}
