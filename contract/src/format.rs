//! Numbers, sizes and times as people read them; the exact value belongs into the title beside it.

use crate::Instant;

/// Bytes in binary units with three figures: `0 B`, `812 kB`, `1.49 GB` (1 kB is 1,024 bytes, as PostgreSQL counts).
pub fn bytes(value: i64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut size = value as f64;
    let mut unit = 0;
    while size.abs() >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{value} B")
    } else {
        format!("{} {}", three_figures(size), UNITS[unit])
    }
}

/// A count in short form: `999`, `12.4 k`, `98.2 M`, `1.20 G`.
pub fn count(value: i64) -> String {
    const UNITS: [&str; 4] = ["", " k", " M", " G"];
    let mut number = value as f64;
    let mut unit = 0;
    while number.abs() >= 999.5 && unit + 1 < UNITS.len() {
        number /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        value.to_string()
    } else {
        format!("{}{}", three_figures(number), UNITS[unit])
    }
}

/// A count in full with thousands parted: `1,284,003`.
pub fn exact(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0 {
        out.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many of something: `1 index`, `3,022 indexes`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{} {many}", exact(i64::try_from(count).unwrap_or(i64::MAX))),
    }
}

/// A span of milliseconds: `12 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, `31 days`.
pub fn duration(ms: i64) -> String {
    let seconds = ms / 1000;
    match ms {
        ..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        60_000..3_600_000 => match seconds % 60 {
            0 => format!("{} min", seconds / 60),
            rest => format!("{} min {rest} s", seconds / 60),
        },
        3_600_000..172_800_000 => match seconds / 60 % 60 {
            0 => format!("{} h", seconds / 3600),
            rest => format!("{} h {rest} min", seconds / 3600),
        },
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A time that may be short: `0.42 ms`, `12 ms`, `1.5 s`, `3 min 20 s`.
pub fn milliseconds(ms: f64) -> String {
    match ms {
        _ if ms >= 60_000.0 => duration(ms as i64),
        _ if ms >= 9_995.0 => format!("{:.1} s", ms / 1000.0),
        _ if ms >= 999.5 => format!("{:.2} s", ms / 1000.0),
        _ if ms >= 9.995 => format!("{ms:.0} ms"),
        _ if ms >= 0.9995 => format!("{ms:.1} ms"),
        _ if ms > 0.0 => format!("{ms:.2} ms"),
        _ => "0 ms".to_owned(),
    }
}

/// How long ago, in words: `just now`, `40 s ago`, `6 h ago`, `in 5 s`.
pub fn ago(then: Instant, now: Instant) -> String {
    let seconds = (now - then).num_seconds();
    let words = |seconds: i64| match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    match seconds {
        -2..=2 => "just now".to_owned(),
        3.. => format!("{} ago", words(seconds)),
        _ => format!("in {}", words(-seconds)),
    }
}

/// The absolute time with its zone: `2026-11-14 02:10:33 UTC`.
pub fn absolute(at: Instant) -> String {
    use chrono::{Datelike, Timelike};
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// A share between 0 and 1 as whole percents, never rounded up to 100 before it is 1.
pub fn percent(fraction: f64) -> String {
    format!("{} %", (fraction.clamp(0.0, 1.0) * 100.0).floor() as i64)
}

fn three_figures(value: f64) -> String {
    match value.abs() {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_three_figures() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1023), "1.00 kB");
        assert_eq!(bytes(28 * 1024 * 1024 * 1024), "28.0 GB");
        assert_eq!(bytes(i64::MAX), "8192 PB");
    }

    #[test]
    fn counts_are_short_and_exact() {
        assert_eq!(count(999), "999");
        assert_eq!(count(98_200_000), "98.2 M");
        assert_eq!(exact(-1_284_003), "-1,284,003");
        assert_eq!(exact(100), "100");
    }

    #[test]
    fn times_read_like_words() {
        assert_eq!(duration(4_200), "4.2 s");
        assert_eq!(duration(200_000), "3 min 20 s");
        assert_eq!(duration(7_500_000), "2 h 5 min");
        let now = chrono::DateTime::from_timestamp(1_000_000, 0).unwrap_or_default();
        assert_eq!(ago(now - chrono::TimeDelta::seconds(40), now), "40 s ago");
        assert_eq!(ago(now + chrono::TimeDelta::seconds(5), now), "in 5 s");
        assert_eq!(absolute(now), "1970-01-12 13:46:40 UTC");
    }

    #[test]
    fn a_share_is_not_whole_before_it_is() {
        assert_eq!(percent(0.9999), "99 %");
        assert_eq!(percent(1.0), "100 %");
    }
}
