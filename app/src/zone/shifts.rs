//! A zone as the browser gets it.

use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeDelta};
use contract::Instant;
use serde::{Deserialize, Serialize};

/// What stands before the zone in the cookie where it is to be the browser's: the document's first script keeps it so.
pub const BROWSER: &str = "browser:";

/// A time zone with its shifts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// By IANA's name, such as `Europe/Berlin`.
    pub name: String,
    /// Whether it is the browser's.
    pub is_browsers: bool,
    /// From when, in seconds since 1970, its clocks are so many seconds before UTC's; in order.
    pub(super) shifts: Vec<(i64, i32)>,
    /// Until when that is known. What lies outside is shown in UTC.
    pub(super) until: i64,
    /// What was chosen and is no zone that the console knows.
    pub unknown: Option<String>,
}

impl Default for Zone {
    fn default() -> Self {
        Self {
            name: "UTC".to_owned(),
            is_browsers: false,
            shifts: Vec::new(),
            until: i64::MIN,
            unknown: None,
        }
    }
}

impl Zone {
    /// Whether it was chosen to be UTC, or not chosen at all.
    pub fn is_utc(&self) -> bool {
        self.shifts.is_empty()
    }

    fn offset(&self, at: Instant) -> Option<FixedOffset> {
        let at = at.timestamp();
        let begun = self.shifts.partition_point(|(from, _)| *from <= at);
        let (_, seconds) = self.shifts.get(begun.checked_sub(1)?)?;
        (at < self.until)
            .then(|| FixedOffset::east_opt(*seconds))
            .flatten()
    }

    /// A moment as a clock there shows it.
    pub fn local(&self, at: Instant) -> DateTime<FixedOffset> {
        match self.offset(at) {
            Some(offset) => at.with_timezone(&offset),
            None => at.fixed_offset(),
        }
    }

    /// The moment at which a clock there shows this: the first of two, and in an hour that is left out, that which would have been it.
    pub fn moment(&self, wall: NaiveDateTime) -> Instant {
        let seconds = |at: Instant| self.offset(at).map_or(0, |offset| offset.local_minus_utc());
        let before = |by: i32| wall.and_utc() - TimeDelta::seconds(by.into());
        // No zone shifts twice within a day.
        let near = [before(86_400), before(-86_400)].map(seconds);
        let found = near
            .map(before)
            .into_iter()
            .find(|at| self.local(*at).naive_local() == wall);
        found.unwrap_or_else(|| before(near[0]))
    }

    /// What tells which zone a moment's time is in: `+01:00`, or `UTC`.
    pub fn mark(&self, at: Instant) -> String {
        match self.offset(at) {
            Some(offset) => offset.to_string(),
            None => "UTC".to_owned(),
        }
    }

    /// The moment in full, with what tells the zone: `2026-11-30 06:02:11 +01:00`, `2026-11-30 05:02:11 UTC`.
    pub fn absolute(&self, at: Instant) -> String {
        format!("{} {}", self.local(at).format("%Y-%m-%d %H:%M:%S"), self.mark(at))
    }
}
