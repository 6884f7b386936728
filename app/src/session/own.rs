//! One's own sessions.

use contract::session::SessionView;
use leptos::{either::Either, prelude::*};

use super::api::{end_sessions, list_sessions};
use crate::{
    rpc::ApiError,
    ui::{Ago, Badge, Load, Tone, needs_script, use_toasts},
};

/// The card on the settings page: where one is signed in, and a way to end it everywhere else.
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
        Some(Err(ApiError(fault))) => toasts.bad(fault.message),
        None => {}
    });
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Your sessions"</h2>
                <span class="sp"></span>
                <button
                    class="btn sm"
                    type="button"
                    disabled=move || end.pending().get()
                    on:click=move |_| {
                        end.dispatch(());
                    }
                >
                    "End all others"
                </button>
            </div>
            <Load resource=sessions let:list>
                <div class="table-wrap" tabindex="0" role="region" aria-label="Your sessions">
                    <table class="table">
                        <thead>
                            <tr>
                                <th scope="col">"From"</th>
                                <th scope="col">"Last seen"</th>
                                <th scope="col" class="hide-s">
                                    "Signed in"
                                </th>
                                <th scope="col" class="hide-s">
                                    "Ends"
                                </th>
                            </tr>
                        </thead>
                        <tbody>{list.into_iter().map(row).collect_view()}</tbody>
                    </table>
                </div>
            </Load>
        </section>
    }
}

fn row(session: SessionView) -> impl IntoView {
    view! {
        <tr>
            <td>
                <span class="mono">{session.address.unwrap_or_else(|| "unknown".to_owned())}</span>
                " "
                {if session.current {
                    Either::Left(view! { <Badge tone=Tone::Ok text="this one" /> })
                } else {
                    Either::Right(())
                }}
            </td>
            <td>
                <Ago at=session.last_seen_at />
            </td>
            <td class="hide-s">
                <Ago at=session.created_at />
            </td>
            <td class="hide-s">
                <Ago at=session.expires_at />
            </td>
        </tr>
    }
}
