//! The one statement that a plan is asked for, as far as its text tells.
//!
//! What it is in the end, the server says: it reads the text as one prepared statement, which holds one command and no more.

use std::collections::BTreeSet;

use contract::explain::MOST_BYTES;
use sha2::{Digest, Sha256};

use crate::{
    Error, Result,
    lexer::{self, Kind, Token},
};

/// The longest name that a server knows, in bytes; what is longer is cut.
const NAME: usize = 63;

/// A statement that may be planned.
#[derive(Debug)]
pub(super) struct Statement {
    /// Its text without the semicolon at its end.
    pub text: String,
    /// How many parameters it has: the highest number.
    pub parameters: u32,
    /// Every name in it, as the server may read it.
    pub names: Vec<String>,
    /// Those that an opening parenthesis follows.
    pub calls: Vec<String>,
    /// Whether it changes rows, by its words.
    pub changes: bool,
    /// Whether it adds rows, by its words.
    pub inserts: bool,
}

impl Statement {
    /// Reads a text.
    ///
    /// # Errors
    /// `Invalid` for what is not one statement that reads or changes rows.
    pub fn read(text: &str) -> Result<Self> {
        let refused = |message: &str, hint: &str| Err(Error::invalid("statement", message, hint));
        if text.len() > MOST_BYTES {
            return refused(
                &format!("The statement has more than {} kB.", MOST_BYTES / 1024),
                "Run EXPLAIN where it is, and paste the plan.",
            );
        }
        if text.contains('\0') {
            return refused(
                "The statement has a NUL character.",
                "Remove it: no statement can have one.",
            );
        }
        let solid: Vec<Token<'_>> = lexer::tokens(text).filter(Token::is_solid).collect();
        let end = solid
            .iter()
            .position(|token| token.is_symbol(";"))
            .unwrap_or(solid.len());
        if solid[end..].iter().any(|token| !token.is_symbol(";")) {
            return refused(
                "There are several statements, and a plan is of one.",
                "Leave the one whose plan you want.",
            );
        }
        let solid = &solid[..end];
        let Some(first) = solid.iter().find(|token| !token.is_symbol("(")) else {
            return refused("There is no statement.", "Write one that reads or changes rows.");
        };
        if first.is("explain") {
            return refused(
                "It begins with EXPLAIN.",
                "Leave EXPLAIN and its options out: they are added here.",
            );
        }
        const KINDS: [&str; 8] = [
            "select", "with", "values", "table", "insert", "update", "delete", "merge",
        ];
        if !KINDS.iter().any(|kind| first.is(kind)) {
            return refused(
                &format!(
                    "It begins with {}, and only SELECT, WITH, VALUES, TABLE, INSERT, UPDATE, DELETE and MERGE have a plan here.",
                    first.text.chars().take(40).collect::<String>().to_uppercase()
                ),
                "Settings, transactions, COPY and changes of tables are not planned, and never run from this page.",
            );
        }
        // `U&"\0061"` is a name that cannot be looked up by its letters.
        let hidden = solid.windows(3).any(|three| {
            three[0].is("u") && three[1].is_symbol("&") && matches!(three[2].kind, Kind::Name | Kind::Text)
        });
        if hidden {
            return refused(
                "It has a text or name with U&, which is not read here.",
                "Write it plainly.",
            );
        }
        let mut names = BTreeSet::new();
        let mut calls = BTreeSet::new();
        let mut parameters = 0;
        for (at, token) in solid.iter().enumerate() {
            if let Some(number) = parameter(token) {
                let Some(number) = number.filter(|number| (1..=1000).contains(number)) else {
                    return refused(
                        "It has a parameter beyond $1000.",
                        "Number its parameters from $1 on.",
                    );
                };
                parameters = parameters.max(number);
            }
            for name in spellings(token) {
                if solid.get(at + 1).is_some_and(|next| next.is_symbol("(")) {
                    calls.insert(name.clone());
                }
                names.insert(name);
            }
        }
        let has = |word: &str| solid.iter().any(|token| token.is(word));
        let begin = solid.first().map_or(0, |token| token.start);
        let last = solid.last().map_or(0, |token| token.start + token.text.len());
        Ok(Self {
            text: text[begin..last].to_owned(),
            parameters,
            names: names.into_iter().collect(),
            calls: calls.into_iter().collect(),
            changes: ["insert", "update", "delete", "merge"]
                .iter()
                .any(|word| has(word)),
            inserts: has("insert"),
        })
    }

    /// The statement with texts in place of its parameters. A text in quotes is of the type that its place asks for, as a
    /// parameter is.
    pub fn with(&self, value: impl Fn(u32) -> Option<String>) -> String {
        let mut out = String::with_capacity(self.text.len() + 64);
        for token in lexer::tokens(&self.text) {
            let replaced = parameter(&token).flatten().and_then(&value);
            match replaced {
                Some(value) => out.push_str(&value),
                None => out.push_str(token.text),
            }
        }
        out
    }

    /// Whether it speaks of a password, whose value is nobody's.
    pub fn is_secret(&self) -> bool {
        self.text.to_ascii_lowercase().contains("password")
    }
}

/// The number of a parameter: `$12`; none within when it is too large.
pub(super) fn parameter(token: &Token<'_>) -> Option<Option<u32>> {
    let digits = token
        .text
        .strip_prefix('$')
        .filter(|_| token.kind == Kind::Number)?;
    Some(digits.parse().ok())
}

/// How the server may read a name: plain ones in small letters, of ASCII or of its locale, and cut at its length.
fn spellings(token: &Token<'_>) -> Vec<String> {
    let found = match token.kind {
        Kind::Word => vec![token.text.to_ascii_lowercase(), token.text.to_lowercase()],
        Kind::Name => token.as_name().into_iter().collect(),
        _ => Vec::new(),
    };
    found.into_iter().map(|name| cut(&name).to_owned()).collect()
}

fn cut(name: &str) -> &str {
    let end = (0..=NAME.min(name.len()))
        .rev()
        .find(|end| name.is_char_boundary(*end));
    &name[..end.unwrap_or(0)]
}

/// A statement's number: the same for the same statement with other values.
pub(super) fn hash(statement: &str) -> String {
    let bare = lexer::without_values(statement, usize::MAX);
    hex::encode(&Sha256::digest(bare.to_lowercase().as_bytes())[..6])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn why(text: &str) -> String {
        Statement::read(text).unwrap_err().fault().message
    }

    #[test]
    fn only_one_statement_that_reads_or_changes_rows_is_taken() {
        for taken in [
            "select 1",
            " -- a comment\n select ';' ; ",
            "(select 1) union (select 2);;",
            "with a as (select 1) table a",
            "merge into t using u on true when matched then do nothing",
            "delete from t where a = $1",
        ] {
            assert!(Statement::read(taken).is_ok(), "{taken}");
        }
        assert!(why("select 1; drop table t").contains("several"));
        assert!(why("select 1; commit; begin; select 1").contains("several"));
        assert!(why("/* x */ explain analyze select 1").contains("EXPLAIN"));
        for refused in [
            "set role postgres",
            "begin",
            "commit",
            "drop table t",
            "copy t to program 'x'",
            "do $$ begin end $$",
            "call p()",
            "prepare x as select 1",
            "execute x",
            "declare c cursor for select 1",
            "create table t as select 1",
            "vacuum",
            "analyze select 1",
            "truncate t",
        ] {
            assert!(why(refused).contains("begins with"), "{refused}");
        }
        assert!(why("").contains("no statement"));
        assert!(why(" ; ").contains("no statement"));
        assert!(why("select U&\"\\0061\"()").contains("U&"));
        assert!(why("select $99999999999").contains("$1000"));
    }

    #[test]
    fn names_calls_and_parameters_are_found() {
        let statement = Statement::read("select Evil(a.\"B\"), $2 from Public.T where x = $1").unwrap();
        assert_eq!(statement.parameters, 2);
        assert_eq!(statement.calls, ["evil"]);
        for name in ["evil", "B", "public", "t", "x"] {
            assert!(statement.names.contains(&name.to_owned()), "{name}");
        }
        let filled = statement.with(|number| (number == 1).then(|| "'1'".to_owned()));
        assert_eq!(filled, "select Evil(a.\"B\"), $2 from Public.T where x = '1'");
        let long = format!("select {}()", "f".repeat(80));
        assert_eq!(Statement::read(&long).unwrap().calls, ["f".repeat(63)]);
    }

    #[test]
    fn the_same_statement_with_other_values_has_the_same_number() {
        assert_eq!(
            hash("select * from t where a = 1 and b = 'x'"),
            hash("SELECT * from t  where a = $1 and b = $2")
        );
        assert_ne!(hash("select a from t"), hash("select b from t"));
    }
}
