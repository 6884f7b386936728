use std::path::PathBuf;

use crate::Version;
use crate::tls::{Authority, Identity};

/// What a cluster shall be like. The default is a fast one that loses its data in a power cut, with 200 connections
/// and, where it is installed, `pg_stat_statements`.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    pub(crate) bin: Option<PathBuf>,
    pub(crate) version: Option<Version>,
    pub(crate) max_connections: u32,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) tls: Option<Identity>,
    pub(crate) tls_only: bool,
    pub(crate) clients: Option<String>,
    pub(crate) preload: Vec<String>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            bin: None,
            version: None,
            max_connections: 200,
            settings: Vec::new(),
            tls: None,
            tls_only: false,
            clients: None,
            preload: vec!["pg_stat_statements".to_owned()],
        }
    }
}

impl ClusterOptions {
    /// The same as [`Default::default`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line to `postgresql.conf`; the last one for a name wins, also over testkit's own.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How many connections the server takes; 3 of them are the superuser's alone.
    #[must_use]
    pub fn max_connections(mut self, count: u32) -> Self {
        self.max_connections = count;
        self
    }

    /// Runs this version, instead of the one that [`crate::programs::bin_dir`] finds.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// The folder with the programs to run, instead of the one that [`crate::programs::bin_dir`] finds.
    #[must_use]
    pub fn bin_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.bin = Some(folder.into());
        self
    }

    /// Leaves `pg_stat_statements` out, as on a server whose administrator never set it up.
    #[must_use]
    pub fn without_preloaded_libraries(mut self) -> Self {
        self.preload.clear();
        self
    }

    /// Offers TLS on TCP with this certificate; connections without TLS stay possible.
    #[must_use]
    pub fn tls(mut self, identity: &Identity) -> Self {
        self.tls = Some(identity.clone());
        self
    }

    /// Offers TLS with this certificate and refuses TCP connections without it, as cloud servers do.
    #[must_use]
    pub fn tls_only(mut self, identity: &Identity) -> Self {
        self.tls_only = true;
        self.tls(identity)
    }

    /// Asks on TCP for a certificate of this authority whose first name is the user's, instead of a password. Goes with
    /// [`ClusterOptions::tls_only`].
    #[must_use]
    pub fn client_certificates(mut self, authority: &Authority) -> Self {
        self.clients = Some(authority.certificate().to_owned());
        self
    }

    /// `postgresql.conf` for a server on this port with its sockets in that folder.
    pub(crate) fn configuration(&self, port: u16, sockets: &str) -> String {
        let mut lines = vec![
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("port", port.to_string()),
            ("unix_socket_directories", sockets.to_owned()),
            ("max_connections", self.max_connections.to_string()),
            // Tests of 10,000 tables lock them all in one transaction.
            ("max_locks_per_transaction", "256".to_owned()),
            // Nothing survives a power cut, and all that was committed survives a killed server: synchronous commit
            // stays on, for it costs next to nothing without fsync.
            ("fsync", "off".to_owned()),
            ("full_page_writes", "off".to_owned()),
            ("max_wal_size", "2GB".to_owned()),
            ("timezone", "UTC".to_owned()),
            ("log_timezone", "UTC".to_owned()),
            ("shared_preload_libraries", self.preload.join(",")),
        ];
        if self.tls.is_some() {
            lines.push(("ssl", "on".to_owned()));
            lines.push(("ssl_cert_file", "server.crt".to_owned()));
            lines.push(("ssl_key_file", "server.key".to_owned()));
        }
        if self.clients.is_some() {
            lines.push(("ssl_ca_file", "clients.crt".to_owned()));
        }
        let own = lines.iter().map(|(name, value)| (*name, value.as_str()));
        let extra = self
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        own.chain(extra)
            .map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")))
            .collect()
    }

    /// `pg_hba.conf`: trust on the socket, a password or a certificate on TCP.
    pub(crate) fn access(&self) -> String {
        let host = if self.tls_only { "hostssl" } else { "host" };
        let how = match self.clients {
            Some(_) => "cert",
            None => "scram-sha-256",
        };
        format!(
            "local all all trust\nlocal replication all trust\n\
             {host} all all 127.0.0.1/32 {how}\n{host} replication all 127.0.0.1/32 {how}\n"
        )
    }
}
