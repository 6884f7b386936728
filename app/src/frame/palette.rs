//! The command palette: type a few letters of a page, a database, a table, a job or an act, and go.

use std::time::Duration;

use contract::{
    backup::BackupSpec,
    format,
    session::Permission,
    stats::{TablePage, TableQuery, TableSort},
};
use leptos::{html, leptos_dom::helpers::TimeoutHandle};
use leptos_router::hooks::use_navigate;
use wasm_split_helpers::{SplitLoaderError, wasm_split};

use super::{
    nav::{AREAS, use_current_target, use_target_names},
    opened::Opened,
};
use crate::{
    address::{job_link, link},
    backup::api::start_backup,
    clock::use_clock,
    live::use_live,
    prelude::*,
    rpc::ApiError,
    session::use_may,
    stats::{api::list_tables, spoken_name, table_link},
    ui::{Icon, icons, use_toasts},
};

/// The most entries that are shown.
const SHOWN: usize = 12;

/// The most of them that are tables.
const TABLES: usize = 8;

/// Letters from which tables are searched.
const LETTERS: usize = 2;

/// How long one must not type before tables are searched.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Clone, PartialEq)]
struct Entry {
    name: String,
    what: String,
    act: Act,
    icon: Glyph,
}

/// What choosing an entry does.
#[derive(Clone, PartialEq)]
enum Act {
    /// Goes to a page.
    Go(String),
    /// Backs up a database, which harms nothing and can be cancelled, and goes to the job.
    BackUp(String),
}

/// An icon that can be compared.
#[derive(Clone, Copy)]
struct Glyph(icondata_core::Icon);

impl PartialEq for Glyph {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

/// The palette; opened by Ctrl-K or the button in the bar above. It comes when it is first opened.
#[component]
pub fn Palette() -> impl IntoView {
    let Some(Opened { palette: open, .. }) = use_context() else {
        return ().into_any();
    };
    let toasts = use_toasts();
    let wanted = RwSignal::new(false);
    Effect::new(move || {
        // Once alone: told again, it would be made anew.
        if open.get() && !wanted.get_untracked() {
            wanted.set(true);
        }
    });
    let shown = move || {
        Suspend::new(async move {
            show_palette().await.unwrap_or_else(|_| {
                open.set(false);
                wanted.set(false);
                toasts.bad("The list of pages did not come. The console may have been updated meanwhile, or the line is bad.");
                ().into_any()
            })
        })
    };
    (move || wanted.get().then(shown)).into_any()
}

#[wasm_split(palette, fallible, preload(load_palette))]
fn show_palette() -> Result<AnyView, SplitLoaderError> {
    Ok(Opening().into_any())
}

/// Fetches the palette before it is opened.
#[cfg(feature = "hydrate")]
pub fn fetch_palette() {
    leptos::task::spawn_local(async {
        // What does not come now is asked for again, and told of, when it is opened.
        let _ = load_palette().await;
    });
}

#[component]
fn Opening() -> impl IntoView {
    let Some(Opened { palette: open, .. }) = use_context() else {
        return ().into_any();
    };
    let dialog = NodeRef::<html::Dialog>::new();
    let typed = RwSignal::new(String::new());
    let at = RwSignal::new(0usize);
    let entries = use_entries();
    let current = use_current_target();
    let tables = Action::new(|query: &TableQuery| {
        let query = query.clone();
        async move { (query.search.clone(), list_tables(query).await) }
    });
    // What was found for the letters at hand; `None` while it is not known.
    let searched = Memo::new(move |_| {
        let wanted = typed.with(|typed| typed.trim().to_owned());
        if wanted.chars().count() < LETTERS || current.with(Option::is_none) {
            return Some(Ok(Vec::new()));
        }
        let (search, page) = tables.value().get()?;
        (search.as_deref() == Some(wanted.as_str()))
            .then(|| page.map(table_entries).map_err(|ApiError(fault)| fault.message))
    });
    let pause = StoredValue::new(None::<TimeoutHandle>);
    Effect::new(move || {
        let search = typed.with(|typed| typed.trim().to_owned());
        if let Some(handle) = pause.get_value() {
            handle.clear();
        }
        let Some(target) = current
            .get()
            .filter(|_| open.get() && search.chars().count() >= LETTERS)
        else {
            return;
        };
        let ask = move || {
            tables.dispatch(TableQuery {
                target: target.clone(),
                search: Some(search.clone()),
                sort: TableSort::Total,
                descending: true,
                page: 1,
                all: true,
                look: None,
            });
        };
        pause.set_value(set_timeout_with_handle(ask, PAUSE).ok());
    });
    let found = Memo::new(move |_| {
        if !open.get() {
            return Vec::new();
        }
        let tables = searched.get().and_then(Result::ok).unwrap_or_default();
        typed.with(|typed| choose(entries.get(), tables, typed))
    });
    Effect::new(move || {
        let Some(element) = dialog.get() else { return };
        if open.get() && !element.open() {
            typed.set(String::new());
            at.set(0);
            // Fails only where the element is not in the document; then there is nothing to show.
            let _ = element.show_modal();
        } else if !open.get() && element.open() {
            element.close();
        }
    });
    let navigate = use_navigate();
    let toasts = use_toasts();
    let back_up = Action::new(|target: &String| start_backup(BackupSpec::whole(target.clone())));
    let begun = navigate.clone();
    Effect::new(move || match back_up.value().get() {
        Some(Ok(job)) => begun(&job_link(job), leptos_router::NavigateOptions::default()),
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    let go = StoredValue::new(move |index: usize| {
        let chosen = found.with_untracked(|found| found.get(index).map(|entry| entry.act.clone()));
        if chosen.is_some() {
            open.set(false);
        }
        match chosen {
            Some(Act::Go(href)) => navigate(&href, leptos_router::NavigateOptions::default()),
            Some(Act::BackUp(target)) => drop(back_up.dispatch(target)),
            None => {}
        }
    });
    let key = move |event: leptos::ev::KeyboardEvent| {
        let count = found.with_untracked(Vec::len);
        match event.key().as_str() {
            "ArrowDown" if count > 0 => at.update(|at| *at = (*at + 1) % count),
            "ArrowUp" if count > 0 => at.update(|at| *at = (*at + count - 1) % count),
            "Enter" => go.with_value(|go| go(at.get_untracked())),
            _ => return,
        }
        event.prevent_default();
    };
    view! {
        <dialog node_ref=dialog class="dialog palette" aria-label="Go to" on:close=move |_| open.set(false)>
            <input
                class="palette-input"
                role="combobox"
                aria-label="Page, table, job or act"
                aria-expanded="true"
                aria-controls="palette-list"
                aria-autocomplete="list"
                aria-activedescendant=move || found.with(|found| (!found.is_empty()).then(|| format!("palette-{}", at.get())))
                autocomplete="off"
                spellcheck="false"
                placeholder="Page, table, job or act…"
                prop:value=move || typed.get()
                on:input=move |event| {
                    typed.set(event_target_value(&event));
                    at.set(0);
                }
                on:keydown=key
            />
            <ul class="palette-list" role="listbox" id="palette-list" aria-label="Matches">
                {move || {
                    found
                        .get()
                        .into_iter()
                        .enumerate()
                        .map(|(index, entry)| {
                            view! {
                                <li
                                    class="palette-item"
                                    role="option"
                                    id=format!("palette-{index}")
                                    aria-selected=move || (at.get() == index).to_string()
                                    on:click=move |_| go.with_value(|go| go(index))
                                >
                                    <Icon icon=entry.icon.0 />
                                    {entry.name}
                                    <small>{entry.what}</small>
                                </li>
                            }
                        })
                        .collect_view()
                }}
            </ul>
            // What could not be searched is not told as not there.
            {move || match searched.get() {
                None => Some(view! { <div class="empty" role="status">"Searching the tables…"</div> }),
                Some(Err(why)) => {
                    Some(view! { <div class="empty" role="status"><b>"The tables could not be searched"</b> {why}</div> })
                }
                Some(Ok(_)) if open.get() && found.with(Vec::is_empty) => {
                    Some(view! { <div class="empty" role="status">"Nothing has this name."</div> })
                }
                Some(Ok(_)) => None,
            }}
        </dialog>
    }
}

/// What fits all words that were typed: first what begins with them, then the rest, then tables.
fn choose(entries: Vec<Entry>, tables: Vec<Entry>, typed: &str) -> Vec<Entry> {
    let typed = typed.trim().to_lowercase();
    let words: Vec<&str> = typed.split_whitespace().collect();
    let fits = |entry: &Entry| {
        let text = format!("{} {}", entry.name, entry.what).to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let (first, rest): (Vec<Entry>, Vec<Entry>) = entries
        .into_iter()
        .filter(fits)
        .partition(|entry| !typed.is_empty() && entry.name.to_lowercase().starts_with(&typed));
    let room = SHOWN - tables.len().min(TABLES);
    let named = first.into_iter().chain(rest).take(room);
    named.chain(tables.into_iter().take(TABLES)).collect()
}

fn table_entries(page: TablePage) -> Vec<Entry> {
    let target = page.target;
    let entry = |table: contract::stats::TableStat| Entry {
        act: Act::Go(table_link(&target, &table.schema, &table.name)),
        what: format!("table, {}", format::bytes(table.total_bytes)),
        name: spoken_name(&table),
        icon: Glyph(icons::Tables),
    };
    page.tables.into_iter().take(TABLES).map(entry).collect()
}

/// Pages of the database at hand and what can be done with it, then databases, then jobs.
fn use_entries() -> Memo<Vec<Entry>> {
    let current = use_current_target();
    let names = use_target_names();
    let live = use_live();
    let clock = use_clock();
    let may_back_up = use_may(Permission::BackUp);
    Memo::new(move |_| {
        let current = current.get();
        let pages = AREAS
            .iter()
            .filter(|area| area.page.starts_with('/') || current.is_some())
            .map(|area| Entry {
                name: area.name.to_owned(),
                what: if area.page.starts_with('/') {
                    String::new()
                } else {
                    current.clone().unwrap_or_default()
                },
                act: Act::Go(area.link(current.as_deref().unwrap_or_default())),
                icon: Glyph(area.icon),
            });
        let mut entries: Vec<Entry> = pages.collect();
        let all = Entry {
            name: "All databases".into(),
            what: String::new(),
            act: Act::Go("/".into()),
            icon: Glyph(icons::Fleet),
        };
        entries.push(all);
        entries.extend(current.filter(|_| may_back_up).map(|target| Entry {
            name: format!("Back up {target} now"),
            what: "starts the job".into(),
            act: Act::BackUp(target),
            icon: Glyph(icons::Backups),
        }));
        entries.extend(names.iter().map(|name| Entry {
            act: Act::Go(link(name, "")),
            what: "database".into(),
            name: name.clone(),
            icon: Glyph(icons::Database),
        }));
        let now = clock.now_untracked();
        entries.extend(live.known_jobs().into_iter().map(|job| Entry {
            what: format!("job, {} · {}", job.state.name(), format::ago(job.created_at, now)),
            name: job.title,
            act: Act::Go(job_link(job.id)),
            icon: Glyph(icons::Jobs),
        }));
        entries
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, what: &str) -> Entry {
        Entry {
            name: name.into(),
            what: what.into(),
            act: Act::Go(name.into()),
            icon: Glyph(icons::Jobs),
        }
    }

    #[test]
    fn what_begins_with_the_words_comes_first_and_tables_keep_their_place() {
        let all = || {
            vec![
                entry("Backups", "shop"),
                entry("Back up shop now", "starts the job"),
                entry("Back up shop", "job, succeeded"),
            ]
        };
        let names = |tables: Vec<Entry>, typed: &str| -> Vec<String> {
            choose(all(), tables, typed)
                .into_iter()
                .map(|entry| entry.name)
                .collect()
        };
        assert_eq!(
            names(vec![], "back up"),
            ["Back up shop now", "Back up shop", "Backups"]
        );
        assert_eq!(names(vec![], "job back"), ["Back up shop now", "Back up shop"]);
        assert_eq!(names(vec![], "nothing"), [""; 0]);
        assert_eq!(names(vec![], "").len(), 3);
        let many: Vec<Entry> = (0..20)
            .map(|number| entry(&format!("t{number}"), "table"))
            .collect();
        let found = choose(
            (0..20)
                .map(|number| entry(&format!("back {number}"), ""))
                .collect(),
            many,
            "back",
        );
        assert_eq!(found.len(), SHOWN);
        assert_eq!(found.iter().filter(|entry| entry.what == "table").count(), TABLES);
    }
}
