//! Database URLs, SQLAlchemy's forms included.

use std::str::FromStr;

use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;
use url::Url;

/// How to reach a database, and its password apart for the client tools.
pub struct DatabaseUrl {
    /// For sqlx. Holds the password.
    pub options: PgConnectOptions,
    /// The password, percent-decoded.
    pub password: Option<SecretString>,
}

/// Reads `postgres://`, `postgresql://` and SQLAlchemy's `postgresql+driver://` URLs. Driver-specific spellings are
/// understood: asyncpg's `ssl=require` is `sslmode=require`. The text is never echoed, since it holds the password.
///
/// # Errors
/// A sentence that names the wrong part, without the URL's secrets.
pub fn parse(text: &str) -> Result<DatabaseUrl, String> {
    let trimmed = text.trim();
    let (scheme, rest) = trimmed.split_once("://").ok_or("it has no \"://\"")?;
    let driverless = scheme.split('+').next().unwrap_or(scheme);
    if !matches!(driverless, "postgres" | "postgresql") {
        return Err(format!("its scheme is \"{scheme}\", not postgresql"));
    }
    let mut url = Url::parse(&format!("postgresql://{rest}")).map_err(|error| error.to_string())?;
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "ssl" => pairs.push(("sslmode".into(), ssl_as_mode(&value)?)),
            "sslmode" => pairs.push(("sslmode".into(), ssl_as_mode(&value)?)),
            // SQLAlchemy and asyncpg settings that sqlx has no use for; the console sets its own.
            "prepared_statement_cache_size" | "async_fallback" | "server_settings" | "connect_timeout" => {}
            _ => pairs.push((key.into_owned(), value.into_owned())),
        }
    }
    url.set_query(None);
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    let password = match url.password() {
        Some(encoded) => Some(SecretString::from(
            percent_encoding::percent_decode_str(encoded)
                .decode_utf8()
                .map_err(|_| "its password is not UTF-8 after percent-decoding")?
                .into_owned(),
        )),
        None => None,
    };
    let options = PgConnectOptions::from_str(url.as_str())
        .map_err(|_| "one of its parameters is not understood (sslmode, sslrootcert, host, port…)")?;
    Ok(DatabaseUrl { options, password })
}

fn ssl_as_mode(value: &str) -> Result<String, String> {
    match value {
        "true" | "True" | "1" => Ok("require".into()),
        "false" | "False" | "0" => Ok("disable".into()),
        "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full" => Ok(value.into()),
        other => Err(format!(
            "its sslmode is \"{other}\"; use disable, allow, prefer, require, verify-ca or verify-full"
        )),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn sqlalchemy_urls_are_understood() {
        let url = parse("postgresql+asyncpg://me:p%40ss@db.example:6543/ai_pal?ssl=require").unwrap();
        assert_eq!(url.options.get_host(), "db.example");
        assert_eq!(url.options.get_port(), 6543);
        assert_eq!(url.options.get_database(), Some("ai_pal"));
        assert_eq!(url.password.unwrap().expose_secret(), "p@ss");
        assert!(matches!(
            url.options.get_ssl_mode(),
            sqlx::postgres::PgSslMode::Require
        ));
    }

    #[test]
    fn wrong_urls_are_named_without_their_secrets() {
        for (text, word) in [
            ("mysql://me:secret@h/d", "mysql"),
            ("me:secret@h/d", "://"),
            ("postgres://me:secret@h/d?sslmode=maybe", "maybe"),
            ("postgres://me:secret@h:99999/d", "port"),
        ] {
            let error = parse(text).err().unwrap();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
