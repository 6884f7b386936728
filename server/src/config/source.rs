//! Where values come from: the process's environment, then a `.env` file in the working folder.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use contract::console::SettingView;
use secrecy::SecretString;

use super::{
    setting::{NOT_USED_YET, SETTINGS, Setting},
    value::ConfigError,
};

/// Named values, and the folder that relative paths begin at.
pub struct Source {
    values: BTreeMap<String, String>,
    folder: PathBuf,
}

impl Source {
    /// The given values over those of `<folder>/.env`, which never replaces one. An empty value counts as not set.
    ///
    /// # Errors
    /// When the `.env` file is there and cannot be read, or a secret is set to blanks.
    pub fn new(environment: BTreeMap<String, String>, folder: &Path) -> Result<Self, ConfigError> {
        let mut values = environment;
        let path = folder.join(".env");
        match dotenvy::from_path_iter(&path) {
            Ok(lines) => {
                for line in lines {
                    let (name, value) = line.map_err(|error| in_dotenv(&path, &error))?;
                    values.entry(name).or_insert(value);
                }
            }
            Err(error) if error.not_found() => {}
            Err(error) => return Err(in_dotenv(&path, &error)),
        }
        // A secret of blanks is a mistake of whoever meant to set one; an empty one is how Compose passes on what is not set.
        let blank = |setting: &&Setting| {
            let value = values.get(setting.name);
            setting.secret && value.is_some_and(|value| !value.is_empty() && value.trim().is_empty())
        };
        if let Some(setting) = SETTINGS.iter().find(blank) {
            return Err(ConfigError::of(setting, "it holds nothing but blanks".to_owned()));
        }
        values.retain(|_, value| !value.trim().is_empty());
        Ok(Self {
            values,
            folder: folder.to_owned(),
        })
    }

    /// A value that is no secret, or the text of one that the caller must not echo.
    pub(super) fn get(&self, setting: &Setting) -> Option<&str> {
        self.named(setting.name)
    }

    /// A value by the name that a file gave.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A value read by `parse`, whose error becomes the setting's.
    pub(super) fn read<T>(
        &self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        self.get(setting)
            .map(|text| parse(text).map_err(|problem| ConfigError::of(setting, problem)))
            .transpose()
    }

    /// A path, made absolute.
    pub(super) fn path(&self, setting: &Setting) -> Option<PathBuf> {
        self.get(setting).map(|text| self.folder.join(text))
    }

    /// The working folder, joined.
    pub(super) fn beside(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.join(path)
    }

    /// A secret, from its variable or from the file that `<name>_FILE` names.
    pub(super) fn secret(&self, setting: &Setting) -> Result<Option<SecretString>, ConfigError> {
        let name = format!("{}_FILE", setting.name);
        match (self.get(setting), self.named(&name)) {
            (Some(_), Some(_)) => Err(ConfigError {
                name,
                problem: format!("{} is set too", setting.name),
                example: format!("set one of {0} and {0}_FILE", setting.name),
            }),
            (Some(value), None) => Ok(Some(value.into())),
            (None, Some(file)) => secret_file(&name, &self.beside(file)).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// A setting as the console's page shows it: never a secret, and no part of one.
    pub(super) fn show(&self, setting: &Setting) -> SettingView {
        let by_file = setting.secret && self.named(&format!("{}_FILE", setting.name)).is_some();
        SettingView {
            name: setting.name.to_owned(),
            about: setting.about.to_owned(),
            value: self.get(setting).filter(|_| !setting.secret).map(str::to_owned),
            is_set: by_file || self.get(setting).is_some(),
            default: setting.default.to_owned(),
        }
    }

    /// What the person who set this up should know: settings that do nothing.
    pub(super) fn warnings(&self) -> Vec<String> {
        let known = |name: &str| {
            SETTINGS.iter().any(|setting| {
                name == setting.name || (setting.secret && name.strip_suffix("_FILE") == Some(setting.name))
            })
        };
        let unused = NOT_USED_YET
            .iter()
            .filter(|name| self.named(name).is_some())
            .map(|name| format!("{name} is set, and not used by this version"));
        let unknown = self
            .values
            .keys()
            .filter(|name| name.starts_with("PGSTEWARD_") && !known(name))
            .map(|name| format!("{name} is set, and no setting has this name; see docs/configuration.md"));
        unused.chain(unknown).collect()
    }
}

/// Reads a file with a secret; the line break at its end is not part of it.
///
/// # Errors
/// When it cannot be read, is empty, or everybody on this machine can read the signing key.
pub(super) fn secret_file(name: &str, path: &Path) -> Result<SecretString, ConfigError> {
    let error = |problem: String, example: String| ConfigError {
        name: name.to_owned(),
        problem,
        example,
    };
    let text = std::fs::read_to_string(path).map_err(|cause| {
        error(
            format!("{} cannot be read: {cause}", path.display()),
            format!(
                "{name}=/run/secrets/{}",
                name.trim_end_matches("_FILE").to_ascii_lowercase()
            ),
        )
    })?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.trim().is_empty() {
        return Err(error(
            format!("{} is empty", path.display()),
            "write the value into the file".to_owned(),
        ));
    }
    let mode = std::fs::metadata(path)
        .map(|found| found.permissions().mode())
        .unwrap_or_default();
    if name == "PGSTEWARD_JWT_SECRET_FILE" && mode & 0o007 != 0 {
        return Err(error(
            format!("everybody on this machine can read {}", path.display()),
            format!("chmod 600 {}", path.display()),
        ));
    }
    Ok(secret.into())
}

fn in_dotenv(path: &Path, error: &dotenvy::Error) -> ConfigError {
    // The parser's own text would echo the line, which may hold a password.
    let problem = match error {
        dotenvy::Error::LineParse(line, at) => {
            let name = line.split('=').next().unwrap_or_default().trim();
            format!("the line of {name} cannot be read from its character {at} on")
        }
        other => format!("it cannot be read: {other}"),
    };
    ConfigError {
        name: path.display().to_string(),
        problem,
        example: "one NAME=value a line; put values with spaces, quotes or # into single quotes".to_owned(),
    }
}
