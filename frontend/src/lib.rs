//! The browser's entry: takes over the page that the server rendered, and nothing else.

// A page is one nested type, and the compiler lays it out by recursion.
#![recursion_limit = "512"]

use wasm_bindgen::{JsError, prelude::wasm_bindgen};

/// Attaches the application to the server's HTML, once the part of its page is there. The page's script calls it once, after
/// the module is loaded; a panic from then on reaches the browser's console with its message.
///
/// # Errors
/// When the part does not come: then the page stays as the server wrote it.
#[wasm_bindgen]
pub async fn hydrate() -> Result<(), JsError> {
    console_error_panic_hook::set_once();
    app::parts::load_for_page().await?;
    leptos::mount::hydrate_body(app::App);
    app::parts::fetch_ahead();
    Ok(())
}
