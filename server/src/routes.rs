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
const OTHERS: [(&str, &str, Option<Permission>); 9] = [
    // It asks for a token of its own.
    ("POST", "/hooks/deployment", None),
    ("GET", "/events", Some(Permission::ViewJobs)),
    ("GET", "/download/{target}/{id}", Some(Permission::DownloadBackup)),
    (
        "GET",
        "/download/{target}/{id}/globals",
        Some(Permission::DownloadBackup),
    ),
    ("PUT", "/import/uploads/{id}/{part}", Some(Permission::Import)),
    ("GET", "/healthz", None),
    ("GET", "/readyz", None),
    ("GET", "/readyz/detail", Some(Permission::ViewTarget)),
    ("GET", "/pkg/*", None),
];

/// What each server function asks for. Public ones ask for nothing.
const FUNCTIONS: &[(&str, Option<Permission>)] = &[
    ("/rpc/log_in", None),
    ("/rpc/log_out", None),
    ("/rpc/who_am_i", Some(Permission::OwnAccount)),
    ("/rpc/change_password", Some(Permission::OwnAccount)),
    ("/rpc/list_sessions", Some(Permission::OwnAccount)),
    ("/rpc/end_session", Some(Permission::OwnAccount)),
    ("/rpc/end_sessions", Some(Permission::OwnAccount)),
    ("/rpc/list_users", Some(Permission::ManageUsers)),
    ("/rpc/add_user", Some(Permission::ManageUsers)),
    ("/rpc/change_user", Some(Permission::ManageUsers)),
    ("/rpc/list_targets", Some(Permission::ViewTarget)),
    ("/rpc/view_target", Some(Permission::ViewTarget)),
    ("/rpc/view_pool", Some(Permission::ViewTarget)),
    ("/rpc/view_console", Some(Permission::ViewConsole)),
    ("/rpc/list_tables", Some(Permission::ViewTarget)),
    ("/rpc/export_tables", Some(Permission::ViewTarget)),
    ("/rpc/view_table", Some(Permission::ViewTarget)),
    ("/rpc/view_activity", Some(Permission::ViewTarget)),
    ("/rpc/list_queries", Some(Permission::ViewTarget)),
    ("/rpc/view_query", Some(Permission::ViewTarget)),
    ("/rpc/view_query_history", Some(Permission::ViewTarget)),
    ("/rpc/view_query_text", Some(Permission::ViewTarget)),
    ("/rpc/export_activity", Some(Permission::ViewTarget)),
    ("/rpc/cancel_session", Some(Permission::EndSession)),
    ("/rpc/terminate_session", Some(Permission::EndSession)),
    ("/rpc/plan_statement", Some(Permission::ViewTarget)),
    ("/rpc/analyze_statement", Some(Permission::RunExplainAnalyze)),
    ("/rpc/paste_plan", Some(Permission::ViewTarget)),
    ("/rpc/list_plans", Some(Permission::ViewTarget)),
    ("/rpc/view_plan", Some(Permission::ViewTarget)),
    ("/rpc/compare_plans", Some(Permission::ViewTarget)),
    ("/rpc/list_jobs", Some(Permission::ViewJobs)),
    ("/rpc/view_job", Some(Permission::ViewJobs)),
    ("/rpc/cancel_job", Some(Permission::CancelJob)),
    ("/rpc/list_audit", Some(Permission::ViewAudit)),
    ("/rpc/export_audit", Some(Permission::ViewAudit)),
    ("/rpc/verify_audit", Some(Permission::ViewAudit)),
    ("/rpc/view_migrations", Some(Permission::ViewTarget)),
    ("/rpc/plan_migrations", Some(Permission::ViewTarget)),
    ("/rpc/read_migration", Some(Permission::ViewTarget)),
    ("/rpc/start_migrations", Some(Permission::Migrate)),
    ("/rpc/plan_optimization", Some(Permission::ViewTarget)),
    ("/rpc/start_optimization", Some(Permission::Optimize)),
    ("/rpc/list_backups", Some(Permission::ViewTarget)),
    ("/rpc/start_backup", Some(Permission::BackUp)),
    ("/rpc/look_at_parts", Some(Permission::BackUp)),
    ("/rpc/view_backup", Some(Permission::ViewTarget)),
    ("/rpc/verify_backup", Some(Permission::BackUp)),
    ("/rpc/list_archives", Some(Permission::Import)),
    ("/rpc/add_backup", Some(Permission::BackUp)),
    ("/rpc/delete_backup", Some(Permission::DeleteBackup)),
    ("/rpc/plan_restore", Some(Permission::Restore)),
    ("/rpc/start_restore", Some(Permission::Restore)),
    ("/rpc/list_spares", Some(Permission::ViewTarget)),
    ("/rpc/preview_swap", Some(Permission::ViewTarget)),
    ("/rpc/start_swap", Some(Permission::Swap)),
    ("/rpc/swap_back", Some(Permission::Swap)),
    ("/rpc/drop_database", Some(Permission::DropDatabase)),
    ("/rpc/view_schedule", Some(Permission::ViewTarget)),
    ("/rpc/preview_schedule", Some(Permission::ViewTarget)),
    ("/rpc/set_schedule", Some(Permission::BackUp)),
    ("/rpc/pause_schedule", Some(Permission::BackUp)),
    ("/rpc/resume_schedule", Some(Permission::BackUp)),
    ("/rpc/remove_schedule", Some(Permission::BackUp)),
    ("/rpc/run_schedule", Some(Permission::BackUp)),
    ("/rpc/view_retention", Some(Permission::ViewTarget)),
    ("/rpc/plan_retention", Some(Permission::ViewTarget)),
    ("/rpc/set_retention", Some(Permission::DeleteBackup)),
    ("/rpc/prune_backups", Some(Permission::DeleteBackup)),
    ("/rpc/mark_backup", Some(Permission::BackUp)),
    ("/rpc/view_alarms", Some(Permission::ViewTarget)),
    ("/rpc/test_alarm", Some(Permission::BackUp)),
    ("/rpc/import_files", Some(Permission::Import)),
    ("/rpc/begin_upload", Some(Permission::Import)),
    ("/rpc/find_upload", Some(Permission::Import)),
    ("/rpc/delete_upload", Some(Permission::Import)),
    ("/rpc/list_imports", Some(Permission::Import)),
    ("/rpc/create_import", Some(Permission::Import)),
    ("/rpc/view_import", Some(Permission::Import)),
    ("/rpc/export_import", Some(Permission::Import)),
    ("/rpc/rehearse_import", Some(Permission::Import)),
    ("/rpc/inspect_again", Some(Permission::Import)),
    ("/rpc/start_import", Some(Permission::Import)),
    ("/rpc/discard_import", Some(Permission::Import)),
    ("/rpc/view_history", Some(Permission::ViewTarget)),
    ("/rpc/list_deploy_tokens", Some(Permission::ManageTokens)),
    ("/rpc/make_deploy_token", Some(Permission::ManageTokens)),
    ("/rpc/revoke_deploy_token", Some(Permission::ManageTokens)),
    ("/rpc/list_sparks", Some(Permission::ViewTarget)),
    ("/rpc/view_history_size", Some(Permission::ViewTarget)),
];

/// Every route, by path.
pub fn all() -> Vec<Route> {
    let pages = leptos_axum::generate_route_list(App)
        .into_iter()
        .flat_map(|page| {
            let methods: Vec<String> = page
                .methods()
                .map(|method| format!("{method:?}").to_uppercase())
                .collect();
            methods
                .into_iter()
                .map(move |method| (method, page.path().to_owned(), None))
        });
    let functions = server_fn::axum::server_fn_paths()
        .map(|(path, method)| (method.to_string(), path.to_owned(), permission_of(path).flatten()));
    let others = OTHERS
        .iter()
        .map(|(method, path, permission)| ((*method).to_owned(), (*path).to_owned(), *permission));
    let mut all: Vec<Route> = pages
        .chain(functions)
        .chain(others)
        .map(|(method, path, permission)| {
            let by = Method::from_bytes(method.as_bytes()).unwrap_or_default();
            Route {
                public: Public::covers(&by, &path),
                path,
                method,
                permission,
            }
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

/// What a server function asks for; `None` when this table does not know it.
pub fn permission_of(path: &str) -> Option<Option<Permission>> {
    FUNCTIONS
        .iter()
        .find(|(known, _)| *known == path)
        .map(|(_, permission)| *permission)
}
