//! Restoring a backup: what was checked, what it holds against the live database, the choices, the start.

mod checks;
mod choices;
mod page;
mod tables;

pub use page::RestorePage;
