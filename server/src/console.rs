//! A console that is open: the engine, and the embedded PostgreSQL when there is no other.

use std::{sync::Arc, time::Duration};

use engine::{
    Engine, Error, Result,
    config::{MigrationSource, TargetConfig},
    embedded::{self, Embedded},
    target::url::DatabaseUrl,
};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;

/// How long the embedded server may take to stop once it has written its memory to disk.
const STOP: Duration = Duration::from_secs(30);
/// Connections of the embedded server beyond the console's own pools: jobs, other consoles, a person with psql.
const SPARE: u32 = 40;

/// An open console.
pub struct Console {
    /// What does the work.
    pub engine: Engine,
    embedded: Option<Kept>,
}

/// The embedded server, and the task that starts it again when it dies.
struct Kept {
    embedded: Arc<Embedded>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Kept {
    fn begin(embedded: Embedded) -> Self {
        let (embedded, stop) = (Arc::new(embedded), CancellationToken::new());
        let (kept, until) = (Arc::clone(&embedded), stop.clone());
        Self {
            embedded,
            stop,
            task: tokio::spawn(async move { kept.keep_alive(until).await }),
        }
    }
}

impl Console {
    /// Opens the store and the targets; without a database URL it starts the embedded PostgreSQL, or finds it running.
    /// With `works` this process takes jobs from the queue.
    ///
    /// # Errors
    /// When the store or the embedded PostgreSQL cannot be used.
    pub async fn open(settings: &Settings, works: bool) -> Result<Self> {
        Self::open_and(settings, works, true).await
    }

    /// The same for a command that says which database a name stands for: one that is another than before is no failure.
    ///
    /// # Errors
    /// As for `open`.
    pub async fn open_to_adopt(settings: &Settings) -> Result<Self> {
        Self::open_and(settings, false, false).await
    }

    async fn open_and(settings: &Settings, works: bool, all_must_fit: bool) -> Result<Self> {
        let (embedded, store, targets) = match &settings.store {
            Some(store) => (None, store.clone(), settings.targets.clone()),
            None => {
                let connections = settings.pool.size + settings.pool.overflow + SPARE;
                let embedded =
                    Embedded::open(&settings.data_dir, settings.pg_bin.as_deref(), connections).await?;
                let DatabaseUrl {
                    options,
                    password,
                    link,
                } = embedded.database(embedded::MANAGED);
                let target = TargetConfig {
                    name: embedded::MANAGED.to_owned(),
                    options,
                    password,
                    link,
                    direct: None,
                    replicas: Vec::new(),
                    migrations: settings.migrations.clone().unwrap_or(MigrationSource::AiPal),
                    pool: settings.pool.clone(),
                    disk_bytes: settings.disk_bytes,
                };
                let store = embedded.database(embedded::STORE);
                (Some(Kept::begin(embedded)), store, vec![target])
            }
        };
        let config = settings.engine(store, targets, works);
        let opened = match all_must_fit {
            true => Engine::open(config).await,
            false => Engine::open_to_adopt(config).await,
        };
        match opened {
            Ok(engine) => Ok(Self { engine, embedded }),
            Err(error) => {
                stop(embedded).await;
                Err(error)
            }
        }
    }

    /// Ends the work, closes the connections, and stops the embedded PostgreSQL when nobody else uses it.
    pub async fn close(self) {
        self.engine.close().await;
        stop(self.embedded).await;
    }
}

async fn stop(kept: Option<Kept>) {
    let Some(kept) = kept else { return };
    kept.stop.cancel();
    kept.task.await.ok();
    if let Err(error) = kept.embedded.close(STOP).await {
        report(&error);
    }
}

fn report(error: &Error) {
    tracing::error!(error = error.chain(), "the embedded PostgreSQL was not stopped");
}
