//! Two plans side by side.

use contract::explain::{NodePair, Plan, PlanComparison, PlanView, rows, span};

use super::plan_link;
use crate::{prelude::*, ui::At};

/// What differs on the whole, then node by node.
#[component]
pub fn Compared(
    /// Both plans.
    pair: PlanComparison,
) -> impl IntoView {
    let heads = [&pair.before, &pair.after].map(|view| {
        let link = plan_link(&view.target, view.id);
        let (how, at) = (view.mode.words(), view.made_at);
        view! {
            <th scope="col">
                <a class="link" href=link>{how}</a>
                " of "
                <At at />
            </th>
        }
    });
    let words = pair
        .words
        .iter()
        .map(|words| view! { <li>{words.clone()}</li> })
        .collect_view();
    let list = pair
        .pairs
        .iter()
        .map(|nodes| row(nodes, &pair.before, &pair.after))
        .collect_view();
    view! {
        <section class="card" aria-label="Compared">
            <div class="ch">
                <h2>"Compared"</h2>
                <p>"The older plan stands on the left."</p>
            </div>
            <ul class="cb">{words}</ul>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Nodes compared">
                <table class="table">
                    <thead>
                        <tr>{heads.into_iter().collect_view()} <th scope="col">"What differs"</th></tr>
                    </thead>
                    <tbody>{list}</tbody>
                </table>
            </div>
        </section>
    }
}

fn row(pair: &NodePair, before: &PlanView, after: &PlanView) -> impl IntoView + use<> {
    let cell = |plan: &Plan, at: Option<u32>| {
        let node = at.and_then(|at| plan.nodes.get(at as usize))?;
        let lead = "\u{a0}\u{a0}".repeat(pair.depth.min(12) as usize);
        let figures = match (node.own_ms, node.rows()) {
            (Some(ms), Some(count)) => format!("{}, {} rows", span(ms), rows(count)),
            (None, Some(count)) => format!("{} rows", rows(count)),
            _ => node
                .cost
                .map_or_else(String::new, |(_, all)| format!("cost {all:.2}")),
        };
        let title = node.title();
        Some(view! {
            <span aria-hidden="true">{lead}</span>
            <span class="mono">{title}</span>
            <div class="muted small">{figures}</div>
        })
    };
    let (one, other) = (cell(&before.plan, pair.before), cell(&after.plan, pair.after));
    let words = pair.words.clone();
    view! {
        <tr>
            <td class="wrap">{one}</td>
            <td class="wrap">{other}</td>
            <td class="wrap">{words}</td>
        </tr>
    }
}
