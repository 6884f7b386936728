//! The migrations of one managed database.

use contract::{
    jobs::JobKind,
    migration::{MigrationState, MigrationStatus},
    session::Permission,
};

use super::{
    api::{read_migration, view_migrations},
    asked::Asked,
    list::{Rows, SHOWN, Shown},
    start::StartDialog,
};
use crate::{
    address::{use_target, use_typed_query},
    jobs::{CurrentJob, Work},
    prelude::*,
    session::use_may,
    ui::{EmptyState, FaultView, Load, PageHead, at_hand, load_by, needs_script},
};

/// Every migration with its state and SQL; applying the pending ones; the run as it happens.
#[component]
pub fn MigrationsPage() -> impl IntoView {
    let target = use_target();
    let status = load_by(target, view_migrations);
    let work = Work::default();
    let may = use_may(Permission::Migrate);
    // `None` closes the question.
    let asked = RwSignal::new(None::<Asked>);
    let version = use_typed_query::<i64>(SHOWN);
    let text = load_by(
        Memo::new(move |_| (target.get(), version.get())),
        |(target, version)| async move {
            match version {
                Some(version) => read_migration(target, version).await.map(Some),
                None => Ok(None),
            }
        },
    );
    let shown = Shown { version, text };
    let facts = move || {
        view! {
            <Transition fallback=|| "The schema's changes, in order.">
                {move || status.get().and_then(Result::ok).map(|status| facts(&status))}
            </Transition>
        }
    };
    // No memo, which would read the resource outside of the transition and differ from the server in the first render.
    let can_start = move || {
        let can = status.with(|status| matches!(status, Some(Ok(status)) if status.can_be_chosen));
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
                                on:click=move |_| asked.set(at_hand(status).and_then(Result::ok).map(|status| Asked::all(&status)))
                            >
                                "Migrate…"
                            </button>
                        </Transition>
                    }
                })}
        </PageHead>
        <CurrentJob target kinds=&[JobKind::Migrate] work ended=Callback::new(move |()| status.refetch()) />
        <Load resource=status main=true let:status>
            <Status status may work asked shown />
        </Load>
        <StartDialog target asked work />
    }
}

fn facts(status: &MigrationStatus) -> String {
    let known = status.migrations.len();
    let applied = status
        .migrations
        .iter()
        .filter(|migration| migration.state == MigrationState::Applied)
        .count();
    let source = &status.source;
    match (known, status.pending) {
        _ if !status.has_source => "no migrations belong to this database".to_owned(),
        (0, _) => source.clone(),
        (known, _) if known == applied => format!("{source} · {known} known, all applied"),
        (known, 0) => format!("{source} · {known} known, {applied} applied"),
        (known, pending) => format!("{source} · {known} known, {applied} applied, {pending} pending"),
    }
}

#[component]
fn Status(
    status: MigrationStatus,
    may: bool,
    work: Work,
    asked: RwSignal<Option<Asked>>,
    shown: Shown,
) -> impl IntoView {
    let MigrationStatus {
        migrations,
        pending,
        problem,
        has_source,
        source,
        under_way,
        ..
    } = status;
    let offers = may && problem.is_none();
    let state = match (problem, migrations.is_empty()) {
        (Some(fault), _) => Some(view! { <FaultView fault /> }),
        (None, true) => None,
        (None, false) => Some(view! { <Banner pending may under_way /> }),
    };
    let list = if !has_source {
        view! {
            <EmptyState
                title="No migrations belong to this database"
                hint="Choose a folder of SQL files, each named by its number, as in 0001_users.sql: PGSTEWARD_MIGRATIONS=/path for the database of DATABASE_URL, or migrations = \"/path\" in this database's section of pgsteward.toml. Then start the console again. What other tools applied is left alone."
            />
        }
    } else if migrations.is_empty() {
        view! {
            <EmptyState
                title="No migration yet"
                hint=format!("Put SQL files into {source}, each named by its number, as in 0001_users.sql.")
            />
        }
    } else {
        view! { <Rows migrations offers work asked shown /> }
    };
    view! {
        {state}
        <section class="card">{list}</section>
    }
}

/// Whether there is something to do.
#[component]
fn Banner(pending: i64, may: bool, under_way: Option<String>) -> impl IntoView {
    if let Some(who) = under_way {
        return view! {
            <div class="banner" role="status">
                <span class="dot"></span>
                "A migration is under way"
                <span>{who}</span>
            </div>
        };
    }
    if pending == 0 {
        return view! {
            <div class="banner ok" role="status">
                <span class="dot"></span>
                "Up to date"
                <span>"Every migration is applied."</span>
            </div>
        };
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
}
