//! Migrations of a managed database: where each stands, what a run would do, and the run.

mod apply;
mod catalog;
mod compare;
mod ledger;
mod lock;
pub(crate) mod run;
mod source;
mod statements;

use contract::{
    audit::Severity,
    jobs::JobId,
    migration::{MigrateSpec, MigrationState, MigrationStatus, MigrationView},
    session::Permission,
};
use sqlx::PgConnection;

use self::{
    catalog::{Place, Tables},
    compare::{Set, Standing},
    source::File,
};
use crate::{
    Caller, Engine, Error, Result,
    config::MigrationSource,
    jobs::{self, Act, Job},
    target::Target,
};

/// The operations on migrations.
pub struct Migrations<'a>(&'a Engine);

impl Engine {
    /// The operations on migrations.
    pub fn migration(&self) -> Migrations<'_> {
        Migrations(self)
    }
}

impl Migrations<'_> {
    /// Every known migration of a managed database. The text of those that are not yet applied comes with them.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `Conflict` when the files cannot be read; what the database says.
    pub async fn status(&self, caller: &Caller, target: &str) -> Result<MigrationStatus> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        let set = current(&target).await?;
        let pending = set.due(None).count();
        target.set_pending(known(&target, pending));
        Ok(MigrationStatus {
            target: target.name().to_owned(),
            source: source::label(target.migrations()),
            migrations: set.standings.iter().map(view).collect(),
            pending: pending as i64,
            problem: set.problem,
        })
    }

    /// What a run would apply, in order, with its text.
    ///
    /// # Errors
    /// As `status`; `Invalid` when there is no such version.
    pub async fn plan(&self, caller: &Caller, spec: MigrateSpec) -> Result<MigrationStatus> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(&spec.target)?;
        let set = current(&target).await?;
        check_version(&set, spec.up_to)?;
        let due: Vec<MigrationView> = set.due(spec.up_to).map(view).collect();
        Ok(MigrationStatus {
            target: spec.target,
            source: source::label(target.migrations()),
            pending: due.len() as i64,
            migrations: due,
            problem: set.problem,
        })
    }

    /// Applies pending migrations as a job.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `Invalid` when there is no such version; `Conflict` when the set is not in order, when
    /// nothing is pending, or when a run is under way; what the database says.
    pub async fn start(&self, caller: &Caller, spec: MigrateSpec) -> Result<JobId> {
        caller.permit(Permission::Migrate)?;
        let target = self.0.target(&spec.target)?;
        if *target.migrations() == MigrationSource::None {
            return Err(Error::conflict(
                format!("No migrations belong to {}.", target.name()),
                "Name their folder in this database's section of pgsteward.toml (migrations = \"/path\").",
            ));
        }
        let set = current(&target).await?;
        check_version(&set, spec.up_to)?;
        if let Some(problem) = set.problem {
            return Err(Error::Refused(problem));
        }
        let due: Vec<String> = set
            .due(spec.up_to)
            .filter_map(|due| due.file.as_ref())
            .map(File::title)
            .collect();
        let Some(last) = due.last() else {
            return Err(Error::conflict(
                format!("Nothing to do: {} is up to date.", target.name()),
                "Add a migration to its folder first.",
            ));
        };
        let object = if due.len() == 1 {
            last.clone()
        } else {
            format!("{} migrations up to {last}", due.len())
        };
        let job = run::Migrate {
            target: spec.target,
            up_to: spec.up_to,
        };
        let act = Act {
            event_type: run::Migrate::EVENT_TYPE,
            severity: Severity::Info,
            object: Some(&object),
            detail: Some(&due.join(", ")),
        };
        jobs::start(self.0, caller, &job, act).await
    }
}

/// Counts the pending migrations anew, for the navigation. A failure leaves the number as it is.
pub(crate) async fn refresh_pending(target: &Target) {
    if *target.migrations() == MigrationSource::None {
        return;
    }
    match current(target).await {
        Ok(set) => target.set_pending(known(target, set.due(None).count())),
        Err(error) => tracing::debug!(
            target.name = target.name(),
            error = error.chain(),
            "pending migrations unknown"
        ),
    }
}

fn known(target: &Target, pending: usize) -> Option<i64> {
    (*target.migrations() != MigrationSource::None).then_some(pending as i64)
}

async fn current(target: &Target) -> Result<Set> {
    let mut connection = target.look().await?;
    Ok(read(target, &mut connection).await?.0)
}

/// Files and rows side by side, and where the rows are.
async fn read(target: &Target, connection: &mut PgConnection) -> Result<(Set, Option<Tables>)> {
    let failed = |source| target.error(source);
    let files = source::files(target.migrations()).await?;
    // Without migrations of its own, what another tool applied to this database is not ours to judge.
    if *target.migrations() == MigrationSource::None {
        return Ok((
            Set {
                standings: Vec::new(),
                problem: None,
            },
            None,
        ));
    }
    let place = catalog::tables(connection, &files, target.chooses_search_path())
        .await
        .map_err(failed)?;
    let tables = match place {
        Place::Here(tables) => tables,
        Place::NoSchema => {
            return Ok((
                compare::compare(files, Vec::new(), Vec::new(), "_sqlx_migrations"),
                None,
            ));
        }
        Place::Several(tables) => return Err(several(target, &tables)),
        Place::Distrusted(table, why) => {
            return Err(Error::conflict(
                format!("The console does not read {table} of {}: {why}.", target.name()),
                "What reading it runs would run with the console's rights. Give that object to a superuser or to the \
                 console's role.",
            ));
        }
    };
    let rows = catalog::applied(connection, &tables).await.map_err(failed)?;
    let ledger = catalog::ledger(connection, &tables).await.map_err(failed)?;
    Ok((compare::compare(files, rows, ledger, &tables.sqlx), Some(tables)))
}

/// The newest migration that is written down as applied, for what a backup says of itself.
pub(crate) async fn newest(target: &Target, connection: &mut PgConnection) -> Result<Option<i64>> {
    let failed = |source| target.error(source);
    // Files that cannot be read only make the table harder to find.
    let files = source::files(target.migrations()).await.unwrap_or_default();
    let place = catalog::tables(&mut *connection, &files, target.chooses_search_path())
        .await
        .map_err(failed)?;
    match place {
        Place::Here(tables) if tables.sqlx_exists => {
            catalog::newest(connection, &tables).await.map_err(failed)
        }
        _ => Ok(None),
    }
}

fn several(target: &Target, tables: &[String]) -> Error {
    Error::conflict(
        format!(
            "No migration table of {} is on the search path, and there are several elsewhere: {}.",
            target.name(),
            tables.join(", ")
        ),
        "Say which schema is meant: add ?options=-c%20search_path%3Dits_name to the database's URL.",
    )
}

fn no_schema() -> Error {
    Error::conflict(
        "No schema of the database's search_path exists, so there is no place for the migrations.",
        "Create the schema, or set search_path for the user in the database's URL.",
    )
}

fn check_version(set: &Set, up_to: Option<i64>) -> Result<()> {
    match up_to {
        Some(version) if !set.standings.iter().any(|standing| standing.version == version) => {
            Err(Error::invalid(
                "up_to",
                format!("There is no migration {version}."),
                "Choose a version of the list.",
            ))
        }
        _ => Ok(()),
    }
}

fn view(standing: &Standing) -> MigrationView {
    let file = standing.file.as_ref();
    let row = standing.row.as_ref();
    let by_sqlx = row
        .filter(|row| row.execution_time >= 0)
        .map(|row| row.execution_time / 1_000_000);
    let applied = standing.state == MigrationState::Applied;
    MigrationView {
        version: standing.version,
        description: standing.description.clone(),
        file: file.and_then(|file| file.name.clone()),
        state: standing.state,
        transactional: file.is_none_or(|file| file.transactional),
        applied_at: row.filter(|row| row.success).map(|row| row.installed_on),
        duration_ms: standing
            .ledger
            .as_ref()
            .and_then(|ledger| ledger.duration_ms)
            .or(by_sqlx),
        applied_by: standing.ledger.as_ref().map(|ledger| ledger.applied_by.clone()),
        // What is applied has been read; leaving it out keeps the page small.
        sql: file.filter(|_| !applied).map(|file| file.sql.clone()),
        statements: file.map_or(0, |file| file.statements.len() as i64),
    }
}
