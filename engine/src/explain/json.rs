//! A plan as `EXPLAIN (FORMAT JSON)` prints it.

use contract::explain::{Blocks, MOST_NODES, Met, Plan, PlanNode, Spill};
use serde_json::{Map, Value};

use super::parse::{Wrong, clip, count, number};

/// Keys that have a place of their own, or say nothing that a reader needs.
const KNOWN: [&str; 68] = [
    "Node Type",
    "Plans",
    "Parent Relationship",
    "Subplan Name",
    "Parallel Aware",
    "Async Capable",
    "Join Type",
    "Strategy",
    "Partial Mode",
    "Operation",
    "Command",
    "Scan Direction",
    "Custom Plan Provider",
    "Index Name",
    "Relation Name",
    "Function Name",
    "CTE Name",
    "Table Function Name",
    "Tuplestore Name",
    "Schema",
    "Alias",
    "Startup Cost",
    "Total Cost",
    "Plan Rows",
    "Plan Width",
    "Actual Startup Time",
    "Actual Total Time",
    "Actual Rows",
    "Actual Loops",
    "Rows Removed by Filter",
    "Rows Removed by Join Filter",
    "Rows Removed by Index Recheck",
    "Heap Fetches",
    "Workers Planned",
    "Workers Launched",
    "Workers",
    "Output",
    "Inner Unique",
    "Single Copy",
    "Shared Hit Blocks",
    "Shared Read Blocks",
    "Shared Dirtied Blocks",
    "Shared Written Blocks",
    "Local Hit Blocks",
    "Local Read Blocks",
    "Local Dirtied Blocks",
    "Local Written Blocks",
    "Temp Read Blocks",
    "Temp Written Blocks",
    "I/O Read Time",
    "I/O Write Time",
    "Shared I/O Read Time",
    "Shared I/O Write Time",
    "Local I/O Read Time",
    "Local I/O Write Time",
    "Temp I/O Read Time",
    "Temp I/O Write Time",
    "Sort Method",
    "Sort Space Used",
    "Sort Space Type",
    "Hash Buckets",
    "Original Hash Buckets",
    "Hash Batches",
    "Original Hash Batches",
    "HashAgg Batches",
    "Peak Memory Usage",
    "Disk Usage",
    "Disabled",
];

/// Reads the text of a plan. It is bounded in depth (by the reader of JSON) and in nodes.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(text: &str) -> Result<Plan, Wrong> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Wrong(match error.classify() {
            serde_json::error::Category::Eof => {
                "The JSON ends before it is closed: a part is missing.".to_owned()
            }
            _ if error.to_string().contains("recursion limit") => {
                "Its nodes lie too deep in each other: 60 levels are read.".to_owned()
            }
            _ => format!(
                "It is no JSON from line {}, column {} on.",
                error.line(),
                error.column()
            ),
        })
    })?;
    let whole = match &value {
        Value::Array(items) => items.first(),
        other => Some(other),
    };
    let whole = whole.and_then(Value::as_object).ok_or_else(Wrong::no_plan)?;
    // auto_explain and other tools print the plan alone.
    let root = match whole.get("Plan") {
        Some(plan) => plan,
        None => &value,
    };
    let root = match root {
        Value::Array(items) => items.first(),
        other => Some(other),
    };
    let root = root
        .and_then(Value::as_object)
        .filter(|root| root.contains_key("Node Type"))
        .ok_or_else(Wrong::no_plan)?;
    let mut plan = Plan {
        planning_ms: float(whole, "Planning Time"),
        execution_ms: float(whole, "Execution Time"),
        jit_ms: whole
            .get("JIT")
            .and_then(|jit| jit.get("Timing")?.get("Total")?.as_f64())
            .filter(|ms| ms.is_finite()),
        ..Plan::default()
    };
    if let Some(Value::Array(triggers)) = whole.get("Triggers") {
        plan.triggers = triggers
            .iter()
            .take(100)
            .filter_map(Value::as_object)
            .map(|trigger| {
                let name = text_of(trigger, "Trigger Name").or_else(|| text_of(trigger, "Constraint Name"));
                (
                    name.unwrap_or_default(),
                    float(trigger, "Time").unwrap_or(0.0),
                    float(trigger, "Calls").unwrap_or(0.0),
                )
            })
            .collect();
    }
    if let Some(Value::Object(settings)) = whole.get("Settings") {
        plan.settings = settings
            .iter()
            .take(100)
            .filter_map(|(name, value)| Some((clip(name), clip(value.as_str()?))))
            .collect();
    }
    node(root, 0, &mut plan.nodes)?;
    Ok(plan)
}

/// One node and those below it. The reader of JSON has bounded the depth.
fn node(from: &Map<String, Value>, depth: u32, nodes: &mut Vec<PlanNode>) -> Result<(), Wrong> {
    if nodes.len() >= MOST_NODES {
        return Err(Wrong::too_many());
    }
    let met = float(from, "Actual Loops").map(|loops| Met {
        rows: float(from, "Actual Rows").unwrap_or(0.0),
        loops,
        total_ms: float(from, "Actual Total Time"),
    });
    let never = met.is_some_and(|met| met.loops == 0.0);
    let relation = [
        "Relation Name",
        "Function Name",
        "CTE Name",
        "Table Function Name",
        "Tuplestore Name",
    ]
    .iter()
    .find_map(|key| text_of(from, key));
    let planned = float(from, "Workers Planned").map(count);
    nodes.push(PlanNode {
        depth,
        part: text_of(from, "Subplan Name"),
        kind: kind(from),
        schema: text_of(from, "Schema"),
        alias: text_of(from, "Alias").filter(|alias| Some(alias) != relation.as_ref()),
        relation,
        index: text_of(from, "Index Name"),
        cost: float(from, "Startup Cost").zip(float(from, "Total Cost")),
        expected: float(from, "Plan Rows"),
        met: met.filter(|_| !never),
        never,
        own_ms: None,
        share: None,
        blocks: blocks(from),
        conditions: conditions(from),
        removed: float(from, "Rows Removed by Filter").or_else(|| float(from, "Rows Removed by Join Filter")),
        rechecked: float(from, "Rows Removed by Index Recheck"),
        heap_fetches: float(from, "Heap Fetches"),
        spill: spill(from),
        workers: planned.map(|planned| (planned, float(from, "Workers Launched").map(count))),
        details: details(from),
    });
    if let Some(Value::Array(children)) = from.get("Plans") {
        for child in children.iter().filter_map(Value::as_object) {
            node(child, depth + 1, nodes)?;
        }
    }
    Ok(())
}

/// The node in the words of the text format.
fn kind(from: &Map<String, Value>) -> String {
    let plain = text_of(from, "Node Type").unwrap_or_default();
    let strategy = text_of(from, "Strategy");
    let mut kind = match (plain.as_str(), strategy.as_deref()) {
        ("Aggregate", Some("Sorted")) => "GroupAggregate".to_owned(),
        ("Aggregate", Some("Hashed")) => "HashAggregate".to_owned(),
        ("Aggregate", Some("Mixed")) => "MixedAggregate".to_owned(),
        ("SetOp", Some("Hashed")) => "HashSetOp".to_owned(),
        ("ModifyTable", _) => text_of(from, "Operation").unwrap_or_else(|| plain.clone()),
        ("Foreign Scan", _) => match text_of(from, "Operation").as_deref() {
            None | Some("Select") => plain.clone(),
            Some(operation) => format!("Foreign {operation}"),
        },
        _ => plain.clone(),
    };
    if let Some(join) = text_of(from, "Join Type").filter(|join| join != "Inner") {
        kind = match kind.strip_suffix(" Join") {
            Some(bare) => format!("{bare} {join} Join"),
            None => format!("{kind} {join} Join"),
        };
    }
    if let Some(command) = text_of(from, "Command") {
        kind = format!("{kind} {command}");
    }
    if let Some(provider) = text_of(from, "Custom Plan Provider") {
        kind = format!("{kind} ({provider})");
    }
    if text_of(from, "Scan Direction").as_deref() == Some("Backward") {
        kind.push_str(" Backward");
    }
    if let Some(mode) = text_of(from, "Partial Mode").filter(|mode| mode != "Simple") {
        kind = format!("{mode} {kind}");
    }
    if is(from, "Parallel Aware") {
        kind = format!("Parallel {kind}");
    }
    if is(from, "Async Capable") {
        kind = format!("Async {kind}");
    }
    kind
}

fn blocks(from: &Map<String, Value>) -> Option<Blocks> {
    let of = |what: &str| {
        let shared = float(from, &format!("Shared {what} Blocks"));
        let local = float(from, &format!("Local {what} Blocks")).unwrap_or(0.0);
        shared.map(|shared| number(shared + local))
    };
    Some(Blocks {
        hit: of("Hit")?,
        read: of("Read")?,
        dirtied: of("Dirtied").unwrap_or(0),
        written: of("Written").unwrap_or(0),
        temp_read: number(float(from, "Temp Read Blocks").unwrap_or(0.0)),
        temp_written: number(float(from, "Temp Written Blocks").unwrap_or(0.0)),
    })
}

/// What did not fit into memory; the helpers' parts are added.
fn spill(from: &Map<String, Value>) -> Option<Spill> {
    let mut disk: Option<i64> = None;
    let mut batches = None;
    let helpers = from.get("Workers").and_then(Value::as_array);
    let parts = helpers.into_iter().flatten().filter_map(Value::as_object);
    for part in std::iter::once(from).chain(parts.take(100)) {
        let sorted = text_of(part, "Sort Space Type").is_some_and(|kind| kind == "Disk");
        let used = match sorted {
            true => float(part, "Sort Space Used"),
            false => float(part, "Disk Usage").filter(|used| *used > 0.0),
        };
        if let Some(used) = used {
            disk = Some(disk.unwrap_or(0).saturating_add(number(used)));
        }
        let several = float(part, "Hash Batches").or_else(|| float(part, "HashAgg Batches"));
        batches = batches.max(several.map(number).filter(|batches| *batches > 1));
    }
    (disk.is_some() || batches.is_some()).then_some(Spill {
        disk_kb: disk,
        batches,
    })
}

/// Lists and texts that are conditions, by EXPLAIN's own names.
fn conditions(from: &Map<String, Value>) -> Vec<(String, String)> {
    let is_condition = super::parse::is_condition;
    let found = from.iter().filter(|(key, _)| is_condition(key));
    found
        .take(20)
        .filter_map(|(key, value)| Some((key.clone(), words(value)?)))
        .collect()
}

fn details(from: &Map<String, Value>) -> Vec<(String, String)> {
    let rest = from
        .iter()
        .filter(|(key, _)| !KNOWN.contains(&key.as_str()) && !super::parse::is_condition(key));
    let mut details: Vec<(String, String)> = rest
        .filter_map(|(key, value)| Some((clip(key), words(value)?)))
        .take(20)
        .collect();
    if let Some(method) = text_of(from, "Sort Method") {
        let used = float(from, "Sort Space Used").map_or_else(String::new, |used| {
            format!(
                "  {}: {used:.0}kB",
                text_of(from, "Sort Space Type").unwrap_or_default()
            )
        });
        details.push(("Sort Method".to_owned(), format!("{method}{used}")));
    }
    if is(from, "Disabled") {
        details.push(("Disabled".to_owned(), "true".to_owned()));
    }
    details
}

fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(clip(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Array(items) => {
            let items: Vec<String> = items
                .iter()
                .take(50)
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            (!items.is_empty()).then(|| clip(&items.join(", ")))
        }
        _ => None,
    }
}

fn text_of(from: &Map<String, Value>, key: &str) -> Option<String> {
    from.get(key).and_then(Value::as_str).map(clip)
}

fn float(from: &Map<String, Value>, key: &str) -> Option<f64> {
    let value = from.get(key)?.as_f64()?;
    (value.is_finite() && value >= 0.0).then_some(value)
}

fn is(from: &Map<String, Value>, key: &str) -> bool {
    from.get(key).and_then(Value::as_bool) == Some(true)
}
