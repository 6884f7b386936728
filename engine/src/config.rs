//! What the engine needs to know to open; read by the server from its environment and files.

use std::{path::PathBuf, time::Duration};

use contract::{alarm::Channel, console::SettingView};
use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;

use crate::target::url::{DatabaseUrl, Link};

/// Everything the engine is told. There is no default: the caller has more context.
#[derive(Clone)]
pub struct EngineConfig {
    /// How to reach the console's own database; it is created when missing.
    pub store: PgConnectOptions,
    /// The most connections to the store.
    pub store_connections: u32,
    /// The managed databases, in the order of the switcher.
    pub targets: Vec<TargetConfig>,
    /// The console's folder: key, embedded cluster, backups by default.
    pub data_dir: PathBuf,
    /// Where backups are stored.
    pub backup_dir: PathBuf,
    /// The folder whose SQLite files may be imported; none when there is no such folder.
    pub import_dir: Option<PathBuf>,
    /// The most bytes that an upload may have; 0 when there are no uploads.
    pub upload_limit: i64,
    /// Where to look first for PostgreSQL's programs.
    pub pg_bin: Option<PathBuf>,
    /// The signing key of session tokens, when it is not the file in the data folder.
    pub jwt_secret: Option<SecretString>,
    /// Whether this process takes jobs from the queue. A command that only reads does not.
    pub works: bool,
    /// How the console's own queries are logged.
    pub query_log: QueryLog,
    /// What the console is, for the page that shows it.
    pub about: About,
    /// How long nothing may come from a managed database before the job that waits for it is ended.
    pub network_timeout: Duration,
    /// Who is told when backups fail.
    pub alarms: AlarmConfig,
    /// The managed database on whose server a backup is restored for trial when this machine has no server of its version.
    pub verify_on: Option<String>,
}

/// Who is told when backups fail. Whoever sets up the console says so, and nobody else: the console sends where this leads.
#[derive(Clone, Default)]
pub struct AlarmConfig {
    /// E-mail.
    pub mail: Option<MailConfig>,
    /// A webhook.
    pub webhook: Option<WebhookConfig>,
}

impl AlarmConfig {
    /// The channels that are set up.
    pub fn channels(&self) -> impl Iterator<Item = Channel> {
        let mail = self.mail.as_ref().map(|_| Channel::Mail);
        mail.into_iter()
            .chain(self.webhook.as_ref().map(|_| Channel::Webhook))
    }
}

/// E-mail.
#[derive(Clone)]
pub struct MailConfig {
    /// The mail server: `smtps://user:password@host:465`, or `smtp://…` with `?tls=required` for STARTTLS.
    pub url: SecretString,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
}

/// A webhook.
#[derive(Clone)]
pub struct WebhookConfig {
    /// Where it leads. Its path is a secret.
    pub url: SecretString,
    /// What is sent there.
    pub form: WebhookForm,
}

/// What is sent to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookForm {
    /// Every value by its name.
    Json,
    /// A text as Slack, Mattermost and others take it.
    Slack,
    /// A text as Discord takes it.
    Discord,
}

/// The program and what it was told, without secrets.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The program's version.
    pub version: String,
    /// How it was built.
    pub build: String,
    /// Every setting.
    pub settings: Vec<SettingView>,
    /// What the person who set it up should know.
    pub warnings: Vec<String>,
}

/// How the console's own queries are logged.
#[derive(Clone, Copy, Debug)]
pub struct QueryLog {
    /// Log each statement, without its values (`DB_ECHO` or `DB_QUERY_LOGGING`).
    pub every: bool,
    /// Warn about statements that take longer (`SLOW_QUERY_THRESHOLD_MS`).
    pub slow: Duration,
}

/// One managed database.
#[derive(Clone)]
pub struct TargetConfig {
    /// The name in links and commands.
    pub name: String,
    /// How to reach it. Holds the password, and prints it in `Debug`: never print this.
    pub options: PgConnectOptions,
    /// The password again, for the client tools, which take it from a file.
    pub password: Option<SecretString>,
    /// What else its URL says of the way to it.
    pub link: Link,
    /// The server's own address, where the other one is a pooler's: for jobs, which need a session of their own.
    pub direct: Option<DatabaseUrl>,
    /// Standbys of it, which are asked for sizes in its place.
    pub replicas: Vec<DatabaseUrl>,
    /// Which migrations and indexes belong to it.
    pub migrations: MigrationSource,
    /// Its pool.
    pub pool: PoolConfig,
    /// How large the disk is that it lies on, in bytes, where somebody said so: PostgreSQL tells nobody.
    pub disk_bytes: Option<i64>,
}

/// Where a managed database's migrations come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrationSource {
    /// The bundled AI-PAL schema with its guide's indexes.
    AiPal,
    /// A folder of `<version>_<description>.sql` files.
    Folder(PathBuf),
    /// None.
    None,
    /// Nobody chose: AI-PAL's where the database is AI-PAL's, else none.
    Unchosen,
}

/// Pool settings in the guide's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Connections that are kept (`DB_POOL_SIZE`).
    pub size: u32,
    /// More that may be opened under load and are closed after use (`DB_MAX_OVERFLOW`).
    pub overflow: u32,
    /// Age at which a connection is replaced (`DB_POOL_RECYCLE`).
    pub recycle: Duration,
    /// `low`, `standard`, `high` or `custom`.
    pub profile: String,
}
