//! Backups that are taken by themselves, and which of them are kept.

pub mod api;
mod form;
mod keep;
mod page;
mod planned;
mod told;

pub use page::SchedulePage;
