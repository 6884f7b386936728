//! Changing one's own password: a plain form, so that whoever got a one-time password can do it without JavaScript.

use contract::{Code, Fault};

use super::{
    api::{Password, change_password},
    form::{differ, too_many},
    load_page, use_me,
};
use crate::{
    address::{safe_next, use_query, use_typed_query},
    prelude::*,
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
    let change = Action::new(move |(current, new): &(String, String)| {
        change_password(current.clone().into(), new.clone().into(), None::<Password>, None)
    });
    let differs = RwSignal::new(false);
    let (refused, wait) = (use_query("refused"), use_typed_query::<i64>("wait"));
    let fault = Signal::derive(move || match (differs.get(), change.value().get()) {
        (true, _) => Some(differ()),
        (false, Some(Err(ApiError(fault)))) => Some(fault),
        (false, Some(Ok(()))) => None,
        // What the form that the browser itself sent was refused for.
        (false, None) => refused.get().map(|why| refusal(&why, wait.get())),
    });
    let (changed, next) = (use_query("changed"), use_query("next"));
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
                load_page(safe_next(next.get_untracked().as_deref()));
            }
        }
    });
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Your password"</h2>
            </div>
            <div class="cb">
                {move || {
                    changed
                        .get()
                        .map(|_| {
                            view! {
                                <div class="banner ok" role="status">
                                    <span class="dot"></span>
                                    "Password changed"
                                    <span>"Your other sessions have ended."</span>
                                </div>
                            }
                        })
                }}
                <form
                    class="form"
                    method="post"
                    action="/rpc/change_password"
                    on:submit=move |event| {
                        event.prevent_default();
                        differs.set(new.get_untracked() != again.get_untracked());
                        if !differs.get_untracked() {
                            change.dispatch((current.get_untracked(), new.get_untracked()));
                        }
                    }
                >
                    <Field
                        name="current"
                        label="Current password"
                        kind="password"
                        value=current
                        autocomplete="current-password"
                        fault
                    />
                    <Field
                        name="new"
                        label="New password"
                        kind="password"
                        value=new
                        autocomplete="new-password"
                        help="8 to 128 characters. Long is better than complicated; the common ones are refused."
                        fault
                    />
                    <Field
                        name="again"
                        label="New password again"
                        kind="password"
                        value=again
                        autocomplete="new-password"
                        fault
                    />
                    {move || {
                        next.get().map(|next| view! { <input type="hidden" name="next" value=safe_next(Some(&next)).to_owned() /> })
                    }}
                    {move || rest().map(|fault| view! { <FaultView fault /> })}
                    <div class="act">
                        // Password managers look for the name beside the passwords.
                        <input type="text" autocomplete="username" value=name aria-label="Name" readonly hidden />
                        <button
                            class="btn pri"
                            type="submit"
                            aria-disabled=move || change.pending().get().then_some("true")
                            aria-busy=move || change.pending().get().to_string()
                        >
                            "Change password"
                        </button>
                    </div>
                </form>
            </div>
        </section>
    }
}

/// Why the form was refused, from the word in the URL.
fn refusal(why: &str, wait: Option<i64>) -> Fault {
    match why {
        "current" => Fault::new(Code::Invalid, "This is not your current password.").field("current"),
        "new" => Fault::new(Code::Invalid, "This one is refused.")
            .hint("Use 8 to 128 characters that are not your name, not your present password, and not a common one.")
            .field("new"),
        "again" => differ(),
        "busy" => Fault::new(Code::Busy, too_many(wait)),
        _ => Fault::new(Code::Internal, "The password could not be changed.").hint("Try again; the console's log says why."),
    }
}
