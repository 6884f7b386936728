//! Bringing over what changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use contract::{format, jobs::Waiting};
use sqlx::PgConnection;

use super::{
    super::{
        load::{Load, Part, SESSION},
        plan::IdentityPlan,
    },
    batches::{batches, room},
    compare::Changed,
    others::{Foreign, Going, foreign, refuse},
    rules,
    stage::{Staged, stage, tell},
};
use crate::{
    Error, Result, quote,
    target::worker::{LOCK_TIMEOUT, Stopped, TRIES, Worker},
};

/// Tables that changed, in as few transactions as the server has locks for; tables that rules tie together in one. Gives
/// the session, and rules that could not be given back, by the place of their step.
///
/// # Errors
/// A conflict that says what stands in the way; what the server said. What is in an open transaction is not changed then.
pub(super) async fn apply(
    load: &Arc<Load>,
    changed: &[Changed],
    identities: &[(usize, IdentityPlan)],
) -> Result<(Worker, BTreeMap<usize, String>)> {
    let connecting = Worker::connect(&load.target, SESSION, load.context.id);
    let mut worker = load.context.unless_cancelled(connecting).await?;
    let quiet = "set client_min_messages = error; set max_parallel_maintenance_workers = 0";
    tell(load, worker.session(), quiet).await?;
    let foreign = foreign(load, worker.session()).await?;
    let batches = batches(&load.plan, changed, &foreign);
    room(load, worker.session(), &batches).await?;
    // Triggers of tables that are there were written for the users' search path.
    worker
        .as_users()
        .await
        .map_err(|source| load.target.error(source))?;
    let mut lost = BTreeMap::new();
    let mut staged = Vec::new();
    let staging = async {
        for table in changed {
            staged.push(stage(load, worker.session(), table).await?);
        }
        // What was read while someone wrote is neither the old state nor the new one.
        load.source.unchanged()?;
        for table in &staged {
            refuse(load, worker.session(), &foreign, table, Going::Changed).await?;
        }
        Ok(())
    };
    load.context.unless_cancelled(staging).await?;
    for batch in batches {
        let tables: Vec<(&Changed, &Staged)> = changed
            .iter()
            .zip(&staged)
            .filter(|(table, _)| batch.contains(&table.place))
            .collect();
        lost.extend(bring_over(load, &mut worker, &tables, &foreign).await?);
        for (_, staged) in tables {
            staged.drop(load, worker.session()).await?;
        }
    }
    for (place, identity) in identities {
        load.context.check()?;
        restart(load, worker.session(), *place, identity).await?;
    }
    Ok((worker, lost))
}

/// Brings tables over in one transaction with their notes in the ledger. Locks are taken at once and first, each waited
/// for a short time only; what takes long was done before.
async fn bring_over(
    load: &Arc<Load>,
    worker: &mut Worker,
    tables: &[(&Changed, &Staged)],
    foreign: &[Foreign],
) -> Result<BTreeMap<usize, String>> {
    let plan = &load.plan;
    let places: Vec<usize> = tables.iter().map(|(table, _)| table.place).collect();
    let rules = rules::over(plan, &places);
    // Keys that others made between tables of the import are rules too.
    let ties: Vec<&Foreign> = foreign
        .iter()
        .filter(|key| {
            let ends = [key.own, Some(key.parent)];
            key.own.is_some() && ends.iter().flatten().any(|place| places.contains(place))
        })
        .collect();
    let mut locked: BTreeSet<usize> = places.iter().copied().collect();
    locked.extend(
        rules
            .iter()
            .flat_map(|(_, step)| [step.table, step.other])
            .flatten(),
    );
    locked.extend(ties.iter().flat_map(|key| [key.own, Some(key.parent)]).flatten());
    let names: Vec<String> = locked
        .iter()
        .map(|place| {
            format!(
                "only {}",
                quote::qualified(&plan.schema, &plan.tables[*place].name)
            )
        })
        .collect();
    // Nobody can make a new row that refers to one of these, or write to them; reading goes on.
    let mut first = vec![format!("lock table {} in exclusive mode", names.join(", "))];
    first.extend(rules.iter().filter_map(|(_, step)| step.undo.clone()));
    first.extend(ties.iter().map(|key| {
        format!(
            "alter table {} drop constraint {}",
            key.table,
            quote::ident(&key.name)
        )
    }));
    begin(load, worker, &first.join("; ")).await?;
    let mut triggers = Vec::new();
    for (_, staged) in tables {
        for (trigger, always) in rules::triggers(load, worker.session(), &staged.name).await? {
            let trigger = format!("trigger {}", quote::ident(&trigger));
            // The file's own triggers have had their say in the file.
            run(
                load,
                worker,
                &format!("alter table {} disable {trigger}", staged.name),
            )
            .await?;
            let how = if always { "enable always" } else { "enable" };
            triggers.push(format!("alter table {} {how} {trigger}", staged.name));
        }
    }
    for (changed, staged) in tables {
        refuse(load, worker.session(), foreign, staged, Going::Changed).await?;
        rows(load, worker, foreign, staged).await?;
        for (part, sum) in &changed.parts {
            let done = Part {
                sent: *sum,
                ..Part::default()
            };
            load.ledger
                .reloaded(worker.session(), changed.place, *part, &done)
                .await
                .map_err(|source| load.target.error(source))?;
        }
    }
    // A table with checks that wait for the end cannot be altered.
    run(load, worker, "set constraints all immediate").await?;
    for sql in &triggers {
        run(load, worker, sql).await?;
    }
    let mut lost = BTreeMap::new();
    for (place, step) in rules {
        if let Some(why) = rules::give_back(load, worker, step).await? {
            lost.insert(place, why);
        }
    }
    for key in ties {
        let sql = format!(
            "alter table {} add constraint {} {}",
            key.table,
            quote::ident(&key.name),
            key.definition
        );
        run(load, worker, &sql).await?;
    }
    load.source.unchanged()?;
    worker
        .commit()
        .await
        .map_err(|source| load.target.error(source))?;
    Ok(lost)
}

/// Brings one table to what the file has. A row whose key stays is changed in place, so that rows that refer to it stay as
/// they are. What is gone goes first, so that values that must be unique are free when they come again.
async fn rows(load: &Load, worker: &mut Worker, foreign: &[Foreign], staged: &Staged) -> Result<()> {
    load.context.check()?;
    let Staged {
        name,
        rows,
        gone,
        differs,
        columns,
        ..
    } = staged;
    run(load, worker, &format!("delete from only {name} t where {gone}")).await?;
    let list = columns.join(", ");
    let insert = format!("insert into {name} ({list}) overriding system value select {list} from {rows} s");
    let Some(same) = &staged.same else {
        return run(load, worker, &insert).await;
    };
    let sets: Vec<String> = columns
        .iter()
        .map(|column| format!("{column} = s.{column}"))
        .collect();
    let update = format!(
        "update only {name} t set {} from {rows} s where {same} and {differs}",
        sets.join(", ")
    );
    run(load, worker, "savepoint pgsteward").await?;
    let updated = worker
        .run(&load.context, &update, |live| show(load, live.waiting))
        .await;
    match updated {
        Ok(()) => run(load, worker, "release savepoint pgsteward").await?,
        // Values that must be unique change places.
        Err(stopped) if stopped.sqlstate().as_deref() == Some("23505") => {
            run(load, worker, "rollback to savepoint pgsteward").await?;
            refuse(load, worker.session(), foreign, staged, Going::Replaced).await?;
            let replaced = format!("delete from only {name} t using {rows} s where {same} and {differs}");
            run(load, worker, &replaced).await?;
        }
        Err(stopped) => return Err(stopped.into_error(&load.target, &update)),
    }
    let new = format!("{insert} where not exists (select from only {name} t where {same})");
    run(load, worker, &new).await
}

/// Begins a transaction with statements that take locks.
async fn begin(load: &Load, worker: &mut Worker, sql: &str) -> Result<()> {
    let mut holder: Option<Waiting> = None;
    let begun = worker
        .begin(&load.context, sql, |live| {
            holder = live.waiting.clone().or(holder.take());
            show(load, live.waiting);
        })
        .await;
    show(load, None);
    let Err(stopped) = begun else { return Ok(()) };
    Err(match stopped.sqlstate().as_deref() {
        Some("55P03" | "40P01") => held(load, holder),
        _ => stopped.into_error(&load.target, sql),
    })
}

fn held(load: &Load, holder: Option<Waiting>) -> Error {
    let by = holder.map_or_else(
        || "another session".to_owned(),
        |held| format!("the session with pid {} ({})", held.pid, held.who),
    );
    Error::conflict(
        format!(
            "What changed in {} could not be brought over: {by} keeps a table of it locked. It was tried {TRIES} times, for {} each.",
            load.source.name,
            format::duration(i64::try_from(LOCK_TIMEOUT.as_millis()).unwrap_or(i64::MAX))
        ),
        "End that session's transaction, or wait for it; then run it again.",
    )
}

fn show(load: &Load, waiting: Option<Waiting>) {
    load.context.progress(|progress| progress.waiting = waiting);
}

/// Runs a statement of the open transaction.
pub(super) async fn run(load: &Load, worker: &mut Worker, sql: &str) -> Result<()> {
    let ran: Result<(), Stopped> = worker
        .run(&load.context, sql, |live| show(load, live.waiting))
        .await;
    ran.map_err(|stopped| stopped.into_error(&load.target, sql))
}

async fn restart(
    load: &Load,
    session: &mut PgConnection,
    place: usize,
    identity: &IdentityPlan,
) -> Result<()> {
    let (value, called) = match identity.next {
        Some(next) => (next, false),
        None => (i64::MAX, true),
    };
    let table = quote::qualified(&load.plan.schema, &load.plan.tables[place].name);
    let sql = format!(
        "select setval(pg_get_serial_sequence({}, {}), {value}, {called})",
        quote::literal(&table),
        quote::literal(&identity.column)
    );
    tell(load, session, &sql).await
}
