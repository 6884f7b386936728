//! A plan as EXPLAIN prints it as text.

use contract::explain::{Blocks, MOST_NODES, Met, Plan, PlanNode, Spill};

use super::parse::{Wrong, clip, count, is_condition, number};

/// The deepest that nodes lie in each other: as with JSON.
const MOST_DEPTH: usize = 60;

/// Reads the lines of a plan.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(lines: &[String]) -> Result<Plan, Wrong> {
    let mut plan = Plan::default();
    // The columns of the nodes that are open, the root's first.
    let mut open: Vec<i64> = Vec::new();
    let mut part: Option<String> = None;
    let mut section = Section::Nodes;
    for line in lines {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        let arrow = bare.strip_prefix("->").map(str::trim_start);
        let figures = figures(arrow.unwrap_or(bare));
        let is_root = open.is_empty() && figures.is_some();
        let is_node = is_root || (arrow.is_some() && !open.is_empty());
        if is_node {
            if plan.nodes.len() >= MOST_NODES {
                return Err(Wrong::too_many());
            }
            let column = if is_root { -1 } else { indent as i64 };
            while open.len() > 1 && open.last().is_some_and(|last| *last >= column) {
                open.pop();
            }
            if open.len() >= MOST_DEPTH {
                return Err(Wrong(format!(
                    "Its nodes lie too deep in each other: {MOST_DEPTH} levels are read."
                )));
            }
            let depth = count(open.len() as f64);
            open.push(column);
            let mut node = node(arrow.unwrap_or(bare), figures);
            node.depth = depth;
            node.part = part.take();
            plan.nodes.push(node);
            continue;
        }
        let Some(last) = plan.nodes.last_mut() else {
            continue;
        };
        if is_part(bare) {
            part = Some(clip(bare.trim_end()));
            continue;
        }
        let Some((name, value)) = bare.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match name {
            "Planning" => section = Section::Planning,
            "JIT" => section = Section::Jit,
            "Planning Time" | "Planning time" => plan.planning_ms = ms(value),
            "Execution Time" | "Execution time" | "Total runtime" => plan.execution_ms = ms(value),
            "Timing" if section == Section::Jit => {
                plan.jit_ms = value.rsplit_once("Total ").and_then(|(_, total)| ms(total));
            }
            "Settings" => plan.settings = settings(value),
            "Query Identifier" => {}
            _ if name.starts_with("Trigger ") => {
                if plan.triggers.len() < 100 {
                    plan.triggers.push(trigger(name, value));
                }
            }
            _ if section == Section::Nodes => attribute(last, name, value),
            _ => {}
        }
    }
    match plan.nodes.is_empty() {
        true => Err(Wrong::no_plan()),
        false => Ok(plan),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Section {
    Nodes,
    Planning,
    Jit,
}

/// Where a node's figures in parentheses begin.
fn figures(text: &str) -> Option<usize> {
    ["  (cost=", " (cost=", " (actual ", " (never executed)"]
        .iter()
        .filter_map(|begin| text.find(begin))
        .min()
}

fn is_part(text: &str) -> bool {
    let text = text.trim_end();
    let numbered = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    text.strip_prefix("InitPlan ").is_some_and(numbered)
        || text.strip_prefix("SubPlan ").is_some_and(numbered)
        || (text.starts_with("CTE ") && !text.contains(':') && !text.contains('('))
}

fn node(text: &str, figures: Option<usize>) -> PlanNode {
    let (head, rest) = match figures {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut node = head_of(head.trim());
    if let Some(cost) = inside(rest, "(cost=") {
        if let Some((from, to)) = cost.split(' ').next().and_then(|range| range.split_once("..")) {
            node.cost = float(from).zip(float(to));
        }
        node.expected = field(cost, "rows=");
    }
    if let Some(actual) = inside(rest, "(actual ")
        && let Some(loops) = field(actual, "loops=")
    {
        let times = actual.split(' ').find_map(|word| word.strip_prefix("time="));
        node.met = Some(Met {
            rows: field(actual, "rows=").unwrap_or(0.0),
            loops,
            total_ms: times.and_then(|times| float(times.split_once("..")?.1)),
        });
    }
    node.never = rest.contains("(never executed)") || node.met.is_some_and(|met| met.loops == 0.0);
    if node.never {
        node.met = None;
    }
    node
}

/// What stands before the figures: `Parallel Index Scan Backward using i on public.t x`.
fn head_of(text: &str) -> PlanNode {
    let mut node = PlanNode::default();
    let (kind, rest) = match outside(text, " using ").or_else(|| outside(text, " on ")) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    node.kind = clip(kind);
    let mut rest = rest.trim_start();
    if let Some(after) = rest.strip_prefix("using ") {
        let (name, after) = name(after);
        node.index = name;
        rest = after.trim_start();
    }
    if let Some(after) = rest.strip_prefix("on ") {
        let (first, after) = name(after);
        if node.kind.starts_with("Bitmap Index Scan") {
            node.index = first;
            return node;
        }
        let mut relation = first;
        let mut rest = after;
        if let Some(second) = after.strip_prefix('.') {
            let (second, after) = name(second);
            node.schema = relation;
            relation = second;
            rest = after;
        }
        let alias = name(rest.trim_start()).0;
        let alone = matches!(node.kind.as_str(), "Subquery Scan" | "Values Scan" | "Result");
        if alone && alias.is_none() {
            node.alias = relation;
        } else {
            node.alias = alias.filter(|alias| Some(alias) != relation.as_ref());
            node.relation = relation;
        }
    }
    node
}

/// Where a piece stands outside of quoted names.
fn outside(text: &str, piece: &str) -> Option<usize> {
    let found = text.match_indices(piece).map(|(at, _)| at);
    let is_outside = |at: &usize| text[..*at].matches('"').count().is_multiple_of(2);
    found.into_iter().take(50).find(is_outside)
}

/// The first name of a text without its quotes, and what follows it.
fn name(text: &str) -> (Option<String>, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '.', '(']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        return ((!name.is_empty()).then(|| clip(name)), rest);
    };
    let mut out = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            out.push(c);
        } else if chars.next_if(|(_, next)| *next == '"').is_some() {
            out.push('"');
        } else {
            return (Some(clip(&out)), &quoted[at + 1..]);
        }
    }
    (Some(clip(&out)), "")
}

fn attribute(node: &mut PlanNode, name: &str, value: &str) {
    if let Some(helper) = name.strip_prefix("Worker ") {
        // `Worker 0:  Sort Method: external merge  Disk: 72kB`
        if helper.bytes().all(|byte| byte.is_ascii_digit())
            && let Some((name, value)) = value.split_once(':')
        {
            spill(node, name.trim(), value.trim());
        }
        return;
    }
    match name {
        "Output" => {}
        "Rows Removed by Filter" | "Rows Removed by Join Filter" => {
            node.removed = node.removed.or_else(|| float(value));
        }
        "Rows Removed by Index Recheck" => node.rechecked = float(value),
        "Heap Fetches" => node.heap_fetches = float(value),
        "Buffers" => node.blocks = Some(blocks(value)),
        "I/O Timings" | "Inner Unique" => {}
        "Workers Planned" => node.workers = float(value).map(|planned| (count(planned), None)),
        "Workers Launched" => {
            if let Some((_, launched)) = &mut node.workers {
                *launched = float(value).map(count);
            }
        }
        _ if is_condition(name) => {
            if node.conditions.len() < 20 {
                node.conditions.push((clip(name), clip(value)));
            }
        }
        _ => {
            spill(node, name, value);
            let told = !matches!(name, "Buckets" | "Batches" | "Planned Partitions");
            if told && node.details.len() < 20 {
                node.details.push((clip(name), clip(value)));
            }
        }
    }
}

/// Takes in what says that memory did not do: `Sort Method: external merge  Disk: 72kB`, `Buckets: 4096  Batches: 4 …`.
fn spill(node: &mut PlanNode, name: &str, value: &str) {
    if !matches!(name, "Sort Method" | "Buckets" | "Batches" | "Planned Partitions") {
        return;
    }
    let line = format!("{name}: {value}");
    let after = |key: &str| line.split_once(key).and_then(|(_, rest)| leading(rest));
    let disk = after("Disk: ").or_else(|| after("Disk Usage: "));
    let batches = after("Batches: ").map(number).filter(|batches| *batches > 1);
    if disk.is_none() && batches.is_none() {
        return;
    }
    let spill = node.spill.get_or_insert_with(Spill::default);
    if let Some(disk) = disk {
        spill.disk_kb = Some(spill.disk_kb.unwrap_or(0).saturating_add(number(disk)));
    }
    spill.batches = spill.batches.max(batches);
}

/// `shared hit=3 read=4 dirtied=1, local hit=1, temp read=5 written=6`
fn blocks(text: &str) -> Blocks {
    let mut blocks = Blocks::default();
    for part in text.split(", ") {
        let temporary = part.starts_with("temp ");
        for word in part.split(' ') {
            let Some((name, value)) = word.split_once('=') else {
                continue;
            };
            let value = float(value).map_or(0, number);
            let place = match (temporary, name) {
                (false, "hit") => &mut blocks.hit,
                (false, "read") => &mut blocks.read,
                (false, "dirtied") => &mut blocks.dirtied,
                (false, "written") => &mut blocks.written,
                (true, "read") => &mut blocks.temp_read,
                (true, "written") => &mut blocks.temp_written,
                _ => continue,
            };
            *place = place.saturating_add(value);
        }
    }
    blocks
}

/// `Trigger for constraint c on t: time=1.2 calls=3`
fn trigger(name: &str, value: &str) -> (String, f64, f64) {
    (
        clip(name.trim_start_matches("Trigger ")),
        field(value, "time=").unwrap_or(0.0),
        field(value, "calls=").unwrap_or(0.0),
    )
}

/// `work_mem = '64kB', jit = 'off'`
fn settings(value: &str) -> Vec<(String, String)> {
    let pairs = value.split("', ").filter_map(|pair| pair.split_once(" = "));
    pairs
        .take(100)
        .map(|(name, value)| (clip(name), clip(value.trim_matches('\''))))
        .collect()
}

/// What stands in the parentheses that begin so.
fn inside<'a>(text: &'a str, begin: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    Some(rest.split_once(')').map_or(rest, |(inner, _)| inner))
}

/// The number of a word `name=number`.
fn field(text: &str, name: &str) -> Option<f64> {
    text.split(' ').find_map(|word| float(word.strip_prefix(name)?))
}

/// `1.25 ms`
fn ms(text: &str) -> Option<f64> {
    float(text.trim().split(' ').next()?)
}

/// The number that a text begins with.
fn leading(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    float(&text[..end])
}

fn float(text: &str) -> Option<f64> {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit());
    let value: f64 = text.parse().ok().filter(|_| is_number)?;
    value.is_finite().then_some(value)
}
