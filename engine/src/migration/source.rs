//! Where migrations come from: the bundled AI-PAL schema, or a folder.

use std::{collections::HashMap, path::Path, sync::LazyLock};

use contract::{Code, Fault};
use sqlx::migrate::Migrator;

use super::statements::{self, Statement};
use crate::{Error, Result, config::MigrationSource};

/// sqlx reads the files, so that names and checksums are exactly those of sqlx-cli.
static AI_PAL: Migrator = sqlx::migrate!("../migrations/ai_pal");

/// The bundled files with their statements, read once.
static BUNDLED: LazyLock<Vec<File>> = LazyLock::new(|| {
    let name =
        |version: i64, description: &str| Some(format!("{version:04}_{}.sql", description.replace(' ', "_")));
    read(&AI_PAL, |version, description| name(version, description))
});

/// One migration file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// The number at the beginning of its name.
    pub version: i64,
    /// The rest of the name, in words.
    pub description: String,
    /// Its name, when it is known.
    pub name: Option<String>,
    /// Its text.
    pub sql: String,
    /// SHA-384 of the text, as sqlx stores it.
    pub checksum: Vec<u8>,
    /// Whether it runs in one transaction.
    pub transactional: bool,
    /// Its statements.
    pub statements: Vec<Statement>,
}

impl File {
    /// Version and description in words.
    pub fn title(&self) -> String {
        title(self.version, &self.description)
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
        MigrationSource::None => "none".to_owned(),
    }
}

/// Reads all migrations, by version. A version may be there twice; that is the caller's to judge.
///
/// # Errors
/// `Conflict` when the folder cannot be read or a file's name begins with no number.
pub(crate) async fn files(source: &MigrationSource) -> Result<Vec<File>> {
    match source {
        MigrationSource::AiPal => Ok(BUNDLED.clone()),
        MigrationSource::None => Ok(Vec::new()),
        MigrationSource::Folder(folder) => {
            let migrator = Migrator::new(folder.as_path())
                .await
                .map_err(|error| unreadable(folder, &error))?;
            let names = names(folder).map_err(|error| unreadable(folder, &error))?;
            Ok(read(&migrator, |version, description| {
                names.get(&(version, description.to_owned())).cloned()
            }))
        }
    }
}

fn read(migrator: &Migrator, name: impl Fn(i64, &str) -> Option<String>) -> Vec<File> {
    migrator
        .iter()
        .filter(|migration| migration.migration_type.is_up_migration())
        .map(|migration| File {
            version: migration.version,
            description: migration.description.to_string(),
            name: name(migration.version, &migration.description),
            sql: migration.sql.as_str().to_owned(),
            checksum: migration.checksum.to_vec(),
            transactional: !migration.no_tx,
            statements: statements::split(migration.sql.as_str()),
        })
        .collect()
}

/// sqlx does not tell the names of the files, so they are matched by what it makes of them.
fn names(folder: &Path) -> std::io::Result<HashMap<(i64, String), String>> {
    let mut names = HashMap::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Some((version, rest)) = name.split_once('_') else {
            continue;
        };
        let Ok(version) = version.parse() else { continue };
        let description = rest
            .trim_end_matches(".up.sql")
            .trim_end_matches(".sql")
            .replace('_', " ");
        if !rest.ends_with(".down.sql") {
            names.insert((version, description), name);
        }
    }
    Ok(names)
}

fn unreadable(folder: &Path, error: &dyn std::error::Error) -> Error {
    let mut words = error.to_string();
    if let Some(cause) = error.source() {
        words.push_str(&format!(": {cause}"));
    }
    Error::Refused(
        Fault::new(Code::Conflict, format!("The migrations in {} cannot be read: {words}.", folder.display())).hint(
            "Check the folder's path and rights in the configuration; each file is named <number>_<words>.sql.",
        ),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[tokio::test]
    async fn the_bundled_files_are_those_of_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/ai_pal");
        let read = files(&MigrationSource::Folder(folder.clone())).await.unwrap();
        let bundled = files(&MigrationSource::AiPal).await.unwrap();
        assert_eq!(read.len(), bundled.len());
        for (file, bundled) in read.iter().zip(&bundled) {
            assert_eq!(file.name, bundled.name);
            assert!(folder.join(file.name.as_ref().unwrap()).is_file());
            assert_eq!(file.checksum, bundled.checksum);
        }
    }
}
