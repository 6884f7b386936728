//! The first bytes of a file: whether it is a SQLite database, what its header says, and what it is when it is none.

use contract::{Code, Fault};

/// How many bytes the header of a SQLite file has.
pub(super) const HEADER: usize = 100;
/// How many of the first bytes decide what a file is.
pub const PROBE: usize = 4096;
/// The first bytes of every SQLite database.
pub const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Bits per byte above which bytes look random. The formula underrates entropy on few bytes: 1,024 random ones measure
/// about 7.8, text and program code stay under 6.8.
const RANDOM: f64 = 7.3;
/// The fewest bytes on which that can be said.
const ENOUGH: usize = 512;

/// What people hand over by mistake, by its first bytes, and what to do with it.
const OTHERS: [(&[u8], &str, &str); 12] = [
    (&[0x1f, 0x8b], "a gzip archive", "Unpack it first: gunzip FILE."),
    (b"PK\x03\x04", "a zip archive", "Unpack it first: unzip FILE."),
    (
        b"\x28\xb5\x2f\xfd",
        "a zstd archive",
        "Unpack it first: zstd -d FILE.",
    ),
    (b"\xfd7zXZ\0", "an xz archive", "Unpack it first: unxz FILE."),
    (b"BZh", "a bzip2 archive", "Unpack it first: bunzip2 FILE."),
    (
        b"PGDMP",
        "a backup made by pg_dump",
        "Restore it with pg_restore.",
    ),
    (
        b"** This file contains an SQLite 2",
        "a database of SQLite 2",
        "Convert it with SQLite 2's own program: sqlite OLD .dump | sqlite3 NEW.",
    ),
    (
        b"PRAGMA foreign_keys",
        "a text dump of a database",
        "Make a database of it first: sqlite3 NEW.db < FILE.",
    ),
    (
        b"BEGIN TRANSACTION",
        "a text dump of a database",
        "Make a database of it first: sqlite3 NEW.db < FILE.",
    ),
    (
        b"CREATE TABLE",
        "a text dump of a database",
        "Make a database of it first: sqlite3 NEW.db < FILE.",
    ),
    (
        b"\x37\x7f\x06\x82",
        "the write-ahead log of a SQLite database",
        "Name the database beside it, without -wal.",
    ),
    (
        b"\x37\x7f\x06\x83",
        "the write-ahead log of a SQLite database",
        "Name the database beside it, without -wal.",
    ),
];

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of a page.
    pub page_size: i64,
    /// Pages the file must have; none when an old version wrote it last and did not keep the number.
    pub pages: Option<i64>,
    /// Whether it is in WAL mode.
    pub wal: bool,
}

/// Reads the header from a file's first bytes.
///
/// # Errors
/// A fault that says what the file is instead.
pub fn read(name: &str, first: &[u8]) -> Result<Header, Fault> {
    if first.is_empty() {
        return Err(
            Fault::new(Code::Invalid, format!("{name} is empty: it has no bytes at all."))
                .hint("Look whether the copy was made whole."),
        );
    }
    let shared = first.len().min(MAGIC.len());
    if first[..shared] != MAGIC[..shared] {
        return Err(other(name, first));
    }
    if first.len() < HEADER {
        return Err(truncated(
            name,
            &format!("it ends after {} bytes, inside the header", first.len()),
        ));
    }
    let page_size = match u16::from_be_bytes([first[16], first[17]]) {
        1 => 65_536,
        size if size >= 512 && size.is_power_of_two() => i64::from(size),
        size => {
            return Err(Fault::new(
                Code::Invalid,
                format!("{name} has a damaged header: {size} is no size of a page."),
            )
            .hint("Take another copy of the file; sqlite3 FILE .recover may save some of its rows."));
        }
    };
    // The count is right only when the version that wrote it also made the last change.
    let pages = i64::from(word(first, 28));
    let kept = word(first, 24) == word(first, 92) && pages > 0;
    Ok(Header {
        page_size,
        pages: kept.then_some(pages),
        wal: first[18] == 2 || first[19] == 2,
    })
}

impl Header {
    /// Asks whether a file of this size is whole.
    ///
    /// # Errors
    /// A fault with how much is missing.
    pub fn whole(&self, name: &str, bytes: i64) -> Result<(), Fault> {
        match self.pages {
            Some(pages) if pages.saturating_mul(self.page_size) > bytes => Err(truncated(
                name,
                &format!(
                    "its header speaks of {pages} pages of {} bytes, which is {} bytes more than there are",
                    self.page_size,
                    pages.saturating_mul(self.page_size) - bytes
                ),
            )),
            None if bytes % self.page_size != 0 => Err(truncated(
                name,
                &format!("it ends inside a page of {} bytes", self.page_size),
            )),
            _ => Ok(()),
        }
    }
}

fn word(first: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([first[at], first[at + 1], first[at + 2], first[at + 3]])
}

fn truncated(name: &str, why: &str) -> Fault {
    Fault::new(Code::Invalid, format!("{name} is cut off: {why}.")).hint(
        "Copy the file again, whole; sqlite3 FILE .recover may save the rows of the part that is there.",
    )
}

fn other(name: &str, first: &[u8]) -> Fault {
    if let Some((_, what, hint)) = OTHERS.iter().find(|(magic, ..)| first.starts_with(magic)) {
        return Fault::new(Code::Invalid, format!("{name} is no SQLite database but {what}.")).hint(*hint);
    }
    if first.len() >= ENOUGH && entropy(first) > RANDOM {
        return Fault::new(
            Code::Invalid,
            format!("{name} looks encrypted: its bytes are random from the first one on."),
        )
        .hint("Decrypt it with the program that made it (for SQLCipher: sqlcipher_export), then name the decrypted file.");
    }
    Fault::new(
        Code::Invalid,
        format!("{name} is no SQLite database: its first bytes are not those of one."),
    )
    .hint("Name the database file itself.")
}

/// Shannon's entropy in bits per byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let all = bytes.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / all)
        .map(|share| -share * share.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(size: u16, pages: u32) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[..16].copy_from_slice(MAGIC);
        bytes[16..18].copy_from_slice(&size.to_be_bytes());
        bytes[18] = 1;
        bytes[19] = 1;
        bytes[28..32].copy_from_slice(&pages.to_be_bytes());
        bytes
    }

    #[test]
    fn the_header_says_how_large_the_file_must_be() {
        let read = read("a.db", &header(4096, 3)).unwrap_or_else(|fault| unreachable!("{fault}"));
        assert_eq!((read.page_size, read.pages, read.wal), (4096, Some(3), false));
        assert!(read.whole("a.db", 3 * 4096).is_ok());
        let cut = read.whole("a.db", 3 * 4096 - 1).map_err(|fault| fault.message);
        assert!(cut.is_err_and(|words| words.contains("cut off") && words.contains("1 bytes more")));
    }

    #[test]
    fn a_page_size_of_one_stands_for_64_kib() {
        assert_eq!(read("a.db", &header(1, 1)).map(|it| it.page_size), Ok(65_536));
        assert!(read("a.db", &header(1000, 1)).is_err_and(|fault| fault.message.contains("damaged header")));
    }

    #[test]
    fn a_count_of_pages_that_an_old_version_left_behind_is_not_trusted() {
        let mut bytes = header(512, 9);
        bytes[27] = 1;
        let read = read("a.db", &bytes).unwrap_or_else(|fault| unreachable!("{fault}"));
        assert_eq!(read.pages, None);
        assert!(read.whole("a.db", 1024).is_ok());
        assert!(read.whole("a.db", 1025).is_err());
    }

    #[test]
    fn other_files_are_called_what_they_are() {
        let said = |bytes: &[u8]| read("f", bytes).map_or_else(|fault| fault.message, |_| String::new());
        assert!(said(b"").contains("empty"));
        assert!(said(b"SQLite format 3\0").contains("cut off"));
        assert!(said(b"SQLi").contains("cut off"));
        assert!(said(b"\x1f\x8b\x08\0").contains("gzip"));
        assert!(said(b"BEGIN TRANSACTION;").contains("text dump"));
        assert!(said("plain words, nothing else. ".repeat(60).as_bytes()).contains("no SQLite database"));
        // A linear congruential generator is random enough for a measure of bytes.
        let mut seed = 1_u64;
        let random: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            seed.to_be_bytes()[0]
        })
        .take(1024)
        .collect();
        assert!(said(&random).contains("encrypted"));
    }
}
