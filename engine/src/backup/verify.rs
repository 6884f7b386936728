//! The job that proves a stored backup again: seal, size, SHA-256, and a whole read-back.

use std::path::Path;

use chrono::Utc;
use contract::{
    Code, Fault, Instant,
    backup::Proof,
    jobs::{JobKind, Phase, StepState},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    NEEDED,
    folder::{self, Folder},
    manifest::{ARCHIVE, FORMAT, GLOBALS, Manifest, PROOF, ProofFile, ProofKind, unsealed},
    pump::forget_pages,
    read_back::{self, Damage},
    reconcile::{self, blocking},
    rows,
    seal::Seals,
    shelf::Shelf,
    stored::Stored,
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

/// Reads one stored backup back whole.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VerifyBackup {
    /// The managed database.
    pub target: String,
    /// The backup.
    pub backup: Uuid,
    /// The instant whose state it holds, for the title.
    pub taken_at: Instant,
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
        context.steps(["Manifest", "Archive", "Roles and tablespaces"].map(str::to_owned));
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
        let words = damage.map(|Damage(words)| words);
        self.write_down(
            &context,
            &folder.stored(&place, self.backup),
            &manifest,
            words.clone(),
        )
        .await?;
        reconcile::refresh(engine, &folder, &shelf, self.backup).await?;
        match words {
            Some(words) => Err(damaged(&words)),
            None => Ok(format!(
                "{}: {} bytes with the right SHA-256, and pg_restore read them to the end{}",
                Proof::ReadBack.label(),
                contract::format::exact(manifest.archive.bytes),
                match foreign {
                    true => format!(
                        "; archive and manifest belong together, but another console sealed them: take them over with \
                         pgsteward backup adopt {}",
                        self.backup
                    ),
                    false => String::new(),
                },
            )),
        }
    }

    async fn clean_up(self, _context: JobContext) -> Result<()> {
        // pg_restore reads what this process gives it and ends when that ends; nothing else was begun.
        Ok(())
    }
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
        let read = read_back::archive(&programs, file, &manifest.archive, context.token(), |bytes| {
            let share = bytes as f64 / whole;
            context.step(ARCHIVE_STEP, |step| step.fraction = Some(share));
            context.progress(|progress| progress.fraction = Some(share));
        })
        .await?;
        let missing = match read {
            Ok(rows) => rows::missing(&manifest.tables, &rows),
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

    /// Keeps what was found beside the backup.
    async fn write_down(
        &self,
        context: &JobContext,
        path: &Path,
        manifest: &Manifest,
        damage: Option<String>,
    ) -> Result<()> {
        context.phase(Phase::Storing, None);
        let seals = Seals::load(&context.engine).await?;
        let proof = ProofFile {
            kind: ProofKind::Proof,
            format: FORMAT,
            id: self.backup,
            archive_sha256: manifest.archive.sha256.clone(),
            at: Utc::now(),
            proof: Proof::ReadBack,
            damage,
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
