//! Acts that a role does not allow: each refusal is in the log, whoever asked in whatever way.

use contract::audit::{Outcome, Severity};
use tokio::sync::mpsc;

use super::{Entry, repeats::record_or_count};
use crate::{Engine, Result};

/// Refusals that wait to be written. Callers never wait for it.
const WAITING: usize = 1000;

/// A refusal.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) user: String,
    pub(crate) address: Option<String>,
    /// What it would have taken, by its name.
    pub(crate) permission: &'static str,
    pub(crate) role: &'static str,
}

/// Where refusals go; each caller has one.
#[derive(Clone, Debug)]
pub(crate) struct Refusals(mpsc::Sender<Refusal>);

impl Refusals {
    /// The way in, and the way out for [`write`].
    pub(crate) fn new() -> (Self, mpsc::Receiver<Refusal>) {
        let (send, receive) = mpsc::channel(WAITING);
        (Self(send), receive)
    }

    pub(crate) fn tell(&self, refusal: Refusal) {
        if let Err(error) = self.0.try_send(refusal) {
            tracing::warn!(%error, "a refusal is missing in the audit log");
        }
    }
}

/// Writes refusals until the engine closes, and then those that wait.
pub(crate) async fn write(engine: Engine, mut refusals: mpsc::Receiver<Refusal>) {
    let stop = engine.stopping();
    loop {
        let refusal = tokio::select! {
            biased;
            refusal = refusals.recv() => refusal,
            () = stop.cancelled() => return,
        };
        let Some(refusal) = refusal else { return };
        if let Err(error) = one(&engine, &refusal).await {
            tracing::warn!(
                user.name = refusal.user,
                permission = refusal.permission,
                error = error.chain(),
                "a refusal is missing in the audit log"
            );
        }
    }
}

async fn one(engine: &Engine, refusal: &Refusal) -> Result<()> {
    let detail = format!("The role {} may not do this.", refusal.role);
    let entry = Entry {
        event_type: "session.forbidden",
        severity: Severity::Warning,
        outcome: Outcome::Denied,
        user: Some(&refusal.user),
        address: refusal.address.as_deref(),
        target: None,
        object: Some(refusal.permission),
        detail: Some(&detail),
        job: None,
    };
    let mut transaction = engine.store().begin().await?;
    let key = format!("{} {}", refusal.user, refusal.permission);
    record_or_count(&mut transaction, &key, entry).await?;
    transaction.commit().await?;
    Ok(())
}
