//! Tokens of PostgreSQL's SQL: enough to part a script into statements and to hide the values in a query.
//!
//! It follows psql's scanner with `standard_conforming_strings` on. It never fails: what is left open (a string without
//! its end) goes on to the end of the text, and the server says what is wrong with it.

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Blanks and line ends.
    Space,
    /// `-- …` or `/* … */`, nested ones included.
    Comment,
    /// A keyword or a plain name.
    Word,
    /// A name in double quotes.
    Name,
    /// A text: `'…'`, `E'…'` or `$tag$…$tag$`.
    Text,
    /// A number, or a parameter such as `$1`.
    Number,
    /// One other character.
    Symbol,
}

/// A piece of the text. All pieces together are the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text, quotes included.
    pub text: &'a str,
    /// Where it begins, in bytes.
    pub start: usize,
}

impl Token<'_> {
    /// Whether it is this keyword, in any case of letters.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is this character.
    pub fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// Whether it says anything.
    pub fn is_solid(&self) -> bool {
        !matches!(self.kind, Kind::Space | Kind::Comment)
    }

    /// The name that it stands for, when it can be one: plain names in lower case, quoted ones without their quotes.
    pub fn as_name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_lowercase()),
            Kind::Name => {
                let inner = self.text.strip_prefix('"')?;
                Some(inner.strip_suffix('"').unwrap_or(inner).replace("\"\"", "\""))
            }
            _ => None,
        }
    }
}

/// The pieces of a text, in order.
pub(crate) fn tokens(sql: &str) -> impl Iterator<Item = Token<'_>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = sql.get(start..).filter(|rest| !rest.is_empty())?;
        let (kind, length) = first(rest);
        let token = Token {
            kind,
            text: &rest[..length],
            start,
        };
        start += length;
        Some(token)
    })
}

/// How many lines a text has begun: line feeds, carriage returns, and both together count once each, as the server and
/// psql take them.
pub(crate) fn line_ends(text: &str) -> usize {
    let pairs = text.matches("\r\n").count();
    text.matches(['\n', '\r']).count() - pairs
}

/// A query with its values hidden and its comments gone, in one line of at most `most` characters: other people's
/// queries carry their data.
pub(crate) fn without_values(sql: &str, most: usize) -> String {
    let mut out = String::new();
    for token in tokens(sql) {
        match token.kind {
            Kind::Space | Kind::Comment if out.is_empty() || out.ends_with(' ') => {}
            Kind::Space | Kind::Comment => out.push(' '),
            Kind::Text | Kind::Number => out.push('…'),
            Kind::Word | Kind::Name | Kind::Symbol => out.push_str(token.text),
        }
    }
    let out = out.trim_end();
    match out.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", out[..end].trim_end()),
        None => out.to_owned(),
    }
}

/// The kind and the length in bytes, at least one character, of the first piece. `rest` is not empty.
fn first(rest: &str) -> (Kind, usize) {
    let mut chars = rest.chars();
    let c = chars.next().unwrap_or(' ');
    let next = chars.next();
    match c {
        _ if c.is_whitespace() => (Kind::Space, while_(rest, char::is_whitespace)),
        '-' if next == Some('-') => (Kind::Comment, while_(rest, |c| !matches!(c, '\n' | '\r'))),
        '/' if next == Some('*') => (Kind::Comment, block_comment(rest)),
        '\'' => (Kind::Text, quoted(rest, 0, '\'', false)),
        '"' => (Kind::Name, quoted(rest, 0, '"', false)),
        'e' | 'E' if next == Some('\'') => (Kind::Text, quoted(rest, 1, '\'', true)),
        '$' if next.is_some_and(|c| c.is_ascii_digit()) => {
            (Kind::Number, 1 + while_(&rest[1..], |c| c.is_ascii_digit()))
        }
        '$' => match dollar_quoted(rest) {
            Some(length) => (Kind::Text, length),
            None => (Kind::Symbol, 1),
        },
        _ if begins_word(c) => (Kind::Word, while_(rest, continues_word)),
        _ if c.is_ascii_digit() => (
            Kind::Number,
            while_(rest, |c| c.is_ascii_alphanumeric() || c == '.' || c == '_'),
        ),
        _ => (Kind::Symbol, c.len_utf8()),
    }
}

fn begins_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && !c.is_whitespace())
}

fn continues_word(c: char) -> bool {
    begins_word(c) || c.is_ascii_digit() || c == '$'
}

fn while_(text: &str, holds: impl Fn(char) -> bool) -> usize {
    text.find(|c| !holds(c)).unwrap_or(text.len())
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a quoted piece whose opening quote is at `open`. A doubled quote is part of it.
fn quoted(text: &str, open: usize, quote: char, backslash: bool) -> usize {
    let mut chars = text[open + 1..].char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && backslash {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return open + 1 + at + 1;
        }
    }
    text.len()
}

fn dollar_quoted(text: &str) -> Option<usize> {
    let tag = while_(&text[1..], |c| continues_word(c) && c != '$') + 1;
    if !text[tag..].starts_with('$') || text[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mark = &text[..=tag];
    Some(match text[mark.len()..].find(mark) {
        Some(end) => mark.len() + end + mark.len(),
        None => text.len(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    fn kinds(sql: &str) -> Vec<(Kind, &str)> {
        tokens(sql)
            .filter(Token::is_solid)
            .map(|token| (token.kind, token.text))
            .collect()
    }

    #[test]
    fn strings_end_where_postgres_ends_them() {
        assert_eq!(kinds("'it''s' x"), [(Kind::Text, "'it''s'"), (Kind::Word, "x")]);
        assert_eq!(kinds(r"'a\' x"), [(Kind::Text, r"'a\'"), (Kind::Word, "x")]);
        assert_eq!(kinds(r"E'a\'b' x"), [(Kind::Text, r"E'a\'b'"), (Kind::Word, "x")]);
        assert_eq!(
            kinds("$$a;'$b$$ x"),
            [(Kind::Text, "$$a;'$b$$"), (Kind::Word, "x")]
        );
        assert_eq!(
            kinds("$t$ $$ ; $$ $t$ x"),
            [(Kind::Text, "$t$ $$ ; $$ $t$"), (Kind::Word, "x")]
        );
        assert_eq!(kinds("a$b$c $1"), [(Kind::Word, "a$b$c"), (Kind::Number, "$1")]);
        assert_eq!(
            kinds(r#""a""b;" x"#),
            [(Kind::Name, r#""a""b;""#), (Kind::Word, "x")]
        );
        assert_eq!(kinds("'open ; x"), [(Kind::Text, "'open ; x")]);
    }

    #[test]
    fn comments_nest() {
        assert_eq!(
            kinds("/* a /* b */ c; */ x -- y;\nz"),
            [(Kind::Word, "x"), (Kind::Word, "z")]
        );
    }

    #[test]
    fn a_comment_ends_with_its_line_whatever_ends_lines() {
        for end in ["\n", "\r\n", "\r"] {
            let sql = format!("-- a; b{end}x");
            assert_eq!(kinds(&sql), [(Kind::Word, "x")], "{end:?}");
            assert_eq!(line_ends(&sql), 1, "{end:?}");
        }
        assert_eq!(line_ends("a\r\rb\n\r\nc"), 4);
    }

    #[test]
    fn names_are_read_as_the_server_reads_them() {
        let names: Vec<_> = tokens(r#"Foo "Bar""x" 1"#)
            .filter_map(|token| token.as_name())
            .collect();
        assert_eq!(names, ["foo", r#"Bar"x"#]);
    }

    #[test]
    fn values_of_queries_are_hidden() {
        assert_eq!(
            without_values(
                "update  t -- who\n set a='secret', b = 42, c=E'\\'x' where \"Id\" = $1",
                80
            ),
            "update t set a=…, b = …, c=… where \"Id\" = …"
        );
        assert_eq!(without_values("select abcdef", 8), "select a…");
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_text(sql in "[a-eE;'\"$/*\\\\\n1ß -]{0,60}") {
            let pieces: Vec<_> = tokens(&sql).collect();
            prop_assert!(pieces.iter().all(|token| !token.text.is_empty()));
            prop_assert_eq!(pieces.iter().map(|token| token.text).collect::<String>(), sql.clone());
            prop_assert!(pieces.iter().all(|token| sql.get(token.start..).unwrap().starts_with(token.text)));
        }
    }
}
