//! Ending a scan whose reader has gone away.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::{Connection, ErrorCode, InterruptHandle};

use crate::{Error, Result};

/// The wish to stop, shared between the one who waits and the one who reads.
#[derive(Clone, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    wished: AtomicBool,
    // A check of the whole file is one statement: only SQLite itself can end it.
    reading: Mutex<Vec<InterruptHandle>>,
}

/// Wishes to stop when it is dropped.
pub struct StopOnDrop(Stop);

impl Stop {
    /// What stops the work when its future is dropped.
    pub fn on_drop(&self) -> StopOnDrop {
        StopOnDrop(self.clone())
    }

    /// From now on the wish also ends what this connection is doing.
    pub fn watch(&self, connection: &Connection) {
        let mut reading = self.0.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.push(connection.get_interrupt_handle());
        // The wish may have come before the connection.
        if self.0.wished.load(Ordering::Relaxed) {
            reading.iter().for_each(InterruptHandle::interrupt);
        }
    }

    /// Wishes to stop.
    pub fn now(&self) {
        let inner = &self.0;
        inner.wished.store(true, Ordering::Relaxed);
        let reading = inner.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.iter().for_each(InterruptHandle::interrupt);
    }

    /// Asks whether to go on.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn check(&self) -> Result<()> {
        match self.0.wished.load(Ordering::Relaxed) {
            true => Err(Error::Cancelled),
            false => Ok(()),
        }
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.now();
    }
}

/// Whether SQLite says that the file itself is at fault.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::SystemIoFailure)
    )
}

/// Whether SQLite ended a statement because it was asked to.
pub fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}
