//! The job that takes a backup. Nothing half-done is ever listed, whenever the process dies: an attempt is written down
//! first; everything is made under `.partial/<id>/`; pg_dump's output is hashed while it is written, and made durable;
//! the tool must have ended well and without a complaint; all is read back from the disk; the sealed manifest is added
//! and the whole folder appears by one rename; only then the row says that it is stored.

use std::time::{Duration, Instant};

use contract::{
    backup::{Compression, Part},
    format,
    jobs::{JobKind, LogLevel, Phase},
};
use serde::{Deserialize, Serialize};

use super::{
    attempt::{Attempt, STEPS},
    catalog,
    folder::Folder,
    prepare, process, reach,
    reconcile::blocking,
    store,
};
use crate::{
    Result,
    jobs::{Job, JobContext, Work},
};

/// How long a clean-up asks the managed database to end what is left there: it may be gone itself.
const ASK: Duration = Duration::from_secs(3);

/// Takes a backup of one managed database. The backup has the job's own id.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TakeBackup {
    /// The managed database.
    pub target: String,
    /// The parts that were chosen; none for all of it.
    #[serde(default)]
    pub only: Vec<Part>,
    /// How the archive is compressed.
    #[serde(default)]
    pub compression: Compression,
    /// How many connections read at the same time.
    #[serde(default = "one")]
    pub parallel: i32,
    /// Whether the snapshot is counted and hashed.
    #[serde(default = "exactly")]
    pub exact: bool,
}

/// What jobs of older versions do not say.
const fn one() -> i32 {
    1
}

/// What jobs of older versions do not say.
const fn exactly() -> bool {
    true
}

impl Job for TakeBackup {
    const KIND: JobKind = JobKind::Backup;
    const EVENT_TYPE: &'static str = "backup.create";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn work(&self) -> Work {
        Work::Read
    }

    fn title(&self) -> String {
        match self.only.as_slice() {
            [] => format!("Back up {}", self.target),
            [part] => format!("Back up {part} of {}", self.target),
            parts => format!("Back up {} parts of {}", parts.len(), self.target),
        }
    }

    async fn run(self, context: JobContext) -> Result<String> {
        let begun = Instant::now();
        context.steps(STEPS.map(str::to_owned));
        context.phase(Phase::Preparing, None);
        // Boxed: these futures are large, and a job's future is moved about.
        let prepared = Box::pin(prepare::prepare(&context, &self));
        let ready = context.unless_cancelled(prepared).await?;
        let attempt = Attempt {
            context: &context,
            begun,
        };
        let manifest = Box::pin(attempt.make(ready, self.only)).await?;
        let notes: String = manifest
            .notes
            .iter()
            .map(|note| format!(". {}", note.trim_end_matches('.')))
            .collect();
        let outcome = format!(
            "{} in {}; {} tables, {} rows; {}{notes}",
            format::bytes(manifest.archive.bytes),
            format::duration(manifest.duration_ms),
            format::exact(i64::try_from(manifest.tables.len()).unwrap_or(i64::MAX)),
            format::exact(manifest.rows()),
            manifest.proof.label().to_lowercase(),
        );
        Ok(outcome)
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        let engine = &context.engine;
        let id = context.id;
        if let Some(attempt) = store::attempt(engine.store(), id).await?
            && let Some(pid) = attempt.pid
            && process::kill_group(&attempt.place, pid, attempt.pid_started)
        {
            context.log(
                LogLevel::Warn,
                format!("Ended the client tool that was left running (pid {pid})."),
            );
        }
        let (folder, secrets) = (
            Folder::new(&engine.config().backup_dir),
            reach::secrets_folder(&engine.config().data_dir, id.0),
        );
        blocking(move || {
            std::fs::remove_dir_all(&secrets).ok();
            folder.remove_partial(id.0)
        })
        .await?;
        match tokio::time::timeout(ASK, self.end_sessions(&context)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(count)) => context.info(format!("Ended {count} sessions of pg_dump on the server.")),
            Ok(Err(error)) => {
                context.log(
                    LogLevel::Warn,
                    format!("The server could not be asked for sessions left there: {error}"),
                );
            }
            Err(_) => context.log(
                LogLevel::Warn,
                "The server did not answer when asked for sessions left there.",
            ),
        }
        store::end(&mut *engine.store().acquire().await?, id).await?;
        Ok(())
    }
}

impl TakeBackup {
    async fn end_sessions(&self, context: &JobContext) -> Result<i64> {
        let target = context.target(&self.target)?;
        let mut connection = target.look().await?;
        catalog::end_sessions(&mut connection, &prepare::application(context.id.0))
            .await
            .map_err(|source| target.error(source))
    }
}
