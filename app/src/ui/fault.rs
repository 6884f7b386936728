//! What did not work, and what to do next.

use contract::{Code, Fault, Refusal};
use leptos::either::Either;

use super::needs_script;
use crate::{
    address::{login_link, use_here},
    prelude::*,
    rpc::ApiError,
};

/// A fault in full: its message, what to do next, what the managed database said, and the trace id. Given `retry`, it
/// offers to try again. When the session has ended, the browser is led to the log-in and back.
#[component]
pub fn FaultView(
    /// What happened.
    fault: Fault,
    /// Tries again.
    #[prop(optional, into)]
    retry: Option<Callback<()>>,
) -> impl IntoView {
    let ended = fault.code == Code::Unauthenticated;
    Effect::new(move || {
        if ended {
            crate::session::leave_for_login();
        }
    });
    // Of a failure of the console itself the kind says nothing, and its own words name it.
    let (title, message) = match fault.code {
        Code::Internal => (fault.message.trim_end_matches('.').to_owned(), None),
        code => (title(code).to_owned(), Some(fault.message)),
    };
    let login = ended.then(|| view! { <LoginLink /> });
    view! {
        <section class="fault" role="alert">
            <h2 class="fault-title">{title}</h2>
            {message.map(|message| view! { <p class="fault-message">{message}</p> })}
            {login}
            {fault.hint.map(|hint| view! { <p class="fault-hint">{hint}</p> })}
            {fault.target.map(|refusal| view! { <Said refusal /> })}
            {fault.trace.map(|trace| view! { <code class="fault-trace">"trace " {trace}</code> })}
            {retry
                .map(|retry| {
                    needs_script("Try again");
                    view! {
                        <div class="row">
                            <button class="btn sm" type="button" on:click=move |_| retry.run(())>
                                "Try again"
                            </button>
                        </div>
                    }
                })}
        </section>
    }
}

/// The way to the log-in, and back to this page.
#[component]
pub fn LoginLink() -> impl IntoView {
    let here = use_here();
    view! {
        <a class="link" rel="external" href=move || login_link(&here.with(&[]))>
            "Log in again"
        </a>
    }
}

/// The fault of the last act, if it failed; to be put where the act is.
#[component]
pub fn FaultNote<T: Send + Sync + 'static>(
    /// What the act came to.
    #[prop(into)]
    outcome: Signal<Option<Result<T, ApiError>>>,
) -> impl IntoView {
    move || {
        outcome.with(|outcome| match outcome {
            Some(Err(error)) => Some(view! { <FaultView fault=error.0.clone() /> }),
            _ => None,
        })
    }
}

/// What the managed database itself said.
#[component]
fn Said(refusal: Refusal) -> impl IntoView {
    let statement = refusal
        .statement
        .map(|statement| match mark(&statement, refusal.position) {
            Some((before, at, after)) => Either::Left(view! {
                <pre class="code wrap" tabindex="0">
                    {before} <span class="at">{at}</span> {after}
                </pre>
            }),
            None => Either::Right(view! { <pre class="code wrap" tabindex="0">{statement}</pre> }),
        });
    view! {
        <dl class="fault-details">
            <dt>{refusal.target}" said"</dt>
            <dd>{refusal.message}</dd>
            {refusal.sqlstate.map(|state| view! { <dt>"SQLSTATE"</dt><dd class="mono">{state}</dd> })}
            {refusal.detail.map(|detail| view! { <dt>"Detail"</dt><dd>{detail}</dd> })}
            {refusal.hint.map(|hint| view! { <dt>"Hint"</dt><dd>{hint}</dd> })}
        </dl>
        {statement}
    }
}

/// The statement around the position (counted in characters from 1): before, the word at it, after.
fn mark(statement: &str, position: Option<u32>) -> Option<(String, String, String)> {
    let start = statement
        .char_indices()
        .nth(position?.checked_sub(1)? as usize)?
        .0;
    let (before, rest) = statement.split_at(start);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let end = if end == 0 {
        rest.chars().next()?.len_utf8()
    } else {
        end
    };
    let (at, after) = rest.split_at(end);
    Some((before.to_owned(), at.to_owned(), after.to_owned()))
}

fn title(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated => "Your session has ended",
        Code::Forbidden => "Not allowed",
        Code::NotFound => "Not found",
        Code::Invalid => "That cannot be right",
        Code::Conflict => "Not now",
        Code::Busy => "Too much at once",
        Code::Unavailable => "The console's own database does not answer",
        Code::TargetUnreachable => "The database cannot be reached",
        Code::TargetRefused => "The database refused",
        Code::TargetTimeout => "The database did not answer in time",
        Code::Internal => "Something went wrong",
    }
}

#[cfg(test)]
mod tests {
    use super::mark;

    #[test]
    fn the_word_at_the_position_is_marked_in_characters_not_bytes() {
        let marked = mark("select 'ü' frm t", Some(12));
        assert_eq!(marked, Some(("select 'ü' ".into(), "frm".into(), " t".into())));
        assert_eq!(
            mark("select )", Some(8)),
            Some(("select ".into(), ")".into(), String::new()))
        );
        assert_eq!(mark("select", Some(99)), None);
        assert_eq!(mark("select", Some(0)), None);
        assert_eq!(mark("select", None), None);
    }
}
