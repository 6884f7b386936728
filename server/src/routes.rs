//! Every HTTP route and server function, with what it asks of its caller.
//!
//! Paths come from the routers themselves; the permission of each server function is written down here, and the tests
//! compare it with what the function does when each role calls it.

use app::App;
use contract::session::Permission;
use http::Method;
use serde::Serialize;

use crate::http::Public;

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Route {
    /// The path, with its variable parts in braces.
    pub path: String,
    /// The method.
    pub method: String,
    /// Whether it answers to strangers.
    pub public: bool,
    /// What it asks for; a session alone when there is none.
    pub permission: Option<Permission>,
}

/// Routes that are no pages and no server functions.
const OTHERS: [(&str, Option<Permission>); 5] = [
    ("/events", Some(Permission::ViewJobs)),
    ("/download/{target}/{id}", Some(Permission::DownloadBackup)),
    ("/healthz", None),
    ("/readyz", None),
    ("/pkg/*", None),
];

/// What each server function asks for. Public ones ask for nothing.
const FUNCTIONS: [(&str, Option<Permission>); 0] = [];

/// Every route, by path.
pub fn all() -> Vec<Route> {
    let pages = leptos_axum::generate_route_list(App).into_iter().flat_map(|page| {
        let methods: Vec<String> = page.methods().map(|method| format!("{method:?}").to_uppercase()).collect();
        methods.into_iter().map(move |method| (method, page.path().to_owned(), None))
    });
    let functions = server_fn::axum::server_fn_paths()
        .map(|(path, method)| (method.to_string(), path.to_owned(), permission_of(path).flatten()));
    let others = OTHERS.iter().map(|(path, permission)| ("GET".to_owned(), (*path).to_owned(), *permission));
    let mut all: Vec<Route> = pages
        .chain(functions)
        .chain(others)
        .map(|(method, path, permission)| {
            let by = Method::from_bytes(method.as_bytes()).unwrap_or_default();
            Route { public: Public::covers(&by, &path), path, method, permission }
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

/// What a server function asks for; `None` when this table does not know it.
pub fn permission_of(path: &str) -> Option<Option<Permission>> {
    FUNCTIONS.iter().find(|(known, _)| *known == path).map(|(_, permission)| *permission)
}
