//! Bringing over what changed.

use std::sync::Arc;

use contract::jobs::LogLevel;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    super::{
        load::{
            Load, Part,
            read::{Chunks, Range, Sender, read},
        },
        plan::{IdentityPlan, Step, TablePlan},
        wire::Sum,
    },
    compare::Changed,
};
use crate::{Error, Result, quote};

/// Everything in one transaction. Rules that bind rows are taken away and given back, for rows may be on their way from one
/// state that keeps them to another, and rows that broke them when they came must be able to change.
pub(super) async fn apply(
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
                if super::super::load::refusal(&error).is_none() {
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
    let ranges: Vec<Range> = table
        .parts
        .iter()
        .map(|(part, _)| Range::part(planned, *part))
        .collect();
    // Where the key is the rowid, rows that are gone have theirs in the ranges that changed. Else it takes the keys of the
    // whole file to tell.
    let within = match planned.rowid_column() {
        _ if ranges.len() == planned.parts() => Some("true".to_owned()),
        Some(rowid) => {
            let rowid = format!("t.{}", quote::ident(rowid));
            let within: Vec<String> = ranges.iter().map(|range| range.condition(&rowid)).collect();
            Some(within.join(" or "))
        }
        None => {
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
            let gone =
                format!("delete from {name} t where not exists (select from pgsteward_stage s where {same})");
            execute(load, session, &gone).await?;
            execute(load, session, "drop table pgsteward_stage").await?;
            None
        }
    };
    stage(load, session, planned, &name, &ranges).await?;
    if let Some(within) = within {
        let gone = format!(
            "delete from {name} t where ({within}) and not exists (select from pgsteward_stage s where {same})"
        );
        execute(load, session, &gone).await?;
    }
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
    let sending = super::super::load::send(session, copy, chunks);
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
