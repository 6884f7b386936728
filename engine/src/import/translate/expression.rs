//! Expressions.

use contract::import::{Affinity, ColumnType, Conversion};
use sqlparser::ast::Value as Written;
use sqlparser::ast::{BinaryOperator, CaseWhen, DataType, Expr, InTarget, UnaryOperator};

use super::{
    Outcome, Schema,
    compare::Comparison,
    function::COLLATED,
    parse,
    scope::{Scope, resolve, resolve_in, same},
    time,
    value::{Level, Literal, Value},
};

/// Walks a tree with the tables at hand.
pub(super) struct Translator<'a> {
    /// What FROM can name; none where there is no FROM.
    pub(super) schema: Option<&'a Schema>,
    /// From the outermost query to the innermost.
    pub(super) scopes: Vec<Scope>,
    /// The common table expressions in force.
    pub(super) common: Vec<super::Table>,
    /// Whether a part depends on settings or the time, which a stored value or an index may not.
    pub(super) unsteady: bool,
    /// Whether a part is random.
    pub(super) random: bool,
    /// Whether case is folded by the locale, as queries of PostgreSQL write it, and not for ASCII letters alone.
    pub(super) any_letters: bool,
}

impl<'a> Translator<'a> {
    pub(super) const fn new(schema: Option<&'a Schema>, scopes: Vec<Scope>) -> Self {
        Self {
            schema,
            scopes,
            common: Vec::new(),
            unsteady: false,
            random: false,
            any_letters: false,
        }
    }

    pub(super) fn refuse_random(&self, what: &str) -> Outcome<()> {
        if self.random {
            Err(format!("{what} cannot be random in PostgreSQL."))
        } else {
            Ok(())
        }
    }

    pub(super) fn refuse_unsteady(&self, what: &str) -> Outcome<()> {
        self.refuse_random(what)?;
        if self.unsteady {
            return Err(format!(
                "{what} must be immutable, and formatting a time is not so in PostgreSQL."
            ));
        }
        Ok(())
    }

    /// An expression used as a condition.
    pub(super) fn condition(&mut self, expression: &Expr) -> Outcome<Value> {
        self.expression(expression)?.truth()
    }

    /// Any expression.
    pub(super) fn expression(&mut self, expression: &Expr) -> Outcome<Value> {
        match expression {
            Expr::Nested(inner) => self.expression(inner),
            Expr::Value(value) => literal(&value.value),
            Expr::Identifier(ident) => self.name(ident.value.as_str(), ident.quote_style),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] => resolve_in(&self.scopes, &table.value, &column.value),
                [schema, table, column] if same(&schema.value, "main") => {
                    resolve_in(&self.scopes, &table.value, &column.value)
                }
                _ => Err(format!("{expression} cannot be followed to a column.")),
            },
            Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            Expr::BinaryOp { left, op, right } => {
                parse::refuse_unclear(expression, &[left, right])?;
                self.binary(left, op, right)
            }
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                parse::refuse_unclear(expression, &[inner])?;
                let comparison = if matches!(expression, Expr::IsNull(_)) {
                    Comparison::Is
                } else {
                    Comparison::IsNot
                };
                let value = self.expression(inner)?;
                let side = value
                    .taken
                    .as_ref()
                    .map_or_else(|| value.within(Level::Arithmetic), |taken| taken.0.clone());
                let word = if comparison == Comparison::Is {
                    "is null"
                } else {
                    "is not null"
                };
                Ok(Value::truth_value(format!("{side} {word}"), Level::Comparison))
            }
            Expr::IsTrue(inner) => self.is_truth(inner, "is true"),
            Expr::IsNotTrue(inner) => self.is_truth(inner, "is not true"),
            Expr::IsFalse(inner) => self.is_truth(inner, "is false"),
            Expr::IsNotFalse(inner) => self.is_truth(inner, "is not false"),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                parse::refuse_unclear(expression, &[left, right])?;
                let distinct = matches!(expression, Expr::IsDistinctFrom(..));
                self.binary(
                    left,
                    if distinct {
                        &BinaryOperator::IsNot
                    } else {
                        &BinaryOperator::Is
                    },
                    right,
                )
            }
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                parse::refuse_unclear(expression, &[expr, low, high])?;
                self.between(expr, *negated, low, high)
            }
            Expr::In {
                expr,
                target,
                negated,
                ..
            } => {
                parse::refuse_unclear(expression, &[expr])?;
                match target {
                    InTarget::List(items) => self.in_list(expr, items, *negated),
                    InTarget::Subquery(query) => self.in_query(expr, query, *negated),
                    other => Err(format!("IN {other} has no counterpart.")),
                }
            }
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => {
                parse::refuse_unclear(expression, &[expr, pattern])?;
                self.like(expr, pattern, escape_char.as_deref(), *negated)
            }
            Expr::Cast { expr, data_type, .. } => self.cast(expr, data_type),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::Collate { expr, collation } => {
                let mut value = self.expression(expr)?;
                let name = parse::bare_name(&collation.to_string());
                value.nocase = same(&name, "nocase");
                value.collated = true;
                if value.nocase || same(&name, "binary") {
                    return Ok(value);
                }
                if same(&name, "rtrim") && value.is_text() {
                    return Ok(Value {
                        sql: format!("rtrim({})", value.sql),
                        level: Level::Atom,
                        ..value
                    });
                }
                Err(format!("The collation {name} is known to its own program alone."))
            }
            Expr::Function(function) => self.function(function),
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                let start = substring_from.as_deref().ok_or("SUBSTR has no start.")?;
                self.substring(expr, start, substring_for.as_deref())
            }
            Expr::Trim {
                trim_where: None,
                trim_what: None,
                expr,
                trim_characters,
            } => self.trim(
                "btrim",
                expr,
                trim_characters.as_ref().and_then(|characters| characters.first()),
            ),
            Expr::Exists { subquery, negated } => {
                let query = self.subquery(subquery)?;
                let word = if *negated { "not exists" } else { "exists" };
                Ok(Value::truth_value(
                    format!("{word} ({})", query.sql),
                    if *negated { Level::Not } else { Level::Atom },
                ))
            }
            Expr::Subquery(query) => self.scalar(query),
            other => Err(format!("{} has no sure counterpart.", short(&other.to_string()))),
        }
    }

    fn name(&mut self, name: &str, quote: Option<char>) -> Outcome<Value> {
        if quote.is_none() && parse::is_clock(name) {
            return Ok(time::clock(self, name));
        }
        if let Some(value) = resolve(&self.scopes, name)? {
            return Ok(value);
        }
        match quote {
            // SQLite takes a name in double quotes that is no column as a text.
            Some('"' | '\'') => Ok(Value::text_literal(name)),
            _ => Err(format!("There is no column {name}.")),
        }
    }

    fn is_truth(&mut self, inner: &Expr, words: &str) -> Outcome<Value> {
        let value = self.condition(inner)?;
        Ok(Value::truth_value(
            format!("{} {words}", value.within(Level::Arithmetic)),
            Level::Comparison,
        ))
    }

    fn unary(&mut self, op: UnaryOperator, operand: &Expr) -> Outcome<Value> {
        match op {
            UnaryOperator::Not => {
                let value = self.condition(operand)?;
                Ok(Value::truth_value(
                    format!("not {}", value.within(Level::Comparison)),
                    Level::Not,
                ))
            }
            UnaryOperator::Plus => {
                // It changes nothing but the affinity.
                let value = self.expression(operand)?;
                if value.literal.is_none() && (value.affinity != Affinity::Blob || value.nocase) {
                    return Err(format!("+{} takes its affinity away.", value.sql));
                }
                Ok(value)
            }
            UnaryOperator::Minus => {
                let value = self.expression(operand)?;
                match &value.literal {
                    Some(Literal::Integer(number)) => Ok(Value::integer(-number)),
                    Some(Literal::Real(spelled)) if !spelled.starts_with('-') => {
                        // The one integer whose positive half does not fit.
                        if spelled == "9223372036854775808" {
                            Ok(Value::integer(i64::MIN))
                        } else {
                            Ok(Value::real(&format!("-{spelled}")))
                        }
                    }
                    _ => {
                        let number = value.number()?;
                        let kind = number.kind.unwrap_or(ColumnType::Bigint);
                        Ok(Value::new(
                            format!("-{}", number.tight()),
                            kind,
                            Level::Arithmetic,
                        ))
                    }
                }
            }
            UnaryOperator::BitwiseNot => {
                let number = self.whole(operand)?;
                Ok(Value::new(
                    format!("~ {number}"),
                    ColumnType::Bigint,
                    Level::Arithmetic,
                ))
            }
            other => Err(format!("The operator {other} has no counterpart.")),
        }
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Outcome<Value> {
        let comparison = match op {
            BinaryOperator::And | BinaryOperator::Or => {
                let (word, level) = if *op == BinaryOperator::And {
                    ("and", Level::And)
                } else {
                    ("or", Level::Or)
                };
                let (left, right) = (self.condition(left)?, self.condition(right)?);
                return Ok(Value::truth_value(
                    format!("{} {word} {}", left.within(level), right.within(level)),
                    level,
                ));
            }
            BinaryOperator::Eq => Comparison::Equal,
            BinaryOperator::NotEq => Comparison::NotEqual,
            BinaryOperator::Is => Comparison::Is,
            BinaryOperator::IsNot => Comparison::IsNot,
            BinaryOperator::Lt => Comparison::Less,
            BinaryOperator::LtEq => Comparison::LessEqual,
            BinaryOperator::Gt => Comparison::Greater,
            BinaryOperator::GtEq => Comparison::GreaterEqual,
            BinaryOperator::StringConcat => return self.concat(left, right),
            BinaryOperator::Glob => return self.glob(left, right),
            BinaryOperator::Arrow | BinaryOperator::LongArrow => {
                let root = self.expression(left)?;
                return self.arrow(&root, right, *op == BinaryOperator::LongArrow);
            }
            BinaryOperator::BitwiseAnd => return self.bits(left, "&", right),
            BinaryOperator::BitwiseOr => return self.bits(left, "|", right),
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                return arithmetic(&left, op, &right);
            }
            other => return Err(format!("The operator {other} has no counterpart.")),
        };
        let (left, right) = (self.expression(left)?, self.expression(right)?);
        self.compare(&left, comparison, &right)
    }

    fn bits(&mut self, left: &Expr, op: &str, right: &Expr) -> Outcome<Value> {
        let (left, right) = (self.whole(left)?, self.whole(right)?);
        Ok(Value::new(
            format!("{left} {op} {right}"),
            ColumnType::Bigint,
            Level::Arithmetic,
        ))
    }

    /// An integer.
    pub(super) fn whole(&mut self, expression: &Expr) -> Outcome<String> {
        let number = self.expression(expression)?.number()?;
        if number.kind == Some(ColumnType::Bigint) {
            return Ok(number.tight());
        }
        Err(format!("{} is no integer.", number.sql))
    }

    fn concat(&mut self, left: &Expr, right: &Expr) -> Outcome<Value> {
        let (left, right) = (self.expression(left)?, self.expression(right)?);
        if left.collated || right.collated {
            return Err(COLLATED.to_owned());
        }
        let side = |value: &Value| -> Outcome<String> {
            let text = value.text()?;
            // Text that is itself joined, or plain text, stands as it is.
            let ready = text != value.sql || matches!(value.level, Level::Atom | Level::Arithmetic);
            Ok(if ready { text } else { format!("({text})") })
        };
        self.unsteady |= [&left, &right]
            .iter()
            .any(|value| value.spelling.is_some() && value.column);
        Ok(Value::new(
            format!("{} || {}", side(&left)?, side(&right)?),
            ColumnType::Text,
            Level::Arithmetic,
        ))
    }

    fn between(&mut self, operand: &Expr, negated: bool, low: &Expr, high: &Expr) -> Outcome<Value> {
        let (value, low, high) = (
            self.expression(operand)?,
            self.expression(low)?,
            self.expression(high)?,
        );
        let from = self.compare(&value, Comparison::GreaterEqual, &low)?;
        let to = self.compare(&value, Comparison::LessEqual, &high)?;
        let not = if negated { "not " } else { "" };
        if let (Some((side, low)), Some((other, high))) =
            (from.sql.split_once(" >= "), to.sql.split_once(" <= "))
            && side == other
            && ![side, low, high].iter().any(|part| part.contains(" and "))
        {
            return Ok(Value::truth_value(
                format!("{side} {not}between {low} and {high}"),
                Level::Comparison,
            ));
        }
        let both = format!("{} and {}", from.within(Level::And), to.within(Level::And));
        Ok(if negated {
            Value::truth_value(format!("not ({both})"), Level::Not)
        } else {
            Value::truth_value(both, Level::And)
        })
    }

    fn in_list(&mut self, operand: &Expr, items: &[Expr], negated: bool) -> Outcome<Value> {
        if items.is_empty() {
            // Even NULL is not in an empty list.
            return Ok(Value::truth_value(
                if negated { "true" } else { "false" },
                Level::Atom,
            ));
        }
        let mut value = self.expression(operand)?;
        let mut parts = Vec::new();
        for item in items {
            let mut item = self.expression(item)?;
            // The left side alone decides affinity and collation.
            if item.affinity != Affinity::Real {
                item.affinity = Affinity::Blob;
            }
            item.collated = false;
            value.collated = true;
            parts.push(self.compare(&value, Comparison::Equal, &item)?);
        }
        let not = if negated { "not " } else { "" };
        let start = parts
            .first()
            .and_then(|part| part.sql.split_once(" = "))
            .map(|(side, _)| format!("{side} = "));
        if let Some(start) = start
            && let Some(listed) = parts
                .iter()
                .map(|part| part.sql.strip_prefix(&start))
                .collect::<Option<Vec<_>>>()
        {
            let side = start.trim_end_matches(" = ");
            return Ok(Value::truth_value(
                format!("{side} {not}in ({})", listed.join(", ")),
                Level::Comparison,
            ));
        }
        let any = parts
            .iter()
            .map(|part| part.within(Level::And))
            .collect::<Vec<_>>()
            .join(" or ");
        Ok(Value::truth_value(
            format!("{not}({any})"),
            if negated { Level::Not } else { Level::Atom },
        ))
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Outcome<Value> {
        let operand = operand.map(|operand| self.expression(operand)).transpose()?;
        let mut tests = Vec::new();
        let mut results = Vec::new();
        for when in conditions {
            let test = self.expression(&when.condition)?;
            tests.push(match &operand {
                Some(operand) => self.compare(operand, Comparison::Equal, &test)?.sql,
                None => test.truth()?.sql,
            });
            results.push(self.expression(&when.result)?);
        }
        results.push(otherwise.map_or_else(|| Ok(Value::null()), |otherwise| self.expression(otherwise))?);
        let (results, like) = self.unified(results)?;
        let mut sql = "case".to_owned();
        for (test, result) in tests.iter().zip(&results) {
            sql.push_str(&format!(" when {test} then {result}"));
        }
        if otherwise.is_some()
            && let Some(last) = results.last()
        {
            sql.push_str(&format!(" else {last}"));
        }
        sql.push_str(" end");
        Ok(Value {
            sql,
            level: Level::Atom,
            ..like
        })
    }
}

/// A value as it is written.
fn literal(written: &Written) -> Outcome<Value> {
    match written {
        Written::Number(number, _) => Ok(number
            .parse::<i64>()
            .map_or_else(|_| Value::real(number), Value::integer)),
        Written::SingleQuotedString(text) | Written::DoubleQuotedString(text) => {
            Ok(Value::text_literal(text))
        }
        Written::HexStringLiteral(hex) => Ok(Value {
            affinity: Affinity::Blob,
            ..Value::atom(
                format!("'\\x{}'::bytea", hex.to_ascii_lowercase()),
                ColumnType::Bytea,
            )
        }),
        Written::Boolean(truth) => Ok(Value {
            literal: Some(Literal::Integer(i64::from(*truth))),
            ..Value::truth_value(if *truth { "true" } else { "false" }, Level::Atom)
        }),
        Written::Null => Ok(Value::null()),
        other => Err(format!("{other} has no counterpart.")),
    }
}

/// `+`, `-`, `*`, `/` and `%`.
fn arithmetic(left: &Value, op: &BinaryOperator, right: &Value) -> Outcome<Value> {
    let (mut left, mut right) = (left.number()?, right.number()?);
    let kinds = (left.kind, right.kind);
    let divides = matches!(op, BinaryOperator::Divide | BinaryOperator::Modulo);
    let kind = if kinds.0 == Some(ColumnType::Double) || kinds.1 == Some(ColumnType::Double) {
        ColumnType::Double
    } else if kinds.0 == Some(ColumnType::Numeric) || kinds.1 == Some(ColumnType::Numeric) {
        // Each value may be an integer or a real in SQLite, which divide differently.
        if divides {
            return Err(format!(
                "{} {op} {} divides integers and reals differently in SQLite.",
                left.sql, right.sql
            ));
        }
        ColumnType::Numeric
    } else {
        ColumnType::Bigint
    };
    if *op == BinaryOperator::Modulo && kind != ColumnType::Bigint {
        return Err("The remainder of reals is computed from their integer parts in SQLite.".to_owned());
    }
    if kind == ColumnType::Bigint {
        if left.narrow && right.narrow {
            left = Value::atom(format!("{}::bigint", left.tight()), ColumnType::Bigint);
        }
    } else {
        // SQLite computes with doubles, so the same roundings come out.
        for side in [&mut left, &mut right] {
            let whole = matches!(side.literal, Some(Literal::Integer(_)));
            if side.kind != Some(ColumnType::Double) && !whole || side.narrow && !whole {
                side.sql = format!("{}::double precision", side.tight());
                side.level = Level::Atom;
            }
        }
    }
    let divisor = match &right.literal {
        Some(Literal::Integer(number)) if *number != 0 => right.tight(),
        Some(Literal::Real(spelled)) if spelled.parse::<f64>().is_ok_and(|number| number != 0.0) => {
            right.tight()
        }
        // SQLite gives NULL where PostgreSQL fails.
        _ if divides => format!("nullif({}, 0)", right.sql),
        _ => right.tight(),
    };
    Ok(Value::new(
        format!("{} {op} {divisor}", left.tight()),
        kind,
        Level::Arithmetic,
    ))
}

/// The start of a long piece of SQL.
pub(super) fn short(sql: &str) -> String {
    let mut start: String = sql.chars().take(60).collect();
    if start.len() < sql.len() {
        start.push('…');
    }
    start
}

impl Translator<'_> {
    fn cast(&mut self, operand: &Expr, data_type: &DataType) -> Outcome<Value> {
        let value = self.expression(operand)?;
        let name = data_type.to_string().to_ascii_uppercase();
        if value.kind.is_none() {
            return Ok(Value::null());
        }
        let affinity = affinity_of(&name);
        let converted = match affinity {
            Affinity::Text => {
                self.unsteady |= value.spelling.is_some();
                Value::atom(value.text()?, ColumnType::Text)
            }
            Affinity::Integer => {
                let number = value.number()?;
                match number.kind {
                    Some(ColumnType::Bigint) => Value::atom(number.tight(), ColumnType::Bigint),
                    // SQLite cuts towards zero where PostgreSQL rounds.
                    _ => Value::atom(format!("trunc({})::bigint", number.sql), ColumnType::Bigint),
                }
            }
            Affinity::Real => Value::atom(
                format!("{}::double precision", value.number()?.tight()),
                ColumnType::Double,
            ),
            Affinity::Numeric if value.is_number() => value.clone(),
            Affinity::Blob if value.kind == Some(ColumnType::Bytea) => value.clone(),
            _ => {
                return Err(format!(
                    "A cast to {name} gives what each value looks like in SQLite."
                ));
            }
        };
        if value.conversion == Some(Conversion::TruthValues) && affinity == Affinity::Text {
            return Err(format!(
                "{} has another type than in SQLite, so its text there is not known.",
                value.sql
            ));
        }
        Ok(Value {
            affinity,
            literal: None,
            column: value.column,
            nocase: value.nocase,
            collated: value.collated,
            ..converted
        })
    }
}

/// The affinity of a declared type, by the substrings that SQLite looks for.
fn affinity_of(name: &str) -> Affinity {
    let has = |part: &str| name.contains(part);
    if has("INT") {
        Affinity::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if has("BLOB") || name.is_empty() {
        Affinity::Blob
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}
