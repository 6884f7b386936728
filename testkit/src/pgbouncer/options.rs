use std::path::Path;

/// When PgBouncer gives a server's connection to another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client goes.
    Session,
    /// After each transaction.
    Transaction,
    /// After each statement; a transaction of several is refused.
    Statement,
}

/// What a PgBouncer shall be like. The default lends connections for a session, 20 to a database and user, and knows no
/// startup parameter beyond PgBouncer's own, as a fresh installation does.
#[derive(Debug, Clone)]
pub struct PgBouncerOptions {
    mode: PoolMode,
    settings: Vec<(String, String)>,
}

impl PgBouncerOptions {
    /// One of this mode.
    #[must_use]
    pub fn new(mode: PoolMode) -> Self {
        Self {
            mode,
            settings: Vec::new(),
        }
    }

    /// Adds a line to `pgbouncer.ini`, for example `default_pool_size`; the last one for a name wins, also over testkit's own.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn configuration(&self, server: u16, port: u16, folder: &Path) -> String {
        let mode = match self.mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
            PoolMode::Statement => "statement",
        };
        let users = folder.join("users.txt");
        let extra: String = self
            .settings
            .iter()
            .map(|(name, value)| format!("{name} = {value}\n"))
            .collect();
        format!(
            "[databases]\n* = host=127.0.0.1 port={server}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\n{extra}",
            users.display()
        )
    }
}
