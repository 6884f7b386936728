//! What was measured over time: charts on the overview, on a page of their own, and of one table; sparklines of the fleet.

pub mod api;
mod charts;
mod known;
mod page;
pub mod parts;
mod range;
mod scale;
mod spark;

pub use charts::ChartsProps;
pub use known::{HistoryCharts, use_history};
pub use page::{HistoryPage, Values};
pub use range::{RangeBar, use_range};
pub use spark::Sparkline;
