//! What SQLite means in PostgreSQL: what a file holds, the type that holds it there, and its rules as PostgreSQL's.
//!
//! Invariants: a file is never changed; nothing here knows a managed database, a job or the console's store, waits for a
//! network or needs a runtime; whatever cannot be carried over for sure is refused with the reason.
//!
//! A file goes through it in this order: [`source`] opens it (`header`, `lock`, `leftover`), [`schema`] and [`ddl`] read
//! what it declares, [`scan`] looks at every value (`tally`, `forms`, `times`, `json`), [`inspect`] puts it together with
//! what is proposed ([`propose`], [`fit`], `agree`) and found ([`findings`], `names`, [`check`]). [`translate`] says each expression,
//! view and trigger in PostgreSQL's SQL. [`encode`] and [`wire`] give a value and a row the form of binary COPY, with the
//! hash that proves it.

mod affinity;
mod agree;
mod binary_json;
pub mod check;
pub mod column_findings;
pub mod ddl;
pub mod disk;
pub mod encode;
mod error;
pub mod findings;
pub mod fit;
mod forms;
pub mod header;
pub mod inspect;
mod json;
mod leftover;
mod lock;
mod names;
mod numeric;
mod pairs;
pub mod propose;
pub mod quote;
pub mod scan;
pub mod schema;
pub mod source;
pub mod stop;
mod tally;
mod times;
pub mod translate;
pub mod wire;

pub use error::{Error, Result};
