//! What a managed database needs someone to look at.

use serde::{Deserialize, Serialize};

/// How much a finding matters; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Something is not as it should be.
    Warning,
    /// Data or service is in danger now.
    Urgent,
}

impl Level {
    /// The name on the command line and in CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Urgent => "urgent",
        }
    }
}

/// One thing that was found. A database is healthy when there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind it is; stays the same over versions, as in `backup.none`.
    pub key: String,
    /// How much it matters.
    pub level: Level,
    /// What is so, in one sentence.
    pub words: String,
    /// What that rests on, or what it means.
    pub evidence: Option<String>,
    /// What to do about it.
    pub remedy: String,
    /// The page below `/db/{target}/` that shows it whole; none where there is no such page.
    pub page: Option<String>,
    /// How many things it speaks of, at least 1.
    pub count: i64,
}

impl Finding {
    /// A finding about one thing, without evidence and page.
    pub fn new(key: &str, level: Level, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            level,
            words: words.into(),
            evidence: None,
            remedy: remedy.into(),
            page: None,
            count: 1,
        }
    }

    /// The same with what it rests on.
    #[must_use]
    pub fn because(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = Some(evidence.into());
        self
    }

    /// The same with the page that shows it.
    #[must_use]
    pub fn on(mut self, page: &str) -> Self {
        self.page = Some(page.to_owned());
        self
    }

    /// The same about so many things.
    #[must_use]
    pub fn of(mut self, count: usize) -> Self {
        self.count = i64::try_from(count).unwrap_or(i64::MAX);
        self
    }
}

/// What matters most among some findings.
pub fn worst(findings: &[Finding]) -> Option<Level> {
    findings.iter().map(|finding| finding.level).max()
}

/// How many things on one page, and on the pages below it, need attention; notes do not count.
pub fn count_on(findings: &[Finding], page: &str) -> i64 {
    let is_there = |shown: &str| {
        let below = shown.strip_prefix(page);
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    };
    findings
        .iter()
        .filter(|finding| finding.level > Level::Note && finding.page.as_deref().is_some_and(is_there))
        .map(|finding| finding.count)
        .sum()
}
