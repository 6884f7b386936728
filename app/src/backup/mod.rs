//! Backups: what is stored, and what proves it.

mod acts;
mod add;
pub mod api;
mod choose;
mod delete;
mod label;
mod list;
mod page;
pub mod parts;
mod report;
mod restore;
mod spares;
mod swap;

pub use add::AddPage;
pub use choose::ChoosePage;
pub use page::BackupsPage;
pub use report::BackupPage;
pub use restore::RestorePage;
