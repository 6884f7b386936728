//! What a message says, and in which form a webhook wants it.

use contract::{Instant, finding::Level, format};
use serde_json::{Value, json};

use crate::config::WebhookForm;

/// The most characters that Discord takes.
const DISCORD: usize = 1900;

/// A message, whole.
pub(super) struct Telling {
    pub event: Event,
    pub target: String,
    pub key: String,
    pub level: Level,
    pub words: String,
    pub evidence: Option<String>,
    pub remedy: String,
    pub opened_at: Instant,
    pub resolved_at: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Opened,
    Resolved,
    Test,
}

impl Event {
    const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Resolved => "resolved",
            Self::Test => "test",
        }
    }
}

impl Telling {
    /// A message that only shows that messages arrive.
    pub(super) fn test(target: &str, now: Instant) -> Self {
        Self {
            event: Event::Test,
            target: target.to_owned(),
            key: "test".to_owned(),
            level: Level::Note,
            words: "This is a test: nothing is wrong.".to_owned(),
            evidence: None,
            remedy: "Nothing is to be done.".to_owned(),
            opened_at: now,
            resolved_at: None,
        }
    }

    /// One line.
    pub(super) fn subject(&self) -> String {
        let line = match self.event {
            Event::Opened => format!("[pgsteward] {}: {}", self.target, self.words),
            Event::Resolved => format!("[pgsteward] {}: over: {}", self.target, self.words),
            Event::Test => format!("[pgsteward] {}: test", self.target),
        };
        line.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    }

    /// All of it, as lines.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![self.words.clone()];
        if self.event != Event::Resolved {
            lines.extend(self.evidence.clone());
            lines.push(self.remedy.clone());
        }
        lines.push(format!(
            "Database: {}. Seen since {}.",
            self.target,
            format::absolute(self.opened_at)
        ));
        if let Some(at) = self.resolved_at.filter(|_| self.event == Event::Resolved) {
            lines.push(format!("Not so any more since {}.", format::absolute(at)));
        }
        lines.join("\n")
    }

    /// As a webhook wants it.
    pub(super) fn body(&self, form: WebhookForm) -> Value {
        let text = || format!("{}\n{}", self.subject(), self.text());
        match form {
            WebhookForm::Json => json!({
                "event": self.event.name(),
                "target": self.target,
                "key": self.key,
                "level": self.level.name(),
                "words": self.words,
                "evidence": self.evidence,
                "remedy": self.remedy,
                "opened_at": self.opened_at,
                "resolved_at": self.resolved_at,
            }),
            // What stands between these would be a link or a call to a whole channel.
            WebhookForm::Slack => json!({
                "text": text().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
            }),
            WebhookForm::Discord => json!({
                "content": text().chars().take(DISCORD).collect::<String>(),
                "allowed_mentions": { "parse": [] },
            }),
        }
    }
}
