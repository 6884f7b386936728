//! The question before migrations are applied.

use contract::{
    command::Act,
    migration::{MigrateSpec, MigrationState, MigrationStatus},
};

use super::{
    api::{plan_migrations, start_migrations},
    asked::Asked,
    list::Sql,
};
use crate::{
    jobs::Work,
    prelude::*,
    ui::{CopyCommand, Dialog, FaultNote, Load, load_by},
};

/// Lists what a run would apply as of now, and starts it.
#[component]
pub fn StartDialog(
    /// The managed database.
    #[prop(into)]
    target: Signal<String>,
    /// What is asked; `None` while nothing is.
    asked: RwSignal<Option<Asked>>,
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
            <Question target=target.get() asked=asked.get_untracked().unwrap_or_default() start open />
        </Dialog>
    }
}

#[component]
fn Question(
    target: String,
    asked: Asked,
    start: Action<MigrateSpec, Result<contract::jobs::JobId, crate::rpc::ApiError>>,
    open: RwSignal<bool>,
) -> impl IntoView {
    let spec = RwSignal::new(MigrateSpec {
        target,
        up_to: asked.up_to,
        ..MigrateSpec::default()
    });
    let plan = load_by(Memo::new(move |_| spec.get()), plan_migrations);
    let late = (!asked.late.is_empty()).then(|| {
        let choose = Callback::new(move |chosen| spec.update(|spec| spec.allow_late = chosen));
        view! {
            <Choice
                words="Apply late files too"
                why="They are older than the newest applied migration, as after a merge of branches. They run before the others, in the order of their numbers."
                names=asked.late.clone()
                choose
            />
        }
    });
    let missing = (!asked.missing.is_empty()).then(|| {
        let choose = Callback::new(move |chosen| spec.update(|spec| spec.ignore_missing = chosen));
        view! {
            <Choice
                words="Leave alone what has no file here"
                why="It was applied from elsewhere, as by another program that keeps its migrations in the same table."
                names=asked.missing.clone()
                choose
            />
        }
    });
    view! {
        <form on:submit=move |event| {
            event.prevent_default();
            if !start.pending().get_untracked() {
                start.dispatch(spec.get_untracked());
            }
        }>
            {late}
            {missing}
            <Load resource=plan let:plan>
                <Plan plan />
            </Load>
            <FaultNote outcome=start.value() />
            <div class="act">
                <CopyCommand class="btn" command=Signal::derive(move || spec.with(|spec| Act::Migrate(spec).line())) />
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
}

/// A way to give up a part of the usual order.
#[component]
fn Choice(
    words: &'static str,
    why: &'static str,
    names: Vec<String>,
    choose: Callback<bool>,
) -> impl IntoView {
    const SHOWN: usize = 20;
    let more = names.len().saturating_sub(SHOWN);
    let mut list = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    view! {
        <label class="check">
            <input type="checkbox" on:change=move |event| choose.run(event_target_checked(&event)) />
            <span>
                {words} ": " <span class="mono">{list}</span> ". " <small>{why}</small>
            </span>
        </label>
    }
}

fn is_ready(plan: &Option<Result<MigrationStatus, crate::rpc::ApiError>>) -> bool {
    matches!(plan, Some(Ok(plan)) if plan.pending > 0 && plan.problem.is_none())
}

/// What will run.
#[component]
fn Plan(plan: MigrationStatus) -> impl IntoView {
    if let Some(fault) = plan.problem {
        return view! { <crate::ui::FaultView fault /> };
    }
    if plan.migrations.is_empty() {
        return view! { <p>"Nothing is left to apply: someone was faster."</p> };
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
                {(migration.state == MigrationState::OutOfOrder).then_some(" (late)")}
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
}
