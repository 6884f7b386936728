//! Making a token, and showing it once.

use contract::deployment::{HOOK, MadeToken, NewToken};
use leptos::either::Either;

use super::api::make_deploy_token;
use crate::{
    frame::use_target_names,
    prelude::*,
    rpc::ApiError,
    ui::{CopyButton, Dialog, FaultView, Field},
};

/// The dialog that asks for a name and a managed database, and then shows the token.
#[component]
pub fn MakeToken(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// Called when a token was made.
    made: Callback<()>,
) -> impl IntoView {
    let name = RwSignal::new(String::new());
    let target = RwSignal::new(String::new());
    let shown = RwSignal::new(None::<MadeToken>);
    let targets = StoredValue::new(use_target_names());
    let make = Action::new(move |new: &NewToken| make_deploy_token(new.clone()));
    let fault = Signal::derive(move || match make.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    let rest = move || fault.get().filter(|fault| fault.field.as_deref() != Some("name"));
    Effect::new(move || {
        if let Some(Ok(token)) = make.value().get() {
            shown.set(Some(token));
            name.set(String::new());
            made.run(());
        }
    });
    // What was shown once is gone with the dialog.
    Effect::new(move || {
        if !open.get() {
            shown.set(None);
            make.value().set(None);
        }
    });
    view! {
        <Dialog open title="Make token" wide=true>
            {move || match shown.get() {
                Some(token) => Either::Left(view! { <Made token open /> }),
                None => {
                    Either::Right(
                        view! {
                            <form
                                class="form"
                                on:submit=move |event| {
                                    event.prevent_default();
                                    let only = target.get_untracked();
                                    make.dispatch(NewToken { name: name.get_untracked(), target: (!only.is_empty()).then_some(only) });
                                }
                            >
                                <Field name="name" label="Name" value=name help="To know it by, such as the pipeline's. Letters, digits and . _ - @, up to 64." fault />
                                <div class="field">
                                    <label for="token-target">"Tells of"</label>
                                    <select id="token-target" class="input" on:change=move |event| target.set(event_target_value(&event))>
                                        <option value="" selected=move || target.with(String::is_empty)>
                                            "Any managed database"
                                        </option>
                                        {targets
                                            .get_value()
                                            .into_iter()
                                            .map(|each| {
                                                let (value, this) = (each.clone(), each.clone());
                                                view! {
                                                    <option value=value selected=move || target.with(|target| *target == this)>
                                                        {each}
                                                    </option>
                                                }
                                            })
                                            .collect_view()}
                                    </select>
                                </div>
                                {move || rest().map(|fault| view! { <FaultView fault /> })}
                                <div class="act">
                                    <button class="btn" type="button" on:click=move |_| open.set(false)>
                                        "Cancel"
                                    </button>
                                    <button
                                        class="btn pri"
                                        type="submit"
                                        aria-disabled=move || make.pending().get().then_some("true")
                                        aria-busy=move || make.pending().get().to_string()
                                    >
                                        "Make token"
                                    </button>
                                </div>
                            </form>
                        },
                    )
                }
            }}
        </Dialog>
    }
}

/// The token, and how it is used.
#[component]
fn Made(token: MadeToken, open: RwSignal<bool>) -> impl IntoView {
    let MadeToken { view, token } = token;
    let json = match &view.target {
        Some(_) => r#"{"version": "1.4.2", "note": "new check-out"}"#.to_owned(),
        None => r#"{"target": "NAME", "version": "1.4.2", "note": "new check-out"}"#.to_owned(),
    };
    let example = format!(
        "curl --fail -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  -d '{json}' \\\n  {}{HOOK}",
        origin()
    );
    view! {
        <div class="stack-s">
            <p>{format!("This is the token {}. It is shown only now; keep it where the pipeline keeps its secrets.", view.name)}</p>
            <pre class="code wrap" tabindex="0" data-token>
                {token.clone()}
            </pre>
            <CopyButton text=token what="the token" />
            <p class="muted small">"A pipeline tells of a deployment so:"</p>
            <pre class="code wrap" tabindex="0">
                {example}
            </pre>
        </div>
        <div class="act">
            <button class="btn pri" type="button" on:click=move |_| open.set(false)>
                "Done"
            </button>
        </div>
    }
}

/// The console's own address; only the browser knows it, and the dialog opens there alone.
fn origin() -> String {
    #[cfg(feature = "hydrate")]
    return window().location().origin().unwrap_or_default();
    #[cfg(not(feature = "hydrate"))]
    String::new()
}
