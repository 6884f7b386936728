//! Backups that are taken by themselves: when, and what came of it.

use serde::{Deserialize, Serialize};

use crate::{
    Instant,
    backup::{BackupSpec, Compression, Proof},
    jobs::JobId,
};

/// The hours without a good backup after which someone is told, unless something else is set: one a day, and two hours for
/// the one that takes longer today.
pub const ALARM_HOURS: i32 = 26;

/// Whether what was taken is verified again by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyWhen {
    /// Only by hand. (Every backup is read back whole before it is listed.)
    #[default]
    Never,
    /// Each one that the schedule took.
    Each,
    /// The newest good one, once in seven days.
    Weekly,
}

impl VerifyWhen {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Never, Self::Each, Self::Weekly];

    /// The name in the store, in forms and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Each => "each",
            Self::Weekly => "weekly",
        }
    }

    /// In words.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Never => "not verified again by itself",
            Self::Each => "each one is verified again after it was taken",
            Self::Weekly => "the newest one is verified again every week",
        }
    }
}

impl std::str::FromStr for VerifyWhen {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|when| when.name() == name)
            .ok_or_else(|| format!("\"{name}\" is none of never, each and weekly"))
    }
}

/// A schedule as it is asked for. A managed database has one or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleSpec {
    /// The managed database.
    pub target: String,
    /// When, as the five fields of cron: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// The time zone that this is meant in, by its IANA name, such as `Europe/Berlin`.
    pub zone: String,
    /// The most seconds by which a run begins later, so that many databases do not begin at once.
    pub jitter_s: i32,
    /// Whether what was taken is verified again.
    pub verify: VerifyWhen,
    /// How far: L1 to L3. It says nothing where nothing is verified again.
    #[serde(default = "read_back")]
    pub verify_level: Proof,
    /// Someone is told when there is no good backup for so many hours.
    pub alarm_hours: i32,
    /// How many connections read the database at the same time, as for a backup by hand.
    #[serde(default = "one")]
    pub parallel: i32,
    /// How the archives are compressed.
    #[serde(default)]
    pub compression: Compression,
}

const fn one() -> i32 {
    1
}

/// What schedules were before a level could be chosen.
const fn read_back() -> Proof {
    Proof::ReadBack
}

impl ScheduleSpec {
    /// What it takes: the whole database.
    pub fn backup(&self) -> BackupSpec {
        BackupSpec {
            compression: self.compression,
            parallel: self.parallel,
            ..BackupSpec::whole(&self.target)
        }
    }

    /// How its backups are made, where that is not the usual way, in words.
    pub fn kind(&self) -> Option<String> {
        let connections = (self.parallel != 1).then(|| format!("over {} connections", self.parallel));
        let compression = match self.compression {
            Compression::Usual => None,
            Compression::None => Some("not compressed".to_owned()),
            other => Some(format!("compressed by {}", other.name())),
        };
        let words: Vec<String> = [connections, compression].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// Whether what was taken is verified again and how far, in words.
    pub fn verification(&self) -> String {
        match self.verify {
            VerifyWhen::Never => self.verify.label().to_owned(),
            when => format!("{}: {}", when.label(), self.verify_level.label().to_lowercase()),
        }
    }
}

/// When a schedule would run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// In words, such as `every day at 02:00`; the cron itself where there are no simple ones.
    pub words: String,
    /// The next five due times, without jitter.
    pub runs: Vec<DueTime>,
}

/// A due time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueTime {
    /// The instant.
    pub at: Instant,
    /// As a clock in the schedule's zone shows it: `Mon 2026-11-30 02:00 CET`.
    pub local: String,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleView {
    /// As it was asked for.
    pub spec: ScheduleSpec,
    /// When it runs. While it is paused: when it would.
    pub next: Next,
    /// Who paused it and when, if it is paused.
    pub paused: Option<Paused>,
    /// Who set it last.
    pub set_by: String,
    /// When.
    pub set_at: Instant,
    /// What the reader must know of it, such as that the clock went back.
    pub note: Option<String>,
    /// The last runs, newest first.
    pub runs: Vec<RunView>,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Who asked for it.
    pub by: String,
    /// Since when.
    pub at: Instant,
}

/// What came of one due time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    /// The due time; of a run that was asked for by hand, the moment of that.
    pub due_at: Instant,
    /// When it was begun.
    pub begun_at: Instant,
    /// What came of it.
    pub state: RunState,
    /// The job that takes the backup.
    pub job: Option<JobId>,
    /// What there is to say: due times that this run makes up for, why it was not begun.
    pub note: Option<String>,
}

/// What came of one due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Its job is not over.
    UnderWay,
    /// A backup was taken.
    Taken,
    /// Its job did not end well.
    Failed,
    /// It could not be begun.
    NotBegun,
    /// A backup was under way already, so none was begun.
    Skipped,
}

impl RunState {
    /// In words.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UnderWay => "under way",
            Self::Taken => "taken",
            Self::Failed => "failed",
            Self::NotBegun => "not begun",
            Self::Skipped => "skipped",
        }
    }
}

/// A simple schedule in words, for those who know no cron.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// Every hour, at this minute.
    Hour {
        /// 0 to 59.
        minute: u8,
    },
    /// Every day at this time.
    Day {
        /// 0 to 23.
        hour: u8,
        /// 0 to 59.
        minute: u8,
    },
    /// Every week on these days.
    Week {
        /// Days from 0, Sunday, to 6, Saturday; at least one, in order.
        days: Vec<u8>,
        /// 0 to 23.
        hour: u8,
        /// 0 to 59.
        minute: u8,
    },
    /// Every month on this day; months that do not have it are left out.
    Month {
        /// 1 to 31.
        day: u8,
        /// 0 to 23.
        hour: u8,
        /// 0 to 59.
        minute: u8,
    },
}

/// The days of the week in the order of cron, from Sunday.
pub const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

impl Every {
    /// As cron.
    pub fn cron(&self) -> String {
        match self {
            Self::Hour { minute } => format!("{minute} * * * *"),
            Self::Day { hour, minute } => format!("{minute} {hour} * * *"),
            Self::Week { days, hour, minute } => {
                let days: Vec<String> = days.iter().map(u8::to_string).collect();
                format!("{minute} {hour} * * {}", days.join(","))
            }
            Self::Month { day, hour, minute } => format!("{minute} {hour} {day} * *"),
        }
    }

    /// What a cron says, where it is as simple as that.
    pub fn read(cron: &str) -> Option<Self> {
        let fields: Vec<&str> = cron.split_whitespace().collect();
        let [minute, hour, day, "*", week] = fields[..] else {
            return None;
        };
        let number = |text: &str, range: std::ops::RangeInclusive<u8>| {
            text.parse::<u8>().ok().filter(|number| range.contains(number))
        };
        let minute = number(minute, 0..=59)?;
        if (hour, day, week) == ("*", "*", "*") {
            return Some(Self::Hour { minute });
        }
        let hour = number(hour, 0..=23)?;
        match (day, week) {
            ("*", "*") => Some(Self::Day { hour, minute }),
            ("*", days) => {
                let days: Option<Vec<u8>> = days.split(',').map(|day| number(day, 0..=6)).collect();
                let days = days.filter(|days| days.is_sorted_by(|one, next| one < next))?;
                Some(Self::Week { days, hour, minute })
            }
            (day, "*") => Some(Self::Month {
                day: number(day, 1..=31)?,
                hour,
                minute,
            }),
            _ => None,
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Hour { minute } => format!("every hour at minute {minute}"),
            Self::Day { hour, minute } => format!("every day at {hour:02}:{minute:02}"),
            Self::Week { days, hour, minute } => {
                let names: Vec<&str> = days
                    .iter()
                    .filter_map(|day| DAYS.get(usize::from(*day)).copied())
                    .collect();
                let names = match names.split_last() {
                    Some((last, [])) => (*last).to_owned(),
                    Some((last, others)) => format!("{} and {last}", others.join(", ")),
                    None => "week".to_owned(),
                };
                format!("every {names} at {hour:02}:{minute:02}")
            }
            Self::Month { day, hour, minute } => {
                format!("on day {day} of every month at {hour:02}:{minute:02}")
            }
        }
    }
}

/// A time of the day as `02:00`: hour and minute.
pub fn time_of_day(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str, most: u8| {
        let plain = !text.is_empty() && text.len() <= 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse::<u8>().ok().filter(|number| plain && *number <= most)
    };
    Some((number(hour, 23)?, number(minute, 59)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_in_words_is_read_back_from_its_cron() {
        for every in [
            Every::Hour { minute: 5 },
            Every::Day { hour: 2, minute: 0 },
            Every::Week {
                days: vec![1, 4],
                hour: 23,
                minute: 59,
            },
            Every::Month {
                day: 31,
                hour: 0,
                minute: 7,
            },
        ] {
            assert_eq!(Every::read(&every.cron()), Some(every));
        }
        assert_eq!(
            Every::read("0 2 * * 1,4").map(|every| every.words()),
            Some("every Monday and Thursday at 02:00".to_owned())
        );
    }

    #[test]
    fn what_is_not_simple_is_not_called_so() {
        for cron in [
            "*/15 * * * *",
            "0 2 1 * 1",
            "0 2 * 6 *",
            "0 2 * * 4,1",
            "0 2 * * 1-5",
            "60 2 * * *",
            "0 24 * * *",
            "0 2 32 * *",
            "0 2 * * 7",
            "@daily",
            "",
            "0 2 * * * *",
        ] {
            assert_eq!(Every::read(cron), None, "{cron}");
        }
        assert_eq!(time_of_day("02:00"), Some((2, 0)));
        for text in ["", "2", "24:00", "12:60", "-1:00", "+1:00", "1:2:3", "001:00"] {
            assert_eq!(time_of_day(text), None, "{text}");
        }
    }
}
