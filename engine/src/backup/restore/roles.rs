//! The roles that are stored with a backup, as pg_dumpall writes them.

use std::collections::{BTreeMap, BTreeSet};

use crate::lexer::{self, Token};

/// A stored role, as much of it as a restore may create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub name: String,
    pub login: bool,
    pub inherit: bool,
    /// What it had that a restore does not give: SUPERUSER, CREATEDB and so on.
    pub more: Vec<String>,
}

/// Roles and who is a member of whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Globals {
    pub roles: BTreeMap<String, Stored>,
    /// Role and member.
    pub members: BTreeSet<(String, String)>,
}

/// Reads what pg_dumpall wrote. Nothing of the text is ever run.
pub(super) fn read(text: &str) -> Globals {
    let mut globals = Globals::default();
    let tokens: Vec<Token<'_>> = lexer::tokens(text).filter(Token::is_solid).collect();
    for statement in tokens.split(|token| token.is_symbol(";")) {
        let word = |at: usize, word: &str| statement.get(at).is_some_and(|token| token.is(word));
        let name = |at: usize| statement.get(at).and_then(Token::as_name);
        if word(0, "CREATE") && word(1, "ROLE") {
            if let Some(name) = name(2) {
                globals.roles.insert(
                    name.clone(),
                    Stored {
                        name,
                        inherit: true,
                        ..Stored::default()
                    },
                );
            }
        } else if word(0, "ALTER") && word(1, "ROLE") && word(3, "WITH") {
            if let Some(role) = name(2).and_then(|name| globals.roles.get_mut(&name)) {
                for token in &statement[4..] {
                    match token.text {
                        "LOGIN" => role.login = true,
                        "NOINHERIT" => role.inherit = false,
                        "SUPERUSER" | "CREATEROLE" | "CREATEDB" | "REPLICATION" | "BYPASSRLS" => {
                            role.more.push(token.text.to_owned());
                        }
                        _ => {}
                    }
                }
            }
        } else if word(0, "GRANT")
            && word(2, "TO")
            && let (Some(role), Some(member)) = (name(1), name(3))
        {
            globals.members.insert((role, member));
        }
    }
    globals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_without_their_powers_and_passwords() {
        let globals = read(
            "-- PostgreSQL database cluster dump\nSET default_transaction_read_only = off;\n\
             CREATE ROLE postgres;\nALTER ROLE postgres WITH SUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS;\n\
             CREATE ROLE \"Ro\"\"le; drop\";\n\
             ALTER ROLE \"Ro\"\"le; drop\" WITH NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS PASSWORD 'md5x';\n\
             COMMENT ON ROLE postgres IS 'CREATE ROLE no;';\n\
             GRANT postgres TO \"Ro\"\"le; drop\" GRANTED BY postgres;\n",
        );
        let names: Vec<&String> = globals.roles.keys().collect();
        assert_eq!(names, ["Ro\"le; drop", "postgres"]);
        let (odd, root) = (&globals.roles["Ro\"le; drop"], &globals.roles["postgres"]);
        assert!(!odd.login && !odd.inherit && odd.more.is_empty());
        assert!(root.login && root.inherit && root.more.contains(&"SUPERUSER".to_owned()));
        assert_eq!(
            globals.members.into_iter().collect::<Vec<_>>(),
            [("postgres".to_owned(), "Ro\"le; drop".to_owned())]
        );
    }
}
