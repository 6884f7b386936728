//! What an inspection says of SQLite files: of one file for each trap, of real ones, and of those that it must refuse.

mod behaviour;
mod compare;
mod course;
mod existing;
mod expected;
mod follow;
mod load;
mod refused;
mod run;
mod samples;
mod told;
mod traps;
mod uploads;
mod world;

use crate::support;
