//! The filters above a log: one line, whose values are the URL's query.

use contract::audit::{AuditPage as Page, Severity};

use super::{
    act_words,
    query::{self, SPANS},
    severity_word,
};
use crate::{
    address::{use_change_query, use_here, use_query},
    frame::use_target_names,
    prelude::*,
    rpc::ApiError,
    ui::{FilterSelect, use_hydrated},
};

/// The key of the entry after which a page goes on; a new choice begins at the newest again.
const AFTER: &str = "after";

/// The form. What is chosen takes effect at once; without JavaScript, by its button.
#[component]
pub fn Filters(
    /// The page at hand, for the names that occur in the log.
    page: Resource<Result<Page, ApiError>>,
    /// Whether the log is a managed database's.
    of_target: Memo<bool>,
) -> impl IntoView {
    let change = use_change_query();
    let hydrated = use_hydrated();
    let (target, user, kind, when) = (
        use_query("target"),
        use_query("user"),
        use_query("type"),
        use_query("when"),
    );
    let (address, from, until) = (use_query("address"), use_query("from"), use_query("until"));
    let occurs = move |of: fn(&Page) -> &Vec<String>| {
        page.with(|page| match page {
            Some(Ok(page)) => of(page).clone(),
            _ => Vec::new(),
        })
    };
    // What is chosen is among the choices, whether or not it occurs.
    let kinds = Signal::derive(move || {
        let mut names = occurs(|page| &page.event_types);
        names.extend(kind.get().filter(|chosen| !names.contains(chosen)));
        let mut choices: Vec<(String, String)> = names
            .into_iter()
            .map(|name| (name.clone(), act_words(&name).to_owned()))
            .collect();
        choices.sort_by(|a, b| a.1.cmp(&b.1));
        choices
    });
    let users = move || {
        let names = occurs(|page| &page.users);
        names
            .into_iter()
            .map(|name| view! { <option value=name></option> })
            .collect_view()
    };
    let severities: Vec<_> = Severity::ALL
        .into_iter()
        .map(|each| (each.name().to_owned(), severity_word(each).to_owned()))
        .collect();
    let span = move |name: &'static str, words: &'static str| {
        view! {
            <option value=name selected=move || when.with(|when| when.as_deref() == Some(name))>
                {words}
            </option>
        }
    };
    let spans = SPANS
        .into_iter()
        .map(|(name, _, words)| span(name, words))
        .chain([span("between", "Between two times")])
        .collect_view();
    let between = Memo::new(move |_| {
        when.with(|when| when.as_deref() == Some("between")) || from.get().is_some() || until.get().is_some()
    });
    let names = use_target_names();
    let here = use_here();
    // A form that is sent without JavaScript says what it holds, and the URL is in UTC.
    let zone = crate::zone::here();
    let name = zone.name.clone();
    let clock = move || match hydrated.get() {
        true => name.clone(),
        false => "UTC".to_owned(),
    };
    let shown = {
        let zone = zone.clone();
        move |value: Option<String>| match hydrated.get() {
            true => query::shown(&value.unwrap_or_default(), &zone),
            false => value.unwrap_or_default(),
        }
    };

    let set = {
        let change = change.clone();
        move |key: &'static str, value: String| change(&[(key, Some(value)), (AFTER, None)])
    };
    let (set_target, set_user, set_from, set_until) = (set.clone(), set.clone(), set.clone(), set);
    let targets = move || {
        let options = names.iter().map(|name| {
            let (value, selected) = (name.clone(), target.with(|target| target.as_ref() == Some(name)));
            view! {
                <option value=value selected=selected>
                    {name.clone()}
                </option>
            }
        });
        options.collect_view()
    };
    view! {
        <form class="filters" method="get" action="" role="search" aria-label="Filters" on:submit=|event| event.prevent_default()>
            {move || of_target.get().then(|| view! { <input type="hidden" name="source" value="target" /> })}
            <select name="target" aria-label="Database" on:change=move |event| set_target("target", event_target_value(&event))>
                {move || (!of_target.get()).then(|| view! { <option value="">"Database: all"</option> })}
                {targets}
            </select>
            <input
                name="user"
                list="audit-users"
                autocomplete="off"
                aria-label="User"
                placeholder="User: all"
                size="14"
                value=user.get_untracked()
                prop:value=move || user.get().unwrap_or_default()
                on:change=move |event| set_user("user", event_target_value(&event))
            />
            <datalist id="audit-users">
                <Transition fallback=|| ()>{users}</Transition>
            </datalist>
            <Transition fallback=|| ()>
                <FilterSelect key="type" label="Act" choices=kinds page_key=AFTER />
            </Transition>
            <FilterSelect key="severity" label="Severity" choices=severities page_key=AFTER />
            <select
                name="when"
                aria-label="When"
                on:change=move |event| {
                    change(&[("when", Some(event_target_value(&event))), ("from", None), ("until", None), (AFTER, None)]);
                }
            >
                <option value="">"Any time"</option>
                {spans}
            </select>
            {move || {
                let (set_from, set_until) = (set_from.clone(), set_until.clone());
                let (zone_from, zone_until) = (zone.clone(), zone.clone());
                let (shown_from, shown_until, clock) = (shown.clone(), shown.clone(), clock.clone());
                between
                    .get()
                    .then(|| {
                        view! {
                            <label>
                                "From"
                                <input
                                    type="datetime-local"
                                    name="from"
                                    value=from.get_untracked()
                                    prop:value=move || shown_from(from.get())
                                    on:change=move |event| set_from("from", query::asked(&event_target_value(&event), &zone_from))
                                />
                            </label>
                            <label>
                                "until"
                                <input
                                    type="datetime-local"
                                    name="until"
                                    value=until.get_untracked()
                                    prop:value=move || shown_until(until.get())
                                    on:change=move |event| set_until("until", query::asked(&event_target_value(&event), &zone_until))
                                />
                                {clock}
                            </label>
                        }
                    })
            }}
            {move || {
                address
                    .get()
                    .map(|address| {
                        view! {
                            <input type="hidden" name="address" value=address.clone() />
                            <a class="chip" href=here.with(&[("address", None), (AFTER, None)]) aria-label=format!("From {address}; show any address")>
                                "From "
                                {address.clone()}
                                " ×"
                            </a>
                        }
                    })
            }}
            <button class="btn sm" type="submit" hidden=move || hydrated.get()>
                "Apply"
            </button>
        </form>
    }
}
