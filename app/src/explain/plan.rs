//! A plan as a tree: one row a node, with its part of the whole.

use crate::prelude::*;
use contract::{
    explain::{Blocks, Plan, PlanNode, rows, span, times},
    format,
};

/// The tree, and what else the plan says.
#[component]
pub fn Tree(
    /// The plan.
    plan: Plan,
) -> impl IntoView {
    let worst = plan.worst();
    let ran = plan.ran();
    let nodes = plan
        .nodes
        .iter()
        .enumerate()
        .map(|(at, node)| view! { <Row node=node.clone() at worst={Some(at) == worst} ran /> })
        .collect_view();
    let mut last = Vec::new();
    last.extend(plan.triggers.iter().map(|(name, ms, calls)| {
        (
            format!("Trigger {name}"),
            format!("{} in {} calls", span(*ms), rows(*calls)),
        )
    }));
    last.extend(plan.jit_ms.map(|ms| ("Compiling (JIT)".to_owned(), span(ms))));
    last.extend(
        plan.settings
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    let last = (!last.is_empty()).then(|| {
        let pairs = last
            .into_iter()
            .map(|(name, value)| view! { <dt>{name}</dt> <dd>{value}</dd> })
            .collect_view();
        view! { <dl class="cb kv">{pairs}</dl> }
    });
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Plan"</h2>
                <p>
                    {if ran {
                        "Own time is a node's without those below it; its part of the whole is the bar."
                    } else {
                        "It was not run: the bar is a node's own part of the planner's cost."
                    }}
                </p>
            </div>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Plan">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Node"</th>
                            <th scope="col">"Part"</th>
                            <th scope="col" class="num">{if ran { "Own time" } else { "Cost" }}</th>
                            <th scope="col" class="num">"Expected"</th>
                            {ran
                                .then(|| {
                                    view! {
                                        <th scope="col" class="num">"Met"</th>
                                        <th scope="col" class="num">"Loops"</th>
                                        <th scope="col" class="num">"Blocks"</th>
                                    }
                                })}
                        </tr>
                    </thead>
                    <tbody>{nodes}</tbody>
                </table>
            </div>
            {last}
        </section>
    }
}

#[component]
fn Row(node: PlanNode, at: usize, worst: bool, ran: bool) -> impl IntoView {
    let share = node.share.unwrap_or(0.0);
    let percent = format::percent(share);
    let bar = if worst { "sizebar warn" } else { "sizebar" };
    let figure = match ran {
        true => node.own_ms.map(span),
        false => node.cost.map(|(_, all)| format!("{all:.2}")),
    };
    let off = node.misestimate().filter(|(factor, _)| *factor >= 10.0);
    let blocks = node
        .blocks
        .map(|blocks| (blocks.hit.saturating_add(blocks.read), told(&blocks)));
    view! {
        <tr id=format!("n{at}")>
            <td class="wrap">
                <Lead depth=node.depth />
                {node.part.clone().map(|part| view! { <span class="muted small">{part} " "</span> })}
                <b class="mono">{node.title()}</b>
                {worst.then(|| view! { " " <span class="badge warn">"largest part"</span> })}
                {node.never.then(|| view! { " " <span class="badge off">"never executed"</span> })}
                {node.spill.is_some().then(|| view! { " " <span class="badge warn">"on disk"</span> })}
                <Facts node=node.clone() />
            </td>
            <td>
                <progress class=bar max="1000" value=format!("{:.0}", share * 1000.0) aria-label=format!("{percent} of the whole")></progress>
            </td>
            <td class="num">{figure}</td>
            <td class="num">{node.expected.map(rows)}</td>
            {ran
                .then(|| {
                    view! {
                        <td class="num">
                            {node.met.map(|met| rows(met.rows))}
                            {off
                                .map(|(factor, more)| {
                                    let words = if more { "as many" } else { "fewer" };
                                    view! { <div class="muted small">{format!("{} {words}", times(factor))}</div> }
                                })}
                        </td>
                        <td class="num">{node.met.map(|met| rows(met.loops))}</td>
                        <td class="num" title=blocks.as_ref().map(|(_, words)| words.clone())>
                            {blocks.as_ref().map(|(all, _)| format::count(*all))}
                        </td>
                    }
                })}
        </tr>
    }
}

/// How deep a node lies, for the eye by a drawing and for a screen reader in a word.
#[component]
fn Lead(depth: u32) -> impl IntoView {
    (depth > 0).then(|| {
        let steps = depth.min(12) as usize;
        let drawn = format!("{}└ ", "\u{a0}\u{a0}".repeat(steps - 1));
        view! {
            <span class="mono muted" aria-hidden="true">{drawn}</span>
            <span class="sr-only">{format!("level {}: ", depth + 1)}</span>
        }
    })
}

/// Conditions and what else a node says.
#[component]
fn Facts(node: PlanNode) -> impl IntoView {
    let mut lines: Vec<(String, String)> = node.conditions.clone();
    lines.extend(
        node.removed
            .map(|count| ("Rows removed, a loop".to_owned(), rows(count))),
    );
    lines.extend(
        node.rechecked
            .map(|count| ("Rows removed by recheck, a loop".to_owned(), rows(count))),
    );
    lines.extend(
        node.heap_fetches
            .map(|count| ("Heap fetches".to_owned(), rows(count))),
    );
    lines.extend(node.spill.as_ref().map(|spill| {
        let disk = spill
            .disk_kb
            .map(|kb| format!("{} on disk", format::bytes(kb.saturating_mul(1024))));
        let batches = spill.batches.map(|batches| format!("{batches} batches"));
        let words: Vec<String> = disk.into_iter().chain(batches).collect();
        ("Did not fit into memory".to_owned(), words.join(", "))
    }));
    lines.extend(node.workers.map(|(planned, launched)| {
        let words = match launched {
            Some(launched) => format!("{launched} of {planned}"),
            None => format!("{planned} planned"),
        };
        ("Parallel workers".to_owned(), words)
    }));
    lines.extend(node.blocks.map(|blocks| ("Blocks".to_owned(), told(&blocks))));
    lines.extend(node.details);
    let lines = lines
        .into_iter()
        .map(|(name, value)| view! { <div class="small"><span class="muted">{name} ": "</span> <span class="mono">{value}</span></div> })
        .collect_view();
    view! { {lines} }
}

fn told(blocks: &Blocks) -> String {
    let parts = [
        ("hit", blocks.hit),
        ("read", blocks.read),
        ("dirtied", blocks.dirtied),
        ("written", blocks.written),
        ("temporary read", blocks.temp_read),
        ("temporary written", blocks.temp_written),
    ];
    let told: Vec<String> = parts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{} {name}", format::exact(count)))
        .collect();
    match told.is_empty() {
        true => "none".to_owned(),
        false => told.join(", "),
    }
}
