//! Reading a backup back: every byte from the disk through SHA-256, and the archive whole through pg_restore,
//! which unpacks and parses all of it. Either alone is not enough: `pg_restore -l` is content with a truncated archive,
//! and a whole read-back with a flipped byte in an uncompressed one.

use std::{
    collections::HashSet,
    io::ErrorKind,
    path::Path,
    process::Stdio,
    sync::{Mutex, PoisonError},
};

use contract::{backup::ArchiveForm, format};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::ChildStdin,
};
use tokio_util::sync::CancellationToken;

use super::{
    contents::Found,
    manifest::StoredFile,
    rows::{self, Counter, Rows},
    tool::{self, Tool},
    words::Complaints,
};
use crate::{Error, Result, programs::Programs};

/// What is read at once.
const CHUNK: usize = 128 * 1024;

/// What is wrong with a stored file, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage(pub String);

/// pg_restore at work on an archive that comes through a pipe: it unpacks and parses all of it.
pub(super) struct Reader {
    tool: Tool,
}

/// What came of reading an archive.
pub(super) struct Read<T> {
    /// What gave the archive into the pipe ended with.
    pub value: T,
    /// What pg_restore found wrong; a failure of the tool says nothing of the archive.
    pub damage: Result<Option<Damage>>,
    /// What came out of the archive.
    pub whole: Whole,
}

/// What came out of an archive that was read to its end.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// The rows of each table.
    pub rows: Rows,
    /// Bytes of them as text.
    pub bytes: u64,
}

/// Where an archive goes in.
pub(super) struct Pipe(Option<ChildStdin>);

impl Pipe {
    /// For what needs no reader.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Gives the reader more. One that has had enough is no failure here: its exit says what was wrong.
    ///
    /// # Errors
    /// `Io`.
    pub(super) async fn give(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(pipe) = &mut self.0 else { return Ok(()) };
        match pipe.write_all(bytes).await {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.0 = None,
            written => written.map_err(Error::io("giving the archive to pg_restore"))?,
        }
        Ok(())
    }
}

impl Reader {
    /// Starts pg_restore.
    ///
    /// # Errors
    /// `Conflict` when it cannot be started.
    pub(super) fn start(programs: &Programs) -> Result<Self> {
        Self::of(programs, ArchiveForm::Custom, None)
    }

    /// The same for an archive of any form; a folder is read where it lies.
    pub(super) fn of(programs: &Programs, form: ArchiveForm, folder: Option<&Path>) -> Result<Self> {
        let mut command = tool::command(programs, "pg_restore", None);
        command
            .arg(format!("--format={}", form.name()))
            // The definitions are read as well, and not needed here.
            .arg("--section=data")
            // Names each entry by its table's number.
            .arg("--verbose")
            .arg("--file=-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(folder) = folder {
            command.arg(folder).stdin(Stdio::null());
        }
        Ok(Self {
            tool: Tool::start(command)?,
        })
    }

    /// Lets `feed` write an archive into the pipe, and counts the rows that come out.
    ///
    /// # Errors
    /// `Cancelled`; what `feed` ended with.
    pub(super) async fn read<T, F: Future<Output = Result<T>>>(
        mut self,
        name: &str,
        token: &CancellationToken,
        feed: impl FnOnce(Pipe) -> F,
    ) -> Result<Read<T>> {
        let complaints = Mutex::new(Complaints::of("pg_restore"));
        let (stdin, stdout, stderr) = (self.tool.stdin(), self.tool.stdout(), self.tool.stderr());
        // Boxed: futures of jobs are moved about, and this one holds those of two tools.
        let feed = Box::pin(feed(Pipe(stdin)));
        let listen = tool::lines(stderr, |line| {
            complaints
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .line(line);
        });
        let work = async {
            let (value, (), whole) = tokio::try_join!(feed, listen, count(stdout))?;
            Ok((value, whole))
        };
        let ((value, whole), status) = self.tool.drive(token, work).await?;
        let complaints = complaints.into_inner().unwrap_or_else(PoisonError::into_inner);
        // A complaint counts in its exit code; what looks like one in its words may be a name with a line break.
        if status.success() {
            return Ok(Read {
                value,
                damage: Ok(None),
                whole,
            });
        }
        let said = complaints.text();
        let first = said.lines().next().unwrap_or("it said nothing");
        Ok(Read {
            value,
            damage: match said.contains("unsupported version") || status.code().is_none() {
                true => Err(complaints.error(name, Some(status))),
                false => Ok(Some(Damage(format!(
                    "pg_restore cannot read {name} to its end: {first}."
                )))),
            },
            whole,
        })
    }
}

async fn count(script: Option<impl tokio::io::AsyncRead + Unpin>) -> Result<Whole> {
    let (mut counter, mut bytes) = (Counter::default(), 0);
    if let Some(mut script) = script {
        let mut chunk = vec![0_u8; CHUNK];
        loop {
            let read = script
                .read(&mut chunk)
                .await
                .map_err(Error::io("reading what pg_restore writes"))?;
            if read == 0 {
                break;
            }
            counter.take(&chunk[..read]);
            bytes += read as u64;
        }
    }
    Ok(Whole {
        rows: counter.finish(),
        bytes,
    })
}

/// The numbers of the tables whose definitions are in a stored archive.
///
/// # Errors
/// `Cancelled`; `Conflict` when pg_restore cannot list it.
pub(super) async fn defined(
    programs: &Programs,
    archive: &Found,
    token: &CancellationToken,
) -> Result<HashSet<i64>> {
    let mut command = tool::command(programs, "pg_restore", None);
    command
        .arg(format!("--format={}", archive.form.name()))
        .arg("--list")
        .arg(&archive.path)
        .stdout(Stdio::piped());
    let mut tool = Tool::start(command)?;
    let (stdout, stderr) = (tool.stdout(), tool.stderr());
    let mut found = HashSet::new();
    let mut complaints = Complaints::of("pg_restore");
    let work = async {
        let list = tool::lines(stdout, |line| found.extend(rows::defined(line)));
        let listen = tool::lines(stderr, |line| {
            complaints.line(line);
        });
        tokio::try_join!(list, listen)
    };
    let (_, status) = tool.drive(token, work).await?;
    if !status.success() {
        return Err(complaints.error("the archive", Some(status)));
    }
    Ok(found)
}

/// Reads a stored archive back: L0 and L1, with the rows of each table. What is damaged says so. A directory is hashed as the tar that
/// is stored, then read where it was laid out.
///
/// # Errors
/// `Cancelled`; what keeps the console from looking (a missing program, a forbidden file) and proves nothing.
pub(super) async fn archive(
    programs: &Programs,
    file: std::fs::File,
    found: &Found,
    expected: &StoredFile,
    token: &CancellationToken,
    each: impl FnMut(u64),
) -> Result<std::result::Result<Whole, Damage>> {
    if let Some(damage) = wrong_size(&file, expected)? {
        return Ok(Err(damage));
    }
    let file = tokio::fs::File::from_std(file);
    let read = match found.form {
        ArchiveForm::Directory => {
            let hashed = tokio::select! {
                biased;
                () = token.cancelled() => return Err(Error::Cancelled),
                hashed = hash(file, Pipe::none(), each) => hashed?,
            };
            let reader = Reader::of(programs, found.form, Some(&found.path))?;
            reader
                .read(&expected.name, token, |_| async { Ok(hashed) })
                .await?
        }
        form => {
            let feed = |pipe| hash(file, pipe, each);
            Reader::of(programs, form, None)?
                .read(&expected.name, token, feed)
                .await?
        }
    };
    // Of two findings the bytes are the cause. Changed ones may look like a format that is newer than the tool, or crash it.
    if let Some(damage) = compare(read.value, expected) {
        return Ok(Err(damage));
    }
    Ok(match read.damage? {
        Some(damage) => Err(damage),
        None => Ok(read.whole),
    })
}

/// Reads a stored file back: L0. `Ok(Some)` when it is damaged.
///
/// # Errors
/// What keeps the console from looking, and proves nothing.
pub(super) async fn bytes(
    file: std::fs::File,
    expected: &StoredFile,
    each: impl FnMut(u64),
) -> Result<Option<Damage>> {
    if let Some(damage) = wrong_size(&file, expected)? {
        return Ok(Some(damage));
    }
    Ok(compare(
        hash(tokio::fs::File::from_std(file), Pipe::none(), each).await?,
        expected,
    ))
}

fn compare(read: std::result::Result<String, Damage>, expected: &StoredFile) -> Option<Damage> {
    match read {
        Err(damage) => Some(damage),
        Ok(sha256) if sha256 != expected.sha256 => Some(Damage(format!(
            "The stored bytes of {} are not the ones that were written: their SHA-256 is {sha256}, not {}.",
            expected.name, expected.sha256
        ))),
        Ok(_) => None,
    }
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
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            Ok(Err(Damage(format!("{name} is no ordinary file."))))
        }
        Err(error) => Err(Error::io(format!("opening {name} of the backup"))(error)),
    }
}

/// Reads to the end, gives all of it to the pipe too, and ends with the hash.
async fn hash(
    mut file: tokio::fs::File,
    mut pipe: Pipe,
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
            return Ok(Ok(hex::encode(hash.finalize())));
        }
        hash.update(&chunk[..read]);
        pipe.give(&chunk[..read]).await?;
        bytes += read as u64;
        each(bytes);
    }
}
