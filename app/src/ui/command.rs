//! An act as a command, for scripts and for whoever sits at the server.

use crate::prelude::*;

use super::{Icon, copy_text, icons, needs_script, use_toasts};

/// A button that copies a command: a choice of a menu, or with another class the button beside an act.
#[component]
pub fn CopyCommand(
    /// The command: `contract::command::Act::line`.
    #[prop(into)]
    command: Signal<String>,
    /// The looks.
    #[prop(default = "menu-item")]
    class: &'static str,
    /// The word on it, where several stand together.
    #[prop(default = "Copy as command")]
    what: &'static str,
) -> impl IntoView {
    needs_script(what);
    let toasts = use_toasts();
    let copied = move |_| {
        let command = command.get_untracked();
        if copy_text(&command) {
            toasts.ok(format!("Copied: {command}"));
        } else {
            toasts.bad(format!(
                "This browser does not let pages copy here. The command is: {command}"
            ));
        }
    };
    view! {
        <button class=class type="button" title=command on:click=copied>
            <Icon icon=icons::Command />
            {what}
        </button>
    }
}
