//! What a managed database should have, and making it so.

use contract::{
    finding::Finding,
    jobs::JobKind,
    optimize::{ItemKind, ItemState, OptimizePlan, OptimizeSpec},
    session::Permission,
};

use super::{api::plan_optimization, items::Items, start::StartDialog};
use crate::{
    address::{link, use_target},
    jobs::{CurrentJob, Work},
    prelude::*,
    session::use_may,
    ui::{EmptyState, Load, PageHead, load_by, needs_script},
};

/// The plan: constraints, indexes and statistics, each with its state and SQL; the acts; the run as it happens.
#[component]
pub fn OptimizePage() -> impl IntoView {
    let target = use_target();
    let plan = load_by(target, plan_optimization);
    let work = Work::default();
    let asked = RwSignal::new(None::<OptimizeSpec>);
    let may = use_may(Permission::Optimize);
    view! {
        <PageHead
            title="Optimize"
            tab=Signal::derive(move || format!("Optimize {}", target.get()))
            facts=|| "Constraints, indexes and planner statistics: what is there, and what is missing."
        >
            {may.then(|| view! { <Acts target plan work asked /> })}
        </PageHead>
        <CurrentJob target kinds=&[JobKind::Optimize] work ended=Callback::new(move |()| plan.refetch()) />
        <Load resource=plan main=true let:plan>
            <Plan plan />
        </Load>
        <StartDialog plan asked work />
    }
}

#[component]
fn Acts(
    target: Memo<String>,
    plan: Resource<Result<OptimizePlan, crate::rpc::ApiError>>,
    work: Work,
    asked: RwSignal<Option<OptimizeSpec>>,
) -> impl IntoView {
    let spec = move |constraints: bool, indexes: bool, analyze: bool| {
        move |_| {
            asked.set(Some(OptimizeSpec {
                target: target.get_untracked(),
                constraints,
                indexes,
                analyze,
            }))
        }
    };
    let off = move || work.is_busy().then_some("true");
    // Before the migrations there is nothing to optimize. No memo: that would read the resource outside of the transition.
    let has_tables = move || {
        let has = plan.with(|plan| matches!(plan, Some(Ok(plan)) if plan.items.iter().any(|item| item.state != ItemState::NoTable)));
        if has {
            for name in ["Analyze only…", "Create indexes only…", "Optimize…"] {
                needs_script(name);
            }
        }
        has
    };
    view! {
        <Transition fallback=|| ()>
            <Show when=has_tables>
                <button class="btn" type="button" aria-disabled=off on:click=spec(false, false, true)>
                    "Analyze only…"
                </button>
                <button class="btn" type="button" aria-disabled=off on:click=spec(false, true, false)>
                    "Create indexes only…"
                </button>
                <button class="btn pri" type="button" aria-disabled=off on:click=spec(true, true, true)>
                    "Optimize…"
                </button>
            </Show>
        </Transition>
    }
}

#[component]
fn Plan(plan: OptimizePlan) -> impl IntoView {
    let OptimizePlan {
        target,
        findings,
        items,
        blockers,
    } = plan;
    if items.is_empty() {
        return view! {
            <section class="card">
                <EmptyState title="No table yet" hint="There is nothing to optimize before there are tables.">
                    <a class="btn pri" href=link(&target, "migrations")>
                        "To the migrations"
                    </a>
                </EmptyState>
            </section>
        };
    }
    let banner = view! { <Banner findings /> };
    let blocked = (!blockers.is_empty()
        && items
            .iter()
            .any(|item| item.kind == ItemKind::Index && item.is_due()))
    .then(|| view! { <Blockers blockers /> });
    let group = |kind: ItemKind| {
        items
            .iter()
            .filter(|item| item.kind == kind)
            .cloned()
            .collect::<Vec<_>>()
    };
    view! {
        {banner}
        {blocked}
        <Items title="Indexes" items=group(ItemKind::Index) />
        <Items title="Constraints" items=group(ItemKind::Constraint) />
        <Items title="Statistics" items=group(ItemKind::Statistics) />
    }
}

/// What needs attention, in the words of the overview.
#[component]
fn Banner(findings: Vec<Finding>) -> impl IntoView {
    if findings.is_empty() {
        return view! {
            <div class="banner ok" role="status">
                <span class="dot"></span>
                "All there"
                <span>"Every constraint and index is there and valid, and the planner's statistics are good."</span>
            </div>
        };
    }
    let told = findings
        .into_iter()
        .map(|finding| view! { <p>{finding.words} " " {finding.remedy}</p> })
        .collect_view();
    view! {
        <div class="banner warn" role="status">
            <span class="dot warn"></span>
            "Needs attention"
            <span>{told}</span>
        </div>
    }
}

/// Who would hold up a build.
#[component]
fn Blockers(blockers: Vec<String>) -> impl IntoView {
    let words = match blockers.len() {
        1 => "1 transaction would hold up index builds".to_owned(),
        count => format!("{count} transactions would hold up index builds"),
    };
    view! {
        <section class="card" aria-label="Transactions that would hold up index builds">
            <div class="item">
                <span class="badge warn">"Waits"</span>
                <b>{words}</b>
                <span></span>
                <div class="stack-s">
                    <p>"A concurrent build waits until they have ended; it locks nobody out meanwhile."</p>
                    <ul class="stack-s">{blockers.into_iter().map(|text| view! { <li class="mono">{text}</li> }).collect_view()}</ul>
                </div>
            </div>
        </section>
    }
}
