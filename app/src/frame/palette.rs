//! The command palette: type a few letters of a page, a database or a job, and go.

use leptos::{html, prelude::*};
use leptos_router::hooks::use_navigate;
use wasm_split_helpers::{SplitLoaderError, wasm_split};

use super::{
    nav::{AREAS, use_current_target, use_target_names},
    opened::Opened,
};
use crate::{
    address::{job_link, link},
    live::use_live,
    ui::{Icon, icons, use_toasts},
};

/// The most entries that are shown.
const SHOWN: usize = 12;

#[derive(Clone, PartialEq)]
struct Entry {
    name: String,
    what: String,
    href: String,
    icon: Glyph,
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
    let found = Memo::new(move |_| {
        if !open.get() {
            return Vec::new();
        }
        let words = typed.with(|typed| typed.to_lowercase());
        let words: Vec<&str> = words.split_whitespace().collect();
        let fits = |entry: &Entry| {
            let text = format!("{} {}", entry.name, entry.what).to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        entries
            .get()
            .into_iter()
            .filter(fits)
            .take(SHOWN)
            .collect::<Vec<_>>()
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
    let go = StoredValue::new(move |index: usize| {
        let chosen = found.with_untracked(|found| found.get(index).map(|entry| entry.href.clone()));
        if let Some(href) = chosen {
            open.set(false);
            navigate(&href, leptos_router::NavigateOptions::default());
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
                aria-label="Page, database or job"
                aria-expanded="true"
                aria-controls="palette-list"
                aria-autocomplete="list"
                aria-activedescendant=move || found.with(|found| (!found.is_empty()).then(|| format!("palette-{}", at.get())))
                autocomplete="off"
                spellcheck="false"
                placeholder="Page, database or job…"
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
            <Show when=move || open.get() && found.with(Vec::is_empty)>
                <div class="empty">"Nothing has this name."</div>
            </Show>
        </dialog>
    }
    .into_any()
}

/// Pages of the database at hand, then databases, then jobs.
fn use_entries() -> Memo<Vec<Entry>> {
    let current = use_current_target();
    let names = use_target_names();
    let live = use_live();
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
                href: area.link(current.as_deref().unwrap_or_default()),
                icon: Glyph(area.icon),
            });
        let mut entries: Vec<Entry> = pages.collect();
        let all = Entry {
            name: "All databases".into(),
            what: String::new(),
            href: "/".into(),
            icon: Glyph(icons::Fleet),
        };
        entries.push(all);
        entries.extend(names.iter().map(|name| Entry {
            href: link(name, ""),
            what: "database".into(),
            name: name.clone(),
            icon: Glyph(icons::Database),
        }));
        entries.extend(live.known_jobs().into_iter().map(|job| Entry {
            name: job.title,
            what: format!("job, {}", job.state.name()),
            href: job_link(job.id),
            icon: Glyph(icons::Jobs),
        }));
        entries
    })
}
