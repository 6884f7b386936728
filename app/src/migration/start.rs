//! The question before migrations are applied.

use contract::migration::{MigrateSpec, MigrationStatus};
use leptos::prelude::*;

use super::{
    api::{plan_migrations, start_migrations},
    list::Sql,
};
use crate::{
    jobs::Work,
    ui::{Dialog, FaultNote, Load},
};

/// Lists what a run would apply as of now, and starts it.
#[component]
pub fn StartDialog(
    /// The managed database.
    #[prop(into)]
    target: Signal<String>,
    /// Up to which version is asked; `None` while nothing is.
    asked: RwSignal<Option<Option<i64>>>,
    /// Told when the run has started.
    work: Work,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let start = Action::new(|spec: &MigrateSpec| start_migrations(spec.clone()));
    // The page sets what is asked, the dialog closes itself.
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
    view! {
        <Dialog open title=Signal::derive(move || format!("Migrate {}?", target.get())) wide=true>
            <Question spec=MigrateSpec { target: target.get(), up_to: asked.get_untracked().flatten() } start open />
        </Dialog>
    }
}

#[component]
fn Question(
    spec: MigrateSpec,
    start: Action<MigrateSpec, Result<contract::jobs::JobId, crate::rpc::ApiError>>,
    open: RwSignal<bool>,
) -> impl IntoView {
    let asked = spec.clone();
    let plan = Resource::new(move || asked.clone(), plan_migrations);
    let spec = StoredValue::new(spec);
    view! {
        <form on:submit=move |event| {
            event.prevent_default();
            if !start.pending().get_untracked() {
                start.dispatch(spec.get_value());
            }
        }>
            <Load resource=plan let:plan>
                <Plan plan />
            </Load>
            <FaultNote outcome=start.value() />
            <div class="act">
                <button class="btn" type="button" on:click=move |_| open.set(false)>
                    "Not now"
                </button>
                <Transition fallback=|| ()>
                    <button
                        class="btn pri"
                        type="submit"
                        aria-disabled=move || (!plan.with(is_ready) || start.pending().get()).then_some("true")
                        aria-busy=move || start.pending().get().to_string()
                    >
                        "Migrate"
                    </button>
                </Transition>
            </div>
        </form>
    }
    .into_any()
}

fn is_ready(plan: &Option<Result<MigrationStatus, crate::rpc::ApiError>>) -> bool {
    matches!(plan, Some(Ok(plan)) if plan.pending > 0 && plan.problem.is_none())
}

/// What will run.
#[component]
fn Plan(plan: MigrationStatus) -> impl IntoView {
    if let Some(fault) = plan.problem {
        return view! { <crate::ui::FaultView fault /> }.into_any();
    }
    if plan.migrations.is_empty() {
        return view! { <p>"Nothing is left to apply: someone was faster."</p> }.into_any();
    }
    let words = match plan.pending {
        1 => "One migration will be applied. If it fails, nothing of it stays.".to_owned(),
        count => format!(
            "{count} migrations will be applied, one after the other. If one fails, those before it stay and nothing of it does."
        ),
    };
    let loose = plan.migrations.iter().any(|migration| !migration.transactional);
    let items = plan.migrations.into_iter().map(|migration| {
        view! {
            <li>
                <b class="mono">{format!("{:04}", migration.version)}</b>
                " "
                {migration.description}
                {(!migration.transactional).then_some(" (not in a transaction)")}
                {migration.sql.map(|sql| view! { <Sql sql /> })}
            </li>
        }
    });
    view! {
        <div class="stack-s">
            <p>{words}</p>
            {loose
                .then(|| {
                    view! {
                        <p>
                            "What does not run in a transaction runs statement by statement; a failure leaves what was done before it, and the page says where it stopped."
                        </p>
                    }
                })}
            <ol class="stack-s">{items.collect_view()}</ol>
        </div>
    }
    .into_any()
}
