//! What is reckoned from a plan: how long each node took by itself.
//!
//! EXPLAIN tells the time of one loop, children included, on the average over all processes. So a node's whole time is that by
//! its loops, below a Gather by the processes that shared them; its own is that less its children's. A CTE's time is within
//! that of the first node that reads it, and an InitPlan's within that of the node that names its result.

use contract::explain::{Plan, PlanNode};

/// Fills in each node's own time, and its part of the whole.
pub(super) fn reckon(plan: &mut Plan) {
    let parents = parents(&plan.nodes);
    let timed = plan
        .nodes
        .first()
        .and_then(|root| root.met)
        .is_some_and(|met| met.total_ms.is_some());
    let whole: Vec<f64> = match timed {
        true => times(&plan.nodes, &parents),
        false => plan
            .nodes
            .iter()
            .map(|node| node.cost.map_or(0.0, |(_, all)| all))
            .collect(),
    };
    let mut own = whole.clone();
    for (at, node) in plan.nodes.iter().enumerate() {
        if let Some(within) = within(&plan.nodes, &parents, at, node, timed) {
            own[within] -= whole[at];
        }
    }
    // A node may be told to have taken less than its children, by rounding, or by a LIMIT that stopped it; never less than
    // nothing.
    for value in &mut own {
        *value = value.max(0.0);
    }
    let all: f64 = own.iter().sum();
    for (at, node) in plan.nodes.iter_mut().enumerate() {
        if timed && node.met.is_some() {
            node.own_ms = Some(own[at]);
        }
        let counts = if timed {
            node.met.is_some()
        } else {
            node.cost.is_some()
        };
        node.share = (counts && all > 0.0).then(|| own[at] / all);
    }
}

/// The place of each node's parent.
pub(super) fn parents(nodes: &[PlanNode]) -> Vec<Option<usize>> {
    let mut open: Vec<usize> = Vec::new();
    let mut parents = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        open.truncate(node.depth as usize);
        parents.push(open.last().copied());
        open.push(at);
    }
    parents
}

/// Milliseconds of each node with its children, over all its loops.
fn times(nodes: &[PlanNode], parents: &[Option<usize>]) -> Vec<f64> {
    // How many processes shared the loops of each node.
    let mut shared = vec![1.0_f64; nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        let Some(parent) = parents[at] else { continue };
        shared[at] = shared[parent];
        let launched = nodes[parent].workers.and_then(|(_, launched)| launched);
        if nodes[parent].kind.starts_with("Gather") && node.part.is_none() {
            let loops = node.met.map_or(1.0, |met| met.loops);
            let most = launched.map_or(loops, |launched| f64::from(launched) + 1.0);
            shared[at] = loops.clamp(1.0, most.max(1.0));
        }
    }
    let of = |(at, node): (usize, &PlanNode)| {
        node.met
            .map_or(0.0, |met| met.total_ms.unwrap_or(0.0) * met.loops / shared[at])
    };
    nodes.iter().enumerate().map(of).collect()
}

/// In which node's time that of another one is.
fn within(
    nodes: &[PlanNode],
    parents: &[Option<usize>],
    at: usize,
    node: &PlanNode,
    timed: bool,
) -> Option<usize> {
    let parent = parents[at]?;
    let Some(part) = node.part.as_deref() else {
        return Some(parent);
    };
    if !timed {
        // Costs: of an InitPlan and a CTE within the parent's.
        return Some(parent);
    }
    if let Some(name) = part.strip_prefix("CTE ") {
        let reads =
            |node: &PlanNode| node.kind.ends_with("CTE Scan") && node.relation.as_deref() == Some(name);
        return nodes
            .iter()
            .position(|node| reads(node) && node.met.is_some())
            .or(Some(parent));
    }
    if part.starts_with("InitPlan") {
        let result = match part.split_once("(returns ") {
            // Until 16: `$0`; a comma parts several.
            Some((_, names)) => names
                .split([',', ')'])
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
            None => format!("({part})"),
        };
        let names = |node: &PlanNode| {
            let texts = node.conditions.iter().chain(&node.details);
            texts.into_iter().any(|(_, text)| mentions(text, &result))
        };
        let found = nodes.iter().enumerate();
        return found
            .into_iter()
            .find(|(other, node)| *other != at && names(node) && node.met.is_some())
            .map(|(other, _)| other)
            .or(Some(parent));
    }
    Some(parent)
}

/// Whether a text names a result: `$1` is not in `$10`.
fn mentions(text: &str, result: &str) -> bool {
    text.match_indices(result).take(50).any(|(at, _)| {
        let next = text[at + result.len()..].chars().next();
        !next.is_some_and(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::parse;

    fn own(text: &str) -> Vec<f64> {
        let plan = parse::plan(text).unwrap();
        plan.nodes
            .iter()
            .map(|node| (node.own_ms.unwrap_or(-1.0) * 10.0).round() / 10.0)
            .collect()
    }

    #[test]
    fn a_nodes_own_time_is_its_loops_less_its_children() {
        assert_eq!(
            own(
                "Nested Loop  (cost=0..1 rows=1 width=1) (actual time=0.1..100.0 rows=5 loops=1)\n\
                 \x20 ->  Seq Scan on a  (cost=0..1 rows=1 width=1) (actual time=0.1..10.0 rows=1000 loops=1)\n\
                 \x20 ->  Index Scan using i on b  (cost=0..1 rows=1 width=1) (actual time=0.01..0.08 rows=1 loops=1000)\n\
                 \x20 ->  Seq Scan on c  (cost=0..1 rows=1 width=1) (never executed)"
            ),
            [10.0, 10.0, 80.0, -1.0]
        );
    }

    #[test]
    fn processes_share_the_loops_below_a_gather() {
        assert_eq!(
            own(
                "Gather  (cost=0..1 rows=1 width=1) (actual time=0.1..100.0 rows=5 loops=1)\n\
                 \x20 Workers Planned: 2\n\
                 \x20 Workers Launched: 2\n\
                 \x20 ->  Parallel Seq Scan on a  (cost=0..1 rows=1 width=1) (actual time=0.1..90.0 rows=2 loops=3)"
            ),
            [10.0, 90.0]
        );
    }

    #[test]
    fn a_cte_and_an_initplan_are_within_who_reads_them() {
        assert_eq!(
            own(
                "Hash Join  (cost=0..1 rows=1 width=1) (actual time=0.1..100.0 rows=5 loops=1)\n\
                 \x20 CTE x\n\
                 \x20   ->  Seq Scan on a  (cost=0..1 rows=1 width=1) (actual time=0.1..40.0 rows=5 loops=1)\n\
                 \x20 InitPlan 2 (returns $1)\n\
                 \x20   ->  Result  (cost=0..1 rows=1 width=1) (actual time=0.1..20.0 rows=1 loops=1)\n\
                 \x20 ->  CTE Scan on x  (cost=0..1 rows=1 width=1) (actual time=0.1..50.0 rows=5 loops=1)\n\
                 \x20 ->  Seq Scan on b  (cost=0..1 rows=1 width=1) (actual time=0.1..30.0 rows=5 loops=1)\n\
                 \x20       Filter: (id = $1)"
            ),
            [20.0, 40.0, 20.0, 10.0, 10.0]
        );
    }
}
