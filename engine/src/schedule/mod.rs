//! Backups that are taken by themselves.
//!
//! A schedule is a row; what it does is the ordinary job that a person starts, as the caller `pgsteward:schedule`. Which
//! due times were dealt with is in the store as well, so that restarts and other consoles change nothing.

pub(crate) mod findings;
mod rule;
mod store;
#[cfg(feature = "test-jobs")]
pub mod test_clock;
mod turn;

use chrono::TimeDelta;
use contract::{
    Fault, Instant,
    audit::Severity,
    backup::Proof,
    jobs::JobId,
    schedule::{Next, Paused, ScheduleSpec, ScheduleView, VerifyWhen},
    session::Permission,
};

use self::{rule::Rule, store::Row};
use crate::{Caller, Engine, Error, Result, audit, backup};

pub(crate) use turn::keep_up;

/// Runs that a view holds.
const RUNS: i64 = 10;
/// The longest jitter, in seconds.
const MOST_JITTER: i32 = 86_400;
/// The most hours without a good backup before someone is told: a leap year.
const MOST_HOURS: i32 = 8784;

/// The operations on schedules.
pub struct Schedules<'a>(&'a Engine);

impl Engine {
    /// The operations on schedules.
    pub fn schedule(&self) -> Schedules<'_> {
        Schedules(self)
    }
}

impl Schedules<'_> {
    /// The schedules of all managed databases, by name.
    ///
    /// # Errors
    /// The store's failures.
    #[crate::boxed]
    pub async fn list(&self, caller: &Caller) -> Result<Vec<ScheduleView>> {
        caller.permit(Permission::ViewTarget)?;
        let names: Vec<String> = self
            .0
            .all_targets()
            .iter()
            .map(|target| target.name().to_owned())
            .collect();
        let mut views = Vec::new();
        for row in store::all(self.0.store(), &names).await? {
            views.push(self.of(row).await?);
        }
        Ok(views)
    }

    /// The schedule of a managed database; none when its backups are taken by hand alone.
    ///
    /// # Errors
    /// `NotFound` for the target; the store's failures.
    #[crate::boxed]
    pub async fn view(&self, caller: &Caller, target: &str) -> Result<Option<ScheduleView>> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        match store::one(self.0.store(), target.name()).await? {
            Some(row) => Ok(Some(self.of(row).await?)),
            None => Ok(None),
        }
    }

    /// What a schedule would mean: in words, and the next five due times.
    ///
    /// # Errors
    /// `Invalid` at `cron` or `zone`; the store's failures.
    #[crate::boxed]
    pub async fn preview(&self, caller: &Caller, cron: &str, zone: &str) -> Result<Next> {
        caller.permit(Permission::ViewTarget)?;
        Ok(Rule::parse(cron, zone)?.next(store::now(self.0.store()).await?))
    }

    /// Sets the schedule of a managed database, in place of the one that it has. What was due before does not run; a pause
    /// stays.
    ///
    /// # Errors
    /// `NotFound` for the target; `Invalid` at the field that is wrong, also for a trial restore for which there is no place; the
    /// store's failures.
    #[crate::boxed]
    pub async fn set(&self, caller: &Caller, spec: ScheduleSpec) -> Result<ScheduleView> {
        caller.permit(Permission::BackUp)?;
        let target = self.0.target(&spec.target)?.name().to_owned();
        let rule = Rule::parse(&spec.cron, &spec.zone)?;
        let now = store::now(self.0.store()).await?;
        if !(0..=MOST_JITTER).contains(&spec.jitter_s)
            || TimeDelta::seconds(i64::from(spec.jitter_s)) >= rule.shortest_gap(now)
        {
            return Err(Error::invalid(
                "jitter_s",
                "A run would begin after the next one is due.",
                "Choose a jitter that is shorter than the time between two runs, and a day at most.",
            ));
        }
        if !(1..=MOST_HOURS).contains(&spec.alarm_hours) {
            return Err(Error::invalid(
                "alarm_hours",
                "That is no number of hours that can be waited for.",
                format!("Choose 1 to {MOST_HOURS} hours."),
            ));
        }
        backup::check_spec(&spec.backup())?;
        let verify_level = match (spec.verify, spec.verify_level) {
            (VerifyWhen::Never, _) => Proof::ReadBack,
            (_, Proof::Hash) => {
                return Err(Error::invalid(
                    "verify_level",
                    "The hash alone is less than what every backup has when it is taken.",
                    "Choose 1 (read back whole), 2 (restored for trial) or 3 (restored and equal).",
                ));
            }
            (_, level) => level,
        };
        // What is not known yet, or can change by itself, its view tells.
        if let Some(backup::NoTrial { fault, never: true }) =
            backup::no_trial(self.0, &target, verify_level).await?
        {
            return Err(Error::invalid(
                "verify_level",
                fault.message,
                fault.hint.unwrap_or_default(),
            ));
        }
        let spec = ScheduleSpec {
            target,
            verify_level,
            cron: rule.cron().to_owned(),
            zone: rule.zone().to_owned(),
            ..spec
        };
        let verify_at = (spec.verify == VerifyWhen::Weekly).then_some(now + turn::WEEK);
        let kind = spec.kind().map_or_else(String::new, |kind| format!(", {kind}"));
        let words = format!(
            "{} ({}), {}{kind}",
            rule.next(now).words,
            spec.zone,
            spec.verification()
        );
        let mut transaction = self.0.store().begin().await?;
        store::put(&mut transaction, &spec, caller.name(), now, verify_at).await?;
        self.told(
            &mut transaction,
            caller,
            "schedule.set",
            &spec.target,
            Some(&words),
        )
        .await?;
        transaction.commit().await?;
        self.changed(&spec.target).await
    }

    /// Pauses a schedule: nothing is begun until it is resumed.
    ///
    /// # Errors
    /// `NotFound` for the target, or when it has no schedule; the store's failures.
    #[crate::boxed]
    pub async fn pause(&self, caller: &Caller, target: &str) -> Result<ScheduleView> {
        caller.permit(Permission::BackUp)?;
        let target = self.known(target).await?;
        let now = store::now(self.0.store()).await?;
        let mut transaction = self.0.store().begin().await?;
        if store::pause(&mut transaction, &target, caller.name(), now).await? {
            self.told(&mut transaction, caller, "schedule.pause", &target, None)
                .await?;
            transaction.commit().await?;
        }
        self.changed(&target).await
    }

    /// Resumes a paused schedule. What was due during the pause does not run.
    ///
    /// # Errors
    /// As [`Self::pause`].
    #[crate::boxed]
    pub async fn resume(&self, caller: &Caller, target: &str) -> Result<ScheduleView> {
        caller.permit(Permission::BackUp)?;
        let target = self.known(target).await?;
        let now = store::now(self.0.store()).await?;
        let mut transaction = self.0.store().begin().await?;
        if store::resume(&mut transaction, &target, now).await? {
            self.told(&mut transaction, caller, "schedule.resume", &target, None)
                .await?;
            transaction.commit().await?;
        }
        self.changed(&target).await
    }

    /// Removes a schedule. Backups stay; a run that is going on ends as it would.
    ///
    /// # Errors
    /// As [`Self::pause`].
    #[crate::boxed]
    pub async fn remove(&self, caller: &Caller, target: &str) -> Result<()> {
        caller.permit(Permission::BackUp)?;
        let target = self.known(target).await?;
        let mut transaction = self.0.store().begin().await?;
        if !store::remove(&mut transaction, &target).await? {
            return Err(none(&target));
        }
        self.told(&mut transaction, caller, "schedule.remove", &target, None)
            .await?;
        transaction.commit().await?;
        self.0.outdate(Some(&target));
        Ok(())
    }

    /// Begins a run of the schedule now, with all that comes after it; also while it is paused. It gets the backup's job.
    ///
    /// # Errors
    /// `NotFound` for the target, or when it has no schedule; `Conflict` when a backup is under way; `Target`; the store's
    /// failures.
    #[crate::boxed]
    pub async fn run(&self, caller: &Caller, target: &str) -> Result<JobId> {
        caller.permit(Permission::BackUp)?;
        let target = self.known(target).await?;
        turn::begin_now(self.0, caller, &target).await?.ok_or_else(|| {
            Error::conflict(
                format!("A backup of {target} is under way already."),
                "Watch it on the Backups page, or cancel it there first.",
            )
        })
    }

    /// The name of a managed database that has a schedule.
    async fn known(&self, target: &str) -> Result<String> {
        let target = self.0.target(target)?.name().to_owned();
        match store::one(self.0.store(), &target).await? {
            Some(_) => Ok(target),
            None => Err(none(&target)),
        }
    }

    async fn told(
        &self,
        transaction: &mut sqlx::PgConnection,
        caller: &Caller,
        event_type: &str,
        target: &str,
        detail: Option<&str>,
    ) -> Result<()> {
        audit::record(
            transaction,
            audit::Entry {
                severity: Severity::Info,
                target: Some(target),
                detail,
                ..audit::Entry::by(caller, event_type)
            },
        )
        .await?;
        Ok(())
    }

    /// What a change has made of a schedule.
    async fn changed(&self, target: &str) -> Result<ScheduleView> {
        self.0.outdate(Some(target));
        match store::one(self.0.store(), target).await? {
            Some(row) => self.of(row).await,
            None => Err(none(target)),
        }
    }

    async fn of(&self, row: Row) -> Result<ScheduleView> {
        let now = store::now(self.0.store()).await?;
        let (verify, verify_level) = (row.verify(), row.level());
        let compression = row.backup().compression;
        // It could be done when the schedule was set; the server, or what is installed here, may be another now.
        let no_trial = backup::no_trial(self.0, &row.target, verify_level).await?.map(
            |backup::NoTrial { fault, never }| {
                format!(
                    "{}{} {}",
                    match never {
                        true => "What it takes cannot be verified as far as was chosen. ",
                        false => "What it takes may not be verified as far as was chosen. ",
                    },
                    fault.message,
                    fault.hint.unwrap_or_default()
                )
            },
        );
        let notes: Vec<String> = [row.note.clone(), no_trial].into_iter().flatten().collect();
        let note = (!notes.is_empty()).then(|| notes.join(" "));
        let (next, unreadable) = match Rule::parse(&row.cron, &row.zone) {
            Ok(rule) => (rule.next(now.max(row.settled_until)), None),
            Err(error) => {
                let words = format!("by the cron {}", row.cron);
                (
                    Next {
                        words,
                        runs: Vec::new(),
                    },
                    Some(error.fault().message),
                )
            }
        };
        Ok(ScheduleView {
            next,
            paused: row.paused_by.zip(row.paused_at).map(|(by, at)| Paused { by, at }),
            set_by: row.set_by,
            set_at: row.set_at,
            note: unreadable.or(note),
            runs: store::runs(self.0.store(), &row.target, RUNS).await?,
            spec: ScheduleSpec {
                target: row.target,
                cron: row.cron,
                zone: row.zone,
                jitter_s: row.jitter_s,
                verify,
                verify_level,
                alarm_hours: row.alarm_hours,
                parallel: row.parallel,
                compression,
            },
        })
    }
}

/// The schedule of a managed database in words, and when the next run is due unless it is paused. None without one.
///
/// # Errors
/// The store's failures.
pub(crate) async fn in_words(engine: &Engine, target: &str) -> Result<Option<(String, Option<Instant>)>> {
    let Some(row) = store::one(engine.store(), target).await? else {
        return Ok(None);
    };
    // What cannot be read is a finding.
    let Ok(rule) = Rule::parse(&row.cron, &row.zone) else {
        return Ok(None);
    };
    let next = rule.next(store::now(engine.store()).await?.max(row.settled_until));
    let at = next
        .runs
        .first()
        .map(|due| due.at)
        .filter(|_| row.paused_at.is_none());
    Ok(Some((format!("{} ({})", next.words, row.zone), at)))
}

/// The hours without a good backup after which someone is to be told; none without a schedule.
///
/// # Errors
/// The store's failures.
pub(crate) async fn alarm_hours(engine: &Engine, target: &str) -> Result<Option<i32>> {
    let row = store::one(engine.store(), target).await?;
    Ok(row.map(|row| row.alarm_hours))
}

/// The last verification that a schedule began and that failed, unless the backup was verified as far since.
pub(crate) struct FailedVerification {
    /// The backup, by its number.
    pub backup: String,
    /// Why; none when its console died.
    pub fault: Option<Fault>,
}

/// Looks for the last verification that the schedule of a managed database began; none when it did not fail, and where nothing is verified by
/// schedule.
///
/// # Errors
/// The store's failures.
pub(crate) async fn failed_verification(engine: &Engine, target: &str) -> Result<Option<FailedVerification>> {
    match store::one(engine.store(), target).await? {
        Some(row) if row.verify() != VerifyWhen::Never => {
            let by = engine.session().schedule();
            Ok(store::failed_verification(engine.store(), target, by.name()).await?)
        }
        _ => Ok(None),
    }
}

fn none(target: &str) -> Error {
    Error::not_found(
        format!("{target} has no schedule."),
        "Set one: pgsteward schedule set, or on its page under Backups.",
    )
}
