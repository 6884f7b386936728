//! Rules that bind rows: checks and foreign keys of the plan, and triggers. They are taken away while rows are on their way
//! from one state that keeps them to another, and given back as they were.

use std::collections::{BTreeMap, HashMap};

use contract::{import::FindingKind, jobs::LogLevel};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    super::{
        load::{Done, INSTEAD, LOST, Load, refusal},
        plan::{Plan, Step},
    },
    apply::run,
};
use crate::{Error, Result, quote, target::worker::Worker};

/// What a rule is called that holds for new rows alone.
const NOT_VALID: &str = " not valid";

/// The rules of the plan over some tables.
pub(super) fn over<'a>(plan: &'a Plan, places: &[usize]) -> Vec<(usize, &'a Step)> {
    let touched = |place: Option<usize>| place.is_some_and(|place| places.contains(&place));
    plan.steps
        .iter()
        .enumerate()
        .filter(|(_, step)| touched(step.table) || touched(step.other))
        .filter(|(_, step)| step.undo.is_some())
        .collect()
}

/// The triggers of a table that would run, by name, with how they are enabled.
pub(super) async fn triggers(
    load: &Load,
    session: &mut PgConnection,
    table: &str,
) -> Result<Vec<(String, bool)>> {
    sqlx::query_as(
        "select tgname::text, tgenabled = 'A'
           from pg_trigger
          where tgrelid = to_regclass($1)
            and not tgisinternal
            and tgenabled in ('O', 'A')
          order by tgname",
    )
    .bind(table)
    .fetch_all(session)
    .await
    .map_err(|source| load.target.error(source))
}

/// Gives a rule back for new rows; whether all rows keep it is looked at later, with a lock that lets others write. Gives
/// why PostgreSQL does not take it, when it does not.
pub(super) async fn give_back(load: &Load, worker: &mut Worker, step: &Step) -> Result<Option<String>> {
    let statements = match step.instead.is_empty() {
        true => &step.sql,
        false => &step.instead,
    };
    run(load, worker, "savepoint rule").await?;
    for sql in statements {
        let taken = sqlx::raw_sql(AssertSqlSafe(sql.clone()))
            .execute(worker.session())
            .await;
        if let Err(error) = taken {
            let Some(why) = refusal(&error) else {
                return Err(load.target.error_at(error, sql));
            };
            run(load, worker, "rollback to savepoint rule").await?;
            load.context.log(
                LogLevel::Warn,
                format!("{}: a rule could not be given back: {why}", step.about),
            );
            return Ok(Some(why));
        }
    }
    run(load, worker, "release savepoint rule").await?;
    Ok(None)
}

/// Whether the rules of the plan's tables hold for all rows, by table and name.
type Held = HashMap<(String, String), bool>;

async fn held(load: &Load, session: &mut PgConnection) -> Result<Held> {
    let rows: Vec<(String, String, bool)> = sqlx::query_as(
        "select c.relname::text, o.conname::text, o.convalidated
           from pg_constraint o
           join pg_class c on c.oid = o.conrelid
           join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = $1
            and o.contype in ('c', 'f')",
    )
    .bind(&load.plan.schema)
    .fetch_all(session)
    .await
    .map_err(|source| load.target.error(source))?;
    Ok(rows
        .into_iter()
        .map(|(table, name, valid)| ((table, name), valid))
        .collect())
}

/// Makes rules hold for all rows where they do now. Rows without a parent are known from the file.
pub(super) async fn validate(load: &Load, worker: &mut Worker, orphans: &[(usize, i64)]) -> Result<()> {
    let held = held(load, worker.session()).await?;
    for (place, step) in load.plan.steps.iter().enumerate() {
        let Some(rule) = Rule::of(&load.plan, step) else {
            continue;
        };
        let broken = orphans.iter().any(|(of, count)| *of == place && *count > 0);
        if broken || held.get(&rule.key()) != Some(&false) {
            continue;
        }
        let sql = format!(
            "alter table {} validate constraint {}",
            rule.table,
            quote::ident(&rule.name)
        );
        let begun = worker.begin(&load.context, &sql, |_| {}).await;
        match begun {
            Ok(()) => worker
                .commit()
                .await
                .map_err(|source| load.target.error_at(source, &sql))?,
            Err(stopped) => {
                let waited = matches!(stopped.sqlstate().as_deref(), Some("55P03" | "40P01"));
                let error = stopped.into_error(&load.target, &sql);
                let refused = match &error {
                    Error::Target { source, .. } => waited || refusal(source).is_some(),
                    _ => false,
                };
                if !refused {
                    return Err(error);
                }
                load.context.log(
                    LogLevel::Warn,
                    format!("{}: the rule {} holds for new rows alone.", step.about, rule.name),
                );
            }
        }
    }
    Ok(())
}

/// Writes down how the rules are now: what is weaker than planned is told in the report, and what was weaker is planned
/// as it is from now on.
pub(super) async fn settle(
    load: &Load,
    session: &mut PgConnection,
    lost: &BTreeMap<usize, String>,
    plan: &mut Plan,
    done: &mut Done,
) -> Result<()> {
    let held = held(load, session).await?;
    for place in 0..plan.steps.len() {
        let Some(rule) = Rule::of(plan, &plan.steps[place]) else {
            continue;
        };
        let Ok(number) = i32::try_from(place) else {
            continue;
        };
        let before = done.steps.get(&number);
        let how = match held.get(&rule.key()) {
            Some(true) => {
                mended(plan, place);
                None
            }
            Some(false) if is_weak(&plan.steps[place]) => None,
            Some(false) => Some(INSTEAD.to_owned()),
            None => Some(match (lost.get(&place), before) {
                (Some(why), _) => format!("{LOST}{why}"),
                (None, Some(before)) if before.starts_with(LOST) => before.clone(),
                (None, _) => format!("{LOST}it is not in the database any more"),
            }),
        };
        match how {
            Some(how) => done.steps.insert(number, how),
            None => done.steps.remove(&number),
        };
    }
    Ok(())
}

/// Whether a rule was planned for new rows alone.
fn is_weak(step: &Step) -> bool {
    step.sql.iter().any(|sql| sql.ends_with(NOT_VALID))
}

/// A rule that rows of the file had broken holds for all of them: it is planned so, and the report does not name them.
fn mended(plan: &mut Plan, place: usize) {
    let Plan { steps, items, .. } = plan;
    let step = &mut steps[place];
    if !is_weak(step) {
        return;
    }
    for sql in &mut step.sql {
        if let Some(strong) = sql.strip_suffix(NOT_VALID) {
            *sql = strong.to_owned();
        }
    }
    let about = &step.or_else;
    items.retain(|item| {
        let told = match &step.foreign_key {
            Some(key) => {
                item.kind == FindingKind::Broken
                    && item.words.starts_with(&format!(
                        "The foreign key {} has rows without a parent",
                        key.words
                    ))
            }
            None => item.sql == about.sql && item.words.starts_with("Rows break the check"),
        };
        !(told && item.table == about.table)
    });
}

/// A check or a foreign key of the plan.
struct Rule {
    /// Its table, as SQL.
    table: String,
    table_name: String,
    name: String,
}

impl Rule {
    fn of(plan: &Plan, step: &Step) -> Option<Self> {
        let table_name = plan.tables[step.table?].name.clone();
        let table = quote::qualified(&plan.schema, &table_name);
        let quoted = step
            .undo
            .as_ref()?
            .strip_prefix(&format!("alter table {table} drop constraint if exists "))?;
        let name = quoted.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\"");
        Some(Self {
            table,
            table_name,
            name,
        })
    }

    fn key(&self) -> (String, String) {
        (self.table_name.clone(), self.name.clone())
    }
}
