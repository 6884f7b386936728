//! The table of contents of an archive, read from its bytes: what pg_restore's list does not tell apart (a name with
//! spaces, an owner) stands there in fields of its own. The format is that of PostgreSQL's `pg_backup_archiver.c`,
//! versions 1.12 to 1.16.

use std::io::{self, Read};

/// What an archive begins with.
const MAGIC: &[u8] = b"PGDMP";
/// The formats that this reads: of PostgreSQL 9.0 to 18.
const VERSIONS: std::ops::RangeInclusive<(u8, u8)> = (1, 12)..=(1, 16);
/// More than any archive has; what claims more is damaged.
const MOST: i64 = 50_000_000;
/// Longer than PostgreSQL lets any text be.
const LONGEST: i64 = 1 << 30;

/// When an entry is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    /// At any time, such as a comment.
    Any,
    /// Definitions before the rows.
    Before,
    /// Rows.
    Data,
    /// Definitions after the rows: indexes, constraints, triggers, policies.
    After,
}

/// One thing that the archive restores.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its number in the archive.
    pub id: i64,
    /// What it is, such as `TABLE` or `FK CONSTRAINT`.
    pub kind: String,
    /// Its name; with its table's before it, or with arguments, where the kind has those.
    pub tag: String,
    pub schema: Option<String>,
    /// Nobody for what has no owner.
    pub owner: String,
    pub section: Section,
    /// The statements that make it.
    pub definition: String,
    /// The statement that drops it.
    pub drop: String,
    pub tablespace: String,
    /// The entries that it needs, by their numbers.
    pub needs: Vec<i64>,
}

impl Entry {
    /// What it is, in words.
    pub(super) fn named(&self) -> String {
        let kind = self.kind.to_lowercase();
        match &self.schema {
            Some(schema) => format!("{kind} {schema}.{}", self.tag),
            None => format!("{kind} {}", self.tag),
        }
    }
}

/// A table of contents.
#[derive(Clone, Debug)]
pub(super) struct Toc {
    pub entries: Vec<Entry>,
    /// Whether every text in it could be read: names in another encoding than UTF-8 cannot.
    pub readable: bool,
}

struct Source<R> {
    from: R,
    int_bytes: usize,
    offset_bytes: usize,
    readable: bool,
}

/// Reads the head of an archive in pg_dump's custom format.
///
/// # Errors
/// Why it is none.
pub(super) fn read(from: impl Read) -> Result<Toc, String> {
    let mut source = Source {
        from,
        int_bytes: 4,
        offset_bytes: 8,
        readable: true,
    };
    source.toc().map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "its table of contents is cut off".to_owned(),
        _ => error.to_string(),
    })
}

impl<R: Read> Source<R> {
    fn toc(&mut self) -> io::Result<Toc> {
        let mut magic = [0; 5];
        self.from.read_exact(&mut magic)?;
        if magic != MAGIC {
            return Err(wrong("it is no archive of pg_dump"));
        }
        let (major, minor, _revision) = (self.byte()?, self.byte()?, self.byte()?);
        let version = (major, minor);
        if !VERSIONS.contains(&version) {
            return Err(wrong(&format!(
                "its format is {major}.{minor}, which is not known here"
            )));
        }
        self.int_bytes = usize::from(self.byte()?);
        self.offset_bytes = usize::from(self.byte()?);
        if !(1..=8).contains(&self.int_bytes) || !(1..=8).contains(&self.offset_bytes) {
            return Err(wrong("its head is damaged"));
        }
        if self.byte()? != 1 {
            return Err(wrong("it is not in pg_dump's custom format"));
        }
        match version >= (1, 15) {
            true => drop(self.byte()?),
            false => drop(self.int()?),
        }
        // When it was made: seven numbers.
        for _ in 0..7 {
            self.int()?;
        }
        // The database's name, and the versions of server and pg_dump.
        for _ in 0..3 {
            self.text()?;
        }
        let count = self.int()?;
        if !(0..=MOST).contains(&count) {
            return Err(wrong("its head is damaged"));
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(self.entry(version)?);
        }
        let utf8 = entries
            .iter()
            .find(|entry| entry.kind == "ENCODING")
            .is_none_or(|entry| {
                ["'UTF8'", "'SQL_ASCII'"]
                    .iter()
                    .any(|name| entry.definition.contains(name))
            });
        let plain = || {
            entries.iter().all(|entry| {
                [&entry.tag, &entry.owner, &entry.definition]
                    .into_iter()
                    .all(|text| text.is_ascii())
                    && entry.schema.as_ref().is_none_or(|schema| schema.is_ascii())
            })
        };
        let readable = self.readable && (utf8 || plain());
        Ok(Toc { entries, readable })
    }

    fn entry(&mut self, version: (u8, u8)) -> io::Result<Entry> {
        let id = self.int()?;
        let _has_data = self.int()?;
        let _catalog = self.text()?;
        let _oid = self.text()?;
        let tag = self.text()?.unwrap_or_default();
        let kind = self.text()?.unwrap_or_default();
        let section = match self.int()? {
            2 => Section::Before,
            3 => Section::Data,
            4 => Section::After,
            _ => Section::Any,
        };
        let definition = self.text()?.unwrap_or_default();
        let drop = self.text()?.unwrap_or_default();
        let _copy = self.text()?;
        let schema = self.text()?.filter(|schema| !schema.is_empty());
        let tablespace = self.text()?.unwrap_or_default();
        if version >= (1, 14) {
            self.text()?;
        }
        if version >= (1, 16) {
            self.int()?;
        }
        let owner = self.text()?.unwrap_or_default();
        // Whether it had row numbers, which PostgreSQL 12 did away with.
        self.text()?;
        let mut needs = Vec::new();
        while let Some(need) = self.text()? {
            needs.extend(need.trim().parse::<i64>());
        }
        // Where its rows are in the file.
        let mut place = vec![0; 1 + self.offset_bytes];
        self.from.read_exact(&mut place)?;
        Ok(Entry {
            id,
            kind,
            tag,
            schema,
            owner,
            section,
            definition,
            drop,
            tablespace,
            needs,
        })
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.from.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    /// A sign, then the number with its lowest byte first.
    fn int(&mut self) -> io::Result<i64> {
        let negative = self.byte()? != 0;
        let mut bytes = [0; 8];
        self.from.read_exact(&mut bytes[..self.int_bytes])?;
        let value = i64::try_from(u64::from_le_bytes(bytes)).map_err(|_| wrong("its head is damaged"))?;
        Ok(if negative { -value } else { value })
    }

    /// A length, then the bytes; no text has a negative length.
    fn text(&mut self) -> io::Result<Option<String>> {
        let length = self.int()?;
        if length < 0 {
            return Ok(None);
        }
        if length > LONGEST {
            return Err(wrong("its table of contents is damaged"));
        }
        let mut bytes = Vec::new();
        let read = self
            .from
            .by_ref()
            .take(length.unsigned_abs())
            .read_to_end(&mut bytes)?;
        if i64::try_from(read).ok() != Some(length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                self.readable = false;
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            }
        }))
    }
}

fn wrong(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn head(version: u8) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, version, 0, 4, 8, 1]);
        if version >= 15 {
            bytes.push(1);
        } else {
            int(&mut bytes, -1);
        }
        for _ in 0..7 {
            int(&mut bytes, 1);
        }
        for name in ["shop", "15.19", "15.19"] {
            text(&mut bytes, name.as_bytes());
        }
        bytes
    }

    fn int(bytes: &mut Vec<u8>, value: i32) {
        bytes.push(u8::from(value < 0));
        bytes.extend(value.unsigned_abs().to_le_bytes());
    }

    fn text(bytes: &mut Vec<u8>, text: &[u8]) {
        int(bytes, i32::try_from(text.len()).unwrap());
        bytes.extend(text);
    }

    fn entry(bytes: &mut Vec<u8>, version: u8, tag: &[u8]) {
        int(bytes, 215);
        int(bytes, 1);
        text(bytes, b"1259");
        text(bytes, b"16384");
        text(bytes, tag);
        text(bytes, b"TABLE");
        int(bytes, 2);
        text(bytes, b"CREATE TABLE x ();\n");
        text(bytes, b"DROP TABLE x;\n");
        int(bytes, -1);
        text(bytes, b"public");
        text(bytes, b"");
        if version >= 14 {
            text(bytes, b"heap");
        }
        if version >= 16 {
            int(bytes, 114);
        }
        text(bytes, "größe".as_bytes());
        text(bytes, b"false");
        text(bytes, b"5");
        int(bytes, -1);
        bytes.extend([1; 9]);
    }

    #[test]
    fn every_format_is_read_and_a_cut_or_strange_one_is_told() {
        for version in [12, 14, 15, 16] {
            let mut bytes = head(version);
            int(&mut bytes, 2);
            entry(&mut bytes, version, b"a table; with \"all\"");
            entry(&mut bytes, version, b"x");
            let toc = read(&bytes[..]).unwrap();
            assert!(toc.readable);
            let first = &toc.entries[0];
            assert_eq!(
                (first.id, first.section, first.kind.as_str()),
                (215, Section::Before, "TABLE")
            );
            assert_eq!(
                (first.tag.as_str(), first.schema.as_deref(), first.owner.as_str()),
                ("a table; with \"all\"", Some("public"), "größe")
            );
            assert_eq!((toc.entries.len(), first.needs.as_slice()), (2, [5].as_slice()));
            for cut in [bytes.len() - 1, bytes.len() / 2, 30, 3] {
                assert!(read(&bytes[..cut]).unwrap_err().contains("cut off"), "{cut}");
            }
        }
        assert!(
            read(&b"-- PostgreSQL database dump"[..])
                .unwrap_err()
                .contains("no archive")
        );
        assert!(read(&head(99)[..]).unwrap_err().contains("1.99"));
        let mut latin = head(14);
        int(&mut latin, 1);
        entry(&mut latin, 14, b"gr\xf6\xdfe");
        assert!(!read(&latin[..]).unwrap().readable);
    }
}
