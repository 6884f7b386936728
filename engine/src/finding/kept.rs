//! What was found at last, part by part.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use contract::finding::{Finding, Level};
use tokio::sync::Notify;

/// What finds: one of the areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Transactions and waits that are too long: before the others, since users wait meanwhile.
    Activity,
    /// Stored backups, attempts, client tools.
    Backups,
    /// The schedule of backups and its last run.
    Schedule,
    /// Migrations against what was applied.
    Migrations,
    /// Indexes, constraints, statistics.
    Optimize,
    /// What the console's role may do.
    Access,
    /// Statements that are slow.
    Queries,
}

impl Part {
    /// Every part, in the order in which they are looked at.
    pub const ALL: [Self; 7] = [
        Self::Activity,
        Self::Backups,
        Self::Schedule,
        Self::Migrations,
        Self::Optimize,
        Self::Access,
        Self::Queries,
    ];

    /// What it is about.
    pub const fn subject(self) -> &'static str {
        match self {
            Self::Backups => "backups",
            Self::Schedule => "schedule of backups",
            Self::Migrations => "migrations",
            Self::Optimize => "indexes, constraints and statistics",
            Self::Access => "rights of the console's role",
            Self::Activity => "sessions and their transactions",
            Self::Queries => "statements",
        }
    }

    /// The page that shows it.
    pub const fn page(self) -> Option<&'static str> {
        match self {
            Self::Backups => Some("backups"),
            Self::Schedule => Some("backups/schedule"),
            Self::Migrations => Some("migrations"),
            Self::Optimize => Some("optimize"),
            Self::Access => None,
            Self::Activity => Some("activity"),
            Self::Queries => Some("queries"),
        }
    }

    /// Whether the managed database has to answer for it.
    pub const fn asks_the_database(self) -> bool {
        !matches!(self, Self::Backups | Self::Schedule)
    }
}

/// The last findings about one managed database.
pub(crate) struct Kept {
    parts: Mutex<[Option<Vec<Finding>>; Part::ALL.len()]>,
    /// Counts what may have changed something.
    changes: AtomicU64,
    /// The count that the last examination began with.
    examined: AtomicU64,
    /// Wakes whoever examines in the background.
    pub(super) changed: Notify,
    /// Held by the one examination at a time.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            parts: Mutex::default(),
            changes: AtomicU64::new(1),
            examined: AtomicU64::new(0),
            changed: Notify::new(),
            turn: Arc::default(),
        }
    }
}

impl Kept {
    /// Remembers what a part found.
    pub fn put(&self, part: Part, found: Vec<Finding>) {
        self.lock()[part as usize] = Some(found);
    }

    /// Something was done that may have changed what there is to find.
    pub fn outdate(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// As [`Self::outdate`], where that is not certain: whoever asks next looks, nobody is woken.
    pub fn doubt(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether nothing is known to have changed since the last examination.
    pub(super) fn is_fresh(&self) -> bool {
        self.examined.load(Ordering::Acquire) == self.changes.load(Ordering::Acquire)
    }

    /// The count of changes that an examination which begins now will have seen.
    pub(super) fn begin(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(super) fn end(&self, begun: u64) {
        self.examined.fetch_max(begun, Ordering::AcqRel);
    }

    /// The whole list: what the state says, then each part, what matters most first. While the database is down, only
    /// what is known without it.
    pub fn list(&self, state: Vec<Finding>, is_up: bool) -> Vec<Finding> {
        let mut all = state;
        let parts = self.lock();
        let mut unseen = Vec::new();
        for part in Part::ALL {
            if part.asks_the_database() && !is_up {
                continue;
            }
            match &parts[part as usize] {
                Some(found) => all.extend(found.iter().cloned()),
                None => unseen.push(part.subject()),
            }
        }
        drop(parts);
        if !unseen.is_empty() {
            all.push(
                Finding::new(
                    "unexamined",
                    Level::Note,
                    "The console has not looked at everything yet.",
                    "Wait a moment; it looks by itself.",
                )
                .because(format!("Not looked at: {}.", unseen.join(", "))),
            );
        }
        all.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        all
    }

    fn lock(&self) -> MutexGuard<'_, [Option<Vec<Finding>>; Part::ALL.len()]> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(found: &[Finding]) -> Vec<&str> {
        found.iter().map(|finding| finding.key.as_str()).collect()
    }

    fn finding(key: &str, level: Level) -> Finding {
        Finding::new(key, level, "It is so.", "Do this.")
    }

    #[test]
    fn the_list_is_empty_only_when_every_part_was_looked_at() {
        let kept = Kept::default();
        for part in Part::ALL {
            assert_eq!(
                keys(&kept.list(Vec::new(), true)),
                ["unexamined"],
                "before {part:?}"
            );
            kept.put(part, Vec::new());
        }
        assert!(kept.list(Vec::new(), true).is_empty());
    }

    #[test]
    fn what_matters_most_comes_first_and_what_is_not_known_now_is_left_out() {
        let kept = Kept::default();
        for part in Part::ALL {
            kept.put(part, Vec::new());
        }
        kept.put(Part::Optimize, vec![finding("optimize.missing", Level::Warning)]);
        kept.put(Part::Backups, vec![finding("backup.none", Level::Urgent)]);
        let note = || vec![finding("target.standby", Level::Note)];
        assert_eq!(
            keys(&kept.list(note(), true)),
            ["backup.none", "optimize.missing", "target.standby"]
        );
        let down = vec![finding("target.down", Level::Urgent)];
        assert_eq!(keys(&kept.list(down, false)), ["target.down", "backup.none"]);
    }

    #[test]
    fn a_change_during_an_examination_asks_for_another() {
        let kept = Kept::default();
        assert!(!kept.is_fresh(), "nothing was looked at yet");
        let begun = kept.begin();
        kept.end(begun);
        assert!(kept.is_fresh());
        let begun = kept.begin();
        kept.outdate();
        kept.end(begun);
        assert!(!kept.is_fresh());
    }
}
