//! Charts over time.

pub mod api;
