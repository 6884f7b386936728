//! Charts out of steps.

use chrono::{DurationRound, TimeDelta};
use contract::{
    Instant, format,
    history::{Chart, HistoryQuery, HistoryView, Range, Series},
    stats::RelationName,
    target::TargetState,
};
use sqlx::PgPool;

use super::{
    catalog::{self, Snapshot, Statements},
    chart::{self, How, Plan},
    growth, measured_of,
    metric::{Metric, TableMetric},
    step,
    store::{self, Row},
};
use crate::{Engine, Error, Result, quote, target::Target};

/// The most steps of a chart.
const MOST: i64 = 366;
/// Steps that read well on an axis, in seconds; each is a multiple of those that are kept, or the other way round.
const STEPS: [i64; 10] = [60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400];
/// Seconds of the coarsest steps that are kept.
const DAY: i32 = 86_400;
const WEEK: TimeDelta = TimeDelta::days(7);

/// The time of a view.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Grid {
    from: Instant,
    to: Instant,
    step_s: i64,
}

impl Grid {
    fn steps(&self) -> usize {
        usize::try_from((self.to - self.from).num_seconds() / self.step_s).unwrap_or_default()
    }
}

/// The finest steps that are kept of all the time since a moment.
fn kept(from: Instant, now: Instant, table: bool) -> i32 {
    // A little less than is kept: what is being removed must not be a hole.
    let slack = TimeDelta::minutes(10);
    let tens = if table { store::TENS_OF_TABLES } else { store::TENS };
    match now - from {
        age if age <= store::MINUTES - slack && !table => 60,
        age if age <= tens + slack => 600,
        _ => DAY,
    }
}

fn grid(range: Range, now: Instant, table: bool) -> Result<Grid> {
    let (from, to) = match range {
        Range::Last(span) => (now - span.length(), now),
        Range::Between(from, to) => (from.max(now - store::DAYS), to.min(now)),
    };
    if from >= to {
        return Err(Error::invalid(
            "range",
            "There is no time between that beginning and that end.",
            "Choose an end after the beginning, and a beginning before now and within the last two years.",
        ));
    }
    let length = (to - from).num_seconds();
    let fits = STEPS
        .into_iter()
        .find(|step| length <= step * (MOST - 1))
        .unwrap_or(7 * 86_400);
    // Seven days of a week begin on a Thursday by this clock, which nobody sees in two years of steps.
    let step_s = fits.max(i64::from(kept(from, now, table)));
    let down = |at: Instant| at - TimeDelta::seconds(at.timestamp().rem_euclid(step_s));
    let whole = |at: Instant| at - TimeDelta::nanoseconds(i64::from(at.timestamp_subsec_nanos()));
    // The step that is not over is shown as far as it is, but for a minute, of which there is nothing yet.
    let end = match step_s {
        60 if matches!(range, Range::Last(_)) => down(whole(to)),
        _ => match down(whole(to)) {
            end if end < to => end + TimeDelta::seconds(step_s),
            end => end,
        },
    };
    let from = match range {
        Range::Last(_) => end - TimeDelta::seconds((length + step_s - 1) / step_s * step_s),
        Range::Between(..) => down(whole(from)),
    };
    Ok(Grid {
        from,
        to: end,
        step_s,
    })
}

/// What was added up for one step and value.
#[derive(Clone, Copy, Default)]
struct Cell {
    sum: f64,
    weight: f64,
    peak: Option<f64>,
    /// The parts that were measured.
    parts: u32,
}

/// The steps of a view for some places; what was kept coarser than the view's steps counts for each of them with its part.
fn cells(rows: &[Row], source_s: i64, grid: Grid, place: usize) -> Vec<Cell> {
    let mut cells = vec![Cell::default(); grid.steps()];
    for row in rows {
        let at = |list: &[Option<f32>]| list.get(place).copied().flatten().map(f64::from);
        let (Some(sum), Some(weight)) = (row.sums.get(place).copied().flatten(), at(&row.weights)) else {
            continue;
        };
        let first = (row.at - grid.from).num_seconds().div_euclid(grid.step_s);
        let over = (source_s / grid.step_s).max(1);
        for step in first..first + over {
            if let Some(cell) = usize::try_from(step).ok().and_then(|step| cells.get_mut(step)) {
                cell.sum += sum / over as f64;
                cell.weight += weight / over as f64;
                cell.peak = match (cell.peak, at(&row.peaks)) {
                    (Some(one), Some(other)) => Some(one.max(other)),
                    (one, other) => one.or(other),
                };
                cell.parts += 1;
            }
        }
    }
    cells
}

fn values(cells: &[Cell], how: How) -> Vec<Option<f64>> {
    cells
        .iter()
        .map(|cell| match how {
            How::Mean => (cell.weight > 0.0).then(|| cell.sum / cell.weight),
            How::Sum => (cell.parts > 0).then_some(cell.sum),
            How::Peak => cell.peak,
        })
        .collect()
}

/// The steps of a stretch of time, oldest first. Those of days are rolled up once an hour, so that the newest of them are made of
/// what is finer.
async fn steps(
    pool: &PgPool,
    series: i64,
    subject: &str,
    source_s: i32,
    (from, to): (Instant, Instant),
) -> Result<Vec<Row>> {
    let mut rows = store::steps(pool, series, subject, source_s, from, to).await?;
    if source_s == DAY {
        let newest = rows.last().map_or(from, |row| row.at);
        let finer = store::steps(pool, series, subject, 600, newest, to).await?;
        for day in days(finer) {
            // A day whose finer steps are gone stays as it is.
            rows.retain(|row| row.at != day.at);
            rows.push(day);
        }
    }
    Ok(rows)
}

/// Looks whether there is a table of which nothing was measured. One that cannot be asked for at the moment may well be there.
///
/// # Errors
/// `NotFound` when there is none.
async fn is_there(target: &Target, table: &RelationName) -> Result<()> {
    let looking = async {
        let mut look = target.look().await?;
        catalog::has_table(&mut look, table)
            .await
            .map_err(|source| target.error(source))
    };
    match looking.await {
        Ok(false) => Err(Error::not_found(
            format!(
                "There is no table {}.{} in {}.",
                table.schema,
                table.name,
                target.name()
            ),
            "It may have been dropped or renamed: look for it on the Tables page.",
        )),
        Ok(true) => Ok(()),
        Err(error) => {
            tracing::debug!(
                target.name = target.name(),
                error = error.chain(),
                "whether there is a table is not known"
            );
            Ok(())
        }
    }
}

/// Adds finer steps up to days, as the store does.
fn days(finer: Vec<Row>) -> Vec<Row> {
    let mut days: Vec<Row> = Vec::new();
    for row in finer {
        let at = row.at.duration_trunc(TimeDelta::days(1)).unwrap_or(row.at);
        match days.last_mut().filter(|day| day.at == at) {
            None => days.push(Row { at, ..row }),
            Some(day) => {
                together(&mut day.sums, row.sums, |one, other| one + other);
                together(&mut day.weights, row.weights, |one, other| one + other);
                together(&mut day.peaks, row.peaks, f32::max);
            }
        }
    }
    days
}

/// Puts values of the same places together; what is in one alone stays.
fn together<T: Copy>(values: &mut Vec<Option<T>>, others: Vec<Option<T>>, how: impl Fn(T, T) -> T) {
    values.resize(values.len().max(others.len()), None);
    for (value, other) in values.iter_mut().zip(others) {
        *value = match (*value, other) {
            (Some(one), Some(other)) => Some(how(one, other)),
            (one, other) => one.or(other),
        };
    }
}

/// The charts of a stretch of time.
pub(super) async fn view(engine: &Engine, query: HistoryQuery) -> Result<HistoryView> {
    let target = engine.target(&query.target)?;
    let pool = engine.store();
    let now = store::now(pool).await?;
    let is_table = query.table.is_some();
    let grid = grid(query.range, now, is_table)?;
    let mut view = HistoryView {
        target: target.name().to_owned(),
        from: grid.from,
        to: grid.to,
        step_s: grid.step_s,
        charts: Vec::new(),
        marks: Vec::new(),
        sampled_at: None,
        trouble: match target.state() {
            TargetState::Down { fault, .. } => Some(fault.message),
            TargetState::Up(_) => None,
        },
        since: None,
    };
    let (database, series) = match measured_of(&target).await {
        Ok(numbers) => numbers,
        Err(reason) => {
            view.trouble.get_or_insert(reason);
            return Ok(view);
        }
    };
    let subject = query
        .table
        .as_ref()
        .map_or_else(String::new, |table| step::subject(&table.schema, &table.name));
    let source = kept(grid.from, now, is_table);
    let rows = steps(pool, series, &subject, source, (grid.from, grid.to)).await?;
    let before = match query.before {
        true => {
            let grid = Grid {
                from: grid.from - WEEK,
                to: grid.to - WEEK,
                ..grid
            };
            let source = kept(grid.from, now, is_table);
            // A coarser step that began earlier reaches into it.
            let from = grid.from - TimeDelta::seconds(i64::from(source));
            let rows = steps(pool, series, &subject, source, (from, grid.to)).await?;
            Some((rows, i64::from(source), grid))
        }
        false => None,
    };
    let turn = store::last_turn(pool, series).await?;
    if let Some(turn) = &turn {
        view.sampled_at = turn.sampled_at;
        if let Some(trouble) = &turn.trouble {
            view.trouble.get_or_insert_with(|| trouble.clone());
        }
    }
    let (snapshot, sizes_from) = turn.map_or((None, None), |turn| (turn.snapshot, turn.sizes_from));
    view.since = store::since(pool, series, &subject).await?;
    if let (Some(table), None) = (&query.table, view.since) {
        is_there(&target, table).await?;
    }
    // What has just happened has no values beside it yet, and is told all the same.
    let until = match query.range {
        Range::Last(_) => grid.to.max(now),
        Range::Between(..) => grid.to,
    };
    view.marks = store::marks(pool, (database, series), grid.from, until).await?;
    let plans = match is_table {
        true => chart::of_table(),
        false => chart::of_database(),
    };
    let wanted = |plan: &Plan| {
        query
            .charts
            .as_ref()
            .is_none_or(|charts| charts.iter().any(|key| key == plan.key))
    };
    for plan in plans.into_iter().filter(wanted) {
        let mut chart = drawn(&plan, &rows, i64::from(source), grid, before.as_ref());
        let size = match is_table {
            true => TableMetric::Bytes as usize,
            false => Metric::DatabaseBytes as usize,
        };
        if plan.lines.iter().any(|line| line.place == size) && plan.key == "size" {
            let place = i32::try_from(size + 1).unwrap_or_default();
            let growth = store::growth(pool, series, &subject, place, now).await?;
            // Of a table nobody can say when it fills a disk that it shares.
            let disk = target.disk_bytes().filter(|_| !is_table);
            chart.note = growth::words(growth.as_ref(), disk, !is_table, now);
            if let Some(replica) = sizes_from.as_ref().filter(|_| is_table) {
                let words = format!("The last size is that of the replica at {replica}.");
                chart.note = Some(chart.note.map_or(words.clone(), |note| format!("{note} {words}")));
            }
            chart.limit = disk.map(|bytes| ("disk".to_owned(), bytes as f64));
        }
        let keep = match (is_table, &snapshot) {
            (true, _) => {
                if view.since.is_none() {
                    chart.note = Some(NO_TABLE.to_owned());
                }
                true
            }
            (false, Some(snapshot)) => {
                explain(&mut chart, &plan, &rows, snapshot);
                plan.key != "replay_delay" || snapshot.standby || has_values(&chart)
            }
            (false, None) => plan.key != "replay_delay",
        };
        if keep {
            view.charts.push(chart);
        }
    }
    Ok(view)
}

const NO_TABLE: &str = "Nothing was measured of this table yet: of each database the 200 largest tables and the 50 on which \
                        most was done are measured, every ten minutes.";

fn drawn(
    plan: &Plan,
    rows: &[Row],
    source_s: i64,
    grid: Grid,
    before: Option<&(Vec<Row>, i64, Grid)>,
) -> Chart {
    let series = plan.lines.iter().map(|line| Series {
        key: line.key.to_owned(),
        label: line.label.to_owned(),
        values: values(&cells(rows, source_s, grid, line.place), plan.how),
        before: before
            .map(|(rows, source_s, grid)| values(&cells(rows, *source_s, *grid, line.place), plan.how)),
    });
    Chart {
        key: plan.key.to_owned(),
        title: plan.title.to_owned(),
        unit: plan.unit,
        stacked: plan.stacked,
        series: series.collect(),
        limit: None,
        note: plan.note.map(str::to_owned),
        missing: None,
    }
}

fn has_values(chart: &Chart) -> bool {
    chart
        .series
        .iter()
        .any(|series| series.values.iter().any(Option::is_some))
}

/// Says what a chart's values come near to, and why some are missing, by the last snapshot.
fn explain(chart: &mut Chart, plan: &Plan, rows: &[Row], snapshot: &Snapshot) {
    let monitor = || format!("grant pg_monitor to {};", quote::ident(&snapshot.role));
    match plan.key {
        "connections" => {
            let most = snapshot.max_connections;
            chart.limit = Some(("max_connections".to_owned(), most as f64));
            if let Some(peak) = most_at_once(rows) {
                chart.note = Some(format!(
                    "Client connections to the whole server; at most {peak} at once in this time, of {most}."
                ));
            }
            if !snapshot.sees_all {
                chart.missing = Some(format!(
                    "The console's role sees the states of its own sessions alone: {}",
                    monitor()
                ));
            }
        }
        "waits" if !snapshot.sees_all => {
            chart.missing = Some(format!(
                "The console's role does not see what others wait for: {}",
                monitor()
            ));
        }
        "queries" | "latency" => {
            chart.missing = match &snapshot.statements {
                Statements::Counted { evictions, .. } if *evictions > 0 => {
                    let words = format!(
                        "pg_stat_statements throws statements out for want of room ({} times so far), and a minute in which it \
                         does has no value: alter system set pg_stat_statements.max = 10000; and restart the server, or keep \
                         more than it has.",
                        format::exact(*evictions)
                    );
                    Some(words)
                }
                Statements::Counted { .. } => None,
                Statements::Missing => {
                    Some("The extension is not in this database: create extension pg_stat_statements;".to_owned())
                }
                Statements::NotLoaded => Some(
                    "The library is not loaded: add pg_stat_statements to shared_preload_libraries and restart the server."
                        .to_owned(),
                ),
                Statements::Old => Some(
                    "The extension's version in this database does not tell of evictions: alter extension \
                     pg_stat_statements update;"
                        .to_owned(),
                ),
                Statements::Refused { schema } => {
                    let (schema, role) = (quote::ident(schema), quote::ident(&snapshot.role));
                    Some(format!(
                        "The console's role may not read pg_stat_statements: grant usage on schema {schema} to {role}; grant \
                         execute on all functions in schema {schema} to {role};"
                    ))
                }
            };
        }
        "lag" if snapshot.standbys == 0 => {
            chart.note = Some("No standby is connected to this server now.".to_owned());
        }
        "lag" if snapshot.lag_bytes.is_none() && !snapshot.sees_all => {
            chart.missing = Some(format!(
                "The console's role does not see how far the standbys are: {}",
                monitor()
            ));
        }
        "slots" if snapshot.slots == 0 => {
            chart.note = Some("This server has no replication slots now.".to_owned());
        }
        _ => {}
    }
}

/// The most client connections of one snapshot, as far as the rows tell: in rows of minutes exactly, in coarser ones at
/// most the sum of the states' highest values, which is told only where it is the same.
fn most_at_once(rows: &[Row]) -> Option<i64> {
    let places = chart::STATES.map(|metric| metric as usize);
    let sums = rows.iter().map(|row| {
        let single = places
            .iter()
            .all(|place| row.weights.get(*place).copied().flatten() == Some(1.0));
        let sum: Option<f64> = places
            .iter()
            .map(|place| row.sums.get(*place).copied().flatten())
            .sum();
        sum.filter(|_| single)
    });
    // One row that is no single snapshot, and nothing is known for certain.
    let sums: Option<Vec<f64>> = sums.collect();
    sums?.into_iter().map(|sum| sum as i64).max()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use contract::history::Span;

    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn every_span_has_few_steps_that_are_whole_and_of_what_is_kept() {
        let now = at("2026-05-20T13:37:42.5Z");
        let of = |span| grid(Range::Last(span), now, false).unwrap();
        let all: Vec<(i64, usize)> = Span::ALL
            .into_iter()
            .map(|span| (of(span).step_s, of(span).steps()))
            .collect();
        assert_eq!(
            all,
            [
                (60, 15),
                (60, 60),
                (60, 360),
                (300, 288),
                (1800, 336),
                (7200, 360),
                (86_400, 90),
                (86_400, 365),
            ]
        );
        assert_eq!(
            of(Span::Hour).to,
            at("2026-05-20T13:37:00Z"),
            "the last whole minute"
        );
        assert_eq!(of(Span::Week).to, at("2026-05-20T14:00:00Z"), "as far as it is");
        for span in Span::ALL {
            let grid = of(span);
            let source = i64::from(kept(grid.from, now, false));
            assert_eq!(grid.step_s % source, 0, "{span:?}");
            assert_eq!(grid.from.timestamp() % grid.step_s, 0, "{span:?}");
        }
    }

    #[test]
    fn a_dragged_stretch_lies_in_whole_steps_and_one_that_is_none_is_refused() {
        let now = at("2026-05-20T13:37:42Z");
        let between = |from, to| grid(Range::Between(at(from), at(to)), now, false);
        let week_ago = between("2026-05-13T10:03:10Z", "2026-05-13T10:20:00Z").unwrap();
        assert_eq!(
            week_ago,
            Grid {
                from: at("2026-05-13T10:00:00Z"),
                to: at("2026-05-13T10:20:00Z"),
                step_s: 600,
            },
            "minutes of then are gone"
        );
        for (from, to) in [
            ("2026-05-20T12:00:00Z", "2026-05-20T11:00:00Z"),
            ("2026-05-21T00:00:00Z", "2026-05-22T00:00:00Z"),
            ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"),
        ] {
            let fault = between(from, to).unwrap_err().fault();
            assert_eq!(fault.field.as_deref(), Some("range"), "{fault}");
        }
    }

    #[test]
    fn days_are_the_sums_of_their_parts_and_keep_the_highest_value() {
        let row = |time, sum, weight, peak| Row {
            at: at(time),
            sums: vec![sum],
            weights: vec![weight],
            peaks: vec![peak],
        };
        let mut later = row("2026-05-21T00:00:00Z", Some(7.0), Some(1.0), Some(7.0));
        later.sums.push(Some(1.0));
        let made = days(vec![
            row("2026-05-20T10:00:00Z", Some(5.0), Some(10.0), Some(2.0)),
            row("2026-05-20T10:10:00Z", None, None, None),
            row("2026-05-20T23:50:00Z", Some(1.0), Some(2.0), Some(3.0)),
            later,
        ]);
        let told: Vec<_> = made
            .iter()
            .map(|day| (day.at, day.sums[0], day.weights[0], day.peaks[0], day.sums.len()))
            .collect();
        assert_eq!(
            told,
            [
                (at("2026-05-20T00:00:00Z"), Some(6.0), Some(12.0), Some(3.0), 1),
                (at("2026-05-21T00:00:00Z"), Some(7.0), Some(1.0), Some(7.0), 2),
            ]
        );
    }

    #[test]
    fn coarser_steps_count_for_finer_ones_with_their_part() {
        let grid = Grid {
            from: at("2026-05-20T10:05:00Z"),
            to: at("2026-05-20T10:15:00Z"),
            step_s: 60,
        };
        let row = |time, sum, weight| Row {
            at: at(time),
            sums: vec![Some(sum)],
            weights: vec![Some(weight)],
            peaks: vec![Some(3.0)],
        };
        let rows = [
            row("2026-05-20T10:00:00Z", 1200.0, 600.0),
            row("2026-05-20T10:10:00Z", 600.0, 300.0),
        ];
        let found = cells(&rows, 600, grid, 0);
        assert_eq!(values(&found, How::Mean), vec![Some(2.0); 10]);
        assert_eq!(
            values(&found, How::Sum)[..6],
            [
                Some(120.0),
                Some(120.0),
                Some(120.0),
                Some(120.0),
                Some(120.0),
                Some(60.0)
            ]
        );
        assert_eq!(values(&found, How::Peak), vec![Some(3.0); 10]);
        assert_eq!(
            values(&cells(&rows, 600, grid, 1), How::Mean),
            vec![None; 10],
            "a place from a later version"
        );
    }
}
