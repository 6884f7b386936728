//! An engine that inspects, and what the tests ask of an inspection.

use std::path::Path;

use contract::{
    Fault,
    import::{ColumnFacts, Inspection, TableFacts},
    session::Role,
};
use engine::Caller;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use testkit::shared;

use super::support::{Console, caller, engine};

/// An engine, a caller who may import, and a folder for files.
pub struct World {
    pub console: Console,
    pub caller: Caller,
    pub folder: TempDir,
}

impl World {
    pub async fn new() -> Self {
        let target = shared().await.database("import").await;
        let console = engine(&target, false).await;
        Self {
            caller: caller(&console, Role::Operator).await,
            console,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Inspects a file.
    pub async fn inspect(&self, file: &Path) -> Result<Inspection, Fault> {
        let found = self.console.import().inspect(&self.caller, file).await;
        found.map_err(|error| error.fault())
    }

    /// Whether a private copy was left behind.
    pub fn left_behind(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.console.config.data_dir)
            .into_iter()
            .flatten()
            .flatten();
        names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with(".inspect"))
            .collect()
    }
}

/// A table of an inspection.
pub fn table<'a>(found: &'a Inspection, name: &str) -> &'a TableFacts {
    found
        .tables
        .iter()
        .find(|table| table.name == name)
        .unwrap_or_else(|| panic!("no table {name}"))
}

/// A column of an inspection, by `table.column`.
pub fn column<'a>(found: &'a Inspection, place: &str) -> &'a ColumnFacts {
    let (of, name) = place.split_once('.').unwrap();
    let columns = &table(found, of).columns;
    columns
        .iter()
        .find(|column| column.name == name)
        .unwrap_or_else(|| panic!("no column {place}"))
}

/// The SHA-256 of every file in a folder, by name.
pub fn hashes(folder: &Path) -> Vec<(String, String)> {
    let mut hashes: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            let hash = hex::encode(Sha256::digest(std::fs::read(&path).unwrap()));
            (path.file_name().unwrap().to_string_lossy().into_owned(), hash)
        })
        .collect();
    hashes.sort();
    hashes
}
