//! pg_dump at work: its output goes through SHA-256 to the file, its words become progress.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use contract::{
    backup::{ArchiveForm, Compression},
    format,
    jobs::{LogLevel, Phase, Waiting},
};
use tokio::{process::Command, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{
    catalog, contents,
    folder::Folder,
    manifest::ARCHIVE,
    meter::Meter,
    pump::{Flow, Written, pump},
    reach::Reach,
    read_back::{Damage, Pipe, Reader},
    reconcile::looking,
    rows::Rows,
    store,
    tool::{self, Tool},
    words::{self, Complaints, Said},
};
use crate::{
    Error, Result,
    jobs::JobContext,
    programs::Programs,
    target::{Target, silence::waits},
};

/// How long pg_dump waits for a table that another session has locked.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(20);
/// Room that is left to others on the disk: a full one would stop a database that lives there.
pub(super) const RESERVE: i64 = 64 << 20;
/// How long the server's answer to a look is waited for.
const ANSWER: Duration = Duration::from_secs(3);
/// Between two looks at the server.
const LOOK: Duration = Duration::from_secs(1);
/// The share of the job's bar that is the dump.
pub(super) const SHARE: f64 = 0.95;
/// How far pg_dump is with its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reads {
    /// It may not have its locks yet.
    Begins,
    /// It holds its locks on all tables.
    Locked,
    /// It has read everything. Until then its further connections may still ask for the snapshot.
    Over,
}

/// What one dump needs.
pub(super) struct Dump<'a> {
    pub context: &'a JobContext,
    pub target: &'a Target,
    pub programs: &'a Programs,
    pub reach: &'a Reach,
    pub folder: &'a Folder,
    pub application: &'a str,
    pub snapshot: &'a str,
    /// What makes pg_dump take chosen parts alone.
    pub parts: &'a [String],
    pub compression: Compression,
    /// How many connections read at the same time; more than one write a folder.
    pub parallel: i32,
    /// The names of tables may hold line breaks; then what looks like an error line may be a name.
    pub names_have_line_breaks: bool,
    /// What moves, for those who watch it.
    pub flow: &'a Flow,
}

impl Dump<'_> {
    /// Runs pg_dump into `file` and makes the file durable. Says on `reads` when it holds its locks on all
    /// tables, and when it has ended well.
    ///
    /// The same bytes go through pg_restore on their way, which costs next to no time on a second processor. Together
    /// with the hash of what is read back from the disk, this proves that pg_restore can read what is stored, and the rows
    /// that come out are counted.
    ///
    /// # Errors
    /// `Cancelled`; the tool's failure in words; a full disk; an archive that pg_restore cannot read.
    pub(super) async fn run(
        &self,
        file: std::fs::File,
        meter: &Mutex<Meter>,
        reads: watch::Sender<Reads>,
    ) -> Result<(Written, Rows)> {
        if self.parallel > 1 {
            return self.run_into_folder(file, meter, reads).await;
        }
        let reader = Reader::start(self.programs)?;
        // pg_dump is the one that is asked to stop; pg_restore ends when its pipe does.
        let never = CancellationToken::new();
        let feed = |pipe| self.dump(file, pipe, meter, reads);
        let read = reader.read(ARCHIVE, &never, feed).await?;
        match read.damage? {
            None => Ok((read.value, read.whole.rows)),
            Some(Damage(words)) => Err(words::unreadable(&words)),
        }
    }

    /// The same over several connections: pg_dump writes a folder, pg_restore reads that to its end, then it is packed into `file`.
    async fn run_into_folder(
        &self,
        file: std::fs::File,
        meter: &Mutex<Meter>,
        reads: watch::Sender<Reads>,
    ) -> Result<(Written, Rows)> {
        let into = contents::unpacked(self.folder, self.context.id.0);
        let mut command = self.command(ArchiveForm::Directory);
        command
            .arg(format!("--jobs={}", self.parallel))
            .arg(format!("--file={}", into.display()))
            .stdout(Stdio::null());
        let mut tool = Tool::start(command)?;
        store::tool_started(self.context.engine.store(), self.context.id, tool.pid()).await;
        let complaints = Mutex::new(Complaints::of("pg_dump"));
        let stderr = tool.stderr();
        let work = async {
            let listen = tool::lines(stderr, |line| self.heard(line, meter, &complaints, &reads));
            tokio::select! {
                listened = listen => listened,
                stopped = self.look(meter, Some(&into)) => Err(stopped),
            }
        };
        let done = tool.drive(self.context.token(), work).await;
        store::tool_ended(self.context.engine.store(), self.context.id).await;
        let ((), status) = done?;
        self.ended_well(complaints, status)?;
        lock(meter).finish(Instant::now());
        reads.send_replace(Reads::Over);
        // From here on it is this machine that is waited for.
        self.flow.writing.store(true, Ordering::Relaxed);
        let reader = Reader::of(self.programs, ArchiveForm::Directory, Some(&into))?;
        let never = |_: Pipe| async { Ok(()) };
        let read = reader.read(ARCHIVE, self.context.token(), never).await?;
        if let Some(Damage(words)) = read.damage? {
            return Err(words::unreadable(&words));
        }
        let written = contents::pack(into, file, self.context.token(), self.flow.written.clone())
            .await
            .map_err(|error| self.explained(error))?;
        self.flow.writing.store(false, Ordering::Relaxed);
        Ok((written, read.whole.rows))
    }

    /// pg_dump with all that is the same whatever it writes.
    fn command(&self, form: ArchiveForm) -> Command {
        let mut command = tool::command(self.programs, "pg_dump", Some(self.reach));
        command
            .arg(format!("--format={}", form.name()))
            .arg("--no-password")
            .arg("--verbose")
            .arg(format!("--lock-wait-timeout={}", LOCK_WAIT.as_millis()))
            .arg(format!("--snapshot={}", self.snapshot))
            .arg(format!("--dbname={}", self.reach.connection()))
            .args(compress(self.compression, self.programs.version().major));
        if !self.parts.is_empty() {
            // A part that went away in this moment is a failure, and no smaller backup.
            command.arg("--strict-names").args(self.parts);
        }
        command
    }

    fn ended_well(&self, complaints: Mutex<Complaints>, status: ExitStatus) -> Result<()> {
        let complaints = complaints.into_inner().unwrap_or_else(PoisonError::into_inner);
        match !status.success() || (complaints.has_errors() && !self.names_have_line_breaks) {
            true => Err(complaints.error(self.target.name(), Some(status))),
            false => Ok(()),
        }
    }

    async fn dump(
        &self,
        file: std::fs::File,
        pipe: Pipe,
        meter: &Mutex<Meter>,
        reads: watch::Sender<Reads>,
    ) -> Result<Written> {
        let mut command = self.command(ArchiveForm::Custom);
        command.stdout(Stdio::piped());
        let mut tool = Tool::start(command)?;
        store::tool_started(self.context.engine.store(), self.context.id, tool.pid()).await;

        let complaints = Mutex::new(Complaints::of("pg_dump"));
        let mut file = tokio::fs::File::from_std(file);
        let (stdout, stderr) = (tool.stdout(), tool.stderr());
        let work = async {
            let pump = pump(stdout, &mut file, pipe, self.flow);
            let listen = tool::lines(stderr, |line| self.heard(line, meter, &complaints, &reads));
            let both = async { tokio::try_join!(pump, listen) };
            tokio::select! {
                both = both => Ok(both?.0),
                stopped = self.look(meter, None) => Err(stopped),
            }
        };
        let done = tool.drive(self.context.token(), work).await;
        store::tool_ended(self.context.engine.store(), self.context.id).await;
        let (written, status) = done.map_err(|error| self.explained(error))?;
        self.ended_well(complaints, status)?;
        file.sync_all()
            .await
            .map_err(|error| self.explained(Error::io("writing the archive")(error)))?;
        lock(meter).finish(Instant::now());
        reads.send_replace(Reads::Over);
        Ok(written)
    }

    fn heard(
        &self,
        line: &str,
        meter: &Mutex<Meter>,
        complaints: &Mutex<Complaints>,
        reads: &watch::Sender<Reads>,
    ) {
        self.flow.said.fetch_add(1, Ordering::Relaxed);
        match lock(complaints).line(line) {
            Said::Warning(text) => self.context.log(LogLevel::Warn, format!("pg_dump: {text}")),
            Said::Error => self.context.log(LogLevel::Error, line.to_owned()),
            Said::Progress => {}
        }
        // Tables are locked while they are read from the catalog; functions come next.
        if line == "pg_dump: reading user-defined functions" {
            reads.send_replace(Reads::Locked);
        }
        if lock(meter).line(line, Instant::now()) {
            reads.send_replace(Reads::Locked);
            self.show(meter, None);
        }
    }

    /// Watches server and disk while pg_dump works, and the folder that it writes, where it does; comes back only with a reason to stop.
    async fn look(&self, meter: &Mutex<Meter>, into: Option<&Path>) -> Error {
        let mut last = (Instant::now(), 0);
        loop {
            tokio::time::sleep(LOOK).await;
            if let Some(into) = into {
                let into = into.to_owned();
                let bytes = looking(move || Ok(contents::bytes_in(&into))).await;
                self.flow
                    .written
                    .store(bytes.unwrap_or_default(), Ordering::Relaxed);
            }
            let bytes = self.flow.written.load(Ordering::Relaxed);
            let rate = bytes.saturating_sub(last.1) as f64 / last.0.elapsed().as_secs_f64();
            last = (Instant::now(), bytes);
            let folder = self.folder.clone();
            // A disk that does not answer stops the writing, which is told below.
            let free = looking(move || Ok(folder.free_bytes())).await.ok().flatten();
            if free.is_some_and(|free| free < RESERVE) {
                return words::disk_full(self.folder.root(), bytes);
            }
            // A server that does not answer is the silence's to report.
            let asked = tokio::time::timeout(ANSWER, self.ask(meter)).await;
            let waiting = asked.ok().flatten().unwrap_or_default();
            self.context.progress(|progress| progress.waiting = waiting);
            self.show(meter, Some((bytes, rate as i64)));
        }
    }

    async fn ask(&self, meter: &Mutex<Meter>) -> Option<Option<Waiting>> {
        let mut connection = self.target.look().await.ok()?;
        let sessions = catalog::sessions(&mut connection, self.application).await.ok()?;
        drop(connection);
        let mut waiting = None;
        for session in sessions {
            if let (Some(relation), Some(tuples)) = (session.relation, session.tuples) {
                lock(meter).copied(relation, tuples);
            }
            if let (Some(seconds), Some(pid)) = (session.waiting_s, session.blocker) {
                waiting = Some(Waiting {
                    pid,
                    who: who(&session),
                    seconds,
                });
            }
        }
        Some(waiting)
    }

    fn show(&self, meter: &Mutex<Meter>, written: Option<(u64, i64)>) {
        let (share, current) = {
            let meter = lock(meter);
            (meter.fraction(), meter.current().map(str::to_owned))
        };
        let amount = written.map(|(bytes, rate)| {
            let bytes = format::bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
            format!("{bytes} written, {} a second", format::bytes(rate))
        });
        self.context.step(0, |step| {
            step.fraction = Some(share);
            // The amount comes once a second, the table at hand more often.
            if amount.is_some() {
                step.detail.clone_from(&amount);
            }
        });
        self.context.progress(|progress| {
            progress.phase = Phase::Dumping;
            progress.fraction = Some(share * SHARE);
            let silent = self.flow.silent_s.load(Ordering::Relaxed);
            if silent > 0 {
                let limit = self.context.engine.config().network_timeout;
                progress.detail = Some(waits(self.target.name(), Duration::from_secs(silent), limit));
                return;
            }
            progress.detail = match (
                &current,
                &progress.steps.first().and_then(|step| step.detail.clone()),
            ) {
                (Some(table), Some(amount)) => Some(format!("{table} · {amount}")),
                (Some(table), None) => Some(table.clone()),
                (None, _) => Some("Reading the catalog".to_owned()),
            };
        });
    }

    fn explained(&self, error: Error) -> Error {
        match error {
            Error::Io { source, .. }
                if matches!(
                    source.kind(),
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
                ) =>
            {
                words::disk_full(self.folder.root(), self.flow.written.load(Ordering::Relaxed))
            }
            other => other,
        }
    }
}

/// What tells pg_dump how to compress. The words that older ones know are numbers.
fn compress(compression: Compression, major: u32) -> Option<&'static str> {
    match (compression, major) {
        (Compression::Usual, _) => None,
        (Compression::None, _) => Some("--compress=0"),
        (Compression::Gzip, ..16) => Some("--compress=6"),
        (Compression::Gzip, _) => Some("--compress=gzip"),
        (Compression::Lz4, _) => Some("--compress=lz4"),
        (Compression::Zstd, _) => Some("--compress=zstd"),
    }
}

fn who(session: &catalog::Session) -> String {
    let name = match session.blocker_application.as_deref() {
        Some("") | None => "a session without a name",
        Some(name) => name,
    };
    let state = session
        .blocker_state
        .as_deref()
        .unwrap_or("state not visible to this user");
    match session.blocker_age_s {
        Some(age) => format!(
            "{name}, {state}, transaction open for {}",
            format::duration(age * 1000)
        ),
        None => format!("{name}, {state}"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
