//! The second step: options, and the mapping as a file.

use crate::prelude::*;
use contract::import::{ImportView, Mapping};

use super::{
    choices::Choices,
    options::Options,
    send::{picked, pretty, read_text},
};
use crate::ui::{Icon, icons, needs_script, save_file, use_toasts};

/// The card of the decisions about the import as a whole; those about tables are below it.
#[component]
pub fn Decide(
    /// The import.
    import: ImportView,
    /// What is decided in the page.
    choices: Choices,
) -> impl IntoView {
    keep_from_leaving(choices);
    if choices.is_open() {
        needs_script("Decide");
    }
    view! {
        <section class="card" id="decide" data-part="import_decide" aria-label="Decide">
            <div class="ch">
                <h2>"2 Decide"</h2>
                <Show when=move || choices.is_changed()>
                    <span class="badge warn">"Not yet rehearsed"</span>
                    <button class="btn sm" type="button" on:click=move |_| choices.undo()>
                        "Undo all"
                    </button>
                </Show>
                <span class="sp"></span>
                <MappingFile file=import.file choices />
            </div>
            <div class="cb">
                <Options choices />
            </div>
        </section>
    }
}

/// Has the browser ask before it closes a page with decisions that no rehearsal has saved.
fn keep_from_leaving(choices: Choices) {
    Effect::new(move || {
        let guard = window_event_listener(leptos::ev::beforeunload, move |event| {
            if untrack(|| choices.is_changed()) {
                event.prevent_default();
            }
        });
        on_cleanup(move || guard.remove());
    });
}

/// Saves the decisions as the file that `pgsteward import sqlite --mapping` takes, and takes such a file.
#[component]
fn MappingFile(file: String, choices: Choices) -> impl IntoView {
    needs_script("Download mapping");
    let toasts = use_toasts();
    let wrong = RwSignal::new(None::<String>);
    let name = format!("{file}.mapping.json");
    let save = move |_| {
        if let Ok(text) = serde_json::to_string(&choices.now()) {
            save_file(&name, "application/json", &(pretty(&text) + "\n"));
        }
    };
    let read = Callback::new(move |text: Option<String>| {
        let read = text.ok_or_else(|| "it is not text".to_owned());
        let read =
            read.and_then(|text| serde_json::from_str::<Mapping>(&text).map_err(|error| error.to_string()));
        match read {
            Ok(mapping) => {
                wrong.set(None);
                choices.replace(mapping);
                toasts.ok("The mapping file is taken over; rehearse it to save it.");
            }
            Err(why) => wrong.set(Some(format!(
                "This is no mapping file: {why}. Nothing is changed."
            ))),
        }
    });
    view! {
        <button class="btn sm" type="button" on:click=save>
            <Icon icon=icons::Download />
            "Download mapping"
        </button>
        <label class="small" hidden=move || !choices.is_open()>
            "Use a mapping file "
            <input
                class="max-w-full"
                type="file"
                accept=".json,application/json"
                on:change=move |event| {
                    if let Some(file) = picked(&event).pop() {
                        read_text(file, read);
                    }
                }
            />
        </label>
        {move || wrong.get().map(|why| view! { <p class="bad-text" role="alert">{why}</p> })}
    }
}
