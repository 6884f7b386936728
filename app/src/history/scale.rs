//! From values to lines: the axis, and paths in a square of [`WIDTH`] × [`HEIGHT`] that the page stretches.

use std::fmt::Write;

pub use contract::history::write_moment;
use contract::{
    Instant,
    history::{Chart, Range, Span, Unit},
};

/// The width of a drawing, in its own units.
pub const WIDTH: f64 = 1000.0;
/// The height of a drawing, in its own units.
pub const HEIGHT: f64 = 100.0;

/// From which value to which a chart's axis goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// The value at the bottom.
    pub low: f64,
    /// The value at the top, above `low`.
    pub high: f64,
}

impl Axis {
    /// The axis that shows every value, and the limit once they come near to it.
    pub fn of(chart: &Chart) -> Self {
        let steps = chart
            .series
            .iter()
            .map(|series| series.values.len())
            .max()
            .unwrap_or_default();
        let mut most: f64 = 0.0;
        let mut least = f64::INFINITY;
        let mut see = |value: f64| {
            most = most.max(value);
            least = least.min(value);
        };
        if chart.stacked {
            for step in 0..steps {
                let sum = |of: fn(&contract::history::Series, usize) -> Option<f64>| {
                    chart
                        .series
                        .iter()
                        .filter_map(|series| of(series, step))
                        .sum::<f64>()
                };
                see(sum(|series, step| series.values.get(step).copied().flatten()));
                see(sum(|series, step| {
                    series
                        .before
                        .as_ref()
                        .and_then(|before| before.get(step).copied().flatten())
                }));
            }
        } else {
            for series in &chart.series {
                let before = series.before.iter().flatten();
                series
                    .values
                    .iter()
                    .chain(before)
                    .flatten()
                    .copied()
                    .for_each(&mut see);
            }
        }
        if let Some((_, limit)) = &chart.limit
            && most >= limit * 0.4
        {
            most = most.max(*limit);
        }
        if chart.unit == Unit::Share {
            // Between 99 % and all of it is where shares tell something.
            let low = [0.99, 0.9, 0.5]
                .into_iter()
                .find(|low| least.is_finite() && *low <= least);
            return Self {
                low: low.unwrap_or(0.0),
                high: 1.0,
            };
        }
        Self {
            low: 0.0,
            high: round_up(most, matches!(chart.unit, Unit::Bytes | Unit::BytesPerSecond)),
        }
    }

    /// Where a value lies, from 0 at the top to [`HEIGHT`].
    pub fn y(self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        (1.0 - share.clamp(0.0, 1.0)) * HEIGHT
    }

    /// The value in the middle.
    pub fn middle(self) -> f64 {
        self.low + (self.high - self.low) / 2.0
    }
}

/// The next number of the kind that people like on an axis.
fn round_up(value: f64, bytes: bool) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let base: f64 = if bytes { 1024.0 } else { 1000.0 };
    let unit = base.powi((value.ln() / base.ln()).floor() as i32);
    [
        1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 200.0, 400.0, 600.0, 800.0,
    ]
    .into_iter()
    .map(|step| step * unit)
    .find(|step| *step >= value * (1.0 - 1e-9))
    .unwrap_or(base * unit)
}

/// Where the middle of a step lies.
pub fn x(step: usize, steps: usize) -> f64 {
    (step as f64 + 0.5) / steps.max(1) as f64 * WIDTH
}

/// The step under a share of the width, 0 to 1.
pub fn step_at(share: f64, steps: usize) -> Option<usize> {
    let last = steps.checked_sub(1)?;
    Some(((share.clamp(0.0, 1.0) * steps as f64) as usize).min(last))
}

/// A line through values; it breaks where nothing was measured.
pub fn line(values: &[Option<f64>], axis: Axis) -> String {
    let mut path = String::with_capacity(values.len() * 10);
    let mut drawing = false;
    for (step, value) in values.iter().enumerate() {
        match value {
            Some(value) => {
                let (x, y) = (x(step, values.len()), axis.y(*value));
                let alone = !drawing && values.get(step + 1).is_none_or(Option::is_none);
                // A single value has no length, and a line of none is not drawn.
                let tail = if alone { "h1" } else { "" };
                let letter = if drawing { 'L' } else { 'M' };
                // Writing to a text cannot fail.
                let _ = write!(path, "{letter}{} {}{tail}", number(x), number(y));
                drawing = true;
            }
            None => drawing = false,
        }
    }
    path
}

/// The surfaces of lines that are drawn on one another, and their upper edges: the first one lies at the bottom.
pub fn stack(series: &[&[Option<f64>]], axis: Axis) -> Vec<(String, String)> {
    let steps = series.iter().map(|values| values.len()).max().unwrap_or_default();
    let mut floor: Vec<Option<f64>> = (0..steps)
        .map(|step| {
            series
                .iter()
                .any(|values| values.get(step).is_some_and(Option::is_some))
                .then_some(0.0)
        })
        .collect();
    series
        .iter()
        .map(|values| {
            let top: Vec<Option<f64>> = floor
                .iter()
                .enumerate()
                .map(|(step, floor)| {
                    floor.map(|floor| floor + values.get(step).copied().flatten().unwrap_or(0.0))
                })
                .collect();
            let drawn = (surface(&top, &floor, axis), line(&top, axis));
            floor = top;
            drawn
        })
        .collect()
}

/// The surface between two lines, which have values at the same steps.
fn surface(top: &[Option<f64>], floor: &[Option<f64>], axis: Axis) -> String {
    let steps = top.len();
    let mut path = String::new();
    let mut from = 0;
    while from < steps {
        if top[from].is_none() {
            from += 1;
            continue;
        }
        let to = (from..steps).find(|step| top[*step].is_none()).unwrap_or(steps);
        let half = WIDTH / steps as f64 / 2.0;
        let point = |path: &mut String, letter: char, at: f64, value: Option<f64>| {
            // Writing to a text cannot fail.
            let _ = write!(
                path,
                "{letter}{} {}",
                number(at),
                number(axis.y(value.unwrap_or(0.0)))
            );
        };
        point(&mut path, 'M', x(from, steps) - half, top[from]);
        for (step, value) in top.iter().enumerate().take(to).skip(from) {
            point(&mut path, 'L', x(step, steps), *value);
        }
        point(&mut path, 'L', x(to - 1, steps) + half, top[to - 1]);
        point(&mut path, 'L', x(to - 1, steps) + half, floor[to - 1]);
        for step in (from..to).rev() {
            point(&mut path, 'L', x(step, steps), floor[step]);
        }
        point(&mut path, 'L', x(from, steps) - half, floor[from]);
        path.push('Z');
        from = to;
    }
    path
}

/// A place with one decimal, and none where it is whole.
fn number(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A moment as the axis says it: the time of day within two days, else the day.
pub fn moment(at: Instant, length: chrono::TimeDelta) -> String {
    let form = if length <= chrono::TimeDelta::hours(26) && at.timestamp() % 60 != 0 {
        "%H:%M:%S"
    } else if length <= chrono::TimeDelta::hours(26) {
        "%H:%M"
    } else if length <= chrono::TimeDelta::days(8) {
        "%a %H:%M"
    } else {
        "%-d %b"
    };
    crate::zone::local(at, form)
}

/// The moments of a URL: `2026-11-30T05:00`, with or without seconds and `Z`; all are UTC.
pub fn read_moment(text: &str) -> Option<Instant> {
    let plain = text.trim_end_matches('Z');
    ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .into_iter()
        .find_map(|form| chrono::NaiveDateTime::parse_from_str(plain, form).ok())
        .map(|at| at.and_utc())
}

/// The range that a URL's values mean; what cannot be read is the last hour.
pub fn read_range(range: Option<&str>, from: Option<&str>, to: Option<&str>) -> Range {
    match (from.and_then(read_moment), to.and_then(read_moment)) {
        (Some(from), Some(to)) if from < to => Range::Between(from, to),
        _ => Range::Last(
            range
                .and_then(|range| range.parse::<Span>().ok())
                .unwrap_or_default(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use contract::history::{Chart, Range, Series, Span, Unit};

    use super::{Axis, line, read_moment, read_range, round_up, stack, step_at, write_moment};

    fn chart(unit: Unit, stacked: bool, values: &[&[Option<f64>]]) -> Chart {
        Chart {
            key: "k".into(),
            title: "K".into(),
            unit,
            stacked,
            series: values
                .iter()
                .map(|values| Series {
                    key: "s".into(),
                    label: "s".into(),
                    values: values.to_vec(),
                    before: None,
                })
                .collect(),
            limit: Some(("max".into(), 100.0)),
            note: None,
            missing: None,
        }
    }

    #[test]
    fn an_axis_shows_every_value_and_the_limit_once_it_is_near() {
        assert_eq!(Axis::of(&chart(Unit::Count, false, &[&[Some(13.0)]])).high, 20.0);
        assert_eq!(
            Axis::of(&chart(Unit::Count, true, &[&[Some(13.0)], &[Some(31.0)]])).high,
            100.0
        );
        assert_eq!(Axis::of(&chart(Unit::Count, false, &[&[None]])).high, 1.0);
        let hits = Axis::of(&chart(Unit::Share, false, &[&[Some(0.95), None, Some(1.0)]]));
        assert_eq!((hits.low, hits.high), (0.9, 1.0));
    }

    #[test]
    fn an_axis_ends_at_a_round_number() {
        let rounded = |value| round_up(value, false);
        assert_eq!(
            [0.03, 1.0, 1.2, 61.0, 999.0, 1001.0].map(rounded),
            [0.04, 1.0, 2.0, 80.0, 1000.0, 2000.0]
        );
        assert_eq!(round_up(1500.0, true), 2048.0);
        assert_eq!(round_up(900.0 * 1024.0, true), 1024.0 * 1024.0);
    }

    #[test]
    fn a_line_breaks_where_nothing_was_measured() {
        let axis = Axis { low: 0.0, high: 10.0 };
        assert_eq!(
            line(&[Some(0.0), Some(10.0), None, Some(5.0), None], axis),
            "M100 100L300 0M700 50h1"
        );
    }

    #[test]
    fn stacked_values_lie_on_one_another() {
        let axis = Axis { low: 0.0, high: 4.0 };
        let drawn = stack(&[&[Some(1.0), None], &[Some(2.0), None]], axis);
        assert_eq!(drawn[0].1, "M250 75h1");
        assert_eq!(drawn[1].1, "M250 25h1");
        assert_eq!(drawn[1].0, "M0 25L250 25L500 25L500 75L250 75L0 75Z");
    }

    #[test]
    fn the_pointer_meets_the_step_below_it() {
        assert_eq!(
            [0.0, 0.49, 0.5, 1.0, 7.0].map(|share| step_at(share, 2)),
            [Some(0), Some(0), Some(1), Some(1), Some(1)]
        );
        assert_eq!(step_at(0.5, 0), None);
    }

    #[test]
    fn a_range_comes_back_from_its_link() {
        assert_eq!(read_range(Some("7d"), None, None), Range::Last(Span::Week));
        assert_eq!(read_range(Some("7 d"), Some("x"), None), Range::Last(Span::Hour));
        let from = read_moment("2026-11-30T05:00");
        let to = read_moment("2026-11-30T05:30:00Z");
        assert_eq!(
            read_range(None, Some("2026-11-30T05:00"), Some("2026-11-30T05:30:00Z")),
            Range::Between(from.unwrap_or_default(), to.unwrap_or_default())
        );
        assert_eq!(from.map(write_moment).as_deref(), Some("2026-11-30T05:00:00Z"));
        assert_eq!(from.zip(to).map(|(from, to)| (to - from).num_minutes()), Some(30));
        assert_eq!(
            read_range(None, Some("2026-11-30T05:00"), Some("2026-11-30T05:00")),
            Range::Last(Span::Hour)
        );
    }
}
