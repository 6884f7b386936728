//! The job that applies migrations.

use std::time::Instant;

use contract::{
    format,
    jobs::{JobKind, LogLevel, Phase, StepState},
    migration::MigrationState,
};
use serde::{Deserialize, Serialize};
use sqlx::Connection;

use super::{
    Look,
    apply::Applying,
    compare::Allow,
    ledger::{self, Author},
    lock,
    source::File,
    statements::Statement,
};
use crate::{
    Error, Result,
    jobs::{Job, JobContext, Work},
    target::{
        Target, invalid,
        live::Live,
        look,
        worker::{self, Worker},
    },
};

/// The name of this job's sessions.
const SESSION: &str = "migrate";
/// Seconds for dropping each index that a broken-off build left; a job's end must not hang behind a long transaction.
const DROP_SECONDS: u32 = 4;

/// Applies migrations.
#[derive(Serialize, Deserialize)]
pub(crate) struct Migrate {
    /// The managed database.
    pub target: String,
    /// The last version to apply; `None` applies all.
    pub up_to: Option<i64>,
    /// Whether late files are applied too.
    #[serde(default)]
    pub allow_late: bool,
    /// Whether what was applied and has no file is left alone.
    #[serde(default)]
    pub ignore_missing: bool,
}

impl Job for Migrate {
    const KIND: JobKind = JobKind::Migrate;
    const EVENT_TYPE: &'static str = "migration.apply";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn work(&self) -> Work {
        Work::Change
    }

    fn title(&self) -> String {
        match self.up_to {
            Some(version) => format!("Migrate {} up to {version}", self.target),
            None => format!("Migrate {}", self.target),
        }
    }

    async fn run(self, context: JobContext) -> Result<String> {
        let begun = Instant::now();
        let target = context.target(&self.target)?;
        context.phase(Phase::Preparing, None);
        let mut worker = context
            .unless_cancelled(Worker::connect(&target, SESSION, context.id))
            .await?;
        let applied = Box::pin(apply_all(&context, &mut worker, self.allowed())).await;
        // Whatever happened, the session ends here, and the lock with it.
        worker.close().await;
        super::findings::refresh(&target).await;
        let took = format::duration(i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX));
        Ok(match applied? {
            0 => "Nothing was left to apply: another process had done it".to_owned(),
            1 => format!("1 migration applied in {took}"),
            count => format!("{count} migrations applied in {took}"),
        })
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        let target = context.target(&self.target)?;
        let dropped = Box::pin(drop_leftovers(&context, &target)).await;
        super::findings::refresh(&target).await;
        dropped
    }
}

impl Migrate {
    fn allowed(&self) -> Allow {
        Allow {
            up_to: self.up_to,
            late: self.allow_late,
            missing: self.ignore_missing,
        }
    }
}

async fn apply_all(context: &JobContext, worker: &mut Worker, allow: Allow) -> Result<usize> {
    lock::acquire(context, worker).await?;
    context.phase(Phase::Preparing, None);
    let target = worker.target().clone();
    // Read under the lock: another tool may have been at work since the job was asked for.
    let Look { set, tables, .. } = super::read(&target, worker.watcher(), allow, true).await?;
    if let Some(problem) = set.problem {
        return Err(Error::Refused(problem));
    }
    let files: Vec<&File> = set.due().filter_map(|standing| standing.file.as_ref()).collect();
    if files.is_empty() {
        return Ok(0);
    }
    let tables = tables.ok_or_else(super::no_schema)?;
    ledger::ensure(worker.session(), &tables)
        .await
        .map_err(|source| target.error(source))?;
    context.steps(files.iter().map(|file| file.title()));
    let author = Author {
        name: &context.created_by,
        job: context.id,
    };
    let applying = Applying {
        context,
        tables: &tables,
        author: &author,
    };
    for (index, file) in files.iter().enumerate() {
        context.check()?;
        apply_one(context, worker, &applying, file, index, files.len()).await?;
    }
    Ok(files.len())
}

async fn apply_one(
    context: &JobContext,
    worker: &mut Worker,
    applying: &Applying<'_>,
    file: &File,
    index: usize,
    count: usize,
) -> Result<()> {
    let share = |within: f64| Some((index as f64 + within) / count as f64);
    context.progress(|progress| {
        progress.phase = Phase::Applying;
        progress.detail = Some(file.title());
        progress.waiting = None;
        progress.fraction = share(0.0);
    });
    context.step(index, |step| step.state = StepState::Running);
    let applying = applying.apply(worker, file, |live: Live| {
        context.progress(|progress| {
            progress.waiting = live.waiting;
            progress.fraction = share(live.fraction.unwrap_or(0.0));
            if let Some(step) = progress.steps.get_mut(index) {
                step.detail = live.detail;
                step.fraction = live.fraction;
            }
        });
    });
    let applied = Box::pin(applying).await;
    // The one that the ledger has, which the list of migrations shows.
    let took = applied
        .as_ref()
        .ok()
        .map(|took| i64::try_from(took.as_millis()).unwrap_or(i64::MAX));
    context.progress(|progress| {
        progress.waiting = None;
        if let Some(step) = progress.steps.get_mut(index) {
            step.state = if applied.is_ok() {
                StepState::Done
            } else {
                StepState::Failed
            };
            step.detail = match &applied {
                Ok(_) => None,
                Err(Error::Cancelled) => Some("cancelled".into()),
                Err(_) => Some("see the fault".into()),
            };
            step.fraction = applied.is_ok().then_some(1.0);
            step.duration_ms = took;
        }
    });
    if let Some(took) = took {
        context.info(format!("Applied {} in {}.", file.title(), format::duration(took)));
    }
    applied.map(drop)
}

/// Ends a dead worker's session, and removes the invalid indexes that an unfinished file's statements left. A file in a
/// transaction leaves nothing.
async fn drop_leftovers(context: &JobContext, target: &Target) -> Result<()> {
    let failed = |source| target.error(source);
    let mut connection = target.connect("clean-up").await?;
    if worker::end_leftover(&mut connection, SESSION, context.id)
        .await
        .map_err(failed)?
    {
        context.info("Ended the session that the job had left.");
    }
    let set = super::read(target, &mut connection, Allow::default(), true)
        .await?
        .set;
    let mut names = Vec::new();
    let statements = set
        .standings
        .iter()
        // A file whose first statement failed has been forgotten, so pending files count too.
        .filter(|standing| {
            matches!(
                standing.state,
                MigrationState::Unfinished | MigrationState::Pending | MigrationState::OutOfOrder
            )
        })
        .filter_map(|standing| standing.file.as_ref())
        .flat_map(|file| &file.statements);
    // The statements found their tables by the users' search path.
    sqlx::raw_sql(look::USERS_PATH)
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    for index in statements.filter_map(Statement::concurrent_index) {
        let table = invalid::table_oid(&mut connection, &index.table)
            .await
            .map_err(failed)?;
        names.extend(table.map(|table| (index.name, table)));
    }
    sqlx::raw_sql(look::SESSION)
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    if !names.is_empty() {
        let (gone, stay) = invalid::drop_leftovers(&mut connection, DROP_SECONDS, |found| {
            names
                .iter()
                .any(|(name, table)| *name == found.name && *table == found.table_oid)
        })
        .await
        .map_err(failed)?;
        for name in gone {
            context.info(format!("Dropped the invalid index {name}."));
        }
        for name in stay {
            context.log(
                LogLevel::Warn,
                format!("The invalid index {name} could not be dropped now; the next run drops it."),
            );
        }
    }
    connection.close().await.ok();
    Ok(())
}
