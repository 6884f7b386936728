//! Where migrations come from: the bundled AI-PAL schema, or a folder.

use std::{
    io,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use contract::{Code, Fault, migration::MigrationObstacle};
use sha2::{Digest, Sha384};
use sqlx::migrate::{MigrationType, Migrator};

use super::{
    psql,
    statements::{self, Statement},
    transactions::{self, Parted},
};
use crate::{Error, Result, config::MigrationSource, lexer};

static AI_PAL: Migrator = sqlx::migrate!("../migrations/ai_pal");

/// The bundled files with their statements, read once.
static BUNDLED: LazyLock<Vec<File>> = LazyLock::new(|| {
    AI_PAL
        .iter()
        .map(|migration| {
            let description = migration.description.to_string();
            let name = format!("{:04}_{}.sql", migration.version, description.replace(' ', "_"));
            File::new(migration.version, description, name, migration.sql.as_str())
        })
        .collect()
});

/// What stands before the text of some editors' UTF-8 files.
const MARK: char = '\u{FEFF}';

/// All of a source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    /// The migrations, by version. A version may be there twice; that is the caller's to judge.
    pub files: Vec<File>,
    /// Files that are meant as migrations and cannot be taken as such.
    pub odd: Vec<OddFile>,
}

/// A file that is no migration, and why.
#[derive(Clone, Debug)]
pub(crate) struct OddFile {
    /// Its name.
    pub name: String,
    /// The version and the description that its name tells, if it tells them.
    pub title: Option<(i64, String)>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

/// One migration file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// The number at the beginning of its name.
    pub version: i64,
    /// The rest of the name, in words.
    pub description: String,
    /// Its name.
    pub name: String,
    /// Its text, without a byte order mark.
    pub sql: String,
    /// SHA-384 of the text as it lies there, as sqlx stores it.
    pub checksum: Vec<u8>,
    /// Whether it runs in one transaction.
    pub transactional: bool,
    /// Its statements.
    pub statements: Vec<Statement>,
    left_out: Vec<Statement>,
    transactions: Vec<MigrationObstacle>,
}

impl File {
    /// Reads a migration's text.
    pub fn new(version: i64, description: String, name: String, text: &str) -> Self {
        let sql = text.strip_prefix(MARK).unwrap_or(text);
        let transactional = !sql.starts_with("-- no-transaction");
        let all = statements::split(sql);
        let Parted {
            statements,
            left_out,
            obstacles,
        } = if transactional {
            transactions::in_one(all)
        } else {
            transactions::one_by_one(sql, all)
        };
        Self {
            version,
            description,
            name,
            sql: sql.to_owned(),
            checksum: checksum(text),
            transactional,
            statements,
            left_out,
            transactions: obstacles,
        }
    }

    /// Version and description in words.
    pub fn title(&self) -> String {
        title(self.version, &self.description)
    }

    /// The text that runs as one string: without the `begin` and the `commit` around it.
    pub fn script(&self) -> String {
        transactions::without(&self.sql, &self.left_out)
    }

    /// Why it cannot run, by line.
    pub fn obstacles(&self) -> Vec<MigrationObstacle> {
        let of_psql = psql::obstacles(&self.sql);
        // Rows of a `copy` may look like anything.
        if of_psql.is_empty() {
            self.transactions.clone()
        } else {
            of_psql
        }
    }

    /// Whether a checksum is that of this file's text; line ends and a byte order mark, which version control and
    /// editors change, make no other text.
    pub fn has(&self, of: &[u8]) -> bool {
        self.checksum == of || is_text_of(&self.sql, of)
    }

    /// Whether a run that was broken off can simply be repeated: every statement builds an index concurrently that
    /// does nothing when the index is there.
    pub fn can_be_repeated(&self) -> bool {
        !self.transactional
            && self.statements.iter().all(|statement| {
                statement
                    .concurrent_index()
                    .is_some_and(|index| index.if_not_exists)
            })
    }
}

/// sqlx' checksum of a text.
pub(crate) fn checksum(text: &str) -> Vec<u8> {
    Sha384::digest(text.as_bytes()).to_vec()
}

/// Whether a checksum is that of a text, whatever its line ends were and whether or not a byte order mark stood before it.
pub(crate) fn is_text_of(text: &str, of: &[u8]) -> bool {
    let plain = text
        .strip_prefix(MARK)
        .unwrap_or(text)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    ["\n", "\r\n", "\r"].iter().any(|line_end| {
        let text = plain.replace('\n', line_end);
        checksum(&text) == of || checksum(&format!("{MARK}{text}")) == of
    })
}

/// Whether this version with this checksum is one of AI-PAL's.
pub(crate) fn is_bundled(version: i64, checksum: &[u8]) -> bool {
    BUNDLED
        .iter()
        .any(|file| file.version == version && file.has(checksum))
}

/// A migration in words, such as `7 (background tasks)`.
pub(crate) fn title(version: i64, description: &str) -> String {
    if description.is_empty() {
        version.to_string()
    } else {
        format!("{version} ({description})")
    }
}

/// The source in words, for the page.
pub(crate) fn label(source: &MigrationSource) -> String {
    match source {
        MigrationSource::AiPal => "bundled: ai_pal".to_owned(),
        MigrationSource::Folder(folder) => folder.display().to_string(),
        MigrationSource::None | MigrationSource::Unchosen => "none".to_owned(),
    }
}

/// Reads all migrations. A file that cannot be read does not hide the others.
///
/// # Errors
/// `Conflict` when the folder itself cannot be read.
pub(crate) async fn files(source: &MigrationSource) -> Result<Files> {
    match source {
        MigrationSource::AiPal => Ok(Files {
            files: BUNDLED.clone(),
            odd: Vec::new(),
        }),
        MigrationSource::None | MigrationSource::Unchosen => Ok(Files::default()),
        MigrationSource::Folder(folder) => {
            let path = folder.clone();
            let reading = tokio::task::spawn_blocking(move || read(&path));
            match reading.await {
                Ok(read) => read.map_err(|error| unreadable(folder, &error)),
                Err(error) => Err(Error::internal("reading the migrations", error)),
            }
        }
    }
}

fn read(folder: &Path) -> io::Result<Files> {
    let mut found = Files::default();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        read_one(&entry.path(), &entry.file_name().to_string_lossy(), &mut found);
    }
    found
        .files
        .sort_by(|a, b| (a.version, &a.name).cmp(&(b.version, &b.name)));
    found.odd.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Takes a file as sqlx takes it: `<version>_<description>.sql`, or `….up.sql` beside a `….down.sql`.
fn read_one(path: &PathBuf, name: &str, found: &mut Files) {
    // A link to nowhere says so when it is read.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return;
    }
    let odd = |title: Option<(i64, String)>, what: String, remedy: &'static str| OddFile {
        name: name.to_owned(),
        title,
        what,
        remedy,
    };
    let parts = name.split_once('_').filter(|(_, rest)| rest.ends_with(".sql"));
    let Some((number, rest)) = parts else {
        // sqlx passes it over without a word, and its author takes it for applied.
        let begins_as_one = name.starts_with(|c: char| c.is_ascii_digit());
        if begins_as_one && name.to_ascii_lowercase().ends_with(".sql") {
            found
                .odd
                .push(odd(None, "is not named as a migration".into(), NAME));
        }
        return;
    };
    let kind = MigrationType::from_filename(rest);
    if kind.is_down_migration() {
        return;
    }
    let description = rest.trim_end_matches(kind.suffix()).replace('_', " ");
    let Ok(version) = number.parse::<i64>() else {
        let what = "does not begin with a number".to_owned();
        found.odd.push(odd(None, what, NAME));
        return;
    };
    match std::fs::read(path)
        .map_err(|error| (format!("cannot be read: {error}"), RIGHTS))
        .and_then(decode)
    {
        Ok(text) => found
            .files
            .push(File::new(version, description, name.to_owned(), &text)),
        Err((what, remedy)) => found.odd.push(odd(Some((version, description)), what, remedy)),
    }
}

const NAME: &str = "Name each file <number>_<words>.sql, or move what is no migration out of the folder.";
const RIGHTS: &str = "Let the console's user read it.";
const ENCODING: &str = "Save it as UTF-8.";

fn decode(bytes: Vec<u8>) -> std::result::Result<String, (String, &'static str)> {
    let is_16_bit = |pair: &[u8]| matches!(pair, [0, other] | [other, 0] if *other != 0);
    if bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xfe, 0xff])
        || bytes.get(..4).is_some_and(|first| first.chunks(2).all(is_16_bit))
    {
        return Err(("is UTF-16 text".to_owned(), ENCODING));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = lexer::line_ends(&String::from_utf8_lossy(valid)) + 1;
        (format!("is no UTF-8 text (line {line})"), ENCODING)
    })?;
    match text.find('\0') {
        Some(at) => {
            let line = lexer::line_ends(&text[..at]) + 1;
            Err((
                format!("has a character of number 0 (line {line}), which is no text"),
                ENCODING,
            ))
        }
        None => Ok(text),
    }
}

fn unreadable(folder: &Path, error: &io::Error) -> Error {
    Error::Refused(
        Fault::new(
            Code::Conflict,
            format!("The migrations in {} cannot be read: {error}.", folder.display()),
        )
        .hint("Check the folder's path and rights in the configuration."),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    async fn read_folder(folder: &Path) -> Files {
        files(&MigrationSource::Folder(folder.to_owned())).await.unwrap()
    }

    #[tokio::test]
    async fn the_bundled_files_are_those_of_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/ai_pal");
        let read = read_folder(&folder).await.files;
        let bundled = files(&MigrationSource::AiPal).await.unwrap().files;
        assert_eq!(read.len(), bundled.len());
        for (file, bundled) in read.iter().zip(&bundled) {
            assert_eq!(file.name, bundled.name);
            assert!(folder.join(&file.name).is_file());
            assert_eq!(file.checksum, bundled.checksum);
            assert!(is_bundled(file.version, &file.checksum));
        }
        assert!(!is_bundled(1, &bundled[1].checksum));
    }

    #[tokio::test]
    async fn a_folder_is_read_as_sqlx_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("10_ten.sql", "select 10"),
            ("2_two_words.up.sql", "-- no-transaction\nselect 2"),
            ("2_two_words.down.sql", "select -2"),
            ("003_mark.sql", "\u{feff}select 3\r\n"),
            ("0_.sql", "select 0"),
            ("README.md", "x"),
            ("schema.sql", "x"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        std::fs::create_dir(folder.path().join("5_folder.sql")).unwrap();
        let ours = read_folder(folder.path()).await;
        assert_eq!(ours.odd.len(), 0, "{ours:?}");
        let theirs = Migrator::new(folder.path()).await.unwrap();
        let theirs: Vec<_> = theirs
            .iter()
            .filter(|it| it.migration_type.is_up_migration())
            .map(|it| {
                (
                    it.version,
                    it.description.to_string(),
                    it.checksum.to_vec(),
                    !it.no_tx,
                )
            })
            .collect();
        let ours: Vec<_> = ours
            .files
            .into_iter()
            .map(|it| (it.version, it.description, it.checksum, it.transactional))
            .collect();
        assert_eq!(ours, theirs);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_taken_is_named_and_hides_no_other() {
        let utf_16 = |text: &str| {
            text.encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<u8>>()
        };
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("1_good.sql", b"select 1".to_vec()),
            ("2_marked.sql", [vec![0xff, 0xfe], utf_16("select 2")].concat()),
            ("3_unmarked.sql", utf_16("select 3")),
            ("4_latin.sql", b"select 1;\nselect '\xe4'".to_vec()),
            ("5_zero.sql", b"select 1;\r\nselect '\0'".to_vec()),
            ("x6_bad.sql", b"select 6".to_vec()),
            ("0007-dash.sql", b"select 7".to_vec()),
            ("8_upper.SQL", b"select 8".to_vec()),
        ] {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        std::os::unix::fs::symlink("nowhere", folder.path().join("9_link.sql")).unwrap();
        let read = read_folder(folder.path()).await;
        assert_eq!(read.files.len(), 1);
        let odd: Vec<String> = read
            .odd
            .iter()
            .map(|odd| format!("{} {}", odd.name, odd.what))
            .collect();
        insta::assert_snapshot!(odd.join("\n"), @r"
        0007-dash.sql is not named as a migration
        2_marked.sql is UTF-16 text
        3_unmarked.sql is UTF-16 text
        4_latin.sql is no UTF-8 text (line 2)
        5_zero.sql has a character of number 0 (line 2), which is no text
        8_upper.SQL is not named as a migration
        9_link.sql cannot be read: No such file or directory (os error 2)
        x6_bad.sql does not begin with a number
        ");
        assert_eq!(read.odd[1].title, Some((2, "marked".to_owned())));
    }

    #[test]
    fn line_ends_and_a_mark_make_no_other_text() {
        let forms = [
            "a\nb\n",
            "a\r\nb\r\n",
            "a\rb\r",
            "\u{feff}a\nb\n",
            "\u{feff}a\r\nb\r\n",
        ];
        for was in forms {
            for is in forms {
                let file = File::new(1, String::new(), String::new(), is);
                assert!(file.has(&checksum(was)), "{was:?} {is:?}");
            }
            for other in ["a\nb", "a\n\nb\n", "a \nb\n"] {
                assert!(!is_text_of(other, &checksum(was)), "{was:?} {other:?}");
            }
        }
        // What is mixed is known as it lies there.
        let mixed = File::new(1, String::new(), String::new(), "a\r\nb\n");
        assert!(mixed.has(&checksum("a\r\nb\n")) && mixed.has(&checksum("a\nb\n")));
    }
}
