//! PostgreSQL's own tools on the console's embedded server, as a person runs them.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::process::Command;

use crate::{Result, console::Console, jobs};

/// No tool of a run takes this long.
const LONGEST: Duration = Duration::from_secs(600);
/// The database that pg_restore loads.
const DATABASE: &str = "bare";

/// The tools, and the one archive that they write and read.
pub struct Bare {
    bin: PathBuf,
    port: String,
    password: String,
    file: PathBuf,
}

impl Bare {
    /// The tools of the embedded server's version.
    pub fn new(console: &Console) -> Result<Self> {
        let bin = testkit::programs::bin_dir().map_err(|failure| failure.to_string())?;
        let read = |name: &str| {
            let path = console.data.join(name);
            std::fs::read_to_string(&path)
                .map(|text| text.trim().to_owned())
                .map_err(|error| format!("{}: {error}", path.display()))
        };
        // Beside the console's own backups, so on the same disk.
        let folder = console.data.parent().unwrap_or(Path::new("/tmp"));
        Ok(Self {
            bin,
            port: read("postgres.port")?,
            password: read("postgres.password")?,
            file: folder.join("bare.dump"),
        })
    }

    /// Dumps the managed database anew; gives the seconds that it took.
    pub async fn dump(&self) -> Result<f64> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("removing the bare dump: {error}"));
            }
            _ => {}
        }
        let file = format!("--file={}", self.file.display());
        self.run("pg_dump", &["--format=custom", "--dbname", jobs::TARGET, &file])
            .await
    }

    /// Loads the last dump into a new database over so many connections, which goes again; gives the seconds that pg_restore took.
    pub async fn restore(&self, connections: i32) -> Result<f64> {
        self.run("createdb", &["--template=template0", DATABASE]).await?;
        let (parallel, file) = (format!("--jobs={connections}"), self.file.display().to_string());
        let arguments = [parallel.as_str(), "--exit-on-error", "--dbname", DATABASE, &file];
        let took = self.run("pg_restore", &arguments).await;
        self.run("dropdb", &["--force", DATABASE]).await?;
        took
    }

    /// Seconds that a tool took.
    async fn run(&self, program: &str, arguments: &[&str]) -> Result<f64> {
        let begun = Instant::now();
        let running = Command::new(self.bin.join(program))
            .args([
                "--no-password",
                "--host=127.0.0.1",
                "--username=postgres",
                "--port",
                &self.port,
            ])
            .args(arguments)
            .env_clear()
            .env("LC_ALL", "C")
            .env("PGPASSWORD", &self.password)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(LONGEST, running).await;
        let output =
            output.map_err(|_| format!("{program} did not end within {} minutes", LONGEST.as_secs() / 60))?;
        let output = output.map_err(|error| format!("starting {program}: {error}"))?;
        let took = begun.elapsed().as_secs_f64();
        if output.status.success() {
            return Ok(took);
        }
        Err(format!(
            "{program} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}
