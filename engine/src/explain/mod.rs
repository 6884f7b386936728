//! Plans of statements: asked for, run and rolled back, pasted; kept, and put side by side.

mod advice;
mod compare;
mod condition;
mod facts;
mod hazard;
mod json;
mod params;
mod parse;
mod run;
mod shape;
mod statement;
mod store;
mod text;
mod trust;

use contract::{
    audit::{Outcome, Severity},
    explain::{
        ExplainSpec, MOST_BYTES, MOST_SECONDS, PasteSpec, Plan, PlanComparison, PlanLine, PlanList, PlanMode,
        PlanParameter, PlanRemark, PlanView, span,
    },
    session::Permission,
};
use uuid::Uuid;

use self::{run::Answer, statement::Statement};
use crate::{Caller, Engine, Error, Result, audit, lexer, target::Target};

/// How long a statement is run for its plan when nothing else is said, in seconds.
const SECONDS: u32 = 10;
/// Characters of a statement in the audit log, and in a list.
const SHOWN: usize = 500;

/// The operations on plans.
pub struct Explain<'a>(&'a Engine);

impl Engine {
    /// The operations on plans.
    pub fn explain(&self) -> Explain<'_> {
        Explain(self)
    }
}

impl Explain<'_> {
    /// Plans a statement without running it, and keeps the plan. With parameters it is planned without values on PostgreSQL 16
    /// and newer, else with values that are given or come from statistics.
    ///
    /// # Errors
    /// `Forbidden`; `Invalid` for what is not one statement that reads or changes rows, and for a parameter without a value;
    /// `Conflict` when planning would run code of others; `NotFound` for the target; its and the store's failures.
    #[crate::boxed]
    pub async fn plan(&self, caller: &Caller, spec: ExplainSpec) -> Result<PlanView> {
        caller.permit(Permission::ViewTarget)?;
        let (target, statement) = (self.0.target(&spec.target)?, Statement::read(&spec.statement)?);
        let given = params::given(&spec.values, statement.parameters)?;
        let mut session = run::begin(&target, None).await?;
        trust::check(&mut session.connection, &target, &statement, &session.schemas).await?;
        if spec.generic && !session.has_generic() {
            return Err(Error::invalid(
                "generic",
                "This server cannot plan without values: PostgreSQL 16 and newer can.",
                "Give values for the parameters, or let them be taken from statistics.",
            ));
        }
        let is_open = spec.generic || given.is_empty() && !spec.sampled && session.has_generic();
        let values = match statement.parameters > 0 && !is_open {
            true => {
                let schemas = session.schemas.clone();
                params::sampled(&mut session.connection, &target, &statement, &schemas, &given).await?
            }
            false => Vec::new(),
        };
        let answer = session
            .plan(&target, &statement, &values, sees_data(caller))
            .await?;
        session
            .close_path()
            .await
            .map_err(|source| target.error(source))?;
        let plan = parse::plan(&answer.text)?;
        let tables = facts::tables(&mut session.connection, &plan, &session.schemas)
            .await
            .map_err(|source| target.error(source))?;
        drop(session);
        let made = Made {
            mode: answer.mode,
            parameters: values,
            notes: Vec::new(),
            remarks: advice::of(&plan, &tables),
            plan,
        };
        self.keep(caller, &target, Some(&spec.statement), made).await
    }

    /// Runs a statement for its plan with times and buffers, in a transaction that is rolled back, and keeps the plan. What
    /// rolling back does not undo must be agreed to. It is written down before and after, without values.
    ///
    /// # Errors
    /// As [`Self::plan`]; `Conflict` also for what is never run here, and for what has to be agreed to.
    #[crate::boxed]
    pub async fn analyze(&self, caller: &Caller, spec: ExplainSpec) -> Result<PlanView> {
        caller.permit(Permission::RunExplainAnalyze)?;
        let (target, statement) = (self.0.target(&spec.target)?, Statement::read(&spec.statement)?);
        let given = params::given(&spec.values, statement.parameters)?;
        let seconds = spec.seconds.unwrap_or(SECONDS);
        if !(1..=MOST_SECONDS).contains(&seconds) {
            return Err(Error::invalid(
                "seconds",
                format!("A statement is run for 1 to {MOST_SECONDS} s."),
                "Run what takes longer in a session of your own, and paste the plan.",
            ));
        }
        let mut session = run::begin(&target, Some(seconds)).await?;
        let schemas = session.schemas.clone();
        trust::check(&mut session.connection, &target, &statement, &schemas).await?;
        let hazards = hazard::of(&mut session.connection, &target, &statement, &schemas).await?;
        if !hazards.to_accept.is_empty() && !spec.accept {
            let mut error = contract::Fault::new(
                contract::Code::Conflict,
                format!(
                    "It does what rolling back does not undo whole. {}.",
                    hazards.to_accept.join(". ")
                ),
            )
            .field("accept");
            error.hint = Some(
                "Tick “Run it although a part of what it does is not undone” and run it, or ask for the plan without ANALYZE."
                    .to_owned(),
            );
            return Err(Error::Refused(error));
        }
        let values = match statement.parameters {
            0 => Vec::new(),
            _ => params::sampled(&mut session.connection, &target, &statement, &schemas, &given).await?,
        };
        let ran = self
            .run(caller, &target, session, &statement, &values, seconds)
            .await?;
        let plan = parse::plan(&ran.text)?;
        let mut notes: Vec<String> = hazards
            .to_accept
            .into_iter()
            .map(|words| format!("{words}."))
            .collect();
        notes.extend(hazards.notes);
        let tables = self.tables(&target, &plan, &mut notes).await;
        let made = Made {
            mode: ran.mode,
            parameters: values,
            notes,
            remarks: advice::of(&plan, &tables),
            plan,
        };
        self.keep(caller, &target, Some(&spec.statement), made).await
    }

    /// Keeps a plan that was made elsewhere, with what is said about it. Tables and indexes of the managed database are looked
    /// at by their names; a database that is down is no reason to refuse.
    ///
    /// # Errors
    /// `Forbidden`; `Invalid` for what is no plan; `NotFound` for the target; the store's failures.
    #[crate::boxed]
    pub async fn paste(&self, caller: &Caller, spec: PasteSpec) -> Result<PlanView> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(&spec.target)?;
        let plan = parse::plan(&spec.plan)?;
        let statement = spec.statement.filter(|text| !text.trim().is_empty());
        if let Some(statement) = &statement
            && (statement.len() > MOST_BYTES || statement.contains('\0'))
        {
            return Err(Error::invalid(
                "statement",
                "The statement is too long, or has a NUL character.",
                "Leave it out: the plan stands for itself.",
            ));
        }
        let mut notes = vec![
            "It was made elsewhere: tables and indexes of the same names here are looked at, and may be others.".to_owned(),
        ];
        let tables = self.tables(&target, &plan, &mut notes).await;
        let made = Made {
            mode: PlanMode::Pasted,
            parameters: Vec::new(),
            notes,
            remarks: advice::of(&plan, &tables),
            plan,
        };
        self.keep(caller, &target, statement.as_deref(), made).await
    }

    /// The kept plans of a managed database, newest first, also while it is down.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` for the target; the store's failures.
    #[crate::boxed]
    pub async fn list(&self, caller: &Caller, target: &str) -> Result<PlanList> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        let rows = store::all(self.0.store(), target.database_id(true).await?).await?;
        Ok(PlanList {
            plans: rows.into_iter().map(line).collect(),
        })
    }

    /// A kept plan.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` for the target or the plan; the store's failures.
    #[crate::boxed]
    pub async fn view(&self, caller: &Caller, target: &str, id: Uuid) -> Result<PlanView> {
        caller.permit(Permission::ViewTarget)?;
        self.one(caller, &self.0.target(target)?, id).await
    }

    /// Two kept plans side by side, the older one first.
    ///
    /// # Errors
    /// As [`Self::view`].
    #[crate::boxed]
    pub async fn compare(
        &self,
        caller: &Caller,
        target: &str,
        one: Uuid,
        other: Uuid,
    ) -> Result<PlanComparison> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        let (mut before, mut after) = (
            self.one(caller, &target, one).await?,
            self.one(caller, &target, other).await?,
        );
        if after.made_at < before.made_at {
            std::mem::swap(&mut before, &mut after);
        }
        let mut words = compare::on_the_whole(&before.plan, &after.plan);
        let number = |view: &PlanView| view.statement.as_deref().map(statement::hash);
        if let (Some(one), Some(other)) = (number(&before), number(&after))
            && one != other
        {
            words.insert(0, "They are plans of two different statements.".to_owned());
        }
        Ok(PlanComparison {
            pairs: compare::pairs(&before.plan, &after.plan),
            words,
            before,
            after,
        })
    }

    async fn one(&self, caller: &Caller, target: &Target, id: Uuid) -> Result<PlanView> {
        let row = store::one(self.0.store(), target.database_id(true).await?, id).await?;
        let row = row.ok_or_else(|| {
            Error::not_found(
                "There is no such plan of this database.",
                "It may have been removed: the newest are kept. Look at the list below Explain.",
            )
        })?;
        Ok(view(target.name(), row, sees_data(caller)))
    }

    /// Runs it, with an entry in the audit log before and after.
    async fn run(
        &self,
        caller: &Caller,
        target: &Target,
        session: run::Session,
        statement: &Statement,
        values: &[PlanParameter],
        seconds: u32,
    ) -> Result<Answer> {
        let object = format!("statement {}", statement::hash(&statement.text));
        let text = lexer::without_values(&statement.text, SHOWN);
        let act = uuid::Uuid::new_v4();
        let write = async |outcome: Outcome, words: &str| {
            let detail = match words.is_empty() {
                true => text.clone(),
                false => format!("{text} · {words}"),
            };
            let entry = audit::Entry {
                severity: Severity::Warning,
                outcome,
                target: Some(target.name()),
                object: Some(&object),
                detail: Some(&detail),
                ..audit::Entry::by(caller, "explain.analyze")
            };
            audit::record_half(&mut *self.0.store().acquire().await?, act, entry).await
        };
        // What is done is written down even should the console die meanwhile.
        write(Outcome::Started, "").await?;
        let begun = std::time::Instant::now();
        let ran = session.analyze(target, statement, values, seconds).await;
        match &ran {
            Ok(_) => {
                let took = span(begun.elapsed().as_secs_f64() * 1000.0);
                write(Outcome::Success, &format!("ran for {took}, rolled back")).await?;
            }
            // The server's own words may hold values.
            Err(error) => {
                let fault = error.fault();
                let state = fault.target.and_then(|refusal| refusal.sqlstate);
                let words = match state {
                    Some(state) => format!("failed ({state}), rolled back"),
                    None => "failed, rolled back".to_owned(),
                };
                write(Outcome::Failure, &words).await?;
            }
        }
        ran
    }

    /// The tables of a plan as the catalogs know them; that they cannot be looked at is told, and is no failure.
    async fn tables(&self, target: &Target, plan: &Plan, notes: &mut Vec<String>) -> facts::Tables {
        let looked = async {
            let mut session = run::begin(target, None).await?;
            let schemas = session.schemas.clone();
            facts::tables(&mut session.connection, plan, &schemas)
                .await
                .map_err(|source| target.error(source))
        };
        looked.await.unwrap_or_else(|error: Error| {
            notes.push(format!(
                "Tables and indexes could not be looked at: {}",
                error.fault().message
            ));
            facts::Tables::new()
        })
    }

    async fn keep(
        &self,
        caller: &Caller,
        target: &Target,
        statement: Option<&str>,
        made: Made,
    ) -> Result<PlanView> {
        // A password is nobody's to read, now or later.
        let secret = statement.is_some_and(|text| Statement::read(text).is_ok_and(|it| it.is_secret()));
        let mut made = made;
        let mut statement = statement.map(str::to_owned);
        if secret {
            statement = statement.map(|text| lexer::without_values(&text, usize::MAX));
            hide(&mut made.plan, &mut made.parameters);
        }
        let root = made
            .plan
            .nodes
            .first()
            .map(|node| node.title())
            .unwrap_or_default();
        let hash = statement::hash(statement.as_deref().unwrap_or(&root));
        let new = store::New {
            database: target.database_id(true).await?,
            made_by: caller.name(),
            mode: made.mode,
            statement: statement.as_deref(),
            statement_hash: &hash,
            parameters: made.parameters,
            notes: &made.notes,
            plan: &made.plan,
            remarks: made.remarks,
        };
        let id = store::keep(self.0.store(), new).await?;
        self.one(caller, target, id).await
    }
}

/// A plan before it is kept.
struct Made {
    mode: PlanMode,
    parameters: Vec<PlanParameter>,
    notes: Vec<String>,
    plan: Plan,
    remarks: Vec<PlanRemark>,
}

/// Whoever may download a backup sees data.
fn sees_data(caller: &Caller) -> bool {
    caller.role().may(Permission::DownloadBackup)
}

fn view(target: &str, row: store::Row, sees_data: bool) -> PlanView {
    let mode = row.mode();
    let (mut plan, mut parameters) = (row.plan.0, row.parameters.0);
    let mut statement = row.statement;
    if !sees_data {
        statement = statement.map(|text| lexer::without_values(&text, usize::MAX));
        hide(&mut plan, &mut parameters);
    }
    PlanView {
        id: row.id,
        target: target.to_owned(),
        made_at: row.made_at,
        made_by: row.made_by,
        mode,
        statement,
        parameters,
        notes: row.notes,
        plan,
        remarks: row.remarks.0,
        masked: !sees_data,
    }
}

/// Takes the values out of conditions and parameters.
fn hide(plan: &mut Plan, parameters: &mut [PlanParameter]) {
    for node in &mut plan.nodes {
        for (_, text) in node.conditions.iter_mut().chain(&mut node.details) {
            *text = lexer::without_values(text, usize::MAX);
        }
    }
    for parameter in parameters {
        parameter.value = "…".to_owned();
    }
}

fn line(row: store::Row) -> PlanLine {
    let plan = &row.plan.0;
    let root = || plan.nodes.first().map(|node| node.title()).unwrap_or_default();
    PlanLine {
        id: row.id,
        mode: row.mode(),
        title: match &row.statement {
            Some(text) => lexer::without_values(text, SHOWN),
            None => root(),
        },
        execution_ms: plan.execution_ms,
        cost: plan.cost(),
        remark: row.remarks.0.first().map(|remark| remark.words.clone()),
        made_at: row.made_at,
        made_by: row.made_by,
        statement_hash: row.statement_hash,
    }
}
