//! A native dialog: it holds the focus, closes on Esc, and gives the focus back to where it was.

use crate::prelude::*;
use leptos::html;

/// A dialog that is open while `open` is true.
#[component]
pub fn Dialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// Its heading.
    #[prop(into)]
    title: Signal<String>,
    /// Whether it needs more room, for SQL or a table.
    #[prop(optional)]
    wide: bool,
    /// What is in it; made anew each time it opens, and gone while it is closed.
    children: ChildrenFn,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        let Some(element) = dialog.get() else { return };
        if open.get() && !element.open() {
            // Fails only where the element is not in the document; then there is nothing to show.
            let _ = element.show_modal();
        } else if !open.get() && element.open() {
            element.close();
        }
    });
    view! {
        <dialog
            node_ref=dialog
            class=if wide { "dialog wide" } else { "dialog" }
            aria-label=move || title.get()
            on:close=move |_| open.set(false)
        >
            <Show when=move || open.get()>
                <h2>{move || title.get()}</h2>
                <div class="mt-2">{children()}</div>
            </Show>
        </dialog>
    }
}
