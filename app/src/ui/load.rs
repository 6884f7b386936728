//! A resource in its states.

use contract::Fault;
use leptos::{either::Either, prelude::*};
use leptos_meta::Title;

use super::FaultView;
use crate::rpc::ApiError;

/// Waits for a resource: a skeleton while it loads for the first time, the fault with a way to try again when it fails,
/// else what `children` makes of the value (which also writes the empty state). When it loads again, the old value stays
/// until the new one is there.
///
/// ```ignore
/// <Load resource=jobs let:page>
///     <JobTable page />
/// </Load>
/// ```
#[component]
pub fn Load<T, F, V>(
    /// What is loaded.
    resource: Resource<Result<T, ApiError>>,
    /// Whether this is what the page is about; then its fault gives the page its HTTP status.
    #[prop(optional)]
    main: bool,
    /// Makes a view of the value.
    children: F,
) -> impl IntoView
where
    T: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
    F: Fn(T) -> V + Clone + Send + Sync + 'static,
    V: IntoView + 'static,
{
    view! {
        <Transition fallback=Skeleton>
            {move || {
                let children = children.clone();
                Suspend::new(async move {
                    match resource.await {
                        Ok(value) => Either::Left(children(value)),
                        Err(ApiError(fault)) => Either::Right(view! { <Failed fault main resource /> }),
                    }
                })
            }}
        </Transition>
    }
    .into_any()
}

/// What is loaded so far, for a handler of an event: no page is being made that would have to wait for it.
pub fn at_hand<T>(resource: Resource<Result<T, ApiError>>) -> Option<Result<T, ApiError>>
where
    T: Clone + Send + Sync + 'static,
{
    // The resource itself warns of being read outside of a transition.
    (*resource).get_untracked()
}

#[component]
fn Failed<T>(fault: Fault, main: bool, resource: Resource<Result<T, ApiError>>) -> impl IntoView
where
    T: Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    #[cfg(feature = "ssr")]
    if main {
        crate::rpc::set_page_status(fault.code);
    }
    let name = main.then(|| fault.message.trim_end_matches('.').to_owned());
    view! {
        // A page has a heading and a name of its own, also when it could not be loaded.
        {name.map(|name| view! { <Title text=name.clone() /> <h1 class="sr-only">{name}</h1> })}
        <FaultView fault retry=Callback::new(move |()| resource.refetch()) />
    }
    .into_any()
}

/// The shape of what is being loaded.
#[component]
pub fn Skeleton() -> impl IntoView {
    view! {
        <div class="cb" aria-busy="true">
            <span class="sr-only">"Loading"</span>
            <span class="skeleton short"></span>
            <span class="skeleton"></span>
            <span class="skeleton"></span>
        </div>
    }
}
