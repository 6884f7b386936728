//! All charts of a managed database, or one of them with its values as a table.

use contract::{
    history::{COLUMNS, Chart, HistoryView},
    stats::RelationName,
};

use super::{
    known::{HistoryCharts, use_history},
    scale::write_moment,
};
use crate::{
    address::{link, use_here, use_query, use_target},
    prelude::*,
    ui::{CsvButton, EmptyState, Load, PageHead, at_hand},
};

/// The charts, or one chart and its values.
#[component]
pub fn HistoryPage() -> impl IntoView {
    let target = use_target();
    let only = use_query("chart");
    let (schema, table) = (use_query("schema"), use_query("table"));
    let table = Memo::new(move |_| {
        let (schema, name) = schema.get().zip(table.get())?;
        Some(RelationName { schema, name })
    });
    let known = use_history(target, move || table.get(), None);
    let history = known.history;
    let here = use_here();
    let rows = Callback::new(move |()| match at_hand(history) {
        Some(Ok(view)) => view.rows(only.get_untracked().as_deref()),
        _ => Vec::new(),
    });
    let facts = move || {
        let all = here.with(&[("chart", None)]);
        view! {
            {format!("Measured once a minute; times are {}", crate::zone::here().name)}
            {table.get().map(|table| view! { " · the table " <span class="mono">{format!("{}.{}", table.schema, table.name)}</span> })}
            {only.with(Option::is_some).then(|| view! { " · " <a class="link" href=all>"all charts"</a> })}
        }
    };
    view! {
        <PageHead title="Charts" tab=Signal::derive(move || format!("Charts of {}", target.get())) facts up=("Overview", link(&target.get_untracked(), ""))>
            <CsvButton
                file=Signal::derive(move || format!("history-{}.csv", target.get()))
                columns=&COLUMNS
                rows
            />
        </PageHead>
        <HistoryCharts known only main=true />
        <Show when=move || only.with(Option::is_some)>
            <section class="card">
                <Load resource=history let:view>
                    <Values view only=only.get_untracked().unwrap_or_default() />
                </Load>
            </section>
        </Show>
    }
}

/// A chart's values, newest first.
#[component]
pub fn Values(
    /// The charts.
    view: HistoryView,
    /// The key of the chart.
    only: String,
) -> impl IntoView {
    let Some(chart) = view.charts.iter().find(|chart| chart.key == only) else {
        return view! { <EmptyState title="There is no such chart" hint="Go back to all charts and choose one." /> };
    };
    let compares = chart.series.iter().any(|series| series.before.is_some());
    let heads = chart
        .series
        .iter()
        .map(|series| {
            let label = series.label.clone();
            view! {
                <th scope="col" class="num">
                    {label.clone()}
                </th>
                {compares.then(|| view! { <th scope="col" class="num">{format!("{label}, week before")}</th> })}
            }
        })
        .collect_view();
    let rows = (0..view.steps())
        .rev()
        .filter(|step| {
            chart
                .series
                .iter()
                .any(|series| cell(series.values.get(*step)).is_some())
        })
        .map(|step| {
            let cells = chart
                .series
                .iter()
                .map(|series| {
                    let before = series.before.as_ref().map(|before| cell(before.get(step)));
                    view! {
                        <td class="num">{worded(cell(series.values.get(step)), chart)}</td>
                        {before.map(|before| view! { <td class="num">{worded(before, chart)}</td> })}
                    }
                })
                .collect_view();
            let at = view.at(step);
            view! {
                <tr>
                    <td class="nowrap">
                        <time datetime=write_moment(at)>{crate::zone::local(at, "%Y-%m-%d %H:%M")}</time>
                    </td>
                    {cells}
                </tr>
            }
        })
        .collect_view();
    let title = chart.title.clone();
    view! {
        <div class="ch">
            <h2>{format!("{title}: values")}</h2>
        </div>
        <div class="table-wrap tall" tabindex="0" role="region" aria-label=format!("{title}: values")>
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">{format!("From ({})", crate::zone::mark(view.at(0)))}</th>
                        {heads}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn cell(value: Option<&Option<f64>>) -> Option<f64> {
    value.copied().flatten()
}

fn worded(value: Option<f64>, chart: &Chart) -> Option<String> {
    value.map(|value| chart.unit.say(value))
}
