//! Two plans side by side.

use std::collections::{HashMap, VecDeque};

use contract::explain::{NodePair, Plan, PlanNode, rows, span};

use super::shape::parents;

/// Pairs the nodes of two plans: from the root down, each child with the one that reads the same by the same means, else the
/// same, else does the same; what is left is gone or new.
pub(super) fn pairs(before: &Plan, after: &Plan) -> Vec<NodePair> {
    let (children_before, children_after) = (children(&before.nodes), children(&after.nodes));
    let mut pairs = Vec::new();
    let mut left: Vec<(u32, Option<usize>, Option<usize>)> =
        match (before.nodes.is_empty(), after.nodes.is_empty()) {
            (true, true) => Vec::new(),
            (one, other) => vec![(0, (!one).then_some(0), (!other).then_some(0))],
        };
    // The last one is taken first, so that children are put there from the last to the first.
    while let Some((depth, one, other)) = left.pop() {
        let ones: &[usize] = one.map_or(&[], |at| &children_before[at]);
        let others: &[usize] = other.map_or(&[], |at| &children_after[at]);
        let words = match (one, other) {
            (Some(one), Some(other)) => differs(&before.nodes[one], &after.nodes[other]),
            (Some(_), None) => "gone".to_owned(),
            _ => "new".to_owned(),
        };
        pairs.push(NodePair {
            depth,
            before: one.and_then(|at| u32::try_from(at).ok()),
            after: other.and_then(|at| u32::try_from(at).ok()),
            words,
        });
        let matched = matched(&before.nodes, ones, &after.nodes, others);
        left.extend(
            matched
                .into_iter()
                .rev()
                .map(|(one, other)| (depth + 1, one, other)),
        );
    }
    pairs
}

fn children(nodes: &[PlanNode]) -> Vec<Vec<usize>> {
    let mut children = vec![Vec::new(); nodes.len()];
    for (at, parent) in parents(nodes).into_iter().enumerate() {
        if let Some(parent) = parent {
            children[parent].push(at);
        }
    }
    children
}

type Pair = (Option<usize>, Option<usize>);

fn matched(before: &[PlanNode], ones: &[usize], after: &[PlanNode], others: &[usize]) -> Vec<Pair> {
    // A partitioned table may have hundreds of children on both sides, so that they are looked up and not tried.
    let alike: [fn(&PlanNode) -> Option<String>; 4] = [
        |node| Some(node.title()),
        |node| node.name(),
        |node| Some(node.kind.clone()),
        |node| node.part.is_none().then(String::new),
    ];
    let mut found: Vec<Option<usize>> = vec![None; ones.len()];
    let mut taken = vec![false; others.len()];
    for key in alike {
        let mut free: HashMap<(Option<&str>, String), VecDeque<usize>> = HashMap::new();
        for (place, other) in others.iter().enumerate().filter(|(place, _)| !taken[*place]) {
            if let Some(key) = key(&after[*other]) {
                free.entry((after[*other].part.as_deref(), key))
                    .or_default()
                    .push_back(place);
            }
        }
        for (place, one) in ones.iter().enumerate() {
            if found[place].is_some() {
                continue;
            }
            let node = &before[*one];
            let queue = key(node).and_then(|key| free.get_mut(&(node.part.as_deref(), key)));
            if let Some(other) = queue.and_then(VecDeque::pop_front) {
                found[place] = Some(other);
                taken[other] = true;
            }
        }
    }
    let kept = ones
        .iter()
        .zip(&found)
        .map(|(one, other)| (Some(*one), other.map(|at| others[at])));
    let new = others
        .iter()
        .zip(&taken)
        .filter(|(_, taken)| !**taken)
        .map(|(other, _)| (None, Some(*other)));
    kept.chain(new).collect()
}

fn differs(one: &PlanNode, other: &PlanNode) -> String {
    let mut words = Vec::new();
    if one.title() != other.title() {
        words.push(format!("{} instead of {}", other.title(), one.title()));
    }
    if let (Some(before), Some(after)) = (one.own_ms, other.own_ms)
        && is_far(before, after, 0.1)
    {
        words.push(format!("{} instead of {}", span(after), span(before)));
    }
    if let (Some(before), Some(after)) = (one.rows(), other.rows())
        && is_far(before, after, 0.5)
    {
        words.push(format!("{} rows instead of {}", rows(after), rows(before)));
    }
    match (one.spill.is_some(), other.spill.is_some()) {
        (true, false) => words.push("no longer over the disk".to_owned()),
        (false, true) => words.push("over the disk now".to_owned()),
        _ => {}
    }
    words.join("; ")
}

/// Whether two numbers differ by more than a fifth, and by more than what does not matter.
fn is_far(one: f64, other: f64, least: f64) -> bool {
    (one - other).abs() > least && (one - other).abs() > one.max(other) * 0.2
}

/// What differs on the whole.
pub(super) fn on_the_whole(before: &Plan, after: &Plan) -> Vec<String> {
    let mut words = Vec::new();
    match (before.execution_ms, after.execution_ms) {
        (Some(one), Some(other)) => words.push(match is_far(one, other, 0.05) {
            true if other < one => format!("Runs in {} instead of {}: faster.", span(other), span(one)),
            true => format!("Runs in {} instead of {}: slower.", span(other), span(one)),
            false => format!("Runs about as long: {} and {}.", span(one), span(other)),
        }),
        _ => {
            if let (Some(one), Some(other)) = (before.cost(), after.cost()) {
                words.push(format!(
                    "The planner's cost is {other:.2} instead of {one:.2}; one of the two was not run, so that times cannot be compared."
                ));
            }
        }
    }
    let touched = |plan: &Plan| {
        let blocks = plan.nodes.first()?.blocks?;
        Some(blocks.hit.saturating_add(blocks.read))
    };
    if let (Some(one), Some(other)) = (touched(before), touched(after))
        && is_far(one as f64, other as f64, 1.0)
    {
        words.push(format!(
            "Touches {} blocks instead of {}.",
            contract::format::exact(other),
            contract::format::exact(one)
        ));
    }
    if let (Some(one), Some(other)) = (before.nodes.first(), after.nodes.first())
        && let (Some(one), Some(other)) = (one.rows(), other.rows())
        && is_far(one, other, 0.5)
    {
        words.push(format!(
            "Returns {} rows instead of {}: they are not the same question.",
            rows(other),
            rows(one)
        ));
    }
    words
}
