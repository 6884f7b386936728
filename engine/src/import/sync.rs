//! Bringing over what changed in the file since it was loaded, in one transaction.
//!
//! Each part of a table is read again and its hash compared with the one in the ledger. Of a table with parts that differ,
//! rows whose key the file has not any more go; then rows of those parts that changed or are new come in by their key. A
//! table without a key is loaded anew when anything in it changed.

use std::sync::Arc;

use contract::{
    format,
    import::Destination,
    jobs::{LogLevel, Phase},
};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    check,
    inspect::Inspected,
    load::{
        Done, Load, Part, Watch,
        read::{Chunks, Range, Sender, Sink, read},
    },
    plan::{IdentityPlan, Plan, Step, TablePlan, words},
    schema, store,
    wire::{RowHasher, Sum},
};
use crate::{Error, Result, quote};

/// What is new in a table.
struct Changed {
    place: usize,
    /// Parts that differ, with what they are now.
    parts: Vec<(usize, Sum)>,
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

/// Reads every part again; gives the tables in which some differ, and the rows of all.
async fn compare(load: &Arc<Load>, done: &Done) -> Result<(Vec<Changed>, Vec<i64>)> {
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
fn identities(load: &Load) -> Result<Vec<(usize, IdentityPlan)>> {
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
async fn orphans(load: &Arc<Load>) -> Result<Vec<(usize, i64)>> {
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

/// Everything in one transaction. Rules that bind rows are taken away and given back, for rows may be on their way from one
/// state that keeps them to another, and rows that broke them when they came must be able to change.
async fn apply(
    load: &Arc<Load>,
    session: &mut PgConnection,
    changed: &[Changed],
    identities: &[(usize, IdentityPlan)],
) -> Result<()> {
    let plan = &load.plan;
    let name = |place: usize| quote::qualified(&plan.schema, &plan.tables[place].name);
    let touched = |place: Option<usize>| changed.iter().any(|table| Some(table.place) == place);
    let rules: Vec<&Step> = plan
        .steps
        .iter()
        .filter(|step| touched(step.table) || touched(step.other))
        .filter(|step| step.undo.is_some())
        .collect();
    execute(load, session, "begin").await?;
    for undo in rules.iter().filter_map(|step| step.undo.as_ref()) {
        execute(load, session, undo).await?;
    }
    for table in changed {
        // The file's own triggers have had their say in the file.
        execute(
            load,
            session,
            &format!("alter table {} disable trigger user", name(table.place)),
        )
        .await?;
    }
    for table in changed {
        load.context.check()?;
        let planned = &plan.tables[table.place];
        if planned.key.is_empty() {
            execute(load, session, &format!("delete from {}", name(table.place))).await?;
            send(load, session, planned, Range::ALL, &planned.copy_in(&plan.schema)).await?;
        } else {
            bring_over(load, session, table).await?;
        }
    }
    for (place, identity) in identities {
        restart(load, session, &name(*place), identity).await?;
    }
    for table in changed {
        execute(
            load,
            session,
            &format!("alter table {} enable trigger user", name(table.place)),
        )
        .await?;
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
    for step in rules {
        give_back(load, session, step).await?;
    }
    // What was read while someone wrote is neither the old state nor the new one.
    load.source.unchanged()?;
    execute(load, session, "commit").await
}

/// Adds a rule again; for new rows alone when rows of the file break it now.
async fn give_back(load: &Load, session: &mut PgConnection, step: &Step) -> Result<()> {
    for sql in [&step.sql, &step.instead] {
        execute(load, session, "savepoint rule").await?;
        let mut taken = Ok(());
        for sql in sql {
            taken = sqlx::raw_sql(AssertSqlSafe(sql.clone()))
                .execute(&mut *session)
                .await
                .map(|_| ());
            if taken.is_err() {
                break;
            }
        }
        match taken {
            Ok(()) => return execute(load, session, "release savepoint rule").await,
            Err(error) => {
                if super::load::refusal(&error).is_none() {
                    return Err(load.target.error_at(error, &sql.join("; ")));
                }
                execute(load, session, "rollback to savepoint rule").await?;
            }
        }
    }
    load.context.log(
        LogLevel::Warn,
        format!(
            "{}: a rule could not be given back: {}",
            step.about,
            step.sql.join("; ")
        ),
    );
    Ok(())
}

/// Brings a table to what the file has, by its key: what is gone goes first, then what changed, so that values that must
/// be unique are free when they come again.
async fn bring_over(load: &Arc<Load>, session: &mut PgConnection, table: &Changed) -> Result<()> {
    let plan = &load.plan;
    let planned = &plan.tables[table.place];
    let name = quote::qualified(&plan.schema, &planned.name);
    let key: Vec<String> = planned
        .key
        .iter()
        .map(|at| quote::ident(&planned.columns[*at].name))
        .collect();
    let same: Vec<String> = key.iter().map(|key| format!("t.{key} = s.{key}")).collect();
    let same = same.join(" and ");
    // The keys of the whole file say which rows are gone.
    let keys = TablePlan {
        columns: planned
            .key
            .iter()
            .map(|at| planned.columns[*at].clone())
            .collect(),
        cuts: Vec::new(),
        key: Vec::new(),
        ..planned.clone()
    };
    stage(load, session, &keys, &name, &[Range::ALL]).await?;
    execute(
        load,
        session,
        &format!("delete from {name} t where not exists (select from pgsteward_stage s where {same})"),
    )
    .await?;
    execute(load, session, "drop table pgsteward_stage").await?;
    let ranges: Vec<Range> = table
        .parts
        .iter()
        .map(|(part, _)| Range::part(planned, *part))
        .collect();
    stage(load, session, planned, &name, &ranges).await?;
    let columns: Vec<String> = planned.sent().map(|column| quote::ident(&column.name)).collect();
    let list = |side: &str| {
        columns
            .iter()
            .map(|column| format!("{side}.{column}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    // By their bytes: 0.0 and -0.0 are equal, and not the same.
    execute(
        load,
        session,
        &format!(
            "delete from {name} t using pgsteward_stage s where {same} and record_image_ne(row({}), row({}))",
            list("t"),
            list("s")
        ),
    )
    .await?;
    execute(
        load,
        session,
        &format!(
            "insert into {name} ({0}) overriding system value
             select {0} from pgsteward_stage s
              where not exists (select from {name} t where {same})",
            columns.join(", ")
        ),
    )
    .await?;
    execute(load, session, "drop table pgsteward_stage").await
}

/// Rows of the file in a table of their own, typed as the ones they go to.
async fn stage(
    load: &Arc<Load>,
    session: &mut PgConnection,
    table: &TablePlan,
    like: &str,
    ranges: &[Range],
) -> Result<()> {
    let columns: Vec<String> = table.sent().map(|column| quote::ident(&column.name)).collect();
    let columns = columns.join(", ");
    execute(
        load,
        session,
        &format!(
            "create temp table pgsteward_stage on commit drop as select {columns} from {like} with no data"
        ),
    )
    .await?;
    let copy = format!("copy pgsteward_stage ({columns}) from stdin (format binary)");
    for range in ranges {
        send(load, session, table, *range, &copy).await?;
    }
    execute(load, session, "analyze pgsteward_stage").await
}

async fn restart(
    load: &Load,
    session: &mut PgConnection,
    table: &str,
    identity: &IdentityPlan,
) -> Result<()> {
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
        read(
            &connection,
            name,
            &reading_table,
            range,
            &reading_load.stop,
            &mut sender,
        )?;
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
