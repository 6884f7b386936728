//! Looks as of any time, for tests: they cannot wait for minutes to pass.

use std::sync::atomic::{AtomicBool, Ordering};

use contract::Instant;

use super::look;
use crate::{Engine, Result};

static NOT_BY_READING: AtomicBool = AtomicBool::new(false);

/// From now on no reader of this process makes the console look: its clock would not be that of the tests.
pub fn let_nobody_look_by_reading() {
    NOT_BY_READING.store(true, Ordering::Relaxed);
}

pub(super) fn nobody_looks_by_reading() -> bool {
    NOT_BY_READING.load(Ordering::Relaxed)
}

/// Takes the look of a managed database, as if it were `now` by the store's clock. False when it is no console's turn.
///
/// # Errors
/// The store's failures, and the target's.
pub async fn look_at(engine: &Engine, target: &str, now: Instant) -> Result<bool> {
    look::turn(engine, &engine.target(target)?, 60, Some(now)).await
}
