//! All managed databases at a glance.

use contract::{
    finding::{Level, worst},
    target::{ServerView, TargetState, TargetView},
};
use leptos::{either::Either, prelude::*};

use super::{api::list_targets, findings};
use crate::{
    address::link,
    live::use_live,
    ui::{Ago, Badge, Bytes, CsvButton, EmptyState, Load, PageHead, Tone, at_hand},
};

/// Every managed database with its state.
#[component]
pub fn FleetPage() -> impl IntoView {
    // Its own resource and not the navigation's: coming back to this page asks anew.
    let targets = Resource::new(|| (), |()| list_targets());
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
                    Either::Right(view! { <FleetTable list /> })
                }}
            </Load>
        </section>
    }
    .into_any()
}

#[component]
fn FleetTable(list: Vec<TargetView>) -> impl IntoView {
    let live = use_live();
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Databases">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Database"</th>
                        <th scope="col">"State"</th>
                        <th scope="col" class="num">
                            "Size"
                        </th>
                        <th scope="col" class="num hide-s">
                            "Connections"
                        </th>
                        <th scope="col">"Attention"</th>
                        <th scope="col" class="hide-s">
                            "Migrations"
                        </th>
                        <th scope="col" class="num hide-s">
                            "Jobs"
                        </th>
                    </tr>
                </thead>
                <tbody>
                    {list
                        .into_iter()
                        .map(|target| {
                            let target = live.target(target);
                            view! { <FleetRow target /> }
                        })
                        .collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn FleetRow(target: Memo<TargetView>) -> impl IntoView {
    let up = Memo::new(move |_| target.with(|target| up(target).cloned()));
    view! {
        <tr>
            <td>
                <a class="link strong" href=move || target.with(|target| link(&target.name, ""))>
                    {move || target.with(|target| target.name.clone())}
                </a>
                <div class="muted small">{move || target.with(|target| target.address.clone())}</div>
            </td>
            <td class="wrap">{move || state(target.with(|target| target.state.clone()))}</td>
            <td class="num">{move || up.get().map(|server| view! { <Bytes value=server.database_bytes /> })}</td>
            <td class="num hide-s">
                {move || up.get().map(|server| format!("{} of {}", server.connections, server.max_connections))}
            </td>
            <td class="wrap">{move || target.with(attention)}</td>
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
        (false, _) => view! { <span class="muted">"none kept here"</span> }.into_any(),
        (true, None) => view! { <span class="muted">"not known"</span> }.into_any(),
        (true, Some(0)) => view! { <Badge tone=Tone::Ok text="Up to date" /> }.into_any(),
        (true, Some(count)) => view! { <Badge tone=Tone::Warn text=format!("{count} pending") /> }.into_any(),
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
