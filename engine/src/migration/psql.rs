//! What in a migration only psql understands: the server would wait for ever for the rows of `copy … from stdin`, and
//! refuse the rest at a place that says nothing.

use std::ops::ControlFlow;

use contract::migration::MigrationObstacle;

use crate::lexer::{self, Kind, Token};

const ROWS: &str = "Write the rows as `insert into … values …`, or load them beside the migrations.";
const OUT: &str = "Leave it out: a migration has nowhere to write rows to.";
const COMMAND: &str = "Leave it out, or write as SQL what it does.";
const VARIABLE: &str = "Write the value itself.";
const INVISIBLE: &str = "Put an ordinary blank in its place, or nothing.";

/// The most that is told of one script; whoever mends these finds the others by the next look.
const MOST: usize = 20;

/// What in a script the server would not understand, by line.
pub(crate) fn obstacles(sql: &str) -> Vec<MigrationObstacle> {
    let mut scan = Scan {
        sql,
        from: 0,
        found: Vec::new(),
        statement: Open::default(),
        brackets: 0,
    };
    while scan.from < sql.len() && scan.found.len() < MOST {
        match scan.as_far_as_it_is_sql() {
            ControlFlow::Break(next) => scan.from = next,
            ControlFlow::Continue(()) => break,
        }
    }
    scan.end_of_statement();
    scan.found
}

/// A walk over the script, which begins anew behind what is not SQL.
struct Scan<'a> {
    sql: &'a str,
    from: usize,
    found: Vec<MigrationObstacle>,
    statement: Open,
    brackets: usize,
}

/// As much of a statement as tells whether it is a `copy` between the server and its client.
#[derive(Default)]
struct Open {
    words: usize,
    copy_at: Option<usize>,
    direction: Option<&'static str>,
    kind: Option<&'static str>,
    /// One for each open parenthesis: whether it is that of `json_object`, which writes pairs with a colon.
    parentheses: Vec<bool>,
    after_json_object: bool,
}

impl Scan<'_> {
    /// Breaks with the place where SQL goes on, behind something that is none.
    fn as_far_as_it_is_sql(&mut self) -> ControlFlow<usize> {
        let sql = self.sql;
        let mut tokens = lexer::tokens(&sql[self.from..]).peekable();
        while let Some(token) = tokens.next() {
            self.take(&token, tokens.peek())?;
        }
        ControlFlow::Continue(())
    }

    fn take(&mut self, token: &Token<'_>, next: Option<&Token<'_>>) -> ControlFlow<usize> {
        let at = self.from + token.start;
        if matches!(token.kind, Kind::Space | Kind::Word) {
            self.look_for_invisible(token.text, at);
        }
        if token.is_symbol("\\") {
            let line = self.rest_of_line(at);
            let end = at + line.len();
            let command: String = line
                .chars()
                .skip(1)
                .take_while(|c| !c.is_whitespace())
                .take(20)
                .collect();
            self.add(at, format!("`\\{command}` is a command of psql"), COMMAND);
            return ControlFlow::Break(end);
        }
        if token.is_symbol(";") && self.statement.parentheses.is_empty() {
            return if self.end_of_statement() {
                ControlFlow::Break(self.behind_rows(at))
            } else {
                ControlFlow::Continue(())
            };
        }
        match token.text {
            "[" => self.brackets += 1,
            "]" => self.brackets = self.brackets.saturating_sub(1),
            // In brackets it parts the bounds of a slice.
            ":" if self.brackets == 0 && !self.statement.parentheses.contains(&true) => {
                self.look_for_variable(at, next);
            }
            _ => {}
        }
        if token.is_solid() {
            self.statement.take(token, at);
        }
        ControlFlow::Continue(())
    }

    fn look_for_variable(&mut self, at: usize, next: Option<&Token<'_>>) {
        let Some(next) = next else { return };
        let is_cast = self.sql[..at].ends_with(':');
        let named = matches!(next.kind, Kind::Word | Kind::Name)
            || next.text.starts_with('\'')
            || next.is_symbol("{");
        if named && !is_cast {
            let name: String = next.text.chars().take(40).collect();
            self.add(at, format!("`:{name}` is a variable of psql"), VARIABLE);
        }
    }

    fn look_for_invisible(&mut self, text: &str, at: usize) {
        let invisible = |c: char| {
            (c.is_whitespace() && !c.is_ascii())
                || matches!(
                    c,
                    '\u{AD}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'
                        ..='\u{202E}' | '\u{2060}' | '\u{FEFF}'
                )
        };
        if let Some((within, c)) = text.char_indices().find(|(_, c)| invisible(*c)) {
            self.add(
                at + within,
                format!(
                    "an invisible character (U+{:04X}) stands between the words",
                    u32::from(c)
                ),
                INVISIBLE,
            );
        }
    }

    /// Tells of the statement if it is such a `copy`; true when rows follow it.
    fn end_of_statement(&mut self) -> bool {
        self.brackets = 0;
        let statement = std::mem::take(&mut self.statement);
        let (Some(at), Some(kind)) = (statement.copy_at, statement.kind) else {
            return false;
        };
        if kind == "stdin" {
            self.add(at, "`copy … from stdin` takes its rows from psql".into(), ROWS);
        } else {
            self.add(at, "`copy … to stdout` gives its rows to psql".into(), OUT);
        }
        kind == "stdin"
    }

    /// Where the rows after the semicolon at `at` end: behind the line `\.`, else with the file.
    fn behind_rows(&self, at: usize) -> usize {
        let mut next = at + self.rest_of_line(at).len();
        loop {
            // The line end itself, in whichever form.
            let rest = &self.sql[next..];
            next += if rest.starts_with("\r\n") {
                2
            } else {
                rest.len().min(1)
            };
            let line = self.rest_of_line(next);
            next += line.len();
            if line == "\\." || next >= self.sql.len() {
                return next;
            }
        }
    }

    fn rest_of_line(&self, at: usize) -> &str {
        let rest = &self.sql[at..];
        &rest[..rest.find(['\n', '\r']).unwrap_or(rest.len())]
    }

    fn add(&mut self, at: usize, what: String, remedy: &str) {
        if self.found.len() == MOST {
            return;
        }
        self.found.push(MigrationObstacle {
            line: lexer::line_ends(&self.sql[..at]) as i64 + 1,
            what,
            remedy: remedy.to_owned(),
        });
    }
}

impl Open {
    fn take(&mut self, token: &Token<'_>, at: usize) {
        self.words += 1;
        match token.text {
            "(" => self.parentheses.push(self.after_json_object),
            ")" => drop(self.parentheses.pop()),
            _ => {}
        }
        self.after_json_object = token.is("json_object") || token.is("json_objectagg");
        if self.words == 1 && token.is("copy") {
            self.copy_at = Some(at);
        }
        if self.copy_at.is_none() || !self.parentheses.is_empty() || self.kind.is_some() {
            return;
        }
        // The server takes either word in either direction.
        let is_client = token.is("stdin") || token.is("stdout");
        self.kind = match self.direction {
            Some("from") if is_client => Some("stdin"),
            Some("to") if is_client => Some("stdout"),
            _ => None,
        };
        self.direction = if token.is("from") {
            Some("from")
        } else if token.is("to") {
            Some("to")
        } else {
            None
        };
    }
}

#[cfg(test)]
mod tests {
    use super::obstacles;

    fn found(sql: &str) -> Vec<(i64, String)> {
        obstacles(sql)
            .into_iter()
            .map(|obstacle| (obstacle.line, obstacle.what))
            .collect()
    }

    fn lines(sql: &str) -> Vec<i64> {
        found(sql).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn what_only_psql_understands_is_found_by_its_line() {
        for (sql, line, word) in [
            ("create table t ();\ncopy t from stdin;", 2, "`copy … from stdin`"),
            (
                "COPY public.t (a, b) FROM STDIN WITH (format csv)",
                1,
                "`copy … from stdin`",
            ),
            ("copy (select 1) to stdout", 1, "`copy … to stdout`"),
            ("-- x\r\n\\connect other\r\nselect 1", 2, "`\\connect`"),
            ("select 1 \\gset", 1, "`\\gset`"),
            ("\\echo it's\nselect 1", 1, "`\\echo`"),
            ("select 1;\n\n\\i more.sql", 3, "`\\i`"),
            ("grant select on t to :who", 1, "`:who`"),
            ("insert into t values (:'name')", 1, "`:'name'`"),
            ("select * from :\"table\"", 1, "`:\"table\"`"),
            ("select :{?x}", 1, "`:{`"),
            ("create table\u{a0}t ()", 1, "U+00A0"),
            ("select 1;\r\u{feff}select 2", 2, "U+FEFF"),
        ] {
            let found = found(sql);
            assert_eq!(found.len(), 1, "{sql}: {found:?}");
            assert_eq!(found[0].0, line, "{sql}");
            assert!(found[0].1.contains(word), "{sql}: {found:?}");
        }
    }

    #[test]
    fn rows_are_not_taken_for_sql() {
        let sql = "copy t from stdin;\nit's\t\\N\t:x\n\\.\n\nselect 1;\n\\q\n";
        assert_eq!(lines(sql), [1, 6]);
        let sql = "copy t from stdin;\r\nit's\r\n\\.\r\ncopy u from stdin;\r\n1\r\n\\.\r\n";
        assert_eq!(lines(sql), [1, 4]);
        assert_eq!(lines("copy t from stdin;\n1\n2"), [1]);
    }

    #[test]
    fn what_the_server_understands_is_let_through() {
        for sql in [
            "select '\\connect', E'\\\\', $$ \\q :x $$, \"\\x\" -- \\i :y",
            "select a::text, f(b := 1), c[1:2], d[i:j], '12:30'::time, '{\"a\": :b}'",
            "select json_object('a':b, 'c':'d', 'e':(select x::text)), json_objectagg(k:v) from t",
            "copy t from '/srv/t.csv'; copy t to program 'cat'",
            "create table copy (stdin int); select stdin from copy; comment on table copy is ':x'",
            "select \"a\u{a0}b\", 'x\u{200b}y' /* \u{feff} */",
            "do $body$ begin x := 1; end $body$",
        ] {
            assert_eq!(found(sql), [], "{sql}");
        }
    }
}
