//! Backups: what is stored, and what proves it.

pub mod api;
mod acts;
mod copy;
mod delete;
mod list;
mod page;

pub use page::BackupsPage;
