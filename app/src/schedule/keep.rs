//! Which backups are kept: the rules, and what they would do now, before they are saved and before each run.

use contract::{
    command::Act,
    retention::{PrunePlan, Retention, RetentionSpec, RetentionView},
    session::Permission,
};

use super::{
    api::{plan_retention, prune_backups, set_retention},
    form::Text,
};
use crate::{
    jobs::Work,
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{
        At, Badge, Bytes, ConfirmDialog, CopyCommand, EmptyState, FaultView, Tone, needs_script, use_toasts,
    },
};

/// The rules as they are with what they would do now, and the form to set them.
#[component]
pub fn Kept(
    /// The rules, and what they would do now.
    retention: Signal<RetentionView>,
    /// The managed database.
    target: Memo<String>,
    /// What the page and its job tell each other.
    work: Work,
    /// Called when something was changed.
    changed: Callback<()>,
) -> impl IntoView {
    let may = use_may(Permission::DeleteBackup);
    // The form begins with what holds, and begins anew when that is changed; not when a run ends.
    let spec = Memo::new(move |_| retention.with(|view| view.spec.clone()));
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Which are kept"</h2>
                <p>{move || retention.with(headline)}</p>
            </div>
            <div class="cb stack">
                <p class="muted small">
                    "What any rule keeps is kept. The newest good backup, the best proven one, pinned ones, those in use, and whatever is damaged or of \
                     chosen parts always stay, and nothing goes while the last attempt failed or a clock has jumped. Old ones are removed after each \
                     scheduled backup."
                </p>
                {move || {
                    match may {
                        true => view! { <Rules holds=spec.get() retention target work changed /> },
                        false => view! { <Plan plan=retention.get().plan /> },
                    }
                }}
            </div>
        </section>
    }
}

fn headline(view: &RetentionView) -> String {
    let ran = view
        .ran_at
        .map(|at| format!(" Last run {}.", crate::zone::absolute(at)))
        .unwrap_or_default();
    match &view.set {
        None => "Every backup is kept: nobody has set a rule yet.".to_owned(),
        Some((by, _)) => format!(
            "Keeps {} ({}); set by {by}.{ran}",
            view.spec.keep.words(),
            view.spec.zone
        ),
    }
}

/// The form, and what its rules would do.
#[component]
fn Rules(
    holds: RetentionSpec,
    retention: Signal<RetentionView>,
    target: Memo<String>,
    work: Work,
    changed: Callback<()>,
) -> impl IntoView {
    needs_script("Save rules…");
    let toasts = use_toasts();
    let field = |number: i32| RwSignal::new(number.to_string());
    let [last, days, hourly, daily, weekly, monthly, yearly] =
        holds.keep.rules().map(|(_, number)| field(number));
    let zone = RwSignal::new(holds.zone.clone());
    let spec = Memo::new(move |_| {
        // What is no number is refused with its field's name.
        let number = |text: RwSignal<String>| match text.get().trim() {
            "" => 0,
            text => text.parse().unwrap_or(-1),
        };
        RetentionSpec {
            target: target.get(),
            keep: Retention {
                last: number(last),
                days: number(days),
                hourly: number(hourly),
                daily: number(daily),
                weekly: number(weekly),
                monthly: number(monthly),
                yearly: number(yearly),
            },
            zone: zone.get(),
        }
    });
    // What the rules as they are would do came with the page; others are asked for, also when other backups are there.
    let plan = RwSignal::new(Ok(retention.with_untracked(|view| view.plan.clone())));
    let ask = Action::new(|spec: &RetentionSpec| plan_retention(spec.clone()));
    Effect::new(move |before: Option<()>| {
        retention.track();
        let asked = spec.get();
        if before.is_some() {
            ask.dispatch(asked);
        }
    });
    Effect::new(move || {
        if let Some(answer) = ask.value().get() {
            plan.set(answer);
        }
    });
    let (saving, pruning) = (RwSignal::new(false), RwSignal::new(false));
    let save = Action::new(|spec: &RetentionSpec| set_retention(spec.clone()));
    let prune = Action::new(move |()| prune_backups(target.get_untracked()));
    Effect::new(move || {
        if let Some(Ok(_)) = save.value().get() {
            saving.set(false);
            toasts.ok("The rules are set.");
            changed.run(());
        }
    });
    Effect::new(move || {
        if let Some(Ok(_)) = prune.value().get() {
            pruning.set(false);
            work.begin();
        }
    });
    let save_fault = Signal::derive(move || match save.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    let prune_fault = Signal::derive(move || match prune.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    let kept = StoredValue::new(holds.keep.words());
    let prune_button = (!holds.keep.is_empty()).then(|| {
        needs_script("Remove now…");
        view! {
            <button
                class="btn"
                type="button"
                aria-disabled=move || (work.is_busy() || prune.pending().get()).then_some("true")
                on:click=move |_| pruning.set(true)
            >
                "Remove now…"
            </button>
        }
    });
    view! {
        <div class="form">
            <div class="field-row">
                <Text id="last" label="The last" kind="number" value=last help="So many newest ones." />
                <Text id="days" label="All of so many days" kind="number" value=days help="Counted back from the newest one." />
                <Text id="hourly" label="Hourly" kind="number" value=hourly help="The last one of each of so many hours that have one." />
                <Text id="daily" label="Daily" kind="number" value=daily help="The last one of each of so many days." />
                <Text id="weekly" label="Weekly" kind="number" value=weekly help="The last one of each of so many weeks." />
                <Text id="monthly" label="Monthly" kind="number" value=monthly help="The last one of each of so many months." />
                <Text id="yearly" label="Yearly" kind="number" value=yearly help="The last one of each of so many years." />
                <Text id="keep-zone" label="Time zone of the rules" value=zone help="Where days, weeks, months and years begin." />
            </div>
            <div class="act">
                {prune_button}
                <CopyCommand class="btn" command=Signal::derive(move || spec.with(|spec| Act::Retain(spec).line())) />
                <button
                    class="btn pri"
                    type="button"
                    aria-disabled=move || save.pending().get().then_some("true")
                    on:click=move |_| saving.set(true)
                >
                    "Save rules…"
                </button>
            </div>
        </div>
        {move || match plan.get() {
            Ok(plan) => view! { <Plan plan /> },
            Err(ApiError(fault)) => view! { <FaultView fault /> },
        }}
        <ConfirmDialog
            open=saving
            title=Signal::derive(move || format!("Keep {} of {}?", spec.with(|spec| spec.keep.words()), target.get()))
            name=Signal::stored(String::new())
            act="Save rules"
            keep="Change nothing"
            pending=save.pending()
            fault=save_fault
            on_confirm=Callback::new(move |_| {
                save.dispatch(spec.get_untracked());
            })
        >
            <p>
                {move || match plan.get() {
                    Ok(plan) => plan.words(),
                    Err(ApiError(fault)) => fault.message,
                }}
            </p>
            <p>"Nothing is removed by saving: old backups go after the next scheduled one, or by “Remove now”."</p>
        </ConfirmDialog>
        <ConfirmDialog
            open=pruning
            title=Signal::derive(move || format!("Remove old backups of {}?", target.get()))
            name=Signal::stored(String::new())
            act="Remove"
            pending=prune.pending()
            fault=prune_fault
            on_confirm=Callback::new(move |_| {
                prune.dispatch(());
            })
        >
            <p>
                {move || {
                    let now = retention.with(|view| view.plan.words());
                    format!("The rules that hold keep {}. {now}", kept.get_value())
                }}
            </p>
            <p>"This cannot be undone."</p>
            <div class="row">
                <CopyCommand class="btn sm" command=Signal::derive(move || target.with(|target| Act::Prune(target).line())) />
            </div>
        </ConfirmDialog>
    }
}

/// What would become of each backup.
#[component]
fn Plan(plan: PrunePlan) -> impl IntoView {
    if plan.verdicts.is_empty() {
        return view! { <EmptyState title="No backup yet" hint="What would go and what would stay is shown here." /> };
    }
    let (words, held) = (plan.words(), plan.held.is_some());
    let rows = plan.verdicts.into_iter().map(|verdict| {
        let (tone, word) = match (verdict.goes, held) {
            (true, true) => (Tone::Off, "Would go"),
            (true, false) => (Tone::Warn, "Goes"),
            (false, _) => (Tone::Ok, "Stays"),
        };
        view! {
            <tr>
                <td>
                    <At at=verdict.taken_at />
                </td>
                <td>
                    <Badge tone text=word />
                </td>
                <td class="wrap">{verdict.why}</td>
                <td class="num">
                    <Bytes value=verdict.bytes />
                </td>
            </tr>
        }
    });
    view! {
        <h3>"What these rules would do now"</h3>
        <p>{words}</p>
        <div class="table-wrap" tabindex="0" role="region" aria-label="What these rules would do now">
            <table class="table fold">
                <thead>
                    <tr>
                        <th scope="col">"Taken"</th>
                        <th scope="col">"Verdict"</th>
                        <th scope="col">"Why"</th>
                        <th scope="col" class="num">
                            "Size"
                        </th>
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
}
