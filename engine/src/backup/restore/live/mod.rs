//! The job that adds to the live database what a backup has and it has not. Nothing that is there is changed or removed: see decision
//! 0037.
//!
//! A superuser's console loads as a role of its own, which owns what is made until one transaction hands all of it over; until then
//! everything can be taken back by what that role owns. Another console loads in one transaction of pg_restore's.

mod look;
mod missing;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Mutex,
    time::Duration,
};

use contract::{
    format,
    jobs::{JobKind, LogLevel, Phase},
    restore::{CheckLevel, RestoreSpec},
};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

pub(super) use look::{Looked, leave_out, look};
use missing::Missing;

use super::{
    super::{
        catalog, contents,
        folder::Folder,
        needs::Need,
        reach::{Beside, Reach},
        store as attempts,
        toc::{Entry, Toc},
        words,
    },
    compare::{self, key},
    load::Loader,
    parts::Run,
    place::{self, Login},
    plan::{self, Prepared},
    progress::Count,
    run::{check, differs, log_in, may_begin, purpose, put_down},
};
use crate::{
    Error, Result,
    jobs::{Job, JobContext, Work},
    quote::ident,
    target::{Target, look::query_scalar},
};

/// How long a clean-up asks the managed database to remove what is left there.
const ASK: Duration = Duration::from_secs(8);
/// What the role that loads is marked with, in the transaction that hands over what it made.
const HANDED_OVER: &str = "handed over";

/// The parts of the job, by their place.
const STEPS: [&str; 5] = [
    "Check the backup",
    "Look at what is there",
    "Load",
    "Compare",
    "Owners and grants",
];
const CHECK: usize = 0;
const LOOK: usize = 1;
const LOAD: usize = 2;
const COMPARE: usize = 3;
const GIVE: usize = 4;

/// Adds what is missing to a live database.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RestoreLive {
    /// What was asked for.
    pub spec: RestoreSpec,
    /// The instant whose state the backup holds, for the title.
    pub taken_at: contract::Instant,
}

impl Job for RestoreLive {
    const KIND: JobKind = JobKind::RestoreLive;
    const EVENT_TYPE: &'static str = "backup.restore";

    fn target(&self) -> Option<&str> {
        Some(self.spec.place())
    }

    fn work(&self) -> Work {
        Work::Change
    }

    fn title(&self) -> String {
        format!(
            "Restore from the backup of {} from {} into the live {}",
            self.spec.target,
            format::absolute(self.taken_at),
            self.spec.place()
        )
    }

    async fn run(self, context: JobContext) -> Result<String> {
        context.steps(STEPS.map(str::to_owned));
        context.phase(Phase::Preparing, None);
        let target = context.target(self.spec.place())?;
        sweep(&context, &target).await?;
        let looking = Box::pin(plan::look(&context.engine, &target, &self.spec));
        let prepared = context.unless_cancelled(looking).await?;
        for check in &prepared.plan.checks {
            if check.level >= CheckLevel::Unknown {
                context.log(LogLevel::Warn, check.words.clone());
            }
        }
        may_begin(&prepared)?;
        let work = Adding {
            context: &context,
            target: &target,
            spec: &self.spec,
        };
        Box::pin(work.add(prepared)).await
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        let engine = &context.engine;
        // It got no further than reading the backup.
        if put_down(&context).await? {
            let target = context.target(self.spec.place())?;
            match tokio::time::timeout(ASK, remove(&target, context.id.0)).await {
                Ok(Ok(removed)) => removed.into_iter().for_each(|what| context.info(what)),
                failed => {
                    let why = match failed {
                        Ok(Err(error)) => error.fault().message,
                        _ => format!("{} did not answer.", target.name()),
                    };
                    context.log(
                        LogLevel::Warn,
                        format!(
                            "What this restore made in {} could not be removed, and may be left there, owned by the role {}: {why} The \
                             next restore into it removes it.",
                            target.database(),
                            place::role_name(context.id.0)
                        ),
                    );
                }
            }
            attempts::end(&mut *engine.store().acquire().await?, context.id).await?;
        }
        Ok(())
    }
}

/// Takes back what a restore made in the live database, unless it was handed over already; in sentences.
async fn remove(target: &Target, job: Uuid) -> Result<Vec<String>> {
    let mut connection = target.connect("restore clean-up").await?;
    let failed = |source| target.error(source);
    catalog::end_sessions(&mut connection, &format!("pgsteward {}", purpose(job)))
        .await
        .map_err(failed)?;
    place::settle(&mut connection).await.map_err(failed)?;
    let role = place::role_name(job);
    let mut done = Vec::new();
    let handed_over = is_handed_over(&mut connection, &role).await.map_err(failed)?;
    if handed_over == Some(true) {
        done.push("Everything had been restored and handed over to its owners; it is left there.".to_owned());
    } else {
        let left = place::owned(&mut connection, &role).await.map_err(failed)?.len();
        if left > 0 {
            done.push(format!(
                "Removed {} that had been made in the live database.",
                format::counted(left, "thing", "things")
            ));
        }
    }
    let removed = place::remove_login(&mut connection, job).await.map_err(failed)?;
    if removed {
        done.push(format!("Removed the role {role}."));
    }
    if handed_over != Some(true) {
        let roles = place::remove_roles(&mut connection, job).await.map_err(failed)?;
        done.extend(roles.into_iter().map(|what| format!("Removed {what}.")));
    }
    connection.close().await.ok();
    Ok(done)
}

/// Whether what a role made was handed over; none when there is no such role.
async fn is_handed_over(connection: &mut PgConnection, role: &str) -> Result<Option<bool>, sqlx::Error> {
    query_scalar(
        "select coalesce(shobj_description(oid, 'pg_authid') = $2, false)
           from pg_roles
          where rolname = $1",
    )
    .bind(role)
    .bind(HANDED_OVER)
    .fetch_optional(connection)
    .await
}

/// Takes back what earlier restores into this database had to leave.
async fn sweep(context: &JobContext, target: &Target) -> Result<()> {
    let mut connection = target.connect("restore clean-up").await?;
    let left: Vec<String> = query_scalar(
        "select r.rolname::text
           from pg_roles r
          where starts_with(r.rolname, $1)
            and exists (
                    select
                      from pg_shdepend d
                     where d.refclassid = 'pg_authid'::regclass
                       and d.refobjid = r.oid
                       and d.dbid = (select oid from pg_database where datname = current_database()))",
    )
    .bind(place::ROLES)
    .fetch_all(&mut connection)
    .await
    .map_err(|source| target.error(source))?;
    connection.close().await.ok();
    for role in left {
        let Some(job) = role
            .strip_prefix(place::ROLES)
            .and_then(|number| Uuid::try_parse(number).ok())
        else {
            continue;
        };
        // One that this store does not know is another console's.
        let known = crate::jobs::store::view(context.engine.store(), contract::jobs::JobId(job)).await?;
        if known.is_some_and(|job| job.state.is_final()) {
            for what in remove(target, job).await? {
                context.info(format!("{what} An earlier restore had left it."));
            }
        }
    }
    Ok(())
}

/// A job at this work.
struct Adding<'a> {
    context: &'a JobContext,
    target: &'a Target,
    spec: &'a RestoreSpec,
}

impl Adding<'_> {
    async fn add(&self, prepared: Prepared) -> Result<String> {
        let (context, target, job) = (self.context, self.target, self.context.id);
        let engine = &context.engine;
        let failed = |source| target.error(source);
        let programs = prepared
            .programs
            .as_ref()
            .ok_or_else(|| Error::internal("restoring", "there is no pg_restore"))?;

        let started = self.context.begin(CHECK, Phase::ReadingBack);
        check(context, CHECK, &prepared).await?;
        let folder = Folder::new(&engine.config().backup_dir);
        let found = contents::lay_out(
            &folder,
            job.0,
            &prepared.archive,
            prepared.manifest.form(),
            context.token(),
        )
        .await?;
        self.context.end(CHECK, started, "SHA-256 as it was written");

        let started = self.context.begin(LOOK, Phase::Preparing);
        attempts::begin(
            engine.store(),
            job,
            target.name(),
            &programs.version().to_string(),
        )
        .await?;
        let mut own = target.connect(&purpose(job.0)).await?;
        place::settle(&mut own).await.map_err(failed)?;
        self.make_roles(&mut own, &prepared).await?;
        let login = match prepared.console.superuser && !self.spec.as_superuser {
            true => Some(Login::make(&mut own, job.0, false).await.map_err(failed)?),
            false => None,
        };
        let beside = Beside {
            database: target.database(),
            login: login.as_ref().map(Login::as_pair),
        };
        let reach = Reach::beside(
            target,
            &engine.config().data_dir,
            job.0,
            &format!("pgsteward {}", purpose(job.0)),
            engine.config().network_timeout,
            Some(beside),
        )?;
        let tools = Loader {
            context,
            target,
            programs,
            reach: &reach,
            archive: &found,
            tablespaces: !self.spec.no_tablespaces,
            parallel: prepared.plan.parallel,
            count: Mutex::new(Count::default()),
            reached: Box::new(|share| 0.9 * share),
            step: LOAD,
        };
        let live = tools.definitions(true).await?;
        let schemas = place::schemas(&mut own).await.map_err(failed)?;
        let trusted: HashSet<String> = place::trusted_languages(&mut own)
            .await
            .map_err(failed)?
            .into_iter()
            .collect();
        let missing = Missing::of(&prepared.toc, &live, &schemas, &trusted);
        self.nothing_in_the_way(&missing)?;
        let made_by = &prepared.manifest.tool_version;
        let same_version = prepared.console.version_num / 10_000
            == prepared.manifest.server.version_num / 10_000
            && made_by.split('.').next() == Some(programs.version().major.to_string().as_str());
        let mut notes = prepared.notes.clone();
        if same_version {
            notes.extend(defined_otherwise(&missing, &live));
        }
        if let Some(login) = &login {
            let needs = prepared.manifest.needs.as_deref().unwrap_or_default();
            self.open(&mut own, &login.role, &missing, &schemas, needs)
                .await?;
            drop(self.connects(login).await?);
        }
        self.context.end(
            LOOK,
            started,
            format!(
                "{} are missing",
                format::counted(missing.made.len(), "entry", "entries")
            ),
        );

        let started = self.context.begin(LOAD, Phase::Loading);
        let before = self.load(&tools, &prepared, &missing, login.is_some()).await?;
        self.context.end(
            LOAD,
            started,
            format::counted(missing.made.len(), "entry", "entries"),
        );

        let started = self.context.begin(COMPARE, Phase::Verifying);
        let mut manifest = prepared.manifest.clone();
        let tables: HashSet<(Option<&str>, &str)> = missing
            .made
            .iter()
            .filter(|entry| entry.kind == "TABLE")
            .map(|entry| (entry.schema.as_deref(), entry.tag.as_str()))
            .collect();
        manifest
            .tables
            .retain(|table| tables.contains(&(Some(table.schema.as_str()), table.name.as_str())));
        let counted = compare::rows(&mut own, target, &manifest, |share| {
            context.step(COMPARE, |step| step.fraction = Some(share));
        });
        let (mut differences, counted_tables, rows) = context.unless_cancelled(counted).await?;
        let made = of(&prepared.toc, &missing.made);
        differences.extend(compare::sequences(&mut own, target, &made).await?);
        let after = tools.definitions(true).await?;
        differences.extend(
            before
                .iter()
                .flat_map(|before| compare::untouched(before, &after)),
        );
        let keys: HashSet<_> = missing.made.iter().map(|entry| key(entry)).collect();
        let after = Toc {
            entries: after
                .entries
                .into_iter()
                .filter(|entry| keys.contains(&key(entry)))
                .collect(),
            ..Toc::default()
        };
        let owner = match &login {
            Some(login) => Some(login.role.as_str()),
            None => self.spec.owner.as_deref(),
        };
        let compared = compare::definitions(&made, &after, same_version, owner);
        differences.extend(compared.differences);
        if !differences.is_empty() {
            return Err(differs(
                context,
                "What was restored is not what was backed up",
                &differences,
                match login {
                    Some(_) => {
                        "It was removed again, and the live database is as it was. Verify the backup; the log has every difference."
                    }
                    None => {
                        "It is there all the same, because it came in one transaction. Verify the backup; the log has every difference."
                    }
                },
            ));
        }
        self.context.end(
            COMPARE,
            started,
            format!("{} definitions, {rows} rows", compared.count),
        );

        let started = self.context.begin(GIVE, Phase::Storing);
        if let Some(login) = &login {
            self.hand_over(&mut own, &login.role, &missing).await?;
        }
        own.close().await.ok();
        contents::put_away(&folder, job.0).await?;
        // It owns nothing any more; should it be left all the same, the next restore removes it.
        if let Err(error) = remove(target, job.0).await {
            context.log(
                LogLevel::Warn,
                format!(
                    "The role {} could not be removed: {}",
                    place::role_name(job.0),
                    error.fault().message
                ),
            );
        }
        attempts::end(&mut *engine.store().acquire().await?, job).await?;
        self.context.end(GIVE, started, "as in the backup");
        let notes: String = notes
            .iter()
            .map(|note| format!(". {}", note.trim_end_matches('.')))
            .collect();
        Ok(format!(
            "Added to {}: {} rows in {} and {} definitions, as in the backup{notes}",
            target.database(),
            format::exact(rows),
            format::counted(
                usize::try_from(counted_tables).unwrap_or_default(),
                "table",
                "tables"
            ),
            format::exact(i64::try_from(compared.count).unwrap_or(i64::MAX)),
        ))
    }

    async fn make_roles(&self, own: &mut PgConnection, prepared: &Prepared) -> Result<()> {
        let failed = |source| self.target.error(source);
        for role in &prepared.create_roles {
            place::create_role(own, self.context.id.0, role)
                .await
                .map_err(failed)?;
            self.context.info(format!("Created the role {}.", role.name));
        }
        for (role, member) in &prepared.members {
            let grant = format!("grant {} to {}", ident(role), ident(member));
            place::run(own, grant).await.map_err(failed)?;
        }
        Ok(())
    }

    /// What was added since the look, and what the look could not tell.
    fn nothing_in_the_way(&self, missing: &Missing<'_>) -> Result<()> {
        if !missing.in_the_way.is_empty() {
            let names: Vec<String> = missing.in_the_way.iter().map(|entry| entry.named()).collect();
            return Err(Error::conflict(
                format!(
                    "This is in the live database already: {}.",
                    words::first(&names, 10)
                ),
                "Nothing was changed. Choose only what is missing; give a table that is there another name together with its sequences \
                 (alter sequence … rename to …); or restore into a new database.",
            ));
        }
        if missing.made.is_empty() {
            return Err(Error::conflict(
                "Nothing of what is restored is missing in the live database.",
                "Nothing was changed. Choose what is missing.",
            ));
        }
        Ok(())
    }

    /// Whether the role that loads can log in, before anything is made.
    async fn connects(&self, login: &Login) -> Result<PgConnection> {
        log_in(self.target, self.context.id.0, self.target.database(), login).await
    }

    /// Lets the role that loads make things in the schemas that are there.
    async fn open(
        &self,
        own: &mut PgConnection,
        role: &str,
        missing: &Missing<'_>,
        schemas: &HashSet<String>,
        needs: &[Need],
    ) -> Result<()> {
        let role = ident(role);
        // A database need not let everyone in.
        let mut rights = "connect".to_owned();
        if missing.made.iter().any(|entry| entry.kind == "SCHEMA") {
            rights.push_str(", create");
        }
        let mut sql = vec![format!(
            "grant {rights} on database {} to {role}",
            ident(self.target.database())
        )];
        let there: BTreeSet<&String> = missing
            .made
            .iter()
            .chain(&missing.used)
            .filter_map(|entry| entry.schema.as_ref())
            .filter(|schema| schemas.contains(*schema))
            .collect();
        for schema in there {
            sql.push(format!(
                "grant usage, create on schema {} to {role}",
                ident(schema)
            ));
        }
        // What the parts of a backup need is there, and used as it is.
        let rights: BTreeSet<String> = needs
            .iter()
            .flat_map(|need| {
                let usage = need
                    .schema
                    .as_ref()
                    .map(|schema| format!("grant usage on schema {schema} to {role}"));
                usage.into_iter().chain(need.right(&role))
            })
            .collect();
        sql.extend(rights);
        for space in plan::tablespaces(&of(&Toc::default(), &missing.made)) {
            if !self.spec.no_tablespaces {
                sql.push(format!("grant create on tablespace {} to {role}", ident(space)));
            }
        }
        place::run(own, sql.join(";\n"))
            .await
            .map_err(|source| self.target.error(source))
    }

    /// Loads. Gives the definitions as they were before any code of the backup's authors could run, where another role loads.
    async fn load(
        &self,
        tools: &Loader<'_>,
        prepared: &Prepared,
        missing: &Missing<'_>,
        by_login: bool,
    ) -> Result<Option<Toc>> {
        let ids = |entries: &[&Entry]| entries.iter().map(|entry| entry.id).collect::<Vec<_>>();
        tools.expects(Count::of(
            missing.made.iter().copied(),
            ids(&missing.made),
            &prepared.manifest.tables,
        ));
        self.context.info(format!(
            "Adding {} with pg_restore {}.",
            format::counted(missing.made.len(), "entry", "entries"),
            tools.programs.version()
        ));
        if !by_login {
            let mut all = missing.made.clone();
            all.extend(&missing.given);
            let run = Run {
                by_console: true,
                entries: in_order(&prepared.toc, &ids(&all)),
            };
            tools.at_once(&run, self.spec.owner.as_deref()).await?;
            return Ok(None);
        }
        use super::super::toc::Section;
        let (before, load): (Vec<&Entry>, Vec<&Entry>) = missing
            .made
            .iter()
            .partition(|entry| matches!(entry.section, Section::Any | Section::Before));
        let run = |entries: &[&Entry]| Run {
            by_console: false,
            entries: ids(entries),
        };
        tools.run(&run(&before), "before").await?;
        let defined = tools.definitions(true).await?;
        let keys: HashSet<_> = missing.made.iter().map(|entry| key(entry)).collect();
        tools.run(&run(&load), "load").await?;
        Ok(Some(Toc {
            entries: defined
                .entries
                .into_iter()
                .filter(|entry| keys.contains(&key(entry)))
                .collect(),
            ..Toc::default()
        }))
    }

    /// Gives everything to its owners, and grants what was granted, in one transaction.
    async fn hand_over(&self, own: &mut PgConnection, role: &str, missing: &Missing<'_>) -> Result<()> {
        let (context, target) = (self.context, self.target);
        let failed = |source| target.error(source);
        let owner_of = |entry: &Entry| self.spec.owner.clone().unwrap_or_else(|| entry.owner.clone());
        let mut statements: Vec<String> = missing
            .made
            .iter()
            .filter(|entry| entry.has_owner())
            .filter_map(|entry| entry.give_to(&owner_of(entry)))
            .collect();
        let granted = missing
            .given
            .iter()
            .filter(|entry| entry.kind != "ACL" || self.spec.owner.is_none());
        statements.extend(granted.map(|entry| entry.definition.trim_end().trim_end_matches(';').to_owned()));
        place::run(own, "begin; set local search_path = ''".to_owned())
            .await
            .map_err(failed)?;
        let given = self.given(own, role, &statements).await;
        if let Err(error) = given {
            place::run(own, "rollback".to_owned()).await.ok();
            return Err(error);
        }
        if let Err(source) = place::run(own, "commit".to_owned()).await {
            // Whether a commit whose answer never came was made, only the server knows.
            let mut again = target.connect("restore clean-up").await?;
            catalog::end_sessions(&mut again, &format!("pgsteward {}", purpose(context.id.0)))
                .await
                .map_err(failed)?;
            if is_handed_over(&mut again, role).await.map_err(failed)? != Some(true) {
                return Err(target.error(source));
            }
        }
        Ok(())
    }

    async fn given(&self, own: &mut PgConnection, role: &str, statements: &[String]) -> Result<()> {
        let (context, target) = (self.context, self.target);
        for statement in statements {
            context.check()?;
            place::run(own, statement.clone())
                .await
                .map_err(|source| target.error_at(source, statement))?;
        }
        let failed = |source| target.error(source);
        place::give_multiranges(own, role).await.map_err(failed)?;
        let left = place::owned(own, role).await.map_err(failed)?;
        if !left.is_empty() {
            return Err(differs(
                context,
                "Something was made that is not in the backup, or that has no owner there",
                &left,
                "Everything was removed again, and the live database is as it was. Restore into a new database.",
            ));
        }
        context.check()?;
        place::run(own, format!("comment on role {} is '{HANDED_OVER}'", ident(role)))
            .await
            .map_err(failed)
    }
}

/// Of what is there and is used as it is: what the backup defines otherwise.
fn defined_otherwise(missing: &Missing<'_>, live: &Toc) -> Option<String> {
    let other: Vec<String> = missing
        .used
        .iter()
        .filter(|entry| entry.kind != "SCHEMA")
        .filter(|entry| {
            live.entries
                .iter()
                .any(|there| key(there) == key(entry) && there.definition != entry.definition)
        })
        .map(|entry| entry.named())
        .collect();
    (!other.is_empty()).then(|| {
        format!(
            "Used as it is, and defined otherwise in the backup: {}.",
            words::first(&other, 10)
        )
    })
}

/// A table of contents of these entries.
fn of(toc: &Toc, entries: &[&Entry]) -> Toc {
    Toc {
        head: toc.head.clone(),
        entries: entries.iter().map(|&entry| entry.clone()).collect(),
        readable: true,
    }
}

/// These entries in the archive's order.
fn in_order(toc: &Toc, ids: &[i64]) -> Vec<i64> {
    let wanted: HashSet<i64> = ids.iter().copied().collect();
    toc.entries
        .iter()
        .map(|entry| entry.id)
        .filter(|id| wanted.contains(id))
        .collect()
}
