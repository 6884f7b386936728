//! The list of settings: the one place that knows their names, defaults and examples.

/// One setting, by the name of its environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The variable.
    pub name: &'static str,
    /// What holds when it is not set, in words or as the value itself.
    pub default: &'static str,
    /// A value that would be right.
    pub example: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Whether it holds a secret. Then `<name>_FILE` may name a file with the value instead.
    pub secret: bool,
}

const fn plain(
    name: &'static str,
    default: &'static str,
    example: &'static str,
    about: &'static str,
) -> Setting {
    Setting {
        name,
        default,
        example,
        about,
        secret: false,
    }
}

const fn secret(
    name: &'static str,
    default: &'static str,
    example: &'static str,
    about: &'static str,
) -> Setting {
    Setting {
        name,
        default,
        example,
        about,
        secret: true,
    }
}

/// The managed database.
pub const DATABASE_URL: Setting = secret(
    "DATABASE_URL",
    "an embedded PostgreSQL in the data folder",
    "postgresql://steward:secret@db.example:5432/ai_pal?sslmode=require",
    "The managed database. SQLAlchemy's `postgresql+asyncpg://` form is understood.",
);
/// The managed server itself, behind a pooler.
pub const DIRECT_URL: Setting = secret(
    "DATABASE_DIRECT_URL",
    "the same as DATABASE_URL",
    "postgresql://steward:secret@db.example:5432/ai_pal",
    "The managed server's own address, where DATABASE_URL is that of a pooler such as PgBouncer: migrations, backups, imports and index builds need a session of their own.",
);
/// Standbys of the managed database.
pub const REPLICA_URLS: Setting = secret(
    "DATABASE_REPLICA_URLS",
    "none",
    "postgresql://steward:secret@replica.example:5432/ai_pal",
    "Standbys of the managed database, with commas between them: the first one that answers and is at most 10 s behind is asked for the sizes of tables in its place.",
);
/// The console's own database.
pub const STORE_URL: Setting = secret(
    "PGSTEWARD_STORE_URL",
    "a database `pgsteward` beside the first managed one",
    "postgresql://steward:secret@db.example:5432/pgsteward",
    "The console's own database, created when missing.",
);
/// The file with many managed databases.
pub const CONFIG: Setting = plain(
    "PGSTEWARD_CONFIG",
    "./pgsteward.toml, if there is one",
    "/etc/pgsteward/pgsteward.toml",
    "A file that names more managed databases.",
);
/// The size of the disk below the managed database.
pub const DISK_SIZE: Setting = plain(
    "PGSTEWARD_DISK_SIZE",
    "none",
    "500GB",
    "How large the disk is that the managed database lies on, as `500GB` (1 kB is 1,024 bytes): the chart of its size then tells when it would be full.",
);
/// The migrations of the database of `DATABASE_URL`.
pub const MIGRATIONS: Setting = plain(
    "PGSTEWARD_MIGRATIONS",
    "`ai_pal` for AI-PAL's database, else none",
    "./migrations",
    "The migrations of the database of `DATABASE_URL` (or the embedded one): a folder, `ai_pal` for the bundled ones, or `none`.",
);
/// The address to listen on.
pub const ADDR: Setting = plain(
    "PGSTEWARD_ADDR",
    "127.0.0.1:3000",
    "0.0.0.0:3000",
    "The address and port the console listens on.",
);
/// The data folder.
pub const DATA_DIR: Setting = plain(
    "PGSTEWARD_DATA_DIR",
    "./data",
    "/var/lib/pgsteward",
    "The console's folder: signing key, embedded PostgreSQL, backups by default.",
);
/// Where backups go.
pub const BACKUP_URL: Setting = plain(
    "PGSTEWARD_BACKUP_URL",
    "the folder `backups` in the data folder",
    "file:///srv/backups",
    "The folder for backups, as a path or as file:///….",
);
/// Files that may be imported.
pub const IMPORT_DIR: Setting = plain(
    "PGSTEWARD_IMPORT_DIR",
    "none",
    "/srv/sqlite",
    "A folder on the console's machine whose SQLite files can be imported from the browser.",
);
/// How large an upload may be.
pub const UPLOAD_LIMIT: Setting = plain(
    "PGSTEWARD_UPLOAD_LIMIT",
    "4GiB",
    "20GiB",
    "The largest file (SQLite, or an archive of pg_dump) that can be uploaded, in bytes or as `500MB` or `4GiB` (1 kB is 1,024 bytes); 0 turns uploads off.",
);
/// The signing key of sessions.
pub const JWT_SECRET: Setting = secret(
    "PGSTEWARD_JWT_SECRET",
    "made at the first start, kept in the data folder",
    "64 hexadecimal digits from `openssl rand -hex 32`",
    "The signing key of sessions, at least 32 bytes. Set it when several consoles share one store.",
);
/// The first administrator's password.
pub const ADMIN_PASSWORD: Setting = secret(
    "PGSTEWARD_ADMIN_PASSWORD",
    "a random one, printed once at the first start",
    "a long sentence that nobody guesses",
    "The password of the first administrator, `admin`. Later starts ignore it.",
);
/// Proxies that are believed.
pub const TRUSTED_PROXY: Setting = plain(
    "PGSTEWARD_TRUSTED_PROXY",
    "none",
    "10.0.0.5,10.0.0.6",
    "Addresses of proxies whose X-Forwarded-For, -Proto and -Host are believed.",
);
/// The format of the log.
pub const LOG_FORMAT: Setting = plain(
    "PGSTEWARD_LOG_FORMAT",
    "text",
    "json",
    "The form of the log on standard error: `text` or `json`.",
);
/// The filter of the log.
pub const LOG: Setting = plain(
    "RUST_LOG",
    "info",
    "info,engine=debug",
    "Which log lines are written.",
);
/// The folder of the browser's files.
pub const SITE_ROOT: Setting = plain(
    "LEPTOS_SITE_ROOT",
    "the folder `site` one above the program's own",
    "/usr/share/pgsteward/site",
    "The folder with the browser's files, as the build made it.",
);
/// PostgreSQL's programs.
pub const PG_BIN: Setting = plain(
    "PG_BIN",
    "found by pg_config, PATH, /usr/lib/postgresql/*/bin",
    "/usr/lib/postgresql/17/bin",
    "The folder with PostgreSQL's programs (pg_dump, pg_restore, initdb…).",
);
/// Connections that are kept.
pub const POOL_SIZE: Setting = plain(
    "DB_POOL_SIZE",
    "20",
    "20",
    "Connections to a managed database that are kept open.",
);
/// Connections beyond those.
pub const MAX_OVERFLOW: Setting = plain(
    "DB_MAX_OVERFLOW",
    "40",
    "40",
    "More connections that may be opened under load.",
);
/// Age of a connection.
pub const POOL_RECYCLE: Setting = plain(
    "DB_POOL_RECYCLE",
    "3600",
    "3600",
    "Seconds after which a connection is replaced.",
);
/// Numbers by name.
pub const POOL_PROFILE: Setting = plain(
    "DB_POOL_PROFILE",
    "standard",
    "high",
    "`low` (5 + 10), `standard` (20 + 40) or `high` (50 + 100); DB_POOL_SIZE and DB_MAX_OVERFLOW win over it.",
);
/// Logging of statements, in SQLAlchemy's word.
pub const ECHO: Setting = plain(
    "DB_ECHO",
    "false",
    "true",
    "Log every statement the console sends to a managed database, without values.",
);
/// Logging of statements.
pub const QUERY_LOGGING: Setting = plain("DB_QUERY_LOGGING", "false", "true", "The same as DB_ECHO.");
/// When a statement is slow.
pub const SLOW_QUERY: Setting = plain(
    "SLOW_QUERY_THRESHOLD_MS",
    "1000",
    "250",
    "Milliseconds after which one of the console's statements is logged as slow.",
);
/// How long a managed database may be silent.
pub const NETWORK_TIMEOUT: Setting = plain(
    "PGSTEWARD_NETWORK_TIMEOUT",
    "300",
    "120",
    "Seconds without anything from a managed database after which a job that waits for it ends.",
);
/// Where backups are restored for trial that no server of this machine can take.
pub const VERIFY_ON: Setting = plain(
    "PGSTEWARD_VERIFY_ON",
    "none: such backups are read back, and not restored for trial",
    "staging",
    "The managed database on whose server a backup is restored for trial, as a scratch database that is removed, when this machine has no server programs of its version.",
);
/// Where alarms are sent by e-mail.
pub const SMTP_URL: Setting = secret(
    "PGSTEWARD_SMTP_URL",
    "none",
    "smtps://steward:secret@mail.example:465",
    "The mail server that alarms go through: smtps, or smtp with STARTTLS (docs/configuration.md).",
);
/// The sender of alarms.
pub const MAIL_FROM: Setting = plain(
    "PGSTEWARD_MAIL_FROM",
    "none",
    "pgsteward@example.com",
    "The sender of alarms.",
);
/// Who gets alarms by e-mail.
pub const MAIL_TO: Setting = plain(
    "PGSTEWARD_MAIL_TO",
    "none",
    "ops@example.com,ada@example.com",
    "Who gets alarms by e-mail.",
);
/// An address that alarms are posted to.
pub const WEBHOOK_URL: Setting = secret(
    "PGSTEWARD_WEBHOOK_URL",
    "none",
    "https://hooks.slack.com/services/T000/B000/secret",
    "An address that alarms are posted to.",
);
/// What is posted there.
pub const WEBHOOK_FORM: Setting = plain(
    "PGSTEWARD_WEBHOOK_FORM",
    "`slack` for hooks.slack.com, `discord` for discord.com, else json",
    "slack",
    "What is posted there: `json`, `slack` (Mattermost takes it, too) or `discord`.",
);

/// Every setting, in the order of the documentation.
pub const SETTINGS: [Setting; 33] = [
    DATABASE_URL,
    DIRECT_URL,
    REPLICA_URLS,
    STORE_URL,
    CONFIG,
    DISK_SIZE,
    MIGRATIONS,
    ADDR,
    DATA_DIR,
    BACKUP_URL,
    IMPORT_DIR,
    UPLOAD_LIMIT,
    JWT_SECRET,
    ADMIN_PASSWORD,
    TRUSTED_PROXY,
    POOL_SIZE,
    MAX_OVERFLOW,
    POOL_RECYCLE,
    POOL_PROFILE,
    ECHO,
    QUERY_LOGGING,
    SLOW_QUERY,
    NETWORK_TIMEOUT,
    VERIFY_ON,
    SMTP_URL,
    MAIL_FROM,
    MAIL_TO,
    WEBHOOK_URL,
    WEBHOOK_FORM,
    PG_BIN,
    SITE_ROOT,
    LOG,
    LOG_FORMAT,
];

/// Settings that other programs on the same `.env` use and this version does not.
pub const NOT_USED_YET: [&str; 1] = ["REDIS_URL"];
