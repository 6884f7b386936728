//! The backup folder: `<folder of a database>/<id>/` for what is stored, `.partial/<id>/` for what is not. A backup appears and goes
//! by one rename of its folder; its files are named by us, never by a user or a database.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    manifest::{ARCHIVE, MANIFEST, MARKS, PROOF},
    shelf::Shelf,
};
use crate::{Error, Result};

/// What is not finished, and what is being deleted.
const PARTIAL: &str = ".partial";
/// Before the id of a backup that is being deleted.
const DELETED: &str = "deleted-";

/// One backup folder. All functions block: call them where blocking is allowed.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

/// What lies under `.partial/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leftover {
    /// An attempt.
    Attempt(Uuid),
    /// A deletion that did not get to its end.
    Deleted(Uuid),
}

impl Folder {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of an attempt.
    pub(super) fn partial(&self, id: Uuid) -> PathBuf {
        self.root.join(PARTIAL).join(id.to_string())
    }

    /// The folder of a stored backup, in the folder of its database.
    pub(super) fn stored(&self, folder: &str, id: Uuid) -> PathBuf {
        self.root.join(folder).join(id.to_string())
    }

    /// The folders that may hold backups of a database.
    fn folders(&self, shelf: &Shelf) -> Result<Vec<String>> {
        let reading = || format!("reading the backup folder {}", self.root.display());
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io(reading())(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io(reading()))?;
            if let Some(name) = entry.file_name().to_str()
                && shelf.looks_into(name)
            {
                found.push(name.to_owned());
            }
        }
        Ok(found)
    }

    /// Whether anything of a database was ever stored here: its folder stays when its last backup is deleted.
    pub(super) fn knows(&self, shelf: &Shelf) -> Result<bool> {
        Ok(!self.folders(shelf)?.is_empty())
    }

    /// The folder of its database that a stored backup lies in.
    pub(super) fn find(&self, shelf: &Shelf, id: Uuid) -> Result<Option<String>> {
        let folders = self.folders(shelf)?;
        Ok(folders
            .into_iter()
            .find(|folder| stamp(&self.stored(folder, id)).is_some()))
    }

    fn deleted(&self, id: Uuid) -> PathBuf {
        self.root.join(PARTIAL).join(format!("{DELETED}{id}"))
    }

    /// Makes the folder of an attempt and its archive, locked so that no sweep takes it for a leftover.
    pub(super) fn begin(&self, id: Uuid) -> Result<File> {
        let partial = self.partial(id);
        let make = || -> io::Result<File> {
            private_folder(&partial)?;
            let file = private_file(&partial.join(ARCHIVE))?;
            file.try_lock().map_err(io::Error::from)?;
            Ok(file)
        };
        make().map_err(Error::io(format!("making the folder {}", partial.display())))
    }

    /// Makes the finished attempt a stored backup: everything durable, then one rename, then that durable.
    pub(super) fn publish(&self, folder: &str, id: Uuid) -> Result<()> {
        let (partial, stored) = (self.partial(id), self.stored(folder, id));
        let above = self.root.join(folder);
        let publish = || -> io::Result<()> {
            private_folder(&above)?;
            sync_folder(&self.root)?;
            sync_folder(&partial)?;
            fs::rename(&partial, &stored)?;
            sync_folder(&above)?;
            sync_folder(&self.root.join(PARTIAL))
        };
        publish().map_err(Error::io(format!(
            "moving the finished backup to {}",
            stored.display()
        )))
    }

    /// The ids of the backups that may be a database's, each with the folder that it lies in and its stamp.
    pub(super) fn list(&self, shelf: &Shelf) -> Result<Vec<(Uuid, String, String)>> {
        let mut found = Vec::new();
        for folder in self.folders(shelf)? {
            let listed = self.list_one(&folder)?;
            found.extend(listed.into_iter().map(|(id, stamp)| (id, folder.clone(), stamp)));
        }
        Ok(found)
    }

    /// The ids in a folder that hold a manifest, with the manifest's stamp.
    fn list_one(&self, folder: &str) -> Result<Vec<(Uuid, String)>> {
        let above = self.root.join(folder);
        let reading = || format!("reading the backup folder {}", above.display());
        let entries = match fs::read_dir(&above) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io(reading())(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io(reading()))?;
            let Some(id) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<Uuid>().ok())
            else {
                continue;
            };
            if let Some(stamp) = stamp(&entry.path()) {
                found.push((id, stamp));
            }
        }
        Ok(found)
    }

    /// What lies under `.partial/` and belongs to nobody: no process holds its archive.
    pub(super) fn leftovers(&self) -> Result<Vec<Leftover>> {
        let partial = self.root.join(PARTIAL);
        let reading = || format!("reading the folder {}", partial.display());
        let entries = match fs::read_dir(&partial) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io(reading())(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io(reading()))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let leftover = match name.strip_prefix(DELETED) {
                Some(id) => id.parse().map(Leftover::Deleted),
                None => name.parse().map(Leftover::Attempt),
            };
            // What we did not name is not ours to remove.
            let Ok(leftover) = leftover else { continue };
            if !matches!(lock_alone(&entry.path()), Err(TryLockError::WouldBlock)) {
                found.push(leftover);
            }
        }
        Ok(found)
    }

    /// Removes an attempt, if there is one.
    pub(super) fn remove_partial(&self, id: Uuid) -> Result<()> {
        remove(&self.partial(id))
    }

    /// Takes a stored backup out of sight; `restore` undoes it, `remove_deleted` ends it.
    pub(super) fn withdraw(&self, folder: &str, id: Uuid) -> Result<()> {
        let (stored, deleted) = (self.stored(folder, id), self.deleted(id));
        let withdraw = || -> io::Result<()> {
            private_folder(&self.root.join(PARTIAL))?;
            fs::rename(&stored, &deleted)?;
            sync_folder(&self.root.join(folder))?;
            sync_folder(&self.root.join(PARTIAL))
        };
        withdraw().map_err(Error::io(format!("moving the backup {} away", stored.display())))
    }

    /// Puts a withdrawn backup back.
    pub(super) fn restore(&self, folder: &str, id: Uuid) -> Result<()> {
        let (stored, deleted) = (self.stored(folder, id), self.deleted(id));
        let restore = || -> io::Result<()> {
            fs::rename(&deleted, &stored)?;
            sync_folder(&self.root.join(folder))
        };
        restore().map_err(Error::io(format!("putting the backup {} back", stored.display())))
    }

    /// Whether a backup is being deleted this moment, or was when its process died.
    pub(super) fn is_withdrawn(&self, id: Uuid) -> bool {
        self.deleted(id).exists()
    }

    /// Removes a withdrawn backup for good.
    pub(super) fn remove_deleted(&self, id: Uuid) -> Result<()> {
        remove(&self.deleted(id))
    }

    /// Bytes that the console's user may still write there; `None` when the folder does not exist yet.
    pub(super) fn free_bytes(&self) -> Option<i64> {
        crate::disk::free_bytes(&self.root).ok()
    }

    /// Makes the backup folder itself when it is missing.
    pub(super) fn make(&self) -> Result<()> {
        private_folder(&self.root).map_err(Error::io(format!(
            "making the backup folder {}",
            self.root.display()
        )))
    }
}

/// Opens a file of a backup to read it. Never waits: whatever lies there under the file's name may be no file, and opening
/// a pipe waits for ever for its other end.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no ordinary file"));
    }
    Ok(file)
}

/// Locks a backup's archive for one who deletes it. `Ok(None)` when there is no archive.
pub(super) fn lock_alone(backup: &Path) -> std::result::Result<Option<File>, TryLockError> {
    match open(&backup.join(ARCHIVE)) {
        Ok(file) => file.try_lock().map(|()| Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TryLockError::Error(error)),
    }
}

/// Opens a file of a backup and holds the backup against deletion for as long as the file is open.
pub(super) fn open_shared(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    match file.try_lock_shared() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ErrorKind::NotFound.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Makes a file of a backup that only this user can read.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Writes a small file so that it is there whole or not at all, also after a power cut.
pub(super) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let (path, unfinished) = (
        folder.join(name),
        folder.join(format!("{name}.{}", Uuid::new_v4().simple())),
    );
    let write = || -> io::Result<()> {
        let mut file = private_file(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        sync_folder(folder)
    };
    write().map_err(|error| {
        fs::remove_file(&unfinished).ok();
        Error::io(format!("writing {}", path.display()))(error)
    })
}

/// Changes whenever the manifest, the proof, the marks or the archive of a backup does; `None` without a manifest.
pub(super) fn stamp(backup: &Path) -> Option<String> {
    let of = |name| {
        let seen = fs::symlink_metadata(backup.join(name))
            .ok()
            .filter(fs::Metadata::is_file)?;
        Some(format!(
            "{}:{}.{:09}:{}",
            seen.len(),
            seen.mtime(),
            seen.mtime_nsec(),
            seen.ino()
        ))
    };
    let manifest = of(MANIFEST)?;
    Some(format!(
        "{manifest} {} {} {}",
        of(PROOF).unwrap_or_default(),
        of(MARKS).unwrap_or_default(),
        of(ARCHIVE).unwrap_or_default()
    ))
}

fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("removing {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}

/// A target's name as older versions made it a folder's: as it is when it is harmless, else cut down and told apart by its
/// hash.
pub(super) fn folder_name(target: &str) -> String {
    let harmless = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !target.is_empty() && target.len() <= 48 && !target.starts_with('-') && target.chars().all(harmless) {
        return target.to_owned();
    }
    let readable: String = target
        .chars()
        .take(32)
        .map(|c| {
            if harmless(c.to_ascii_lowercase()) {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    // A tilde is in no harmless name, so the two kinds never meet.
    format!(
        "_{readable}~{}",
        &hex::encode(Sha256::digest(target.as_bytes()))[..16]
    )
}

#[cfg(test)]
mod tests;
