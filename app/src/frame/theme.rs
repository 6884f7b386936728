//! Light, dark, or as the system has it.

use crate::prelude::*;

use crate::ui::{Icon, icons};

/// What was chosen; kept by the browser under `theme` and applied before the first paint by the document's first script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    #[cfg(feature = "hydrate")]
    fn key(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::System => "System",
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }

    fn icon(self) -> icondata_core::Icon {
        match self {
            Self::System => icons::SystemTheme,
            Self::Light => icons::Light,
            Self::Dark => icons::Dark,
        }
    }
}

/// Three buttons. Without JavaScript the theme is the system's.
#[component]
pub fn ThemeChoice() -> impl IntoView {
    let chosen = RwSignal::new(Theme::System);
    Effect::new(move || chosen.set(load()));
    view! {
        <div class="row" role="group" aria-label="Theme">
            {Theme::ALL
                .into_iter()
                .map(|theme| {
                    view! {
                        <button
                            class="btn sm"
                            type="button"
                            aria-pressed=move || (chosen.get() == theme).to_string()
                            on:click=move |_| {
                                chosen.set(theme);
                                store(theme);
                            }
                        >
                            <Icon icon=theme.icon() />
                            {theme.name()}
                        </button>
                    }
                })
                .collect_view()}
            <noscript inner_html="The system's. Another one needs JavaScript."></noscript>
        </div>
    }
}

#[cfg(feature = "hydrate")]
fn load() -> Theme {
    let chosen = document()
        .document_element()
        .and_then(|root| root.get_attribute("data-theme"));
    Theme::ALL
        .into_iter()
        .find(|theme| theme.key() == chosen.as_deref())
        .unwrap_or_default()
}

#[cfg(not(feature = "hydrate"))]
fn load() -> Theme {
    Theme::default()
}

/// Applies and keeps the choice. Where the browser keeps nothing (private windows), it holds for this page.
#[cfg(feature = "hydrate")]
fn store(theme: Theme) {
    let storage = window().local_storage().ok().flatten();
    if let Some(root) = document().document_element() {
        let _ = match theme.key() {
            Some(key) => root.set_attribute("data-theme", key),
            None => root.remove_attribute("data-theme"),
        };
    }
    if let Some(storage) = storage {
        let _ = match theme.key() {
            Some(key) => storage.set_item("theme", key),
            None => storage.remove_item("theme"),
        };
    }
}

#[cfg(not(feature = "hydrate"))]
fn store(_theme: Theme) {}
