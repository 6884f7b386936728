//! What the console is told at its start. The only place that reads environment variables.
//!
//! Values come from the environment, then from `.env` in the working folder, then from `pgsteward.toml`. A value that
//! cannot be used ends the process: a console that guesses is worse than one that says what to correct.

mod database;
mod setting;
mod source;
#[cfg(test)]
mod tests;
mod value;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use contract::console::SettingView;
use engine::{
    EngineConfig,
    config::{
        About, AlarmConfig, MailConfig, MigrationSource, PoolConfig, QueryLog, TargetConfig, WebhookConfig,
        WebhookForm,
    },
    target::url::DatabaseUrl,
};
use secrecy::{ExposeSecret, SecretString};

pub use setting::{MAIL_FROM, MAIL_TO, SETTINGS, SMTP_URL, Setting, WEBHOOK_FORM, WEBHOOK_URL};
pub use source::Source;
pub use value::ConfigError;

use setting::{
    ADDR, ADMIN_PASSWORD, BACKUP_URL, CONFIG, DATA_DIR, DISK_SIZE, ECHO, IMPORT_DIR, JWT_SECRET, LOG,
    LOG_FORMAT, NETWORK_TIMEOUT, PG_BIN, QUERY_LOGGING, SITE_ROOT, SLOW_QUERY, STORE_URL, TRUSTED_PROXY,
    UPLOAD_LIMIT, VERIFY_ON,
};

/// Connections to the store, for requests, events and the runner of one process.
const STORE_CONNECTIONS: u32 = 16;
/// The largest upload, in bytes, unless something else is set.
const UPLOAD: i64 = 4 << 30;

/// Seconds of silence after which a job ends, unless something else is set. Longer than a firewall or a failover takes, and
/// than pg_dump thinks between two words.
const SILENCE: u64 = 300;

/// Everything the process is told, checked. Paths are absolute, since the process may leave its folder.
pub struct Settings {
    /// Where to listen.
    pub addr: SocketAddr,
    /// The console's folder.
    pub data_dir: PathBuf,
    /// Where backups are stored.
    pub backup_dir: PathBuf,
    /// The folder whose SQLite files may be imported.
    pub import_dir: Option<PathBuf>,
    /// The most bytes of an upload; 0 turns them off.
    pub upload_limit: i64,
    /// The folder with the browser's files.
    pub site_root: PathBuf,
    /// Proxies whose word counts.
    pub trusted_proxies: Vec<IpAddr>,
    /// The first administrator's password, when it is not to be a random one.
    pub admin_password: Option<SecretString>,
    /// The signing key, when it is not the file in the data folder.
    pub jwt_secret: Option<SecretString>,
    /// Where to look first for PostgreSQL's programs.
    pub pg_bin: Option<PathBuf>,
    /// The store; `None` asks for the embedded PostgreSQL.
    pub store: Option<DatabaseUrl>,
    /// The managed databases; none with the embedded PostgreSQL, which brings its own.
    pub targets: Vec<TargetConfig>,
    /// The migrations of the embedded PostgreSQL's database, when they are not AI-PAL's.
    pub migrations: Option<MigrationSource>,
    /// The size of the disk below the embedded PostgreSQL or the database of `DATABASE_URL`.
    pub disk_bytes: Option<i64>,
    /// The pool of a target that says nothing else.
    pub pool: PoolConfig,
    /// How the console's own queries are logged.
    pub query_log: QueryLog,
    /// How long nothing may come from a managed database before a job that waits for it ends.
    pub network_timeout: Duration,
    /// Who is told when backups fail.
    pub alarms: AlarmConfig,
    /// The managed database on whose server backups are restored for trial that no server of this machine can take.
    pub verify_on: Option<String>,
    /// Which log lines are written.
    pub log_filter: Option<String>,
    /// Whether the log is written as JSON.
    pub log_json: bool,
    /// What the person who set this up should know.
    pub warnings: Vec<String>,
    /// Every setting as it may be shown.
    pub shown: Vec<SettingView>,
}

impl Settings {
    /// Reads this process's environment and folder.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn from_process() -> Result<Self, ConfigError> {
        let folder = std::env::current_dir().map_err(|error| ConfigError {
            name: "working folder".to_owned(),
            problem: format!("it cannot be entered: {error}"),
            example: "start pgsteward in a folder that exists".to_owned(),
        })?;
        Self::read(&Source::new(environment(), &folder)?)
    }

    /// Checks the values of a source.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn read(source: &Source) -> Result<Self, ConfigError> {
        let data_dir = source.path(&DATA_DIR).unwrap_or_else(|| source.beside("data"));
        let pool = database::pool(source)?;
        let targets = targets(source, &pool)?;
        let store = match database::url_of(source, &STORE_URL)? {
            Some(url) => Some(url),
            None => targets.first().map(store_beside),
        };
        let every = switch(source, &ECHO)? || switch(source, &QUERY_LOGGING)?;
        let slow = source.read(&SLOW_QUERY, |text| value::number(text, 0, u64::from(u32::MAX)))?;
        let backup_dir = source.read(&BACKUP_URL, backup_folder)?;
        Ok(Self {
            disk_bytes: source.read(&DISK_SIZE, value::size)?,
            addr: source
                .read(&ADDR, address)?
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 3000))),
            backup_dir: backup_dir.map_or_else(|| data_dir.join("backups"), |folder| source.beside(folder)),
            site_root: source.path(&SITE_ROOT).unwrap_or_else(|| beside_program(source)),
            trusted_proxies: source.read(&TRUSTED_PROXY, value::addresses)?.unwrap_or_default(),
            admin_password: source.secret(&ADMIN_PASSWORD)?,
            jwt_secret: source.secret(&JWT_SECRET)?,
            import_dir: folder(source, &IMPORT_DIR)?,
            upload_limit: source.read(&UPLOAD_LIMIT, value::bytes)?.unwrap_or(UPLOAD),
            pg_bin: folder(source, &PG_BIN)?,
            query_log: QueryLog {
                every,
                slow: Duration::from_millis(slow.unwrap_or(1000)),
            },
            network_timeout: Duration::from_secs(
                source
                    .read(&NETWORK_TIMEOUT, |text| value::number(text, 10, 86_400))?
                    .unwrap_or(SILENCE),
            ),
            alarms: alarms(source)?,
            verify_on: verify_on(source, &targets)?,
            log_filter: source.get(&LOG).map(str::to_owned),
            log_json: source.read(&LOG_FORMAT, log_format)?.unwrap_or(false),
            warnings: source.warnings(),
            migrations: database::chosen_migrations(source)?,
            shown: SETTINGS.iter().map(|setting| source.show(setting)).collect(),
            data_dir,
            store,
            targets,
            pool,
        })
    }

    /// What the engine is told, with the store and the targets that hold now.
    pub fn engine(&self, store: DatabaseUrl, targets: Vec<TargetConfig>, works: bool) -> EngineConfig {
        EngineConfig {
            store: store.options,
            store_connections: STORE_CONNECTIONS,
            targets,
            data_dir: self.data_dir.clone(),
            backup_dir: self.backup_dir.clone(),
            import_dir: self.import_dir.clone(),
            upload_limit: self.upload_limit,
            pg_bin: self.pg_bin.clone(),
            jwt_secret: self.jwt_secret.clone(),
            works,
            query_log: self.query_log,
            about: About {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                build: format!(
                    "{} for {} on {}",
                    if cfg!(debug_assertions) {
                        "debug"
                    } else {
                        "release"
                    },
                    std::env::consts::OS,
                    std::env::consts::ARCH
                ),
                settings: self.shown.clone(),
                warnings: self.warnings.clone(),
            },
            network_timeout: self.network_timeout,
            alarms: self.alarms.clone(),
            verify_on: self.verify_on.clone(),
        }
    }
}

/// The process's variables. A name or value that is not UTF-8 is none of ours.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn targets(source: &Source, pool: &PoolConfig) -> Result<Vec<TargetConfig>, ConfigError> {
    let mut targets: Vec<TargetConfig> = database::from_variable(source, pool)?.into_iter().collect();
    let file = match source.path(&CONFIG) {
        Some(named) => Some(named),
        None => Some(source.beside("pgsteward.toml")).filter(|usual| usual.exists()),
    };
    if let Some(path) = file {
        targets.extend(database::from_file(source, &path, pool)?);
    }
    for (index, target) in targets.iter().enumerate() {
        if targets[..index].iter().any(|earlier| earlier.name == target.name) {
            return Err(ConfigError {
                name: format!("target \"{}\"", target.name),
                problem: "two managed databases have this name".to_owned(),
                example: "rename one of them in pgsteward.toml (DATABASE_URL's is called like its database)"
                    .to_owned(),
            });
        }
    }
    Ok(targets)
}

/// The store beside a managed database; beside one that is itself called `pgsteward` it gets another name.
fn store_beside(target: &TargetConfig) -> DatabaseUrl {
    let name = if target.options.get_database() == Some("pgsteward") {
        "pgsteward_store"
    } else {
        "pgsteward"
    };
    DatabaseUrl {
        options: target.options.clone().database(name),
        password: target.password.clone(),
        link: target.link.clone(),
    }
}

fn alarms(source: &Source) -> Result<AlarmConfig, ConfigError> {
    let from = source.get(&MAIL_FROM).map(str::to_owned);
    let to: Vec<String> = source
        .get(&MAIL_TO)
        .into_iter()
        .flat_map(|text| text.split(','))
        .map(|to| to.trim().to_owned())
        .filter(|to| !to.is_empty())
        .collect();
    let mail = match source.secret(&SMTP_URL)? {
        None => None,
        Some(url) => {
            let Some(from) = from else {
                return Err(ConfigError::of(
                    &MAIL_FROM,
                    "it is needed with PGSTEWARD_SMTP_URL".to_owned(),
                ));
            };
            if to.is_empty() {
                return Err(ConfigError::of(
                    &MAIL_TO,
                    "it is needed with PGSTEWARD_SMTP_URL".to_owned(),
                ));
            }
            let mail = MailConfig { url, from, to };
            engine::alarm::check_mail(&mail).map_err(|problem| ConfigError::of(&SMTP_URL, problem))?;
            Some(mail)
        }
    };
    let form = source.read(&WEBHOOK_FORM, webhook_form)?;
    let webhook = match source.secret(&WEBHOOK_URL)? {
        None => None,
        Some(url) => {
            let parsed = url::Url::parse(url.expose_secret())
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            let Some(parsed) = parsed else {
                return Err(ConfigError::of(
                    &WEBHOOK_URL,
                    "it is no http or https address".to_owned(),
                ));
            };
            let form = form.unwrap_or(match parsed.host_str() {
                Some("hooks.slack.com") => WebhookForm::Slack,
                Some("discord.com" | "discordapp.com") => WebhookForm::Discord,
                _ => WebhookForm::Json,
            });
            Some(WebhookConfig { url, form })
        }
    };
    Ok(AlarmConfig { mail, webhook })
}

/// It is one of the managed databases, as far as they are known before the embedded PostgreSQL brings its own.
fn verify_on(source: &Source, targets: &[TargetConfig]) -> Result<Option<String>, ConfigError> {
    source.read(&VERIFY_ON, |name| {
        match targets.is_empty() || targets.iter().any(|target| target.name == name) {
            true => Ok(name.to_owned()),
            false => Err(format!("no managed database is called \"{name}\"")),
        }
    })
}

fn webhook_form(text: &str) -> Result<WebhookForm, String> {
    match text {
        "json" => Ok(WebhookForm::Json),
        "slack" => Ok(WebhookForm::Slack),
        "discord" => Ok(WebhookForm::Discord),
        other => Err(format!("\"{other}\" is none of json, slack and discord")),
    }
}

fn switch(source: &Source, setting: &Setting) -> Result<bool, ConfigError> {
    Ok(source.read(setting, value::switch)?.unwrap_or(false))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.trim().strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.trim().to_owned(),
    };
    numeric
        .parse()
        .map_err(|_| format!("\"{text}\" is no address with a port"))
}

fn log_format(text: &str) -> Result<bool, String> {
    match text {
        "text" => Ok(false),
        "json" => Ok(true),
        other => Err(format!("\"{other}\" is neither text nor json")),
    }
}

fn backup_folder(text: &str) -> Result<PathBuf, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(PathBuf::from(text));
    };
    if scheme != "file" {
        return Err(format!(
            "backups to {scheme}:// are not supported by this version, only folders are"
        ));
    }
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    url.to_file_path()
        .map_err(|()| format!("\"{rest}\" is no absolute path; write file:///folder"))
}

/// A folder that is there.
fn folder(source: &Source, setting: &Setting) -> Result<Option<PathBuf>, ConfigError> {
    let Some(folder) = source.path(setting) else {
        return Ok(None);
    };
    if folder.is_dir() {
        return Ok(Some(folder));
    }
    Err(ConfigError::of(
        setting,
        format!("{} is no folder", folder.display()),
    ))
}

/// `<program>/../site`: where a packaged build has it, and `target/site` while developing.
fn beside_program(source: &Source) -> PathBuf {
    let program = std::env::current_exe().ok();
    let top = program.as_deref().and_then(Path::parent).and_then(Path::parent);
    top.map_or_else(|| source.beside("site"), |top| top.join("site"))
}
