//! The browser's entry: takes over the page that the server rendered, and nothing else.

// A page is one nested type, and the compiler lays it out by recursion.
#![recursion_limit = "512"]

use wasm_bindgen::prelude::wasm_bindgen;

/// Attaches the application to the server's HTML. The page's script calls it once, after the module is loaded;
/// a panic from then on reaches the browser's console with its message.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_body(app::App);
}
