//! The log-in page: one plain form, so that it needs no JavaScript and nothing of the old session outlives it.

use contract::format;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Redirect;

use crate::{
    address::{safe_next, use_query, use_typed_query},
    frame::Mark,
    ui::{Icon, icons},
};

/// Log in.
#[component]
pub fn LoginPage() -> impl IntoView {
    let next = use_query("next");
    let next = Memo::new(move |_| safe_next(next.get().as_deref()).to_owned());
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
                                <div class="banner bad" role="alert" id="why">
                                    <Icon icon=icons::Warning />
                                    <span>{why} {trace.get().map(|trace| view! { <code class="fault-trace">" trace " {trace}</code> })}</span>
                                </div>
                            }
                        })
                }}
                <form class="form" method="post" action="/rpc/log_in">
                    <input type="hidden" name="next" value=move || next.get() />
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
                <p class="muted small">
                    "Forgotten? An administrator can set a new password, or on the server: "
                    <code>"pgsteward user passwd NAME"</code>
                </p>
            </section>
        </main>
    }
    .into_any()
}

/// Why the last try was refused. The URL holds a word of a fixed list and a number, so that nobody can make this page
/// say something by a link.
fn words(why: &str, wait: Option<i64>) -> String {
    match (why, wait) {
        ("busy", Some(seconds @ 1..=86_400)) => {
            format!(
                "Too many tries. Try again in {}.",
                format::duration(seconds * 1000)
            )
        }
        ("busy", _) => "Too many tries. Wait a few minutes and try again.".to_owned(),
        ("unauthenticated" | "invalid" | "forbidden", _) => {
            "The name or the password is wrong, or the user is disabled.".to_owned()
        }
        _ => "The console could not check the password. Try again; its log says why.".to_owned(),
    }
}

/// Whether the request is a form that the browser itself sent.
#[cfg(feature = "ssr")]
pub(super) fn is_form() -> bool {
    use_context::<http::request::Parts>()
        .and_then(|parts| {
            parts
                .headers
                .get(http::header::ACCEPT)?
                .to_str()
                .ok()
                .map(|accept| accept.contains("text/html"))
        })
        .unwrap_or(false)
}

/// The log-in page with the reason for a refusal.
#[cfg(feature = "ssr")]
pub(super) fn refused_link(fault: &contract::Fault, next: &str) -> String {
    use contract::Code;

    let why = match fault.code {
        Code::Busy => "busy",
        Code::Internal => "internal",
        _ => "unauthenticated",
    };
    let mut query = leptos_router::params::ParamsMap::new();
    query.insert("refused", why.to_owned());
    if let Some(seconds) = wait_seconds(fault) {
        query.insert("wait", seconds.to_string());
    }
    if let Some(trace) = &fault.trace {
        query.insert("trace", trace.clone());
    }
    if next != "/" {
        query.insert("next", next.to_owned());
    }
    format!("/login{}", query.to_query_string())
}

/// How long the hint of a `Busy` fault asks to wait: `Wait 40 seconds and try again.`
#[cfg(feature = "ssr")]
fn wait_seconds(fault: &contract::Fault) -> Option<i64> {
    let mut words = fault.hint.as_deref()?.strip_prefix("Wait ")?.split(' ');
    let count: i64 = words.next()?.parse().ok()?;
    match words.next()? {
        "second" | "seconds" => Some(count),
        "minute" | "minutes" => count.checked_mul(60),
        _ => None,
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;
    use contract::{Code, Fault};

    #[test]
    fn the_wait_reaches_the_page_and_the_reason_stays_vague() {
        let busy = Fault::new(Code::Busy, "Too many tries.").hint("Wait 14 minutes and try again.");
        assert_eq!(
            refused_link(&busy, "/jobs"),
            "/login?refused=busy&wait=840&next=%2Fjobs"
        );
        let wrong = Fault::new(Code::Unauthenticated, "Wrong.").hint("Check both.");
        assert_eq!(refused_link(&wrong, "/"), "/login?refused=unauthenticated");
        assert_eq!(words("busy", Some(840)), "Too many tries. Try again in 14 min.");
        assert_eq!(words("<b>anything</b>", None), words("internal", None));
    }
}
