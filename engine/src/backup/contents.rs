//! What is in an archive's file, whichever of pg_dump's formats it has, and where pg_restore finds it. A directory archive is stored as
//! the tar that it came in, so that it stays the bytes that were hashed; it is unpacked for as long as one job reads it.
//!
//! pg_restore opens whatever file a directory's table of contents names, wherever that leads. So each name is looked at before it
//! gets to see any.

use std::{
    collections::HashSet,
    fs::{DirBuilder, File},
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use contract::{backup::ArchiveForm, format};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    folder::Folder,
    pump::Written,
    reconcile::blocking,
    toc::{self, Toc},
};
use crate::{
    Error, Result,
    archive::{self, Member, SCRIPT, TOC, Wrong},
};

/// The largest table of contents that is taken from a stranger: more than a hundred thousand definitions.
const MOST: u64 = 64 << 20;
/// The longest line of a list of large objects.
const LINE: u64 = 4096;
/// How the names of those lists end.
const LIST: &str = ".toc";
/// What is written at once.
const CHUNK: usize = 256 * 1024;
/// Room that is left to others on the disk.
const RESERVE: i64 = 64 << 20;

/// An archive's table of contents, and the files of a tar.
#[derive(Debug)]
pub(super) struct Contents {
    pub toc: Toc,
    pub members: Vec<Member>,
}

/// Reads a stored archive's table of contents. Blocks. `stranger`: it is not known who wrote it.
///
/// # Errors
/// `Io` when the file cannot be read; else why it is none, in words that follow its name.
pub(super) fn read(mut file: &File, stranger: bool) -> Result<std::result::Result<Contents, String>> {
    let failed = |error| Error::io("reading an archive")(error);
    let mut magic = [0; 5];
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let read = file.take(5).read(&mut magic).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    // What is neither is told to be no archive.
    if magic[..read] == *b"PGDMP" || (!stranger && !is_tar(file).map_err(failed)?) {
        return Ok(toc_of(file, stranger).and_then(|toc| match toc.head.form {
            ArchiveForm::Custom => Ok(Contents {
                toc,
                members: Vec::new(),
            }),
            _ => Err("is the table of contents of an archive, without what it is of".to_owned()),
        }));
    }
    let members = match archive::members(file) {
        Ok(members) => members,
        Err(Wrong::Held(words)) => return Ok(Err(words)),
        Err(Wrong::Io(error)) => return Err(failed(error)),
    };
    let Some(first) = members.iter().find(|member| member.name == TOC) else {
        return Ok(Err(format!("holds no {TOC}")));
    };
    file.seek(SeekFrom::Start(first.at)).map_err(failed)?;
    let mut toc = match toc_of(file.take(first.bytes), stranger) {
        Ok(toc) => toc,
        Err(words) => return Ok(Err(words)),
    };
    if toc.head.form == ArchiveForm::Custom {
        return Ok(Err(format!(
            "is a tar with a custom archive in it, called {TOC}: upload that itself"
        )));
    }
    // A directory's own table of contents says that it is of a tar. Only pg_dump's tars have a script beside it.
    toc.head.form = match members.iter().any(|member| member.name == SCRIPT) {
        true => ArchiveForm::Tar,
        false => ArchiveForm::Directory,
    };
    if toc.head.form == ArchiveForm::Directory
        && let Some(words) = strange_name(file, &toc, &members).map_err(failed)?
    {
        return Ok(Err(words));
    }
    Ok(Ok(Contents { toc, members }))
}

/// Whether a file begins as a tar does.
fn is_tar(mut file: &File) -> io::Result<bool> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(262).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(head.ends_with(b"ustar"))
}

fn toc_of(from: impl Read, stranger: bool) -> std::result::Result<Toc, String> {
    let read = match stranger {
        // One byte more, so that the end of what is taken is told from the end of the file.
        true => {
            let mut from = from.take(MOST);
            let read = toc::read(BufReader::new(&mut from));
            if read.is_err() && from.limit() == 0 {
                return Err(format!(
                    "has a table of contents of more than {}",
                    format::bytes(MOST as i64)
                ));
            }
            read
        }
        false => toc::read(BufReader::new(from)),
    };
    read.map_err(|why| format!("cannot be listed: {why}"))
}

/// What a directory's lists name that is not among its files.
fn strange_name(mut file: &File, toc: &Toc, members: &[Member]) -> io::Result<Option<String>> {
    let there: HashSet<&str> = members
        .iter()
        .map(|member| {
            let ends = [".gz", ".lz4", ".zst"];
            ends.iter()
                .find_map(|end| member.name.strip_suffix(end))
                .unwrap_or(&member.name)
        })
        .collect();
    let strange = |name: &str| !archive::is_part(name) || !there.contains(name);
    let words = |name: &str| {
        let shown: String = name
            .chars()
            .take(100)
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        Some(format!("says that rows are in {shown}, which is no file of it"))
    };
    for entry in &toc.entries {
        let Some(name) = entry.file.as_deref() else {
            continue;
        };
        if strange(name) {
            return Ok(words(name));
        }
        // That is a list of other files, which is looked at below.
        if entry.kind == "BLOBS" && !name.ends_with(LIST) {
            return Ok(Some(format!(
                "says that its large objects are listed in {name}, where no pg_dump lists them"
            )));
        }
    }
    for list in members.iter().filter(|member| member.name.ends_with(LIST)) {
        file.seek(SeekFrom::Start(list.at))?;
        let mut lines = BufReader::new(file.take(list.bytes));
        loop {
            let mut line = Vec::new();
            if lines.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let line = String::from_utf8_lossy(&line);
            // A large object's number, then its file. pg_restore takes other blanks as well, and what comes after the first ones.
            let line = line.trim_end_matches('\n');
            let (number, name) = line.split_once(' ').unwrap_or(("", line));
            let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            if !plain || strange(name) {
                return Ok(words(line));
            }
        }
    }
    Ok(None)
}

/// Where pg_restore finds a stored archive: the file itself, or the folder that a directory archive is unpacked into.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub path: PathBuf,
    pub form: ArchiveForm,
}

/// Makes an archive ready for pg_restore, in the folder of a job's own, which its clean-up removes: [`put_away`].
///
/// # Errors
/// `Cancelled`; `Conflict` when the disk has too little room, or the archive is none; `Io`.
pub(super) async fn lay_out(
    folder: &Folder,
    job: Uuid,
    archive: &Path,
    form: ArchiveForm,
    token: &CancellationToken,
) -> Result<Found> {
    if form != ArchiveForm::Directory {
        return Ok(Found {
            path: archive.to_owned(),
            form,
        });
    }
    let (folder, archive, token) = (folder.clone(), archive.to_owned(), token.clone());
    blocking(move || {
        let file =
            super::folder::open(&archive).map_err(Error::io(format!("opening {}", archive.display())))?;
        let contents = read(&file, true)?.map_err(|words| {
            Error::conflict(
                format!("The archive {words}."),
                "Verify it: it was whole when it was stored.",
            )
        })?;
        let needed: u64 = contents.members.iter().map(|member| member.bytes).sum();
        let needed = i64::try_from(needed).unwrap_or(i64::MAX);
        if let Some(free) = folder
            .free_bytes()
            .filter(|free| *free < needed.saturating_add(RESERVE))
        {
            return Err(too_little_room(&folder, needed, free));
        }
        let into = unpacked(&folder, job);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&into)
            .map_err(Error::io(format!("making the folder {}", into.display())))?;
        match archive::unpack(&file, &contents.members, &into, || !token.is_cancelled()) {
            Ok(()) => Ok(Found { path: into, form }),
            Err(_) if token.is_cancelled() => Err(Error::Cancelled),
            Err(error) => Err(Error::io(format!("unpacking an archive into {}", into.display()))(error)),
        }
    })
    .await
}

/// Packs a folder that pg_dump wrote into one tar, and makes that durable. Each file is removed once it is packed, but for the table of
/// contents, which pg_restore lists: so the disk holds everything once, and its largest file twice.
///
/// # Errors
/// `Cancelled`; `Io`.
pub(super) async fn pack(
    from: PathBuf,
    into: File,
    token: &CancellationToken,
    flow: Arc<AtomicU64>,
) -> Result<Written> {
    let token = token.clone();
    blocking(move || {
        let failed = |error: io::Error| match token.is_cancelled() {
            true => Error::Cancelled,
            false => Error::io(format!("packing {}", from.display()))(error),
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&from).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name());
        }
        // The table of contents first: it is what readers look for.
        names.sort_by_key(|name| (name != TOC, name.clone()));
        let hashed = Hashed {
            into: BufWriter::with_capacity(CHUNK, into),
            hash: Sha256::new(),
            bytes: 0,
            flow,
        };
        let mut tar = tar::Builder::new(hashed);
        tar.mode(tar::HeaderMode::Deterministic);
        for name in names {
            let path = from.join(&name);
            let file = super::folder::open(&path).map_err(failed)?;
            let bytes = file.metadata().map_err(failed)?.len();
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes);
            header.set_mode(0o600);
            header.set_entry_type(tar::EntryType::Regular);
            let reader = Stoppable { file, token: &token };
            tar.append_data(&mut header, &name, reader).map_err(failed)?;
            if name != TOC {
                std::fs::remove_file(&path).map_err(failed)?;
            }
        }
        let Hashed {
            into, hash, bytes, ..
        } = tar.into_inner().map_err(failed)?;
        let file = into.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        Ok(Written {
            bytes,
            sha256: hex::encode(hash.finalize()),
        })
    })
    .await
}

/// A file that is read until it is not wanted any more.
struct Stoppable<'a> {
    file: File,
    token: &'a CancellationToken,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.token.is_cancelled() {
            true => Err(io::Error::other("it was cancelled")),
            false => self.file.read(into),
        }
    }
}

/// A file whose bytes go through SHA-256 and are counted.
struct Hashed {
    into: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
    flow: Arc<AtomicU64>,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.into.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        self.flow.store(self.bytes, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

/// How many bytes the files of a folder have; files may come and go meanwhile.
pub(super) fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum()
}

/// Removes what [`lay_out`] made for a job.
///
/// # Errors
/// `Io`.
pub(super) async fn put_away(folder: &Folder, job: Uuid) -> Result<()> {
    let into = unpacked(folder, job);
    blocking(move || match std::fs::remove_dir_all(&into) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(format!("removing {}", into.display()))(error))
        }
        _ => {
            // It is a job's that makes a backup, or empty now.
            if let Some(above) = into.parent() {
                std::fs::remove_dir(above).ok();
            }
            Ok(())
        }
    })
    .await
}

/// Where a job has an archive that it laid out, or a folder that pg_dump wrote for it.
pub(super) fn laid_out(folder: &Folder, job: Uuid, archive: PathBuf, form: ArchiveForm) -> Found {
    Found {
        path: match form {
            ArchiveForm::Directory => unpacked(folder, job),
            _ => archive,
        },
        form,
    }
}

/// Where a job has an archive's files.
pub(super) fn unpacked(folder: &Folder, job: Uuid) -> PathBuf {
    folder.partial(job).join("unpacked")
}

/// There is no room for what is to be written.
pub(super) fn too_little_room(folder: &Folder, needed: i64, free: i64) -> Error {
    Error::conflict(
        format!(
            "Not enough room for the archive: it takes {}, and {} are free under {}.",
            format::bytes(needed),
            format::bytes(free),
            folder.root().display()
        ),
        "Free some room there, then try again.",
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::io::Write;

    use super::*;
    use crate::backup::toc::{Entry, Section};

    fn entry(kind: &str, file: &str) -> Entry {
        Entry {
            id: 1,
            oid: 0,
            file: Some(file.into()),
            kind: kind.into(),
            tag: String::new(),
            schema: None,
            owner: String::new(),
            section: Section::Data,
            definition: String::new(),
            drop: String::new(),
            tablespace: String::new(),
            needs: Vec::new(),
        }
    }

    /// What is strange in a folder with rows in `1.dat.gz`, a large object in `blob_2.dat`, and these lines in `blobs.toc`.
    fn strange(kind: &str, file: &str, lines: &str) -> Option<String> {
        let mut list = tempfile::tempfile().unwrap();
        list.write_all(lines.as_bytes()).unwrap();
        let member = |name: &str, bytes| Member {
            name: name.into(),
            at: 0,
            bytes,
        };
        let members = [
            member("1.dat.gz", 0),
            member("blob_2.dat", 0),
            member("blobs.toc", lines.len() as u64),
        ];
        let toc = Toc {
            entries: vec![entry(kind, file)],
            ..Toc::default()
        };
        strange_name(&list, &toc, &members).unwrap()
    }

    #[test]
    fn pg_restore_is_given_no_list_that_names_a_file_elsewhere() {
        assert_eq!(strange("TABLE DATA", "1.dat", "2 blob_2.dat\n"), None);
        assert_eq!(strange("BLOBS", "blobs.toc", "2 blob_2.dat\n"), None);
        for (kind, file, lines) in [
            ("TABLE DATA", "../1.dat", ""),
            ("TABLE DATA", "/etc/passwd", ""),
            ("TABLE DATA", "3.dat", ""),
            // Rows that pg_restore would take for a list.
            ("BLOBS", "1.dat", ""),
            ("BLOBS", "blobs.toc", "2 ../../etc/passwd\n"),
            ("BLOBS", "blobs.toc", "2\t../../etc/passwd blob_2.dat\n"),
            ("BLOBS", "blobs.toc", " 2 blob_2.dat\n"),
            ("BLOBS", "blobs.toc", "2 blob_2.dat\r\n"),
            ("BLOBS", "blobs.toc", "2 blob_2.dat\n\n"),
        ] {
            assert!(strange(kind, file, lines).is_some(), "{kind} {file} {lines:?}");
        }
    }
}
