//! Values written into a column: as defaults, by generated columns, by triggers.

use contract::import::{Affinity, ColumnType, Conversion};

use super::{
    Column, Outcome,
    compare::is_numeric,
    moment::time_literal,
    spelling::to_char_form,
    value::{Level, Literal, Value},
};
use crate::quote;

/// A default: a literal in its shortest form.
pub(super) fn stored_default(value: &Value, column: &Column) -> Outcome<String> {
    assigned(value, column)
}

/// The expression of the column's type that a value becomes when SQLite stores it and the import reads it.
pub(super) fn assigned(value: &Value, column: &Column) -> Outcome<String> {
    let Some(kind) = value.kind else {
        return Ok("null".to_owned());
    };
    let target = Value::of_column(column, "");
    let unfit = || {
        format!(
            "{} is nothing that the type {} holds.",
            value.sql,
            column.column_type.sql()
        )
    };
    if kind == column.column_type && value.conversion == target.conversion && value.literal.is_none() {
        return Ok(value.sql.clone());
    }
    if value.taken.is_some() {
        return Err("A value taken out of JSON is stored, and only the data know its type.".to_owned());
    }
    if let Some(literal) = &value.literal {
        return of_literal(literal, value, column).ok_or_else(unfit);
    }
    match column.column_type {
        ColumnType::Bigint if column.conversion.is_none() => match value.number() {
            Ok(number) if number.kind == Some(ColumnType::Bigint) && column.affinity != Affinity::Text => {
                Ok(number.sql)
            }
            _ => Err(unfit()),
        },
        ColumnType::Double if column.conversion.is_none() => {
            Ok(format!("{}::double precision", value.number()?.tight()))
        }
        ColumnType::Numeric if column.conversion.is_none() && value.is_number() => {
            Ok(if kind == ColumnType::Bigint {
                value.sql.clone()
            } else {
                format!("{}::text::numeric", value.tight())
            })
        }
        ColumnType::Boolean if kind == ColumnType::Boolean => Ok(value.sql.clone()),
        ColumnType::Text if matches!(column.conversion, None | Some(Conversion::NumberToText)) => {
            if value.is_text() || column.affinity == Affinity::Text {
                value.text()
            } else {
                Err(unfit())
            }
        }
        ColumnType::Date => match &value.instant {
            Some(instant) if value.spelling == target.spelling => Ok(instant.clone()),
            _ => Err(unfit()),
        },
        ColumnType::Timestamp | ColumnType::Timestamptz => of_time(value, column).ok_or_else(unfit),
        ColumnType::Time if value.sql == super::time::CLOCK => Ok(super::time::OF_DAY.to_owned()),
        _ => Err(unfit()),
    }
}

fn of_time(value: &Value, column: &Column) -> Option<String> {
    let with_zone = column.column_type == ColumnType::Timestamptz;
    let zoned = |instant: &str, in_utc: bool| match (with_zone, in_utc) {
        (true, true) => format!("{instant} at time zone 'UTC'"),
        (false, false) => format!("{instant} at time zone 'UTC'"),
        _ => instant.to_owned(),
    };
    let divisor = match column.conversion {
        None | Some(Conversion::IsoText | Conversion::EachByItsForm) => {
            // A day alone is a time at its start.
            return value.instant.as_deref().map(|instant| zoned(instant, true));
        }
        Some(Conversion::UnixSeconds | Conversion::RealSeconds) => "",
        Some(Conversion::UnixMillis) => " / 1000.0",
        Some(Conversion::UnixMicros) => " / 1000000.0",
        Some(_) => return None,
    };
    let number = value.number().ok()?;
    let seconds = if divisor.is_empty() {
        number.sql
    } else {
        format!("{}{divisor}", number.within(Level::Arithmetic))
    };
    Some(zoned(&format!("to_timestamp({seconds})"), false))
}

fn of_literal(literal: &Literal, value: &Value, column: &Column) -> Option<String> {
    let number = match literal {
        Literal::Text(_) => value.literal_number(),
        _ => Some(value.clone()),
    };
    let integer = match number.as_ref().map(|number| &number.literal) {
        Some(Some(Literal::Integer(integer))) => Some(*integer),
        Some(Some(Literal::Real(spelled))) => spelled.parse::<f64>().ok().and_then(whole),
        _ => None,
    };
    let text = match literal {
        Literal::Text(text) => Some(text.clone()),
        Literal::Integer(integer) => Some(integer.to_string()),
        Literal::Real(_) => None,
    };
    match column.column_type {
        ColumnType::Bigint => integer.map(|integer| integer.to_string()),
        ColumnType::Double | ColumnType::Numeric => number.map(|number| number.sql),
        ColumnType::Boolean => {
            let word = text.unwrap_or_default().to_ascii_lowercase();
            match (integer, word.as_str()) {
                (Some(1), _) | (None, "t" | "true" | "y") => Some("true".to_owned()),
                (Some(0), _) | (None, "f" | "false" | "n") => Some("false".to_owned()),
                _ => None,
            }
        }
        ColumnType::Text => match literal {
            // What looks like a number becomes one in such a column, and its digits here.
            Literal::Text(text) if is_numeric(column.affinity) && looks_numeric(text) => {
                let integer = column.affinity != Affinity::Real;
                let integer = text.trim_matches(SPACES).parse::<i64>().ok().filter(|_| integer);
                integer.map(|integer| quote::literal(&integer.to_string()))
            }
            Literal::Text(text) => Some(quote::literal(text)),
            // An integer stands in such a column as its digits.
            _ => text.map(|text| quote::literal(&text)),
        },
        ColumnType::Date => text
            .filter(|text| text.len() == 10)
            .and_then(|text| time_literal(&text).map(|_| quote::literal(&text))),
        ColumnType::Timestamp | ColumnType::Timestamptz => {
            if matches!(
                column.conversion,
                None | Some(Conversion::IsoText | Conversion::EachByItsForm)
            ) {
                let text = text?;
                time_literal(&text)?;
                to_char_form(&super::spelling::pattern(&text))?;
                let zone = if column.column_type == ColumnType::Timestamptz {
                    "+00"
                } else {
                    ""
                };
                return Some(quote::literal(&format!(
                    "{}{zone}",
                    text.trim_end_matches('Z').replacen('T', " ", 1)
                )));
            }
            of_time(&Value::integer(integer?), column)
        }
        ColumnType::Uuid => text
            .filter(|text| is_uuid(text))
            .map(|text| quote::literal(&text)),
        ColumnType::Jsonb => text
            .filter(|text| {
                ["[]", "{}", "null", "true", "false"].contains(&text.as_str()) || is_plain_json(text)
            })
            .map(|text| quote::literal(&text)),
        ColumnType::Json => text
            .filter(|text| serde_json::from_str::<serde_json::Value>(text).is_ok())
            .map(|text| quote::literal(&text)),
        ColumnType::Time => text
            .filter(|text| crate::times::of_day(text.as_bytes()).is_some())
            .map(|text| quote::literal(&text)),
        ColumnType::Bytea => None,
    }
}

/// What SQLite passes over around a number.
const SPACES: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];

/// Whether a numeric affinity makes a number of the text.
fn looks_numeric(text: &str) -> bool {
    let text = text.trim_matches(SPACES);
    // Words such as `inf` are numbers to Rust alone.
    text.ends_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok()
}

/// The integer that a real is stored as.
fn whole(real: f64) -> Option<i64> {
    let fits = real.fract() == 0.0 && real.abs() < 9_007_199_254_740_992.0;
    fits.then(|| format!("{real:.0}"))
        .and_then(|digits| digits.parse().ok())
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| {
            if matches!(at, 8 | 13 | 18 | 23) {
                byte == b'-'
            } else {
                byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
            }
        })
}

/// Whether PostgreSQL accepts the text as JSON. An object or a list with an escape is left to be refused.
fn is_plain_json(text: &str) -> bool {
    text.starts_with(['{', '['])
        && !text.contains('\\')
        && serde_json::from_str::<serde_json::Value>(text).is_ok()
}
