//! Texts of statements as they may be shown, and the tags of their comments.

use crate::lexer::{Kind, Token, tokens, without_values};

/// The longest text that is kept, in characters.
pub(super) const LONGEST: usize = 20_000;
/// The most tags of one statement, and the longest.
const TAGS: usize = 20;
const LONGEST_TAG: usize = 200;

/// What PostgreSQL normalises; anything else is a utility statement, whose passwords and values it leaves in the text.
const PLANNED: [&str; 7] = ["select", "insert", "update", "delete", "merge", "with", "values"];

/// A text without values. PostgreSQL puts `$1` for them, but not in utility statements, and not when the statement was
/// dropped from its list between being parsed and being counted.
pub(super) fn shown(sql: &str) -> String {
    if !is_planned(sql) {
        return without_values(sql, LONGEST);
    }
    let normalised = tokens(sql).any(|token| token.kind == Kind::Number && token.text.starts_with('$'));
    let mut place = Place::default();
    let text: String = tokens(sql)
        .map(|token| {
            let is_a_value = !place.holds_no_value();
            place.pass(&token);
            match token.kind {
                Kind::Text => "…",
                Kind::Number if !normalised && is_a_value => "…",
                _ => token.text,
            }
        })
        .collect();
    text.trim().to_owned()
}

/// Types that are written with a length or a precision.
const SIZED: [&str; 13] = [
    "numeric",
    "decimal",
    "varchar",
    "char",
    "character",
    "varying",
    "bit",
    "bpchar",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
];

/// Where numbers are no values, though PostgreSQL leaves them as they are: columns by their place in `order by 1`, and sizes
/// of types as in `numeric(10, 2)`.
#[derive(Default)]
enum Place {
    #[default]
    Elsewhere,
    /// After `order` or `group`.
    Ordering,
    /// Within the list after `by`, and whether a column may come next.
    List(bool),
    /// After the name of a type with a size.
    Type,
    /// Within its parentheses.
    Size,
}

impl Place {
    const fn holds_no_value(&self) -> bool {
        matches!(self, Self::List(true) | Self::Size)
    }

    fn pass(&mut self, token: &Token<'_>) {
        if !token.is_solid() {
            return;
        }
        let words = |words: &[&str]| words.iter().any(|word| token.is(word));
        *self = match self {
            Self::Ordering if token.is("by") => Self::List(true),
            Self::List(_) if token.is_symbol(",") => Self::List(true),
            Self::List(_)
                if token.kind == Kind::Number || words(&["asc", "desc", "nulls", "first", "last"]) =>
            {
                Self::List(false)
            }
            Self::List(true) if token.kind == Kind::Word || token.kind == Kind::Name => Self::List(false),
            // A name with its table's before it.
            Self::List(false) if token.is_symbol(".") => Self::List(true),
            Self::Type if token.is_symbol("(") => Self::Size,
            Self::Size if token.kind == Kind::Number || token.is_symbol(",") => Self::Size,
            _ if words(&["order", "group"]) => Self::Ordering,
            _ if words(&SIZED) => Self::Type,
            _ => Self::Elsewhere,
        };
    }
}

/// Whether [`shown`] left values out of it.
pub(super) fn lacks_values(text: &str) -> bool {
    tokens(text).any(|token| !matches!(token.kind, Kind::Comment | Kind::Name) && token.text.contains('…'))
}

/// Whether it is a statement with a plan, and no command.
pub(super) fn is_planned(sql: &str) -> bool {
    let first = tokens(sql).find(|token| token.is_solid() && !token.is_symbol("("));
    first.is_some_and(|first| PLANNED.iter().any(|word| first.is(word)))
}

/// Tags as sqlcommenter writes them, `/*key='value',…*/`: as `key=value`, decoded, sorted.
pub(super) fn tags(sql: &str) -> Vec<String> {
    let mut tags: Vec<String> = tokens(sql)
        .filter(|token| token.kind == Kind::Comment)
        .filter_map(|token| token.text.strip_prefix("/*")?.strip_suffix("*/"))
        .flat_map(pairs)
        .take(TAGS)
        .collect();
    tags.sort();
    tags.dedup();
    tags
}

/// The pairs of a comment; none at all when it is not made of them.
fn pairs(comment: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = comment.trim();
    while !rest.is_empty() {
        let Some((key, after)) = rest.split_once("='") else {
            return Vec::new();
        };
        let Some((value, after)) = value(after) else {
            return Vec::new();
        };
        let key = decoded(key.trim());
        let is_name = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        if key.is_empty() || !key.chars().all(is_name) {
            return Vec::new();
        }
        found.push(
            format!("{key}={}", decoded(&value))
                .chars()
                .take(LONGEST_TAG)
                .collect(),
        );
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if rest.is_empty() => rest,
            None => return Vec::new(),
        };
    }
    found
}

/// A value up to its closing quote, and what follows. `\'` is a quote in it.
fn value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next()?.1),
            '\'' => return Some((value, &text[at + 1..])),
            _ => value.push(c),
        }
    }
    None
}

/// Without URL encoding.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes
            .get(at + 1..at + 3)
            .filter(|_| byte == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(hex.unwrap_or(byte));
        at += if hex.is_some() { 3 } else { 1 };
    }
    // A value that does not fit in a text of PostgreSQL is none.
    String::from_utf8_lossy(&out).replace('\0', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_left_in_a_text() {
        for secret in [
            "create role a password 'hunter2'",
            "alter user b with encrypted password E'hunter2'",
            "/* x */ ALTER ROLE c PASSWORD $$hunter2$$",
            "select 'hunter2'",
            "select * from a where b = $1 and c = 'hunter2'",
            "set app.key = 'hunter2'",
            "create role a password 'hunter2",
        ] {
            assert!(!shown(secret).contains("hunter2"), "{}", shown(secret));
        }
        assert_eq!(shown("select 42"), "select …");
        assert_eq!(
            shown(" select a\n from b where c = $1::numeric(10)"),
            "select a\n from b where c = $1::numeric(10)"
        );
        for kept in [
            "select a, count(*) from b group by 1 order by 2 desc, 1",
            "select a::numeric(10, 2), cast(c as character varying(20)) from b",
            "select a from b order by b.a, 2",
        ] {
            assert_eq!(shown(kept), kept);
        }
        for (sql, text) in [
            ("select a from b order by a + 5", "select a from b order by a + …"),
            (
                "select a from b order by case when a = 5 then 1 end",
                "select a from b order by case when a = … then … end",
            ),
            (
                "select a from b order by coalesce(a, 5)",
                "select a from b order by coalesce(a, …)",
            ),
            (
                "select a from b where numeric = 5",
                "select a from b where numeric = …",
            ),
        ] {
            assert_eq!(shown(sql), text);
        }
        assert_eq!(
            shown("(select 1) union (select $1)"),
            "(select 1) union (select $1)"
        );
    }

    #[test]
    fn a_text_tells_whether_values_were_left_out_of_it() {
        for lacking in ["select 42", "select 'a' || b from c", "values (1), (2)"] {
            assert!(lacks_values(&shown(lacking)), "{lacking}");
        }
        for whole in [
            "select a from b where c = $1 /* since … */ order by 1",
            "select \"…\" from b",
            "select a::numeric(10, 2) from b",
        ] {
            assert!(!lacks_values(&shown(whole)), "{whole}");
        }
    }

    #[test]
    fn tags_are_read_from_comments() {
        let sql = "select $1 /*controller='orders%20list',route='%2Fa%2C',b='it\\'s'*/";
        assert_eq!(tags(sql), ["b=it's", "controller=orders list", "route=/a,"]);
        for none in [
            "select 1 /* plain words */",
            "select '/*a=''b''*/'",
            "select 1 /*a='b*/",
        ] {
            assert_eq!(tags(none), [""; 0], "{none}");
        }
    }
}
