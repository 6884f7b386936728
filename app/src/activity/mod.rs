//! Sessions of a managed server, who holds up whom, and what runs.

mod acts;
pub mod api;
mod page;
mod progress;
mod sessions;
mod tree;

pub use page::ActivityPage;

use crate::ui::whole_seconds;

/// A span that still grows; nothing where it is not known.
fn span(seconds: Option<i64>) -> String {
    seconds.map_or_else(String::new, |seconds| whole_seconds(seconds.saturating_mul(1000)))
}
