//! What was done, in one line.

use contract::{Code, Fault, format, optimize::ItemKind};

use super::plan::{Act, Item};
use crate::Error;

/// Failures that are told one by one; the rest is counted.
const SHOWN: usize = 5;

/// What came of a run's parts.
#[derive(Default)]
pub(super) struct Done {
    constraints: usize,
    indexes: usize,
    validated: usize,
    rebuilt: usize,
    dropped: usize,
    analyzed: usize,
    failed: Vec<(String, Fault)>,
}

impl Done {
    /// Counts a part that was done.
    pub fn add(&mut self, item: &Item) {
        match (item.act, item.view.kind) {
            (Act::Create, ItemKind::Index) => self.indexes += 1,
            (Act::Create, _) => self.constraints += 1,
            (Act::Validate, _) => self.validated += 1,
            (Act::Rebuild, _) => self.rebuilt += 1,
            (Act::Drop, _) => self.dropped += 1,
            (Act::Analyze | Act::Nothing, _) => self.analyzed += 1,
        }
    }

    /// Keeps a part's failure for the end.
    pub fn fail(&mut self, name: &str, fault: Fault) {
        self.failed.push((name.to_owned(), fault));
    }

    /// The outcome after `ms` milliseconds, or what failed.
    ///
    /// # Errors
    /// `Refused`, naming each part that failed.
    pub fn conclude(mut self, ms: i64) -> Result<String, Error> {
        let words = self.words();
        if self.failed.is_empty() {
            return Ok(match words.is_empty() {
                true => "Nothing was left to do".to_owned(),
                false => format!("{words} in {}", format::duration(ms)),
            });
        }
        let count = self.failed.len();
        let parts: Vec<String> = self
            .failed
            .iter()
            .take(SHOWN)
            .map(|(name, fault)| format!("{name} ({})", without_dot(&fault.message)))
            .collect();
        let more = if count > SHOWN {
            format!(" and {} more", count - SHOWN)
        } else {
            String::new()
        };
        let (_, first) = self.failed.swap_remove(0);
        let mut fault = Fault::new(
            Code::TargetRefused,
            format!("Not done: {}{more}.", parts.join("; ")),
        );
        let rest = if words.is_empty() {
            "Nothing else was changed.".into()
        } else {
            format!("The rest is done: {words}.")
        };
        fault.hint = Some(match first.hint {
            Some(hint) => format!("{hint} {rest}"),
            None => format!("Correct what the server names, then run it again. {rest}"),
        });
        fault.target = first.target;
        Err(Error::Refused(fault))
    }

    fn words(&self) -> String {
        let made = match (self.constraints, self.indexes) {
            (0, 0) => None,
            (constraints, 0) => Some(format!("{} created", number(constraints, "constraint"))),
            (0, indexes) => Some(format!("{} created", indexes_of(indexes))),
            (constraints, indexes) => Some(format!(
                "{} and {} created",
                number(constraints, "constraint"),
                indexes_of(indexes)
            )),
        };
        let parts = [
            made,
            (self.validated > 0).then(|| format!("{} validated", number(self.validated, "constraint"))),
            (self.rebuilt > 0).then(|| format!("{} rebuilt", indexes_of(self.rebuilt))),
            (self.dropped > 0).then(|| format!("{} dropped", number(self.dropped, "leftover"))),
            (self.analyzed > 0).then(|| format!("{} analyzed", number(self.analyzed, "table"))),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// What a run is about to do, for the audit log.
pub(super) fn planned(due: &[Item], tables: usize) -> String {
    let of = |kind| due.iter().filter(|item| item.view.kind == kind).count();
    let (constraints, indexes) = (of(ItemKind::Constraint), of(ItemKind::Index));
    let parts = [
        (constraints > 0).then(|| number(constraints, "constraint")),
        (indexes > 0).then(|| indexes_of(indexes)),
        (tables > 0).then(|| format!("statistics of {}", number(tables, "table"))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn number(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", format::exact(count as i64))
}

fn indexes_of(count: usize) -> String {
    if count == 1 {
        "1 index".to_owned()
    } else {
        format!("{} indexes", format::exact(count as i64))
    }
}

fn without_dot(sentence: &str) -> &str {
    sentence.strip_suffix('.').unwrap_or(sentence)
}
