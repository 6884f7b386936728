//! Reading a backup back from where it is stored: every byte through SHA-256, and the archive whole through pg_restore,
//! which unpacks and parses all of it. Either alone is not enough: `pg_restore -l` is content with a truncated archive,
//! and a whole read-back with a flipped byte in an uncompressed one.

use std::{
    io::ErrorKind,
    path::Path,
    process::Stdio,
    sync::{Mutex, PoisonError},
};

use contract::format;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::{
    manifest::StoredFile,
    tool::{self, Tool},
    words::Complaints,
};
use crate::{Error, Result, programs::Programs};

/// What is read at once.
const CHUNK: usize = 128 * 1024;

/// What is wrong with a stored file, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage(pub String);

/// Reads an archive back: L0 and L1. `Ok(Some)` when it is damaged.
///
/// # Errors
/// `Cancelled`; what keeps the console from looking (a missing program, a forbidden file) and proves nothing.
pub(super) async fn archive(
    programs: &Programs,
    file: std::fs::File,
    expected: &StoredFile,
    token: &CancellationToken,
    each: impl FnMut(u64),
) -> Result<Option<Damage>> {
    if let Some(damage) = wrong_size(&file, expected)? {
        return Ok(Some(damage));
    }
    let mut command = tool::command(programs, "pg_restore", None);
    command
        .arg("--format=custom")
        .arg("--file=/dev/null")
        .stdin(Stdio::piped());
    let mut tool = Tool::start(command)?;
    let complaints = Mutex::new(Complaints::of("pg_restore"));
    let (stdin, stderr) = (tool.stdin(), tool.stderr());
    let mut file = tokio::fs::File::from_std(file);
    let work = async {
        let feed = feed(&mut file, stdin, each);
        let listen = tool::lines(stderr, |line| {
            complaints
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .line(line);
        });
        Ok(tokio::try_join!(feed, listen)?.0)
    };
    let (read, status) = tool.drive(token, work).await?;
    let sha256 = match read {
        Ok(sha256) => sha256,
        Err(damage) => return Ok(Some(damage)),
    };
    if sha256 != expected.sha256 {
        return Ok(Some(Damage(format!(
            "The stored bytes of {} are not the ones that were written: their SHA-256 is {sha256}, not {}.",
            expected.name, expected.sha256
        ))));
    }
    let complaints = complaints.into_inner().unwrap_or_else(PoisonError::into_inner);
    if status.success() && !complaints.has_errors() {
        return Ok(None);
    }
    let said = complaints.text();
    // These are failures of the tool and say nothing of the archive.
    if said.contains("unsupported version") || status.code().is_none() {
        return Err(complaints.error(&expected.name, Some(status)));
    }
    let first = said.lines().next().unwrap_or("it said nothing").to_owned();
    Ok(Some(Damage(format!(
        "pg_restore cannot read {} to its end: {first}.",
        expected.name
    ))))
}

/// Reads another file of a backup back: L0.
///
/// # Errors
/// As for `archive`.
pub(super) async fn other(file: std::fs::File, expected: &StoredFile) -> Result<Option<Damage>> {
    if let Some(damage) = wrong_size(&file, expected)? {
        return Ok(Some(damage));
    }
    let mut file = tokio::fs::File::from_std(file);
    Ok(match feed(&mut file, None, |_| ()).await? {
        Err(damage) => Some(damage),
        Ok(sha256) if sha256 != expected.sha256 => Some(Damage(format!(
            "The stored bytes of {} are not the ones that were written: their SHA-256 is {sha256}, not {}.",
            expected.name, expected.sha256
        ))),
        Ok(_) => None,
    })
}

fn wrong_size(file: &std::fs::File, expected: &StoredFile) -> Result<Option<Damage>> {
    let bytes = file.metadata().map_err(Error::io("reading the backup"))?.len();
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    Ok((bytes != expected.bytes).then(|| {
        Damage(format!(
            "{} has {} bytes, not the {} that were written.",
            expected.name,
            format::exact(bytes),
            format::exact(expected.bytes)
        ))
    }))
}

/// Opens a file of a stored backup, held against deletion; a missing one is damage.
///
/// # Errors
/// `Io` when the console may not open it, which proves nothing.
pub(super) fn open(backup: &Path, name: &str) -> Result<std::result::Result<std::fs::File, Damage>> {
    match super::folder::open_shared(&backup.join(name)) {
        Ok(file) => Ok(Ok(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Err(Damage(format!("{name} is missing.")))),
        Err(error) => Err(Error::io(format!("opening {name} of the backup"))(error)),
    }
}

/// Reads to the end and gives the hash. A tool that does not take all of it is no reason to stop reading.
async fn feed(
    file: &mut (impl AsyncRead + Unpin),
    mut into: Option<tokio::process::ChildStdin>,
    mut each: impl FnMut(u64),
) -> Result<std::result::Result<String, Damage>> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0_u8; CHUNK];
    let mut bytes = 0;
    loop {
        let read = match file.read(&mut chunk).await {
            Ok(read) => read,
            // The disk itself gives an error: these bytes are lost.
            Err(error) => {
                return Ok(Err(Damage(format!(
                    "The disk cannot read byte {bytes} and on: {error}."
                ))));
            }
        };
        if read == 0 {
            break;
        }
        hash.update(&chunk[..read]);
        if let Some(pipe) = &mut into {
            match pipe.write_all(&chunk[..read]).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => into = None,
                Err(error) => return Err(Error::io("giving the archive to pg_restore")(error)),
            }
        }
        bytes += read as u64;
        each(bytes);
    }
    Ok(Ok(hex::encode(hash.finalize())))
}
