//! A resource in its states.

use std::{rc::Rc, time::Duration};

use contract::{Code, Fault, Instant};
use leptos::{
    either::Either,
    tachys::{reactive_graph::OwnedView, view::keyed::keyed},
};
use leptos_meta::Title;

use super::{Ago, FaultView};
use crate::{clock::use_clock, prelude::*, rpc::ApiError};

/// A resource that is asked for by what `source` holds. That may change while an answer is on its way, as by two quick clicks
/// on the heads of a table. leptos then keeps the older answer where the page reads the source as well; here no answer is given
/// before it is to what is asked by then.
pub fn load_by<S, T, Fut>(
    source: Memo<S>,
    ask: impl Fn(S) -> Fut + Clone + Send + Sync + 'static,
) -> Resource<Result<T, ApiError>>
where
    S: Clone + PartialEq + Send + Sync + 'static,
    T: Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
    Fut: Future<Output = Result<T, ApiError>> + Send + 'static,
{
    Resource::new(
        move || source.get(),
        move |mut asked| {
            let ask = ask.clone();
            let mut answer = ask(asked.clone());
            async move {
                loop {
                    let given = answer.await;
                    // Of a page that was left nothing is there any more.
                    match source.try_get_untracked() {
                        Some(now) if now != asked => {
                            answer = ask(now.clone());
                            asked = now;
                        }
                        _ => return given,
                    }
                }
            }
        },
    )
}

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
                        // Erased, so that what waits is of one type on every page.
                        Ok(value) => Either::Left(children(value).into_any()),
                        Err(ApiError(fault)) => Either::Right(view! { <Failed fault main resource /> }),
                    }
                })
            }}
        </Transition>
    }
}

/// As [`Load`], for what holds something open: what `children` makes stays when the list loads again, and the new value comes
/// through the signal. With `<For key=…>` below, a row keeps its folded facts, its open dialog and the focus as long as it is
/// there. It reads no other resource.
///
/// ```ignore
/// <Keep resource=backups let:list>
///     <Rows list />
/// </Keep>
/// ```
#[component]
pub fn Keep<T, F, V>(
    /// What is loaded.
    resource: Resource<Result<T, ApiError>>,
    /// As with [`Load`].
    #[prop(optional)]
    main: bool,
    /// What the value is of, for a page that loads again by itself: while that stays the same, a fault takes nothing away, and
    /// is told above what is known, with its age.
    #[prop(optional)]
    of: Option<Signal<String>>,
    /// Makes a view, once.
    children: F,
) -> impl IntoView
where
    T: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
    F: Fn(Signal<T>) -> V + Clone + Send + Sync + 'static,
    V: IntoView + 'static,
{
    let owner = Owner::current().unwrap_or_default();
    let known = StoredValue::new(None::<RwSignal<T>>);
    let clock = use_clock();
    // What the known value is of, and when it came.
    let came = StoredValue::new(None::<(String, Instant)>);
    let late = owner.with(|| RwSignal::new(None::<(Fault, Instant)>));
    let what = move || of.map(|of| of.get_untracked());
    view! {
        <Transition fallback=Skeleton>
            {move || {
                let (children, owner) = (children.clone(), owner.clone());
                Suspend::new(async move {
                    match resource.await {
                        Ok(value) => {
                            came.set_value(what().map(|of| (of, clock.now_untracked())));
                            late.set(None);
                            let signal = match known.get_value() {
                                Some(signal) => {
                                    signal.set(value);
                                    signal
                                }
                                None => {
                                    let signal = owner.with(|| RwSignal::new(value));
                                    known.set_value(Some(signal));
                                    signal
                                }
                            };
                            Either::Left(once(owner, move || kept(late, children(signal.into()).into_any())))
                        }
                        Err(ApiError(fault)) => {
                            let still = came.get_value().filter(|(of, _)| outlives(fault.code) && what().as_ref() == Some(of));
                            match (still, known.get_value()) {
                                (Some((_, at)), Some(signal)) => {
                                    late.set(Some((fault, at)));
                                    Either::Left(once(owner, move || kept(late, children(signal.into()).into_any())))
                                }
                                _ => Either::Right(view! { <Failed fault main resource /> }),
                            }
                        }
                    }
                })
            }}
        </Transition>
    }
}

/// Whether a fault leaves what was known as it was: whom the console has let go, or refuses, sees nothing more.
const fn outlives(code: Code) -> bool {
    !matches!(code, Code::Unauthenticated | Code::Forbidden | Code::NotFound)
}

/// What is known, below what kept it from being loaded again.
fn kept(late: RwSignal<Option<(Fault, Instant)>>, known: AnyView) -> AnyView {
    let strip = move || {
        late.get().map(|(fault, at)| {
            view! {
                <div class="banner warn" role="status">
                    <span class="dot warn"></span>
                    "Not up to date"
                    <span>
                        "What is shown came " <Ago at /> ". Since then: " {fault.message} " " {fault.hint}
                    </span>
                </div>
            }
        })
    };
    view! {
        {strip}
        {known}
    }
}

/// A view that is made once, however often it is asked for in the same place: a list of one, whose key never changes. It
/// belongs to an owner that outlives the asking.
fn once(owner: Owner, make: impl Fn() -> AnyView + Send + 'static) -> AnyView {
    fn list(owner: Owner, make: Box<dyn Fn() -> AnyView + Send>) -> AnyView {
        let make = move |_: usize, ()| {
            let own = owner.with(Owner::new);
            // What is read while it is made must not make it again.
            let view = untrack(|| own.with(&make));
            (|_: usize| (), OwnedView::new_with_owner(view, own))
        };
        keyed(std::iter::once(()), |()| (), make).into_any()
    }
    list(owner, Box::new(make))
}

/// Asks again from time to time for as long as what calls this is shown, and somebody sees the tab.
pub fn again_while_seen(every: Duration, ask: impl Fn() + 'static) {
    let ask = Rc::new(ask);
    Effect::new(move || {
        let ask = Rc::clone(&ask);
        let seen = move || {
            if !is_hidden() {
                ask();
            }
        };
        if let Ok(handle) = set_interval_with_handle(seen, every) {
            on_cleanup(move || handle.clear());
        }
    });
}

#[cfg(feature = "hydrate")]
fn is_hidden() -> bool {
    document().visibility_state() == web_sys::VisibilityState::Hidden
}

#[cfg(not(feature = "hydrate"))]
fn is_hidden() -> bool {
    false
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
    retry_on_reconnect(resource, fault.code);
    let name = main.then(|| fault.message.trim_end_matches('.').to_owned());
    view! {
        // A page has a heading and a name of its own, also when it could not be loaded.
        {name.map(|name| view! { <Title text=name.clone() /> <h1 class="sr-only">{name}</h1> })}
        <FaultView fault retry=Callback::new(move |()| resource.refetch()) />
    }
}

/// Loads again when the console is back, unless the answer would be the same: what failed for want of it must not stay.
pub fn retry_on_reconnect<T>(resource: Resource<Result<T, ApiError>>, failed: Code)
where
    T: Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    if !matches!(
        failed,
        Code::Internal | Code::Busy | Code::TargetUnreachable | Code::TargetTimeout
    ) {
        return;
    }
    let live = crate::live::use_live();
    Effect::new(move |before: Option<u32>| {
        let snapshots = live.snapshots();
        if before.is_some_and(|before| snapshots > before) {
            resource.refetch();
        }
        snapshots
    });
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
