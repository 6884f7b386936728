//! Any name survives every way: link, click, reload, title, terminal. And no text leads a browser to another site.

use axum::http::{StatusCode, header};
use contract::session::Role;
use proptest::prelude::*;
use serde_json::json;
use sqlx::AssertSqlSafe;
use url::Url;

use crate::{
    program::Home,
    support::{Answer, Console, get},
};
use app::address::{link, local_path, name_of, segment};

/// Names that PostgreSQL takes and that have broken something somewhere. None is longer than 63 bytes.
const NAMES: [&str; 30] = [
    "</title><meta http-equiv=refresh content=0;url=/audit>",
    "<script>alert(1)</script>",
    "&lt;b&gt;",
    "50%2F50",
    "50/50",
    "50%",
    "%",
    "..",
    ".",
    "...",
    "x ",
    " x",
    " ",
    "a\nb",
    "a\r\nb",
    "tab\there",
    "\u{1b}[31mred\u{1b}]0;title\u{7}",
    "\u{9b}2J",
    "\u{202e}gpj.exe",
    "a\"b",
    "it's",
    "back\\slash",
    "~2F",
    "a~b",
    "?q=1#fragment",
    "a;b+c&d=e",
    "=cmd|' /C calc'!A0",
    "größe und 表",
    "{x}",
    "123456789012345678901234567890123456789012345678901234567890123",
];

const BASE: &str = "http://127.0.0.1:3000";

/// A browser's `decodeURI`: `%XX` of what has no meaning in a URL. leptos does it to a link that is clicked.
fn decode_uri(path: &str) -> String {
    let mut out = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) if byte == b'%' && !b";/?:@&=+$,#".contains(&decoded) => {
                out.push(decoded);
                rest = &after[2..];
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| path.to_owned())
}

/// The names in a path, as the router reads them: each segment decoded once, then by the one function of ours.
fn names_in(path: &str) -> Vec<String> {
    let decoded = |segment: &str| {
        let pair = format!("x={}", segment.replace('+', "%2B"));
        let value = url::form_urlencoded::parse(pair.as_bytes()).next().unwrap().1;
        name_of(&value)
    };
    path.split('/').skip(1).map(decoded).collect()
}

fn table_link(target: &str, schema: &str, name: &str) -> String {
    link(target, &format!("tables/{}/{}", segment(schema), segment(name)))
}

fn survives(target: &str, schema: &str, name: &str) {
    let href = table_link(target, schema, name);
    let expected = ["db", target, "tables", schema, name];
    let base = Url::parse(BASE).unwrap();
    let loaded = base.join(&href).unwrap();
    assert_eq!(names_in(loaded.path()), expected, "loaded {href}");
    // A click: decoded, put into the history as a URL, and read from there at a reload.
    let clicked = base.join(&decode_uri(loaded.path())).unwrap();
    assert_eq!(names_in(clicked.path()), expected, "clicked {href}");
    // The way back after a log-in.
    assert_eq!(local_path(&href), Some(href.as_str()));
    assert!(header::HeaderValue::from_str(&href).is_ok());
}

/// Text in which most characters mean something to somebody.
fn hostile() -> impl Strategy<Value = String> {
    let marks: Vec<char> =
        "/\\.%~25eEfF?#&=+;:@<>\"'`{}|^[] \t\n\r\u{1b}\u{7f}\u{9b}\u{a0}\u{202e}\u{2028}\u{feff}üż表😀"
            .chars()
            .collect();
    proptest::collection::vec(
        prop_oneof![
            4 => proptest::sample::select(marks),
            1 => any::<char>().prop_filter("PostgreSQL has no NUL", |c| *c != '\0'),
        ],
        1..20,
    )
    .prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn any_name_comes_back_from_its_link(target in hostile(), schema in hostile(), name in hostile()) {
        survives(&target, &schema, &name);
    }

    #[test]
    fn a_local_path_never_leaves_the_console(
        start in proptest::sample::select(vec!["", "/", "/.", "/..", "/%2e", "/jobs/", "//", "/\\"]),
        rest in hostile(),
        host in proptest::sample::select(vec!["", "/evil.example/", "//evil.example", "\\evil.example"]),
    ) {
        let text = format!("{start}{rest}{host}");
        if let Some(path) = local_path(&text) {
            let base = Url::parse(&format!("{BASE}/login?next=x")).unwrap();
            let once = base.join(path).unwrap();
            prop_assert_eq!(once.origin(), base.origin(), "{:?}", path);
            // Resolved by a proxy, sent on, and resolved once more.
            let twice = base.join(&once[url::Position::BeforePath..]).unwrap();
            prop_assert_eq!(twice.origin(), base.origin(), "{:?}", path);
        }
    }
}

#[test]
fn every_known_name_comes_back_from_its_link() {
    for name in NAMES {
        survives(name, name, name);
    }
}

/// The text of an element whose content is text.
fn text_of(page: &str, tag: &str) -> String {
    let inner = page.split(&format!("<{tag}>")).nth(1).unwrap_or_default();
    let inner = inner.split(&format!("</{tag}>")).next().unwrap_or_default();
    inner
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

fn holds_no_markup_of_names(page: &str) {
    for sign in ["<meta http-equiv", "<script>alert"] {
        assert!(!page.contains(sign), "{sign} in {page}");
    }
}

async fn with_names(console: &Console) {
    let pool = console.database.pool().await;
    for name in NAMES {
        let table = engine::quote::ident(name);
        sqlx::raw_sql(AssertSqlSafe(format!("create table {table} (id int)")))
            .execute(&pool)
            .await
            .unwrap();
    }
    pool.close().await;
}

#[tokio::test]
async fn every_table_is_found_by_its_link_and_named_in_the_title() {
    let console = Console::start().await;
    with_names(&console).await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let list = viewer.get("/db/main/tables").await;
    assert_eq!(list.status, StatusCode::OK);
    let list = list.text();
    holds_no_markup_of_names(&list);
    for name in NAMES {
        let href = table_link("main", "public", name);
        assert!(
            list.contains(&format!("href=\"{href}\"")),
            "{name:?} has no link {href}"
        );
        let page = viewer.get(&href).await;
        assert_eq!(page.status, StatusCode::OK, "{name:?}: {href}");
        let page = page.text();
        holds_no_markup_of_names(&page);
        assert_eq!(text_of(&page, "title"), format!("{name} of main · pgsteward"));
        // Line breaks are the parser's to change; the rest is there as it is.
        let heading = text_of(&page, "h1")
            .replace("&quot;", "\"")
            .replace("&#x27;", "'");
        assert!(heading.contains(name), "{name:?} in {heading:?}");
    }
}

#[tokio::test]
async fn a_title_is_text_whatever_the_address_says() {
    let console = Console::start().await;
    let viewer = console.log_in_as(Role::Viewer).await;
    for path in [
        "/db/%3C%2Ftitle%3E%3Cmeta%20http-equiv=refresh%20content=0;url=%2Faudit%3E",
        "/db/%3C%2Ftitle%3E%3Cmeta%20http-equiv=refresh%20content=0;url=%2Faudit%3E/tables",
        "/db/main/tables/public/%3C%2Ftitle%3E%3Cmeta%20http-equiv=refresh%3E",
        "/db/~3C~2Ftitle~3E~3Cmeta~20http-equiv~3Drefresh~3E/backups",
        "/%3C%2Ftitle%3E%3Cmeta%20http-equiv=refresh%3E",
        "/jobs/%3C%2Ftitle%3E%3Cmeta%20http-equiv=refresh%3E",
        "/audit?source=target&target=%3C%2Ftitle%3E%3Cmeta%20http-equiv=refresh%3E",
    ] {
        let page = viewer.get(path).await.text();
        holds_no_markup_of_names(&page);
        assert_eq!(page.matches("</title>").count(), 1, "{path}");
    }
}

#[tokio::test]
async fn no_link_leads_a_browser_away_after_the_log_in() {
    let console = Console::start().await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let stays = |answer: &Answer, what: &str| {
        let location = answer.header("location");
        let base = Url::parse(BASE).unwrap();
        let leads = base.join(location).unwrap();
        assert_eq!(leads.origin(), base.origin(), "{what} leads to {location}");
        assert!(
            location.starts_with('/') && !location.starts_with("//"),
            "{what}: {location}"
        );
    };
    for next in [
        "/.//evil.example/",
        "/..//evil.example/",
        "/%2e//evil.example/",
        "/%2e%2e//evil.example/",
        "/jobs/..//evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "https://evil.example",
        "https:evil.example",
    ] {
        let query = app::address::escape(next);
        // Already logged in, as a page and as a form's answer.
        stays(&viewer.get(&format!("/login?next={query}")).await, next);
        let mut form = crate::support::form(
            "/rpc/log_in",
            &[
                ("name", "viewer"),
                ("password", crate::support::PASSWORD),
                ("next", next),
            ],
        );
        form.headers_mut()
            .insert(header::ACCEPT, "text/html".parse().unwrap());
        stays(&console.send(form).await, next);
    }
    // Without a session, the way back is the path that was asked for, as it is.
    let answer = console.send(get("/db/a~2Fb/tables?q=50%25&page=2")).await;
    assert_eq!(
        answer.header("location"),
        "/login?next=%2Fdb%2Fa%7E2Fb%2Ftables%3Fq%3D50%2525%26page%3D2"
    );
}

#[tokio::test]
async fn a_character_that_no_database_holds_is_refused_in_words() {
    let console = Console::start().await;
    let administrator = console.log_in_as(Role::Administrator).await;
    let audit = |user: &str| {
        json!({ "query": { "source": "console", "target": null, "user": user, "event_type": null, "severity": null,
                        "from": null, "until": null, "after": null } })
    };
    for (path, body) in [
        (
            "/rpc/list_jobs",
            json!({ "query": { "target": "\0", "kind": null, "state": null, "before": null } }),
        ),
        ("/rpc/list_audit", audit("a\0b")),
        (
            "/rpc/change_user",
            json!({ "change": { "name": "a\0", "role": "viewer", "password": null, "disabled": null } }),
        ),
        (
            "/rpc/view_table",
            json!({ "target": "main", "schema": "public", "name": "a\0" }),
        ),
    ] {
        let answer = administrator.call(path, &body).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path}: {}",
            answer.text()
        );
        let fault = answer.json();
        assert!(
            fault["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
            "{path}: {fault}"
        );
    }
}

#[tokio::test]
async fn the_terminal_shows_names_and_obeys_none() {
    let database = testkit::shared().await.database("names").await;
    let pool = database.pool().await;
    for name in NAMES {
        let sql = format!("create table {} (id int)", engine::quote::ident(name));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let home = Home::new().with("DATABASE_URL", &database.url()).with(
        "PGSTEWARD_STORE_URL",
        &testkit::shared().await.database("store").await.url(),
    );
    let done = home.run(&["stats"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let obeyed = |text: &str| {
        text.chars()
            .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}')
    };
    assert!(!obeyed(&done.out), "{:?}", done.out);
    for shown in [
        "a\\nb ",
        "\\u{1b}[31mred",
        "\\u{9b}2J",
        "\\u{202e}gpj.exe",
        "größe und 表",
    ] {
        let lines = done.out.lines().filter(|line| line.starts_with(shown)).count();
        assert_eq!(lines, 1, "{shown} in {}", done.out);
    }
    // As JSON they come back as they are, and still command nothing.
    let raw = home.run(&["stats", "--json"]);
    assert!(!obeyed(&raw.out), "{:?}", raw.out);
    let read: serde_json::Value = serde_json::from_str(&raw.out).unwrap();
    let names: Vec<&str> = read["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| table["name"].as_str().unwrap())
        .collect();
    for name in NAMES {
        assert!(names.contains(&name), "{name:?}");
    }
    // Nor does an error.
    let failed = home.run(&["stats", "--target", "\u{1b}[2Jx\nerror: forged"]);
    assert_ne!(failed.code, 0);
    assert!(!obeyed(&failed.err), "{:?}", failed.err);
    assert_eq!(
        failed
            .err
            .lines()
            .filter(|line| line.starts_with("error:"))
            .count(),
        1,
        "{}",
        failed.err
    );
}
