//! Starting an import, going on with one, bringing over what changed since.

use contract::{
    import::{Destination, ImportId, ImportView, OnCancel, OnConflict},
    jobs::JobId,
};
use leptos::prelude::*;

use super::{
    api::{inspect_again, start_import},
    choices::Choices,
    found::plural,
    sheet::PlanSheet,
    tables::rows_words,
};
use crate::{
    rpc::ApiError,
    ui::{Dialog, FaultNote, use_hydrated, use_toasts},
};

type Start = Action<Ask, Result<JobId, ApiError>>;

/// What is asked of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To look at the file again.
    Look,
    /// To start, or to go on.
    Begin,
    /// To bring over what changed in the file, and to go on following it.
    Follow,
    /// To bring over what changed in the file for the last time.
    Finish,
}

/// An act that starts a job of the import, and loads the page again when it has.
fn start_action(id: ImportId, reload: Callback<()>) -> Start {
    let toasts = use_toasts();
    let start = Action::new(move |ask: &Ask| {
        let ask = *ask;
        async move {
            match ask {
                Ask::Look => inspect_again(id).await,
                Ask::Begin | Ask::Follow => start_import(id, true).await,
                Ask::Finish => start_import(id, false).await,
            }
        }
    });
    Effect::new(move || {
        if let Some(Ok(_)) = start.value().get() {
            toasts.ok("It is under way.");
            // Its progress is shown above everything else.
            #[cfg(feature = "hydrate")]
            window().scroll_to_with_x_and_y(0.0, 0.0);
            reload.run(());
        }
    });
    start
}

/// The button below a rehearsal, and its question.
#[component]
pub fn StartPlanned(
    /// The import.
    import: ImportView,
    /// What was rehearsed.
    plan: PlanSheet,
    /// Whether that is still what is decided.
    current: bool,
    /// What is decided in the page.
    choices: Choices,
    /// Loads the page again.
    reload: Callback<()>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let start = start_action(import.id, reload);
    let what = format!(
        "Import {} into schema {} of {}",
        rows_words(plan.rows),
        plan.schema,
        plan.target
    );
    let title = format!("{what}?");
    let roomy = plan.room.free.is_none_or(|free| free >= plan.room.needed);
    let ready = current && roomy && plan.obstacles.is_empty();
    let effects = effects(&plan, choices);
    view! {
        <div class="cf">
            <span class="sp"></span>
            <button
                class="btn pri whitespace-normal"
                type="button"
                disabled=!ready
                on:click=move |_| {
                    start.value().set(None);
                    open.set(true);
                }
            >
                {what}
            </button>
        </div>
        <Dialog open title=Signal::stored(title)>
            <div class="stack-s">
                {effects.clone().into_iter().map(|text| view! { <p>{text}</p> }).collect_view()}
            </div>
            <FaultNote outcome=start.value() />
            <div class="act">
                <button class="btn" type="button" on:click=move |_| open.set(false)>
                    "Not now"
                </button>
                <button
                    class="btn pri"
                    type="button"
                    disabled=move || start.pending().get()
                    aria-busy=move || start.pending().get().to_string()
                    on:click=move |_| {
                        start.dispatch(Ask::Begin);
                    }
                >
                    "Import"
                </button>
            </div>
        </Dialog>
    }
    .into_any()
}

/// What an import will do, in sentences.
fn effects(plan: &PlanSheet, choices: Choices) -> Vec<String> {
    let mapping = choices.now();
    let tables = plural(plan.tables, "table", "tables");
    let mut effects = vec![match plan.into {
        Destination::New => format!(
            "{tables} will be made in schema {} of {}, with keys and indexes. Tables that are there stay as they are.",
            plan.schema, plan.target
        ),
        Destination::Existing => format!(
            "Rows go into {tables} that are there in schema {} of {}; their constraints and triggers hold. {}",
            plan.schema,
            plan.target,
            match mapping.on_conflict {
                OnConflict::Fail => "A row whose key is there already stops the import.",
                OnConflict::Skip => "A row whose key is there already is skipped.",
                OnConflict::Upsert => "A row whose key is there already gets the file's values.",
            }
        ),
    }];
    if plan.all_items > 0 {
        effects.push(format!(
            "{} or will not be carried over, as listed.",
            plural(plan.all_items, "thing changes", "things change")
        ));
    }
    effects.push(
        match mapping.on_cancel {
            OnCancel::Remove => "Cancelling leaves nothing behind.",
            OnCancel::Keep => "Cancelling keeps what is loaded, so that a later run goes on from there.",
        }
        .to_owned(),
    );
    effects.push("The file is not changed. At the end every value is read back and compared.".to_owned());
    effects
}

/// A button that starts a job of the import without a question: it only adds, or goes on.
#[component]
pub fn StartButton(
    /// The import.
    id: ImportId,
    /// What is asked.
    ask: Ask,
    /// Whether a job goes on.
    going_on: Memo<bool>,
    /// Loads the page again.
    reload: Callback<()>,
) -> impl IntoView {
    let hydrated = use_hydrated();
    let start = start_action(id, reload);
    let (class, words) = match ask {
        Ask::Look => ("btn", "Inspect again"),
        Ask::Begin => ("btn pri", "Go on"),
        Ask::Follow => ("btn", "Bring over what changed"),
        Ask::Finish => ("btn", "Bring over for the last time"),
    };
    view! {
        <button
            class=class
            type="button"
            disabled=move || !hydrated.get() || going_on.get() || start.pending().get()
            aria-busy=move || start.pending().get().to_string()
            on:click=move |_| {
                start.dispatch(ask);
            }
        >
            {words}
        </button>
        <FaultNote outcome=start.value() />
    }
    .into_any()
}
