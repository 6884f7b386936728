//! `pgsteward explain`: the plan of a statement, and what is said about it.

use std::io::IsTerminal as _;

use contract::{
    Code,
    explain::{ExplainSpec, PasteSpec, PlanNode, PlanView, rows, span},
    format,
};

use super::{Session, arguments::Explain, confirm, failure::Failure};
use crate::console::Console;

pub(super) async fn run(
    session: &Session<'_>,
    console: &Console,
    what: Explain,
    text: Option<String>,
) -> Result<(), Failure> {
    let caller = session.caller(console);
    let explain = console.engine.explain();
    let target = session.target(console).await?;
    let text = text.unwrap_or_default();
    let view = if what.pasted {
        let spec = PasteSpec {
            target,
            plan: text,
            statement: None,
        };
        explain.paste(&caller, spec).await?
    } else {
        let mut spec = ExplainSpec {
            target,
            statement: text,
            values: what.value.join("\n"),
            generic: what.generic,
            sampled: what.sampled,
            seconds: what.seconds,
            accept: session.yes,
        };
        if what.analyze {
            match explain.analyze(&caller, spec.clone()).await {
                Ok(view) => view,
                Err(error) => {
                    let fault = error.fault();
                    let asks = fault.code == Code::Conflict && fault.field.as_deref() == Some("accept");
                    if !asks {
                        return Err(error.into());
                    }
                    if !std::io::stdin().is_terminal() {
                        return Err(Failure::with_hint(
                            fault.message,
                            "with --yes it is run all the same; without --analyze it is planned and not run",
                        ));
                    }
                    confirm::ask(session, &format!("{} Run it?", fault.message))?;
                    spec.accept = true;
                    explain.analyze(&caller, spec).await?
                }
            }
        } else {
            explain.plan(&caller, spec).await?
        }
    };
    session.out.show(&view, || words(&view));
    Ok(())
}

fn words(view: &PlanView) -> String {
    let mut parts = Vec::new();
    let mut said = Vec::new();
    for remark in &view.remarks {
        said.push(format!("{}: {}", remark.level.name(), remark.words));
        said.extend(remark.remedy.iter().map(|remedy| format!("  {remedy}")));
        said.extend(remark.sql.iter().map(|sql| format!("  {sql}")));
    }
    if !said.is_empty() {
        parts.push(said.join("\n"));
    }
    parts.push(view.plan.nodes.iter().map(node).collect::<Vec<_>>().join("\n"));
    let mut last = Vec::new();
    last.extend(
        view.parameters
            .iter()
            .map(|it| format!("${} = {} ({})", it.number, it.value, it.from)),
    );
    last.extend(view.notes.iter().cloned());
    let times = [
        ("planning", view.plan.planning_ms),
        ("execution", view.plan.execution_ms),
    ];
    last.extend(
        times
            .into_iter()
            .filter_map(|(name, ms)| Some(format!("{name}: {}", span(ms?)))),
    );
    last.push(format!("{}, kept as {}", view.mode.words(), view.id));
    parts.push(last.join("\n"));
    parts.join("\n\n")
}

/// A node in one line: how it lies, what it does, and its figures.
fn node(node: &PlanNode) -> String {
    let mut line = "  ".repeat(node.depth.min(40) as usize);
    if let Some(part) = &node.part {
        line.push_str(&format!("{part}: "));
    }
    line.push_str(&node.title());
    let mut figures = Vec::new();
    figures.extend(node.own_ms.map(|ms| format!("own time {}", span(ms))));
    figures.extend(node.share.map(format::percent));
    figures.extend(
        node.expected
            .map(|expected| format!("{} rows expected", rows(expected))),
    );
    figures.extend(node.met.map(|met| format!("{} met", rows(met.rows))));
    figures.extend(
        node.met
            .filter(|met| met.loops > 1.0)
            .map(|met| format!("{} loops", rows(met.loops))),
    );
    figures.extend(node.never.then(|| "never executed".to_owned()));
    figures.extend(node.spill.as_ref().map(|spill| match spill.disk_kb {
        Some(kb) => format!("{} on disk", format::bytes(kb.saturating_mul(1024))),
        None => "over the disk".to_owned(),
    }));
    if !figures.is_empty() {
        line.push_str(&format!("  ({})", figures.join(", ")));
    }
    line
}
