//! Snapshots as of any time, for tests: they cannot wait for minutes.

use contract::Instant;

use super::turn;
use crate::Engine;

/// Managed databases whose pulse this process takes at the moment.
pub fn pulses(engine: &Engine) -> usize {
    engine.pulses().count()
}

/// Takes the snapshots of a minute, as if it were `now` by the store's clock and by those of the servers.
pub async fn sample_at(engine: &Engine, now: Instant) {
    turn::turn(engine, now, Some(now)).await;
}
