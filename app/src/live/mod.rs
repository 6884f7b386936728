//! What changes while a page is open: one stream of whole values per browser tab, kept by id.
//!
//! Pages load by `Resource`, so that the server renders the true state; the values here override those when newer.

#[cfg(feature = "hydrate")]
mod stream;
mod values;

pub use values::{Connection, Live};

use leptos::prelude::*;

/// Opens the stream for the pages below; called once, when the session is known.
pub fn provide() -> Live {
    let live = Live::new();
    provide_context(live);
    #[cfg(feature = "hydrate")]
    Effect::new(move || stream::open(live));
    live
}

/// The live values of this tab; outside a session, values that never come.
pub fn use_live() -> Live {
    use_context::<Live>().unwrap_or_else(Live::new)
}
