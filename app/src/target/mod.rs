//! Managed databases: all of them, and the overview of one.

pub mod api;
mod findings;
mod fleet;
mod kpis;
mod largest;
mod last_backup;
mod overview;
mod pool;
mod recent;
mod replicas;
mod running;

pub use fleet::FleetPage;
pub use overview::OverviewPage;
pub use pool::PoolCard;
