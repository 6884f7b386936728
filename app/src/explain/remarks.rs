//! What is said about a plan.

use crate::prelude::*;
use contract::{explain::PlanRemark, finding::Level};

use crate::ui::{Badge, CopyButton, Tone};

/// The sentences, worst first.
#[component]
pub fn Remarks(
    /// The sentences.
    remarks: Vec<PlanRemark>,
) -> impl IntoView {
    if remarks.is_empty() {
        return view! {
            <section class="card">
                <div class="ch">
                    <h2>"What stands out"</h2>
                </div>
                <p class="cb muted">"Nothing that the console looks for. That is no proof that it could not be faster."</p>
            </section>
        };
    }
    let items = remarks
        .into_iter()
        .map(|remark| {
            let (tone, word) = match remark.level {
                Level::Urgent => (Tone::Bad, "Urgent"),
                Level::Warning => (Tone::Warn, "Warning"),
                Level::Note => (Tone::Info, "Note"),
            };
            let to_node = remark
                .node
                .map(|node| view! { <a class="btn sm" href=format!("#n{node}") rel="external">"Show"</a> });
            view! {
                <div class="item">
                    <Badge tone text=word />
                    <b>{remark.words}</b>
                    <span>{to_node}</span>
                    <p>
                        {remark.remedy}
                        {remark
                            .sql
                            .map(|sql| {
                                view! {
                                    " "
                                    <code class="mono">{sql.clone()}</code>
                                    " "
                                    <CopyButton text=sql what="the statement" />
                                }
                            })}
                    </p>
                </div>
            }
        })
        .collect_view();
    view! {
        <section class="card" aria-label="What stands out">
            <div class="ch">
                <h2>"What stands out"</h2>
            </div>
            {items}
        </section>
    }
}
