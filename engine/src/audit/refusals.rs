//! What was refused before it began: acts that a role does not allow, and requests that another site made a browser send.
//! Each refusal is in the log, whoever asked in whatever way.

use contract::{
    audit::{Outcome, Severity},
    session::{Identity, Permission},
};
use tokio::sync::mpsc;

use super::{Entry, repeats::record_or_count};
use crate::{Engine, Result};

/// Refusals that wait to be written. Callers never wait for it.
const WAITING: usize = 1000;
/// Characters of a stranger's words that the log keeps.
const SHOWN: usize = 200;

/// A refusal.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// As `area.verb`.
    pub(crate) event_type: &'static str,
    /// Who asked, where that was proven.
    pub(crate) user: Option<String>,
    pub(crate) address: Option<String>,
    /// The permission that it would have taken, or the path.
    pub(crate) object: String,
    /// Why, in words.
    pub(crate) detail: String,
}

impl Refusal {
    /// What the session of a user may not do.
    pub(crate) fn of_role(identity: &Identity, address: Option<&str>, permission: Permission) -> Self {
        Self {
            event_type: "session.forbidden",
            user: Some(identity.name.clone()),
            address: address.map(str::to_owned),
            object: permission.name().to_owned(),
            detail: format!("The role {} may not do this.", identity.role.name()),
        }
    }

    /// What came from another site's page. It was refused before anybody's session was looked at.
    pub(crate) fn of_site(address: Option<String>, path: &str, origin: Option<&str>) -> Self {
        let short = |text: &str| text.chars().take(SHOWN).collect::<String>();
        Self {
            event_type: "session.cross_site",
            user: None,
            address,
            object: short(path),
            detail: match origin {
                Some(origin) => format!("The request names {} as its origin.", short(origin)),
                None => "The request does not come from the console's own pages.".to_owned(),
            },
        }
    }
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
                event_type = refusal.event_type,
                object = refusal.object,
                error = error.chain(),
                "a refusal is missing in the audit log"
            );
        }
    }
}

async fn one(engine: &Engine, refusal: &Refusal) -> Result<()> {
    let entry = Entry {
        event_type: refusal.event_type,
        severity: Severity::Warning,
        outcome: Outcome::Denied,
        user: refusal.user.as_deref(),
        address: refusal.address.as_deref(),
        target: None,
        object: Some(&refusal.object),
        detail: Some(&refusal.detail),
        job: None,
    };
    let mut transaction = engine.store().begin().await?;
    let who = refusal.user.as_ref().or(refusal.address.as_ref());
    let key = format!("{} {}", who.map_or("", String::as_str), refusal.object);
    record_or_count(&mut transaction, &key, entry).await?;
    transaction.commit().await?;
    Ok(())
}
