//! The keyboard: `/` search, `g` and a letter to go, `?` help, Ctrl-K palette.

use super::{nav::AREAS, opened::Opened};
use crate::{prelude::*, ui::Dialog};

/// Listens to the keys, and shows the list of them.
#[component]
pub fn Keys() -> impl IntoView {
    let Some(opened) = use_context::<Opened>() else {
        return ().into_any();
    };
    #[cfg(feature = "hydrate")]
    listen::start(opened);
    view! {
        <Dialog open=opened.keys title="Keyboard">
            <dl class="keys">
                <dt>
                    <kbd>"Ctrl"</kbd>
                    " "
                    <kbd>"K"</kbd>
                </dt>
                <dd>"Go to a page, table or job, or do an act"</dd>
                <dt>
                    <kbd>"/"</kbd>
                </dt>
                <dd>"Search on this page"</dd>
                <dt>
                    <kbd>"g"</kbd>
                    " "
                    <kbd>"h"</kbd>
                </dt>
                <dd>"All databases"</dd>
                {AREAS
                    .iter()
                    .map(|area| {
                        view! {
                            <dt>
                                <kbd>"g"</kbd>
                                " "
                                <kbd>{area.key}</kbd>
                            </dt>
                            <dd>{area.name}</dd>
                        }
                    })
                    .collect_view()}
                <dt>
                    <kbd>"?"</kbd>
                </dt>
                <dd>"This list"</dd>
                <dt>
                    <kbd>"Esc"</kbd>
                </dt>
                <dd>"Close"</dd>
            </dl>
            <form class="act" method="dialog">
                <button class="btn" type="submit">
                    "Close"
                </button>
            </form>
        </Dialog>
    }
}

#[cfg(feature = "hydrate")]
mod listen {
    use leptos::ev;
    use leptos_router::hooks::use_navigate;
    use wasm_bindgen::JsCast;
    use web_sys::{HtmlElement, HtmlInputElement, KeyboardEvent};

    use super::{AREAS, Opened};
    use crate::{
        frame::{nav::use_current_target, palette::fetch_palette},
        prelude::*,
    };

    /// How long after `g` its letter may come, in milliseconds.
    const PAUSE_MS: f64 = 1500.0;

    pub(super) fn start(opened: Opened) {
        let navigate = use_navigate();
        let target = use_current_target();
        let asked_to_go = StoredValue::new(0.0);
        let handle = window_event_listener(ev::keydown, move |event| {
            let key = event.key();
            if key == "Control" || key == "Meta" {
                fetch_palette();
            }
            if (event.ctrl_key() || event.meta_key()) && !event.alt_key() && key.eq_ignore_ascii_case("k") {
                event.prevent_default();
                opened.palette.update(|open| *open = !*open);
                return;
            }
            if event.ctrl_key() || event.meta_key() || event.alt_key() || is_typing(&event) || in_dialog() {
                return;
            }
            let now = js_sys::Date::now();
            let goes = now - asked_to_go.get_value() < PAUSE_MS;
            asked_to_go.set_value(0.0);
            if goes {
                let current = target.get_untracked().unwrap_or_default();
                let link = match key.as_str() {
                    "h" => Some("/".to_owned()),
                    key => AREAS
                        .iter()
                        .find(|area| area.key == key)
                        .map(|area| area.link(&current)),
                };
                if let Some(link) = link {
                    event.prevent_default();
                    navigate(&link, leptos_router::NavigateOptions::default());
                }
                return;
            }
            match key.as_str() {
                "g" => asked_to_go.set_value(now),
                "?" => opened.keys.set(true),
                "/" => {
                    if let Some(search) = find_search() {
                        event.prevent_default();
                        // Fails only where the element cannot take the focus; then it stays where it is.
                        let _ = search.focus();
                        search.select();
                    }
                }
                _ => {}
            }
        });
        on_cleanup(move || handle.remove());
    }

    fn is_typing(event: &KeyboardEvent) -> bool {
        event
            .target()
            .and_then(|target| target.dyn_into::<HtmlElement>().ok())
            .is_some_and(|element| {
                matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
                    || element.is_content_editable()
            })
    }

    fn in_dialog() -> bool {
        document().query_selector("dialog[open]").ok().flatten().is_some()
    }

    fn find_search() -> Option<HtmlInputElement> {
        document()
            .query_selector("main [data-search]")
            .ok()
            .flatten()?
            .dyn_into()
            .ok()
    }
}
