//! What was measured over time: charts of a managed database, marks on their axis, sparklines of the fleet.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::{Instant, format, stats::RelationName};

/// How long a stretch of time the charts show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// A quarter of an hour.
    Quarter,
    /// An hour.
    #[default]
    Hour,
    /// Six hours.
    Hours6,
    /// A day.
    Day,
    /// A week.
    Week,
    /// Thirty days.
    Month,
    /// Ninety days.
    Season,
    /// A year of 365 days.
    Year,
}

impl Span {
    /// Every one, shortest first.
    pub const ALL: [Self; 8] = [
        Self::Quarter,
        Self::Hour,
        Self::Hours6,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Season,
        Self::Year,
    ];

    /// The name in links.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quarter => "15m",
            Self::Hour => "1h",
            Self::Hours6 => "6h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Season => "90d",
            Self::Year => "1y",
        }
    }

    /// In words, after "the last".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Quarter => "15 minutes",
            Self::Hour => "hour",
            Self::Hours6 => "6 hours",
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
            Self::Season => "90 days",
            Self::Year => "year",
        }
    }

    /// How long it is.
    pub const fn length(self) -> TimeDelta {
        match self {
            Self::Quarter => TimeDelta::minutes(15),
            Self::Hour => TimeDelta::hours(1),
            Self::Hours6 => TimeDelta::hours(6),
            Self::Day => TimeDelta::hours(24),
            Self::Week => TimeDelta::days(7),
            Self::Month => TimeDelta::days(30),
            Self::Season => TimeDelta::days(90),
            Self::Year => TimeDelta::days(365),
        }
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|span| span.name() == name)
            .ok_or_else(|| format!("\"{name}\" is no range; there are 15m, 1h, 6h, 24h, 7d, 30d, 90d, 1y"))
    }
}

/// The time that charts show: a span up to now, or a stretch that was dragged out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// Up to now.
    Last(Span),
    /// From one moment to another, which is later.
    Between(Instant, Instant),
}

impl Default for Range {
    fn default() -> Self {
        Self::Last(Span::default())
    }
}

/// Which charts to draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryQuery {
    /// The managed database.
    pub target: String,
    /// One table's charts instead of the database's.
    pub table: Option<RelationName>,
    /// Only these charts, by their keys; all when not given.
    pub charts: Option<Vec<String>>,
    /// The time.
    pub range: Range,
    /// Whether the same stretch a week before comes with it.
    pub before: bool,
}

/// What the values of a chart count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Things.
    Count,
    /// Things a second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Milliseconds.
    Milliseconds,
    /// A share, 0 to 1.
    Share,
}

impl Unit {
    /// A value with its unit, as in `34.2/s`.
    pub fn say(self, value: f64) -> String {
        match self {
            Self::Count => figure(value),
            Self::PerSecond => format!("{}/s", figure(value)),
            Self::Bytes => format::bytes(value as i64),
            Self::BytesPerSecond => format!("{}/s", format::bytes(value as i64)),
            Self::Milliseconds if value.abs() >= 999.5 => format!("{} s", figure(value / 1000.0)),
            Self::Milliseconds => format!("{} ms", figure(value)),
            // Cut off and not rounded, so that 100 % means all.
            Self::Share => format!("{} %", (value * 1000.0).floor() / 10.0),
        }
    }
}

/// Three figures, as in `0.034`, `3.4`, `340`, `34.2 k`.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 999.5 => format::count(value.round() as i64),
        size if size >= 99.5 || size == 0.0 => format!("{}", value.round()),
        size if size >= 9.95 => format!("{}", (value * 10.0).round() / 10.0),
        size if size >= 0.995 => format!("{}", (value * 100.0).round() / 100.0),
        _ => format!("{}", (value * 1000.0).round() / 1000.0),
    }
}

/// A moment as it stands in links and CSV: `2026-11-30T05:00:00Z`.
pub fn write_moment(at: Instant) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One line of a chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The name in CSV, as in `active`.
    pub key: String,
    /// The name in words.
    pub label: String,
    /// One value per step of the view; none where nothing was measured.
    pub values: Vec<Option<f64>>,
    /// The same stretch a week before, when asked for.
    pub before: Option<Vec<Option<f64>>>,
}

/// One chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// The name in links and CSV, as in `connections`.
    pub key: String,
    /// The title.
    pub title: String,
    /// What the values count.
    pub unit: Unit,
    /// Whether the lines add up to a whole, and are drawn on one another.
    pub stacked: bool,
    /// Its lines.
    pub series: Vec<Series>,
    /// A bound that the values come near to, with its name, as in `max_connections`.
    pub limit: Option<(String, f64)>,
    /// What is to be said of it, in a sentence: a forecast, how it is counted.
    pub note: Option<String>,
    /// Why there are no values, or not all, and the statement that would change it.
    pub missing: Option<String>,
}

/// What a mark on the time axis stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// A job of this console.
    Job,
    /// Migrations that were applied.
    Migration,
    /// A deployment that someone told of.
    Deployment,
    /// The server started.
    Restart,
}

impl MarkKind {
    /// In one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Migration => "migration",
            Self::Deployment => "deployment",
            Self::Restart => "restart",
        }
    }
}

/// Something that happened, on the time axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// When, or when it began.
    pub at: Instant,
    /// When it ended, where it took time.
    pub until: Option<Instant>,
    /// What it was.
    pub kind: MarkKind,
    /// In words, as in `Backup of ai_pal` or `Deployment shop 1.4.2`.
    pub label: String,
    /// The page that shows it: from the root, or a whole link to a page elsewhere.
    pub page: Option<String>,
    /// Whether it failed.
    pub failed: bool,
}

/// The charts of a stretch of time. Step `i` begins at `from + i × step_s`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryView {
    /// The managed database.
    pub target: String,
    /// The beginning of the first step.
    pub from: Instant,
    /// The end of the last step.
    pub to: Instant,
    /// Seconds of a step, at least 60.
    pub step_s: i64,
    /// The charts, what matters most first.
    pub charts: Vec<Chart>,
    /// What happened meanwhile, by time.
    pub marks: Vec<Mark>,
    /// The last snapshot; none when there is none yet.
    pub sampled_at: Option<Instant>,
    /// Why the last snapshot could not be taken, when it could not.
    pub trouble: Option<String>,
    /// The first snapshot that is kept.
    pub since: Option<Instant>,
}

impl HistoryView {
    /// How many steps it has.
    pub fn steps(&self) -> usize {
        usize::try_from((self.to - self.from).num_seconds() / self.step_s.max(1)).unwrap_or_default()
    }

    /// When a step begins.
    pub fn at(&self, step: usize) -> Instant {
        self.from + TimeDelta::seconds(self.step_s * i64::try_from(step).unwrap_or_default())
    }

    /// What happened in a step.
    pub fn meanwhile(&self, step: usize) -> impl Iterator<Item = &Mark> {
        let (from, to) = (self.at(step), self.at(step + 1));
        self.marks
            .iter()
            .filter(move |mark| mark.at < to && mark.until.unwrap_or(mark.at) >= from)
    }

    /// The values of one chart, or of all, in full: a row each, as [`COLUMNS`] names them.
    pub fn rows(&self, only: Option<&str>) -> Vec<Vec<String>> {
        let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let mut rows = Vec::new();
        for chart in self
            .charts
            .iter()
            .filter(|chart| only.is_none_or(|only| only == chart.key))
        {
            for series in &chart.series {
                for step in 0..self.steps() {
                    let of = |values: &[Option<f64>]| values.get(step).copied().flatten();
                    let now = of(&series.values);
                    let before = series.before.as_deref().and_then(of);
                    if now.is_some() || before.is_some() {
                        rows.push(vec![
                            write_moment(self.at(step)),
                            chart.key.clone(),
                            series.key.clone(),
                            text(now),
                            text(before),
                        ]);
                    }
                }
            }
        }
        rows
    }
}

/// The columns of [`HistoryView::rows`].
pub const COLUMNS: [&str; 5] = ["time", "chart", "series", "value", "week_before"];

/// The values of the charts at one moment, over the second before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pulse {
    /// The managed database.
    pub target: String,
    /// The moment, by its server's clock.
    pub at: Instant,
    /// The charts that have a value of a moment.
    pub charts: Vec<Beat>,
}

impl Pulse {
    /// The values of a chart, in the order of its lines.
    pub fn values(&self, chart: &str) -> Option<&[Option<f64>]> {
        let beat = self.charts.iter().find(|beat| beat.chart == chart);
        beat.map(|beat| beat.values.as_slice())
    }
}

/// The values of one chart at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beat {
    /// The chart, by its key.
    pub chart: String,
    /// One value a line; none where nothing was measured.
    pub values: Vec<Option<f64>>,
}

/// A managed database's last hours in one small line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spark {
    /// The managed database.
    pub target: String,
    /// Transactions a second, oldest first; none where nothing was measured.
    pub transactions: Vec<Option<f64>>,
    /// Client connections of the server.
    pub connections: Vec<Option<f64>>,
}

/// How much room the history takes in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistorySize {
    /// Bytes of its tables and indexes.
    pub bytes: i64,
    /// The most that it comes to with these databases, by what is kept and for how long; an estimate.
    pub most_bytes: i64,
}

#[cfg(test)]
mod tests {
    use super::Unit;

    #[test]
    fn a_share_is_whole_only_when_it_is() {
        assert_eq!(Unit::Share.say(0.99999), "99.9 %");
        assert_eq!(Unit::Share.say(1.0), "100 %");
        assert_eq!(Unit::PerSecond.say(0.0345), "0.035/s");
    }
}
