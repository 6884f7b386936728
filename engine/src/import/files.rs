//! SQLite files below the one folder that may be imported from.
//!
//! A path that a user gives is followed to the file behind it, and that file must lie below the folder: neither `..`
//! nor a link leads out of it.

use std::{
    fs::{self, OpenOptions},
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::{Component, Path, PathBuf},
};

use contract::{
    Code, Fault, Instant,
    import::{FileEntry, ImportFile, ImportFiles, UploadKind},
    session::Permission,
};
use nix::libc;
use sqlite::header::MAGIC;

use super::{
    Import,
    uploads::{self, Folder, is_of},
};
use crate::{Caller, Engine, EngineConfig, Error, Result};

/// The most files that are listed.
const MOST: usize = 1000;
/// How many folders deep files are found.
const DEPTH: usize = 8;
/// How many names are looked at, so that a huge folder cannot keep the console busy.
const LOOKED_AT: usize = 50_000;

impl Import<'_> {
    /// The files that can be imported from the browser: those below the allowed folder, and the caller's own uploads
    /// (an administrator's: all). Uploads that
    /// nobody wants any more are removed first. An allowed folder that cannot be read is no reason to show no uploads; its
    /// fault is among the answer.
    ///
    /// # Errors
    /// `Io` when the uploads cannot be read; the store's failures.
    #[crate::boxed]
    pub async fn files(&self, caller: &Caller) -> Result<ImportFiles> {
        caller.permit(Permission::Import)?;
        uploads::sweep(self.0).await?;
        let config = self.0.config().clone();
        let owner = caller.clone();
        uploads::blocking(move || {
            let listed = match Allowed::of(&config) {
                Ok(allowed) => Ok(allowed.map(|allowed| allowed.list()).unwrap_or_default()),
                Err(error) => {
                    tracing::warn!(error = %error.chain(), "the folder for imports cannot be read");
                    Err(error.fault())
                }
            };
            let mut own = Folder::new(&config.data_dir).views()?;
            own.retain(|upload| upload.kind == UploadKind::Database && is_of(&owner, &upload.created_by));
            let folder_fault = listed.as_ref().err().cloned();
            let (server, server_cut) = listed.unwrap_or_default();
            Ok(ImportFiles {
                folder: config
                    .import_dir
                    .as_ref()
                    .map(|folder| folder.display().to_string()),
                folder_fault,
                server,
                server_cut,
                uploads: own,
                upload_limit: config.upload_limit,
            })
        })
        .await
    }

    /// Asks whether the allowed folder, if there is one, can be read.
    ///
    /// # Errors
    /// `NotFound` and `Io` when it cannot.
    #[crate::boxed]
    pub async fn check_folder(&self, caller: &Caller) -> Result<()> {
        caller.permit(Permission::Import)?;
        let config = self.0.config().clone();
        uploads::blocking(move || Allowed::of(&config).map(drop)).await
    }
}

/// The file to open, and the name to show for it. An upload counts as used now. Blocks; call it where blocking is allowed.
///
/// Whoever reads an upload for long holds a shared lock on it (`File::try_lock_shared`), which keeps it from being
/// deleted.
///
/// # Errors
/// `NotFound`; `Invalid` for a path that leads out of the allowed folder; `Conflict` for an upload that is not whole.
pub(super) fn path_of(engine: &Engine, file: &ImportFile) -> Result<(PathBuf, String)> {
    located(engine.config(), file)
}

fn located(config: &EngineConfig, file: &ImportFile) -> Result<(PathBuf, String)> {
    match file {
        ImportFile::Upload(id) => Folder::new(&config.data_dir).find(*id)?.to_open(),
        ImportFile::Server(path) => {
            let Some(allowed) = Allowed::of(config)? else {
                return Err(Error::invalid(
                    "file",
                    "No folder on the console's machine may be imported from.",
                    "Set PGSTEWARD_IMPORT_DIR to one and restart the console, or upload the file.",
                ));
            };
            let found = allowed.resolve(path)?;
            let name = path.rsplit('/').find(|part| !part.is_empty());
            Ok((found, name.unwrap_or(path).to_owned()))
        }
    }
}

/// The allowed folder, without links in its path.
struct Allowed {
    root: PathBuf,
    /// The console's own folder, which may lie below.
    own: Option<PathBuf>,
}

impl Allowed {
    fn of(config: &EngineConfig) -> Result<Option<Self>> {
        let Some(folder) = &config.import_dir else {
            return Ok(None);
        };
        Self::new(folder, &config.data_dir).map(Some)
    }

    fn new(folder: &Path, own: &Path) -> Result<Self> {
        let root = fs::canonicalize(folder)
            .and_then(|root| fs::read_dir(&root).map(|_| root))
            .map_err(|error| unreadable(folder, error))?;
        Ok(Self {
            root,
            own: fs::canonicalize(own).ok(),
        })
    }

    fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.root) && !self.own.as_ref().is_some_and(|own| path.starts_with(own))
    }

    /// The file behind a path below the folder.
    fn resolve(&self, path: &str) -> Result<PathBuf> {
        let plain = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(name) if !is_hidden(name.as_encoded_bytes())));
        if path.is_empty() || path.contains('\0') || !plain {
            return Err(outside(path));
        }
        let found = fs::canonicalize(self.root.join(path)).map_err(|error| unusable(path, error))?;
        if !self.holds(&found) {
            return Err(outside(path));
        }
        if !found.is_file() {
            return Err(Error::invalid(
                "file",
                format!("{path} is no ordinary file."),
                "Choose one of the files in the list.",
            ));
        }
        Ok(found)
    }

    /// The databases below the folder, and whether there may be more than are listed.
    fn list(&self) -> (Vec<FileEntry>, bool) {
        let mut found = Vec::new();
        let mut cut = false;
        let mut looked_at = 0;
        let mut folders = vec![(self.root.clone(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            // A folder that is closed to the console's user, or that went away, has nothing for it.
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                looked_at += 1;
                if looked_at > LOOKED_AT {
                    cut = true;
                    folders.clear();
                    break;
                }
                if is_hidden(entry.file_name().as_encoded_bytes()) {
                    continue;
                }
                let Ok(kind) = entry.file_type() else { continue };
                let path = entry.path();
                if kind.is_dir() {
                    if !self.holds(&path) {
                        continue;
                    }
                    if depth < DEPTH {
                        folders.push((path, depth + 1));
                    } else {
                        cut = true;
                    }
                } else if let Some(entry) = self.entry(&path, kind.is_symlink()) {
                    found.push(entry);
                }
            }
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        cut |= found.len() > MOST;
        found.truncate(MOST);
        (found, cut)
    }

    /// A database, or nothing: no path in text, a link that leads out, or a file of another kind.
    fn entry(&self, path: &Path, link: bool) -> Option<FileEntry> {
        let shown = path.strip_prefix(&self.root).ok()?.to_str()?.to_owned();
        let behind = if link {
            Some(fs::canonicalize(path).ok()?).filter(|behind| self.holds(behind))?
        } else {
            path.to_owned()
        };
        let seen = fs::metadata(&behind).ok().filter(fs::Metadata::is_file)?;
        begins_as_database(&behind).then_some(FileEntry {
            path: shown,
            bytes: i64::try_from(seen.len()).ok()?,
            modified_at: seen.modified().map(Instant::from).ok()?,
        })
    }
}

fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".")
}

fn begins_as_database(path: &Path) -> bool {
    let mut first = [0; MAGIC.len()];
    // A pipe that took the file's place would block its reader.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    opened.is_ok_and(|mut file| file.read_exact(&mut first).is_ok()) && first == *MAGIC
}

fn outside(path: &str) -> Error {
    Error::invalid(
        "file",
        format!("\"{path}\" is no file below the allowed folder."),
        "Choose one of the files in the list; links that lead out of the folder do not count.",
    )
}

fn unusable(path: &str, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENOTDIR) {
        return Error::Refused(
            Fault::new(
                Code::NotFound,
                format!("There is no file {path} below the allowed folder."),
            )
            .field("file")
            .hint("Reload the list of files."),
        );
    }
    Error::Io {
        what: format!("{path} cannot be read"),
        source: error,
    }
}

fn unreadable(folder: &Path, error: std::io::Error) -> Error {
    let what = format!("The folder for imports {} cannot be read", folder.display());
    if error.kind() == std::io::ErrorKind::NotFound {
        return Error::not_found(
            format!("{what}: it is not there."),
            "Make it, or set PGSTEWARD_IMPORT_DIR to another folder and restart the console.",
        );
    }
    Error::Io { what, source: error }
}

#[cfg(test)]
mod tests;
