//! Parts of a page that share one place.

use crate::prelude::*;

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tab {
    /// Its name.
    pub name: String,
    /// Its URL; tabs are links, so that each has its own.
    pub href: String,
    /// Whether it is shown.
    pub current: bool,
    /// How many things are in it, where that helps.
    pub count: Option<i64>,
}

/// Links to the parts of a page.
#[component]
pub fn Tabs(
    /// What the parts are of, for screen readers.
    #[prop(into)]
    label: String,
    /// The parts.
    #[prop(into)]
    tabs: Signal<Vec<Tab>>,
) -> impl IntoView {
    view! {
        <nav class="tabs" aria-label=label>
            {move || {
                tabs.get()
                    .into_iter()
                    .map(|tab| {
                        view! {
                            <a class="tab" href=tab.href aria-current=tab.current.then_some("page") data-noscroll="true">
                                {tab.name}
                                {tab.count.map(|count| view! { <span class="n">{count}</span> })}
                            </a>
                        }
                    })
                    .collect_view()
            }}
        </nav>
    }
}
