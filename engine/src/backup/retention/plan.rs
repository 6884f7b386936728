//! Which backups go. A pure function of what there is, so that it can be shown before it is done and tested with any
//! history.

use std::collections::HashSet;

use chrono::{Datelike, NaiveDateTime, TimeDelta, Timelike};
use chrono_tz::Tz;
use contract::{
    Instant,
    backup::BackupView,
    format,
    retention::{PrunePlan, Retention, Verdict},
};
use uuid::Uuid;

/// By how much clocks may differ.
const CLOCKS: TimeDelta = TimeDelta::minutes(5);

/// What the plan goes by, beside backups and rules.
pub(super) struct Facts {
    /// The store's clock.
    pub now: Instant,
    /// The console's own clock.
    pub own: Instant,
    /// When the last run was, by the store's clock.
    pub ran_at: Option<Instant>,
    /// When the last attempt to take a backup was begun, if it failed.
    pub failed_at: Option<Instant>,
    /// Backups that are verified, restored or downloaded now.
    pub in_use: HashSet<Uuid>,
    /// Where days begin.
    pub zone: Tz,
}

/// Decides about each backup. `backups` are newest first.
pub(super) fn plan(backups: &[BackupView], keep: &Retention, facts: &Facts) -> PrunePlan {
    let sound: Vec<&BackupView> = backups.iter().filter(|backup| backup.is_sound()).collect();
    PrunePlan {
        held: held(backups, &sound, keep, facts),
        verdicts: backups
            .iter()
            .map(|backup| {
                let mut why = why_kept(backup, &sound, keep, facts);
                if keep.is_empty() && why.is_empty() {
                    why.push("there is no rule".to_owned());
                }
                Verdict {
                    id: backup.id,
                    taken_at: backup.taken_at,
                    bytes: backup.bytes,
                    goes: why.is_empty(),
                    why: match why.is_empty() {
                        true => "no rule keeps it".to_owned(),
                        false => why.join("; "),
                    },
                }
            })
            .collect(),
    }
}

/// Why nothing at all may go now.
fn held(backups: &[BackupView], sound: &[&BackupView], keep: &Retention, facts: &Facts) -> Option<String> {
    let newest = sound.first()?;
    if keep.is_empty() {
        return Some("there is no rule, so every backup is kept.".to_owned());
    }
    if facts.failed_at.is_some_and(|failed| failed > newest.taken_at) {
        return Some("the last attempt to take a backup failed, so what there is stays.".to_owned());
    }
    // Also a damaged one tells that something is wrong here.
    let mut own = backups.iter().filter(|backup| backup.uploaded.is_none());
    if let Some(damaged) = own.next().filter(|first| first.damage.is_some()) {
        return Some(format!(
            "the newest backup, of {}, is damaged, so the older ones stay.",
            format::absolute(damaged.taken_at)
        ));
    }
    let future = backups.iter().find(|backup| backup.taken_at > facts.now + CLOCKS);
    if let Some(backup) = future {
        return Some(format!(
            "a backup is of {}, which is in the future: a clock has jumped.",
            format::absolute(backup.taken_at)
        ));
    }
    if let Some(ran_at) = facts.ran_at.filter(|ran_at| *ran_at > facts.now) {
        return Some(format!(
            "the clock of the console's own database shows {}, before the last run on {}: it went back.",
            format::absolute(facts.now),
            format::absolute(ran_at)
        ));
    }
    if (facts.now - facts.own).abs() > CLOCKS {
        return Some(format!(
            "the console's clock shows {} and that of its own database {}: one of them is wrong.",
            format::absolute(facts.own),
            format::absolute(facts.now)
        ));
    }
    None
}

/// Every reason to keep a backup.
fn why_kept(backup: &BackupView, sound: &[&BackupView], keep: &Retention, facts: &Facts) -> Vec<String> {
    let mut why = Vec::new();
    if backup.damage.is_some() {
        why.push("damaged: left for someone to look at".to_owned());
    } else if backup.uploaded.is_some() {
        why.push("uploaded from elsewhere: only people remove it".to_owned());
    } else if backup.foreign.is_some() {
        why.push("another console's".to_owned());
    } else if !backup.is_whole() {
        why.push("of chosen parts, taken by hand".to_owned());
    }
    if backup.marks.pinned {
        why.push("pinned".to_owned());
    }
    if facts.in_use.contains(&backup.id) {
        why.push("in use".to_owned());
    }
    let Some(place) = sound.iter().position(|other| other.id == backup.id) else {
        return why;
    };
    if place == 0 {
        why.push("the newest".to_owned());
    } else if sound[..place].iter().all(|newer| newer.proof < backup.proof) {
        // For each level of proof, the newest that has it.
        why.push(format!(
            "the newest that is proven so well: {}",
            backup.proof.label().to_lowercase()
        ));
    }
    if place < number(keep.last) {
        why.push(format!("one of the last {}", keep.last));
    }
    let newest = sound[0].taken_at;
    if keep.days > 0 && backup.taken_at > newest - TimeDelta::days(i64::from(keep.days)) {
        why.push(format!(
            "not older than {}",
            format::counted(number(keep.days), "day", "days")
        ));
    }
    for (period, most) in [
        (Period::Hour, keep.hourly),
        (Period::Day, keep.daily),
        (Period::Week, keep.weekly),
        (Period::Month, keep.monthly),
        (Period::Year, keep.yearly),
    ] {
        if let Some(words) = period.keeps(place, sound, number(most), facts.zone) {
            why.push(words);
        }
    }
    why
}

/// Rules are checked to be no less than 0 when they are set.
fn number(rule: i32) -> usize {
    usize::try_from(rule).unwrap_or_default()
}

#[derive(Clone, Copy)]
enum Period {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    /// Why the backup at a place is kept as the last one of one of so many newest periods.
    fn keeps(self, place: usize, sound: &[&BackupView], most: usize, zone: Tz) -> Option<String> {
        let of = |backup: &BackupView| self.of(backup.taken_at.with_timezone(&zone).naive_local());
        let own = of(sound[place]);
        // The periods of the newer ones, each once: they are in order.
        let mut newer: Vec<String> = sound[..place].iter().map(|backup| of(backup)).collect();
        newer.dedup();
        let kept = newer.len() < most && newer.last() != Some(&own);
        kept.then(|| format!("the last of {own}"))
    }

    /// The period of a local time, in words.
    fn of(self, at: NaiveDateTime) -> String {
        match self {
            Self::Hour => format!("{} {:02}h", at.date(), at.hour()),
            Self::Day => at.date().to_string(),
            Self::Week => format!("week {} of {}", at.iso_week().week(), at.iso_week().year()),
            Self::Month => at.format("%B %Y").to_string(),
            Self::Year => at.format("the year %Y").to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use chrono::{DateTime, Utc};
    use contract::{
        backup::{Part, Proof},
        retention::Marks,
    };
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn backup(number: u128, taken_at: Instant) -> BackupView {
        BackupView {
            id: Uuid::from_u128(number),
            target: "main".into(),
            database: "main".into(),
            file: "main.dump".into(),
            taken_at,
            duration_ms: 1,
            bytes: 10,
            database_bytes: 1,
            sha256: String::new(),
            proof: Proof::ReadBack,
            proven_at: taken_at,
            proven_ms: None,
            exact: false,
            concern: None,
            damage: None,
            foreign: None,
            uploaded: None,
            server_version: "15.19".into(),
            tool_version: "15.19".into(),
            migration: None,
            tables: 1,
            rows: 1,
            only: Vec::new(),
            notes: Vec::new(),
            created_by: "ada".into(),
            job: None,
            marks: Marks::default(),
        }
    }

    fn facts(now: Instant) -> Facts {
        Facts {
            now,
            own: now,
            ran_at: None,
            failed_at: None,
            in_use: HashSet::new(),
            zone: Tz::UTC,
        }
    }

    /// The numbers of the backups that stay, newest first.
    fn stay(plan: &PrunePlan) -> Vec<u128> {
        let going: HashSet<Uuid> = plan.going().map(|verdict| verdict.id).collect();
        plan.verdicts
            .iter()
            .filter(|verdict| !going.contains(&verdict.id))
            .map(|verdict| verdict.id.as_u128())
            .collect()
    }

    /// One backup every six hours for 70 days, newest first; numbers count from the newest, 0.
    fn history() -> (Vec<BackupView>, Instant) {
        let newest = at("2026-03-01T18:30:00Z");
        let all = (0..280).map(|number| backup(number, newest - TimeDelta::hours(6 * number as i64)));
        (all.collect(), newest + TimeDelta::minutes(10))
    }

    #[test]
    fn each_rule_keeps_what_it_says() {
        let (all, now) = history();
        let kept = |keep: Retention| stay(&plan(&all, &keep, &facts(now)));
        assert_eq!(
            kept(Retention {
                last: 3,
                ..Retention::default()
            }),
            [0, 1, 2]
        );
        assert_eq!(
            kept(Retention {
                days: 1,
                ..Retention::default()
            }),
            [0, 1, 2, 3]
        );
        assert_eq!(
            kept(Retention {
                hourly: 2,
                ..Retention::default()
            }),
            [0, 1]
        );
        // The last of each day is that of 18:30.
        assert_eq!(
            kept(Retention {
                daily: 3,
                ..Retention::default()
            }),
            [0, 4, 8]
        );
        // 2026-03-01 is a Sunday.
        assert_eq!(
            kept(Retention {
                weekly: 2,
                ..Retention::default()
            }),
            [0, 28]
        );
        assert_eq!(
            kept(Retention {
                monthly: 3,
                ..Retention::default()
            }),
            [0, 4, 116]
        );
        assert_eq!(
            kept(Retention {
                yearly: 2,
                ..Retention::default()
            }),
            [0, 240]
        );
        let some = Retention {
            last: 1,
            daily: 2,
            monthly: 2,
            ..Retention::default()
        };
        assert_eq!(kept(some.clone()), [0, 4]);
        let whole = plan(&all, &some, &facts(now));
        assert_eq!(
            whole.verdicts[4].why,
            "the last of 2026-02-28; the last of February 2026"
        );
        assert_eq!(whole.verdicts[5].why, "no rule keeps it");
        assert_eq!(whole.words(), "278 of 280 backups would be removed, 2.71 kB.");
        // A day begins in the zone: 12:30 UTC is the next day in Auckland.
        let there = Facts {
            zone: Tz::Pacific__Auckland,
            ..facts(now)
        };
        let daily = Retention {
            daily: 2,
            ..Retention::default()
        };
        assert_eq!(stay(&plan(&all, &daily, &there)), [0, 2]);
    }

    #[test]
    fn what_must_stay_stays_whatever_the_rules_say() {
        let (mut all, now) = history();
        all[7].marks.pinned = true;
        all[9].damage = Some("the hash differs".into());
        all[11].foreign = Some("another console".into());
        for view in &mut all[..20] {
            view.proof = Proof::Hash;
        }
        let strict = Retention {
            last: 1,
            ..Retention::default()
        };
        let with_use = Facts {
            in_use: HashSet::from([all[13].id]),
            ..facts(now)
        };
        // 20 is the newest that was read back.
        assert_eq!(stay(&plan(&all, &strict, &with_use)), [0, 7, 9, 11, 13, 20]);
        // The newest stored one may be no backup at all: then the newest sound one stays.
        let only = [all[9].clone(), all[11].clone(), all[12].clone()];
        assert_eq!(stay(&plan(&only, &strict, &facts(now))), [9, 11, 12]);
    }

    #[test]
    fn while_something_is_wrong_nothing_goes() {
        let (all, now) = history();
        let strict = Retention {
            last: 1,
            ..Retention::default()
        };
        let held = |all: &[BackupView], facts: Facts| {
            let plan = plan(all, &strict, &facts);
            assert_eq!(plan.going().count(), 0);
            plan.held.unwrap()
        };
        assert!(
            held(
                &all,
                Facts {
                    failed_at: Some(now),
                    ..facts(now)
                }
            )
            .contains("failed")
        );
        // One that failed before the newest good one is no matter.
        let before = Facts {
            failed_at: Some(all[0].taken_at - TimeDelta::hours(1)),
            ..facts(now)
        };
        assert_eq!(plan(&all, &strict, &before).held, None);
        assert!(held(&all, facts(now - TimeDelta::days(1))).contains("future"));
        let went_back = Facts {
            ran_at: Some(now + TimeDelta::seconds(1)),
            ..facts(now)
        };
        assert!(held(&all, went_back).contains("went back"));
        // The store's clock jumped ten years ahead.
        let ahead = Facts {
            now: now + TimeDelta::days(3650),
            ..facts(now)
        };
        assert!(held(&all, ahead).contains("one of them is wrong"));
        let mut damaged = all.clone();
        damaged[0].damage = Some("the hash differs".into());
        assert!(held(&damaged, facts(now)).contains("damaged"));
        let none = plan(&all, &Retention::default(), &facts(now));
        assert_eq!((none.going().count(), none.held.is_some()), (0, true));
        assert!(none.verdicts.iter().all(|verdict| !verdict.goes));
        assert_eq!(none.verdicts[7].why, "there is no rule");
    }

    prop_compose! {
        fn any_backup()(
            number in any::<u128>(),
            hours in 0_i64..20_000,
            minutes in 0_i64..60,
            damage in prop::option::weighted(0.1, Just("damaged".to_owned())),
            foreign in prop::option::weighted(0.1, Just("foreign".to_owned())),
            pinned in prop::bool::weighted(0.1),
            read_back in prop::bool::weighted(0.7),
            partial in prop::bool::weighted(0.1),
        ) -> BackupView {
            let at: DateTime<Utc> = at("2026-11-01T00:30:00Z") - TimeDelta::hours(hours) - TimeDelta::minutes(minutes);
            BackupView {
                damage,
                foreign,
                marks: Marks { pinned, ..Marks::default() },
                only: if partial { vec![Part { schema: "one".into(), table: None }] } else { Vec::new() },
                proof: if read_back { Proof::ReadBack } else { Proof::Hash },
                ..backup(number, at)
            }
        }
    }

    prop_compose! {
        fn any_rules()(
            numbers in prop::array::uniform7(prop_oneof![Just(0), 1..5, 1..400]),
        ) -> Retention {
            let [last, days, hourly, daily, weekly, monthly, yearly] = numbers;
            Retention { last, days, hourly, daily, weekly, monthly, yearly }
        }
    }

    proptest! {
        /// Over any history and any rules, run after run: the newest good one and the best proven one never go, nor what is
        /// pinned, in use, or not this console's to judge; and a second run finds nothing more.
        #[test]
        fn the_last_good_one_never_goes(
            mut all in prop::collection::vec(any_backup(), 0..60),
            keep in any_rules(),
            failed_hours in prop::option::weighted(0.3, 0_i64..20_000),
            ahead_hours in -30_i64..30_000,
            used in any::<prop::sample::Index>(),
            zone in prop::sample::select(&[Tz::UTC, Tz::Europe__Berlin, Tz::America__New_York, Tz::Pacific__Apia][..]),
        ) {
            all.sort_by_key(|backup| std::cmp::Reverse((backup.taken_at, backup.id)));
            let now = at("2026-11-01T00:30:00Z") + TimeDelta::hours(ahead_hours);
            let in_use = match all.is_empty() {
                true => HashSet::new(),
                false => HashSet::from([used.get(&all).id]),
            };
            let facts = Facts {
                failed_at: failed_hours.map(|hours| at("2026-11-01T00:30:00Z") - TimeDelta::hours(hours)),
                in_use: in_use.clone(),
                zone,
                ..facts(now)
            };
            let plan = plan(&all, &keep, &facts);
            let going: HashSet<Uuid> = plan.going().map(|verdict| verdict.id).collect();
            let rest: Vec<BackupView> =
                all.iter().filter(|backup| !going.contains(&backup.id)).cloned().collect();
            let newest = |all: &[BackupView]| all.iter().find(|backup| backup.is_sound()).map(|backup| backup.id);
            prop_assert_eq!(newest(&all), newest(&rest));
            let best = |all: &[BackupView]| {
                let best = all.iter().filter(|backup| backup.is_sound()).map(|backup| backup.proof).max()?;
                all.iter().find(|backup| backup.is_sound() && backup.proof == best).map(|backup| backup.id)
            };
            prop_assert_eq!(best(&all), best(&rest));
            for backup in all.iter().filter(|backup| going.contains(&backup.id)) {
                prop_assert!(!backup.marks.pinned && backup.is_sound() && !in_use.contains(&backup.id));
                prop_assert!(facts.failed_at.is_none_or(|failed| all.iter().any(|other| other.is_sound() && other.taken_at >= failed)));
            }
            prop_assert!(all.iter().all(|backup| going.is_empty() || backup.taken_at <= now + CLOCKS));
            let again = super::plan(&rest, &keep, &facts);
            prop_assert_eq!(again.going().count(), 0);
        }
    }
}
