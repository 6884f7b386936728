//! The two jobs of an import: looking at the file, and loading it with the proof.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use chrono::Utc;
use contract::{
    format,
    import::{Destination, Finding, FindingKind, ImportId, ImportReport, ImportState, Severity, Verdict},
    jobs::{JobKind, JobState, LogLevel, Phase},
};
use serde::{Deserialize, Serialize};
use sqlite::{
    inspect::{self, Inspected},
    scan::Seen,
    source::Source,
    stop::Stop,
};
use sqlx::Connection;
use uuid::Uuid;

use super::{
    load::{Done, Ledger, Load, SESSION, Watch},
    plan::{self, Plan},
    rehearsal::{self, decided_anew},
    store::{self, Record},
    sync, uploads, verify,
};
use crate::{
    Error, Result,
    jobs::{Job, JobContext, Work, patiently},
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
    const EVENT_TYPE: &'static str = "import.inspect";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn work(&self) -> Work {
        Work::Aside
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
    let (stop, seen) = (Stop::default(), Seen::default());
    let _stops = stop.on_drop();
    let bytes = std::fs::metadata(&path).map_or(0, |found| found.len());
    let room = context.engine.config().data_dir.clone();
    let alone = !context.engine.config().works;
    let (reading_stop, reading_seen) = (stop.clone(), seen.clone());
    let reading = tokio::task::spawn_blocking(move || {
        same_place(&path, &name)?;
        Ok(inspect::run(
            &path,
            Some(&name),
            &room,
            alone,
            &reading_stop,
            &reading_seen,
        )?)
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

pub(super) async fn find(context: &JobContext, id: ImportId) -> Result<Record> {
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
    /// What was rehearsed, for an import that begins.
    #[serde(default)]
    pub revision: Option<String>,
    /// The upload that is read from now on, for one that is followed.
    #[serde(default)]
    pub upload: Option<Uuid>,
}

impl Job for LoadImport {
    const KIND: JobKind = JobKind::Import;
    const EVENT_TYPE: &'static str = "import.load";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn work(&self) -> Work {
        Work::Change
    }

    fn title(&self) -> String {
        format!("Import {} into {}", self.file, self.target)
    }

    async fn run(self, context: JobContext) -> Result<String> {
        let mut record = find(&context, self.import).await?;
        if record.view.state == ImportState::Ready {
            fix_plan(&context, &record, self.revision.as_deref()).await?;
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
        let path = match self.upload {
            Some(upload) => uploads::path(context.engine.config(), upload).await?,
            None => PathBuf::from(&record.path),
        };
        let source = open(&context, path.clone(), self.file.clone()).await?;
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
            let newer = self.upload.map(|upload| (upload, path.as_path()));
            sync::run(&load, &inspected, newer).await?
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
        let finished = patiently(|| async { Ok(store::finish(store, self.import, &report).await?) });
        if !finished.await? {
            return Err(Error::conflict(
                "The import was discarded while it ran.",
                "Look at what is left of it in the target, and begin a new one.",
            ));
        }
        // What differs can be brought over again, once it is known why.
        if !self.follow && report.verdict != Verdict::Differs {
            if load.plan.follow {
                store::end_following(store, self.import, &load.plan).await?;
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
        let into_own = plan.into == Destination::New;
        if asked && !plan.keep && into_own {
            undo(&context, &mut connection, &ledger, plan)
                .await
                .map_err(failed)?;
            store::back_to_ready(context.engine.store(), self.import).await?;
        } else if ledger.read(&mut connection).await.map_err(failed)?.is_none() {
            ledger.forget(&mut connection).await.map_err(failed)?;
            context.info("Nothing of it is in the target.");
            store::back_to_ready(context.engine.store(), self.import).await?;
        } else if asked && !plan.keep {
            context.log(
                LogLevel::Warn,
                "All rows were committed before it was cancelled, and stay. Start the import again: it only proves them then.",
            );
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

/// Fixes the plan of an import that begins: it must be the one that was rehearsed.
async fn fix_plan(context: &JobContext, record: &Record, revision: Option<&str>) -> Result<()> {
    let revision = revision.map(str::to_owned).unwrap_or_else(|| record.revision());
    let rehearsed = record
        .rehearsed()
        .filter(|rehearsal| rehearsal.revision == revision)
        .ok_or_else(decided_anew)?;
    context.phase(Phase::Rehearsing, None);
    let inspected = record.inspected.as_ref().ok_or_else(super::not_looked_at)?;
    let target = context.target(&record.view.target)?;
    let name = worker::purpose(SESSION, context.id);
    let (draft, room) = context
        .unless_cancelled(async {
            let mut connection = target.connect(&name).await?;
            let draft = plan::make(inspected, &record.mapping, &target, &mut connection).await?;
            let room = plan::room(&draft.plan, &target, &mut connection).await;
            Ok((draft, room))
        })
        .await?;
    if let Some(fault) = rehearsal::in_the_way(&draft.obstacles, &room) {
        return Err(fault);
    }
    let plan = draft.plan.clone();
    let now = plan::view(draft, target.name(), rehearsed.plan.room.clone());
    if now != rehearsed.plan {
        return Err(Error::conflict(
            format!("Something in {} was changed since the rehearsal.", target.name()),
            "Rehearse again, and read what is different.",
        ));
    }
    match store::begin(context.engine.store(), record.view.id, &plan).await? {
        true => Ok(()),
        false => Err(super::begun()),
    }
}

/// Removes what an unfinished import left, and then the import.
#[derive(Serialize, Deserialize)]
pub(crate) struct DiscardImport {
    /// The managed database.
    pub target: String,
    /// The import.
    pub import: ImportId,
    /// The file's name.
    pub file: String,
}

impl Job for DiscardImport {
    const KIND: JobKind = JobKind::DiscardImport;
    const EVENT_TYPE: &'static str = "import.discard";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn work(&self) -> Work {
        Work::Change
    }

    fn title(&self) -> String {
        format!("Discard the import of {}", self.file)
    }

    async fn run(self, context: JobContext) -> Result<String> {
        let record = find(&context, self.import).await?;
        let store = context.engine.store();
        if record.view.state == ImportState::Done {
            return end_following(&context, &record, &self.target).await;
        }
        if let (ImportState::Loading, Some(plan)) = (record.view.state, &record.plan) {
            context.phase(Phase::CleaningUp, None);
            let target = context.target(&self.target)?;
            let name = worker::purpose(SESSION, context.id);
            let ledger = Ledger::new(&plan.schema, self.import);
            context
                .unless_cancelled(async {
                    let mut connection = target.connect(&name).await?;
                    undo(&context, &mut connection, &ledger, plan)
                        .await
                        .map_err(|source| target.error(source))
                })
                .await?;
            store::back_to_ready(store, self.import).await?;
        }
        match store::delete(store, self.import).await? {
            true => Ok("nothing of it is left".to_owned()),
            false => Err(super::begun()),
        }
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        let target = context.target(&self.target)?;
        let mut connection = target.connect("clean-up").await?;
        worker::end_leftover(&mut connection, SESSION, context.id)
            .await
            .map_err(|source| target.error(source))?;
        Ok(())
    }
}

/// Ends the following of an import that is done; its tables and its report stay.
async fn end_following(context: &JobContext, record: &Record, target: &str) -> Result<String> {
    let Some(plan) = record.plan.as_ref().filter(|plan| plan.follow) else {
        return Err(super::done());
    };
    let target = context.target(target)?;
    let name = worker::purpose(SESSION, context.id);
    let ledger = Ledger::new(&plan.schema, record.view.id);
    context
        .unless_cancelled(async {
            let mut connection = target.connect(&name).await?;
            ledger
                .forget(&mut connection)
                .await
                .map_err(|source| target.error(source))
        })
        .await?;
    store::end_following(context.engine.store(), record.view.id, plan).await?;
    Ok("it is followed no longer; its tables stay as they are".to_owned())
}

/// Removes what an import left, and says so in the job's log.
async fn undo(
    context: &JobContext,
    connection: &mut sqlx::PgConnection,
    ledger: &Ledger,
    plan: &Plan,
) -> Result<(), sqlx::Error> {
    let undone = ledger.undo(connection, plan).await?;
    match plan.into {
        Destination::New => context.info(format!(
            "Dropped the {} tables that it had made.",
            undone.tables.len()
        )),
        Destination::Existing => {
            context.info("Forgot how far it was; rows that had gone into tables that were there stay there.");
        }
    }
    if !undone.renamed.is_empty() {
        context.log(
            LogLevel::Warn,
            format!(
                "Left alone, since they were renamed after the import had made them: {}.",
                undone.renamed.join(", ")
            ),
        );
    }
    Ok(())
}

async fn open(context: &JobContext, path: PathBuf, name: String) -> Result<Source> {
    let room = context.engine.config().data_dir.clone();
    let alone = !context.engine.config().works;
    let stop = Stop::default();
    let _stops = stop.on_drop();
    let opening = tokio::task::spawn_blocking(move || {
        same_place(&path, &name)?;
        Ok(Source::open(&path, Some(&name), &room, alone, &stop)?)
    });
    context
        .unless_cancelled(async {
            opening
                .await
                .map_err(|error| Error::internal("opening a SQLite file", error))?
        })
        .await
}

/// Refuses a file that was exchanged for a link since it was chosen: it could lead out of the allowed folder.
fn same_place(path: &Path, name: &str) -> Result<()> {
    match std::fs::canonicalize(path) {
        Ok(found) if found != path => Err(Error::conflict(
            format!("{name} lies somewhere else now: its path leads through a link."),
            "Put the file itself where it was; or discard this import and begin a new one.",
        )),
        // What is not there is said when it is opened.
        _ => Ok(()),
    }
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
    let foreign_keys = load
        .context
        .unless_cancelled(async { verify::foreign_keys(&mut connection, plan).await.map_err(failed) })
        .await?;
    let mut items = plan.items.clone();
    let lost = outcomes(plan, done, &mut items);
    // What was read while someone wrote is neither the old state nor the new one.
    load.source.unchanged()?;
    let broken = lost
        || identities.iter().any(|identity| !identity.right)
        || foreign_keys.iter().any(|key| !key.validated && !key.foretold);
    let tells = |verdict| tables.iter().any(|table| table.verdict == verdict);
    let mut errors = items.iter().filter(|item| item.severity == Severity::Error);
    // Of a damaged file nobody knows what it held.
    let damaged = errors.clone().any(|item| item.kind == FindingKind::Damage);
    let verdict = match () {
        () if broken || damaged || tells(Verdict::Differs) => Verdict::Differs,
        // What is left out or does not arrive whole was said before the start.
        () if tells(Verdict::Explained) || errors.next().is_some() || items.iter().any(Finding::is_loss) => {
            Verdict::Explained
        }
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
        let mut item = match why {
            Some(_) => step.lost().clone(),
            None => step.or_else.clone(),
        };
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
