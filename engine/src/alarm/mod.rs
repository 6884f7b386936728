//! Who is told when backups that are taken by themselves fail, or when there is no good one for too long.
//!
//! An incident is a finding that was not there before, and is told once on each channel, and once more when it is over. What
//! is to be told is in the store, so that of several consoles one sends it, and a message that does not go out is tried again.

pub(crate) mod findings;
mod mail;
mod send;
mod store;
#[cfg(feature = "test-jobs")]
pub mod test_watch;
mod watch;
mod webhook;
mod words;

use chrono::Utc;
use contract::{
    alarm::{AlarmView, Channel, Way},
    audit::Severity,
    session::Permission,
};
use secrecy::ExposeSecret;

pub use self::mail::check_mail;
use self::words::Telling;
use crate::{Caller, Engine, Result, audit};

pub(crate) use watch::keep_up;

/// Incidents that a view holds.
const INCIDENTS: i64 = 10;

/// The operations on alarms.
pub struct Alarms<'a>(&'a Engine);

impl Engine {
    /// The operations on alarms.
    pub fn alarm(&self) -> Alarms<'_> {
        Alarms(self)
    }
}

impl Alarms<'_> {
    /// The channels that are set up, and what was told of a managed database.
    ///
    /// # Errors
    /// `NotFound` for the target; the store's failures.
    #[crate::boxed]
    pub async fn view(&self, caller: &Caller, target: &str) -> Result<AlarmView> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        let alarms = &self.0.config().alarms;
        let mail = alarms.mail.as_ref().map(|mail| Way {
            channel: Channel::Mail,
            to: mail.to.join(", "),
        });
        // The path of a webhook is a secret.
        let webhook = alarms.webhook.as_ref().map(|webhook| Way {
            channel: Channel::Webhook,
            to: url::Url::parse(webhook.url.expose_secret())
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned))
                .unwrap_or_default(),
        });
        Ok(AlarmView {
            ways: mail.into_iter().chain(webhook).collect(),
            incidents: store::incidents(self.0.store(), target.name(), INCIDENTS).await?,
        })
    }

    /// Sends a message that only shows that messages arrive.
    ///
    /// # Errors
    /// `NotFound` when the channel is not set up; `Refused` with what the other side did; the store's failures.
    #[crate::boxed]
    pub async fn test(&self, caller: &Caller, target: &str, channel: Channel) -> Result<()> {
        caller.permit(Permission::BackUp)?;
        let target = self.0.target(target)?;
        let mut connection = self.0.store().acquire().await?;
        audit::record(
            &mut connection,
            audit::Entry {
                severity: Severity::Info,
                target: Some(target.name()),
                object: Some(channel.name()),
                ..audit::Entry::by(caller, "alarm.test")
            },
        )
        .await?;
        drop(connection);
        send::send(self.0, channel, &Telling::test(target.name(), Utc::now())).await
    }
}
