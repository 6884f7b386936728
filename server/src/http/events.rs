//! `/events`: everything that is live, as one stream for each browser tab.
//!
//! Values are whole, so that of several values of one job in a quarter second only the newest is sent. A stream ends with
//! its session: it asks every half minute, and at once when this process ended sessions.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Extension,
    extract::{RawQuery, State},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event as Message, KeepAlive},
    },
};
use contract::{
    Code, Fault,
    jobs::{Event, JobId},
};
use engine::Caller;
use futures::{Stream, StreamExt};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior},
};
use uuid::Uuid;

use super::{Web, fault};

/// At most one value of a job in this time: four a second.
const WINDOW: Duration = Duration::from_millis(250);
/// Tabs of one session.
const MOST: usize = 20;

/// The streams of this process.
#[derive(Clone)]
pub struct Streams {
    open: Arc<Mutex<HashMap<Uuid, usize>>>,
    looks: Arc<watch::Sender<u64>>,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            open: Arc::default(),
            looks: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Streams {
    /// Lets every stream ask now whether its session still lives.
    pub(super) fn look_again(&self) {
        self.looks.send_modify(|count| *count += 1);
    }

    /// Told whenever a session may have ended.
    pub(super) fn looks(&self) -> watch::Receiver<u64> {
        self.looks.subscribe()
    }

    /// How many streams are open.
    pub fn count(&self) -> usize {
        self.lock().values().sum()
    }

    fn enter(&self, session: Uuid) -> Option<Place> {
        let mut open = self.lock();
        let count = open.entry(session).or_default();
        if *count >= MOST {
            return None;
        }
        *count += 1;
        Some(Place {
            streams: self.clone(),
            session,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open stream; its place is free again when the stream is dropped.
struct Place {
    streams: Streams,
    session: Uuid,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        if let Some(count) = open.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.session);
            }
        }
    }
}

/// Opens a stream for the caller.
pub(super) async fn handle(
    State(web): State<Web>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(place) = web.streams.enter(caller.session().unwrap_or_default()) else {
        return fault::answer(
            Fault::new(
                Code::Busy,
                format!("This session has {MOST} live pages open already."),
            )
            .hint("Close some tabs; what they show is right after a reload."),
        );
    };
    match values(&web, &caller, query.as_deref()) {
        Ok(values) => {
            let alive = KeepAlive::new().interval(Duration::from_secs(15));
            Sse::new(messages(web, caller, values, place))
                .keep_alive(alive)
                .into_response()
        }
        Err(error) => fault::of_engine(&error),
    }
}

/// What is live, with the pulse of the one managed database that the address names, if any.
fn values(
    web: &Web,
    caller: &Caller,
    query: Option<&str>,
) -> engine::Result<impl Stream<Item = Event> + Send + use<>> {
    let of = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "pulse")
        .map(|(_, target)| target);
    let live = web.engine.watch(caller)?;
    let pulse = match of {
        Some(target) => web.engine.history().pulse(caller, &target)?.boxed(),
        None => futures::stream::pending().boxed(),
    };
    // The stream is over with what is live.
    let live = live.map(Some).chain(futures::stream::iter([None]));
    let both = futures::stream::select(live, pulse.map(Some));
    Ok(both
        .take_while(|event| std::future::ready(event.is_some()))
        .filter_map(std::future::ready))
}

fn messages(
    web: Web,
    caller: Caller,
    values: impl Stream<Item = Event> + Send + 'static,
    place: Place,
) -> impl Stream<Item = Result<Message, Infallible>> + Send {
    async_stream::stream! {
        let _place = place;
        let mut values = std::pin::pin!(values);
        let mut looks = web.streams.looks();
        let mut recheck = tokio::time::interval_at(Instant::now() + web.recheck, web.recheck);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waiting = Waiting::default();
        loop {
            let due = waiting.due();
            let value = tokio::select! {
                () = web.closing.cancelled() => return,
                value = values.next() => match value {
                    Some(value) => value,
                    None => return,
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(far)), if due.is_some() => {
                    for event in waiting.take_due() {
                        yield Ok(message(&event));
                    }
                    continue;
                }
                _ = recheck.tick() => {
                    if !web.engine.session().still_live(&caller).await {
                        return;
                    }
                    continue;
                }
                Ok(()) = looks.changed() => {
                    if !web.engine.session().still_live(&caller).await {
                        return;
                    }
                    continue;
                }
            };
            if let Some(event) = waiting.admit(value) {
                yield Ok(message(&event));
            }
        }
    }
}

/// Jobs whose newest value waits for the end of their window.
#[derive(Default)]
struct Waiting {
    sent: HashMap<JobId, Instant>,
    held: HashMap<JobId, Event>,
}

impl Waiting {
    /// Gives the value back when it may be sent now; keeps it, in place of an older one, when not.
    fn admit(&mut self, event: Event) -> Option<Event> {
        let now = Instant::now();
        match &event {
            Event::Job { job } => {
                let id = job.id;
                if self
                    .sent
                    .get(&id)
                    .is_some_and(|sent| now.duration_since(*sent) < WINDOW)
                {
                    self.held.insert(id, event);
                    return None;
                }
                self.sent.retain(|_, sent| now.duration_since(*sent) < WINDOW);
                self.sent.insert(id, now);
                self.held.remove(&id);
                Some(event)
            }
            // It holds every job as it is now.
            Event::Snapshot { .. } => {
                self.held.clear();
                Some(event)
            }
            _ => Some(event),
        }
    }

    /// When the next window ends in which something waits.
    fn due(&self) -> Option<Instant> {
        self.held
            .keys()
            .filter_map(|id| self.sent.get(id))
            .min()
            .map(|sent| *sent + WINDOW)
    }

    fn take_due(&mut self) -> Vec<Event> {
        let now = Instant::now();
        let over = |sent: Option<&Instant>| sent.is_none_or(|sent| now.duration_since(*sent) >= WINDOW);
        let due: Vec<JobId> = self
            .held
            .keys()
            .filter(|id| over(self.sent.get(id)))
            .copied()
            .collect();
        due.into_iter()
            .filter_map(|id| {
                self.sent.insert(id, now);
                self.held.remove(&id)
            })
            .collect()
    }
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn message(event: &Event) -> Message {
    // These are plain values with text keys: nothing in them can fail to become JSON.
    Message::default().data(serde_json::to_string(event).unwrap_or_else(|_| "null".to_owned()))
}

#[cfg(test)]
mod tests {
    use contract::jobs::{JobKind, JobState, JobView, Progress};

    use super::*;

    fn value(id: u128, version: i64) -> Event {
        Event::Job {
            job: Box::new(JobView {
                id: JobId(Uuid::from_u128(id)),
                kind: JobKind::Backup,
                title: String::new(),
                target: None,
                state: JobState::Running,
                progress: Progress::default(),
                fault: None,
                outcome: None,
                created_by: String::new(),
                created_at: chrono::DateTime::UNIX_EPOCH,
                started_at: None,
                finished_at: None,
                version,
                waits_for: None,
            }),
        }
    }

    #[tokio::test]
    async fn of_several_values_in_a_window_only_the_newest_is_sent() {
        let mut waiting = Waiting::default();
        assert_eq!(
            waiting.admit(value(1, 1)),
            Some(value(1, 1)),
            "the first one at once"
        );
        assert_eq!(
            waiting.admit(value(2, 1)),
            Some(value(2, 1)),
            "each job has a window of its own"
        );
        assert_eq!(waiting.admit(value(1, 2)), None);
        assert_eq!(waiting.admit(value(1, 3)), None);
        assert!(waiting.take_due().is_empty(), "its window is not over");
        let due = waiting.due().unwrap_or_else(Instant::now);
        tokio::time::sleep_until(due).await;
        assert_eq!(waiting.take_due(), [value(1, 3)]);
        assert_eq!(waiting.due(), None);
        assert_eq!(waiting.admit(value(1, 4)), None, "a new window has begun");
        let snapshot = Event::Snapshot {
            jobs: Vec::new(),
            targets: Vec::new(),
        };
        assert_eq!(waiting.admit(snapshot.clone()), Some(snapshot));
        assert_eq!(waiting.due(), None, "a snapshot holds what was waiting");
    }

    #[test]
    fn a_session_has_room_for_twenty_tabs() {
        let streams = Streams::default();
        let session = Uuid::from_u128(7);
        let places: Vec<Place> = std::iter::from_fn(|| streams.enter(session)).collect();
        assert_eq!((places.len(), streams.count()), (20, 20));
        assert!(streams.enter(Uuid::from_u128(8)).is_some());
        drop(places);
        assert_eq!(streams.count(), 0);
    }
}
