//! Visitors of the console: what a browser sends, without the browser.

use std::time::{Duration, Instant};

use contract::Fault;
use reqwest::{Client, StatusCode, header, redirect::Policy};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time;

use crate::{Result, console::Console};

/// An access token is good for 15 minutes; sessions older than this are not used for a new run, which is shorter than the rest.
const FRESH: Duration = Duration::from_secs(9 * 60);
/// How long a log-in may be put off: the console lets 20 a minute through from one address.
const PATIENCE: Duration = Duration::from_secs(90);
/// Longer than the console lets any request take.
const TIMEOUT: Duration = Duration::from_secs(40);

/// A client with connections of its own, which keeps them.
pub fn client() -> Result<Client> {
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| format!("making an HTTP client: {error}"))
}

/// A client for streams, which have no end.
pub fn streaming_client() -> Result<Client> {
    let built = Client::builder().no_proxy().redirect(Policy::none()).build();
    built.map_err(|error| format!("making an HTTP client: {error}"))
}

/// Someone who is logged in.
#[derive(Clone)]
pub struct Visitor {
    /// The console's origin.
    pub origin: String,
    /// The `Cookie` header of the session.
    pub cookie: String,
    client: Client,
}

impl Visitor {
    /// Calls a server function, as the pages' script does.
    pub async fn call<T: DeserializeOwned>(
        &self,
        function: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<T> {
        let failed = |error: reqwest::Error| format!("calling {function}: {}", chain(&error));
        let sent = self.client.post(format!("{}/rpc/{function}", self.origin));
        let sent = sent
            .header(header::ORIGIN, &self.origin)
            .header(header::ACCEPT, "application/json");
        let answer = sent
            .header(header::COOKIE, &self.cookie)
            .json(arguments)
            .send()
            .await
            .map_err(failed)?;
        let status = answer.status();
        let text = answer.text().await.map_err(failed)?;
        if !status.is_success() {
            let said = serde_json::from_str::<Fault>(&text).map_or(text, |fault| fault.message);
            return Err(format!("{function} answered {status}: {said}"));
        }
        serde_json::from_str(&text)
            .map_err(|error| format!("{function} answered what cannot be read: {error}"))
    }
}

/// The administrator's sessions. Several, since people do not share one.
pub struct Sessions {
    origin: String,
    password: String,
    open: Vec<(Instant, Visitor)>,
}

impl Sessions {
    /// None yet.
    pub fn new(console: &Console) -> Self {
        Self {
            origin: console.origin.clone(),
            password: console.password.clone(),
            open: Vec::new(),
        }
    }

    /// Goes on with the same store behind another console, or the same one after a restart.
    pub fn follow(&mut self, console: &Console) {
        self.origin.clone_from(&console.origin);
        for (_, visitor) in &mut self.open {
            visitor.origin.clone_from(&console.origin);
        }
    }

    /// One of them.
    pub async fn one(&mut self) -> Result<Visitor> {
        let mut visitors = self.many(1).await?;
        visitors.pop().ok_or_else(|| "no session".to_owned())
    }

    /// So many, each in a session of its own.
    pub async fn many(&mut self, count: usize) -> Result<Vec<Visitor>> {
        self.open.retain(|(since, _)| since.elapsed() < FRESH);
        while self.open.len() < count {
            let visitor = self.log_in().await?;
            self.open.push((Instant::now(), visitor));
        }
        Ok(self
            .open
            .iter()
            .take(count)
            .map(|(_, visitor)| visitor.clone())
            .collect())
    }

    async fn log_in(&self) -> Result<Visitor> {
        let client = client()?;
        let begun = Instant::now();
        loop {
            // Letters and digits need no encoding.
            let form = format!("name=admin&password={}&next=/", self.password);
            let sent = client
                .post(format!("{}/rpc/log_in", self.origin))
                .header(header::ORIGIN, &self.origin)
                .header(header::ACCEPT, "text/html")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form);
            let answer = sent
                .send()
                .await
                .map_err(|error| format!("logging in: {}", chain(&error)))?;
            let headers = answer.headers();
            let cookies = headers
                .get_all(header::SET_COOKIE)
                .iter()
                .filter_map(|value| value.to_str().ok());
            let cookie: Vec<&str> = cookies.filter_map(|value| value.split(';').next()).collect();
            if !cookie.is_empty() {
                return Ok(Visitor {
                    origin: self.origin.clone(),
                    cookie: cookie.join("; "),
                    client,
                });
            }
            let leads = headers
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            let busy = leads.contains("refused=busy") || answer.status() == StatusCode::TOO_MANY_REQUESTS;
            if !busy || begun.elapsed() > PATIENCE {
                return Err(format!("logging in was refused: {} {leads}", answer.status()));
            }
            time::sleep(Duration::from_secs(3)).await;
        }
    }
}

/// An error with its causes; the library's own text leaves them out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
