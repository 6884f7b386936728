//! The shifts of a zone, from the database of zones that the server has.

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Arc, LazyLock, RwLock},
};

use chrono::{DateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::shifts::{BROWSER, Zone};

/// Pages show nothing older than the first release that the console works with; in seconds since 1970.
const FROM: i64 = 946_684_800;
/// How far a schedule looks ahead, and more.
const AHEAD: TimeDelta = TimeDelta::days(5 * 365);
/// When a table is made anew, in seconds before it ends.
const LEAST: i64 = 4 * 365 * 86_400;
/// No zone has shifted twice within so many seconds.
const STEP: i64 = 86_400;

/// What cookies have named so far: there are some hundred zones, and a page asks for its own many times.
static KNOWN: LazyLock<RwLock<HashMap<String, Arc<Zone>>>> = LazyLock::new(RwLock::default);

/// The zone that a cookie's value names; what names none is UTC, and is kept to be told.
pub fn read(value: &str) -> Arc<Zone> {
    if let Ok(known) = KNOWN.read()
        && let Some(zone) = known
            .get(value)
            .filter(|zone| zone.is_utc() || zone.until > Utc::now().timestamp() + LEAST)
    {
        return Arc::clone(zone);
    }
    let zone = Arc::new(make(value));
    if zone.unknown.is_none()
        && let Ok(mut known) = KNOWN.write()
    {
        known.insert(value.to_owned(), Arc::clone(&zone));
    }
    zone
}

fn make(value: &str) -> Zone {
    let (name, is_browsers) = match value.strip_prefix(BROWSER) {
        Some(name) => (name, true),
        None => (value, false),
    };
    // Browsers take names in any case.
    let named = || {
        chrono_tz::TZ_VARIANTS
            .into_iter()
            .find(|zone| zone.name().eq_ignore_ascii_case(name))
    };
    match Tz::from_str(name).ok().or_else(named).ok_or(()) {
        Ok(Tz::UTC) => Zone {
            is_browsers,
            ..Zone::default()
        },
        Ok(zone) => {
            let until = (Utc::now() + AHEAD).timestamp();
            Zone {
                name: zone.name().to_owned(),
                is_browsers,
                shifts: shifts(zone, until),
                until,
                unknown: None,
            }
        }
        Err(_) => Zone {
            // A cookie can hold anything.
            unknown: Some(name.chars().take(64).collect()),
            ..Zone::default()
        },
    }
}

fn shifts(zone: Tz, until: i64) -> Vec<(i64, i32)> {
    let offset = |at: i64| {
        let at = DateTime::from_timestamp(at, 0).unwrap_or_default();
        zone.offset_from_utc_datetime(&at.naive_utc())
            .fix()
            .local_minus_utc()
    };
    let mut last = offset(FROM);
    let mut shifts = vec![(FROM, last)];
    let mut at = FROM;
    while at < until {
        let next = at + STEP;
        let then = offset(next);
        if then != last {
            // The second from which on it is so.
            let (mut before, mut after) = (at, next);
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                if offset(middle) == then {
                    after = middle;
                } else {
                    before = middle;
                }
            }
            shifts.push((after, then));
            last = then;
        }
        at = next;
    }
    shifts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_shows_what_its_clocks_show() {
        let now = Utc::now().timestamp();
        for zone in chrono_tz::TZ_VARIANTS {
            let read = read(zone.name());
            assert_eq!(read.unknown, None, "{zone}");
            // A prime number of seconds meets every time of the day.
            let mut at = FROM;
            while at < now + 4 * 365 * 86_400 {
                let moment = DateTime::from_timestamp(at, 0).unwrap_or_default();
                let wall = moment.with_timezone(&zone).naive_local();
                assert_eq!(read.local(moment).naive_local(), wall, "{zone} at {moment}");
                at += 2_000_003;
            }
            for (at, _) in read.shifts.iter().skip(1) {
                for at in [at - 1, *at] {
                    let moment = DateTime::from_timestamp(at, 0).unwrap_or_default();
                    let wall = moment.with_timezone(&zone).naive_local();
                    assert_eq!(read.local(moment).naive_local(), wall, "{zone} at {moment}");
                }
            }
        }
    }

    #[test]
    fn what_a_clock_shows_is_a_moment_also_around_shifts() {
        let wall = |text: &str| text.parse::<chrono::NaiveDateTime>().unwrap_or_default();
        let berlin = read("Europe/Berlin");
        for (shown, moment) in [
            ("2026-11-30T06:02:11", "2026-11-30T05:02:11Z"),
            ("2026-07-01T00:30:00", "2026-06-30T22:30:00Z"),
            // It comes twice, and never.
            ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
            ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
            ("1999-01-01T00:00:00", "1999-01-01T00:00:00Z"),
        ] {
            let found = berlin.moment(wall(shown));
            assert_eq!(
                found,
                moment.parse::<contract::Instant>().unwrap_or_default(),
                "{shown}"
            );
        }
        for name in [
            "UTC",
            "America/St_Johns",
            "Pacific/Apia",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
        ] {
            let zone = read(name);
            let mut at = FROM + 86_400;
            while at < FROM + 20 * 365 * 86_400 {
                let moment = DateTime::from_timestamp(at, 0).unwrap_or_default();
                let wall = zone.local(moment).naive_local();
                assert_eq!(
                    zone.local(zone.moment(wall)).naive_local(),
                    wall,
                    "{name} at {moment}"
                );
                at += 1_000_003;
            }
        }
    }

    #[test]
    fn a_time_is_shown_with_what_tells_its_zone() {
        let at = |text: &str| text.parse::<contract::Instant>().unwrap_or_default();
        assert_eq!(read("europe/BERLIN").name, "Europe/Berlin");
        let berlin = read("browser:Europe/Berlin");
        assert!(berlin.is_browsers);
        assert_eq!(
            berlin.absolute(at("2026-10-25T00:30:00Z")),
            "2026-10-25 02:30:00 +02:00"
        );
        assert_eq!(
            berlin.absolute(at("2026-10-25T01:30:00Z")),
            "2026-10-25 02:30:00 +01:00"
        );
        assert_eq!(read("Asia/Kolkata").mark(at("2026-01-01T00:00:00Z")), "+05:30");
        // Before there is a table, and after it.
        assert_eq!(
            berlin.absolute(at("1999-12-31T23:00:00Z")),
            "1999-12-31 23:00:00 UTC"
        );
        assert_eq!(
            berlin.absolute(at("2099-01-01T00:00:00Z")),
            "2099-01-01 00:00:00 UTC"
        );
        assert_eq!(
            read("UTC").absolute(at("2026-01-01T00:00:00Z")),
            "2026-01-01 00:00:00 UTC"
        );
    }

    #[test]
    fn what_is_no_zone_is_utc_and_told() {
        for value in ["", "Mars/Base", "browser:", "<script>", "../../etc/passwd"] {
            let zone = read(value);
            assert!(zone.is_utc() && zone.name == "UTC", "{value}");
            assert_eq!(
                zone.unknown.as_deref(),
                Some(value.strip_prefix(BROWSER).unwrap_or(value))
            );
        }
    }
}
