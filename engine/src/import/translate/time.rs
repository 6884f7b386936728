//! Times: what SQLite spells as text is a timestamp here.

use contract::import::{ColumnType, Conversion};
use sqlparser::ast::Expr;

use super::{
    Outcome,
    compare::{Comparison, joined},
    expression::Translator,
    scope::same,
    value::{DATE, Level, Literal, SECONDS, Value, pattern, quoted, to_char_form},
};

/// The present in UTC; SQLite's clock stands still for a statement.
const NOW: &str = "(statement_timestamp() at time zone 'UTC')";

/// `CURRENT_TIMESTAMP`, `CURRENT_DATE` or `CURRENT_TIME`, which are texts in UTC.
pub(super) fn clock(translator: &mut Translator<'_>, word: &str) -> Value {
    translator.unsteady = true;
    if same(word, "current_date") {
        spelled(&format!("{NOW}::date"), DATE)
    } else if same(word, "current_time") {
        Value::atom(format!("to_char({NOW}, 'HH24:MI:SS')"), ColumnType::Text)
    } else {
        spelled(&format!("date_trunc('second', {NOW})"), SECONDS)
    }
}

/// The text that spells a time.
fn spelled(instant: &str, spelling: &str) -> Value {
    let form = to_char_form(spelling).unwrap_or_default();
    Value {
        instant: Some(instant.to_owned()),
        spelling: Some(spelling.to_owned()),
        ..Value::atom(format!("to_char({instant}, {})", quoted(&form)), ColumnType::Text)
    }
}

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
        return Some(format!("date {}", quoted(text)));
    }
    let seconds = if text.len() > 16 { part(17..19)? } else { 0 };
    if part(11..13)? > 23 || part(14..16)? > 59 || seconds > 59 {
        return None;
    }
    Some(format!(
        "timestamp {}",
        quoted(&text.trim_end_matches('Z').replacen('T', " ", 1))
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
    let column = |value: &Value| value.sql.rsplit('.').next().map(str::to_owned);
    // The same column of two rows, as OLD and NEW.
    if left.column && right.column && column(left) == column(right) {
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

impl Translator<'_> {
    /// `date`, `time`, `datetime`, `julianday`, `unixepoch` and `strftime`.
    pub(super) fn time_function(&mut self, name: &str, args: &[&Expr]) -> Outcome<Value> {
        let (form, args) = if name == "strftime" {
            let (form, rest) = args.split_first().ok_or("strftime() has no format.")?;
            let Some(Literal::Text(form)) = self.expression(form)?.literal else {
                return Err("The format of strftime() is not written out.".to_owned());
            };
            (Some(form), rest)
        } else {
            (None, args)
        };
        let instant = self.instant(args)?;
        match name {
            "date" => {
                self.unsteady = true;
                Ok(spelled(&format!("{instant}::date"), DATE))
            }
            "datetime" => {
                self.unsteady = true;
                Ok(spelled(&whole_seconds(&instant), SECONDS))
            }
            "time" => {
                self.unsteady = true;
                Ok(Value::atom(
                    format!("to_char({instant}, 'HH24:MI:SS')"),
                    ColumnType::Text,
                ))
            }
            // Days since noon of 24 November 4714 BC, from milliseconds as SQLite counts them.
            "julianday" => Ok(Value::new(
                format!(
                    "(floor(extract(epoch from {instant}) * 1000) + 210866760000000)::double precision / 86400000"
                ),
                ColumnType::Double,
                Level::Arithmetic,
            )),
            "unixepoch" => Ok(Value::atom(epoch(&instant), ColumnType::Bigint)),
            _ => self.strftime(&instant, &form.unwrap_or_default()),
        }
    }

    fn strftime(&mut self, instant: &str, form: &str) -> Outcome<Value> {
        let mut mask = String::new();
        let mut rest = form.chars();
        let mut number = false;
        while let Some(c) = rest.next() {
            if c != '%' {
                if c.is_ascii_alphabetic() {
                    mask.push_str(&format!("\"{c}\""));
                } else if c == '"' || c == '\\' {
                    return Err(format!("The format {form} of strftime() has no counterpart."));
                } else {
                    mask.push(c);
                }
                continue;
            }
            mask.push_str(match rest.next() {
                Some('Y') => "YYYY",
                Some('m') => "MM",
                Some('d') => "DD",
                Some('H') => "HH24",
                Some('M') => "MI",
                Some('S') => "SS",
                Some('f') => "SS.MS",
                Some('j') => "DDD",
                Some('F') => "YYYY-MM-DD",
                Some('T') => "HH24:MI:SS",
                Some('R') => "HH24:MI",
                Some('%') => "%",
                Some('s' | 'w') if form.len() == 2 => {
                    number = true;
                    ""
                }
                _ => return Err(format!("The format {form} of strftime() has no counterpart.")),
            });
        }
        if number {
            let digits = if form == "%s" {
                epoch(instant)
            } else {
                format!("extract(dow from {instant})::bigint")
            };
            return Ok(Value {
                digits: Some(digits.clone()),
                ..Value::atom(format!("{digits}::text"), ColumnType::Text)
            });
        }
        self.unsteady = true;
        let text = format!("to_char({instant}, {})", quoted(&mask));
        if ["%Y", "%m", "%d", "%H", "%M", "%S", "%j"].contains(&form) {
            return Ok(Value {
                digits: Some(format!("{text}::bigint")),
                ..Value::atom(text, ColumnType::Text)
            });
        }
        let spelling = match form {
            "%Y-%m-%d" | "%F" => Some(DATE),
            "%Y-%m-%d %H:%M:%S" => Some(SECONDS),
            "%Y-%m-%d %H:%M" => Some("dddd-dd-dd dd:dd"),
            "%Y-%m-%d %H:%M:%f" => Some("dddd-dd-dd dd:dd:dd.ddd"),
            "%Y-%m-%dT%H:%M:%S" => Some("dddd-dd-ddTdd:dd:dd"),
            "%Y-%m-%dT%H:%M:%SZ" => Some("dddd-dd-ddTdd:dd:ddZ"),
            "%Y-%m-%d %H:%M:%fZ" => Some("dddd-dd-dd dd:dd:dd.dddZ"),
            "%Y-%m-%dT%H:%M:%fZ" => Some("dddd-dd-ddTdd:dd:dd.dddZ"),
            "%Y-%m-%dT%H:%M:%f" => Some("dddd-dd-ddTdd:dd:dd.ddd"),
            _ => None,
        };
        Ok(match spelling {
            Some(DATE) => Value {
                sql: text,
                ..spelled(&format!("{instant}::date"), DATE)
            },
            Some(spelling) => {
                let unit = if form.contains("%f") {
                    "milliseconds"
                } else if form.contains("%S") {
                    "second"
                } else {
                    "minute"
                };
                Value {
                    sql: text,
                    ..spelled(&format!("date_trunc('{unit}', {instant})"), spelling)
                }
            }
            None => Value::atom(text, ColumnType::Text),
        })
    }

    /// The timestamp in UTC that a time and its modifiers mean.
    fn instant(&mut self, args: &[&Expr]) -> Outcome<String> {
        let Some((first, modifiers)) = args.split_first() else {
            self.unsteady = true;
            return Ok(NOW.to_owned());
        };
        let value = self.expression(first)?;
        let modifiers = modifiers
            .iter()
            .map(|modifier| match self.expression(modifier)?.literal {
                Some(Literal::Text(text)) => Ok(text.to_ascii_lowercase()),
                _ => Err("A modifier of a time is not written out.".to_owned()),
            })
            .collect::<Outcome<Vec<String>>>()?;
        let from_epoch = modifiers.first().is_some_and(|modifier| modifier == "unixepoch");
        let mut sql = self.starting_point(&value, from_epoch)?;
        let mut at_start_of_month = false;
        for modifier in modifiers.iter().skip(usize::from(from_epoch)) {
            sql = match modifier.as_str() {
                "start of day" => format!("date_trunc('day', {sql})"),
                "start of month" => format!("date_trunc('month', {sql})"),
                "start of year" => format!("date_trunc('year', {sql})"),
                other => format!("({sql} {})", interval(other, at_start_of_month)?),
            };
            at_start_of_month |= matches!(modifier.as_str(), "start of month" | "start of year");
            // A shift by days may leave the first of the month, after which months are cut differently.
            at_start_of_month &= !(modifier.contains("day") && !modifier.starts_with("start"));
        }
        Ok(sql)
    }

    fn starting_point(&mut self, value: &Value, from_epoch: bool) -> Outcome<String> {
        let unsure = || format!("{} is not known to be a time that SQLite reads.", value.sql);
        if let Some(Literal::Text(text)) = &value.literal {
            if same(text, "now") && !from_epoch {
                self.unsteady = true;
                return Ok(NOW.to_owned());
            }
            let time = time_literal(text).filter(|_| !from_epoch).ok_or_else(unsure)?;
            return Ok(if time.starts_with("date") {
                time.replacen("date", "timestamp", 1)
            } else {
                time
            });
        }
        if let Some(instant) = &value.instant {
            return Ok(if value.spelling.as_deref() == Some(DATE) {
                format!("{instant}::timestamp")
            } else {
                instant.clone()
            });
        }
        match (value.kind, value.conversion) {
            (Some(ColumnType::Timestamp), None) if !from_epoch => Ok(value.tight()),
            (Some(ColumnType::Date), None) if !from_epoch => Ok(format!("{}::timestamp", value.tight())),
            (Some(ColumnType::Timestamptz), Some(Conversion::IsoText | Conversion::JulianDays))
                if !from_epoch =>
            {
                Ok(format!("({} at time zone 'UTC')", value.tight()))
            }
            (Some(ColumnType::Timestamp), Some(Conversion::JulianDays)) if !from_epoch => Ok(value.tight()),
            (Some(ColumnType::Timestamptz), Some(Conversion::UnixSeconds | Conversion::RealSeconds))
                if from_epoch =>
            {
                Ok(format!("({} at time zone 'UTC')", value.tight()))
            }
            (Some(ColumnType::Timestamp), Some(Conversion::UnixSeconds | Conversion::RealSeconds))
                if from_epoch =>
            {
                Ok(value.tight())
            }
            _ if from_epoch => Ok(format!(
                "(to_timestamp({}) at time zone 'UTC')",
                value.number()?.sql
            )),
            _ => Err(unsure()),
        }
    }
}

fn epoch(instant: &str) -> String {
    format!("floor(extract(epoch from {instant}))::bigint")
}

fn whole_seconds(instant: &str) -> String {
    if instant.starts_with("timestamp '") && !instant.contains('.') {
        return instant.to_owned();
    }
    format!("date_trunc('second', {instant})")
}

/// `+7 days` as an interval.
fn interval(modifier: &str, at_start_of_month: bool) -> Outcome<String> {
    let unsure = || format!("The modifier “{modifier}” of a time has no sure counterpart.");
    let (number, unit) = modifier.split_once(' ').ok_or_else(unsure)?;
    let unit = unit.trim().trim_end_matches('s');
    let signed = number.strip_prefix('+').unwrap_or(number);
    let amount: i64 = signed.parse().map_err(|_| unsure())?;
    let known = match unit {
        "day" | "hour" | "minute" | "second" => true,
        // From the 31st, SQLite runs over into the next month where PostgreSQL stays at its end.
        "month" | "year" => at_start_of_month,
        _ => false,
    };
    if !known {
        return Err(unsure());
    }
    let sign = if amount < 0 { '-' } else { '+' };
    Ok(format!("{sign} interval '{} {unit}'", amount.unsigned_abs()))
}
