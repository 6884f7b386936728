//! What the statements of a managed database cost.

pub mod api;
mod cover;
mod detail;
mod page;
mod rows;

pub use detail::QueryPage;
pub use page::QueriesPage;

/// How often the pages look again while they are seen: as often as the console looks at the server for them.
const EVERY: std::time::Duration = std::time::Duration::from_secs(30);

/// The page of a statement.
fn statement_link(target: &str, queryid: &str) -> String {
    crate::address::link(target, &format!("queries/{}", crate::address::segment(queryid)))
}
