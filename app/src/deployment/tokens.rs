//! The tokens, for administrators.

use contract::deployment::TokenView;
use leptos::either::Either;

use super::{
    api::{list_deploy_tokens, revoke_deploy_token},
    make::MakeToken,
};
use crate::{
    prelude::*,
    rpc::ApiError,
    ui::{Ago, ConfirmDialog, EmptyState, Keep, needs_script, use_toasts},
};

/// The card on the settings page.
#[component]
pub fn TokensCard() -> impl IntoView {
    let tokens = Resource::new(|| (), |()| list_deploy_tokens());
    let changed = Callback::new(move |()| tokens.refetch());
    needs_script("Make token…");
    let making = RwSignal::new(false);
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Tokens for deployments"</h2>
                <span class="sp"></span>
                <button class="btn sm" type="button" on:click=move |_| making.set(true)>
                    "Make token…"
                </button>
            </div>
            <Keep resource=tokens let:list>
                <Show
                    when=move || list.with(|list| !list.is_empty())
                    fallback=|| {
                        view! {
                            <EmptyState
                                title="No token yet"
                                hint="With a token, a pipeline tells of its deployments, and the charts show them. It can do nothing else."
                            />
                        }
                    }
                >
                    <div class="table-wrap" tabindex="0" role="region" aria-label="Tokens for deployments">
                        <table class="table fold">
                            <thead>
                                <tr>
                                    <th scope="col">"Name"</th>
                                    <th scope="col">"Tells of"</th>
                                    <th scope="col">"Last used"</th>
                                    <th scope="col" class="hide-s">
                                        "Made"
                                    </th>
                                    <th scope="col">
                                        <span class="sr-only">"Actions"</span>
                                    </th>
                                </tr>
                            </thead>
                            <tbody>
                                <For each=move || list.get() key=|token| (token.id, token.used_at) let:token>
                                    <Row token changed />
                                </For>
                            </tbody>
                        </table>
                    </div>
                </Show>
            </Keep>
            <MakeToken open=making made=changed />
        </section>
    }
}

#[component]
fn Row(token: TokenView, changed: Callback<()>) -> impl IntoView {
    let toasts = use_toasts();
    let asking = RwSignal::new(false);
    let name = StoredValue::new(token.name.clone());
    let revoke = Action::new(move |()| revoke_deploy_token(name.get_value()));
    let fault = Signal::derive(move || match revoke.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    Effect::new(move || {
        if let Some(Ok(token)) = revoke.value().get() {
            asking.set(false);
            toasts.ok(format!("The token {} was revoked.", token.name));
            changed.run(());
        }
    });
    needs_script("Revoke…");
    let label = format!("Revoke the token {}", token.name);
    view! {
        <tr>
            <td>
                <b class="strong">{token.name}</b>
            </td>
            <td>{token.target.unwrap_or_else(|| "any".to_owned())}</td>
            <td>
                {match token.used_at {
                    Some(at) => {
                        Either::Left(
                            view! {
                                <Ago at />
                                <div class="muted small mono">{token.used_from}</div>
                            },
                        )
                    }
                    None => Either::Right("never"),
                }}
            </td>
            <td class="hide-s">
                <Ago at=token.made_at />
                <div class="muted small">{format!("by {}", token.made_by)}</div>
            </td>
            <td class="acts">
                <button class="btn sm" type="button" aria-label=label on:click=move |_| asking.set(true)>
                    "Revoke…"
                </button>
                <ConfirmDialog
                    open=asking
                    title=format!("Revoke the token {}?", name.get_value())
                    name=""
                    act="Revoke token"
                    pending=revoke.pending()
                    fault
                    on_confirm=Callback::new(move |_| {
                        revoke.dispatch(());
                    })
                >
                    <p>"Whatever uses it can tell of no deployment any more. What was told stays."</p>
                </ConfirmDialog>
            </td>
        </tr>
    }
}
