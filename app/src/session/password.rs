//! Changing one's own password.

use contract::{Code, Fault, session::PasswordChange};
use leptos::prelude::*;

use super::{api::change_password, load_page, use_me};
use crate::{
    rpc::ApiError,
    ui::{FaultView, Field, use_toasts},
};

/// The card on the settings page.
#[component]
pub fn PasswordCard() -> impl IntoView {
    let (current, new, again) = (
        RwSignal::new(String::new()),
        RwSignal::new(String::new()),
        RwSignal::new(String::new()),
    );
    let name = use_me().map(|me| me.name).unwrap_or_default();
    let must_change = use_me().is_some_and(|me| me.must_change_password);
    let toasts = use_toasts();
    let change = Action::new(move |change: &PasswordChange| change_password(change.clone()));
    let differs = RwSignal::new(false);
    let fault = Signal::derive(move || match (differs.get(), change.value().get()) {
        (true, _) => Some(Fault::new(Code::Invalid, "The two are not the same.").field("again")),
        (false, Some(Err(ApiError(fault)))) => Some(fault),
        _ => None,
    });
    // What belongs to no field is shown below them all.
    let rest = move || {
        fault
            .get()
            .filter(|fault| !matches!(fault.field.as_deref(), Some("current" | "new" | "again")))
    };
    Effect::new(move || {
        if let Some(Ok(())) = change.value().get() {
            [current, new, again]
                .into_iter()
                .for_each(|field| field.set(String::new()));
            toasts.ok("Password changed. Your other sessions have ended.");
            if must_change {
                load_page("/");
            }
        }
    });
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Your password"</h2>
            </div>
            <div class="cb">
                <form
                    class="form"
                    on:submit=move |event| {
                        event.prevent_default();
                        differs.set(new.get_untracked() != again.get_untracked());
                        if !differs.get_untracked() {
                            change.dispatch(PasswordChange { current: current.get_untracked(), new: new.get_untracked() });
                        }
                    }
                >
                    // Password managers look for the name beside the passwords.
                    <input type="text" name="username" autocomplete="username" value=name hidden />
                    <Field name="current" label="Current password" kind="password" value=current autocomplete="current-password" fault />
                    <Field
                        name="new"
                        label="New password"
                        kind="password"
                        value=new
                        autocomplete="new-password"
                        help="8 to 128 characters. Long is better than complicated; the common ones are refused."
                        fault
                    />
                    <Field name="again" label="New password again" kind="password" value=again autocomplete="new-password" fault />
                    {move || rest().map(|fault| view! { <FaultView fault /> })}
                    <div class="act">
                        <button
                            class="btn pri"
                            type="submit"
                            disabled=move || change.pending().get()
                            aria-busy=move || change.pending().get().to_string()
                        >
                            "Change password"
                        </button>
                    </div>
                </form>
            </div>
        </section>
    }
    .into_any()
}
