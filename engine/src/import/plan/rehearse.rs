//! Running every statement of a plan on empty tables, in a transaction that is rolled back: rights, types and translations
//! are proved before the first row moves.

use std::collections::HashSet;

use contract::import::{Destination, FindingKind, OnConflict, Severity, Stage};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{Draft, finding, target::There};
use crate::{Result, import::load::refusal, quote, target::Target};

/// More tables than this are not rehearsed together: each takes locks until the end of the transaction, and the server
/// has room for some thousands.
const TOGETHER: usize = 400;

/// Rehearses the plan. What PostgreSQL does not take goes from the steps to the report; what nothing goes without
/// becomes an obstacle.
pub(super) async fn rehearse(
    draft: &mut Draft,
    there: &There,
    target: &Target,
    connection: &mut PgConnection,
) -> Result<()> {
    let failed = |source| target.error(source);
    // A rehearsal must not wait for others' locks, nor others for it.
    let mut transaction = connection.begin().await.map_err(failed)?;
    // Triggers and defaults of tables that are there were written for the users' search path.
    sqlx::raw_sql(
        "set local search_path to default;
         set local lock_timeout = '5s';
         set local statement_timeout = '60s'",
    )
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    if !there.schema {
        let sql = format!("create schema {}", quote::ident(&draft.plan.schema));
        match draft.plan.into {
            Destination::Existing => draft.obstacle(
                None,
                None,
                format!("There is no schema {}.", draft.plan.schema),
                "Choose the schema that has the tables.",
            ),
            Destination::New => {
                if let Err(why) = attempt(&mut transaction, std::slice::from_ref(&sql))
                    .await
                    .map_err(failed)?
                {
                    draft.obstacle(
                        None,
                        None,
                        format!("The schema {} cannot be made: {why}.", draft.plan.schema),
                        "Choose a schema that is there, or give the console's role the right: grant create on database …",
                    );
                } else {
                    draft.plan.create.insert(
                        0,
                        super::Create {
                            table: String::new(),
                            sql,
                            or_else: None,
                            computed: Vec::new(),
                        },
                    );
                }
            }
        }
    }
    // What cannot be done anyway needs no rehearsal, and its errors would only hide the reason.
    if draft.obstacles.is_empty() {
        match draft.plan.into {
            Destination::New => new_tables(draft, &mut transaction, target).await?,
            Destination::Existing => existing_tables(draft, &mut transaction, target).await?,
        }
    }
    transaction.rollback().await.map_err(failed)
}

async fn new_tables(draft: &mut Draft, connection: &mut PgConnection, target: &Target) -> Result<()> {
    let failed = |source| target.error(source);
    let rehearsed: HashSet<String> = draft
        .plan
        .tables
        .iter()
        .take(TOGETHER)
        .map(|table| table.name.clone())
        .collect();
    let all = rehearsed.len() == draft.plan.tables.len();
    let mut kept = Vec::new();
    for mut create in std::mem::take(&mut draft.plan.create) {
        let skip = create.table.is_empty() || !rehearsed.contains(&create.table);
        if skip {
            kept.push(create);
            continue;
        }
        match attempt(connection, std::slice::from_ref(&create.sql))
            .await
            .map_err(failed)?
        {
            Ok(()) => kept.push(create),
            Err(_)
                if !create.computed.is_empty()
                    && uncomputed(&mut create, draft, connection).await.map_err(failed)? =>
            {
                kept.push(create);
            }
            Err(why) => match &create.or_else {
                Some(instead) => {
                    let mut item = instead.clone();
                    item.words = format!("{} ({why}).", item.words.trim_end_matches('.'));
                    draft.plan.items.push(item);
                }
                None => {
                    let name = create.table.clone();
                    draft.obstacle(
                        Some(&name),
                        None,
                        format!("The table {name} cannot be made: {why}."),
                        "Give the console's role the right to create in the schema, choose another schema, or leave the table out.",
                    );
                    kept.push(create);
                }
            },
        }
    }
    draft.plan.create = kept;
    if !draft.obstacles.is_empty() {
        return Ok(());
    }
    let mut waiting = Vec::new();
    let mut steps = Vec::new();
    for step in std::mem::take(&mut draft.plan.steps) {
        let planned = |place: Option<usize>| {
            place.is_none_or(|place| rehearsed.contains(&draft.plan.tables[place].name))
        };
        let outside = !planned(step.table) || !planned(step.other) || (step.table.is_none() && !all);
        // Statistics cannot go wrong on their own, and views may need one another.
        if outside || step.sql.iter().any(|sql| sql.starts_with("analyze ")) {
            steps.push(step);
        } else if step.stage == Stage::Finish {
            waiting.push(step);
        } else {
            try_step(step, &mut steps, draft, connection)
                .await
                .map_err(failed)?;
        }
    }
    views(waiting, &mut steps, draft, connection)
        .await
        .map_err(failed)?;
    steps.sort_by_key(|step| step.stage);
    draft.plan.steps = steps;
    Ok(())
}

/// Makes a table without those computed columns that PostgreSQL does not take; their values are sent instead. Gives whether
/// that worked.
async fn uncomputed(
    create: &mut super::Create,
    draft: &mut Draft,
    connection: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    let drop = format!(
        "drop table {}",
        quote::qualified(&draft.plan.schema, &create.table)
    );
    let mut kept = vec![false; create.computed.len()];
    let mut lost = Vec::new();
    for (at, computed) in create.computed.iter().enumerate() {
        kept[at] = true;
        if let Err(why) = attempt(connection, &[create.computing(&kept), drop.clone()]).await? {
            kept[at] = false;
            let mut item = computed.lost.clone();
            item.words = format!("{} ({why}).", item.words.trim_end_matches('.'));
            lost.push((computed.source.clone(), item));
        }
    }
    let sql = create.computing(&kept);
    if attempt(connection, std::slice::from_ref(&sql)).await?.is_err() {
        return Ok(false);
    }
    create.sql = sql;
    for (source, item) in lost {
        create.computed.retain(|computed| computed.source != source);
        draft.plan.items.push(item);
        let table = draft.plan.tables.iter_mut().find(|it| it.name == create.table);
        if let Some(table) = table {
            table.send(&source);
        }
    }
    Ok(true)
}

async fn try_step(
    mut step: super::Step,
    steps: &mut Vec<super::Step>,
    draft: &mut Draft,
    connection: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    let Err(why) = attempt(connection, &step.sql).await? else {
        steps.push(step);
        return Ok(());
    };
    let instead = !step.instead.is_empty() && attempt(connection, &step.instead).await?.is_ok();
    let mut item = match instead {
        true => step.or_else.clone(),
        false => step.lost().clone(),
    };
    item.words = format!("{} ({why}).", item.words.trim_end_matches('.'));
    if item.sql.is_none() {
        item.sql = step.sql.first().cloned();
    }
    draft.plan.items.push(item);
    if instead {
        step.sql = std::mem::take(&mut step.instead);
        steps.push(step);
    }
    Ok(())
}

/// A view may need another one that comes later in the file: whoever succeeds is taken, until nobody does.
async fn views(
    mut waiting: Vec<super::Step>,
    steps: &mut Vec<super::Step>,
    draft: &mut Draft,
    connection: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    loop {
        let before = waiting.len();
        let mut left = Vec::new();
        for step in waiting {
            match attempt(connection, &step.sql).await? {
                Ok(()) => steps.push(step),
                Err(why) => left.push((step, why)),
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        if left.len() == before {
            for (step, why) in left {
                without(&step, steps, draft);
                let mut item = step.or_else;
                item.words = format!("{} ({why}).", item.words.trim_end_matches('.'));
                draft.plan.items.push(item);
            }
            return Ok(());
        }
        waiting = left.into_iter().map(|(step, _)| step).collect();
    }
}

/// Takes away the triggers whose function names a view that is not made; it would fail only when it is called.
fn without(view: &super::Step, steps: &mut Vec<super::Step>, draft: &mut Draft) {
    let Some(name) = view
        .undo
        .as_deref()
        .and_then(|undo| undo.strip_prefix("drop view if exists "))
    else {
        return;
    };
    steps.retain(|step| {
        let is_trigger = step
            .undo
            .as_deref()
            .is_some_and(|undo| undo.starts_with("drop trigger "));
        let lost = is_trigger && step.sql.iter().any(|sql| sql.contains(name));
        if lost {
            let mut item = step.or_else.clone();
            item.words = format!(
                "{} (it names a view that is not made).",
                item.words.trim_end_matches('.')
            );
            draft.plan.items.push(item);
        }
        !lost
    });
}

async fn existing_tables(draft: &mut Draft, connection: &mut PgConnection, target: &Target) -> Result<()> {
    let failed = |source| target.error(source);
    for place in 0..draft.plan.tables.len() {
        let table = &draft.plan.tables[place];
        let on_conflict = draft.plan.on_conflict;
        let sql = [
            table.staging(),
            table.bring_in(&draft.plan.schema, on_conflict),
            "drop table pgsteward_stage".to_owned(),
        ];
        if let Err(why) = attempt(connection, &sql).await.map_err(failed)? {
            let (source, name) = (table.source.clone(), table.name.clone());
            let hint = match on_conflict {
                OnConflict::Upsert => {
                    "Give the console's role the rights to insert and update there, or change the mapping."
                }
                OnConflict::Fail | OnConflict::Skip => {
                    "Give the console's role the right to insert there, or change the mapping."
                }
            };
            draft.obstacle(
                Some(&source),
                None,
                format!("Rows cannot be brought into {name}: {why}."),
                hint,
            );
        }
    }
    if draft.plan.tables.is_empty() {
        draft.plan.items.push(contract::import::Finding {
            table: None,
            ..finding(
                Severity::Warning,
                FindingKind::NotCarried,
                "",
                "No table gets rows.",
            )
        });
    }
    Ok(())
}

/// Runs statements in a savepoint; what the server has against them is given back, and they are undone then.
async fn attempt(connection: &mut PgConnection, sql: &[String]) -> Result<Result<(), String>, sqlx::Error> {
    let mut savepoint = connection.begin().await?;
    for sql in sql {
        match sqlx::raw_sql(AssertSqlSafe(sql.clone()))
            .execute(&mut *savepoint)
            .await
        {
            Ok(_) => {}
            Err(error) => match refusal(&error) {
                Some(why) => {
                    savepoint.rollback().await?;
                    return Ok(Err(why.trim_end_matches('.').to_owned()));
                }
                None => return Err(error),
            },
        }
    }
    savepoint.commit().await?;
    Ok(Ok(()))
}
