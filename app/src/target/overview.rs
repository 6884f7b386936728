//! The overview of one managed database.

use contract::{
    jobs::JobQuery,
    session::Permission,
    target::{TargetState, TargetView},
};

use super::{
    api::view_target,
    findings::{Attention, StateBanner},
    kpis::Kpis,
    largest::LargestTables,
    last_backup::LastBackup,
    recent::RecentJobs,
    replicas::Replicas,
    running::Running,
};
use crate::{
    address::{link, use_target},
    history::{HistoryCharts, use_history},
    jobs::api::list_jobs,
    live::use_live,
    prelude::*,
    session::use_may,
    ui::{Ago, Load, PageHead, load_by},
};

/// The charts on the overview, in the order of the page of all of them.
const FIRST: [&str; 4] = ["transactions", "latency", "connections", "cache"];

/// The overview: how it is, how large, how busy, and what was done lately.
#[component]
pub fn OverviewPage() -> impl IntoView {
    let target = use_target();
    let view = load_by(target, view_target);
    view! {
        <Load resource=view main=true let:loaded>
            <Overview loaded />
        </Load>
    }
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
    let known = use_history(Memo::new(move |_| name.get_value()), || None, Some(&FIRST));
    let jobs = Resource::new(
        move || name.get_value(),
        |target| {
            list_jobs(JobQuery {
                target: Some(target),
                ..JobQuery::default()
            })
        },
    );
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
        <HistoryCharts known />
        <div class="cols">
            <div class="stack">
                <Show when=is_up>
                    <LargestTables target=name.get_value() />
                </Show>
                <RecentJobs target=name.get_value() jobs />
            </div>
            <div class="stack">
                <LastBackup target=name.get_value() />
                <Running target=name.get_value() jobs />
                <Attention target />
                <Replicas target />
            </div>
        </div>
    }
}
