//! The overview of one managed database.

use contract::{
    session::Permission,
    target::{TargetState, TargetView},
};
use leptos::{either::Either, prelude::*};

use super::{
    api::view_target, kpis::Kpis, largest::LargestTables, last_backup::LastBackup, pool::PoolCard,
    recent::RecentJobs,
};
use crate::{
    address::{link, use_target},
    live::use_live,
    session::use_may,
    ui::{Ago, Load, PageHead},
};

/// The overview: how it is, how large, how busy, and what was done lately.
#[component]
pub fn OverviewPage() -> impl IntoView {
    let target = use_target();
    let view = Resource::new(move || target.get(), view_target);
    view! {
        <Load resource=view main=true let:loaded>
            <Overview loaded />
        </Load>
    }
    .into_any()
}

#[component]
fn Overview(loaded: TargetView) -> impl IntoView {
    let name = StoredValue::new(loaded.name.clone());
    let target = use_live().target(loaded);
    let facts = move || {
        let address = target.with(|target| target.address.clone());
        let sampled = target.with(|target| match &target.state {
            TargetState::Up(server) => Some(server.sampled_at),
            TargetState::Down { .. } => None,
        });
        view! {
            {address}
            {sampled.map(|at| view! { " · sampled " <Ago at /> })}
        }
    };
    let page = move |page: &'static str| name.with_value(|name| link(name, page));
    let (backs_up, migrates, optimizes) = (
        use_may(Permission::BackUp),
        use_may(Permission::Migrate),
        use_may(Permission::Optimize),
    );
    // While it cannot be reached the banner says so once, and what would have to ask it is left out.
    let is_up = move || target.with(|target| matches!(target.state, TargetState::Up(_)));
    let has_migrations = move || migrates && target.with(|target| target.has_migrations);
    view! {
        <PageHead title=Signal::derive(move || name.get_value()) facts>
            <a class="btn" href=page("migrations") hidden=move || !has_migrations()>
                "Migrate…"
            </a>
            {optimizes.then(|| view! { <a class="btn" href=page("optimize")>"Optimize…"</a> })}
            {backs_up.then(|| view! { <a class="btn pri" href=page("backups")>"Back up…"</a> })}
        </PageHead>
        <StateBanner target />
        <Kpis target />
        <div class="cols">
            <div class="stack">
                <Show when=is_up>
                    <LargestTables target=name.get_value() />
                </Show>
                <RecentJobs target=name.get_value() />
            </div>
            <div class="stack">
                <LastBackup target=name.get_value() />
                <PoolCard target=name.get_value() />
            </div>
        </div>
    }
    .into_any()
}

/// How the database is, in a sentence.
#[component]
fn StateBanner(target: Memo<TargetView>) -> impl IntoView {
    let state = Memo::new(move |_| {
        target.with(|target| {
            (
                target.state.clone(),
                target.pending_migrations.unwrap_or(0),
                target.name.clone(),
            )
        })
    });
    move || match state.get() {
        (
            TargetState::Down {
                fault,
                since,
                retry_at,
            },
            ..,
        ) => Either::Left(view! {
            <div class="banner bad" role="status">
                <span class="dot bad"></span>
                {fault.message}
                <span>{fault.hint} " Down since " <Ago at=since /> "; next try " <Ago at=retry_at /> "."</span>
            </div>
        }),
        (TargetState::Up(server), pending, name) => {
            let full = server.connections * 10 >= server.max_connections * 9;
            let mut needs = Vec::new();
            if full {
                needs.push(format!(
                    "{} of {} connections are taken.",
                    server.connections, server.max_connections
                ));
            }
            if server.cache_hit.is_some_and(|hit| hit < 0.9) {
                needs.push("Less than 90 % of block reads come from memory.".to_owned());
            }
            Either::Right(view! {
                <div class=banner_class(full, pending > 0 || !needs.is_empty()) role="status">
                    <span class=dot_class(full, pending > 0 || !needs.is_empty())></span>
                    {if needs.is_empty() && pending == 0 { "Healthy" } else { "Needs attention" }}
                    <span>
                        {if server.primary { "" } else { "This is a replica: it can be read, not changed. " }}
                        {needs.join(" ")}
                        {(pending > 0)
                            .then(|| {
                                let words = if pending == 1 { "One migration is not yet applied.".to_owned() } else { format!("{pending} migrations are not yet applied.") };
                                view! { " " <a class="link" href=link(&name, "migrations")>{words}</a> }
                            })}
                        {(needs.is_empty() && pending == 0)
                            .then_some(if server.tls { "Nothing needs attention. Connections are encrypted." } else { "Nothing needs attention." })}
                    </span>
                </div>
            })
        }
    }
}

fn banner_class(bad: bool, warn: bool) -> &'static str {
    match (bad, warn) {
        (true, _) => "banner bad",
        (false, true) => "banner warn",
        (false, false) => "banner ok",
    }
}

fn dot_class(bad: bool, warn: bool) -> &'static str {
    match (bad, warn) {
        (true, _) => "dot bad",
        (false, true) => "dot warn",
        (false, false) => "dot",
    }
}
