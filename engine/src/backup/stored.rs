//! A stored backup as its files tell it.

use std::{
    io::{ErrorKind, Read},
    path::Path,
};

use contract::{
    backup::{ArchiveForm, BackupView, TrialReport},
    jobs::JobId,
    retention::Marks,
};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    folder::{self, Folder},
    inventory::Inventory,
    manifest::{
        ARCHIVE, INVENTORY, MANIFEST, MARKS, Manifest, MarksFile, NEWEST_FORMAT, PROOF, ProofFile, StoredFile,
    },
    seal::{Seal, Seals},
    shelf::Shelf,
};
use crate::{Error, Result};

/// More than any manifest of ours: a hundred thousand tables take about 15 MB.
const LARGEST: u64 = 256 << 20;

/// What the files of a backup say.
#[expect(
    clippy::large_enum_variant,
    reason = "there are few of these, and never many at once"
)]
pub(super) enum Stored {
    /// The manifest can be read. The view says so when something is wrong with it.
    Known {
        manifest: Manifest,
        view: BackupView,
        stamp: String,
        /// Why the manifest itself cannot be trusted; no verification of the archive mends that.
        broken: Option<String>,
        /// Whether a verification of a console of this store found it whole.
        proven: bool,
    },
    /// It is another database's.
    Strange,
    /// There is a manifest that is none; why.
    Unreadable(String),
    /// There is none.
    Missing,
}

/// Reads manifest and proof of a backup, and looks whether the archive has its size. Blocks.
///
/// # Errors
/// `Io` when a file is there and may not be read.
pub(super) fn read(folder: &Folder, seals: &Seals, shelf: &Shelf, place: &str, id: Uuid) -> Result<Stored> {
    let path = folder.stored(place, id);
    let Some(stamp) = folder::stamp(&path) else {
        return Ok(Stored::Missing);
    };
    let Some(bytes) = bytes(&path.join(MANIFEST))? else {
        return Ok(Stored::Missing);
    };
    let manifest: Manifest = match serde_json::from_slice(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Stored::Unreadable(error.to_string())),
    };
    if manifest.format > NEWEST_FORMAT {
        return Ok(Stored::Unreadable(format!(
            "format {} is newer than this version's {NEWEST_FORMAT}",
            manifest.format
        )));
    }
    let mut view = view(&manifest);
    let sealed = seals.look(&bytes, manifest.key.as_deref());
    let broken = if sealed == Seal::Broken {
        Some("The manifest was changed after it was written: its seal does not fit.".into())
    } else if manifest.id != id {
        Some(format!(
            "The manifest is of another backup: {} of {}.",
            manifest.id, manifest.target
        ))
    } else if !shelf.has(place, &manifest) {
        return Ok(Stored::Strange);
    } else {
        None
    };
    if let Seal::Unknown(key) = sealed {
        view.foreign = Some(match key {
            Some(key) => format!("Another console sealed it, with the key {key} that this one does not have."),
            None => "Another console sealed it, with a key that this one does not have, or it was changed since; older \
                     versions did not write down which."
                .to_owned(),
        });
    }
    let mut proven = false;
    view.damage = match &broken {
        Some(words) => Some(words.clone()),
        None => {
            let (found, damage) = prove(&mut view, seals, &path, &manifest)?;
            proven = found && damage.is_none();
            damage.or_else(|| wrong_size(&path, &manifest))
        }
    };
    view.marks = marks(&path, seals, &manifest);
    // What the folder says counts: links and rows lead there.
    view.id = id;
    shelf.target().clone_into(&mut view.target);
    Ok(Stored::Known {
        manifest,
        view,
        stamp: format!("{stamp} {}", seals.stamp()),
        broken,
        proven,
    })
}

/// Takes over what the last verification by a console of this store found: whether there is one, and the damage.
fn prove(
    view: &mut BackupView,
    seals: &Seals,
    path: &Path,
    manifest: &Manifest,
) -> Result<(bool, Option<String>)> {
    let Some(bytes) = bytes(&path.join(PROOF))? else {
        return Ok((false, None));
    };
    let changed = || {
        let words = "The result of the last verification was changed after it was written. Verify again.";
        Ok((false, Some(words.to_owned())))
    };
    let Some(proof) = parsed::<ProofFile>(&bytes) else {
        return changed();
    };
    match seals.look(&bytes, proof.key.as_deref()) {
        // What another console found is its own to say, and its backup's as well.
        Seal::Unknown(_) if view.foreign.is_some() => return Ok((false, None)),
        Seal::Holds if proof.id == manifest.id && proof.archive_sha256 == manifest.archive.sha256 => {}
        _ => return changed(),
    }
    view.proof = proof.proof;
    view.proven_at = proof.at;
    view.proven_ms = proof.duration_ms;
    view.concern = proof.trial.as_ref().and_then(concern);
    let unequal = proof.trial.as_ref().and_then(unequal);
    Ok((true, proof.damage.or(unequal)))
}

/// What a trial found otherwise than in the snapshot: then this is not what it says it is.
pub(super) fn unequal(trial: &TrialReport) -> Option<String> {
    let all = trial.differences.len() as i64 + trial.more;
    let first: Vec<&str> = trial.differences.iter().take(3).map(String::as_str).collect();
    (all > 0).then(|| {
        let more = all - first.len() as i64;
        format!(
            "It was restored for trial, and is not what its snapshot was: {}{}.",
            first.join("; "),
            if more > 0 {
                format!("; and {} more", contract::format::exact(more))
            } else {
                String::new()
            }
        )
    })
}

/// What a trial could not show.
fn concern(trial: &TrialReport) -> Option<String> {
    let words = trial.failure.as_ref()?;
    Some(format!(
        "On {} it was not restored for trial: {words}",
        contract::format::absolute(trial.failed_at.unwrap_or(trial.at))
    ))
}

/// The last trial of a backup, as its proof tells. Blocks.
///
/// # Errors
/// `Io` when a file is there and may not be read.
pub(super) fn trial(path: &Path, seals: &Seals, manifest: &Manifest) -> Result<Option<TrialReport>> {
    Ok(last_proof(path, seals, manifest)?.and_then(|proof| proof.trial))
}

/// What the last verification here wrote down of these very bytes. Blocks.
///
/// # Errors
/// `Io` when a file is there and may not be read.
pub(super) fn last_proof(path: &Path, seals: &Seals, manifest: &Manifest) -> Result<Option<ProofFile>> {
    let Some(bytes) = bytes(&path.join(PROOF))? else {
        return Ok(None);
    };
    let proof = parsed::<ProofFile>(&bytes).filter(|proof| {
        seals.look(&bytes, proof.key.as_deref()) == Seal::Holds
            && proof.id == manifest.id
            && proof.archive_sha256 == manifest.archive.sha256
    });
    Ok(proof)
}

/// The inventory of a backup's snapshot, or what is wrong with its file. Blocks.
///
/// # Errors
/// `Io` when the file is there and may not be read.
pub(super) fn inventory(path: &Path, stored: &StoredFile) -> Result<std::result::Result<Inventory, String>> {
    let Some(bytes) = bytes(&path.join(INVENTORY))? else {
        return Ok(Err(format!("{INVENTORY} is missing.")));
    };
    if hex::encode(Sha256::digest(&bytes)) != stored.sha256 {
        return Ok(Err(format!(
            "{INVENTORY} was changed after it was written: its SHA-256 is another one."
        )));
    }
    Ok(serde_json::from_slice(&bytes).map_err(|error| format!("{INVENTORY} cannot be read: {error}.")))
}

/// What people put on a backup. A file that cannot be read, or was changed, counts as a pin: in doubt a backup stays.
fn marks(path: &Path, seals: &Seals, manifest: &Manifest) -> Marks {
    let doubtful = || {
        Marks {
        pinned: true,
        label: None,
        note: Some(
            "Its pin, label and note were changed after they were written. It stays until someone pins or unpins it anew."
                .to_owned(),
        ),
    }
    };
    let bytes = match bytes(&path.join(MARKS)) {
        Ok(None) => return Marks::default(),
        Ok(Some(bytes)) => bytes,
        Err(_) => return doubtful(),
    };
    match parsed::<MarksFile>(&bytes) {
        // Another console's pin is a pin.
        Some(file) if file.id == manifest.id && seals.look(&bytes, file.key.as_deref()) != Seal::Broken => {
            file.marks
        }
        _ => doubtful(),
    }
}

fn wrong_size(path: &Path, manifest: &Manifest) -> Option<String> {
    match std::fs::metadata(path.join(ARCHIVE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Some(format!("{ARCHIVE} is missing.")),
        Ok(seen) if !seen.is_file() => Some(format!("{ARCHIVE} is no ordinary file.")),
        Ok(seen) if i64::try_from(seen.len()).ok() != Some(manifest.archive.bytes) => Some(format!(
            "{ARCHIVE} has {} bytes, not the {} that were written.",
            seen.len(),
            manifest.archive.bytes
        )),
        _ => None,
    }
}

fn bytes(path: &Path) -> Result<Option<Vec<u8>>> {
    let reading = || format!("reading {}", path.display());
    let file = match folder::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(reading())(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(Error::io(reading()))?;
    Ok(Some(bytes))
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// A manifest as pages show it.
pub(super) fn view(manifest: &Manifest) -> BackupView {
    BackupView {
        id: manifest.id,
        target: manifest.target.clone(),
        database: manifest.database.name.clone(),
        file: file_name(manifest),
        taken_at: manifest.taken_at,
        duration_ms: manifest.duration_ms,
        bytes: manifest.archive.bytes,
        database_bytes: manifest.database.bytes,
        sha256: manifest.archive.sha256.clone(),
        proof: manifest.proof,
        proven_at: manifest.proven_at,
        proven_ms: None,
        exact: manifest.inventory.is_some(),
        concern: None,
        damage: None,
        foreign: None,
        uploaded: manifest.uploaded.clone(),
        server_version: manifest.server.version.clone(),
        tool_version: manifest.tool_version.clone(),
        migration: manifest.migration,
        tables: i64::try_from(manifest.tables.len()).unwrap_or(i64::MAX),
        rows: manifest.rows(),
        only: manifest.only.clone(),
        marks: Marks::default(),
        notes: manifest.notes.clone(),
        created_by: manifest.created_by.clone(),
        job: Some(JobId(manifest.job)),
    }
}

/// The name of the archive's download.
pub(super) fn file_name(manifest: &Manifest) -> String {
    let end = match manifest.form() {
        ArchiveForm::Custom => "dump",
        ArchiveForm::Tar | ArchiveForm::Directory => "tar",
    };
    format!("{}.{end}", base_name(manifest))
}

/// The name of a download without its ending, such as `ai_pal-20261123T161500Z`. A database's name may hold anything;
/// what is not harmless in a file's name becomes `_`.
pub(super) fn base_name(manifest: &Manifest) -> String {
    let name: String = manifest
        .database
        .name
        .chars()
        .take(60)
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect();
    let name = name.trim_start_matches('-');
    let name = if name.is_empty() { "database" } else { name };
    format!("{name}-{}", manifest.taken_at.format("%Y%m%dT%H%M%SZ"))
}
