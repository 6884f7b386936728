//! Schedules as of any time, for tests: they cannot wait for the day when clocks shift.

use contract::Instant;

use super::turn;
use crate::{Engine, Result};

/// Looks at the schedules once, as if it were `now` by the store's clock.
///
/// # Errors
/// The store's failures.
pub async fn turn_at(engine: &Engine, now: Instant) -> Result<()> {
    turn::turn(engine, now).await
}
