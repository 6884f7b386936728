//! Reading what SQLite tells only in the statement that made a table: checks, generated columns, collations.

/// What stands in a `CREATE TABLE` statement beyond what SQLite's pragmas tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Expressions of `CHECK` constraints.
    pub checks: Vec<String>,
    /// Columns with the expression that computes them.
    pub generated: Vec<(String, String)>,
    /// Columns with their collation.
    pub collations: Vec<(String, String)>,
    /// Whether a key is `AUTOINCREMENT`.
    pub autoincrement: bool,
    /// Foreign keys that are looked at when the transaction ends: their columns and the table they refer to.
    pub deferred: Vec<(Vec<String>, String)>,
    /// What rules do with rows that break them, other than refusing the statement.
    pub conflicts: Vec<Conflict>,
}

/// An `ON CONFLICT` of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The column whose rule it is; none for a rule of the table.
    pub column: Option<String>,
    /// `REPLACE`, `IGNORE`, `FAIL` or `ROLLBACK`, as written.
    pub action: String,
    /// The rule with it, as written.
    pub sql: String,
}

/// Reads a `CREATE TABLE` statement.
pub fn table(sql: &str) -> Definition {
    let mut definition = Definition::default();
    let tokens = tokens(sql);
    let Some(open) = tokens.iter().position(|token| token.is("(")) else {
        return definition;
    };
    let mut depth = 0_usize;
    let mut column: Option<String> = None;
    let mut begins = true;
    let mut item = open + 1;
    let mut key: Vec<String> = Vec::new();
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth > 1 || at == open {
            continue;
        }
        if token.is(",") {
            begins = true;
            item = at + 1;
            continue;
        }
        if std::mem::take(&mut begins) {
            let of_table = ["constraint", "primary", "unique", "check", "foreign"];
            column = (!of_table.iter().any(|word| token.is(word))).then(|| token.name());
            key = column.iter().cloned().collect();
            if column.is_some() {
                continue;
            }
        }
        let inner = || inside(sql, &tokens[at + 1..]);
        if token.is("check") {
            definition.checks.extend(inner());
        } else if token.is("as") {
            definition.generated.extend(column.clone().zip(inner()));
        } else if token.is("autoincrement") {
            definition.autoincrement = true;
        } else if token.is("collate")
            && let (Some(column), Some(next)) = (&column, tokens.get(at + 1))
        {
            definition.collations.push((column.clone(), next.name()));
        } else if token.is("foreign") {
            key = names(tokens.get(at + 2..).unwrap_or_default());
        } else if token.is("references")
            && let Some(parent) = tokens.get(at + 1)
            && is_deferred(&tokens[at + 1..])
        {
            definition.deferred.push((key.clone(), parent.name()));
        } else if token.is("conflict")
            && let Some(action) = tokens.get(at + 1).filter(|action| !action.is("abort"))
        {
            definition.conflicts.push(Conflict {
                column: column.clone(),
                action: action.text.to_owned(),
                sql: sql
                    .get(tokens[item].at..action.at + action.text.len())
                    .unwrap_or_default()
                    .to_owned(),
            });
        }
    }
    definition
}

/// The names in the brackets with which these tokens begin.
fn names(tokens: &[Token<'_>]) -> Vec<String> {
    let inner = tokens.iter().skip(1).take_while(|token| !token.is(")"));
    inner.filter(|token| !token.is(",")).map(Token::name).collect()
}

/// Whether the foreign key of which these tokens come after `references` is deferred.
fn is_deferred(tokens: &[Token<'_>]) -> bool {
    let mut depth = 0_usize;
    let mut before = "";
    for pair in tokens.windows(3) {
        match pair[0].text {
            "(" => depth += 1,
            ")" if depth == 0 => return false,
            ")" => depth -= 1,
            "," if depth == 0 => return false,
            _ => {}
        }
        // Of a later key of the same column.
        if pair[0].is("references") {
            return false;
        }
        let follows = pair[1].is("initially") && pair[2].is("deferred");
        if depth == 0 && pair[0].is("deferrable") && follows {
            return !before.eq_ignore_ascii_case("not");
        }
        before = pair[0].text;
    }
    false
}

/// The module in a `CREATE VIRTUAL TABLE` statement.
pub(super) fn module(sql: &str) -> Option<String> {
    let tokens = tokens(sql);
    let using = tokens.iter().position(|token| token.is("using"))?;
    tokens.get(using + 1).map(Token::name)
}

/// What stands in the brackets with which these tokens begin.
fn inside(sql: &str, tokens: &[Token<'_>]) -> Option<String> {
    let first = tokens.first().filter(|token| token.is("("))?;
    let mut depth = 0_usize;
    for token in tokens {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return sql
                .get(first.at + 1..token.at)
                .map(|inner| inner.trim().to_owned());
        }
    }
    None
}

struct Token<'a> {
    text: &'a str,
    at: usize,
}

impl Token<'_> {
    /// Whether it is this word or sign, unquoted.
    fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    /// The name it stands for.
    fn name(&self) -> String {
        let text = self.text;
        let (open, close) = match text.bytes().next() {
            Some(quote @ (b'"' | b'`' | b'\'')) => (char::from(quote), char::from(quote)),
            Some(b'[') => ('[', ']'),
            _ => return text.to_owned(),
        };
        let bare = text.strip_prefix(open).unwrap_or(text);
        let bare = bare.strip_suffix(close).unwrap_or(bare);
        if open == '[' {
            return bare.to_owned();
        }
        bare.replace(&format!("{close}{close}"), &close.to_string())
    }
}

fn tokens(sql: &str) -> Vec<Token<'_>> {
    let bytes = sql.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    let find = |from: usize, what: &str| {
        sql.get(from..)
            .and_then(|rest| rest.find(what))
            .map_or(bytes.len(), |found| from + found + what.len())
    };
    while let Some(&byte) = bytes.get(at) {
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || *byte >= 0x80;
        let end = match byte {
            _ if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = find(at, "\n");
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = find(at + 2, "*/");
                continue;
            }
            b'[' => find(at, "]"),
            b'"' | b'`' | b'\'' => quoted(bytes, at),
            _ if word(&byte) => at + bytes[at..].iter().take_while(|byte| word(byte)).count(),
            _ => at + 1,
        };
        let Some(text) = sql.get(at..end) else { break };
        tokens.push(Token { text, at });
        at = end;
    }
    tokens
}

/// Where a quoted text ends; a doubled quote is part of it.
fn quoted(bytes: &[u8], begin: usize) -> usize {
    let quote = bytes[begin];
    let mut at = begin + 1;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte == quote {
            if bytes.get(at) != Some(&quote) {
                return at;
            }
            at += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_generated_columns_and_collations_are_found() {
        let read = table(
            r#"CREATE TABLE "a (b" ( -- check (no)
                 id integer primary key autoincrement,
                 "na""me" text collate NOCASE default ('check (x)'),
                 [two words] int check ([two words] in (1, ')')), /* check (no) */
                 sum generated always as (id + 1) stored,
                 twice as (id * 2),
                 constraint c check (length("na""me") > 0),
                 unique (id)
               ) strict"#,
        );
        assert_eq!(
            read.checks,
            ["[two words] in (1, ')')", "length(\"na\"\"me\") > 0"]
        );
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(read.generated, [pair("sum", "id + 1"), pair("twice", "id * 2")]);
        assert_eq!(read.collations, [pair("na\"me", "NOCASE")]);
        assert!(read.autoincrement);
    }

    #[test]
    fn what_keys_do_with_rows_that_break_them_is_found() {
        let read = table(
            "create table t (
               id integer primary key on conflict replace,
               a int not null on conflict abort unique on conflict ignore,
               b int references p (x) on delete cascade deferrable initially deferred,
               c int references q not deferrable initially deferred default 'initially deferred',
               d int references r -- deferrable initially deferred
               ,
               unique (a, b) on conflict fail,
               foreign key (a, \"b\") references s deferrable initially deferred
             )",
        );
        let conflicts: Vec<_> = read
            .conflicts
            .iter()
            .map(|it| (it.column.as_deref(), it.action.as_str(), it.sql.as_str()))
            .collect();
        assert_eq!(
            conflicts,
            [
                (
                    Some("id"),
                    "replace",
                    "id integer primary key on conflict replace"
                ),
                (
                    Some("a"),
                    "ignore",
                    "a int not null on conflict abort unique on conflict ignore"
                ),
                (None, "fail", "unique (a, b) on conflict fail"),
            ]
        );
        let key = |columns: &[&str], parent: &str| {
            let columns = columns.iter().map(|it| (*it).to_owned()).collect();
            (columns, parent.to_owned())
        };
        assert_eq!(read.deferred, [key(&["b"], "p"), key(&["a", "b"], "s")]);
    }

    #[test]
    fn words_in_texts_and_names_mean_nothing() {
        let read = table("create table t (autoincrement_ int default 'autoincrement', \"check\" int)");
        assert_eq!(read, Definition::default());
        assert_eq!(table("create table t"), Definition::default());
        assert_eq!(table("create table t (a check (1"), Definition::default());
    }

    #[test]
    fn the_module_of_a_virtual_table_is_found() {
        let sql = "CREATE VIRTUAL TABLE \"using\" USING fts5(a)";
        assert_eq!(module(sql).as_deref(), Some("fts5"));
    }
}
