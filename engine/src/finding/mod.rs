//! What a managed database needs someone to look at: one list, behind its overview, the list of all databases, the
//! navigation, `config check` and `/readyz/detail`.
//!
//! Each area says what it finds; here it is kept, put in order and asked for anew: once a minute, when a job ends, and
//! when a page reads what an area goes by. A part that was not looked at, or could not be, is a finding itself, so that
//! the list is empty only where everything was looked at and nothing was found.

mod examine;
mod kept;

pub(crate) use examine::{keep_up, refresh};
pub(crate) use kept::{Kept, Part};
