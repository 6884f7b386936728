//! Who is told when backups fail, and what was told.

use serde::{Deserialize, Serialize};

use crate::{Instant, finding::Level};

/// A way to tell someone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// E-mail.
    Mail,
    /// A webhook.
    Webhook,
}

impl Channel {
    /// Every way.
    pub const ALL: [Self; 2] = [Self::Mail, Self::Webhook];

    /// The name in the store and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }

    /// In words.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Mail => "E-mail",
            Self::Webhook => "Webhook",
        }
    }
}

/// The alarms of this console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmView {
    /// The ways that are set up.
    pub ways: Vec<Way>,
    /// What was told of a managed database, newest first.
    pub incidents: Vec<Incident>,
}

/// A way that is set up, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Which.
    pub channel: Channel,
    /// To whom: addresses, or the host alone of a webhook.
    pub to: String,
}

/// Something that was wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// What it was, in one sentence.
    pub words: String,
    /// How much it mattered.
    pub level: Level,
    /// When it was seen first.
    pub opened_at: Instant,
    /// When it was not there any more.
    pub resolved_at: Option<Instant>,
    /// What was sent of it.
    pub messages: Vec<Message>,
}

/// A message of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Which way.
    pub channel: Channel,
    /// Whether it says that the incident is over.
    pub resolved: bool,
    /// When it went out.
    pub sent_at: Option<Instant>,
    /// How often it was tried.
    pub attempts: i32,
    /// Why the last try failed.
    pub error: Option<String>,
}
