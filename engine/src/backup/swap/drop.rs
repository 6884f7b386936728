//! The job that drops a database beside the live one. Who is still in it is not ended: somebody may be fetching from it what
//! the live one lacks.

use contract::{
    Code, Fault,
    jobs::{JobKind, LogLevel, Phase},
};
use serde::{Deserialize, Serialize};

use super::{catalog, look::live_identity, store};
use crate::{
    Error, Result,
    jobs::{Job, JobContext, Work},
    quote,
    target::worker::Worker,
};

/// SQLSTATE of a database in which somebody is.
const IN_USE: &str = "55006";

/// Drops a database that lies beside the live one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DropDatabase {
    /// The managed database that it lies beside.
    pub target: String,
    /// By name and number.
    pub database: String,
    pub oid: i64,
}

impl Job for DropDatabase {
    const KIND: JobKind = JobKind::DropDatabase;
    const EVENT_TYPE: &'static str = "backup.drop_database";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn work(&self) -> Work {
        Work::Aside
    }

    fn title(&self) -> String {
        format!("Drop {}", self.database)
    }

    async fn run(self, context: JobContext) -> Result<String> {
        context.phase(Phase::Preparing, None);
        let target = context.target(&self.target)?;
        let connecting = Worker::connect(&target, "drop", context.id);
        let mut worker = context.unless_cancelled(connecting).await?;
        let failed = |source| target.error(source);
        let live = live_identity(&target).await?;
        let sides = catalog::sides(worker.watcher(), &[self.oid])
            .await
            .map_err(failed)?;
        let side = sides
            .first()
            .filter(|side| side.name == self.database && side.oid != live.oid)
            .cloned()
            .ok_or_else(|| Error::Refused(super::no_such_database(&self.database)))?;
        let incoming = crate::target::identity::Identity {
            system: live.system,
            oid: self.oid,
        };
        if let Some(name) = store::managed_as(context.engine.store(), &incoming).await? {
            return Err(Error::conflict(
                format!("{} is managed under the name {name}.", self.database),
                "Take it out of the configuration first, and wait a minute.",
            ));
        }
        context.phase(Phase::Dropping, None);
        // Only a name can be dropped; that it is still this database's was seen a moment ago.
        let sql = format!("drop database {}", quote::ident(&self.database));
        let dropped = worker.run(&context, &sql, |_| {}).await;
        if let Err(stopped) = dropped {
            if stopped.sqlstate().as_deref() == Some(IN_USE) {
                let inside = catalog::sessions(worker.watcher(), &[self.oid])
                    .await
                    .map_err(failed)?;
                return Err(Error::Refused(in_use(&self.database, &inside)));
            }
            return Err(stopped.into_error(&target, &sql));
        }
        worker.close().await;
        self.note(&context).await?;
        Ok(match side.bytes {
            Some(bytes) => format!("{} given back", contract::format::bytes(bytes)),
            None => "It is gone".to_owned(),
        })
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        let target = context.target(&self.target)?;
        let mut look = target.look().await?;
        let sides = catalog::sides(&mut look, &[self.oid])
            .await
            .map_err(|source| target.error(source))?;
        match sides.first() {
            None => {
                self.note(&context).await?;
                context.log(LogLevel::Warn, format!("{} is gone.", self.database));
            }
            Some(side) if side.is_broken() => context.log(
                LogLevel::Warn,
                format!("{} is half dropped: drop it again.", self.database),
            ),
            Some(_) => context.info(format!("{} is still there.", self.database)),
        }
        Ok(())
    }
}

impl DropDatabase {
    async fn note(&self, context: &JobContext) -> Result<()> {
        let live = context
            .database
            .ok_or_else(|| Error::internal("dropping a database", "the job has none"))?;
        store::forget(context.engine.store(), live, self.oid).await?;
        Ok(())
    }
}

fn in_use(database: &str, inside: &catalog::InTheWay) -> Fault {
    let who: Vec<String> = inside
        .sessions
        .iter()
        .take(5)
        .map(|session| {
            format!(
                "pid {} ({})",
                session.pid,
                session.user.as_deref().unwrap_or("unknown")
            )
        })
        .collect();
    Fault::new(
        Code::Conflict,
        format!(
            "{database} is still in use: {}. It was not dropped.",
            who.join(", ")
        ),
    )
    .hint("Wait until they have left, or end them: select pg_terminate_backend(pid);")
}
