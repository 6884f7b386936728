//! Operators on numbers, truth values and texts.

use contract::import::{Affinity, ColumnType};
use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::{
    Facts, Outcome,
    compare::Comparison,
    expression::Translator,
    function::COLLATED,
    value::{Level, Literal, Value},
};

impl Translator<'_> {
    pub(super) fn unary(&mut self, op: UnaryOperator, operand: &Expr) -> Outcome<Value> {
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
                if value.literal.is_none()
                    && (value.affinity != Affinity::Blob || value.nocase || value.strange.is_some())
                {
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
                        Ok(Value {
                            facts: number.facts,
                            ..Value::new(format!("-{}", number.tight()), kind, Level::Arithmetic)
                        })
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

    pub(super) fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Outcome<Value> {
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

    pub(super) fn bits(&mut self, left: &Expr, op: &str, right: &Expr) -> Outcome<Value> {
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

    pub(super) fn concat(&mut self, left: &Expr, right: &Expr) -> Outcome<Value> {
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
}

/// `+`, `-`, `*`, `/` and `%`.
fn arithmetic(left: &Value, op: &BinaryOperator, right: &Value) -> Outcome<Value> {
    let (mut left, mut right) = (left.number()?, right.number()?);
    let whole = |value: &Value| value.kind == Some(ColumnType::Bigint);
    let divides = matches!(op, BinaryOperator::Divide | BinaryOperator::Modulo);
    let kind = if whole(&left) && whole(&right) {
        ColumnType::Bigint
    } else {
        ColumnType::Double
    };
    let real = left.facts.real || right.facts.real;
    if kind == ColumnType::Double && !real {
        // Each value may be an integer or a real in SQLite, which divide differently.
        if divides {
            return Err(format!(
                "{} {op} {} divides integers and reals differently in SQLite.",
                left.sql, right.sql
            ));
        }
        if left.facts.beyond_double || right.facts.beyond_double {
            return Err(format!(
                "{} {op} {} computes with integers that no double holds.",
                left.sql, right.sql
            ));
        }
    }
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
            if !whole && (side.narrow || side.kind != Some(ColumnType::Double)) {
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
    Ok(Value {
        facts: Facts {
            real,
            ..Facts::default()
        },
        ..Value::new(
            format!("{} {op} {divisor}", left.tight()),
            kind,
            Level::Arithmetic,
        )
    })
}
