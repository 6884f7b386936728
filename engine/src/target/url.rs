//! Database URLs, read as libpq reads them (`fe-connect.c`, `conninfo_uri_parse_options`), SQLAlchemy's forms included. Each
//! parameter is understood or refused by its name: what is dropped in silence connects somewhere else, or less safely, than
//! was asked for.

use std::{
    fmt::Display,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};

/// How to reach a database, and what sqlx cannot tell again.
#[derive(Clone)]
pub struct DatabaseUrl {
    /// For sqlx. Holds the password.
    pub options: PgConnectOptions,
    /// The password, percent-decoded.
    pub password: Option<SecretString>,
    /// What else the URL says.
    pub link: Link,
}

/// What a URL says of the way to the server, for the client tools and for checks.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// libpq's parameters beside host, port, database, user and password; none of them is a secret.
    parameters: Vec<(&'static str, String)>,
    /// `connect_timeout`, where it is a time and not "for ever".
    pub connect_timeout: Option<Duration>,
}

/// The word for the public authorities, instead of a file.
pub(crate) const SYSTEM: &str = "system";

impl Link {
    /// One of libpq's parameters, if it was given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// libpq's parameters that were given.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.parameters
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.parameters.retain(|(known, _)| *known != name);
        self.parameters.push((name, value));
    }

    /// Looks whether the files that are named can be used.
    ///
    /// # Errors
    /// A sentence that names the parameter and the file.
    pub fn check(&self) -> Result<(), String> {
        for name in ["sslrootcert", "sslcert", "sslkey"] {
            let Some(path) = self.get(name).filter(|path| *path != SYSTEM) else {
                continue;
            };
            std::fs::File::open(path).map_err(|error| {
                let why = match error.kind() {
                    std::io::ErrorKind::NotFound => "is not there",
                    std::io::ErrorKind::PermissionDenied => "may not be read by the console's user",
                    _ => "cannot be read",
                };
                format!("the file {path} ({name}) {why}")
            })?;
        }
        if let Some(path) = self.get("sslkey")
            && let Ok(found) = std::fs::metadata(path)
        {
            // As libpq: a key of root's may be read by a group.
            let others = if found.uid() == 0 { 0o037 } else { 0o077 };
            if Path::new(path).is_file() && found.permissions().mode() & others != 0 {
                return Err(format!(
                    "the file {path} (sslkey) can be read by others, which pg_dump refuses; make it chmod 0600"
                ));
            }
        }
        Ok(())
    }
}

/// Reads `postgres://`, `postgresql://` and SQLAlchemy's `postgresql+driver://` URLs. The text is never echoed, since it
/// holds the password.
///
/// # Errors
/// A sentence that names the wrong part, without the URL's secrets.
pub fn parse(text: &str) -> Result<DatabaseUrl, String> {
    let (scheme, rest) = text.trim().split_once("://").ok_or("it has no \"://\"")?;
    let (system, driver) = match scheme.split_once('+') {
        Some((system, driver)) => (system, Some(driver)),
        None => (scheme, None),
    };
    if !matches!(system, "postgres" | "postgresql") {
        return Err(format!("its scheme is \"{scheme}\", not postgresql"));
    }
    let parts = Parts::split(rest)?;
    let mut reading = Reading::default();
    if let Some(user) = parts.user {
        reading.user = Some(decode(user, "user")?);
    }
    if let Some(password) = parts.password {
        reading.password = Some(decode(password, "password")?);
    }
    if !parts.host.is_empty() {
        reading.host = Some(decode(parts.host, "host")?);
    }
    if !parts.port.is_empty() {
        reading.port = Some(decode(parts.port, "port")?);
    }
    if !parts.database.is_empty() {
        reading.database = Some(decode(parts.database, "database")?);
    }
    // As libpq, nothing may follow the last "&".
    let query = parts.query.strip_suffix('&').unwrap_or(parts.query);
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(format!("its parameter \"{}\" has no \"=\"", shown(pair)));
        };
        if value.contains('=') {
            return Err(format!(
                "its parameter \"{}\" has two \"=\"; write the second as %3D",
                shown(name)
            ));
        }
        let name = decode(name, "parameter")?;
        let value = decode(value, &name)?;
        reading.parameter(&name, value, driver.is_some())?;
    }
    reading.finish()
}

/// The parts of a URL after its scheme, not yet decoded.
struct Parts<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: &'a str,
    port: &'a str,
    database: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    /// As libpq: user and password are there if an `@` comes before any `/`, so that all else may stand in a password as it is.
    fn split(rest: &'a str) -> Result<Self, String> {
        let stop = rest.find(['@', '/']).filter(|&at| rest[at..].starts_with('@'));
        let (user, password, rest) = match stop {
            None => (None, None, rest),
            Some(at) => {
                let (info, rest) = (&rest[..at], &rest[at + 1..]);
                match info.split_once(':') {
                    Some((user, password)) => (Some(user), Some(password), rest),
                    None => (Some(info), None, rest),
                }
            }
        };
        let (host, rest) = match rest.strip_prefix('[') {
            Some(six) => {
                let (host, rest) = six
                    .split_once(']')
                    .ok_or("the \"]\" after its IPv6 address is missing")?;
                if host.is_empty() {
                    return Err("its IPv6 address is empty".to_owned());
                }
                if !rest.is_empty() && !rest.starts_with([':', '/', '?', ',']) {
                    return Err(
                        "after the \"]\" of its IPv6 address comes what is neither a port nor a path"
                            .to_owned(),
                    );
                }
                (host, rest)
            }
            None => rest.split_at(rest.find([':', '/', '?', ',']).unwrap_or(rest.len())),
        };
        let (port, rest) = match rest.strip_prefix(':') {
            Some(port) => port.split_at(port.find(['/', '?', ',']).unwrap_or(port.len())),
            None => ("", rest),
        };
        if rest.starts_with(',') {
            return Err(several_hosts());
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if query.is_empty() && port.contains('@') || path.contains('@') && user.is_none() && !port.is_empty()
        {
            return Err(
                "a \"/\" in its user or password must be written as %2F (and \"@\" as %40)".to_owned(),
            );
        }
        Ok(Self {
            user,
            password,
            host,
            port,
            database: path.strip_prefix('/').unwrap_or(path),
            query,
        })
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    user: Option<String>,
    password: Option<String>,
    host: Option<String>,
    address: Option<String>,
    port: Option<String>,
    database: Option<String>,
    options: Option<String>,
    link: Link,
}

impl Reading {
    /// Takes a parameter. `driver` says whether the URL names a driver of SQLAlchemy's, whose own parameters may stand there.
    fn parameter(&mut self, name: &str, value: String, driver: bool) -> Result<(), String> {
        match name {
            "host" => self.host = Some(value).filter(|value| !value.is_empty()),
            "hostaddr" => self.address = Some(value).filter(|value| !value.is_empty()),
            "port" => self.port = Some(value).filter(|value| !value.is_empty()),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "dbname" => self.database = Some(value).filter(|value| !value.is_empty()),
            "options" => self.options = Some(value).filter(|value| !value.is_empty()),
            "connect_timeout" => {
                let seconds: i64 = value.trim().parse().map_err(|_| {
                    format!(
                        "its connect_timeout \"{}\" is no number of seconds",
                        shown(&value)
                    )
                })?;
                // Zero and less wait for ever; libpq knows nothing shorter than two seconds.
                self.link.connect_timeout = u64::try_from(seconds)
                    .ok()
                    .filter(|seconds| *seconds > 0)
                    .map(|seconds| Duration::from_secs(seconds.max(2)));
            }
            "sslmode" => self.link.set("sslmode", mode(&value)?.to_owned()),
            // JDBC's word, which libpq knows, and asyncpg's.
            "ssl" if value == "true" => self.link.set("sslmode", "require".to_owned()),
            "ssl" if driver => {
                let value = match value.as_str() {
                    "True" | "1" => "require",
                    "false" | "False" | "0" => "disable",
                    other => mode(other)?,
                };
                self.link.set("sslmode", value.to_owned());
            }
            "requiressl" => {
                let value = if value.starts_with('1') {
                    "require"
                } else {
                    "prefer"
                };
                self.link.set("sslmode", value.to_owned());
            }
            "sslrootcert" => self.link.set("sslrootcert", value),
            "sslcert" => self.link.set("sslcert", value),
            "sslkey" => self.link.set("sslkey", value),
            // The sessions of the console carry names of their own, by which it finds them.
            "application_name" | "fallback_application_name" => {}
            "keepalives" => self.number("keepalives", value)?,
            "keepalives_idle" => self.number("keepalives_idle", value)?,
            "keepalives_interval" => self.number("keepalives_interval", value)?,
            "keepalives_count" => self.number("keepalives_count", value)?,
            "tcp_user_timeout" => self.number("tcp_user_timeout", value)?,
            "client_encoding" => only(name, &value, &["auto", "utf8", "UTF8", "utf-8", "UTF-8"])?,
            "channel_binding" => only(name, &value, &["prefer", "disable"])?,
            "target_session_attrs" => only(name, &value, &["any"])?,
            "load_balance_hosts" => only(name, &value, &["disable"])?,
            "gssencmode" => only(name, &value, &["disable", "prefer"])?,
            "sslcompression" => only(name, &value, &["0"])?,
            "sslsni" => only(name, &value, &["1"])?,
            "sslcertmode" => only(name, &value, &["allow"])?,
            "sslnegotiation" => only(name, &value, &["postgres"])?,
            "ssl_min_protocol_version" => only(name, &value, &["TLSv1", "TLSv1.1", "TLSv1.2"])?,
            // What drivers do by themselves has no meaning for the console.
            "prepared_statement_cache_size"
            | "prepared_statement_name_func"
            | "statement_cache_size"
            | "async_fallback"
            | "command_timeout"
            | "prepare_threshold"
                if driver => {}
            "passfile"
            | "service"
            | "hostorder"
            | "replication"
            | "sslpassword"
            | "sslcrl"
            | "sslcrldir"
            | "requirepeer"
            | "ssl_max_protocol_version"
            | "krbsrvname"
            | "gsslib"
            | "gssdelegation"
            | "require_auth"
            | "min_protocol_version"
            | "max_protocol_version"
            | "sslkeylogfile"
            | "scram_client_key"
            | "scram_server_key" => {
                return Err(format!(
                    "its parameter {name} is one that the console does not support; leave it out, if the connection is right without it"
                ));
            }
            "ssl_mode" | "ssl-mode" => return Err(unknown(name, "the parameter is called sslmode")),
            "schema" | "search_path" | "currentSchema" => {
                return Err(unknown(
                    name,
                    "write options=-c%20search_path%3Dname for a schema",
                ));
            }
            _ => return Err(unknown(name, "check how it is written, or leave it out")),
        }
        Ok(())
    }

    fn number(&mut self, name: &'static str, value: String) -> Result<(), String> {
        if value.parse::<i32>().is_err() {
            return Err(format!("its {name} \"{}\" is no number", shown(&value)));
        }
        self.link.set(name, value);
        Ok(())
    }

    fn finish(mut self) -> Result<DatabaseUrl, String> {
        let mut options = PgConnectOptions::new_without_pgpass();
        for list in [&self.host, &self.address, &self.port].into_iter().flatten() {
            if list.contains(',') {
                return Err(several_hosts());
            }
        }
        let host = match (self.host, self.address) {
            (Some(host), Some(address)) if self.link.get("sslmode") == Some("verify-full") => {
                return Err(format!(
                    "it has a host ({}) and a hostaddr ({}), and with sslmode=verify-full the console needs the one or the other",
                    shown(&host),
                    shown(&address)
                ));
            }
            (_, Some(address)) => {
                if address.parse::<std::net::IpAddr>().is_err() {
                    return Err(format!("its hostaddr \"{}\" is no IP address", shown(&address)));
                }
                Some(address)
            }
            (host, None) => host,
        };
        options = match host {
            Some(folder) if folder.starts_with('/') => options.socket(folder),
            Some(name) if name.starts_with('@') => {
                return Err("its host is an abstract socket, which the console does not support".to_owned());
            }
            Some(name) => options.host(&name),
            None => options,
        };
        if let Some(port) = self.port {
            let number: u16 = port.trim().parse().ok().filter(|number| *number > 0).ok_or(
                "its port is no number from 1 to 65535 (a \"/\" in a password must be written as %2F)",
            )?;
            options = options.port(number);
        }
        if let Some(user) = self.user.filter(|user| !user.is_empty()) {
            options = options.username(&user);
        }
        if let Some(database) = self.database {
            options = options.database(&database);
        }
        let password = self
            .password
            .filter(|password| !password.is_empty())
            .map(SecretString::from);
        if let Some(password) = &password {
            options = options.password(password.expose_secret());
        }
        if let Some(settings) = &self.options {
            options = with_settings(options, settings)?;
        }
        adopt(&options, &mut self.link)?;
        options = with_tls(options, &mut self.link)?;
        let password = password.or_else(|| kept_password(&options));
        if let Some(password) = &password {
            options = options.password(password.expose_secret());
        }
        Ok(DatabaseUrl {
            options,
            password,
            link: self.link,
        })
    }
}

/// Takes over what the environment says of certificates (`PGSSLROOTCERT` and its kin), which sqlx has read and shows nowhere
/// but in its own URL.
fn adopt(options: &PgConnectOptions, link: &mut Link) -> Result<(), String> {
    let url = options.clone().username("x").host("localhost").to_url_lossy();
    for name in ["sslrootcert", "sslcert", "sslkey"] {
        let found = url.query_pairs().find(|(key, _)| key == name);
        if let Some((_, value)) = found
            && link.get(name).is_none()
        {
            let Some(path) = value.strip_prefix("file: ") else {
                return Err(format!(
                    "PG{} holds a text, and not the path of a file",
                    name.to_uppercase()
                ));
            };
            link.set(name, path.to_owned());
        }
    }
    Ok(())
}

/// The password that the environment or the password file (`~/.pgpass`, `PGPASSFILE`) has for this address. sqlx looks for it
/// when it reads a URL, and shows it in nothing but a URL.
fn kept_password(options: &PgConnectOptions) -> Option<SecretString> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let host = match options.get_socket() {
        Some(folder) => encoded(&folder.to_string_lossy()),
        None if options.get_host().contains(':') => format!("[{}]", options.get_host()),
        None => encoded(options.get_host())
            .replace("%2E", ".")
            .replace("%2D", "-"),
    };
    let text = format!(
        "postgresql://{}@{host}:{}/{}",
        encoded(options.get_username()),
        options.get_port(),
        encoded(options.get_database().unwrap_or_else(|| options.get_username()))
    );
    let found: PgConnectOptions = text.parse().ok()?;
    let url = found.username("x").host("localhost").to_url_lossy();
    let password = percent_encoding::percent_decode_str(url.password()?)
        .decode_utf8()
        .ok()?;
    Some(SecretString::from(password.into_owned()))
}

/// Sets what concerns encryption, as libpq does it.
fn with_tls(mut options: PgConnectOptions, link: &mut Link) -> Result<PgConnectOptions, String> {
    let root = link.get("sslrootcert").map(str::to_owned);
    let public = root.as_deref() == Some(SYSTEM);
    let asked = link.get("sslmode").map(str::to_owned);
    let asked = match asked {
        Some(asked) => asked,
        None if public => "verify-full".to_owned(),
        None => name_of(options.get_ssl_mode()).to_owned(),
    };
    if public && asked != "verify-full" {
        return Err(format!(
            "sslrootcert=system goes with sslmode=verify-full alone, not with {asked}: anybody can have a certificate of a public authority"
        ));
    }
    let mode = match (asked.as_str(), &root) {
        ("disable", _) => PgSslMode::Disable,
        // The other way round than libpq, plain first: what both end with differs only where a server takes both.
        ("allow" | "prefer", _) => PgSslMode::Prefer,
        // With an authority at hand, `require` verifies against it.
        ("require", None) => PgSslMode::Require,
        ("require", Some(_)) | ("verify-ca", _) => PgSslMode::VerifyCa,
        _ => PgSslMode::VerifyFull,
    };
    if asked == "verify-ca" && root.is_none() {
        return Err(
            "sslmode=verify-ca needs the authority (sslrootcert=/path/to/ca.pem): anybody can have a certificate of a public one"
                .to_owned(),
        );
    }
    // There is no encryption on a socket, whatever is asked for.
    let mode = match options.get_socket() {
        Some(_) => PgSslMode::Disable,
        None => mode,
    };
    options = options.ssl_mode(mode);
    if let Some(root) = root.filter(|_| !public) {
        options = options.ssl_root_cert(root);
    }
    match (link.get("sslcert"), link.get("sslkey")) {
        (Some(certificate), Some(key)) => {
            options = options.ssl_client_cert(certificate).ssl_client_key(key);
        }
        (None, None) => {}
        (Some(_), None) => return Err("it has an sslcert and no sslkey; the two go together".to_owned()),
        (None, Some(_)) => return Err("it has an sslkey and no sslcert; the two go together".to_owned()),
    }
    link.set("sslmode", asked);
    Ok(options)
}

/// Adds what `options` says: `-c name=value`, `-cname=value` and `--name=value`, with blanks escaped by a backslash.
fn with_settings(options: PgConnectOptions, text: &str) -> Result<PgConnectOptions, String> {
    let wrong = || "its options are not of the form -c name=value".to_owned();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            c if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    let mut settings = Vec::new();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--") {
            Some(setting) => {
                let (name, value) = setting.split_once('=').ok_or_else(wrong)?;
                (name.replace('-', "_"), value.to_owned())
            }
            None => {
                let setting = match word.strip_prefix("-c").ok_or_else(wrong)? {
                    "" => words.next().ok_or_else(wrong)?,
                    joined => joined.to_owned(),
                };
                let (name, value) = setting.split_once('=').ok_or_else(wrong)?;
                (name.to_owned(), value.to_owned())
            }
        };
        settings.push(setting);
    }
    Ok(options.options(settings))
}

fn mode(value: &str) -> Result<&str, String> {
    match value {
        "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full" => Ok(value),
        other => Err(format!(
            "its sslmode is \"{}\"; use disable, allow, prefer, require, verify-ca or verify-full",
            shown(other)
        )),
    }
}

/// The word of a mode.
pub(crate) fn name_of(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

/// Refuses a value that would ask for more than the console does.
fn only(name: &str, value: &str, known: &[&str]) -> Result<(), String> {
    match known.contains(&value) {
        true => Ok(()),
        false => Err(format!(
            "its {name} is \"{}\", which the console cannot do; it can: {}",
            shown(value),
            known.join(", ")
        )),
    }
}

fn unknown(name: &str, hint: impl Display) -> String {
    format!("there is no parameter \"{}\"; {hint}", shown(name))
}

fn several_hosts() -> String {
    "it names several hosts, and the console manages one server; name the one that is meant (a standby can be a database of its own)"
        .to_owned()
}

/// A word of the URL's that may be shown: short, and no secret as long as it is a name or a value of its parameters.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

/// Percent-decoded, as libpq does: every `%` begins two hexadecimal digits, none of them zero; `+` is itself.
fn decode(text: &str, what: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let byte = text
            .get(at + 1..at + 3)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or_else(|| {
                format!(
                    "in its {what} a \"%\" is not followed by two hexadecimal digits; write % as %25",
                    what = shown(what)
                )
            })?;
        if byte == 0 {
            return Err(format!("its {} has a zero byte (%00)", shown(what)));
        }
        out.push(byte);
        at += 3;
    }
    String::from_utf8(out).map_err(|_| format!("its {} is not UTF-8 after percent-decoding", shown(what)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn sqlalchemy_urls_are_understood() {
        let url = parse("postgresql+asyncpg://me:p%40ss@db.example:6543/ai_pal?ssl=require&prepared_statement_cache_size=0")
            .unwrap();
        assert_eq!(url.options.get_host(), "db.example");
        assert_eq!(url.options.get_port(), 6543);
        assert_eq!(url.options.get_database(), Some("ai_pal"));
        assert_eq!(url.password.unwrap().expose_secret(), "p@ss");
        assert!(matches!(url.options.get_ssl_mode(), PgSslMode::Require));
        let socket = parse("postgresql+psycopg://u@/db?host=/run/postgresql&port=5433")
            .unwrap()
            .options;
        assert_eq!(socket.get_socket().unwrap(), Path::new("/run/postgresql"));
        assert_eq!((socket.get_port(), socket.get_database()), (5433, Some("db")));
    }

    #[test]
    fn a_password_may_hold_what_libpq_lets_it() {
        for (text, password) in [
            ("postgresql://u:a#b@h/d", "a#b"),
            ("postgresql://u:a:b@h/d", "a:b"),
            ("postgresql://u:a?b@h/d", "a?b"),
            ("postgresql://u:a%2Fb@h/d", "a/b"),
            ("postgresql://u:a+b@h/d", "a+b"),
            ("postgresql://u@h/d?password=a%26b", "a&b"),
        ] {
            let url = parse(text).unwrap();
            assert_eq!(url.password.unwrap().expose_secret(), password);
            assert_eq!(
                (url.options.get_host(), url.options.get_database()),
                ("h", Some("d"))
            );
        }
    }

    #[test]
    fn wrong_urls_are_named_without_their_secrets() {
        for (text, word) in [
            ("mysql://me:secret@h/d", "mysql"),
            ("me:secret@h/d", "://"),
            ("postgres://me:secret@h/d?sslmode=maybe", "maybe"),
            ("postgres://me:secret@h:99999/d", "port"),
            ("postgres://me:sec/ret@h/d", "%2F"),
            ("postgres://me:secret@h1,h2/d", "several hosts"),
            ("postgres://me:secret@h1:5432,h2:5433/d", "several hosts"),
            ("postgres://me:secret@/d?host=h1,h2", "several hosts"),
            ("postgres://me:secret@h/d?ssl_mode=verify-full", "ssl_mode"),
            ("postgres://me:secret@h/d?schema=tenant_a", "schema"),
            (
                "postgres://me:secret@h/d?channel_binding=require",
                "channel_binding",
            ),
            (
                "postgres://me:secret@h/d?target_session_attrs=standby",
                "target_session_attrs",
            ),
            ("postgres://me:secret@h/d?ssl=false", "ssl"),
            (
                "postgres://me:secret@h/d?sslrootcert=system&sslmode=require",
                "verify-full",
            ),
            ("postgres://me:secret@h/d?sslmode=verify-ca", "sslrootcert"),
            ("postgres://me:secret@h/d?sslcert=/x", "sslkey"),
            ("postgres://me:secret@h/d?connect_timeout=soon", "connect_timeout"),
            ("postgres://me:sec%ret@h/d", "%25"),
            ("postgres://me:secret@h/d?options=-v", "-c name=value"),
        ] {
            let error = parse(text).err().unwrap();
            assert!(error.contains(word), "{text}: {error}");
            assert!(!error.contains("secret") && !error.contains("ret@"), "{error}");
        }
    }

    #[test]
    fn an_authority_makes_require_verify_as_libpq_does() {
        let mode = |text: &str| name_of(parse(text).unwrap().options.get_ssl_mode());
        assert_eq!(mode("postgres://h/d?sslmode=require"), "require");
        assert_eq!(mode("postgres://h/d?sslmode=require&sslrootcert=/x"), "verify-ca");
        assert_eq!(mode("postgres://h/d?sslrootcert=system"), "verify-full");
        assert_eq!(mode("postgres://h/d?requiressl=1"), "require");
        assert_eq!(mode("postgres://h/d?ssl=true"), "require");
        let link = parse("postgres://h/d?sslmode=require&sslrootcert=/x&connect_timeout=1")
            .unwrap()
            .link;
        assert_eq!(link.get("sslmode"), Some("require"));
        assert_eq!(link.connect_timeout, Some(Duration::from_secs(2)));
        assert_eq!(
            link.check().unwrap_err(),
            "the file /x (sslrootcert) is not there"
        );
    }

    #[test]
    fn settings_are_read_with_their_blanks() {
        let options = |text: &str| parse(text).unwrap().options.get_options().map(str::to_owned);
        assert_eq!(
            options("postgres://h/d?options=-c%20search_path%3Da,b%20--work-mem%3D4MB%20-cjit%3Doff")
                .as_deref(),
            Some("-c search_path=a,b -c work_mem=4MB -c jit=off")
        );
        assert_eq!(
            options("postgres://h/d?options=-c%20application_name%3Da%5C%20b").as_deref(),
            Some(r"-c application_name=a\ b")
        );
    }
}
