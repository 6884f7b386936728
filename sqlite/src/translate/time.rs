//! Times: what SQLite spells as text is a timestamp here.

use contract::import::{ColumnType, Conversion};
use sqlparser::ast::Expr;

use super::{
    Outcome,
    expression::Translator,
    function::exact,
    moment::time_literal,
    scope::same,
    spelling::{DATE, SECONDS, to_char_form},
    value::{Level, Literal, Value},
};
use crate::quote;

/// The present in UTC; SQLite's clock stands still for a statement.
const NOW: &str = "(statement_timestamp() at time zone 'UTC')";

/// The present time of day, as text.
pub(super) const CLOCK: &str = "to_char((statement_timestamp() at time zone 'UTC'), 'HH24:MI:SS')";
/// The same as a time.
pub(super) const OF_DAY: &str = "date_trunc('second', (statement_timestamp() at time zone 'UTC'))::time";

/// `CURRENT_TIMESTAMP`, `CURRENT_DATE` or `CURRENT_TIME`, which are texts in UTC.
pub(super) fn clock(translator: &mut Translator<'_>, word: &str) -> Value {
    translator.unsteady = true;
    if same(word, "current_date") {
        spelled(&format!("{NOW}::date"), DATE)
    } else if same(word, "current_time") {
        Value::atom(CLOCK, ColumnType::Text)
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
        ..Value::atom(
            format!("to_char({instant}, {})", quote::literal(&form)),
            ColumnType::Text,
        )
    }
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
            "julianday" => Ok(Value::surely_real(
                format!(
                    "(floor(extract(epoch from {}) * 1000) + 210866760000000)::double precision / 86400000",
                    in_millis(&instant)
                ),
                Level::Arithmetic,
            )),
            "unixepoch" => Ok(Value::atom(epoch(&instant), ColumnType::Bigint)),
            _ => {
                let form = form.unwrap_or_default();
                let instant = match (form.contains("%f"), args.len()) {
                    (false, _) => instant,
                    (true, 1) => in_printed_millis(&instant),
                    (true, _) => in_millis(&instant),
                };
                self.strftime(&instant, &form)
            }
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
            let part = match rest.next() {
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
            };
            // Two parts of the same letter would be read as one: DD and DDD, SS and SS.
            if mask.ends_with(|c: char| c.is_ascii_alphabetic() && part.starts_with(c)) {
                return Err(format!("The format {form} of strftime() has no counterpart."));
            }
            mask.push_str(part);
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
        let text = format!("to_char({instant}, {})", quote::literal(&mask));
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
            // A shift by less than months may leave the first of the month, after which months are cut differently.
            at_start_of_month = match modifier.as_str() {
                "start of month" | "start of year" => true,
                "start of day" => at_start_of_month,
                other => at_start_of_month && ["month", "year"].iter().any(|unit| other.contains(unit)),
            };
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
            (Some(ColumnType::Timestamptz), Some(Conversion::UnixSeconds)) if from_epoch => {
                Ok(format!("({} at time zone 'UTC')", value.tight()))
            }
            (Some(ColumnType::Timestamp), Some(Conversion::UnixSeconds)) if from_epoch => Ok(value.tight()),
            (Some(ColumnType::Timestamptz), Some(Conversion::RealSeconds)) if from_epoch => {
                Ok(nearest_milli(&format!("({} at time zone 'UTC')", value.tight())))
            }
            (Some(ColumnType::Timestamp), Some(Conversion::RealSeconds)) if from_epoch => {
                Ok(nearest_milli(&value.tight()))
            }
            _ if from_epoch => {
                let number = value.number()?;
                // Beyond the year 9999 SQLite gives NULL where PostgreSQL may fail.
                let instant = format!(
                    "((case when {0} between -62135596800 and 253402300799 then to_timestamp({0}) end) at time zone 'UTC')",
                    number.within(Level::Arithmetic)
                );
                Ok(if number.kind == Some(ColumnType::Bigint) {
                    instant
                } else {
                    nearest_milli(&instant)
                })
            }
            _ => Err(unsure()),
        }
    }
}

/// A number of seconds as SQLite takes it: the nearest millisecond.
fn nearest_milli(instant: &str) -> String {
    format!("date_trunc('milliseconds', {instant} + interval '500 microseconds')")
}

/// The seconds of a written time as SQLite reads them, as a double: no fraction reaches the next second.
fn seconds(instant: &str) -> String {
    let micros = format!("extract(microseconds from {instant})::bigint");
    format!("({micros} / 1000000 + least({micros} % 1000000 / 1e6::double precision, 0.999))")
}

/// A written time in the milliseconds that SQLite computes with.
fn in_millis(instant: &str) -> String {
    if is_whole(instant) {
        return instant.to_owned();
    }
    format!(
        "(date_trunc('minute', {instant}) + floor({} * 1000 + 0.5) * interval '1 millisecond')",
        seconds(instant)
    )
}

/// A written time in the milliseconds that SQLite prints when it has computed nothing.
fn in_printed_millis(instant: &str) -> String {
    if is_whole(instant) {
        return instant.to_owned();
    }
    format!(
        "(date_trunc('minute', {instant}) + round({}, 3)::double precision * interval '1 second')",
        exact(&seconds(instant))
    )
}

/// Whether a time is the present, or has no fraction finer than a millisecond.
fn is_whole(instant: &str) -> bool {
    instant == NOW
        || instant.starts_with("timestamp '") && !instant.contains('.')
        || instant.starts_with("date_trunc(")
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
