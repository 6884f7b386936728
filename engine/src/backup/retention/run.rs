//! The job that removes what no rule keeps. Each backup is decided about anew in the moment before it goes; one that cannot
//! be removed keeps none of the others.

use contract::{
    Code, Fault,
    audit::{Outcome, Severity},
    format,
    jobs::{JobKind, LogLevel, Phase, StepState},
};
use serde::{Deserialize, Serialize};

use super::{now::planned, store};
use crate::{
    Error, Result, audit,
    backup::delete,
    jobs::{Job, JobContext, Work},
};

/// Removes what no rule keeps, of one managed database.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PruneBackups {
    /// The managed database.
    pub target: String,
}

impl Job for PruneBackups {
    const KIND: JobKind = JobKind::PruneBackups;
    const EVENT_TYPE: &'static str = "backup.prune";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn work(&self) -> Work {
        Work::Aside
    }

    fn title(&self) -> String {
        format!("Remove old backups of {}", self.target)
    }

    async fn run(self, context: JobContext) -> Result<String> {
        context.phase(Phase::Preparing, None);
        let engine = &context.engine;
        let target = context.target(&self.target)?;
        let Some(row) = store::one(engine.store(), target.name()).await? else {
            return Ok("There is no rule any more, so every backup is kept.".to_owned());
        };
        let (_, plan) = planned(engine, &target, &row.keep, &row.zone).await?;
        for verdict in &plan.verdicts {
            let taken = format::absolute(verdict.taken_at);
            let (word, why) = match (verdict.goes, &plan.held) {
                (true, None) => ("goes", &verdict.why),
                (true, Some(held)) => ("would go, but", held),
                (false, _) => ("stays", &verdict.why),
            };
            context.info(format!("{} of {taken} {word}: {why}", verdict.id));
        }
        if let Some(why) = &plan.held {
            return Ok(format!("Nothing was removed: {why}"));
        }
        // The oldest first: whatever ends this leaves the newer ones.
        let mut going: Vec<_> = plan.going().cloned().collect();
        going.reverse();
        context.steps(going.iter().map(|verdict| format::absolute(verdict.taken_at)));
        context.phase(Phase::Pruning, None);
        let (mut removed, mut bytes, mut left, mut failed) = (0_usize, 0, 0_usize, 0_usize);
        for (place, verdict) in going.iter().enumerate() {
            context.check()?;
            let (backups, now) = planned(engine, &target, &row.keep, &row.zone).await?;
            let still = now.going().any(|other| other.id == verdict.id);
            let view = backups.iter().find(|backup| backup.id == verdict.id);
            let Some(view) = view.filter(|_| still) else {
                context.info(format!(
                    "{} stays: things have changed since it was planned.",
                    verdict.id
                ));
                context.step(place, |step| step.state = StepState::Skipped);
                left += 1;
                continue;
            };
            let entry = audit::Entry {
                event_type: "backup.delete",
                severity: Severity::Warning,
                outcome: Outcome::Success,
                user: Some(&*context.created_by),
                address: None,
                target: Some(target.name()),
                object: None,
                detail: Some("no rule keeps it"),
                job: Some(context.id),
            };
            match delete::remove(engine, &target, view, entry).await {
                Ok(()) => {
                    removed += 1;
                    bytes += view.bytes;
                    context.step(place, |step| step.state = StepState::Done);
                }
                // It is downloaded, was pinned, or somebody else deleted it: the next run sees to it.
                Err(error) if matches!(error.fault().code, Code::Conflict | Code::NotFound) => {
                    context.info(format!("{} is left alone: {error}", verdict.id));
                    context.step(place, |step| step.state = StepState::Skipped);
                    left += 1;
                }
                Err(error) => {
                    let words = error.chain();
                    context.log(
                        LogLevel::Error,
                        format!("{} cannot be removed: {words}", verdict.id),
                    );
                    context.step(place, |step| {
                        step.state = StepState::Failed;
                        step.detail = Some(words);
                    });
                    failed += 1;
                }
            }
            let share = (place + 1) as f64 / going.len() as f64;
            context.progress(|progress| progress.fraction = Some(share));
        }
        store::ran(engine.store(), target.name()).await?;
        let words = format!(
            "{} removed, {}; {} left alone; {} stay by the rules: {}",
            format::counted(removed, "backup", "backups"),
            format::bytes(bytes),
            left,
            plan.verdicts.len() - going.len(),
            row.keep.words(),
        );
        match failed {
            0 => Ok(words),
            failed => Err(Error::Refused(
                Fault::new(
                    Code::Conflict,
                    format!("{} could not be removed. {words}.", format::counted(failed, "old backup", "old backups")),
                )
                .hint("The log says why. Make the backup folder writable for the console's user; the next run tries again."),
            )),
        }
    }

    async fn clean_up(self, _context: JobContext) -> Result<()> {
        // A deletion that was broken off is finished or undone by the next look at the folder.
        Ok(())
    }
}
