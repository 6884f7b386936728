//! The watch, one round at a time, for tests.

use super::watch;
use crate::{Engine, Result};

/// Looks at the backups, and sends what is due.
///
/// # Errors
/// The store's failures.
pub async fn round(engine: &Engine) -> Result<()> {
    watch::look(engine).await?;
    watch::deliver(engine).await
}
