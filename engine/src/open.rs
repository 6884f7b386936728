//! The engine: one store, some targets, one runner.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sqlx::PgPool;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Error, Result,
    audit::Refusals,
    config::EngineConfig,
    events::Events,
    jobs::Runner,
    target::{Home, Target, Targets, address, identity},
};

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
    store_away: AtomicBool,
    deploy_calls: crate::deployment::Calls,
    pulses: crate::history::Pulses,
    stop: CancellationToken,
    tasks: TaskTracker,
    started_at: contract::Instant,
}

impl Engine {
    /// Opens the store (creating its database when missing, and migrating it), and begins to watch the targets and,
    /// with `config.works`, to take jobs.
    ///
    /// # Errors
    /// When the store cannot be reached, created or migrated, or the signing key cannot be used; `Refused` when a managed
    /// database is a console's own, or not the one that the store knows by its name.
    #[crate::boxed]
    pub async fn open(config: EngineConfig) -> Result<Self> {
        Self::open_and(config, true).await
    }

    /// The same, and a managed database that is another one than its name stands for does not keep it from opening; it
    /// cannot be used until it is adopted.
    ///
    /// # Errors
    /// As for `open`.
    #[crate::boxed]
    pub async fn open_to_adopt(config: EngineConfig) -> Result<Self> {
        Self::open_and(config, false).await
    }

    async fn open_and(config: EngineConfig, all_must_fit: bool) -> Result<Self> {
        let session = crate::session::Keys::load(&config)?;
        let store = crate::store::open(&config).await?;
        let found = identity::read(&mut *store.acquire().await?, &address(&config.store)).await?;
        let home = Arc::new(Home {
            store: store.clone(),
            identity: found.identity,
            names: config.targets.iter().map(|target| target.name.clone()).collect(),
        });
        let targets: Vec<Target> = config
            .targets
            .iter()
            .map(|target| Target::new(target.clone(), config.query_log, Arc::clone(&home)))
            .collect();
        let (refusals, refused) = Refusals::new();
        let met = crate::target::meet(&targets).await;
        if all_must_fit && let Err(error) = met {
            store.close().await;
            return Err(error);
        }
        let engine = Self(Arc::new(Inner {
            events: Events::new(),
            runner: Runner::new(),
            session,
            refusals,
            store_away: AtomicBool::new(false),
            deploy_calls: crate::deployment::Calls::new(),
            pulses: crate::history::Pulses::new(),
            store,
            targets,
            config,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            started_at: chrono::Utc::now(),
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
            // A command asks once, when it needs to; who serves knows all the time.
            if self.0.config.works {
                self.spawn(crate::finding::keep_up(
                    self.clone(),
                    target.clone(),
                    self.stopping(),
                ));
            }
        }
        self.spawn(crate::events::listen(self.clone(), self.stopping()));
        if self.0.config.works {
            self.spawn(crate::jobs::work(self.clone(), self.stopping(), None));
            self.spawn(crate::schedule::keep_up(self.clone(), self.stopping()));
            self.spawn(crate::alarm::keep_up(self.clone(), self.stopping()));
            self.spawn(crate::history::keep_up(self.clone(), self.stopping()));
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
    #[crate::boxed]
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

    /// When it was opened.
    pub(crate) fn started_at(&self) -> contract::Instant {
        self.0.started_at
    }

    pub(crate) fn store(&self) -> &PgPool {
        &self.0.store
    }

    /// Notes whether the store answered when it was last asked.
    pub(crate) fn note_store(&self, answers: bool) {
        self.0.store_away.store(!answers, Ordering::Relaxed);
    }

    /// Fails at once while the store is known to be away.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn store_is_there(&self) -> Result<()> {
        match self.0.store_away.load(Ordering::Relaxed) {
            true => Err(Error::Refused(crate::error::store_away())),
            false => Ok(()),
        }
    }

    /// Where callers tell of acts that their role does not allow.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// Whose pulse is taken.
    pub(crate) fn pulses(&self) -> &crate::history::Pulses {
        &self.0.pulses
    }

    /// How often the webhook of deployments was called lately.
    pub(crate) fn deploy_calls(&self) -> &crate::deployment::Calls {
        &self.0.deploy_calls
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

    /// The managed database of a job: by its name or, when that has changed, by what it is. Its sessions lead to this
    /// database or fail.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) fn target_of(&self, name: &str, database: i64) -> Result<Target> {
        let mut same = self
            .0
            .targets
            .iter()
            .filter(|target| target.known() == Some(database));
        let named = same.clone().find(|target| target.name() == name);
        match named.or_else(|| same.next()) {
            Some(target) => Ok(target.bound_to(database)),
            None => Ok(self.target(name)?.bound_to(database)),
        }
    }

    /// A job on this managed database is over: what there is to find may be another now.
    pub(crate) fn outdate(&self, target: Option<&str>) {
        let named = |known: &&Target| Some(known.name()) == target;
        if let Some(target) = self.0.targets.iter().find(named) {
            target.kept().outdate();
        }
    }

    /// The operations on managed databases as a whole.
    pub fn targets(&self) -> Targets<'_> {
        Targets(self)
    }

    /// Whether the store answers; for the readiness probe.
    ///
    /// # Errors
    /// The store's failure.
    #[crate::boxed]
    pub async fn ready(&self) -> Result<()> {
        sqlx::query("select 1").execute(self.store()).await?;
        Ok(())
    }
}
