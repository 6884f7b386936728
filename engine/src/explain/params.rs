//! Values for the parameters of a statement: those that are given, and those that statistics know.

use std::collections::BTreeMap;

use contract::explain::PlanParameter;
use sqlx::PgConnection;

use super::statement::{Statement, parameter};
use crate::{
    Error, Result,
    lexer::{self, Kind, Token},
    quote,
    target::{Target, look::query_as},
};

/// The values that a caller wrote down, by number: one a line, `$1 = text`, or `$1 = null`.
///
/// # Errors
/// `Invalid` with the line.
pub(super) fn given(text: &str, parameters: u32) -> Result<BTreeMap<u32, String>> {
    let mut found = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let parted = line
            .trim_start()
            .strip_prefix('$')
            .and_then(|rest| rest.split_once('='));
        let read =
            parted.and_then(|(number, value)| Some((number.trim().parse::<u32>().ok()?, value.trim())));
        let Some((number, value)) = read.filter(|(number, _)| (1..=parameters).contains(number)) else {
            return Err(Error::invalid(
                "values",
                format!(
                    "Line {} of the values names no parameter of the statement.",
                    at + 1
                ),
                match parameters {
                    0 => "The statement has no parameters: leave the values empty.".to_owned(),
                    most => format!("Write one a line, from $1 to ${most}, such as: $1 = 42"),
                },
            ));
        };
        found.insert(number, value.to_owned());
    }
    Ok(found)
}

/// A given text as SQL: a text of no type yet, so that its place decides, as with a parameter.
pub(super) fn as_sql(value: &str) -> String {
    match value.eq_ignore_ascii_case("null") {
        true => "null".to_owned(),
        false => quote::literal(value),
    }
}

/// What a parameter is compared with or written to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// A column, with what stands before its dot; whether in a list (`= any ($1)`), and whether as a bound (`<`).
    Column {
        table: Option<String>,
        column: String,
        list: bool,
        bound: bool,
    },
    /// `limit $1`
    Limit,
    /// `offset $1`
    Offset,
}

/// Values from statistics for the parameters that have none, as far as it can be seen what they are compared with.
///
/// # Errors
/// `Invalid` when one is left, with what to fill in; the target's failures.
pub(super) async fn sampled(
    connection: &mut PgConnection,
    target: &Target,
    statement: &Statement,
    schemas: &[String],
    given: &BTreeMap<u32, String>,
) -> Result<Vec<PlanParameter>> {
    let places = places(&statement.text);
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for number in 1..=statement.parameters {
        if let Some(value) = given.get(&number) {
            found.push(told(number, value.clone(), "given".to_owned()));
            continue;
        }
        match places.get(&number) {
            Some(Place::Limit) => found.push(told(number, "100".to_owned(), "assumed for LIMIT".to_owned())),
            Some(Place::Offset) => found.push(told(number, "0".to_owned(), "assumed for OFFSET".to_owned())),
            Some(Place::Column {
                table,
                column,
                list,
                bound,
            }) => {
                let named = of_column(connection, statement, schemas, table.as_deref(), column)
                    .await
                    .map_err(|source| target.error(source))?;
                match named {
                    Some(known) => found.push(known.parameter(number, *list, *bound)),
                    None => missing.push(format!("${number} (for {column})")),
                }
            }
            None => missing.push(format!("${number}")),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    Err(Error::invalid(
        "values",
        format!("There is no value for {}.", missing.join(", ")),
        format!(
            "Fill it in, one a line, such as: {} = 42. Statistics have none: either it cannot be seen what it is compared with, or \
             the table was not analyzed yet, or the console's role may not read it.",
            missing[0].split(' ').next().unwrap_or("$1")
        ),
    ))
}

fn told(number: u32, value: String, from: String) -> PlanParameter {
    PlanParameter { number, value, from }
}

/// What statistics know of a column.
#[derive(sqlx::FromRow)]
struct Known {
    schema: String,
    table: String,
    column: String,
    common: Option<String>,
    middle: Option<String>,
}

impl Known {
    fn parameter(&self, number: u32, list: bool, bound: bool) -> PlanParameter {
        let name = format!("{}.{}.{}", self.schema, self.table, self.column);
        let (value, from) = match (&self.common, &self.middle) {
            (_, Some(middle)) if bound => (middle, format!("the middle of {name}")),
            (Some(common), _) => (common, format!("the most common value of {name}")),
            (None, Some(middle)) => (middle, format!("the middle of {name}")),
            (None, None) => return told(number, String::new(), name),
        };
        let value = match list {
            true => format!("{{\"{}\"}}", value.replace('\\', "\\\\").replace('"', "\\\"")),
            false => value.clone(),
        };
        told(number, value, from)
    }
}

async fn of_column(
    connection: &mut PgConnection,
    statement: &Statement,
    schemas: &[String],
    table: Option<&str>,
    column: &str,
) -> Result<Option<Known>, sqlx::Error> {
    let aliases = aliases(&statement.text);
    let meant = table.map(|table| aliases.get(table).cloned().unwrap_or_else(|| table.to_owned()));
    let found: Vec<Known> = query_as(
        "select stats.schemaname::text as schema,
                stats.tablename::text as \"table\",
                stats.attname::text as \"column\",
                (stats.most_common_vals::text::text[])[1] as common,
                (stats.histogram_bounds::text::text[])
                    [(array_length(stats.histogram_bounds::text::text[], 1) + 1) / 2] as middle
           from pg_stats as stats
          where stats.attname = $1
            and (stats.schemaname = any ($2::text[]) or stats.schemaname = any ($3::text[]))
            and stats.schemaname <> 'pg_catalog'
            and case when $4::text is null then stats.tablename = any ($3::text[]) else stats.tablename = $4 end
            and (stats.most_common_vals is not null or stats.histogram_bounds is not null)
          -- A partitioned table's own statistics, or its heirs' with it, before a table's alone.
          order by stats.inherited desc, 1, 2
          limit 2",
    )
    .bind(column)
    .bind(schemas)
    .bind(&statement.names)
    .bind(meant)
    .fetch_all(connection)
    .await?;
    let same = found
        .windows(2)
        .all(|two| two[0].schema == two[1].schema && two[0].table == two[1].table);
    // Of two tables that have such a column, nobody knows which is meant.
    Ok(found.into_iter().next().filter(|_| same))
}

/// Which table another name stands for: `from orders as o`, `join orders o`.
fn aliases(text: &str) -> BTreeMap<String, String> {
    const NO_ALIAS: [&str; 22] = [
        "where",
        "on",
        "using",
        "join",
        "left",
        "right",
        "full",
        "inner",
        "cross",
        "natural",
        "order",
        "group",
        "limit",
        "offset",
        "set",
        "values",
        "returning",
        "union",
        "having",
        "for",
        "default",
        "when",
    ];
    let solid: Vec<Token<'_>> = lexer::tokens(text).filter(Token::is_solid).collect();
    let mut found = BTreeMap::new();
    for (at, token) in solid.iter().enumerate() {
        let opens = ["from", "join", "update", "into", "using"]
            .iter()
            .any(|word| token.is(word))
            || token.is_symbol(",");
        if !opens {
            continue;
        }
        let mut next = at + 1;
        let mut table = None;
        while let Some(name) = solid.get(next).and_then(Token::as_name) {
            table = Some(name);
            next += 1;
            if solid.get(next).is_some_and(|token| token.is_symbol(".")) {
                next += 1;
            } else {
                break;
            }
        }
        if solid.get(next).is_some_and(|token| token.is("as")) {
            next += 1;
        }
        let alias = solid.get(next).and_then(Token::as_name);
        if let (Some(table), Some(alias)) = (table, alias)
            && !NO_ALIAS.contains(&alias.as_str())
        {
            found.entry(alias).or_insert(table);
        }
    }
    found
}

/// What each parameter is compared with or written to, where its neighbours tell.
fn places(text: &str) -> BTreeMap<u32, Place> {
    let solid: Vec<Token<'_>> = lexer::tokens(text).filter(Token::is_solid).collect();
    let mut found = inserted(&solid);
    for (at, token) in solid.iter().enumerate() {
        let Some(number) = parameter(token).flatten() else {
            continue;
        };
        if let Some(place) = before(&solid, at).or_else(|| after(&solid, at)) {
            found.entry(number).or_insert(place);
        }
    }
    found
}

/// `a.b = $1`, `b < $1`, `b like $1`, `b in ($1, $2)`, `b = any ($1)`, `b between $1 and $2`, `limit $1`.
fn before(solid: &[Token<'_>], at: usize) -> Option<Place> {
    let mut end = at;
    let mut list = false;
    loop {
        let token = solid.get(end.checked_sub(1)?)?;
        if token.is("limit") || token.is("first") || token.is("next") {
            return Some(Place::Limit);
        }
        if token.is("offset") {
            return Some(Place::Offset);
        }
        let is_any =
            token.is_symbol("(") && end >= 2 && (solid[end - 2].is("any") || solid[end - 2].is("all"));
        if is_any {
            list = true;
            end -= 2;
            break;
        }
        if token.is_symbol("(") && end >= 2 && solid[end - 2].is("in") {
            end -= 1;
            break;
        }
        // Others of the same list, and the lower end of a range.
        let goes_on = (token.is_symbol(",") || token.is("and"))
            && end >= 2
            && (parameter(&solid[end - 2]).is_some()
                || matches!(solid[end - 2].kind, Kind::Text | Kind::Number));
        if goes_on {
            let is_range = token.is("and");
            end -= 2;
            if is_range && !(end >= 1 && solid[end - 1].is("between")) {
                return None;
            }
            continue;
        }
        break;
    }
    let (mut operator, mut start) = (String::new(), end);
    while let Some(token) = start.checked_sub(1).and_then(|before| solid.get(before)) {
        let word = ["like", "ilike", "in", "between", "not", "similar", "to"]
            .iter()
            .any(|word| token.is(word));
        let sign = token.kind == Kind::Symbol && "=<>!~*@&|#%^-+/".contains(token.text);
        if !(word || sign) {
            break;
        }
        operator.insert_str(0, token.text);
        start -= 1;
    }
    let compares = !operator.is_empty() && operator.chars().any(|c| c.is_alphabetic() || "=<>~".contains(c));
    let bound =
        operator.contains(['<', '>']) && !operator.contains("<>") || operator.eq_ignore_ascii_case("between");
    compares
        .then(|| column(solid, start))?
        .map(|(table, column)| Place::Column {
            table,
            column,
            list,
            bound,
        })
}

/// The column that ends before a place, past a cast: `o.id`, `o.id::text`.
fn column(solid: &[Token<'_>], mut end: usize) -> Option<(Option<String>, String)> {
    let symbol = |at: usize, text: &str| solid.get(at).is_some_and(|token| token.is_symbol(text));
    if end >= 4 && symbol(end - 2, ":") && symbol(end - 3, ":") {
        end -= 3;
    }
    let column = solid.get(end.checked_sub(1)?)?.as_name()?;
    let table = match end >= 3 && symbol(end - 2, ".") {
        true => solid[end - 3].as_name(),
        false => None,
    };
    Some((table, column))
}

/// `$1 = a.b`
fn after(solid: &[Token<'_>], at: usize) -> Option<Place> {
    let mut next = at + 1;
    let mut operator = String::new();
    while let Some(token) = solid
        .get(next)
        .filter(|token| token.kind == Kind::Symbol && "=<>".contains(token.text))
    {
        operator.push_str(token.text);
        next += 1;
    }
    if operator.is_empty() {
        return None;
    }
    let first = solid.get(next)?.as_name()?;
    let dotted = solid.get(next + 1).is_some_and(|token| token.is_symbol("."));
    let (table, column) = match dotted {
        true => (Some(first), solid.get(next + 2)?.as_name()?),
        false => (None, first),
    };
    Some(Place::Column {
        table,
        column,
        list: false,
        bound: operator != "=" && operator != "<>",
    })
}

/// `insert into t (a, b) values ($1, $2), ($3, $4)`
fn inserted(solid: &[Token<'_>]) -> BTreeMap<u32, Place> {
    let mut found = BTreeMap::new();
    let Some(into) = solid
        .windows(2)
        .position(|two| two[0].is("insert") && two[1].is("into"))
    else {
        return found;
    };
    let mut at = into + 2;
    let mut table = None;
    while let Some(name) = solid.get(at).and_then(Token::as_name) {
        table = Some(name);
        at += 1;
        match solid.get(at) {
            Some(token) if token.is_symbol(".") => at += 1,
            _ => break,
        }
    }
    if !solid.get(at).is_some_and(|token| token.is_symbol("(")) {
        return found;
    }
    at += 1;
    let mut columns = Vec::new();
    while let Some(name) = solid.get(at).and_then(Token::as_name) {
        columns.push(name);
        at += 1;
        match solid.get(at) {
            Some(token) if token.is_symbol(",") => at += 1,
            _ => break,
        }
    }
    let values = solid.get(at).is_some_and(|token| token.is_symbol(")"))
        && solid.get(at + 1).is_some_and(|token| token.is("values"));
    if !values {
        return found;
    }
    let (mut depth, mut column) = (0_u32, 0_usize);
    for (place, token) in solid.iter().enumerate().skip(at + 2) {
        match token.text {
            "(" => {
                depth += 1;
                if depth == 1 {
                    column = 0;
                }
            }
            ")" => {
                depth = depth.saturating_sub(1);
            }
            "," if depth == 1 => column += 1,
            _ => {}
        }
        let alone = depth == 1
            && solid[place - 1].kind == Kind::Symbol
            && solid.get(place + 1).is_some_and(|next| next.kind == Kind::Symbol);
        if let (true, Some(number), Some(name)) = (alone, parameter(token).flatten(), columns.get(column)) {
            found.entry(number).or_insert(Place::Column {
                table: table.clone(),
                column: name.clone(),
                list: false,
                bound: false,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    fn seen(text: &str) -> Vec<String> {
        places(text)
            .into_iter()
            .map(|(number, place)| match place {
                Place::Limit => format!("{number} limit"),
                Place::Offset => format!("{number} offset"),
                Place::Column {
                    table,
                    column,
                    list,
                    bound,
                } => {
                    let table = table.map_or_else(String::new, |table| format!("{table}."));
                    let list = if list { " list" } else { "" };
                    let bound = if bound { " bound" } else { "" };
                    format!("{number} {table}{column}{list}{bound}")
                }
            })
            .collect()
    }

    #[test]
    fn neighbours_tell_what_a_parameter_is_compared_with() {
        assert_eq!(
            seen(
                "select * from t where o.a = $1 and b>=$2 and c::text like $3 and $4 = d limit $5 offset $6"
            ),
            ["1 o.a", "2 b bound", "3 c", "4 d", "5 limit", "6 offset"]
        );
        assert_eq!(
            seen("select 1 from t where a in ($1, $2, $3) and b = any ($4) and c between $5 and $6"),
            ["1 a", "2 a", "3 a", "4 b list", "5 c bound", "6 c bound"]
        );
        assert_eq!(
            seen("insert into s.t (a, \"B\") values ($1, $2), (lower($3), $4)"),
            ["1 t.a", "2 t.B", "4 t.B"]
        );
        assert_eq!(
            seen("update t set a = $1, b = $2 where c = $3"),
            ["1 a", "2 b", "3 c"]
        );
        assert_eq!(seen("select $1, f($2) from t where $3"), [""; 0]);
    }

    #[test]
    fn aliases_lead_to_their_tables() {
        let found =
            aliases("select 1 from orders as o, items i join public.\"Users\" u on u.id = o.id where x");
        assert_eq!(found["o"], "orders");
        assert_eq!(found["i"], "items");
        assert_eq!(found["u"], "Users");
        assert!(!found.contains_key("where"));
    }

    #[test]
    fn given_values_are_read_by_line() {
        let read = given("$1 = it's\n\n $3=NULL", 3).unwrap();
        assert_eq!(read[&1], "it's");
        assert_eq!(as_sql(&read[&1]), "'it''s'");
        assert_eq!(as_sql(&read[&3]), "null");
        assert!(given("$4 = 1", 3).is_err());
        assert!(given("a = 1", 3).is_err());
    }

    proptest! {
        #[test]
        fn no_statement_makes_it_panic(text in "[a-c$1-3 (),.=<>'\":*]{0,60}|(insert into t \\(|\\$1|values|any|in|between|and|,|\\)| ){0,20}") {
            let _ = (places(&text), aliases(&text));
        }
    }
}
