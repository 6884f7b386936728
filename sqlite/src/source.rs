//! Opening a SQLite file without ever changing it.
//!
//! A file that lies alone is read in place, as one that cannot change (`immutable`): SQLite then takes no lock, writes
//! nothing and looks for nothing beside it. Where a `-wal` or a rollback journal lies beside it, SQLite would write to both
//! on opening; so both are copied with the file, and the copy is opened.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{Read, Write},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use contract::{Code, Fault, format};
use nix::unistd::{Uid, User};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tempfile::TempDir;

use super::{
    header::{self, Header, PROBE},
    leftover, lock,
    stop::Stop,
};
use crate::{Error, Result, disk::free_bytes};

/// What stays as it is in the path of a `file:` address.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// The most of a file that is mapped, in bytes; SQLite's own limit is just below 2 GiB.
const MAPPED: i64 = 0x7fff_0000;

/// What a copy leaves free on the disk, on which the console's own database may lie.
const RESERVE: i64 = 256 * 1024 * 1024;

/// A file that is open for reading, or a copy of it.
pub struct Source {
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
    /// What the file is instead of a whole SQLite database that nobody writes to; a conflict when there is no room for the
    /// copy; `Cancelled`.
    pub fn open(file: &Path, name: Option<&str>, room: &Path, by_command: bool, stop: &Stop) -> Result<Self> {
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
            let folder = parts.copy(&name, room, stop)?;
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
        let connection = self.connect_for_rules()?;
        // Else a name that matches no column would silently be a text.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)
            .map_err(|error| unopened(&self.name, &error))?;
        Ok(connection)
    }

    /// A connection for the file's own expressions, where a text in double quotes is a text.
    ///
    /// # Errors
    /// What SQLite has against the file.
    pub fn connect_for_rules(&self) -> Result<Connection> {
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
            let path = PathBuf::from(std::ffi::OsString::from_vec(path));
            match fs::symlink_metadata(&path) {
                // A link could lead to any file of the machine.
                Ok(found) if !found.is_file() => Err(Error::invalid(
                    "file",
                    format!("{name}{end} is no ordinary file."),
                    "Put the file itself there, or remove it if it does not belong to the database.",
                )),
                _ => Ok(path),
            }
        };
        Ok(Self {
            wal: beside("-wal")?,
            journal: beside("-journal")?,
            shared_memory: beside("-shm")?,
            database,
        })
    }

    fn states(&self) -> [Option<State>; 3] {
        [&self.database, &self.wal, &self.journal].map(|path| fs::metadata(path).ok().map(State::from))
    }

    /// A private copy of all parts.
    fn copy(&self, name: &str, room: &Path, stop: &Stop) -> Result<TempDir> {
        let folder = leftover::folder(room)?;
        let parts = [
            (&self.database, "source"),
            (&self.wal, "source-wal"),
            (&self.journal, "source-journal"),
        ];
        let needed: i64 = self.states().into_iter().filter_map(size).sum();
        let free = free_bytes(room).map_err(Error::io(format!("{} cannot be looked at", room.display())))?;
        if free < needed.saturating_add(RESERVE) {
            return Err(Error::conflict(
                format!(
                    "{name} has a log or journal beside it, so it is read in a copy: that needs {} in {}, and {} are free.",
                    format::bytes(needed),
                    room.display(),
                    format::bytes(free)
                ),
                "Free some room there; or stop the program that uses the file, so that it writes its log back into it.",
            ));
        }
        for (from, to) in parts {
            if fs::metadata(from).is_ok_and(|found| found.len() > 0) {
                copy(from, &folder.path().join(to), stop)?;
            }
        }
        Ok(folder)
    }
}

/// Copies a file, unless it shall stop.
fn copy(from: &Path, to: &Path, stop: &Stop) -> Result<()> {
    let failed = || Error::io(format!("A private copy of {} cannot be made", from.display()));
    let mut source = File::open(from).map_err(failed())?;
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(failed())?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        stop.check()?;
        match source.read(&mut chunk).map_err(failed())? {
            0 => return Ok(()),
            count => copy.write_all(&chunk[..count]).map_err(failed())?,
        }
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
pub fn name_of(file: &Path) -> String {
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

/// Whether a file is one that came by upload: `uploads/<id>/database` in the data folder.
pub(super) fn is_upload(file: &Path) -> bool {
    file.ends_with("database") && file.iter().rev().nth(2).is_some_and(|folder| folder == "uploads")
}

/// What the system has against the file.
pub fn unusable(file: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind;
    let shown = file.display();
    match error.kind() {
        // An upload's own path says nothing to its reader.
        ErrorKind::NotFound if is_upload(file) => Error::Refused(
            Fault::new(Code::NotFound, "The uploaded file is not there any more.")
                .field("file")
                .hint("Upload it again, and begin a new import."),
        ),
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
