//! The console itself: version, paths, configuration, and its pools.

pub mod api;
mod page;

pub use page::ConsolePage;
