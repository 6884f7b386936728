//! Migrations of a managed database: where each stands, and applying them.

pub mod api;
mod asked;
mod list;
mod page;
mod start;

pub use page::MigrationsPage;
