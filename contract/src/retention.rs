//! Which backups are kept, and the marks that people put on them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Instant, format};

/// Which backups of a managed database are kept. A backup that any rule keeps is kept; 0 is no rule, and without any rule
/// every backup is kept. The rules for hours to years keep the last backup of each of the newest periods that have one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// So many newest ones.
    pub last: i32,
    /// Those of so many days before the newest one.
    pub days: i32,
    /// The last one of so many hours.
    pub hourly: i32,
    /// The last one of so many days.
    pub daily: i32,
    /// The last one of so many weeks, from Monday.
    pub weekly: i32,
    /// The last one of so many months.
    pub monthly: i32,
    /// The last one of so many years.
    pub yearly: i32,
}

impl Retention {
    /// Each rule with its name in forms and on the command line.
    pub fn rules(&self) -> [(&'static str, i32); 7] {
        [
            ("last", self.last),
            ("days", self.days),
            ("hourly", self.hourly),
            ("daily", self.daily),
            ("weekly", self.weekly),
            ("monthly", self.monthly),
            ("yearly", self.yearly),
        ]
    }

    /// Whether there is no rule: every backup is kept.
    pub fn is_empty(&self) -> bool {
        self.rules().iter().all(|(_, number)| *number == 0)
    }

    /// In words: `the last 3, 7 daily, 4 weekly`.
    pub fn words(&self) -> String {
        let rules: Vec<String> = self
            .rules()
            .iter()
            .filter(|(_, number)| *number > 0)
            .map(|(name, number)| match *name {
                "last" => format!("the last {number}"),
                "days" => format!("all of {}", format::counted(*number as usize, "day", "days")),
                name => format!("{number} {name}"),
            })
            .collect();
        match rules.is_empty() {
            true => "every backup".to_owned(),
            false => rules.join(", "),
        }
    }
}

/// A rule of retention as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionSpec {
    /// The managed database.
    pub target: String,
    /// Which backups are kept.
    pub keep: Retention,
    /// The time zone in which days, weeks, months and years begin, by its IANA name.
    pub zone: String,
}

/// What is kept of a managed database's backups, and what that means now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionView {
    /// As it was asked for; without a rule when nobody set one.
    pub spec: RetentionSpec,
    /// Who set it last and when, if anybody did.
    pub set: Option<(String, Instant)>,
    /// When old backups were last removed by it, by the store's clock.
    pub ran_at: Option<Instant>,
    /// What a run would do now.
    pub plan: PrunePlan,
}

/// What a run would do, backup by backup, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunePlan {
    /// Why nothing at all is removed now, if so.
    pub held: Option<String>,
    /// Every backup.
    pub verdicts: Vec<Verdict>,
}

impl PrunePlan {
    /// What goes now; nothing while the plan is held.
    pub fn going(&self) -> impl Iterator<Item = &Verdict> {
        let held = self.held.is_some();
        self.verdicts.iter().filter(move |verdict| verdict.goes && !held)
    }

    /// In one sentence.
    pub fn words(&self) -> String {
        match (&self.held, self.going().count()) {
            (Some(why), _) => format!("Nothing is removed now: {why}"),
            (None, 0) => "Nothing is to be removed now.".to_owned(),
            (None, count) => format!(
                "{} of {} would be removed, {}.",
                count,
                format::counted(self.verdicts.len(), "backup", "backups"),
                format::bytes(self.going().map(|verdict| verdict.bytes).sum())
            ),
        }
    }
}

/// What becomes of one backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The backup.
    pub id: Uuid,
    /// The instant whose state it holds.
    pub taken_at: Instant,
    /// Its size in bytes.
    pub bytes: i64,
    /// Whether it is to go, unless the plan is held.
    pub goes: bool,
    /// Why it is kept, or why it goes.
    pub why: String,
}

/// What people put on a backup. Kept beside it, so that it outlives the console's own database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Whether it is kept whatever the retention says, and not deleted by hand either.
    #[serde(default)]
    pub pinned: bool,
    /// A few words to know it by.
    #[serde(default)]
    pub label: Option<String>,
    /// More words.
    #[serde(default)]
    pub note: Option<String>,
}

/// A change of the marks on a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Keep it whatever the retention says.
    Pin,
    /// Let the retention decide again.
    Unpin,
    /// Give it a label; an empty one takes it away.
    Label(String),
    /// Write a note on it; an empty one takes it away.
    Note(String),
    /// Both at once.
    Words {
        /// The label; an empty one takes it away.
        label: String,
        /// The note; an empty one takes it away.
        note: String,
    },
}

/// A backup to mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkBackup {
    /// The managed database.
    pub target: String,
    /// The backup.
    pub id: Uuid,
    /// What to change.
    pub mark: Mark,
}
