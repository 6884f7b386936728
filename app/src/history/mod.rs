//! What was measured over time: charts on the overview, on a page of their own, and of one table; sparklines of the fleet.

pub mod api;
mod charts;
mod known;
mod page;
pub mod parts;
mod range;
mod scale;
mod spark;

pub use known::{HistoryCharts, use_history};
pub use page::HistoryPage;
pub use spark::Sparkline;
