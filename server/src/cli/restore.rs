//! `pgsteward backup restore`: what is found before it, the question, the job.

use contract::{
    backup::BackupView,
    format,
    restore::{CheckLevel, RestorePlan, RestoreSpec, RestoredView, TableThenNow},
};
use uuid::Uuid;

use super::{Session, arguments::Restore, confirm, failure::Failure, job, swap, table};
use crate::console::Console;

/// Tables that differ and are shown before a restore.
const SHOWN: usize = 40;

pub(super) async fn run(
    session: &Session<'_>,
    console: &Console,
    target: String,
    backup: Uuid,
    asked: Restore,
) -> Result<(), Failure> {
    let caller = session.caller(console);
    let backups = console.engine.backup();
    let mut spec = RestoreSpec {
        target,
        backup,
        to: asked.to,
        into_live: asked.into_live.is_some(),
        into: asked.into.or(asked.into_live),
        only: asked.only,
        parallel: asked.parallel,
        create_roles: asked.create_roles,
        owner: asked.owner,
        no_tablespaces: asked.no_tablespaces,
        as_superuser: asked.as_superuser,
        trust: asked.trust_archive,
    };
    if let Some(confirm) = &asked.confirm {
        // Told before the restore and not after it.
        let live = backups.spares(&caller, spec.place()).await?.live;
        if *confirm != live {
            return Err(Failure::with_hint(
                "the name behind --confirm is not the live database's",
                format!("--confirm {live} lets the restored one take its name"),
            ));
        }
    }
    let plan = backups.plan_restore(&caller, spec.clone()).await?;
    if asked.plan {
        session.out.show(&plan, || words(&plan, true));
        return match plan.may_begin() {
            true => Ok(()),
            false => Err(Failure::with_hint(
                "this backup cannot be restored like this",
                "what keeps it from that, and what to do, stands above",
            )),
        };
    }
    session.note(&words(&plan, false));
    if plan.may_begin() {
        confirm::ask(
            session,
            &match plan.into_live {
                true => format!("Add what is missing to the live database \"{}\"?", plan.into),
                false => format!("Restore into a new database \"{}\"?", plan.into),
            },
        )?;
    }
    let (place, into) = (spec.place().to_owned(), plan.into);
    spec.into = spec.into.or_else(|| Some(into.clone()));
    let id = backups.restore(&caller, spec).await?;
    let Some(confirm) = asked.confirm else {
        job::wait(session, console, id).await?;
        return Ok(());
    };
    let job = job::wait_quietly(session, console, id).await?;
    session.note(job.outcome.as_deref().unwrap_or(&job.title));
    swap::swap(session, console, place, into, confirm).await
}

/// Which one it is; of when an archive from elsewhere is, only it says.
fn backup(backup: &BackupView) -> String {
    let at = format::absolute(backup.taken_at);
    match &backup.uploaded {
        Some(uploaded) => format!("Archive {}, uploaded {at} as {}", backup.id, uploaded.name),
        None => format!("Backup {} of {}, as it was {at}", backup.id, backup.database),
    }
}

/// What was found before a restore; `whole` with what is as it should be, too.
fn words(plan: &RestorePlan, whole: bool) -> String {
    let mut text = format!(
        "{}, into {}\"{}\" on {} (PostgreSQL {}), over {} connections.",
        backup(&plan.backup),
        if plan.into_live { "the live database " } else { "" },
        plan.into,
        plan.target,
        plan.server_version,
        plan.parallel,
    );
    for check in plan
        .checks
        .iter()
        .filter(|check| whole || check.level > CheckLevel::Fine)
    {
        text.push_str(&format!("\n{}: {}", check.level.name(), check.words));
        if let Some(remedy) = &check.remedy {
            text.push_str(&format!(" {remedy}"));
        }
    }
    let differ: Vec<&TableThenNow> = plan
        .tables
        .iter()
        .filter(|table| {
            whole || !(table.in_backup && table.is_live && table.rows_then == table.rows_now_about)
        })
        .collect();
    if !differ.is_empty() {
        let shown = if whole {
            differ.len()
        } else {
            differ.len().min(SHOWN)
        };
        let rows: Vec<Vec<String>> = differ[..shown].iter().map(|table| row(table)).collect();
        text.push_str("\n\n");
        text.push_str(&table::lay_out(
            &["table", "rows in the backup", "rows now, about", ""],
            &["rows in the backup", "rows now, about"],
            &rows,
        ));
        if shown < differ.len() {
            text.push_str(&format!(
                "\nand {} tables more: --plan shows all",
                differ.len() - shown
            ));
        }
    }
    text
}

fn row(table: &TableThenNow) -> Vec<String> {
    let count = |there: bool, rows: Option<i64>| match (there, rows) {
        (false, _) => "-".to_owned(),
        (true, Some(rows)) => format::exact(rows),
        (true, None) => "not known".to_owned(),
    };
    vec![
        format!("{}.{}", table.schema, table.name),
        count(table.in_backup, table.rows_then),
        count(table.is_live, table.rows_now_about),
        match (table.in_backup, table.is_live) {
            (true, false) => "not live any more".to_owned(),
            (false, true) => "not in the backup".to_owned(),
            _ => String::new(),
        },
    ]
}

/// The restored databases.
pub(super) fn list(restored: &[RestoredView]) -> String {
    if restored.is_empty() {
        return "No restored database. Make one: pgsteward backup restore --latest".to_owned();
    }
    let rows: Vec<Vec<String>> = restored
        .iter()
        .map(|one| {
            vec![
                one.database.clone(),
                one.state.name().to_owned(),
                format::absolute(one.taken_at),
                format::absolute(one.started_at),
                one.backup.to_string(),
            ]
        })
        .collect();
    table::lay_out(
        &["database", "state", "of the backup of", "restored", "backup"],
        &[],
        &rows,
    )
}
