//! Constraints, indexes and planner statistics of a managed database: what there is, what a run would do, and the run.

mod ai_pal;
mod catalog;
mod check;
pub(crate) mod findings;
mod outcome;
mod plan;
pub(crate) mod run;
mod step;

use contract::{
    audit::Severity,
    jobs::JobId,
    optimize::{ItemKind, ItemState, OptimizePlan, OptimizeSpec},
    session::Permission,
};
use sqlx::PgConnection;

use self::plan::{Act as ItemAct, Item, Plan};
use crate::{
    Caller, Engine, Error, Result,
    finding::Part,
    jobs::{self, Act, Job},
    migration,
};

/// The operations on constraints, indexes and statistics.
pub struct Optimizer<'a>(&'a Engine);

impl Engine {
    /// The operations on constraints, indexes and statistics.
    pub fn optimize(&self) -> Optimizer<'_> {
        Optimizer(self)
    }
}

impl Optimizer<'_> {
    /// What there is, what is missing, and the statements that a run would execute; and who would hold up a concurrent
    /// build.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; what the database says.
    #[crate::boxed]
    pub async fn plan(&self, caller: &Caller, target: &str) -> Result<OptimizePlan> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        let failed = |source| target.error(source);
        let mut connection = target.look().await?;
        let source = migration::source(&target, &mut connection).await?;
        let plan = plan::read(&mut connection, &source).await.map_err(failed)?;
        let blockers = blockers(&mut connection).await.map_err(failed)?;
        let found = findings::of(&plan);
        target.kept().put(Part::Optimize, found.clone());
        Ok(OptimizePlan {
            findings: found,
            target: target.name().to_owned(),
            items: plan.into_views(),
            blockers,
        })
    }

    /// Does what is due, as a job.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `Invalid` when nothing is asked for; `Conflict` when nothing is due or a run is under
    /// way; what the database says.
    #[crate::boxed]
    pub async fn start(&self, caller: &Caller, spec: OptimizeSpec) -> Result<JobId> {
        caller.permit(Permission::Optimize)?;
        let target = self.0.target(&spec.target)?;
        if !(spec.constraints || spec.indexes || spec.analyze) {
            return Err(Error::invalid(
                "indexes",
                "Nothing was chosen.",
                "Choose constraints, indexes, statistics, or several of them.",
            ));
        }
        let mut connection = target.look().await?;
        let source = migration::source(&target, &mut connection).await?;
        let plan = plan::read(&mut connection, &source)
            .await
            .map_err(|source| target.error(source))?;
        drop(connection);
        let due = due(&plan, &spec);
        let tables = to_analyze(&plan, &spec).count();
        if due.is_empty() && tables == 0 {
            return Err(nothing_to_do(target.name(), &plan, &spec));
        }
        let object = outcome::planned(&due, tables);
        let names = due
            .iter()
            .map(|item| item.view.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        let act = Act {
            event_type: run::Optimize::EVENT_TYPE,
            severity: Severity::Info,
            object: Some(&object),
            detail: (!names.is_empty()).then_some(names.as_str()),
        };
        jobs::start(self.0, caller, &run::Optimize(spec), act).await
    }
}

/// The constraints and indexes that a run would change, in order.
fn due(plan: &Plan, spec: &OptimizeSpec) -> Vec<Item> {
    let chosen = |item: &&Item| match item.view.kind {
        ItemKind::Constraint => spec.constraints,
        ItemKind::Index => spec.indexes,
        ItemKind::Statistics => false,
    };
    plan.items
        .iter()
        .filter(chosen)
        .filter(|item| item.act != ItemAct::Nothing)
        .cloned()
        .collect()
}

/// The tables that a run would analyze: where nothing else is asked for, all of them; else those whose statistics are
/// missing or old, so that a run after one that failed does not repeat what is done.
fn to_analyze<'a>(plan: &'a Plan, spec: &OptimizeSpec) -> impl Iterator<Item = &'a Item> {
    let (any, all) = (spec.analyze, !spec.constraints && !spec.indexes);
    plan.statistics
        .iter()
        .filter(move |item| any && (all || item.act != ItemAct::Nothing))
}

fn nothing_to_do(target: &str, plan: &Plan, spec: &OptimizeSpec) -> Error {
    if plan
        .items
        .iter()
        .any(|item| item.view.state == ItemState::NoTable)
    {
        return Error::conflict(
            format!("Nothing to do: the tables of {target} are not there yet."),
            "Apply the migrations first.",
        );
    }
    if spec.analyze && plan.not_ours > 0 && plan.statistics.is_empty() {
        return Error::conflict(
            format!(
                "Nothing to do: the {} tables of {target} belong to other roles.",
                plan.not_ours
            ),
            "Connect as their owner, or grant that role to the user in the database's URL.",
        );
    }
    Error::conflict(
        format!("Nothing to do: {target} has all that is wanted."),
        "Look at the plan for items that were left alone.",
    )
}

/// Whom a concurrent build would wait for, in words.
async fn blockers(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let (hidden, known): (Vec<_>, Vec<_>) = catalog::snapshots(connection)
        .await?
        .into_iter()
        .partition(|session| session.query.as_deref() == Some("<insufficient privilege>"));
    let mut words: Vec<String> = known
        .iter()
        .map(|session| match session.pid {
            Some(pid) if pid > 0 => format!("pid {pid}: {}", session.who()),
            _ => session.who(),
        })
        .collect();
    if !hidden.is_empty() {
        words.push(format!(
            "{} sessions of other users are hidden: grant pg_monitor to the console's user to see what they do",
            hidden.len()
        ));
    }
    Ok(words)
}
