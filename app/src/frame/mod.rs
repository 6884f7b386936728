//! The frame around every page: who may pass, the navigation, the bar above, the keys.

mod fleet;
mod gate;
mod keys;
mod nav;
mod opened;
mod palette;
mod theme;
mod top;

pub use fleet::use_fleet;
pub use gate::Gate;
pub use nav::{AREAS, Area, Group, use_current_target, use_target_names};
pub use theme::ThemeChoice;

use leptos_meta::Title;

use crate::{address::no_such_page, prelude::*};

/// What is shown for a URL that is no page's.
#[component]
pub fn NotFound() -> impl IntoView {
    let fault = no_such_page();
    #[cfg(feature = "ssr")]
    crate::rpc::set_page_status(fault.code);
    view! {
        <Title text="Not found" />
        <div class="empty">
            <h1>{fault.message}</h1>
            {fault.hint}
            <div class="row">
                <a class="btn pri" href="/">
                    "To the overview"
                </a>
            </div>
        </div>
    }
}

/// The mark: a database in a square.
#[component]
pub fn Mark() -> impl IntoView {
    view! {
        <span class="mark" aria-hidden="true">
            <svg viewBox="0 0 16 16" width="13" height="13" fill="none" stroke="currentColor" stroke-width="2">
                <ellipse cx="8" cy="3.6" rx="5.4" ry="2.3"></ellipse>
                <path d="M2.6 3.6v8.6c0 1.3 2.4 2.3 5.4 2.3s5.4-1 5.4-2.3V3.6"></path>
            </svg>
        </span>
    }
}
