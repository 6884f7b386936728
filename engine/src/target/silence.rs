//! Whether a managed database still speaks. A network that goes away without a word leaves connections that wait for
//! ever: TCP ends one after hours, and whoever only waits for data is never told.

use std::time::Duration;

use contract::{Code, Fault, format};
use sqlx::PgConnection;
use tokio::time::Instant;

use super::{Target, look::query};
use crate::Error;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// How long the answer to a small question may take before it counts as none.
const ANSWER: Duration = Duration::from_secs(5);

/// Who can tell whether something was heard since it was asked last.
pub(crate) trait Listen {
    /// Whether something was. May be dropped before it knows.
    fn heard(&mut self) -> impl Future<Output = bool> + Send;
}

/// Comes back once nothing was heard for `limit`. An answer is not waited for longer than five seconds. `tell` gets how long
/// the silence lasts once that is a quarter of the limit, and `None` when it ends before.
pub(crate) async fn until_silent(
    limit: Duration,
    listener: &mut impl Listen,
    mut tell: impl FnMut(Option<Duration>),
) {
    let mut last = Instant::now();
    let mut told = false;
    loop {
        tokio::time::sleep(LOOK.min(limit / 4)).await;
        let answer = tokio::time::timeout(ANSWER.min(limit / 4), listener.heard()).await;
        if answer == Ok(true) {
            last = Instant::now();
            if std::mem::take(&mut told) {
                tell(None);
            }
            continue;
        }
        let silent = last.elapsed();
        if silent >= limit {
            return;
        }
        if silent >= limit / 4 {
            told = true;
            tell(Some(silent));
        }
    }
}

/// A connection of a job's own for small questions: one of the pool might not be had while the server is well.
pub(crate) struct Probe {
    target: Target,
    connection: Option<PgConnection>,
    /// Whether it ever had one. Where there was room for none from the start, nothing can be said of a silence.
    connected: bool,
}

impl Probe {
    pub(crate) fn new(target: &Target) -> Self {
        Self {
            target: target.clone(),
            connection: None,
            connected: false,
        }
    }

    /// Asks; `Some` with the answer, or with nothing when the server refuses to give one or can never be asked. `None` is
    /// silence.
    pub(crate) async fn ask<T: Send>(&mut self, question: impl Question<T>) -> Option<Option<T>> {
        // Taken away, so that one whose answer is not waited for is closed.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match self.target.connect("probe").await {
                Ok(connection) => {
                    self.connected = true;
                    connection
                }
                Err(Error::Target {
                    source: sqlx::Error::Database(_),
                    ..
                }) => return Some(None),
                Err(_) => return (!self.connected).then_some(None),
            },
        };
        match question.put(&mut connection).await {
            Ok(answer) => {
                self.connection = Some(connection);
                Some(Some(answer))
            }
            Err(sqlx::Error::Database(_)) => Some(None),
            Err(_) => None,
        }
    }
}

/// A question that a probe puts.
pub(crate) trait Question<T>: Send {
    fn put(self, connection: &mut PgConnection) -> impl Future<Output = Result<T, sqlx::Error>> + Send;
}

/// Whether the server answers at all.
struct Anything;

impl Question<()> for Anything {
    async fn put(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        query("select 1").execute(connection).await.map(|_| ())
    }
}

impl Listen for Probe {
    async fn heard(&mut self) -> bool {
        self.ask(Anything).await.is_some()
    }
}

impl Target {
    /// Nothing came from it for so long.
    pub(crate) fn silent(&self, limit: Duration) -> Error {
        Error::Refused(
            Fault::new(
                Code::TargetUnreachable,
                format!(
                    "Nothing came from {} for {}: the network to it is gone, or its server stands still.",
                    self.name(),
                    words(limit)
                ),
            )
            .hint(
                "See whether the server answers, then try again. PGSTEWARD_NETWORK_TIMEOUT sets how long a job waits.",
            ),
        )
    }
}

/// A silence in words, for a job that waits.
pub(crate) fn waits(target: &str, silent: Duration, limit: Duration) -> String {
    format!(
        "Nothing from {target} for {}; the job ends after {} of silence",
        words(silent),
        words(limit)
    )
}

fn words(span: Duration) -> String {
    // Whole seconds: nobody needs more of a silence.
    match i64::try_from(span.as_secs()).unwrap_or(i64::MAX) {
        seconds @ ..60 => format!("{seconds} s"),
        seconds => format::duration(seconds.saturating_mul(1000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Three(u32);

    impl Listen for Three {
        async fn heard(&mut self) -> bool {
            self.0 += 1;
            if self.0 > 3 {
                std::future::pending::<()>().await;
            }
            true
        }
    }

    #[tokio::test]
    async fn a_question_that_the_network_swallows_counts_as_no_answer_and_silence_ends_the_wait() {
        let limit = Duration::from_millis(200);
        let mut listener = Three(0);
        let begun = Instant::now();
        until_silent(limit, &mut listener, |silent| assert!(silent.is_some())).await;
        assert!(listener.0 > 3 && begun.elapsed() >= limit);
    }
}
