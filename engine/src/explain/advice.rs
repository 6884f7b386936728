//! What is said about a plan, in plain sentences. Numbers are those of the plan; that an index might serve is a guess from names
//! of columns, and is worded as one.

use contract::{
    explain::{Plan, PlanNode, PlanRemark, rows, span, times},
    finding::Level,
    format,
};

use super::{
    condition::{self, Wanted},
    facts::{Index, Table, Tables},
    shape::parents,
};
use crate::quote;

/// Rows below which reading them all is no matter.
const MANY: f64 = 10_000.0;
/// The share of the rows read that may come out of a filter before an index is thought of.
const FEW: f64 = 0.05;
/// How far rows met may be from those expected, as a factor.
const FAR: f64 = 10.0;
/// The part of the whole from which on a node matters.
const MATTERS: f64 = 0.1;
/// The most sentences of one kind.
const EACH: usize = 3;

/// All that is said, worst first, and among equals the node with the larger part.
pub(super) fn of(plan: &Plan, tables: &Tables) -> Vec<PlanRemark> {
    let parents = parents(&plan.nodes);
    let mut said: Vec<(f64, PlanRemark)> = Vec::new();
    let mut say = |kind: Vec<PlanRemark>| {
        let mut kind: Vec<(f64, PlanRemark)> = kind
            .into_iter()
            .map(|remark| {
                let node = remark.node.and_then(|at| plan.nodes.get(at as usize));
                (node.and_then(|node| node.share).unwrap_or(0.0), remark)
            })
            .collect();
        kind.sort_by(|one, other| other.0.total_cmp(&one.0));
        kind.truncate(EACH);
        said.append(&mut kind);
    };
    let each = |of: &dyn Fn(usize, &PlanNode) -> Option<PlanRemark>| -> Vec<PlanRemark> {
        let nodes = plan.nodes.iter().enumerate();
        nodes.filter_map(|(at, node)| of(at, node)).collect()
    };
    say(each(&|at, node| scan(at, node, tables)));
    say(each(&|at, node| thrown_away(at, node, tables)));
    say(each(&|at, node| looped(at, node, &plan.nodes, &parents)));
    say(each(&|at, node| spilled(at, node)));
    say(misestimates(&plan.nodes, &parents));
    say(each(&|at, node| lossy(at, node)));
    say(each(&|at, node| fetches(at, node)));
    say(each(&|at, node| helpers(at, node)));
    say(of_all(plan));
    said.sort_by(|one, other| {
        let level = other.1.level.cmp(&one.1.level);
        level.then(other.0.total_cmp(&one.0))
    });
    said.into_iter().map(|(_, remark)| remark).collect()
}

fn remark(level: Level, at: usize, words: String) -> PlanRemark {
    PlanRemark {
        level,
        node: u32::try_from(at).ok(),
        words,
        remedy: None,
        sql: None,
    }
}

fn is_seq_scan(node: &PlanNode) -> bool {
    node.kind.ends_with("Seq Scan")
}

fn table_of<'a>(node: &PlanNode, tables: &'a Tables) -> Option<&'a Table> {
    tables.get(&(node.schema.clone(), node.relation.clone()?))
}

/// A whole table is read for a few of its rows.
fn scan(at: usize, node: &PlanNode, tables: &Tables) -> Option<PlanRemark> {
    if !is_seq_scan(node) {
        return None;
    }
    let (_, filter) = node.conditions.iter().find(|(name, _)| name == "Filter")?;
    let table = table_of(node, tables);
    let name = node.name()?;
    let (read, words) = match node.met {
        Some(met) => {
            let read = (met.rows + node.removed.unwrap_or(0.0)) * met.loops;
            let kept = met.rows * met.loops;
            if read < MANY || kept > read * FEW {
                return None;
            }
            let loops = match met.loops {
                loops if loops > 1.0 && !node.kind.starts_with("Parallel") => {
                    format!(" in {} loops", rows(loops))
                }
                _ => String::new(),
            };
            (
                read,
                format!(
                    "{} on {name} reads {} rows{loops} to return {}.",
                    node.kind,
                    rows(read),
                    rows(kept)
                ),
            )
        }
        None => {
            let all = table?.rows?;
            let kept = node.expected?;
            if node.never || all < MANY || kept > all * FEW {
                return None;
            }
            (
                all,
                format!(
                    "{} on {name} would read about {} rows to return {}, as the planner expects.",
                    node.kind,
                    rows(all),
                    rows(kept)
                ),
            )
        }
    };
    let level = if read >= MANY { Level::Warning } else { Level::Note };
    let mut remark = remark(level, at, words);
    let Some(table) = table else {
        remark.remedy = Some("An index on the columns of its filter might serve it.".to_owned());
        return Some(remark);
    };
    let wanted = condition::wanted(filter, node, &table.columns);
    advise(&mut remark, table, &wanted);
    Some(remark)
}

/// Which index might serve a filter: one that is there, or one to create.
fn advise(remark: &mut PlanRemark, table: &Table, wanted: &Wanted) {
    let columns = wanted.columns();
    if columns.is_empty() {
        remark.remedy = Some(
            if wanted.computed {
                "Its filter computes something from the column, so that only an index on that very expression might serve it."
            } else if wanted.open_pattern {
                "Its pattern begins with %, where no ordinary index helps; one of pg_trgm might."
            } else {
                "It cannot be seen from its filter which index might serve it."
            }
            .to_owned(),
        );
        return;
    }
    if wanted.either {
        remark.remedy = Some(format!(
            "Its filter has OR: an index serves it only when each side has one ({}).",
            columns.join(", ")
        ));
        return;
    }
    let found = table
        .indexes
        .iter()
        .map(|index| (serves(index, wanted), index))
        .filter(|(score, _)| *score > 0)
        .max_by_key(|(score, index)| (*score, index.valid, !index.partial));
    match found {
        Some((_, index)) => {
            let keys: Vec<&str> = index
                .keys
                .iter()
                .map(|key| key.as_deref().unwrap_or("…"))
                .collect();
            let known = format!("{} ({})", index.name, keys.join(", "));
            remark.remedy = Some(match (index.valid, index.partial) {
                (false, _) => format!(
                    "{known} would serve it, and is invalid: it was not built to its end. See Optimize."
                ),
                (true, true) => {
                    format!("{known} might serve it, if the statement repeats the condition of that index.")
                }
                (true, false) => format!(
                    "{known} would serve it, and was not taken: statistics may be old (ANALYZE {}), the value may be a common one, \
                     or a setting of the planner stands against it.",
                    table.name
                ),
            });
        }
        None => {
            remark.remedy = Some(format!("An index on ({}) might serve it.", columns.join(", ")));
            let keys: Vec<String> = columns.iter().map(|column| quote::ident(column)).collect();
            remark.sql = Some(format!(
                "create index concurrently on {} ({});",
                quote::qualified(&table.schema, &table.name),
                keys.join(", ")
            ));
        }
    }
}

/// How many of an index's leading columns a filter gives: those that are equal to something, then one range.
fn serves(index: &Index, wanted: &Wanted) -> usize {
    let has =
        |columns: &[String], key: &Option<String>| key.as_ref().is_some_and(|key| columns.contains(key));
    let equal = index
        .keys
        .iter()
        .take_while(|key| has(&wanted.equal, key))
        .count();
    match index.method.as_str() {
        "btree" => equal + usize::from(index.keys.get(equal).is_some_and(|key| has(&wanted.range, key))),
        "hash" => equal,
        _ => 0,
    }
}

/// An index brings many rows, and a filter throws most of them away.
fn thrown_away(at: usize, node: &PlanNode, tables: &Tables) -> Option<PlanRemark> {
    let (met, removed) = (node.met?, node.removed?);
    if is_seq_scan(node) || node.index.is_none() && !node.kind.contains("Bitmap Heap") {
        return None;
    }
    let (gone, kept) = (removed * met.loops, met.rows * met.loops);
    if gone < MANY || kept > (gone + kept) * FEW {
        return None;
    }
    let mut remark = remark(
        Level::Warning,
        at,
        format!(
            "{} brings {} rows, and its filter keeps {}.",
            node.title(),
            rows(gone + kept),
            rows(kept)
        ),
    );
    let filter = node.conditions.iter().find(|(name, _)| name == "Filter");
    let found = filter.zip(table_of(node, tables));
    let columns = found.map(|((_, filter), table)| condition::wanted(filter, node, &table.columns).columns());
    remark.remedy = Some(match columns.filter(|columns| !columns.is_empty()) {
        Some(columns) => format!(
            "An index that has {} as well might let it read only those that it keeps.",
            columns.join(", ")
        ),
        None => "An index that covers the filter too might let it read only those that it keeps.".to_owned(),
    });
    Some(remark)
}

/// The inner side of a nested loop runs for many rows.
fn looped(at: usize, node: &PlanNode, nodes: &[PlanNode], parents: &[Option<usize>]) -> Option<PlanRemark> {
    let met = node.met?;
    let parent = parents[at].map(|parent| &nodes[parent])?;
    let is_inner = parent.kind.starts_with("Nested Loop") && node.part.is_none();
    let is_of_each_row = node
        .part
        .as_deref()
        .is_some_and(|part| part.starts_with("SubPlan"));
    if !(is_inner || is_of_each_row) || met.loops < MANY {
        return None;
    }
    let below: f64 = (at..nodes.len())
        .take_while(|other| *other == at || nodes[*other].depth > node.depth)
        .filter_map(|other| nodes[other].share)
        .sum();
    if below < MATTERS {
        return None;
    }
    let mut remark = remark(
        Level::Warning,
        at,
        format!(
            "{} runs {} times for {}, which is {} of the whole.",
            node.title(),
            rows(met.loops),
            if is_inner {
                "a Nested Loop"
            } else {
                "each row above it"
            },
            format::percent(below)
        ),
    );
    remark.remedy = Some(
        if is_of_each_row {
            "A join instead of the subquery might read its table once."
        } else {
            "Where so many rows were not expected, ANALYZE the tables: with right numbers the planner takes a hash or merge join."
        }
        .to_owned(),
    );
    Some(remark)
}

/// Memory did not do.
fn spilled(at: usize, node: &PlanNode) -> Option<PlanRemark> {
    let spill = node.spill.as_ref()?;
    let disk = spill.disk_kb.map(|kb| format::bytes(kb.saturating_mul(1024)));
    let words = match (&disk, spill.batches) {
        (Some(disk), _) => format!(
            "{} wrote {disk} to disk: work_mem was too small for it.",
            node.kind
        ),
        (None, Some(batches)) => {
            format!(
                "{} went in {batches} batches over the disk: work_mem was too small for it.",
                node.kind
            )
        }
        (None, None) => return None,
    };
    let mut remark = remark(Level::Warning, at, words);
    remark.remedy = Some(
        "A larger work_mem for this statement alone (set local work_mem = …), fewer rows or narrower ones, or an index in the order \
         that is asked for might keep it in memory. In memory it takes more room than on disk."
            .to_owned(),
    );
    Some(remark)
}

/// Rows met are far from those expected; told where it begins, from the leaves up.
fn misestimates(nodes: &[PlanNode], parents: &[Option<usize>]) -> Vec<PlanRemark> {
    let far = |node: &PlanNode| {
        let (factor, more) = node.misestimate()?;
        let most = node.expected?.max(node.met?.rows);
        (factor >= FAR && most >= 100.0).then_some((factor, more))
    };
    let mut found = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let Some((factor, more)) = far(node) else { continue };
        let begins_below =
            (0..nodes.len()).any(|other| parents[other] == Some(at) && far(&nodes[other]).is_some());
        // A LIMIT above stops a node before it has brought what was expected.
        let is_stopped = !more && stops_above(at, nodes, parents);
        if begins_below || is_stopped {
            continue;
        }
        let (expected, met) = (node.expected.unwrap_or(0.0), node.met.map_or(0.0, |met| met.rows));
        let mut remark = remark(
            Level::Warning,
            at,
            format!(
                "{}: {} rows were expected and {} came ({} {}).",
                node.title(),
                rows(expected),
                rows(met),
                times(factor),
                if more { "as many" } else { "fewer" }
            ),
        );
        remark.remedy = Some(match node.name().filter(|_| node.kind.contains("Scan")) {
            Some(name) => format!(
                "ANALYZE {name}. If that does not help and its conditions depend on each other, CREATE STATISTICS on their columns \
                 might."
            ),
            None => "Numbers of a join are guessed from those of its sides; ANALYZE their tables.".to_owned(),
        });
        found.push(remark);
    }
    found
}

fn stops_above(at: usize, nodes: &[PlanNode], parents: &[Option<usize>]) -> bool {
    let mut next = parents[at];
    while let Some(parent) = next {
        let kind = &nodes[parent].kind;
        let stops = kind == "Limit"
            || kind.contains("Semi Join")
            || kind.contains("Anti Join")
            || kind.starts_with("Merge");
        if stops || nodes[at].part.is_some() {
            return true;
        }
        next = parents[parent];
    }
    false
}

fn lossy(at: usize, node: &PlanNode) -> Option<PlanRemark> {
    let (met, rechecked) = (node.met?, node.rechecked?);
    let gone = rechecked * met.loops;
    if gone < MANY {
        return None;
    }
    let mut remark = remark(
        Level::Note,
        at,
        format!(
            "{} looked at {} rows twice and threw them away.",
            node.title(),
            rows(gone)
        ),
    );
    remark.remedy = Some(
        "A bitmap that does not fit into work_mem remembers whole pages; an index such as GIN or BRIN knows no better by its nature."
            .to_owned(),
    );
    Some(remark)
}

fn fetches(at: usize, node: &PlanNode) -> Option<PlanRemark> {
    let (met, fetches) = (node.met?, node.heap_fetches?);
    let all = met.rows * met.loops;
    if fetches < MANY / 10.0 || fetches < all / 2.0 {
        return None;
    }
    let mut remark = remark(
        Level::Note,
        at,
        format!(
            "{} had to look {} rows up in the table.",
            node.title(),
            rows(fetches)
        ),
    );
    remark.remedy = node
        .name()
        .map(|name| format!("VACUUM {name}: then its pages are known to be visible to all."));
    Some(remark)
}

fn helpers(at: usize, node: &PlanNode) -> Option<PlanRemark> {
    let (planned, launched) = node.workers?;
    let launched = launched.filter(|launched| *launched < planned)?;
    let mut remark = remark(
        Level::Note,
        at,
        format!("{} had {launched} of {planned} parallel workers.", node.kind),
    );
    remark.remedy = Some("Others had them: max_parallel_workers is for the whole server.".to_owned());
    Some(remark)
}

/// What is so of the plan as a whole.
fn of_all(plan: &Plan) -> Vec<PlanRemark> {
    let mut said = Vec::new();
    let whole = |level, words: String, remedy: Option<&str>| PlanRemark {
        level,
        node: None,
        words,
        remedy: remedy.map(str::to_owned),
        sql: None,
    };
    let total = plan.execution_ms.unwrap_or(0.0);
    if let Some(jit) = plan.jit_ms
        && jit > 100.0
        && jit > total * 0.3
    {
        said.push(whole(
            Level::Warning,
            format!(
                "{} of {} went into compiling expressions (JIT).",
                span(jit),
                span(total)
            ),
            Some("For statements like this one, jit = off, or a higher jit_above_cost."),
        ));
    }
    if let Some(planning) = plan.planning_ms
        && planning > 100.0
        && plan.execution_ms.is_some_and(|run| planning > run)
    {
        said.push(whole(
            Level::Note,
            format!("Planning took {}, longer than running it.", span(planning)),
            Some("A prepared statement is planned less often; partitions that cannot be left out make planning long."),
        ));
    }
    for (name, ms, calls) in &plan.triggers {
        if total > 0.0 && *ms > total * 0.3 {
            said.push(whole(
                Level::Warning,
                format!(
                    "The trigger {name} took {} of {} in {} calls.",
                    span(*ms),
                    span(total),
                    rows(*calls)
                ),
                Some("For a foreign key, an index on the columns that refer might serve it."),
            ));
        }
    }
    let by_index: Vec<String> = plan
        .nodes
        .iter()
        .filter(|node| node.index.is_some() && !node.never)
        .map(PlanNode::title)
        .collect();
    let reads_whole = plan.nodes.iter().any(is_seq_scan);
    if !by_index.is_empty() && !reads_whole {
        let shown = by_index.len().min(EACH);
        let more = match by_index.len() - shown {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        said.push(whole(
            Level::Note,
            format!("No table is read whole: {}{more}.", by_index[..shown].join(", ")),
            None,
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::{super::parse, *};

    fn said(text: &str, indexes: &[Index]) -> Vec<String> {
        let table = Table {
            schema: "public".into(),
            name: "t".into(),
            rows: Some(1_000_000.0),
            columns: ["a", "b", "c"].map(str::to_owned).to_vec(),
            indexes: indexes.to_vec(),
        };
        let tables = Tables::from([((None, "t".to_owned()), table)]);
        of(&parse::plan(text).unwrap(), &tables)
            .into_iter()
            .map(|remark| format!("{} {}", remark.words, remark.remedy.unwrap_or_default()))
            .collect()
    }

    fn index(name: &str, keys: &[&str]) -> Index {
        Index {
            name: name.into(),
            keys: keys.iter().map(|key| Some((*key).to_owned())).collect(),
            method: "btree".into(),
            valid: true,
            partial: false,
        }
    }

    const SCAN: &str = "Seq Scan on t  (cost=0..9 rows=10 width=1) (actual time=0..90 rows=10 loops=1)\n  Filter: ((b = 1) AND (c > 2))\n  Rows Removed by Filter: 999990";

    #[test]
    fn the_index_that_serves_most_of_a_filter_is_named() {
        let all = [
            index("i_a", &["a", "b"]),
            index("i_b", &["b"]),
            index("i_bc", &["b", "c"]),
        ];
        let words = said(SCAN, &all);
        assert!(
            words[0].starts_with("Seq Scan on t reads 1.00 M rows to return 10. i_bc (b, c) would serve it"),
            "{words:?}"
        );
        let words = said(SCAN, &all[..1]);
        assert!(
            words[0].contains("An index on (b, c) might serve it."),
            "{words:?}"
        );
        let mut broken = index("i_bc", &["b", "c"]);
        broken.valid = false;
        assert!(said(SCAN, &[broken])[0].contains("is invalid"));
        let planned = "Seq Scan on t  (cost=0..9 rows=10 width=1)\n  Filter: (b = 1)";
        assert!(
            said(planned, &[])[0]
                .contains("would read about 1.00 M rows to return 10, as the planner expects")
        );
        // Most rows are wanted: no index would do better.
        let most = "Seq Scan on t  (cost=0..9 rows=10 width=1) (actual time=0..90 rows=900000 loops=1)\n  Filter: (b = 1)\n  Rows Removed by Filter: 100000";
        assert!(
            said(most, &[]).iter().all(|words| !words.contains("index on")),
            "{:?}",
            said(most, &[])
        );
    }

    #[test]
    fn spills_loops_and_misestimates_are_told_where_they_begin() {
        let words = said(
            "Nested Loop  (cost=0..9 rows=10 width=1) (actual time=0..1000 rows=50000 loops=1)\n\
             \x20 ->  Seq Scan on u  (cost=0..9 rows=10 width=1) (actual time=0..90 rows=50000 loops=1)\n\
             \x20 ->  Index Scan using i on v  (cost=0..9 rows=1 width=1) (actual time=0.01..0.016 rows=1 loops=50000)",
            &[],
        );
        assert!(
            words.iter().any(|words| words
                .starts_with("Seq Scan on u: 10 rows were expected and 50.0 k came (5.00 k × as many).")),
            "{words:?}"
        );
        assert!(
            words.iter().all(|words| !words.starts_with("Nested Loop:")),
            "{words:?}"
        );
        assert!(words.iter().any(|words| words.starts_with("Index Scan using i on v runs 50.0 k times for a Nested Loop")), "{words:?}");
        let words = said(
            "Sort  (cost=0..9 rows=10 width=1) (actual time=0..1000 rows=10 loops=1)\n  Sort Method: external merge  Disk: 12288kB",
            &[],
        );
        assert!(words[0].starts_with("Sort wrote 12.0 MB to disk"), "{words:?}");
        // A LIMIT stops what is below it: fewer rows came, and nobody was wrong.
        let words = said(
            "Limit  (cost=0..9 rows=10 width=1) (actual time=0..1 rows=10 loops=1)\n  ->  Seq Scan on u  (cost=0..9 rows=100000 width=1) (actual time=0..1 rows=10 loops=1)",
            &[],
        );
        assert!(
            words.iter().all(|words| !words.contains("were expected")),
            "{words:?}"
        );
    }
}
