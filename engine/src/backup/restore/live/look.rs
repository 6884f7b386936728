//! What is looked at before a restore into the live database.

use std::collections::{BTreeSet, HashSet};

use chrono::{TimeDelta, Utc};
use contract::{format, restore::RestoreSpec};
use sqlx::PgConnection;

use super::super::{
    super::{
        manifest::Manifest,
        needs::{self, Need},
        reconcile,
        shelf::Shelf,
        toc::{Entry, Toc},
        words,
    },
    parts::Part,
    place::{self, Console},
    plan::Checks,
};
use crate::{Engine, Result, programs::Programs, target::Target};

/// A backup older than this is worth another one before the live database is written to.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// From this version on pg_restore sets what older servers do not know.
const SETS_TRANSACTION_TIMEOUT: u32 = 17;

/// What is of a database as a whole, and not added to one that is there.
fn is_of_the_whole(entry: &Entry) -> bool {
    let of = |kind: &str| entry.tag.starts_with(kind);
    match entry.kind.as_str() {
        "BLOB" | "BLOBS" | "BLOB METADATA" | "BLOB COMMENTS" | "DEFAULT ACL" | "EVENT TRIGGER"
        | "SUBSCRIPTION" | "SUBSCRIPTION TABLE" => true,
        "COMMENT" | "ACL" | "SECURITY LABEL" => {
            ["LARGE OBJECT", "EVENT TRIGGER ", "EXTENSION ", "PUBLICATION "]
                .into_iter()
                .any(of)
        }
        kind => kind.starts_with("PUBLICATION"),
    }
}

/// Leaves out what belongs to a database as a whole.
pub(in super::super) fn leave_out(
    checks: &mut Checks,
    manifest: &mut Manifest,
    toc: Toc,
    notes: &mut Vec<String>,
) -> Toc {
    let Toc {
        head,
        entries,
        readable,
    } = toc;
    let (left, entries): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(is_of_the_whole);
    manifest.database.large_objects = 0;
    let kinds: BTreeSet<String> = left
        .iter()
        .filter(|entry| !matches!(entry.kind.as_str(), "COMMENT" | "ACL" | "SECURITY LABEL"))
        .map(|entry| match entry.kind.as_str() {
            kind if kind.starts_with("BLOB") => "large objects".to_owned(),
            "DEFAULT ACL" => "default privileges".to_owned(),
            _ => entry.named(),
        })
        .collect();
    if !kinds.is_empty() {
        let kinds: Vec<String> = kinds.into_iter().collect();
        let words = format!(
            "Left out, because they are of the database as a whole: {}.",
            words::first(&kinds, 10)
        );
        checks.warns(
            "restore.left_out",
            words.clone(),
            "A restore into a new database has them.",
        );
        notes.push(words);
    }
    Toc {
        head,
        entries,
        readable,
    }
}

/// What a look goes by.
pub(in super::super) struct Looked<'a> {
    pub manifest: &'a Manifest,
    pub toc: &'a Toc,
    pub console: &'a Console,
    pub programs: Option<&'a Programs>,
}

/// Looks whether what is missing can be added to the live database that the connection leads to.
///
/// # Errors
/// `Target`; the backup folder's and the store's failures.
pub(in super::super) async fn look(
    connection: &mut PgConnection,
    engine: &Engine,
    target: &Target,
    spec: &RestoreSpec,
    looked: Looked<'_>,
    checks: &mut Checks,
) -> Result<()> {
    let failed = |source| target.error(source);
    let Looked {
        manifest,
        toc,
        console,
        programs,
    } = looked;
    let live = target.database();
    if manifest.uploaded.is_some() {
        checks.blocks(
            "restore.live",
            "The archive comes from elsewhere: nothing of it is loaded into the live database.",
            "Restore it into a new database, look at it there, and take over what you want.",
        );
    }
    match &spec.into {
        Some(typed) if typed != live => checks.blocks(
            "restore.live",
            format!("The live database's name is {live}, and not {typed}."),
            "Type the live database's own name.",
        ),
        _ => checks.fine(
            "restore.live",
            format!("What is missing in {live} is added to it; nothing that is there is changed."),
        ),
    }
    let relations = place::relations(connection).await.map_err(failed)?;
    in_the_way(toc, &relations, live, checks);
    let trusted: HashSet<String> = place::trusted_languages(connection)
        .await
        .map_err(failed)?
        .into_iter()
        .collect();
    let special: Vec<String> = toc
        .entries
        .iter()
        .filter(|entry| entry.part(&trusted) == Part::Defined)
        .map(Entry::named)
        .collect();
    if !special.is_empty() {
        checks.blocks(
            "restore.rights",
            format!(
                "Only a superuser may make some of it, and nothing of a backup is run as one in the live database: {}.",
                words::some(&special)
            ),
            "Choose tables that need none of it, or restore into a new database.",
        );
    }
    let needs = manifest.needs.as_deref().unwrap_or_default();
    let lacking = needs::missing(connection, needs).await.map_err(failed)?;
    let parents: Vec<Need> = needs.iter().filter(|need| need.parent).cloned().collect();
    if !lacking.is_empty() {
        checks.blocks(
            "restore.needs",
            format!(
                "What the parts of the backup need is not in it, and {live} has not all of it either: {}.",
                words::first(&needs::words(&lacking), 20)
            ),
            "Make it there first, as from a backup of the whole database; or restore the parts out of such a one, and choose them there.",
        );
    } else if console.superuser && !spec.as_superuser && !parents.is_empty() {
        checks.blocks(
            "restore.needs",
            format!(
                "Only its owner lets another table be a part of a table, or inherit from it, and the role that loads is none: {}.",
                words::first(&needs::words(&parents), 20)
            ),
            "Restore the table that it is a part of as well, out of a backup that has it. Or, when you trust everyone who could create a \
             function in this database, load as the console's superuser (--as-superuser).",
        );
    } else if !needs.is_empty() {
        checks.fine(
            "restore.needs",
            format!(
                "What the parts of the backup need is in {live}: {}.",
                words::first(&needs::words(needs), 20)
            ),
        );
    }
    let installed: HashSet<String> = place::installed(connection)
        .await
        .map_err(failed)?
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let extensions: Vec<String> = toc
        .entries
        .iter()
        .filter(|entry| entry.kind == "EXTENSION" && !installed.contains(&entry.tag))
        .map(|entry| entry.tag.clone())
        .collect();
    match extensions.first() {
        Some(first) => checks.blocks(
            "restore.extensions",
            format!(
                "{live} has not every extension of the backup: {}.",
                words::some(&extensions)
            ),
            format!(
                "Create it there first: create extension {}.",
                crate::quote::ident(first)
            ),
        ),
        None => checks.fine(
            "restore.extensions",
            "Every extension that the backup names is there.",
        ),
    }
    encoding(connection, manifest, checks).await.map_err(failed)?;
    if !console.superuser
        && console.version_num / 10_000 < i32::try_from(SETS_TRANSACTION_TIMEOUT).unwrap_or(i32::MAX)
        && programs.is_some_and(|programs| programs.version().major >= SETS_TRANSACTION_TIMEOUT)
    {
        checks.blocks(
            "restore.tools",
            format!(
                "pg_restore {} sets something that PostgreSQL {} does not know, so it cannot load in one transaction; and the \
                 console's role {} is no superuser that could take back what was loaded otherwise.",
                programs.map_or_else(String::new, |programs| programs.version().to_string()),
                console.version,
                console.role
            ),
            "Let the database's URL name a superuser for the restore, or restore into a new database.",
        );
    }
    fresh(engine, target, checks).await
}

/// Tells of relations that are there already.
fn in_the_way(toc: &Toc, relations: &HashSet<(String, String)>, live: &str, checks: &mut Checks) {
    let is_there = |entry: &Entry, name: &str| {
        let schema = entry.schema.clone();
        schema.is_some_and(|schema| relations.contains(&(schema, name.to_owned())))
    };
    let there: Vec<String> = toc
        .entries
        .iter()
        .filter(|entry| {
            matches!(
                entry.kind.as_str(),
                "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "FOREIGN TABLE"
            )
        })
        .filter(|entry| is_there(entry, &entry.tag))
        .map(Entry::named)
        .collect();
    let key = "restore.in_the_way";
    // Of a table that is there they are there with it; of one that is not, something else has their name.
    let missing: HashSet<i64> = toc
        .entries
        .iter()
        .filter(|entry| entry.kind == "TABLE" && !is_there(entry, &entry.tag))
        .map(|entry| entry.id)
        .collect();
    let taken: Vec<String> = toc
        .entries
        .iter()
        .filter(|entry| {
            let name = match entry.kind.as_str() {
                "INDEX" | "SEQUENCE" => Some(entry.tag.as_str()),
                // The table's name comes before it.
                "CONSTRAINT" => entry.tag.rsplit(' ').next(),
                _ => None,
            };
            entry.needs.iter().any(|id| missing.contains(id))
                && name.is_some_and(|name| is_there(entry, name))
        })
        .map(Entry::named)
        .collect();
    if !taken.is_empty() {
        checks.blocks(
            key,
            format!(
                "These belong to tables that are restored, and their names are taken in {live}: {}.",
                words::first(&taken, 20)
            ),
            "When a table is given another name, its indexes, keys and sequences keep theirs: rename them as well (alter index … rename to \
             …, alter sequence … rename to …), or restore into a new database.",
        );
    }
    match there.is_empty() {
        true if !taken.is_empty() => {}
        true => checks.fine(key, "Nothing of what is restored is there already."),
        false => checks.blocks(
            key,
            format!(
                "{} there already, and a restore never writes over what is there: {}.",
                match there.len() {
                    1 => "One is".to_owned(),
                    count => format!("{count} are"),
                },
                words::first(&there, 20)
            ),
            format!(
                "Choose only what is missing. To restore one that is there, give that another name in {live} first (alter table … \
                 rename to …), or restore into a new database."
            ),
        ),
    }
}

async fn encoding(
    connection: &mut PgConnection,
    manifest: &Manifest,
    checks: &mut Checks,
) -> std::result::Result<(), sqlx::Error> {
    let own = place::own_encoding(connection).await?;
    let theirs = &manifest.database.encoding;
    match own == *theirs {
        true => checks.fine("restore.locale", format!("Both are in the encoding {own}.")),
        false => checks.warns(
            "restore.locale",
            format!(
                "The backup is in {theirs} and the live database in {own}: text is converted as it is loaded."
            ),
            "A letter that the other one has not ends the restore, and nothing is added then.",
        ),
    }
    Ok(())
}

/// Tells how old the newest backup of the live database is.
async fn fresh(engine: &Engine, target: &Target, checks: &mut Checks) -> Result<()> {
    let shelf = Shelf::of(engine, target).await?;
    let found = reconcile::reconcile(engine, &shelf).await?;
    let newest = found
        .backups
        .iter()
        .find(|backup| backup.is_sound() && backup.uploaded.is_none() && backup.only.is_empty());
    let (key, now) = ("restore.fresh", Utc::now());
    let remedy = "Back it up first, so that there is a way back to this moment.";
    match newest {
        Some(backup) if now - backup.taken_at <= FRESH => checks.fine(
            key,
            format!(
                "The live database was backed up {}.",
                format::ago(backup.taken_at, now)
            ),
        ),
        Some(backup) => checks.warns(
            key,
            format!(
                "The live database's newest backup is from {}.",
                format::ago(backup.taken_at, now)
            ),
            remedy,
        ),
        None => checks.warns(key, "There is no whole backup of the live database.", remedy),
    }
    Ok(())
}
