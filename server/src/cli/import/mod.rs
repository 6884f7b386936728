//! `pgsteward import …`: bringing a SQLite file in, from the first look to the proof.

mod inspection;
mod words;

use std::{collections::BTreeMap, fs::File, io::Write, path::Path};

use contract::import::{
    ColumnChoice, Destination, ImportId, ImportReport, ImportState, ImportView, Inspection, Mapping,
    NamePolicy, OnCancel, OnConflict, TableChoice, TextPolicy,
};

use super::{
    Session,
    arguments::{Files, Import, NamesName, OnConflictName, Sqlite, TextName},
    confirm,
    failure::Failure,
    job,
};
use crate::console::Console;

pub(super) async fn run(
    session: &Session<'_>,
    console: &Console,
    what: Import,
    files: Files,
) -> Result<(), Failure> {
    let Import::Sqlite(what) = what;
    let to_remove = what.report.clone().or_else(|| what.write_mapping.clone());
    let done = sqlite(session, console, &what, files).await;
    if let (Err(_), Some(path)) = (&done, to_remove) {
        discard_if_empty(&path);
    }
    done
}

async fn sqlite(
    session: &Session<'_>,
    console: &Console,
    what: &Sqlite,
    files: Files,
) -> Result<(), Failure> {
    let caller = session.caller(console);
    let import = console.engine.import();
    if what.inspect {
        let found = tokio::select! {
            found = import.inspect(&caller, &what.file) => found?,
            _ = tokio::signal::ctrl_c() => {
                return Err(Failure::interrupted("the inspection was ended; the file is as it was"));
            }
        };
        if let (Some(file), Some(path)) = (files.out, &what.report) {
            write_json(file, path, &found)?;
        }
        session.out.show(&found, || inspection::words(&found));
        return Ok(());
    }
    let target = session.target(console).await?;
    let Files { mut out, mapping, .. } = files;
    let mapping = decisions(what, mapping);
    let earlier = import
        .unfinished(&caller, &target, &what.file, &mapping.schema)
        .await?;
    if what.discard {
        let found = earlier.ok_or_else(|| {
            Failure::message(
                "no interrupted import of this file is there to discard, and none that is followed",
            )
        })?;
        let into = import.detail(&caller, found.id).await?.mapping.into;
        let (question, discarded) = match (found.state, into) {
            (ImportState::Done, _) => (
                format!("End following this file? Its tables in {target} stay as they are."),
                "It is followed no longer; its tables stay as they are.",
            ),
            (_, Destination::New) => (
                format!("Drop the tables that the import has made in {target}?"),
                "Discarded.",
            ),
            (_, Destination::Existing) => (
                format!("Forget the import? Rows that went into tables of {target} stay there."),
                "Discarded.",
            ),
        };
        confirm::ask(session, &question)?;
        if let Some(job) = import.discard(&caller, found.id, &target).await? {
            job::wait_quietly(session, console, job).await?;
        }
        session.out.show(&found.id, || discarded.to_owned());
        return Ok(());
    }
    let going_on = earlier.filter(|_| !what.plan && what.write_mapping.is_none());
    let id = match going_on {
        Some(found) => {
            session.note(match found.state {
                ImportState::Done => "Bringing over what changed since the file was loaded.",
                _ => "Going on with the import that was interrupted.",
            });
            let detail = import.detail(&caller, found.id).await?;
            let follow = detail.mapping.follow;
            let asked = match &detail.inspection {
                Some(inspection) => mapping.tidied(inspection),
                None => mapping,
            };
            if what.decides() && (Mapping { follow, ..asked }) != detail.mapping {
                session.note("It goes on with what was decided when it began; what this command says otherwise is not heard. To decide anew, discard it first.");
            }
            found.id
        }
        None => {
            let created = import
                .create_from_path(&caller, &target, &what.file, mapping.clone())
                .await?;
            let decided = decide(session, console, what, &created, mapping, out.take()).await;
            match decided {
                Ok(Some(report)) => {
                    out = report;
                    created.id
                }
                // Nothing is begun, so nothing is left of it.
                ended => {
                    let forgotten = import.discard(&caller, created.id, "").await;
                    ended?;
                    forgotten?;
                    return Ok(());
                }
            }
        }
    };
    load(session, console, what, id, out).await
}

/// Looks at the file, rehearses and asks. Gives the report's file when the load is to begin, and nothing when all that was
/// asked for is done.
async fn decide(
    session: &Session<'_>,
    console: &Console,
    what: &Sqlite,
    created: &ImportView,
    mapping: Mapping,
    mut out: Option<File>,
) -> Result<Option<Option<File>>, Failure> {
    let caller = session.caller(console);
    let import = console.engine.import();
    if let Some(job) = created.job {
        job::wait_quietly(session, console, job).await?;
    }
    if let Some(path) = &what.write_mapping
        && let Some(file) = out.take()
    {
        let detail = import.detail(&caller, created.id).await?;
        let full = match detail.inspection {
            Some(found) => proposed(&found, mapping),
            None => mapping,
        };
        write_json(file, path, &full)?;
        session.out.show(&full, || format!("Wrote {}.", path.display()));
        return Ok(None);
    }
    let job = import.rehearse(&caller, created.id, mapping, None).await?;
    job::wait_quietly(session, console, job).await?;
    let detail = import.detail(&caller, created.id).await?;
    let plan = detail
        .rehearsal
        .map(|rehearsal| rehearsal.plan)
        .ok_or_else(|| Failure::message("the rehearsal left no plan"))?;
    if what.plan {
        session.out.show(&plan, || words::plan(&plan));
    }
    if let Some(obstacle) = plan.obstacles.first() {
        if !what.plan {
            session.note(&words::obstacles(&plan));
        }
        return Err(Failure::with_hint(
            obstacle.words.trim_end_matches('.').to_owned(),
            obstacle.hint.trim_end_matches('.').to_owned(),
        ));
    }
    if what.plan {
        return Ok(None);
    }
    confirm::ask_after_job(session, words::question(&plan)).await?;
    Ok(Some(out))
}

/// Runs the job and shows the report, also when it says that something differs.
async fn load(
    session: &Session<'_>,
    console: &Console,
    what: &Sqlite,
    id: ImportId,
    out: Option<File>,
) -> Result<(), Failure> {
    let caller = session.caller(console);
    let import = console.engine.import();
    let detail = import.detail(&caller, id).await?;
    let before = detail.report.map(|report| report.ended_at);
    let job = import
        .start(&caller, id, what.follow, Some(&detail.revision), None)
        .await?;
    let ended = job::wait_quietly(session, console, job).await;
    let report = import.detail(&caller, id).await?.report;
    // The report of an earlier run says nothing about this one.
    if let Some(report) = report.filter(|report| Some(report.ended_at) != before) {
        if let (Some(mut file), Some(path)) = (out, &what.report) {
            match path.extension().is_some_and(|end| end == "md") {
                true => write(&mut file, path, &report.markdown())?,
                false => write_json(file, path, &report)?,
            }
        }
        show(session, &report);
    }
    ended.map(|_| ())
}

fn show(session: &Session<'_>, report: &ImportReport) {
    session.out.show(report, || words::report(report));
}

/// The mapping of the file, or the default one, with what the arguments say on top.
pub(super) fn decisions(what: &Sqlite, mapping: Option<Mapping>) -> Mapping {
    let mut mapping = mapping.unwrap_or_default();
    if let Some(schema) = &what.schema {
        mapping.schema.clone_from(schema);
    }
    if what.existing {
        mapping.into = Destination::Existing;
    }
    if let Some(how) = what.on_conflict {
        mapping.on_conflict = match how {
            OnConflictName::Fail => OnConflict::Fail,
            OnConflictName::Skip => OnConflict::Skip,
            OnConflictName::Upsert => OnConflict::Upsert,
        };
    }
    if let Some(how) = what.names {
        mapping.names = match how {
            NamesName::Keep => NamePolicy::Keep,
            NamesName::Lower => NamePolicy::Lower,
        };
    }
    if let Some(how) = what.text {
        mapping.text = match how {
            TextName::Replace => TextPolicy::Replace,
            TextName::Remove => TextPolicy::Remove,
            TextName::Bytes => TextPolicy::Bytes,
            TextName::Refuse => TextPolicy::Refuse,
        };
    }
    if what.keep {
        mapping.on_cancel = OnCancel::Keep;
    }
    if what.follow {
        mapping.follow = true;
    }
    for table in &what.skip {
        mapping.tables.entry(table.clone()).or_default().skip = true;
    }
    mapping
}

/// A mapping that names every table and column with its type, to be edited.
fn proposed(found: &Inspection, mut mapping: Mapping) -> Mapping {
    for table in found.tables.iter().filter(|table| table.kind.skipped().is_none()) {
        let names = mapping.names;
        let choice: &mut TableChoice = mapping.tables.entry(table.name.clone()).or_default();
        choice.name.get_or_insert_with(|| names.of(&table.name));
        let columns: &mut BTreeMap<String, ColumnChoice> = &mut choice.columns;
        for column in &table.columns {
            let choice = columns.entry(column.name.clone()).or_default();
            choice.name.get_or_insert_with(|| names.of(&column.name));
            choice.column_type.get_or_insert(column.proposal.column_type);
        }
    }
    mapping
}

fn write_json<T: serde::Serialize>(mut file: File, path: &Path, value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::message(format!("{} cannot be written: {error}", path.display())))?;
    write(&mut file, path, &text)
}

fn write(file: &mut File, path: &Path, text: &str) -> Result<(), Failure> {
    writeln!(file, "{text}")
        .and_then(|()| file.sync_all())
        .map_err(|error| {
            Failure::with_hint(
                format!("{} cannot be written: {error}", path.display()),
                "free some room, remove the unfinished file, and try again",
            )
        })
}

/// Removes a file that was opened for nothing; where that is not allowed, it stays empty.
fn discard_if_empty(path: &Path) {
    let is_empty = std::fs::metadata(path).is_ok_and(|found| found.len() == 0);
    if is_empty && let Err(error) = std::fs::remove_file(path) {
        tracing::debug!(%error, "the empty file stays");
    }
}
