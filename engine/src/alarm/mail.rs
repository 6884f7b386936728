//! E-mail by SMTP.

use std::time::Duration;

use contract::{Code, Fault};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};
use secrecy::ExposeSecret;

use super::words::Telling;
use crate::{Error, Result, config::MailConfig};

/// How long a mail server may take for one step.
const LIMIT: Duration = Duration::from_secs(15);

/// Whether the settings can be used; what is wrong, in words.
///
/// # Errors
/// The first thing that is wrong. Never holds the address of the server, which may have a password in it.
pub fn check_mail(config: &MailConfig) -> std::result::Result<(), String> {
    transport(config)?;
    mailbox(&config.from)?;
    config.to.iter().try_for_each(|to| mailbox(to).map(drop))
}

fn transport(config: &MailConfig) -> std::result::Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(config.url.expose_secret())
        .map_err(|_| "it is no address of a mail server".to_owned())?;
    Ok(builder.timeout(Some(LIMIT)).build())
}

fn mailbox(text: &str) -> std::result::Result<Mailbox, String> {
    text.parse()
        .map_err(|_| format!("\"{text}\" is no e-mail address"))
}

/// Sends a message to all addresses.
///
/// # Errors
/// `Refused`, saying what the mail server did, without its words.
pub(super) async fn send(config: &MailConfig, telling: &Telling) -> Result<()> {
    let wrong = |what: String| failed(format!("The e-mail cannot be written: {what}."));
    let mut message = Message::builder()
        .from(mailbox(&config.from).map_err(wrong)?)
        .subject(telling.subject())
        .header(ContentType::TEXT_PLAIN);
    for to in &config.to {
        message = message.to(mailbox(to).map_err(wrong)?);
    }
    let message = message
        .body(telling.text())
        .map_err(|error| Error::internal("writing an e-mail", error))?;
    let sent = transport(config).map_err(wrong)?.send(message).await;
    match sent {
        Ok(answer) if answer.is_positive() => Ok(()),
        Ok(answer) => Err(failed(format!(
            "The mail server refused the e-mail ({}).",
            answer.code()
        ))),
        Err(error) => Err(failed(match error.status() {
            Some(code) => format!("The mail server refused the e-mail ({code})."),
            None if error.is_timeout() => "The mail server did not answer in time.".to_owned(),
            None if error.is_tls() => "No secure connection to the mail server can be made.".to_owned(),
            None => "The mail server cannot be reached, or does not speak SMTP.".to_owned(),
        })),
    }
}

fn failed(message: String) -> Error {
    Error::Refused(Fault::new(Code::Conflict, message).hint(
        "Check PGSTEWARD_SMTP_URL, PGSTEWARD_MAIL_FROM and PGSTEWARD_MAIL_TO, and the mail server's log.",
    ))
}
