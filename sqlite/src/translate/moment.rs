//! Comparisons of times with the texts that spell them.

use contract::import::ColumnType;

use super::{
    Outcome,
    compare::{Comparison, joined},
    spelling::{DATE, pattern, to_char_form},
    value::{Literal, Value},
};
use crate::quote;

/// A time as PostgreSQL compares it, and how SQLite spells it.
struct Moment {
    sql: String,
    spelling: Option<String>,
}

fn moment(value: &Value) -> Option<Moment> {
    if let Some(instant) = &value.instant {
        return Some(Moment {
            sql: instant.clone(),
            spelling: value.spelling.clone(),
        });
    }
    match (value.kind, value.conversion) {
        (Some(ColumnType::Date | ColumnType::Timestamp), None) => Some(Moment {
            sql: value.tight(),
            spelling: value.spelling.clone(),
        }),
        _ => {
            let Some(Literal::Text(text)) = &value.literal else {
                return None;
            };
            let spelling = pattern(text);
            Some(Moment {
                sql: time_literal(text)?,
                spelling: Some(spelling),
            })
        }
    }
}

/// The literal of a date or a timestamp; none when the text is neither.
pub(super) fn time_literal(text: &str) -> Option<String> {
    to_char_form(&pattern(text))?;
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<u32>().ok());
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || day == 0 || day > days {
        return None;
    }
    if text.len() == 10 {
        return Some(format!("date {}", quote::literal(text)));
    }
    let seconds = if text.len() > 16 { part(17..19)? } else { 0 };
    if part(11..13)? > 23 || part(14..16)? > 59 || seconds > 59 {
        return None;
    }
    Some(format!(
        "timestamp {}",
        quote::literal(&text.trim_end_matches('Z').replacen('T', " ", 1))
    ))
}

/// A comparison in which a side is stored as a time; none when neither is.
pub(super) fn compare(left: &Value, comparison: Comparison, right: &Value) -> Option<Outcome<Value>> {
    let is_typed = |value: &Value| {
        matches!(value.kind, Some(ColumnType::Date | ColumnType::Timestamp)) && value.conversion.is_none()
    };
    if !is_typed(left) && !is_typed(right) {
        return None;
    }
    let (Some(one), Some(other)) = (moment(left), moment(right)) else {
        return Some(Err(format!(
            "{} and {} are compared as texts, of which one became a time.",
            left.sql, right.sql
        )));
    };
    // The same column of two rows, as OLD and NEW.
    if left.origin.is_some() && left.origin == right.origin {
        return Some(Ok(joined(&one.sql, comparison, &other.sql)));
    }
    let spelling = match (&one.spelling, &other.spelling) {
        (Some(left), Some(right)) if left == right => {
            return Some(Ok(joined(&one.sql, comparison, &other.sql)));
        }
        (Some(left), Some(right)) => Some((left.clone(), right.clone())),
        // However a time is spelled, it begins with its day; and it may be no more than the day.
        (None, Some(right))
            if right == DATE && matches!(comparison, Comparison::GreaterEqual | Comparison::Less) =>
        {
            return Some(Ok(joined(&one.sql, comparison, &other.sql)));
        }
        (Some(left), None)
            if left == DATE && matches!(comparison, Comparison::LessEqual | Comparison::Greater) =>
        {
            return Some(Ok(joined(&one.sql, comparison, &other.sql)));
        }
        _ => None,
    };
    let refused = || {
        Err(format!(
            "{} and {} are compared as texts, and they are not spelled alike for sure.",
            left.sql, right.sql
        ))
    };
    let Some((left_spelling, right_spelling)) = spelling else {
        return Some(refused());
    };
    // A text that goes on where the other ends is the greater one, so equality never holds.
    let strict = if right_spelling.starts_with(&left_spelling) {
        match comparison {
            Comparison::Less | Comparison::LessEqual => Comparison::LessEqual,
            Comparison::Greater | Comparison::GreaterEqual => Comparison::Greater,
            _ => return Some(refused()),
        }
    } else if left_spelling.starts_with(&right_spelling) {
        match comparison {
            Comparison::Less | Comparison::LessEqual => Comparison::Less,
            Comparison::Greater | Comparison::GreaterEqual => Comparison::GreaterEqual,
            _ => return Some(refused()),
        }
    } else {
        return Some(refused());
    };
    Some(Ok(joined(&one.sql, strict, &other.sql)))
}
