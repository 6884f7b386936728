//! Backups against real clusters: what is listed is whole, whatever happens, and what is damaged is found.

mod added;
mod crash;
mod delete;
mod equal;
mod failure;
mod faults;
mod hostile;
mod live;
mod many_readers;
mod parts;
mod prove;
mod restore;
mod restore_faults;
mod restore_hostile;
mod restored;
mod retention;
mod round_trip;
mod scratch;
mod shelf;
mod swap;
pub mod world;

use crate::support;
