//! What lies in a server's folder before it runs.

use std::fs;
use std::process::{Command, Stdio};

use super::{PASSWORD, SUPERUSER, Server};
use crate::failure::Doing;
use crate::{Failure, programs};

impl Server {
    /// Makes a data folder with nothing in it.
    pub(super) fn initialise(&self) -> Result<(), Failure> {
        let password = self.folder.join("password");
        self.owner.write(&password, PASSWORD, 0o600)?;
        self.complete("initdb", |command| {
            command
                .args([
                    "--no-sync",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--auth-local=trust",
                    "--auth-host=scram-sha-256",
                ])
                .args(["--username", SUPERUSER])
                .arg("--pwfile")
                .arg(&password)
        })?;
        self.make_sockets()?;
        let (data, options) = (self.data(), &self.options);
        if let Some(identity) = &options.tls {
            self.owner
                .write(&data.join("server.crt"), &identity.certificate, 0o644)?;
            self.owner.write(&data.join("server.key"), &identity.key, 0o600)?;
        }
        if let Some(authority) = &options.clients {
            self.owner.write(&data.join("clients.crt"), authority, 0o644)?;
        }
        self.owner
            .write(&data.join("pg_hba.conf"), &options.access(), 0o600)
    }

    /// Copies another server's data, with what makes the copy follow it over its socket.
    pub(super) fn copy(&self, primary: &Self) -> Result<(), Failure> {
        self.complete("pg_basebackup", |command| {
            command
                .args([
                    "--write-recovery-conf",
                    "--wal-method=stream",
                    "--checkpoint=fast",
                ])
                .args(["--no-sync", "--no-password", "--username", SUPERUSER])
                .args(["--port", &primary.port.to_string(), "--host"])
                .arg(primary.sockets())
        })?;
        self.make_sockets()
    }

    fn make_sockets(&self) -> Result<(), Failure> {
        fs::create_dir(self.sockets()).doing("making the folder for sockets")?;
        self.owner.give(&self.sockets())
    }

    /// Runs a program that fills the data folder, to its end.
    fn complete(
        &self,
        program: &str,
        arguments: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<(), Failure> {
        let path = self.bin.join(program);
        let mut command = self.command(&path);
        command.arg("--pgdata").arg(self.data()).stdin(Stdio::null());
        let output = arguments(&mut command)
            .output()
            .doing(&format!("running {}", path.display()))?;
        if output.status.success() {
            return Ok(());
        }
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::new(format!(
            "{program} failed in {}: {reason}",
            self.folder.display()
        )))
    }

    /// Writes `postgresql.conf` for its options and port.
    pub(super) fn configure(&self) -> Result<(), Failure> {
        let mut options = self.options.clone();
        options
            .preload
            .retain(|library| programs::has_library(&self.bin, library));
        let sockets = self.sockets();
        let text = options.configuration(self.port, &sockets.to_string_lossy());
        self.owner
            .write(&self.data().join("postgresql.conf"), &text, 0o600)
    }
}
