//! How the client tools reach a managed database: a connection string without secrets, and files that only this user
//! can read for the secrets.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use uuid::Uuid;

use crate::{
    Error, Result,
    target::{Target, url},
};

/// Seconds for a tool's connection, where the URL does not say.
const CONNECT_TIMEOUT: u64 = 10;

/// Where systems keep the authorities they trust, for `verify-ca` and `verify-full` without `sslrootcert`: the console's
/// own connections trust the public authorities then, and the tools must do the same.
const AUTHORITIES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// How to reach one managed database during one job. The files with secrets are gone when this is.
pub(super) struct Reach {
    connection: String,
    /// The same for the other role.
    as_login: Option<String>,
    /// The same to whatever database the tool itself names.
    server: String,
    database: String,
    passfile: Option<PathBuf>,
    secrets: Secrets,
}

/// Another database of the same server, and another role that goes there.
pub(super) struct Beside<'a> {
    pub database: &'a str,
    pub login: Option<(&'a str, &'a SecretString)>,
}

/// A folder for secrets that is removed when dropped.
struct Secrets(PathBuf);

impl Drop for Secrets {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The folder that holds one job's secrets while its tools run.
pub(super) fn secrets_folder(data_dir: &Path, job: Uuid) -> PathBuf {
    data_dir.join("tool-secrets").join(job.to_string())
}

impl Reach {
    /// Writes down what the tools need. `application` is what `pg_stat_activity` will show.
    ///
    /// # Errors
    /// `Invalid` for a password that libpq's password file cannot carry; `Io`.
    pub(super) fn new(
        target: &Target,
        data_dir: &Path,
        job: Uuid,
        application: &str,
        network_timeout: Duration,
    ) -> Result<Self> {
        Self::beside(target, data_dir, job, application, network_timeout, None)
    }

    /// The same to another database of the same server, and for another role as well.
    ///
    /// # Errors
    /// As `new`.
    pub(super) fn beside(
        target: &Target,
        data_dir: &Path,
        job: Uuid,
        application: &str,
        network_timeout: Duration,
        other: Option<Beside<'_>>,
    ) -> Result<Self> {
        let (options, password, link) = target.session_address();
        let folder = secrets_folder(data_dir, job);
        let writing = || "writing the password file for pg_dump".to_owned();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(Error::io(writing()))?;
        let secrets = Secrets(folder);
        let password = password.cloned().or_else(|| kept(options));
        let login = other.as_ref().and_then(|other| other.login);
        let mut lines = String::new();
        // The first line that fits is taken.
        if let Some((role, password)) = login {
            lines.push_str(passfile_line(target, role, password)?.expose_secret());
        }
        if let Some(password) = &password {
            lines.push_str(passfile_line(target, "*", password)?.expose_secret());
        }
        let lines = SecretString::from(lines);
        let passfile = match lines.expose_secret() {
            "" => None,
            lines => Some(secrets.write("pgpass", lines)?),
        };

        let timeout = link
            .connect_timeout
            .map_or(CONNECT_TIMEOUT, |given| given.as_secs());
        let mut parts = vec![
            (
                "host",
                match options.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => options.get_host().to_owned(),
                },
            ),
            ("port", options.get_port().to_string()),
            ("application_name", application.to_owned()),
            ("connect_timeout", timeout.to_string()),
        ];
        let mode = link
            .get("sslmode")
            .unwrap_or_else(|| url::name_of(options.get_ssl_mode()));
        parts.push(("sslmode", mode.to_owned()));
        // Before what the URL says: libpq takes the last of two.
        parts.extend(keepalives(network_timeout));
        let given = link
            .parameters()
            .filter(|(name, value)| *name != "sslmode" && *value != url::SYSTEM);
        parts.extend(given.map(|(name, value)| (name, value.to_owned())));
        // Not every pg_dump knows the word for the public authorities, but each reads the file in which they are.
        if matches!(mode, "verify-ca" | "verify-full")
            && link.get("sslrootcert").is_none_or(|root| root == url::SYSTEM)
            && let Some(system) = AUTHORITIES.into_iter().find(|path| Path::new(path).is_file())
        {
            parts.push(("sslrootcert", system.to_owned()));
        }
        if let Some(settings) = options.get_options() {
            parts.push(("options", settings.to_owned()));
        }
        let server_as = |user: &str| {
            std::iter::once(("user", user.to_owned()))
                .chain(parts.iter().cloned())
                .map(|(name, value)| format!("{name}={}", conninfo(&value)))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let server = server_as(options.get_username());
        let name = match &other {
            Some(other) => other.database,
            None => options.get_database().unwrap_or_else(|| options.get_username()),
        };
        let database = format!("dbname={}", conninfo(name));
        Ok(Self {
            connection: format!("{database} {server}"),
            as_login: login.map(|(role, _)| format!("{database} {}", server_as(role))),
            server,
            database,
            passfile,
            secrets,
        })
    }

    /// A libpq connection string to the managed database. Holds no secret: arguments can be read by every user.
    pub(super) fn connection(&self) -> &str {
        &self.connection
    }

    /// The same for the other role, where there is one.
    pub(super) fn as_login(&self) -> Option<&str> {
        self.as_login.as_deref()
    }

    /// The folder for what only this user may read; it is gone with this value.
    pub(super) fn private_folder(&self) -> &Path {
        &self.secrets.0
    }

    /// The same without the database.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// The database alone, as a connection string, so that no name is taken for something else.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// The file that holds the password.
    pub(super) fn passfile(&self) -> Option<&Path> {
        self.passfile.as_deref()
    }
}

impl Secrets {
    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        let write = || -> std::io::Result<()> {
            // A file of an earlier run may be there; its mode must not stay.
            fs::remove_file(&path).ok();
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(text.as_bytes())
        };
        write().map_err(Error::io("writing a private file for pg_dump"))?;
        Ok(path)
    }
}

/// Lets the kernel notice that a network is gone: a quiet connection is asked for a sign of life, four parts of the time
/// after which it is lost; what was sent must be confirmed within all of it. No more than libpq passes on to the socket.
fn keepalives(limit: Duration) -> [(&'static str, String); 5] {
    let part = (limit.as_secs() / 4).max(1).to_string();
    [
        ("keepalives", "1".to_owned()),
        ("keepalives_idle", part.clone()),
        ("keepalives_interval", part),
        ("keepalives_count", "3".to_owned()),
        ("tcp_user_timeout", limit.as_millis().to_string()),
    ]
}

/// One line for every host, port and database: the file serves this one target. A role is `*` for every one.
fn passfile_line(target: &Target, role: &str, password: &SecretString) -> Result<SecretString> {
    let password = password.expose_secret();
    if password.contains(['\n', '\r', '\0']) {
        return Err(Error::conflict(
            format!(
                "The password of {} has a line break, which PostgreSQL's password file cannot carry.",
                target.name()
            ),
            "Give the user another password.",
        ));
    }
    let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
    Ok(SecretString::from(format!("*:*:*:{role}:{escaped}\n")))
}

/// The password that sqlx found elsewhere, in the environment or a password file. It shows it in nothing but its URL; the user
/// and host are replaced there, because not every name can stand in one.
fn kept(options: &PgConnectOptions) -> Option<SecretString> {
    let url = options.clone().username("x").host("localhost").to_url_lossy();
    let password = percent_encoding::percent_decode_str(url.password()?).decode_utf8_lossy();
    Some(SecretString::from(password.into_owned()))
}

/// A value inside a libpq connection string (`dbname='…'`): quotes and backslashes escaped with a backslash.
fn conninfo(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('\'');
    for c in value.chars().filter(|&c| c != '\0') {
        if matches!(c, '\'' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_value_stays_one_value() {
        assert_eq!(conninfo(r"x' host=evil \"), r"'x\' host=evil \\'");
    }
}
