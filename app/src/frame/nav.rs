//! The navigation on the left: the managed database at hand and its areas.

use contract::target::{TargetState, TargetView};
use leptos::prelude::*;
use leptos_router::{hooks::use_location, location::Url};

use super::{Mark, gate::Fleet};
use crate::{
    address::{link, use_query, use_target},
    live::use_live,
    ui::{Icon, icons},
};

/// Where an area stands in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What there is.
    Observe,
    /// What is changed.
    Change,
    /// What is kept safe.
    Protect,
}

/// A link of the navigation; also an entry of the palette, and a key after `g`.
pub struct Area {
    /// Its name.
    pub name: &'static str,
    /// Below which heading.
    pub group: Group,
    /// The last part of its URL below `/db/{target}/`, or its whole path when it begins with `/`.
    pub page: &'static str,
    /// The key after `g`.
    pub key: &'static str,
    /// Its icon.
    pub icon: icondata_core::Icon,
}

/// Every area, in the order of the navigation.
pub static AREAS: [Area; 8] = [
    Area {
        name: "Overview",
        group: Group::Observe,
        page: "",
        key: "o",
        icon: icons::Overview,
    },
    Area {
        name: "Tables",
        group: Group::Observe,
        page: "tables",
        key: "t",
        icon: icons::Tables,
    },
    Area {
        name: "Migrations",
        group: Group::Change,
        page: "migrations",
        key: "m",
        icon: icons::Migrations,
    },
    Area {
        name: "Optimize",
        group: Group::Change,
        page: "optimize",
        key: "p",
        icon: icons::Optimize,
    },
    Area {
        name: "Backups",
        group: Group::Protect,
        page: "backups",
        key: "b",
        icon: icons::Backups,
    },
    Area {
        name: "Audit",
        group: Group::Protect,
        page: "/audit",
        key: "a",
        icon: icons::Audit,
    },
    Area {
        name: "Jobs",
        group: Group::Protect,
        page: "/jobs",
        key: "j",
        icon: icons::Jobs,
    },
    Area {
        name: "Settings",
        group: Group::Protect,
        page: "/settings",
        key: "s",
        icon: icons::Settings,
    },
];

impl Area {
    /// The area's URL for a managed database.
    pub fn link(&self, target: &str) -> String {
        if self.page.starts_with('/') {
            self.page.to_owned()
        } else {
            link(target, self.page)
        }
    }
}

/// The managed database that the navigation speaks of: the one in the URL, else the one looked at before, else the first.
pub fn use_current_target() -> Memo<Option<String>> {
    let (path, query) = (use_target(), use_query("target"));
    let fleet = use_context::<Fleet>();
    Memo::new(move |before: Option<&Option<String>>| {
        let named = path.get();
        if !named.is_empty() {
            return Some(named);
        }
        let first = || match fleet?.0.get()? {
            Ok(targets) => targets.first().map(|target| target.name.clone()),
            Err(_) => None,
        };
        query.get().or_else(|| before.cloned().flatten()).or_else(first)
    })
}

/// The navigation.
#[component]
pub fn Side(
    /// Whether nothing but the settings may be opened.
    locked: bool,
) -> impl IntoView {
    let location = use_location();
    // The drawer of narrow screens stays open over a navigation without page load.
    #[cfg(feature = "hydrate")]
    Effect::new(move || {
        location.pathname.track();
        if let Some(side) = document().get_element_by_id("side")
            && side.class_list().contains("side")
        {
            hide_popover(&side);
        }
    });
    #[cfg(not(feature = "hydrate"))]
    let _ = location;
    view! {
        <nav class="side" id="side" popover="auto" aria-label="Areas">
            <a class="brand" href="/">
                <Mark />
                "pgsteward"
            </a>
            {if locked { None } else { Some(view! { <Transition fallback=|| ()><Switch /></Transition> <Transition fallback=|| ()><Links /></Transition> }) }}
        </nav>
    }
    .into_any()
}

/// Closes the drawer; the method is called by name because web-sys keeps popovers behind its unstable interface.
#[cfg(feature = "hydrate")]
fn hide_popover(side: &web_sys::Element) {
    use wasm_bindgen::{JsCast, JsValue};

    if let Ok(hide) = js_sys::Reflect::get(side, &JsValue::from_str("hidePopover"))
        && let Ok(hide) = hide.dyn_into::<js_sys::Function>()
    {
        // Throws when the navigation is not a popover (a wide screen) or not open; both are fine.
        let _ = hide.call0(side);
    }
}

#[component]
fn Switch() -> impl IntoView {
    let Some(Fleet(fleet)) = use_context::<Fleet>() else {
        return ().into_any();
    };
    let current = use_current_target();
    let live = use_live();
    let here = move |targets: &[TargetView]| {
        let name = current.get()?;
        targets.iter().find(|target| target.name == name).cloned()
    };
    (move || {
        let targets = fleet.get().and_then(Result::ok).unwrap_or_default();
        let shown = here(&targets).map(|target| live.target(target));
        let items = targets.into_iter().map(|target| {
            let href = link(&target.name, "");
            let is_current = shown.is_some_and(|shown| shown.with_untracked(|shown| shown.name == target.name));
            let name = target.name.clone();
            let target = live.target(target);
            view! {
                <a class="menu-item" href=href aria-current=is_current.then_some("true")>
                    <span class=move || target.with(|target| dot_class(&target.state))></span>
                    {name}
                </a>
            }
        });
        let items = items.collect_view();
        view! {
            <details class="menu-pop">
                <summary class="switch" aria-label="Switch database">
                    {match shown {
                        Some(target) => {
                            view! {
                                <span class=move || target.with(|target| dot_class(&target.state))></span>
                                <span class="min-w-0 grow truncate">
                                    {move || target.with(|target| target.name.clone())} <small>{move || target.with(|target| server_words(&target.state))}</small>
                                </span>
                            }
                                .into_any()
                        }
                        None => view! { <span class="dot off"></span><span class="grow">"No database" <small>"choose one"</small></span> }.into_any(),
                    }}
                    <Icon icon=icons::Switch />
                </summary>
                <div class="menu-list left">
                    {items} <hr class="menu-sep" /> <a class="menu-item" href="/">
                        <Icon icon=icons::Fleet />
                        "All databases"
                    </a>
                </div>
            </details>
        }
    })
    .into_any()
}

/// The state dot of a managed database.
pub fn dot_class(state: &TargetState) -> &'static str {
    match state {
        TargetState::Up(_) => "dot",
        TargetState::Down { .. } => "dot bad",
    }
}

/// What the server is, in a few words.
pub fn server_words(state: &TargetState) -> String {
    match state {
        TargetState::Up(server) if server.primary => format!("{} · primary", server.version),
        TargetState::Up(server) => format!("{} · replica", server.version),
        TargetState::Down { .. } => "cannot be reached".to_owned(),
    }
}

#[component]
fn Links() -> impl IntoView {
    let Some(Fleet(fleet)) = use_context::<Fleet>() else {
        return ().into_any();
    };
    let current = use_current_target();
    let path = use_location().pathname;
    let live = use_live();
    // `None` where there is nothing to count.
    let pending = Memo::new(move |_| {
        let name = current.get()?;
        let targets = fleet.get()?.ok()?;
        let target = live.target(targets.into_iter().find(|target| target.name == name)?);
        target
            .with(|target| target.pending_migrations)
            .filter(|count| *count > 0)
    });
    let item = move |area: &'static Area| {
        let href = move || area.link(&current.get().unwrap_or_default());
        let is_here = move || is_current(&href(), &path.get());
        let shown = move || area.page.starts_with('/') || current.with(Option::is_some);
        view! {
            <a class="nav" href=href hidden=move || !shown() aria-current=move || is_here().then_some("page")>
                <Icon icon=area.icon />
                {area.name}
                {move || (area.page == "migrations").then(|| pending.get()).flatten().map(|count| view! { <span class="n" title="not yet applied">{count}</span> })}
            </a>
        }
    };
    let group = move |group: Group| {
        AREAS
            .iter()
            .filter(move |area| area.group == group)
            .map(item)
            .collect_view()
    };
    view! {
        <div class="grp">"Observe"</div>
        {group(Group::Observe)}
        <div class="grp">"Change"</div>
        {group(Group::Change)}
        <div class="grp">"Protect"</div>
        {group(Group::Protect)}
    }
    .into_any()
}

/// Whether a link leads to the page shown or to one above it. A database's overview is above all its pages, but not
/// current on them.
fn is_current(href: &str, path: &str) -> bool {
    let (href, path) = (&Url::unescape(href), &Url::unescape(path));
    let (href, path) = (href.trim_end_matches('/'), path.trim_end_matches('/'));
    let overview = href.starts_with("/db/") && href.matches('/').count() == 2;
    path == href
        || (!overview
            && !href.is_empty()
            && path.strip_prefix(href).is_some_and(|rest| rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::is_current;

    #[test]
    fn the_link_above_the_page_is_current_and_the_overview_only_on_itself() {
        assert!(is_current("/db/a/", "/db/a"));
        assert!(!is_current("/db/a/", "/db/a/tables"));
        assert!(is_current("/db/a/tables", "/db/a/tables/public/users"));
        assert!(!is_current("/db/a/tables", "/db/b/tables"));
        assert!(is_current("/jobs", "/jobs/0190"));
        assert!(!is_current("/jobs", "/jobsearch"));
    }
}
