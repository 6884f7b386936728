//! The log is of less worth than the work: a console goes on whatever becomes of its standard error.

use std::{fs::File, process::Stdio};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::{Client, header};
use serde_json::{Value, json};

use crate::program::{Home, PATIENCE, Serving};

const PASSWORD: &str = "nine boats on a lake";

/// Enough lines to fill every pipe, at the level that logs each request in several.
const REQUESTS: usize = 1500;

#[tokio::test]
async fn a_log_that_nobody_reads_stops_no_request_and_no_job() {
    // The reader stays open, and never reads.
    let (_reader, writer) = std::io::pipe().unwrap();
    works(writer.into()).await;
}

#[tokio::test]
async fn a_log_whose_reader_is_gone_stops_no_request_and_no_job() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    works(writer.into()).await;
}

#[tokio::test]
async fn a_log_on_a_full_disk_stops_no_request_and_no_job() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    works(full.into()).await;
}

/// A console that logs there answers, works and ends.
async fn works(log: Stdio) {
    let cluster = testkit::shared().await;
    let (store, target) = (cluster.database("store").await, cluster.database("main").await);
    let home = Home::new()
        .with("DATABASE_URL", &target.url())
        .with("PGSTEWARD_STORE_URL", &store.url())
        .with("PGSTEWARD_ADMIN_PASSWORD", PASSWORD)
        .with("RUST_LOG", "debug");
    let console = home.serve_with_log(log);
    let browser = Browser::log_in(&console).await;
    for _ in 0..REQUESTS {
        let answer = browser
            .client
            .get(format!("{}/healthz", console.url))
            .send()
            .await;
        assert_eq!(answer.unwrap().status(), 200);
    }
    // The terminal is closed: no reason to end either.
    kill(Pid::from_raw(console.pid()), Signal::SIGHUP).unwrap();
    let job = browser
        .call("start_backup", &json!({"spec": {"target": target.name()}}))
        .await;
    let begun = std::time::Instant::now();
    loop {
        let state = browser.call("view_job", &json!({ "id": job })).await["job"]["state"].clone();
        if state == "succeeded" {
            break;
        }
        assert!(
            matches!(state.as_str(), Some("queued" | "running")) && begun.elapsed() < PATIENCE,
            "{state}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(console.stop(Signal::SIGTERM) < PATIENCE);
}

struct Browser {
    client: Client,
    url: String,
    cookies: String,
}

impl Browser {
    async fn log_in(console: &Serving) -> Self {
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let answer = client
            .post(format!("{}/rpc/log_in", console.url))
            .header(header::ORIGIN, &console.url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("name=admin&password={}", PASSWORD.replace(' ', "+")))
            .send()
            .await
            .unwrap();
        let cookies: Vec<&str> = answer
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap())
            .collect();
        Self {
            cookies: cookies.join("; "),
            url: console.url.clone(),
            client,
        }
    }

    async fn call(&self, name: &str, body: &Value) -> Value {
        let answer = self
            .client
            .post(format!("{}/rpc/{name}", self.url))
            .header(header::ORIGIN, &self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, &self.cookies)
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{name}");
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }
}
