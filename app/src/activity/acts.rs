//! Cancelling a statement, and ending a session.

use contract::{
    activity::{EndSession, EndedSession, SessionAct, SessionKey, SessionStat},
    command::Act,
    session::Permission,
};

use super::{
    api::{cancel_session, terminate_session},
    span,
};
use crate::{
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{ConfirmDialog, CopyCommand, needs_script, use_toasts},
};

/// What is asked about: the act and the session as it was shown then.
#[derive(Clone, Copy)]
pub struct Asked(RwSignal<Option<(SessionAct, SessionStat)>>, RwSignal<bool>);

impl Asked {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(RwSignal::new(None), RwSignal::new(false))
    }

    fn ask(self, act: SessionAct, session: SessionStat) {
        self.0.set(Some((act, session)));
        self.1.set(true);
    }
}

const CANCEL: &str = "Cancel statement…";
const TERMINATE: &str = "Terminate…";

/// The buttons of one session: none for who may not, and for one that is left alone.
#[component]
pub fn Acts(
    /// The session, live.
    session: Memo<SessionStat>,
    /// Asks.
    asked: Asked,
) -> impl IntoView {
    if !use_may(Permission::EndSession) {
        return ().into_any();
    }
    needs_script(CANCEL);
    needs_script(TERMINATE);
    let may = move || session.with(|session| session.protected.is_none());
    let runs = move || session.with(SessionStat::is_active);
    let button = move |act: SessionAct, class: &'static str, text: &'static str| {
        view! {
            <button
                class=class
                type="button"
                aria-label=move || format!("{text} pid {}", session.with(|session| session.key.pid))
                on:click=move |_| asked.ask(act, session.get_untracked())
            >
                {text}
            </button>
        }
    };
    view! {
        <Show when=move || may() && runs()>{button(SessionAct::Cancel, "btn sm", CANCEL)}</Show>
        " "
        <Show when=may>{button(SessionAct::Terminate, "btn sm dan", TERMINATE)}</Show>
    }
}

/// The question before either act: which session it is, and what will happen.
#[component]
pub fn EndDialog(
    /// The managed database.
    target: Memo<String>,
    /// What is asked about.
    asked: Asked,
    /// Called when something was done.
    changed: Callback<()>,
) -> impl IntoView {
    let Asked(about, open) = asked;
    let toasts = use_toasts();
    let end = Action::new(|(act, request): &(SessionAct, EndSession)| {
        let (act, request) = (*act, request.clone());
        async move {
            match act {
                SessionAct::Cancel => cancel_session(request).await,
                SessionAct::Terminate => terminate_session(request).await,
            }
        }
    });
    let fault = Signal::derive(move || match end.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    Effect::new(move || {
        // What an earlier try was refused for is no news.
        if open.get() {
            end.value().set(None);
        }
    });
    Effect::new(move || {
        if let Some(Ok(EndedSession { over, words })) = end.value().get() {
            open.set(false);
            match over {
                true => toasts.ok(words),
                false => toasts.bad(words),
            }
            changed.run(());
        }
    });
    let with = move |words: fn(SessionAct, &SessionStat) -> String| {
        Signal::derive(move || {
            about.with(|about| {
                about
                    .as_ref()
                    .map(|(act, session)| words(*act, session))
                    .unwrap_or_default()
            })
        })
    };
    let title = with(|act, session| match act {
        SessionAct::Cancel => format!("Cancel the statement of pid {}?", session.key.pid),
        SessionAct::Terminate => format!("Terminate pid {}?", session.key.pid),
    });
    let act = with(|act, _| {
        match act {
            SessionAct::Cancel => "Cancel statement",
            SessionAct::Terminate => "Terminate session",
        }
        .to_owned()
    });
    let consequence = with(|act, _| {
        match act {
            SessionAct::Cancel => {
                "Its statement is broken off, and its application gets an error. The session stays; a transaction that was open \
                 stays open, aborted, until the application ends it."
            }
            SessionAct::Terminate => {
                "The server ends the session and rolls its transaction back. Its locks are free then, and its application gets an \
                 error and has to connect anew."
            }
        }
        .to_owned()
    });
    let command = Signal::derive(move || {
        let asked = about.with(|about| about.as_ref().map(|(act, session)| (*act, session.key.pid)));
        asked
            .map(|(act, pid)| {
                let target = &target.get();
                Act::End { target, act, pid }.line()
            })
            .unwrap_or_default()
    });
    view! {
        <ConfirmDialog
            open
            title
            name=""
            act
            keep="Let it be"
            pending=end.pending()
            fault
            on_confirm=Callback::new(move |_| {
                let about = about.get_untracked();
                if let Some((act, SessionStat { key: SessionKey { pid, started: Some(started) }, .. })) = about {
                    end.dispatch((act, EndSession { target: target.get_untracked(), pid, started }));
                }
            })
        >
            {move || about.get().map(|(_, session)| view! { <Facts session /> })}
            <p>{move || consequence.get()}</p>
            <div class="row">
                <CopyCommand class="btn sm" command />
            </div>
        </ConfirmDialog>
    }
}

#[component]
fn Facts(session: SessionStat) -> impl IntoView {
    let who = session.who();
    let state = match session.state_s {
        Some(seconds) => format!(
            "{} for {}",
            session.state.clone().unwrap_or_default(),
            span(Some(seconds))
        ),
        None => session.state.clone().unwrap_or_default(),
    };
    view! {
        <dl class="kv">
            <dt>"Session"</dt>
            <dd>{who}</dd>
            <dt>"Database"</dt>
            <dd>{session.database}</dd>
            <dt>"State"</dt>
            <dd>{state}</dd>
            <dt>"Transaction"</dt>
            <dd>
                {match session.transaction_s {
                    Some(seconds) => format!("open for {}", span(Some(seconds))),
                    None => "none".to_owned(),
                }}
            </dd>
        </dl>
        {session.query.map(|query| view! { <pre class="code wrap" tabindex="0">{query}</pre> })}
    }
}
