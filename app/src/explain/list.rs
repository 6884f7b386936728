//! The kept plans of a database.

use crate::prelude::*;
use contract::explain::{PLANS_KEPT, PLANS_OF_USER, PlanLine, PlanList, span};
use uuid::Uuid;

use super::plan_link;
use crate::ui::{Ago, EmptyState};

/// The card with the kept plans.
#[component]
pub fn Kept(
    /// The plans.
    list: PlanList,
    /// The managed database.
    target: Memo<String>,
) -> impl IntoView {
    let rule = format!(
        "The newest {PLANS_KEPT} of a database are kept, at most {PLANS_OF_USER} of one user; older ones go by themselves."
    );
    if list.plans.is_empty() {
        return view! {
            <section class="card">
                <div class="ch">
                    <h2>"Kept plans"</h2>
                </div>
                <EmptyState title="No plan yet" hint="Ask for one above, or paste one. Its page can be shared by its link." />
            </section>
        };
    }
    let of = target.get_untracked();
    let rows = list
        .plans
        .into_iter()
        .map(|plan| {
            let link = plan_link(&of, plan.id);
            view! {
                <tr>
                    <td class="wrap">
                        <a class="link mono" href=link>{cut(&plan.title)}</a>
                        {plan.remark.map(|remark| view! { <div class="muted small">{remark}</div> })}
                    </td>
                    <td>{plan.mode.words()}</td>
                    <td class="num">{plan.execution_ms.map(span)}</td>
                    <td class="num">{plan.cost.map(|cost| format!("{cost:.0}"))}</td>
                    <td>{plan.made_by}</td>
                    <td class="num">
                        <Ago at=plan.made_at />
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Kept plans"</h2>
                <p>{rule}</p>
            </div>
            <div class="table-wrap tall" tabindex="0" role="region" aria-label="Kept plans">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Statement"</th>
                            <th scope="col">"How"</th>
                            <th scope="col" class="num">"Time"</th>
                            <th scope="col" class="num">"Cost"</th>
                            <th scope="col">"By"</th>
                            <th scope="col" class="num">"When"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
}

/// The choice of another plan to compare with: of the same statement first.
#[component]
pub fn CompareWith(
    /// The plans.
    list: PlanList,
    /// This one.
    id: Uuid,
) -> impl IntoView {
    let own = list
        .plans
        .iter()
        .find(|plan| plan.id == id)
        .map(|plan| plan.statement_hash.clone());
    let mut others: Vec<PlanLine> = list.plans.into_iter().filter(|plan| plan.id != id).collect();
    others.sort_by_key(|plan| Some(&plan.statement_hash) != own.as_ref());
    if others.is_empty() {
        return view! { <p class="muted small">"There is no other plan to compare it with yet."</p> };
    }
    let options = others
        .into_iter()
        .map(|plan| {
            let same = if Some(&plan.statement_hash) == own.as_ref() {
                "same statement · "
            } else {
                ""
            };
            let words = format!(
                "{same}{} · {} · {}",
                crate::zone::absolute(plan.made_at),
                plan.execution_ms
                    .map_or_else(|| plan.mode.words().to_owned(), span),
                cut(&plan.title).chars().take(60).collect::<String>()
            );
            view! { <option value=plan.id.to_string()>{words}</option> }
        })
        .collect_view();
    view! {
        <form class="row" method="get" action="">
            <label class="sr-only" for="with">
                "Compare with"
            </label>
            <select id="with" name="with" class="input">
                {options}
            </select>
            <button class="btn" type="submit">
                "Compare"
            </button>
        </form>
    }
}

fn cut(title: &str) -> String {
    match title.char_indices().nth(140) {
        Some((end, _)) => format!("{}…", &title[..end]),
        None => title.to_owned(),
    }
}
