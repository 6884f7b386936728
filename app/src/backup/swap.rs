//! The question before a swap: whom it ends, and what changes hands.

use contract::{
    format,
    swap::{SessionInTheWay, SwapPreview, SwapSpec},
};
use leptos::either::EitherOf3;

use super::api::{preview_swap, start_swap, swap_back};
use crate::{
    jobs::Work,
    prelude::*,
    rpc::ApiError,
    ui::{Ago, ConfirmDialog, FaultView, Skeleton},
};

/// Looks when it opens, shows the sessions in the way, and swaps; for the way back nothing need be typed.
#[component]
pub fn SwapDialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// The managed database.
    target: String,
    /// The database that comes in.
    database: String,
    /// The live database's own name.
    live: String,
    /// Whether this undoes the last swap.
    back: bool,
    /// What the page and its job tell each other.
    work: Work,
) -> impl IntoView {
    let asked = StoredValue::new((target, database.clone()));
    let look = Action::new(move |()| {
        let (target, database) = asked.get_value();
        preview_swap(target, database)
    });
    let start = Action::new(move |confirm: &String| {
        let ((target, database), confirm) = (asked.get_value(), confirm.clone());
        async move {
            match back {
                true => swap_back(target, database).await,
                false => {
                    let spec = SwapSpec {
                        target,
                        database,
                        confirm,
                    };
                    start_swap(spec).await
                }
            }
        }
    });
    Effect::new(move || {
        if open.get() {
            start.value().set(None);
            look.value().set(None);
            look.dispatch(());
        }
    });
    Effect::new(move || {
        if let Some(Ok(_)) = start.value().get() {
            open.set(false);
            work.begin();
        }
    });
    let fault = Signal::derive(move || match start.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    let (title, act) = match back {
        true => (format!("Go back to {database}?"), "Go back"),
        false => (format!("Put {database} in the place of {live}?"), "Swap"),
    };
    let name = if back { String::new() } else { live };
    view! {
        <ConfirmDialog
            open
            title=Signal::stored(title)
            name=Signal::stored(name)
            name_of="the live database's name"
            act
            keep="Not now"
            pending=start.pending()
            fault
            on_confirm=Callback::new(move |confirm: String| {
                start.dispatch(confirm);
            })
        >
            {move || match look.value().get() {
                None => EitherOf3::A(Skeleton()),
                Some(Err(ApiError(fault))) => EitherOf3::B(view! { <FaultView fault /> }),
                Some(Ok(preview)) => EitherOf3::C(view! { <Preview preview /> }),
            }}
        </ConfirmDialog>
    }
}

#[component]
fn Preview(preview: SwapPreview) -> impl IntoView {
    let SwapPreview {
        live,
        coming,
        kept_as,
        refusals,
        warnings,
        carried,
        sessions,
        more_sessions,
        ..
    } = preview;
    let count = sessions.len() + usize::try_from(more_sessions).unwrap_or_default();
    let heading = match count {
        0 => "No session is in the way.".to_owned(),
        count => format!(
            "{} ended; applications that connect again find the other database:",
            format::counted(count, "session is", "sessions are")
        ),
    };
    let more =
        (more_sessions > 0).then(|| view! { <li class="muted">{format!("and {more_sessions} more")}</li> });
    view! {
        {refusals.into_iter().map(|fault| view! { <FaultView fault /> }).collect_view()}
        <p>
            <b class="mono">{coming}</b>
            " gets the name "
            <b class="mono">{live}</b>
            ". What has that name now is kept as "
            <b class="mono">{kept_as}</b>
            " until it is dropped."
        </p>
        {warnings.into_iter().map(|words| view! { <p class="warn-text">{words}</p> }).collect_view()}
        {(!carried.is_empty())
            .then(|| {
                view! {
                    <details class="more small">
                        <summary>"What it takes over from the live one"</summary>
                        <ul class="stack-s">{carried.into_iter().map(|words| view! { <li>{words}</li> }).collect_view()}</ul>
                    </details>
                }
            })}
        <p>{heading}</p>
        <ul class="stack-s small" aria-label="Sessions in the way">
            {sessions.into_iter().map(|session| view! { <Session session /> }).collect_view()} {more}
        </ul>
    }
}

#[component]
fn Session(session: SessionInTheWay) -> impl IntoView {
    let who = session
        .user
        .or(session.kind)
        .unwrap_or_else(|| "unknown".to_owned());
    let application = match session.application.as_str() {
        "" => String::new(),
        application => format!(", {application}"),
    };
    let from = session
        .client
        .unwrap_or_else(|| "the server's own machine".to_owned());
    let does = match (session.statement_ms, session.transaction_ms) {
        (Some(ms), _) => format!(", at work for {}", format::duration(ms)),
        (None, Some(ms)) => format!(", in a transaction for {}", format::duration(ms)),
        (None, None) => ", idle".to_owned(),
    };
    view! {
        <li>
            <span class="mono">{session.pid}</span>
            " "
            <b>{who}</b>
            {application}
            {format!(" from {from}")}
            {does}
            {session.since.map(|at| view! { <span class="muted">" · since " <Ago at /></span> })}
            {(!session.may_end).then(|| view! { <span class="bad-text">" · the console may not end it"</span> })}
        </li>
    }
}
