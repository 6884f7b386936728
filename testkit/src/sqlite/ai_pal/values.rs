//! Invented values, the same in each run.

use std::fmt::Write;

/// Seconds from 1970 to the first row, the beginning of 2024.
const BEGIN: u64 = 1_704_067_200;
/// Microseconds over which a table's rows spread: two years.
const SPAN: u64 = 2 * 365 * 86_400 * 1_000_000;
const DAY: u64 = 86_400;

const WORDS: [&str; 64] = [
    "the",
    "weekly",
    "plan",
    "for",
    "a",
    "report",
    "that",
    "nobody",
    "asked",
    "to",
    "review",
    "because",
    "its",
    "numbers",
    "were",
    "old",
    "and",
    "model",
    "answered",
    "with",
    "confidence",
    "but",
    "without",
    "source",
    "so",
    "user",
    "checks",
    "each",
    "claim",
    "before",
    "writing",
    "down",
    "next",
    "step",
    "in",
    "small",
    "blocks",
    "of",
    "fifteen",
    "minutes",
    "Größe",
    "prüfen",
    "naïve",
    "estimate",
    "of",
    "market",
    "in",
    "Zürich",
    "draft",
    "slides",
    "read",
    "chapter",
    "three",
    "again",
    "notes",
    "from",
    "meeting",
    "about",
    "garden",
    "budget",
    "piano",
    "tax",
    "letter",
    "it's",
];

/// What values are drawn from.
pub(super) struct Values {
    state: u64,
    users: u64,
    goals: u64,
    rows: u64,
}

impl Values {
    /// For a file of so many profiles and goals.
    pub(super) const fn new(users: u64, goals: u64) -> Self {
        Self {
            state: 0x5eed,
            users,
            goals,
            rows: 1,
        }
    }

    /// From here on so many rows spread over the two years.
    pub(super) const fn spread(&mut self, rows: u64) {
        self.rows = rows;
    }

    /// 64 bits by SplitMix64 (Steele, Lea and Flood, 2014), which stays the same whatever happens to a library.
    pub(super) const fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.state)
    }

    /// A number below a limit.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        let scaled = (u128::from(self.bits()) * u128::from(limit.max(1))) >> 64;
        u64::try_from(scaled).unwrap_or_default()
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    /// From 0 up to 1, with all the digits that a double has.
    pub(super) fn unit(&mut self) -> f64 {
        // 53 bits fit a double exactly.
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of these.
    pub(super) fn one_of<'a>(&mut self, choice: &[&'a str]) -> &'a str {
        let index = usize::try_from(self.below(choice.len() as u64)).unwrap_or_default();
        choice.get(index).copied().unwrap_or_default()
    }

    /// A user's name; few users do much, and one in twenty rows is of a user without a profile, as in AI-PAL's own files.
    pub(super) fn user(&mut self, text: &mut String) {
        let squared = self.unit() * self.unit();
        let known = (squared * self.users as f64) as u64;
        let number = if self.percent(5) {
            self.users + known / 10 + 1
        } else {
            known + 1
        };
        user(number, text);
    }

    /// The id of a goal that is there; of the first one in a file that is too small for goals.
    pub(super) fn goal(&mut self, text: &mut String) {
        let number = self.below(self.goals) + 1;
        uuid("ffe_goals", number, text);
    }

    /// When the row of this number was written, in microseconds since the beginning: later than the ones before, or nearly.
    pub(super) fn moment(&mut self, number: u64) -> u64 {
        let step = SPAN / self.rows.max(1);
        number * step + self.below(3_600_000_000)
    }

    /// Words of about so many bytes, in sentences.
    pub(super) fn prose(&mut self, length: u64, text: &mut String) {
        let wanted = usize::try_from(length / 2 + self.below(length)).unwrap_or_default();
        text.clear();
        while text.len() < wanted {
            if !text.is_empty() {
                text.push_str(if self.percent(8) { ". " } else { " " });
            }
            text.push_str(self.one_of(&WORDS));
        }
    }
}

/// The user of this number.
pub(super) fn user(number: u64, text: &mut String) {
    text.clear();
    let _fits = write!(text, "user_{number:06}");
}

/// The random UUID of a table's row, which another table finds again by the row's number.
pub(super) fn uuid(table: &str, number: u64, text: &mut String) {
    let seed = table
        .bytes()
        .fold(number, |seed, byte| mixed(seed ^ (u64::from(byte) << 56)));
    let (high, low) = (mixed(seed), mixed(seed ^ u64::MAX));
    text.clear();
    let _fits = write!(
        text,
        "{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        8 | (low >> 62),
        (low >> 48) & 0xfff,
        low & 0xffff_ffff_ffff,
    );
}

/// A time as SQLAlchemy writes it for SQLite: `2024-05-17 09:30:00.123456`.
pub(super) fn time(moment: u64, text: &mut String) {
    let seconds = BEGIN + moment / 1_000_000;
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
    text.clear();
    let _fits = write!(
        text,
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:06}",
        moment % 1_000_000
    );
}

/// Year, month and day of a day since 1970, counted from one March to the next so that the leap day comes last.
const fn date(days: u64) -> (u64, u64, u64) {
    let since_year_0 = days + 719_468;
    let (cycle, day) = (since_year_0 / 146_097, since_year_0 % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (in_month, from_january) = (
        day - (153 * month + 2) / 5 + 1,
        if month < 10 { month + 3 } else { month - 9 },
    );
    (
        cycle * 400 + year + (from_january <= 2) as u64,
        from_january,
        in_month,
    )
}

/// The bits well mixed: SplitMix64's last step.
const fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(19_782), (2024, 2, 29));
        assert_eq!(date(19_783), (2024, 3, 1));
        assert_eq!(date(20_088), (2024, 12, 31));
        let mut text = String::new();
        time(86_400_000_001, &mut text);
        assert_eq!(text, "2024-01-02 00:00:00.000001");
    }

    #[test]
    fn ids_are_random_uuids_and_differ_between_tables() {
        let (mut one, mut other) = (String::new(), String::new());
        uuid("ffe_goals", 1, &mut one);
        uuid("edm_debts", 1, &mut other);
        assert_eq!((one.len(), one.as_bytes()[14]), (36, b'4'));
        assert_ne!(one, other);
    }
}
