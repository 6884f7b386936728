//! SQLite files that each hold one trap for a program that carries them over.
//!
//! A trap is a name, a sentence and a small function that writes the file; what must come out of it stands in the tests.

/// A large file, to measure with.
pub mod ai_pal;
mod files;
mod json;
mod keys;
mod names;
mod numbers;
mod objects;
mod rules;
mod texts;
mod times;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::Failure;

/// A file with something in it that others get wrong.
pub struct Trap {
    /// What it is called; also its file's name.
    pub name: &'static str,
    /// What is in it.
    pub holds: &'static str,
    make: fn(&Path),
}

impl Trap {
    const fn new(name: &'static str, holds: &'static str, make: fn(&Path)) -> Self {
        Self { name, holds, make }
    }

    /// Writes the file, and what belongs beside it, into a folder.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}.db", self.name));
        (self.make)(&path);
        path
    }
}

/// Every trap.
pub fn traps() -> impl Iterator<Item = &'static Trap> {
    [
        numbers::TRAPS,
        times::TRAPS,
        texts::TRAPS,
        json::TRAPS,
        keys::TRAPS,
        names::TRAPS,
        objects::TRAPS,
        rules::TRAPS,
        files::TRAPS,
    ]
    .into_iter()
    .flatten()
}

/// Files that must be refused, each in its own words.
pub fn refused() -> impl Iterator<Item = &'static Trap> {
    files::REFUSED.iter()
}

/// Makes a file by statements.
fn write(path: &Path, sql: &str) {
    run(&open(path), sql);
}

/// Runs statements.
fn run(connection: &Connection, sql: &str) {
    must("a trap cannot be written", connection.execute_batch(sql));
}

/// Opens a new file. Foreign keys are not enforced, as they are not where nobody asks SQLite to.
fn open(path: &Path) -> Connection {
    let connection = must("a trap cannot be made", Connection::open(path));
    run(&connection, "pragma foreign_keys = off");
    connection
}

/// What worked, or the end of the test.
fn must<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| Failure::new(format!("{what}: {error}")).fail())
}
