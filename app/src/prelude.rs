//! What every page and component is written with: leptos' prelude, with a [`view`] of our own.

pub use leptos::prelude::*;

/// leptos' own, with the type of what it makes erased. A card, a row, a line that may be there then have one type everywhere, and
/// what leptos writes out for each type of a view (lists, closures, views that wait, on the server and in the browser) is there once.
macro_rules! view {
    ($($markup:tt)*) => {
        ::leptos::prelude::IntoAny::into_any(::leptos::prelude::view! { $($markup)* })
    };
}

pub(crate) use view;
