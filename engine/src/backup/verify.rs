//! The job that proves a stored backup again: seal, size and SHA-256 (L0), a whole read-back (L1), a trial restore (L2), and its
//! comparison with the snapshot (L3). What is proven of bytes stays proven while they are the same: a lower level later takes nothing
//! away, and only another trial ends what a trial found wrong.

use std::{path::Path, time::Instant as Clock};

use chrono::Utc;
use contract::{
    Code, Fault, Instant,
    backup::{Proof, TableProof, TrialReport},
    format,
    jobs::{JobKind, Phase, StepState},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    NEEDED, contents,
    folder::{self, Folder},
    inventory::{About, Aspect, Difference, Inventory},
    manifest::{ARCHIVE, FORMAT, GLOBALS, Manifest, PROOF, ProofFile, ProofKind, Table, unsealed},
    pump::forget_pages,
    read_back::{self, Damage},
    reconcile::{self, blocking},
    restore::{
        self,
        scratch::{self, Scratch},
    },
    rows,
    seal::Seals,
    shelf::Shelf,
    stored::{self, Stored},
    throw_away::Place,
    trial::{Trial, Tried},
    words,
};
use crate::{
    Error, Result,
    jobs::{Job, JobContext, Work},
    programs::Programs,
};

/// The named parts, by their place.
const MANIFEST_STEP: usize = 0;
const ARCHIVE_STEP: usize = 1;
const ROLES_STEP: usize = 2;
const RESTORE_STEP: usize = 3;
/// The part that compares rows.
const COMPARE: &str = "Compare with the snapshot";
/// Differences that are kept one by one.
const LISTED: usize = 1000;

/// Reads one stored backup back whole.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VerifyBackup {
    /// The managed database.
    pub target: String,
    /// The backup.
    pub backup: Uuid,
    /// The instant whose state it holds, for the title.
    pub taken_at: Instant,
    /// How far.
    #[serde(default = "read_back")]
    pub level: Proof,
    /// The managed database on whose server it is restored for trial; none for a throw-away server on this machine.
    #[serde(default)]
    pub on: Option<String>,
    /// Why there is no place where it could be restored, when that was known before: the bytes are read back all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_place: Option<Fault>,
}

/// What jobs of older versions do.
const fn read_back() -> Proof {
    Proof::ReadBack
}

impl Job for VerifyBackup {
    const KIND: JobKind = JobKind::VerifyBackup;
    const EVENT_TYPE: &'static str = "backup.verify";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn work(&self) -> Work {
        Work::Aside
    }

    fn title(&self) -> String {
        format!(
            "Verify the backup of {} from {}",
            self.target,
            contract::format::absolute(self.taken_at)
        )
    }

    async fn run(self, context: JobContext) -> Result<String> {
        let begun = Clock::now();
        let mut steps = vec!["Manifest", "Archive", "Roles and tablespaces"];
        match (&self.on, self.level >= Proof::Restored) {
            (_, false) => {}
            (None, true) => steps.push("Restore into a throw-away server"),
            (Some(_), true) => steps.extend(scratch::STEPS),
        }
        if self.level == Proof::Equal {
            steps.push(COMPARE);
        }
        context.steps(steps.into_iter().map(str::to_owned));
        context.phase(Phase::Preparing, None);
        let engine = &context.engine;
        let folder = Folder::new(&engine.config().backup_dir);
        let shelf = Shelf::of(engine, &context.target(&self.target)?).await?;
        let (place, stored) = reconcile::refresh(engine, &folder, &shelf, self.backup).await?;
        let (manifest, broken, foreign) = match stored {
            Stored::Known {
                manifest,
                broken,
                view,
                ..
            } => (manifest, broken, view.foreign.is_some()),
            Stored::Missing | Stored::Strange => {
                return Err(Error::not_found(
                    "This backup is not there any more.",
                    "Look at the list of backups.",
                ));
            }
            Stored::Unreadable(why) => return Err(damaged(&format!("Its manifest cannot be read: {why}."))),
        };
        let damage = match broken {
            Some(words) => Some(found(&context, MANIFEST_STEP, Damage(words))),
            None => {
                self.look(&context, &folder.stored(&place, self.backup), &manifest)
                    .await?
            }
        };
        let path = folder.stored(&place, self.backup);
        let before = {
            let (path, manifest) = (path.clone(), manifest.clone());
            let seals = Seals::load(engine).await?;
            blocking(move || stored::last_proof(&path, &seals, &manifest)).await?
        };
        let before = before.filter(|_| !foreign);
        let mut found = Findings::of(&self, begun, before.as_ref());
        found.damage = damage.map(|Damage(words)| words);
        let mut failure = None;
        if found.damage.is_none() && self.level >= Proof::Restored {
            if manifest.uploaded.is_some() {
                return Err(words::no_trial_of_a_stranger());
            }
            if foreign {
                return Err(Error::conflict(
                    "It is not known who wrote this backup, and what is in it would be run.",
                    "Take it over first: pgsteward backup adopt.",
                ));
            }
            failure = self.try_it(&context, &path, &manifest, begun, &mut found).await?;
        }
        self.write_down(&context, &path, &manifest, &found).await?;
        contents::put_away(&folder, context.id.0).await?;
        reconcile::refresh(engine, &folder, &shelf, self.backup).await?;
        if let Some(words) = &found.damage {
            return Err(damaged(words));
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        let trial = found.trial.as_ref().filter(|_| self.level >= Proof::Restored);
        if let Some(trial) = trial
            && let Some(words) = stored::unequal(trial)
        {
            return Err(damaged(&words));
        }
        Ok(match trial {
            Some(trial) => {
                let rows: i64 = trial.tables.iter().map(|table| table.rows).sum();
                let restored = format::duration(trial.restored_ms.unwrap_or_default());
                match self.level {
                    Proof::Equal => format!(
                        "{}: {} tables with {} rows, and {} other things; restored in {restored}",
                        self.level.label(),
                        format::exact(trial.tables.len() as i64),
                        format::exact(rows),
                        format::exact(trial.compared.iter().map(|(_, count)| count).sum()),
                    ),
                    _ => format!("{} in {restored}; its rows were not compared", self.level.label()),
                }
            }
            None => {
                let how = match self.level {
                    Proof::Hash => "",
                    _ => ", and pg_restore read them to the end",
                };
                let adopt = match foreign {
                    true => format!(
                        "; archive and manifest belong together, but another console sealed them: take them over with \
                         pgsteward backup adopt {}",
                        self.backup
                    ),
                    false => String::new(),
                };
                format!(
                    "{}: {} bytes with the right SHA-256{how}{adopt}",
                    self.level.label(),
                    format::exact(manifest.archive.bytes),
                )
            }
        })
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        if let Some(on) = &self.on {
            restore::run::clear(&context, on).await?;
        }
        // pg_restore reads what this process gives it, or what the throw-away server takes, and ends when that ends.
        let config = context.engine.config();
        contents::put_away(&Folder::new(&config.backup_dir), context.id.0).await?;
        let place = Place::of(&config.data_dir, context.id.0);
        blocking(move || place.remove()).await
    }
}

/// What is written down.
struct Findings {
    proof: Proof,
    at: Instant,
    duration_ms: Option<i64>,
    damage: Option<String>,
    trial: Option<TrialReport>,
}

impl Findings {
    /// When the bytes turn out good: this level, or the higher one that was shown of the same bytes before.
    fn of(job: &VerifyBackup, begun: Clock, before: Option<&ProofFile>) -> Self {
        let bytes = job.level.min(Proof::ReadBack);
        match before.filter(|before| before.proof > bytes) {
            Some(before) => Self {
                proof: before.proof,
                at: before.at,
                duration_ms: before.duration_ms,
                damage: None,
                trial: before.trial.clone(),
            },
            None => Self {
                proof: bytes,
                at: Utc::now(),
                duration_ms: Some(millis(begun)),
                damage: None,
                trial: before.and_then(|before| before.trial.clone()),
            },
        }
    }
}

fn millis(begun: Clock) -> i64 {
    i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX)
}

impl VerifyBackup {
    /// Looks at the bytes. `Some` when they are damaged.
    async fn look(&self, context: &JobContext, path: &Path, manifest: &Manifest) -> Result<Option<Damage>> {
        context.phase(Phase::ReadingBack, None);
        context.step(MANIFEST_STEP, |step| step.state = StepState::Done);
        context.step(ARCHIVE_STEP, |step| step.state = StepState::Running);
        let major = manifest
            .tool_version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .unwrap_or(0);
        let given = context.engine.config().pg_bin.as_deref();
        let programs = Programs::for_server(given, &NEEDED, major).await?;
        let opened = {
            let path = path.to_owned();
            blocking(move || read_back::open(&path, ARCHIVE)).await?
        };
        let file = match opened {
            Ok(file) => file,
            Err(damage) => return Ok(Some(found(context, ARCHIVE_STEP, damage))),
        };
        {
            let path = path.join(ARCHIVE);
            blocking(move || {
                forget_pages(&path);
                Ok(())
            })
            .await?;
        }
        let whole = manifest.archive.bytes.max(1) as f64;
        let part = if self.level >= Proof::Restored { 0.2 } else { 1.0 };
        let each = |bytes: u64| {
            let share = bytes as f64 / whole;
            context.step(ARCHIVE_STEP, |step| step.fraction = Some(share));
            context.progress(|progress| progress.fraction = Some(part * share));
        };
        let read = match self.level {
            Proof::Hash => {
                let damage = context
                    .unless_cancelled(read_back::bytes(file, &manifest.archive, each))
                    .await?;
                damage.map_or(Ok(None), Err)
            }
            _ => {
                let (folder, archive) = (
                    Folder::new(&context.engine.config().backup_dir),
                    path.join(ARCHIVE),
                );
                let laid_out =
                    contents::lay_out(&folder, context.id.0, &archive, manifest.form(), context.token());
                match laid_out.await {
                    Ok(found) => {
                        read_back::archive(&programs, file, &found, &manifest.archive, context.token(), each)
                            .await?
                            .map(|whole| Some(whole.rows))
                    }
                    // The bytes say why, when they are other ones.
                    Err(error) => match context
                        .unless_cancelled(read_back::bytes(file, &manifest.archive, each))
                        .await?
                    {
                        Some(damage) => Err(damage),
                        None => return Err(error),
                    },
                }
            }
        };
        let missing = match read {
            Ok(Some(rows)) => {
                // Of what was uploaded some may never have been counted.
                let counted = |table: &&Table| manifest.uploaded.is_none() || table.rows.is_some();
                let tables: Vec<Table> = manifest.tables.iter().filter(counted).cloned().collect();
                rows::missing(&tables, &rows)
            }
            Ok(None) => Vec::new(),
            Err(damage) => return Ok(Some(found(context, ARCHIVE_STEP, damage))),
        };
        if !missing.is_empty() {
            let words = format!("The archive lacks rows: {}.", words::some(&missing));
            return Ok(Some(found(context, ARCHIVE_STEP, Damage(words))));
        }
        context.step(ARCHIVE_STEP, |step| step.state = StepState::Done);

        let Some(roles) = &manifest.globals else {
            context.step(ROLES_STEP, |step| step.state = StepState::Skipped);
            return Ok(None);
        };
        let opened = {
            let path = path.to_owned();
            blocking(move || read_back::open(&path, GLOBALS)).await?
        };
        let damage = match opened {
            Ok(file) => {
                context
                    .unless_cancelled(read_back::bytes(file, roles, |_| ()))
                    .await?
            }
            Err(damage) => Some(damage),
        };
        if let Some(damage) = damage {
            return Ok(Some(found(context, ROLES_STEP, damage)));
        }
        context.step(ROLES_STEP, |step| step.state = StepState::Done);
        Ok(None)
    }

    /// Restores for trial and compares. What kept it from that, if anything did; what is damaged is in `found`.
    ///
    /// # Errors
    /// `Cancelled`; `Io`.
    async fn try_it(
        &self,
        context: &JobContext,
        path: &Path,
        manifest: &Manifest,
        begun: Clock,
        found: &mut Findings,
    ) -> Result<Option<Error>> {
        let expected = match &manifest.inventory {
            Some(file) => {
                let (path, file) = (path.to_owned(), file.clone());
                match blocking(move || stored::inventory(&path, &file)).await? {
                    Ok(inventory) => Some(inventory),
                    Err(words) => {
                        found.damage = Some(words);
                        return Ok(None);
                    }
                }
            }
            None => None,
        };
        // Held against deletion.
        let _held = {
            let path = path.join(ARCHIVE);
            blocking(move || folder::open_shared(&path).map_err(Error::io("opening the archive"))).await?
        };
        let compare = self.level == Proof::Equal;
        let tried = match (&self.no_place, &self.on) {
            (Some(fault), _) => {
                context.step(RESTORE_STEP, |step| step.state = StepState::Running);
                Err(Error::Refused(fault.clone()))
            }
            (None, None) => {
                context.step(RESTORE_STEP, |step| step.state = StepState::Running);
                let trial = Trial {
                    context,
                    steps: (RESTORE_STEP, RESTORE_STEP + 1),
                    backup: path,
                    manifest,
                    roles: expected.as_ref().map(|inventory| inventory.roles.as_slice()),
                    compare,
                };
                Box::pin(trial.run()).await
            }
            (None, Some(on)) => {
                let scratch = Scratch {
                    context,
                    target: &self.target,
                    on,
                    manifest,
                    backup: path,
                    first: RESTORE_STEP,
                    compare,
                };
                Box::pin(scratch.run()).await
            }
        };
        match tried {
            Ok(tried) => {
                let at = Utc::now();
                let report = self.report(&tried, expected.as_ref(), millis(begun), at);
                let first = report.differences.first().cloned();
                context.progress(|progress| {
                    let last = progress.steps.len().saturating_sub(1);
                    for (place, step) in progress.steps.iter_mut().enumerate().skip(RESTORE_STEP) {
                        let failed = place == last && first.is_some();
                        step.state = if failed {
                            StepState::Failed
                        } else {
                            StepState::Done
                        };
                        if failed || step.name == COMPARE {
                            step.detail.clone_from(&first);
                        }
                    }
                });
                let proof = match report.differences.is_empty() {
                    true => self.level,
                    false => Proof::Restored,
                };
                // One that was equal once, and is restored again without comparing, stays that; and what a trial found wrong only one
                // that looks as far can make good.
                let differed = found
                    .trial
                    .as_ref()
                    .is_some_and(|before| !before.differences.is_empty() && before.level > self.level);
                let stays = report.differences.is_empty() && (found.proof > proof || differed);
                if stays {
                    // It can be restored again, whatever kept it from that before.
                    if let Some(before) = &mut found.trial {
                        (before.failure, before.failed_at) = (None, None);
                    }
                } else {
                    found.proof = proof;
                    found.at = at;
                    found.duration_ms = Some(report.duration_ms);
                    found.trial = Some(report);
                }
                Ok(None)
            }
            Err(Error::Cancelled) => Err(Error::Cancelled),
            Err(error) => {
                let fault = error.fault();
                context.progress(|progress| {
                    let mut open = progress.steps.iter_mut();
                    if let Some(step) = open.find(|step| step.state == StepState::Running) {
                        step.state = StepState::Failed;
                        step.detail = Some(fault.message.clone());
                    }
                });
                let now = Utc::now();
                let fresh = TrialReport {
                    level: self.level,
                    at: now,
                    duration_ms: millis(begun),
                    restored_ms: None,
                    server: None,
                    failure: None,
                    failed_at: None,
                    tables: Vec::new(),
                    compared: Vec::new(),
                    differences: Vec::new(),
                    more: 0,
                    notes: Vec::new(),
                };
                // What a trial found, good or wrong, stays found when the next one could not be made.
                let before = found.trial.take().filter(TrialReport::came_to_its_end);
                found.trial = Some(TrialReport {
                    failure: Some(fault.message),
                    failed_at: Some(now),
                    ..before.unwrap_or(fresh)
                });
                Ok(Some(error))
            }
        }
    }

    fn report(
        &self,
        tried: &Tried,
        expected: Option<&Inventory>,
        duration_ms: i64,
        at: Instant,
    ) -> TrialReport {
        let mut report = TrialReport {
            level: self.level,
            at,
            duration_ms,
            restored_ms: Some(tried.restored_ms),
            server: Some(tried.server.clone()),
            failure: None,
            failed_at: None,
            tables: Vec::new(),
            compared: Vec::new(),
            differences: Vec::new(),
            more: 0,
            notes: tried.notes.clone(),
        };
        report.differences.clone_from(&tried.differences);
        let (Some(expected), Some(restored)) = (expected, &tried.inventory) else {
            return report;
        };
        // Whose the schema public is says nothing of the backup where only another superuser could give it away.
        let of_public = |difference: &Difference| {
            difference.object == "schema public"
                && matches!(
                    difference.about,
                    About::Object(Aspect::Owner | Aspect::Grants | Aspect::Comment)
                )
        };
        // Which version of an extension a machine has says nothing of the backup.
        let (versions, differences): (Vec<Difference>, Vec<Difference>) = expected
            .differences(restored)
            .into_iter()
            .filter(|difference| !(tried.keeps_public && of_public(difference)))
            .partition(|difference| {
                difference.about == About::Object(Aspect::Definition)
                    && difference.object.starts_with("extension ")
                    && difference.words.starts_with("is ")
                    && difference.words.contains(", not ")
            });
        report.notes.extend(
            versions
                .iter()
                .map(|difference| format!("On this machine the {difference}.")),
        );
        report.notes.extend(restored.generated().map(|columns| {
            format!(
                "Not compared, because the server computes them from the other columns: what is stored in the generated columns {columns}."
            )
        }));
        report
            .differences
            .extend(differences.iter().map(ToString::to_string));
        report.more = report.differences.len().saturating_sub(LISTED) as i64;
        report.differences.truncate(LISTED);
        report.tables = expected
            .compared_tables(restored)
            .map(|(name, rows, restored, equal)| TableProof {
                name,
                rows,
                restored,
                equal,
            })
            .collect();
        report.compared = expected.counts();
        report
    }

    /// Keeps what was found beside the backup.
    async fn write_down(
        &self,
        context: &JobContext,
        path: &Path,
        manifest: &Manifest,
        found: &Findings,
    ) -> Result<()> {
        context.phase(Phase::Storing, None);
        let seals = Seals::load(&context.engine).await?;
        let proof = ProofFile {
            kind: ProofKind::Proof,
            format: FORMAT,
            id: self.backup,
            archive_sha256: manifest.archive.sha256.clone(),
            at: found.at,
            proof: found.proof,
            duration_ms: found.duration_ms,
            damage: found.damage.clone(),
            trial: found.trial.clone(),
            by: context.created_by.to_string(),
            job: context.id.0,
            key: seals.key(),
            mac: unsealed(),
        };
        let (path, sealed) = (path.to_owned(), seals.set(&proof)?);
        blocking(move || folder::write_whole(&path, PROOF, &sealed)).await
    }
}

/// Shows damage at the part of the job that found it.
fn found(context: &JobContext, step: usize, damage: Damage) -> Damage {
    context.step(step, |step| {
        step.state = StepState::Failed;
        step.detail = Some(damage.0.clone());
    });
    damage
}

fn damaged(words: &str) -> Error {
    Error::Refused(
        Fault::new(Code::Conflict, format!("The backup is damaged. {words}"))
            .hint("Take a new backup now, and find out what changed this one: the disk, or a person."),
    )
}
