//! A list of choices that opens below its button.

use crate::prelude::*;

/// Runs at the document's top; what the browser does not do by itself for a menu.
#[cfg(feature = "ssr")]
pub const MENUS: &str = include_str!("menus.js");

/// A button and the menu it opens: a popover, so that it opens without JavaScript, lies above everything, and closes on Esc,
/// on a press elsewhere, when the focus leaves it, with a choice, and with the page (`frame/nav.rs`). A dialog that a choice
/// opens stands beside the menu, not in it.
#[component]
pub fn Menu(
    /// Names the menu; once on a page.
    #[prop(into)]
    id: String,
    /// What the button is called, where its content does not say it, such as `Actions for ada`.
    #[prop(optional, into)]
    label: Option<String>,
    /// The button's class.
    #[prop(default = "btn sm icon")]
    class: &'static str,
    /// Whether the menu begins at the button's left edge instead of ending at its right one.
    #[prop(optional)]
    left: bool,
    /// What the button shows.
    #[prop(into)]
    button: ViewFn,
    /// The choices: `.menu-item`.
    children: Children,
) -> impl IntoView {
    let target = id.clone();
    view! {
        <button class=class type="button" popovertarget=target aria-label=label>
            {button.run()}
        </button>
        <div class=if left { "menu-list left" } else { "menu-list" } id=id popover="auto">
            {children()}
        </div>
    }
}
