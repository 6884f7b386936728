//! Values on the wire in words, to name rows.

use chrono::{DateTime, Days, NaiveDate, NaiveTime};
use contract::import::ColumnType;
use sqlite::wire::Fields;

use super::plan::TablePlan;

/// The most characters of a value that are shown.
const LONGEST: usize = 60;

/// The key of a row, or the first columns of one without a key.
pub(super) fn key(table: &TablePlan, fields: &[u8]) -> String {
    let fields: Vec<Option<&[u8]>> = Fields(fields).collect();
    let first: Vec<usize> = (0..table.columns.len().min(3)).collect();
    let places = if table.key.is_empty() { &first } else { &table.key };
    let shown: Vec<String> = places
        .iter()
        .filter_map(|at| {
            let column = table.columns.get(*at)?;
            let value = match fields.get(*at)? {
                None => "null".to_owned(),
                Some(bytes) => value(bytes, column.encoder.to),
            };
            Some(format!("{} {value}", column.name))
        })
        .collect();
    shown.join(", ")
}

/// One value.
fn value(bytes: &[u8], of: ColumnType) -> String {
    let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).ok();
    let words = match of {
        ColumnType::Bigint => number(bytes).map(|number| number.to_string()),
        ColumnType::Double => bytes
            .try_into()
            .map(f64::from_be_bytes)
            .ok()
            .map(|number| number.to_string()),
        ColumnType::Boolean => Some((bytes == [1]).to_string()),
        ColumnType::Text | ColumnType::Json => Some(short(&String::from_utf8_lossy(bytes))),
        ColumnType::Uuid => uuid::Uuid::from_slice(bytes).ok().map(|uuid| uuid.to_string()),
        ColumnType::Timestamp | ColumnType::Timestamptz => number(bytes)
            .and_then(|micros| DateTime::from_timestamp_micros(micros.checked_add(946_684_800_000_000)?))
            .map(|at| at.format("%Y-%m-%d %H:%M:%S%.f").to_string()),
        ColumnType::Time => number(bytes)
            .and_then(|micros| {
                let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
                let (seconds, nanos) = (u32::try_from(seconds).ok()?, u32::try_from(micros * 1_000).ok()?);
                NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)
            })
            .map(|time| time.to_string()),
        ColumnType::Date => bytes
            .try_into()
            .map(i32::from_be_bytes)
            .ok()
            .and_then(|days| {
                let first = NaiveDate::from_ymd_opt(2000, 1, 1)?;
                match u64::try_from(days) {
                    Ok(days) => first.checked_add_days(Days::new(days)),
                    Err(_) => first.checked_sub_days(Days::new(u64::from(days.unsigned_abs()))),
                }
            })
            .map(|day| day.to_string()),
        ColumnType::Numeric | ColumnType::Bytea | ColumnType::Jsonb => None,
    };
    words.unwrap_or_else(|| format!("\\x{}", short(&hex::encode(&bytes[..bytes.len().min(LONGEST)]))))
}

fn short(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(LONGEST)
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}
