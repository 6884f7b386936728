//! Users who ask for one page, again and again.

use std::{sync::Arc, time::Duration};

use rand::Rng;
use reqwest::{Client, header};
use tokio::{
    task::JoinSet,
    time::{self, Instant},
};

use crate::{
    Result,
    console::Console,
    process,
    timing::Latencies,
    visitor::{self, Visitor},
};

/// Every so many answers of a user are read whole: an answer under load can be an apology with status 200.
const READ: usize = 10;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The path.
    pub path: String,
    /// The body of a call of a server function; without one it is a page.
    pub body: Option<String>,
    /// Words that only the right answer holds.
    pub proof: &'static str,
    /// Whether it needs a session.
    pub logged_in: bool,
}

/// How fast users ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Again at once: how much the console can do.
    Full,
    /// After reading for so long on average: how it is for people.
    Reading(Duration),
}

/// Processor cores that were busy during a run, by whose work it was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cores {
    /// The console.
    pub console: f64,
    /// The embedded PostgreSQL.
    pub server: f64,
    /// The bench itself.
    pub bench: f64,
}

impl Cores {
    /// All three.
    pub fn all(&self) -> f64 {
        self.console + self.server + self.bench
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Users at the same time.
    pub users: usize,
    /// How fast they asked.
    pub pace: Pace,
    /// Right answers a second.
    pub rate: f64,
    /// Times from the request to the answer's last byte.
    pub latencies: Latencies,
    /// Wrong or missing answers.
    pub failed: usize,
    /// What was wrong with one of them.
    pub failure: Option<String>,
    /// Who worked.
    pub cores: Cores,
}

/// One run: how many users, how fast, how long.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Users at the same time, each with a connection of its own.
    pub users: usize,
    /// How fast they ask.
    pub pace: Pace,
    /// Asked before it counts.
    pub warm_up: Duration,
    /// Asked while it counts.
    pub length: Duration,
}

/// Lets users ask. Requests count that begin within the measured time.
pub async fn run(console: &Console, visitors: &[Visitor], ask: &Ask, shape: Shape) -> Result<Outcome> {
    let begin = Instant::now() + shape.warm_up;
    let end = begin + shape.length;
    let ask = Arc::new(ask.clone());
    let mut users = JoinSet::new();
    for number in 0..shape.users {
        let cookie = visitors
            .get(number % visitors.len().max(1))
            .filter(|_| ask.logged_in)
            .map(|it| it.cookie.clone());
        let user = User {
            client: visitor::client()?,
            origin: console.origin.clone(),
            cookie,
            ask: Arc::clone(&ask),
            pace: shape.pace,
        };
        users.spawn(user.stay(begin, end));
    }
    time::sleep_until(begin).await;
    let before = worked(console);
    time::sleep_until(end).await;
    let after = worked(console);
    let mut latencies = Vec::new();
    let (mut failed, mut failure) = (0, None);
    while let Some(told) = users.join_next().await {
        let told = told.map_err(|error| format!("a user of the bench ended: {error}"))?;
        latencies.extend(told.right);
        failed += told.wrong;
        failure = failure.or(told.why);
    }
    let seconds = shape.length.as_secs_f64();
    let busy = |index: usize| after[index].saturating_sub(before[index]).as_secs_f64() / seconds;
    Ok(Outcome {
        users: shape.users,
        pace: shape.pace,
        rate: latencies.len() as f64 / seconds,
        latencies: Latencies::new(latencies),
        failed,
        failure,
        cores: Cores {
            console: busy(0),
            server: busy(1),
            bench: busy(2),
        },
    })
}

/// Asks once, whole and uncompressed; how long it took.
pub async fn once(client: &Client, visitor: &Visitor, ask: &Ask) -> Result<Duration> {
    let asked = Instant::now();
    fetch(client, &visitor.origin, Some(&visitor.cookie), ask, true).await?;
    Ok(asked.elapsed())
}

/// Processor time of the console, the embedded PostgreSQL and the bench so far.
fn worked(console: &Console) -> [Duration; 3] {
    let server = console
        .embedded_pid()
        .map(process::family_time)
        .unwrap_or_default();
    [
        process::processor_time(console.pid),
        server,
        process::processor_time(std::process::id()),
    ]
}

struct User {
    client: Client,
    origin: String,
    cookie: Option<String>,
    ask: Arc<Ask>,
    pace: Pace,
}

#[derive(Default)]
struct Told {
    right: Vec<Duration>,
    wrong: usize,
    why: Option<String>,
}

impl User {
    async fn stay(self, begin: Instant, end: Instant) -> Told {
        let mut told = Told::default();
        if let Pace::Reading(mean) = self.pace {
            // People do not come all at once.
            let later = mean.mul_f64(rand::rng().random_range(0.0..1.0));
            time::sleep(later).await;
        }
        let mut count = rand::rng().random_range(0..READ);
        while Instant::now() < end {
            let asked = Instant::now();
            let whole = count.is_multiple_of(READ);
            let answer = fetch(
                &self.client,
                &self.origin,
                self.cookie.as_deref(),
                &self.ask,
                whole,
            )
            .await;
            count += 1;
            if asked >= begin && asked < end {
                match answer {
                    Ok(()) => told.right.push(asked.elapsed()),
                    Err(why) => {
                        told.wrong += 1;
                        told.why = Some(why);
                    }
                }
            }
            if let Pace::Reading(mean) = self.pace {
                let until = Instant::now() + mean.mul_f64(rand::rng().random_range(0.5..1.5));
                time::sleep_until(until.min(end)).await;
            }
        }
        told
    }
}

/// Asks and takes the whole answer. Read uncompressed when its words are to be looked at, else compressed as browsers ask.
async fn fetch(client: &Client, origin: &str, cookie: Option<&str>, ask: &Ask, read: bool) -> Result<()> {
    let url = format!("{origin}{}", ask.path);
    let request = match &ask.body {
        None => client.get(url).header(header::ACCEPT, "text/html"),
        Some(body) => client
            .post(url)
            .header(header::ORIGIN, origin)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.clone()),
    };
    let encoding = if read { "identity" } else { "gzip, deflate, br" };
    let request = request.header(header::ACCEPT_ENCODING, encoding);
    let request = match cookie {
        Some(cookie) => request.header(header::COOKIE, cookie),
        None => request,
    };
    let failed = |error: reqwest::Error| format!("{}: {}", ask.path, visitor::chain(&error));
    let answer = request.send().await.map_err(failed)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(failed)?;
    if status != reqwest::StatusCode::OK {
        return Err(format!("{} answered {status}", ask.path));
    }
    if read && !contains(&body, ask.proof.as_bytes()) {
        return Err(format!("{} answered without the words {:?}", ask.path, ask.proof));
    }
    Ok(())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_bytes() {
        assert!(contains(b"<p>ari_snapshots</p>", b"ari_snapshots"));
        assert!(!contains(b"short", b"longer than it") && !contains(b"abc", b"abd"));
    }
}
