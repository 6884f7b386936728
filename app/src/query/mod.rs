//! What the statements of a managed database cost.

use leptos::prelude::GetUntracked;

pub mod api;
mod cover;
mod detail;
mod page;
mod rows;

pub use detail::QueryPage;
pub use page::QueriesPage;

/// How often the pages look again while they are seen: as often as the console looks at the server for them.
const EVERY: std::time::Duration = std::time::Duration::from_secs(30);

/// The range of the page at hand as a query, so that a link leads to the same stretch of time.
fn same_range() -> String {
    let pairs = ["range", "from", "to"].into_iter().filter_map(|key| {
        let value = crate::address::use_query(key).get_untracked()?;
        Some(format!("{key}={}", crate::address::escape(&value)))
    });
    match pairs.collect::<Vec<_>>().join("&") {
        pairs if pairs.is_empty() => pairs,
        pairs => format!("?{pairs}"),
    }
}

/// The page of a statement.
fn statement_link(target: &str, queryid: &str) -> String {
    crate::address::link(target, &format!("queries/{}", crate::address::segment(queryid)))
}
