//! What numbers cover, what is missing in them, and what keeps statements from being counted.

use crate::prelude::*;
use contract::{
    format,
    query::{Coverage, QueryHint},
};

use crate::ui::{At, CopyButton};

/// From when to when, in the head of a page.
#[component]
pub fn Covers(coverage: Coverage) -> impl IntoView {
    match (coverage.from, coverage.to) {
        (from, Some(to)) if coverage.cumulative => view! {
            "Since the server began to count"
            {from.map(|from| view! { ", " <At at=from /> })}
            ", until "
            <At at=to />
        },
        (Some(from), Some(to)) => view! { <At at=from /> " to " <At at=to /> },
        _ => "Nothing was measured in this time".into_any(),
    }
}

/// What is missing in the numbers, in sentences; nothing when all is there.
pub fn missing(coverage: &Coverage) -> Vec<String> {
    let mut words = Vec::new();
    if coverage.cumulative {
        words.push(
            "Nothing was measured between two looks yet, so these are all that the server has counted. The next look, within \
             five minutes, begins to measure."
                .to_owned(),
        );
    }
    if coverage.incomplete && !coverage.cumulative {
        words.push(
            "Counters began anew meanwhile: a reset by someone, or a crash. What ran between the last look and that is missing."
                .to_owned(),
        );
    }
    if let Some(evictions) = coverage.evictions.filter(|evictions| *evictions > 0) {
        words.push(format!(
            "The server dropped its least used statements {} times, with what they had done since the last look. A greater \
             pg_stat_statements.max keeps more.",
            format::exact(evictions)
        ));
    }
    if coverage.gap_s() >= 60.0 {
        let gap = format::duration((coverage.gap_s() * 1000.0) as i64);
        words.push(format!(
            "{gap} of this time were not measured: the console met another server, or its role saw other statements than before."
        ));
    }
    words
}

/// What keeps statements from being counted, each with the statement that changes it.
#[component]
pub fn Hints(hints: Vec<QueryHint>, trouble: Option<String>) -> impl IntoView {
    let hints = hints
        .into_iter()
        .map(|hint| {
            let statement = hint.statement.map(|statement| {
                let statement = format!("{statement};");
                view! {
                    <div class="cb row">
                        <pre class="code wrap grow" tabindex="0">
                            {statement.clone()}
                        </pre>
                        <CopyButton text=statement what="the statement" />
                    </div>
                }
            });
            view! {
                <section class="card" role="status">
                    <div class="item">
                        <span class="badge warn">"Not counted"</span>
                        <b>{hint.words}</b>
                    </div>
                    {statement}
                </section>
            }
        })
        .collect_view();
    let trouble = trouble.map(|trouble| {
        view! {
            <div class="banner warn" role="status">
                <span class="dot warn"></span>
                "The last look failed"
                <span>{trouble} " What is shown was measured before."</span>
            </div>
        }
    });
    view! {
        {trouble}
        {hints}
    }
}
