//! One look at a server for all who look within a second: pages look again every two seconds, and each open one would be a look of
//! its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use contract::{Fault, activity::RunningCommand};

use super::{
    catalog::{self, Snapshot},
    progress, roles,
};
use crate::{Engine, Error, Result, target::Target};

/// How old a look may be that somebody is shown.
const FRESH: Duration = Duration::from_secs(1);

/// What a look saw.
pub(super) struct Seen {
    pub snapshot: Snapshot,
    pub running: Vec<RunningCommand>,
}

/// The last look at a server, of this process.
#[derive(Default)]
pub(crate) struct Looks {
    /// Held by whoever looks, for all that ask meanwhile.
    last: tokio::sync::Mutex<Option<Last>>,
    /// How often something was done after which an older look is of no use.
    acts: AtomicU64,
    #[cfg(feature = "test-jobs")]
    pub(super) each_anew: std::sync::atomic::AtomicBool,
}

struct Last {
    acts: u64,
    begun: Instant,
    ended: Instant,
    seen: std::result::Result<Arc<Seen>, Fault>,
}

impl Last {
    /// Whether whoever asked at a moment may be shown it. What they waited for is theirs, a failure too, so that they do not wait
    /// for a server that hangs one after the other.
    fn serves(&self, asked: Instant, acts: u64) -> bool {
        self.acts == acts && (self.ended >= asked || (self.seen.is_ok() && self.begun.elapsed() < FRESH))
    }
}

impl Looks {
    /// From now on a look that began before is shown to nobody.
    pub(super) fn outdate(&self) {
        self.acts.fetch_add(1, Ordering::AcqRel);
    }

    fn acts(&self) -> u64 {
        #[cfg(feature = "test-jobs")]
        if self.each_anew.load(Ordering::Relaxed) {
            self.outdate();
        }
        self.acts.load(Ordering::Acquire)
    }
}

/// What happens on a server, as it was within the last second.
///
/// # Errors
/// The target's failures.
pub(super) async fn look(engine: &Engine, target: &Target) -> Result<Arc<Seen>> {
    let asked = Instant::now();
    let looks = target.activity_looks();
    let acts = looks.acts();
    let mut last = looks.last.lock().await;
    if let Some(last) = last.as_ref().filter(|last| last.serves(asked, acts)) {
        return last.seen.clone().map_err(Error::Refused);
    }
    let begun = Instant::now();
    // What is done from here on may not be in it.
    let acts = looks.acts.load(Ordering::Acquire);
    let seen = anew(engine, target).await.map(Arc::new);
    *last = Some(Last {
        acts,
        begun,
        ended: Instant::now(),
        seen: match &seen {
            Ok(seen) => Ok(Arc::clone(seen)),
            Err(error) => Err(error.fault()),
        },
    });
    seen
}

async fn anew(engine: &Engine, target: &Target) -> Result<Seen> {
    let mut connection = target.look().await?;
    let failed = |source| target.error(source);
    let snapshot = catalog::snapshot(&mut connection, &roles(engine, target))
        .await
        .map_err(failed)?;
    let running = progress::running(&mut connection, target.watched())
        .await
        .map_err(failed)?;
    Ok(Seen { snapshot, running })
}
