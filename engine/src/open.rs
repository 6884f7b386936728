//! The engine: one store, some targets, one runner.

use std::sync::Arc;

use contract::{Code, Fault};
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Error, Result,
    audit::Refusals,
    config::EngineConfig,
    events::Events,
    jobs::Runner,
    quote,
    target::{Target, Targets},
};

/// The console's own tables.
static STORE: Migrator = sqlx::migrate!("../migrations/store");

/// Everything the console can do, behind permissions. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    config: EngineConfig,
    store: PgPool,
    targets: Vec<Target>,
    events: Events,
    runner: Runner,
    session: crate::session::Keys,
    refusals: Refusals,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Engine {
    /// Opens the store (creating its database when missing, and migrating it), and begins to watch the targets and,
    /// with `config.works`, to take jobs.
    ///
    /// # Errors
    /// When the store cannot be reached, created or migrated, or the signing key cannot be used.
    pub async fn open(config: EngineConfig) -> Result<Self> {
        let session = crate::session::Keys::load(&config)?;
        create_if_missing(&config.store).await?;
        let store = PgPoolOptions::new()
            .max_connections(config.store_connections)
            .acquire_timeout(std::time::Duration::from_secs(10))
            .connect_with(
                config
                    .store
                    .clone()
                    .application_name("pgsteward store")
                    .disable_statement_logging(),
            )
            .await
            .map_err(store_failed)?;
        STORE
            .run(&store)
            .await
            .map_err(|error| Error::internal("migrating the console's own tables", error))?;
        let targets: Vec<Target> = config
            .targets
            .iter()
            .map(|target| Target::new(target.clone(), config.query_log))
            .collect();
        let (refusals, refused) = Refusals::new();
        let engine = Self(Arc::new(Inner {
            events: Events::new(),
            runner: Runner::new(),
            session,
            refusals,
            store,
            targets,
            config,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }));
        engine.start();
        engine.spawn(crate::audit::write_refusals(engine.clone(), refused));
        engine.spawn(crate::audit::keep_settling(engine.clone()));
        Ok(engine)
    }

    fn start(&self) {
        for target in &self.0.targets {
            self.spawn(crate::target::watch(
                self.clone(),
                target.clone(),
                self.stopping(),
            ));
        }
        self.spawn(crate::events::listen(self.clone(), self.stopping()));
        if self.0.config.works {
            self.spawn(crate::jobs::work(self.clone(), self.stopping(), None));
        }
    }

    /// Runs a task that ends with the engine.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(task);
    }

    /// Cancelled when the engine closes.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// Stops taking jobs, asks the running ones to clean up, and closes every connection; at most ten seconds.
    pub async fn close(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(std::time::Duration::from_secs(10), self.0.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some work did not stop within 10 s; it will be marked as interrupted");
        }
        self.0.store.close().await;
    }

    pub(crate) fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    pub(crate) fn store(&self) -> &PgPool {
        &self.0.store
    }

    /// Where callers tell of acts that their role does not allow.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    pub(crate) fn runner(&self) -> &Runner {
        &self.0.runner
    }

    pub(crate) fn keys(&self) -> &crate::session::Keys {
        &self.0.session
    }

    pub(crate) fn events(&self) -> &Events {
        &self.0.events
    }

    pub(crate) fn all_targets(&self) -> &[Target] {
        &self.0.targets
    }

    /// A managed database by name.
    ///
    /// # Errors
    /// `NotFound`, naming the ones there are.
    pub(crate) fn target(&self, name: &str) -> Result<Target> {
        self.0
            .targets
            .iter()
            .find(|target| target.name() == name)
            .cloned()
            .ok_or_else(|| {
                let known: Vec<&str> = self.0.targets.iter().map(Target::name).collect();
                Error::not_found(
                    format!("There is no managed database \"{name}\"."),
                    format!(
                        "Known ones: {}.",
                        if known.is_empty() {
                            "none".to_owned()
                        } else {
                            known.join(", ")
                        }
                    ),
                )
            })
    }

    /// The operations on managed databases as a whole.
    pub fn targets(&self) -> Targets<'_> {
        Targets(self)
    }

    /// Whether the store answers; for the readiness probe.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn ready(&self) -> Result<()> {
        sqlx::query("select 1").execute(self.store()).await?;
        Ok(())
    }
}

/// Creates the store's database when the server does not have it.
async fn create_if_missing(options: &PgConnectOptions) -> Result<()> {
    let missing = match PgConnection::connect_with(options).await {
        Ok(connection) => return connection.close().await.map_err(store_failed),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("3D000") => error,
        Err(error) => return Err(store_failed(error)),
    };
    let name = options.get_database().unwrap_or("pgsteward").to_owned();
    tracing::info!(
        database = name,
        reason = missing.message(),
        "creating the console's own database"
    );
    let mut admin = PgConnection::connect_with(&options.clone().database("postgres"))
        .await
        .map_err(store_failed)?;
    let create = format!("create database {}", quote::ident(&name));
    match sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut admin).await {
        Ok(_) => Ok(()),
        // Another console process was first.
        Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("42P04" | "23505")) => {
            Ok(())
        }
        Err(error) => Err(store_failed(error)),
    }
}

/// The store cannot be used at start: the reader is the one who set it up, so say what the server said.
fn store_failed(source: sqlx::Error) -> Error {
    let inner = crate::target::explain::fault("the console's own database", &source, None);
    let mut fault = Fault::new(Code::Internal, inner.message);
    fault.hint = inner.hint.or(Some(
        "Check PGSTEWARD_STORE_URL, or DATABASE_URL when that is not set.".into(),
    ));
    tracing::error!(error = %source, "the store cannot be used");
    Error::Refused(fault)
}
