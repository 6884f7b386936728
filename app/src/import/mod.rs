//! Bringing SQLite files into a managed database.

pub mod api;
