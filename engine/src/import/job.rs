//! The two jobs of an import: looking at the file, and loading it with the proof.

use std::{path::PathBuf, sync::Arc, time::Instant};

use chrono::Utc;
use contract::{
    format,
    import::{Finding, FindingKind, ImportId, ImportReport, ImportState, Severity, Verdict},
    jobs::{JobKind, JobState, LogLevel, Phase},
};
use serde::{Deserialize, Serialize};
use sqlx::Connection;

use super::{
    inspect::{self, Inspected},
    load::{Done, Ledger, Load, SESSION, Watch},
    plan::Plan,
    scan::Seen,
    source::Source,
    stop::Stop,
    store::{self, Record},
    sync, verify,
};
use crate::{
    Error, Result,
    jobs::{Job, JobContext},
    target::worker,
};

/// Between two looks at how far the reading is.
const LOOK: std::time::Duration = std::time::Duration::from_millis(300);

/// Looks at a file.
#[derive(Serialize, Deserialize)]
pub(crate) struct InspectFile {
    /// The managed database.
    pub target: String,
    /// The import.
    pub import: ImportId,
    /// The file's name.
    pub file: String,
}

impl Job for InspectFile {
    const KIND: JobKind = JobKind::InspectFile;
    const EXCLUSIVE: bool = false;
    const EVENT_TYPE: &'static str = "import.inspect";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn title(&self) -> String {
        format!("Look at {}", self.file)
    }

    async fn run(self, context: JobContext) -> Result<String> {
        let record = find(&context, self.import).await?;
        let found = look(&context, PathBuf::from(&record.path), self.file).await?;
        store::set_inspected(context.engine.store(), self.import, &found).await?;
        let rows: i64 = found.inspection.tables.iter().map(|table| table.rows).sum();
        Ok(format!(
            "{} tables with {} rows, {} findings",
            found.layout.len(),
            format::exact(rows),
            format::exact(found.inspection.findings.len() as i64)
        ))
    }

    async fn clean_up(self, _context: JobContext) -> Result<()> {
        // A private copy goes with the process, or with the next inspection.
        Ok(())
    }
}

/// Reads a file whole, with its progress shown.
async fn look(context: &JobContext, path: PathBuf, name: String) -> Result<Inspected> {
    context.phase(Phase::Inspecting, None);
    let (stop, seen) = (Stop::default(), Arc::new(Seen::default()));
    let _stops = stop.on_drop();
    let bytes = std::fs::metadata(&path).map_or(0, |found| found.len());
    let room = context.engine.config().data_dir.clone();
    let alone = !context.engine.config().works;
    let (reading_stop, reading_seen) = (stop.clone(), Arc::clone(&seen));
    let reading = tokio::task::spawn_blocking(move || {
        inspect::run(&path, Some(&name), &room, alone, &reading_stop, &reading_seen)
    });
    tokio::pin!(reading);
    loop {
        tokio::select! {
            biased;
            () = context.cancelled() => return Err(Error::Cancelled),
            read = &mut reading => {
                return read.map_err(|error| Error::internal("reading a SQLite file", error))?;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        let (read, rows) = seen.so_far();
        context.progress(|progress| {
            // What lies in indexes is not read, so the file's size is more than there is to read.
            progress.fraction = (bytes > 0).then(|| (read as f64 / bytes as f64).min(0.99));
            progress.detail = Some(format!("{} rows, {}", format::exact(rows), format::bytes(read)));
        });
    }
}

async fn find(context: &JobContext, id: ImportId) -> Result<Record> {
    store::find(context.engine.store(), id)
        .await?
        .ok_or_else(|| Error::not_found("The import is not there any more.", "Begin a new one."))
}

/// Loads a file and proves it; goes on where an earlier run ended; brings over what changed since when it is done.
#[derive(Serialize, Deserialize)]
pub(crate) struct LoadImport {
    /// The managed database.
    pub target: String,
    /// The import.
    pub import: ImportId,
    /// The file's name.
    pub file: String,
    /// Whether later runs shall bring over what changes.
    pub follow: bool,
}

impl Job for LoadImport {
    const KIND: JobKind = JobKind::Import;
    const EXCLUSIVE: bool = true;
    const EVENT_TYPE: &'static str = "import.load";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn title(&self) -> String {
        format!("Import {} into {}", self.file, self.target)
    }

    async fn run(self, context: JobContext) -> Result<String> {
        let mut record = find(&context, self.import).await?;
        if record.view.state == ImportState::Ready {
            // What a killed run left was so little that its clean-up took the plan back.
            super::Import(&context.engine).fix_plan(&record).await?;
            record = find(&context, self.import).await?;
        }
        let state = record.view.state;
        let (Some(plan), Some(inspected)) = (record.plan, record.inspected) else {
            return Err(Error::conflict(
                "The import has no plan.",
                "Rehearse it on its page, then start it there.",
            ));
        };
        context.phase(Phase::Preparing, Some("opening the file".to_owned()));
        let source = open(&context, PathBuf::from(&record.path), self.file.clone()).await?;
        let load = Arc::new(Load {
            target: context.target(&self.target)?,
            ledger: Ledger::new(&plan.schema, self.import),
            watch: Arc::new(Watch::new(&plan)),
            plan: Arc::new(plan),
            source: Arc::new(source),
            stop: Stop::default(),
            context: context.clone(),
        });
        let _stops = load.stop.on_drop();
        let changes = state == ImportState::Done;
        let begun = Instant::now();
        let (load, done) = if changes {
            sync::run(&load, &inspected).await?
        } else {
            if load.source.stamp() != load.plan.stamp {
                return Err(changed(&load.source.name));
            }
            let done = load.run().await?;
            (load, done)
        };
        let load_ms = millis(begun);
        let begun = Instant::now();
        let report = prove(&load, &done, &record.view.id, inspected.took_ms, load_ms).await?;
        let report = ImportReport {
            verify_ms: millis(begun),
            bytes: load.source.bytes,
            ended_at: Utc::now(),
            ..report
        };
        let store = context.engine.store();
        store::finish(store, self.import, &report).await?;
        if !self.follow {
            if load.plan.follow {
                let plan = Plan {
                    follow: false,
                    ..(*load.plan).clone()
                };
                store::set_plan(store, self.import, &plan).await?;
            }
            // The proof is kept; the ledger in the target has served.
            let mut connection = load.target.connect("import").await?;
            load.ledger
                .forget(&mut connection)
                .await
                .map_err(|source| load.target.error(source))?;
        }
        if report.verdict == Verdict::Differs {
            return Err(Error::conflict(
                report.summary(),
                "The import's page lists what differs.",
            ));
        }
        Ok(report.summary())
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        let target = context.target(&self.target)?;
        let failed = |source| target.error(source);
        let mut connection = target.connect("clean-up").await?;
        if worker::end_leftover(&mut connection, SESSION, context.id)
            .await
            .map_err(failed)?
        {
            context.info("Ended the sessions that the job had left.");
        }
        let Some(record) = store::find(context.engine.store(), self.import).await? else {
            return Ok(());
        };
        let Some(plan) = &record.plan else { return Ok(()) };
        let ledger = Ledger::new(&plan.schema, self.import);
        if record.view.state == ImportState::Done && !plan.follow {
            // It ended between the report and the last statement.
            ledger.forget(&mut connection).await.map_err(failed)?;
        }
        if record.view.state != ImportState::Loading {
            return Ok(());
        }
        let asked = crate::jobs::store::view(context.engine.store(), context.id)
            .await?
            .is_some_and(|job| job.state == JobState::Cancelling);
        if asked && !plan.keep {
            undo(&context, &mut connection, &ledger, plan)
                .await
                .map_err(failed)?;
            store::back_to_ready(context.engine.store(), self.import).await?;
        } else if ledger.read(&mut connection).await.map_err(failed)?.is_none() {
            context.info("Nothing of it is in the target.");
            store::back_to_ready(context.engine.store(), self.import).await?;
        } else {
            context.log(
                LogLevel::Warn,
                format!(
                    "What is loaded is kept in the schema {}: start the import again to go on from there, or discard it.",
                    plan.schema
                ),
            );
        }
        connection.close().await.ok();
        Ok(())
    }
}

/// Removes what an import left, in one transaction.
pub(super) async fn undo(
    context: &JobContext,
    connection: &mut sqlx::PgConnection,
    ledger: &Ledger,
    plan: &Plan,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let gone = ledger.undo(&mut transaction, plan).await?;
    transaction.commit().await?;
    context.info(match plan.into {
        contract::import::Destination::New => format!("Dropped the {} tables that it had made.", gone.len()),
        contract::import::Destination::Existing => {
            "Forgot how far it was; rows that had gone into tables that were there stay there.".to_owned()
        }
    });
    Ok(())
}

async fn open(context: &JobContext, path: PathBuf, name: String) -> Result<Source> {
    let room = context.engine.config().data_dir.clone();
    let alone = !context.engine.config().works;
    let opening = tokio::task::spawn_blocking(move || Source::open(&path, Some(&name), &room, alone));
    context
        .unless_cancelled(async {
            opening
                .await
                .map_err(|error| Error::internal("opening a SQLite file", error))?
        })
        .await
}

fn changed(name: &str) -> Error {
    Error::conflict(
        format!("{name} was changed since it was looked at."),
        "Stop the program that uses it; then discard this import and begin a new one, or give back the file as it was.",
    )
}

/// Reads everything back and writes the report.
async fn prove(
    load: &Arc<Load>,
    done: &Done,
    import: &ImportId,
    inspect_ms: i64,
    load_ms: i64,
) -> Result<ImportReport> {
    let failed = |source| load.target.error(source);
    let tables = verify::tables(load, done).await?;
    let plan = &load.plan;
    let mut connection = load.target.connect("verify").await?;
    let identities = verify::identities(&mut connection, plan).await.map_err(failed)?;
    let foreign_keys = verify::foreign_keys(&mut connection, plan)
        .await
        .map_err(failed)?;
    let mut items = plan.items.clone();
    let lost = outcomes(plan, done, &mut items);
    // What was read while someone wrote is neither the old state nor the new one.
    load.source.unchanged()?;
    let broken = lost
        || identities.iter().any(|identity| !identity.right)
        || foreign_keys.iter().any(|key| !key.validated && key.orphans == 0);
    let tells = |verdict| tables.iter().any(|table| table.verdict == verdict);
    let mut errors = items.iter().filter(|item| item.severity == Severity::Error);
    // Of a damaged file nobody knows what it held.
    let damaged = errors.clone().any(|item| item.kind == FindingKind::Damage);
    let verdict = match () {
        () if broken || damaged || tells(Verdict::Differs) => Verdict::Differs,
        // What the rehearsal lost was said before the start.
        () if tells(Verdict::Explained) || errors.next().is_some() => Verdict::Explained,
        () => Verdict::Identical,
    };
    items.sort_by_key(|item| std::cmp::Reverse(item.severity));
    Ok(ImportReport {
        id: import.0,
        file: load.source.name.clone(),
        bytes: load.source.bytes,
        target: load.target.name().to_owned(),
        schema: plan.schema.clone(),
        into: plan.into,
        verdict,
        tables,
        items,
        identities,
        foreign_keys,
        inspect_ms,
        load_ms,
        verify_ms: 0,
        ended_at: Utc::now(),
    })
}

/// Adds what PostgreSQL did not take after all; gives whether that was something that must not be missing.
fn outcomes(plan: &Plan, done: &Done, items: &mut Vec<Finding>) -> bool {
    use super::load::{INSTEAD, LOST};
    let mut lost = false;
    for (place, how) in &done.steps {
        let Some(step) = usize::try_from(*place)
            .ok()
            .and_then(|place| plan.steps.get(place))
        else {
            continue;
        };
        let why = match how.as_str() {
            INSTEAD => None,
            other => match other.strip_prefix(LOST) {
                Some(why) => Some(why),
                None => continue,
            },
        };
        let mut item = step.or_else.clone();
        if let Some(why) = why {
            item.words = format!(
                "{} ({}).",
                item.words.trim_end_matches('.'),
                why.trim_end_matches('.')
            );
        }
        if item.sql.is_none() {
            item.sql = step.sql.first().cloned();
        }
        lost |= item.severity == Severity::Error;
        items.push(item);
    }
    for (place, made) in done.parents.iter().filter(|(_, made)| **made > 0) {
        let table = usize::try_from(*place)
            .ok()
            .and_then(|place| plan.tables.get(place));
        items.push(Finding {
            severity: Severity::Warning,
            kind: FindingKind::Changed,
            table: table.map(|table| table.source.clone()),
            column: None,
            words: format!(
                "{} parents that its rows name and nobody had were made, with their key alone.",
                format::exact(*made)
            ),
            sql: None,
        });
    }
    lost
}

fn millis(begun: Instant) -> i64 {
    i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX)
}
