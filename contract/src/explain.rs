//! Plans of statements: what is asked, the plan as a list of nodes, and what is said about it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Instant, finding::Level};

/// The most plans that are kept of a managed database.
pub const PLANS_KEPT: i64 = 200;
/// The most of them that one user made, so that nobody pushes out everybody else's.
pub const PLANS_OF_USER: i64 = 100;
/// The most bytes of a statement, and of a plan that is pasted.
pub const MOST_BYTES: usize = 512 * 1024;
/// The most nodes of a plan.
pub const MOST_NODES: usize = 2000;
/// The longest that a statement is run for its plan, in seconds; an answer is waited for 30.
pub const MOST_SECONDS: u32 = 20;

/// A statement whose plan is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainSpec {
    /// The managed database.
    pub target: String,
    /// One statement that reads or changes rows.
    pub statement: String,
    /// Values for its parameters, one a line: `$1 = text`. What is not given here is planned without a value where the server
    /// can, else taken from statistics.
    #[serde(default)]
    pub values: String,
    /// Plan without values, or not at all.
    #[serde(default)]
    pub generic: bool,
    /// Plan with values from statistics although the server can plan without any.
    #[serde(default)]
    pub sampled: bool,
    /// How long it may run, in seconds; for a plan with times.
    #[serde(default)]
    pub seconds: Option<u32>,
    /// Run it although a part of what it does is not undone by rolling back; for a plan with times.
    #[serde(default)]
    pub accept: bool,
}

/// A plan that was made elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasteSpec {
    /// The managed database that it is kept with, and whose tables and indexes are looked at.
    pub target: String,
    /// What EXPLAIN printed, as text or JSON.
    pub plan: String,
    /// Its statement, if known.
    #[serde(default)]
    pub statement: Option<String>,
}

/// How a plan came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanMode {
    /// Planned, not run.
    Plain,
    /// Planned without values for its parameters.
    Generic,
    /// Run, and rolled back.
    Analyze,
    /// Pasted.
    Pasted,
}

impl PlanMode {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Generic, Self::Analyze, Self::Pasted];

    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Generic => "generic",
            Self::Analyze => "analyze",
            Self::Pasted => "pasted",
        }
    }

    /// The name on a page.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Plain => "EXPLAIN",
            Self::Generic => "EXPLAIN (GENERIC_PLAN)",
            Self::Analyze => "EXPLAIN ANALYZE",
            Self::Pasted => "Pasted",
        }
    }
}

/// A value that a parameter was planned with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanParameter {
    /// Its number.
    pub number: u32,
    /// The value; hidden from those who see no data.
    pub value: String,
    /// Where it is from.
    pub from: String,
}

/// Blocks of 8 kB (of the server's block size) that a node touched, those of its children included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// Found in shared buffers.
    pub hit: i64,
    /// Read into them.
    pub read: i64,
    /// Changed for the first time.
    pub dirtied: i64,
    /// Written by this statement itself.
    pub written: i64,
    /// Of temporary files, read.
    pub temp_read: i64,
    /// Of temporary files, written.
    pub temp_written: i64,
}

/// What was met when a node ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Met {
    /// Rows of one loop, on the average.
    pub rows: f64,
    /// How often it ran, over all processes.
    pub loops: f64,
    /// Milliseconds of one loop with its children, on the average; none where times were not asked for.
    pub total_ms: Option<f64>,
}

/// What did not fit into memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spill {
    /// On disk, in kB, if it is told.
    pub disk_kb: Option<i64>,
    /// In how many batches it was done, if in batches.
    pub batches: Option<i64>,
}

/// One node of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanNode {
    /// How deep it lies; 0 is the root. Nodes stand in the order in which EXPLAIN prints them.
    pub depth: u32,
    /// What it is a part of its parent as, if not as an input: `InitPlan 1`, `SubPlan 2`, `CTE recent`.
    pub part: Option<String>,
    /// What it does, as EXPLAIN prints it: `Index Scan`, `Hash Left Join`.
    pub kind: String,
    /// The schema of its relation, where told.
    pub schema: Option<String>,
    /// The table, function or CTE that it reads.
    pub relation: Option<String>,
    /// That one's name in the statement, where it is another one.
    pub alias: Option<String>,
    /// The index that it uses.
    pub index: Option<String>,
    /// The planner's cost before the first row, and of all.
    pub cost: Option<(f64, f64)>,
    /// Rows that are expected of one loop.
    pub expected: Option<f64>,
    /// What was met; none when the statement was not run or this node was not.
    pub met: Option<Met>,
    /// Whether the statement was run, and this node was not.
    pub never: bool,
    /// Milliseconds of this node alone, over all loops.
    pub own_ms: Option<f64>,
    /// Its part of the whole, from 0 to 1: of the time, else of the cost.
    pub share: Option<f64>,
    /// Blocks, where told.
    pub blocks: Option<Blocks>,
    /// Conditions and keys, by EXPLAIN's name for them.
    pub conditions: Vec<(String, String)>,
    /// Rows of one loop that were read and thrown away.
    pub removed: Option<f64>,
    /// Rows of one loop that a lossy bitmap brought and a second look threw away.
    pub rechecked: Option<f64>,
    /// Rows that an index-only scan had to look up in the table.
    pub heap_fetches: Option<f64>,
    /// What did not fit into memory.
    pub spill: Option<Spill>,
    /// Processes that were to help, and that did.
    pub workers: Option<(u32, Option<u32>)>,
    /// What else it says.
    pub details: Vec<(String, String)>,
}

impl PlanNode {
    /// What it does to what, in one line: `Index Scan using idx on public.orders o`.
    pub fn title(&self) -> String {
        let mut text = self.kind.clone();
        let on_index = self.kind.starts_with("Bitmap Index");
        if let Some(index) = &self.index {
            text.push_str(if on_index { " on " } else { " using " });
            text.push_str(index);
        }
        if let Some(name) = self.name() {
            text.push_str(" on ");
            text.push_str(&name);
        }
        if let Some(alias) = &self.alias {
            if self.relation.is_none() {
                text.push_str(" on");
            }
            text.push(' ');
            text.push_str(alias);
        }
        text
    }

    /// Its relation with its schema, where it has one; `public` goes without saying.
    pub fn name(&self) -> Option<String> {
        let relation = self.relation.as_ref()?;
        Some(match self.schema.as_deref() {
            None | Some("public") => relation.clone(),
            Some(schema) => format!("{schema}.{relation}"),
        })
    }

    /// Rows that came of it, over all loops.
    pub fn rows(&self) -> Option<f64> {
        self.met.map(|met| met.rows * met.loops)
    }

    /// By which factor rows met and expected differ, at least 1; and whether more came.
    pub fn misestimate(&self) -> Option<(f64, bool)> {
        let (expected, met) = (self.expected?.max(1.0), self.met?.rows.max(1.0));
        let more = met > expected;
        Some((if more { met / expected } else { expected / met }, more))
    }
}

/// A plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Its nodes, each before its children.
    pub nodes: Vec<PlanNode>,
    /// Milliseconds that planning took.
    pub planning_ms: Option<f64>,
    /// Milliseconds that running took.
    pub execution_ms: Option<f64>,
    /// Milliseconds that compiling expressions took (JIT).
    pub jit_ms: Option<f64>,
    /// Triggers that ran: name, milliseconds, calls.
    pub triggers: Vec<(String, f64, f64)>,
    /// Settings of the planner that are not the usual ones.
    pub settings: Vec<(String, String)>,
}

impl Plan {
    /// The node with the largest part of the whole.
    pub fn worst(&self) -> Option<usize> {
        let shares = self.nodes.iter().enumerate();
        shares
            .filter_map(|(at, node)| Some((at, node.share?)))
            .max_by(|one, other| one.1.total_cmp(&other.1))
            .map(|(at, _)| at)
    }

    /// The planner's cost of all.
    pub fn cost(&self) -> Option<f64> {
        self.nodes.first()?.cost.map(|(_, all)| all)
    }

    /// Whether it was run.
    pub fn ran(&self) -> bool {
        self.nodes.first().is_some_and(|root| root.met.is_some())
    }
}

/// A sentence about a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRemark {
    /// How bad it is; a note is no fault.
    pub level: Level,
    /// The node that it is about, by its place in the list.
    pub node: Option<u32>,
    /// What is so.
    pub words: String,
    /// What might help.
    pub remedy: Option<String>,
    /// The statement that would do that.
    pub sql: Option<String>,
}

/// A plan that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanView {
    /// Its id, in links.
    pub id: Uuid,
    /// The managed database.
    pub target: String,
    /// When it was made.
    pub made_at: Instant,
    /// Who made it.
    pub made_by: String,
    /// How.
    pub mode: PlanMode,
    /// The statement, if known.
    pub statement: Option<String>,
    /// The values that its parameters were planned with.
    pub parameters: Vec<PlanParameter>,
    /// What else is to be known of how it came about: what was not undone, what could not be looked at.
    pub notes: Vec<String>,
    /// The plan.
    pub plan: Plan,
    /// What is said about it, worst first.
    pub remarks: Vec<PlanRemark>,
    /// Whether values in statement and conditions are hidden from the reader.
    pub masked: bool,
}

/// A kept plan in one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanLine {
    /// Its id.
    pub id: Uuid,
    /// When it was made.
    pub made_at: Instant,
    /// Who made it.
    pub made_by: String,
    /// How.
    pub mode: PlanMode,
    /// The beginning of the statement without its values, or the root of the plan.
    pub title: String,
    /// The number of the statement: the same statement has the same number, whatever its values.
    pub statement_hash: String,
    /// Milliseconds that running took.
    pub execution_ms: Option<f64>,
    /// The planner's cost.
    pub cost: Option<f64>,
    /// The first of what is said about it.
    pub remark: Option<String>,
}

/// The kept plans of a managed database, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanList {
    /// At most [`PLANS_KEPT`].
    pub plans: Vec<PlanLine>,
}

/// A node of two plans side by side: its place in each, and what differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePair {
    /// How deep it stands.
    pub depth: u32,
    /// Its place in the first plan; none when it is new.
    pub before: Option<u32>,
    /// Its place in the second; none when it is gone.
    pub after: Option<u32>,
    /// What differs, in words; empty when nothing does.
    pub words: String,
}

/// Two plans side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanComparison {
    /// The older one.
    pub before: PlanView,
    /// The newer one.
    pub after: PlanView,
    /// Their nodes.
    pub pairs: Vec<NodePair>,
    /// What differs on the whole.
    pub words: Vec<String>,
}

/// Milliseconds of a plan: `0.02 ms`, `12.3 ms`, `4.20 s`.
pub fn span(ms: f64) -> String {
    match ms {
        ms if !ms.is_finite() || ms < 0.0 => "–".to_owned(),
        ms if ms < 1.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms if ms < 60_000.0 => format!("{:.2} s", ms / 1000.0),
        ms => crate::format::duration(ms as i64),
    }
}

/// A number of rows in short form; of less than one it says so.
pub fn rows(count: f64) -> String {
    match count {
        count if !count.is_finite() || count < 0.0 => "–".to_owned(),
        count if count > 0.0 && count < 1.0 => "< 1".to_owned(),
        count => crate::format::count(count.round() as i64),
    }
}

/// A factor: `12 ×`, `1.5 ×`.
pub fn times(factor: f64) -> String {
    match factor {
        factor if factor < 10.0 => format!("{factor:.1} ×"),
        factor => format!("{} ×", crate::format::count(factor.round() as i64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rows_are_short() {
        assert_eq!(span(0.015), "0.01 ms");
        assert_eq!(span(12.34), "12.3 ms");
        assert_eq!(span(4200.0), "4.20 s");
        assert_eq!(span(f64::NAN), "–");
        assert_eq!(rows(0.25), "< 1");
        assert_eq!(rows(2_000_000.0), "2.00 M");
        assert_eq!(times(3.0), "3.0 ×");
        assert_eq!(times(2500.0), "2.50 k ×");
    }

    #[test]
    fn a_node_says_in_one_line_what_it_does() {
        let node = PlanNode {
            kind: "Index Scan".into(),
            schema: Some("shop".into()),
            relation: Some("orders".into()),
            alias: Some("o".into()),
            index: Some("orders_pkey".into()),
            ..PlanNode::default()
        };
        assert_eq!(node.title(), "Index Scan using orders_pkey on shop.orders o");
        let bitmap = PlanNode {
            kind: "Bitmap Index Scan".into(),
            index: Some("i".into()),
            ..PlanNode::default()
        };
        assert_eq!(bitmap.title(), "Bitmap Index Scan on i");
    }
}
