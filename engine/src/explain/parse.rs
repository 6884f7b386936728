//! A plan out of what EXPLAIN printed, as text or JSON: from the server, or pasted by somebody. Whatever the text is, it ends in
//! a plan or in a sentence.

use contract::explain::{MOST_BYTES, Plan};

use super::{json, shape, text};
use crate::{Error, Result};

/// The most characters of a condition or a name that are kept.
const MOST_CHARS: usize = 2000;

/// What is wrong with a text that should be a plan.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub String);

impl Wrong {
    pub fn no_plan() -> Self {
        Self("There is no plan in it: no line with (cost=…) or (actual …), and no \"Plan\".".to_owned())
    }

    pub fn too_many() -> Self {
        Self(format!(
            "It has more than {} nodes, and more are not read.",
            contract::explain::MOST_NODES
        ))
    }
}

/// The plan in a text, with what is reckoned from it.
///
/// # Errors
/// `Invalid` with what is wrong and what to paste.
pub(super) fn plan(raw: &str) -> Result<Plan> {
    let refused = |message: String| {
        Error::invalid(
            "plan",
            message,
            "Paste the whole of what EXPLAIN or EXPLAIN (FORMAT JSON) printed. YAML and XML are not read.",
        )
    };
    if raw.len() > MOST_BYTES {
        return Err(refused(format!(
            "It has more than {} kB, and more are not read.",
            MOST_BYTES / 1024
        )));
    }
    if raw.contains('\0') {
        return Err(refused("It has a NUL character, which no plan has.".to_owned()));
    }
    let is_json = |text: &str| text.trim_start().starts_with(['[', '{']);
    let bare = is_json(raw).then(|| json::read(raw)).and_then(Result::ok);
    let read = match bare {
        Some(plan) => Ok(plan),
        None => {
            let lines = undecorated(raw);
            let whole = lines.join("\n");
            match is_json(&whole) {
                true => json::read(&whole),
                false => text::read(&lines),
            }
        }
    };
    let mut plan = read.map_err(|Wrong(message)| refused(message))?;
    shape::reckon(&mut plan);
    Ok(plan)
}

/// The lines without what psql and other tools draw around them.
fn undecorated(raw: &str) -> Vec<String> {
    let mut lines: Vec<String> = raw
        .lines()
        .map(|line| {
            let mut line = line.trim_end();
            // psql's `\x`-less output goes on with a plus at the end of a line of a value.
            if let Some(bare) = line.strip_suffix('+') {
                line = bare.trim_end();
            }
            if let Some(inner) = line.trim_start().strip_prefix('|') {
                line = inner.strip_suffix('|').unwrap_or(inner).trim_end();
            }
            let trimmed = line.trim();
            match trimmed
                .strip_prefix('"')
                .and_then(|inner| inner.strip_suffix('"'))
            {
                // A file of comma-separated values.
                Some(inner) if trimmed.len() > 1 && !inner.replace("\"\"", "").contains('"') => {
                    inner.replace("\"\"", "\"")
                }
                _ => line.to_owned(),
            }
        })
        .filter(|line| !is_frame(line.trim()))
        .collect();
    while lines.first().is_some_and(|line| line.trim().is_empty()) {
        lines.remove(0);
    }
    lines
}

fn is_frame(line: &str) -> bool {
    let rule = !line.is_empty()
        && line
            .chars()
            .all(|c| matches!(c, '-' | '+' | '=' | '|' | '─' | ' '));
    let rows = line
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|rest| rest.strip_suffix(" rows").or_else(|| rest.strip_suffix(" row")));
    rule || line.eq_ignore_ascii_case("query plan")
        || rows.is_some_and(|count| count.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether it is EXPLAIN's name for a condition or a key.
pub(super) fn is_condition(name: &str) -> bool {
    const ENDS: [&str; 4] = [" Cond", " Key", " Keys", "Filter"];
    const OTHERS: [&str; 8] = [
        "Order By",
        "Function Call",
        "Table Function Call",
        "Run Condition",
        "Conflict Filter",
        "Remote SQL",
        "Sampling Parameters",
        "Conflict Arbiter Indexes",
    ];
    !name.starts_with("Rows Removed")
        && (ENDS.iter().any(|end| name.ends_with(end)) || OTHERS.contains(&name))
}

/// At most so many characters of a text.
pub(super) fn clip(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A whole number; what is beyond it is the largest.
pub(super) fn number(value: f64) -> i64 {
    value.round() as i64
}

/// A small whole number.
pub(super) fn count(value: f64) -> u32 {
    value.round() as u32
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use contract::explain::MOST_NODES;
    use proptest::prelude::*;

    use super::*;

    fn why(raw: &str) -> String {
        plan(raw).unwrap_err().fault().message
    }

    #[test]
    fn hostile_plans_end_in_a_sentence() {
        let deep = |count: usize| {
            format!(
                "{}{{\"Node Type\":\"x\"}}{}",
                "{\"Node Type\":\"x\",\"Plans\":[".repeat(count),
                "]}".repeat(count)
            )
        };
        assert!(why(&format!("[{{\"Plan\":{}}}]", deep(10_000))).contains("too deep"));
        assert!(plan(&format!("[{{\"Plan\":{}}}]", deep(50))).is_ok());
        assert!(why(&"[".repeat(100_000)).contains("too deep"));
        let wide = vec!["{\"Node Type\":\"x\"}"; MOST_NODES + 1].join(",");
        assert!(
            why(&format!(
                "[{{\"Plan\":{{\"Node Type\":\"x\",\"Plans\":[{wide}]}}}}]"
            ))
            .contains("more than")
        );
        let mut lines = vec!["Append  (cost=0.00..1.00 rows=1 width=4)".to_owned()];
        for at in 0..200 {
            lines.push(format!(
                "{}->  Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)",
                " ".repeat(2 + at * 6)
            ));
        }
        assert!(why(&lines.join("\n")).contains("too deep"));
        let flat = vec!["  ->  Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)"; MOST_NODES + 1].join("\n");
        assert!(why(&format!("{}\n{flat}", lines[0])).contains("more than"));
        assert!(why(&"x".repeat(MOST_BYTES + 1)).contains("kB"));
        let odd = "[{\"Plan\":{\"Node Type\":\"Sort\",\"Total Cost\":1e400,\"Actual Loops\":-5,\"Actual Rows\":1e308,\"Plans\":{},\"Workers\":7}}]";
        let _ = plan(odd);
        let huge = "Sort  (cost=0..1 rows=1e308 width=1) (actual time=1..1e308 rows=9e307 loops=9e307)\n  Sort Method: external merge  Disk: 99999999999999999999kB\n  Buffers: shared hit=99999999999999999999 read=-3";
        assert_eq!(plan(huge).unwrap().nodes.len(), 1);
    }

    #[test]
    fn what_tools_draw_around_a_plan_is_left_out() {
        let bare = "Limit  (cost=0.00..1.00 rows=1 width=4)\n  ->  Seq Scan on public.\"My \"\"T on x\" t  (cost=0.00..1.00 rows=1 width=4)\n        Filter: (a = 1)";
        let psql = format!(
            "         QUERY PLAN\n-------------\n {}\n(3 rows)\n",
            bare.replace('\n', "\n ")
        );
        let quoted: Vec<String> = bare
            .lines()
            .map(|line| format!("\"{}\"", line.replace('"', "\"\"")))
            .collect();
        let logged = format!("2026-01-01 LOG:  duration: 3.1 ms  plan:\nQuery Text: select 1\n{bare}");
        let whole = plan(bare).unwrap();
        assert_eq!(whole.nodes[1].relation.as_deref(), Some("My \"T on x"));
        assert_eq!(whole.nodes[1].alias.as_deref(), Some("t"));
        assert_eq!(plan(&psql).unwrap(), whole);
        assert_eq!(plan(&quoted.join("\n")).unwrap(), whole);
        assert_eq!(plan(&logged).unwrap(), whole);
        let json = "                 QUERY PLAN\n-----\n [                     +\n   {\"Plan\": {\"Node Type\": \"Result\"}} +\n ]\n(1 row)";
        assert_eq!(plan(json).unwrap().nodes[0].kind, "Result");
        let json = "[\n  {\n    \"Plan\": {\n      \"Node Type\": \"Sort\",\n      \"Sort Key\": [\n        \"a\"\n      ],\n      \"Alias\": \"x\"\n    }\n  }\n]";
        assert_eq!(plan(json).unwrap().nodes[0].alias.as_deref(), Some("x"));
        let drawn = json.replace("\n        \"a\"\n      ", "\"a\"");
        let drawn = format!("QUERY PLAN\n----\n {}\n(1 row)", drawn.replace('\n', " +\n "));
        assert_eq!(plan(&drawn).unwrap().nodes[0].alias.as_deref(), Some("x"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            raw in "(->|  |\n|Sort |Seq Scan on t|\\(cost=|0\\.\\.1| rows=|9|\\)|\\(actual |loops=|time=|\"|:|InitPlan 1|CTE x|Worker 0:|Disk: |Buffers: shared hit=|Filter|Planning|é|\\(never executed\\)){0,80}"
        ) {
            let _ = plan(&raw);
        }

        #[test]
        fn no_json_makes_it_panic(
            raw in "(\\{|\\}|\\[|\\]|\"Plan\"|\"Node Type\"|\"Plans\"|\"Sort\"|\"Actual Rows\"|\"Actual Loops\"|:|,|1|-|e9|null|true|é){0,60}"
        ) {
            let _ = plan(&format!("[{{\"Plan\":{{\"Node Type\":\"x\",{raw}}}}}]"));
            let _ = plan(&raw);
        }
    }
}
