//! Bringing SQLite files into a managed database. So far: looking at a file and saying what it would become.
//!
//! The file is never changed. What it holds is found by one full scan of every column, because a sample is fooled by the
//! last row, and what is proposed follows what is stored; a declaration only chooses between types that hold every value.

mod affinity;
mod binary_json;
mod check;
mod column_findings;
mod ddl;
mod files;
mod findings;
mod fit;
mod forms;
mod header;
mod inspect;
mod json;
mod leftover;
mod lock;
mod names;
mod propose;
mod scan;
mod schema;
mod source;
mod stop;
mod tally;
mod times;
mod uploads;

use std::path::Path;

use contract::{import::Inspection, session::Permission};

use crate::{Caller, Engine, Error, Result};

/// The operations on imports.
pub struct Import<'a>(&'a Engine);

impl Engine {
    /// The operations on imports.
    pub fn import(&self) -> Import<'_> {
        Import(self)
    }
}

impl Import<'_> {
    /// Looks at a SQLite file on the console's machine: checks it, reads every value of every table, and proposes a type
    /// for each column. The memory it takes does not grow with the file, except by its longest value. Dropping the
    /// future ends the reading.
    ///
    /// # Errors
    /// `NotFound` and `Invalid` when the file is no whole SQLite database, in words for each case; `Conflict` when another
    /// process writes to it; a damaged page with the table and the last row before it.
    pub async fn inspect(&self, caller: &Caller, file: &Path) -> Result<Inspection> {
        caller.permit(Permission::Import)?;
        let (file, room) = (file.to_owned(), self.0.config().data_dir.clone());
        let stop = stop::Stop::default();
        let _stops = stop.on_drop();
        tokio::task::spawn_blocking(move || inspect::run(&file, &room, &stop))
            .await
            .map_err(|error| Error::internal("reading a SQLite file", error))?
    }
}
