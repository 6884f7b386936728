//! Backups: what is stored, and what proves it.

pub mod api;
