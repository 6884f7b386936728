//! Acts before the page can do them.
//!
//! A page is there before the module that makes its buttons work. Until then `acts.js`, which runs before the first
//! paint, keeps the last click on a button (and what was typed into fields) and hands it to the page once it is taken
//! over; a button whose act destroys only opens its question, so what is kept never destroys. If the module does not come, the
//! click is answered in words. Where JavaScript is off, the document's `<noscript>` style takes such buttons away, and
//! [`NeedsScript`] names them.
//!
//! A button of `type="button"` is such an act; one of a form that works without JavaScript is `type="submit"`. Likewise a
//! field with a `name` works without JavaScript, and one without a name does not.

use crate::prelude::*;

/// Runs at the document's top.
#[cfg(feature = "ssr")]
pub const KEEP: &str = include_str!("acts.js");

/// The style where JavaScript is off: what cannot be done is not offered, and the words about it come first.
#[cfg(feature = "ssr")]
pub const WITHOUT_SCRIPT: &str = "button[type=button]:not([popovertarget]){display:none}\
:is(input,select,textarea):not([name]){pointer-events:none;opacity:.6}\
main{display:flex;flex-direction:column}main>*{min-width:0}main>.banner{margin-bottom:0}";

/// What the acts of a page are called, while the server writes it.
#[cfg(feature = "ssr")]
#[derive(Clone, Default)]
struct Acts(std::sync::Arc<std::sync::Mutex<Vec<&'static str>>>);

/// Collects the acts of the page below, to be named by [`NeedsScript`].
pub fn provide_acts() {
    #[cfg(feature = "ssr")]
    provide_context(Acts::default());
}

/// Says that the page has an act that needs JavaScript, by the word on its button.
#[cfg_attr(
    not(feature = "ssr"),
    expect(unused_variables, reason = "only the server names acts")
)]
pub fn needs_script(name: &'static str) {
    #[cfg(feature = "ssr")]
    if let Some(Acts(names)) = use_context()
        && let Ok(mut names) = names.lock()
        && !names.contains(&name)
    {
        names.push(name);
    }
}

/// Tells the document that the page is taken over: after the first effects, of which this is the first.
pub fn tell_ready() {
    Effect::new(move || {
        let tell = || {
            if let Some(root) = document().document_element() {
                // Fails only for a name that is none.
                let _ = root.set_attribute("data-ready", "");
            }
        };
        set_timeout(tell, std::time::Duration::ZERO);
    });
}

/// Names the acts of the page that need JavaScript, where it is off. It comes last on the page, since the server writes a
/// page in order, and knows its acts when it has written them; the style puts it first.
#[component]
pub fn NeedsScript() -> impl IntoView {
    #[cfg(feature = "ssr")]
    let acts = use_context::<Acts>().unwrap_or_default();
    Suspend::new(async move {
        #[cfg(feature = "ssr")]
        let words = {
            written().await;
            words(&acts)
        };
        #[cfg(not(feature = "ssr"))]
        let words = "";
        view! { <noscript class="needs-script" inner_html=words></noscript> }
    })
}

/// Gives way once: what is not ready at once is asked again when all before it is written.
#[cfg(feature = "ssr")]
async fn written() {
    let mut asked = false;
    std::future::poll_fn(|context| {
        if asked {
            return std::task::Poll::Ready(());
        }
        asked = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[cfg(feature = "ssr")]
fn words(Acts(names): &Acts) -> String {
    let names = names.lock().map(|names| names.clone()).unwrap_or_default();
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<String> = names.iter().map(|name| format!("“{name}”")).collect();
    format!(
        "<div class=\"banner warn\" role=\"note\"><span class=\"dot\"></span>JavaScript is off<span>What this page shows is whole \
         and true, but these acts need JavaScript: {}. So do the search by Ctrl K and the choice of a theme.</span></div>",
        names.join(", ")
    )
}
