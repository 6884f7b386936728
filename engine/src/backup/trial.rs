//! A backup restored for trial into a throw-away cluster (L2), and compared with the inventory of its snapshot (L3).
//!
//! What the archive's author wrote runs as a role of its own that may nothing outside of the database: rows are loaded, and
//! indexes, keys and materialized views made, by a loader that is no superuser. The superuser only defines: pg_dump's
//! definitions evaluate nothing. A backup with functions that could leave the database (untrusted languages, C) is not restored here.

use std::{
    collections::BTreeSet,
    path::Path,
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use contract::{
    Code, Fault,
    jobs::{LogLevel, Phase},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{
    NEEDED,
    contents::{self, Found},
    folder::{Folder, private_file},
    inventory::Inventory,
    manifest::{ARCHIVE, Manifest},
    needs,
    reconcile::blocking,
    throw_away::{self, Place, SERVER, ThrowAway},
    tool::{self, Tool},
    words::{self, Complaints, Said},
};
use crate::{
    Error, Result,
    jobs::JobContext,
    lexer::{self, Token},
    programs::Programs,
    quote,
    target::look::query_scalar,
};

/// The database in the throw-away cluster.
const DATABASE: &str = "restored";
/// Who loads rows.
const LOADER: &str = "pgsteward_loader";
/// Parallel sessions of pg_restore.
const JOBS: usize = 2;

/// Kinds of entries whose statements evaluate what the author wrote: expressions, checks, operators.
const EVALUATED: [&str; 9] = [
    "TABLE DATA",
    "SEQUENCE SET",
    "BLOBS",
    "INDEX",
    "INDEX ATTACH",
    "CONSTRAINT",
    "CHECK CONSTRAINT",
    "FK CONSTRAINT",
    "STATISTICS DATA",
];
/// Evaluated as well, with the rights of their owners, which must have been granted.
const REFRESHED: &str = "MATERIALIZED VIEW DATA";
/// What is made after the rows and evaluates nothing.
const AFTER: [&str; 8] = [
    "TRIGGER",
    "RULE",
    "POLICY",
    "ROW SECURITY",
    "STATISTICS",
    "COMMENT",
    "ACL",
    "DEFAULT ACL",
];
/// Kinds whose owner must be a superuser, and there is none but the cluster's own. A trigger on events is the very last, since it would
/// run at whatever is defined after it.
const WRAPPER: &str = "FOREIGN DATA WRAPPER";
const LAST: [&str; 4] = [
    "PUBLICATION",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "EVENT TRIGGER",
];
/// Kinds that a schema's name after another kind may look like; their own entries are in no catalog.
const IN_NO_CATALOG: [&str; 3] = ["TABLE DATA", "SEQUENCE SET", REFRESHED];
/// What newer pg_restores set and older servers do not know; it changes nothing that is restored.
const UNKNOWN_SETTING: &str = "unrecognized configuration parameter \"transaction_timeout\"";

/// What came of a trial.
pub(super) struct Tried {
    /// Of the restored database; only when it was asked for.
    pub inventory: Option<Inventory>,
    /// What is not as in the backup, in words, as far as it was found without the inventory.
    pub differences: Vec<String>,
    pub restored_ms: i64,
    /// Whether the schema public could not get the owner, the rights and the comment that it had, whatever the backup says.
    pub keeps_public: bool,
    /// The version of the server it was restored on.
    pub server: String,
    /// What a reader must know, in words.
    pub notes: Vec<String>,
}

/// Why a backup of chosen parts cannot be restored for trial, where they need what is not in it.
pub(super) fn not_by_itself(manifest: &Manifest) -> Option<Error> {
    let needs = needs::words(manifest.needs.as_deref().unwrap_or_default());
    (!needs.is_empty()).then(|| {
        Error::conflict(
            format!(
                "The backup cannot be restored by itself, because its parts need what is not in it: {}.",
                words::some(&needs)
            ),
            "Read it back: pgsteward backup verify --level 1. A backup of the whole database can be restored for trial.",
        )
    })
}

/// The programs for a trial, of the very version that was backed up: a server, and client tools that read the archive.
///
/// # Errors
/// `Conflict`, with what to install.
pub(super) async fn programs(given: Option<&Path>, manifest: &Manifest) -> Result<(Programs, Programs)> {
    let major = manifest.major();
    let server = server(given, major).await?;
    let tool = manifest
        .tool_version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .unwrap_or(major);
    let client = Programs::for_server(given, &NEEDED, tool.max(major)).await?;
    Ok((server, client))
}

/// The server programs for a trial, of a major version.
///
/// # Errors
/// `Conflict`, with what to install.
pub(super) async fn server(given: Option<&Path>, major: u32) -> Result<Programs> {
    Programs::of_major(given, &SERVER, major).await?.ok_or_else(|| {
        Error::Refused(
            Fault::new(
                Code::Conflict,
                format!("The backup is of PostgreSQL {major}, and {} of that version.", lacks(given)),
            )
            .hint(format!(
                "{}, restore it for trial on the server of a managed database (pgsteward backup verify --on NAME, or \
                 PGSTEWARD_VERIFY_ON for all), or read the backup back alone: pgsteward backup verify --level 1.",
                install(given, major)
            )),
        )
    })
}

/// Where there are no server programs, in words that go on with their version.
pub(super) fn lacks(given: Option<&Path>) -> String {
    match given {
        None => "this machine has no server programs (initdb, postgres)".to_owned(),
        Some(folder) => format!(
            "the folder {}, which PG_BIN names, has no server programs (initdb, postgres)",
            folder.display()
        ),
    }
}

/// How the server programs of a version are had. Where a folder is named, no other one is looked at.
pub(super) fn install(given: Option<&Path>, major: u32) -> String {
    let installs = format!("apt-get install postgresql-{major}");
    match given {
        None => format!("Install them ({installs})"),
        Some(_) => {
            format!("Let PG_BIN name a folder that has them, or install them ({installs}) and unset PG_BIN")
        }
    }
}

/// One trial at work.
pub(super) struct Trial<'a> {
    pub context: &'a JobContext,
    /// The part of the job that shows the restore, and that of the comparison.
    pub steps: (usize, usize),
    /// The folder of the stored backup.
    pub backup: &'a Path,
    pub manifest: &'a Manifest,
    /// Every role that the snapshot names, where it is known.
    pub roles: Option<&'a [String]>,
    pub compare: bool,
}

impl Trial<'_> {
    /// Restores the backup, and takes the inventory of what came. The cluster is gone afterwards.
    ///
    /// # Errors
    /// `Cancelled`; `Conflict` when it cannot be tried here, which says nothing of the backup; what pg_restore and the server say.
    pub(super) async fn run(&self) -> Result<Tried> {
        let engine = &self.context.engine;
        let (server, client) = programs(engine.config().pg_bin.as_deref(), self.manifest).await?;
        let place = Place::of(&engine.config().data_dir, self.context.id.0);
        let done = self.inside(&place, &server, &client).await;
        let removed = {
            let place = place.clone();
            blocking(move || place.remove()).await
        };
        let done = done?;
        removed?;
        Ok(done)
    }

    async fn inside(&self, place: &Place, server: &Programs, client: &Programs) -> Result<Tried> {
        let context = self.context;
        context.phase(Phase::Verifying, "Making a throw-away server".to_owned());
        let bytes = self.manifest.database.bytes;
        let cluster = context
            .unless_cancelled(ThrowAway::start(place.clone(), server, bytes))
            .await?;
        context.info(format!(
            "A throw-away PostgreSQL {} was made in {}.",
            server.version(),
            place.folder().display()
        ));
        let begun = Instant::now();
        let mut notes = Vec::new();
        let password = throw_away::password();
        context
            .unless_cancelled(self.prepare(&cluster, &password, &mut notes))
            .await?;
        let passfile = cluster.passfile(LOADER, &password)?;
        self.restore(&cluster, client, &passfile, place).await?;
        let restored_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        context.step(self.steps.0, |step| step.duration_ms = Some(restored_ms));
        let inventory = match self.compare {
            true => Some(context.unless_cancelled(self.inventory(&cluster)).await?),
            false => None,
        };
        Ok(Tried {
            inventory,
            differences: Vec::new(),
            restored_ms,
            keeps_public: false,
            server: server.version().to_string(),
            notes,
        })
    }

    /// Roles without any power, and the empty database.
    async fn prepare(
        &self,
        cluster: &ThrowAway,
        password: &secrecy::SecretString,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let mut connection = connect(cluster, "postgres").await?;
        let roles: BTreeSet<String> = match self.roles {
            Some(roles) => roles.iter().cloned().collect(),
            None => self.stored_roles().await?,
        };
        let mut made = Vec::new();
        for role in roles {
            if role.starts_with("pg_") || role == cluster.superuser() {
                continue;
            }
            run(&mut connection, &format!("create role {}", quote::ident(&role))).await?;
            made.push(role);
        }
        run(
            &mut connection,
            &format!(
                "create role {LOADER} login nosuperuser bypassrls password {}",
                quote::literal(secrecy::ExposeSecret::expose_secret(password))
            ),
        )
        .await?;
        for role in made {
            run(
                &mut connection,
                &format!("grant {} to {LOADER}", quote::ident(&role)),
            )
            .await?;
        }
        let database = &self.manifest.database;
        let mut create = format!(
            "create database {DATABASE} owner {LOADER} template template0 encoding {} lc_collate {} lc_ctype {}",
            quote::literal(&database.encoding),
            quote::literal(&database.collation),
            quote::literal(&database.character_type),
        );
        match (database.locale_provider.as_deref(), &database.locale) {
            (Some("i"), Some(locale)) => {
                create.push_str(&format!(
                    " locale_provider icu icu_locale {}",
                    quote::literal(locale)
                ));
            }
            (Some("b"), Some(locale)) => {
                create.push_str(&format!(
                    " locale_provider builtin builtin_locale {}",
                    quote::literal(locale)
                ));
            }
            _ => {}
        }
        if let Err(error) = connection.execute(AssertSqlSafe(create)).await {
            // Which rules this machine has for letters says nothing of the backup.
            notes.push(format!(
                "Restored with the collation C: this machine does not have {} ({}).",
                database.collation,
                message(&error)
            ));
            let plain = format!(
                "create database {DATABASE} owner {LOADER} template template0 encoding {} lc_collate 'C' lc_ctype 'C'",
                quote::literal(&database.encoding)
            );
            run(&mut connection, &plain).await?;
        }
        connection.close().await.ok();
        Ok(())
    }

    /// The names of the roles that were stored with the backup. Nothing of that file is run.
    async fn stored_roles(&self) -> Result<BTreeSet<String>> {
        let Some(globals) = &self.manifest.globals else {
            return Err(Error::conflict(
                "The backup has neither an inventory nor the roles of its server, and cannot be restored without them.",
                "Restore it into a database of that server instead, or read it back alone: pgsteward backup verify --level 1.",
            ));
        };
        let path = self.backup.join(&globals.name);
        let text = blocking(move || {
            std::fs::read_to_string(&path).map_err(Error::io("reading the roles of the backup"))
        })
        .await?;
        let tokens: Vec<Token<'_>> = lexer::tokens(&text).filter(Token::is_solid).collect();
        Ok(tokens
            .split(|token| token.is_symbol(";"))
            .filter(|statement| statement.len() >= 3 && statement[0].is("CREATE") && statement[1].is("ROLE"))
            .filter_map(|statement| statement[2].as_name())
            .collect())
    }

    /// Three runs of pg_restore: definitions, rows and what is made of them, the rest.
    async fn restore(
        &self,
        cluster: &ThrowAway,
        client: &Programs,
        passfile: &Path,
        place: &Place,
    ) -> Result<()> {
        // It was laid out to be read back.
        let archive = contents::laid_out(
            &Folder::new(&self.context.engine.config().backup_dir),
            self.context.id.0,
            self.backup.join(ARCHIVE),
            self.manifest.form(),
        );
        let entries = entries(client, &archive, self.context).await?;
        let all = entries.len().max(1);
        let of = |stage| -> Vec<u32> {
            let of_stage = entries.iter().filter(|entry| entry.stage == stage);
            of_stage.map(|entry| entry.id).collect()
        };
        let done = Mutex::new(0_usize);
        let restore = Restore {
            context: self.context,
            step: self.steps.0,
            cluster,
            client,
            passfile,
            folder: place.folder(),
            archive: &archive,
            done: &done,
            all,
        };
        let runs = [
            ("definitions", Stage::Wrappers, Who::SuperuserAlone),
            ("definitions", Stage::Definitions, Who::Superuser),
            ("rows and indexes", Stage::Rows, Who::Loader),
            ("rights and the rest", Stage::Rest, Who::Superuser),
            ("materialized views", Stage::Refresh, Who::Loader),
            ("the rest", Stage::Last, Who::SuperuserAlone),
        ];
        for (what, stage, who) in runs {
            self.context.phase(Phase::Verifying, format!("Restoring {what}"));
            restore.run(stage, &of(stage), who).await?;
            if stage == Stage::Definitions {
                self.refuse_what_could_leave(cluster).await?;
            }
        }
        Ok(())
    }

    /// Only a superuser of the source can have made such functions; here they would run as the console's own user.
    async fn refuse_what_could_leave(&self, cluster: &ThrowAway) -> Result<()> {
        let mut connection = connect(cluster, DATABASE).await?;
        let found: Option<String> = query_scalar(
            "select format('%s in the language %s', p.oid::regprocedure, l.lanname)
               from pg_proc p
               join pg_language l on l.oid = p.prolang
              where p.oid >= 16384
                and not l.lanpltrusted
                and not (l.lanname = 'internal'
                         and p.prosrc in ('aggregate_dummy', 'range_constructor2', 'range_constructor3', 'multirange_constructor0',
                                          'multirange_constructor1', 'multirange_constructor2'))
                and not (l.lanname in ('c', 'internal')
                         and exists (
                             select
                               from pg_depend d
                              where d.classid = 'pg_proc'::regclass
                                and d.objid = p.oid
                                and d.deptype = 'e'))
              limit 1",
        )
        .fetch_optional(&mut connection)
        .await
        .map_err(database)?;
        connection.close().await.ok();
        match found {
            None => Ok(()),
            Some(name) => Err(Error::conflict(
                format!(
                    "The backup has a function that may do anything on the machine it runs on ({name}), and it is not run on the console's."
                ),
                "Restore it into a database of the server it came from, or read it back alone: pgsteward backup verify --level 1.",
            )),
        }
    }

    async fn inventory(&self, cluster: &ThrowAway) -> Result<Inventory> {
        let context = self.context;
        context.phase(Phase::Verifying, "Counting and comparing".to_owned());
        context.step(self.steps.1, |step| {
            step.state = contract::jobs::StepState::Running;
        });
        let mut connection = connect(cluster, DATABASE).await?;
        let whole: i64 = self
            .manifest
            .tables
            .iter()
            .map(|table| table.bytes.max(8192))
            .sum();
        let mut before = 0_i64;
        let inventory = Inventory::take(&mut connection, |table| {
            let share = (before as f64 / whole.max(1) as f64).min(1.0);
            before += table.bytes.max(8192);
            context.step(self.steps.1, |step| {
                step.fraction = Some(share);
                step.detail = Some(format!("{}.{}", table.schema, table.name));
            });
            context.progress(|progress| progress.fraction = Some(0.75 + 0.24 * share));
        })
        .await
        .map_err(database)?;
        connection.close().await.ok();
        Ok(inventory)
    }
}

/// When an entry is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Wrappers,
    Definitions,
    Rows,
    Rest,
    Refresh,
    Last,
}

/// An entry of an archive.
struct Entry {
    id: u32,
    stage: Stage,
}

/// Reads the archive's list.
async fn entries(client: &Programs, archive: &Found, context: &JobContext) -> Result<Vec<Entry>> {
    let mut command = tool::command(client, "pg_restore", None);
    command
        .arg(format!("--format={}", archive.form.name()))
        .arg("--list")
        .arg(&archive.path)
        .stdout(Stdio::piped());
    let mut tool = Tool::start(command)?;
    let (stdout, stderr) = (tool.stdout(), tool.stderr());
    let mut found = Vec::new();
    let mut complaints = Complaints::of("pg_restore");
    let work = async {
        let list = tool::lines(stdout, |line| found.extend(entry(line)));
        let listen = tool::lines(stderr, |line| {
            complaints.line(line);
        });
        tokio::try_join!(list, listen)
    };
    let (_, status) = tool.drive(context.token(), work).await?;
    if !status.success() {
        return Err(complaints.error("the archive", Some(status)));
    }
    Ok(found)
}

/// `215; 1259 16390 TABLE public orders boss`: number, catalog, object, kind, schema or `-`, name, owner. Kinds are one or more words, so
/// the longest one that is known counts; all others are definitions.
fn entry(line: &str) -> Option<Entry> {
    let (id, rest) = line.split_once("; ")?;
    let id = id.parse().ok()?;
    let mut parts = rest.splitn(3, ' ');
    let in_no_catalog = parts.next()? == "0";
    let after = parts.nth(1)?;
    let known = EVALUATED
        .iter()
        .chain(&AFTER)
        .chain(&LAST)
        .chain(&[REFRESHED, WRAPPER, "SUBSCRIPTION", "SECURITY LABEL"])
        .filter(|kind| {
            after
                .strip_prefix(**kind)
                .is_some_and(|rest| rest.starts_with(' '))
        })
        .filter(|kind| in_no_catalog || !IN_NO_CATALOG.contains(kind))
        .max_by_key(|kind| kind.len())
        .copied();
    let stage = match known {
        // No server is subscribed to here, and labels need their providers.
        Some("SUBSCRIPTION" | "SECURITY LABEL") => return None,
        Some(WRAPPER) => Stage::Wrappers,
        Some(REFRESHED) => Stage::Refresh,
        Some("COMMENT")
            if after.starts_with("COMMENT - EVENT TRIGGER ")
                || after.starts_with("COMMENT - PUBLICATION ") =>
        {
            Stage::Last
        }
        Some(kind) if LAST.contains(&kind) => Stage::Last,
        Some(kind) if AFTER.contains(&kind) => Stage::Rest,
        Some(_) => Stage::Rows,
        None => Stage::Definitions,
    };
    Some(Entry { id, stage })
}

/// Who restores.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Superuser,
    /// What stays the superuser's own.
    SuperuserAlone,
    Loader,
}

/// Runs of pg_restore.
struct Restore<'a> {
    context: &'a JobContext,
    step: usize,
    cluster: &'a ThrowAway,
    client: &'a Programs,
    passfile: &'a Path,
    folder: &'a Path,
    archive: &'a Found,
    done: &'a Mutex<usize>,
    all: usize,
}

impl Restore<'_> {
    async fn run(&self, stage: Stage, entries: &[u32], who: Who) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let list = self.folder.join(format!("{stage:?}.list"));
        let text: String = entries.iter().map(|id| format!("{id};\n")).collect();
        let path = list.clone();
        blocking(move || {
            use std::io::Write;
            let write = || private_file(&path)?.write_all(text.as_bytes());
            write().map_err(Error::io("writing the list for pg_restore"))
        })
        .await?;
        let mut command = tool::command(self.client, "pg_restore", None);
        command
            .env("PGPASSFILE", self.passfile)
            .arg(format!("--format={}", self.archive.form.name()))
            .arg("--verbose")
            .arg("--no-password")
            .arg("--no-tablespaces")
            .arg("--no-security-labels")
            .arg(format!("--use-list={}", list.display()));
        let user = match who {
            Who::Loader => {
                command.arg(format!("--jobs={JOBS}"));
                // What it makes belongs to the owner of the table by itself.
                command.arg("--no-owner");
                LOADER
            }
            Who::Superuser => self.cluster.superuser(),
            Who::SuperuserAlone => {
                command.arg("--no-owner");
                self.cluster.superuser()
            }
        };
        command
            .arg(format!("--dbname={}", self.cluster.connection(user, DATABASE)))
            .arg(&self.archive.path);
        let mut tool = Tool::start(command)?;
        let complaints = Mutex::new((Complaints::of("pg_restore"), 0_usize, 0_usize));
        let stderr = tool.stderr();
        let work = tool::lines(stderr, |line| {
            let mut heard = complaints.lock().unwrap_or_else(PoisonError::into_inner);
            if line.starts_with("pg_restore: error: ") && line.contains(UNKNOWN_SETTING) {
                heard.1 += 1;
                return;
            }
            match heard.0.line(line) {
                Said::Error => heard.2 += 1,
                Said::Warning(text) if !text.starts_with("errors ignored on restore") => {
                    self.context.log(LogLevel::Warn, format!("pg_restore: {text}"));
                }
                Said::Warning(_) | Said::Progress => {}
            }
            self.heard(line);
        });
        let done = tool.drive(self.context.token(), work).await;
        let ((), status) = done?;
        let (complaints, unknown, errors) = complaints.into_inner().unwrap_or_else(PoisonError::into_inner);
        // It exits with 1 when it went on after an error.
        if status.success() || (errors == 0 && unknown > 0 && status.code() == Some(1)) {
            return Ok(());
        }
        let mut fault = complaints.error("the throw-away server", Some(status)).fault();
        fault.message = format!("The backup could not be restored. {}", fault.message);
        Err(Error::Refused(fault))
    }

    fn heard(&self, line: &str) {
        let Some(said) = line.strip_prefix("pg_restore: ") else {
            return;
        };
        let begun = [
            "creating ",
            "processing data for ",
            "executing ",
            "finished item ",
        ]
        .iter()
        .find_map(|words| said.strip_prefix(words));
        let Some(what) = begun else { return };
        let share = {
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            *done += 1;
            (*done as f64 / self.all as f64).min(1.0)
        };
        self.context.step(self.step, |step| {
            step.fraction = Some(share);
            step.detail = Some(what.to_owned());
        });
        self.context
            .progress(|progress| progress.fraction = Some(0.2 + 0.55 * share));
    }
}

async fn connect(cluster: &ThrowAway, name: &str) -> Result<PgConnection> {
    cluster.connect(name).await.map_err(database)
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<()> {
    connection
        .execute(AssertSqlSafe(sql.to_owned()))
        .await
        .map_err(database)?;
    Ok(())
}

fn message(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    }
}

/// What the throw-away server said.
fn database(error: sqlx::Error) -> Error {
    Error::Refused(
        Fault::new(
            Code::Conflict,
            format!("The throw-away server refused: {}.", message(&error).trim_end_matches('.')),
        )
        .hint("This says nothing of the backup. Try again, or read it back alone: pgsteward backup verify --level 1."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archives_entries_are_told_apart_by_kind() {
        let stage = |line: &str| entry(line).map(|entry| entry.stage);
        for (line, expected) in [
            ("215; 1259 16390 TABLE public orders boss", Stage::Definitions),
            ("216; 1259 16391 TABLE DATA orders boss", Stage::Definitions),
            ("3456; 0 16390 TABLE DATA public orders boss", Stage::Rows),
            (
                "3; 2606 16395 FK CONSTRAINT public lines lines_o_fkey boss",
                Stage::Rows,
            ),
            ("4; 0 0 COMMENT public TABLE orders boss", Stage::Rest),
            ("4; 0 0 COMMENT - EVENT TRIGGER et boss", Stage::Last),
            ("5; 0 16400 MATERIALIZED VIEW DATA public mv boss", Stage::Refresh),
            ("5; 1259 16400 MATERIALIZED VIEW DATA mv boss", Stage::Definitions),
            ("6; 0 0 INDEX ATTACH public i boss", Stage::Rows),
            ("7; 3466 1 EVENT TRIGGER - et boss", Stage::Last),
            (
                "8; 826 1 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES boss",
                Stage::Rest,
            ),
            ("9; 2328 1 FOREIGN DATA WRAPPER - w boss", Stage::Wrappers),
        ] {
            assert_eq!(stage(line), Some(expected), "{line}");
        }
        for line in [
            "; Archive created at 2026-01-01",
            "8; 6100 1 SUBSCRIPTION - s boss",
            "",
        ] {
            assert_eq!(stage(line), None, "{line}");
        }
    }
}
