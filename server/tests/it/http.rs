//! What every answer carries, what is refused, and how sessions begin and end over HTTP.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::support::{Answer, Console, HOST, PASSWORD, call, get, log_in};
use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Method, Request, StatusCode, header},
    routing::get as on_get,
};
use contract::session::Role;
use serde_json::json;
use tower::ServiceExt;

fn assert_protected(answer: &Answer, what: &str) {
    let policy = answer.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{what}: {policy:?}"
    );
    assert!(
        !policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"),
        "{what}: {policy:?}"
    );
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), value, "{what}: {name}");
    }
    assert!(!answer.header("permissions-policy").is_empty(), "{what}");
    assert!(!answer.header("cache-control").is_empty(), "{what}");
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let console = Console::start().await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let too_large = {
        let mut request = call("/rpc/list_jobs", &json!({}));
        request
            .headers_mut()
            .insert(header::CONTENT_LENGTH, "2000000".parse().unwrap());
        request
    };
    let cross_site = {
        let mut request = call("/rpc/list_jobs", &json!({}));
        request
            .headers_mut()
            .insert(header::ORIGIN, "https://evil.example".parse().unwrap());
        request
    };
    for (what, status, request) in [
        ("a page", 200, get("/login")),
        ("a page for callers", 200, viewer.signed(get("/"))),
        ("a redirect", 303, get("/jobs")),
        ("a probe", 200, get("/readyz")),
        ("a file", 200, get("/pkg/a.css")),
        ("no such file", 404, get("/pkg/b.css")),
        ("no such page", 404, viewer.signed(get("/no/such/page"))),
        (
            "no such function",
            404,
            viewer.signed(call("/rpc/no_such_function", &json!({}))),
        ),
        (
            "a function",
            200,
            viewer.signed(call("/rpc/who_am_i", &json!({}))),
        ),
        (
            "a body that is none",
            422,
            viewer.signed(call("/rpc/view_job", &json!({ "id": 1 }))),
        ),
        ("a stranger", 401, get("/events")),
        ("a wrong method", 405, viewer.signed(call("/events", &json!({})))),
        ("too large", 413, viewer.signed(too_large)),
        ("another site", 403, cross_site),
    ] {
        let answer = console.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text());
        assert_protected(&answer, what);
        let stored = what == "a file";
        assert_eq!(
            answer.header("cache-control").contains("no-store"),
            !stored,
            "{what}"
        );
        assert_eq!(
            answer.header("strict-transport-security"),
            "",
            "{what}: it came without TLS"
        );
    }
}

#[tokio::test]
async fn a_panic_answers_with_a_trace_id_and_the_server_lives() {
    let console = Console::start().await;
    let broken: Router = Router::new().route(
        "/healthz",
        on_get(async || -> &'static str { panic!("a secret of row 7") }),
    );
    let broken = server::http::protect(broken, console.web.clone());
    for _ in 0..2 {
        let (head, body) = broken
            .clone()
            .oneshot(get("/healthz"))
            .await
            .unwrap()
            .into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let answer = Answer {
            status: head.status,
            headers: head.headers,
            body,
        };
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_protected(&answer, "a panic");
        let fault = answer.json();
        assert_eq!(fault["code"], "internal");
        assert_eq!(fault["trace"].as_str().unwrap().len(), 36, "{fault}");
        assert!(!answer.text().contains("secret"), "{fault}");
    }
}

#[tokio::test]
async fn pages_have_a_nonce_of_their_own() {
    let console = Console::start().await;
    let nonce = |answer: &Answer| {
        let policy = answer.header("content-security-policy").to_owned();
        policy
            .split("'nonce-")
            .nth(1)
            .unwrap()
            .split('\'')
            .next()
            .unwrap()
            .to_owned()
    };
    let (first, second) = (
        console.send(get("/login")).await,
        console.send(get("/login")).await,
    );
    assert_ne!(nonce(&first), nonce(&second));
    assert!(
        first.text().contains(&format!("nonce=\"{}\"", nonce(&first))),
        "{}",
        first.text()
    );
}

/// What one thread has let go of, another may still be about to read.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pages_put_together_at_the_same_time_all_come_whole() {
    let console = Arc::new(Console::start().await);
    let cookie = console.log_in_as(Role::Administrator).await.cookie();
    let visitors = (0..40).map(|_| {
        let (console, cookie) = (Arc::clone(&console), cookie.clone());
        tokio::spawn(async move {
            for _ in 0..60 {
                let mut request = get("/audit");
                request
                    .headers_mut()
                    .insert(header::COOKIE, cookie.parse().unwrap());
                let answer = console.send(request).await;
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
                assert!(answer.text().contains("<title>Audit · pgsteward</title>"));
            }
        })
    });
    for visitor in visitors.collect::<Vec<_>>() {
        visitor.await.unwrap();
    }
}

#[tokio::test]
async fn requests_from_another_site_are_refused() {
    let console = Console::start().await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let sent = |pairs: &[(&'static str, &'static str)]| {
        let mut request = call("/rpc/who_am_i", &json!({}));
        request.headers_mut().remove(header::ORIGIN);
        for (name, value) in pairs {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request
    };
    for pairs in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[
            ("sec-fetch-site", "same-site"),
            ("origin", "http://127.0.0.1:3000"),
        ],
        &[],
    ] {
        let answer = console.send(viewer.signed(sent(pairs))).await;
        assert_eq!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{pairs:?}: {}",
            answer.text()
        );
    }
    for pairs in [
        &[("sec-fetch-site", "same-origin")][..],
        &[("origin", "http://127.0.0.1:3000")],
    ] {
        let answer = console.send(viewer.signed(sent(pairs))).await;
        assert_eq!(answer.status, StatusCode::OK, "{pairs:?}: {}", answer.text());
    }
    // Another site cannot log a browser in as someone else either.
    let mut planted = log_in("viewer", PASSWORD);
    planted
        .headers_mut()
        .insert(header::ORIGIN, "https://evil.example".parse().unwrap());
    let answer = console.send(planted).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.cookies().is_empty());

    // Each kind is in the log once, however many came.
    let root = console.engine.session().command_line("test");
    let asked = contract::audit::AuditQuery {
        event_type: Some("session.cross_site".to_owned()),
        ..contract::audit::AuditQuery::default()
    };
    let begun = std::time::Instant::now();
    let told = loop {
        let entries = console
            .engine
            .audit()
            .list(&root, asked.clone())
            .await
            .unwrap()
            .entries;
        if entries.len() >= 2 {
            break entries;
        }
        assert!(begun.elapsed() < crate::program::PATIENCE, "{entries:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let told: Vec<(Option<&str>, Option<&str>)> = told
        .iter()
        .map(|entry| (entry.object.as_deref(), entry.detail.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (
                Some("/rpc/log_in"),
                Some("The request names https://evil.example as its origin.")
            ),
            (
                Some("/rpc/who_am_i"),
                Some("The request names https://evil.example as its origin.")
            ),
        ]
    );
}

#[tokio::test]
async fn cookies_are_plain_on_loopback_and_host_locked_everywhere_else() {
    let proxy: IpAddr = "10.0.0.5".parse().unwrap();
    let console = Console::start_with(|web| web.trusted_proxies = vec![proxy].into()).await;
    console.log_in_as(Role::Viewer).await;
    let at = |host: &str, origin: &str| {
        let mut request = log_in("viewer", PASSWORD);
        request.headers_mut().insert(header::HOST, host.parse().unwrap());
        request
            .headers_mut()
            .insert(header::ORIGIN, origin.parse().unwrap());
        request
    };
    let proxied = {
        let mut request = at("inner:3000", "https://console.example");
        request
            .headers_mut()
            .insert("x-forwarded-proto", "https".parse().unwrap());
        request
            .headers_mut()
            .insert("x-forwarded-host", "console.example".parse().unwrap());
        request
            .headers_mut()
            .insert("x-forwarded-for", "198.51.100.7".parse().unwrap());
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::new(proxy, 9)));
        request
    };
    for (request, secure, tls) in [
        (at("127.0.0.1:3000", "http://127.0.0.1:3000"), false, false),
        (at("localhost:3000", "http://localhost:3000"), false, false),
        (at("[::1]:3000", "http://[::1]:3000"), false, false),
        (at("console.example", "http://console.example"), true, false),
        (proxied, true, true),
    ] {
        let host = request.headers()[header::HOST].to_str().unwrap().to_owned();
        let answer = console.send(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{host}: {}", answer.text());
        let set: Vec<&str> = answer
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert_eq!(set.len(), 2, "{host}");
        for cookie in set {
            assert!(
                cookie.contains("; HttpOnly")
                    && cookie.contains("; SameSite=Strict")
                    && cookie.contains("; Path=/")
            );
            assert!(!cookie.contains("Domain="), "{cookie}");
            assert_eq!(cookie.starts_with("__Host-"), secure, "{host}: {cookie}");
            assert_eq!(cookie.contains("; Secure"), secure, "{host}: {cookie}");
        }
        assert_eq!(
            !answer.header("strict-transport-security").is_empty(),
            tls,
            "{host}"
        );
    }
    let administrator = console.engine.session().command_line("test");
    let log = console
        .engine
        .audit()
        .list(&administrator, contract::audit::AuditQuery::default())
        .await
        .unwrap();
    let addresses: Vec<_> = log
        .entries
        .iter()
        .filter_map(|entry| entry.address.as_deref())
        .collect();
    assert!(
        addresses.contains(&"198.51.100.7") && !addresses.contains(&"10.0.0.5"),
        "{addresses:?}"
    );
}

#[tokio::test]
async fn logging_out_acts_at_once_and_for_every_copy_of_the_cookies() {
    let console = Console::start().await;
    let viewer = console.log_in_as(Role::Viewer).await;
    assert_eq!(
        viewer.call("/rpc/who_am_i", &json!({})).await.json()["name"],
        "viewer"
    );
    let answer = viewer.call("/rpc/log_out", &json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(answer.cookies().values().all(String::is_empty) && answer.cookies().len() == 2);
    // The same cookies again, refresh token included.
    assert_eq!(
        viewer.call("/rpc/who_am_i", &json!({})).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(viewer.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_expired_access_token_is_renewed_by_the_refresh_token() {
    let console = Console::start().await;
    let mut viewer = console.log_in_as(Role::Viewer).await;
    viewer.cookies.remove("pgsteward");
    let answer = viewer.get("/jobs").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let renewed = answer.cookies();
    assert_eq!(renewed.len(), 2, "both are new");
    assert_ne!(renewed["pgsteward-refresh"], viewer.cookies["pgsteward-refresh"]);
    viewer.cookies = renewed;
    let answer = viewer.call("/rpc/who_am_i", &json!({})).await;
    assert_eq!(
        (answer.status, answer.cookies().len()),
        (StatusCode::OK, 0),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down_over_http() {
    let console = Console::start().await;
    console.log_in_as(Role::Viewer).await;
    let mut answers = Vec::new();
    for _ in 0..7 {
        answers.push(console.send(log_in("viewer", "wrong guess")).await);
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
    assert!(answers.iter().all(|answer| answer.cookies().is_empty()));
    let right = console.send(log_in("viewer", PASSWORD)).await;
    assert_eq!(
        right.status,
        StatusCode::TOO_MANY_REQUESTS,
        "the right password does not help any more"
    );
    let (unknown, wrong) = (
        console.send(log_in("nobody-here", "wrong guess")).await,
        &answers[0],
    );
    assert_eq!(
        (unknown.status, unknown.json()["message"].clone()),
        (wrong.status, wrong.json()["message"].clone())
    );
}

#[tokio::test]
async fn a_form_leads_only_to_our_own_pages() {
    let console = Console::start().await;
    console.log_in_as(Role::Viewer).await;
    for (next, lead) in [
        ("/jobs", "/jobs"),
        // With one managed database, its overview.
        ("", "/db/main/"),
        ("/", "/"),
        ("https://evil.example/", "/"),
        ("/.//evil.example/", "/"),
        ("//evil.example", "/"),
    ] {
        let mut request = log_in("viewer", PASSWORD);
        *request.body_mut() = Body::from(format!(
            "name=viewer&password={}&next={next}",
            PASSWORD.replace(' ', "+")
        ));
        request
            .headers_mut()
            .insert(header::ACCEPT, "text/html".parse().unwrap());
        request
            .headers_mut()
            .insert(header::REFERER, format!("http://{HOST}/login").parse().unwrap());
        let answer = console.send(request).await;
        assert_eq!(
            (answer.status.as_u16() / 100, answer.header("location")),
            (3, lead),
            "{next}"
        );
    }
    // A refused form, with a Referer that somebody made up.
    let mut request = log_in("viewer", "wrong guess");
    request
        .headers_mut()
        .insert(header::ACCEPT, "text/html".parse().unwrap());
    request
        .headers_mut()
        .insert(header::REFERER, "https://evil.example/take?x=".parse().unwrap());
    let location = console.send(request).await.header("location").to_owned();
    assert!(
        location.starts_with('/') && !location.starts_with("//"),
        "{location}"
    );
}

#[tokio::test]
async fn files_come_compressed_and_may_be_kept_for_ever() {
    let console = Console::start().await;
    for (accept, encoding, body) in [
        ("br, gzip", "br", "brotli"),
        ("gzip", "gzip", "gzip"),
        ("identity", "", "plain"),
    ] {
        let mut request = get("/pkg/a.css");
        request
            .headers_mut()
            .insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
        let answer = console.send(request).await;
        assert_eq!(
            (answer.header("content-encoding"), answer.text().as_str()),
            (encoding, body)
        );
        assert_eq!(answer.header("content-type"), "text/css");
        assert!(answer.header("cache-control").contains("immutable"));
    }
    // A font is stored as small as it gets.
    let font = console.send(get("/pkg/inter.1.woff2")).await;
    assert_eq!(
        (font.header("content-type"), font.header("content-encoding")),
        ("font/woff2", "")
    );
    for path in [
        "/pkg/../assets.json",
        "/pkg/%2e%2e/assets.json",
        "/pkg/",
        "/pkg/a.js",
    ] {
        assert_eq!(
            console.send(get(path)).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_no_more_is_no_page() {
    let console = Console::start().await;
    let answer = console.send(get("/pkg/jobs.0123456789abcdef.wasm")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(!answer.header("content-type").contains("html"));
    assert!(!answer.header("cache-control").contains("immutable"));
}

#[tokio::test]
async fn a_page_asks_ahead_for_its_own_part_alone() {
    let console = Console::start().await;
    let page = console.send(get("/login")).await.text();
    for file in ["/pkg/a.wasm", "/pkg/shared.wasm", "/pkg/login.wasm"] {
        let link = format!("<link rel=\"preload\" href=\"{file}\" as=\"fetch\"");
        assert!(page.contains(&link), "{file}: {page}");
    }
    for file in ["/pkg/a.js", "/pkg/b.js"] {
        assert!(
            page.contains(&format!("<link rel=\"modulepreload\" href=\"{file}\"")),
            "{file}: {page}"
        );
    }
    assert!(!page.contains("jobs.wasm"), "{page}");
}

#[tokio::test]
async fn a_body_that_hides_its_length_is_cut_off() {
    let console = Console::start().await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let chunks = (0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]));
    let request = Request::builder()
        .method(Method::POST)
        .uri("/rpc/list_jobs")
        .header(header::HOST, HOST)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from_stream(futures::stream::iter(chunks)))
        .unwrap();
    let answer = console.send(viewer.signed(request)).await;
    assert!(
        answer.status.is_client_error(),
        "{}: {}",
        answer.status,
        answer.text()
    );
}

#[tokio::test]
async fn pages_are_compressed_and_health_is_told() {
    let console = Console::start().await;
    let mut request = get("/login");
    request
        .headers_mut()
        .insert(header::ACCEPT_ENCODING, "br".parse().unwrap());
    let answer = console.send(request).await;
    assert_eq!(answer.header("content-encoding"), "br");
    assert_eq!(console.send(get("/healthz")).await.text(), "ok\n");
    assert_eq!(console.send(get("/readyz")).await.status, StatusCode::OK);
    // What it finds is for those who are logged in.
    assert_eq!(
        console.send(get("/readyz/detail")).await.status,
        StatusCode::UNAUTHORIZED
    );
    let viewer = console.log_in_as(Role::Viewer).await;
    viewer.get("/db/main/").await;
    let detail = viewer.get("/readyz/detail").await;
    assert_eq!(detail.status, StatusCode::OK);
    let detail = detail.json();
    assert_eq!(
        (detail[0]["name"].as_str(), detail[0]["healthy"].as_bool()),
        (Some("main"), Some(false)),
        "{detail}"
    );
    assert!(detail.to_string().contains("backup.none"), "{detail}");
    console.engine.close().await;
    assert_eq!(
        console.send(get("/healthz")).await.status,
        StatusCode::OK,
        "the process still lives"
    );
    assert_eq!(
        console.send(get("/readyz")).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}
