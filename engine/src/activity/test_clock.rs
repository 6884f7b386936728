//! Looks that nobody shares, for tests: what they have just done is to be seen at once.

use std::sync::atomic::Ordering;

use crate::{Engine, Result};

/// From now on each look at the sessions of a managed server is one of its own in this process.
///
/// # Errors
/// `NotFound` for the target.
pub fn look_each_time(engine: &Engine, target: &str) -> Result<()> {
    let target = engine.target(target)?;
    target.activity_looks().each_anew.store(true, Ordering::Relaxed);
    Ok(())
}
