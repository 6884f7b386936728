//! The form for a statement, and the one for a plan from elsewhere.

use contract::{explain::MOST_SECONDS, query::QueryText, session::Permission};
use leptos::html;
use leptos_router::hooks::use_navigate;
use uuid::Uuid;

use super::{
    api::{analyze_statement, paste_plan, plan_statement},
    plan_link,
};
use crate::{
    address::{link, segment, use_query},
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{FaultNote, use_hydrated},
};

/// What a form says when it is sent.
#[derive(Clone)]
struct Asked {
    target: String,
    statement: String,
    values: String,
    sampled: bool,
    seconds: Option<u32>,
    accept: bool,
    runs: bool,
}

/// Asks for the plan of a statement.
#[component]
pub fn StatementForm(
    /// The managed database.
    target: Memo<String>,
    /// The statement of Queries whose plan is asked for.
    query: Option<QueryText>,
) -> impl IntoView {
    let from = query.as_ref().map(|query| {
        let trouble = match (&query.text, &query.note) {
            (None, _) => Some("It cannot be explained from here"),
            (Some(_), Some(_)) => Some("Values are missing"),
            (Some(_), None) => None,
        };
        let page = link(
            &target.get_untracked(),
            &format!("queries/{}", segment(&query.queryid)),
        );
        let note = query.note.clone();
        let name = format!("Statement {} of Queries", query.queryid);
        view! {
            <p class="cb small">
                <a class="link" href=page>
                    {name}
                </a>
            </p>
            {trouble
                .map(|trouble| {
                    view! {
                        <div class="banner warn" role="status">
                            <span class="dot warn"></span>
                            {trouble}
                            <span>{note}</span>
                        </div>
                    }
                })}
        }
    });
    let text = query.and_then(|query| query.text).unwrap_or_default();
    let may_run = use_may(Permission::RunExplainAnalyze);
    let hydrated = use_hydrated();
    let (statement, values) = (NodeRef::<html::Textarea>::new(), NodeRef::<html::Textarea>::new());
    let (sampled, accept) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let seconds = NodeRef::<html::Input>::new();
    let to_run = NodeRef::<html::Details>::new();
    let runs = RwSignal::new(false);
    let ask = Action::new(|asked: &Asked| {
        let asked = asked.clone();
        async move {
            let values = Some(asked.values);
            match asked.runs {
                true => {
                    analyze_statement(
                        asked.target,
                        asked.statement,
                        values,
                        asked.seconds,
                        Some(asked.accept),
                    )
                    .await
                }
                false => plan_statement(asked.target, asked.statement, values, Some(asked.sampled)).await,
            }
        }
    });
    follow(target, move || ask.value().get());
    // What has to be agreed to is in sight when that is asked for, also for a form that was sent without script.
    let asked_to_agree = use_query("refused").with_untracked(|word| word.as_deref() == Some("accept"));
    Effect::new(move || {
        let asks = ask.value().with(|made| match made {
            Some(Err(error)) => error.0.field.as_deref() == Some("accept"),
            _ => false,
        });
        if asks && let Some(details) = to_run.get_untracked() {
            details.set_open(true);
            if let Some(accept) = accept.get_untracked() {
                accept.focus().ok();
            }
        }
    });
    let off = move || ask.pending().get().then_some("true");
    let send = move || {
        let text = |field: NodeRef<html::Textarea>| {
            field
                .get_untracked()
                .map(|field| field.value())
                .unwrap_or_default()
        };
        let is = |field: NodeRef<html::Input>| field.get_untracked().is_some_and(|field| field.checked());
        ask.dispatch(Asked {
            target: target.get_untracked(),
            statement: text(statement),
            values: text(values),
            sampled: is(sampled),
            seconds: seconds
                .get_untracked()
                .and_then(|field| field.value().parse().ok()),
            accept: is(accept),
            runs: runs.get_untracked(),
        });
    };
    view! {
        <section class="card" aria-label="Statement">
            <div class="ch">
                <h2>"Statement"</h2>
                <p>"Explain plans it and does not run it."</p>
            </div>
            {from}
            <form
                class="cb stack"
                method="post"
                action="/rpc/plan_statement"
                on:submit=move |event| {
                    if hydrated.get_untracked() {
                        event.prevent_default();
                        if !ask.pending().get_untracked() {
                            send();
                        }
                    }
                }
            >
                <input type="hidden" name="target" value=move || target.get() />
                <div class="field">
                    <label for="statement">"One statement that reads or changes rows"</label>
                    <textarea
                        id="statement"
                        name="statement"
                        class="mono"
                        rows="7"
                        required
                        autocomplete="off"
                        autocapitalize="off"
                        spellcheck="false"
                        node_ref=statement
                        inner_html=escaped(&text)
                    ></textarea>
                    <small>"Without EXPLAIN. Parameters such as $1 may stay: PostgreSQL 16 and newer plan without their values."</small>
                </div>
                <details class="more">
                    <summary>"Values for parameters"</summary>
                    <div class="stack">
                        <div class="field">
                            <label for="values">"One a line, such as: $1 = 42"</label>
                            <textarea
                                id="values"
                                name="values"
                                class="mono"
                                rows="3"
                                autocomplete="off"
                                autocapitalize="off"
                                spellcheck="false"
                                node_ref=values
                            ></textarea>
                            <small>"What is not given is taken from statistics where they have it."</small>
                        </div>
                        <label class="check">
                            <input type="checkbox" name="sampled" value="true" node_ref=sampled />
                            <span>"Plan with values from statistics"</span>
                        </label>
                    </div>
                </details>
                {may_run
                    .then(|| {
                        view! {
                            <details class="more" open=asked_to_agree node_ref=to_run>
                                <summary>"Run it for times and buffers"</summary>
                                <div class="stack">
                                    <p>
                                        "Run and explain really runs it, in a transaction that is rolled back. What it changes is locked for others until then. Numbers of sequences, other servers (dblink), files, and whatever a function does outside of the transaction are not undone. The audit log has the statement without its values."
                                    </p>
                                    <div class="field">
                                        <label for="seconds">"Break it off after seconds"</label>
                                        <input id="seconds" name="seconds" type="number" min="1" max=MOST_SECONDS.to_string() value="10" node_ref=seconds />
                                    </div>
                                    <label class="check">
                                        <input type="checkbox" name="accept" value="true" node_ref=accept />
                                        <span>"Run it although a part of what it does is not undone"</span>
                                    </label>
                                </div>
                            </details>
                        }
                    })}
                <FaultNote outcome=ask.value() />
                <div class="row">
                    <button
                        class="btn pri"
                        type="submit"
                        aria-disabled=off
                        aria-busy=move || (ask.pending().get() && !runs.get()).to_string()
                        on:click=move |_| runs.set(false)
                    >
                        "Explain"
                    </button>
                    {may_run
                        .then(|| {
                            view! {
                                <button
                                    class="btn"
                                    type="submit"
                                    formaction="/rpc/analyze_statement"
                                    aria-disabled=off
                                    aria-busy=move || (ask.pending().get() && runs.get()).to_string()
                                    on:click=move |_| runs.set(true)
                                >
                                    "Run and explain"
                                </button>
                            }
                        })}
                </div>
            </form>
        </section>
    }
}

/// Takes in a plan that was made elsewhere.
#[component]
pub fn PasteForm(target: Memo<String>) -> impl IntoView {
    let hydrated = use_hydrated();
    let plan = NodeRef::<html::Textarea>::new();
    let paste = Action::new(|(target, plan): &(String, String)| paste_plan(target.clone(), plan.clone()));
    follow(target, move || paste.value().get());
    view! {
        <section class="card" aria-label="A plan from elsewhere">
            <div class="ch">
                <h2>"A plan from elsewhere"</h2>
                <p>"As text or JSON, from psql, a log or another tool."</p>
            </div>
            <form
                class="cb stack"
                method="post"
                action="/rpc/paste_plan"
                on:submit=move |event| {
                    if hydrated.get_untracked() {
                        event.prevent_default();
                        if !paste.pending().get_untracked() {
                            let text = plan.get_untracked().map(|field| field.value()).unwrap_or_default();
                            paste.dispatch((target.get_untracked(), text));
                        }
                    }
                }
            >
                <input type="hidden" name="target" value=move || target.get() />
                <div class="field">
                    <label for="plan">"What EXPLAIN printed"</label>
                    <textarea
                        id="plan"
                        name="plan"
                        class="mono"
                        rows="5"
                        required
                        autocomplete="off"
                        autocapitalize="off"
                        spellcheck="false"
                        node_ref=plan
                    ></textarea>
                </div>
                <FaultNote outcome=paste.value() />
                <div class="row">
                    <button
                        class="btn"
                        type="submit"
                        aria-disabled=move || paste.pending().get().then_some("true")
                        aria-busy=move || paste.pending().get().to_string()
                    >
                        "Read the plan"
                    </button>
                </div>
            </form>
        </section>
    }
}

/// A text as the markup within a text area, where leptos escapes nothing.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Goes to the plan that was made.
fn follow(target: Memo<String>, made: impl Fn() -> Option<Result<Uuid, ApiError>> + Send + Sync + 'static) {
    let navigate = use_navigate();
    Effect::new(move || {
        if let Some(Ok(id)) = made() {
            navigate(&plan_link(&target.get_untracked(), id), Default::default());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn no_text_of_a_statement_ends_its_text_area() {
        let text = "select '</textarea><script>alert(1)</script>' /* &lt; */";
        let markup = escaped(text);
        assert!(!markup.contains('<'));
        assert_eq!(markup.replace("&lt;", "<").replace("&amp;", "&"), text);
    }
}
