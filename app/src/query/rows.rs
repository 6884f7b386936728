//! Statements as a table.

use contract::{
    format::{self, milliseconds},
    query::{Coverage, QueriesView, QueryStat},
};

use super::{same_range, statement_link};
use crate::{
    address::use_here,
    prelude::*,
    ui::{Badge, EmptyState, Sort, SortHead, Tone},
};

/// The columns of the file.
pub const COLUMNS: [&str; 18] = [
    "queryid",
    "calls",
    "total_ms",
    "mean_ms",
    "share",
    "rows",
    "hit",
    "read",
    "dirtied",
    "written",
    "temp",
    "wal_bytes",
    "io_ms",
    "mean_ms_before",
    "roles",
    "tags",
    "nested",
    "text",
];

/// The statements that came, with what they did before.
#[component]
pub fn Statements(view: QueriesView, sort: Memo<Sort>) -> impl IntoView {
    let here = use_here();
    if view.statements.is_empty() {
        let (title, hint) = match view.all {
            0 => (
                "No statement was counted",
                "Choose a longer range, or look again when the application has run for a while.",
            ),
            _ => ("No such statement", "No statement of this time is like that."),
        };
        return view! {
            <EmptyState title hint>
                <a
                    class="btn"
                    href=move || here.with(&[("q", None), ("role", None), ("tag", None), ("min", None)])
                >
                    "Show all statements"
                </a>
            </EmptyState>
        };
    }
    let (coverage, range) = (view.coverage, same_range());
    let rows = view
        .statements
        .iter()
        .map(|stat| row(&view.target, stat, &coverage, &range))
        .collect_view();
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Statements">
            <table class="table fold">
                <thead>
                    <tr>
                        <th scope="col">"Statement"</th>
                        <SortHead sort key="total" label="Time" num=true />
                        <th scope="col" class="num">
                            "Share"
                        </th>
                        <SortHead sort key="mean" label="Mean" num=true />
                        <SortHead sort key="calls" label="Calls" num=true />
                        <SortHead sort key="rows" label="Rows" num=true />
                        <SortHead sort key="io" label="Blocks" num=true wide=true />
                        <SortHead sort key="wal" label="WAL" num=true wide=true />
                        <SortHead sort key="temp" label="Temp" num=true wide=true />
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn row(target: &str, stat: &QueryStat, coverage: &Coverage, range: &str) -> impl IntoView + use<> {
    let sums = stat.sums;
    let text = stat
        .text
        .clone()
        .unwrap_or_else(|| "(its text is not known)".to_owned());
    let mut small = stat.roles.clone();
    small.extend(stat.tags.clone());
    let growth = stat
        .before
        .and_then(|before| coverage.growth(sums.total_ms, before.total_ms))
        .map(grown);
    let before = stat
        .before
        .and_then(|before| before.mean_ms())
        .map(|mean| format!("before {}", milliseconds(mean)));
    let is_new = stat.before.is_some_and(|before| before.calls == 0);
    view! {
        <tr>
            <td class="wrap">
                <a class="link mono small clamp" href=format!("{}{range}", statement_link(target, &stat.queryid))>
                    {text}
                </a>
                <div class="muted small">
                    {stat.slow.then(|| view! { <Badge tone=Tone::Warn text="Slow" /> " " })}
                    {is_new.then(|| view! { <Badge tone=Tone::Info text="New" /> " " })}
                    {stat.nested.then_some("inside functions · ")} {small.join(" · ")}
                </div>
            </td>
            <td class="num">{milliseconds(sums.total_ms)} <div class="muted small">{growth}</div></td>
            <td class="num" title=format!("{:.2} %", stat.share * 100.0)>
                {format::percent(stat.share)}
            </td>
            <td class="num">{sums.mean_ms().map(milliseconds)} <div class="muted small">{before}</div></td>
            <td class="num">{format::exact(sums.calls)}</td>
            <td class="num">{format::exact(sums.rows)}</td>
            <td class="num hide-s">{format::exact(sums.io())}</td>
            <td class="num hide-s">{format::bytes(sums.wal_bytes)}</td>
            <td class="num hide-s">{format::exact(sums.temp)}</td>
        </tr>
    }
}

/// How a sum changed against the stretch before.
pub fn grown(growth: f64) -> String {
    match growth {
        growth if growth >= 9.0 => format!("×{:.0}", growth + 1.0),
        growth if growth.abs() < 0.005 => "as before".to_owned(),
        growth if growth < 0.0 => format!("−{:.0} %", growth.abs() * 100.0),
        growth => format!("+{:.0} %", growth * 100.0),
    }
}

/// One line of the file.
pub fn csv_row(stat: &QueryStat) -> Vec<String> {
    let sums = &stat.sums;
    let number = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
    vec![
        stat.queryid.clone(),
        sums.calls.to_string(),
        sums.total_ms.to_string(),
        number(sums.mean_ms()),
        stat.share.to_string(),
        sums.rows.to_string(),
        sums.hit.to_string(),
        sums.read.to_string(),
        sums.dirtied.to_string(),
        sums.written.to_string(),
        sums.temp.to_string(),
        sums.wal_bytes.to_string(),
        sums.io_ms.to_string(),
        number(stat.before.and_then(|before| before.mean_ms())),
        stat.roles.join(" "),
        stat.tags.join(" "),
        stat.nested.to_string(),
        stat.text.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::grown;

    #[test]
    fn a_change_is_said_in_percent_or_times() {
        for (growth, words) in [
            (0.0, "as before"),
            (0.5, "+50 %"),
            (-0.6, "−60 %"),
            (8.0, "+800 %"),
            (11.0, "×12"),
        ] {
            assert_eq!(grown(growth), words);
        }
    }
}
