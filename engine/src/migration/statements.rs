//! A migration's text parted into its statements.

use crate::lexer::{self, Kind, Token};

/// One statement of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Its text, without the comments before it and the semicolon after it.
    pub text: String,
    /// The line of the file that it begins on, from 1.
    pub line: usize,
    /// Where it begins in the file, in characters from 0, as the server counts them.
    pub start: usize,
}

/// How a statement begins or ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// `begin` and nothing more.
    Begin,
    /// `begin` with an isolation level or another mode.
    BeginWith,
    /// `commit` or `end`, and nothing more.
    Commit,
    /// `rollback` or `abort`, and nothing more.
    RollBack,
    /// `commit and chain`, `prepare transaction` and the like.
    Other,
}

/// An index that a statement builds concurrently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewIndex {
    /// Its name.
    pub name: String,
    /// Its table, as the statement writes it.
    pub table: String,
    /// Whether the statement does nothing when there is such an index.
    pub if_not_exists: bool,
}

impl Statement {
    /// The index that this statement builds concurrently under a name of its own choice.
    pub fn concurrent_index(&self) -> Option<NewIndex> {
        let mut words = self.solid().peekable();
        let mut expect = |word: &str| words.next_if(|token| token.is(word)).is_some();
        if !expect("create") {
            return None;
        }
        expect("unique");
        if !expect("index") || !expect("concurrently") {
            return None;
        }
        let if_not_exists = expect("if") && expect("not") && expect("exists");
        if expect("on") {
            return None;
        }
        let name = words.next()?.as_name()?;
        if !words.next()?.is("on") {
            return None;
        }
        words.next_if(|token| token.is("only"));
        let mut table = words.next()?.text.to_owned();
        while words.next_if(|token| token.is_symbol(".")).is_some() {
            table.push('.');
            table.push_str(words.next()?.text);
        }
        Some(NewIndex {
            name,
            table,
            if_not_exists,
        })
    }

    /// How this statement begins or ends a transaction, if it does.
    pub fn control(&self) -> Option<Control> {
        let words: Vec<String> = self
            .solid()
            .take(3)
            .map(|token| token.text.to_lowercase())
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let undoes_a_part = self.solid().any(|token| token.is("to"));
        Some(match words.as_slice() {
            ["begin"] | ["begin", "work" | "transaction"] | ["start", "transaction"] => Control::Begin,
            ["begin", ..] | ["start", "transaction", ..] => Control::BeginWith,
            ["commit" | "end"] | ["commit" | "end", "work" | "transaction"] => Control::Commit,
            ["commit" | "rollback", "prepared", ..] => return None,
            ["rollback", ..] if undoes_a_part => return None,
            ["rollback" | "abort"] | ["rollback" | "abort", "work" | "transaction"] => Control::RollBack,
            ["commit" | "end" | "rollback" | "abort", ..] | ["prepare", "transaction", ..] => Control::Other,
            _ => return None,
        })
    }

    /// This one and all up to and with a later one of the same text.
    pub fn through(self, last: &Self, sql: &str) -> Self {
        let count = last.start + last.text.chars().count() - self.start;
        Self {
            text: sql.chars().skip(self.start).take(count).collect(),
            ..self
        }
    }

    /// Its first word in lower case.
    pub fn first_word(&self) -> String {
        self.solid()
            .next()
            .map_or_else(String::new, |token| token.text.to_lowercase())
    }

    /// Whether this statement, when it fails, has changed nothing: all but those that commit while they run. An index
    /// built concurrently leaves an invalid index, which is removed by its name.
    pub fn is_all_or_nothing(&self) -> bool {
        let first = self.solid().next();
        let commits = ["call", "do", "reindex", "cluster", "vacuum"];
        let concurrently = self.solid().any(|token| token.is("concurrently"));
        match first {
            // `alter table … detach partition … concurrently` commits in the middle.
            Some(token) if token.is("alter") => !concurrently,
            Some(token) => !commits.iter().any(|word| token.is(word)),
            None => true,
        }
    }

    fn solid(&self) -> impl Iterator<Item = Token<'_>> {
        lexer::tokens(&self.text).filter(Token::is_solid)
    }
}

/// Parts a script as psql does: at semicolons outside of quotes, comments, parentheses and the SQL-standard body of a
/// function (`begin atomic … end`).
pub(crate) fn split(sql: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut open: Option<Open> = None;
    for token in lexer::tokens(sql) {
        let ends = token.is_symbol(";") && open.as_ref().is_none_or(Open::is_flat);
        if ends {
            statements.extend(open.take().map(|open| open.close(sql)));
        } else if token.is_solid() {
            open.get_or_insert_with(|| Open::at(token.start)).take(token);
        }
    }
    statements.extend(open.map(|open| open.close(sql)));
    statements
}

/// A statement whose end is not yet found.
struct Open {
    start: usize,
    end: usize,
    parentheses: usize,
    blocks: usize,
    /// The first words, in lower case: whether this is `create [or replace] function|procedure`.
    words: Vec<String>,
}

impl Open {
    fn at(start: usize) -> Self {
        Self {
            start,
            end: start,
            parentheses: 0,
            blocks: 0,
            words: Vec::new(),
        }
    }

    fn is_flat(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn take(&mut self, token: Token<'_>) {
        self.end = token.start + token.text.len();
        match token.text {
            "(" => self.parentheses += 1,
            ")" => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        if token.kind != Kind::Word || self.parentheses > 0 {
            return;
        }
        if self.words.len() < 4 {
            self.words.push(token.text.to_lowercase());
        }
        if !self.makes_a_routine() {
            return;
        }
        // Inside of a body `case … end` has an end of its own.
        if token.is("begin") || (token.is("case") && self.blocks > 0) {
            self.blocks += 1;
        } else if token.is("end") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }

    fn makes_a_routine(&self) -> bool {
        let routine = |word: &String| matches!(word.as_str(), "function" | "procedure");
        match self.words.as_slice() {
            [create, or, replace, what, ..] if or == "or" => {
                create == "create" && replace == "replace" && routine(what)
            }
            [create, what, ..] => create == "create" && routine(what),
            _ => false,
        }
    }

    fn close(self, sql: &str) -> Statement {
        let before = &sql[..self.start];
        Statement {
            text: sql[self.start..self.end].to_owned(),
            line: lexer::line_ends(before) + 1,
            start: before.chars().count(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    fn texts(sql: &str) -> Vec<String> {
        split(sql).into_iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn semicolons_inside_of_things_part_nothing() {
        let whole = [
            "select ';', \";\", $$;$$, $x$ $$;$$ $x$, e'\\';'",
            "create rule r as on insert to t do (delete from a; delete from b)",
            "create function f() returns int begin atomic select case when true then 1 end; select 2; end",
            "create or replace procedure p() language sql begin atomic delete from a; delete from b; end",
            "do $body$ begin perform 1; end $body$",
        ];
        for sql in whole {
            assert_eq!(texts(&format!("{sql};\nselect 1")), [sql, "select 1"]);
        }
        // `begin` alone is a statement, not a body.
        assert_eq!(texts("begin; select 1; end;"), ["begin", "select 1", "end"]);
    }

    #[test]
    fn statements_know_their_place() {
        let statements = split("-- ünder\n/* a; */ select 1 ;;\n\n  select\n2; -- end;\n");
        assert_eq!(
            statements,
            [
                Statement {
                    text: "select 1".into(),
                    line: 2,
                    start: 18
                },
                Statement {
                    text: "select\n2".into(),
                    line: 4,
                    start: 33
                },
            ]
        );
        assert_eq!(split(" -- nothing;\n ;"), []);
    }

    #[test]
    fn concurrent_indexes_are_read() {
        let index = |sql: &str| split(sql)[0].concurrent_index();
        assert_eq!(
            index("create unique index CONCURRENTLY if not exists \"My Idx\" on only App.\"T\" (a)"),
            Some(NewIndex {
                name: "My Idx".into(),
                table: "App.\"T\"".into(),
                if_not_exists: true
            })
        );
        assert!(
            !index("create index concurrently Idx on t (a)")
                .unwrap()
                .if_not_exists
        );
        assert_eq!(index("create index concurrently on t (a)"), None);
        assert_eq!(index("create index if not exists i on t (a)"), None);
    }

    #[test]
    fn own_transactions_are_seen() {
        let control = |sql: &str| split(sql)[0].control();
        for (sql, what) in [
            ("begin", Control::Begin),
            ("BEGIN /* now */ Work", Control::Begin),
            ("start transaction", Control::Begin),
            ("begin isolation level serializable", Control::BeginWith),
            ("start transaction read only", Control::BeginWith),
            ("end", Control::Commit),
            ("commit work", Control::Commit),
            ("COMMIT and chain", Control::Other),
            ("rollback", Control::RollBack),
            ("abort transaction", Control::RollBack),
            ("prepare transaction 'x'", Control::Other),
        ] {
            assert_eq!(control(sql), Some(what), "{sql}");
        }
        for sql in [
            "rollback to savepoint a",
            "rollback to a",
            "commit prepared 'x'",
            "prepare p as select 1",
            "select 'commit'",
            "savepoint begin",
            "start x",
        ] {
            assert_eq!(control(sql), None, "{sql}");
        }
    }

    #[test]
    fn statements_that_commit_while_they_run_are_known() {
        let whole = |sql: &str| split(sql)[0].is_all_or_nothing();
        assert!(whole("alter type mood add value 'glad'"));
        assert!(whole("create index concurrently i on t (a)"));
        assert!(!whole("alter table t detach partition p concurrently"));
        assert!(!whole("call p()"));
        assert!(!whole("reindex index concurrently i"));
    }

    proptest! {
        #[test]
        fn what_is_joined_comes_apart_again(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("select 1"),
                    Just("insert into t values (';')"),
                    Just("select $$a;b$$ /* ; */ + 1"),
                    Just("select E'\\';' -- ;\n, \";\""),
                    Just("create function f() returns int begin atomic select 1; end"),
                    Just("select (1;2)"),
                ],
                1..6,
            ),
            gap in prop_oneof![Just(";"), Just(" ;\n-- ;\n"), Just("; /* /* ; */ ; */ "), Just(";;\n")],
        ) {
            prop_assert_eq!(texts(&parts.join(gap)), parts);
        }

        #[test]
        fn any_text_can_be_parted(sql in "[a-eE;()'\"$/*\\\\\n1ß -]{0,80}") {
            for statement in split(&sql) {
                prop_assert!(!statement.text.trim().is_empty());
                let from: String = sql.chars().skip(statement.start).collect();
                prop_assert!(from.starts_with(&statement.text));
            }
        }
    }
}
