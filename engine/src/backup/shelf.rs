//! Where the backups of one managed database lie. A folder belongs to a database and not to its name: two databases whose
//! names look alike, or that have one name in two consoles, never share one.

use sha2::{Digest, Sha256};

use super::{
    folder::folder_name,
    manifest::{Manifest, Source},
    store,
};
use crate::{Engine, Error, Result, target::Target};

/// The folders of one managed database in the backup folder.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    /// Its name in the console.
    target: String,
    /// Its own name on its server.
    database: String,
    /// What it is; unknown to a new store while the database is away.
    source: Option<Source>,
    /// Folders that rows of the store name: of a database that this one was adopted for.
    adopted: Vec<String>,
}

impl Shelf {
    /// The folders of a target, or of a job's database.
    ///
    /// # Errors
    /// `Refused` when another database has the target's name; the store's failures.
    pub(super) async fn of(engine: &Engine, target: &Target) -> Result<Self> {
        let source = target.last_identity().await?.map(|identity| Source {
            system: identity.system,
            oid: identity.oid,
        });
        let root = engine.config().backup_dir.display().to_string();
        Ok(Self {
            adopted: store::folders(engine.store(), target.name(), &root).await?,
            target: target.name().to_owned(),
            database: target.database().to_owned(),
            source,
        })
    }

    /// The name of the managed database.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// What the database is.
    pub(super) fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// The folder for a new backup.
    ///
    /// # Errors
    /// `Internal` when the database was never reached.
    pub(super) fn own(&self) -> Result<String> {
        match &self.source {
            Some(source) => Ok(format!("{}{}", readable(&self.target), suffix(source))),
            None => Err(Error::internal(
                "naming the folder of a backup",
                "its database was never reached",
            )),
        }
    }

    /// Whether backups of this database may lie in a folder.
    pub(super) fn looks_into(&self, folder: &str) -> bool {
        folder == folder_name(&self.target)
            || self.adopted.iter().any(|adopted| adopted == folder)
            || match &self.source {
                Some(source) => folder.ends_with(&suffix(source)),
                None => folder.starts_with(&format!("{}~", readable(&self.target))),
            }
    }

    /// Whether a backup in such a folder is of this database.
    pub(super) fn has(&self, folder: &str, manifest: &Manifest) -> bool {
        let adopted =
            folder != folder_name(&self.target) && self.adopted.iter().any(|adopted| adopted == folder);
        match (&self.source, &manifest.source) {
            (Some(own), Some(source)) => own == source || adopted,
            // From before databases had an identity, or it is not known here yet: both names must be the same.
            _ => adopted || (manifest.target == self.target && manifest.database.name == self.database),
        }
    }
}

/// As much of a name as is harmless in a folder's.
fn readable(target: &str) -> String {
    let text: String = target
        .chars()
        .take(32)
        .map(|c| match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_' => c,
            _ => '_',
        })
        .collect();
    match text.strip_prefix('-') {
        Some(rest) => format!("_{rest}"),
        None => text,
    }
}

/// The end of the name of every folder of a database, whatever that is called.
fn suffix(source: &Source) -> String {
    let digest = Sha256::digest(format!("{}/{}", source.system, source.oid));
    format!("~{}", hex::encode(&digest[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf(target: &str, database: &str, oid: Option<i64>) -> Shelf {
        Shelf {
            target: target.to_owned(),
            database: database.to_owned(),
            source: oid.map(|oid| Source {
                system: "7".to_owned(),
                oid,
            }),
            adopted: Vec::new(),
        }
    }

    #[test]
    fn databases_whose_names_look_alike_have_folders_of_their_own() {
        let (first, second) = (
            shelf("gr__e", "größe", Some(1)).own().unwrap_or_default(),
            shelf("gr__e", "grüße", Some(2)).own().unwrap_or_default(),
        );
        assert!(first.starts_with("gr__e~") && second.starts_with("gr__e~") && first != second);
        assert!(!shelf("gr__e", "größe", Some(1)).looks_into(&second));
        assert!(
            shelf("renamed", "größe", Some(1)).looks_into(&first),
            "the name does not matter"
        );
        assert!(
            shelf("gr__e", "größe", Some(1)).looks_into("gr__e"),
            "as older versions named it"
        );
        assert!(shelf("gr__e", "größe", None).looks_into(&first));
        assert!(shelf("gr__e", "größe", None).own().is_err());
    }

    #[test]
    fn no_name_leads_out_of_the_backup_folder() {
        for name in ["", "..", "/etc", "-rf", "a/b", "a\0b", &"x".repeat(300), "Ünï"] {
            let own = shelf(name, name, Some(3)).own().unwrap_or_default();
            assert!(
                own.len() <= 60 && !own.starts_with(['.', '-', '/']) && !own.contains(['/', '\0']),
                "{own}"
            );
        }
    }
}
