//! What the backups of a managed database need someone to look at.

use chrono::{TimeDelta, Utc};
use contract::{
    Instant,
    backup::BackupView,
    finding::{Finding, Level},
    format,
    jobs::{JobKind, JobQuery, JobState, JobView},
    target::TargetState,
};
use uuid::Uuid;

use super::{
    NEEDED,
    reconcile::{self, Found},
    shelf::Shelf,
};
use crate::{Engine, Result, jobs, programs::Programs, schedule::FailedVerification, target::Target};

/// The page that shows them.
const PAGE: &str = "backups";
/// A backup a day is the least that people expect; two hours are for the one that takes longer today.
const OLDEST: TimeDelta = TimeDelta::hours(26);
/// Attempts that are looked at for one that failed.
const ATTEMPTS: i64 = 5;

/// Looks at the backup folder, the last attempts and the client tools.
///
/// # Errors
/// `Io` when the backup folder cannot be read; the store's failures.
pub(crate) async fn look(engine: &Engine, target: &Target) -> Result<Vec<Finding>> {
    let shelf = Shelf::of(engine, target).await?;
    let found = reconcile::reconcile(engine, &shelf).await?;
    from(engine, target, &found).await
}

/// The same from a folder that was read already.
///
/// # Errors
/// The store's failures.
pub(super) async fn from(engine: &Engine, target: &Target, found: &Found) -> Result<Vec<Finding>> {
    let query = JobQuery {
        target: Some(target.name().to_owned()),
        kind: Some(JobKind::Backup),
        ..JobQuery::default()
    };
    let attempts = jobs::store::list(engine.store(), &query, ATTEMPTS).await?;
    // Whoever set a schedule said how long they can be without one.
    let oldest = match crate::schedule::alarm_hours(engine, target.name()).await? {
        Some(hours) => TimeDelta::hours(i64::from(hours)),
        None => OLDEST,
    };
    // What was uploaded is no backup of this database, whole or not.
    let own: Vec<BackupView> = found
        .backups
        .iter()
        .filter(|backup| backup.uploaded.is_none())
        .cloned()
        .collect();
    let mut findings = of(&own, &found.unreadable, &attempts, Utc::now(), oldest);
    if let Some(failed) = crate::schedule::failed_verification(engine, target.name()).await? {
        findings.extend(unverified(&own, failed));
    }
    findings.extend(tools(engine, target).await);
    Ok(findings)
}

/// What the stored backups (newest first) and the last attempts (newest first) say.
fn of(
    backups: &[BackupView],
    unreadable: &[Uuid],
    attempts: &[JobView],
    now: Instant,
    oldest: TimeDelta,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let good = backups.iter().find(|backup| backup.is_sound());
    match good {
        None => {
            let words = if backups.is_empty() {
                "There is no backup."
            } else {
                "There is no backup that is whole."
            };
            found.push(
                Finding::new("backup.none", Level::Urgent, words, "Back up now.")
                    .because("If this database died now, nothing could be restored.")
                    .on(PAGE),
            );
        }
        Some(newest) if now - newest.taken_at > oldest => found.push(
            Finding::new(
                "backup.old",
                Level::Warning,
                format!("The newest backup is from {}.", format::ago(newest.taken_at, now)),
                "Back up now, and at least once a day.",
            )
            .because(format!(
                "It holds the state of {}; what changed since would be lost.",
                format::absolute(newest.taken_at)
            ))
            .on(PAGE),
        ),
        Some(_) => {}
    }
    let damaged: Vec<&BackupView> = backups.iter().filter(|backup| backup.damage.is_some()).collect();
    if let Some(first) = damaged.first() {
        let newest = backups.first().is_some_and(|newest| newest.id == first.id);
        let words = match (newest, damaged.len()) {
            (true, 1) => "The newest backup is damaged.".to_owned(),
            (true, count) => format!("{count} backups are damaged, the newest one too."),
            (false, count) => format!("{} damaged.", format::counted(count, "backup is", "backups are")),
        };
        found.push(
            Finding::new(
                "backup.damaged",
                if newest { Level::Urgent } else { Level::Warning },
                words,
                "Back up now, find out what changed the files, then delete what is damaged.",
            )
            .because(format!(
                "{}: {}",
                first.file,
                first.damage.as_deref().unwrap_or_default()
            ))
            .on(PAGE)
            .of(damaged.len()),
        );
    }
    // What was cancelled was so on purpose; what runs is no failure yet.
    let last = attempts.iter().find(|job| {
        matches!(
            job.state,
            JobState::Failed | JobState::Interrupted | JobState::Succeeded
        )
    });
    if let Some(job) = last.filter(|job| job.state != JobState::Succeeded)
        && good.is_none_or(|good| good.taken_at < job.created_at)
    {
        let (message, hint) = match &job.fault {
            Some(fault) => (fault.message.clone(), fault.hint.clone()),
            None => (format!("It was {}.", job.state.name()), None),
        };
        found.push(
            Finding::new(
                "backup.failed",
                Level::Warning,
                "The last attempt to take a backup failed.",
                hint.unwrap_or_else(|| "Read its log, then back up again.".to_owned()),
            )
            .because(message)
            .on(PAGE),
        );
    }
    if !unreadable.is_empty() {
        let words = format!(
            "{} in the backup folder cannot be listed, because the manifest cannot be read.",
            format::counted(unreadable.len(), "backup", "backups")
        );
        let ids: Vec<String> = unreadable.iter().take(3).map(Uuid::to_string).collect();
        found.push(
            Finding::new(
                "backup.unreadable",
                Level::Warning,
                words,
                "Put back the manifests, or move these folders elsewhere.",
            )
            .because(format!("{}.", ids.join(", ")))
            .on(PAGE)
            .of(unreadable.len()),
        );
    }
    found
}

/// What the schedule could not verify. A damaged backup is told as that, and one that is gone is nobody's concern.
fn unverified(backups: &[BackupView], failed: FailedVerification) -> Option<Finding> {
    let backup = backups
        .iter()
        .find(|backup| backup.id.to_string() == failed.backup && backup.damage.is_none())?;
    let (message, hint) = match failed.fault {
        Some(fault) => (fault.message, fault.hint),
        None => ("It was interrupted.".to_owned(), None),
    };
    let remedy = hint.unwrap_or_else(|| "Read its log, then verify the backup again.".to_owned());
    Some(
        Finding::new(
            "backup.unverified",
            Level::Warning,
            "The last verification by the schedule failed.",
            remedy,
        )
        .because(format!(
            "The backup of {}: {message}",
            format::absolute(backup.taken_at)
        ))
        .on(&format!("{PAGE}/{}", backup.id)),
    )
}

/// What the client tools say: none that can speak to this server, or some with known holes.
async fn tools(engine: &Engine, target: &Target) -> Option<Finding> {
    let given = engine.config().pg_bin.as_deref();
    let found = match target.state() {
        TargetState::Up(server) => {
            let major = u32::try_from(server.version_num / 10_000).unwrap_or_default();
            Programs::for_server(given, &NEEDED, major).await
        }
        TargetState::Down { .. } => Programs::find(given, &NEEDED).await,
    };
    match found {
        Ok(programs) => programs.warning().map(|warning| {
            Finding::new(
                "tools.outdated",
                Level::Warning,
                format!("The client tools {} have known holes.", programs.version()),
                "Upgrade PostgreSQL's client programs.",
            )
            .because(warning)
            .on(PAGE)
        }),
        Err(error) => {
            let fault = error.fault();
            let remedy = fault
                .hint
                .unwrap_or_else(|| "Install PostgreSQL's client programs.".to_owned());
            Some(
                Finding::new("tools.missing", Level::Urgent, "No backup can be taken.", remedy)
                    .because(fault.message)
                    .on(PAGE),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::{
        Code, Fault,
        backup::Proof,
        jobs::{JobId, Progress},
    };

    use super::*;

    fn backup(taken_at: Instant, damage: Option<&str>) -> BackupView {
        BackupView {
            id: Uuid::new_v4(),
            target: "main".into(),
            database: "main".into(),
            file: "main.dump".into(),
            taken_at,
            duration_ms: 1,
            bytes: 1,
            database_bytes: 1,
            sha256: String::new(),
            proof: Proof::ReadBack,
            proven_at: taken_at,
            proven_ms: None,
            exact: false,
            concern: None,
            damage: damage.map(str::to_owned),
            only: Vec::new(),
            marks: Default::default(),
            notes: Vec::new(),
            foreign: None,
            uploaded: None,
            server_version: "15.19".into(),
            tool_version: "15.19".into(),
            migration: None,
            tables: 1,
            rows: 1,
            created_by: "ada".into(),
            job: None,
        }
    }

    fn attempt(state: JobState, created_at: Instant) -> JobView {
        JobView {
            id: JobId(Uuid::new_v4()),
            kind: JobKind::Backup,
            title: "Back up main".into(),
            target: Some("main".into()),
            state,
            progress: Progress::default(),
            fault: (state == JobState::Failed)
                .then(|| Fault::new(Code::Conflict, "The disk is full.").hint("Make room.")),
            outcome: None,
            created_by: "ada".into(),
            created_at,
            started_at: None,
            finished_at: None,
            version: 1,
            waits_for: None,
        }
    }

    #[test]
    fn what_the_schedule_could_not_verify_is_told_as_long_as_it_is_there_and_not_known_to_be_damaged() {
        let taken = backup(Utc::now(), None);
        let failed = |id: Uuid| FailedVerification {
            backup: id.to_string(),
            fault: Some(Fault::new(Code::Conflict, "There is no place.").hint("Make one.")),
        };
        let found = unverified(std::slice::from_ref(&taken), failed(taken.id));
        let found: Vec<Finding> = found.into_iter().collect();
        assert_eq!(keys(&found), [("backup.unverified", Level::Warning)]);
        assert_eq!(found[0].remedy, "Make one.");
        assert!(
            found[0]
                .evidence
                .as_deref()
                .is_some_and(|words| words.contains("no place"))
        );
        let damaged = backup(Utc::now(), Some("the hash differs"));
        assert_eq!(unverified(&[], failed(taken.id)), None);
        assert_eq!(
            unverified(std::slice::from_ref(&damaged), failed(damaged.id)),
            None
        );
    }

    fn keys(found: &[Finding]) -> Vec<(&str, Level)> {
        found
            .iter()
            .map(|finding| (finding.key.as_str(), finding.level))
            .collect()
    }

    #[test]
    fn only_a_whole_backup_of_the_last_day_is_nothing_to_tell() {
        let now = Utc::now();
        let hours = |hours| now - TimeDelta::hours(hours);
        let of = |backups: &[BackupView]| of(backups, &[], &[], now, OLDEST);
        assert!(of(&[backup(hours(25), None), backup(hours(99), None)]).is_empty());
        assert_eq!(keys(&of(&[])), [("backup.none", Level::Urgent)]);
        assert_eq!(
            keys(&of(&[backup(hours(27), None)])),
            [("backup.old", Level::Warning)]
        );
        assert_eq!(
            keys(&of(&[
                backup(hours(1), Some("the hash differs")),
                backup(hours(2), None)
            ])),
            [("backup.damaged", Level::Urgent)]
        );
        assert_eq!(
            keys(&of(&[
                backup(hours(1), None),
                backup(hours(2), Some("the hash differs"))
            ])),
            [("backup.damaged", Level::Warning)]
        );
        assert_eq!(
            keys(&of(&[backup(hours(1), Some("the hash differs"))])),
            [("backup.none", Level::Urgent), ("backup.damaged", Level::Urgent)]
        );
    }

    #[test]
    fn a_failed_attempt_is_told_until_a_backup_comes_after_it() {
        let now = Utc::now();
        let hours = |hours| now - TimeDelta::hours(hours);
        let of =
            |attempts: &[JobView], taken: Instant| of(&[backup(taken, None)], &[], attempts, now, OLDEST);
        let failed = of(&[attempt(JobState::Failed, hours(1))], hours(2));
        assert_eq!(keys(&failed), [("backup.failed", Level::Warning)]);
        assert_eq!(failed[0].evidence.as_deref(), Some("The disk is full."));
        assert_eq!(failed[0].remedy, "Make room.");
        let behind = [
            attempt(JobState::Cancelled, hours(1)),
            attempt(JobState::Interrupted, hours(1)),
        ];
        assert_eq!(keys(&of(&behind, hours(2))), [("backup.failed", Level::Warning)]);
        for attempts in [
            vec![attempt(JobState::Failed, hours(3))],
            vec![attempt(JobState::Running, hours(1))],
            vec![attempt(JobState::Cancelled, hours(1))],
            vec![
                attempt(JobState::Succeeded, hours(2)),
                attempt(JobState::Failed, hours(3)),
            ],
        ] {
            assert!(of(&attempts, hours(2)).is_empty(), "{attempts:?}");
        }
    }
}
