//! Bringing over what changed in the file since it was loaded, in one transaction.
//!
//! Each part of a table is read again and its hash compared with the one in the ledger. Rows of parts that differ go into
//! a staging table, from which changed and new ones are brought in by their key; when the table then has more rows than
//! the file, the file's keys say which ones are gone. A table without a key is loaded anew when anything in it changed.

use std::sync::Arc;

use contract::{
    format,
    import::{Destination, Stage},
    jobs::Phase,
};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    inspect::Inspected,
    load::{
        Done, Load, Part, Watch,
        read::{Chunks, Range, Sender, Sink, read},
    },
    plan::{IdentityPlan, Plan, TablePlan},
    schema, store,
    wire::{RowHasher, Sum},
};
use crate::{Error, Result, quote};

/// What is new in a table.
struct Changed {
    place: usize,
    /// Parts that differ, with what they are now.
    parts: Vec<(usize, Sum)>,
    /// Rows of the file now.
    rows: i64,
}

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
        .ok_or_else(|| Error::conflict(
            "This import is not followed: what it would compare with is not in the target any more.",
            "Import the file again, with following switched on.",
        ))?;
    load.context.phase(Phase::Inspecting, Some("comparing with the file".to_owned()));
    let changed = compare(load, &done).await?;
    load.source.unchanged()?;
    let rows: i64 = changed.iter().flat_map(|table| &table.parts).map(|(_, sum)| sum.rows).sum();
    load.context.info(format!(
        "{} tables changed; {} rows lie in parts that differ.",
        changed.len(),
        format::exact(rows)
    ));
    let mut plan = (*load.plan).clone();
    let identities = identities(load, &changed).await?;
    load.context.phase(Phase::Loading, Some("bringing over what changed".to_owned()));
    apply(load, &mut stream, &changed, &identities).await?;
    for table in &changed {
        plan.tables[table.place].rows = table.rows;
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
            format!("The list of tables of {} cannot be read: {error}.", load.source.name),
            "Take another copy of the file.",
        )
    };
    let now = schema::tables(&load.source.connect()?).map_err(unreadable)?;
    let now: Vec<(&str, Option<&str>)> =
        now.iter().map(|table| (table.name.as_str(), table.sql.as_deref())).collect();
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
        format!("{} has another schema than when it was loaded: {other} changed.", load.source.name),
        "Import the file anew: into another schema, or after dropping the tables.",
    ))
}

/// Reads every part again.
async fn compare(load: &Arc<Load>, done: &Done) -> Result<Vec<Changed>> {
    let mut changed = Vec::new();
    let places: Vec<usize> = (0..load.plan.tables.len()).collect();
    let streams = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 4);
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
                let taken = next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                let Some((place, part)) = taken else { return Ok(found) };
                let table = &load.plan.tables[place];
                let mut adding = Adding {
                    hasher: RowHasher::new(&table.types()),
                    sum: Sum::default(),
                };
                read(&connection, &load.source.name, table, Range::part(table, part), &load.stop, &mut adding)?;
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
        if !parts.is_empty() {
            changed.push(Changed {
                place,
                parts,
                rows: of().map(|(.., sum)| sum.rows).sum(),
            });
        }
    }
    Ok(changed)
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

/// The numbers that come next now.
async fn identities(load: &Arc<Load>, changed: &[Changed]) -> Result<Vec<(usize, IdentityPlan)>> {
    let now = schema::tables(&load.source.connect()?)
        .map_err(|error| Error::internal("reading identities", error))?;
    Ok(changed
        .iter()
        .filter_map(|table| {
            let planned = &load.plan.tables[table.place];
            let identity = planned.identity.as_ref()?;
            let next = now.iter().find(|it| it.name == planned.source)?.identity.as_ref()?.next;
            Some((
                table.place,
                IdentityPlan {
                    column: identity.column.clone(),
                    next,
                },
            ))
        })
        .collect())
}

async fn apply(
    load: &Arc<Load>,
    session: &mut PgConnection,
    changed: &[Changed],
    identities: &[(usize, IdentityPlan)],
) -> Result<()> {
    let plan = &load.plan;
    let order = parents_first(plan, changed);
    execute(load, session, "begin").await?;
    let name = |place: usize| quote::qualified(&plan.schema, &plan.tables[place].name);
    for table in &order {
        // The file's own triggers have had their say in the file.
        execute(load, session, &format!("alter table {} disable trigger user", name(table.place))).await?;
    }
    let mut gone = Vec::new();
    for table in &order {
        load.context.check()?;
        let planned = &plan.tables[table.place];
        if planned.key.is_empty() {
            execute(load, session, &format!("delete from {}", name(table.place))).await?;
            send(load, session, planned, Range::ALL, &planned.copy_in(&plan.schema)).await?;
        } else if bring_over(load, session, table).await? {
            gone.push(table);
        }
    }
    for table in gone.into_iter().rev() {
        remove_gone(load, session, table).await?;
    }
    for (place, identity) in identities {
        restart(load, session, &name(*place), identity).await?;
    }
    for table in &order {
        execute(load, session, &format!("alter table {} enable trigger user", name(table.place))).await?;
        for (part, sum) in &table.parts {
            let done = Part {
                sent: *sum,
                ..Part::default()
            };
            load.ledger
                .reloaded(session, table.place, *part, &done)
                .await
                .map_err(|source| load.target.error(source))?;
        }
    }
    execute(load, session, "commit").await
}

/// Brings changed and new rows of a table in by their key; gives whether the table has rows that the file has not.
async fn bring_over(load: &Arc<Load>, session: &mut PgConnection, table: &Changed) -> Result<bool> {
    let plan = &load.plan;
    let planned = &plan.tables[table.place];
    let name = quote::qualified(&plan.schema, &planned.name);
    let columns: Vec<String> = planned.sent().map(|column| quote::ident(&column.name)).collect();
    let key: Vec<String> = planned.key.iter().map(|at| quote::ident(&planned.columns[*at].name)).collect();
    execute(
        load,
        session,
        &format!(
            "create temp table pgsteward_stage on commit drop as select {} from {name} with no data",
            columns.join(", ")
        ),
    )
    .await?;
    let copy = format!("copy pgsteward_stage ({}) from stdin (format binary)", columns.join(", "));
    for (part, _) in &table.parts {
        send(load, session, planned, Range::part(planned, *part), &copy).await?;
    }
    execute(load, session, "analyze pgsteward_stage").await?;
    let same: Vec<String> = key.iter().map(|key| format!("t.{key} is not distinct from s.{key}")).collect();
    let others: Vec<&String> = columns.iter().filter(|column| !key.contains(column)).collect();
    if !others.is_empty() {
        let sets: Vec<String> = others.iter().map(|column| format!("{column} = s.{column}")).collect();
        let list = |side: &str| others.iter().map(|column| format!("{side}.{column}")).collect::<Vec<_>>().join(", ");
        execute(
            load,
            session,
            &format!(
                "update {name} t set {} from pgsteward_stage s where {} and row({}) is distinct from row({})",
                sets.join(", "),
                same.join(" and "),
                list("t"),
                list("s")
            ),
        )
        .await?;
    }
    execute(
        load,
        session,
        &format!(
            "insert into {name} ({0}) overriding system value
             select {0} from pgsteward_stage s
              where not exists (select from {name} t where {1})",
            columns.join(", "),
            same.join(" and ")
        ),
    )
    .await?;
    execute(load, session, "drop table pgsteward_stage").await?;
    let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {name}")))
        .fetch_one(session)
        .await
        .map_err(|source| load.target.error(source))?;
    Ok(rows != table.rows)
}

/// Removes rows whose key the file has not any more.
async fn remove_gone(load: &Arc<Load>, session: &mut PgConnection, table: &Changed) -> Result<()> {
    let plan = &load.plan;
    let planned = &plan.tables[table.place];
    let name = quote::qualified(&plan.schema, &planned.name);
    let keys = TablePlan {
        columns: planned.key.iter().map(|at| planned.columns[*at].clone()).collect(),
        cuts: Vec::new(),
        key: Vec::new(),
        ..planned.clone()
    };
    let columns: Vec<String> = keys.columns.iter().map(|column| quote::ident(&column.name)).collect();
    execute(
        load,
        session,
        &format!(
            "create temp table pgsteward_stage on commit drop as select {} from {name} with no data",
            columns.join(", ")
        ),
    )
    .await?;
    let copy = format!("copy pgsteward_stage ({}) from stdin (format binary)", columns.join(", "));
    send(load, session, &keys, Range::ALL, &copy).await?;
    execute(load, session, "analyze pgsteward_stage").await?;
    let same: Vec<String> = columns.iter().map(|key| format!("t.{key} is not distinct from s.{key}")).collect();
    execute(
        load,
        session,
        &format!(
            "delete from {name} t where not exists (select from pgsteward_stage s where {})",
            same.join(" and ")
        ),
    )
    .await?;
    execute(load, session, "drop table pgsteward_stage").await
}

async fn restart(load: &Load, session: &mut PgConnection, table: &str, identity: &IdentityPlan) -> Result<()> {
    let (value, called) = match identity.next {
        Some(next) => (next, false),
        None => (i64::MAX, true),
    };
    execute(
        load,
        session,
        &format!(
            "select setval(pg_get_serial_sequence({}, {}), {value}, {called})",
            quote::literal(table),
            quote::literal(&identity.column)
        ),
    )
    .await
}

/// Tables that others refer to come before those.
fn parents_first<'a>(plan: &Plan, changed: &'a [Changed]) -> Vec<&'a Changed> {
    let refers = |child: usize, parent: usize| {
        child != parent
            && plan
                .steps
                .iter()
                .any(|step| step.stage == Stage::Relate && step.table == Some(child) && step.other == Some(parent))
    };
    let mut left: Vec<&Changed> = changed.iter().collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let free = left
            .iter()
            .position(|child| !left.iter().any(|parent| refers(child.place, parent.place)))
            // In a circle any one is as good.
            .unwrap_or(0);
        order.push(left.remove(free));
    }
    order
}

async fn send(
    load: &Arc<Load>,
    session: &mut PgConnection,
    table: &TablePlan,
    range: Range,
    copy: &str,
) -> Result<Sum> {
    let (mut sender, chunks): (Sender, Chunks) = Sender::new(table, false, |_, _| {});
    let (reading_load, reading_table) = (Arc::clone(load), table.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let connection = reading_load.source.connect()?;
        reading_load.stop.watch(&connection);
        let name = &reading_load.source.name;
        read(&connection, name, &reading_table, range, &reading_load.stop, &mut sender)?;
        sender.finish()?;
        Ok(sender.sum)
    });
    let sending = super::load::send(session, copy, chunks);
    let (read, sent) = tokio::join!(reading, sending);
    let read: Result<Sum> = read.map_err(|error| Error::internal("reading a SQLite file", error))?;
    match (read, sent) {
        (Err(Error::Cancelled) | Ok(_), Err(error)) => Err(load.target.error_at(error, copy)),
        (read, _) => read,
    }
}

async fn execute(load: &Load, session: &mut PgConnection, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(session)
        .await
        .map_err(|source| load.target.error_at(source, sql))?;
    Ok(())
}
