//! The table of contents of an archive, read from its bytes: what pg_restore's list does not tell apart (a name with
//! spaces, an owner) stands there in fields of its own. The format is that of PostgreSQL's `pg_backup_archiver.c`,
//! versions 1.12 to 1.16.

use std::io::{self, Read};

use contract::backup::ArchiveForm;

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
pub(in crate::backup) enum Section {
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
pub(in crate::backup) struct Entry {
    /// Its number in the archive.
    pub id: i64,
    /// Its object's number in the database that was dumped; 0 for what has none.
    pub oid: i64,
    /// The file of its rows, as the archive calls it; none in the custom format, and for what has no rows.
    pub file: Option<String>,
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
    pub(in crate::backup) fn named(&self) -> String {
        let kind = self.kind.to_lowercase();
        match &self.schema {
            Some(schema) => format!("{kind} {schema}.{}", self.tag),
            None => format!("{kind} {}", self.tag),
        }
    }
}

/// What an archive says of itself before its entries.
#[derive(Clone, Debug, Default)]
pub(in crate::backup) struct Head {
    pub form: ArchiveForm,
    /// Second, minute, hour, day, month from 0, and year from 1900, by the clock of pg_dump's machine.
    pub made: [i64; 6],
    /// The database's name.
    pub database: String,
    /// The versions of the server and of pg_dump.
    pub server: String,
    pub tool: String,
}

/// A table of contents.
#[derive(Clone, Debug, Default)]
pub(in crate::backup) struct Toc {
    pub head: Head,
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

/// Reads the table of contents with which an archive in the custom format begins; the other formats have a file for it.
///
/// # Errors
/// Why it is none.
pub(in crate::backup) fn read(from: impl Read) -> Result<Toc, String> {
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
        // pg_restore takes other sizes as well, and reads other numbers from them than stand there.
        if self.int_bytes != 4 || !(1..=8).contains(&self.offset_bytes) {
            return Err(wrong("its head is damaged"));
        }
        let form = match self.byte()? {
            1 => ArchiveForm::Custom,
            3 => ArchiveForm::Tar,
            5 => ArchiveForm::Directory,
            _ => return Err(wrong("it is in none of pg_dump's formats")),
        };
        match version >= (1, 15) {
            true => drop(self.byte()?),
            false => drop(self.int()?),
        }
        let mut made = [0; 6];
        for number in &mut made {
            *number = self.int()?;
        }
        // Whether it was summer there.
        self.int()?;
        let mut named = || Ok::<_, io::Error>(self.text()?.unwrap_or_default());
        let head = Head {
            form,
            made,
            database: named()?,
            server: named()?,
            tool: named()?,
        };
        let count = self.int()?;
        if !(0..=MOST).contains(&count) {
            return Err(wrong("its head is damaged"));
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(self.entry(version, form)?);
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
        Ok(Toc {
            head,
            entries,
            readable,
        })
    }

    fn entry(&mut self, version: (u8, u8), form: ArchiveForm) -> io::Result<Entry> {
        let id = self.int()?;
        let _has_data = self.int()?;
        let _catalog = self.text()?;
        let oid = self.text()?.and_then(|oid| oid.parse().ok()).unwrap_or_default();
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
        let file = match form {
            ArchiveForm::Custom => {
                // Where its rows are in the file.
                let mut place = vec![0; 1 + self.offset_bytes];
                self.from.read_exact(&mut place)?;
                None
            }
            _ => self.text()?.filter(|file| !file.is_empty()),
        };
        Ok(Entry {
            id,
            oid,
            file,
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
        // pg_restore would take what is before it for the whole text.
        if bytes.contains(&0) {
            return Err(wrong("its table of contents is damaged"));
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
            assert_eq!(
                (first.oid, toc.head.database.as_str(), toc.head.tool.as_str()),
                (16384, "shop", "15.19")
            );
            let mut sizes = bytes.clone();
            sizes[8] = 8;
            assert!(read(&sizes[..]).unwrap_err().contains("damaged"));
            let mut short = bytes.clone();
            let place = short.windows(5).position(|part| part == b"15.19").unwrap();
            short[place + 2] = 0;
            assert!(read(&short[..]).unwrap_err().contains("damaged"));
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
