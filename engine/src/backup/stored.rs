//! A stored backup as its files tell it.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use contract::{backup::BackupView, jobs::JobId};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{
    folder::{self, Folder},
    manifest::{ARCHIVE, FORMAT, MANIFEST, Manifest, PROOF, ProofFile},
    seal::Seal,
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
    },
    /// There is a manifest that is none; why.
    Unreadable(String),
    /// There is none.
    Missing,
}

/// Reads manifest and proof of a backup, and looks whether the archive has its size. Blocks.
///
/// # Errors
/// `Io` when a file is there and may not be read.
pub(super) fn read(folder: &Folder, seal: &Seal, target: &str, id: Uuid) -> Result<Stored> {
    let path = folder.stored(target, id);
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
    if manifest.format > FORMAT {
        return Ok(Stored::Unreadable(format!(
            "format {} is newer than this version's {FORMAT}",
            manifest.format
        )));
    }
    let mut view = view(&manifest);
    let broken = if !seal.holds(&bytes) {
        Some("The manifest was changed after it was written, or another console wrote it: its seal does not fit.".into())
    } else if manifest.id != id || manifest.target != target {
        Some(format!(
            "The manifest is of another backup: {} of {}.",
            manifest.id, manifest.target
        ))
    } else {
        None
    };
    view.damage = match &broken {
        Some(words) => Some(words.clone()),
        None => prove(&mut view, seal, &path, &manifest)?.or_else(|| wrong_size(&path, &manifest)),
    };
    // What the folder says counts: links and rows lead there.
    view.id = id;
    target.clone_into(&mut view.target);
    Ok(Stored::Known {
        manifest,
        view,
        stamp,
        broken,
    })
}

/// Takes over what the last verification found; gives the damage.
fn prove(view: &mut BackupView, seal: &Seal, path: &Path, manifest: &Manifest) -> Result<Option<String>> {
    let Some(bytes) = bytes(&path.join(PROOF))? else {
        return Ok(None);
    };
    let proof = parsed::<ProofFile>(&bytes).filter(|proof| {
        seal.holds(&bytes) && proof.id == manifest.id && proof.archive_sha256 == manifest.archive.sha256
    });
    let Some(proof) = proof else {
        return Ok(Some(
            "The result of the last verification was changed after it was written. Verify again.".into(),
        ));
    };
    view.proof = proof.proof;
    view.proven_at = proof.at;
    Ok(proof.damage)
}

fn wrong_size(path: &Path, manifest: &Manifest) -> Option<String> {
    match std::fs::metadata(path.join(ARCHIVE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Some(format!("{ARCHIVE} is missing.")),
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
    let file = match File::open(path) {
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
        file: format!("{}.dump", base_name(manifest)),
        taken_at: manifest.taken_at,
        duration_ms: manifest.duration_ms,
        bytes: manifest.archive.bytes,
        database_bytes: manifest.database.bytes,
        sha256: manifest.archive.sha256.clone(),
        proof: manifest.proof,
        proven_at: manifest.proven_at,
        damage: None,
        server_version: manifest.server.version.clone(),
        tool_version: manifest.tool_version.clone(),
        migration: manifest.migration,
        tables: i64::try_from(manifest.tables.len()).unwrap_or(i64::MAX),
        rows: manifest.rows(),
        created_by: manifest.created_by.clone(),
        job: Some(JobId(manifest.job)),
    }
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
