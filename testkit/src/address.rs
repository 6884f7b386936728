//! Addresses of databases.

/// An address on 127.0.0.1.
pub(crate) fn loopback_url(user: &str, password: &str, port: u16, database: &str) -> String {
    url_at("127.0.0.1", user, password, port, database)
}

/// An address at a host, by name or number.
pub(crate) fn url_at(host: &str, user: &str, password: &str, port: u16, database: &str) -> String {
    let (user, password, database) = (encoded(user), encoded(password), encoded(database));
    format!("postgres://{user}:{password}@{host}:{port}/{database}")
}

/// A text as a URL's part carries it.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
