//! What is shown by a part of the WebAssembly that comes when it is needed.

use std::future::Future;

use crate::prelude::*;
use leptos_router::hooks::use_location;
use wasm_split_helpers::SplitLoaderError;

/// What a split function shows, at once when its part is there, else when it has come; and words when it does not come.
pub fn in_part(view: impl Future<Output = Result<AnyView, SplitLoaderError>> + Send + 'static) -> AnyView {
    Suspend::new(async move {
        match view.await {
            Ok(view) => view,
            Err(_) => view! { <PartMissing /> },
        }
    })
    .into_any()
}

/// In the place of what has not come.
#[component]
pub fn PartMissing(
    /// Whether it is all of the page.
    #[prop(optional)]
    whole: bool,
) -> impl IntoView {
    let heading = if whole {
        view! { <h1>"This page did not come"</h1> }
    } else {
        view! { <h2>"This card did not come"</h2> }
    };
    let location = use_location();
    // The address of this page by the time of the click; the browser asks the server for it anew.
    let here = move || {
        let query = location.query.with(|query| query.to_query_string());
        format!("{}{query}", location.pathname.get())
    };
    view! {
        <div class="empty" role="alert">
            {heading}
            "The console may have been updated meanwhile, or the line is bad."
            <div class="row">
                <a class="btn pri" href=here rel="external">
                    "Load it again"
                </a>
            </div>
        </div>
    }
}
