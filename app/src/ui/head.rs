//! The head of a page.

use crate::prelude::*;
use leptos::either::Either;
use leptos_meta::Title;

/// The page's name, one line of facts below it, and its acts on the right. Also sets the document's title.
#[component]
pub fn PageHead(
    /// The name.
    #[prop(into)]
    title: Signal<String>,
    /// What the browser's tab says, where the name alone does not tell which database.
    #[prop(optional, into)]
    tab: Option<Signal<String>>,
    /// The line of facts.
    #[prop(optional, into)]
    facts: ViewFn,
    /// The way back: name and link of the page above.
    #[prop(optional)]
    up: Option<(&'static str, String)>,
    /// The acts: buttons and links.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let tab = tab.unwrap_or(title);
    // The server writes the title after the page, whose values may be gone by then: there it is read now.
    let tab: TextProp = if cfg!(feature = "ssr") {
        tab.get_untracked().into()
    } else {
        (move || tab.get()).into()
    };
    let way_back = match up {
        Some((name, link)) => Either::Left(view! {
            <nav class="crumbs" aria-label="Way back">
                <a href=link>{name}</a>
            </nav>
        }),
        None => Either::Right(()),
    };
    view! {
        <Title text=tab />
        <div class="head">
            <div>
                {way_back} <h1>{move || title.get()}</h1>
                <p>{move || facts.run()}</p>
            </div>
            <span class="sp"></span>
            <div class="acts">{children.map(|children| children())}</div>
        </div>
    }
}
