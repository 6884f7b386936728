//! The question before a run.

use contract::{
    command::Act,
    format,
    jobs::JobId,
    optimize::{ItemKind, OptimizePlan, OptimizeSpec},
};

use super::{api::start_optimization, chosen};
use crate::{
    jobs::Work,
    prelude::*,
    rpc::ApiError,
    ui::{CopyCommand, Dialog, FaultNote, Load},
};

/// Says what a run would do, and starts it.
#[component]
pub fn StartDialog(
    /// The plan that the page shows.
    plan: Resource<Result<OptimizePlan, ApiError>>,
    /// What is asked for; `None` while nothing is.
    asked: RwSignal<Option<OptimizeSpec>>,
    /// Told when the run has started.
    work: Work,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let start = Action::new(|spec: &OptimizeSpec| start_optimization(spec.clone()));
    Effect::new(move || {
        if asked.with(Option::is_some) {
            start.value().set(None);
            open.set(true);
        }
    });
    Effect::new(move || {
        if !open.get() {
            asked.set(None);
        }
    });
    Effect::new(move || {
        if let Some(Ok(_)) = start.value().get() {
            open.set(false);
            work.begin();
        }
    });
    let title = Signal::derive(move || {
        asked.with(|asked| match asked {
            Some(spec) if spec.constraints => format!("Optimize {}?", spec.target),
            Some(spec) if spec.indexes => format!("Create the indexes of {}?", spec.target),
            Some(spec) => format!("Analyze {}?", spec.target),
            None => String::new(),
        })
    });
    view! {
        <Dialog open title wide=true>
            {asked
                .get_untracked()
                .map(|spec| {
                    view! {
                        <Load resource=plan let:plan>
                            <Question spec=spec.clone() plan start open />
                        </Load>
                    }
                })}
        </Dialog>
    }
}

#[component]
fn Question(
    spec: OptimizeSpec,
    plan: OptimizePlan,
    start: Action<OptimizeSpec, Result<JobId, ApiError>>,
    open: RwSignal<bool>,
) -> impl IntoView {
    let items = chosen(&plan.items, &spec);
    let names = items.iter().map(|item| {
        let text = format!(
            "{} on {}",
            item.name,
            item.table.strip_prefix("public.").unwrap_or(&item.table)
        );
        view! { <li class="mono">{text}</li> }
    });
    let names = names.collect_view();
    let count = items.len();
    let blocked = spec.indexes && count > 0 && !plan.blockers.is_empty();
    let everything = !spec.constraints && !spec.indexes;
    let stale = plan
        .items
        .iter()
        .filter(|item| item.kind == ItemKind::Statistics && item.is_due())
        .count();
    let nothing = count == 0 && !(spec.analyze && (everything || stale > 0));
    let analyze = (spec.analyze && (everything || stale > 0)).then(|| {
        let what = if everything {
            "Every table is".to_owned()
        } else {
            let tables = format::counted(stale, "table without good statistics is", "tables without good statistics are");
            if count > 0 { format!("Then {tables}") } else { tables }
        };
        view! { <p>{what} " analyzed, so that the planner knows what is in it. Reading and writing go on."</p> }
    });
    let act = match (spec.constraints, spec.indexes) {
        (true, _) => "Optimize",
        (false, true) => "Create indexes",
        (false, false) => "Analyze",
    };
    let command = Act::Optimize(&spec).line();
    let spec = StoredValue::new(spec);
    view! {
        <form on:submit=move |event| {
            event.prevent_default();
            if !nothing && !start.pending().get_untracked() {
                start.dispatch(spec.get_value());
            }
        }>
            <div class="stack-s">
                {match (count, nothing) {
                    (_, true) => view! { <p>"Nothing is missing: there is nothing to do."</p> },
                    (0, _) => ().into_any(),
                    (count, _) => {
                        let words = if count == 1 { "One item is made or mended:".to_owned() } else { format!("{count} items are made or mended, one after the other:") };
                        view! {
                            <p>{words}</p>
                            <ul class="stack-s">{names}</ul>
                            <p>"Indexes are built concurrently: reading and writing go on. An index whose build was broken off is dropped and built anew."</p>
                        }
                    }
                }}
                {analyze}
                {blocked
                    .then(|| view! { <p class="warn-text">"Open transactions will hold up the index builds until they have ended; see the page."</p> })}
            </div>
            <FaultNote outcome=start.value() />
            <div class="act">
                <CopyCommand class="btn" command=Signal::stored(command) />
                <button class="btn" type="button" on:click=move |_| open.set(false)>
                    "Not now"
                </button>
                <button
                    class="btn pri"
                    type="submit"
                    aria-disabled=move || (nothing || start.pending().get()).then_some("true")
                    aria-busy=move || start.pending().get().to_string()
                >
                    {act}
                </button>
            </div>
        </form>
    }
}
