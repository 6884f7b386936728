//! A pool with the guide's settings, and gauges for what sqlx does not count.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use contract::target::PoolView;
use sqlx::{
    ConnectOptions, PgPool,
    pool::PoolConnection,
    postgres::{PgPoolOptions, Postgres},
};

use crate::config::{PoolConfig, QueryLog, TargetConfig};

/// The longest wait for a new connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// The same for a job, which can wait: while pages take every core, the steps of a handshake take a second each.
pub(super) const JOB_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an idle connection is kept: behind a pooler that lends a connection for a session, it is one that nobody else has.
const IDLE: Duration = Duration::from_secs(60);

/// How long acquire times count in the pool panel.
const WINDOW: Duration = Duration::from_secs(60);

pub(super) struct GaugedPool {
    pool: PgPool,
    itself: Arc<Mutex<Option<PgPool>>>,
    config: PoolConfig,
    waiting: AtomicU32,
    acquired: Mutex<VecDeque<(Instant, Duration)>>,
}

impl GaugedPool {
    pub(super) fn new(target: &TargetConfig, log: QueryLog) -> Self {
        let config = target.pool.clone();
        let mut options = target
            .options
            .clone()
            .application_name("pgsteward")
            // PgBouncer refuses a startup parameter that it does not know; and no statement is to stay on its connections.
            .extra_float_digits(None)
            .statement_cache_capacity(0);
        options = if log.every {
            options.log_statements(tracing::log::LevelFilter::Info)
        } else {
            options.log_statements(tracing::log::LevelFilter::Off)
        };
        options = options.log_slow_statements(tracing::log::LevelFilter::Warn, log.slow);
        let keep = config.size;
        // The pool closes what was opened beyond its size as soon as it is given back, as SQLAlchemy's overflow does.
        let itself: Arc<Mutex<Option<PgPool>>> = Arc::default();
        let asked = Arc::clone(&itself);
        let pool = PgPoolOptions::new()
            .max_connections((config.size + config.overflow).max(1))
            .min_connections(0)
            .max_lifetime(config.recycle)
            .idle_timeout(IDLE)
            .test_before_acquire(true)
            .acquire_timeout(CONNECT_TIMEOUT)
            .after_release(move |connection, _| {
                let pool = asked.lock().unwrap_or_else(PoisonError::into_inner);
                let full = pool.as_ref().is_some_and(|pool| pool.size() > keep);
                drop(pool);
                Box::pin(async move {
                    super::look::end(connection).await?;
                    Ok(!full)
                })
            })
            .connect_lazy_with(options);
        *itself.lock().unwrap_or_else(PoisonError::into_inner) = Some(pool.clone());
        Self {
            pool,
            itself,
            config,
            waiting: AtomicU32::new(0),
            acquired: Mutex::default(),
        }
    }

    pub(super) async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let started = Instant::now();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The guard counts down also when the caller goes away while it waits.
        let _waits = Waits(&self.waiting);
        let connection = self.pool.acquire().await?;
        let mut acquired = self.acquired.lock().unwrap_or_else(PoisonError::into_inner);
        acquired.push_back((Instant::now(), started.elapsed()));
        // Bounded: a busy minute keeps its newest thousand.
        while acquired.len() > 1000 {
            acquired.pop_front();
        }
        Ok(connection)
    }

    /// Closes the connections that nobody uses.
    pub(super) async fn close_idle(&self) {
        while let Some(idle) = self.pool.try_acquire() {
            idle.close().await.ok();
        }
    }

    pub(super) fn view(&self) -> PoolView {
        let mut acquired = self.acquired.lock().unwrap_or_else(PoisonError::into_inner);
        acquired.retain(|(at, _)| at.elapsed() < WINDOW);
        let times: Vec<f64> = acquired
            .iter()
            .map(|(_, took)| took.as_secs_f64() * 1000.0)
            .collect();
        let open = self.pool.size();
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX).min(open);
        PoolView {
            keep: self.config.size,
            max: self.config.size + self.config.overflow,
            open,
            idle,
            in_use: open - idle,
            waiting: self.waiting.load(Ordering::Relaxed),
            acquire_mean_ms: if times.is_empty() {
                0.0
            } else {
                times.iter().sum::<f64>() / times.len() as f64
            },
            acquire_max_ms: times.iter().copied().fold(0.0, f64::max),
            recycle_s: self.config.recycle.as_secs(),
            profile: self.config.profile.clone(),
        }
    }
}

impl Drop for GaugedPool {
    fn drop(&mut self) {
        // The pool holds the closure that asks it, and would hold itself and its connections for ever.
        self.itself.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

struct Waits<'a>(&'a AtomicU32);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
