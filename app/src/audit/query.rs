//! What the page's URL asks for.

use chrono::{NaiveDateTime, TimeDelta};
use contract::{
    Code, Fault, Instant,
    audit::{AuditQuery, AuditSource},
};

use crate::{address::Query, zone::Zone};

/// Reads the query of the URL. A value that is none is a fault and not ignored: the list would show more than was asked
/// for, and look as if it did not.
///
/// # Errors
/// `Invalid`, with the name of the value.
pub fn read(url: &Query) -> Result<AuditQuery, Fault> {
    let text = |key: &str| {
        url.get(key)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    };
    let source = match text("source").as_deref() {
        None | Some("console") => AuditSource::Console,
        Some("target") => AuditSource::Target,
        Some(other) => return Err(wrong("source", other, "Choose one of the tabs.")),
    };
    let severity = text("severity").map(|name| {
        name.parse()
            .map_err(|_| wrong("severity", &name, "Choose one of the list."))
    });
    let time = |key: &'static str| {
        text(key).map(|value| {
            instant(&value).ok_or_else(|| wrong(key, &value, "Write a time like 2026-11-23T16:30, in UTC."))
        })
    };
    Ok(AuditQuery {
        source,
        // A name, which may begin or end with a blank.
        target: url.get("target").filter(|name| !name.is_empty()),
        user: text("user"),
        address: text("address"),
        event_type: text("type"),
        severity: severity.transpose()?,
        from: time("from").transpose()?,
        until: time("until").transpose()?,
        after: text("after"),
    })
}

/// How far back the list goes, in seconds, where a span was chosen; `between` and nothing choose none.
///
/// # Errors
/// `Invalid`: a span that is none would show more than was asked for.
pub fn within(when: Option<&str>) -> Result<Option<i64>, Fault> {
    match when {
        None | Some("between") => Ok(None),
        Some(when) => SPANS
            .iter()
            .find(|(name, ..)| *name == when)
            .map(|(_, seconds, _)| Some(*seconds))
            .ok_or_else(|| wrong("when", when, "Choose one of the list.")),
    }
}

/// The spans to choose: in the URL, in seconds, in words.
pub const SPANS: [(&str, i64, &str); 4] = [
    ("1h", 3600, "Last hour"),
    ("24h", 24 * 3600, "Last 24 hours"),
    ("7d", 7 * 24 * 3600, "Last 7 days"),
    ("30d", 30 * 24 * 3600, "Last 30 days"),
];

/// The query, no further back than so many seconds before now.
pub fn since(query: AuditQuery, seconds: Option<i64>, now: Instant) -> AuditQuery {
    let earliest = seconds.map(|seconds| now - TimeDelta::seconds(seconds));
    AuditQuery {
        from: query.from.max(earliest),
        ..query
    }
}

/// A time as people and `<input type="datetime-local">` write it, in UTC: a day, minutes, seconds, or with a zone.
fn instant(text: &str) -> Option<Instant> {
    let full = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text.to_owned(),
    };
    full.parse().ok()
}

/// What a field for a time shows of a value of the URL: the reader's clock.
pub fn shown(value: &str, zone: &Zone) -> String {
    instant(value).map_or_else(|| value.to_owned(), |at| minutes(zone.local(at).naive_local()))
}

/// The value for the URL, in UTC, of what such a field holds.
pub fn asked(field: &str, zone: &Zone) -> String {
    let wall = [field.to_owned(), format!("{field}:00")]
        .into_iter()
        .find_map(|text| text.parse::<NaiveDateTime>().ok());
    wall.map_or_else(|| field.to_owned(), |wall| minutes(zone.moment(wall).naive_utc()))
}

/// As `<input type="datetime-local">` takes it, without seconds where there are none.
fn minutes(at: NaiveDateTime) -> String {
    let text = at.format("%Y-%m-%dT%H:%M:%S").to_string();
    text.strip_suffix(":00").map_or(text.clone(), str::to_owned)
}

fn wrong(field: &'static str, value: &str, hint: &str) -> Fault {
    let what = match field {
        "from" | "until" => "time",
        "source" => "log",
        "when" => "span of time",
        other => other,
    };
    Fault::new(Code::Invalid, format!("“{value}” is no {what}."))
        .field(field)
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(pairs: &[(&'static str, &str)]) -> Query {
        let pairs = pairs
            .iter()
            .map(|(key, value)| format!("{key}={}", crate::address::escape(value)));
        Query::read(&pairs.collect::<Vec<_>>().join("&"))
    }

    #[test]
    fn times_are_read_as_utc_however_short() {
        let at = |text| instant(text).map(contract::format::absolute).unwrap_or_default();
        assert_eq!(at("2026-11-23"), "2026-11-23 00:00:00 UTC");
        assert_eq!(at("2026-11-23T16:30"), "2026-11-23 16:30:00 UTC");
        assert_eq!(at("2026-11-23T16:30:05"), "2026-11-23 16:30:05 UTC");
        assert_eq!(at("2026-11-23T16:30:05+02:00"), "2026-11-23 14:30:05 UTC");
        assert_eq!(instant("yesterday"), None);
        assert_eq!(instant("2026-02-31"), None);
    }

    #[test]
    fn a_field_shows_the_readers_clock_and_the_url_holds_utc() {
        let zone = crate::zone::read("Europe/Berlin");
        for (url, field) in [
            ("2026-11-23T16:30", "2026-11-23T17:30"),
            ("2026-07-23T16:30:05", "2026-07-23T18:30:05"),
        ] {
            assert_eq!(
                (shown(url, &zone), asked(field, &zone)),
                (field.to_owned(), url.to_owned())
            );
        }
        assert_eq!(shown("2026-11-23", &zone), "2026-11-23T01:00");
        assert_eq!(
            (shown("soon", &zone), asked("", &zone)),
            ("soon".to_owned(), String::new())
        );
        let utc = Zone::default();
        assert_eq!(asked("2026-11-23T16:30", &utc), "2026-11-23T16:30");
    }

    #[test]
    fn a_span_counts_back_from_now_and_never_widens_a_beginning() {
        let now = instant("2026-11-23T16:30").unwrap_or_default();
        let asked = |from: Option<&str>, when| {
            let query = AuditQuery {
                from: from.and_then(instant),
                ..AuditQuery::default()
            };
            since(query, within(when).ok().flatten(), now).from
        };
        assert_eq!(asked(None, None), None);
        assert_eq!(asked(None, Some("1h")), instant("2026-11-23T15:30"));
        assert_eq!(asked(None, Some("7d")), instant("2026-11-16T16:30"));
        assert_eq!(asked(Some("2026-11-23"), Some("7d")), instant("2026-11-23"));
        assert_eq!(asked(Some("2026-11-01"), Some("between")), instant("2026-11-01"));
        let fault = within(Some("1y")).err();
        assert_eq!(fault.and_then(|fault| fault.field).as_deref(), Some("when"));
    }

    #[test]
    fn a_value_that_is_none_is_named_and_not_ignored() {
        for (key, value) in [
            ("source", "moon"),
            ("severity", "loud"),
            ("from", "soon"),
            ("until", "2026-13-01"),
        ] {
            let fault = read(&url(&[(key, value)])).err();
            assert_eq!(fault.as_ref().and_then(|fault| fault.field.as_deref()), Some(key));
            assert!(fault.is_some_and(|fault| fault.message.contains(value)));
        }
    }

    #[test]
    fn empty_values_of_a_sent_form_ask_for_nothing() {
        let empty = url(&[
            ("user", ""),
            ("type", " "),
            ("severity", ""),
            ("from", ""),
            ("until", ""),
            ("target", ""),
        ]);
        assert_eq!(read(&empty), Ok(AuditQuery::default()));
        let some = url(&[("source", "target"), ("target", "ai_pal"), ("user", " ada ")]);
        let expected = AuditQuery {
            source: AuditSource::Target,
            target: Some("ai_pal".into()),
            user: Some("ada".into()),
            ..AuditQuery::default()
        };
        assert_eq!(read(&some), Ok(expected));
    }
}
