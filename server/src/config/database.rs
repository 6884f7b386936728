//! Managed databases and their pools, from variables and from `pgsteward.toml`.

use std::{path::Path, time::Duration};

use engine::{
    config::{MigrationSource, PoolConfig, TargetConfig},
    target::url::{self, DatabaseUrl},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    setting::{
        DATABASE_URL, DIRECT_URL, DISK_SIZE, MAX_OVERFLOW, MIGRATIONS, POOL_PROFILE, POOL_RECYCLE, POOL_SIZE,
        REPLICA_URLS, Setting,
    },
    source::{Source, secret_file},
    value::{ConfigError, as_target_name, number, size, target_name},
};

/// The most connections of one kind; PostgreSQL itself rarely bears more.
const MOST: u32 = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "target")]
    targets: Vec<Entry>,
}

/// One `[[target]]` of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    url: Option<String>,
    url_env: Option<String>,
    url_file: Option<String>,
    direct_url: Option<String>,
    direct_url_env: Option<String>,
    direct_url_file: Option<String>,
    password_env: Option<String>,
    password_file: Option<String>,
    migrations: Option<String>,
    pool_profile: Option<String>,
    pool_size: Option<u32>,
    max_overflow: Option<u32>,
    pool_recycle: Option<u64>,
    disk_size: Option<String>,
    replica_urls: Option<Vec<String>>,
    replica_urls_env: Option<String>,
}

/// The pool settings of the environment; a file's entry may change them for itself.
pub(super) fn pool(source: &Source) -> Result<PoolConfig, ConfigError> {
    let profile = source.read(&POOL_PROFILE, |text| {
        profile(text).map(|numbers| (text.to_owned(), numbers))
    })?;
    let size = source.read(&POOL_SIZE, |text| number(text, 1, MOST))?;
    let overflow = source.read(&MAX_OVERFLOW, |text| number(text, 0, MOST))?;
    let recycle = source.read(&POOL_RECYCLE, |text| number(text, 1, u64::from(u32::MAX)))?;
    let (name, numbers) = profile.unwrap_or_else(|| ("standard".to_owned(), (20, 40)));
    Ok(PoolConfig {
        size: size.unwrap_or(numbers.0),
        overflow: overflow.unwrap_or(numbers.1),
        recycle: Duration::from_secs(recycle.unwrap_or(3600)),
        profile: if size.is_some() || overflow.is_some() {
            "custom".to_owned()
        } else {
            name
        },
    })
}

fn profile(text: &str) -> Result<(u32, u32), String> {
    match text {
        "low" => Ok((5, 10)),
        "standard" => Ok((20, 40)),
        "high" => Ok((50, 100)),
        other => Err(format!("\"{other}\" is no profile; use low, standard or high")),
    }
}

/// A set of migrations by its name or folder.
fn migrations(text: &str, folder: &Path) -> Result<MigrationSource, String> {
    match text {
        "none" => Ok(MigrationSource::None),
        "ai_pal" => Ok(MigrationSource::AiPal),
        other if folder.join(other).is_dir() => Ok(MigrationSource::Folder(folder.join(other))),
        other => Err(format!("\"{other}\" is neither ai_pal, nor none, nor a folder")),
    }
}

/// The migrations that the environment chooses for the database of `DATABASE_URL` or the embedded one.
pub(super) fn chosen_migrations(source: &Source) -> Result<Option<MigrationSource>, ConfigError> {
    source.read(&MIGRATIONS, |text| migrations(text, &source.beside("")))
}

/// Reads the URL that a variable holds.
pub(super) fn url_of(source: &Source, setting: &Setting) -> Result<Option<DatabaseUrl>, ConfigError> {
    let Some(text) = source.secret(setting)? else {
        return Ok(None);
    };
    read_url(&text)
        .map(Some)
        .map_err(|problem| ConfigError::of(setting, problem))
}

/// Reads a URL, and looks whether the files it names are there.
fn read_url(text: &SecretString) -> Result<DatabaseUrl, String> {
    let url = url::parse(text.expose_secret())?;
    url.link.check()?;
    Ok(url)
}

/// The URLs of replicas. One that names no database leads to the managed one's, as the primary's does.
fn replicas<'a>(texts: impl Iterator<Item = &'a str>, database: &str) -> Result<Vec<DatabaseUrl>, String> {
    texts
        .filter(|text| !text.is_empty())
        .map(|text| {
            let mut url = read_url(&SecretString::from(text))?;
            if url.options.get_database().is_none() {
                url.options = url.options.database(database);
            }
            Ok(url)
        })
        .collect()
}

/// The target that `DATABASE_URL` names, called like the database itself.
pub(super) fn from_variable(source: &Source, pool: &PoolConfig) -> Result<Option<TargetConfig>, ConfigError> {
    let Some(url) = url_of(source, &DATABASE_URL)? else {
        for beside in [&DIRECT_URL, &REPLICA_URLS] {
            if source.secret(beside)?.is_some() {
                return Err(ConfigError::of(
                    beside,
                    "DATABASE_URL, to which it belongs, is not set",
                ));
            }
        }
        return Ok(None);
    };
    let Some(database) = url.options.get_database() else {
        return Err(ConfigError::of(
            &DATABASE_URL,
            "it names no database after the host",
        ));
    };
    let replicas = source.secret(&REPLICA_URLS)?.map(|text| {
        let texts = text.expose_secret().split(',').map(str::trim);
        replicas(texts, database).map_err(|problem| ConfigError::of(&REPLICA_URLS, problem))
    });
    Ok(Some(TargetConfig {
        replicas: replicas.transpose()?.unwrap_or_default(),
        name: as_target_name(database),
        options: url.options,
        password: url.password,
        link: url.link,
        direct: url_of(source, &DIRECT_URL)?,
        migrations: chosen_migrations(source)?.unwrap_or(MigrationSource::Unchosen),
        pool: pool.clone(),
        disk_bytes: source.read(&DISK_SIZE, size)?,
    }))
}

/// The targets of a file.
pub(super) fn from_file(
    source: &Source,
    path: &Path,
    pool: &PoolConfig,
) -> Result<Vec<TargetConfig>, ConfigError> {
    let wrong = |place: &str, problem: String, example: &str| ConfigError {
        name: format!("{}{place}", path.display()),
        problem,
        example: example.to_owned(),
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        wrong(
            "",
            format!("it cannot be read: {error}"),
            "PGSTEWARD_CONFIG=/etc/pgsteward/pgsteward.toml",
        )
    })?;
    let file: File = toml::from_str(&text).map_err(|error| {
        // The parser's own Display shows the line, which may hold a password.
        let line = error.span().map_or(1, |span| {
            text[..span.start.min(text.len())].lines().count().max(1)
        });
        wrong(
            &format!(" (near line {line})"),
            error.message().to_owned(),
            "see \"Many databases\" in docs/configuration.md",
        )
    })?;
    if file.targets.is_empty() {
        return Err(wrong(
            "",
            "it names no database".into(),
            "[[target]] with name = \"orders\" and url_env = \"ORDERS_URL\"",
        ));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    file.targets
        .into_iter()
        .map(|entry| entry.read(source, path, folder, pool))
        .collect()
}

impl Entry {
    fn read(
        self,
        source: &Source,
        path: &Path,
        folder: &Path,
        pool: &PoolConfig,
    ) -> Result<TargetConfig, ConfigError> {
        let wrong = |field: &str, problem: String, example: &str| ConfigError {
            name: format!("{}, target \"{}\", {field}", path.display(), self.name),
            problem,
            example: example.to_owned(),
        };
        target_name(&self.name).map_err(|problem| wrong("name", problem, "name = \"orders\""))?;
        let variable = |field: &str, name: &str| {
            let value = source.named(name).map(SecretString::from);
            value.ok_or_else(|| {
                wrong(
                    field,
                    format!("the variable {name} is not set"),
                    &format!("{name}=…"),
                )
            })
        };
        let example = "url = \"postgresql://steward@db.example:5432/orders\"";
        let read = |field: &str, [url, env, file]: [&Option<String>; 3]| {
            let text = match (url, env, file) {
                (None, None, None) => return Ok(None),
                (Some(url), None, None) => SecretString::from(url.as_str()),
                (None, Some(name), None) => variable(&format!("{field}_env"), name)?,
                (None, None, Some(file)) => secret_file(
                    &wrong(&format!("{field}_file"), String::new(), "").name,
                    &folder.join(file),
                )?,
                _ => {
                    let problem = format!("give exactly one of {field}, {field}_env and {field}_file");
                    return Err(wrong(field, problem, example));
                }
            };
            read_url(&text)
                .map(Some)
                .map_err(|problem| wrong(field, problem, example))
        };
        let url = read("url", [&self.url, &self.url_env, &self.url_file])?;
        let Some(DatabaseUrl {
            mut options,
            mut password,
            link,
        }) = url
        else {
            let problem = "give exactly one of url, url_env and url_file".to_owned();
            return Err(wrong("url", problem, example));
        };
        let mut direct = read(
            "direct_url",
            [&self.direct_url, &self.direct_url_env, &self.direct_url_file],
        )?;
        let apart = match (&self.password_env, &self.password_file) {
            (None, None) => None,
            (Some(name), None) => Some(variable("password_env", name)?),
            (None, Some(file)) => Some(secret_file(
                &wrong("password_file", String::new(), "").name,
                &folder.join(file),
            )?),
            (Some(_), Some(_)) => {
                return Err(wrong(
                    "password_env",
                    "password_file is set too".into(),
                    "keep one of the two",
                ));
            }
        };
        let apart_given = apart.is_some();
        if let Some(apart) = apart {
            options = options.password(apart.expose_secret());
            if let Some(direct) = direct.as_mut().filter(|direct| direct.password.is_none()) {
                direct.options = direct.options.clone().password(apart.expose_secret());
                direct.password = Some(apart.clone());
            }
            password = Some(apart);
        }
        let Some(database) = options.get_database() else {
            return Err(wrong(
                "url",
                "it names no database after the host".into(),
                "postgresql://db.example/orders",
            ));
        };
        let listed = match (&self.replica_urls, &self.replica_urls_env) {
            (Some(_), Some(_)) => {
                return Err(wrong(
                    "replica_urls_env",
                    "replica_urls is set too".into(),
                    "keep one of the two",
                ));
            }
            (Some(urls), None) => urls.clone(),
            (None, Some(name)) => {
                let text = variable("replica_urls_env", name)?;
                let texts = text.expose_secret().split(',').map(|text| text.trim().to_owned());
                texts.collect()
            }
            (None, None) => Vec::new(),
        };
        let mut replicas = replicas(listed.iter().map(String::as_str), database).map_err(|problem| {
            wrong(
                "replica_urls",
                problem,
                "replica_urls = [\"postgresql://steward@replica.example:5432/orders\"]",
            )
        })?;
        // The password that stands apart is the user's, who is the same on a standby.
        if let Some(password) = password.as_ref().filter(|_| apart_given) {
            for replica in replicas.iter_mut().filter(|replica| replica.password.is_none()) {
                replica.options = replica.options.clone().password(password.expose_secret());
                replica.password = Some(password.clone());
            }
        }
        let migrations = match &self.migrations {
            None => MigrationSource::Unchosen,
            Some(text) => migrations(text, folder)
                .map_err(|problem| wrong("migrations", problem, "migrations = \"./migrations\""))?,
        };
        let pool = self
            .pool(pool)
            .map_err(|(field, problem)| wrong(field, problem, "pool_profile = \"high\""))?;
        let disk = self.disk_size.as_deref().map(size).transpose();
        let disk_bytes = disk.map_err(|problem| wrong("disk_size", problem, "disk_size = \"500GB\""))?;
        Ok(TargetConfig {
            name: self.name,
            options,
            password,
            link,
            direct,
            replicas,
            migrations,
            pool,
            disk_bytes,
        })
    }

    fn pool(&self, general: &PoolConfig) -> Result<PoolConfig, (&'static str, String)> {
        let mut pool = general.clone();
        if let Some(name) = &self.pool_profile {
            (pool.size, pool.overflow) = profile(name).map_err(|problem| ("pool_profile", problem))?;
            pool.profile.clone_from(name);
        }
        if self.pool_size.is_some() || self.max_overflow.is_some() {
            pool.size = self.pool_size.unwrap_or(pool.size);
            pool.overflow = self.max_overflow.unwrap_or(pool.overflow);
            pool.profile = "custom".to_owned();
        }
        if pool.size == 0 || pool.size > MOST || pool.overflow > MOST {
            return Err((
                "pool_size",
                format!("pool_size must be 1 to {MOST}, max_overflow 0 to {MOST}"),
            ));
        }
        match self.pool_recycle {
            Some(0) => Err(("pool_recycle", "it must be at least 1 second".to_owned())),
            Some(seconds) => Ok(PoolConfig {
                recycle: Duration::from_secs(seconds),
                ..pool
            }),
            None => Ok(pool),
        }
    }
}
