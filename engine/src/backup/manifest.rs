//! What lies beside a backup: the manifest, written once with it, and the proof, written by each verification.

use contract::{
    Instant,
    backup::{ArchiveForm, Part, Proof, TrialReport, Uploaded},
    retention::Marks,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{needs::Need, seal::UNSEALED};

/// The format of what this version took and writes down.
pub(super) const FORMAT: u32 = 1;
/// The format of a backup whose archive is a folder as one tar, which older consoles cannot read.
pub(super) const FOLDER_FORMAT: u32 = 3;
/// The newest format that this version reads.
pub(super) const NEWEST_FORMAT: u32 = FOLDER_FORMAT;
/// The format of what was uploaded. A console that does not know of that must not take it for a backup.
pub(super) const UPLOADED_FORMAT: u32 = 2;

/// Names of the files of a backup.
pub(super) const ARCHIVE: &str = "archive.dump";
/// Roles and tablespaces.
pub(super) const GLOBALS: &str = "globals.sql";
/// What the backup is.
pub(super) const MANIFEST: &str = "manifest.json";
/// What people put on it.
pub(super) const MARKS: &str = "marks.json";
/// What the snapshot holds.
pub(super) const INVENTORY: &str = "inventory.json";
/// What the last verification found.
pub(super) const PROOF: &str = "proof.json";

/// Everything that must be known of a backup without its database. Numbers beyond 2^53 are texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub kind: ManifestKind,
    pub format: u32,
    pub id: Uuid,
    pub target: String,
    pub taken_at: Instant,
    pub snapshot: String,
    pub server: Server,
    pub database: Database,
    /// The newest applied migration.
    pub migration: Option<i64>,
    pub tables: Vec<Table>,
    pub tool_version: String,
    pub archive: StoredFile,
    /// How pg_dump wrote the archive; of what was uploaded that is told there.
    #[serde(default, skip_serializing_if = "is_custom")]
    pub form: ArchiveForm,
    /// `None` when the console's user may not read the roles; `notes` says so.
    pub globals: Option<StoredFile>,
    /// What the snapshot holds, counted and hashed; `None` when that was not asked for or not possible, and in manifests of older
    /// versions: such a backup can be restored for trial and not compared.
    #[serde(default)]
    pub inventory: Option<StoredFile>,
    pub dump_ms: i64,
    pub read_back_ms: i64,
    pub duration_ms: i64,
    pub proof: Proof,
    pub proven_at: Instant,
    pub created_by: String,
    pub job: Uuid,
    /// The parts that were chosen; none when it is of the whole database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<Part>,
    /// What the chosen parts need and the archive does not hold; none of a whole database, and in manifests of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<Need>>,
    /// What a reader must know, in words.
    pub notes: Vec<String>,
    /// Where it comes from, when it was uploaded: then all that is above was said by the archive itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded: Option<Uploaded>,
    /// Which database it is of, whatever that was called; none in manifests of older versions.
    #[serde(default)]
    pub source: Option<Source>,
    /// The name of the key that it is sealed with; none in older versions.
    #[serde(default)]
    pub key: Option<String>,
    pub mac: String,
}

/// Told apart from a proof, so that one cannot be put in the other's place.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum ManifestKind {
    #[serde(rename = "pgsteward backup")]
    Backup,
}

/// A database's identity: see `target::identity`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub system: String,
    pub oid: i64,
}

/// The server that was backed up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Server {
    pub version: String,
    pub version_num: i32,
    /// `None` when the console's user may not read it.
    pub system_identifier: Option<String>,
}

/// What pg_dump leaves out and a restore needs to make the database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Database {
    pub name: String,
    pub owner: String,
    pub bytes: i64,
    pub encoding: String,
    pub collation: String,
    pub character_type: String,
    pub locale_provider: Option<String>,
    pub locale: Option<String>,
    pub settings: Vec<Settings>,
    pub extensions: Vec<Extension>,
    pub large_objects: i64,
    /// Rules added to the locale's, where there are some.
    #[serde(default)]
    pub locale_rules: Option<String>,
    #[serde(default)]
    pub comment: Option<String>,
    /// Rights on the database itself; none in manifests of older versions.
    #[serde(default)]
    pub grants: Option<Vec<Grant>>,
}

/// A right on the database itself.
#[derive(Clone, Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Grant {
    /// Who has it; `None` is everyone.
    pub role: Option<String>,
    /// Such as `CONNECT`.
    pub right: String,
    /// Whether they may give it to others.
    pub grantable: bool,
}

/// `alter database … set`, for all roles or one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    pub role: Option<String>,
    pub settings: Vec<String>,
}

/// An installed extension.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Extension {
    pub name: String,
    pub version: String,
    pub schema: String,
}

/// A table in the archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Table {
    /// Its object id, by which an archive calls it; `None` in manifests of older versions.
    #[serde(default)]
    pub id: Option<i64>,
    pub schema: String,
    pub name: String,
    /// Counted in the archive, and unless `notes` say otherwise in the dump's own snapshot, too.
    pub rows: Option<i64>,
    pub bytes: i64,
    /// How long its data took, for the next run's progress.
    pub dump_ms: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_custom(form: &ArchiveForm) -> bool {
    *form == ArchiveForm::Custom
}

/// A file of the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredFile {
    pub name: String,
    pub bytes: i64,
    pub sha256: String,
}

impl Manifest {
    /// How pg_dump wrote the archive.
    pub(super) fn form(&self) -> ArchiveForm {
        self.uploaded.as_ref().map_or(self.form, |uploaded| uploaded.form)
    }

    /// The major version of the server that was backed up.
    pub(super) fn major(&self) -> u32 {
        u32::try_from(self.server.version_num / 10_000).unwrap_or_default()
    }

    /// Rows over all counted tables.
    pub(super) fn rows(&self) -> i64 {
        self.tables.iter().filter_map(|table| table.rows).sum()
    }
}

/// What a verification found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ProofFile {
    pub kind: ProofKind,
    pub format: u32,
    /// The backup it is about, and its bytes: a proof says nothing of another one.
    pub id: Uuid,
    pub archive_sha256: String,
    pub at: Instant,
    pub proof: Proof,
    /// How long the verification took that showed this, in milliseconds.
    #[serde(default)]
    pub duration_ms: Option<i64>,
    /// What is wrong, in words; then `proof` is not what the backup has any more.
    pub damage: Option<String>,
    /// The last trial restore.
    #[serde(default)]
    pub trial: Option<TrialReport>,
    pub by: String,
    pub job: Uuid,
    /// As in the manifest.
    #[serde(default)]
    pub key: Option<String>,
    pub mac: String,
}

/// See `ManifestKind`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum ProofKind {
    #[serde(rename = "pgsteward proof")]
    Proof,
}

/// Pin, label and note.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MarksFile {
    pub kind: MarksKind,
    pub format: u32,
    /// The backup they are on.
    pub id: Uuid,
    pub marks: Marks,
    pub at: Instant,
    pub by: String,
    /// As in the manifest.
    #[serde(default)]
    pub key: Option<String>,
    pub mac: String,
}

/// See `ManifestKind`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum MarksKind {
    #[serde(rename = "pgsteward marks")]
    Marks,
}

/// A seal that is not set yet.
pub(super) fn unsealed() -> String {
    UNSEALED.to_owned()
}
