//! Comparisons: by affinity and storage class in SQLite, by type in PostgreSQL.

use contract::import::{Affinity, ColumnType, Conversion};

use super::{
    Outcome,
    expression::Translator,
    moment,
    value::{Level, Literal, Value},
};
use crate::quote;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Is,
    IsNot,
}

impl Comparison {
    pub(super) const fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Is => "is not distinct from",
            Self::IsNot => "is distinct from",
        }
    }

    /// Whether it asks for the order.
    pub(super) const fn orders(self) -> bool {
        matches!(
            self,
            Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual
        )
    }

    /// The same with the sides exchanged.
    pub(super) const fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
            other => other,
        }
    }
}

/// `left operator right`, both sides ready.
pub(super) fn joined(left: &str, comparison: Comparison, right: &str) -> Value {
    Value::truth_value(format!("{left} {} {right}", comparison.sql()), Level::Comparison)
}

fn plain(left: &Value, comparison: Comparison, right: &Value) -> Value {
    joined(
        &left.within(Level::Arithmetic),
        comparison,
        &right.within(Level::Arithmetic),
    )
}

impl Translator<'_> {
    /// The comparison with SQLite's meaning.
    pub(super) fn compare(&mut self, left: &Value, comparison: Comparison, right: &Value) -> Outcome<Value> {
        if let Some(value) = with_null(left, comparison, right) {
            return Ok(value);
        }
        if let Some(value) = with_taken(left, comparison, right) {
            return value;
        }
        if left.facts.unlike || right.facts.unlike {
            return Err(format!(
                "{} and {} are compared, and different values in SQLite can be equal here.",
                left.sql, right.sql
            ));
        }
        if let Some(value) = with_boolean(left, comparison, right) {
            return Ok(value);
        }
        let is_boolean = Value::is_truth;
        if is_boolean(left) && is_boolean(right) {
            return Ok(plain(left, comparison, right));
        }
        if left.is_epoch() && right.is_epoch() && left.alike(right) && left.kind == right.kind {
            return Ok(plain(left, comparison, right));
        }
        if let Some(value) = moment::compare(left, comparison, right) {
            return value;
        }
        let numeric = |value: &Value| value.is_number() || is_boolean(value) || value.is_epoch();
        if numeric(left) && numeric(right) {
            return Ok(plain(&left.number()?, comparison, &right.number()?));
        }
        if left.is_text() && right.is_text() {
            return self.compare_texts(left, comparison, right);
        }
        if numeric(left) && (right.is_text() || right.conversion == Some(Conversion::TextToNumber)) {
            return number_with_text(left, comparison, right);
        }
        if numeric(right) && (left.is_text() || left.conversion == Some(Conversion::TextToNumber)) {
            return number_with_text(right, comparison.mirrored(), left);
        }
        self.compare_others(left, comparison, right)
    }

    fn compare_texts(&mut self, left: &Value, comparison: Comparison, right: &Value) -> Outcome<Value> {
        // A numeric affinity would turn digits on the other side into a number.
        let pulls = |one: &Value, other: &Value| {
            is_numeric(one.affinity) && (other.literal.is_none() || other.literal_number().is_some())
        };
        if is_numeric(left.affinity) != is_numeric(right.affinity)
            && (pulls(left, right) || pulls(right, left))
        {
            return Err(format!(
                "{} and {} are compared as numbers where they look like them.",
                left.sql, right.sql
            ));
        }
        let decides = if left.collated || !right.collated && left.column {
            left
        } else {
            right
        };
        if let Some(collation) = &decides.strange {
            return Err(format!(
                "{} and {} are compared by the collation {collation}, which PostgreSQL does not have.",
                left.sql, right.sql
            ));
        }
        if decides.nocase {
            let any_letters = std::mem::replace(&mut self.any_letters, false);
            let value = plain(
                &self.folded(left, "lower"),
                comparison,
                &self.folded(right, "lower"),
            );
            self.any_letters = any_letters;
            return Ok(value);
        }
        if comparison.orders() {
            // SQLite orders texts by their bytes.
            return Ok(joined(
                &format!("{} collate \"C\"", left.tight()),
                comparison,
                &right.within(Level::Arithmetic),
            ));
        }
        Ok(plain(left, comparison, right))
    }

    fn compare_others(&mut self, left: &Value, comparison: Comparison, right: &Value) -> Outcome<Value> {
        if left.kind == right.kind && left.conversion == right.conversion {
            let unordered = !comparison.orders();
            match (left.kind, left.conversion) {
                (Some(ColumnType::Bytea), None) => return Ok(plain(left, comparison, right)),
                (Some(ColumnType::Uuid), _)
                    if left.column && right.column && unordered && left.facts.bytes == right.facts.bytes =>
                {
                    return Ok(plain(left, comparison, right));
                }
                (Some(ColumnType::Bigint | ColumnType::Numeric), Some(Conversion::TextToNumber))
                    if unordered =>
                {
                    return Ok(plain(left, comparison, right));
                }
                _ => {}
            }
        }
        // Digits that became numbers still equal the texts they were.
        for (one, other) in [(left, right), (right, left)] {
            if one.conversion == Some(Conversion::TextToNumber)
                && !comparison.orders()
                && let Some(number) = other.literal_number()
            {
                return Ok(plain(one, comparison, &number));
            }
            if one.kind == Some(ColumnType::Jsonb)
                && !comparison.orders()
                && let Some(Literal::Text(text)) = &other.literal
                && (text == "[]" || text == "{}")
            {
                return Ok(joined(
                    &one.within(Level::Arithmetic),
                    comparison,
                    &format!("{}::jsonb", quote::literal(text)),
                ));
            }
        }
        Err(format!(
            "{} and {} are of types that compare otherwise than in SQLite.",
            left.sql, right.sql
        ))
    }
}

pub(super) const fn is_numeric(affinity: Affinity) -> bool {
    matches!(affinity, Affinity::Integer | Affinity::Real | Affinity::Numeric)
}

fn with_null(left: &Value, comparison: Comparison, right: &Value) -> Option<Value> {
    if left.kind.is_some() && right.kind.is_some() {
        return None;
    }
    let other = if left.kind.is_none() { right } else { left };
    Some(match comparison {
        Comparison::Is => Value::truth_value(
            format!("{} is null", other.within(Level::Arithmetic)),
            Level::Comparison,
        ),
        Comparison::IsNot => Value::truth_value(
            format!("{} is not null", other.within(Level::Arithmetic)),
            Level::Comparison,
        ),
        _ => Value::truth_value("null::boolean", Level::Atom),
    })
}

/// A truth value beside 0 or 1.
fn with_boolean(left: &Value, comparison: Comparison, right: &Value) -> Option<Value> {
    for (one, other) in [(left, right), (right, left)] {
        if !one.is_truth() || comparison.orders() {
            continue;
        }
        let number = match &other.literal {
            Some(Literal::Integer(number)) => *number,
            // A text of digits counts where the column has an affinity, which makes both sides alike.
            Some(Literal::Text(text)) if one.affinity != Affinity::Blob && (text == "0" || text == "1") => {
                i64::from(text == "1")
            }
            _ => continue,
        };
        if number != 0 && number != 1 {
            continue;
        }
        let side = one.within(Level::Arithmetic);
        let word = if number == 1 { "true" } else { "false" };
        let operator = match comparison {
            Comparison::Is => "is",
            Comparison::IsNot => "is not",
            other => other.sql(),
        };
        return Some(Value::truth_value(
            format!("{side} {operator} {word}"),
            Level::Comparison,
        ));
    }
    None
}

/// A value taken out of JSON beside a literal.
fn with_taken(left: &Value, comparison: Comparison, right: &Value) -> Option<Outcome<Value>> {
    let (taken, other) = match (&left.taken, &right.taken) {
        (Some(taken), None) => (taken, right),
        (None, Some(taken)) => (taken, left),
        (Some(_), Some(_)) => {
            return Some(Err(
                "Two values taken out of JSON are compared, and only the data know their types.".into(),
            ));
        }
        (None, None) => return None,
    };
    let (text, json) = taken;
    let unsure = "A value taken out of JSON is compared, and only the data know its type.".to_owned();
    if comparison.orders() {
        return Some(Err(unsure));
    }
    Some(match &other.literal {
        // A number or an object in the JSON is spelled differently, so it is unequal in both.
        Some(Literal::Text(literal))
            if literal.parse::<f64>().is_err()
                && !literal.starts_with(['{', '['])
                && !["true", "false"].contains(&literal.as_str()) =>
        {
            Ok(joined(text, comparison, &other.sql))
        }
        Some(Literal::Integer(number))
            if !matches!(number, 0 | 1) && !matches!(comparison, Comparison::Is | Comparison::IsNot) =>
        {
            Ok(joined(
                &format!("nullif({json}, 'null')"),
                comparison,
                &format!("'{number}'::jsonb"),
            ))
        }
        _ => Err(unsure),
    })
}

fn number_with_text(number: &Value, comparison: Comparison, text: &Value) -> Outcome<Value> {
    let unsure = || {
        format!(
            "{} and {} are compared, a number and a text.",
            number.sql, text.sql
        )
    };
    if is_numeric(number.affinity) && text.affinity == Affinity::Blob {
        let other = if text.digits.is_some() {
            text.number()?
        } else {
            text.literal_number().ok_or_else(unsure)?
        };
        return Ok(plain(&number.number()?, comparison, &other));
    }
    if text.affinity == Affinity::Text && number.affinity == Affinity::Blob {
        // The number becomes a text, whose order is another.
        if let Some(Literal::Integer(integer)) = number.literal {
            if text.conversion == Some(Conversion::TextToNumber) {
                return if comparison.orders() {
                    Err(unsure())
                } else {
                    Ok(plain(text, comparison.mirrored(), number))
                };
            }
            let literal = quote::literal(&integer.to_string());
            let side = if comparison.orders() {
                format!("{} collate \"C\"", text.tight())
            } else {
                text.within(Level::Arithmetic)
            };
            if !text.nocase && text.strange.is_none() {
                return Ok(joined(&side, comparison.mirrored(), &literal));
            }
        }
    }
    Err(unsure())
}
