//! Expressions.

use contract::import::{Affinity, ColumnType};
use sqlparser::ast::Value as Written;
use sqlparser::ast::{BinaryOperator, Expr, InTarget};

use super::{
    Outcome, Schema,
    compare::Comparison,
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
    /// Whether a part is a column that SQLite computes.
    pub(super) computed: bool,
    /// The columns that were met, by their names in SQLite.
    pub(super) touched: Vec<String>,
    /// How deep in the tree it is.
    depth: usize,
    /// Bytes that were written for all parts.
    written: usize,
}

/// How deep a tree may be: what the stack holds, and more than people write.
const DEEPEST: usize = 400;
/// The most bytes of an expression. Some functions take several copies of what they are given, so that a few calls within
/// one another would fill the memory.
const LONGEST: usize = 64 << 10;
/// The most bytes of all parts of a statement, each counted by itself.
const MOST: usize = 16 << 20;

impl<'a> Translator<'a> {
    pub(super) const fn new(schema: Option<&'a Schema>, scopes: Vec<Scope>) -> Self {
        Self {
            schema,
            scopes,
            common: Vec::new(),
            unsteady: false,
            random: false,
            any_letters: false,
            computed: false,
            touched: Vec::new(),
            depth: 0,
            written: 0,
        }
    }

    /// Takes note of what was written, and refuses what grows beyond all measure.
    pub(super) fn measured(&mut self, sql: &str) -> Outcome<()> {
        self.written = self.written.saturating_add(sql.len());
        if sql.len() > LONGEST || self.written > MOST {
            return Err("Its translation is too long.".to_owned());
        }
        Ok(())
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
        if self.depth == DEEPEST {
            return Err("The expression is nested too deeply.".to_owned());
        }
        self.depth += 1;
        let value = self.any(expression);
        self.depth -= 1;
        let value = value?;
        self.measured(&value.sql)?;
        self.computed |= value.computed;
        if let Some((_, column)) = value.origin.as_ref().filter(|_| value.column) {
            self.touched.push(column.clone());
        }
        Ok(value)
    }

    fn any(&mut self, expression: &Expr) -> Outcome<Value> {
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
                value.strange = None;
                if value.nocase || same(&name, "binary") {
                    return Ok(value);
                }
                Err(format!("PostgreSQL has no collation like {name}."))
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

/// The start of a long piece of SQL.
pub(super) fn short(sql: &str) -> String {
    let mut start: String = sql.chars().take(60).collect();
    if start.len() < sql.len() {
        start.push('…');
    }
    start
}
