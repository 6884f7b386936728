//! `pgsteward backup …`: taking, checking and keeping backups.

use contract::{
    backup::{
        BackupList, BackupReport, BackupSpec, BackupView, DeleteBackup, Part, PartsView, Proof, VerifySpec,
    },
    format,
    retention::{Mark, MarkBackup, Marks, PrunePlan, Retention, RetentionSpec},
    swap::DropSpec,
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Session,
    arguments::{Backup, Files, Which},
    confirm,
    failure::Failure,
    job, restore, swap, table,
};
use crate::console::Console;

/// A file that was written.
#[derive(Serialize)]
struct Written {
    id: Uuid,
    bytes: i64,
    sha256: String,
}

pub(super) async fn run(
    session: &Session<'_>,
    console: &Console,
    what: Backup,
    files: Files,
) -> Result<(), Failure> {
    let target = session.target(console).await?;
    let caller = session.caller(console);
    let backups = console.engine.backup();
    match what {
        Backup::Create {
            schema,
            table,
            compression,
            parallel,
            inexact,
        } => {
            let schemas = schema.into_iter().map(|schema| Part { schema, table: None });
            let spec = BackupSpec {
                target,
                only: schemas.chain(table).collect(),
                compression,
                parallel,
            };
            if let Some(parts) = backups.look_at_parts(&caller, spec.clone()).await? {
                session.note(&parts_words(&parts));
            }
            let id = backups.start_as(&caller, spec, !inexact).await?;
            job::wait(session, console, id).await?;
        }
        Backup::Add { file } => {
            let opened = files
                .archive
                .ok_or_else(|| Failure::message("the archive was not opened"))?;
            let seen = opened
                .metadata()
                .map_err(|error| Failure::message(format!("{} cannot be read: {error}", file.display())))?;
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let bytes = i64::try_from(seen.len()).unwrap_or(i64::MAX);
            let data =
                tokio_util::io::ReaderStream::with_capacity(tokio::fs::File::from_std(opened), 256 * 1024);
            let id = backups.add_file(&caller, &target, &name, bytes, data).await?;
            job::wait(session, console, id).await?;
        }
        Backup::List => {
            let list = backups.list(&caller, &target).await?;
            session.out.show(&list, || words(&list));
        }
        Backup::Verify { which, level, on } => {
            let id = chosen(session, &which, &backups.list(&caller, &target).await?)?;
            let level = Proof::of_level(level).unwrap_or(Proof::ReadBack);
            let spec = VerifySpec {
                target,
                id,
                level,
                on,
            };
            let job = backups.verify_to(&caller, spec).await?;
            job::wait(session, console, job).await?;
        }
        Backup::Restore(restore) => {
            let id = chosen(session, &restore.which, &backups.list(&caller, &target).await?)?;
            restore::run(session, console, target, id, restore).await?;
        }
        Backup::Restored => {
            let restored = backups.restored(&caller, &target).await?;
            session.out.show(&restored, || restore::list(&restored));
        }
        Backup::Report(which) => {
            let id = chosen(session, &which, &backups.list(&caller, &target).await?)?;
            let report = backups.report(&caller, &target, id).await?;
            session.out.show(&report, || told(&report));
        }
        Backup::Delete { id, confirm } => {
            backups
                .delete(&caller, DeleteBackup { target, id, confirm })
                .await?;
            session.out.show(&id, || format!("Deleted {id}."));
        }
        Backup::Databases => swap::list(session, console, &target).await?,
        Backup::Swap { database, confirm } => {
            swap::swap(session, console, target, database, confirm).await?;
        }
        Backup::SwapBack => swap::back(session, console, &target).await?,
        Backup::Drop { database, confirm } => {
            let spec = DropSpec {
                target,
                database,
                confirm,
            };
            let id = backups.drop_spare(&caller, spec).await?;
            job::wait(session, console, id).await?;
        }
        Backup::Retention { rules, none, zone } => {
            let keep = rules.into();
            let view = match keep == Retention::default() && !none {
                true => backups.retention(&caller, &target).await?,
                false => {
                    let spec = RetentionSpec { target, keep, zone };
                    let plan = backups.plan_retention(&caller, spec.clone()).await?;
                    session.note(&plan_words(&plan));
                    let question = format!("From now on keep {} of {}?", spec.keep.words(), spec.target);
                    confirm::ask(session, &question)?;
                    backups.set_retention(&caller, spec).await?
                }
            };
            session.out.show(&view, || {
                let set = match &view.set {
                    Some((by, at)) => format!("set by {by} on {}", format::absolute(*at)),
                    None => "nobody has set a rule".to_owned(),
                };
                let kept = view.spec.keep.words();
                format!(
                    "Keeps {kept} ({}); {set}.\n{}",
                    view.spec.zone,
                    plan_words(&view.plan)
                )
            });
        }
        Backup::Prune { dry_run: true } => {
            let view = backups.retention(&caller, &target).await?;
            session.out.show(&view.plan, || plan_words(&view.plan));
        }
        Backup::Prune { dry_run: false } => {
            let view = backups.retention(&caller, &target).await?;
            if view.plan.going().next().is_some() {
                session.note(&plan_words(&view.plan));
                confirm::ask(session, "Remove them?")?;
            }
            let id = backups.prune(&caller, &target).await?;
            job::wait(session, console, id).await?;
        }
        Backup::Pin { id } => mark(session, console, target, id, Mark::Pin).await?,
        Backup::Unpin { id } => mark(session, console, target, id, Mark::Unpin).await?,
        Backup::Label { id, text } => mark(session, console, target, id, Mark::Label(text)).await?,
        Backup::Note { id, text } => mark(session, console, target, id, Mark::Note(text)).await?,
        Backup::Adopt { id } => {
            backups.adopt(&caller, &target, id).await?;
            session.out.show(&id, || format!("Took over {id}."));
        }
        Backup::Download { id, output, globals } => {
            let download = match globals {
                true => backups.open_globals(&caller, &target, id).await?,
                false => backups.open(&caller, &target, id).await?,
            };
            let file = files
                .out
                .ok_or_else(|| Failure::message("the file to write was not opened"))?;
            let mut from = download.file;
            let mut to = tokio::fs::File::from_std(file);
            let copied = async {
                let bytes = tokio::io::copy(&mut from, &mut to).await?;
                to.sync_all().await.map(|()| bytes)
            };
            match copied.await {
                Ok(bytes) if i64::try_from(bytes) == Ok(download.bytes) => {
                    let written = Written {
                        id,
                        bytes: download.bytes,
                        sha256: download.sha256,
                    };
                    session.out.show(&written, || {
                        format!("Wrote {} ({}).", output.display(), format::bytes(written.bytes))
                    });
                }
                Ok(bytes) => {
                    return Err(Failure::message(format!(
                        "only {bytes} of {} bytes were read",
                        download.bytes
                    )));
                }
                Err(error) => {
                    return Err(Failure::with_hint(
                        format!("{} cannot be written: {error}", output.display()),
                        "free some room, remove the unfinished file, and try again",
                    ));
                }
            }
        }
    }
    Ok(())
}

/// The backup that is meant. A newer one that `--latest` passes over is told.
fn chosen(session: &Session<'_>, which: &Which, list: &BackupList) -> Result<Uuid, Failure> {
    if let Some(id) = which.id {
        return Ok(id);
    }
    let (newest, passed_over) = newest(list)?;
    if let Some(parts) = passed_over {
        session.note(&format!(
            "The newest whole backup is meant, of {}. A newer one, {} of {}, is of chosen parts alone: name it by its id.",
            format::absolute(newest.taken_at),
            parts.id,
            format::absolute(parts.taken_at)
        ));
    }
    Ok(newest.id)
}

/// The newest backup of the whole database, and the newest one of parts when that is newer. What was uploaded from elsewhere is no backup
/// of this database.
fn newest(list: &BackupList) -> Result<(&BackupView, Option<&BackupView>), Failure> {
    let own = || list.backups.iter().filter(|backup| backup.uploaded.is_none());
    let first = own().next().ok_or_else(|| {
        Failure::with_hint(
            format!("there is no backup of {}", list.target),
            "take one: pgsteward backup create",
        )
    })?;
    match own().find(|backup| backup.is_whole()) {
        Some(whole) => Ok((whole, (first.id != whole.id).then_some(first))),
        None => Err(Failure::with_hint(
            format!("there is no backup of the whole of {}", list.target),
            format!(
                "the newest one of chosen parts is {}: name it by its id",
                first.id
            ),
        )),
    }
}

/// What a backup of chosen parts leaves out, and what it can only be restored beside.
fn parts_words(parts: &PartsView) -> String {
    match parts.needs.is_empty() {
        true => parts.note.clone(),
        false => format!(
            "{}\nwarning: it cannot be restored by itself, because its parts need what will not be in it:\n  {}\n\
             Restore it into the live database (--into-live), or into another one that has all of that; or choose their schema, or the whole \
             database.",
            parts.note,
            parts.needs.join("\n  ")
        ),
    }
}

async fn mark(
    session: &Session<'_>,
    console: &Console,
    target: String,
    id: Uuid,
    mark: Mark,
) -> Result<(), Failure> {
    let caller = session.caller(console);
    let marks = console
        .engine
        .backup()
        .mark(&caller, MarkBackup { target, id, mark })
        .await?;
    session.out.show(&marks, || match marks_words(&marks) {
        words if words.is_empty() => format!("Nothing is put on {id}."),
        words => format!("{id}: {words}"),
    });
    Ok(())
}

fn marks_words(marks: &Marks) -> String {
    let pinned = marks.pinned.then(|| "pinned".to_owned());
    let label = marks.label.as_ref().map(|label| format!("\"{label}\""));
    let words: Vec<String> = pinned
        .into_iter()
        .chain(label)
        .chain(marks.note.clone())
        .collect();
    words.join(", ")
}

fn plan_words(plan: &PrunePlan) -> String {
    let mut text = plan.words();
    for verdict in &plan.verdicts {
        text.push_str(&format!(
            "\n{}  {}  {:>8}  {}: {}",
            verdict.id,
            format::absolute(verdict.taken_at),
            format::bytes(verdict.bytes),
            if verdict.goes { "goes" } else { "stays" },
            verdict.why
        ));
    }
    text
}

fn words(list: &BackupList) -> String {
    let mut text = match list.backups.as_slice() {
        [] => format!(
            "No backup of {} yet. Take one: pgsteward backup create",
            list.target
        ),
        backups => {
            let head = ["id", "taken", "size", "rows", "proof", "migration"];
            table::lay_out(
                &head,
                &["size", "rows", "migration"],
                &backups.iter().map(row).collect::<Vec<_>>(),
            )
        }
    };
    for backup in &list.backups {
        if let Some(origin) = backup.origin() {
            text.push_str(&format!("\n{}: {origin}", backup.id));
        }
        let marks = marks_words(&backup.marks);
        if !marks.is_empty() {
            text.push_str(&format!("\n{}: {marks}", backup.id));
        }
        for note in &backup.notes {
            text.push_str(&format!("\nnote on {}: {note}", backup.id));
        }
    }
    if let Some(warning) = &list.warning {
        text.push_str(&format!("\n\nwarning: {warning}"));
    }
    text
}

fn told(report: &BackupReport) -> String {
    let backup = &report.backup;
    let mut lines = vec![format!(
        "{}: {}, {}",
        backup.id,
        backup.proof.label(),
        format::absolute(backup.proven_at)
    )];
    lines.extend(backup.damage.iter().map(|words| format!("damaged: {words}")));
    lines.extend(backup.concern.clone());
    match &report.trial {
        None => lines.push("It was not restored for trial.".to_owned()),
        Some(trial) => {
            // That the last one came to no end stands above.
            if trial.came_to_its_end() {
                lines.push(format!(
                    "trial restore of {}, {}: {} tables compared, {} different",
                    format::absolute(trial.at),
                    format::duration(trial.duration_ms),
                    trial.tables.len(),
                    trial.tables.iter().filter(|table| !table.equal).count(),
                ));
            }
            lines.extend(trial.differences.iter().map(|words| format!("differs: {words}")));
            lines.extend(trial.notes.iter().map(|note| format!("note: {note}")));
        }
    }
    lines.join("\n")
}

fn row(backup: &BackupView) -> Vec<String> {
    vec![
        backup.id.to_string(),
        format::absolute(backup.taken_at),
        format::bytes(backup.bytes),
        format::exact(backup.rows),
        match (&backup.damage, &backup.foreign) {
            (Some(damage), _) => format!("damaged: {damage}"),
            (None, Some(foreign)) => format!("foreign: {foreign}"),
            (None, None) if backup.uploaded.is_some() => "uploaded from elsewhere".to_owned(),
            (None, None) if backup.is_whole() => backup.proof.label().to_owned(),
            (None, None) => format!("{} (parts only)", backup.proof.label()),
        },
        backup
            .migration
            .map(|version| version.to_string())
            .unwrap_or_default(),
    ]
}
