//! What was looked at before a restore, the worst first.

use std::cmp::Reverse;

use crate::prelude::*;
use contract::restore::{CheckLevel, RestoreCheck};

use crate::ui::{Badge, Tone};

/// Every check; those that are as they should be are folded.
#[component]
pub fn Checks(
    /// The checks, in the order in which they were made.
    checks: Vec<RestoreCheck>,
) -> impl IntoView {
    let mut checks = checks;
    checks.sort_by_key(|check| Reverse(check.level));
    let fine = checks.partition_point(|check| check.level > CheckLevel::Fine);
    let fine = checks.split_off(fine);
    let none = checks
        .is_empty()
        .then(|| view! { <p class="cb muted">"Nothing stands against it."</p> });
    let folded = (!fine.is_empty()).then(|| {
        view! {
            <details class="more cb">
                <summary>{format!("{} as they should be", fine.len())}</summary>
                <ul>{fine.into_iter().map(row).collect_view()}</ul>
            </details>
        }
    });
    view! {
        <section class="card" aria-label="Checked">
            <div class="ch">
                <h2>"Checked before the start"</h2>
            </div>
            {none}
            <ul>{checks.into_iter().map(row).collect_view()}</ul>
            {folded}
        </section>
    }
}

fn row(check: RestoreCheck) -> AnyView {
    let (tone, word) = match check.level {
        CheckLevel::Blocks => (Tone::Bad, "Stops it"),
        CheckLevel::Warning => (Tone::Warn, "Look"),
        CheckLevel::Unknown => (Tone::Info, "Unknown"),
        CheckLevel::Fine => (Tone::Ok, "Fine"),
    };
    view! {
        <li class="item">
            <Badge tone text=word />
            <span>{check.words}</span>
            <span></span>
            {check.remedy.map(|remedy| view! { <p>{remedy}</p> })}
        </li>
    }
}
