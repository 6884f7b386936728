//! What the statements of a managed database cost.

pub mod api;
mod cover;
mod detail;
mod page;
mod rows;

pub use detail::QueryPage;
pub use page::QueriesPage;

/// The page of a statement.
fn statement_link(target: &str, queryid: &str) -> String {
    crate::address::link(target, &format!("queries/{}", crate::address::segment(queryid)))
}
