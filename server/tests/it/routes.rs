//! Every route refuses strangers, and every server function asks for the permission that the table says.

use std::collections::BTreeSet;

use crate::support::{Client, Console, HOST, call, form, get};
use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use contract::session::Role;
use serde_json::json;
use server::routes::{self, Route};

const NO_ID: &str = "00000000-0000-0000-0000-000000000001";

/// A request that a server function understands, and that changes nothing of importance when it is allowed.
fn well_formed(path: &str) -> Request<Body> {
    let job = json!({ "id": NO_ID });
    let target = json!({ "target": "main" });
    let tables = json!({ "target": "main", "search": null, "sort": "total", "descending": true, "page": 1 });
    let audit = json!({ "source": "console", "target": null, "user": null, "event_type": null, "severity": null,
                        "from": null, "until": null, "after": null });
    let migrate = json!({ "spec": { "target": "main", "up_to": 1 } });
    let nobody =
        json!({ "name": "nobody-of-this-name", "role": "viewer", "password": null, "disabled": null });
    let body = match path.strip_prefix("/rpc/").unwrap_or(path) {
        "who_am_i" | "list_sessions" | "end_sessions" | "list_users" | "list_targets" | "view_console" => {
            json!({})
        }
        "change_password" => {
            return form(
                path,
                &[("current", "not the one"), ("new", "twelve geese in a row")],
            );
        }
        "add_user" => json!({ "user": { "name": "not a name!", "role": "viewer", "password": "x" } }),
        "change_user" => json!({ "change": nobody }),
        "view_target" | "view_pool" | "view_migrations" | "plan_optimization" | "list_backups" => target,
        "list_tables" | "export_tables" => json!({ "query": tables }),
        "view_table" => json!({ "target": "main", "schema": "public", "name": "no_such_table" }),
        "view_activity" | "export_activity" => json!({ "query": target }),
        "list_queries" => json!({ "query": {
            "target": "main", "range": { "last": "hour" }, "sort": "total", "ascending": false, "search": null, "role": null,
            "tag": null, "min_mean_ms": null, "limit": 20,
        } }),
        "view_query" | "view_query_history" => json!({
            "query": { "target": "main", "queryid": "1", "range": { "last": "hour" } }, "before": false,
        }),
        "view_query_text" => json!({ "target": "main", "queryid": "1" }),
        "cancel_session" | "terminate_session" => {
            json!({ "request": { "target": "main", "pid": 1, "started": "2000-01-01T00:00:00Z" } })
        }
        "plan_statement" | "analyze_statement" => {
            return form(path, &[("target", "main"), ("statement", "no statement")]);
        }
        "paste_plan" => return form(path, &[("target", "main"), ("plan", "no plan")]),
        "list_plans" => target,
        "view_plan" => json!({ "target": "main", "id": NO_ID }),
        "compare_plans" => json!({ "target": "main", "one": NO_ID, "other": NO_ID }),
        "list_jobs" => json!({ "query": { "target": null, "kind": null, "state": null, "before": null } }),
        "view_job" | "cancel_job" | "end_session" => job,
        "list_audit" | "export_audit" => json!({ "query": audit }),
        "verify_audit" => json!({ "after": 0 }),
        "plan_migrations" | "start_migrations" => migrate,
        "read_migration" => json!({ "target": "main", "version": 1 }),
        "start_optimization" => {
            json!({ "spec": { "target": "main", "constraints": true, "indexes": true, "analyze": false } })
        }
        "start_backup" | "look_at_parts" => json!({ "spec": target }),
        "view_backup" => json!({ "target": "main", "id": NO_ID }),
        "verify_backup" => json!({ "spec": { "target": "main", "id": NO_ID, "level": "read_back" } }),
        "plan_restore" | "start_restore" => json!({ "spec": { "target": "main", "backup": NO_ID } }),
        "list_archives" => json!({}),
        "add_backup" => json!({ "target": "main", "upload": NO_ID }),
        "list_spares" => target,
        "preview_swap" | "swap_back" => json!({ "target": "main", "database": "none" }),
        "start_swap" | "drop_database" => {
            json!({ "spec": { "target": "main", "database": "none", "confirm": "none" } })
        }
        "delete_backup" => json!({ "request": { "target": "main", "id": NO_ID, "confirm": "main" } }),
        "view_schedule" | "pause_schedule" | "resume_schedule" | "remove_schedule" | "run_schedule"
        | "view_retention" | "prune_backups" => target,
        "view_alarms" => target,
        "test_alarm" => json!({ "target": "main", "channel": "mail" }),
        "preview_schedule" => json!({ "cron": "0 2 * * *", "zone": "UTC" }),
        "set_schedule" => json!({ "spec": {
            "target": "main", "cron": "never", "zone": "UTC", "jitter_s": 0, "verify": "never", "alarm_hours": 26,
        } }),
        "plan_retention" => json!({ "spec": retention(3) }),
        "set_retention" => json!({ "spec": retention(-1) }),
        "mark_backup" => json!({ "request": { "target": "main", "id": NO_ID, "mark": "pin" } }),
        "import_files" => json!({}),
        "begin_upload" => json!({ "new": { "name": "a.db", "bytes": 0, "wal_bytes": null } }),
        "find_upload" | "delete_upload" | "inspect_again" => json!({ "id": NO_ID }),
        "list_imports" => target,
        "create_import" => return form(path, &[("target", "main"), ("path", "no-such-file.db")]),
        "view_import" => {
            json!({ "id": NO_ID, "look": { "descending": false, "page": 1, "finding_page": 1, "inspection": false, "plan_page": 1 } })
        }
        "export_import" => json!({ "id": NO_ID, "what": "Report" }),
        "rehearse_import" => json!({ "id": NO_ID, "mapping": {}, "seen": "" }),
        "start_import" => json!({ "id": NO_ID, "follow": true, "revision": null, "upload": null }),
        "view_history" => json!({ "query": {
            "target": "main", "table": null, "range": { "last": "hour" }, "before": false,
        } }),
        "list_deploy_tokens" => json!({}),
        "make_deploy_token" => json!({ "new": { "name": "not a name!", "target": null } }),
        "revoke_deploy_token" => json!({ "name": "nobody" }),
        "list_sparks" | "view_history_size" => json!({}),
        "discard_import" => json!({ "id": NO_ID, "confirm": "main" }),
        other => panic!("{other} has no request in this test; add one, and its line in server/src/routes.rs"),
    };
    call(path, &body)
}

fn retention(last: i32) -> serde_json::Value {
    json!({ "target": "main", "zone": "UTC", "keep": {
        "last": last, "days": 0, "hourly": 0, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0,
    } })
}

fn concrete(path: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{target}" | ":target" => "main",
        "{id}" | ":id" => NO_ID,
        "{part}" => "database",
        part if part.starts_with('{') || part == "*" => "anything",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn request(route: &Route, cookie: Option<&str>) -> Request<Body> {
    let request = Request::builder()
        .method(Method::from_bytes(route.method.as_bytes()).unwrap())
        .uri(concrete(&route.path))
        .header(header::HOST, HOST)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONTENT_TYPE, "application/json");
    let request = match cookie {
        Some(cookie) => request.header(header::COOKIE, cookie),
        None => request,
    };
    request.body(Body::from("{}")).unwrap()
}

#[tokio::test]
async fn every_route_that_is_not_public_refuses_strangers() {
    let console = Console::start().await;
    let all = routes::all();
    assert!(all.len() > 20, "the list is not whole: {all:?}");
    let forged = "pgsteward=eyJhbGciOiJub25lIn0.e30.; pgsteward-refresh=00.0.00; __Host-pgsteward=x";
    for route in &all {
        for cookie in [None, Some(forged)] {
            let answer = console.send(request(route, cookie)).await;
            let refused = match answer.status {
                StatusCode::UNAUTHORIZED => answer.json()["code"] == "unauthenticated",
                StatusCode::SEE_OTHER => answer.header("location").starts_with("/login"),
                _ => false,
            };
            let what = format!(
                "{} {} answered {}: {}",
                route.method,
                route.path,
                answer.status,
                answer.text()
            );
            // The public ones that ask for a proof of their own.
            let by_token = route.path == contract::deployment::HOOK;
            assert_eq!(refused, !route.public || by_token, "{what}");
        }
    }
}

#[tokio::test]
async fn what_no_list_names_refuses_strangers_too() {
    let console = Console::start().await;
    for path in [
        "/rpc/no_such_function",
        "/api/v1/targets",
        "/events/x",
        "/download/main",
        "/metrics",
        "/import/uploads",
        "/import/uploads/x/database/y",
        "/rpc/../events",
    ] {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
        ] {
            let mut request = get(path);
            *request.method_mut() = method.clone();
            let answer = console.send(request).await;
            assert_eq!(
                answer.status,
                StatusCode::UNAUTHORIZED,
                "{method} {path}: {}",
                answer.text()
            );
        }
    }
}

#[test]
fn the_public_routes_are_the_reviewed_ones_and_exist() {
    let all = routes::all();
    let public: BTreeSet<String> = all
        .iter()
        .filter(|route| route.public)
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let reviewed: BTreeSet<String> = include_str!("../../public_routes.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(str::to_owned)
        .collect();
    assert_eq!(
        public, reviewed,
        "a line of public_routes.txt leads nowhere, or a route is public without one"
    );
}

#[test]
fn every_server_function_has_a_line_in_the_table_and_changes_nothing_by_get() {
    for (path, method) in server_fn::axum::server_fn_paths() {
        assert_eq!(method, Method::POST, "{path} could be called by a link");
        let public = routes::all()
            .iter()
            .any(|route| route.path == path && route.public);
        match routes::permission_of(path) {
            Some(permission) => assert_eq!(permission.is_none(), public, "{path}"),
            None => panic!("server/src/routes.rs does not say what {path} asks for"),
        }
    }
}

#[test]
fn every_route_that_the_source_adds_is_listed() {
    let listed: BTreeSet<String> = routes::all().into_iter().map(|route| route.path).collect();
    let source = include_str!("../../src/http/mod.rs");
    let added = source
        .split(".route(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    // These two answer that there is nothing.
    let added: Vec<&str> = added
        .filter(|path| !matches!(*path, "/rpc/{*path}" | "/api/{*path}"))
        .collect();
    assert!(added.len() >= 5, "{added:?}");
    for path in added {
        assert!(listed.contains(path), "{path} is missing in server/src/routes.rs");
    }
}

/// Calls each server function as each role, and compares what happens with the reviewed file and with the table.
#[tokio::test]
async fn each_role_may_do_what_the_reviewed_matrix_says() {
    let console = Console::start().await;
    let mut clients = Vec::new();
    for role in Role::ALL {
        clients.push((role, console.log_in_as(role).await));
    }
    let mut matrix = String::new();
    for route in routes::all()
        .iter()
        .filter(|route| route.path.starts_with("/rpc/") && !route.public)
    {
        let mut line = format!("{:<28}", route.path);
        for (role, client) in &clients {
            let answer = console.send(client.signed(well_formed(&route.path))).await;
            let text = answer.text();
            assert_ne!(
                answer.status,
                StatusCode::UNAUTHORIZED,
                "{} as {}: {text}",
                route.path,
                role.name()
            );
            assert!(
                !text.contains("could not be read"),
                "the test's request for {} is wrong: {text}",
                route.path
            );
            assert!(
                answer.status.as_u16() < 500,
                "{} as {}: {text}",
                route.path,
                role.name()
            );
            let allowed = answer.status != StatusCode::FORBIDDEN;
            let should = route.permission.is_none_or(|permission| role.may(permission));
            assert_eq!(
                allowed,
                should,
                "{} as {}: {} {text}",
                route.path,
                role.name(),
                answer.status
            );
            line.push_str(&format!(
                "  {}:{}",
                role.name(),
                if allowed { "yes" } else { "no" }
            ));
        }
        matrix.push_str(line.trim_end());
        matrix.push('\n');
    }
    let reviewed = include_str!("role_matrix.txt");
    let reviewed: String = reviewed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(
        matrix, reviewed,
        "server/tests/it/role_matrix.txt is reviewed: change it on purpose only"
    );
}

#[tokio::test]
async fn downloads_and_uploads_ask_for_their_permission() {
    let console = Console::start().await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let operator = console.log_in_as(Role::Operator).await;
    for path in [
        format!("/download/main/{NO_ID}"),
        format!("/download/main/{NO_ID}/globals"),
    ] {
        assert_eq!(viewer.get(&path).await.status, StatusCode::FORBIDDEN);
        assert_eq!(operator.get(&path).await.status, StatusCode::NOT_FOUND);
    }
    let upload = |client: &Client<'_>| {
        let mut request = get(&format!("/import/uploads/{NO_ID}/database?offset=0"));
        *request.method_mut() = Method::PUT;
        request
            .headers_mut()
            .insert(header::ORIGIN, format!("http://{HOST}").parse().unwrap());
        client.signed(request)
    };
    assert_eq!(console.send(upload(&viewer)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        console.send(upload(&operator)).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        operator.get("/download/main/not-an-id").await.status,
        StatusCode::NOT_FOUND
    );
}
