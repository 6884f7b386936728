//! What changes, as whole values, to everyone who watches.
//!
//! Changes cross processes by NOTIFY with an id only; each process reads the row and hands the whole value to its own
//! watchers. Whoever falls behind, or loses the connection, gets everything anew.

use std::time::Duration;

use contract::{
    jobs::{Event, JobId},
    session::Permission,
};
use futures::Stream;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::{Caller, Engine, Result, jobs, target::Target};

/// The one NOTIFY channel of the store.
pub(crate) const CHANNEL: &str = "pgsteward";

/// How long the store may take to answer before it counts as away.
const PROBE: Duration = Duration::from_secs(3);

/// What a notification says: which row to read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notice {
    /// A job waits for a worker.
    Queued(JobId),
    /// A job's row changed.
    Changed(JobId),
    /// A job shall stop.
    Cancel(JobId),
    /// A job's log has lines after this number.
    Logged(JobId, i64),
}

#[derive(Clone)]
enum Message {
    Event(Event),
    Resync,
}

/// The hub of one process.
pub(crate) struct Events {
    sender: broadcast::Sender<Message>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            sender: broadcast::channel(512).0,
        }
    }

    fn publish(&self, event: Event) {
        // Nobody watching is no failure.
        self.sender.send(Message::Event(event)).ok();
    }

    pub(crate) async fn publish_target(&self, engine: &Engine, target: &Target) -> Result<()> {
        if self.sender.receiver_count() == 0 {
            return Ok(());
        }
        let live = jobs::store::live_by_target(engine.store()).await?;
        let view = target.view(live.get(target.name()).copied().unwrap_or(0));
        self.publish(Event::Target {
            target: Box::new(view),
        });
        Ok(())
    }
}

impl Engine {
    /// Everything that is live: first a snapshot, then whole values as they change; the snapshot again after a lag.
    /// Ends when the engine closes. The caller's session must be looked at again from time to time by who streams.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn watch(&self, caller: &Caller) -> Result<impl Stream<Item = Event> + Send + use<>> {
        caller.permit(Permission::ViewTarget)?;
        caller.permit(Permission::ViewJobs)?;
        let engine = self.clone();
        let receiver = self.events().sender.subscribe();
        let state = (engine, receiver, true);
        Ok(futures::stream::unfold(
            state,
            |(engine, mut receiver, mut snapshot)| async move {
                let stopping = engine.stopping();
                loop {
                    if snapshot {
                        match taken(&engine).await {
                            Ok(event) => return Some((event, (engine, receiver, false))),
                            Err(error) => {
                                tracing::warn!(
                                    error = error.chain(),
                                    "no snapshot for a watcher; trying again"
                                );
                                tokio::select! {
                                    () = stopping.cancelled() => return None,
                                    () = tokio::time::sleep(Duration::from_secs(1)) => continue,
                                }
                            }
                        }
                    }
                    let received = tokio::select! {
                        () = stopping.cancelled() => return None,
                        received = receiver.recv() => received,
                    };
                    match received {
                        Ok(Message::Event(event)) => return Some((event, (engine, receiver, false))),
                        Ok(Message::Resync) | Err(broadcast::error::RecvError::Lagged(_)) => snapshot = true,
                        Err(broadcast::error::RecvError::Closed) => return None,
                    }
                }
            },
        ))
    }
}

async fn taken(engine: &Engine) -> Result<Event> {
    Ok(Event::Snapshot {
        jobs: jobs::store::live_and_recent(engine.store()).await?,
        targets: engine.targets().views().await?,
    })
}

/// Listens to the store's notifications until the token is cancelled; comes back by itself after a broken connection.
pub(crate) async fn listen(engine: Engine, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let listening = listen_once(&engine);
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = listening => ended,
        };
        if let Err(error) = ended {
            tracing::warn!(error = %error, "lost the store's notifications; connecting again");
        }
        // Whoever asks meanwhile is told so at once, instead of waiting for a connection.
        let answered = tokio::time::timeout(PROBE, engine.ready()).await;
        engine.note_store(answered.is_ok_and(|answered| answered.is_ok()));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

async fn listen_once(engine: &Engine) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(engine.store()).await?;
    listener.listen(CHANNEL).await?;
    engine.note_store(true);
    // What happened while nobody listened is in the rows.
    engine.events().sender.send(Message::Resync).ok();
    engine.runner().wake();
    while let Some(notification) = listener.try_recv().await? {
        match serde_json::from_str::<Notice>(notification.payload()) {
            Ok(notice) => deliver(engine, notice).await?,
            Err(error) => tracing::warn!(%error, "a notification that this version does not understand"),
        }
    }
    Ok(())
}

async fn deliver(engine: &Engine, notice: Notice) -> Result<(), sqlx::Error> {
    let watched = engine.events().sender.receiver_count() > 0;
    match notice {
        Notice::Queued(_) => engine.runner().wake(),
        Notice::Cancel(id) => engine.runner().cancel(id),
        Notice::Changed(id) => {
            if watched && let Some(job) = jobs::store::view(engine.store(), id).await? {
                // A job that ended may let a waiting one begin.
                if job.state.is_final() {
                    engine.runner().wake();
                    engine.outdate(job.target.as_deref());
                }
                engine.events().publish(Event::Job { job: Box::new(job) });
            } else {
                engine.runner().wake();
                // Nobody watches, so which job it is was not read.
                for target in engine.all_targets() {
                    target.kept().doubt();
                }
            }
        }
        Notice::Logged(id, after) => {
            if watched {
                let lines = jobs::store::log_after(engine.store(), id, after).await?;
                engine.events().publish(Event::Log { job: id, lines });
            }
        }
    }
    Ok(())
}
