//! All managed databases at a glance.

use contract::{
    finding::{Level, worst},
    history::Spark,
    target::{ServerView, TargetState, TargetView},
};
use leptos::either::Either;

use super::{api::list_targets, findings};
use crate::{
    address::{link, use_here, use_query},
    history::{Sparkline, api::list_sparks},
    live::use_live,
    prelude::*,
    rpc::ApiError,
    ui::{Ago, Badge, Bytes, CsvButton, EmptyState, Load, PageHead, SearchBox, Tone, at_hand},
};

/// So many databases can be read at a glance, and need no search.
const AT_A_GLANCE: usize = 8;

/// Every managed database with its state.
#[component]
pub fn FleetPage() -> impl IntoView {
    // Its own resource and not the navigation's: coming back to this page asks anew.
    let targets = Resource::new(|| (), |()| list_targets());
    let sparks = Resource::new(|| (), |()| list_sparks());
    let rows = Callback::new(move |()| match at_hand(targets) {
        Some(Ok(targets)) => targets.iter().map(csv_row).collect(),
        _ => Vec::new(),
    });
    view! {
        <PageHead title="Databases" facts=|| "Every managed database and whether it is well.">
            <CsvButton
                file="databases.csv"
                columns=&["name", "database", "address", "state", "version", "size_bytes", "connections", "attention", "findings", "pending_migrations", "jobs"]
                rows
            />
        </PageHead>
        <section class="card">
            <Load resource=targets main=true let:list>
                {if list.is_empty() {
                    Either::Left(
                        view! {
                            <EmptyState
                                title="No database yet"
                                hint="Set DATABASE_URL, or name databases in pgsteward.toml, and start the console again."
                            />
                        },
                    )
                } else {
                    Either::Right(view! { <FleetTable list sparks /> })
                }}
            </Load>
        </section>
    }
}

#[component]
fn FleetTable(list: Vec<TargetView>, sparks: Resource<Result<Vec<Spark>, ApiError>>) -> impl IntoView {
    let live = use_live();
    let search = use_query("q");
    let here = use_here();
    let many = list.len() > AT_A_GLANCE;
    // By what was loaded and not by what is live: rows do not move under the pointer.
    let list = StoredValue::new(worst_first(list));
    let shown = Memo::new(move |_| {
        let words = search.get().unwrap_or_default().to_lowercase();
        list.with_value(|list| {
            let names = list
                .iter()
                .filter(|target| fits(target, &words))
                .map(|target| target.name.clone());
            names.collect::<Vec<_>>()
        })
    });
    let none = move || {
        let all = here.with(&[("q", None)]);
        shown.with(Vec::is_empty).then(|| {
            view! {
                <EmptyState title="No database fits" hint="Search for a part of its name, its address, or what was found.">
                    <a class="btn" href=all>
                        "Show all"
                    </a>
                </EmptyState>
            }
        })
    };
    view! {
        {many.then(|| view! { <SearchBox placeholder="Filter databases…" /> })}
        <div class="table-wrap" tabindex="0" role="region" aria-label="Databases">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Database"</th>
                        <th scope="col">"Attention"</th>
                        <th scope="col">"State"</th>
                        <th scope="col" class="num hide-s">
                            "Size"
                        </th>
                        <th scope="col" class="num hide-s">
                            "Connections"
                        </th>
                        <th scope="col" class="hide-s">
                            "Transactions, 6 h"
                        </th>
                        <th scope="col" class="hide-s">
                            "Migrations"
                        </th>
                        <th scope="col" class="num hide-s">
                            "Jobs"
                        </th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || shown.get() key=Clone::clone let:name>
                        {list
                            .with_value(|list| list.iter().find(|target| target.name == name).cloned())
                            .map(|target| {
                                let target = live.target(target);
                                view! { <FleetRow target sparks /> }
                            })}
                    </For>
                </tbody>
            </table>
        </div>
        {none}
    }
}

/// What needs someone comes first; alike ones by name.
fn worst_first(mut list: Vec<TargetView>) -> Vec<TargetView> {
    list.sort_by(|one, other| {
        let key = |target: &TargetView| (worst(&target.findings), target.findings.len());
        key(other).cmp(&key(one)).then_with(|| one.name.cmp(&other.name))
    });
    list
}

/// Whether a name, an address or a finding holds the words, which are in small letters.
fn fits(target: &TargetView, words: &str) -> bool {
    let found = target.findings.iter().map(|finding| &finding.words);
    [&target.name, &target.database, &target.address]
        .into_iter()
        .chain(found)
        .any(|text| text.to_lowercase().contains(words))
}

/// The last day's transactions of a database.
#[component]
fn Transactions(target: Memo<TargetView>, sparks: Resource<Result<Vec<Spark>, ApiError>>) -> impl IntoView {
    let spark = move || {
        let name = target.with(|target| target.name.clone());
        let sparks = sparks.get()?.ok()?;
        let values = sparks
            .into_iter()
            .find(|spark| spark.target == name)?
            .transactions;
        let most = values
            .iter()
            .flatten()
            .fold(0.0_f64, |most, value| most.max(*value));
        let label = format!(
            "Transactions of the last 6 hours, at most {} a second",
            (most * 10.0).round() / 10.0
        );
        Some(view! { <Sparkline values label /> })
    };
    view! { <Transition fallback=|| ()>{spark}</Transition> }
}

#[component]
fn FleetRow(target: Memo<TargetView>, sparks: Resource<Result<Vec<Spark>, ApiError>>) -> impl IntoView {
    let up = Memo::new(move |_| target.with(|target| up(target).cloned()));
    view! {
        <tr>
            <td>
                <a class="link strong" href=move || target.with(|target| link(&target.name, ""))>
                    {move || target.with(|target| target.name.clone())}
                </a>
                <div class="muted small">{move || target.with(|target| target.address.clone())}</div>
            </td>
            // What a reader came for is in sight on a narrow screen too.
            <td class="wrap">{move || target.with(attention)}</td>
            <td class="wrap">{move || state(target.with(|target| target.state.clone()))}</td>
            <td class="num hide-s">{move || up.get().map(|server| view! { <Bytes value=server.database_bytes /> })}</td>
            <td class="num hide-s">
                {move || up.get().map(|server| format!("{} of {}", server.connections, server.max_connections))}
            </td>
            <td class="hide-s">
                <Transactions target sparks />
            </td>
            <td class="hide-s">
                {move || target.with(|target| view! { <Migrations pending=target.pending_migrations known=target.has_migrations /> })}
            </td>
            <td class="num hide-s">{move || target.with(|target| target.jobs)}</td>
        </tr>
    }
}

fn up(target: &TargetView) -> Option<&ServerView> {
    match &target.state {
        TargetState::Up(server) => Some(server),
        TargetState::Down { .. } => None,
    }
}

fn state(state: TargetState) -> impl IntoView {
    match state {
        TargetState::Up(server) => Either::Left(view! {
            <Badge tone=Tone::Ok text="Up" />
            <div class="muted small">
                {format!("PostgreSQL {} · {}", server.version, if server.primary { "primary" } else { "replica" })}
            </div>
        }),
        TargetState::Down {
            fault,
            since,
            retry_at,
        } => Either::Right(view! {
            <Badge tone=Tone::Bad text="Down" />
            <div>{fault.message}</div>
            {fault.hint.map(|hint| view! { <div class="muted small">{hint}</div> })}
            <div class="muted small">"Since " <Ago at=since /> ", next try " <Ago at=retry_at /></div>
        }),
    }
}

/// The verdict, and what matters most.
fn attention(target: &TargetView) -> impl IntoView + use<> {
    let tone = worst(&target.findings).map_or(Tone::Ok, findings::tone);
    let first = target.findings.first().map(|finding| {
        let more = match target.findings.len() - 1 {
            0 => String::new(),
            more => format!(" And {more} more."),
        };
        view! { <div class="muted small">{finding.words.clone()} {more}</div> }
    });
    view! {
        <Badge tone text=findings::verdict(&target.findings) />
        {first}
    }
}

#[component]
fn Migrations(pending: Option<i64>, known: bool) -> impl IntoView {
    match (known, pending) {
        (false, _) => view! { <span class="muted">"none kept here"</span> },
        (true, None) => view! { <span class="muted">"not known"</span> },
        (true, Some(0)) => view! { <Badge tone=Tone::Ok text="Up to date" /> },
        (true, Some(count)) => view! { <Badge tone=Tone::Warn text=format!("{count} pending") /> },
    }
}

fn keys(target: &TargetView) -> String {
    let keys: Vec<&str> = target
        .findings
        .iter()
        .map(|finding| finding.key.as_str())
        .collect();
    keys.join(" ")
}

fn csv_row(target: &TargetView) -> Vec<String> {
    let server = up(target);
    let text = |value: Option<String>| value.unwrap_or_default();
    vec![
        target.name.clone(),
        target.database.clone(),
        target.address.clone(),
        if server.is_some() { "up" } else { "down" }.to_owned(),
        text(server.map(|server| server.version.clone())),
        text(server.map(|server| server.database_bytes.to_string())),
        text(server.map(|server| server.connections.to_string())),
        worst(&target.findings).map_or("none", Level::name).to_owned(),
        keys(target),
        text(target.pending_migrations.map(|count| count.to_string())),
        target.jobs.to_string(),
    ]
}
