//! Scalar functions.

use contract::import::{Affinity, ColumnType, Conversion};
use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::{
    Facts, Outcome,
    aggregate::is_aggregate,
    compare::Comparison,
    expression::Translator,
    parse,
    value::{Level, Literal, Value},
};

/// SQLite looks for a COLLATE down in the parts of each side of a comparison.
pub(super) const COLLATED: &str = "A COLLATE stands within a larger expression.";

impl Translator<'_> {
    /// Any call.
    pub(super) fn function(&mut self, function: &Function) -> Outcome<Value> {
        let name = parse::last(&function.name)?.value.to_ascii_lowercase();
        let (args, star) = arguments(function)?;
        if args
            .iter()
            .any(|arg| matches!(parse::unnested(arg), Expr::Collate { .. }))
        {
            return Err(COLLATED.to_owned());
        }
        if is_aggregate(&name, args.len(), function.over.is_some()) {
            return self.aggregate(&name, function, &args, star);
        }
        if function.over.is_some() || function.filter.is_some() || star {
            return Err(format!("{name}() has no counterpart in this form."));
        }
        match (name.as_str(), args.as_slice()) {
            ("current_timestamp" | "current_date" | "current_time", []) => {
                Ok(super::time::clock(self, &name))
            }
            ("date" | "time" | "datetime" | "julianday" | "unixepoch" | "strftime", args) => {
                self.time_function(&name, args)
            }
            ("ifnull" | "coalesce", args) if args.len() > 1 => {
                let values = self.all(args)?;
                let (values, like) = self.unified(values)?;
                Ok(Value {
                    sql: format!("coalesce({})", values.join(", ")),
                    level: Level::Atom,
                    ..like
                })
            }
            ("nullif", [value, other]) => {
                let (value, other) = (self.expression(value)?, self.expression(other)?);
                if value.taken.is_some() {
                    return Err(
                        "nullif() is given a value taken out of JSON, whose type only the data know."
                            .to_owned(),
                    );
                }
                let equal = self.compare(&value, Comparison::Equal, &other)?;
                let sql = equal
                    .sql
                    .strip_prefix(&format!("{} = ", value.within(Level::Arithmetic)))
                    .map_or_else(
                        || format!("case when {} then null else {} end", equal.sql, value.sql),
                        |other| format!("nullif({}, {other})", value.sql),
                    );
                Ok(Value {
                    sql,
                    level: Level::Atom,
                    literal: None,
                    column: false,
                    computed: false,
                    nocase: false,
                    strange: None,
                    collated: false,
                    affinity: Affinity::Blob,
                    // The time or the number that a text spells is not NULL where this is.
                    spelling: value.spelling.filter(|_| value.instant.is_none()),
                    instant: None,
                    digits: None,
                    ..value
                })
            }
            ("iif" | "if", [condition, yes, no]) => {
                let condition = self.condition(condition)?.sql;
                let values = self.all(&[*yes, *no])?;
                let (values, like) = self.unified(values)?;
                let (yes, no) = (
                    values.first().map_or("null", String::as_str),
                    values.last().map_or("null", String::as_str),
                );
                Ok(Value {
                    sql: format!("case when {condition} then {yes} else {no} end"),
                    level: Level::Atom,
                    ..like
                })
            }
            ("min" | "max", args) => self.extreme(&name, args),
            ("abs", [number]) => {
                let number = self.expression(number)?.number()?;
                let kind = number.kind.unwrap_or(ColumnType::Bigint);
                Ok(Value {
                    facts: number.facts,
                    ..Value::atom(format!("abs({})", number.sql), kind)
                })
            }
            ("round", [number]) => self.round(number, 0),
            ("round", [number, digits]) => match self.expression(digits)?.literal {
                Some(Literal::Integer(digits @ 0..=15)) => self.round(number, digits),
                _ => Err("The digits of round() are not written out.".to_owned()),
            },
            ("likely" | "unlikely", [value]) | ("likelihood", [value, _]) => self.expression(value),
            ("typeof", [value]) => self.type_name(value),
            ("hex", [bytes]) => {
                let value = self.expression(bytes)?;
                let bytes = if value.kind == Some(ColumnType::Bytea) && value.conversion.is_none() {
                    value.sql
                } else {
                    self.unsteady = true;
                    format!("convert_to({}, 'UTF8')", value.text()?)
                };
                Ok(Value::atom(
                    format!("coalesce(upper(encode({bytes}, 'hex')), '')"),
                    ColumnType::Text,
                ))
            }
            ("randomblob", [count]) => self.random_bytes(count),
            ("printf" | "format", args) => self.printf(args),
            (
                "random" | "changes" | "total_changes" | "last_insert_rowid" | "quote" | "sqlite_version"
                | "zeroblob",
                _,
            ) => Err(format!("{name}() has no counterpart in PostgreSQL.")),
            (name, args) if name.starts_with("json") => self.json_function(name, args),
            (name, args) => self.text_function(name, args),
        }
    }

    /// All of them.
    pub(super) fn all(&mut self, expressions: &[&Expr]) -> Outcome<Vec<Value>> {
        expressions
            .iter()
            .map(|expression| self.expression(expression))
            .collect()
    }

    /// The values as one type, and what they are together.
    pub(super) fn unified(&mut self, values: Vec<Value>) -> Outcome<(Vec<String>, Value)> {
        if values.iter().any(|value| value.collated) {
            return Err(COLLATED.to_owned());
        }
        let typed: Vec<&Value> = values.iter().filter(|value| value.kind.is_some()).collect();
        let Some(first) = typed.first() else {
            return Ok((values.iter().map(|_| "null".to_owned()).collect(), Value::null()));
        };
        let plain = |like: &Value| Value {
            literal: None,
            column: false,
            computed: false,
            origin: like
                .origin
                .clone()
                .filter(|_| typed.iter().all(|value| value.origin == like.origin)),
            nocase: false,
            strange: None,
            affinity: Affinity::Blob,
            instant: None,
            digits: None,
            narrow: false,
            facts: typed.iter().fold(like.facts, |facts, value| {
                let joined = facts.joined(value.facts);
                Facts {
                    unlike: joined.unlike || !value.spelled_like(like),
                    ..joined
                }
            }),
            ..like.clone()
        };
        let boolean = |value: &&Value| value.is_truth();
        if typed.iter().any(boolean)
            && typed
                .iter()
                .all(|value| boolean(value) || matches!(value.literal, Some(Literal::Integer(0 | 1))))
        {
            let sqls = values.iter().map(|value| match &value.literal {
                Some(Literal::Integer(number)) => if *number == 1 { "true" } else { "false" }.to_owned(),
                _ => value.sql.clone(),
            });
            let like = typed.iter().find(|value| boolean(value)).unwrap_or(first);
            return Ok((sqls.collect(), plain(like)));
        }
        let same_time = |value: &&Value| {
            value.alike(first)
                && (value.spelling == first.spelling
                    || !matches!(first.kind, Some(ColumnType::Date | ColumnType::Timestamp)))
        };
        if typed.iter().all(same_time) && !(first.is_number() && typed.len() > 1 || first.is_text()) {
            return Ok((
                values.iter().map(|value| value.sql.clone()).collect(),
                plain(first),
            ));
        }
        if typed
            .iter()
            .all(|value| value.is_number() || value.is_epoch() || boolean(value))
        {
            let mut kind = ColumnType::Bigint;
            let mut real = true;
            let mut sqls = Vec::new();
            for value in &values {
                let number = value.number()?;
                kind = match (kind, number.kind) {
                    _ if value.kind.is_none() => kind,
                    (ColumnType::Double, _) | (_, Some(ColumnType::Double)) => ColumnType::Double,
                    (ColumnType::Numeric, _) | (_, Some(ColumnType::Numeric)) => ColumnType::Numeric,
                    _ => ColumnType::Bigint,
                };
                real &= value.kind.is_none() || number.facts.real;
                let narrow = matches!(number.literal, Some(Literal::Real(_)));
                sqls.push(match value.kind {
                    None => "null".to_owned(),
                    Some(_) if narrow => format!("{}::double precision", number.tight()),
                    Some(_) => number.sql,
                });
            }
            let facts = Facts {
                real,
                beyond_double: typed.iter().any(|value| value.facts.beyond_double),
                ..Facts::default()
            };
            return Ok((
                sqls,
                Value {
                    facts,
                    ..Value::atom("", kind)
                },
            ));
        }
        // Texts, and times that are spelled in a known way.
        let sqls = values
            .iter()
            .map(|value| {
                if value.is_number() || boolean(&value) {
                    return Err(format!("{} and other values are of different types.", value.sql));
                }
                self.unsteady |= value.spelling.is_some();
                if value.kind.is_none() {
                    Ok("null".to_owned())
                } else {
                    value.text()
                }
            })
            .collect::<Outcome<Vec<String>>>()?;
        Ok((sqls, Value::atom("", ColumnType::Text)))
    }

    /// `min(a, b)`: NULL if any is NULL, where `least` passes NULLs over.
    fn extreme(&mut self, name: &str, args: &[&Expr]) -> Outcome<Value> {
        let values = self.all(args)?;
        let what = format!("{name}()");
        values.iter().try_for_each(|value| value.distinguished(&what))?;
        let tests: Vec<String> = values
            .iter()
            .filter(|value| value.literal.is_none())
            .map(|value| format!("{} is null", value.within(Level::Arithmetic)))
            .collect();
        let (mut sqls, like) = self.unified(values)?;
        like.distinguished(&what)?;
        if like.kind == Some(ColumnType::Text)
            && let Some(first) = sqls.first_mut()
        {
            *first = format!("({first}) collate \"C\"");
        }
        let word = if name == "min" { "least" } else { "greatest" };
        let sql = format!("{word}({})", sqls.join(", "));
        let sql = if tests.is_empty() {
            sql
        } else {
            format!("case when {} then null else {sql} end", tests.join(" or "))
        };
        Ok(Value {
            sql,
            level: Level::Atom,
            ..like
        })
    }

    /// Halves go away from zero, by the exact value of the double. What has no fraction stays as it is.
    fn round(&mut self, number: &Expr, digits: i64) -> Outcome<Value> {
        let number = self.expression(number)?.number()?;
        let double = as_double(&number);
        let sql = match (number.kind, digits) {
            (Some(ColumnType::Bigint), _) => double,
            (_, 0) => format!(
                "case when abs({double}) < {WHOLE} then trunc({double} + case when {double} < 0 then -0.5 else 0.5 end) + 0.0 else {double} end"
            ),
            _ => format!(
                "case when abs({double}) < {WHOLE} then round({}, {digits})::double precision else {double} end",
                exact(&double)
            ),
        };
        Ok(Value::surely_real(sql, Level::Atom))
    }

    fn type_name(&mut self, value: &Expr) -> Outcome<Value> {
        let value = self.expression(value)?;
        let name = match (value.kind, value.conversion) {
            (None, _) => return Ok(Value::text_literal("null")),
            (Some(ColumnType::Bigint), None) if value.affinity != Affinity::Real => "integer",
            (Some(ColumnType::Double), None) if value.facts.real => "real",
            (Some(ColumnType::Text | ColumnType::Date | ColumnType::Timestamp), None) => "text",
            (Some(_), Some(Conversion::TextToNumber | Conversion::IsoText)) if !value.facts.unlike => "text",
            (Some(ColumnType::Bytea), None) => "blob",
            (Some(_), Some(Conversion::UnixSeconds | Conversion::UnixMillis | Conversion::UnixMicros)) => {
                "integer"
            }
            _ => {
                return Err(format!(
                    "What typeof({}) was in SQLite is not known for sure.",
                    value.sql
                ));
            }
        };
        Ok(Value::atom(
            format!(
                "case when {} is null then 'null' else '{name}' end",
                value.within(Level::Arithmetic)
            ),
            ColumnType::Text,
        ))
    }

    /// Random bytes out of the random bits of UUIDs, spread evenly.
    fn random_bytes(&mut self, count: &Expr) -> Outcome<Value> {
        let count = match self.expression(count)?.literal {
            Some(Literal::Integer(count @ 1..=30)) => count,
            _ => return Err("randomblob() of this length has no counterpart.".to_owned()),
        };
        self.random = true;
        let uuid = "uuid_send(gen_random_uuid())";
        let source = if count > 15 {
            format!("{uuid} || {uuid}")
        } else {
            uuid.to_owned()
        };
        Ok(Value::atom(
            format!("substr(sha256({source}), 1, {count})"),
            ColumnType::Bytea,
        ))
    }
}

/// From here on (2^52) a double has no fraction.
const WHOLE: &str = "4503599627370496";

/// A number as a double.
pub(super) fn as_double(number: &Value) -> String {
    match number.kind {
        Some(ColumnType::Double) if !number.narrow && number.level == Level::Atom => number.sql.clone(),
        _ => format!("{}::double precision", number.tight()),
    }
}

/// A double below 2^63 in its binary digits, as a decimal; a plain cast would round it to fifteen digits first. The fraction
/// comes in two pieces of 52 bits, for one below a half has its first ones further behind.
pub(super) fn exact(double: &str) -> String {
    let bits = format!("({double} - trunc({double})) * {WHOLE}");
    format!(
        "(trunc({double})::bigint + trunc({bits})::bigint * 2.220446049250313080847263336181640625e-16 + trunc(({bits} - trunc({bits})) * {WHOLE})::bigint * 4.930380657631323783823303533017413935457540219431393779814243316650390625e-32)"
    )
}

/// The arguments, and whether they are `*`.
pub(super) fn arguments(function: &Function) -> Outcome<(Vec<&Expr>, bool)> {
    let list = match &function.args {
        FunctionArguments::None => return Ok((Vec::new(), false)),
        FunctionArguments::List(list) => list,
        FunctionArguments::Subquery(_) => {
            return Err("A function of a subquery has no counterpart.".to_owned());
        }
    };
    let mut args = Vec::new();
    for arg in &list.args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => args.push(expression),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => return Ok((Vec::new(), true)),
            other => return Err(format!("The argument {other} has no counterpart.")),
        }
    }
    Ok((args, false))
}
