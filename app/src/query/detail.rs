//! One statement.

use contract::{
    command::Act,
    format::{self, milliseconds},
    history::{Range, write_moment},
    query::{QueryAbsence, QueryDetail, QueryQuery, QuerySince, RoleSums},
};

use super::{
    EVERY,
    api::{view_query, view_query_history},
    cover::{Covers, missing},
    rows::grown,
    same_range, statement_link,
};
use crate::{
    address::{escape, link, use_name, use_query, use_target},
    history::{ChartsProps, Values, parts, use_range},
    prelude::*,
    ui::{
        Ago, At, Badge, CopyButton, CopyCommand, Icon, Keep, Load, Menu, PageHead, Tone, again_while_seen,
        icons, in_part, load_by,
    },
};

/// One statement: its text, what it costs over time, who calls it, how much its calls differ.
#[component]
pub fn QueryPage() -> impl IntoView {
    let target = use_target();
    let queryid = use_name("queryid");
    let (range, before) = use_range();
    let only = use_query("chart");
    let query = Memo::new(move |_| QueryQuery {
        target: target.get(),
        queryid: queryid.get(),
        range: range.get(),
    });
    let detail = load_by(query, view_query);
    let history = load_by(
        Memo::new(move |_| (query.get(), before.get())),
        |(query, before)| view_query_history(query, before),
    );
    again_while_seen(EVERY, move || {
        // A stretch that was chosen by hand stays what it is.
        if matches!(range.get_untracked(), Range::Last(_)) {
            detail.refetch();
            history.refetch();
        }
    });
    let of = Signal::derive(move || query.with(|query| format!("{query:?}")));
    let values = query.with_untracked(|query| format!("{}?", statement_link(&query.target, &query.queryid)));
    let facts = move || {
        view! {
            <Transition fallback=|| "What it costs.">
                {move || {
                    detail
                        .get()
                        .and_then(Result::ok)
                        .map(|detail| {
                            view! {
                                <Covers coverage=detail.coverage />
                                " · database "
                                <span class="mono">{detail.database}</span>
                                " · "
                                <span class="mono">{detail.statement.queryid}</span>
                            }
                        })
                }}
            </Transition>
        }
    };
    let as_command = Signal::derive(move || {
        query.with(|query| {
            let (target, queryid) = (query.target.as_str(), query.queryid.as_str());
            Act::Query { target, queryid }.line()
        })
    });
    view! {
        <PageHead
            title="Statement"
            tab=Signal::derive(move || format!("Statement {} of {}", queryid.get(), target.get()))
            facts
            up=("Queries", format!("{}{}", link(&target.get_untracked(), "queries"), same_range()))
        >
            <Menu id="query-menu" label="More acts" button=|| view! { <Icon icon=icons::More /> }>
                <CopyCommand command=as_command />
            </Menu>
        </PageHead>
        <Keep resource=detail main=true of let:detail>
            {move || view! { <Costs detail=detail.get() /> }}
        </Keep>
        {in_part(
            parts::charts(
                Box::new(ChartsProps {
                    history,
                    range,
                    before,
                    values,
                    only,
                    main: false,
                }),
            ),
        )}
        <Show when=move || only.with(Option::is_some)>
            <section class="card">
                <Load resource=history let:view>
                    <Values view only=only.get_untracked().unwrap_or_default() />
                </Load>
            </section>
        </Show>
        <Keep resource=detail of let:detail>
            {move || view! { <Rest detail=detail.get() /> }}
        </Keep>
    }
}

/// Its text and its sums.
#[component]
fn Costs(detail: QueryDetail) -> impl IntoView {
    let stat = detail.statement;
    let sums = stat.sums;
    let growth = stat
        .before
        .and_then(|before| detail.coverage.growth(sums.total_ms, before.total_ms))
        .map(grown);
    let mean_before = stat
        .before
        .and_then(|before| before.mean_ms())
        .map(|mean| format!("before {}", milliseconds(mean)));
    let text = stat.text.clone();
    let cut = (text.is_some() && !stat.whole_text)
        .then_some("This is the beginning: the text is longer than 20,000 characters.");
    let absence = detail.absence.clone().map(|absence| {
        view! { <Absent absence page=statement_link(&detail.target, &stat.queryid) /> }
    });
    let has_numbers = detail.absence.is_none();
    let missing = missing(&detail.coverage).join(" ");
    let explained = detail.no_plan.is_none();
    let no_plan = detail
        .no_plan
        .map(|reason| format!("There is no plan of it. {reason}"));
    let explain = format!(
        "{}?query={}",
        link(&detail.target, "explain"),
        escape(&stat.queryid)
    );
    let hits = sums.hit.saturating_add(sums.read);
    let from_cache = (hits > 0).then(|| {
        format!(
            "{} from the cache",
            format::percent(sums.hit as f64 / hits as f64)
        )
    });
    let figure = |label: &'static str, value: String, small: Option<String>| {
        view! {
            <div class="card kpi">
                <div class="l">{label}</div>
                <div class="v">{value}</div>
                <div class="h">{small}</div>
            </div>
        }
    };
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Text"</h2>
                {stat.slow.then(|| view! { <Badge tone=Tone::Warn text="Slow" /> })}
                {stat.nested.then(|| view! { <Badge tone=Tone::Off text="Inside functions" /> })}
                <span class="sp"></span>
                {text.clone().map(|text| view! { <CopyButton text what="the statement" /> })}
                {explained.then(|| view! { <a class="btn sm" href=explain>"Explain"</a> })}
            </div>
            <div class="cb">
                <pre class="code wrap" tabindex="0">
                    {text.unwrap_or_else(|| "The server did not give its text.".to_owned())}
                </pre>
                <p class="muted small">{cut} " " {no_plan} " " {stat.tags.join(" · ")} " " {missing}</p>
            </div>
        </section>
        {absence}
        {has_numbers
            .then(|| {
                view! {
                    <section class="kpis" aria-label="In this time">
                        {figure("Time", milliseconds(sums.total_ms), growth)}
                        {figure("Share of all", format!("{:.1} %", (stat.share * 1000.0).floor() / 10.0), None)}
                        {figure("Mean", sums.mean_ms().map(milliseconds).unwrap_or_default(), mean_before)}
                        {figure("Calls", format::exact(sums.calls), None)}
                        {figure("Rows", format::exact(sums.rows), rows_a_call(sums.rows, sums.calls))}
                        {figure("Blocks read", format::exact(sums.read), from_cache)}
                        {figure("Write-ahead log", format::bytes(sums.wal_bytes), None)}
                        {figure("Temporary blocks", format::exact(sums.temp), None)}
                    </section>
                }
            })}
    }
}

/// That the range has no numbers of it, with the way to the last time that has.
#[component]
fn Absent(absence: QueryAbsence, page: String) -> impl IntoView {
    let last = absence.last.map(|(from, to)| {
        let href = format!(
            "{page}?from={}&to={}",
            escape(&write_moment(from)),
            escape(&write_moment(to))
        );
        view! {
            <a class="link" href=href>
                "When it ran last"
            </a>
        }
    });
    view! {
        <div class="banner warn" role="status">
            <span class="dot warn"></span>
            {absence.words}
            <span>{last}</span>
        </div>
    }
}

fn rows_a_call(rows: i64, calls: i64) -> Option<String> {
    (calls > 0).then(|| format!("{:.1} a call", rows as f64 / calls as f64))
}

/// Who calls it, and how much its calls differ.
#[component]
fn Rest(detail: QueryDetail) -> impl IntoView {
    let first_seen = detail.first_seen_at;
    let nobody = detail.by_role.is_empty().then_some("Nobody in this time. ");
    let by_role = detail.by_role.into_iter().map(role_row).collect_view();
    let since = detail.since.into_iter().map(since_row).collect_view();
    view! {
        <div class="cols even">
            <section class="card">
                <div class="ch">
                    <h2>"Who calls it"</h2>
                </div>
                <div class="table-wrap" tabindex="0" role="region" aria-label="Who calls it">
                    <table class="table">
                        <thead>
                            <tr>
                                <th scope="col">"Role"</th>
                                <th scope="col" class="num">
                                    "Calls"
                                </th>
                                <th scope="col" class="num">
                                    "Time"
                                </th>
                                <th scope="col" class="num">
                                    "Mean"
                                </th>
                            </tr>
                        </thead>
                        <tbody>{by_role}</tbody>
                    </table>
                </div>
                <p class="cb muted small">
                    {nobody} "All in the database " <span class="mono">{detail.database}</span> "."
                    {first_seen.map(|at| view! { " First met " <Ago at /> "." })}
                </p>
            </section>
            <section class="card">
                <div class="ch">
                    <h2>"How much its calls differ"</h2>
                </div>
                <div class="table-wrap" tabindex="0" role="region" aria-label="How much its calls differ">
                    <table class="table">
                        <thead>
                            <tr>
                                <th scope="col">"Role"</th>
                                <th scope="col" class="num">
                                    "Mean"
                                </th>
                                <th scope="col" class="num">
                                    "Deviation"
                                </th>
                                <th scope="col" class="num">
                                    "Fastest"
                                </th>
                                <th scope="col" class="num">
                                    "Slowest"
                                </th>
                            </tr>
                        </thead>
                        <tbody>{since}</tbody>
                    </table>
                </div>
                <p class="cb muted small">
                    "Since the server began to count, as of the last look; not of the chosen time alone."
                </p>
            </section>
        </div>
    }
}

fn role_row(one: RoleSums) -> impl IntoView {
    view! {
        <tr>
            <td>{one.role} {one.nested.then(|| view! { <div class="muted small">"inside functions"</div> })}</td>
            <td class="num">{format::exact(one.sums.calls)}</td>
            <td class="num">{milliseconds(one.sums.total_ms)}</td>
            <td class="num">{one.sums.mean_ms().map(milliseconds)}</td>
        </tr>
    }
}

fn since_row(one: QuerySince) -> impl IntoView {
    view! {
        <tr>
            <td>{one.role} {one.since.map(|at| view! { <div class="muted small">"since " <At at /></div> })}</td>
            <td class="num">{milliseconds(one.mean_ms)}</td>
            <td class="num">{milliseconds(one.stddev_ms)}</td>
            <td class="num">{milliseconds(one.min_ms)}</td>
            <td class="num">{milliseconds(one.max_ms)}</td>
        </tr>
    }
}
