//! The navigation on the left: the managed database at hand and its areas.

use contract::{
    finding::count_on,
    format,
    target::{TargetState, TargetView},
};
use leptos_router::{hooks::use_location, location::Url};

#[cfg(feature = "hydrate")]
use wasm_bindgen::JsCast;
#[cfg(feature = "hydrate")]
use web_sys::{FocusOptions, HtmlElement};

use super::{Mark, fleet::Fleet};
use crate::{
    address::{link, name_of, use_query},
    live::use_live,
    prelude::*,
    ui::{Icon, Menu, icons},
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
pub static AREAS: [Area; 13] = [
    Area {
        name: "Overview",
        group: Group::Observe,
        page: "",
        key: "o",
        icon: icons::Overview,
    },
    Area {
        name: "Charts",
        group: Group::Observe,
        page: "history",
        key: "h",
        icon: icons::Charts,
    },
    Area {
        name: "Tables",
        group: Group::Observe,
        page: "tables",
        key: "t",
        icon: icons::Tables,
    },
    Area {
        name: "Queries",
        group: Group::Observe,
        page: "queries",
        key: "q",
        icon: icons::Queries,
    },
    Area {
        name: "Activity",
        group: Group::Observe,
        page: "activity",
        key: "y",
        icon: icons::Activity,
    },
    Area {
        name: "Explain",
        group: Group::Observe,
        page: "explain",
        key: "e",
        icon: icons::Explain,
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
        name: "Import",
        group: Group::Change,
        page: "import",
        key: "i",
        icon: icons::Import,
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

/// The managed databases by name, known before anything is loaded.
#[derive(Clone, Copy)]
struct Names(StoredValue<Vec<String>>);

/// The managed database that the navigation speaks of.
#[derive(Clone, Copy)]
struct Current(Memo<Option<String>>);

/// Makes [`use_target_names`] and [`use_current_target`] known to the pages below; called once, by the frame.
pub fn provide_targets() {
    let names = StoredValue::new(SharedValue::new(names).into_inner());
    let path = use_location().pathname;
    let query = use_query("target");
    let current = Memo::new(move |before: Option<&Option<String>>| {
        target_of(&path.get())
            .or_else(|| query.get())
            .or_else(|| before.cloned().flatten())
            .or_else(|| names.with_value(|names| names.first().cloned()))
    });
    provide_context(Names(names));
    provide_context(Current(current));
}

#[cfg(feature = "ssr")]
fn names() -> Vec<String> {
    crate::rpc::target_names()
}

/// Only without a document from the server, which does not happen: `hydrate` is the browser's one entry.
#[cfg(not(feature = "ssr"))]
fn names() -> Vec<String> {
    Vec::new()
}

/// The names of the managed databases, in the order of the configuration.
pub fn use_target_names() -> Vec<String> {
    use_context::<Names>()
        .map(|Names(names)| names.get_value())
        .unwrap_or_default()
}

/// The managed database that the navigation speaks of: the one in the URL, else the one looked at before, else the first.
pub fn use_current_target() -> Memo<Option<String>> {
    use_context::<Current>().map_or_else(|| Memo::new(|_| None), |Current(current)| current)
}

/// The managed database in a page's path. The frame reads it there, because it lies above the route that names it.
fn target_of(path: &str) -> Option<String> {
    let name = path.strip_prefix("/db/")?.split('/').next()?;
    Some(name_of(&Url::unescape(name))).filter(|name| !name.is_empty())
}

/// The navigation.
#[component]
pub fn Side(
    /// Whether nothing but the settings may be opened.
    locked: bool,
) -> impl IntoView {
    let location = use_location();
    // A navigation without page load leaves the drawer of narrow screens and the menus open, and the focus on a link that has
    // done its work: close the ones, and put the other where a new page begins.
    #[cfg(feature = "hydrate")]
    Effect::new(move |before: Option<()>| {
        location.pathname.track();
        if before.is_none() {
            return;
        }
        if let Some(main) = document()
            .get_element_by_id("main")
            .and_then(|main| main.dyn_into::<HtmlElement>().ok())
        {
            // Fails only where the element cannot take the focus; then it stays where it is.
            let _ = main.focus_with_options(&{
                let options = FocusOptions::new();
                options.set_prevent_scroll(true);
                options
            });
        }
        hide_popovers();
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
}

/// Closes the drawer and every menu; the method is called by name because web-sys keeps popovers behind its unstable
/// interface.
#[cfg(feature = "hydrate")]
fn hide_popovers() {
    use wasm_bindgen::JsValue;

    // Each closes those inside it, so that there are few at most, and none that does not close holds up the page.
    for _ in 0..4 {
        let Ok(Some(open)) = document().query_selector(":popover-open") else {
            return;
        };
        if let Ok(hide) = js_sys::Reflect::get(&open, &JsValue::from_str("hidePopover"))
            && let Ok(hide) = hide.dyn_into::<js_sys::Function>()
        {
            // Throws when it has closed meanwhile, which is as good.
            let _ = hide.call0(&open);
        }
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
            <Menu
                id="databases"
                class="switch"
                left=true
                button=move || {
                    view! {
                        <span class="sr-only">"Switch database, now"</span>
                        {match shown {
                            Some(target) => {
                                view! {
                                    <span class=move || target.with(|target| dot_class(&target.state))></span>
                                    <span class="min-w-0 grow truncate">
                                        {move || target.with(|target| target.name.clone())} <small>{move || target.with(|target| server_words(&target.state))}</small>
                                    </span>
                                }
                            }
                            None => view! { <span class="dot off"></span><span class="grow">"No database" <small>"choose one"</small></span> },
                        }}
                        <Icon icon=icons::Switch />
                    }
                }
            >
                {items}
                <hr class="menu-sep" />
                <a class="menu-item" href="/">
                    <Icon icon=icons::Fleet />
                    "All databases"
                </a>
            </Menu>
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
    // Read anew each time: on the server a memo can still hold what it made before the databases had come, and the page would
    // then be taken over with badges that its HTML has not.
    let findings = move || {
        let named = |name: String| {
            let targets = fleet.get()?.ok()?;
            let target = live.target(targets.into_iter().find(|target| target.name == name)?);
            Some(target.with(|target| target.findings.clone()))
        };
        current.get().and_then(named).unwrap_or_default()
    };
    let item = move |area: &'static Area| {
        let href = move || area.link(&current.get().unwrap_or_default());
        let is_here = move || is_current(&href(), &path.get());
        let shown = move || area.page.starts_with('/') || current.with(Option::is_some);
        view! {
            <a class="nav" href=href hidden=move || !shown() aria-current=move || is_here().then_some("page")>
                <Icon icon=area.icon />
                {area.name}
                {move || {
                    let count = count_on(&findings(), area.page);
                    (count > 0).then(|| view! { <span class="n" title="need attention">{format::count(count)}</span> })
                }}
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
    use super::{is_current, target_of};

    #[test]
    fn the_database_at_hand_is_the_one_in_the_path() {
        assert_eq!(target_of("/db/my%20db/tables").as_deref(), Some("my db"));
        assert_eq!(target_of("/db/my~20~2Fdb/tables").as_deref(), Some("my /db"));
        assert_eq!(target_of("/db/"), None);
        assert_eq!(target_of("/jobs"), None);
    }

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
