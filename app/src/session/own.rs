//! One's own sessions.

use contract::session::SessionView;
use leptos::either::Either;
use uuid::Uuid;

use super::api::{end_session, end_sessions, list_sessions};
use crate::{
    prelude::*,
    rpc::ApiError,
    ui::{Ago, Badge, Keep, Tone, needs_script, use_toasts},
};

/// The card on the settings page: where one is signed in and with what, and a way to end each, or all others.
#[component]
pub fn SessionsCard() -> impl IntoView {
    let sessions = Resource::new(|| (), |()| list_sessions());
    needs_script("End all others");
    let toasts = use_toasts();
    let end = Action::new(|()| end_sessions());
    Effect::new(move || match end.value().get() {
        Some(Ok(count)) => {
            toasts.ok(if count == 1 {
                "One other session ended.".to_owned()
            } else {
                format!("{count} other sessions ended.")
            });
            sessions.refetch();
        }
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    let changed = Callback::new(move |()| sessions.refetch());
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Your sessions"</h2>
                <span class="sp"></span>
                <button
                    class="btn sm"
                    type="button"
                    aria-disabled=move || end.pending().get().then_some("true")
                    on:click=move |_| {
                        end.dispatch(());
                    }
                >
                    "End all others"
                </button>
            </div>
            <Keep resource=sessions let:list>
                <div class="table-wrap" tabindex="0" role="region" aria-label="Your sessions">
                    <table class="table fold">
                        <thead>
                            <tr>
                                <th scope="col">"With"</th>
                                <th scope="col">"Last seen"</th>
                                <th scope="col" class="hide-s">
                                    "Signed in"
                                </th>
                                <th scope="col">
                                    <span class="sr-only">"Actions"</span>
                                </th>
                            </tr>
                        </thead>
                        <tbody>
                            <For each=move || list.get() key=|session| session.id let:first>
                                {
                                    let id = first.id;
                                    let session = Memo::new(move |_| {
                                        list.with(|list| list.iter().find(|session| session.id == id).cloned()).unwrap_or_else(|| first.clone())
                                    });
                                    view! { <Row session changed /> }
                                }
                            </For>
                        </tbody>
                    </table>
                </div>
            </Keep>
        </section>
    }
}

#[component]
fn Row(session: Memo<SessionView>, changed: Callback<()>) -> impl IntoView {
    let SessionView {
        id,
        created_at,
        expires_at,
        address,
        browser,
        current,
        ..
    } = session.get_untracked();
    let toasts = use_toasts();
    let end = Action::new(|id: &Uuid| end_session(*id));
    Effect::new(move || match end.value().get() {
        Some(Ok(())) => {
            toasts.ok("The session ended.");
            changed.run(());
        }
        Some(Err(ApiError(fault))) => {
            toasts.fault(&fault);
            changed.run(());
        }
        None => {}
    });
    if !current {
        needs_script("End");
    }
    let with = browser.unwrap_or_else(|| "Unknown browser".to_owned());
    let label = format!("End the session with {with}");
    let last_seen = Signal::derive(move || session.with(|session| session.last_seen_at));
    view! {
        <tr>
            <td class="wrap">
                {with}
                " "
                {if current { Either::Left(view! { <Badge tone=Tone::Ok text="this one" /> }) } else { Either::Right(()) }}
                <div class="muted small">
                    <span class="mono">{address.unwrap_or_else(|| "unknown address".to_owned())}</span>
                </div>
            </td>
            <td>
                <Ago at=last_seen />
                <div class="muted small">"ends " <Ago at=expires_at /> " at the latest"</div>
            </td>
            <td class="hide-s">
                <Ago at=created_at />
            </td>
            <td class="acts">
                {(!current)
                    .then(|| {
                        view! {
                            <button
                                class="btn sm"
                                type="button"
                                aria-label=label
                                aria-disabled=move || end.pending().get().then_some("true")
                                on:click=move |_| {
                                    end.dispatch(id);
                                }
                            >
                                "End"
                            </button>
                        }
                    })}
            </td>
        </tr>
    }
}
