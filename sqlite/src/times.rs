//! Recognising dates and times: ISO text, and numbers whose magnitude leaves no doubt.

use contract::import::Form;

/// From September 2001 (the first number of ten digits) to the end of 2099. Below lie times that Cocoa counts from 2001.
const SECONDS: std::ops::Range<i64> = 1_000_000_000..4_102_444_800;
/// 1973 to 2032 counted from 2001, or 1973 to 2001 counted from 1970.
const AMBIGUOUS: std::ops::Range<i64> = 100_000_000..1_000_000_000;
/// 1973 to 2099 in microseconds since 1601.
const WEBKIT: std::ops::Range<i64> = 11_739_600_000_000_000..15_746_918_400_000_000;
/// 1900 to 2099 in Julian days.
const JULIAN: std::ops::Range<f64> = 2_415_020.5..2_488_069.5;
const DAY_MS: f64 = 86_400_000.0;
/// Days from 1970 to 2000.
const DAYS_TO_2000: i64 = 10_957;

/// The form of an integer that may be a time.
pub(super) fn integer(value: i64) -> Option<Form> {
    // Each range is that of the seconds, so the quotient decides.
    let seconds = |unit: i64| SECONDS.contains(&value.div_euclid(unit));
    match value {
        _ if SECONDS.contains(&value) => Some(Form::UnixSeconds),
        _ if AMBIGUOUS.contains(&value) => Some(Form::AmbiguousSeconds),
        _ if JULIAN.contains(&(value as f64)) => Some(Form::JulianDayNumber),
        _ if seconds(1_000) => Some(Form::UnixMillis),
        _ if seconds(1_000_000) => Some(Form::UnixMicros),
        _ if WEBKIT.contains(&value) => Some(Form::WebKit),
        _ if seconds(1_000_000_000) => Some(Form::UnixNanos),
        _ => None,
    }
}

/// The form of a real that may be a time.
pub(super) fn real(value: f64) -> Option<Form> {
    let whole = value.floor() as i64;
    if SECONDS.contains(&whole) {
        let same = (value * 1e6).round() / 1e6 == value;
        return Some(if same {
            Form::RealUnixSeconds
        } else {
            Form::RealUnixSecondsFine
        });
    }
    if AMBIGUOUS.contains(&whole) {
        return Some(Form::RealAmbiguousSeconds);
    }
    if JULIAN.contains(&value) {
        // SQLite itself counts in whole milliseconds of a Julian day.
        let same = (value * DAY_MS).round() / DAY_MS == value;
        return Some(if same {
            Form::JulianDay
        } else {
            Form::JulianDayFine
        });
    }
    None
}

/// How a time is spelled beyond its digits; two times of one spelling are equal only when their texts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Spelling {
    /// Between date and time; a colon where there is no date.
    pub separator: u8,
    /// Whether there are seconds.
    pub seconds: bool,
    /// Digits of the fraction.
    pub fraction: u8,
    /// Whether the fraction is all zeros although it is there.
    pub idle_fraction: bool,
    /// The offset in minutes and how it is written, by its bytes.
    pub offset: Option<[u8; 7]>,
}

/// The form of a text that is or resembles a date or time; the spelling of a whole time.
pub(super) fn text(text: &[u8]) -> Option<(Form, Option<Spelling>)> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match digits {
        2 => time(text).filter(|(_, rest)| rest.is_empty()).map(|(clock, _)| {
            let form = match () {
                () if !clock.exists => Form::ImpossibleTime,
                () if clock.fine => Form::FineFraction,
                () => Form::TimeOfDay,
            };
            (form, Some(clock.spelling(b':', None)))
        }),
        4 => dated(text),
        // A year of five digits or more would be a number if nothing followed.
        5..=9 if calendar(&text[digits - 4..]).is_some() => Some((Form::FarYear, None)),
        _ => None,
    }
}

/// Microseconds since 1970 of a whole time or a day, and whether it names its offset from UTC.
pub(super) fn micros(text: &[u8]) -> Option<(i64, bool)> {
    let day = i64::from(day(text.get(..10)?)?) + DAYS_TO_2000;
    let begin = day * 86_400_000_000;
    let Some((&separator, clock)) = text[10..].split_first() else {
        return Some((begin, false));
    };
    if !matches!(separator, b' ' | b'T') {
        return None;
    }
    let (clock, zone) = time(clock)?;
    if !clock.exists || clock.fine {
        return None;
    }
    let (zoned, minutes) = match offset(zone)? {
        None => (false, 0),
        Some(_) => (true, offset_minutes(zone)?),
    };
    Some((begin + clock.micros - minutes * 60_000_000, zoned))
}

/// Microseconds since midnight of a time of day.
pub(super) fn of_day(text: &[u8]) -> Option<i64> {
    let (clock, rest) = time(text)?;
    (clock.exists && !clock.fine && rest.is_empty()).then_some(clock.micros)
}

/// Days since 2000 of a day.
pub(super) fn day(text: &[u8]) -> Option<i32> {
    let (year, month, day) = calendar(text)?;
    let exists =
        text.len() == 10 && year > 0 && (1..=12).contains(&month) && (1..=days(year, month)).contains(&day);
    if !exists {
        return None;
    }
    // Howard Hinnant's days_from_civil: years begin in March, so that the odd day comes last.
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let since = year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    i32::try_from(since - DAYS_TO_2000).ok()
}

fn offset_minutes(zone: &[u8]) -> Option<i64> {
    let bare = zone.strip_prefix(b" ").unwrap_or(zone);
    let (sign, digits) = match bare {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return Some(0),
    };
    let hours = number(digits.get(..2)?)?;
    let minutes = match digits.len() {
        4 => number(&digits[2..])?,
        5 => number(&digits[3..])?,
        _ => 0,
    };
    Some(sign * i64::from(hours * 60 + minutes))
}

fn dated(text: &[u8]) -> Option<(Form, Option<Spelling>)> {
    let (year, month, day) = calendar(text)?;
    let rest = &text[10..];
    let exists = year > 0 && (1..=12).contains(&month) && (1..=days(year, month)).contains(&day);
    let Some((&separator, clock)) = rest.split_first() else {
        return Some((if exists { Form::Date } else { Form::ImpossibleDate }, None));
    };
    if !matches!(separator, b' ' | b'T') {
        return None;
    }
    let (clock, zone) = time(clock)?;
    let offset = offset(zone)?;
    let form = match () {
        () if !exists => Form::ImpossibleDate,
        () if !clock.exists => Form::ImpossibleTime,
        () if clock.fine => Form::FineFraction,
        () if offset.is_some() => Form::Offset,
        () => Form::Naive,
    };
    Some((form, Some(clock.spelling(separator, offset))))
}

/// `YYYY-MM-DD` at the beginning, whether or not there is such a day.
fn calendar(text: &[u8]) -> Option<(u32, u32, u32)> {
    if text.len() < 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    Some((number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?))
}

struct Clock {
    exists: bool,
    seconds: bool,
    fraction: u8,
    idle: bool,
    fine: bool,
    /// Microseconds since midnight.
    micros: i64,
}

impl Clock {
    fn spelling(&self, separator: u8, offset: Option<[u8; 7]>) -> Spelling {
        Spelling {
            separator,
            seconds: self.seconds,
            fraction: self.fraction,
            idle_fraction: self.idle,
            offset,
        }
    }
}

/// `HH:MM`, `HH:MM:SS` or with a fraction; and what follows.
fn time(text: &[u8]) -> Option<(Clock, &[u8])> {
    if text.len() < 5 || text[2] != b':' {
        return None;
    }
    let (hour, minute) = (number(&text[..2])?, number(&text[3..5])?);
    let mut clock = Clock {
        exists: hour < 24 && minute < 60,
        seconds: false,
        fraction: 0,
        idle: false,
        fine: false,
        micros: i64::from(hour * 60 + minute) * 60_000_000,
    };
    let rest = &text[5..];
    if rest.first() != Some(&b':') {
        return Some((clock, rest));
    }
    let second = number(rest.get(1..3)?)?;
    clock.seconds = true;
    clock.exists &= second < 60;
    clock.micros += i64::from(second) * 1_000_000;
    let rest = &rest[3..];
    if rest.first() != Some(&b'.') {
        return Some((clock, rest));
    }
    let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = &rest[1..=digits];
    clock.fraction = u8::try_from(digits).ok().filter(|digits| *digits > 0)?;
    clock.idle = fraction.iter().all(|digit| *digit == b'0');
    clock.fine = fraction.iter().skip(6).any(|digit| *digit != b'0');
    let places = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    clock.micros += places.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some((clock, &rest[1 + digits..]))
}

/// `Z`, `+02`, `+0200`, `+02:00`, ` UTC`, each of the signs with or without a space before: none where there is nothing.
fn offset(zone: &[u8]) -> Option<Option<[u8; 7]>> {
    if zone.is_empty() {
        return Some(None);
    }
    let bare = zone.strip_prefix(b" ").unwrap_or(zone);
    let known = match bare {
        b"Z" | b"UTC" => true,
        [b'+' | b'-', digits @ ..] => {
            let (hours, minutes) = match digits.len() {
                2 => (number(digits), Some(0)),
                4 => (number(&digits[..2]), number(&digits[2..])),
                5 if digits[2] == b':' => (number(&digits[..2]), number(&digits[3..])),
                _ => (None, None),
            };
            // PostgreSQL takes offsets below 16 hours.
            hours.is_some_and(|hours| hours < 16) && minutes.is_some_and(|minutes| minutes < 60)
        }
        _ => false,
    };
    let mut spelled = [0; 7];
    spelled.get_mut(..zone.len())?.copy_from_slice(zone);
    known.then_some(Some(spelled))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0'))
    })
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(of: &str) -> Option<Form> {
        text(of.as_bytes()).map(|(form, _)| form)
    }

    #[test]
    fn iso_texts_are_told_apart() {
        for (of, expected) in [
            ("2024-05-01", Form::Date),
            ("2024-02-29", Form::Date),
            ("2023-02-29", Form::ImpossibleDate),
            ("0000-00-00", Form::ImpossibleDate),
            ("0000-00-00 00:00:00", Form::ImpossibleDate),
            ("2024-05-01 10:00", Form::Naive),
            ("2024-05-01T10:00:00", Form::Naive),
            ("2024-05-01 10:00:00.123456", Form::Naive),
            ("2024-05-01 10:00:00.123456000", Form::Naive),
            ("2024-05-01 10:00:00.123456789", Form::FineFraction),
            ("2024-05-01 24:00:00", Form::ImpossibleTime),
            ("2024-05-01 10:00:60", Form::ImpossibleTime),
            ("2024-05-01T10:00:00Z", Form::Offset),
            ("2024-05-01 10:00:00.5+02:00", Form::Offset),
            ("2024-05-01 10:00:00 -0330", Form::Offset),
            ("2024-05-01 10:00:00+02", Form::Offset),
            ("2024-05-01 10:00:00 UTC", Form::Offset),
            ("10000-01-01", Form::FarYear),
            ("10000-01-01 00:00:00", Form::FarYear),
            ("10:30", Form::TimeOfDay),
            ("10:30:59.5", Form::TimeOfDay),
            ("24:00", Form::ImpossibleTime),
            ("10:30:59.1234567", Form::FineFraction),
        ] {
            assert_eq!(form(of), Some(expected), "{of}");
        }
    }

    #[test]
    fn what_only_resembles_a_time_is_none() {
        for of in [
            "2024",
            "2024-05",
            "2024-05-1",
            "2024-05-01x",
            "2024-05-01 ",
            "2024-05-01 10",
            "2024-05-01 10:00:00.",
            "2024-05-01 10:00:00 CET",
            "2024-05-01 10:00:00+99:00",
            "20240501",
            "01.05.2024",
            "1:30",
        ] {
            assert_eq!(form(of), None, "{of}");
        }
    }

    #[test]
    fn numbers_are_times_by_their_magnitude() {
        for (value, expected) in [
            (1_700_000_000, Some(Form::UnixSeconds)),
            (1_700_000_000_123, Some(Form::UnixMillis)),
            (1_700_000_000_123_456, Some(Form::UnixMicros)),
            (1_700_000_000_123_456_789, Some(Form::UnixNanos)),
            (13_350_000_000_000_000, Some(Form::WebKit)),
            (721_692_800, Some(Form::AmbiguousSeconds)),
            (2_460_000, Some(Form::JulianDayNumber)),
            (0, None),
            (-1_700_000_000, None),
            (5_000_000_000, None),
            (i64::MAX, None),
            (i64::MIN, None),
        ] {
            assert_eq!(integer(value), expected, "{value}");
        }
    }

    #[test]
    fn reals_are_times_only_when_nothing_gets_lost() {
        assert_eq!(real(1_700_000_000.25), Some(Form::RealUnixSeconds));
        assert_eq!(real(1_700_000_000.123_456), Some(Form::RealUnixSeconds));
        assert_eq!(
            real(f64::from_bits(1_700_000_000.123_456_f64.to_bits() + 1)),
            Some(Form::RealUnixSecondsFine)
        );
        assert_eq!(real(721_692_800.5), Some(Form::RealAmbiguousSeconds));
        assert_eq!(real(2_460_000.5), Some(Form::JulianDay));
        assert_eq!(real(2_460_311.123_456_789), Some(Form::JulianDayFine));
        assert_eq!(real(1.5), None);
        assert_eq!(real(1e300), None);
    }
}
