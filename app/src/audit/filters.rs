//! The filters above a log: a plain form whose values are the URL's query.

use contract::audit::{AuditPage as Page, Severity};
use leptos::prelude::*;
use leptos_router::components::Form;

use super::severity_word;
use crate::{address::use_pairs, frame::use_fleet, rpc::ApiError};

/// The form. It is sent by its button, also without JavaScript; what is chosen begins at the newest entry again.
#[component]
pub fn Filters(
    /// The page at hand, for the names that occur in the log.
    page: Resource<Result<Page, ApiError>>,
    /// Whether the log is a managed database's.
    of_target: Memo<bool>,
) -> impl IntoView {
    let query = use_pairs();
    let value = move |key: &'static str| move || query.with(|query| query.get(key).unwrap_or_default());
    let names = move |of: fn(&Page) -> &Vec<String>| {
        move || {
            let names = page
                .get()
                .and_then(Result::ok)
                .map(|page| of(&page).clone())
                .unwrap_or_default();
            names
                .into_iter()
                .map(|name| view! { <option value=name></option> })
                .collect_view()
        }
    };
    let severity = value("severity");
    let fleet = use_fleet();
    let target = value("target");
    let targets = move || {
        let chosen = target();
        let options = fleet.get().into_iter().map(|known| {
            let selected = known.name == chosen;
            let name = known.name.clone();
            view! {
                <option value=known.name selected=selected>
                    {name}
                </option>
            }
        });
        options.collect_view()
    };
    view! {
        <Form method="get" action="" attr:class="filters" attr:aria-label="Filters">
            {move || of_target.get().then(|| view! { <input type="hidden" name="source" value="target" /> })}
            <select name="target" aria-label="Database">
                {move || (!of_target.get()).then(|| view! { <option value="">"Database: all"</option> })}
                <Transition fallback=|| ()>{targets}</Transition>
            </select>
            <input
                name="user"
                list="audit-users"
                autocomplete="off"
                aria-label="User"
                placeholder="User"
                value=value("user")
                prop:value=value("user")
            />
            <datalist id="audit-users">
                <Transition fallback=|| ()>{names(|page| &page.users)}</Transition>
            </datalist>
            <input
                name="type"
                list="audit-types"
                autocomplete="off"
                aria-label="Event type"
                placeholder="Event type"
                value=value("type")
                prop:value=value("type")
            />
            <datalist id="audit-types">
                <Transition fallback=|| ()>{names(|page| &page.event_types)}</Transition>
            </datalist>
            <select name="severity" aria-label="Severity">
                <option value="">"Severity: all"</option>
                {Severity::ALL
                    .into_iter()
                    .map(|each| {
                        view! {
                            <option value=each.name() selected=move || severity() == each.name()>
                                {severity_word(each)}
                            </option>
                        }
                    })
                    .collect_view()}
            </select>
            <label>
                "From" <input type="datetime-local" name="from" title="UTC" value=value("from") prop:value=value("from") />
            </label>
            <label>
                "until"
                <input type="datetime-local" name="until" title="UTC" value=value("until") prop:value=value("until") /> "UTC"
            </label>
            <button class="btn sm" type="submit">
                "Apply"
            </button>
        </Form>
    }
    .into_any()
}
