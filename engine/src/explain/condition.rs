//! Which columns a condition asks for, as EXPLAIN prints it: `((t.user_id)::text = 'x'::text) AND (t.at > now())`.

use contract::explain::PlanNode;

use crate::lexer::{self, Kind, Token};

/// What an index would have to offer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Columns that equal something.
    pub equal: Vec<String>,
    /// Columns that lie below or above something.
    pub range: Vec<String>,
    /// Whether something is computed from a column before it is compared.
    pub computed: bool,
    /// Whether a pattern begins with `%`.
    pub open_pattern: bool,
    /// Whether one of several conditions is enough.
    pub either: bool,
}

impl Wanted {
    /// The columns of an index, in the order in which they serve: what is equal, then one range.
    pub fn columns(&self) -> Vec<String> {
        self.equal
            .iter()
            .chain(self.range.first())
            .take(4)
            .cloned()
            .collect()
    }
}

/// Casts that change nothing, so that an index on the column still serves.
const SAME: [&str; 3] = ["text", "character", "varchar"];

/// Reads a condition of a node on a table with these columns.
pub(super) fn wanted(condition: &str, node: &PlanNode, columns: &[String]) -> Wanted {
    let solid: Vec<Token<'_>> = lexer::tokens(condition).filter(Token::is_solid).collect();
    let own = node.alias.as_ref().or(node.relation.as_ref());
    let mut wanted = Wanted::default();
    let mut calls: Vec<bool> = Vec::new();
    for (at, token) in solid.iter().enumerate() {
        if token.is_symbol("(") {
            calls.push(
                at.checked_sub(1)
                    .is_some_and(|before| is_function(&solid[before])),
            );
            continue;
        }
        if token.is_symbol(")") {
            calls.pop();
            continue;
        }
        wanted.either |= token.is("or");
        let before = |back: usize| at.checked_sub(back).map(|place| &solid[place]);
        let is_type = before(1).is_some_and(|one| one.is_symbol(":"))
            && before(2).is_some_and(|one| one.is_symbol(":"));
        let followed = |text: &str| solid.get(at + 1).is_some_and(|next| next.is_symbol(text));
        let of_other = before(1).is_some_and(|one| one.is_symbol("."))
            && before(2).and_then(Token::as_name).as_ref() != own;
        let Some(column) = token.as_name().filter(|name| {
            columns.contains(name) && !is_type && !followed("(") && !followed(".") && !of_other
        }) else {
            continue;
        };
        if calls.contains(&true) {
            wanted.computed = true;
            continue;
        }
        let (comparison, rest) = comparison(&solid[at + 1..]);
        let place = match comparison {
            Comparison::Equal => &mut wanted.equal,
            Comparison::Range => &mut wanted.range,
            Comparison::Cast => {
                wanted.computed = true;
                continue;
            }
            Comparison::Like => {
                let text = rest.iter().find(|token| token.kind == Kind::Text);
                wanted.open_pattern |=
                    text.is_some_and(|text| text.text.trim_start_matches(['E', 'e']).starts_with("'%"));
                continue;
            }
            Comparison::Other => continue,
        };
        if !place.contains(&column) {
            place.push(column);
        }
    }
    wanted.range.retain(|column| !wanted.equal.contains(column));
    wanted
}

fn is_function(token: &Token<'_>) -> bool {
    const NO_FUNCTIONS: [&str; 9] = ["and", "or", "not", "any", "all", "in", "array", "row", "is"];
    let word = matches!(token.kind, Kind::Word | Kind::Name);
    word && !NO_FUNCTIONS.iter().any(|word| token.is(word))
}

enum Comparison {
    Equal,
    Range,
    Like,
    /// The column is made another type first.
    Cast,
    Other,
}

/// How a column is compared: what stands after it, past brackets and casts.
fn comparison<'a, 'b>(after: &'b [Token<'a>]) -> (Comparison, &'b [Token<'a>]) {
    let mut at = 0;
    let symbol = |at: usize, text: &str| after.get(at).is_some_and(|token| token.is_symbol(text));
    loop {
        if symbol(at, ")") {
            at += 1;
        } else if symbol(at, ":") && symbol(at + 1, ":") {
            let same = after
                .get(at + 2)
                .is_some_and(|kind| SAME.iter().any(|name| kind.is(name)));
            if !same {
                return (Comparison::Cast, after);
            }
            at += 3;
            while after.get(at).is_some_and(|token| token.is("varying")) {
                at += 1;
            }
        } else {
            break;
        }
    }
    let rest = &after[at..];
    let signs: String = rest
        .iter()
        .take_while(|token| token.kind == Kind::Symbol && "=<>~!*@#&|%^+-/?".contains(token.text))
        .map(|token| token.text)
        .collect();
    let kind = match signs.as_str() {
        "=" => Comparison::Equal,
        "<" | ">" | "<=" | ">=" => Comparison::Range,
        "~~" | "~~*" => Comparison::Like,
        "" => match rest.first() {
            // A column that is true or not by itself.
            None => Comparison::Equal,
            Some(next) if next.is("and") || next.is("or") => Comparison::Equal,
            Some(next) if next.is("is") => match rest.get(1) {
                Some(word) if word.is("null") => Comparison::Equal,
                _ => Comparison::Other,
            },
            _ => Comparison::Other,
        },
        _ => Comparison::Other,
    };
    (kind, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(condition: &str) -> (Vec<String>, Wanted) {
        let node = PlanNode {
            relation: Some("t".into()),
            ..PlanNode::default()
        };
        let columns = ["user_id", "at", "email", "done", "n", "date"].map(str::to_owned);
        let wanted = wanted(condition, &node, &columns);
        (wanted.columns(), wanted)
    }

    #[test]
    fn columns_that_an_index_could_serve_are_found() {
        let (columns, _) = read(
            "(((t.user_id)::text = 'email'::text) AND (t.at > '2026-01-01 00:00:00'::timestamp without time zone))",
        );
        assert_eq!(columns, ["user_id", "at"]);
        assert_eq!(read("(t.at < now())").0, ["at"]);
        assert_eq!(read("(t.at < now() AND t.n = 3)").0, ["n", "at"]);
        assert_eq!(read("(NOT t.done)").0, ["done"]);
        assert_eq!(read("(t.n = ANY ('{1,2}'::integer[]))").0, ["n"]);
        assert_eq!(read("(t.email IS NULL)").0, ["email"]);
        assert_eq!(read("(t.date = '2026-01-01'::date)").0, ["date"]);
    }

    #[test]
    fn what_no_plain_index_serves_is_told_apart() {
        let (columns, wanted) = read("(lower((t.email)::text) = 'x'::text)");
        assert!(columns.is_empty() && wanted.computed);
        let (columns, wanted) = read("((t.n)::numeric = 5.0)");
        assert!(columns.is_empty() && wanted.computed);
        let (columns, wanted) = read("((t.email)::text ~~ '%x'::text)");
        assert!(columns.is_empty() && wanted.open_pattern);
        assert!(read("((t.n = 1) OR (t.done))").1.either);
        assert!(read("(t.n <> 1)").0.is_empty());
        assert!(read("(t.email IS NOT NULL)").0.is_empty());
        assert!(read("(other.n = 1)").0.is_empty());
    }
}
