//! What the schedule of a managed database needs someone to look at.

use chrono::TimeDelta;
use contract::{
    Instant,
    finding::{Finding, Level},
    format,
    schedule::{RunState, RunView},
};

use super::{
    rule::Rule,
    store::{self, Row},
};
use crate::{Engine, Result, alarm, target::Target};

/// The page that shows them.
const PAGE: &str = "backups/schedule";
/// How long after its due time a backup must have been begun, beside the jitter.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);

/// Looks at the schedule and at its last run.
///
/// # Errors
/// The store's failures.
pub(crate) async fn look(engine: &Engine, target: &Target) -> Result<Vec<Finding>> {
    let Some(row) = store::one(engine.store(), target.name()).await? else {
        return Ok(Vec::new());
    };
    let last = store::runs(engine.store(), target.name(), 1)
        .await?
        .into_iter()
        .next();
    let mut found = of(&row, last.as_ref(), store::now(engine.store()).await?);
    found.extend(alarm::findings::look(engine, target).await?);
    Ok(found)
}

fn of(row: &Row, last: Option<&RunView>, now: Instant) -> Vec<Finding> {
    let mut found = Vec::new();
    if let (Some(by), Some(at)) = (&row.paused_by, row.paused_at) {
        found.push(
            Finding::new(
                "schedule.paused",
                Level::Note,
                "No backups are taken by themselves now: the schedule is paused.",
                "Resume it when the reason is gone.",
            )
            .because(format!("{by} paused it on {}.", format::absolute(at)))
            .on(PAGE),
        );
    } else {
        let patience = PATIENCE + TimeDelta::seconds(i64::from(row.jitter_s));
        let rule = Rule::parse(&row.cron, &row.zone);
        match rule
            .as_ref()
            .map(|rule| rule.due(row.settled_until, now - patience))
        {
            Ok(None) => {}
            Ok(Some(due)) => found.push(
                Finding::new(
                    "schedule.late",
                    Level::Urgent,
                    format!(
                        "The backup that was due {} was not begun.",
                        format::ago(due.newest, now)
                    ),
                    "Look at the console's log, and restart the console that serves this database.",
                )
                .because("No console has looked at the schedule since.")
                .on(PAGE),
            ),
            Err(error) => found.push(
                Finding::new(
                    "schedule.unreadable",
                    Level::Urgent,
                    "No backups are taken by themselves: this version does not understand the schedule.",
                    "Set the schedule anew.",
                )
                .because(error.fault().message)
                .on(PAGE),
            ),
        }
    }
    if let Some(run) = last.filter(|run| run.state == RunState::NotBegun) {
        found.push(
            Finding::new(
                "schedule.failed",
                Level::Warning,
                "The last scheduled backup could not be begun.",
                "Mend what is named, then back up by hand or wait for the next due time.",
            )
            .because(run.note.clone().unwrap_or_default())
            .on(PAGE),
        );
    }
    if let Some(note) = &row.note {
        found.push(
            Finding::new(
                "schedule.clock",
                Level::Warning,
                "The clock that schedules go by has jumped.",
                "Check the clock of the server of the console's own database.",
            )
            .because(note)
            .on(PAGE),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_timestamp(1_800_000_000 + seconds, 0).unwrap_or_default()
    }

    fn row() -> Row {
        Row {
            target: "main".into(),
            cron: "0 * * * *".into(),
            zone: "UTC".into(),
            jitter_s: 0,
            verify: "never".into(),
            verify_level: 1,
            alarm_hours: 26,
            parallel: 1,
            compression: "usual".into(),
            settled_until: at(0),
            verify_at: None,
            paused_by: None,
            paused_at: None,
            set_by: "ada".into(),
            set_at: at(0),
            note: None,
        }
    }

    fn keys(found: &[Finding]) -> Vec<(&str, Level)> {
        found
            .iter()
            .map(|finding| (finding.key.as_str(), finding.level))
            .collect()
    }

    #[test]
    fn a_due_time_that_nobody_deals_with_is_told_and_not_before() {
        // 1_800_000_000 is 08:00:00 UTC, a due time itself.
        assert!(of(&row(), None, at(3600 + 14 * 60)).is_empty());
        assert_eq!(
            keys(&of(&row(), None, at(3600 + 15 * 60))),
            [("schedule.late", Level::Urgent)]
        );
        let later = Row {
            jitter_s: 1800,
            ..row()
        };
        assert!(of(&later, None, at(3600 + 44 * 60)).is_empty());
        let paused = Row {
            paused_by: Some("ada".into()),
            paused_at: Some(at(0)),
            ..row()
        };
        assert_eq!(
            keys(&of(&paused, None, at(9999))),
            [("schedule.paused", Level::Note)]
        );
    }

    #[test]
    fn a_run_that_could_not_begin_and_a_clock_that_jumped_are_told() {
        let run = |state| RunView {
            due_at: at(0),
            begun_at: at(0),
            state,
            job: None,
            note: Some("It cannot be reached.".into()),
        };
        let now = at(60);
        assert_eq!(
            keys(&of(&row(), Some(&run(RunState::NotBegun)), now)),
            [("schedule.failed", Level::Warning)]
        );
        // What failed as a job is told by the backups.
        assert!(of(&row(), Some(&run(RunState::Failed)), now).is_empty());
        let jumped = Row {
            note: Some("It went back.".into()),
            ..row()
        };
        assert_eq!(
            keys(&of(&jumped, None, now)),
            [("schedule.clock", Level::Warning)]
        );
        let strange = Row {
            zone: "Europe/Gone".into(),
            ..row()
        };
        assert_eq!(
            keys(&of(&strange, None, now)),
            [("schedule.unreadable", Level::Urgent)]
        );
    }
}
