//! One message on one channel.

use contract::alarm::Channel;

use super::{mail, webhook, words::Telling};
use crate::{Engine, Error, Result};

/// Sends a message.
///
/// # Errors
/// `NotFound` when the channel is not set up; `Refused` with what the other side did.
pub(super) async fn send(engine: &Engine, channel: Channel, telling: &Telling) -> Result<()> {
    let alarms = &engine.config().alarms;
    match (channel, &alarms.mail, &alarms.webhook) {
        (Channel::Mail, Some(mail), _) => mail::send(mail, telling).await,
        (Channel::Webhook, _, Some(webhook)) => webhook::send(webhook, telling).await,
        (Channel::Mail, None, _) => Err(Error::not_found(
            "No e-mail is set up.",
            "Set PGSTEWARD_SMTP_URL, PGSTEWARD_MAIL_FROM and PGSTEWARD_MAIL_TO.",
        )),
        (Channel::Webhook, _, None) => Err(Error::not_found(
            "No webhook is set up.",
            "Set PGSTEWARD_WEBHOOK_URL.",
        )),
    }
}
