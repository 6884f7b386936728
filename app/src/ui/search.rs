//! Filters above a table, in the URL.

use crate::prelude::*;

use crate::address::{use_change_query, use_pairs, use_query};

/// A row of filters: a search box for `?q=`, and what `children` adds (such as [`FilterSelect`]). With JavaScript it
/// filters while one types; without, by its button. Other values of the URL's query stay, but for the page.
#[component]
pub fn SearchBox(
    /// What is searched, such as `Filter tables…`.
    #[prop(into)]
    placeholder: String,
    /// Values of the query that the row itself sets, beside `q`.
    #[prop(optional)]
    own: &'static [&'static str],
    /// Whether there is a box to type in; some lists have only choices.
    #[prop(default = true)]
    text: bool,
    /// The text's key in the URL, where a page has several lists.
    #[prop(default = "q")]
    key: &'static str,
    /// The key of the list's page.
    #[prop(default = "page")]
    page_key: &'static str,
    /// More filters.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let search = use_query(key);
    let query = use_pairs();
    let change = use_change_query();
    let hydrated = super::use_hydrated();
    let pending = StoredValue::new(None::<leptos::leptos_dom::helpers::TimeoutHandle>);
    let typed = move |text: String| {
        if let Some(handle) = pending.get_value() {
            handle.clear();
        }
        let change = change.clone();
        let later = move || change(&[(key, Some(text.clone())), (page_key, None)]);
        pending.set_value(set_timeout_with_handle(later, std::time::Duration::from_millis(250)).ok());
    };
    // A plain form sends only its own fields; what else the URL holds travels in hidden ones.
    let kept = move || {
        query.with(|query| {
            query
                .pairs()
                .filter(|(other, _)| *other != key && *other != page_key && !own.contains(other))
                .map(|(key, value)| view! { <input type="hidden" name=key.to_owned() value=value.to_owned() /> })
                .collect_view()
        })
    };
    let label = placeholder.clone();
    view! {
        // With JavaScript the URL holds what was chosen by now, and no empty value.
        <form method="get" action="" class="filters" role="search" on:submit=|event| event.prevent_default()>
            {text
                .then(|| {
                    view! {
                        <input
                            type="search"
                            name=key
                            data-search=(key == "q").then_some("")
                            aria-label=label
                            placeholder=placeholder
                            value=search.get_untracked().unwrap_or_default()
                            prop:value=move || search.get().unwrap_or_default()
                            on:input=move |event| typed(event_target_value(&event))
                        />
                    }
                })}
            {children.map(|children| children())}
            {kept}
            <button class="btn sm" type="submit" hidden=move || hydrated.get()>
                "Apply"
            </button>
        </form>
    }
}

/// A choice in a row of filters, for one value of the URL's query; nothing chosen means all.
#[component]
pub fn FilterSelect(
    /// The key in the query.
    key: &'static str,
    /// What is chosen, such as `State`.
    label: &'static str,
    /// Value and name of each choice.
    #[prop(into)]
    choices: Signal<Vec<(String, String)>>,
    /// The key of the list's page.
    #[prop(default = "page")]
    page_key: &'static str,
) -> impl IntoView {
    let chosen = use_query(key);
    let change = use_change_query();
    view! {
        <select
            name=key
            aria-label=label
            on:change=move |event| change(&[(key, Some(event_target_value(&event))), (page_key, None)])
        >
            <option value="">{format!("{label}: all")}</option>
            {move || {
                choices
                    .get()
                    .into_iter()
                    .map(|(value, name)| {
                        let is_chosen = {
                            let value = value.clone();
                            move || chosen.with(|chosen| chosen.as_deref() == Some(value.as_str()))
                        };
                        view! {
                            <option value=value selected=is_chosen>
                                {name}
                            </option>
                        }
                    })
                    .collect_view()
            }}
        </select>
    }
}
