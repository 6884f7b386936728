//! pg_restore at work on the new database, and pg_dump on its definitions, to compare them.

use std::{
    process::Stdio,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use contract::{Code, Fault, Refusal, jobs::LogLevel};
use tokio::{io::AsyncReadExt, process::Command, sync::Notify};

use super::{
    super::{
        contents::Found,
        folder::private_file,
        reach::Reach,
        reconcile::blocking,
        store,
        toc::{self, Toc},
        tool::{self, Tool},
        words::{Complaints, Said},
    },
    parts::Run,
    progress::Count,
};
use crate::{Error, Result, jobs::JobContext, programs::Programs, target::Target};

/// What newer pg_restores set and older servers do not know; it changes nothing that is restored.
const UNKNOWN_SETTING: &str = "unrecognized configuration parameter \"transaction_timeout\"";
/// How long more of an error's words are waited for.
const WORDS: Duration = Duration::from_millis(500);

/// The name of the run that comes when everything has its owner.
pub(super) const GIVEN: &str = "given";

/// Runs the client tools for one restore.
pub(super) struct Loader<'a> {
    pub context: &'a JobContext,
    pub target: &'a Target,
    pub programs: &'a Programs,
    pub reach: &'a Reach,
    pub archive: &'a Found,
    pub tablespaces: bool,
    pub parallel: i32,
    /// Counts the archive's entries as they are done.
    pub count: Mutex<Count>,
    /// The part of the job that is at work.
    pub step: usize,
    /// How far the whole job is, when so much of this part is done.
    pub reached: Box<dyn Fn(f64) -> f64 + Send + Sync + 'a>,
}

impl Loader<'_> {
    /// Says which entries there are to be, once that is known.
    pub(super) fn expects(&self, count: Count) {
        *lock(&self.count) = count;
    }

    /// Restores the entries of one run.
    ///
    /// # Errors
    /// `Cancelled`; the tool's failure in words.
    pub(super) async fn run(&self, run: &Run, name: &str) -> Result<()> {
        if run.entries.is_empty() {
            return Ok(());
        }
        let mut command = self.command(run, name).await?;
        command.arg("--no-owner");
        if self.parallel > 1 {
            command.arg(format!("--jobs={}", self.parallel));
        }
        if name == GIVEN {
            // Materialized views are filled as in every refresh: as their owners, to whom policies may apply.
            command.arg("--enable-row-security");
        }
        command.arg(&self.archive.path);
        self.drive(command).await
    }

    /// Restores all entries in one transaction, as the console's role, with owners and grants; to `owner` alone and without grants,
    /// where one is named.
    ///
    /// # Errors
    /// As `run`; then nothing of it is there.
    pub(super) async fn at_once(&self, run: &Run, owner: Option<&str>) -> Result<()> {
        let mut command = self.command(run, "at-once").await?;
        command.arg("--single-transaction");
        if let Some(owner) = owner {
            command
                .arg("--no-owner")
                .arg("--no-privileges")
                .arg(format!("--role={owner}"));
        }
        command.arg(&self.archive.path);
        self.drive(command).await
    }

    async fn command(&self, run: &Run, name: &str) -> Result<Command> {
        let list = self.list(run, name).await?;
        let mut command = tool::command(self.programs, "pg_restore", Some(self.reach));
        command
            .arg(format!("--format={}", self.archive.form.name()))
            .arg("--no-password")
            .arg("--verbose")
            .arg(format!("--use-list={}", list.display()))
            .arg(format!("--dbname={}", self.connection(run.by_console)?));
        if !self.tablespaces {
            command.arg("--no-tablespaces");
        }
        Ok(command)
    }

    async fn drive(&self, command: Command) -> Result<()> {
        let mut tool = Tool::start(command)?;
        store::tool_started(self.context.engine.store(), self.context.id, tool.pid()).await;
        let complaints = Mutex::new(Heard::new());
        let stderr = tool.stderr();
        let broken = Notify::new();
        let work = async {
            let listen = tool::lines(stderr, |line| {
                if lock(&complaints).line(line) {
                    broken.notify_one();
                }
                self.heard(line, &complaints);
            });
            let breaks = async {
                broken.notified().await;
                // The statement comes after the error.
                tokio::time::sleep(WORDS).await;
            };
            tokio::select! {
                listened = listen => listened,
                () = breaks => Err(self.failed(&complaints, None)),
            }
        };
        let done = tool.drive(self.context.token(), work).await;
        store::tool_ended(self.context.engine.store(), self.context.id).await;
        let ((), status) = done?;
        lock(&self.count).end();
        let whole = {
            let heard = lock(&complaints);
            // It exits with 1 when it went on after an error.
            status.success() || (heard.only_unknown_setting() && status.code() == Some(1))
        };
        match whole {
            true => Ok(()),
            false => Err(self.failed(&complaints, Some(status))),
        }
    }

    fn heard(&self, line: &str, complaints: &Mutex<Heard>) {
        let (shown, share) = {
            let mut count = lock(&self.count);
            let shown = count.line(line).map(str::to_owned);
            (shown, count.share())
        };
        if let Some(warning) = lock(complaints).warning.take() {
            self.context.log(LogLevel::Warn, format!("pg_restore: {warning}"));
        }
        if shown.is_none() && !line.contains("finished item") {
            return;
        }
        self.context.step(self.step, |step| step.fraction = Some(share));
        self.context.progress(|progress| {
            progress.fraction = Some((self.reached)(share));
            if shown.is_some() {
                progress.detail = shown;
            }
        });
    }

    fn failed(&self, complaints: &Mutex<Heard>, status: Option<std::process::ExitStatus>) -> Error {
        let heard = lock(complaints);
        let text = heard.complaints.text();
        let has = |words: &[&str]| words.iter().any(|words| text.contains(words));
        let (message, hint) = if has(&["No space left on device", "could not extend file", "disk full"]) {
            (
                format!(
                    "The disk of {}'s server became full while the backup was restored.",
                    self.target.name()
                ),
                "What was restored was removed again. Free some room there, then try again.",
            )
        } else if has(&[
            "permission denied",
            "must be owner",
            "must be superuser",
            "must be able to",
        ]) {
            (
                format!(
                    "The role that restores may not make something that is in the backup of {}.",
                    self.target.name()
                ),
                "What the server said is below. Where the console's role is no superuser, let the database's URL name one for the \
                 restore.",
            )
        } else if has(&[
            "could not access file",
            "could not open extension control file",
            "is not available",
        ]) {
            (
                format!(
                    "Something that the backup needs is not installed on the machine of {}'s server.",
                    self.target.name()
                ),
                "What the server said is below; install the package that has it there.",
            )
        } else {
            return heard.complaints.error(self.target.name(), status);
        };
        let mut fault = Fault::new(Code::TargetRefused, message).hint(hint);
        fault.target = Some(Refusal {
            target: self.target.name().to_owned(),
            message: text,
            ..Refusal::default()
        });
        Error::Refused(fault)
    }

    fn connection(&self, by_console: bool) -> Result<&str> {
        match by_console {
            true => Ok(self.reach.connection()),
            false => self
                .reach
                .as_login()
                .ok_or_else(|| Error::internal("restoring", "there is no role that loads")),
        }
    }

    /// The list of entries that pg_restore takes.
    async fn list(&self, run: &Run, name: &str) -> Result<std::path::PathBuf> {
        use std::io::Write;
        let path = self.reach.private_folder().join(name);
        let text: String = run.entries.iter().map(|id| format!("{id};\n")).collect();
        let made = path.clone();
        blocking(move || {
            let write = || private_file(&made)?.write_all(text.as_bytes());
            write().map_err(Error::io("writing the list for pg_restore"))
        })
        .await?;
        Ok(path)
    }

    /// The definitions in the new database, as pg_dump tells them to the console's role, or to the one that loads.
    ///
    /// # Errors
    /// `Cancelled`; the tool's failure in words.
    pub(super) async fn definitions(&self, by_console: bool) -> Result<Toc> {
        let mut command = tool::command(self.programs, "pg_dump", Some(self.reach));
        command
            .arg("--format=custom")
            .arg("--schema-only")
            .arg("--no-password")
            .arg(format!("--dbname={}", self.connection(by_console)?))
            .stdout(Stdio::piped());
        let mut tool = Tool::start(command)?;
        store::tool_started(self.context.engine.store(), self.context.id, tool.pid()).await;
        let mut complaints = Complaints::of("pg_dump");
        let (stdout, stderr) = (tool.stdout(), tool.stderr());
        let work = async {
            let listen = tool::lines(stderr, |line| {
                complaints.line(line);
            });
            let read = async {
                let mut bytes = Vec::new();
                if let Some(mut stdout) = stdout {
                    stdout
                        .read_to_end(&mut bytes)
                        .await
                        .map_err(Error::io("reading what pg_dump writes"))?;
                }
                Ok(bytes)
            };
            Ok(tokio::try_join!(read, listen)?.0)
        };
        let done = tool.drive(self.context.token(), work).await;
        store::tool_ended(self.context.engine.store(), self.context.id).await;
        let (bytes, status) = done?;
        if !status.success() {
            return Err(complaints.error(self.target.name(), Some(status)));
        }
        toc::read(&bytes[..])
            .map_err(|why| Error::internal("reading the definitions of a restored database", why))
    }
}

/// What pg_restore said.
struct Heard {
    complaints: Complaints,
    unknown_settings: usize,
    errors: usize,
    warning: Option<String>,
}

impl Heard {
    fn new() -> Self {
        Self {
            complaints: Complaints::of("pg_restore"),
            unknown_settings: 0,
            errors: 0,
            warning: None,
        }
    }

    /// Whether this line is an error that ends the restore.
    fn line(&mut self, line: &str) -> bool {
        if line.starts_with("pg_restore: error: ") && line.contains(UNKNOWN_SETTING) {
            self.unknown_settings += 1;
            return false;
        }
        match self.complaints.line(line) {
            Said::Error => {
                self.errors += 1;
                true
            }
            Said::Warning(text) => {
                if !text.starts_with("errors ignored on restore") {
                    self.warning = Some(text);
                }
                false
            }
            Said::Progress => false,
        }
    }

    fn only_unknown_setting(&self) -> bool {
        self.errors == 0 && self.unknown_settings > 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_an_older_server_does_not_know_is_no_failure_and_anything_else_is() {
        let mut heard = Heard::new();
        assert!(!heard.line(
            "pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\""
        ));
        assert!(!heard.line("Command was: SET transaction_timeout = 0;"));
        assert!(!heard.line("pg_restore: warning: errors ignored on restore: 1"));
        assert!(heard.only_unknown_setting() && heard.warning.is_none());
        assert!(
            heard.line("pg_restore: error: could not execute query: ERROR:  permission denied for schema x")
        );
        assert!(!heard.only_unknown_setting());
    }
}
