//! What happens on a managed server now.

use std::time::Duration;

use contract::{
    activity::{ActivityQuery, ActivityView, SessionFilter, SessionSort},
    format,
};

use super::{
    acts::{Asked, EndDialog},
    api::{export_activity, view_activity},
    progress::{Concerns, Horizon, Running},
    sessions::{COLUMNS, Sessions, csv_row},
    tree::{Headline, Tree},
};
use crate::{
    address::{use_query, use_target, use_typed_query},
    prelude::*,
    ui::{At, CsvLoadButton, CsvRows, Keep, PageHead, again_while_seen, load_by, needs_script, use_sort},
};

/// How often the page looks again while it is seen.
const EVERY: Duration = Duration::from_secs(2);
/// The word on the button that stops that.
const PAUSE: &str = "Pause";

/// Who waits for whom, what runs, every session, and what keeps dead rows; search, filter and sort are in the URL.
#[component]
pub fn ActivityPage() -> impl IntoView {
    let target = use_target();
    let search = use_query("q");
    let state = use_typed_query::<SessionFilter>("state");
    let sort = use_sort(SessionSort::default().name(), true);
    let page = use_typed_query::<i64>("page");
    let all = use_query("all");
    let query = Memo::new(move |_| ActivityQuery {
        target: target.get(),
        all: all.with(Option::is_some),
        search: search.get(),
        state: state.get(),
        sort: sort.with(|sort| sort.key.parse().unwrap_or_default()),
        descending: sort.with(|sort| sort.descending),
        page: page.get().unwrap_or(1),
    });
    let activity = load_by(query, view_activity);
    let paused = RwSignal::new(false);
    let asked = Asked::new();
    again_while_seen(EVERY, move || {
        if !paused.get_untracked() {
            activity.refetch();
        }
    });
    let load = Callback::new(move |()| -> CsvRows {
        let asked = query.get_untracked();
        Box::pin(async move {
            let view = export_activity(asked).await?;
            Ok(view.sessions.iter().map(csv_row).collect())
        })
    });
    let facts = move || {
        view! {
            <Transition fallback=|| "Sessions, locks and running commands.">
                {move || activity.get().and_then(Result::ok).map(|now| view! { <Facts now /> })}
            </Transition>
        }
    };
    view! {
        <PageHead title="Activity" tab=Signal::derive(move || format!("Activity of {}", target.get())) facts>
            <Pause paused />
            <CsvLoadButton file=Signal::derive(move || format!("sessions-{}.csv", target.get())) columns=&COLUMNS load />
        </PageHead>
        <Keep resource=activity main=true of=Signal::derive(move || query.with(|query| format!("{query:?}"))) let:now>
            <div class="stack">
                <Headline now asked />
                <Tree now asked />
                <Concerns now />
                <Running now />
                <Sessions now sort all asked />
                <Horizon now />
            </div>
        </Keep>
        <EndDialog target asked changed=Callback::new(move |()| activity.refetch()) />
    }
}

#[component]
fn Pause(paused: RwSignal<bool>) -> impl IntoView {
    needs_script(PAUSE);
    view! {
        <button
            class="btn sm"
            type="button"
            aria-pressed=move || paused.get().to_string()
            title="The page looks again every 2 s while it is seen"
            on:click=move |_| paused.update(|paused| *paused = !*paused)
        >
            {PAUSE}
        </button>
    }
}

#[component]
fn Facts(now: ActivityView) -> impl IntoView {
    let here = usize::try_from(now.here).unwrap_or(0);
    view! {
        {format::counted(here, "session", "sessions")}
        " in this database, "
        {format::exact(now.everywhere)}
        " on the server"
        {(!now.primary).then_some(" · a standby")}
        " · as of "
        <At at=now.sampled_at />
    }
}
