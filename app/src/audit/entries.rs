//! Entries as a table.

use contract::audit::{AuditEntry, Outcome, Severity};
use leptos::either::Either;

use super::{act_words, outcome_tone, outcome_word, severity_tone, severity_word};
use crate::{
    address::{job_link, use_here},
    prelude::*,
    ui::{Ago, Badge, Duration},
};

/// A detail that is longer is folded away.
const SHORT: usize = 140;

/// One entry a row, newest first; its user and address lead to the entries that share them.
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
                    </tr>
                </thead>
                <tbody>
                    {entries.into_iter().map(|entry| view! { <Row entry of_target /> }).collect_view()}
                </tbody>
            </table>
        </div>
    }
}

#[component]
fn Row(entry: AuditEntry, of_target: bool) -> impl IntoView {
    let here = use_here();
    let job = entry.job.map(|job| {
        view! {
            <a class="quiet muted" href=job_link(job)>
                "job"
            </a>
        }
    });
    let filter = move |key: &'static str, value: String| {
        let here = here.clone();
        move || here.with(&[(key, Some(value.clone())), ("after", None)])
    };
    let took = entry.began_at.map(|began| {
        let ms = (entry.at - began).num_milliseconds();
        view! { <div class="muted small">"after " <Duration ms /></div> }
    });
    // What went as it should needs no second look, however much it changed.
    let severity = match entry.severity {
        Severity::Debug | Severity::Info => None,
        Severity::Warning if entry.outcome == Outcome::Success => None,
        severity => Some(view! { <Badge tone=severity_tone(severity) text=severity_word(severity) /> }),
    };
    let user = match entry.user {
        Some(user) => {
            let href = filter("user", user.clone());
            view! {
                <a class="quiet" href=href title="only this user">
                    {user}
                </a>
            }
        }
        None => view! { <span class="muted">"nobody"</span> },
    };
    let address = entry.address.map(|address| {
        let href = filter("address", address.clone());
        let address = if of_target {
            Either::Left(address)
        } else {
            Either::Right(view! {
                <a class="quiet" href=href title="only from this address">
                    {address}
                </a>
            })
        };
        view! { <div class="muted small mono hide-s">{address}</div> }
    });
    view! {
        <tr>
            <td>
                <Ago at=entry.at />
                {took}
            </td>
            <td class="wrap">
                <div class="row">
                    <span class="strong" title=entry.event_type.clone()>
                        {act_words(&entry.event_type).to_owned()}
                    </span>
                    {entry.object.map(|object| view! { <span>{object}</span> })}
                    {job}
                </div>
                {entry.detail.map(|detail| view! { <Detail detail /> })}
            </td>
            <td>
                <Badge tone=outcome_tone(entry.outcome) text=outcome_word(entry.outcome) />
                " "
                {severity}
            </td>
            <td>{user} {address}</td>
            {(!of_target).then(|| view! { <td class="hide-s">{entry.target}</td> })}
        </tr>
    }
}

/// More about an entry, folded away when it is long.
#[component]
fn Detail(detail: String) -> impl IntoView {
    if detail.len() <= SHORT && !detail.contains('\n') {
        return view! { <div class="muted small">{detail}</div> };
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
}
