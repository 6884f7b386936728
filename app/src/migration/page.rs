//! The migrations of one managed database.

use contract::{jobs::JobKind, migration::MigrationStatus, session::Permission};
use leptos::prelude::*;

use super::{api::view_migrations, list::Rows, start::StartDialog};
use crate::{
    address::use_target,
    jobs::{CurrentJob, Work},
    session::use_may,
    ui::{EmptyState, FaultView, Load, PageHead, needs_script},
};

/// Every migration with its state and SQL; applying the pending ones; the run as it happens.
#[component]
pub fn MigrationsPage() -> impl IntoView {
    let target = use_target();
    let status = Resource::new(move || target.get(), view_migrations);
    let work = Work::default();
    let may = use_may(Permission::Migrate);
    // `None` closes the question; the inner value is the last version to apply, without one all.
    let asked = RwSignal::new(None::<Option<i64>>);
    let facts = move || {
        view! {
            <Transition fallback=|| "The schema's changes, in order.">
                {move || status.get().and_then(Result::ok).map(|status| facts(&status))}
            </Transition>
        }
    };
    // No memo, which would read the resource outside of the transition and differ from the server in the first render.
    let can_start = move || {
        let can = status.with(
            |status| matches!(status, Some(Ok(status)) if status.pending > 0 && status.problem.is_none()),
        );
        if can {
            needs_script("Migrate…");
        }
        can
    };
    view! {
        <PageHead title="Migrations" tab=Signal::derive(move || format!("Migrations of {}", target.get())) facts>
            {may
                .then(|| {
                    view! {
                        <Transition fallback=|| ()>
                            <button
                                class="btn pri"
                                type="button"
                                hidden=move || !can_start()
                                aria-disabled=move || work.is_busy().then_some("true")
                                on:click=move |_| asked.set(Some(None))
                            >
                                "Migrate…"
                            </button>
                        </Transition>
                    }
                })}
        </PageHead>
        <CurrentJob target kinds=&[JobKind::Migrate] work ended=Callback::new(move |()| status.refetch()) />
        <Load resource=status main=true let:status>
            <Status status may work asked />
        </Load>
        <StartDialog target asked work />
    }
    .into_any()
}

fn facts(status: &MigrationStatus) -> String {
    let known = status.migrations.len() as i64;
    match (known, status.pending) {
        (0, _) => status.source.clone(),
        (known, 0) => format!("{} · {known} known, all applied", status.source),
        (known, pending) => format!("{} · {known} known, {pending} pending", status.source),
    }
}

#[component]
fn Status(
    status: MigrationStatus,
    may: bool,
    work: Work,
    asked: RwSignal<Option<Option<i64>>>,
) -> impl IntoView {
    let MigrationStatus {
        migrations,
        pending,
        problem,
        ..
    } = status;
    let offers = may && problem.is_none();
    let state = match (problem, migrations.is_empty()) {
        (Some(fault), _) => Some(view! { <FaultView fault /> }.into_any()),
        (None, true) => None,
        (None, false) => Some(view! { <Banner pending may /> }.into_any()),
    };
    let list = if migrations.is_empty() {
        view! {
            <EmptyState
                title="No migration known"
                hint="Name a folder of SQL files in this database's section of pgsteward.toml (migrations = \"/path\"); each file begins with its number, as in 0001_users.sql."
            />
        }
        .into_any()
    } else {
        view! { <Rows migrations offers work asked /> }.into_any()
    };
    view! {
        {state}
        <section class="card">{list}</section>
    }
    .into_any()
}

/// Whether there is something to do.
#[component]
fn Banner(pending: i64, may: bool) -> impl IntoView {
    if pending == 0 {
        return view! {
            <div class="banner ok" role="status">
                <span class="dot"></span>
                "Up to date"
                <span>"Every migration is applied."</span>
            </div>
        }
        .into_any();
    }
    let words = if pending == 1 {
        "1 migration is pending".to_owned()
    } else {
        format!("{pending} migrations are pending")
    };
    let next = if may {
        "Read them below, then apply them in order."
    } else {
        "An operator can apply them."
    };
    view! {
        <div class="banner warn" role="status">
            <span class="dot warn"></span>
            {words}
            <span>{next}</span>
        </div>
    }
    .into_any()
}
