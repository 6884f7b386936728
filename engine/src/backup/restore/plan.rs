//! What is looked at before a restore, and told with what to do about it, before anything is written.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use chrono::Utc;
use contract::{
    backup::{ArchiveForm, BackupView, Part},
    format,
    restore::{CheckLevel, RestoreCheck, RestorePlan, RestoreSpec, TableThenNow},
};
use sqlx::PgConnection;

use super::{
    super::{
        NEEDED, contents,
        folder::Folder,
        manifest::{ARCHIVE, GLOBALS, Manifest},
        needs::{self, Need},
        read_back::{self, Damage},
        reconcile::{self, blocking},
        shelf::Shelf,
        stored::Stored,
        toc::{Entry, Toc},
        words,
    },
    choice, live, parts,
    place::{self, Console},
    roles::{self, Globals},
    store, stranger,
};
use crate::{Engine, Error, Result, disk, programs::Programs, target::Target};

/// PostgreSQL's longest name, in bytes.
const LONGEST_NAME: usize = 63;
/// The most connections that load at once.
const MOST_PARALLEL: i32 = 64;
/// The most without being asked.
const USUAL_PARALLEL: usize = 8;

/// An extension to make, in the archive's order.
pub(super) struct Extension {
    pub name: String,
    /// `None` lets the extension choose, or make one of its own.
    pub schema: Option<String>,
    /// `None` takes the server's default.
    pub version: Option<String>,
}

/// All that a restore needs to know.
pub(super) struct Prepared {
    pub plan: RestorePlan,
    pub manifest: Manifest,
    pub toc: Toc,
    /// The archive's path, and the file itself, held against deletion.
    pub archive: PathBuf,
    pub held: Option<File>,
    pub programs: Option<Programs>,
    pub console: Console,
    /// Who gets the database.
    pub owner: String,
    pub create_roles: Vec<roles::Stored>,
    /// Role and member, both among those created.
    pub members: Vec<(String, String)>,
    pub extensions: Vec<Extension>,
    /// To whom everything is given, where that is not for the backup to say.
    pub given_to: Option<String>,
    /// Owners in the backup that are superusers here.
    pub superusers: HashSet<String>,
    /// What the report will say.
    pub notes: Vec<String>,
}

/// Looks whether what is asked for can be at all.
///
/// # Errors
/// `Invalid`, with the field.
pub(super) fn validate(spec: &RestoreSpec) -> Result<()> {
    if let Some(name) = &spec.into
        && (name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0'))
    {
        return Err(Error::invalid(
            "into",
            format!(
                "A database's name has 1 to {LONGEST_NAME} bytes; this one has {}.",
                name.len()
            ),
            "Choose a shorter name, or leave it out.",
        ));
    }
    if spec
        .parallel
        .is_some_and(|parallel| !(1..=MOST_PARALLEL).contains(&parallel))
    {
        return Err(Error::invalid(
            "parallel",
            format!("A restore loads over 1 to {MOST_PARALLEL} connections."),
            "Name a number between them, or leave it out.",
        ));
    }
    Ok(())
}

/// Looks at backup, server and live database. `target` is where the restored one is to be made.
///
/// # Errors
/// `NotFound` for the backup; `Target`; the folder's and the store's failures.
pub(super) async fn look(engine: &Engine, target: &Target, spec: &RestoreSpec) -> Result<Prepared> {
    let folder = Folder::new(&engine.config().backup_dir);
    let shelf = match &spec.to {
        Some(_) => Shelf::of(engine, &engine.target(&spec.target)?).await?,
        None => Shelf::of(engine, target).await?,
    };
    let (place, stored) = reconcile::refresh(engine, &folder, &shelf, spec.backup).await?;
    let (mut manifest, view) = match stored {
        Stored::Known { manifest, view, .. } => (manifest, view),
        Stored::Missing | Stored::Strange => {
            return Err(Error::not_found(
                "There is no such backup.",
                "It may have been deleted; look at the list of backups.",
            ));
        }
        Stored::Unreadable(why) => {
            return Err(Error::conflict(
                format!("The backup's manifest cannot be read: {why}."),
                "Restore another one, and put this manifest back from a copy.",
            ));
        }
    };
    let path = folder.stored(&place, spec.backup);
    let mut checks = Checks::default();
    checks.sound(&view);
    let (toc, held) = match contents(&path, manifest.uploaded.is_some()).await? {
        Ok((toc, held)) => (toc, Some(held)),
        Err(Damage(words)) => {
            if view.damage.is_none() {
                checks.blocks("restore.backup", words, DAMAGED);
            }
            let nothing = Toc {
                readable: true,
                ..Toc::default()
            };
            (nothing, None)
        }
    };
    let mut notes = Vec::new();
    let toc = checks.parts(spec, &mut manifest, toc, &mut notes);
    let toc = match manifest.uploaded {
        Some(_) => checks.left_out(&mut manifest, toc, &mut notes),
        None => toc,
    };
    let globals = globals(&path, &manifest).await?;
    let failed = |source| target.error(source);
    let mut connection = target.look().await?;
    let console = place::console(&mut connection).await.map_err(failed)?;
    let tables = place::tables(&mut connection).await.map_err(failed)?;
    let programs = programs(engine, &manifest, &console, &mut checks).await;
    checks.server(&manifest, &console, &toc);
    let new = !spec.into_live;
    if !manifest.only.is_empty() {
        manifest.needs = checks.needs(manifest.needs.take(), &toc, new);
    }
    let toc = match new && keeps_public(&console) {
        true => {
            let usual = place::first_superuser(&mut connection).await.map_err(failed)?;
            checks.public_stays(&console, &usual, toc, &mut notes)
        }
        false => toc,
    };
    let (into, toc) = match new {
        true => {
            checks.may_create(&console);
            let into = name(&mut connection, engine, target, spec, &manifest, &mut checks).await?;
            (into, toc)
        }
        false => {
            let toc = live::leave_out(&mut checks, &mut manifest, toc, &mut notes);
            let looked = live::Looked {
                manifest: &manifest,
                toc: &toc,
                console: &console,
                programs: programs.as_ref(),
            };
            live::look(&mut connection, engine, target, spec, looked, &mut checks).await?;
            (target.database().to_owned(), toc)
        }
    };
    let mut of_stranger = None;
    let mut spec = spec.clone();
    if manifest.uploaded.is_some() && new {
        let terms = stranger::terms(&mut connection, &spec, &into, &console)
            .await
            .map_err(failed)?;
        checks.0.extend(terms.checks);
        notes.push(terms.note);
        spec = terms.spec;
        of_stranger = terms.role;
        if !place::knows_locale(&mut connection, &manifest.database)
            .await
            .map_err(failed)?
        {
            checks
                .other_locale(&mut connection, &mut manifest, &mut notes)
                .await
                .map_err(failed)?;
        }
    }
    let spec = &spec;
    if new {
        checks
            .locale(&mut connection, &manifest, &console)
            .await
            .map_err(failed)?;
    }
    let Roles {
        created: mut create_roles,
        members,
        superusers,
    } = checks
        .roles(
            &mut connection,
            spec,
            &manifest,
            &toc,
            &globals,
            &console,
            &mut notes,
        )
        .await
        .map_err(failed)?;
    create_roles.extend(of_stranger);
    let extensions = match new {
        true => checks
            .extensions(&mut connection, spec, &manifest, &toc, &console, &mut notes)
            .await
            .map_err(failed)?,
        // They were looked for among those of the live database.
        false => Vec::new(),
    };
    checks
        .tablespaces(&mut connection, spec, &toc)
        .await
        .map_err(failed)?;
    drop(connection);
    checks.room(target, &manifest, &console).await;
    if manifest.uploaded.is_none() {
        checks.authors(spec, &toc, &console, &mut notes);
    }
    if manifest.database.grants.is_none() && manifest.uploaded.is_none() && new {
        notes.push(
            "The rights on the database itself are not in this backup, which an older version took: it has the usual ones."
                .to_owned(),
        );
    }
    let set: Vec<&str> = manifest
        .database
        .settings
        .iter()
        .filter_map(|settings| settings.role.as_deref())
        .collect();
    if new && !set.is_empty() && !console.superuser && spec.owner.is_none() {
        notes.push(format!(
            "What these roles had set for themselves in the database is not restored, because only a superuser may set it: {}.",
            set.join(", ")
        ));
    }
    notes.extend(manifest.notes.iter().cloned());
    let owner = match &spec.owner {
        Some(owner) => owner.clone(),
        None => manifest.database.owner.clone(),
    };
    let usual = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(USUAL_PARALLEL));
    Ok(Prepared {
        plan: RestorePlan {
            backup: view,
            into,
            into_live: spec.into_live,
            target: target.name().to_owned(),
            server_version: console.version.clone(),
            parallel: match manifest.form() {
                // It can be read from its beginning to its end alone.
                ArchiveForm::Tar => 1,
                _ => spec.parallel.unwrap_or_else(|| i32::try_from(usual).unwrap_or(1)),
            },
            checks: checks.0,
            tables: then_and_now(&manifest, tables, !spec.only.is_empty()),
        },
        given_to: spec.owner.clone(),
        archive: path.join(ARCHIVE),
        held,
        programs,
        console,
        owner,
        create_roles,
        members,
        extensions,
        superusers,
        notes,
        toc,
        manifest,
    })
}

/// How parts are restored that need what is not in their backup.
const BESIDE: &str = "Add them to a database that has all of it, as the live one (--into-live NAME, on the page: the live database itself). \
                      Or restore them out of a backup of the whole database, and choose them there; or take one of their schemas with all that \
                      they need.";

const DAMAGED: &str = "Restore another backup. Take a new one now, and find out what changed this one.";

/// The archive's table of contents, and the archive held.
async fn contents(backup: &Path, stranger: bool) -> Result<std::result::Result<(Toc, File), Damage>> {
    let backup = backup.to_owned();
    blocking(move || {
        let file = match read_back::open(&backup, ARCHIVE)? {
            Ok(file) => file,
            Err(damage) => return Ok(Err(damage)),
        };
        Ok(match contents::read(&file, stranger)? {
            Ok(contents) => Ok((contents.toc, file)),
            Err(why) => Err(Damage(format!("The archive {why}."))),
        })
    })
    .await
}

/// The roles stored with the backup; none when they are not, or are not what was written.
async fn globals(backup: &Path, manifest: &Manifest) -> Result<Globals> {
    let Some(file) = manifest.globals.clone() else {
        return Ok(Globals::default());
    };
    let backup = backup.to_owned();
    blocking(move || {
        use sha2::{Digest, Sha256};
        let Ok(mut opened) = read_back::open(&backup, GLOBALS)? else {
            return Ok(Globals::default());
        };
        let mut bytes = Vec::new();
        opened
            .read_to_end(&mut bytes)
            .map_err(Error::io("reading the roles of the backup"))?;
        let whole = hex::encode(Sha256::digest(&bytes)) == file.sha256;
        Ok(match String::from_utf8(bytes) {
            Ok(text) if whole => roles::read(&text),
            _ => Globals::default(),
        })
    })
    .await
}

async fn programs(
    engine: &Engine,
    manifest: &Manifest,
    console: &Console,
    checks: &mut Checks,
) -> Option<Programs> {
    let made_by = manifest
        .tool_version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .unwrap_or(0);
    let major = u32::try_from(console.version_num / 10_000)
        .unwrap_or_default()
        .max(made_by);
    match Programs::for_server(engine.config().pg_bin.as_deref(), &NEEDED, major).await {
        Ok(programs) => {
            match programs.warning() {
                Some(warning) => checks.add(
                    "restore.tools",
                    CheckLevel::Warning,
                    warning,
                    Some("Upgrade PostgreSQL's client programs.".to_owned()),
                ),
                None => checks.fine(
                    "restore.tools",
                    format!("pg_restore {} can read the archive.", programs.version()),
                ),
            }
            Some(programs)
        }
        Err(error) => {
            let fault = error.fault();
            let hint = fault
                .hint
                .unwrap_or_else(|| "Install PostgreSQL's client programs.".to_owned());
            checks.blocks("restore.tools", fault.message, hint);
            None
        }
    }
}

/// The new database's name, which nobody has.
async fn name(
    connection: &mut PgConnection,
    engine: &Engine,
    target: &Target,
    spec: &RestoreSpec,
    manifest: &Manifest,
    checks: &mut Checks,
) -> Result<String> {
    let failed = |source| target.error(source);
    let key = "restore.name";
    if let Some(into) = &spec.into {
        if place::number(connection, into).await.map_err(failed)?.is_some() {
            checks.blocks(
                key,
                format!("There is a database \"{into}\" on this server already."),
                "Choose another name, or leave it out: a restore never writes into a database that is there.",
            );
        } else if store::is_wanted(engine.store(), target.database_id(true).await?, into, None).await? {
            checks.blocks(
                key,
                format!("Another restore is making a database \"{into}\"."),
                "Wait for it, or choose another name.",
            );
        } else {
            checks.fine(key, format!("The name \"{into}\" is free."));
        }
        return Ok(into.clone());
    }
    for number in 1.. {
        let name = usual_name(&manifest.database.name, number);
        if place::number(connection, &name).await.map_err(failed)?.is_none()
            && !store::is_wanted(engine.store(), target.database_id(true).await?, &name, None).await?
        {
            checks.fine(key, format!("The new database will be called \"{name}\"."));
            return Ok(name);
        }
    }
    Err(Error::internal("naming a database", "every name is taken"))
}

/// The source's name, cut where needed, and the time.
fn usual_name(database: &str, number: i32) -> String {
    let time = Utc::now().format("%Y%m%d_%H%M");
    let mut end = format!("_restored_{time}");
    if number > 1 {
        end.push_str(&format!("_{number}"));
    }
    let mut cut = database.len().min(LONGEST_NAME - end.len());
    while !database.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}{end}", &database[..cut])
}

/// Each table in the backup's time and now; of chosen parts, only those that are restored.
fn then_and_now(
    manifest: &Manifest,
    live: Vec<(String, String, Option<i64>)>,
    chosen: bool,
) -> Vec<TableThenNow> {
    let mut tables: BTreeMap<(String, String), TableThenNow> = BTreeMap::new();
    let mut at = |schema: &str, name: &str, change: &dyn Fn(&mut TableThenNow)| {
        let table = tables
            .entry((schema.to_owned(), name.to_owned()))
            .or_insert_with(|| TableThenNow {
                schema: schema.to_owned(),
                name: name.to_owned(),
                in_backup: false,
                rows_then: None,
                is_live: false,
                rows_now_about: None,
            });
        change(table);
    };
    for table in &manifest.tables {
        at(&table.schema, &table.name, &|row| {
            row.in_backup = true;
            row.rows_then = table.rows;
        });
    }
    for (schema, name, rows) in &live {
        at(schema, name, &|row| {
            row.is_live = true;
            row.rows_now_about = *rows;
        });
    }
    tables
        .into_values()
        .filter(|table| table.in_backup || !chosen)
        .collect()
}

/// What a restore needs to know of roles.
struct Roles {
    created: Vec<roles::Stored>,
    members: Vec<(String, String)>,
    superusers: HashSet<String>,
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Checks(Vec<RestoreCheck>);

impl Checks {
    pub(super) fn add(
        &mut self,
        key: &str,
        level: CheckLevel,
        words: impl Into<String>,
        remedy: Option<String>,
    ) {
        self.0.push(RestoreCheck {
            key: key.to_owned(),
            level,
            words: words.into(),
            remedy,
        });
    }

    pub(super) fn fine(&mut self, key: &str, words: impl Into<String>) {
        self.add(key, CheckLevel::Fine, words, None);
    }

    pub(super) fn warns(&mut self, key: &str, words: impl Into<String>, remedy: impl Into<String>) {
        self.add(key, CheckLevel::Warning, words, Some(remedy.into()));
    }

    pub(super) fn blocks(&mut self, key: &str, words: impl Into<String>, remedy: impl Into<String>) {
        self.add(key, CheckLevel::Blocks, words, Some(remedy.into()));
    }

    fn sound(&mut self, view: &BackupView) {
        let key = "restore.backup";
        match (&view.damage, &view.foreign) {
            (Some(damage), _) => self.blocks(key, format!("The backup is damaged. {damage}"), DAMAGED),
            (None, Some(foreign)) => self.blocks(
                key,
                format!("Nothing here vouches for the backup. {foreign}"),
                format!(
                    "Verify it, then let an administrator take it over: pgsteward backup verify {id}, pgsteward backup \
                     adopt {id}.",
                    id = view.id
                ),
            ),
            (None, None) if view.uploaded.is_some() => self.warns(
                key,
                format!(
                    "{} It was read back whole; whether all is in it that was in its database, nobody here knows.",
                    view.origin().unwrap_or_default()
                ),
                "Restore a backup that this console took, should you need the state of this database.",
            ),
            (None, None) => self.fine(
                key,
                format!(
                    "{} {}; its SHA-256 is looked at once more before anything is made.",
                    view.proof.label(),
                    format::absolute(view.proven_at)
                ),
            ),
        }
    }

    /// Takes the chosen parts of archive and manifest.
    fn parts(
        &mut self,
        spec: &RestoreSpec,
        manifest: &mut Manifest,
        toc: Toc,
        notes: &mut Vec<String>,
    ) -> Toc {
        let key = "restore.parts";
        let list = |parts: &[Part]| parts.iter().map(Part::to_string).collect::<Vec<_>>().join(", ");
        if !manifest.only.is_empty() {
            self.warns(
                key,
                format!("The backup itself is of chosen parts: {}.", list(&manifest.only)),
                "Restore a backup of the whole database, should you need the rest.",
            );
        }
        if spec.only.is_empty() || toc.entries.is_empty() {
            return toc;
        }
        let chosen = choice::choose(toc, &spec.only);
        if !chosen.needing.is_empty() {
            self.blocks(
                key,
                format!(
                    "This cannot be restored by itself: {}.",
                    words::some(&chosen.needing)
                ),
                "Choose what it needs as well, or restore into a new database.",
            );
        }
        if !chosen.missing.is_empty() {
            self.blocks(
                key,
                format!(
                    "The backup has no schema or table of this name: {}.",
                    words::some(&chosen.missing)
                ),
                "Capital letters and blanks count; the plan of the whole backup has the names of its tables.",
            );
        }
        if !chosen.left_out.is_empty() {
            let words = format!(
                "Left out, because it needs what was not chosen: {}.",
                words::first(&chosen.left_out, 20)
            );
            self.warns(
                key,
                words.clone(),
                "Choose what it needs as well, should it be wanted.",
            );
            notes.push(words);
        }
        if chosen.missing.is_empty() && chosen.needing.is_empty() && chosen.left_out.is_empty() {
            self.fine(key, format!("Restored will be: {}.", list(&spec.only)));
        }
        notes.push(format!("Only chosen parts were restored: {}.", list(&spec.only)));
        manifest.tables.retain(|table| {
            chosen.toc.entries.iter().any(|entry| {
                entry.kind == "TABLE"
                    && entry.tag == table.name
                    && entry.schema.as_ref() == Some(&table.schema)
            })
        });
        // These belong to no schema.
        manifest.database.large_objects = 0;
        chosen.toc
    }

    /// Tells what a backup of chosen parts needs and does not hold, as far as what is restored of it needs it. Nothing of it is in a new
    /// database; what is in the live one is looked at there.
    fn needs(&mut self, needs: Option<Vec<Need>>, toc: &Toc, new: bool) -> Option<Vec<Need>> {
        let key = "restore.needs";
        let Some(mut needs) = needs else {
            self.add(
                key,
                CheckLevel::Unknown,
                "What its parts need of the rest was not written down by the older version that took it: what is missing, pg_restore tells.",
                Some(BESIDE.to_owned()),
            );
            return None;
        };
        needs.retain(|need| {
            need.by.as_ref().is_none_or(|(schema, name)| {
                toc.entries.iter().any(|entry| {
                    choice::is_relation(entry) && entry.schema.as_ref() == Some(schema) && entry.tag == *name
                })
            })
        });
        if needs.is_empty() {
            self.fine(key, "The parts of the backup need nothing that is not in it.");
        } else if new {
            self.blocks(
                key,
                format!(
                    "What the parts of the backup need is not in it, nor in a new database: {}.",
                    words::first(&needs::words(&needs), 20)
                ),
                BESIDE,
            );
        }
        Some(needs)
    }

    /// Leaves the schema public to the superuser that has it in a new database, where only that could give it away.
    fn public_stays(&mut self, console: &Console, usual: &str, toc: Toc, notes: &mut Vec<String>) -> Toc {
        let (left, entries): (Vec<Entry>, Vec<Entry>) = toc.entries.into_iter().partition(is_of_public);
        let left: Vec<&str> = left
            .iter()
            .filter_map(|entry| match entry.kind.as_str() {
                "SCHEMA" if entry.owner == usual => None,
                "SCHEMA" => Some("its owner"),
                "ACL" => Some("the rights on it"),
                "COMMENT" => Some("its comment"),
                _ => Some("its label"),
            })
            .collect();
        if !left.is_empty() {
            let words = format!(
                "Left out of the schema public: {}. On a server before PostgreSQL 15 it belongs to {usual} in every new database, and {}, which \
                 is no superuser, cannot change that.",
                left.join(", "),
                console.role
            );
            self.warns(
                "restore.public",
                words.clone(),
                "Let a superuser set it afterwards (alter schema public owner to …), or let the database's URL name a superuser for the restore.",
            );
            notes.push(words);
        }
        Toc { entries, ..toc }
    }

    /// Leaves out of an archive from elsewhere what is not restored of a stranger.
    fn left_out(&mut self, manifest: &mut Manifest, toc: Toc, notes: &mut Vec<String>) -> Toc {
        let (toc, left) = stranger::leave_out(toc);
        if !left.is_empty() {
            let words = format!(
                "Left out, because only a superuser may make it, or it needs what only a superuser may make: {}.",
                words::first(&left, 20)
            );
            self.warns(
                "restore.left_out",
                words.clone(),
                "Nothing of an archive from elsewhere is run as a superuser. Make it by hand afterwards, when you know what it does.",
            );
            notes.push(words);
        }
        let tables: HashSet<(Option<&str>, &str)> = toc
            .entries
            .iter()
            .filter(|entry| entry.kind == "TABLE")
            .map(|entry| (entry.schema.as_deref(), entry.tag.as_str()))
            .collect();
        manifest
            .tables
            .retain(|table| tables.contains(&(Some(table.schema.as_str()), table.name.as_str())));
        toc
    }

    /// Takes the locale of the live database in place of one that the server may not know, as those of other systems.
    async fn other_locale(
        &mut self,
        connection: &mut PgConnection,
        manifest: &mut Manifest,
        notes: &mut Vec<String>,
    ) -> std::result::Result<(), sqlx::Error> {
        let own = place::own_locale(connection).await?;
        let theirs = &mut manifest.database;
        let words = format!(
            "The server does not know the locale {} of the archive: the new database gets that of the live one, {}, and sorts text as that does.",
            theirs.collation, own.collation
        );
        self.warns(
            "restore.locale",
            words.clone(),
            "Install the locale on the server's machine (locale-gen), and restart the server, should the order matter.",
        );
        notes.push(words);
        theirs.collation = own.collation;
        theirs.character_type = own.character_type;
        Ok(())
    }

    fn server(&mut self, manifest: &Manifest, console: &Console, toc: &Toc) {
        let key = "restore.server";
        let (then, now) = (manifest.server.version_num / 10_000, console.version_num / 10_000);
        if console.standby {
            self.blocks(
                key,
                "The server is a standby, on which nothing can be made.",
                "Name the primary in the database's URL.",
            );
        } else if now < then {
            self.blocks(
                key,
                format!(
                    "The server has PostgreSQL {}, older than the backup's {}: it need not understand what a newer one wrote.",
                    console.version, manifest.server.version
                ),
                format!("Restore on a server of PostgreSQL {then} or newer."),
            );
        } else {
            self.fine(
                key,
                format!(
                    "PostgreSQL {} restores what {} had.",
                    console.version, manifest.server.version
                ),
            );
        }
        if !toc.readable {
            self.blocks(
                "restore.names",
                "Names in the archive are written in another encoding than UTF-8, which the console cannot read.",
                "Download the backup, and restore it by pg_restore.",
            );
        }
    }

    fn may_create(&mut self, console: &Console) {
        match refused_to_create(console) {
            Some((words, remedy)) => self.blocks("restore.rights", words, remedy),
            None => self.fine(
                "restore.rights",
                format!("The role {} may create databases.", console.role),
            ),
        }
    }

    async fn locale(
        &mut self,
        connection: &mut PgConnection,
        manifest: &Manifest,
        console: &Console,
    ) -> std::result::Result<(), sqlx::Error> {
        let key = "restore.locale";
        let like = &manifest.database;
        let words = format!(
            "encoding {}, collation {}, character types {}{}",
            like.encoding,
            like.collation,
            like.character_type,
            like.locale
                .as_ref()
                .map_or_else(String::new, |locale| format!(", locale {locale}"))
        );
        let provider = like.locale_provider.as_deref();
        if matches!(provider, Some("i")) && console.version_num < 150_000 {
            self.blocks(
                key,
                "The backup's database takes its locale from ICU, which this server cannot give a database.",
                "Restore on PostgreSQL 15 or newer.",
            );
        } else if place::knows_locale(connection, like).await? {
            self.fine(key, format!("The server knows the database's {words}."));
        } else {
            self.add(
                key,
                CheckLevel::Unknown,
                format!("Whether the server knows the database's {words} shows when the database is made."),
                Some("If it does not, install the locale on the server's machine (locale-gen), and restart the server.".to_owned()),
            );
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "it compares six things and writes down what is so of a seventh"
    )]
    async fn roles(
        &mut self,
        connection: &mut PgConnection,
        spec: &RestoreSpec,
        manifest: &Manifest,
        toc: &Toc,
        globals: &Globals,
        console: &Console,
        notes: &mut Vec<String>,
    ) -> std::result::Result<Roles, sqlx::Error> {
        let key = "restore.roles";
        let mut owners: BTreeSet<String> = BTreeSet::new();
        let mut needed = parts::grantees(toc, spec.owner.is_none());
        let stranger = manifest.uploaded.is_some();
        match &spec.owner {
            // What is so of that role was looked at before.
            Some(_) if stranger => {}
            Some(owner) => drop(owners.insert(owner.clone())),
            None => {
                owners.extend(parts::owners(toc));
            }
        }
        if spec.owner.is_none() && !spec.into_live {
            owners.insert(manifest.database.owner.clone());
            let database = &manifest.database;
            needed.extend(
                database
                    .settings
                    .iter()
                    .filter_map(|settings| settings.role.clone()),
            );
            needed.extend(
                database
                    .grants
                    .iter()
                    .flatten()
                    .filter_map(|grant| grant.role.clone()),
            );
        }
        needed.extend(owners.iter().cloned());
        let names: Vec<String> = needed.iter().cloned().collect();
        let known: HashMap<String, place::Role> = place::roles(connection, &names)
            .await?
            .into_iter()
            .map(|role| (role.name.clone(), role))
            .collect();
        if let Some(owner) = &spec.owner
            && known.get(owner).is_some_and(|role| role.superuser)
        {
            self.blocks(
                key,
                format!(
                    "{owner} is a superuser: functions of the backup's owners would run with all its rights."
                ),
                "Name a role that is none.",
            );
        }
        // What the server has by itself, such as pg_monitor, may be missing on an older one, and cannot be created.
        let missing: Vec<String> = names
            .iter()
            .filter(|name| !known.contains_key(*name))
            .cloned()
            .collect();
        let mut created = Vec::new();
        if missing.is_empty() {
            self.fine(
                key,
                format!(
                    "All {} roles that own something or were granted something are there.",
                    names.len()
                ),
            );
        } else if !spec.create_roles {
            self.blocks(
                key,
                format!(
                    "{} on the server: {}. Without them, what they own and what was granted to them cannot be restored, and \
                     policies of row security would be lost.",
                    match missing.len() {
                        1 => "A role is missing".to_owned(),
                        count => format!("{count} roles are missing"),
                    },
                    words::some(&missing)
                ),
                "Let the restore create them (--create-roles): without passwords, none a superuser. Or create them first.",
            );
        } else {
            for name in &missing {
                match globals.roles.get(name).filter(|_| !name.starts_with("pg_")) {
                    Some(stored) => created.push(stored.clone()),
                    None => self.blocks(
                        key,
                        format!("The role {name} is missing on the server, and the backup does not tell what it was."),
                        format!("Create it: create role {}.", crate::quote::ident(name)),
                    ),
                }
            }
            if !console.may_create_roles {
                self.blocks(
                    key,
                    format!("The console's role {} may not create roles.", console.role),
                    format!(
                        "As a superuser: alter role {} createrole. Or create them first.",
                        crate::quote::ident(&console.role)
                    ),
                );
            }
            self.warns(
                key,
                format!(
                    "These roles will be created, without passwords: {}.",
                    words::some(&missing)
                ),
                "Give those that log in a password afterwards.",
            );
            notes.push(format!(
                "Roles were created, without passwords: {}.",
                missing.join(", ")
            ));
            for role in created.iter().filter(|role| !role.more.is_empty()) {
                notes.push(format!(
                    "The role {} was created without {}, which it had.",
                    role.name,
                    role.more.join(", ")
                ));
            }
        }
        let mine = |name: &String| created.iter().any(|role| role.name == *name);
        let members = globals
            .members
            .iter()
            .filter(|(role, member)| mine(role) && mine(member))
            .cloned()
            .collect();
        if !console.superuser {
            let away: Vec<String> = owners
                .iter()
                .filter(|name| known.get(*name).is_some_and(|role| !role.reachable))
                .cloned()
                .collect();
            if !away.is_empty() {
                let is_superuser = |name: &&String| known.get(*name).is_some_and(|role| role.superuser);
                let remedy = match away.iter().find(is_superuser) {
                    // Nobody is made a member of that for a restore.
                    Some(superuser) => format!(
                        "{superuser} is a superuser. Give everything to one role it is a member of (--owner {}), or let the database's URL name a \
                         superuser for the restore.",
                        console.role
                    ),
                    None => format!(
                        "Grant it: grant {} to {}. Or give everything to one role it is a member of (--owner {}).",
                        crate::quote::ident(&away[0]),
                        crate::quote::ident(&console.role),
                        console.role
                    ),
                };
                self.blocks(
                    "restore.owners",
                    format!(
                        "The console's role {} is no superuser and no member of {}, to whom things in the backup belong.",
                        console.role,
                        words::some(&away)
                    ),
                    remedy,
                );
            }
        }
        if let Some(owner) = spec.owner.as_ref().filter(|_| !stranger) {
            notes.push(format!(
                "Everything was given to {owner}, and no grants were restored, as was asked."
            ));
        }
        let superusers = known
            .into_values()
            .filter(|role| role.superuser && spec.owner.is_none());
        Ok(Roles {
            members,
            superusers: superusers.map(|role| role.name).collect(),
            created,
        })
    }

    async fn extensions(
        &mut self,
        connection: &mut PgConnection,
        spec: &RestoreSpec,
        manifest: &Manifest,
        toc: &Toc,
        console: &Console,
        notes: &mut Vec<String>,
    ) -> std::result::Result<Vec<Extension>, sqlx::Error> {
        let key = "restore.extensions";
        // plpgsql is in every new database.
        let wanted: Vec<String> = toc
            .entries
            .iter()
            .filter(|entry| entry.kind == "EXTENSION" && entry.tag != "plpgsql")
            .map(|entry| entry.tag.clone())
            .collect();
        let available = place::available(connection, &wanted).await?;
        let live = place::installed(connection).await?;
        let mut found = Vec::new();
        let mut fine = true;
        for name in wanted {
            let then = manifest
                .database
                .extensions
                .iter()
                .find(|extension| extension.name == name);
            let versions: Vec<&place::Available> = available
                .iter()
                .filter(|available| available.name == name)
                .collect();
            if versions.is_empty() {
                fine = false;
                self.blocks(
                    key,
                    format!("The extension {name} is not installed on the server's machine."),
                    "Install its package there (on Debian postgresql-NN-…, or postgresql-contrib), then try again.",
                );
                continue;
            }
            if !console.superuser && versions.iter().all(|version| version.needs_superuser) {
                fine = false;
                self.blocks(
                    key,
                    format!("Only a superuser may create the extension {name}."),
                    "Let the database's URL name a superuser, or the cloud's administrator, for the restore.",
                );
            }
            if manifest.uploaded.is_some()
                && !spec.trust
                && versions.iter().all(|version| version.needs_superuser)
                && !live.iter().any(|(there, _)| *there == name)
            {
                fine = false;
                self.blocks(
                    key,
                    format!(
                        "The archive comes from elsewhere, and names the extension {name}, which only a superuser may create and the live \
                         database does not have."
                    ),
                    "When you know who made the archive and what the extension lets its users do, let an administrator say so \
                     (--trust-archive).",
                );
            }
            // An archive from elsewhere does not tell the version.
            let told = then.filter(|then| !then.version.is_empty());
            let same = told.filter(|then| versions.iter().any(|version| version.version == then.version));
            if let Some(then) = told.filter(|_| same.is_none()) {
                fine = false;
                self.warns(
                    key,
                    format!(
                        "The extension {name} had version {}, which is not installed on the server's machine: it gets the \
                         server's own.",
                        then.version
                    ),
                    "Install that version there, or see in the extension's notes what changed.",
                );
                notes.push(format!(
                    "The extension {name} had version {} and has the server's own now.",
                    then.version
                ));
            }
            let schema = then
                .map(|then| then.schema.clone())
                .filter(|schema| !schema.is_empty())
                .filter(|schema| {
                    matches!(schema.as_str(), "public" | "pg_catalog")
                        || toc
                            .entries
                            .iter()
                            .any(|entry| entry.kind == "SCHEMA" && entry.tag == *schema)
                });
            found.push(Extension {
                name,
                schema,
                version: same.map(|then| then.version.clone()),
            });
        }
        if fine {
            self.fine(
                key,
                match found.len() {
                    0 => "The backup needs no extension.".to_owned(),
                    1 => "The extension that the backup needs is there, in its version.".to_owned(),
                    count => format!("All {count} extensions are there, in their versions."),
                },
            );
        }
        Ok(found)
    }

    async fn tablespaces(
        &mut self,
        connection: &mut PgConnection,
        spec: &RestoreSpec,
        toc: &Toc,
    ) -> std::result::Result<(), sqlx::Error> {
        let needed: BTreeSet<&str> = tablespaces(toc);
        if needed.is_empty() || spec.no_tablespaces {
            return Ok(());
        }
        let known = place::tablespaces(connection).await?;
        let missing: Vec<String> = needed
            .iter()
            .filter(|name| !known.iter().any(|known| known == *name))
            .map(|name| (*name).to_owned())
            .collect();
        match missing.is_empty() {
            true => self.fine("restore.tablespaces", "The tablespaces of the backup are there."),
            false => self.blocks(
                "restore.tablespaces",
                format!("Tablespaces are missing on the server: {}.", words::some(&missing)),
                "Create them (create tablespace … location …), or put everything into the default one (--no-tablespaces).",
            ),
        }
        Ok(())
    }

    async fn room(&mut self, target: &Target, manifest: &Manifest, console: &Console) {
        let key = "restore.room";
        let bytes = manifest.database.bytes;
        let needs = match manifest.uploaded {
            Some(_) => format!("The rows in the archive are {} as text", format::bytes(bytes)),
            None => format!("The database had {} when it was backed up", format::bytes(bytes)),
        };
        let free = match &console.folder {
            Some(folder) if target.is_on_this_machine() => {
                let folder = PathBuf::from(folder);
                blocking(move || Ok(disk::free_bytes(&folder).ok()))
                    .await
                    .ok()
                    .flatten()
            }
            _ => None,
        };
        match free {
            // Restored tables have no dead rows, but their indexes and the log are written as well.
            Some(free) if free < bytes => self.blocks(
                key,
                format!("{needs}, and {} are free on the server's disk.", format::bytes(free)),
                "Free some room there, or restore on another server.",
            ),
            Some(free) if free < bytes.saturating_mul(2) => self.warns(
                key,
                format!("{needs}, and no more than {} are free on the server's disk.", format::bytes(free)),
                "Keep an eye on that disk: the write-ahead log needs room as well.",
            ),
            Some(free) => self.fine(key, format!("{needs}; {} are free on the server's disk.", format::bytes(free))),
            None => self.add(
                key,
                CheckLevel::Unknown,
                format!("{needs}. How much room the server has is not known here."),
                Some("Look at the server's disk: about as much must be free, and some for the write-ahead log.".to_owned()),
            ),
        }
    }

    fn authors(&mut self, spec: &RestoreSpec, toc: &Toc, console: &Console, notes: &mut Vec<String>) {
        let key = "restore.authors";
        if !console.superuser {
            self.fine(
                key,
                format!("Everything is loaded by {}, which is no superuser.", console.role),
            );
        } else if spec.as_superuser {
            self.warns(
                key,
                format!(
                    "Everything is loaded by {}, a superuser, as was asked: functions in the backup run with all its rights.",
                    console.role
                ),
                "Choose this only when you trust everyone who could create a function in this database.",
            );
            notes.push(format!(
                "It was loaded by {}, a superuser, as was asked.",
                console.role
            ));
        } else {
            self.fine(
                key,
                "It is loaded by a role of its own that can do nothing else: no function in the backup runs as a superuser.",
            );
        }
        let subscriptions = toc
            .entries
            .iter()
            .filter(|entry| entry.kind == "SUBSCRIPTION")
            .count();
        if subscriptions > 0 {
            let words = "Subscriptions of the backup are not restored: a copy must not take changes away from the original.";
            self.warns(
                "restore.subscriptions",
                words,
                "Create them by hand, should this database replace the original.",
            );
            notes.push(words.to_owned());
        }
    }
}

/// Whether the schema public of a new database belongs to a superuser and not to the role that makes it, as before PostgreSQL 15.
pub(super) fn keeps_public(console: &Console) -> bool {
    !console.superuser && console.version_num < 150_000
}

/// Whether an entry says whose the schema public is, who may do what there, or its comment.
pub(super) fn is_of_public(entry: &Entry) -> bool {
    match entry.kind.as_str() {
        "SCHEMA" => entry.tag == "public",
        "ACL" | "COMMENT" | "SECURITY LABEL" => entry.tag == "SCHEMA public",
        _ => false,
    }
}

/// Why the console's role may make no database, and the remedy.
pub(super) fn refused_to_create(console: &Console) -> Option<(String, String)> {
    (!console.may_create).then(|| {
        (
            format!("The console's role {} may not create databases.", console.role),
            format!(
                "As a superuser: alter role {} createdb.",
                crate::quote::ident(&console.role)
            ),
        )
    })
}

/// The tablespaces that the archive's entries name.
pub(super) fn tablespaces(toc: &Toc) -> BTreeSet<&str> {
    let named = toc.entries.iter().map(|entry| entry.tablespace.as_str());
    named.filter(|name| !matches!(*name, "" | "pg_default")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_databases_own_fits_and_is_cut_at_a_letter() {
        let name = usual_name("shop", 1);
        assert!(name.starts_with("shop_restored_2") && name.len() == "shop_restored_20261130_0142".len());
        let long = usual_name(&"ü".repeat(31), 12);
        assert!(long.len() <= LONGEST_NAME && long.ends_with("_12"), "{long}");
    }

    #[test]
    fn a_name_that_is_none_and_too_many_connections_are_refused() {
        let with = |into: Option<&str>, parallel| RestoreSpec {
            into: into.map(str::to_owned),
            parallel,
            ..RestoreSpec::default()
        };
        assert!(validate(&with(None, None)).is_ok() && validate(&with(Some("a"), Some(64))).is_ok());
        for (spec, field) in [
            (with(Some(""), None), "into"),
            (with(Some(&"ü".repeat(32)), None), "into"),
            (with(Some("a\0b"), None), "into"),
            (with(None, Some(0)), "parallel"),
            (with(None, Some(65)), "parallel"),
        ] {
            let fault = validate(&spec).map_err(|error| error.fault());
            assert_eq!(fault.err().and_then(|fault| fault.field).as_deref(), Some(field));
        }
    }
}
