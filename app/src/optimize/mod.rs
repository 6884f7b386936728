//! The constraints, indexes and planner statistics that a managed database should have.

pub mod api;
mod items;
mod page;
mod start;

pub use page::OptimizePage;

use contract::optimize::{ItemKind, OptimizeItem, OptimizeSpec};

/// The items that a run of this spec would change. Statistics are collected anew whether or not they are due.
fn chosen<'a>(items: &'a [OptimizeItem], spec: &OptimizeSpec) -> Vec<&'a OptimizeItem> {
    let wanted = |item: &&OptimizeItem| match item.kind {
        ItemKind::Constraint => spec.constraints,
        ItemKind::Index => spec.indexes,
        ItemKind::Statistics => false,
    };
    items.iter().filter(|item| item.is_due()).filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use contract::optimize::ItemState;

    use super::*;

    fn item(kind: ItemKind, sql: &[&str]) -> OptimizeItem {
        OptimizeItem {
            kind,
            table: "public.t".into(),
            name: "n".into(),
            state: ItemState::Missing,
            sql: sql.iter().map(|sql| (*sql).to_owned()).collect(),
            bytes: None,
            note: None,
        }
    }

    #[test]
    fn a_run_changes_what_is_due_and_chosen() {
        let items = [
            item(ItemKind::Constraint, &["a"]),
            item(ItemKind::Index, &["b"]),
            item(ItemKind::Index, &[]),
            item(ItemKind::Statistics, &["c"]),
        ];
        let all = OptimizeSpec::all("t");
        let indexes = OptimizeSpec {
            constraints: false,
            analyze: false,
            ..all.clone()
        };
        let names = |spec| {
            chosen(&items, spec)
                .iter()
                .map(|item| item.sql[0].as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&all), ["a", "b"]);
        assert_eq!(names(&indexes), ["b"]);
    }
}
