//! Jobs: all of them, and one with its log.

pub mod api;
mod cancel;
mod current;
mod detail;
mod list;
mod log;
mod table;

pub use cancel::CancelJob;
pub(crate) use current::job_card;
pub use current::{CurrentJob, Work};
pub use detail::JobPage;
pub use list::JobsPage;
pub use table::JobTable;
