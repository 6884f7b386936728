//! Which instants a cron in a time zone means.
//!
//! Each local time of the cron means one instant. On the day when clocks go forward, one that does not exist means the end
//! of the shift (and two such are one run); on the day when they go back, one that comes twice means the first. So each due
//! time runs once, on these days as well; a schedule of every hour has a pause of two hours when clocks go back.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use contract::{
    Instant,
    schedule::{DueTime, Every, Next},
};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

use crate::{Error, Result};

/// How many of the next runs are shown.
const SHOWN: usize = 5;
/// The longest shift of a zone's clock that there was: a whole day, when a country changed sides of the date line.
const LONGEST_SHIFT: TimeDelta = TimeDelta::hours(25);
/// Missed due times are looked for no further back.
const LONGEST_LOOK_BACK: TimeDelta = TimeDelta::days(366);
/// Due times that are looked at to find the shortest time between two.
const LOOKED_AT: usize = 60;

/// A cron in a zone, checked.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    cron: Cron,
    text: String,
    zone: Tz,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// The newest due time.
    pub newest: Instant,
    /// How many older ones there are that nobody dealt with.
    pub missed: i64,
}

impl Rule {
    /// Checks a cron and a zone.
    ///
    /// # Errors
    /// `Invalid` at `cron` or `zone`, in words.
    pub fn parse(cron: &str, zone: &str) -> Result<Self> {
        let text = cron.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.contains('@') || text.split(' ').count() != 5 {
            return Err(wrong_cron(&text, "a schedule has five fields"));
        }
        let known: Tz = zone.trim().parse().map_err(|_| {
            Error::invalid(
                "zone",
                format!("\"{zone}\" is no time zone that is known here."),
                "Write its IANA name, such as Europe/Berlin, America/New_York or UTC.",
            )
        })?;
        let parsed = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(&text)
            .map_err(|error| wrong_cron(&text, &error.to_string()))?;
        let rule = Self {
            cron: parsed,
            text,
            zone: known,
        };
        if rule.after(Utc::now()).next().is_none() {
            return Err(wrong_cron(&rule.text, "there is no such day"));
        }
        Ok(rule)
    }

    /// The cron, with single blanks.
    pub fn cron(&self) -> &str {
        &self.text
    }

    /// The zone's own name.
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }

    /// In words, and the next due times after an instant.
    pub fn next(&self, now: Instant) -> Next {
        let words = match Every::read(&self.text) {
            Some(every) => every.words(),
            None => format!("by the cron {}", self.text),
        };
        Next {
            words,
            runs: self.after(now).take(SHOWN).map(|at| self.due_time(at)).collect(),
        }
    }

    /// An instant as a clock in the zone shows it.
    pub fn local(&self, at: Instant) -> String {
        at.with_timezone(&self.zone)
            .format("%a %Y-%m-%d %H:%M %Z")
            .to_string()
    }

    fn due_time(&self, at: Instant) -> DueTime {
        DueTime {
            at,
            local: self.local(at),
        }
    }

    /// What became due after `settled`, up to `now`.
    pub fn due(&self, settled: Instant, now: Instant) -> Option<Due> {
        let from = settled.max(now - LONGEST_LOOK_BACK);
        let (mut newest, mut count) = (None, 0);
        for at in self.after(from).take_while(|at| *at <= now) {
            newest = Some(at);
            count += 1;
        }
        Some(Due {
            newest: newest?,
            missed: count - 1,
        })
    }

    /// The shortest time between two of the next due times.
    pub fn shortest_gap(&self, now: Instant) -> TimeDelta {
        let next: Vec<Instant> = self.after(now).take(LOOKED_AT).collect();
        next.windows(2)
            .map(|pair| pair[1] - pair[0])
            .min()
            .unwrap_or(LONGEST_LOOK_BACK)
    }

    /// Every due time after an instant, in order.
    fn after(&self, from: Instant) -> impl Iterator<Item = Instant> + '_ {
        // In local times no hour is left out and none comes twice.
        let mut local = from.with_timezone(&self.zone).naive_local();
        let mut last = from;
        std::iter::from_fn(move || {
            loop {
                local = self.cron.find_next_occurrence(&local, false).ok()?;
                let at = self.instant(local)?;
                // The instant does not go back while local times go on; the same one again is a time that was left out.
                if at > last {
                    last = at;
                    return Some(at);
                }
            }
        })
    }

    /// The instant that a local time means.
    fn instant(&self, local: NaiveDateTime) -> Option<Instant> {
        match self.zone.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.to_utc()),
            LocalResult::None => self.end_of_shift(local),
        }
    }

    /// The instant at which the clock goes past a local time that does not exist: to the minute, as all shifts are today.
    fn end_of_shift(&self, local: NaiveDateTime) -> Option<Instant> {
        // Before: an instant whose local time is surely earlier. After: one that is surely later.
        let (mut before, mut after) = (
            local.and_utc() - LONGEST_SHIFT - TimeDelta::hours(24),
            local.and_utc() + LONGEST_SHIFT + TimeDelta::hours(24),
        );
        let shows = |at: DateTime<Utc>| at.with_timezone(&self.zone).naive_local();
        while after - before > TimeDelta::seconds(1) {
            let middle = before + (after - before) / 2;
            if shows(middle) < local {
                before = middle;
            } else {
                after = middle;
            }
        }
        // The search ends within a second of the shift, which is at a whole one.
        DateTime::from_timestamp(after.timestamp(), 0)
    }
}

fn wrong_cron(text: &str, why: &str) -> Error {
    Error::invalid(
        "cron",
        format!("\"{text}\" is no schedule: {}.", why.trim_end_matches('.')),
        "Write minute, hour, day of the month, month and day of the week, such as 0 2 * * * for every day at 02:00.",
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    /// The due times of a day (and a few hours around), as UTC.
    fn due(cron: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
        let rule = Rule::parse(cron, zone).unwrap();
        rule.after(at(from))
            .take_while(|due| *due <= at(until))
            .map(|due| due.format("%m-%dT%H:%M").to_string())
            .collect()
    }

    #[test]
    fn on_the_days_when_clocks_shift_each_due_time_is_one_instant() {
        // Berlin goes from 02:00 to 03:00 at 01:00 UTC on 2026-03-29, and back from 03:00 to 02:00 at 01:00 UTC on 2026-10-25.
        let berlin = |cron, from, until| due(cron, "Europe/Berlin", from, until);
        assert_eq!(
            berlin("30 2 * * *", "2026-03-28T00:00:00Z", "2026-03-30T23:00:00Z"),
            ["03-28T01:30", "03-29T01:00", "03-30T00:30"]
        );
        assert_eq!(
            berlin("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
            ["10-25T00:30", "10-26T01:30"]
        );
        // 02:00, 02:15, 02:30 and 02:45 do not exist and mean 03:00, which is due as well: one run.
        assert_eq!(
            berlin("*/15 1-3 * * *", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),
            ["03-29T00:45", "03-29T01:00", "03-29T01:15", "03-29T01:30"]
        );
        // The second 02:00 to 02:45 are no due times again.
        assert_eq!(
            berlin("30 * * * *", "2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z"),
            ["10-24T23:30", "10-25T00:30", "10-25T02:30"]
        );
        // New York goes forward at 07:00 UTC on 2026-03-08, and back at 06:00 UTC on 2026-11-01.
        let york = |cron, from, until| due(cron, "America/New_York", from, until);
        assert_eq!(
            york("15 2 * * *", "2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z"),
            ["03-08T07:00", "03-09T06:15"]
        );
        assert_eq!(
            york("15 1 * * *", "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z"),
            ["11-01T05:15", "11-02T06:15"]
        );
        // A shift of half an hour.
        assert_eq!(
            due(
                "15 2 * * *",
                "Australia/Lord_Howe",
                "2026-10-03T00:00:00Z",
                "2026-10-04T00:00:00Z"
            ),
            ["10-03T15:30"]
        );
    }

    #[test]
    fn what_was_missed_is_counted_and_the_newest_is_due() {
        let rule = Rule::parse("0 2 * * *", "UTC").unwrap();
        let due =
            |settled: &str, now: &str| rule.due(at(settled), at(now)).map(|due| (due.newest, due.missed));
        assert_eq!(due("2026-01-01T02:00:00Z", "2026-01-02T01:59:59Z"), None);
        assert_eq!(
            due("2026-01-01T02:00:00Z", "2026-01-02T02:00:00Z"),
            Some((at("2026-01-02T02:00:00Z"), 0))
        );
        assert_eq!(
            due("2026-01-01T02:00:00Z", "2026-01-05T12:00:00Z"),
            Some((at("2026-01-05T02:00:00Z"), 3))
        );
        // A clock that jumped ten years ahead is looked at for one of them.
        assert_eq!(
            due("2026-01-01T02:00:00Z", "2036-01-01T02:00:00Z"),
            Some((at("2036-01-01T02:00:00Z"), 365))
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_its_field() {
        for (cron, zone, field) in [
            ("", "UTC", "cron"),
            ("0 2 * *", "UTC", "cron"),
            ("0 0 2 * * *", "UTC", "cron"),
            ("61 2 * * *", "UTC", "cron"),
            ("0 2 30 2 *", "UTC", "cron"),
            ("@daily", "UTC", "cron"),
            ("every day at two", "UTC", "cron"),
            ("0 2 * * *", "Europe/Nowhere", "zone"),
            ("0 2 * * *", "", "zone"),
        ] {
            let fault = Rule::parse(cron, zone).unwrap_err().fault();
            assert_eq!(fault.field.as_deref(), Some(field), "{cron} in {zone}: {fault}");
        }
        let rule = Rule::parse("  0   2 * * mon-fri ", "Europe/Berlin").unwrap();
        assert_eq!((rule.cron(), rule.zone()), ("0 2 * * mon-fri", "Europe/Berlin"));
    }

    proptest! {
        /// In whatever zone and whenever one looks: due times go forward, none is left out or comes twice.
        #[test]
        fn due_times_do_not_depend_on_when_one_looks(
            zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
            cron in proptest::sample::select(&["30 2 * * *", "0 * * * *", "*/20 * * * *", "59 23 * * 0"][..]),
            start in 1_577_836_800_i64..1_893_456_000,
            split in 0_i64..(3 * 86_400),
        ) {
            let rule = Rule::parse(cron, zone.name()).unwrap();
            let from = DateTime::from_timestamp(start, 0).unwrap();
            let until = from + TimeDelta::days(3);
            let middle = from + TimeDelta::seconds(split);
            let between = |from, until| rule.after(from).take_while(|at| *at <= until).collect::<Vec<_>>();
            let all = between(from, until);
            prop_assert!(all.is_sorted_by(|one, next| one < next));
            let mut halves = between(from, middle);
            halves.extend(between(middle, until));
            prop_assert_eq!(&all, &halves);
            prop_assert_eq!(rule.due(from, until).map_or(0, |due| due.missed + 1), all.len() as i64);
        }
    }
}
