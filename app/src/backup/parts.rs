//! What the page of backups shows in some of its states only: in a part of the WebAssembly of its own. Its element says
//! `data-part`, so that the browser fetches it before it takes over a page that shows it.
#![expect(
    clippy::boxed_local,
    reason = "what crosses from one part into another is a pointer"
)]

use leptos::prelude::*;
use wasm_split_helpers::{SplitLoaderError, wasm_split};

use super::spares::{Spares, SparesProps};

/// The databases beside a live one.
#[wasm_split(backup_spares, fallible, preload(load_spares))]
pub fn spares(card: Box<SparesProps>) -> Result<AnyView, SplitLoaderError> {
    Ok(Spares(*card).into_any())
}
