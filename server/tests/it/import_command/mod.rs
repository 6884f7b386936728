//! `pgsteward import sqlite`, run as a program against real servers: to its end, and broken off in every way.

mod broken;
mod decisions;
mod disk;
mod existing;
mod follow;
mod killed;
mod sample;
mod state;
mod world;

use crate::program;
