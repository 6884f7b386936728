//! A trial on the server of a managed database, where this machine has no server of the backup's version: a restore like any
//! other, but its database is compared with the inventory of the snapshot and removed, and never gets a name.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use contract::{
    jobs::{Phase, StepState},
    restore::RestoreSpec,
};

use sqlx::{Connection, PgConnection};

use super::{
    super::{
        contents,
        folder::Folder,
        inventory::Inventory,
        manifest::{ARCHIVE, Manifest},
        trial::Tried,
    },
    place, plan,
    progress::Pace,
    run::{self, Restoring},
};
use crate::{Result, jobs::JobContext};

/// The parts of a trial, after those of the job before it and but for the comparison of the rows.
pub(in crate::backup) const STEPS: [&str; 4] = [
    "Make a scratch database",
    "Load",
    "Owners and grants",
    "Compare the definitions",
];

/// The store's advisory lock that a trial holds.
const TURN: i64 = 0x7472_6961_6c73;
/// Between two looks whether it is free.
const PAUSE: Duration = Duration::from_millis(300);

/// One trial at work.
pub(in crate::backup) struct Scratch<'a> {
    pub context: &'a JobContext,
    /// The managed database whose backup it is, and the one on whose server it is tried.
    pub target: &'a str,
    pub on: &'a str,
    pub manifest: &'a Manifest,
    /// The folder of the stored backup, which was laid out to be read back.
    pub backup: &'a std::path::Path,
    /// The job's part that is the first of [`STEPS`].
    pub first: usize,
    /// Whether the rows are compared.
    pub compare: bool,
}

impl Scratch<'_> {
    /// Restores the backup, and takes the inventory of what came. The database and its roles are gone afterwards, or what is left of
    /// them is told.
    ///
    /// # Errors
    /// `Cancelled`; `Conflict` when it cannot be tried there, which says nothing of the backup; what pg_restore and the server say.
    pub async fn run(&self) -> Result<Tried> {
        let turn = self.turn().await?;
        let tried = self.inside().await;
        let cleared = run::clear(self.context, self.on).await;
        turn.close().await.ok();
        cleared?;
        tried
    }

    /// Waits until no other console of the store has such a trial: the roles that one makes and removes may be those another one needs. It
    /// is over with the connection, and so with the process.
    async fn turn(&self) -> Result<PgConnection> {
        let mut connection = self.context.engine.store().acquire().await?.detach();
        loop {
            let won = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "won!""#, TURN)
                .fetch_one(&mut connection)
                .await?;
            if won {
                return Ok(connection);
            }
            let words = "Waiting for another trial on the server of a managed database";
            self.context.phase(Phase::Verifying, words.to_owned());
            let pause = async {
                tokio::time::sleep(PAUSE).await;
                Ok(())
            };
            self.context.unless_cancelled(pause).await?;
        }
    }

    /// What to do about what keeps a trial from beginning there, where a restore would have other choices.
    fn remedy(&self, key: &str) -> Option<String> {
        let on = self.on;
        let remedy = match key {
            "restore.owners" => format!(
                "A trial gives everything to its owners: let it be on a server where the console's role is a superuser (--on NAME, or \
                 PGSTEWARD_VERIFY_ON), or let the URL of {on} name one."
            ),
            "restore.roles" => format!(
                "A trial creates the roles that are missing: let it be on a server where the console's role may do that (--on NAME, or \
                 PGSTEWARD_VERIFY_ON), or let the URL of {on} name a role that may (createrole)."
            ),
            "restore.server" => {
                "Name a managed database on a primary of the backup's version or a newer one (--on NAME, or PGSTEWARD_VERIFY_ON).".to_owned()
            }
            _ => return None,
        };
        Some(remedy)
    }

    async fn inside(&self) -> Result<Tried> {
        let (context, engine) = (self.context, &self.context.engine);
        context.phase(Phase::Verifying, "Making a scratch database".to_owned());
        let database = engine.target(self.on)?.database_id(true).await?;
        let target = engine.target_of(self.on, database)?;
        run::sweep(context, &target, database).await?;
        let spec = RestoreSpec {
            target: self.target.to_owned(),
            to: (self.on != self.target).then(|| self.on.to_owned()),
            backup: self.manifest.id,
            create_roles: true,
            no_tablespaces: true,
            ..RestoreSpec::default()
        };
        let looked = Box::pin(plan::look(engine, &target, &spec));
        let mut prepared = context.unless_cancelled(looked).await?;
        for check in &mut prepared.plan.checks {
            if let Some(remedy) = self.remedy(&check.key) {
                check.remedy = Some(remedy);
            }
        }
        run::may_begin(&prepared)?;
        // They are there for the trial alone, and nobody is to come in by them.
        for role in &mut prepared.create_roles {
            role.login = false;
        }
        context.info(format!(
            "Restored for trial on the server of {} (PostgreSQL {}), as {}.",
            target.name(),
            prepared.console.version,
            place::working_name(context.id.0)
        ));
        let folder = Folder::new(&engine.config().backup_dir);
        let archive = self.backup.join(ARCHIVE);
        let found = contents::laid_out(&folder, context.id.0, archive, self.manifest.form());
        let restoring = Restoring {
            context,
            target: &target,
            database,
            spec: &spec,
            // The job has checked the archive, and this begins with the database.
            first: self.first - 1,
            pace: Mutex::new(Pace::of(engine.store(), database).await?),
            begun: Instant::now(),
            span: (0.2, 0.8),
        };
        let working = place::working_name(context.id.0);
        let mut loaded = Box::pin(restoring.load(&prepared, &found, &working)).await?;
        loaded.server.close().await.ok();
        let inventory = match self.compare {
            true => {
                let begun = Instant::now();
                let step = self.first + STEPS.len();
                context.phase(Phase::Verifying, "Counting and comparing".to_owned());
                context.step(step, |step| step.state = StepState::Running);
                let all = self.manifest.tables.len().max(1) as f64;
                let mut done = 0_usize;
                let took = Inventory::take(&mut loaded.own, |table| {
                    let share = (done as f64 / all).min(1.0);
                    done += 1;
                    context.step(step, |step| {
                        step.fraction = Some(share);
                        step.detail = Some(format!("{}.{}", table.schema, table.name));
                    });
                    context.progress(|progress| progress.fraction = Some(0.8 + 0.19 * share));
                });
                let took = async { took.await.map_err(|source| target.error(source)) };
                let inventory = context.unless_cancelled(took).await?;
                context.step(step, |step| {
                    step.duration_ms = i64::try_from(begun.elapsed().as_millis()).ok();
                });
                Some(inventory)
            }
            false => None,
        };
        loaded.own.close().await.ok();
        let mut notes = prepared.notes;
        notes.insert(
            0,
            format!(
                "Restored into a scratch database on the server of {}, which is removed.",
                target.name()
            ),
        );
        Ok(Tried {
            keeps_public: plan::keeps_public(&prepared.console),
            inventory,
            differences: loaded.differences,
            restored_ms: loaded.load_ms,
            server: prepared.console.version,
            notes,
        })
    }
}
