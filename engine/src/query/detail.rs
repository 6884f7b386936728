//! One statement as a page shows it: its numbers in a range, over time, by role, and how much its calls differ.

use chrono::TimeDelta;
use contract::{
    Instant, format,
    history::{Chart, HistoryView, Range, Series, Unit},
    query::{
        Coverage, QueryAbsence, QueryDetail, QueryQuery, QuerySince, QueryStat, QueryText, RoleSums, Sums,
    },
};

use super::{
    no_such,
    page::{Numbers, Stretch, fresh, numbers, statements, threshold, whole},
    store::{self, Kept, Measured},
    text,
};
use crate::{Engine, Result, target::Target};

pub(super) async fn view(
    engine: &Engine,
    target: &Target,
    id: i64,
    query: QueryQuery,
) -> Result<QueryDetail> {
    let pool = engine.store();
    let series = fresh(engine, target).await?;
    let now = store::now(pool).await?;
    let stretch = Stretch::new(query.range, now)?;
    // All statements, for its share of them.
    let mut numbers = numbers(engine, series, stretch, matches!(query.range, Range::Last(_))).await?;
    let whole = whole(&numbers.deltas);
    let others = numbers.deltas.iter().any(|delta| delta.queryid == 0);
    numbers.deltas.retain(|delta| delta.queryid == id);
    let last = store::last(pool, series).await?;
    let kept = store::texts(pool, series, &[id]).await?;
    let (statement, absence) = match statements(engine, series, &numbers, None, &whole).await?.pop() {
        Some(statement) => (statement, None),
        None => {
            let steps = store::last_steps(pool, series, id).await?;
            let is_counted = || {
                let counters = last.iter().flat_map(|last| &last.counters);
                counters.into_iter().any(|counter| counter.queryid == id)
            };
            if kept.is_empty() && steps.is_empty() && !is_counted() {
                return Err(no_such(&query.queryid));
            }
            let absence = QueryAbsence {
                words: absence(&numbers.coverage, others).to_owned(),
                last: last_stretch(&steps, now),
            };
            (idle(id, kept.first(), &numbers), Some(absence))
        }
    };
    let mut by_role: Vec<RoleSums> = numbers
        .deltas
        .iter()
        .map(|delta| RoleSums {
            role: delta.role.clone(),
            nested: delta.nested,
            sums: delta.sums,
        })
        .collect();
    by_role.sort_by(|a, b| b.sums.total_ms.total_cmp(&a.sums.total_ms));
    let counters = last.iter().flat_map(|last| &last.counters);
    let since = counters
        .filter(|counter| counter.queryid == id)
        .map(|counter| QuerySince {
            role: counter.role.clone(),
            since: counter.since.or(last.as_ref().and_then(|last| last.reset_at)),
            calls: counter.sums.calls,
            mean_ms: Sums::from(&counter.sums).mean_ms().unwrap_or_default(),
            min_ms: counter.min_ms,
            max_ms: counter.max_ms,
            stddev_ms: counter.stddev_ms,
        })
        .collect();
    Ok(QueryDetail {
        target: target.name().to_owned(),
        database: target.database().to_owned(),
        statement,
        absence,
        coverage: numbers.coverage,
        by_role,
        since,
        first_seen_at: kept.first().map(|kept| kept.first_seen_at),
        no_plan: plannable(kept.first()).err(),
        threshold_ms: threshold(engine),
    })
}

/// Why there are no numbers of a statement that was met some time.
fn absence(coverage: &Coverage, others: bool) -> &'static str {
    match (coverage.cumulative, coverage.from.is_some(), others) {
        (true, ..) => "It ran too little to be shown before the console has measured anything.",
        (_, false, _) => "Nothing was measured in this time.",
        (_, _, true) => "It did not run in this time, or so little that it was not kept by itself.",
        (_, _, false) => "It did not run in this time.",
    }
}

/// A stretch of time that shows the last step in which a statement ran: one whose steps are those in which that is kept.
fn last_stretch(steps: &[(i32, Instant)], now: Instant) -> Option<(Instant, Instant)> {
    steps.iter().find_map(|(step, at)| {
        let to = *at + TimeDelta::seconds((*step).into());
        // What is shorter has finer steps.
        let length = match *step {
            300 => TimeDelta::hours(1),
            3600 => TimeDelta::hours(12),
            _ => TimeDelta::days(8),
        };
        let from = to - length;
        let shown = Stretch::new(Range::Between(from, to), now).ok()?;
        (shown.step == *step).then_some((from, to))
    })
}

/// A statement that did nothing.
fn idle(id: i64, kept: Option<&Kept>, numbers: &Numbers) -> QueryStat {
    let before = numbers.before.as_ref().map(|before| {
        let mut sums = Sums::default();
        for delta in before.iter().filter(|delta| delta.queryid == id) {
            sums.add(&delta.sums);
        }
        sums
    });
    QueryStat {
        queryid: id.to_string(),
        text: kept.map(|kept| kept.text.clone()),
        whole_text: kept.is_some_and(|kept| kept.whole),
        tags: kept.map(|kept| kept.tags.clone()).unwrap_or_default(),
        roles: Vec::new(),
        nested: false,
        sums: Sums::default(),
        before,
        share: 0.0,
        slow: false,
    }
}

pub(super) async fn text(engine: &Engine, target: &Target, id: i64) -> Result<QueryText> {
    let series = target.series_id(true).await?;
    let kept = store::texts(engine.store(), series, &[id]).await?;
    let (text, note) = match plannable(kept.first()) {
        Ok((text, note)) => (Some(text.to_owned()), note.map(str::to_owned)),
        Err(reason) => (None, Some(reason)),
    };
    Ok(QueryText {
        queryid: id.to_string(),
        text,
        note,
    })
}

/// The text to be planned, with what has to be done to it first.
///
/// # Errors
/// Why there is no plan of what is kept.
fn plannable(kept: Option<&Kept>) -> Result<(&str, Option<&'static str>), String> {
    let Some(kept) = kept else {
        return Err(
            "Its text is not known: the server did not give it, or the statement has not run for long."
                .to_owned(),
        );
    };
    if !kept.whole {
        return Err(format!(
            "Only the first {} characters of its text are kept, and a part of a statement has no plan. Take the whole from the \
             application.",
            format::exact(i64::try_from(text::LONGEST).unwrap_or(i64::MAX))
        ));
    }
    if !text::is_planned(&kept.text) {
        return Err("It is a command, and only statements that read or change rows have a plan.".to_owned());
    }
    let note = text::lacks_values(&kept.text).then_some(
        "Values were left out of its text, and … stands where they were: write a value, or a parameter such as $1, in each such \
         place.",
    );
    Ok((&kept.text, note))
}

pub(super) async fn history(
    engine: &Engine,
    target: &Target,
    id: i64,
    range: Range,
    before: bool,
) -> Result<HistoryView> {
    let pool = engine.store();
    let series = fresh(engine, target).await?;
    let stretch = Stretch::new(range, store::now(pool).await?)?;
    let measured = store::steps(pool, series, stretch, id).await?;
    let week = match before {
        true => {
            let week = Stretch {
                from: stretch.from - TimeDelta::weeks(1),
                to: stretch.to - TimeDelta::weeks(1),
                ..stretch
            };
            Some((week, store::steps(pool, series, week, id).await?))
        }
        false => None,
    };
    let (looked_at, trouble) = store::last_turn(pool, series).await?;
    Ok(HistoryView {
        target: target.name().to_owned(),
        from: stretch.from,
        to: stretch.to,
        step_s: stretch.step.into(),
        charts: charts(stretch, &measured, week.as_ref()),
        marks: Vec::new(),
        sampled_at: looked_at,
        trouble,
        since: None,
    })
}

/// A line: its key and label, and its value by the sums and the seconds of a step.
type Line = (&'static str, &'static str, fn(&Sums, f64) -> Option<f64>);

fn charts(stretch: Stretch, measured: &[Measured], week: Option<&(Stretch, Vec<Measured>)>) -> Vec<Chart> {
    let plans: [(&str, &str, Unit, &[Line]); 6] = [
        (
            "calls",
            "Calls a second",
            Unit::PerSecond,
            &[("calls", "Calls", |sums, seconds| {
                Some(sums.calls as f64 / seconds)
            })],
        ),
        (
            "mean",
            "Mean time of a call",
            Unit::Milliseconds,
            &[("mean", "Mean", |sums, _| sums.mean_ms())],
        ),
        (
            "time",
            "Time in each second",
            Unit::Milliseconds,
            &[("time", "Time", |sums, seconds| Some(sums.total_ms / seconds))],
        ),
        (
            "rows",
            "Rows a second",
            Unit::PerSecond,
            &[("rows", "Rows", |sums, seconds| Some(sums.rows as f64 / seconds))],
        ),
        (
            "blocks",
            "Blocks a second",
            Unit::PerSecond,
            &[
                ("read", "Read", |sums, seconds| Some(sums.read as f64 / seconds)),
                ("written", "Written", |sums, seconds| {
                    Some(sums.written as f64 / seconds)
                }),
                ("temp", "Temporary", |sums, seconds| {
                    Some(sums.temp as f64 / seconds)
                }),
            ],
        ),
        (
            "wal",
            "Write-ahead log",
            Unit::BytesPerSecond,
            &[("wal", "WAL", |sums, seconds| {
                Some(sums.wal_bytes as f64 / seconds)
            })],
        ),
    ];
    plans
        .into_iter()
        .map(|(key, title, unit, lines)| {
            let series = lines.iter().map(|(key, label, of)| Series {
                key: (*key).to_owned(),
                label: (*label).to_owned(),
                values: values(stretch, measured, *of),
                before: week.map(|(stretch, measured)| values(*stretch, measured, *of)),
            });
            Chart {
                key: key.to_owned(),
                title: title.to_owned(),
                unit,
                stacked: false,
                series: series.collect(),
                limit: None,
                note: None,
                missing: None,
            }
        })
        .collect()
}

/// A line's values by step. What was measured over several steps, because nobody looked meanwhile, is the same in each; where
/// the statement was not among those that are kept, it did nothing only when all are.
fn values(stretch: Stretch, measured: &[Measured], of: fn(&Sums, f64) -> Option<f64>) -> Vec<Option<f64>> {
    let step = TimeDelta::seconds(stretch.step.into());
    let count = (stretch.to - stretch.from).num_seconds() / i64::from(stretch.step).max(1);
    let mut values = vec![None; usize::try_from(count).unwrap_or_default()];
    for measured in measured.iter().filter(|measured| measured.seconds > 0.0) {
        let value = match (&measured.sums, measured.others) {
            (Some(sums), _) => of(sums, measured.seconds),
            (None, false) => of(&Sums::default(), measured.seconds),
            (None, true) => None,
        };
        let mut at = measured.at;
        loop {
            let place = (at - stretch.from).num_seconds().div_euclid(stretch.step.into());
            if let Some(slot) = usize::try_from(place)
                .ok()
                .and_then(|place| values.get_mut(place))
            {
                // What was measured of a step by itself stands before what reaches into it.
                if at == measured.at || slot.is_none() {
                    *slot = value;
                }
            }
            at -= step;
            // Whole steps only: one that was measured in part has a value of its own.
            if at < measured.since || at < stretch.from {
                break;
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use chrono::DateTime;

    use super::*;

    #[test]
    fn the_stretch_in_which_a_statement_ran_last_has_the_steps_that_know_of_it() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(422);
        let ago = |hours: i64, step: i32| (step, store::floor(now - TimeDelta::hours(hours), step));
        for (steps, step) in [
            (vec![ago(0, 300), ago(0, 3600), ago(0, 86_400)], 300),
            (vec![ago(30, 300), ago(30, 3600), ago(30, 86_400)], 300),
            // Steps of five minutes are still there, and the page does not show them any more.
            (vec![ago(47, 300), ago(47, 3600), ago(47, 86_400)], 3600),
            (vec![ago(20, 3600), ago(20, 86_400)], 3600),
            (vec![ago(20, 86_400)], 86_400),
            (vec![ago(24 * 25, 3600), ago(24 * 25, 86_400)], 86_400),
            (vec![ago(24 * 400, 86_400)], 86_400),
        ] {
            let (from, to) = last_stretch(&steps, now).unwrap();
            let shown = Stretch::new(Range::Between(from, to), now).unwrap();
            let at = steps.iter().find(|(length, _)| *length == step).unwrap().1;
            assert_eq!(shown.step, step, "{steps:?}");
            assert!(shown.from <= at && at < shown.to, "{steps:?}");
        }
        assert_eq!(last_stretch(&[], now), None);
    }

    #[test]
    fn a_step_is_nothing_only_where_every_statement_is_known() {
        let minute = |minute: i64| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        let measured = |at, since, until, calls: Option<i64>, others| Measured {
            at: minute(at),
            since: minute(since),
            seconds: ((until - since) * 60) as f64,
            sums: calls.map(|calls| Sums {
                calls,
                ..Sums::default()
            }),
            others,
        };
        let stretch = Stretch {
            from: minute(0),
            to: minute(35),
            step: 300,
        };
        let measured = [
            measured(0, 0, 5, Some(300), true),
            measured(5, 5, 10, None, false),
            measured(10, 10, 15, None, true),
            // Nobody looked between minute 15 and 30.
            measured(25, 15, 30, Some(900), true),
        ];
        let calls = values(stretch, &measured, |sums, seconds| {
            Some(sums.calls as f64 / seconds)
        });
        let one = Some(1.0);
        assert_eq!(calls, [one, Some(0.0), None, one, one, one, None]);
    }
}
