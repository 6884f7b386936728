//! The job that creates constraints and indexes and collects statistics.

use std::time::Instant;

use contract::{
    format,
    jobs::{JobKind, LogLevel, Phase, StepState},
    optimize::{ItemKind, OptimizeSpec},
};
use serde::{Deserialize, Serialize};
use sqlx::Connection;

use super::{
    outcome::Done,
    plan::{self, Item},
    step::{self, Failure},
};
use crate::{
    Error, Result,
    jobs::{Job, JobContext, Work},
    migration,
    target::{
        invalid,
        live::Live,
        worker::{self, Worker},
    },
};

/// The name of this job's sessions.
const SESSION: &str = "optimize";
/// Seconds for dropping each index that a broken-off build left; a job's end must not hang behind a long transaction.
const DROP_SECONDS: u32 = 4;
/// More tables than this are one part of the job, so that its progress stays small.
const SINGLE_TABLES: usize = 40;

/// Creates constraints and indexes, and analyzes.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Optimize(pub OptimizeSpec);

impl Job for Optimize {
    const KIND: JobKind = JobKind::Optimize;
    const EVENT_TYPE: &'static str = "optimize.run";

    fn target(&self) -> Option<&str> {
        Some(&self.0.target)
    }

    fn work(&self) -> Work {
        // A constraint or an index waits behind whoever reads whole, and its lock request makes all others wait.
        if self.0.constraints || self.0.indexes {
            Work::Change
        } else {
            Work::Maintain
        }
    }

    fn title(&self) -> String {
        let target = &self.0.target;
        match (self.0.constraints, self.0.indexes, self.0.analyze) {
            (false, true, false) => format!("Create indexes of {target}"),
            (true, false, false) => format!("Add constraints of {target}"),
            (false, false, true) => format!("Analyze {target}"),
            _ => format!("Optimize {target}"),
        }
    }

    async fn run(self, context: JobContext) -> Result<String> {
        let begun = Instant::now();
        let target = context.target(&self.0.target)?;
        context.phase(Phase::Preparing, None);
        let mut worker = context
            .unless_cancelled(Worker::connect(&target, SESSION, context.id))
            .await?;
        let done = Box::pin(work(&context, &mut worker, &self.0)).await;
        worker.close().await;
        done?.conclude(i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        let target = context.target(&self.0.target)?;
        let failed = |source| target.error(source);
        let mut connection = target.connect("clean-up").await?;
        if worker::end_leftover(&mut connection, SESSION, context.id)
            .await
            .map_err(failed)?
        {
            context.info("Ended the session that the job had left.");
        }
        if self.0.indexes {
            let source = migration::source(&target, &mut connection).await?;
            let ours = plan::is_leftover_of(&mut connection, &source)
                .await
                .map_err(failed)?;
            let (gone, stay) = invalid::drop_leftovers(&mut connection, DROP_SECONDS, ours)
                .await
                .map_err(failed)?;
            for name in gone {
                context.info(format!("Dropped the invalid index {name}."));
            }
            for name in stay {
                let text =
                    format!("The invalid index {name} could not be dropped now; the next run drops it.");
                context.log(LogLevel::Warn, text);
            }
        }
        connection.close().await.ok();
        Ok(())
    }
}

/// The parts of a run, and where each begins in the whole.
struct Course {
    changes: Vec<Item>,
    tables: Vec<Item>,
    /// Steps of the tables: one for each, or one for all.
    single: bool,
    total: f64,
}

impl Course {
    fn new(changes: Vec<Item>, tables: Vec<Item>) -> Self {
        let single = tables.len() <= SINGLE_TABLES;
        let total = changes.iter().chain(&tables).map(weight).sum();
        Self {
            changes,
            tables,
            single,
            total,
        }
    }

    fn steps(&self) -> Vec<String> {
        let mut names: Vec<String> = self.changes.iter().map(|item| item.view.name.clone()).collect();
        if self.single {
            names.extend(
                self.tables
                    .iter()
                    .map(|item| format!("analyze {}", item.view.table)),
            );
        } else {
            names.push(format!(
                "analyze {} tables",
                format::exact(self.tables.len() as i64)
            ));
        }
        names
    }
}

/// How much there is to read, in bytes; a part of nothing still takes a moment. ANALYZE reads a sample.
fn weight(item: &Item) -> f64 {
    const LEAST: f64 = 1_048_576.0;
    /// 30,000 pages, the sample that the default statistics target asks for.
    const SAMPLE: f64 = 30_000.0 * 8192.0;
    let bytes = item.weight as f64;
    LEAST
        + if item.view.kind == ItemKind::Statistics {
            bytes.min(SAMPLE)
        } else {
            bytes
        }
}

async fn work(context: &JobContext, worker: &mut Worker, spec: &OptimizeSpec) -> Result<Done> {
    let target = worker.target().clone();
    let failed = |source| target.error(source);
    let source = migration::source(&target, worker.watcher()).await?;
    let plan = plan::read(worker.watcher(), &source).await.map_err(failed)?;
    let changes = super::due(&plan, spec);
    if spec.analyze && plan.not_ours > 0 {
        context.log(
            LogLevel::Warn,
            format!(
                "{} tables belong to other roles and are not analyzed.",
                plan.not_ours
            ),
        );
    }
    let tables = super::to_analyze(&plan, spec).cloned().collect();
    let course = Course::new(changes, tables);
    context.steps(course.steps());
    if course
        .changes
        .iter()
        .any(|item| item.view.kind == ItemKind::Index)
    {
        for blocker in super::blockers(worker.watcher()).await.map_err(failed)? {
            context.log(
                LogLevel::Warn,
                format!("A concurrent build has to wait for {blocker}."),
            );
        }
    }
    let mut done = Done::default();
    let mut before = 0.0;
    for (index, item) in course.changes.iter().enumerate() {
        part(context, worker, &course, item, Place { index, before }, &mut done).await?;
        before += weight(item);
    }
    if !course.tables.is_empty() {
        // A table that someone else has locked shall not hold up the others for ever.
        sqlx::raw_sql("set lock_timeout = '30s'")
            .execute(worker.session())
            .await
            .map_err(failed)?;
    }
    for (number, item) in course.tables.iter().enumerate() {
        let index = course.changes.len() + if course.single { number } else { 0 };
        part(context, worker, &course, item, Place { index, before }, &mut done).await?;
        before += weight(item);
        if !course.single {
            let last = number + 1 == course.tables.len();
            let text = format!(
                "{} of {}",
                format::exact(number as i64 + 1),
                format::exact(course.tables.len() as i64)
            );
            context.step(index, |step| {
                step.state = if last { StepState::Done } else { StepState::Running };
                step.detail = Some(text);
            });
        }
    }
    Ok(done)
}

/// Where a part stands: its step, and the weight of all before it.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    before: f64,
}

async fn part(
    context: &JobContext,
    worker: &mut Worker,
    course: &Course,
    item: &Item,
    place: Place,
    done: &mut Done,
) -> Result<()> {
    context.check()?;
    let begun = Instant::now();
    let share = |within: f64| Some((place.before + within * weight(item)) / course.total);
    context.progress(|progress| {
        progress.phase = match item.view.kind {
            ItemKind::Constraint => Phase::Constraining,
            ItemKind::Index => Phase::Indexing,
            ItemKind::Statistics => Phase::Analyzing,
        };
        progress.detail = Some(match item.view.kind {
            ItemKind::Statistics => item.view.table.clone(),
            _ => format!("{} on {}", item.view.name, item.view.table),
        });
        progress.waiting = None;
        progress.fraction = share(0.0);
    });
    context.step(place.index, |step| step.state = StepState::Running);
    let mut watch = |live: Live| {
        context.progress(|progress| {
            progress.waiting = live.waiting;
            progress.fraction = share(live.fraction.unwrap_or(0.0)).or(progress.fraction);
            if let Some(step) = progress.steps.get_mut(place.index) {
                step.detail = live.detail;
                step.fraction = live.fraction;
            }
        });
    };
    let ended = match item.view.kind {
        ItemKind::Statistics => Box::pin(step::analyze(context, worker, item, &mut watch)).await,
        ItemKind::Constraint | ItemKind::Index => {
            Box::pin(step::change(context, worker, item, &mut watch)).await
        }
    };
    let took = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    let (state, detail) = match &ended {
        Ok(()) => (StepState::Done, None),
        Err(Failure::Part(fault)) => (StepState::Failed, Some(fault.message.clone())),
        Err(Failure::Run(Error::Cancelled)) => (StepState::Failed, Some("cancelled".to_owned())),
        Err(Failure::Run(_)) => (StepState::Failed, Some("see the fault".to_owned())),
    };
    context.progress(|progress| progress.waiting = None);
    context.step(place.index, |step| {
        step.state = state;
        step.detail = detail;
        step.fraction = (state == StepState::Done).then_some(1.0);
        step.duration_ms = Some(took);
    });
    match ended {
        Ok(()) => {
            // A table is analyzed also when its plan asks for nothing.
            let did = match item.view.kind {
                ItemKind::Statistics => plan::analyze_sql(item),
                ItemKind::Constraint | ItemKind::Index => item.view.sql.join("; "),
            };
            context.info(format!("{did} in {}.", format::duration(took)));
            done.add(item);
            Ok(())
        }
        Err(Failure::Part(fault)) => {
            context.log(LogLevel::Error, format!("{}: {}", item.view.name, fault.message));
            done.fail(&item.view.name, fault);
            Ok(())
        }
        Err(Failure::Run(error)) => Err(error),
    }
}
