//! The webhook that programs tell of deployments by.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use contract::{
    deployment::{HOOK, NewToken},
    session::Role,
};
use serde_json::json;

use crate::support::{Answer, Console, HOST};

fn post(token: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(HOOK)
        .header(header::HOST, HOST);
    let request = match token {
        Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        None => request,
    };
    request.body(body.into()).unwrap()
}

async fn token(console: &Console) -> String {
    let administrator = console.engine.session().command_line("test");
    let new = NewToken {
        name: "ci".to_owned(),
        target: None,
    };
    let made = console.engine.deployment().make_token(&administrator, new).await;
    made.unwrap().token
}

fn fault(answer: &Answer) -> (u16, String) {
    let fault = answer.json();
    let said = format!("{} {} {}", fault["field"], fault["message"], fault["hint"]);
    (answer.status.as_u16(), said)
}

#[tokio::test]
async fn a_program_tells_of_a_deployment_and_pages_show_it_without_javascript() {
    let console = Console::start().await;
    let token = token(&console).await;
    let told = json!({ "target": "main", "version": "shop <1.4.2>", "note": "new check-out", "link": "https://ci.example/7" });
    let answer = console.send(post(Some(&token), told.to_string())).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["told_by"], "token ci");
    // With one managed database nobody needs to name it.
    let answer = console
        .send(post(Some(&token), r#"{"note": "nothing new"}"#))
        .await;
    assert_eq!(answer.json()["target"], "main", "{}", answer.text());

    let viewer = console.log_in_as(Role::Viewer).await;
    for page in ["/db/main/", "/db/main/history"] {
        let page = viewer.get(page).await.text();
        assert!(
            page.contains("Deployment shop &lt;1.4.2&gt;: new check-out"),
            "{page}"
        );
        assert!(page.contains("https://ci.example/7"), "{page}");
        assert!(page.contains("Deployment: nothing new"), "{page}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_and_nothing_is_kept() {
    let console = Console::start().await;
    let token = token(&console).await;
    let stranger = console.send(post(None, "{}")).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stranger.header("www-authenticate"), "Bearer");
    let wrong = format!("{}x", &token[..token.len() - 1]);
    let answer = console.send(post(Some(&wrong), r#"{"version": "1"}"#)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    // A session is no token, whoever's it is.
    let administrator = console.log_in_as(Role::Administrator).await;
    let mut request = administrator.signed(post(None, r#"{"version": "1"}"#));
    let own = format!("http://{HOST}").parse().unwrap();
    request.headers_mut().insert(header::ORIGIN, own);
    assert_eq!(console.send(request).await.status, StatusCode::UNAUTHORIZED);
    for (body, status, said) in [
        ("", 422, "could not be read"),
        ("{", 422, "could not be read"),
        (r#"{"versoin": "1"}"#, 422, "versoin"),
        (r#"{"version": 1}"#, 422, "expected a string"),
        (
            r#"{"version": "1", "at": "yesterday"}"#,
            422,
            r#""at" "The time could not be read."#,
        ),
        (
            r#"{"version": "1", "at": "2026-11-30T14:05:00"}"#,
            422,
            r#""at" "The time does not say in which zone it is." "Give it with its zone, as in 2026-11-30T14:05:00Z"#,
        ),
        (
            r#"{"version": "1", "at": 1764511500}"#,
            422,
            "The time could not be read.",
        ),
        ("{}", 422, "version"),
        (r#"{"version": "1", "link": "javascript:alert(1)"}"#, 422, "link"),
        (r#"{"version": "1", "target": "nobody"}"#, 404, "main"),
    ] {
        let answer = console.send(post(Some(&token), body)).await;
        let (found, words) = fault(&answer);
        assert!(found == status && words.contains(said), "{body}: {found} {words}");
    }
    let large = format!(r#"{{"note": "{}"}}"#, "x".repeat(20_000));
    let (status, words) = fault(&console.send(post(Some(&token), large)).await);
    assert!(status == 413 && words.contains("16384"), "{status} {words}");
    let mut get = post(Some(&token), "");
    *get.method_mut() = Method::GET;
    let answer = console.send(administrator.signed(get)).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let caller = console.engine.session().command_line("test");
    let kept = console.engine.deployment().list(&caller, "main").await.unwrap();
    assert_eq!(kept, []);
}

#[tokio::test]
async fn calls_of_one_network_are_bounded() {
    let console = Console::start().await;
    let mut statuses = Vec::new();
    for _ in 0..61 {
        statuses.push(console.send(post(None, "{}")).await.status.as_u16());
    }
    // Should a minute have ended meanwhile, the count began anew.
    let busy = statuses.iter().filter(|status| **status == 429).count();
    assert!(
        busy <= 1 && statuses[..60].iter().all(|status| *status == 401),
        "{statuses:?}"
    );
    if busy == 0 {
        for _ in 0..60 {
            statuses.push(console.send(post(None, "{}")).await.status.as_u16());
        }
        assert!(statuses.contains(&429), "{statuses:?}");
    }
}
