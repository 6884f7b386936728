//! The log-in page: one plain form, so that it needs no JavaScript and nothing of the old session outlives it.

use leptos_meta::Title;
use leptos_router::components::Redirect;

use super::form::too_many;
use crate::{
    address::{safe_next, use_query, use_typed_query},
    frame::Mark,
    prelude::*,
    ui::{Icon, icons},
};

/// Log in.
#[component]
pub fn LoginPage() -> impl IntoView {
    let asked = use_query("next");
    let next = Memo::new(move |_| safe_next(asked.get().as_deref()).to_owned());
    let (refused, wait, trace) = (
        use_query("refused"),
        use_typed_query::<i64>("wait"),
        use_query("trace"),
    );
    #[cfg(feature = "ssr")]
    let known = crate::rpc::identity().is_some();
    #[cfg(not(feature = "ssr"))]
    let known = false;
    let why = move || refused.get().map(|why| words(&why, wait.get()));
    view! {
        <Title text="Sign in" />
        {known.then(|| view! { <Redirect path=next.get_untracked() /> })}
        <main class="login" id="main">
            <section class="card login-card">
                <div class="brand">
                    <Mark />
                    "pgsteward"
                </div>
                <h1>"Sign in"</h1>
                {move || {
                    why()
                        .map(|why| {
                            view! {
                                <div class="banner bad mt-3" role="alert" id="why">
                                    <Icon icon=icons::Warning />
                                    <span>{why} {trace.get().map(|trace| view! { <code class="fault-trace">" trace " {trace}</code> })}</span>
                                </div>
                            }
                        })
                }}
                <form class="form" method="post" action="/rpc/log_in">
                    <input type="hidden" name="next" value=move || asked.get().map(|_| next.get()) />
                    <div class="field">
                        <label for="name">"Name"</label>
                        <input
                            id="name"
                            name="name"
                            autocomplete="username"
                            autocapitalize="off"
                            spellcheck="false"
                            required
                            maxlength="64"
                            autofocus
                            aria-describedby=move || refused.get().map(|_| "why")
                        />
                    </div>
                    <div class="field">
                        <label for="password">"Password"</label>
                        <input id="password" name="password" type="password" autocomplete="current-password" required maxlength="128" />
                    </div>
                    <button class="btn pri" type="submit">
                        "Sign in"
                    </button>
                </form>
                <p class="muted small mt-3">
                    "Forgotten? An administrator can set a new password, or on the server: "
                    <code>"pgsteward user passwd NAME"</code>
                </p>
            </section>
        </main>
    }
}

/// Why the last try was refused.
fn words(why: &str, wait: Option<i64>) -> String {
    match why {
        "busy" => too_many(wait),
        "unauthenticated" | "invalid" | "forbidden" => {
            "The name or the password is wrong, or the user is disabled.".to_owned()
        }
        _ => "The console could not check the password. Try again; its log says why.".to_owned(),
    }
}
