//! A webhook. Only who sets up the console says where it leads; no redirect is followed, and of the answer only its status
//! counts.

use std::time::Duration;

use contract::{Code, Fault};
use reqwest::{Client, redirect::Policy};
use secrecy::ExposeSecret;

use super::words::Telling;
use crate::{Error, Result, config::WebhookConfig};

/// How long the other side may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Sends a message.
///
/// # Errors
/// `Refused`, saying what the other side did, without its words or its address.
pub(super) async fn send(config: &WebhookConfig, telling: &Telling) -> Result<()> {
    // The one that everything else here uses; a second call changes nothing.
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = Client::builder()
        .redirect(Policy::none())
        .timeout(LIMIT)
        .user_agent("pgsteward")
        .build()
        .map_err(|error| Error::internal("making a client for webhooks", error.without_url()))?;
    let sent = client
        .post(config.url.expose_secret())
        .json(&telling.body(config.form))
        .send()
        .await;
    match sent {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) if answer.status().is_redirection() => Err(failed(format!(
            "The webhook answered with a redirect ({}), which is not followed.",
            answer.status().as_u16()
        ))),
        Ok(answer) => Err(failed(format!(
            "The webhook answered {}.",
            answer.status().as_u16()
        ))),
        Err(error) if error.is_timeout() => Err(failed("The webhook did not answer in time.".to_owned())),
        Err(_) => Err(failed("The webhook cannot be reached.".to_owned())),
    }
}

fn failed(message: String) -> Error {
    Error::Refused(
        Fault::new(Code::Conflict, message)
            .hint("Check PGSTEWARD_WEBHOOK_URL, and the log of the other side."),
    )
}
