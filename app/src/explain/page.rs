//! The page of plans, and that of one plan.

use contract::{
    Code, Fault,
    explain::{PlanComparison, PlanMode, PlanView, span},
    format,
};
use leptos::either::Either;
use uuid::Uuid;

use super::{
    api::{compare_plans, list_plans, view_plan},
    ask::{PasteForm, StatementForm},
    compare::Compared,
    list::{CompareWith, Kept},
    plan::Tree,
    refusal::refusal,
    remarks::Remarks,
};
use crate::{
    address::{link, use_name, use_query, use_target},
    prelude::*,
    query::api::view_query_text,
    rpc::ApiError,
    ui::{At, CopyButton, Load, PageHead, load_by},
};

/// Asks for a plan, and lists those that are kept.
#[component]
pub fn ExplainPage() -> impl IntoView {
    let target = use_target();
    let refused = use_query("refused");
    let queryid = use_query("query");
    let prefilled = load_by(
        Memo::new(move |_| (target.get(), queryid.get())),
        |(target, queryid)| async move {
            match queryid {
                Some(queryid) => view_query_text(target, queryid).await.map(Some),
                None => Ok(None),
            }
        },
    );
    let plans = load_by(target, list_plans);
    view! {
        <PageHead
            title="Explain"
            tab=Signal::derive(move || format!("Explain on {}", target.get()))
            facts=|| "How the server carries a statement out, what that costs, and what might help."
        />
        {move || {
            refused
                .get()
                .map(|word| {
                    view! {
                        <div class="banner warn" role="status">
                            <span class="dot warn"></span>
                            "There is no plan"
                            <span>{refusal(&word)}</span>
                        </div>
                    }
                })
        }}
        <div class="stack">
            <Load resource=prefilled let:query>
                <StatementForm target query />
            </Load>
            <PasteForm target />
            <Load resource=plans let:list>
                <Kept list target />
            </Load>
        </div>
    }
}

/// What the page of a plan shows.
type Shown = (PlanView, Option<PlanComparison>);

/// One plan; with `?with=`, beside another one.
#[component]
pub fn PlanPage() -> impl IntoView {
    let target = use_target();
    let id = use_name("id");
    let with = use_query("with");
    let plan = Resource::new(
        move || (target.get(), id.get(), with.get()),
        |(target, id, with)| async move {
            let id = parsed(&id)?;
            let other = with.as_deref().map(parsed).transpose()?;
            let view = view_plan(target.clone(), id).await?;
            let pair = match other {
                Some(other) => Some(compare_plans(target, id, other).await?),
                None => None,
            };
            Ok::<Shown, ApiError>((view, pair))
        },
    );
    let plans = load_by(target, list_plans);
    view! {
        <div class="stack">
            <Load resource=plan main=true let:shown>
                <Whole shown />
            </Load>
            <section class="card">
                <div class="ch">
                    <h2>"Compare with another plan"</h2>
                </div>
                <div class="cb">
                    <Load resource=plans let:list>
                        <CompareWith list id=parsed(&id.get_untracked()).unwrap_or_default() />
                    </Load>
                </div>
            </section>
        </div>
    }
}

fn parsed(id: &str) -> Result<Uuid, ApiError> {
    id.parse().map_err(|_| {
        ApiError(
            Fault::new(Code::NotFound, "There is no such plan of this database.")
                .hint("The link is not whole. Look at the list below Explain."),
        )
    })
}

#[component]
fn Facts(view: PlanView) -> impl IntoView {
    let times = match (view.plan.planning_ms, view.plan.execution_ms) {
        (Some(planning), Some(run)) => format!(" · planned in {}, ran {}", span(planning), span(run)),
        (None, Some(run)) => format!(" · ran {}", span(run)),
        _ => String::new(),
    };
    let nodes = format::counted(view.plan.nodes.len(), "node", "nodes");
    view! { {view.mode.words()} " by " {view.made_by} " · " <At at=view.made_at /> " · " {nodes} {times} }
}

#[component]
fn Whole(shown: Shown) -> impl IntoView {
    let (view, pair) = shown;
    let statement = match &view.statement {
        Some(text) => Either::Left(view! {
            <section class="card" aria-label="Statement">
                <div class="ch">
                    <h2>"Statement"</h2>
                    <span class="sp"></span>
                    <CopyButton text=text.clone() what="the statement" />
                </div>
                <div class="cb">
                    <pre class="code wrap" tabindex="0">{text.clone()}</pre>
                    <Notes view=view.clone() />
                </div>
            </section>
        }),
        None => Either::Right(view! {
            <section class="card" aria-label="Statement">
                <div class="ch">
                    <h2>"Statement"</h2>
                </div>
                <div class="cb">
                    <p class="muted">"It is not known: the plan was pasted without it."</p>
                    <Notes view=view.clone() />
                </div>
            </section>
        }),
    };
    let facts = {
        let view = view.clone();
        move || view! { <Facts view=view.clone() /> }
    };
    view! {
        <PageHead
            title="Plan"
            tab=format!("Plan on {}", view.target)
            facts
            up=("Explain", link(&view.target, "explain"))
        />
        {pair.map(|pair| view! { <Compared pair /> })}
        <Remarks remarks=view.remarks.clone() />
        <Tree plan=view.plan.clone() />
        {statement}
    }
}

#[component]
fn Notes(view: PlanView) -> impl IntoView {
    let mut notes = view.notes;
    if view.mode == PlanMode::Generic {
        notes.push("It was planned without values for its parameters: with some of them the server may plan otherwise.".to_owned());
    }
    if view.masked {
        notes.push("Values in statement and conditions are hidden from the role viewer.".to_owned());
    }
    let parameters = view
        .parameters
        .into_iter()
        .map(|it| view! { <li><span class="mono">{format!("${} = {}", it.number, it.value)}</span> " (" {it.from} ")"</li> })
        .collect_view();
    let notes = notes
        .into_iter()
        .map(|note| view! { <li>{note}</li> })
        .collect_view();
    view! { <ul class="small">{parameters} {notes}</ul> }
}
