//! Fields of the page's forms. They have no name, because what they say goes by a button that needs JavaScript.

use crate::prelude::*;

/// A labelled input.
#[component]
pub fn Text(
    /// Its id.
    id: &'static str,
    /// What it is.
    label: &'static str,
    /// HTML's input type.
    #[prop(default = "text")]
    kind: &'static str,
    /// The value.
    value: RwSignal<String>,
    /// What is expected, in a few words.
    #[prop(optional)]
    help: &'static str,
) -> impl IntoView {
    let help_id = format!("{id}-help");
    let described = (!help.is_empty()).then(|| help_id.clone());
    // The first value is in the HTML as well, for whoever reads the page without JavaScript.
    let first = value.get_untracked();
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <input
                id=id
                type=kind
                autocomplete="off"
                min=(kind == "number").then_some("0")
                value=first
                aria-describedby=described
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
            {(!help.is_empty()).then(|| view! { <small id=help_id>{help}</small> })}
        </div>
    }
}

/// A labelled choice: pairs of a value and its words.
#[component]
pub fn Choice(
    /// Its id.
    id: &'static str,
    /// What it is.
    label: &'static str,
    /// The value that is chosen.
    value: RwSignal<String>,
    /// What there is.
    options: Vec<(&'static str, &'static str)>,
) -> impl IntoView {
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <select id=id class="input" on:change=move |event| value.set(event_target_value(&event))>
                {options
                    .into_iter()
                    .map(|(name, words)| {
                        view! {
                            <option value=name selected=move || value.with(|value| value == name)>
                                {words}
                            </option>
                        }
                    })
                    .collect_view()}
            </select>
        </div>
    }
}
