//! Entries as a table.

use contract::audit::AuditEntry;
use leptos::prelude::*;

use super::{outcome_tone, outcome_word, severity_tone, severity_word};
use crate::{
    address::job_link,
    ui::{Ago, Badge},
};

/// A detail that is longer is folded away.
const SHORT: usize = 140;

/// One entry a row, newest first.
#[component]
pub fn Entries(
    /// The entries.
    entries: Vec<AuditEntry>,
    /// Whether the log is a managed database's, which is then not said again in each row.
    of_target: bool,
) -> impl IntoView {
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Entries">
            <table class="table fold">
                <thead>
                    <tr>
                        <th scope="col">"When"</th>
                        <th scope="col">"What"</th>
                        <th scope="col">"Outcome"</th>
                        <th scope="col">"Who"</th>
                        {(!of_target).then(|| view! { <th scope="col" class="hide-s">"Database"</th> })}
                        <th scope="col" class="hide-s">
                            "Severity"
                        </th>
                    </tr>
                </thead>
                <tbody>
                    {entries.into_iter().map(|entry| view! { <Row entry of_target /> }).collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn Row(entry: AuditEntry, of_target: bool) -> impl IntoView {
    let job = entry.job.map(|job| {
        view! {
            <a class="chip" href=job_link(job)>
                "its job"
            </a>
        }
    });
    view! {
        <tr>
            <td>
                <Ago at=entry.at />
            </td>
            <td class="wrap">
                <div class="row">
                    <b class="mono">{entry.event_type}</b>
                    {entry.object.map(|object| view! { <span>{object}</span> })}
                    {job}
                </div>
                {entry.detail.map(|detail| view! { <Detail detail /> })}
            </td>
            <td>
                <Badge tone=outcome_tone(entry.outcome) text=outcome_word(entry.outcome) />
            </td>
            <td>
                {match entry.user {
                    Some(user) => view! { <span>{user}</span> }.into_any(),
                    None => view! { <span class="muted">"nobody"</span> }.into_any(),
                }}
                {entry.address.map(|address| view! { <div class="muted small mono hide-s">{address}</div> })}
            </td>
            {(!of_target).then(|| view! { <td class="hide-s">{entry.target}</td> })}
            <td class="hide-s">
                <Badge tone=severity_tone(entry.severity) text=severity_word(entry.severity) />
            </td>
        </tr>
    }
}

/// More about an entry, folded away when it is long.
#[component]
fn Detail(detail: String) -> impl IntoView {
    if detail.len() <= SHORT && !detail.contains('\n') {
        return view! { <div class="muted small">{detail}</div> }.into_any();
    }
    let beginning: String = detail
        .chars()
        .take(SHORT)
        .map(|c| if c == '\n' { ' ' } else { c })
        .collect();
    view! {
        <details class="more small">
            <summary>{beginning} "…"</summary>
            <pre class="code wrap" tabindex="0">
                {detail}
            </pre>
        </details>
    }
    .into_any()
}
