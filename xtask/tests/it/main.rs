//! The stylesheet as the console ships it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contrast;
mod css;
