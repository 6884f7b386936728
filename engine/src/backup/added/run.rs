//! The job that checks an uploaded archive and stores it: copied and hashed, its table of contents read by ourselves and by pg_restore,
//! read back whole, published by one rename. What turns out to be no whole archive is refused, and its upload removed.

use std::{fs::File, path::Path, time::Instant};

use chrono::Utc;
use contract::{
    backup::{Proof, Uploaded},
    format,
    jobs::{JobKind, LogLevel, Phase},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use uuid::Uuid;

use super::{
    super::{
        NEEDED,
        contents::{self, Contents, Found},
        folder::{self, Folder},
        manifest::{ARCHIVE, MANIFEST, Manifest, ManifestKind, StoredFile, UPLOADED_FORMAT, unsealed},
        pump::forget_pages,
        read_back::{self, Damage, Whole},
        reconcile::{self, blocking},
        seal::Seals,
        shelf::Shelf,
    },
    describe,
};
use crate::{
    Error, Result,
    import::uploads,
    jobs::{Job, JobContext, Work, patiently},
    programs::Programs,
};

/// The named parts, by their place.
const STEPS: [&str; 4] = ["Copy", "Look at it", "Read it back whole", "Store"];
const COPY: usize = 0;
const LOOK: usize = 1;
const READ: usize = 2;
const STORE: usize = 3;
/// Copied at once.
const CHUNK: usize = 256 * 1024;
/// Room that is left to others on the disk.
const RESERVE: i64 = 64 << 20;

/// Checks one uploaded archive and stores it beside the backups of one managed database. It has the job's own id there.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AddBackup {
    /// The managed database.
    pub target: String,
    /// The upload.
    pub upload: Uuid,
    /// The file's name, for the title.
    pub name: String,
}

impl Job for AddBackup {
    const KIND: JobKind = JobKind::AddBackup;
    const EVENT_TYPE: &'static str = "backup.add";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn work(&self) -> Work {
        Work::Aside
    }

    fn title(&self) -> String {
        format!("Add the archive {} to the backups of {}", self.name, self.target)
    }

    async fn run(self, context: JobContext) -> Result<String> {
        context.steps(STEPS.map(str::to_owned));
        context.phase(Phase::Preparing, None);
        let engine = &context.engine;
        let shelf = Shelf::of(engine, &context.target(&self.target)?).await?;
        let folder = Folder::new(&engine.config().backup_dir);
        // Before anything is made in the folder: it may be an empty mount point.
        reconcile::reconcile(engine, &shelf).await?;
        {
            let folder = folder.clone();
            blocking(move || folder.make()).await?;
        }
        let source = uploads::open_archive(engine, self.upload).await?;
        let adding = Adding {
            context: &context,
            job: &self,
            folder: &folder,
            shelf: &shelf,
            begun: Instant::now(),
        };
        let stored = Box::pin(adding.store(source)).await?;
        let why = match &stored {
            Ok(_) => "it is stored",
            Err(_) => "refused: no whole archive",
        };
        if let Err(error) = uploads::remove_archive(engine, self.upload, why).await {
            context.log(
                LogLevel::Warn,
                format!(
                    "The upload itself could not be removed: {}",
                    error.fault().message
                ),
            );
        }
        let manifest = stored.map_err(|words| {
            Error::invalid(
                "upload",
                format!("{} {words}.", self.name),
                "Nothing of it was kept. Copy the file again from where it was made, or dump again.",
            )
        })?;
        let notes: String = manifest.notes.iter().map(|note| format!(" {note}")).collect();
        Ok(format!(
            "{}, {} tables, {} rows, by pg_dump {} of PostgreSQL {}. It counts as no backup of {}.{notes}",
            format::bytes(manifest.archive.bytes),
            format::exact(i64::try_from(manifest.tables.len()).unwrap_or(i64::MAX)),
            format::exact(manifest.rows()),
            manifest.tool_version,
            manifest.server.version,
            self.target,
        ))
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        // pg_restore writes into a pipe of this process, and ends with it.
        let folder = Folder::new(&context.engine.config().backup_dir);
        blocking(move || folder.remove_partial(context.id.0)).await
    }
}

/// A job at this work.
struct Adding<'a> {
    context: &'a JobContext,
    job: &'a AddBackup,
    folder: &'a Folder,
    shelf: &'a Shelf,
    begun: Instant,
}

impl Adding<'_> {
    /// Stores the archive; or why it is no whole one, in words that follow its name.
    async fn store(&self, source: File) -> Result<std::result::Result<Manifest, String>> {
        let (context, id, folder) = (self.context, self.context.id.0, self.folder);
        let bytes = source.metadata().map_err(Error::io("reading the upload"))?.len();
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let free = {
            let folder = folder.clone();
            blocking(move || Ok(folder.free_bytes())).await?
        };
        if let Some(free) = free.filter(|free| *free < bytes.saturating_add(RESERVE)) {
            return Err(contents::too_little_room(folder, bytes, free));
        }

        let started = self.context.begin(COPY, Phase::Storing);
        let made = {
            let folder = folder.clone();
            blocking(move || folder.begin(id)).await?
        };
        // The lock on the archive stays with this handle until the end.
        let _held = made.try_clone().map_err(Error::io("holding the archive"))?;
        let sha256 = context.unless_cancelled(self.copy(source, made, bytes)).await?;
        let archive = folder.partial(id).join(ARCHIVE);
        self.context.end(COPY, started, format::bytes(bytes));

        let started = self.context.begin(LOOK, Phase::Preparing);
        let looked = {
            let archive = archive.clone();
            blocking(move || {
                forget_pages(&archive);
                let file = folder::open(&archive).map_err(Error::io("opening the archive"))?;
                contents::read(&file, true)
            })
            .await?
        };
        let Contents { toc, .. } = match looked {
            Ok(contents) => contents,
            Err(words) => return Ok(Err(words)),
        };
        let programs = self.programs(&describe::tool(&toc.head)).await?;
        let form = toc.head.form;
        self.context.end(
            LOOK,
            started,
            format!("{} entries", format::exact(toc.entries.len() as i64)),
        );

        let started = self.context.begin(READ, Phase::ReadingBack);
        let stored = StoredFile {
            name: ARCHIVE.to_owned(),
            bytes,
            sha256,
        };
        let found = contents::lay_out(folder, id, &archive, form, context.token()).await?;
        let whole = match self.read_back(&programs, &archive, &found, &stored).await? {
            Ok(whole) => whole,
            Err(Damage(words)) => return Ok(Err(format!("is not whole. {}", words.trim_end_matches('.')))),
        };
        let listed = read_back::defined(&programs, &found, context.token()).await?;
        let tables = describe::tables(&toc, &whole.rows);
        if let Some(table) = tables
            .iter()
            .find(|table| table.id.is_some_and(|id| !listed.contains(&id)))
        {
            return Ok(Err(format!(
                "lists the table {}.{} in one way for pg_restore and in another for the console",
                table.schema, table.name
            )));
        }
        contents::put_away(folder, id).await?;
        let read_back_ms = self
            .context
            .end(READ, started, Proof::ReadBack.label().to_owned());

        let started = self.context.begin(STORE, Phase::Storing);
        let seals = Seals::load(&context.engine).await?;
        let notes = describe::notes(&toc, &tables);
        let manifest = Manifest {
            kind: ManifestKind::Backup,
            format: UPLOADED_FORMAT,
            id,
            target: self.shelf.target().to_owned(),
            // When it came: what it says of itself is a stranger's word.
            taken_at: Utc::now(),
            snapshot: String::new(),
            server: describe::server(&toc.head),
            database: describe::database(&toc, i64::try_from(whole.bytes).unwrap_or(i64::MAX)),
            migration: None,
            tables,
            tool_version: describe::tool(&toc.head),
            archive: stored,
            form: contract::backup::ArchiveForm::default(),
            globals: None,
            inventory: None,
            dump_ms: 0,
            read_back_ms,
            duration_ms: millis(self.begun),
            proof: Proof::ReadBack,
            proven_at: Utc::now(),
            created_by: context.created_by.to_string(),
            job: id,
            only: Vec::new(),
            needs: None,
            notes,
            uploaded: Some(Uploaded {
                name: self.job.name.clone(),
                made: describe::made(&toc.head),
                form,
            }),
            source: self.shelf.source().cloned(),
            key: seals.key(),
            mac: unsealed(),
        };
        let sealed = seals.set(&manifest)?;
        let place = self.shelf.own()?;
        // The last moment to stop; from the rename on it is there.
        context.check()?;
        {
            let (folder, place) = (folder.clone(), place.clone());
            blocking(move || {
                folder::write_whole(&folder.partial(id), MANIFEST, &sealed)?;
                folder.publish(&place, id)
            })
            .await?;
        }
        let noted = patiently(|| async {
            reconcile::refresh(&context.engine, folder, self.shelf, id).await?;
            Ok(())
        });
        if let Err(error) = noted.await {
            tracing::warn!(backup.id = %id, error = error.chain(), "a stored archive has no row yet");
        }
        self.context
            .end(STORE, started, folder.stored(&place, id).display().to_string());
        Ok(Ok(manifest))
    }

    /// Copies the upload, and gives its SHA-256. It is on the disk then.
    async fn copy(&self, from: File, to: File, whole: i64) -> Result<String> {
        let mut from = tokio::fs::File::from_std(from);
        let mut to = tokio::fs::File::from_std(to);
        let failed = || Error::io("copying the upload into the backup folder");
        from.rewind().await.map_err(failed())?;
        let (mut hash, mut chunk, mut copied) = (Sha256::new(), vec![0; CHUNK], 0_u64);
        loop {
            let read = from.read(&mut chunk).await.map_err(failed())?;
            if read == 0 {
                break;
            }
            hash.update(&chunk[..read]);
            to.write_all(&chunk[..read]).await.map_err(failed())?;
            copied += read as u64;
            let share = copied as f64 / whole.max(1) as f64;
            self.context.step(COPY, |step| step.fraction = Some(share));
            self.context
                .progress(|progress| progress.fraction = Some(0.3 * share));
        }
        to.flush().await.map_err(failed())?;
        to.sync_all().await.map_err(failed())?;
        Ok(hex::encode(hash.finalize()))
    }

    /// The tools that can read it: those of the version that wrote it, or newer ones.
    async fn programs(&self, tool: &str) -> Result<Programs> {
        let major = tool
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .unwrap_or(0);
        let given = self.context.engine.config().pg_bin.as_deref();
        let programs = Programs::for_server(given, &NEEDED, major).await?;
        if let Some(warning) = programs.warning() {
            self.context.log(LogLevel::Warn, warning);
        }
        Ok(programs)
    }

    async fn read_back(
        &self,
        programs: &Programs,
        archive: &Path,
        found: &Found,
        stored: &StoredFile,
    ) -> Result<std::result::Result<Whole, Damage>> {
        let context = self.context;
        let file = {
            let archive = archive.to_owned();
            blocking(move || folder::open(&archive).map_err(Error::io("opening the archive to read it back")))
                .await?
        };
        let whole = stored.bytes.max(1) as f64;
        read_back::archive(programs, file, found, stored, context.token(), |bytes| {
            let share = bytes as f64 / whole;
            context.step(READ, |step| step.fraction = Some(share));
            context.progress(|progress| progress.fraction = Some(0.3 + 0.65 * share));
        })
        .await
    }
}

fn millis(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
}
