//! Starting an import, going on with one, bringing over what changed since.

use contract::{
    command::{Act, is_said_by_arguments},
    import::{Destination, ImportId, ImportView, Mapping, OnCancel, OnConflict},
    jobs::JobId,
};
use uuid::Uuid;

use super::{
    api::{inspect_again, start_import},
    choices::Choices,
    counts::{plural, rows_words},
    save::SaveButton,
    sheet::{Export, PlanSheet},
};
use crate::{
    prelude::*,
    rpc::ApiError,
    ui::{ConfirmDialog, CopyCommand, FaultNote, needs_script},
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
fn start_action(
    id: ImportId,
    revision: Option<String>,
    upload: Signal<Option<Uuid>>,
    reload: Callback<()>,
) -> Start {
    let start = Action::new(move |ask: &Ask| {
        let (ask, revision, upload) = (*ask, revision.clone(), upload.get_untracked());
        async move {
            match ask {
                Ask::Look => inspect_again(id).await,
                Ask::Begin | Ask::Follow => start_import(id, true, revision, upload).await,
                Ask::Finish => start_import(id, false, None, upload).await,
            }
        }
    });
    Effect::new(move || {
        if let Some(Ok(_)) = start.value().get() {
            // Its progress is shown above everything else.
            #[cfg(feature = "hydrate")]
            window().scroll_to_with_x_and_y(0.0, 0.0);
            reload.run(());
        }
    });
    start
}

/// The button below a rehearsal, and its question. Where rows of others get new values, a name must be typed.
#[component]
pub fn StartPlanned(
    /// The import.
    import: ImportView,
    /// What was rehearsed.
    plan: PlanSheet,
    /// Whether that is still what is decided.
    current: Memo<bool>,
    /// Whether a job goes on.
    going_on: Memo<bool>,
    /// Which decisions were rehearsed.
    revision: String,
    /// What is decided in the page.
    choices: Choices,
    /// Loads the page again.
    reload: Callback<()>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let start = start_action(import.id, Some(revision), Signal::stored(None), reload);
    let what = format!(
        "Import {} into schema {} of {}",
        rows_words(plan.rows),
        plan.schema,
        plan.target
    );
    let title = format!("{what}?");
    let roomy = plan.room.free.is_none_or(|free| free >= plan.room.needed);
    let ready = roomy && plan.all_obstacles == 0;
    if ready {
        needs_script("Import");
    }
    let mapping = choices.now();
    let overwrites = mapping.into == Destination::Existing && mapping.on_conflict == OnConflict::Upsert;
    let effects = effects(&plan, &mapping);
    let (id, needs_file) = (import.id, !is_said_by_arguments(&mapping));
    let command = Act::Import {
        target: &import.target,
        file: &import.file,
        mapping: &mapping,
    }
    .line();
    let name = if overwrites { plan.target } else { String::new() };
    let fault = Signal::derive(move || match start.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    let class = if overwrites { "btn dan" } else { "btn pri" };
    view! {
        <div class="cf">
            <span class="sp"></span>
            <button
                class="btn pri whitespace-normal"
                type="button"
                aria-disabled=move || (!ready || !current.get() || going_on.get()).then_some("true")
                on:click=move |_| {
                    start.value().set(None);
                    open.set(true);
                }
            >
                {what}
            </button>
        </div>
        <ConfirmDialog
            open
            title=Signal::stored(title)
            name=Signal::stored(name)
            act="Import"
            act_class=class
            keep="Not now"
            pending=start.pending()
            fault
            on_confirm=Callback::new(move |_| {
                start.dispatch(Ask::Begin);
            })
        >
            {effects.clone().into_iter().map(|text| view! { <p>{text}</p> }).collect_view()}
            <div class="row">
                <CopyCommand class="btn sm" command=Signal::stored(command.clone()) />
                {needs_file.then(|| view! { <SaveButton id what=Export::Mapping /> })}
            </div>
        </ConfirmDialog>
    }
}

/// Brings over what changed in the file, for the last time, after a question.
#[component]
pub fn FinishButton(
    /// The import.
    import: ImportView,
    /// The upload with the file as it is now, where an upload is followed.
    #[prop(default = Signal::stored(None))]
    upload: Signal<Option<Uuid>>,
    /// Which upload is read, in a sentence, where an upload is followed.
    #[prop(optional)]
    reads: Option<Signal<String>>,
    /// Whether a job goes on.
    going_on: Memo<bool>,
    /// Loads the page again.
    reload: Callback<()>,
) -> impl IntoView {
    needs_script("Last time…");
    let open = RwSignal::new(false);
    let start = start_action(import.id, None, upload, reload);
    let fault = Signal::derive(move || match start.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    let title = format!("End following {}?", import.file);
    view! {
        <button
            class="btn"
            type="button"
            aria-disabled=move || going_on.get().then_some("true")
            on:click=move |_| {
                start.value().set(None);
                open.set(true);
            }
        >
            "Last time…"
        </button>
        <ConfirmDialog
            open
            title=Signal::stored(title)
            name=Signal::stored(String::new())
            act="Bring over for the last time"
            act_class="btn pri"
            keep="Not yet"
            pending=start.pending()
            fault
            on_confirm=Callback::new(move |_| {
                start.dispatch(Ask::Finish);
            })
        >
            <p>"What changed in the file is brought over once more and proved. Then what is needed to follow it is deleted: later changes of the file stay behind."</p>
            {reads.map(|reads| view! { <p>{move || reads.get()}</p> })}
            <p>"Stop the program that writes to the file first, and let it use the database afterwards. Should something differ, following goes on."</p>
        </ConfirmDialog>
    }
}

/// What an import will do, in sentences.
fn effects(plan: &PlanSheet, mapping: &Mapping) -> Vec<String> {
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
    if plan.items.all > 0 {
        effects.push(format!(
            "{} or will not be carried over, as listed.",
            plural(plan.items.all, "thing changes", "things change")
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
    /// The upload with the file as it is now, where an upload is followed.
    #[prop(default = Signal::stored(None))]
    upload: Signal<Option<Uuid>>,
    /// Whether a job goes on.
    going_on: Memo<bool>,
    /// Loads the page again.
    reload: Callback<()>,
) -> impl IntoView {
    let start = start_action(id, None, upload, reload);
    let (class, words) = match ask {
        Ask::Look => ("btn", "Inspect again"),
        Ask::Begin => ("btn pri", "Go on"),
        Ask::Follow => ("btn", "Bring over what changed"),
        Ask::Finish => ("btn", "Last time"),
    };
    needs_script(words);
    view! {
        <button
            class=class
            type="button"
            aria-disabled=move || (going_on.get() || start.pending().get()).then_some("true")
            aria-busy=move || start.pending().get().to_string()
            on:click=move |_| {
                start.dispatch(ask);
            }
        >
            {words}
        </button>
        <FaultNote outcome=start.value() />
    }
}
