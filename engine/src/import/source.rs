//! Opening a SQLite file without ever changing it.
//!
//! A file that lies alone is read in place, as one that cannot change (`immutable`): SQLite then takes no lock, writes
//! nothing and looks for nothing beside it. Where a `-wal` or a rollback journal lies beside it, SQLite would write to both
//! on opening; so both are copied with the file, and the copy is opened.

use std::{
    fs::{self, File, Metadata, Permissions},
    io::Read,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use contract::{Code, Fault};
use nix::unistd::{Uid, User};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tempfile::TempDir;

use super::{
    header::{self, Header, PROBE},
    leftover, lock,
};
use crate::{Error, Result};

/// What stays as it is in the path of a `file:` address.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// The most of a file that is mapped, in bytes; SQLite's own limit is just below 2 GiB.
const MAPPED: i64 = 0x7fff_0000;

/// A file that is open for reading, or a copy of it.
pub(super) struct Source {
    /// The file's name without its folder.
    pub name: String,
    /// Its size in bytes.
    pub bytes: i64,
    /// What its header says.
    pub header: Header,
    /// Bytes of the `-wal` beside it.
    pub wal_bytes: Option<i64>,
    /// Bytes of the rollback journal beside it.
    pub journal_bytes: Option<i64>,
    parts: Parts,
    before: [Option<State>; 3],
    copy: Option<TempDir>,
    /// Whether pages are read through a mapping of the file.
    mapped: bool,
    /// Keeps an upload from being cleared away.
    _held: Option<File>,
}

/// The file and what may lie beside it.
struct Parts {
    database: PathBuf,
    wal: PathBuf,
    journal: PathBuf,
    shared_memory: PathBuf,
}

/// What tells that a file was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Source {
    /// Opens a file, which faults call by `name` when it has one of its own; a copy, when it needs one, goes into `room`.
    /// `by_command` says that the process does nothing else.
    ///
    /// # Errors
    /// What the file is instead of a whole SQLite database that nobody writes to.
    pub fn open(file: &Path, name: Option<&str>, room: &Path, by_command: bool) -> Result<Self> {
        let name = name.map_or_else(|| name_of(file), str::to_owned);
        let parts = Parts::of(file, &name)?;
        let mut database = File::open(&parts.database).map_err(|error| unusable(file, &error))?;
        // Only uploads are cleared away, and they lie in the console's own folder.
        let parts_held = match parts
            .database
            .starts_with(fs::canonicalize(room).unwrap_or_default())
        {
            true => File::open(&parts.database)
                .ok()
                .filter(|file| file.try_lock_shared().is_ok()),
            false => None,
        };
        let before = parts.states();
        lock::ask(&name, &database, &parts.shared_memory).map_err(Error::Refused)?;
        let mut first = Vec::with_capacity(PROBE);
        (&mut database)
            .take(PROBE as u64)
            .read_to_end(&mut first)
            .map_err(|error| unusable(file, &error))?;
        let header = header::read(&name, &first).map_err(Error::Refused)?;
        let [main, wal, journal] = before;
        let bytes = size(main).unwrap_or_default();
        let (wal_bytes, journal_bytes) = (size(wal), size(journal));
        let alone = wal_bytes.is_none() && journal_bytes.is_none();
        let mut copy = None;
        let connection = if alone {
            header.whole(&name, bytes).map_err(Error::Refused)?;
            in_place(&parts.database)
        } else {
            let folder = parts.copy(room)?;
            // A write between the two copies would leave a pair that does not belong together.
            if parts.states() != before {
                return Err(Error::Refused(lock::changed(&name)));
            }
            let connection = in_copy(&folder);
            copy = Some(folder);
            connection
        };
        let mapped = by_command || copy.is_some() || parts_held.is_some();
        connection
            .and_then(|connection| guard(connection, mapped))
            .map_err(|error| unopened(&name, &error))?;
        Ok(Self {
            mapped,
            name,
            bytes,
            header,
            wal_bytes,
            journal_bytes,
            parts,
            before,
            copy,
            _held: parts_held,
        })
    }

    /// A connection to this state of the file. Each thread needs its own.
    ///
    /// # Errors
    /// What SQLite has against the file.
    pub fn connect(&self) -> Result<Connection> {
        match &self.copy {
            None => in_place(&self.parts.database),
            Some(folder) => in_copy(folder),
        }
        .and_then(|connection| guard(connection, self.mapped))
        .map_err(|error| unopened(&self.name, &error))
    }

    /// What tells this state of the file from others: sizes and times of the file and its logs.
    pub fn stamp(&self) -> String {
        let words: Vec<String> = self
            .before
            .iter()
            .map(|state| match state {
                None => "-".to_owned(),
                Some(State {
                    bytes,
                    modified: (seconds, nanos),
                    ..
                }) => format!("{bytes}@{seconds}.{nanos:09}"),
            })
            .collect();
        words.join(" ")
    }

    /// Refuses when the file was written to since it was opened.
    ///
    /// # Errors
    /// A conflict.
    pub fn unchanged(&self) -> Result<()> {
        if self.parts.states() == self.before {
            return Ok(());
        }
        Err(Error::Refused(lock::changed(&self.name)))
    }
}

impl Parts {
    fn of(file: &Path, name: &str) -> Result<Self> {
        // SQLite names the journal after the file behind a link, so that one counts.
        let database = fs::canonicalize(file).map_err(|error| unusable(file, &error))?;
        let found = fs::metadata(&database).map_err(|error| unusable(file, &error))?;
        if found.is_dir() {
            return Err(Error::invalid(
                "file",
                format!("{} is a folder.", file.display()),
                "Name the database file in it.",
            ));
        }
        if !found.is_file() {
            return Err(Error::invalid(
                "file",
                format!("{name} is no ordinary file."),
                "Name a file on a disk, not a device or a pipe.",
            ));
        }
        let beside = |end: &str| {
            let mut path = database.clone().into_os_string().into_vec();
            path.extend_from_slice(end.as_bytes());
            PathBuf::from(std::ffi::OsString::from_vec(path))
        };
        Ok(Self {
            wal: beside("-wal"),
            journal: beside("-journal"),
            shared_memory: beside("-shm"),
            database,
        })
    }

    fn states(&self) -> [Option<State>; 3] {
        [&self.database, &self.wal, &self.journal].map(|path| fs::metadata(path).ok().map(State::from))
    }

    fn copy(&self, room: &Path) -> Result<TempDir> {
        let folder = leftover::folder(room)?;
        for (from, to) in [
            (&self.database, "source"),
            (&self.wal, "source-wal"),
            (&self.journal, "source-journal"),
        ] {
            if fs::metadata(from).is_ok_and(|found| found.len() > 0) {
                let to = folder.path().join(to);
                let what = format!("A private copy of {} cannot be made", from.display());
                fs::copy(from, &to)
                    // The copy takes the rights too, and SQLite must be able to write to it.
                    .and_then(|_| fs::set_permissions(&to, Permissions::from_mode(0o600)))
                    .map_err(Error::io(what))?;
            }
        }
        Ok(folder)
    }
}

impl From<Metadata> for State {
    fn from(found: Metadata) -> Self {
        Self {
            inode: found.ino(),
            bytes: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
        }
    }
}

/// The bytes of a file that is there and not empty.
fn size(state: Option<State>) -> Option<i64> {
    state
        .and_then(|state| i64::try_from(state.bytes).ok())
        .filter(|bytes| *bytes > 0)
}

/// A file's name without its folder.
pub(super) fn name_of(file: &Path) -> String {
    file.file_name().map_or_else(
        || file.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn in_copy(folder: &TempDir) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(
        folder.path().join("source"),
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
}

fn in_place(database: &Path) -> rusqlite::Result<Connection> {
    let path = percent_encode(database.as_os_str().as_bytes(), PATH);
    Connection::open_with_flags(
        format!("file:{path}?immutable=1"),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
}

/// A stranger's schema must not do anything by being read.
fn guard(connection: Connection, mapped: bool) -> rusqlite::Result<Connection> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Programs bring collations of their own. Rows are read in the order they lie in, so any order will do.
    connection.collation_needed(|connection, name| connection.create_collation(name, str::cmp))?;
    connection.pragma_update(None, "query_only", true)?;
    // Pages are read from the system's own cache instead of being copied out of it. A mapped file that someone else cuts
    // shorter ends the whole process, so in a console only files of its own are mapped.
    connection.pragma_update(None, "mmap_size", if mapped { MAPPED } else { 0 })?;
    // The first look at the schema applies what is pending, and finds what is no database.
    connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

fn unopened(name: &str, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    Error::Refused(match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Fault::new(
            Code::Invalid,
            format!("{name} begins like a SQLite database, but SQLite cannot read it."),
        )
        .hint("It may be encrypted with its header left open; decrypt it with the program that made it."),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Fault::new(Code::Conflict, format!("{name} is locked by another process."))
                .hint("Stop the program that uses it, then try again.")
        }
        Some(ErrorCode::DatabaseCorrupt) => Fault::new(
            Code::Invalid,
            format!("{name} is damaged: its list of tables cannot be read ({error})."),
        )
        .hint("Take another copy of the file; sqlite3 FILE .recover may save some of its rows."),
        _ => Fault::new(Code::Invalid, format!("{name} cannot be opened: {error}."))
            .hint("Try sqlite3 FILE .schema to see whether it opens elsewhere."),
    })
}

/// What the system has against the file.
pub(super) fn unusable(file: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind;
    let shown = file.display();
    match error.kind() {
        ErrorKind::NotFound => Error::Refused(
            Fault::new(Code::NotFound, format!("There is no file {shown}."))
                .field("file")
                .hint("Give the path on the machine that the console runs on."),
        ),
        ErrorKind::PermissionDenied => {
            let user = User::from_uid(Uid::effective()).ok().flatten();
            let user = user.map_or_else(|| Uid::effective().to_string(), |user| user.name);
            Error::invalid(
                "file",
                format!("{shown} cannot be read by user {user}, whom the console runs as."),
                format!(
                    "Give that user the right to it (setfacl -m u:{user}:r FILE, and x on its folders), or copy it to where {user} can read it."
                ),
            )
        }
        _ => Error::Io {
            what: format!("{shown} cannot be read"),
            source: std::io::Error::new(error.kind(), error.to_string()),
        },
    }
}
