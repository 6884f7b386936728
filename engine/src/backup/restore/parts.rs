//! Who restores which entry of an archive, and to whom what was made is given afterwards.
//!
//! Loading runs code of the archive's authors: checks of tables and domains, generated columns, expressions of indexes.
//! So all of it is done by a role that can do nothing else. What only a superuser may do runs no such code: it defines, or
//! gives away. It comes before the load where the load needs it, else after.

use std::collections::{BTreeSet, HashSet};

use super::super::toc::{Entry, Section, Toc};
use crate::{
    lexer::{self, Kind, Token},
    quote,
};

/// When an entry is restored, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Not by pg_restore: the database itself, extensions; or not at all: subscriptions.
    Apart,
    /// With the definitions, by the console's role: only a superuser may.
    Defined,
    /// By the role that loads.
    Loaded,
    /// After everything has its owner, by the console's role: grants, comments, publications, materialized views.
    Given,
    /// At the very end, because everything after it would run it: event triggers.
    Last,
}

/// Kinds that only a superuser may make, or the owner of something that only a superuser may.
const DEFINED: [&str; 14] = [
    "PROCEDURAL LANGUAGE",
    "FOREIGN DATA WRAPPER",
    "SERVER",
    "USER MAPPING",
    "FOREIGN TABLE",
    "SHELL TYPE",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "ACCESS METHOD",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
    "CAST",
    "TRANSFORM",
    "CONVERSION",
];

/// Kinds whose entries `ALTER … OWNER TO` names by schema and name.
const NAMED_IN_SCHEMA: [&str; 12] = [
    "TABLE",
    "VIEW",
    "MATERIALIZED VIEW",
    "SEQUENCE",
    "FOREIGN TABLE",
    "TYPE",
    "DOMAIN",
    "COLLATION",
    "CONVERSION",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH CONFIGURATION",
    "STATISTICS",
];

/// Kinds by their name alone.
const NAMED: [&str; 5] = [
    "SCHEMA",
    "FOREIGN DATA WRAPPER",
    "SERVER",
    "PROCEDURAL LANGUAGE",
    "PUBLICATION",
];

/// Kinds whose statement to drop them has the name with its arguments.
const SIGNED: [&str; 6] = [
    "FUNCTION",
    "PROCEDURE",
    "AGGREGATE",
    "OPERATOR",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
];

impl Entry {
    /// Where it belongs. `trusted` are the languages in which everyone may write functions.
    pub(super) fn part(&self, trusted: &HashSet<String>) -> Part {
        let of = |kind: &str| {
            self.tag
                .strip_prefix(kind)
                .is_some_and(|rest| rest.starts_with(' '))
        };
        match self.kind.as_str() {
            "ENCODING"
            | "STDSTRINGS"
            | "SEARCHPATH"
            | "DATABASE"
            | "DATABASE PROPERTIES"
            | "EXTENSION"
            | "SUBSCRIPTION"
            | "SUBSCRIPTION TABLE" => Part::Apart,
            "COMMENT" | "ACL" | "SECURITY LABEL" if of("DATABASE") || of("SUBSCRIPTION") => Part::Apart,
            "EVENT TRIGGER" => Part::Last,
            "COMMENT" if of("EVENT TRIGGER") => Part::Last,
            "COMMENT" | "ACL" | "DEFAULT ACL" | "SECURITY LABEL" => Part::Given,
            "MATERIALIZED VIEW DATA" => Part::Given,
            kind if kind.starts_with("PUBLICATION") => Part::Given,
            kind if DEFINED.contains(&kind) => Part::Defined,
            "TYPE" if self.definition.contains("INTERNALLENGTH") => Part::Defined,
            "FUNCTION" | "PROCEDURE" if !self.is_in(trusted) => Part::Defined,
            "AGGREGATE" if self.definition.contains("STYPE = internal") => Part::Defined,
            _ => Part::Loaded,
        }
    }

    fn is_in(&self, trusted: &HashSet<String>) -> bool {
        let mut tokens = lexer::tokens(&self.definition).filter(Token::is_solid);
        while let Some(token) = tokens.next() {
            if token.is("LANGUAGE") {
                return tokens
                    .next()
                    .and_then(|name| name.as_name())
                    .is_some_and(|name| trusted.contains(&name));
            }
        }
        false
    }

    /// The statement that gives what it made to a role; none where nothing is to be given.
    pub(super) fn give_to(&self, role: &str) -> Option<String> {
        let (kind, owner) = (self.kind.as_str(), quote::ident(role));
        let what = if matches!(kind, "BLOB" | "BLOB METADATA") {
            let objects = match kind {
                "BLOB" => &self.tag,
                _ => &self.definition,
            };
            let objects = objects
                .split_whitespace()
                .filter(|oid| oid.parse::<u32>().is_ok());
            let statements: Vec<String> = objects
                .map(|oid| format!("alter large object {oid} owner to {owner}"))
                .collect();
            return (!statements.is_empty()).then(|| statements.join(";\n"));
        } else if SIGNED.contains(&kind) {
            let dropped = self.drop.trim_end().strip_prefix("DROP ")?.strip_suffix(';')?;
            dropped.to_owned()
        } else if NAMED_IN_SCHEMA.contains(&kind) {
            format!("{kind} {}", quote::qualified(self.schema.as_deref()?, &self.tag))
        } else if NAMED.contains(&kind) {
            format!("{kind} {}", quote::ident(&self.tag))
        } else {
            return None;
        };
        Some(format!("alter {what} owner to {owner}"))
    }

    /// Whether it has an owner that a restore sets.
    pub(super) fn has_owner(&self) -> bool {
        !self.owner.is_empty()
            && !matches!(
                self.kind.as_str(),
                "EVENT TRIGGER" | "DATABASE" | "SUBSCRIPTION" | "EXTENSION"
            )
            && self.give_to("x").is_some()
    }
}

/// The roles that own what is in the archive.
pub(super) fn owners(toc: &Toc) -> BTreeSet<String> {
    let owned = toc.entries.iter().filter(|entry| entry.has_owner());
    owned.map(|entry| entry.owner.clone()).collect()
}

/// The roles that its policies name, and with `grants` those that something is granted to.
pub(super) fn grantees(toc: &Toc, grants: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in &toc.entries {
        match entry.kind.as_str() {
            "ACL" | "DEFAULT ACL" if grants && !entry.tag.starts_with("DATABASE ") => {
                named(&entry.definition, &mut found)
            }
            "POLICY" => named(&entry.definition, &mut found),
            _ => {}
        }
    }
    found
}

/// Takes the roles after TO, FROM, FOR ROLE and SESSION AUTHORIZATION, up to where an expression begins.
fn named(sql: &str, found: &mut BTreeSet<String>) {
    let mut tokens = lexer::tokens(sql).filter(Token::is_solid).peekable();
    let mut before: Option<Token<'_>> = None;
    while let Some(token) = tokens.next() {
        if token.is("USING") || token.is("CHECK") {
            return;
        }
        let after = |word| before.is_some_and(|before| before.is(word));
        let names_roles = token.is("TO")
            || token.is("FROM")
            || (token.is("ROLE") && after("FOR"))
            || (token.is("AUTHORIZATION") && after("SESSION"));
        before = Some(token);
        if !names_roles {
            continue;
        }
        while let Some(name) = tokens.next_if(|next| matches!(next.kind, Kind::Word | Kind::Name)) {
            let special = name.kind == Kind::Word
                && [
                    "public",
                    "current_user",
                    "session_user",
                    "current_role",
                    "default",
                ]
                .iter()
                .any(|word| name.is(word));
            if let Some(role) = name.as_name().filter(|_| !special) {
                found.insert(role);
            }
            if tokens.next_if(|next| next.is_symbol(",")).is_none() {
                break;
            }
        }
    }
}

/// One run of pg_restore: its entries' numbers in the archive's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Whether the console's own role does it.
    pub by_console: bool,
    pub entries: Vec<i64>,
}

/// The runs of pg_restore.
pub(super) struct Runs {
    /// The definitions, in order.
    pub before: Vec<Run>,
    /// Rows, indexes and constraints.
    pub load: Run,
    /// What comes when everything has its owner.
    pub given: Run,
    pub last: Run,
}

impl Runs {
    /// Parts the entries. Without a role of its own for the load (`one`), everything is the console's. What `left` tells is
    /// made in another way.
    ///
    /// A materialized view is filled as its owner, when it has one. Filled as a superuser it would run whatever functions it
    /// calls as one, so a superuser's is filled by the role that loads. It may read other views, which are filled then, too.
    pub(super) fn of(
        toc: &Toc,
        trusted: &HashSet<String>,
        superusers: &HashSet<String>,
        one: bool,
        left: impl Fn(&Entry) -> bool,
    ) -> Self {
        let run = |by_console| Run {
            by_console,
            entries: Vec::new(),
        };
        let mut runs = Self {
            before: Vec::new(),
            load: run(one),
            given: run(true),
            last: run(true),
        };
        let fills = |entry: &Entry| entry.kind == "MATERIALIZED VIEW DATA";
        let superusers_view = |entry: &Entry| fills(entry) && !one && superusers.contains(&entry.owner);
        let early = toc.entries.iter().any(superusers_view);
        for entry in toc.entries.iter().filter(|entry| !left(entry)) {
            if early && fills(entry) {
                runs.load.entries.push(entry.id);
                if superusers_view(entry) {
                    continue;
                }
            }
            let part = entry.part(trusted);
            match part {
                Part::Apart => {}
                Part::Given => runs.given.entries.push(entry.id),
                Part::Last => runs.last.entries.push(entry.id),
                Part::Loaded if matches!(entry.section, Section::Data | Section::After) => {
                    runs.load.entries.push(entry.id);
                }
                Part::Loaded | Part::Defined => {
                    let by_console = one || part == Part::Defined;
                    match runs.before.last_mut() {
                        Some(last) if last.by_console == by_console => last.entries.push(entry.id),
                        _ => runs.before.push(Run {
                            by_console,
                            entries: vec![entry.id],
                        }),
                    }
                }
            }
        }
        runs
    }

    /// The runs of an archive from elsewhere, in which nothing is left that only a superuser may make: all by the role that loads, which
    /// is the console's own where there is `one`.
    pub(super) fn of_stranger(
        toc: &Toc,
        trusted: &HashSet<String>,
        one: bool,
        left: impl Fn(&Entry) -> bool,
    ) -> Self {
        let run = || Run {
            by_console: one,
            entries: Vec::new(),
        };
        let (mut before, mut load) = (run(), run());
        for entry in toc.entries.iter().filter(|entry| !left(entry)) {
            match (entry.part(trusted), entry.section) {
                (Part::Apart, _) => {}
                (Part::Loaded | Part::Defined, Section::Any | Section::Before) => {
                    before.entries.push(entry.id)
                }
                _ => load.entries.push(entry.id),
            }
        }
        Self {
            before: vec![before],
            load,
            given: run(),
            last: run(),
        }
    }

    /// The numbers of all entries.
    pub(super) fn numbers(&self) -> impl Iterator<Item = i64> {
        let runs = self.before.iter().chain([&self.load, &self.given, &self.last]);
        runs.flat_map(|run| run.entries.iter().copied())
    }

    /// How many entries all runs have.
    pub(super) fn entries(&self) -> usize {
        let before: usize = self.before.iter().map(|run| run.entries.len()).sum();
        before + self.load.entries.len() + self.given.entries.len() + self.last.entries.len()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn entry(kind: &str, tag: &str, definition: &str) -> Entry {
        Entry {
            id: 1,
            oid: 0,
            file: None,
            kind: kind.into(),
            tag: tag.into(),
            schema: Some("a b".into()),
            owner: "own\"er".into(),
            section: Section::Before,
            definition: definition.into(),
            drop: format!("DROP {kind} \"a b\".{tag};\n"),
            tablespace: String::new(),
            needs: Vec::new(),
        }
    }

    #[test]
    fn only_what_a_superuser_must_do_is_taken_from_the_role_that_loads() {
        let trusted = HashSet::from(["sql".to_owned(), "plpgsql".to_owned()]);
        let part = |kind: &str, tag: &str, definition: &str| entry(kind, tag, definition).part(&trusted);
        assert_eq!(part("TABLE", "t", "CREATE TABLE"), Part::Loaded);
        assert_eq!(part("TABLE DATA", "t", ""), Part::Loaded);
        let function = |language: &str| {
            format!(
                "CREATE FUNCTION f(a text DEFAULT 'LANGUAGE sql') RETURNS int\n    LANGUAGE {language}\n    AS $$ LANGUAGE sql $$;"
            )
        };
        assert_eq!(part("FUNCTION", "f(text)", &function("plpgsql")), Part::Loaded);
        for language in ["c", "plpython3u", "internal"] {
            assert_eq!(
                part("FUNCTION", "f(text)", &function(language)),
                Part::Defined,
                "{language}"
            );
        }
        assert_eq!(part("TYPE", "t", "CREATE TYPE t AS ENUM ()"), Part::Loaded);
        assert_eq!(
            part("TYPE", "t", "CREATE TYPE t (\n    INTERNALLENGTH = 8"),
            Part::Defined
        );
        assert_eq!(part("EVENT TRIGGER", "e", ""), Part::Last);
        assert_eq!(part("COMMENT", "EVENT TRIGGER e", ""), Part::Last);
        assert_eq!(part("COMMENT", "TABLE t", ""), Part::Given);
        assert_eq!(part("ACL", "DATABASE shop", ""), Part::Apart);
        assert_eq!(part("SUBSCRIPTION", "s", ""), Part::Apart);
    }

    #[test]
    fn a_hostile_name_stays_a_name_when_it_is_given_away() {
        let give = |kind, tag, definition| entry(kind, tag, definition).give_to("x\"; drop");
        assert_eq!(
            give("TABLE", "t\"; --", "").unwrap(),
            r#"alter TABLE "a b"."t""; --" owner to "x""; drop""#
        );
        assert_eq!(
            give("FUNCTION", "f(integer)", "").unwrap(),
            r#"alter FUNCTION "a b".f(integer) owner to "x""; drop""#
        );
        assert_eq!(
            give("BLOB METADATA", "7..8", "7\n8\nx; drop\n").unwrap(),
            "alter large object 7 owner to \"x\"\"; drop\";\nalter large object 8 owner to \"x\"\"; drop\""
        );
        assert_eq!(give("INDEX", "i", ""), None);
    }

    #[test]
    fn roles_of_grants_and_policies_are_found() {
        let roles = |sql: &str| {
            let mut found = BTreeSet::new();
            named(sql, &mut found);
            found.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(
            roles(
                "REVOKE ALL ON TABLE public.\"to x\" FROM owner;\nGRANT SELECT ON TABLE public.t TO \"Re ader\" WITH GRANT OPTION;\nGRANT ALL ON TABLE public.t TO PUBLIC;"
            ),
            ["Re ader", "owner"]
        );
        assert_eq!(
            roles("ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA s GRANT SELECT ON TABLES TO b;"),
            ["a", "b"]
        );
        assert_eq!(
            roles("CREATE POLICY p ON public.t FOR SELECT TO one, two USING ((x = 'TO three'::text));"),
            ["one", "two"]
        );
        assert_eq!(roles("GRANT SELECT ON TABLE public.role TO r;"), ["r"]);
        assert!(roles("CREATE POLICY p ON public.t USING ((extract(year FROM at) > 1));").is_empty());
    }

    #[test]
    fn runs_keep_the_order_where_a_superusers_entries_stand_between() {
        let mut entries = vec![
            entry("TABLE", "a", ""),
            entry("CAST", "c", ""),
            entry("TABLE", "b", ""),
            entry("TABLE DATA", "b", ""),
            entry("ACL", "TABLE b", ""),
            entry("EVENT TRIGGER", "e", ""),
        ];
        for (id, entry) in (1..).zip(&mut entries) {
            entry.id = id;
        }
        entries[3].section = Section::Data;
        let toc = Toc {
            entries,
            readable: true,
            ..Toc::default()
        };
        let superusers = HashSet::from(["root".to_owned()]);
        let runs = Runs::of(&toc, &HashSet::new(), &superusers, false, |_| false);
        let run = |by_console, entries: &[i64]| Run {
            by_console,
            entries: entries.to_vec(),
        };
        assert_eq!(runs.before, [run(false, &[1]), run(true, &[2]), run(false, &[3])]);
        assert_eq!(
            (runs.load.clone(), runs.given.clone()),
            (run(false, &[4]), run(true, &[5]))
        );
        assert_eq!(runs.last, run(true, &[6]));
        assert_eq!(runs.entries(), 6);
        let one = Runs::of(&toc, &HashSet::new(), &superusers, true, |entry| {
            entry.kind == "CAST"
        });
        assert_eq!(one.before, [run(true, &[1, 3])]);
        let filled = |owners: &[&str]| {
            let entries = (1..).zip(owners).map(|(id, owner)| Entry {
                id,
                owner: (*owner).to_owned(),
                section: Section::After,
                ..entry("MATERIALIZED VIEW DATA", "v", "")
            });
            let toc = Toc {
                entries: entries.collect(),
                readable: true,
                ..Toc::default()
            };
            let runs = Runs::of(&toc, &HashSet::new(), &superusers, false, |_| false);
            (runs.load.entries, runs.given.entries)
        };
        assert_eq!(filled(&["a", "b"]), (vec![], vec![1, 2]));
        assert_eq!(filled(&["a", "root"]), (vec![1, 2], vec![1]));
    }
}
