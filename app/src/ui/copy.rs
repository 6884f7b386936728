//! Copying a text.

use crate::prelude::*;

use super::{needs_script, use_toasts};

/// A button that puts a text into the clipboard.
#[component]
pub fn CopyButton(
    /// The text.
    text: String,
    /// What it is, such as `the SHA-256`.
    what: &'static str,
) -> impl IntoView {
    needs_script("Copy");
    let toasts = use_toasts();
    let copied = move |_| match copy_text(&text) {
        true => toasts.ok(format!("Copied {what}.")),
        false => toasts.bad("This browser does not let pages copy here; select the text and copy it."),
    };
    view! {
        <button class="btn sm" type="button" aria-label=format!("Copy {what}") on:click=copied>
            "Copy"
        </button>
    }
}

/// Puts a text into the clipboard; false where it offers no clipboard, as over plain HTTP from another machine.
#[cfg(feature = "hydrate")]
pub fn copy_text(text: &str) -> bool {
    use wasm_bindgen::{JsCast, JsValue};

    // By name, because web-sys keeps a large part of the browser behind the type of the clipboard.
    let get = |of: &JsValue, name: &str| js_sys::Reflect::get(of, &JsValue::from_str(name));
    let clipboard = get(&window(), "navigator").and_then(|navigator| get(&navigator, "clipboard"));
    let Ok(clipboard) = clipboard else { return false };
    match get(&clipboard, "writeText").map(JsCast::dyn_into::<js_sys::Function>) {
        Ok(Ok(write)) => write.call1(&clipboard, &JsValue::from_str(text)).is_ok(),
        _ => false,
    }
}

/// Puts a text into the clipboard; not on the server.
#[cfg(not(feature = "hydrate"))]
pub fn copy_text(_text: &str) -> bool {
    false
}
