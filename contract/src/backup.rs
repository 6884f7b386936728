//! Backups: what is stored, and what proves it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Instant, jobs::JobId, jobs::JobView, retention::Marks};

/// How well a stored backup is proven; each level includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// L0: the stored bytes have the hash that was computed while they were written.
    Hash,
    /// L1: pg_restore read the archive whole.
    ReadBack,
    /// L2: it was restored into an empty server.
    Restored,
    /// L3: what was restored is equal to the dump's snapshot: every row, and every object with its owner and grants.
    Equal,
}

impl Proof {
    /// What was done to prove it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hash => "Hash only",
            Self::ReadBack => "Read back whole",
            Self::Restored => "Restored for trial",
            Self::Equal => "Restored and equal",
        }
    }

    /// Its number: L0 to L3.
    pub const fn level(self) -> u8 {
        match self {
            Self::Hash => 0,
            Self::ReadBack => 1,
            Self::Restored => 2,
            Self::Equal => 3,
        }
    }

    /// The one of this number.
    pub const fn of_level(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::Hash),
            1 => Some(Self::ReadBack),
            2 => Some(Self::Restored),
            3 => Some(Self::Equal),
            _ => None,
        }
    }
}

/// What to verify, and how far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifySpec {
    /// The managed database.
    pub target: String,
    /// The backup.
    pub id: Uuid,
    /// How far; all levels before are included.
    pub level: Proof,
    /// The managed database on whose server it is restored for trial, instead of in a throw-away server beside the console.
    #[serde(default)]
    pub on: Option<String>,
}

/// What a trial restore of a backup found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialReport {
    /// How far it was to go.
    pub level: Proof,
    /// When it ended.
    pub at: Instant,
    /// How long the whole verification took, in milliseconds.
    pub duration_ms: i64,
    /// How long the restore took, in milliseconds, when it came to its end.
    pub restored_ms: Option<i64>,
    /// The version of the server it was restored on.
    pub server: Option<String>,
    /// Why the last trial came to no end, if so. The rest is of the one before, where that came to its end; else nothing is known beyond
    /// the bytes.
    pub failure: Option<String>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Instant>,
    /// Every table, compared by number and hash of its rows; none when nothing was compared.
    pub tables: Vec<TableProof>,
    /// What was compared beside the rows: kinds in words, each with how many there are.
    pub compared: Vec<(String, i64)>,
    /// What differs, in words; at most a thousand.
    pub differences: Vec<String>,
    /// How many more differ.
    pub more: i64,
    /// What a reader must know, in sentences.
    pub notes: Vec<String>,
}

impl TrialReport {
    /// Whether it tells of a trial that restored the backup to its end.
    pub fn came_to_its_end(&self) -> bool {
        self.restored_ms.is_some() || !self.differences.is_empty()
    }
}

/// A table of a backup against the same one restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableProof {
    /// With its schema, quoted.
    pub name: String,
    /// Rows in the snapshot.
    pub rows: i64,
    /// Rows restored; none when the table is not there.
    pub restored: Option<i64>,
    /// Whether they are the same rows.
    pub equal: bool,
}

/// A backup with what its last trial found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackupReport {
    /// The backup.
    pub backup: BackupView,
    /// The last trial, if there was one.
    pub trial: Option<TrialReport>,
    /// Why this machine cannot restore it for trial, if so.
    pub no_trial: Option<String>,
    /// The managed databases on whose servers who asks may have it restored for trial.
    #[serde(default)]
    pub places: Vec<String>,
}

/// How pg_dump wrote an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveForm {
    /// One file that can be read at any place (`-Fc`).
    #[default]
    Custom,
    /// A tar that pg_dump made itself (`-Ft`).
    Tar,
    /// A folder with a file for each table (`-Fd`), as one tar.
    Directory,
}

impl ArchiveForm {
    /// The name that pg_restore has for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Tar => "tar",
            Self::Directory => "directory",
        }
    }
}

/// Where an archive that this console did not take comes from. All but the first and the last was said by the archive itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploaded {
    /// What the file was called.
    pub name: String,
    /// When pg_dump began, by the clock of its machine, without a zone.
    pub made: Option<String>,
    /// How pg_dump wrote it.
    pub form: ArchiveForm,
}

/// A stored backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackupView {
    /// The backup.
    pub id: Uuid,
    /// The managed database it is of.
    pub target: String,
    /// The database's own name.
    pub database: String,
    /// The file's name, for the download.
    pub file: String,
    /// The instant whose state it holds.
    pub taken_at: Instant,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// Size of the archive in bytes.
    pub bytes: i64,
    /// Size of the database when it was taken, in bytes.
    pub database_bytes: i64,
    /// SHA-256 of the archive, in hex.
    pub sha256: String,
    /// How well it is proven.
    pub proof: Proof,
    /// When that was last proven.
    pub proven_at: Instant,
    /// How long that took, in milliseconds, where it is known.
    #[serde(default)]
    pub proven_ms: Option<i64>,
    /// Whether the snapshot was counted and hashed, so that a restored database can be compared with it.
    #[serde(default)]
    pub exact: bool,
    /// What the last trial could not show, if so: no damage is known, and no more is proven than `proof` says.
    #[serde(default)]
    pub concern: Option<String>,
    /// What the last verification found wrong, if anything: then this is no backup any more.
    pub damage: Option<String>,
    /// Why its manifest cannot be vouched for, if so: another console sealed it. Not damage: it can be verified, and taken
    /// over.
    #[serde(default)]
    pub foreign: Option<String>,
    /// Where it comes from, when it was uploaded: an archive from elsewhere can be restored, and counts as no backup of this
    /// database, whatever it holds.
    #[serde(default)]
    pub uploaded: Option<Uploaded>,
    /// The server's version.
    pub server_version: String,
    /// pg_dump's version.
    pub tool_version: String,
    /// The newest applied migration.
    pub migration: Option<i64>,
    /// Tables in it, with their rows (counted in the dump's own snapshot).
    pub tables: i64,
    /// Rows over all tables.
    pub rows: i64,
    /// The parts that were chosen; empty when it is of the whole database.
    #[serde(default)]
    pub only: Vec<Part>,
    /// What a reader must know of it, in sentences, such as that the rows of foreign tables are not in it.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What people put on it: a pin, a label, a note.
    #[serde(default)]
    pub marks: Marks,
    /// Who asked for it.
    pub created_by: String,
    /// The job that made it.
    pub job: Option<JobId>,
}

impl BackupView {
    /// Whether the whole database could be restored from it, as far as this console knows and vouches for.
    pub fn is_sound(&self) -> bool {
        self.damage.is_none() && self.foreign.is_none() && self.uploaded.is_none() && self.is_whole()
    }

    /// Where it comes from in a sentence, when it was uploaded.
    pub fn origin(&self) -> Option<String> {
        let Uploaded { name, made, form } = self.uploaded.as_ref()?;
        let when = made
            .as_ref()
            .map_or_else(String::new, |made| format!(" at {made} by its machine's clock"));
        let form = match form {
            ArchiveForm::Custom => "custom archive (-Fc)",
            ArchiveForm::Tar => "tar archive (-Ft)",
            ArchiveForm::Directory => "directory archive (-Fd)",
        };
        Some(format!(
            "Uploaded from elsewhere as {name}: a {form}, by its own words of the database {}, made{when}. It counts as no backup of {}.",
            self.database, self.target
        ))
    }

    /// Whether it is of the whole database, and not of chosen parts.
    pub fn is_whole(&self) -> bool {
        self.only.is_empty()
    }
}

/// The Backups page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackupList {
    /// The managed database.
    pub target: String,
    /// Stored backups, newest first.
    pub backups: Vec<BackupView>,
    /// Attempts that are running or did not become a backup, newest first.
    pub attempts: Vec<JobView>,
    /// What the reader must know of the client tools, if anything.
    pub warning: Option<String>,
    /// Where backups are stored.
    pub location: String,
    /// Bytes free there.
    pub free_bytes: Option<i64>,
    /// Bytes that a next one will need, from the last one or the database's size.
    pub expected_bytes: Option<i64>,
    /// Milliseconds that a next one will take, from the last one.
    pub expected_ms: Option<i64>,
    /// When backups are taken by themselves, in words such as `every day at 02:00 (UTC)`; none without a schedule.
    #[serde(default)]
    pub schedule: Option<String>,
    /// When the next one is due; none without a schedule, and while it is paused.
    #[serde(default)]
    pub next_at: Option<Instant>,
    /// Which are kept, in words such as `7 daily`; none when every one is.
    #[serde(default)]
    pub keeps: Option<String>,
}

/// What to back up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSpec {
    /// The managed database.
    pub target: String,
    /// What of it; nothing chosen is all of it.
    #[serde(default)]
    pub only: Vec<Part>,
    /// How the archive is compressed.
    #[serde(default)]
    pub compression: Compression,
    /// How many connections read the database at the same time, 1 to 64: more than one writes a file for each table (`-Fd`), stored as
    /// one tar.
    #[serde(default = "one")]
    pub parallel: i32,
}

const fn one() -> i32 {
    1
}

impl BackupSpec {
    /// The most connections that read at once.
    pub const MOST_PARALLEL: i32 = 64;

    /// All of a database, compressed as pg_dump likes best.
    pub fn whole(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            only: Vec::new(),
            compression: Compression::default(),
            parallel: one(),
        }
    }
}

/// A part of a database: a schema with all that is in it, or one table with its indexes, triggers and partitions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// The schema.
    pub schema: String,
    /// The table, view or sequence in it; none for the whole schema.
    #[serde(default)]
    pub table: Option<String>,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.table {
            Some(table) => write!(f, "{}.{table}", self.schema),
            None => f.write_str(&self.schema),
        }
    }
}

impl Part {
    /// The table's name as the command line takes it: see `from_str`.
    pub fn argument(&self) -> String {
        let quoted = |name: &str| match name.contains(['.', '"']) {
            true => format!("\"{}\"", name.replace('"', "\"\"")),
            false => name.to_owned(),
        };
        match &self.table {
            Some(table) => format!("{}.{}", quoted(&self.schema), quoted(table)),
            None => quoted(&self.schema),
        }
    }
}

/// A table's name as people write it: `sales.orders`, or with double quotes where a name has dots itself. Capital letters
/// stay as they are.
impl std::str::FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (schema, rest) = name(text)?;
            let (table, rest) = name(rest.strip_prefix('.')?)?;
            rest.is_empty().then_some(Self {
                schema,
                table: Some(table),
            })
        };
        read().ok_or_else(|| {
            format!("\"{text}\" is no table's name: write schema.table, with double quotes around a name that has dots")
        })
    }
}

impl Part {
    /// A table as [`FromStr`](std::str::FromStr) reads it, or the name of a schema, in quotes or not.
    ///
    /// # Errors
    /// In words.
    pub fn table_or_schema(text: &str) -> Result<Self, String> {
        match name(text) {
            Some((schema, "")) => Ok(Self { schema, table: None }),
            _ => text.parse(),
        }
    }
}

/// The name that a text begins with, and what follows.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    loop {
        let end = rest.find('"')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return (!name.is_empty()).then_some((name, rest)),
        }
    }
}

/// What a backup of chosen parts leaves out, and what it can only be restored beside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartsView {
    /// What is in it and what is not, in sentences.
    pub note: String,
    /// What the parts need and the backup will not hold, each with the parts that need it; empty when it can be restored by itself.
    pub needs: Vec<String>,
}

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// As pg_dump does unasked.
    #[default]
    Usual,
    /// Not at all: for data that is compressed already, or storage that compresses.
    None,
    /// gzip, which every pg_restore reads.
    Gzip,
    /// LZ4: the fastest. From PostgreSQL 16 on.
    Lz4,
    /// Zstandard: small and fast. From PostgreSQL 16 on.
    Zstd,
}

impl Compression {
    /// All of them, for choices.
    pub const ALL: [Self; 5] = [Self::Usual, Self::None, Self::Gzip, Self::Lz4, Self::Zstd];

    /// PostgreSQL's major version whose tools were the first to know it, where not all do.
    pub const fn since(self) -> Option<u32> {
        match self {
            Self::Usual | Self::None | Self::Gzip => None,
            Self::Lz4 | Self::Zstd => Some(16),
        }
    }

    /// What is to be said of it, for choices.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Usual => "As pg_dump does unasked",
            Self::None => "None: the data is compressed already",
            Self::Gzip => "gzip: every pg_restore reads it",
            Self::Lz4 => "LZ4: the fastest (PostgreSQL 16 and newer)",
            Self::Zstd => "Zstandard: small and fast (PostgreSQL 16 and newer)",
        }
    }

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl std::str::FromStr for Compression {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|one| one.name() == name)
            .ok_or_else(|| format!("\"{name}\" is none of usual, none, gzip, lz4, zstd"))
    }
}

/// A backup to delete, with the typed confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteBackup {
    /// The managed database.
    pub target: String,
    /// The backup.
    pub id: Uuid,
    /// The database's name as the user typed it.
    pub confirm: String,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn tables_are_named_as_people_write_them() {
        let part = |text: &str| {
            text.parse::<Part>()
                .map(|part| (part.schema, part.table.unwrap()))
        };
        let is = |schema: &str, table: &str| Ok((schema.to_owned(), table.to_owned()));
        assert_eq!(part("sales.orders"), is("sales", "orders"));
        assert_eq!(part("Sales.Order Lines"), is("Sales", "Order Lines"));
        assert_eq!(part("\"a.b\".\"c\"\"d\""), is("a.b", "c\"d"));
        assert_eq!(part("a.\"b\""), is("a", "b"));
        for none in [
            "",
            "orders",
            ".orders",
            "sales.",
            "\"sales.orders",
            "a.b.c",
            "\"a\"b.c",
            "\"\".a",
        ] {
            assert!(part(none).is_err(), "{none}");
        }
    }
}
