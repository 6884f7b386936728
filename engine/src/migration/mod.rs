//! Migrations of a managed database: where each stands, what a run would do, and the run.

mod apply;
mod catalog;
mod compare;
pub(crate) mod findings;
mod ledger;
mod lock;
mod psql;
pub(crate) mod run;
mod source;
mod statements;
mod transactions;

use contract::{
    audit::Severity,
    jobs::JobId,
    migration::{MigrateSpec, MigrationState, MigrationStatus, MigrationText, MigrationView},
    session::Permission,
};
use sqlx::PgConnection;

use self::{
    catalog::{Place, Tables},
    compare::{Allow, Ledger, Set, Standing},
    source::File,
};
use crate::{
    Caller, Engine, Error, Result,
    config::MigrationSource,
    embedded,
    finding::Part,
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
    #[crate::boxed]
    pub async fn status(&self, caller: &Caller, target: &str) -> Result<MigrationStatus> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        let look = look(&target, Allow::default()).await?;
        target.set_pending(look.pending());
        target.kept().put(Part::Migrations, findings::of(&look.set));
        Ok(look.status(&target, |_| true))
    }

    /// What a run would apply, in order, with its text.
    ///
    /// # Errors
    /// As `status`; `Invalid` when there is no such version.
    #[crate::boxed]
    pub async fn plan(&self, caller: &Caller, spec: MigrateSpec) -> Result<MigrationStatus> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(&spec.target)?;
        let look = look(&target, allowed(&spec)).await?;
        check_version(&look.set, spec.up_to)?;
        let due: Vec<i64> = look.set.due().map(|standing| standing.version).collect();
        Ok(look.status(&target, |standing| due.contains(&standing.version)))
    }

    /// The text of one migration: of an applied one what was applied, else what its file says.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` when there is no such version, or when neither its file nor the database has what was
    /// applied; what the database says.
    #[crate::boxed]
    pub async fn text(&self, caller: &Caller, target: &str, version: i64) -> Result<MigrationText> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        let look = look(&target, Allow::default()).await?;
        let standing = look
            .set
            .standings
            .iter()
            .find(|standing| standing.version == version)
            .ok_or_else(|| {
                Error::not_found(
                    format!("There is no migration {version}."),
                    "Choose one of the list.",
                )
            })?;
        let applied = standing.row.as_ref().map(|row| row.checksum.as_slice());
        if let Some(file) = &standing.file
            && applied.is_none_or(|checksum| file.has(checksum))
        {
            return Ok(MigrationText {
                version,
                sql: file.sql.clone(),
                checksum: hex::encode(applied.unwrap_or(&file.checksum)),
                from: file.name.clone(),
            });
        }
        if let (Some(checksum), Some(tables)) = (applied, &look.tables) {
            let mut connection = target.look().await?;
            let kept = catalog::text(&mut connection, tables, version)
                .await
                .map_err(|source| target.error(source))?;
            if let Some(sql) = kept.filter(|sql| source::is_text_of(sql, checksum)) {
                return Ok(MigrationText {
                    version,
                    sql,
                    checksum: hex::encode(checksum),
                    from: "as it was applied, kept in the database".to_owned(),
                });
            }
        }
        Err(Error::not_found(
            format!(
                "The text of migration {} is not known here.",
                source::title(version, &standing.description)
            ),
            "Its file is missing or was changed, and another tool applied it, or an earlier version of the console. \
             Version control may have the file as it was.",
        ))
    }

    /// Applies pending migrations as a job.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `Invalid` when there is no such version; `Conflict` when the set is not in order, when
    /// nothing is pending, or when a run is under way; what the database says.
    #[crate::boxed]
    pub async fn start(&self, caller: &Caller, spec: MigrateSpec) -> Result<JobId> {
        caller.permit(Permission::Migrate)?;
        let target = self.0.target(&spec.target)?;
        let Look {
            set, source, at_work, ..
        } = look(&target, allowed(&spec)).await?;
        if source == MigrationSource::None {
            return Err(Error::conflict(
                format!("No migrations belong to {}.", target.name()),
                HOW_TO_CHOOSE,
            ));
        }
        check_version(&set, spec.up_to)?;
        if let Some(problem) = set.problem {
            return Err(Error::Refused(problem));
        }
        let due: Vec<String> = set
            .due()
            .filter_map(|due| {
                let title = due.file.as_ref()?.title();
                Some(match due.state {
                    MigrationState::OutOfOrder => format!("{title}, late"),
                    _ => title,
                })
            })
            .collect();
        let object = match due.as_slice() {
            // Who is at work may leave something, which shows when they are done.
            [] if at_work.is_some() => "what another process leaves".to_owned(),
            [] => {
                return Err(Error::conflict(
                    format!("Nothing to do: {} is up to date.", target.name()),
                    "Add a migration to its folder first.",
                ));
            }
            [only] => only.clone(),
            [.., last] => format!("{} migrations up to {last}", due.len()),
        };
        let job = run::Migrate {
            target: spec.target,
            up_to: spec.up_to,
            allow_late: spec.allow_late,
            ignore_missing: spec.ignore_missing,
        };
        let detail = due.join(", ");
        let act = Act {
            event_type: run::Migrate::EVENT_TYPE,
            severity: Severity::Info,
            object: Some(&object),
            detail: Some(&detail)
                .filter(|detail| !detail.is_empty())
                .map(String::as_str),
        };
        jobs::start(self.0, caller, &job, act).await
    }
}

const HOW_TO_CHOOSE: &str = "Choose a set: PGSTEWARD_MIGRATIONS=/path/to/folder (or ai_pal), or in this database's section of \
                             pgsteward.toml migrations = \"/path/to/folder\"; each file is named <number>_<words>.sql.";

fn allowed(spec: &MigrateSpec) -> Allow {
    Allow {
        up_to: spec.up_to,
        late: spec.allow_late,
        missing: spec.ignore_missing,
    }
}

/// Which set belongs to a managed database: the chosen one. Where nobody chose, AI-PAL's belongs to a database whose
/// migrations are AI-PAL's, and, as long as none is applied, to one that is called `ai_pal` or has AI-PAL's tables.
///
/// # Errors
/// What the database says.
pub(crate) async fn source(target: &Target, connection: &mut PgConnection) -> Result<MigrationSource> {
    Ok(match target.migrations() {
        MigrationSource::Unchosen => read(target, connection, Allow::default(), false).await?.source,
        chosen => chosen.clone(),
    })
}

async fn look(target: &Target, allow: Allow) -> Result<Look> {
    let mut connection = target.look().await?;
    read(target, &mut connection, allow, false).await
}

/// A managed database's migrations at one moment.
struct Look {
    set: Set,
    /// The set that belongs to it; never `Unchosen`.
    source: MigrationSource,
    /// Where they are or will be written down.
    tables: Option<Tables>,
    /// Who holds the lock that keeps migrations apart.
    at_work: Option<String>,
}

impl Look {
    fn pending(&self) -> Option<i64> {
        (self.source != MigrationSource::None).then(|| self.set.due().count() as i64)
    }

    fn status(self, target: &Target, shows: impl Fn(&Standing) -> bool) -> MigrationStatus {
        let set = self.set;
        MigrationStatus {
            target: target.name().to_owned(),
            source: source::label(&self.source),
            has_source: self.source != MigrationSource::None,
            migrations: set
                .standings
                .iter()
                .filter(|standing| shows(standing))
                .map(view)
                .collect(),
            pending: set.due().count() as i64,
            late: set.count(MigrationState::OutOfOrder),
            missing: set.count(MigrationState::Missing),
            can_be_chosen: set.can_be_chosen(),
            problem: set.problem,
            under_way: self.at_work,
        }
    }
}

/// Files and rows side by side. `alone` says that nobody else can be at work, because we hold the lock.
async fn read(target: &Target, connection: &mut PgConnection, allow: Allow, alone: bool) -> Result<Look> {
    let failed = |source| target.error(source);
    let nothing = |tables| Look {
        set: Set::default(),
        source: MigrationSource::None,
        tables,
        at_work: None,
    };
    // Without migrations of its own, what another tool applied to this database is not ours to judge.
    if *target.migrations() == MigrationSource::None {
        return Ok(nothing(None));
    }
    let unchosen = *target.migrations() == MigrationSource::Unchosen;
    let files = source::files(match target.migrations() {
        MigrationSource::Unchosen => &MigrationSource::AiPal,
        chosen => chosen,
    })
    .await?;
    let place = catalog::tables(connection, &files.files, target.chooses_search_path())
        .await
        .map_err(failed)?;
    let tables = match place {
        Place::Here(tables) => Some(tables),
        Place::NoSchema => None,
        // Then they are others' programs', and their business alone.
        Place::Several(_) | Place::Distrusted(..) if unchosen => return Ok(nothing(None)),
        Place::Several(tables) => return Err(several(target, &tables)),
        Place::Distrusted(table, why) => {
            return Err(Error::conflict(
                format!("The console does not read {table} of {}: {why}.", target.name()),
                "What reading it runs would run with the console's rights. Give that object to a superuser or to the \
                 console's role.",
            ));
        }
    };
    let (mut rows, mut entries) = (Vec::new(), Vec::new());
    if let Some(tables) = &tables {
        if unchosen && !catalog::may_read(connection, tables).await.map_err(failed)? {
            return Ok(nothing(None));
        }
        rows = catalog::applied(connection, tables).await.map_err(failed)?;
        entries = catalog::ledger(connection, tables).await.map_err(failed)?;
    }
    let source = match target.migrations() {
        MigrationSource::Unchosen if is_ai_pals(target, connection, &rows).await.map_err(failed)? => {
            MigrationSource::AiPal
        }
        MigrationSource::Unchosen => return Ok(nothing(tables)),
        chosen => chosen.clone(),
    };
    let at_work = if alone {
        None
    } else {
        lock::at_work(connection).await.map_err(failed)?
    };
    let ledger = Ledger {
        table: tables.as_ref().map_or("_sqlx_migrations", |tables| &tables.sqlx),
        at_work: at_work.is_some(),
    };
    Ok(Look {
        set: compare::compare(files, rows, entries, ledger, allow),
        source,
        tables,
        at_work,
    })
}

async fn is_ai_pals(
    target: &Target,
    connection: &mut PgConnection,
    rows: &[catalog::AppliedRow],
) -> std::result::Result<bool, sqlx::Error> {
    if !rows.is_empty() {
        return Ok(rows
            .iter()
            .any(|row| source::is_bundled(row.version, &row.checksum)));
    }
    Ok(target.database() == embedded::MANAGED || catalog::has_ai_pals_tables(connection).await?)
}

/// The newest migration that is written down as applied, for what a backup says of itself.
pub(crate) async fn newest(target: &Target, connection: &mut PgConnection) -> Result<Option<i64>> {
    let failed = |source| target.error(source);
    // Files that cannot be read only make the table harder to find.
    let files = source::files(target.migrations()).await.unwrap_or_default();
    let place = catalog::tables(&mut *connection, &files.files, target.chooses_search_path())
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
        file: file.map(|file| file.name.clone()),
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
        obstacles: match standing.state {
            MigrationState::Pending | MigrationState::OutOfOrder => {
                file.map(File::obstacles).unwrap_or_default()
            }
            _ => Vec::new(),
        },
    }
}
