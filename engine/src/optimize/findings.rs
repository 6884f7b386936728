//! What the indexes, constraints and statistics of a managed database need someone to look at.

use contract::{
    finding::{Finding, Level},
    format,
    optimize::{ItemKind, ItemState},
};

use super::plan::{self, Act, Item, Plan};
use crate::{Result, migration, target::Target};

/// The page that shows them.
const PAGE: &str = "optimize";
/// Things that are named; the rest is counted.
const NAMED: usize = 3;

/// Looks at the catalogs.
///
/// # Errors
/// What the database says.
pub(crate) async fn look(target: &Target) -> Result<Vec<Finding>> {
    let mut connection = target.look().await?;
    let source = migration::source(target, &mut connection).await?;
    let plan = plan::read(&mut connection, &source)
        .await
        .map_err(|source| target.error(source))?;
    Ok(of(&plan))
}

/// What a plan says.
pub(super) fn of(plan: &Plan) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut tell = |key: &str, items: &[&Item], words: String, remedy: &str| {
        if !items.is_empty() {
            found.push(
                Finding::new(&format!("optimize.{key}"), Level::Warning, words, remedy)
                    .because(named(items))
                    .on(PAGE)
                    .of(items.len()),
            );
        }
    };
    let of = |kind: ItemKind, state: ItemState| -> Vec<&Item> {
        plan.items
            .iter()
            .filter(|item| item.view.kind == kind && item.view.state == state)
            .collect()
    };

    let invalid = of(ItemKind::Index, ItemState::Invalid);
    tell(
        "invalid_index",
        &invalid,
        format!(
            "{} invalid: no query uses {}, and every write pays for {}.",
            counted(&invalid, "index is", "indexes are"),
            it(&invalid),
            it(&invalid)
        ),
        "Optimize builds anew what a broken-off build left; its note says what else to do.",
    );
    let unchecked = of(ItemKind::Constraint, ItemState::Invalid);
    tell(
        "not_validated",
        &unchecked,
        format!(
            "{} not validated: rows from before may break {}.",
            counted(&unchecked, "constraint is", "constraints are"),
            it(&unchecked)
        ),
        "Optimize validates them; it locks nobody out.",
    );
    let missing: Vec<&Item> = plan
        .items
        .iter()
        .filter(|item| item.view.state == ItemState::Missing)
        .collect();
    tell(
        "missing",
        &missing,
        format!("{} missing.", both(&missing)),
        "Optimize creates them; indexes are built concurrently.",
    );
    let different: Vec<&Item> = plan
        .items
        .iter()
        .filter(|item| item.view.state == ItemState::Different)
        .collect();
    tell(
        "different",
        &different,
        format!("{} not as the guide asks.", both(&different)),
        "Compare each with its note; rename or drop what stands in the way, then optimize.",
    );
    let no_table: Vec<&Item> = plan
        .items
        .iter()
        .filter(|item| item.view.state == ItemState::NoTable)
        .collect();
    tell(
        "no_table",
        &no_table,
        format!(
            "The tables of {} are not there.",
            counted(
                &no_table,
                "wanted index or constraint",
                "wanted indexes and constraints"
            )
        ),
        "Apply the migrations first.",
    );
    let stale: Vec<&Item> = plan
        .statistics
        .iter()
        .filter(|item| item.act != Act::Nothing)
        .collect();
    tell(
        "statistics",
        &stale,
        format!(
            "{} without good statistics, so the planner guesses.",
            counted(&stale, "table is", "tables are")
        ),
        "Optimize analyzes them.",
    );
    found
}

fn it(items: &[&Item]) -> &'static str {
    if items.len() == 1 { "it" } else { "them" }
}

fn counted(items: &[&Item], one: &str, many: &str) -> String {
    format::counted(items.len(), one, many)
}

/// `2 constraints and 20 indexes are`.
fn both(items: &[&Item]) -> String {
    let of = |kind| items.iter().filter(|item| item.view.kind == kind).count();
    let parts: Vec<String> = [
        (of(ItemKind::Constraint), "constraint", "constraints"),
        (of(ItemKind::Index), "index", "indexes"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, many)| format::counted(count, one, many))
    .collect();
    let verb = if items.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", parts.join(" and "))
}

fn named(items: &[&Item]) -> String {
    let names: Vec<String> = items
        .iter()
        .take(NAMED)
        .map(|item| match item.view.kind {
            ItemKind::Statistics => item.view.table.clone(),
            _ => format!("{} on {}", item.view.name, item.view.table),
        })
        .collect();
    match items.len().saturating_sub(NAMED) {
        0 => format!("{}.", names.join(", ")),
        more => format!("{} and {} more.", names.join(", "), format::exact(more as i64)),
    }
}
