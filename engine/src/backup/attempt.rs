//! One attempt at a backup, from the written-down beginning to the stored end.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::Utc;
use contract::{
    backup::Proof,
    format,
    jobs::{LogLevel, Phase, StepState},
};
use tokio::sync::watch;

use super::{
    dump::{self, Dump},
    folder,
    globals::{self, Globals},
    manifest::{ARCHIVE, FORMAT, GLOBALS, MANIFEST, Manifest, ManifestKind, StoredFile, Table, unsealed},
    meter::Meter,
    prepare::Ready,
    pump::forget_pages,
    read_back::{self, Damage},
    reconcile::{self, blocking},
    store, words,
};
use crate::{Error, Result, jobs::JobContext};

/// The share of the job's bar at which the read-back ends.
const READ_BACK: f64 = 0.99;

/// The named parts, in their order.
pub(super) const STEPS: [&str; 4] = ["Dump", "Roles and tablespaces", "Hash and read back", "Store"];
const DUMP: usize = 0;
const ROLES: usize = 1;
const PROVE: usize = 2;
const STORE: usize = 3;

/// A job at this work.
pub(super) struct Attempt<'a> {
    pub context: &'a JobContext,
    pub begun: Instant,
}

impl Attempt<'_> {
    /// Makes the backup and gives its manifest; it is stored then.
    ///
    /// # Errors
    /// Whatever kept it from becoming one; what was begun is for the clean-up to remove.
    pub(super) async fn make(&self, ready: Ready) -> Result<Manifest> {
        let (context, id) = (self.context, self.context.id.0);
        let Ready {
            target,
            programs,
            folder,
            seals,
            shelf,
            reach,
            application,
            facts,
            snapshot,
            last,
        } = ready;
        context.check()?;
        let place = shelf.own()?;
        store::begin(
            context.engine.store(),
            context.id,
            target.name(),
            &programs.version().to_string(),
        )
        .await?;
        let archive = {
            let folder = folder.clone();
            blocking(move || folder.begin(id)).await?
        };
        // The lock on the archive stays with this handle until the end.
        let _held = archive.try_clone().map_err(Error::io("holding the archive"))?;
        let partial = folder.partial(id);

        let started = self.begin(DUMP, Phase::Dumping);
        let meter = Mutex::new(Meter::new(&snapshot.tables, last.as_ref()));
        let (taken_at, snapshot_id) = (snapshot.taken_at, snapshot.id.clone());
        let (tables, migration, large_objects) = (
            snapshot.tables.clone(),
            snapshot.migration,
            snapshot.large_objects,
        );
        let (locked, when_locked) = watch::channel(false);
        let mut dumped = locked.subscribe();
        let dump = Dump {
            context,
            target: &target,
            programs: &programs,
            reach: &reach,
            folder: &folder,
            application: &application,
            snapshot: &snapshot_id,
            names_have_line_breaks: tables
                .iter()
                .any(|table| format!("{}{}", table.schema, table.name).contains('\n')),
        };
        let dumping = Box::pin(async {
            let written = dump.run(archive, &meter, locked).await?;
            context.phase(Phase::Dumping, "Counting rows".to_owned());
            Ok(written)
        });
        let counting = Box::pin(async {
            let counted = context.unless_cancelled(snapshot.count(when_locked)).await;
            if matches!(counted, Err(Error::Cancelled)) {
                // pg_dump is asked to stop, and gets the time to; giving up here would kill it.
                while dumped.changed().await.is_ok() {}
            }
            counted
        });
        let (written, rows) = tokio::try_join!(dumping, counting)?;
        let dump_ms = self.end(DUMP, started, format::bytes(to_i64(written.bytes)));
        let meter = meter.into_inner().unwrap_or_else(PoisonError::into_inner);
        let tables: Vec<Table> = tables
            .into_iter()
            .zip(rows)
            .zip(meter.times())
            .map(|((table, rows), took)| Table {
                schema: table.schema,
                name: table.name,
                rows,
                bytes: table.bytes,
                dump_ms: took.map(millis),
            })
            .collect();

        let mut notes = Vec::new();
        let started = self.begin(ROLES, Phase::Dumping);
        target.close_idle().await;
        let roles = match globals::write(context, &programs, &reach, &partial).await? {
            Globals::Stored(file) => {
                self.end(ROLES, started, format::bytes(file.bytes));
                Some(file)
            }
            Globals::Refused(why) => {
                context.log(LogLevel::Warn, why.clone());
                context.step(ROLES, |step| {
                    step.state = StepState::Skipped;
                    step.detail = Some(why.clone());
                });
                notes.push(why);
                None
            }
        };

        let started = self.begin(PROVE, Phase::ReadingBack);
        let archive = StoredFile {
            name: ARCHIVE.to_owned(),
            bytes: to_i64(written.bytes),
            sha256: written.sha256.clone(),
        };
        self.read_back(&partial, &archive, roles.as_ref()).await?;
        let read_back_ms = self.end(PROVE, started, Proof::ReadBack.label().to_owned());

        let started = self.begin(STORE, Phase::Storing);
        let mut manifest = Manifest {
            kind: ManifestKind::Backup,
            format: FORMAT,
            id,
            target: target.name().to_owned(),
            taken_at,
            snapshot: snapshot_id.clone(),
            server: facts.server,
            database: facts.database,
            migration,
            tables,
            tool_version: programs.version().to_string(),
            archive,
            globals: roles,
            dump_ms,
            read_back_ms,
            duration_ms: millis(self.begun.elapsed()),
            proof: Proof::ReadBack,
            proven_at: Utc::now(),
            created_by: context.created_by.to_string(),
            job: id,
            notes,
            source: shelf.source().cloned(),
            key: seals.key(),
            mac: unsealed(),
        };
        manifest.database.large_objects = large_objects;
        if manifest.uncounted() > 0 {
            let note = format!(
                "The rows of {} tables were not counted: other sessions were waiting to change them.",
                manifest.uncounted()
            );
            context.log(LogLevel::Warn, note.clone());
            manifest.notes.push(note);
        }
        let sealed = seals.set(&manifest)?;
        // The last moment to stop; from the rename on the backup exists.
        context.check()?;
        {
            let (folder, place) = (folder.clone(), place.clone());
            blocking(move || {
                folder::write_whole(&folder.partial(id), MANIFEST, &sealed)?;
                folder.publish(&place, id)
            })
            .await?;
        }
        reconcile::refresh(&context.engine, &folder, &shelf, id).await?;
        store::end(&mut *context.engine.store().acquire().await?, context.id).await?;
        self.end(STORE, started, folder.stored(&place, id).display().to_string());
        Ok(manifest)
    }

    async fn read_back(
        &self,
        partial: &Path,
        archive: &StoredFile,
        roles: Option<&StoredFile>,
    ) -> Result<()> {
        let context = self.context;
        let path = partial.join(ARCHIVE);
        let file = blocking(move || {
            forget_pages(&path);
            std::fs::File::open(&path).map_err(Error::io("opening the archive to read it back"))
        })
        .await?;
        let whole = archive.bytes.max(1) as f64;
        let damage = context
            .unless_cancelled(read_back::bytes(file, archive, |bytes| {
                let share = bytes as f64 / whole;
                context.step(PROVE, |step| step.fraction = Some(share));
                context.progress(|progress| {
                    progress.fraction = Some(dump::SHARE + (READ_BACK - dump::SHARE) * share);
                });
            }))
            .await?;
        let damage = match (damage, roles) {
            (None, Some(roles)) => {
                let path = partial.join(GLOBALS);
                let file =
                    std::fs::File::open(path).map_err(Error::io("opening the roles to read them back"))?;
                context
                    .unless_cancelled(read_back::bytes(file, roles, |_| ()))
                    .await?
            }
            (damage, _) => damage,
        };
        match damage {
            None => Ok(()),
            Some(Damage(words)) => Err(words::unreadable(&words)),
        }
    }

    /// Enters a part of the job.
    fn begin(&self, step: usize, phase: Phase) -> Instant {
        self.context.phase(phase, None);
        self.context.step(step, |step| step.state = StepState::Running);
        Instant::now()
    }

    /// Leaves a part of the job; gives how long it took, in milliseconds.
    fn end(&self, step: usize, started: Instant, detail: String) -> i64 {
        let took = millis(started.elapsed());
        self.context.step(step, |step| {
            step.state = StepState::Done;
            step.fraction = Some(1.0);
            step.detail = Some(detail);
            step.duration_ms = Some(took);
        });
        took
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn to_i64(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
