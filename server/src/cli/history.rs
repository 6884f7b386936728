//! `pgsteward history`: the numbers of the charts.

use contract::{
    format,
    history::{COLUMNS, Chart, HistoryQuery, HistoryView, Mark, Range, Series, write_moment},
    stats::RelationName,
};

use super::{Session, arguments::History, failure::Failure, table};
use crate::console::Console;

pub(super) async fn run(session: &Session<'_>, console: &Console, what: History) -> Result<(), Failure> {
    if what.csv && session.out.is_json() {
        return Err(Failure::usage(
            "--csv and --json are two answers",
            "keep one of them",
        ));
    }
    let target = match (what.name, &session.target) {
        (Some(name), Some(target)) if name != *target => {
            return Err(Failure::usage(
                format!("{name} and --target {target} are two databases"),
                "keep one of them",
            ));
        }
        (Some(name), _) => name,
        (None, _) => session.target(console).await?,
    };
    let table = match what.table {
        None => None,
        Some(part) => Some(RelationName {
            schema: part.schema.clone(),
            name: part.table.clone().ok_or_else(|| {
                Failure::usage(
                    format!("{part} is a schema"),
                    "name a table, such as public.users",
                )
            })?,
        }),
    };
    let query = HistoryQuery {
        target,
        table,
        charts: None,
        range: match what.from.zip(what.to) {
            Some((from, to)) => Range::Between(from, to),
            None => Range::Last(what.range),
        },
        before: what.before,
    };
    let mut view = console
        .engine
        .history()
        .view(&session.caller(console), query)
        .await?;
    choose(&mut view, &what.metric)?;
    if what.csv {
        session.out.say(&csv(&view));
        return Ok(());
    }
    session.out.show(&view, || words(&view, !what.metric.is_empty()));
    Ok(())
}

/// Leaves the charts that were asked for.
fn choose(view: &mut HistoryView, metrics: &[String]) -> Result<(), Failure> {
    let known: Vec<&str> = view.charts.iter().map(|chart| chart.key.as_str()).collect();
    // Of a database that was never reached there is no chart at all, and the view says why.
    if let Some(wrong) = metrics
        .iter()
        .find(|key| !known.is_empty() && !known.contains(&key.as_str()))
    {
        return Err(Failure::usage(
            format!("there is no chart {wrong}"),
            format!("there are {}", known.join(", ")),
        ));
    }
    if !metrics.is_empty() {
        view.charts.retain(|chart| metrics.contains(&chart.key));
    }
    Ok(())
}

/// The rows of the page's CSV. Times, keys and numbers need no quotes.
fn csv(view: &HistoryView) -> String {
    let rows = view.rows(None);
    let lines = rows.iter().map(|row| row.join(","));
    std::iter::once(COLUMNS.join(","))
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n")
}

fn words(view: &HistoryView, whole: bool) -> String {
    let mut parts = vec![format!(
        "{} from {} to {}, in steps of {}",
        view.target,
        write_moment(view.from),
        write_moment(view.to),
        format::duration(view.step_s * 1000)
    )];
    if let Some(trouble) = &view.trouble {
        parts.push(format!("Not measured at the moment: {trouble}"));
    }
    match view.since {
        Some(since) => {
            parts.extend((since > view.from).then(|| format!("Measured since {}.", format::absolute(since))))
        }
        None => {
            parts.push("Nothing is measured yet: a console that serves takes a snapshot a minute.".to_owned())
        }
    }
    match whole {
        true => parts.extend(view.charts.iter().map(|chart| step_by_step(view, chart))),
        false => parts.push(overview(view)),
    }
    for chart in &view.charts {
        let said = chart.missing.iter().chain(&chart.note);
        parts.extend(said.map(|said| format!("{}: {said}", chart.title)));
    }
    if !view.marks.is_empty() {
        let lines: Vec<String> = view.marks.iter().map(mark).collect();
        parts.push(format!("Meanwhile:\n{}", lines.join("\n")));
    }
    parts.join("\n\n")
}

/// One row a line of each chart: the last value, the lowest and the highest of a step.
fn overview(view: &HistoryView) -> String {
    let rows: Vec<Vec<String>> = view
        .charts
        .iter()
        .flat_map(|chart| {
            chart.series.iter().map(|series| {
                let say =
                    |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| chart.unit.say(value));
                let known = || series.values.iter().flatten().copied();
                vec![
                    chart.key.clone(),
                    series.label.clone(),
                    say(known().next_back()),
                    say(known().reduce(f64::min)),
                    say(known().reduce(f64::max)),
                ]
            })
        })
        .collect();
    table::lay_out(
        &["chart", "line", "last", "lowest", "highest"],
        &["last", "lowest", "highest"],
        &rows,
    )
}

/// The values of a chart, oldest first, as the page lists them newest first.
fn step_by_step(view: &HistoryView, chart: &Chart) -> String {
    let columns: Vec<(String, &[Option<f64>])> = chart.series.iter().flat_map(columns).collect();
    let mut head = vec!["from (UTC)"];
    head.extend(columns.iter().map(|(name, _)| name.as_str()));
    let rows: Vec<Vec<String>> = (0..view.steps())
        .filter(|step| columns.iter().any(|(_, values)| value(values, *step).is_some()))
        .map(|step| {
            let cells = columns.iter().map(|(_, values)| match value(values, step) {
                Some(value) => chart.unit.say(value),
                None => "–".to_owned(),
            });
            std::iter::once(view.at(step).format("%Y-%m-%d %H:%M").to_string())
                .chain(cells)
                .collect()
        })
        .collect();
    format!("{}\n{}", chart.title, table::lay_out(&head, &head[1..], &rows))
}

fn columns(series: &Series) -> Vec<(String, &[Option<f64>])> {
    let mut columns = vec![(series.label.clone(), series.values.as_slice())];
    if let Some(before) = &series.before {
        columns.push((format!("{}, week before", series.label), before.as_slice()));
    }
    columns
}

fn value(values: &[Option<f64>], step: usize) -> Option<f64> {
    values.get(step).copied().flatten()
}

fn mark(mark: &Mark) -> String {
    let took = mark.until.map(|until| {
        format!(
            ", took {}",
            format::duration((until - mark.at).num_milliseconds())
        )
    });
    let failed = if mark.failed { ", failed" } else { "" };
    format!(
        "{}  {}{}{failed}",
        format::absolute(mark.at),
        mark.label,
        took.unwrap_or_default()
    )
}
