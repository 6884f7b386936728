//! The charts: several pages show them, so that they are a part of the WebAssembly of their own. Their element says
//! `data-part`, so that the browser fetches it before it takes over a page that shows it.
#![expect(
    clippy::boxed_local,
    reason = "what crosses from one part into another is a pointer"
)]

use leptos::prelude::*;
use wasm_split_helpers::{SplitLoaderError, wasm_split};

use super::charts::{Charts, ChartsProps};

/// The charts of a stretch of time.
#[wasm_split(charts, fallible, preload(load_charts))]
pub fn charts(card: Box<ChartsProps>) -> Result<AnyView, SplitLoaderError> {
    Ok(Charts(*card).into_any())
}
