//! A tar of an archive: its members are looked at one by one, and only what pg_dump writes is taken out, into one folder, under
//! names that lead nowhere else. Links, devices, folders above, sparse files, two files of one name: such a tar is refused whole.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// A tar's unit.
const BLOCK: u64 = 512;
/// The file with the table of contents.
pub(crate) const TOC: &str = "toc.dat";
/// The script for psql that pg_dump's own tars have.
pub(crate) const SCRIPT: &str = "restore.sql";
/// More files than any archive has that this should unpack: one a table, and one a large object.
const MOST: usize = 200_000;
/// The longest text about a member: its long name, and what else a newer tar says of it.
const LONGEST: u64 = 64 * 1024;
/// Read at once.
const CHUNK: usize = 256 * 1024;

/// A file in a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name, without the folder that all have in common.
    pub name: String,
    /// Where its bytes begin.
    pub at: u64,
    /// How many they are.
    pub bytes: u64,
}

/// Why a tar is not taken.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// What is in it, in words that follow its name.
    Held(String),
    /// It cannot be read.
    Io(io::Error),
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn held<T>(words: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong::Held(words.into()))
}

/// Whether pg_dump gives such a name to a file of an archive; then it leads nowhere else.
pub(crate) fn is_part(name: &str) -> bool {
    let numbered = |rest: &str, end: &str| {
        rest.strip_suffix(end)
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let plain = [".gz", ".lz4", ".zst"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    matches!(name, TOC | SCRIPT | "blobs.toc")
        || numbered(plain, ".dat")
        || plain
            .strip_prefix("blob_")
            .is_some_and(|rest| numbered(rest, ".dat"))
        || name
            .strip_prefix("blobs_")
            .is_some_and(|rest| numbered(rest, ".toc"))
}

/// The files in a tar, in its order.
///
/// # Errors
/// `Held` for what pg_dump and tar do not write, or what is cut off.
pub(crate) fn members(mut file: &File) -> Result<Vec<Member>, Wrong> {
    let whole = file.metadata()?.len();
    let mut found: Vec<Member> = Vec::new();
    let mut folder: Option<String> = None;
    let mut at = 0;
    // What stands before a member about it: a name and a size.
    let (mut long_name, mut large_size) = (None, None);
    loop {
        let mut header = [0; BLOCK as usize];
        file.seek(SeekFrom::Start(at))?;
        match file.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return held("is cut off: a tar ends with a mark, and this one has none");
            }
            read => read?,
        }
        if header.iter().all(|byte| *byte == 0) {
            return finish(found);
        }
        let header = Header(&header);
        if !header.is_whole() {
            return held(format!(
                "is damaged at byte {at}: what should be the next file's header is none"
            ));
        }
        let bytes = large_size.take().map_or_else(|| header.size(), Some);
        let Some(bytes) = bytes else {
            return held(format!("is damaged at byte {at}: a file in it has no size"));
        };
        let begin = at + BLOCK;
        let end = bytes
            .checked_next_multiple_of(BLOCK)
            .and_then(|bytes| begin.checked_add(bytes));
        let Some(end) = end.filter(|end| *end <= whole) else {
            return held("is cut off in the middle of a file");
        };
        at = end;
        let mut text = || -> Result<Vec<u8>, Wrong> {
            if bytes > LONGEST {
                return held("has a file with an endless name");
            }
            let mut text = vec![0; usize::try_from(bytes).unwrap_or_default()];
            file.seek(SeekFrom::Start(begin))?;
            file.read_exact(&mut text)?;
            Ok(text)
        };
        match header.kind() {
            b'L' => {
                let text = text()?;
                let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
                long_name = Some(text[..end].to_vec());
                continue;
            }
            b'x' => {
                for (key, value) in records(&text()?) {
                    match key.as_slice() {
                        b"path" => long_name = Some(value),
                        b"size" => {
                            large_size = std::str::from_utf8(&value)
                                .ok()
                                .and_then(|size| size.parse().ok())
                        }
                        _ => {}
                    }
                }
                continue;
            }
            // What is said of all members: nothing that matters here.
            b'g' => continue,
            _ => {}
        }
        let name = long_name.take().unwrap_or_else(|| header.name());
        let Ok(name) = String::from_utf8(name) else {
            return held("has a file whose name is none of pg_dump's");
        };
        let shown: String = name
            .chars()
            .take(100)
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        match header.kind() {
            b'5' => continue,
            b'0' | 0 => {}
            b'1' | b'2' => return held(format!("holds a link ({shown}), which no archive of pg_dump has")),
            _ => {
                return held(format!(
                    "holds something that is no file ({shown}), which no archive of pg_dump has"
                ));
            }
        }
        let path = name.trim_start_matches("./");
        let (above, base) = path.rsplit_once('/').unwrap_or(("", path));
        // macOS adds these.
        if base.starts_with("._") || base == ".DS_Store" {
            continue;
        }
        let leads_away = path.starts_with('/') || path.split('/').any(|step| step == "..");
        if leads_away || !is_part(base) {
            return held(format!("holds {shown}, which no pg_dump wrote"));
        }
        if *folder.get_or_insert_with(|| above.to_owned()) != above {
            return held(format!(
                "holds files of several folders, such as {shown}; an archive has one"
            ));
        }
        if found.len() >= MOST {
            return held(format!("holds more than {MOST} files"));
        }
        found.push(Member {
            name: base.to_owned(),
            at: begin,
            bytes,
        });
    }
}

fn finish(found: Vec<Member>) -> Result<Vec<Member>, Wrong> {
    let mut names: Vec<&str> = found.iter().map(|member| member.name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return held(format!("holds {} twice", twice[0]));
    }
    match names.binary_search(&TOC) {
        Ok(_) => Ok(found),
        Err(_) => held(format!(
            "holds no {TOC}, with which an archive of pg_dump says what is in it"
        )),
    }
}

/// Writes the members into an empty folder, as files of this user's alone. Looks before each chunk whether to go on.
///
/// # Errors
/// `Io`; with the kind `Interrupted` when it was not to go on.
pub(crate) fn unpack(
    mut file: &File,
    members: &[Member],
    into: &Path,
    go_on: impl Fn() -> bool,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    for member in members {
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(into.join(&member.name))?;
        let mut to = BufWriter::new(made);
        file.seek(SeekFrom::Start(member.at))?;
        let mut left = member.bytes;
        while left > 0 {
            if !go_on() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let part = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            file.read_exact(&mut chunk[..part])?;
            to.write_all(&chunk[..part])?;
            left -= part as u64;
        }
        to.flush()?;
    }
    Ok(())
}

/// The block before a member.
struct Header<'a>(&'a [u8; BLOCK as usize]);

impl Header<'_> {
    fn is_whole(&self) -> bool {
        let sum: u64 = self
            .0
            .iter()
            .enumerate()
            // Its own place counts as blanks.
            .map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte }))
            .sum();
        self.0[257..262] == *b"ustar" && number(&self.0[148..156]) == Some(sum)
    }

    fn kind(&self) -> u8 {
        self.0[156]
    }

    fn size(&self) -> Option<u64> {
        number(&self.0[124..136])
    }

    fn name(&self) -> Vec<u8> {
        let text = |part: &[u8]| {
            let end = part.iter().position(|byte| *byte == 0).unwrap_or(part.len());
            part[..end].to_vec()
        };
        let name = text(&self.0[..100]);
        // GNU's own form has something else in that place.
        let before = match self.0[262] {
            0 => text(&self.0[345..500]),
            _ => Vec::new(),
        };
        match before.is_empty() {
            true => name,
            false => [before, name].join(&b'/'),
        }
    }
}

/// A number in octal digits, or in bytes when its first bit says so.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let value = field
            .iter()
            .skip(1)
            .try_fold(u64::from(field[0] & 0x7f), |value, byte| {
                Some(value.checked_mul(256)? | u64::from(*byte))
            });
        return value;
    }
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(|c| c == ' ' || c == '\0'), 8).ok()
}

/// `<length> <key>=<value>\n`, one after the other.
fn records(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(blank) = rest.iter().position(|byte| *byte == b' ') {
        let length: Option<usize> = std::str::from_utf8(&rest[..blank])
            .ok()
            .and_then(|length| length.parse().ok());
        let Some(record) = length.filter(|length| *length > blank + 1 && *length <= rest.len()) else {
            break;
        };
        let pair = &rest[blank + 1..record - 1];
        if let Some(equals) = pair.iter().position(|byte| *byte == b'=') {
            found.push((pair[..equals].to_vec(), pair[equals + 1..].to_vec()));
        }
        rest = &rest[record..];
    }
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::process::Command;

    use super::*;

    /// A member as tar writes it.
    fn member(name: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum::<u64>() + 8 * u64::from(b' ');
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut all = header.to_vec();
        all.extend(bytes);
        all.resize(all.len().next_multiple_of(512), 0);
        all
    }

    fn looked(parts: &[Vec<u8>], end: bool) -> Result<Vec<Member>, String> {
        let mut file = tempfile::tempfile().unwrap();
        for part in parts {
            file.write_all(part).unwrap();
        }
        if end {
            file.write_all(&[0; 1024]).unwrap();
        }
        members(&file).map_err(|wrong| match wrong {
            Wrong::Held(words) => words,
            Wrong::Io(error) => error.to_string(),
        })
    }

    #[test]
    fn only_what_pg_dump_writes_is_taken_and_only_into_its_own_folder() {
        let toc = || member("d/toc.dat", b'0', b"PGDMP");
        let found = looked(
            &[
                member("d/", b'5', b""),
                toc(),
                member("d/12.dat.gz", b'0', &[7; 600]),
                member("d/._toc.dat", b'0', b"x"),
            ],
            true,
        )
        .unwrap();
        let names: Vec<(&str, u64)> = found
            .iter()
            .map(|member| (member.name.as_str(), member.bytes))
            .collect();
        assert_eq!(names, [("toc.dat", 5), ("12.dat.gz", 600)]);
        let long = [
            member("@LongLink", b'L', b"e/12.dat\0"),
            member("cut", b'0', b"x"),
        ]
        .concat();
        for (part, words) in [
            (member("d/../12.dat", b'0', b"x"), "no pg_dump wrote"),
            (member("/etc/12.dat", b'0', b"x"), "no pg_dump wrote"),
            (member("d/.bashrc", b'0', b"x"), "no pg_dump wrote"),
            (member("d/12.dat", b'2', b""), "holds a link"),
            (member("d/12.dat", b'1', b""), "holds a link"),
            (member("d/12.dat", b'6', b""), "no file"),
            (member("d/12.dat", b'S', b"x"), "no file"),
            (member("e/12.dat", b'0', b"x"), "several folders"),
            (toc(), "twice"),
            (long, "several folders"),
        ] {
            let refused = looked(&[toc(), part], true).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
        assert!(looked(&[toc()], false).unwrap_err().contains("cut off"));
        assert!(
            looked(&[toc()[..514].to_vec()], false)
                .unwrap_err()
                .contains("cut off")
        );
        assert!(
            looked(&[member("12.dat", b'0', b"x")], true)
                .unwrap_err()
                .contains("no toc.dat")
        );
        assert!(looked(&[vec![9; 512]], true).unwrap_err().contains("damaged"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_no_parts() {
        for part in [
            "toc.dat",
            "3456.dat",
            "3456.dat.gz",
            "1.dat.zst",
            "1.dat.lz4",
            "blobs.toc",
            "blobs_7.toc",
            "blob_16385.dat.gz",
        ] {
            assert!(is_part(part), "{part}");
        }
        for none in [
            "",
            "..",
            ".dat",
            "x.dat",
            "1.dat.exe",
            "../1.dat",
            "a/1.dat",
            "blob_.dat",
            "blobs_x.toc",
            "toc.dat.gz.gz",
        ] {
            assert!(!is_part(none), "{none}");
        }
    }

    #[test]
    fn what_the_systems_own_tar_packs_is_unpacked_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        // Longer than the header's own place for a name.
        let inner = folder.path().join("x".repeat(120));
        std::fs::create_dir(&inner).unwrap();
        for (name, bytes) in [("toc.dat", &b"PGDMP"[..]), ("1.dat.gz", &[5; 700_000])] {
            std::fs::write(inner.join(name), bytes).unwrap();
        }
        for format in ["gnu", "pax", "ustar"] {
            let path = folder.path().join("a.tar");
            let mut command = Command::new("tar");
            command
                .arg(format!("--format={format}"))
                .arg("-cf")
                .arg(&path)
                .arg("-C")
                .arg(folder.path());
            // ustar has no room for the long name before it.
            match format {
                "ustar" => command.arg("-C").arg(&inner).arg("."),
                _ => command.arg("x".repeat(120)),
            };
            assert!(command.status().unwrap().success(), "{format}");
            let file = File::open(&path).unwrap();
            let found = members(&file).unwrap();
            let into = folder.path().join(format);
            std::fs::create_dir(&into).unwrap();
            unpack(&file, &found, &into, || true).unwrap();
            assert_eq!(
                std::fs::read(into.join("1.dat.gz")).unwrap(),
                [5; 700_000],
                "{format}"
            );
            assert!(
                unpack(&file, &found, &into, || true).is_err(),
                "never over what is there"
            );
        }
    }
}
