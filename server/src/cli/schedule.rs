//! `pgsteward schedule …`: backups that are taken by themselves.

use contract::{
    backup::Proof,
    format,
    schedule::{ScheduleSpec, ScheduleView},
};

use super::{Session, arguments::Schedule, failure::Failure, job};
use crate::console::Console;

pub(super) async fn run(session: &Session<'_>, console: &Console, what: Schedule) -> Result<(), Failure> {
    let caller = session.caller(console);
    let schedules = console.engine.schedule();
    if let Schedule::List = what {
        let mut list = schedules.list(&caller).await?;
        if let Some(target) = &session.target {
            list.retain(|schedule| schedule.spec.target == *target);
        }
        session.out.show(&list, || match list.as_slice() {
            [] => "No schedule yet. Set one: pgsteward schedule set --every day --at 02:00".to_owned(),
            list => list.iter().map(words).collect::<Vec<_>>().join("\n\n"),
        });
        return Ok(());
    }
    let target = session.target(console).await?;
    let view = match what {
        Schedule::Set(set) => {
            let spec = ScheduleSpec {
                target,
                cron: set.cron(),
                zone: set.zone,
                jitter_s: set.jitter * 60,
                verify: set.verify.into(),
                verify_level: Proof::of_level(set.verify_level).unwrap_or(Proof::ReadBack),
                alarm_hours: set.alarm_hours,
                parallel: set.parallel,
                compression: set.compression,
            };
            schedules.set(&caller, spec).await?
        }
        Schedule::Pause => schedules.pause(&caller, &target).await?,
        Schedule::Resume => schedules.resume(&caller, &target).await?,
        Schedule::Remove => {
            schedules.remove(&caller, &target).await?;
            session.out.show(&target, || {
                format!("{target} has no schedule any more; its backups stay.")
            });
            return Ok(());
        }
        Schedule::Run => {
            let id = schedules.run(&caller, &target).await?;
            return job::wait(session, console, id).await.map(drop);
        }
        Schedule::List => return Ok(()),
    };
    session.out.show(&view, || words(&view));
    Ok(())
}

fn words(view: &ScheduleView) -> String {
    let spec = &view.spec;
    let mut text = format!("{}: {} ({})", spec.target, view.next.words, spec.zone);
    if spec.jitter_s > 0 {
        text.push_str(&format!(", up to {} min later", spec.jitter_s / 60));
    }
    text.push_str(&format!(
        "; {}; someone is told after {} h without a good backup",
        spec.verification(),
        spec.alarm_hours
    ));
    if let Some(kind) = spec.kind() {
        text.push_str(&format!("; {kind}"));
    }
    if let Some(paused) = &view.paused {
        text.push_str(&format!(
            "\npaused by {} on {}",
            paused.by,
            format::absolute(paused.at)
        ));
    }
    if let Some(note) = &view.note {
        text.push_str(&format!("\nnote: {note}"));
    }
    for due in &view.next.runs {
        text.push_str(&format!("\nnext: {} ({})", due.local, format::absolute(due.at)));
    }
    for run in &view.runs {
        text.push_str(&format!(
            "\nlast: {} {}{}",
            format::absolute(run.due_at),
            run.state.label(),
            run.note
                .as_deref()
                .map(|note| format!(": {note}"))
                .unwrap_or_default()
        ));
    }
    text
}
