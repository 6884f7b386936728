//! Backups: pg_dump archives in a folder, each with the roles of its server and a sealed manifest, and what proves them.
//!
//! The manifests are the truth, the store's rows a cache of them. What is listed is whole: an archive that was hashed,
//! made durable and read back to its end before it appeared under its name.

pub(crate) mod added;
mod adopt;
mod attempt;
mod catalog;
mod chosen;
mod contents;
mod delete;
mod download;
mod dump;
pub(crate) mod findings;
mod folder;
mod globals;
mod inventory;
mod manifest;
mod marks;
mod meter;
mod needs;
mod prepare;
mod process;
mod pump;
mod reach;
mod read_back;
mod reconcile;
pub(crate) mod restore;
pub(crate) mod retention;
mod rows;
pub(crate) mod run;
mod seal;
mod shelf;
mod snapshot;
mod store;
mod stored;
pub(crate) mod swap;
mod throw_away;
mod toc;
mod tool;
mod trial;
pub(crate) mod verify;
mod words;

use chrono::{TimeDelta, Utc};
use contract::{
    Code, Fault,
    audit::Severity,
    backup::{BackupList, BackupReport, BackupSpec, BackupView, PartsView, Proof, VerifySpec},
    jobs::{JobId, JobKind, JobQuery, JobState, JobView},
    session::Permission,
    target::TargetState,
};
use sqlx::PgConnection;
use uuid::Uuid;

pub(crate) use self::chosen::check as check_spec;
pub use self::download::Download;
use self::{
    chosen::Chosen,
    folder::Folder,
    reconcile::{Found, looking},
    shelf::Shelf,
};
use crate::{
    Caller, Engine, Error, Result,
    finding::Part,
    jobs::{self, Act},
    programs::Programs,
    target::Target,
};

/// The client tools that backups use.
pub(crate) const NEEDED: [&str; 3] = ["pg_dump", "pg_dumpall", "pg_restore"];

/// How long a failed attempt stays on the page.
const ATTEMPTS_SHOWN: TimeDelta = TimeDelta::days(7);
/// The most attempts on the page.
const MOST_ATTEMPTS: usize = 10;

/// Why what a schedule takes may not be proven as far as was chosen.
pub(crate) struct NoTrial {
    /// What keeps it from that, with the remedy.
    pub fault: Fault,
    /// Whether it cannot be as long as the settings are what they are; else it is not known yet, or can change by itself.
    pub never: bool,
}

/// Why backups of a managed database cannot be proven to a level, if so: on this machine, or on the server that is there for that. While
/// the database's own server is away nothing is known against it.
///
/// # Errors
/// `NotFound` for the target; what [`trial::server`] fails with beside that.
pub(crate) async fn no_trial(engine: &Engine, target: &str, level: Proof) -> Result<Option<NoTrial>> {
    let target = engine.target(target)?;
    if level < Proof::Restored {
        return Ok(None);
    }
    if matches!(target.state(), TargetState::Down { .. }) {
        // It may not have been asked yet.
        drop(target.look().await);
    }
    let TargetState::Up(server) = target.state() else {
        return Ok(None);
    };
    let given = engine.config().pg_bin.as_deref();
    let major = u32::try_from(server.version_num / 10_000).unwrap_or_default();
    match (trial::server(given, major).await, &engine.config().verify_on) {
        (Ok(_), _) => Ok(None),
        (Err(_), Some(on)) => no_place(engine, on, major).await,
        (Err(error), None) if error.fault().code == Code::Conflict => Ok(Some(NoTrial {
            fault: error.fault().hint(format!(
                "{}, name a managed database on whose server backups are restored for trial (PGSTEWARD_VERIFY_ON), or choose level 1.",
                trial::install(given, major)
            )),
            never: true,
        })),
        (Err(error), None) => Err(error),
    }
}

/// Why the server that PGSTEWARD_VERIFY_ON names takes no trial of a backup of this major version, if so.
async fn no_place(engine: &Engine, on: &str, major: u32) -> Result<Option<NoTrial>> {
    let place = match trial_on(engine, on, major) {
        Ok(place) => place,
        Err(error) => {
            return Ok(Some(NoTrial {
                fault: error.fault(),
                never: true,
            }));
        }
    };
    let looked = async {
        let mut look = place.look().await?;
        restore::may_create(&mut look)
            .await
            .map_err(|source| place.error(source))
    };
    let fault = match looked.await {
        // Its version is known only now, if it had never been asked.
        Ok(None) => match trial_on(engine, on, major) {
            Ok(_) => return Ok(None),
            Err(error) => {
                return Ok(Some(NoTrial {
                    fault: error.fault(),
                    never: true,
                }));
            }
        },
        Ok(Some(fault)) => fault,
        Err(error) => {
            let fault = error.fault();
            Fault::new(
                fault.code,
                format!(
                    "Whether the server of {on}, which PGSTEWARD_VERIFY_ON names, can take a trial is not known now. {}",
                    fault.message
                ),
            )
            .hint("Let it be reached before the first backup is verified, or choose level 1.")
        }
    };
    Ok(Some(NoTrial { fault, never: false }))
}

/// The managed database that PGSTEWARD_VERIFY_ON names, when its server is none that is known to be too old for a backup of this major
/// version.
///
/// # Errors
/// `Conflict`, with what to change.
fn trial_on(engine: &Engine, on: &str, major: u32) -> Result<Target> {
    let given = engine.config().pg_bin.as_deref();
    let lacks = format!(
        "The backup is of PostgreSQL {major}, {} of that version",
        trial::lacks(given)
    );
    let place = engine.target(on).map_err(|error| {
        Error::conflict(
            format!(
                "{lacks}, and PGSTEWARD_VERIFY_ON names \"{on}\", which is no database that this console manages."
            ),
            format!(
                "Let it name one of them. {}",
                error.fault().hint.unwrap_or_default()
            ),
        )
    })?;
    match place.state() {
        TargetState::Up(server)
            if u32::try_from(server.version_num / 10_000).is_ok_and(|version| version < major) =>
        {
            Err(Error::conflict(
                format!(
                    "{lacks}, and the server of {on}, which PGSTEWARD_VERIFY_ON names, has PostgreSQL {}: it need not understand what a \
                     newer one wrote.",
                    server.version_num / 10_000
                ),
                format!(
                    "{}, or let PGSTEWARD_VERIFY_ON name a managed database on a server of PostgreSQL {major} or newer.",
                    trial::install(given, major)
                ),
            ))
        }
        _ => Ok(place),
    }
}

/// The operations on backups.
pub struct Backups<'a>(&'a Engine);

impl Engine {
    /// The operations on backups.
    pub fn backup(&self) -> Backups<'_> {
        Backups(self)
    }
}

impl Backups<'_> {
    /// The stored backups of a target, and the attempts that did not become one.
    ///
    /// # Errors
    /// `NotFound` for the target; `Io` when the backup folder cannot be read; the store's failures.
    #[crate::boxed]
    pub async fn list(&self, caller: &Caller, target: &str) -> Result<BackupList> {
        caller.permit(Permission::ViewTarget)?;
        let engine = self.0;
        let target = engine.target(target)?;
        let shelf = Shelf::of(engine, &target).await?;
        let stuck = reconcile::sweep(engine).await?;
        let found = reconcile::reconcile(engine, &shelf).await?;
        target
            .kept()
            .put(Part::Backups, findings::from(engine, &target, &found).await?);
        let server = match target.state() {
            TargetState::Up(server) => Some(server),
            TargetState::Down { .. } => None,
        };
        let last = found.backups.iter().find(|backup| backup.is_sound());
        let root = engine.config().backup_dir.clone();
        let by_itself = crate::schedule::in_words(engine, target.name()).await?;
        Ok(BackupList {
            target: target.name().to_owned(),
            attempts: self.attempts(target.name()).await?,
            warning: self
                .warning(server.as_ref().map(|server| server.version_num), &found, stuck)
                .await?,
            location: root.display().to_string(),
            free_bytes: looking(move || Ok(Folder::new(&root).free_bytes())).await?,
            expected_bytes: prepare::expected_bytes(last, server.map(|server| server.database_bytes)),
            expected_ms: last.map(|last| last.duration_ms),
            schedule: by_itself.as_ref().map(|(words, _)| words.clone()),
            next_at: by_itself.and_then(|(_, next_at)| next_at),
            keeps: retention::keeps(engine, target.name()).await?,
            backups: found.backups,
        })
    }

    /// Queues a backup. It gets the job's id.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for parts that no backup can be of; `Conflict` when one is waiting or running already; the
    /// store's failures.
    #[crate::boxed]
    pub async fn start(&self, caller: &Caller, spec: BackupSpec) -> Result<JobId> {
        caller.permit(Permission::BackUp)?;
        self.start_as(caller, spec, true).await
    }

    /// The same, with the choice whether every table is counted and hashed in the dump's own snapshot. That reads the database a
    /// second time, beside the dump; without it, what is restored can never be compared row for row.
    ///
    /// # Errors
    /// As [`Self::start`].
    #[crate::boxed]
    pub async fn start_as(&self, caller: &Caller, spec: BackupSpec, exact: bool) -> Result<JobId> {
        caller.permit(Permission::BackUp)?;
        chosen::check(&spec)?;
        let target = self.0.target(&spec.target)?.name().to_owned();
        let parts: Vec<String> = spec.only.iter().map(ToString::to_string).collect();
        let detail = (!parts.is_empty()).then(|| format!("Only {}.", words::some(&parts)));
        let act = Act {
            event_type: "backup.create",
            severity: Severity::Info,
            object: None,
            detail: detail.as_deref(),
        };
        let job = run::TakeBackup {
            target,
            only: spec.only,
            compression: spec.compression,
            parallel: spec.parallel,
            exact,
        };
        jobs::start(self.0, caller, &job, act).await
    }

    /// What a backup of these parts would leave out, and what it could only be restored beside; none of a whole database. Nothing is
    /// written.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for parts that no backup can be of; `Target`.
    #[crate::boxed]
    pub async fn look_at_parts(&self, caller: &Caller, spec: BackupSpec) -> Result<Option<PartsView>> {
        caller.permit(Permission::BackUp)?;
        chosen::check(&spec)?;
        let target = self.0.target(&spec.target)?;
        if spec.only.is_empty() {
            return Ok(None);
        }
        let mut connection = target.look().await?;
        let chosen = Chosen::of(&mut connection, &target, &spec.only).await?;
        let needs = needs::of(&mut connection, &chosen)
            .await
            .map_err(|source| target.error(source))?;
        Ok(match chosen {
            Chosen::All => None,
            Chosen::Parts { note, .. } => Some(PartsView {
                note,
                needs: needs::words(needs.as_deref().unwrap_or_default()),
            }),
        })
    }

    /// As [`Self::start`], in a transaction of the schedule's; the audit log says why. None when one is waiting or running already.
    pub(crate) async fn start_in(
        &self,
        transaction: &mut PgConnection,
        caller: &Caller,
        spec: BackupSpec,
        database: i64,
        why: &str,
    ) -> Result<Option<JobId>> {
        caller.permit(Permission::BackUp)?;
        let act = Act {
            event_type: "backup.create",
            severity: Severity::Info,
            object: None,
            detail: Some(why),
        };
        let job = run::TakeBackup {
            target: spec.target,
            only: spec.only,
            compression: spec.compression,
            parallel: spec.parallel,
            exact: true,
        };
        jobs::start_in(transaction, caller, &job, Some(database), &act).await
    }

    /// The job that verifies a backup, or the newest good one, with the name of its file. None when there is no good one,
    /// or it is being verified. A backup whose snapshot was not counted and hashed is restored for trial at the most, and what is
    /// found says so.
    ///
    /// # Errors
    /// `NotFound` for the backup; the folder's and the store's failures.
    pub(crate) async fn verification(
        &self,
        target: &str,
        id: Option<Uuid>,
        level: Proof,
    ) -> Result<Option<(verify::VerifyBackup, String)>> {
        let view = match id {
            Some(id) => Some(self.find(target, id).await?),
            None => {
                let shelf = Shelf::of(self.0, &self.0.target(target)?).await?;
                let found = reconcile::reconcile(self.0, &shelf).await?;
                found.backups.into_iter().find(BackupView::is_sound)
            }
        };
        let Some(view) = view else { return Ok(None) };
        if store::verifying(self.0.store(), view.id).await?.is_some() {
            return Ok(None);
        }
        let level = match view.exact {
            true => level,
            false => level.min(Proof::Restored),
        };
        // The bytes are read back all the same, and what kept it from being tried the job tells.
        let (on, no_place) = match level >= Proof::Restored {
            true => match self.place_of_trial(target, view.id, None).await {
                Ok(on) => (on, None),
                Err(error) => (None, Some(error.fault())),
            },
            false => (None, None),
        };
        let job = verify::VerifyBackup {
            target: view.target,
            backup: view.id,
            taken_at: view.taken_at,
            level,
            on,
            no_place,
        };
        Ok(Some((job, view.file)))
    }

    /// Queues a verification: seal, SHA-256 and a whole read-back. What it finds is kept with the backup.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when this backup is being verified already; the store's failures.
    #[crate::boxed]
    pub async fn verify(&self, caller: &Caller, target: &str, id: Uuid) -> Result<JobId> {
        caller.permit(Permission::BackUp)?;
        let spec = VerifySpec {
            target: target.to_owned(),
            id,
            level: Proof::ReadBack,
            on: None,
        };
        self.verify_to(caller, spec).await
    }

    /// Where a backup is restored for trial: `None` in a throw-away server on this machine, else in a scratch database on the server of a
    /// managed one, which was named or is there for machines without server programs.
    async fn place_of_trial(&self, target: &str, id: Uuid, named: Option<String>) -> Result<Option<String>> {
        let (manifest, _) = self.manifest(target, id).await?;
        if let Some(refused) = trial::not_by_itself(&manifest) {
            return Err(refused);
        }
        if let Some(name) = named {
            return Ok(Some(self.0.target(&name)?.name().to_owned()));
        }
        let config = self.0.config();
        match trial::programs(config.pg_bin.as_deref(), &manifest).await {
            Ok(_) => Ok(None),
            Err(error) => match &config.verify_on {
                Some(name) => {
                    let place = trial_on(self.0, name, manifest.major())?;
                    Ok(Some(place.name().to_owned()))
                }
                None => Err(error),
            },
        }
    }

    /// Queues a verification up to a level: the bytes alone, the read-back, a trial restore into a throw-away server of the same
    /// version, and its comparison with the snapshot, row for row. What it finds is kept with the backup.
    ///
    /// # Errors
    /// As [`Self::verify`]; `Forbidden` for a caller who names another server and may not restore; `Invalid` when one is named and
    /// nothing is restored; `Conflict` when this backup cannot be proven as far, or not on this machine, with the reason.
    #[crate::boxed]
    pub async fn verify_to(&self, caller: &Caller, spec: VerifySpec) -> Result<JobId> {
        caller.permit(Permission::BackUp)?;
        let VerifySpec {
            target,
            id,
            level,
            on,
        } = spec;
        if on.is_some() {
            caller.permit(Permission::Restore)?;
            if level < Proof::Restored {
                return Err(Error::invalid(
                    "on",
                    "Up to this level nothing is restored, so there is nothing to do on another server.",
                    "Choose level 2 or 3, or name no server.",
                ));
            }
        }
        let mut place = None;
        let target = target.as_str();
        let view = self.find(target, id).await?;
        if level == Proof::Equal && !view.exact && view.uploaded.is_none() {
            return Err(Error::conflict(
                "Nothing was counted and hashed in this backup's snapshot, so what is restored cannot be compared with it.",
                "Restore it for trial: pgsteward backup verify --level 2.",
            ));
        }
        if level >= Proof::Restored {
            if view.uploaded.is_some() {
                return Err(words::no_trial_of_a_stranger());
            }
            if let Some(foreign) = &view.foreign {
                return Err(Error::conflict(
                    format!(
                        "It is not known who wrote this backup, and what is in it would be run. {foreign}"
                    ),
                    "Read it back first: pgsteward backup verify --level 1; then take it over: pgsteward backup adopt.",
                ));
            }
            place = self.place_of_trial(target, id, on).await?;
        }
        if let Some(job) = store::verifying(self.0.store(), id).await?
            // A command that was killed has left it, and where no console runs nobody else would ever end it.
            && (self.0.config().works || !jobs::bury_one(self.0, job).await?)
        {
            return Err(Error::conflict(
                "This backup is being verified already.",
                format!("Watch it under /jobs/{job}, or cancel it there first."),
            ));
        }
        let act = Act {
            event_type: "backup.verify",
            severity: Severity::Info,
            object: Some(&view.file),
            detail: Some(level.label()),
        };
        let job = verify::VerifyBackup {
            target: view.target.clone(),
            backup: id,
            taken_at: view.taken_at,
            level,
            on: place,
            no_place: None,
        };
        jobs::start(self.0, caller, &job, act).await
    }

    /// A backup with what its last trial restore found.
    ///
    /// # Errors
    /// `NotFound`; `Io` when its files cannot be read; the store's failures.
    #[crate::boxed]
    pub async fn report(&self, caller: &Caller, target: &str, id: Uuid) -> Result<BackupReport> {
        caller.permit(Permission::ViewTarget)?;
        let backup = self.find(target, id).await?;
        let (manifest, path) = match self.manifest(target, id).await {
            Ok(found) => found,
            // Its manifest is what is damaged, and the view says so.
            Err(_) if backup.damage.is_some() => {
                return Ok(BackupReport {
                    backup,
                    trial: None,
                    no_trial: None,
                    places: Vec::new(),
                });
            }
            Err(error) => return Err(error),
        };
        let never = match backup.uploaded {
            Some(_) => Some(words::no_trial_of_a_stranger()),
            None => trial::not_by_itself(&manifest),
        };
        let by_itself = never.is_none();
        let no_trial = match (never, &self.0.config().verify_on) {
            (Some(never), _) => Some(never),
            (None, on) => match (
                trial::programs(self.0.config().pg_bin.as_deref(), &manifest).await,
                on,
            ) {
                (Ok(_), _) => None,
                (Err(_), Some(on)) => trial_on(self.0, on, manifest.major()).err(),
                (Err(error), None) => Some(error),
            },
        };
        let no_trial = no_trial.map(|error| error.fault().message);
        let seals = seal::Seals::load(self.0).await?;
        let trial = looking(move || stored::trial(&path, &seals, &manifest)).await?;
        let may = caller
            .permit(Permission::BackUp)
            .and_then(|()| caller.permit(Permission::Restore));
        let tried = may.is_ok() && by_itself && backup.foreign.is_none();
        let places = self.0.all_targets().iter().filter(|_| tried);
        Ok(BackupReport {
            places: places.map(|target| target.name().to_owned()).collect(),
            backup,
            trial,
            no_trial,
        })
    }

    /// A stored backup's manifest, and its folder.
    async fn manifest(&self, target: &str, id: Uuid) -> Result<(manifest::Manifest, std::path::PathBuf)> {
        let folder = Folder::new(&self.0.config().backup_dir);
        let shelf = Shelf::of(self.0, &self.0.target(target)?).await?;
        let (place, stored) = reconcile::refresh(self.0, &folder, &shelf, id).await?;
        match stored {
            stored::Stored::Known { manifest, .. } => Ok((manifest, folder.stored(&place, id))),
            _ => Err(gone()),
        }
    }

    async fn find(&self, target: &str, id: Uuid) -> Result<BackupView> {
        let target = self.0.target(target)?;
        let found = reconcile::reconcile(self.0, &Shelf::of(self.0, &target).await?).await?;
        found
            .backups
            .into_iter()
            .find(|backup| backup.id == id)
            .ok_or_else(gone)
    }

    async fn attempts(&self, target: &str) -> Result<Vec<JobView>> {
        let query = JobQuery {
            target: Some(target.to_owned()),
            kind: Some(JobKind::Backup),
            ..JobQuery::default()
        };
        let oldest = Utc::now() - ATTEMPTS_SHOWN;
        let mut attempts = jobs::store::list(self.0.store(), &query, jobs::PER_PAGE).await?;
        attempts.retain(|job| {
            job.state != JobState::Succeeded && (job.created_at > oldest || !job.state.is_final())
        });
        attempts.truncate(MOST_ATTEMPTS);
        Ok(attempts)
    }

    /// What the reader must know of the tools and of the folder.
    async fn warning(
        &self,
        server: Option<i32>,
        found: &Found,
        mut stuck: Vec<String>,
    ) -> Result<Option<String>> {
        let unreadable = &found.unreadable;
        let given = self.0.config().pg_bin.as_deref();
        let programs = match server.and_then(|number| u32::try_from(number / 10_000).ok()) {
            Some(major) => Programs::for_server(given, &NEEDED, major).await,
            None => Programs::find(given, &NEEDED).await,
        };
        let tools = match programs {
            Ok(programs) => programs.warning(),
            Err(error) => {
                let fault = error.fault();
                Some(format!(
                    "No backup can be taken. {} {}",
                    fault.message,
                    fault.hint.unwrap_or_default()
                ))
            }
        };
        let folders = (!unreadable.is_empty()).then(|| {
            let names: Vec<String> = unreadable.iter().take(3).map(Uuid::to_string).collect();
            format!(
                "{} in the backup folder cannot be listed, because the manifest cannot be read: {}.",
                if unreadable.len() == 1 {
                    "One backup".to_owned()
                } else {
                    format!("{} backups", unreadable.len())
                },
                names.join(", "),
            )
        });
        // They are all of a kind, and the first tells where to look.
        if stuck.len() > 1 {
            let more = stuck.len() - 1;
            stuck.truncate(1);
            stuck.push(format!("There are {more} more like it."));
        }
        let made = crate::store::made_at(self.0.store()).await?;
        let older = found
            .backups
            .last()
            .zip(made)
            .filter(|(oldest, made)| oldest.taken_at < *made);
        let lost = older.map(|(_, made)| {
            format!(
                "The console's own database was made on {}, after the oldest of these backups: jobs, users and audit \
                 entries from before are not in it.",
                contract::format::absolute(made)
            )
        });
        let words: Vec<String> = tools
            .into_iter()
            .chain(folders)
            .chain(lost)
            .chain(stuck)
            .collect();
        Ok((!words.is_empty()).then(|| words.join(" ")))
    }
}

fn gone() -> Error {
    Error::not_found(
        "There is no such backup.",
        "It may have been deleted; look at the list of backups.",
    )
}
