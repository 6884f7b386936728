//! SQLite files into a managed database: which file, what is in it, what becomes of it, and the proof.
//!
//! An import can be large (hundreds of tables, ten thousand findings), so its page never loads the whole of it: the URL
//! says what is looked at, and the server function cuts that [`sheet`] out of what the engine knows.

pub mod api;
mod chain;
mod choices;
mod choose;
mod columns;
mod counts;
mod create;
mod decide;
mod detail;
mod discard;
#[cfg(feature = "ssr")]
mod export;
mod files;
mod found;
mod grid;
mod list;
mod newer;
mod options;
mod page;
pub(crate) mod parts;
mod pick;
mod plan;
mod proof;
mod refusal;
mod save;
pub(crate) mod send;
pub mod sheet;
#[cfg(feature = "ssr")]
mod slice;
mod start;
mod state;
mod tables;
pub(crate) mod upload;
pub(crate) mod upload_card;
mod uploads;
#[cfg(feature = "ssr")]
mod words;

pub use detail::ImportPage;
pub use page::ImportsPage;

use contract::import::ImportId;

/// The page of an import.
fn import_link(target: &str, id: ImportId) -> String {
    crate::address::link(target, &format!("import/{id}"))
}
