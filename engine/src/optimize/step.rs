//! One part of a run: a constraint, an index, or one table's statistics.

use contract::{Fault, jobs::LogLevel, optimize::ItemKind};

use super::{
    catalog,
    plan::{self, Item},
};
use crate::{
    Error,
    jobs::JobContext,
    target::{
        Target, invalid,
        live::Live,
        worker::{Stopped, Worker},
    },
};

/// How often an index is tried whose build was the victim of a deadlock.
const TRIES: u32 = 3;
/// Seconds for dropping what a failed build left, while the run goes on.
const DROP_SECONDS: u32 = 30;

/// How a part did not work.
pub(super) enum Failure {
    /// This part alone; the run goes on.
    Part(Fault),
    /// The whole run.
    Run(Error),
}

/// Executes a constraint's or an index's statements.
pub(super) async fn change(
    context: &JobContext,
    worker: &mut Worker,
    item: &Item,
    watch: &mut (impl FnMut(Live) + Send),
) -> Result<(), Failure> {
    match item.view.kind {
        ItemKind::Constraint => constrain(context, worker, item, watch).await,
        ItemKind::Index => build(context, worker, item, watch).await,
        ItemKind::Statistics => analyze(context, worker, item, watch).await,
    }
}

/// Each statement in a transaction of its own that waits a short time only for its lock. Adding without validating
/// needs the table for an instant; validating lets everyone read and write.
async fn constrain(
    context: &JobContext,
    worker: &mut Worker,
    item: &Item,
    watch: &mut (impl FnMut(Live) + Send),
) -> Result<(), Failure> {
    for sql in &item.view.sql {
        let mut ran = Box::pin(worker.begin(context, sql, &mut *watch)).await;
        if ran.is_ok() {
            ran = worker.commit().await.map_err(Stopped::from);
        }
        ran.map_err(|stopped| failure(worker.target(), sql, stopped))?;
    }
    Ok(())
}

/// Outside of a transaction and without any time limit: a limit would leave an invalid index. What a failed build leaves
/// is dropped before anything else.
async fn build(
    context: &JobContext,
    worker: &mut Worker,
    item: &Item,
    watch: &mut (impl FnMut(Live) + Send),
) -> Result<(), Failure> {
    let target = worker.target().clone();
    for sql in &item.view.sql {
        let mut attempt = 1;
        while let Err(stopped) = Box::pin(worker.run(context, sql, &mut *watch)).await {
            if matches!(stopped, Stopped::Cancelled) || stopped.is_lost() {
                return Err(Failure::Run(stopped.into_error(&target, sql)));
            }
            drop_leftover(context, worker, item)
                .await
                .map_err(|source| Failure::Run(target.error(source)))?;
            // Someone who waits for one of our locks while we wait for their snapshot; they may be gone next time.
            if stopped.sqlstate().as_deref() != Some("40P01") || attempt == TRIES {
                return Err(failure(&target, sql, stopped));
            }
            attempt += 1;
            context.log(
                LogLevel::Warn,
                format!(
                    "{}: a deadlock broke the build; attempt {attempt} of {TRIES}.",
                    item.view.name
                ),
            );
        }
    }
    if item.act == plan::Act::Drop {
        return Ok(());
    }
    // `if not exists` is content with any relation of this name.
    match catalog::is_valid(worker.watcher(), &item.schema, &item.view.name).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Part(
            Fault::new(
                contract::Code::Conflict,
                "someone else changed the index at the same time",
            )
            .hint("Look at the plan again, then run it again."),
        )),
        Err(source) => Err(Failure::Run(target.error(source))),
    }
}

async fn drop_leftover(context: &JobContext, worker: &mut Worker, item: &Item) -> Result<(), sqlx::Error> {
    // A rebuild of an index that is not ours leaves a second one beside it, and the first as it was.
    let keeps = item.view.sql.iter().any(|sql| sql.starts_with("reindex"));
    let names = |found: &invalid::InvalidIndex| {
        let ours = format!("{}.{}", found.schema, found.table) == item.view.table;
        ours && (found.is_rebuild_leftover() || (found.name == item.view.name && !keeps))
    };
    let (gone, stay) = invalid::drop_leftovers(worker.session(), DROP_SECONDS, names).await?;
    worker.settle().await?;
    for name in gone {
        context.info(format!(
            "Dropped the invalid index {name}, which the failed build had left."
        ));
    }
    for name in stay {
        context.log(
            LogLevel::Warn,
            format!("The invalid index {name} could not be dropped now."),
        );
    }
    Ok(())
}

/// Collects the statistics of one table. A table that stays locked is left out after a while.
pub(super) async fn analyze(
    context: &JobContext,
    worker: &mut Worker,
    item: &Item,
    watch: &mut (impl FnMut(Live) + Send),
) -> Result<(), Failure> {
    let sql = plan::analyze_sql(item);
    worker
        .run(context, &sql, watch)
        .await
        .map_err(|stopped| failure(worker.target(), &sql, stopped))
}

fn failure(target: &Target, sql: &str, stopped: Stopped) -> Failure {
    if matches!(stopped, Stopped::Cancelled) || stopped.is_lost() {
        return Failure::Run(stopped.into_error(target, sql));
    }
    let broken_rows = stopped
        .sqlstate()
        .is_some_and(|code| matches!(code.as_str(), "23514" | "23503" | "23502"));
    let mut fault = stopped.into_error(target, sql).fault();
    if broken_rows && fault.hint.is_none() {
        fault.hint = Some(
            "Correct the rows that break it, then run it again; new rows are held to it already.".into(),
        );
    }
    Failure::Part(fault)
}
