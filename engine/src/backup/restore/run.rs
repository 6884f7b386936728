//! The job that restores a backup into a new database. Until that is whole and compared with its backup it has a name of the
//! job's own; then it gets the one that was asked for. The live database is never written to.
//!
//! All code of the archive's authors is run by a role that owns the new database while it is loaded and can do nothing
//! elsewhere; owners, grants and event triggers come afterwards: see decision 0021.

use std::{
    collections::{BTreeSet, HashSet},
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use contract::{
    Code, Fault, format,
    jobs::{JobKind, LogLevel, Phase},
    restore::{CheckLevel, RestoreReport, RestoreSpec, RestoredState},
};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{
    super::{
        catalog, contents,
        folder::Folder,
        process, reach,
        reach::{Beside, Reach},
        read_back::{self, Damage},
        reconcile::blocking,
        store as attempts,
        toc::Entry,
        words,
    },
    compare,
    load::{self, Loader},
    parts::Runs,
    place::{self, Login},
    plan::{self, Prepared},
    progress::{self, Count, Pace},
    store,
};
use crate::{
    Error, Result,
    jobs::{Job, JobContext, Work, patiently},
    quote::ident,
    target::Target,
};

/// How long a clean-up asks the managed database to remove what is left there: it may be gone itself.
const ASK: Duration = Duration::from_secs(8);
/// How often it is told how far the job is, where nothing else tells it.
const TELL: Duration = Duration::from_millis(500);
/// Statements that are sent at once.
const AT_ONCE: usize = 100;
/// Differences that a fault names.
const NAMED: usize = 10;

/// These come after the tables have their owners.
const PUBLICATION: &str = "PUBLICATION";

/// The parts of the job, by their place.
const STEPS: [&str; 6] = [
    "Check the backup",
    "Make the database",
    "Load",
    "Owners and grants",
    "Compare",
    "Give it its name",
];
const CHECK: usize = 0;
const MAKE: usize = 1;
const LOAD: usize = 2;
const GIVE: usize = 3;
const COMPARE: usize = 4;
const NAME: usize = 5;
/// What part of the time each usually takes. The fourth runs within the fifth.
const USUAL: [f64; 6] = [0.05, 0.04, 0.72, 0.0, 0.16, 0.03];
/// How much of the comparison counting the rows is.
const COUNTING: f64 = 0.7;

/// Restores one backup into a new database.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Restore {
    /// What was asked for.
    pub spec: RestoreSpec,
    /// The instant whose state the backup holds, for the title.
    pub taken_at: contract::Instant,
    /// What an archive from elsewhere is called: it alone says of when it is.
    #[serde(default)]
    pub uploaded: Option<String>,
}

impl Job for Restore {
    const KIND: JobKind = JobKind::Restore;
    const EVENT_TYPE: &'static str = "backup.restore";

    fn target(&self) -> Option<&str> {
        Some(self.spec.place())
    }

    fn work(&self) -> Work {
        Work::Aside
    }

    fn title(&self) -> String {
        let to = self
            .spec
            .to
            .as_ref()
            .map_or_else(String::new, |to| format!(" to {to}"));
        match &self.uploaded {
            Some(name) => format!("Restore the archive {name} beside {}{to}", self.spec.target),
            None => format!(
                "Restore the backup of {} from {}{to}",
                self.spec.target,
                format::absolute(self.taken_at)
            ),
        }
    }

    async fn run(self, context: JobContext) -> Result<String> {
        let begun = Instant::now();
        context.steps(STEPS.map(str::to_owned));
        context.phase(Phase::Preparing, None);
        let target = context.target(self.spec.place())?;
        let database = context
            .database
            .ok_or_else(|| Error::internal("restoring", "it is not known which database this is"))?;
        sweep(&context, &target, database).await?;
        let prepared = Box::pin(plan::look(&context.engine, &target, &self.spec));
        let prepared = context.unless_cancelled(prepared).await?;
        for check in prepared
            .plan
            .checks
            .iter()
            .filter(|check| check.level >= CheckLevel::Unknown)
        {
            context.log(LogLevel::Warn, check.words.clone());
        }
        may_begin(&prepared)?;
        let work = Restoring {
            context: &context,
            target: &target,
            database,
            spec: &self.spec,
            first: 0,
            pace: Mutex::new(Pace::of(context.engine.store(), database).await?),
            begun,
            span: (0.0, 1.0),
        };
        tokio::select! {
            done = Box::pin(work.restore(prepared)) => done,
            never = work.tell() => match never {},
        }
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        clear(&context, self.spec.place()).await
    }
}

/// Ends the client tool of a restore, and removes its files; whether it had come as far as to begin.
///
/// # Errors
/// The store's failures.
pub(super) async fn put_down(context: &JobContext) -> Result<bool> {
    let engine = &context.engine;
    let attempt = attempts::attempt(engine.store(), context.id).await?;
    if let Some(attempt) = &attempt
        && let Some(pid) = attempt.pid
        && process::kill_group(&attempt.place, pid, attempt.pid_started)
    {
        context.log(
            LogLevel::Warn,
            format!("Ended the client tool that was left running (pid {pid})."),
        );
    }
    let secrets = reach::secrets_folder(&engine.config().data_dir, context.id.0);
    blocking(move || {
        std::fs::remove_dir_all(&secrets).ok();
        Ok(())
    })
    .await?;
    contents::put_away(&Folder::new(&engine.config().backup_dir), context.id.0).await?;
    Ok(attempt.is_some())
}

/// Ends what a restore has left: its tool, its files, and what it made on the server of `place`, unless it was finished.
///
/// # Errors
/// The store's failures.
pub(in crate::backup) async fn clear(context: &JobContext, place: &str) -> Result<()> {
    let engine = &context.engine;
    put_down(context).await?;
    if let Some(left) = store::unfinished(engine.store(), context.id).await? {
        let target = engine.target_of(place, left.database)?;
        match tokio::time::timeout(ASK, remove(&target, &left)).await {
            Ok(Ok(removed)) => {
                for what in removed {
                    context.info(format!("Removed {what}."));
                }
                store::broken_off(engine.store(), context.id, RestoredState::Gone).await?;
            }
            failed => {
                let why = match failed {
                    Ok(Err(error)) => error.fault().message,
                    _ => format!("{} did not answer.", target.name()),
                };
                context.log(
                    LogLevel::Warn,
                    format!(
                        "The half-made database {} could not be removed and is left there: {why} The next restore of this \
                         database removes it.",
                        place::working_name(context.id.0)
                    ),
                );
                store::broken_off(engine.store(), context.id, RestoredState::Partial).await?;
            }
        }
    }
    attempts::end(&mut *engine.store().acquire().await?, context.id).await?;
    Ok(())
}

/// The name of a restore's sessions, without the console's own before it.
pub(super) fn purpose(job: Uuid) -> String {
    format!("restore {job}")
}

/// Removes what a restore made on the server.
async fn remove(target: &Target, left: &store::Unfinished) -> Result<Vec<String>> {
    let mut connection = target.connect("restore clean-up").await?;
    let failed = |source| target.error(source);
    catalog::end_sessions(&mut connection, &format!("pgsteward {}", purpose(left.job)))
        .await
        .map_err(failed)?;
    let finished = left.oid.map(|oid| (left.wanted_name.as_str(), oid));
    let removed = place::remove(&mut connection, left.job, finished)
        .await
        .map_err(failed)?;
    connection.close().await.ok();
    Ok(removed)
}

/// Removes what earlier restores had to leave.
pub(super) async fn sweep(context: &JobContext, target: &Target, database: i64) -> Result<()> {
    for left in store::partial(context.engine.store(), database).await? {
        let job = contract::jobs::JobId(left.job);
        match remove(target, &left).await {
            Ok(removed) => {
                for what in removed {
                    context.info(format!("Removed {what}, which an earlier restore left."));
                }
                store::broken_off(context.engine.store(), job, RestoredState::Gone).await?;
            }
            Err(error) => context.log(
                LogLevel::Warn,
                format!(
                    "What an earlier restore left cannot be removed: {}",
                    error.fault().message
                ),
            ),
        }
    }
    Ok(())
}

/// What keeps a restore from beginning, as a fault.
pub(super) fn may_begin(prepared: &Prepared) -> Result<()> {
    let blocking: Vec<_> = prepared
        .plan
        .checks
        .iter()
        .filter(|check| check.level == CheckLevel::Blocks)
        .collect();
    let words = |of: &dyn Fn(&contract::restore::RestoreCheck) -> Option<String>| {
        blocking
            .iter()
            .filter_map(|check| of(check))
            .collect::<Vec<_>>()
            .join(" ")
    };
    if blocking.is_empty() {
        return Ok(());
    }
    Err(Error::conflict(
        words(&|check| Some(check.words.clone())),
        words(&|check| check.remedy.clone()),
    ))
}

/// Looks at the archive's bytes: a flipped one in an uncompressed archive goes through pg_restore unseen.
pub(super) async fn check(context: &JobContext, step: usize, prepared: &Prepared) -> Result<()> {
    let expected = prepared.manifest.archive.clone();
    let held = prepared.held.as_ref().map(std::fs::File::try_clone).transpose();
    let mut file = held
        .map_err(Error::io("reading the archive"))?
        .ok_or_else(|| Error::internal("restoring", "there is no archive"))?;
    use std::io::Seek;
    file.rewind().map_err(Error::io("reading the archive"))?;
    let whole = expected.bytes.max(1) as f64;
    let damage = context
        .unless_cancelled(read_back::bytes(file, &expected, |bytes| {
            context.step(step, |step| step.fraction = Some(bytes as f64 / whole));
        }))
        .await?;
    match damage {
        None => Ok(()),
        Some(Damage(words)) => Err(Error::conflict(
            format!("The backup is damaged. {words}"),
            "Nothing was made. Verify the backup, restore another one, and find out what changed this one.",
        )),
    }
}

/// Logs in as the role that loads.
pub(super) async fn log_in(
    target: &Target,
    job: Uuid,
    database: &str,
    login: &Login,
) -> Result<PgConnection> {
    let connected = target
        .connect_beside(database, Some(login.as_pair()), &purpose(job))
        .await;
    connected.map_err(|error| {
        let mut fault = Fault::new(
            Code::Conflict,
            format!(
                "The role that would load the backup, so that no function in it runs as a superuser, cannot log in to {}.",
                target.name()
            ),
        )
        .hint(
            "Let roles named pgsteward_restore_… in from the console's address by password (scram-sha-256) in pg_hba.conf, \
             and reload it. Only when you trust everyone who could create a function in this database: load as the \
             console's superuser (--as-superuser).",
        );
        fault.target = error.fault().target;
        Error::Refused(fault)
    })
}

/// Writes down every difference, and gives the fault that names the first of them.
pub(super) fn differs(context: &JobContext, what: &str, differences: &[String], hint: &str) -> Error {
    for difference in differences {
        context.log(LogLevel::Error, difference.clone());
    }
    Error::conflict(format!("{what}: {}.", words::first(differences, NAMED)), hint)
}

/// A job at this work.
pub(super) struct Restoring<'a> {
    pub context: &'a JobContext,
    /// On whose server the database is made, and its number in the store.
    pub target: &'a Target,
    pub database: i64,
    pub spec: &'a RestoreSpec,
    /// The job's part that [`CHECK`] would be; the others follow it.
    pub first: usize,
    /// How the shown progress goes, since when, and where of the whole job this work begins and ends.
    pub pace: Mutex<Pace>,
    pub begun: Instant,
    pub span: (f64, f64),
}

/// A backup in a database that has the working name.
pub(super) struct Loaded {
    /// A session beside it, and one in it.
    pub server: PgConnection,
    pub own: PgConnection,
    /// What is not as in the backup, in words.
    pub differences: Vec<String>,
    pub tables: i64,
    pub rows: i64,
    pub definitions: i64,
    /// From nothing to the last index, in milliseconds.
    pub load_ms: i64,
}

impl Restoring<'_> {
    async fn restore(&self, prepared: Prepared) -> Result<String> {
        let (context, target, job) = (self.context, self.target, self.context.id);
        let engine = &context.engine;
        let failed = |source| target.error(source);
        let started = self.context.begin(self.first + CHECK, Phase::ReadingBack);
        check(context, self.first + CHECK, &prepared).await?;
        let folder = Folder::new(&engine.config().backup_dir);
        let (form, token) = (prepared.manifest.form(), context.token());
        let found = contents::lay_out(&folder, job.0, &prepared.archive, form, token).await?;
        self.context
            .end(self.first + CHECK, started, "SHA-256 as it was written");

        let loaded = self.load(&prepared, &found, &prepared.plan.into).await?;
        if !loaded.differences.is_empty() {
            return Err(self.differs(&loaded.differences));
        }
        let Loaded {
            mut server,
            own,
            tables,
            rows,
            definitions,
            ..
        } = loaded;
        own.close().await.ok();
        contents::put_away(&folder, job.0).await?;

        let started = self.context.begin(self.first + NAME, Phase::Storing);
        self.reached(NAME, 0.0);
        context.check()?;
        place::finish(
            &mut server,
            target,
            job.0,
            &prepared.manifest,
            &place::Given {
                owner: &prepared.owner,
                rights: self.spec.owner.is_none(),
                settings_of_roles: prepared.console.superuser,
                name: &prepared.plan.into,
            },
        )
        .await?;
        place::remove_login(&mut server, job.0).await.map_err(failed)?;
        let report = RestoreReport {
            duration_ms: i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX),
            tables,
            rows,
            definitions,
            only: match self.spec.only.is_empty() {
                true => prepared.manifest.only.clone(),
                false => self.spec.only.clone(),
            },
            notes: prepared.notes,
        };
        let course = self.pace().course(self.begun.elapsed().as_secs_f64());
        patiently(|| async {
            store::ready(engine.store(), job, &report, &course).await?;
            attempts::end(&mut *engine.store().acquire().await?, job).await?;
            Ok(())
        })
        .await?;
        self.context.end(self.first + NAME, started, &prepared.plan.into);
        server.close().await.ok();
        let notes: String = report
            .notes
            .iter()
            .map(|note| format!(". {}", note.trim_end_matches('.')))
            .collect();
        Ok(format!(
            "{} is there beside {}: {} rows in {} tables and {} definitions are as in the backup{notes}",
            prepared.plan.into,
            target.database(),
            format::exact(rows),
            format::exact(tables),
            format::exact(report.definitions),
        ))
    }

    /// Makes a database of the job's own name out of the archive that was looked at, and compares it with the backup's table of contents. `wanted_name`
    /// is what it is to be called.
    ///
    /// # Errors
    /// `Cancelled`; what the server and pg_restore say. What was made is left for the clean-up.
    pub(super) async fn load(
        &self,
        prepared: &Prepared,
        found: &contents::Found,
        wanted_name: &str,
    ) -> Result<Loaded> {
        let (context, target, job) = (self.context, self.target, self.context.id);
        let engine = &context.engine;
        let failed = |source| target.error(source);
        let programs = prepared
            .programs
            .as_ref()
            .ok_or_else(|| Error::internal("restoring", "there is no pg_restore"))?;
        let begun = Instant::now();
        let started = self.context.begin(self.first + MAKE, Phase::Preparing);
        self.reached(MAKE, 0.0);
        attempts::begin(
            engine.store(),
            job,
            target.name(),
            &programs.version().to_string(),
        )
        .await?;
        let working = place::working_name(job.0);
        store::begin(
            engine.store(),
            store::New {
                job,
                backup: prepared.manifest.id,
                taken_at: prepared.manifest.taken_at,
                database: self.database,
                target: target.name(),
                name: &working,
                wanted_name,
            },
        )
        .await?;
        let mut server = target.connect(&purpose(job.0)).await?;
        place::settle(&mut server).await.map_err(failed)?;
        for role in &prepared.create_roles {
            place::create_role(&mut server, job.0, role)
                .await
                .map_err(failed)?;
            context.info(format!("Created the role {}.", role.name));
        }
        for (role, member) in &prepared.members {
            let grant = format!("grant {} to {}", ident(role), ident(member));
            place::run(&mut server, grant).await.map_err(failed)?;
        }
        let login = match prepared.console.superuser && !self.spec.as_superuser {
            true => Some(Login::make(&mut server, job.0, true).await.map_err(failed)?),
            false => None,
        };
        let loader = login
            .as_ref()
            .map_or(prepared.console.role.as_str(), |login| &login.role);
        let oid = place::make(
            &mut server,
            target,
            job.0,
            loader,
            &prepared.manifest.database,
            prepared.console.version_num,
        )
        .await?;
        store::made(engine.store(), job, oid).await?;
        if login.is_some() && !self.spec.no_tablespaces {
            for space in plan::tablespaces(&prepared.toc) {
                let grant = format!("grant create on tablespace {} to {}", ident(space), ident(loader));
                place::run(&mut server, grant).await.map_err(failed)?;
            }
        }
        let mut own = target.connect_beside(&working, None, &purpose(job.0)).await?;
        if place::own_number(&mut own).await.map_err(failed)? != oid {
            return Err(Error::conflict(
                format!("{} led to another server while the restore began.", target.name()),
                "Let the database's URL name one server, and try again.",
            ));
        }
        place::settle(&mut own).await.map_err(failed)?;
        let mut loading = match &login {
            Some(login) => Some(log_in(target, job.0, &working, login).await?),
            None => None,
        };
        let public = self.make_extensions(&mut own, prepared, login.as_ref()).await?;
        let trusted: HashSet<String> = place::trusted_languages(&mut own)
            .await
            .map_err(failed)?
            .into_iter()
            .collect();
        self.context.end(self.first + MAKE, started, &working);

        let made: BTreeSet<&str> = prepared
            .extensions
            .iter()
            .filter_map(|extension| extension.schema.as_deref())
            .collect();
        let no_grants = self.spec.owner.is_some();
        let left = |entry: &Entry| {
            (entry.kind == "SCHEMA" && entry.tag != "public" && made.contains(entry.tag.as_str()))
                || (no_grants && matches!(entry.kind.as_str(), "ACL" | "DEFAULT ACL"))
        };
        let stranger = prepared.manifest.uploaded.is_some();
        let runs = match stranger {
            true => Runs::of_stranger(&prepared.toc, &trusted, login.is_none(), left),
            false => Runs::of(
                &prepared.toc,
                &trusted,
                &prepared.superusers,
                login.is_none(),
                left,
            ),
        };
        let application = format!("pgsteward {}", purpose(job.0));
        let beside = Beside {
            database: &working,
            login: login.as_ref().map(Login::as_pair),
        };
        let reach = Reach::beside(
            target,
            &engine.config().data_dir,
            job.0,
            &application,
            engine.config().network_timeout,
            Some(beside),
        )?;
        let tools = Loader {
            context,
            target,
            programs,
            reach: &reach,
            archive: found,
            tablespaces: !self.spec.no_tablespaces,
            parallel: prepared.plan.parallel,
            count: Mutex::new(Count::of(
                &prepared.toc.entries,
                runs.numbers(),
                &prepared.manifest.tables,
            )),
            step: self.first + LOAD,
            reached: Box::new(|share| self.part(LOAD, share)),
        };
        context.info(format!(
            "Restoring {} entries with pg_restore {} over {} connections.",
            runs.entries(),
            programs.version(),
            prepared.plan.parallel
        ));

        let started = self.context.begin(self.first + LOAD, Phase::Loading);
        for (number, run) in runs.before.iter().enumerate() {
            tools.run(run, &format!("before-{number}")).await?;
            if let (true, Some(login)) = (run.by_console, &login) {
                self.hand_over(&mut own, prepared, run, login).await?;
            }
        }
        // Until now nothing of the authors could run.
        let before = match login {
            Some(_) if !stranger => Some(tools.definitions(true).await?),
            _ => None,
        };
        tools.run(&runs.load, "load").await?;
        self.context
            .end(self.first + LOAD, started, format!("{} entries", runs.entries()));
        let load_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);

        let started = self.context.begin(self.first + COMPARE, Phase::Verifying);
        let counting = loading.as_mut().unwrap_or(&mut own);
        place::settle(counting).await.map_err(failed)?;
        let counted = compare::rows(counting, target, &prepared.manifest, |share| {
            context.step(self.first + COMPARE, |step| step.fraction = Some(share));
            self.reached(COMPARE, COUNTING * share);
        });
        let (mut differences, tables, rows) = context.unless_cancelled(counted).await?;
        differences.extend(compare::large_objects(counting, target, &prepared.manifest).await?);
        differences.extend(compare::sequences(counting, target, &prepared.toc).await?);
        if let Some(loading) = loading.take() {
            loading.close().await.ok();
        }

        // By who loaded it: nothing of a stranger is looked at by a superuser before it is compared, either.
        let of_stranger = match stranger {
            true => Some(tools.definitions(login.is_none()).await?),
            false => None,
        };
        let giving = self.context.begin(self.first + GIVE, Phase::Verifying);
        self.reached(COMPARE, COUNTING);
        match (stranger, &login) {
            (true, Some(login)) => {
                self.give_all(&mut own, &login.role, &prepared.owner, public)
                    .await?
            }
            // All is its own already.
            (true, None) => {}
            (false, _) => self.give(&mut own, prepared, public).await?,
        }
        tools.run(&runs.given, load::GIVEN).await?;
        for entry in prepared
            .toc
            .entries
            .iter()
            .filter(|entry| entry.kind == PUBLICATION)
        {
            let owner = self.spec.owner.as_deref().unwrap_or(&entry.owner);
            if let Some(statement) = entry.give_to(owner) {
                place::run(&mut own, statement).await.map_err(failed)?;
            }
        }
        self.context.end(
            self.first + GIVE,
            giving,
            match stranger {
                true => format!("all to {}", prepared.owner),
                false => "as in the backup".to_owned(),
            },
        );

        if let Some(login) = &login {
            place::give_multiranges(&mut own, &login.role)
                .await
                .map_err(failed)?;
            for what in place::owned(&mut own, &login.role).await.map_err(failed)? {
                differences.push(format!(
                    "not in the backup: {what}, which was made while rows were loaded"
                ));
            }
            let drop = format!("drop owned by {}", ident(&login.role));
            place::run(&mut own, drop).await.map_err(failed)?;
        }
        let (mut after, owner) = match of_stranger {
            Some(toc) => (toc, Some(loader)),
            None => (tools.definitions(true).await?, self.spec.owner.as_deref()),
        };
        if plan::keeps_public(&prepared.console) {
            after.entries.retain(|entry| !plan::is_of_public(entry));
        }
        let made_by = &prepared.manifest.tool_version;
        // Which texts another pg_dump writes is not known.
        let same_version = !stranger
            && prepared.console.version_num / 10_000 == prepared.manifest.server.version_num / 10_000
            && made_by.split('.').next() == Some(programs.version().major.to_string().as_str());
        let compared = compare::definitions(&prepared.toc, &after, same_version, owner);
        differences.extend(compared.differences);
        differences.extend(
            before
                .iter()
                .flat_map(|before| compare::untouched(before, &after)),
        );
        differences.extend(self.missing_extensions(&mut own, prepared).await?);
        // The very last thing in it: whatever came after it would run them.
        tools.run(&runs.last, "last").await?;
        let known = place::event_triggers(&mut own).await.map_err(failed)?;
        let made = prepared
            .toc
            .entries
            .iter()
            .filter(|entry| entry.kind == "EVENT TRIGGER");
        let missing = made.filter(|entry| !known.contains(&entry.tag));
        differences.extend(missing.map(|entry| format!("missing: event trigger {}", entry.tag)));
        if differences.is_empty() {
            let said = format!("{} definitions, {rows} rows", compared.count);
            self.context.end(self.first + COMPARE, started, said);
        }
        Ok(Loaded {
            server,
            own,
            differences,
            tables,
            rows,
            definitions: i64::try_from(compared.count).unwrap_or(i64::MAX),
            load_ms,
        })
    }

    /// Makes the extensions while nothing of the backup is there yet. Gives the owner of the schema public.
    async fn make_extensions(
        &self,
        own: &mut PgConnection,
        prepared: &Prepared,
        login: Option<&Login>,
    ) -> Result<Option<String>> {
        let failed = |source| self.target.error(source);
        let mut public = None;
        if let Some(login) = login {
            public = place::schema_owner(own, "public").await.map_err(failed)?;
            if public.is_some() {
                let give = format!("alter schema public owner to {}", ident(&login.role));
                place::run(own, give).await.map_err(failed)?;
            }
        }
        let mut schemas = BTreeSet::new();
        for extension in &prepared.extensions {
            let mut sql = String::new();
            if let Some(schema) = &extension.schema
                && !matches!(schema.as_str(), "public" | "pg_catalog")
                && schemas.insert(schema)
            {
                let authorization = login.map_or_else(String::new, |login| {
                    format!(" authorization {}", ident(&login.role))
                });
                sql.push_str(&format!("create schema {}{authorization}; ", ident(schema)));
            }
            sql.push_str(&format!("create extension {}", ident(&extension.name)));
            if let Some(schema) = &extension.schema {
                sql.push_str(&format!(" schema {}", ident(schema)));
            }
            if let Some(version) = &extension.version {
                sql.push_str(&format!(" version {}", ident(version)));
            }
            place::run(own, sql.clone())
                .await
                .map_err(|source| self.target.error_at(source, &sql))?;
        }
        if let Some(login) = login {
            place::open_extensions(own, &login.role).await.map_err(failed)?;
        }
        Ok(public)
    }

    /// Gives foreign tables, which a superuser had to make, to the role that loads: it adds what comes to them later.
    async fn hand_over(
        &self,
        own: &mut PgConnection,
        prepared: &Prepared,
        run: &super::parts::Run,
        login: &Login,
    ) -> Result<()> {
        let entries = prepared
            .toc
            .entries
            .iter()
            .filter(|entry| run.entries.contains(&entry.id));
        for entry in entries.filter(|entry| entry.kind == "FOREIGN TABLE") {
            if let Some(statement) = entry.give_to(&login.role) {
                place::run(own, statement)
                    .await
                    .map_err(|source| self.target.error(source))?;
            }
        }
        Ok(())
    }

    /// Gives everything that one role made to another. No word of the archive is in these statements.
    async fn give_all(
        &self,
        own: &mut PgConnection,
        from: &str,
        to: &str,
        public: Option<String>,
    ) -> Result<()> {
        let mut sql = format!("reassign owned by {} to {}", ident(from), ident(to));
        if let Some(public) = &public {
            // To whom it belongs in a new database.
            sql.push_str(&format!("; alter schema public owner to {}", ident(public)));
        }
        place::run(own, sql)
            .await
            .map_err(|source| self.target.error(source))
    }

    /// Gives everything to its owner.
    async fn give(&self, own: &mut PgConnection, prepared: &Prepared, public: Option<String>) -> Result<()> {
        let owner_of = |entry: &Entry| self.spec.owner.clone().unwrap_or_else(|| entry.owner.clone());
        let mut statements = Vec::new();
        let (schemas, rest): (Vec<_>, Vec<_>) = prepared
            .toc
            .entries
            .iter()
            .filter(|entry| entry.has_owner() && entry.kind != PUBLICATION)
            .partition(|entry| entry.kind == "SCHEMA");
        // Only who may create in a schema can be given what is in it, when the giver is no superuser.
        let mut lent = Vec::new();
        if !prepared.console.superuser {
            let pairs: BTreeSet<(String, String)> = rest
                .iter()
                .filter_map(|entry| Some((entry.schema.clone()?, owner_of(entry))))
                .filter(|(_, owner)| *owner != prepared.console.role)
                .collect();
            for (schema, owner) in pairs {
                let (schema, owner) = (ident(&schema), ident(&owner));
                statements.push(format!("grant create on schema {schema} to {owner}"));
                lent.push(format!("revoke create on schema {schema} from {owner}"));
            }
        }
        statements.extend(rest.iter().filter_map(|entry| entry.give_to(&owner_of(entry))));
        statements.extend(lent);
        if let Some(public) = &public {
            // To whom it belongs in a new database, unless the backup says otherwise below.
            statements.push(format!("alter schema public owner to {}", ident(public)));
        }
        statements.extend(schemas.iter().filter_map(|entry| entry.give_to(&owner_of(entry))));
        for batch in statements.chunks(AT_ONCE) {
            self.context.check()?;
            let sql = batch.join(";\n");
            place::run(own, sql)
                .await
                .map_err(|source| self.target.error(source))?;
        }
        Ok(())
    }

    async fn missing_extensions(&self, own: &mut PgConnection, prepared: &Prepared) -> Result<Vec<String>> {
        let installed = place::installed(own)
            .await
            .map_err(|source| self.target.error(source))?;
        Ok(prepared
            .extensions
            .iter()
            .filter(|wanted| {
                !installed.iter().any(|(name, version)| {
                    *name == wanted.name && wanted.version.as_ref().is_none_or(|wanted| wanted == version)
                })
            })
            .map(|wanted| format!("missing: extension {}", wanted.name))
            .collect())
    }

    /// How far the whole job is, when so much of a part is done.
    fn part(&self, part: usize, share: f64) -> f64 {
        let share = progress::whole(&USUAL, part, share);
        let shown = self.pace().reached(share, self.begun.elapsed().as_secs_f64());
        self.within(shown)
    }

    /// Shows how far the job is.
    fn reached(&self, part: usize, share: f64) {
        self.show(self.part(part, share));
    }

    /// Shows how far the job is by the clock, as long as it goes on.
    async fn tell(&self) -> Infallible {
        loop {
            tokio::time::sleep(TELL).await;
            let shown = self.pace().shown(self.begun.elapsed().as_secs_f64());
            self.show(self.within(shown));
        }
    }

    fn within(&self, share: f64) -> f64 {
        let (from, until) = self.span;
        from + (until - from) * share
    }

    fn show(&self, fraction: f64) {
        self.context
            .progress(|progress| progress.fraction = Some(fraction));
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn differs(&self, differences: &[String]) -> Error {
        differs(
            self.context,
            "The restored database is not what was backed up",
            differences,
            "It was removed again, and the live database is as it was. Verify the backup; the log has every difference.",
        )
    }
}
