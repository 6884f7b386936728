//! Sessions as a table.

use contract::{
    activity::{ActivityView, SESSIONS_PER_PAGE, SessionFilter, SessionStat},
    format,
};

use super::{
    acts::{Acts, Asked},
    span,
};
use crate::{
    address::use_here,
    prelude::*,
    ui::{EmptyState, FilterSelect, Pager, SearchBox, Sort, SortHead},
};

/// The columns of the file.
pub const COLUMNS: [&str; 15] = [
    "pid",
    "started",
    "kind",
    "role",
    "database",
    "application",
    "client",
    "state",
    "state_s",
    "transaction_s",
    "statement_s",
    "wait",
    "waits_for",
    "blocked_by",
    "statement",
];

/// The card with all sessions that the URL asks for.
#[component]
pub fn Sessions(
    /// What is so now.
    now: Signal<ActivityView>,
    /// How it is sorted.
    sort: Memo<Sort>,
    /// Whether other databases are shown too.
    all: Memo<Option<String>>,
    /// Asks before an act.
    asked: Asked,
) -> impl IntoView {
    let here = use_here();
    let switch = here.clone();
    let choices = SessionFilter::ALL.map(|filter| (filter.name().to_owned(), filter.words().to_owned()));
    let none = Memo::new(move |_| now.with(|now| now.sessions.is_empty()));
    let pages = Memo::new(move |_| now.with(|now| (now.page, now.matching)));
    let note = Memo::new(move |_| {
        now.with(|now| {
            let hidden = now.grant.as_ref().map(|grant| {
                format!(
                    "{} of {} sessions are hidden from the console's role: neither statements nor states are shown. To see them, as a \
                     superuser: {grant}",
                    format::exact(now.hidden),
                    format::exact(now.everywhere)
                )
            });
            let unread = (now.unread > 0).then(|| {
                format!(
                    "{} sessions more are not read: those that wait, hold others up or have the oldest transactions are.",
                    format::exact(now.unread)
                )
            });
            [hidden, unread].into_iter().flatten().collect::<Vec<_>>().join(" ")
        })
    });
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Sessions"</h2>
                <span class="sp"></span>
                <a
                    class="chip"
                    data-noscroll="true"
                    href=move || switch.with(&[("all", all.with(Option::is_none).then(|| "1".to_owned())), ("page", None)])
                >
                    {move || if all.with(Option::is_some) { "This database alone" } else { "All databases" }}
                </a>
            </div>
            <SearchBox placeholder="Filter sessions…" own=&["state"]>
                <FilterSelect key="state" label="State" choices=Signal::stored(choices.to_vec()) />
            </SearchBox>
            <p class="cb muted small" hidden=move || note.with(String::is_empty)>
                {note}
            </p>
            <div hidden=move || !none.get()>
                <EmptyState title="No such session" hint="No session is like that now.">
                    <a class="btn" href=move || here.with(&[("q", None), ("state", None), ("page", None)])>
                        "Show all sessions"
                    </a>
                </EmptyState>
            </div>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Sessions" hidden=move || none.get()>
                <table class="table fold">
                    <thead>
                        <tr>
                            <SortHead sort key="pid" label="Pid" num=true />
                            <SortHead sort key="role" label="Role" />
                            <SortHead sort key="application" label="Application" />
                            <SortHead sort key="state" label="State" />
                            <SortHead sort key="transaction" label="Transaction" num=true />
                            <SortHead sort key="query" label="Statement" num=true wide=true />
                            <th scope="col">"Text"</th>
                            <th scope="col">
                                <span class="sr-only">"Actions"</span>
                            </th>
                        </tr>
                    </thead>
                    <tbody>
                        <For each=move || now.get().sessions key=|session| session.key let:first>
                            {
                                let key = first.key;
                                let session = Memo::new(move |before: Option<&SessionStat>| {
                                    let found = now.with(|now| now.sessions.iter().find(|session| session.key == key).cloned());
                                    found.or_else(|| before.cloned()).unwrap_or_else(|| first.clone())
                                });
                                view! { <Row session asked /> }
                            }
                        </For>
                    </tbody>
                </table>
            </div>
            {move || {
                let (page, rows) = pages.get();
                view! { <Pager page per_page=SESSIONS_PER_PAGE rows /> }
            }}
        </section>
    }
}

/// A statement of so many characters is read in its line; a longer one opens.
const SHORT: usize = 40;

#[component]
fn Row(session: Memo<SessionStat>, asked: Asked) -> impl IntoView {
    let of = move |read: fn(&SessionStat) -> Option<String>| move || session.with(read).unwrap_or_default();
    let application = of(
        |session| match (session.application.is_empty(), session.kind.as_deref()) {
            (false, _) => Some(session.application.clone()),
            (true, Some("client backend") | None) => None,
            (true, kind) => kind.map(str::to_owned),
        },
    );
    let state = of(|session| Some(session.state.clone().unwrap_or_else(|| "hidden".to_owned())));
    let wait = of(|session| match &session.waits_for {
        Some(lock) => Some(format!("waits for {}", lock.on)),
        None => session.wait.clone().filter(|wait| !wait.starts_with("Client")),
    });
    let waits = move || session.with(|session| session.waits_for.is_some());
    // A look that finds the same statement leaves it open where somebody reads it.
    let text = Memo::new(move |_| session.with(|session| session.query.clone().unwrap_or_default()));
    let statement = move || {
        let text = text.get();
        if text.contains('\n') || text.chars().count() > SHORT {
            let first: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            view! {
                <details class="more small">
                    <summary>
                        <span class="mono clamp">{first}</span>
                    </summary>
                    <pre class="code wrap" tabindex="0">
                        {text}
                    </pre>
                </details>
            }
        } else {
            view! { <div class="mono small clamp">{text}</div> }
        }
    };
    view! {
        <tr>
            <td class="num mono">{move || session.with(|session| session.key.pid)}</td>
            <td>
                {of(|session| session.role.clone())} <div class="muted small">{of(|session| session.database.clone())}</div>
            </td>
            <td>
                {application}
                <div class="muted small">
                    {of(|session| session.client.clone())}
                </div>
            </td>
            <td>
                {state} <div class=move || if waits() { "small warn-text" } else { "small muted" }>{wait}</div>
            </td>
            <td class="num">{of(|session| Some(span(session.transaction_s)))}</td>
            <td class="num hide-s">{of(|session| Some(span(session.query_s)))}</td>
            <td class="wrap fill">{statement}</td>
            <td class="acts">
                <Acts session asked />
            </td>
        </tr>
    }
}

/// One line of the file.
pub fn csv_row(session: &SessionStat) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    vec![
        session.key.pid.to_string(),
        session.key.started.map(format::absolute).unwrap_or_default(),
        text(&session.kind),
        text(&session.role),
        text(&session.database),
        session.application.clone(),
        text(&session.client),
        text(&session.state),
        number(session.state_s),
        number(session.transaction_s),
        number(session.query_s),
        text(&session.wait),
        session
            .waits_for
            .as_ref()
            .map(|lock| lock.on.clone())
            .unwrap_or_default(),
        session
            .blocked_by
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
        text(&session.query),
    ]
}
