//! The console itself, as far as support has to ask for it.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use contract::{
    console::{ConsoleView, FolderView, StoreView},
    session::Permission,
};
use sqlx::postgres::PgConnectOptions;

use crate::{Caller, Engine, Error, Result, backup, disk, programs::Programs};

/// How long a disk or the store may take; what hangs is told as such.
const PATIENCE: Duration = Duration::from_secs(2);

/// The operations on the console itself.
pub struct Consoles<'a>(&'a Engine);

impl Engine {
    /// The operations on the console itself.
    pub fn console(&self) -> Consoles<'_> {
        Consoles(self)
    }
}

impl Consoles<'_> {
    /// What it is, what it was told, and how its store and its folders are. What does not answer is no failure: that is
    /// what one comes here to see. No secret is in it.
    ///
    /// # Errors
    /// `Forbidden`.
    #[crate::boxed]
    pub async fn view(&self, caller: &Caller) -> Result<ConsoleView> {
        caller.permit(Permission::ViewConsole)?;
        let config = self.0.config();
        let about = &config.about;
        let mut folders = vec![
            folder("Data: signing key, embedded PostgreSQL", &config.data_dir, false).await,
            // The first backup makes it.
            folder("Backups", &config.backup_dir, true).await,
        ];
        if let Some(imports) = &config.import_dir {
            folders.push(folder("Files for imports", imports, false).await);
        }
        Ok(ConsoleView {
            version: about.version.clone(),
            build: about.build.clone(),
            started_at: self.0.started_at(),
            works: config.works,
            store: self.store().await,
            tools: Programs::find(config.pg_bin.as_deref(), &backup::NEEDED)
                .await
                .map(|found| format!("{} in {}", found.version(), found.folder().display()))
                .map_err(|error| error.fault()),
            folders,
            settings: about.settings.clone(),
            warnings: about.warnings.clone(),
        })
    }

    async fn store(&self) -> StoreView {
        let store = self.0.store();
        let options = &self.0.config().store;
        let begun = Instant::now();
        let asking = sqlx::query_scalar::<_, String>(
            "select pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1)",
        )
        .fetch_one(store);
        let answer = match tokio::time::timeout(PATIENCE, asking).await {
            Ok(answer) => answer.map_err(|error| Error::from(error).fault()),
            Err(_) => Err(Error::from(sqlx::Error::PoolTimedOut).fault()),
        };
        let answered_ms = answer.is_ok().then(|| begun.elapsed().as_secs_f64() * 1000.0);
        let (version, fault) = match answer {
            Ok(version) => (Some(version), None),
            Err(fault) => (None, Some(fault)),
        };
        StoreView {
            address: address(options),
            database: options.get_database().unwrap_or_default().to_owned(),
            version,
            answered_ms,
            fault,
            connections: (store.size(), self.0.config().store_connections),
        }
    }
}

fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("{}:{}", socket.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// Looks at a folder without waiting for a disk that hangs.
async fn folder(purpose: &str, path: &Path, may_be_missing: bool) -> FolderView {
    let looked: PathBuf = path.to_owned();
    let looking = tokio::task::spawn_blocking(move || {
        // A folder that is not there yet has the room of the one above it.
        let place = match looked.parent().filter(|_| may_be_missing && !looked.exists()) {
            Some(above) => above.to_owned(),
            None => looked,
        };
        disk::free_bytes(&place)
    });
    let (free_bytes, problem) = match tokio::time::timeout(PATIENCE, looking).await {
        Ok(Ok(Ok(bytes))) => (Some(bytes), None),
        Ok(Ok(Err(error))) => (None, Some(format!("It cannot be looked at: {error}."))),
        Ok(Err(_)) => (None, Some("It cannot be looked at.".to_owned())),
        Err(_) => (
            None,
            Some(format!(
                "Its disk did not answer within {} s.",
                PATIENCE.as_secs()
            )),
        ),
    };
    FolderView {
        purpose: purpose.to_owned(),
        path: path.display().to_string(),
        free_bytes,
        problem,
    }
}
