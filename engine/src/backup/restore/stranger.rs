//! What is otherwise with an archive from elsewhere. Of a backup of ours it is known that pg_dump wrote every word of it; here each may be
//! meant to harm. So nothing of it is run by a superuser, not even a definition, and nothing in it is given to a role that is somebody's
//! already: see decision 0032.

use std::collections::{HashMap, HashSet};

use contract::restore::{CheckLevel, RestoreCheck, RestoreSpec};
use sqlx::PgConnection;

use super::{
    super::toc::{Entry, Toc},
    parts::Part,
    place::{self, Console},
    roles::Stored,
};

/// PostgreSQL's longest name, in bytes.
const LONGEST_NAME: usize = 63;
/// Languages in which everyone may write functions, where their extension is in the archive.
const TRUSTED: [&str; 3] = ["plperl", "pltcl", "plv8"];

/// How an archive from elsewhere is restored.
pub(super) struct Terms {
    /// What was asked for, with the role that everything is given to.
    pub spec: RestoreSpec,
    /// That role, when it is to be created.
    pub role: Option<Stored>,
    pub checks: Vec<RestoreCheck>,
    pub note: String,
}

/// Decides who loads it, and whose it will be.
pub(super) async fn terms(
    connection: &mut PgConnection,
    spec: &RestoreSpec,
    into: &str,
    console: &Console,
) -> Result<Terms, sqlx::Error> {
    let mut checks = Vec::new();
    let mut add = |level, words: String, remedy: Option<String>| {
        checks.push(RestoreCheck {
            key: "restore.authors".to_owned(),
            level,
            words,
            remedy,
        });
    };
    if spec.as_superuser {
        add(
            CheckLevel::Blocks,
            "The archive comes from elsewhere: nothing of it is run as a superuser, whoever asks for it."
                .to_owned(),
            Some("Leave --as-superuser out.".to_owned()),
        );
    }
    let mut role = None;
    let owner = if console.superuser {
        add(
            CheckLevel::Fine,
            "The archive comes from elsewhere. It is loaded by a role of its own that can do nothing else; nothing of it is run as a \
             superuser."
                .to_owned(),
            None,
        );
        let owner = match &spec.owner {
            Some(owner) => owner.clone(),
            None => free_name(connection, into).await?,
        };
        match place::roles(connection, std::slice::from_ref(&owner)).await?.first() {
            Some(known) if known.superuser => add(
                CheckLevel::Blocks,
                format!("{owner} is a superuser: what stands in the archive would run with all its rights."),
                Some("Leave the owner out, so that one is created for it alone; or name a role that is none.".to_owned()),
            ),
            Some(_) => add(
                CheckLevel::Warning,
                format!(
                    "{owner} is there already: from now on functions and defaults in the archive run with its rights, in \
                     autovacuum too."
                ),
                Some("Leave the owner out, so that one is created for it alone, unless you know who made the archive.".to_owned()),
            ),
            None => {
                add(
                    CheckLevel::Fine,
                    format!("Everything will belong to the role {owner}, which is created for it and cannot log in."),
                    None,
                );
                role = Some(Stored {
                    name: owner.clone(),
                    inherit: true,
                    ..Stored::default()
                });
            }
        }
        owner
    } else {
        let own = &console.role;
        match spec.trust {
            false => add(
                CheckLevel::Blocks,
                format!(
                    "The archive comes from elsewhere, and the console's role {own} is no superuser that could make a role for it alone: \
                     what stands in it would run with all the rights of {own}, which may be those over the live database."
                ),
                Some(
                    "Let the database's URL name a superuser for the restore. Or, when you know who made the archive, let an \
                     administrator say so (--trust-archive)."
                        .to_owned(),
                ),
            ),
            true => add(
                CheckLevel::Warning,
                format!("What stands in the archive is run with all the rights of {own}, as an administrator said."),
                Some("Choose this only when you know who made the archive.".to_owned()),
            ),
        }
        if spec.owner.as_ref().is_some_and(|owner| owner != own) {
            add(
                CheckLevel::Blocks,
                format!("Everything in an archive from elsewhere will belong to {own}, who loads it."),
                Some("Leave the owner out.".to_owned()),
            );
        }
        own.clone()
    };
    Ok(Terms {
        note: format!(
            "The archive comes from elsewhere: everything belongs to {owner}, and no owners and grants of the archive were restored."
        ),
        spec: RestoreSpec {
            owner: Some(owner),
            ..spec.clone()
        },
        role,
        checks,
    })
}

/// A name after the database's that no role has.
async fn free_name(connection: &mut PgConnection, into: &str) -> Result<String, sqlx::Error> {
    let mut number = 1;
    loop {
        let name = owner_name(into, number);
        if place::roles(connection, std::slice::from_ref(&name))
            .await?
            .is_empty()
        {
            return Ok(name);
        }
        number += 1;
    }
}

fn owner_name(into: &str, number: u32) -> String {
    // Such a name is the server's own.
    let before = if into.starts_with("pg_") { "of_" } else { "" };
    let end = match number {
        1 => "_owner".to_owned(),
        number => format!("_owner_{number}"),
    };
    let mut cut = into.len().min(LONGEST_NAME - end.len() - before.len());
    while !into.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{before}{}{end}", &into[..cut])
}

/// Leaves out what only a superuser may make, with all that needs it, and what is not restored of a stranger: grants, labels,
/// publications, comments on extensions. Gives what a reader would miss, by kind and name.
pub(super) fn leave_out(mut toc: Toc) -> (Toc, Vec<String>) {
    let trusted: HashSet<String> = ["sql", "plpgsql"]
        .into_iter()
        .map(str::to_owned)
        .chain(
            toc.entries
                .iter()
                .filter(|entry| entry.kind == "EXTENSION" && TRUSTED.contains(&entry.tag.as_str()))
                .map(|entry| entry.tag.clone()),
        )
        .collect();
    toc.entries.retain(|entry| {
        let of_extension = entry.kind == "COMMENT" && entry.tag.starts_with("EXTENSION ");
        !of_extension && !matches!(entry.kind.as_str(), "ACL" | "DEFAULT ACL" | "SECURITY LABEL")
    });
    let is_out = |entry: &Entry| {
        matches!(entry.part(&trusted), Part::Defined | Part::Last) || entry.kind.starts_with("PUBLICATION")
    };
    let mut needed_by: HashMap<i64, Vec<i64>> = HashMap::new();
    for entry in &toc.entries {
        for need in &entry.needs {
            needed_by.entry(*need).or_default().push(entry.id);
        }
    }
    let mut next: Vec<i64> = toc
        .entries
        .iter()
        .filter(|entry| is_out(entry))
        .map(|entry| entry.id)
        .collect();
    let mut out = HashSet::new();
    while let Some(id) = next.pop() {
        if out.insert(id) {
            next.extend(needed_by.get(&id).into_iter().flatten());
        }
    }
    let named = toc
        .entries
        .iter()
        .filter(|entry| {
            out.contains(&entry.id)
                && !matches!(entry.kind.as_str(), "COMMENT" | "TABLE DATA" | "SEQUENCE SET")
        })
        .map(Entry::named)
        .collect();
    toc.entries.retain(|entry| !out.contains(&entry.id));
    (toc, named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::toc::Section;

    fn entry(id: i64, kind: &str, tag: &str, definition: &str, needs: &[i64]) -> Entry {
        Entry {
            id,
            oid: 0,
            file: None,
            kind: kind.into(),
            tag: tag.into(),
            schema: Some("s".into()),
            owner: "postgres".into(),
            section: Section::Before,
            definition: definition.into(),
            drop: String::new(),
            tablespace: String::new(),
            needs: needs.to_vec(),
        }
    }

    #[test]
    fn what_only_a_superuser_may_make_stays_out_with_all_that_needs_it() {
        let toc = Toc {
            entries: vec![
                entry(
                    1,
                    "FUNCTION",
                    "f()",
                    "create function s.f() returns int language c as 'x', 'y';",
                    &[],
                ),
                entry(2, "TABLE", "t", "create table s.t (n int default s.f());", &[1]),
                entry(3, "TABLE DATA", "t", "", &[2]),
                entry(4, "INDEX", "i", "create index i on s.t (n);", &[2]),
                entry(5, "TABLE", "kept", "create table s.kept (n int);", &[]),
                entry(6, "ACL", "TABLE kept", "grant all on s.kept to public;", &[5]),
                entry(7, "EVENT TRIGGER", "e", "create event trigger e;", &[]),
                entry(
                    8,
                    "COMMENT",
                    "TABLE kept",
                    "comment on table s.kept is 'x';",
                    &[5],
                ),
                entry(
                    9,
                    "FUNCTION",
                    "g()",
                    "create function s.g() returns int language plperl as 'x';",
                    &[],
                ),
                entry(10, "EXTENSION", "plperl", "create extension plperl;", &[]),
                entry(
                    11,
                    "COMMENT",
                    "EXTENSION plperl",
                    "comment on extension plperl is 'x';",
                    &[10],
                ),
                entry(12, "PUBLICATION", "p", "create publication p;", &[]),
            ],
            readable: true,
            ..Toc::default()
        };
        let (kept, left) = leave_out(toc);
        let ids: Vec<i64> = kept.entries.iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [5, 8, 9, 10]);
        assert_eq!(
            left,
            [
                "function s.f()",
                "table s.t",
                "index s.i",
                "event trigger s.e",
                "publication s.p"
            ]
        );
    }

    #[test]
    fn a_role_is_named_after_its_database_and_never_as_the_servers_own() {
        assert_eq!(owner_name("shop", 1), "shop_owner");
        assert_eq!(owner_name("pg_shop", 2), "of_pg_shop_owner_2");
        assert!(owner_name(&"ü".repeat(31), 12).len() <= LONGEST_NAME);
    }
}
