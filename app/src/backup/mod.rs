//! Backups: what is stored, and what proves it.

mod acts;
pub mod api;
mod delete;
mod list;
mod page;

pub use page::BackupsPage;
