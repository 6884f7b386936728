//! The real binary with a data folder of its own, started and ended.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rand::{Rng, distr::Alphanumeric};
use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    time,
};

use crate::{Result, process};

/// Starting includes making the embedded cluster.
const READY: Duration = Duration::from_secs(120);
/// The console ends within 15 s by itself, or it is killed.
const END: Duration = Duration::from_secs(40);

/// Starts the console, says its process number, waits for the end of its own input and then ends the console: by SIGTERM,
/// by SIGKILL when that does not do. Its input ends also when the bench is killed, and then the console's folder goes too,
/// and the run's when it is empty; an orderly end says `keep` first.
const KEEPER: &str = r#"
log=$1 folder=$2
shift 2
"$@" >>"$log" 2>&1 </dev/null &
console=$!
echo "$console"
exec >/dev/null 2>&1
trap '' INT TERM HUP
word=
read -r word
kill -TERM "$console"
sleep 25 &
patience=$!
wait -n "$console" "$patience"
kill -KILL "$console" "$patience"
wait
[ "$word" = keep ] || { rm -rf "$folder" && rmdir "${folder%/*}"; }
"#;

/// What every console of a run shares.
pub struct Setup {
    /// The binary.
    pub program: PathBuf,
    /// The folder with the browser's files.
    pub site: PathBuf,
    /// Where the consoles' folders are made.
    pub work: PathBuf,
    password: String,
}

impl Setup {
    /// Checks that the build is there.
    pub fn new(program: &Path, site: &Path, work: &Path) -> Result<Self> {
        let whole = |path: &Path| {
            path.canonicalize()
                .map_err(|error| format!("{}: {error}; run `make build` first", path.display()))
        };
        let password = rand::rng()
            .sample_iter(&Alphanumeric)
            .take(24)
            .map(char::from)
            .collect();
        Ok(Self {
            program: whole(program)?,
            site: whole(site)?,
            work: work.to_owned(),
            password,
        })
    }
}

/// A running console. Dropping it ends it, with its folder.
pub struct Console {
    /// `http://127.0.0.1:port`.
    pub origin: String,
    /// The administrator's password; the name is `admin`.
    pub password: String,
    /// The console's process.
    pub pid: u32,
    /// Its data folder.
    pub data: PathBuf,
    log: PathBuf,
    keeper: Child,
}

impl Console {
    /// Starts a console in the folder of this name, new or used before, and waits until it answers. The variables come on
    /// top of those that every console of the bench has; nothing is inherited.
    pub async fn start(setup: &Setup, name: &str, variables: &[(&str, String)], demo: bool) -> Result<Self> {
        let folder = setup.work.join(name);
        fs::create_dir_all(&folder).map_err(|error| format!("making {}: {error}", folder.display()))?;
        let (data, log) = (folder.join("data"), folder.join("console.log"));
        // What an earlier start said must not be taken for this one's words.
        fs::write(&log, "").map_err(|error| format!("writing {}: {error}", log.display()))?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new("/bin/bash");
        command
            .args(["-c", KEEPER, "keeper"])
            .args([&log, &folder, &setup.program])
            .arg("serve");
        command.args(demo.then_some("--demo"));
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("PGSTEWARD_ADDR", &address)
            .env("PGSTEWARD_DATA_DIR", &data)
            .env("PGSTEWARD_ADMIN_PASSWORD", &setup.password)
            .env("LEPTOS_SITE_ROOT", &setup.site)
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C goes to the bench, which ends what it started in order.
            .process_group(0);
        let mut keeper = command
            .spawn()
            .map_err(|error| format!("starting bash: {error}"))?;
        let mut first = String::new();
        if let Some(said) = keeper.stdout.take() {
            BufReader::new(said)
                .read_line(&mut first)
                .await
                .map_err(|error| format!("starting the console: {error}"))?;
        }
        let pid = first
            .trim()
            .parse()
            .map_err(|_| "the console's process number is not known".to_owned())?;
        let origin = format!("http://{address}");
        let console = Self {
            origin,
            password: setup.password.clone(),
            pid,
            data,
            log,
            keeper,
        };
        console.wait_until_ready().await?;
        Ok(console)
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let client = crate::visitor::client()?;
        let begun = Instant::now();
        while begun.elapsed() < READY {
            if let Ok(answer) = client.get(format!("{}/readyz", self.origin)).send().await
                && answer.status().is_success()
            {
                return Ok(());
            }
            if !process::is_alive(self.pid) {
                return Err(format!(
                    "the console ended at its start. It said:\n{}",
                    self.last_words()
                ));
            }
            time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!(
            "the console did not answer within {} s. It said:\n{}",
            READY.as_secs(),
            self.last_words()
        ))
    }

    /// Waits until the console has said something in its log.
    pub async fn wait_for_log(&self, words: &str, at_most: Duration) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < at_most {
            if fs::read_to_string(&self.log).is_ok_and(|log| log.contains(words)) {
                return Ok(());
            }
            if !process::is_alive(self.pid) {
                break;
            }
            time::sleep(Duration::from_millis(200)).await;
        }
        Err(format!(
            "the console did not say {words:?} within {} s. It said:\n{}",
            at_most.as_secs(),
            self.last_words()
        ))
    }

    /// A failure, with the console's last words when it is no longer there.
    pub fn explain(&self, why: String) -> String {
        if process::is_alive(self.pid) {
            return why;
        }
        format!(
            "{why}. The console has ended; its last words:\n{}",
            self.last_words()
        )
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// How to reach the embedded PostgreSQL's managed database.
    pub async fn embedded(&self) -> Result<PgConnectOptions> {
        let read = |name: &str| {
            let path = self.data.join(name);
            fs::read_to_string(&path)
                .map(|text| text.trim().to_owned())
                .map_err(|error| format!("{}: {error}", path.display()))
        };
        let port = read("postgres.port")?
            .parse()
            .map_err(|_| "postgres.port holds no port".to_owned())?;
        Ok(PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(port)
            .username("postgres")
            .password(&read("postgres.password")?)
            .database("ai_pal")
            .application_name("bench"))
    }

    /// The main process of the embedded PostgreSQL.
    pub fn embedded_pid(&self) -> Option<u32> {
        fs::read_to_string(self.data.join("postgres/postmaster.pid"))
            .ok()?
            .lines()
            .next()?
            .trim()
            .parse()
            .ok()
    }

    /// Ends the console; its folder stays.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(mut input) = self.keeper.stdin.take() {
            input
                .write_all(b"keep\n")
                .await
                .map_err(|error| format!("ending the console: {error}"))?;
        }
        match time::timeout(END, self.keeper.wait()).await {
            Ok(_ended) => Ok(()),
            Err(_) => Err(format!(
                "the console (pid {}) did not end within {} s",
                self.pid,
                END.as_secs()
            )),
        }
    }
}

fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind(("127.0.0.1", 0)).map_err(|error| format!("looking for a free port: {error}"))?;
    Ok(listener
        .local_addr()
        .map_err(|error| format!("looking for a free port: {error}"))?
        .port())
}
