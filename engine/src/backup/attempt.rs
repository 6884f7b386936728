//! One attempt at a backup, from the written-down beginning to the stored end.

use std::{
    path::Path,
    sync::{Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use chrono::Utc;
use contract::{
    backup::{ArchiveForm, Part, Proof},
    format,
    jobs::{LogLevel, Phase, StepState},
};
use sha2::{Digest, Sha256};
use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::watch;

use super::{
    catalog, contents,
    dump::{self, Dump, Reads},
    folder,
    globals::{self, Globals},
    inventory::{self, Inventory},
    manifest::{
        ARCHIVE, FOLDER_FORMAT, FORMAT, GLOBALS, INVENTORY, MANIFEST, Manifest, ManifestKind, StoredFile,
        Table, unsealed,
    },
    meter::Meter,
    prepare::{self, Ready},
    pump::{Flow, forget_pages},
    reach::Reach,
    read_back::{self, Damage},
    reconcile::{self, blocking},
    rows,
    snapshot::Counted,
    store, words,
};
use crate::{
    Error, Result,
    jobs::{JobContext, patiently},
    programs::Programs,
    target::{
        Target,
        silence::{Listen, Probe, Question, until_silent, waits},
    },
};

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

/// What is heard of a backup: bytes and words of pg_dump, or that the server is at work for it.
struct Sessions<'a> {
    probe: Probe,
    application: &'a str,
    flow: &'a Flow,
    last: u64,
}

impl Listen for Sessions<'_> {
    async fn heard(&mut self) -> bool {
        let moved = self.flow.moved();
        if std::mem::replace(&mut self.last, moved) != moved || self.flow.writing.load(Ordering::Relaxed) {
            return true;
        }
        match self.probe.ask(AtWork(self.application)).await {
            Some(Some(at_work)) => at_work,
            // It cannot be told.
            Some(None) => true,
            None => false,
        }
    }
}

/// Whether the server is at work for the sessions of this name.
struct AtWork<'a>(&'a str);

impl Question<bool> for AtWork<'_> {
    async fn put(self, connection: &mut PgConnection) -> std::result::Result<bool, sqlx::Error> {
        catalog::at_work(connection, self.0).await
    }
}

impl Attempt<'_> {
    /// Makes the backup and gives its manifest; it is stored then.
    ///
    /// # Errors
    /// Whatever kept it from becoming one; what was begun is for the clean-up to remove.
    pub(super) async fn make(&self, ready: Ready, only: Vec<Part>) -> Result<Manifest> {
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
            compression,
            parallel,
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

        let started = self.context.begin(DUMP, Phase::Dumping);
        let meter = Mutex::new(Meter::new(&snapshot.tables, last.as_ref()));
        let (taken_at, snapshot_id) = (snapshot.taken_at, snapshot.id.clone());
        let parts = snapshot.arguments.clone();
        let needs = snapshot.needs.clone();
        let sequences = snapshot.sequences.clone();
        let (exact, only_parts) = (sequences.is_some(), !parts.is_empty());
        let (tables, left_out, migration, large_objects) = (
            snapshot.tables.clone(),
            snapshot.left_out.clone(),
            snapshot.migration,
            snapshot.large_objects,
        );
        let form = match parallel {
            ..=1 => ArchiveForm::Custom,
            _ => ArchiveForm::Directory,
        };
        let flow = Flow::default();
        let (reads, seen) = watch::channel(Reads::Begins);
        let mut dumped = reads.subscribe();
        let dump = Dump {
            context,
            target: &target,
            programs: &programs,
            reach: &reach,
            folder: &folder,
            application: &application,
            snapshot: &snapshot_id,
            parts: &parts,
            compression,
            parallel,
            flow: &flow,
            names_have_line_breaks: tables
                .iter()
                .any(|table| format!("{}{}", table.schema, table.name).contains('\n')),
        };
        let dumping = Box::pin(async {
            let dumped = dump.run(archive, &meter, reads).await?;
            let counting = if exact {
                "Counting and hashing rows"
            } else {
                "Counting rows"
            };
            context.phase(Phase::Dumping, counting.to_owned());
            Ok(dumped)
        });
        let counting = Box::pin(async {
            let counted = context
                .unless_cancelled(snapshot.count(seen, parallel > 1, &flow))
                .await;
            if matches!(counted, Err(Error::Cancelled)) {
                // pg_dump is asked to stop, and gets the time to; giving up here would kill it.
                while dumped.changed().await.is_ok() {}
            }
            counted
        });
        let both = async { tokio::try_join!(dumping, counting) };
        let ((written, in_archive), counted) = tokio::select! {
            both = both => both?,
            // Dropping the work ends the tools.
            silent = self.silent(&target, &application, &flow) => return Err(silent),
        };
        let dump_ms = self
            .context
            .end(DUMP, started, format::bytes(to_i64(written.bytes)));
        let meter = meter.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Counted {
            rows: counted,
            inventory,
        } = counted;
        let uncounted = counted.iter().filter(|rows| rows.is_none()).count();
        let mut tables: Vec<Table> = tables
            .into_iter()
            .zip(counted)
            .zip(meter.times())
            .map(|((table, rows), took)| Table {
                id: Some(table.id),
                schema: table.schema,
                name: table.name,
                rows,
                bytes: table.bytes,
                // Side by side, none has a time of its own.
                dump_ms: took.filter(|_| form == ArchiveForm::Custom).map(millis),
            })
            .collect();
        let mut missing = rows::missing(&tables, &in_archive);
        if missing.is_empty() {
            let found = contents::laid_out(&folder, id, partial.join(ARCHIVE), form);
            let defined = read_back::defined(&programs, &found, context.token()).await?;
            let lacks = |table: &&Table| table.id.is_some_and(|id| !defined.contains(&id));
            let undefined = tables.iter().filter(lacks);
            missing.extend(undefined.map(|table| format!("{}.{} (no definition)", table.schema, table.name)));
        }
        if form == ArchiveForm::Directory {
            let left = contents::unpacked(&folder, id);
            blocking(move || {
                std::fs::remove_dir_all(&left).map_err(Error::io(format!("removing {}", left.display())))
            })
            .await?;
        }
        if !missing.is_empty() {
            return Err(words::left_out(
                target.name(),
                &programs.path("pg_dump"),
                &missing,
            ));
        }
        for table in &mut tables {
            table.rows = table.rows.or_else(|| in_archive.get(&table.id?).copied());
        }

        let mut notes = left_out;
        for note in &notes {
            context.log(LogLevel::Warn, note.clone());
        }
        let inventory = match (inventory, sequences) {
            (Some(inventory), Some(first)) => self
                .write_inventory(inventory, first, &target, &partial)
                .await?
                .map_err(Some),
            // What is left out is told anyway.
            _ if only_parts => Err(None),
            _ => Err(Some(
                "Its rows were counted and not hashed, as was asked for".to_owned(),
            )),
        };
        let inventory = match inventory {
            Ok(file) => Some(file),
            Err(None) => None,
            Err(Some(why)) => {
                let note =
                    format!("{why}: it can be restored for trial, but not compared with its snapshot.");
                context.log(LogLevel::Warn, note.clone());
                notes.push(note);
                None
            }
        };

        let started = self.context.begin(ROLES, Phase::Dumping);
        target.close_idle().await;
        let roles = match self.roles(&programs, &reach, &partial, &target).await? {
            Globals::Stored(file) => {
                self.context.end(ROLES, started, format::bytes(file.bytes));
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

        let started = self.context.begin(PROVE, Phase::ReadingBack);
        let archive = StoredFile {
            name: ARCHIVE.to_owned(),
            bytes: to_i64(written.bytes),
            sha256: written.sha256.clone(),
        };
        self.read_back(&partial, &archive, roles.as_ref()).await?;
        let read_back_ms = self
            .context
            .end(PROVE, started, Proof::ReadBack.label().to_owned());

        if uncounted > 0 {
            let note = format!(
                "The rows of {uncounted} tables were counted in the archive alone: other sessions were waiting to change them, \
                 or the server had no room for more locks."
            );
            context.log(LogLevel::Warn, note.clone());
            notes.push(note);
        }
        let started = self.context.begin(STORE, Phase::Storing);
        let mut manifest = Manifest {
            kind: ManifestKind::Backup,
            format: match form {
                ArchiveForm::Directory => FOLDER_FORMAT,
                _ => FORMAT,
            },
            form,
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
            inventory,
            dump_ms,
            read_back_ms,
            duration_ms: millis(self.begun.elapsed()),
            proof: Proof::ReadBack,
            proven_at: Utc::now(),
            created_by: context.created_by.to_string(),
            job: id,
            only,
            needs,
            notes,
            uploaded: None,
            source: shelf.source().cloned(),
            key: seals.key(),
            mac: unsealed(),
        };
        manifest.database.large_objects = large_objects;
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
        // It is stored, whatever becomes of its row: that is a cache, which the next look at the folder makes anew.
        let noted = patiently(|| async {
            reconcile::refresh(&context.engine, &folder, &shelf, id).await?;
            store::end(&mut *context.engine.store().acquire().await?, context.id).await?;
            Ok(())
        });
        if let Err(error) = noted.await {
            tracing::warn!(backup.id = %id, error = error.chain(), "a stored backup has no row yet");
        }
        self.context
            .end(STORE, started, folder.stored(&place, id).display().to_string());
        Ok(manifest)
    }

    /// Adds where the sequences stand now, and writes the inventory into the backup's folder. Why there is none, in words, when the
    /// server does not give it: the backup is none the worse.
    ///
    /// # Errors
    /// `Cancelled`; `Io`.
    async fn write_inventory(
        &self,
        inventory: std::result::Result<Inventory, String>,
        first: Vec<inventory::Read>,
        target: &Target,
        partial: &Path,
    ) -> Result<std::result::Result<StoredFile, String>> {
        let mut inventory = match inventory {
            Ok(inventory) => inventory,
            Err(why) => {
                return Ok(Err(format!(
                    "Its snapshot could not be counted and hashed, because {why}"
                )));
            }
        };
        let context = self.context;
        let last = async {
            let mut connection = target.connect(&prepare::purpose(context.id.0)).await?;
            let failed = |source| target.error(source);
            connection.execute("begin read only").await.map_err(failed)?;
            let last = inventory::stand(&mut connection).await.map_err(failed)?;
            connection.close().await.ok();
            Ok(last)
        };
        let limit = context.engine.config().network_timeout;
        let last = tokio::time::timeout(limit, context.unless_cancelled(last)).await;
        match last {
            Ok(Ok(last)) => inventory.sequences = inventory::between(first, last),
            Ok(Err(Error::Cancelled)) => return Err(Error::Cancelled),
            Ok(Err(error)) => {
                let message = error.fault().message;
                return Ok(Err(format!(
                    "Where its sequences stand could not be read ({})",
                    message.trim_end_matches('.')
                )));
            }
            Err(_) => {
                return Ok(Err(
                    "Where its sequences stand could not be read in time".to_owned()
                ));
            }
        }
        let partial = partial.to_owned();
        blocking(move || {
            let bytes = serde_json::to_vec(&inventory)
                .map_err(|error| Error::internal("writing down an inventory", error))?;
            folder::write_whole(&partial, INVENTORY, &bytes)?;
            Ok(Ok(StoredFile {
                name: INVENTORY.to_owned(),
                bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
                sha256: hex::encode(Sha256::digest(&bytes)),
            }))
        })
        .await
    }

    /// Comes back once nothing has come from the managed database for too long: no byte and no word of pg_dump, and the
    /// server is not at work for the backup's sessions either.
    async fn silent(&self, target: &Target, application: &str, flow: &Flow) -> Error {
        let limit = self.context.engine.config().network_timeout;
        let mut sessions = Sessions {
            probe: Probe::new(target),
            application,
            flow,
            last: flow.moved(),
        };
        let tell = |silent: Option<Duration>| {
            let before = flow.silent_s.swap(
                silent.map_or(0, |silent| silent.as_secs().max(1)),
                Ordering::Relaxed,
            );
            match silent {
                Some(silent) if before == 0 => self.context.log(
                    LogLevel::Warn,
                    format!("{}.", waits(target.name(), silent, limit)),
                ),
                Some(_) => {}
                None => self.context.info(format!("{} speaks again.", target.name())),
            }
        };
        until_silent(limit, &mut sessions, tell).await;
        target.silent(limit)
    }

    /// The roles and tablespaces. A server that has fallen silent does not take the database's backup with it.
    async fn roles(
        &self,
        programs: &Programs,
        reach: &Reach,
        partial: &Path,
        target: &Target,
    ) -> Result<Globals> {
        let limit = self.context.engine.config().network_timeout;
        let writing = globals::write(self.context, programs, reach, partial);
        match tokio::time::timeout(limit, writing).await {
            Ok(written) => written,
            Err(_) => {
                let path = partial.join(GLOBALS);
                blocking(move || match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Err(Error::io("removing the unfinished file of the roles")(error))
                    }
                    _ => Ok(()),
                })
                .await?;
                Ok(Globals::Refused(format!(
                    "Roles and tablespaces are not in this backup. {}",
                    target.silent(limit).fault().message
                )))
            }
        }
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
            folder::open(&path).map_err(Error::io("opening the archive to read it back"))
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
                let file = blocking(move || {
                    folder::open(&path).map_err(Error::io("opening the roles to read them back"))
                })
                .await?;
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
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn to_i64(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
