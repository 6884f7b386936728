//! The time zone that times are shown in: UTC, unless the reader chooses the browser's or another one on the page Settings.
//!
//! The choice is a cookie, so that the server writes a page as the browser then shows it. The browser gets no database of zones: the
//! server sends the shifts of the one that was chosen. What a link or a file holds is in UTC, whoever reads it.

mod shifts;
#[cfg(feature = "ssr")]
mod table;

pub use shifts::{BROWSER, Zone};
#[cfg(all(test, feature = "ssr"))]
pub use table::read;

use std::sync::Arc;

use contract::Instant;
use leptos::prelude::*;

/// The cookie's name.
pub const COOKIE: &str = "zone";

/// The zone of this page, and in the browser of the whole tab: another one is chosen by loading the page anew.
#[cfg(feature = "hydrate")]
static HERE: std::sync::OnceLock<Arc<Zone>> = std::sync::OnceLock::new();

/// Makes the zone known to the page; called once, by the application.
pub(crate) fn provide() {
    let zone = SharedValue::new(|| Zone::clone(&asked())).into_inner();
    #[cfg(feature = "hydrate")]
    let _ = HERE.set(Arc::new(zone));
    #[cfg(not(feature = "hydrate"))]
    drop(zone);
}

/// The zone that times are shown in.
pub fn here() -> Arc<Zone> {
    #[cfg(feature = "hydrate")]
    let zone = HERE.get().cloned().unwrap_or_default();
    #[cfg(not(feature = "hydrate"))]
    let zone = asked();
    zone
}

/// A moment in full, in the reader's zone: see [`Zone::absolute`].
pub fn absolute(at: Instant) -> String {
    here().absolute(at)
}

/// A moment as a clock of the reader shows it, in a form of chrono's.
pub fn local(at: Instant, form: &str) -> String {
    here().local(at).format(form).to_string()
}

/// What tells the reader's zone at a moment: `+01:00`, or `UTC`.
pub fn mark(at: Instant) -> String {
    here().mark(at)
}

/// What the request's cookie asks for.
#[cfg(feature = "ssr")]
fn asked() -> Arc<Zone> {
    let parts = use_context::<http::request::Parts>();
    let cookies = parts
        .iter()
        .flat_map(|parts| parts.headers.get_all(http::header::COOKIE));
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| table::read(value))
        .unwrap_or_default()
}

/// The browser has what the server sent.
#[cfg(not(feature = "ssr"))]
fn asked() -> Arc<Zone> {
    Arc::default()
}
