//! Schedules, with a clock that the tests set.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contract::{
    Code, Instant,
    audit::AuditQuery,
    backup::{Compression, Proof},
    jobs::{JobId, JobKind, JobQuery, JobState, JobView},
    schedule::{RunState, ScheduleSpec, VerifyWhen},
    session::Role,
};
use engine::{Caller, Engine, EngineConfig, schedule::test_clock::turn_at};
use sqlx::{Executor, PgPool};
use testkit::Version;

use crate::{backup::world, support, work::PATIENCE};

/// Consoles that do not look at schedules by themselves, over one store.
struct World {
    console: support::Console,
    caller: Caller,
    store: PgPool,
}

async fn world() -> World {
    let database = testkit::shared().await.database("planned").await;
    let console = support::engine(&database, false).await;
    World {
        caller: support::caller(&console, Role::Administrator).await,
        store: console.store.pool().await,
        console,
    }
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn spec(cron: &str, zone: &str) -> ScheduleSpec {
    ScheduleSpec {
        target: "main".into(),
        cron: cron.into(),
        zone: zone.into(),
        jitter_s: 0,
        verify: VerifyWhen::Never,
        verify_level: Proof::ReadBack,
        alarm_hours: 26,
        parallel: 1,
        compression: Default::default(),
    }
}

impl World {
    /// Sets a schedule as if that had been done at a time.
    async fn set(&self, spec: ScheduleSpec, when: Instant) {
        self.console.schedule().set(&self.caller, spec).await.unwrap();
        self.settled(when).await;
    }

    async fn settled(&self, when: Instant) {
        sqlx::query("update schedules set settled_until = $1, set_at = $1")
            .bind(when)
            .execute(&self.store)
            .await
            .unwrap();
    }

    async fn turn(&self, now: Instant) {
        turn_at(&self.console, now).await.unwrap();
    }

    /// Backups that were queued, oldest first.
    async fn queued(&self) -> Vec<JobView> {
        let query = JobQuery {
            kind: Some(JobKind::Backup),
            ..JobQuery::default()
        };
        let mut jobs = self.console.jobs().list(&self.caller, query).await.unwrap().jobs;
        jobs.reverse();
        jobs
    }

    /// Ends what waits, so that the next due time finds nothing under way.
    async fn end_all(&self) {
        for job in self.queued().await {
            if !job.state.is_final() {
                self.console.jobs().cancel(&self.caller, job.id).await.unwrap();
            }
        }
    }

    /// Every due time that was dealt with, as UTC.
    async fn dealt_with(&self) -> Vec<String> {
        let runs: Vec<(DateTime<Utc>,)> = sqlx::query_as("select due_at from schedule_runs order by due_at")
            .fetch_all(&self.store)
            .await
            .unwrap();
        runs.iter()
            .map(|(due,)| due.format("%m-%dT%H:%M").to_string())
            .collect()
    }
}

/// Turns the clock in steps over a span, and gives the due times that were run.
async fn walk(cron: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
    let world = world().await;
    world.set(spec(cron, zone), at(from)).await;
    let mut now = at(from);
    while now <= at(until) {
        world.turn(now).await;
        world.end_all().await;
        now += TimeDelta::minutes(7);
    }
    let dealt = world.dealt_with().await;
    assert_eq!(
        world.queued().await.len(),
        dealt.len(),
        "one backup for each due time"
    );
    dealt
}

#[tokio::test]
async fn on_the_days_when_clocks_shift_each_due_time_runs_once() {
    // Forward in Berlin at 01:00 UTC: 02:30 does not exist, and 03:00 local is when it runs.
    assert_eq!(
        walk(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T22:00:00Z",
            "2026-03-30T02:00:00Z"
        )
        .await,
        ["03-29T01:00", "03-30T00:30"]
    );
    // Back in Berlin at 01:00 UTC: 02:30 comes twice and runs the first time.
    assert_eq!(
        walk(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T22:00:00Z",
            "2026-10-26T02:00:00Z"
        )
        .await,
        ["10-25T00:30", "10-26T01:30"]
    );
    assert_eq!(
        walk(
            "30 2 * * *",
            "America/New_York",
            "2026-03-08T04:00:00Z",
            "2026-03-09T08:00:00Z"
        )
        .await,
        ["03-08T07:00", "03-09T06:30"]
    );
    assert_eq!(
        walk(
            "30 1 * * *",
            "America/New_York",
            "2026-11-01T03:00:00Z",
            "2026-11-02T08:00:00Z"
        )
        .await,
        ["11-01T05:30", "11-02T06:30"]
    );
    // Of every half hour, those that do not exist are one run with the end of the shift.
    assert_eq!(
        walk(
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:10:00Z",
            "2026-03-29T01:40:00Z"
        )
        .await,
        ["03-29T00:30", "03-29T01:00", "03-29T01:30"]
    );
}

#[tokio::test]
async fn two_consoles_on_one_store_run_each_due_time_once() {
    let world = world().await;
    let beside = world.console.beside(false).await;
    world
        .set(spec("*/10 * * * *", "UTC"), at("2026-06-01T00:00:00Z"))
        .await;
    for step in 1..=8 {
        let now = at("2026-06-01T00:00:03Z") + TimeDelta::minutes(10 * step);
        let (one, other) = tokio::join!(turn_at(&world.console, now), turn_at(&beside, now));
        one.unwrap();
        other.unwrap();
        world.end_all().await;
    }
    assert_eq!(world.dealt_with().await.len(), 8);
    let jobs = world.queued().await;
    assert_eq!(jobs.len(), 8);
    assert!(jobs.iter().all(|job| job.created_by == "pgsteward:schedule"));
    let audit = world
        .console
        .audit()
        .list(&world.caller, AuditQuery::default())
        .await
        .unwrap();
    let begun = audit.entries.iter().filter(|entry| {
        entry.event_type == "backup.create" && entry.user.as_deref() == Some("pgsteward:schedule")
    });
    assert_eq!(begun.count(), 8, "each is in the audit log");
    beside.close().await;
}

/// A console dies after it took the due time and before its job is committed: nothing of it is there, and another one takes
/// the due time.
#[test]
fn a_console_that_dies_between_taking_a_due_time_and_queueing_leaves_it_to_another() {
    let outer = tokio::runtime::Runtime::new().unwrap();
    let (world, holder) = outer.block_on(async {
        let world = world().await;
        world
            .set(spec("0 * * * *", "UTC"), at("2026-06-01T00:30:00Z"))
            .await;
        // The job's audit entry, which comes after the claim, has to wait for this.
        let mut holder = world.store.begin().await.unwrap();
        holder
            .execute("lock table audit_log in exclusive mode")
            .await
            .unwrap();
        (world, holder)
    });
    let config: EngineConfig = world.console.config.clone();
    let now = at("2026-06-01T01:00:01Z");
    let inner = tokio::runtime::Runtime::new().unwrap();
    inner.spawn(async move {
        let engine = Engine::open(config).await.unwrap();
        turn_at(&engine, now).await.ok();
    });
    outer.block_on(async {
        let waiting =
            "select exists (select from pg_locks where not granted and relation = 'audit_log'::regclass)";
        until(|| async {
            sqlx::query_scalar::<_, bool>(waiting)
                .fetch_one(&world.store)
                .await
                .unwrap()
                .then_some(())
        })
        .await;
    });
    inner.shutdown_background();
    outer.block_on(async {
        holder.rollback().await.unwrap();
        // The server has noticed that it is gone when its row of the schedule can be had.
        world.settled(at("2026-06-01T00:30:00Z")).await;
        assert_eq!(world.dealt_with().await, [] as [&str; 0]);
        assert!(world.queued().await.is_empty());
        for _ in 0..3 {
            world.turn(now).await;
        }
        assert_eq!(world.dealt_with().await, ["06-01T01:00"]);
        assert_eq!(world.queued().await.len(), 1);
    });
}

/// Asks until there is an answer.
async fn until<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "it did not get there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn missed_due_times_are_one_run_with_a_note() {
    let world = world().await;
    world
        .set(spec("0 2 * * *", "UTC"), at("2026-06-01T12:00:00Z"))
        .await;
    // No console was at work for four nights.
    for _ in 0..3 {
        world.turn(at("2026-06-05T09:00:00Z")).await;
    }
    assert_eq!(world.dealt_with().await, ["06-05T02:00"]);
    assert_eq!(world.queued().await.len(), 1);
    let view = world
        .console
        .schedule()
        .view(&world.caller, "main")
        .await
        .unwrap()
        .unwrap();
    let note = view.runs[0].note.clone().unwrap();
    assert!(note.contains("3 more due times"), "{note}");
    // Late, but nothing was missed.
    world.end_all().await;
    world.turn(at("2026-06-06T03:00:00Z")).await;
    let view = world
        .console
        .schedule()
        .view(&world.caller, "main")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(view.runs.len(), 2);
    assert!(
        view.runs[0].note.as_deref().unwrap().contains("1 h late"),
        "{view:?}"
    );
    // In time there is nothing to say.
    world.end_all().await;
    world.turn(at("2026-06-07T02:00:04Z")).await;
    let view = world
        .console
        .schedule()
        .view(&world.caller, "main")
        .await
        .unwrap()
        .unwrap();
    assert_eq!((view.runs.len(), view.runs[0].note.clone()), (3, None));
}

#[tokio::test]
async fn one_run_at_a_time_and_what_finds_one_under_way_says_so() {
    let world = world().await;
    world
        .set(spec("*/10 * * * *", "UTC"), at("2026-06-01T00:00:00Z"))
        .await;
    world.turn(at("2026-06-01T00:10:00Z")).await;
    world.turn(at("2026-06-01T00:20:00Z")).await;
    assert_eq!(world.queued().await.len(), 1);
    let view = world
        .console
        .schedule()
        .view(&world.caller, "main")
        .await
        .unwrap()
        .unwrap();
    let states: Vec<RunState> = view.runs.iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Skipped, RunState::UnderWay]);
    assert_eq!(
        view.runs[0].note.as_deref(),
        Some("A backup was under way already.")
    );
    let again = world
        .console
        .schedule()
        .run(&world.caller, "main")
        .await
        .unwrap_err();
    assert_eq!(again.fault().code, Code::Conflict);
    assert_eq!(
        world.dealt_with().await.len(),
        2,
        "nothing is left of what was refused"
    );
}

#[tokio::test]
async fn a_pause_lets_nothing_run_and_what_was_due_during_it_does_not_come_after_it() {
    let world = world().await;
    world
        .set(spec("* * * * *", "UTC"), at("2026-06-01T00:00:00Z"))
        .await;
    let view = world
        .console
        .schedule()
        .pause(&world.caller, "main")
        .await
        .unwrap();
    assert_eq!(view.paused.unwrap().by, world.caller.name());
    world.turn(at("2026-06-03T00:00:00Z")).await;
    assert!(world.queued().await.is_empty());
    let view = world
        .console
        .schedule()
        .resume(&world.caller, "main")
        .await
        .unwrap();
    assert_eq!(view.paused, None);
    // The store's clock has gone on to now, and nothing before it is due.
    world.turn(Utc::now()).await;
    assert!(world.queued().await.is_empty());
    world.turn(Utc::now() + TimeDelta::minutes(2)).await;
    assert_eq!(world.queued().await.len(), 1);
    world
        .console
        .schedule()
        .remove(&world.caller, "main")
        .await
        .unwrap();
    world.end_all().await;
    world.turn(Utc::now() + TimeDelta::minutes(9)).await;
    assert_eq!(world.queued().await.len(), 1, "a removed schedule does nothing");
    let gone = world
        .console
        .schedule()
        .pause(&world.caller, "main")
        .await
        .unwrap_err();
    assert_eq!(gone.fault().code, Code::NotFound);
}

#[tokio::test]
async fn a_clock_that_jumps_makes_no_run_twice_and_none_never() {
    let world = world().await;
    world
        .set(spec("0 * * * *", "UTC"), at("2026-06-01T00:30:00Z"))
        .await;
    world.turn(at("2026-06-01T01:00:01Z")).await;
    world.end_all().await;
    // A year ahead: one run.
    world.turn(at("2027-06-01T00:30:00Z")).await;
    world.end_all().await;
    assert_eq!(world.dealt_with().await, ["06-01T01:00", "06-01T00:00"]);
    // And back: nothing that ran comes again, and the next hour runs.
    for minute in [2, 20, 59] {
        world
            .turn(at("2026-06-01T01:00:00Z") + TimeDelta::minutes(minute))
            .await;
    }
    assert_eq!(world.dealt_with().await.len(), 2);
    let view = world
        .console
        .schedule()
        .view(&world.caller, "main")
        .await
        .unwrap()
        .unwrap();
    assert!(view.note.as_deref().unwrap().contains("went back"), "{view:?}");
    // Back once more, over a due time that ran.
    world.settled(at("2026-06-01T00:45:00Z")).await;
    world.turn(at("2026-06-01T01:30:00Z")).await;
    assert_eq!(world.dealt_with().await.len(), 2, "01:00 ran already");
    world.turn(at("2026-06-01T02:00:02Z")).await;
    assert_eq!(world.dealt_with().await.len(), 3);
    assert_eq!(world.queued().await.len(), 3);
}

#[tokio::test]
async fn jitter_delays_a_run_by_the_same_time_in_every_console_and_less_than_the_next() {
    let world = world().await;
    let jittered = ScheduleSpec {
        jitter_s: 1800,
        ..spec("0 * * * *", "UTC")
    };
    world.set(jittered.clone(), at("2026-06-01T00:30:00Z")).await;
    let mut begun = Vec::new();
    for minute in 0..300 {
        let now = at("2026-06-01T01:00:00Z") + TimeDelta::minutes(minute);
        let before = world.queued().await.len();
        world.turn(now).await;
        if world.queued().await.len() > before {
            begun.push(minute % 60);
            world.end_all().await;
        }
    }
    assert_eq!(begun.len(), 5, "{begun:?}");
    assert!(begun.iter().all(|minute| *minute <= 30), "{begun:?}");
    assert!(
        begun.iter().any(|minute| *minute != begun[0]),
        "they differ: {begun:?}"
    );
    let too_long = ScheduleSpec {
        jitter_s: 3600,
        ..jittered
    };
    let fault = world
        .console
        .schedule()
        .set(&world.caller, too_long)
        .await
        .unwrap_err()
        .fault();
    assert_eq!(fault.field.as_deref(), Some("jitter_s"));
}

#[tokio::test]
async fn a_schedule_asks_for_its_permission_and_for_values_that_make_sense() {
    let world = world().await;
    let viewer = support::caller(&world.console, Role::Viewer).await;
    let schedules = world.console.schedule();
    let codes = [
        schedules
            .set(&viewer, spec("0 2 * * *", "UTC"))
            .await
            .unwrap_err(),
        schedules.pause(&viewer, "main").await.unwrap_err(),
        schedules.resume(&viewer, "main").await.unwrap_err(),
        schedules.remove(&viewer, "main").await.unwrap_err(),
        schedules.run(&viewer, "main").await.unwrap_err(),
    ]
    .map(|error| error.fault().code);
    assert_eq!(codes, [Code::Forbidden; 5]);
    assert_eq!(schedules.view(&viewer, "main").await.unwrap(), None);
    let next = schedules
        .preview(&viewer, "0 2 * * 1,4", "Europe/Berlin")
        .await
        .unwrap();
    assert_eq!(
        (next.words.as_str(), next.runs.len()),
        ("every Monday and Thursday at 02:00", 5)
    );
    assert!(next.runs[0].local.contains(" 02:00 CE"), "{next:?}");
    for (wrong, field) in [
        (spec("0 2 * *", "UTC"), "cron"),
        (spec("0 2 * * *", "Mars/Olympus"), "zone"),
        (
            ScheduleSpec {
                alarm_hours: 0,
                ..spec("0 2 * * *", "UTC")
            },
            "alarm_hours",
        ),
        (
            ScheduleSpec {
                jitter_s: -1,
                ..spec("0 2 * * *", "UTC")
            },
            "jitter_s",
        ),
    ] {
        let fault = schedules.set(&world.caller, wrong).await.unwrap_err().fault();
        assert_eq!(fault.field.as_deref(), Some(field), "{fault}");
    }
    assert_eq!(schedules.list(&viewer).await.unwrap(), []);
}

#[tokio::test]
async fn a_schedule_takes_a_backup_by_itself_and_verifies_it_as_far_as_was_chosen() {
    let world = world::world().await;
    let each = ScheduleSpec {
        verify: VerifyWhen::Each,
        verify_level: Proof::Equal,
        parallel: 2,
        compression: Compression::None,
        ..spec("* * * * *", "UTC")
    };
    let set = world
        .engine
        .schedule()
        .set(&world.caller, each.clone())
        .await
        .unwrap();
    assert_eq!(set.spec, each);
    assert_eq!(each.kind().unwrap(), "over 2 connections, not compressed");
    let store = world.console.store.pool().await;
    // The next minute is now.
    sqlx::query("update schedules set settled_until = clock_timestamp() - interval '1 minute'")
        .execute(&store)
        .await
        .unwrap();
    let run = until(|| async {
        let view = world
            .engine
            .schedule()
            .view(&world.caller, "main")
            .await
            .unwrap()
            .unwrap();
        view.runs.into_iter().find(|run| run.state == RunState::Taken)
    })
    .await;
    let backup = run.job.unwrap();
    assert!(
        world
            .list()
            .await
            .backups
            .iter()
            .any(|stored| stored.id == backup.0)
    );
    let verified = until(|| async {
        let jobs: Option<uuid::Uuid> =
            sqlx::query_scalar("select verify_job from schedule_runs where job = $1")
                .bind(backup.0)
                .fetch_one(&store)
                .await
                .unwrap();
        jobs
    })
    .await;
    let job = world.ended(JobId(verified)).await;
    assert_eq!(
        (job.state, job.kind),
        (JobState::Succeeded, JobKind::VerifyBackup)
    );
    assert!(
        job.title.starts_with("Verify the backup of main"),
        "{}",
        job.title
    );
    let outcome = job.outcome.unwrap();
    assert!(outcome.starts_with("Restored and equal"), "{outcome}");
    let list = world.list().await;
    let stored = list.backups.iter().find(|stored| stored.id == backup.0).unwrap();
    assert_eq!(stored.proof, Proof::Equal);
    let manifest = std::fs::read_to_string(world.stored(stored).join("manifest.json")).unwrap();
    assert!(manifest.contains("\"directory\""), "{manifest}");
    world.engine.close().await;
}

#[tokio::test]
async fn a_level_that_this_machine_cannot_reach_is_refused_with_the_reason_and_told_when_that_comes_later() {
    let cluster = testkit::shared_of(Version::V14).await;
    let database = cluster.database("planned").await;
    let pool = database.pool().await;
    let world = world::over(database, pool)
        .await
        .instead(|config| {
            config.works = false;
            config.pg_bin = Some(Version::V15.bin_dir());
        })
        .await;
    let each = |verify_level| ScheduleSpec {
        verify: VerifyWhen::Each,
        verify_level,
        ..spec("0 2 * * *", "UTC")
    };
    for (level, words) in [
        (Proof::Hash, "hash alone"),
        (Proof::Restored, "PostgreSQL 14"),
        (Proof::Equal, "PostgreSQL 14"),
    ] {
        let fault = world
            .engine
            .schedule()
            .set(&world.caller, each(level))
            .await
            .unwrap_err()
            .fault();
        assert_eq!(fault.code, Code::Invalid);
        assert_eq!(fault.field.as_deref(), Some("verify_level"));
        assert!(fault.message.contains(words), "{fault}");
    }
    let view = world.engine.schedule().view(&world.caller, "main").await.unwrap();
    assert!(view.is_none(), "nothing is set by what is refused");

    // What needs no server is taken, and where nothing is verified no level is said.
    let set = |spec| async { world.engine.schedule().set(&world.caller, spec).await.unwrap() };
    let view = set(each(Proof::ReadBack)).await;
    assert_eq!((view.spec.verify_level, view.note), (Proof::ReadBack, None));
    let never = ScheduleSpec {
        verify: VerifyWhen::Never,
        ..each(Proof::Equal)
    };
    let view = set(never).await;
    assert_eq!((view.spec.verify_level, view.note), (Proof::ReadBack, None));

    // With its programs it is set, and kept by the store; without them later, its page says so.
    let world = world
        .instead(|config| config.pg_bin = Some(Version::V14.bin_dir()))
        .await;
    let view = world
        .engine
        .schedule()
        .set(&world.caller, each(Proof::Equal))
        .await
        .unwrap();
    assert_eq!((view.spec.verify_level, view.note), (Proof::Equal, None));
    let world = world
        .instead(|config| config.pg_bin = Some(Version::V15.bin_dir()))
        .await;
    let view = world.engine.schedule().view(&world.caller, "main").await.unwrap();
    let view = view.unwrap();
    assert_eq!(view.spec.verify_level, Proof::Equal);
    let note = view.note.unwrap();
    assert!(
        note.contains("cannot be verified as far") && note.contains("PostgreSQL 14"),
        "{note}"
    );
}

#[tokio::test]
async fn the_newest_backup_is_verified_once_a_week_where_that_is_wished() {
    let world = world::world().await;
    world.backup().await;
    let world = world.instead(|config| config.works = false).await;
    let weekly = ScheduleSpec {
        verify: VerifyWhen::Weekly,
        ..spec("0 2 1 1 *", "UTC")
    };
    world.engine.schedule().set(&world.caller, weekly).await.unwrap();
    let verifications = || async {
        let query = JobQuery {
            kind: Some(JobKind::VerifyBackup),
            ..JobQuery::default()
        };
        world
            .engine
            .jobs()
            .list(&world.caller, query)
            .await
            .unwrap()
            .jobs
            .len()
    };
    let now = Utc::now();
    turn_at(&world.engine, now + TimeDelta::days(6)).await.unwrap();
    assert_eq!(verifications().await, 0);
    for hour in 1..4 {
        turn_at(&world.engine, now + TimeDelta::days(7) + TimeDelta::hours(hour))
            .await
            .unwrap();
    }
    assert_eq!(verifications().await, 1);
}

#[tokio::test]
async fn a_due_time_that_no_console_deals_with_is_a_finding() {
    let database = testkit::shared().await.database("planned").await;
    let console = support::engine(&database, false).await;
    let caller = support::caller(&console, Role::Administrator).await;
    let store = console.store.pool().await;
    console
        .schedule()
        .set(&caller, spec("0 * * * *", "UTC"))
        .await
        .unwrap();
    sqlx::query("update schedules set settled_until = clock_timestamp() - interval '2 hours'")
        .execute(&store)
        .await
        .unwrap();
    until(|| async {
        let view = console.targets().view(&caller, "main").await.unwrap();
        view.findings
            .iter()
            .any(|finding| finding.key == "schedule.late")
            .then_some(())
    })
    .await;
}

/// A folder with client tools and without a server.
fn client_tools() -> tempfile::TempDir {
    let tools = tempfile::tempdir().unwrap();
    for name in ["pg_dump", "pg_dumpall", "pg_restore"] {
        std::os::unix::fs::symlink(Version::V17.bin_dir().join(name), tools.path().join(name)).unwrap();
    }
    tools
}

#[tokio::test]
async fn a_place_for_trials_that_can_never_be_is_refused_when_the_schedule_is_set() {
    let tools = client_tools();
    let older = testkit::shared_of(Version::V14).await.database("older").await;
    let newer = testkit::shared_of(Version::V17).await.database("newer").await;
    let database = testkit::shared_of(Version::V15).await.database("planned").await;
    let pool = database.pool().await;
    let mut world = world::over(database, pool)
        .await
        .instead(|config| {
            config.works = false;
            config.pg_bin = Some(tools.path().to_owned());
            for (name, options) in [
                ("older", older.socket_options()),
                ("newer", newer.socket_options()),
                ("away", newer.socket_options().database("there is none")),
            ] {
                let mut target = config.targets[0].clone();
                target.name = name.into();
                target.options = options;
                config.targets.push(target);
            }
        })
        .await;
    let equal = ScheduleSpec {
        verify: VerifyWhen::Each,
        verify_level: Proof::Equal,
        ..spec("0 2 * * *", "UTC")
    };
    for (on, words) in [
        (None, "initdb"),
        (Some("nowhere"), "\"nowhere\""),
        (Some("older"), "the server of older"),
    ] {
        world = world
            .instead(|config| config.verify_on = on.map(str::to_owned))
            .await;
        let refused = world.engine.schedule().set(&world.caller, equal.clone()).await;
        let fault = refused.unwrap_err().fault();
        assert_eq!(
            (fault.code, fault.field.as_deref()),
            (Code::Invalid, Some("verify_level"))
        );
        let folder = tools.path().display().to_string();
        assert!(
            fault.message.contains(words) && fault.message.contains(&folder),
            "{fault}"
        );
        assert!(fault.hint.is_some(), "{fault}");
    }
    // What may be there again by itself is told and not refused.
    for (on, doubt) in [("away", true), ("newer", false)] {
        world = world.instead(|config| config.verify_on = Some(on.into())).await;
        let view = world.engine.schedule().set(&world.caller, equal.clone()).await;
        let note = view.unwrap().note;
        assert_eq!(
            note.is_some_and(|note| note.contains("is not known now")),
            doubt,
            "{on}"
        );
    }
}

#[tokio::test]
async fn a_scheduled_verification_that_fails_is_a_finding_says_why_and_takes_nothing_from_the_last_one() {
    let tools = client_tools();
    let world = world::world().await;
    let backup = world.backup().await;
    let equal = contract::backup::VerifySpec {
        target: "main".into(),
        id: backup.id,
        level: Proof::Equal,
        on: None,
    };
    let verify = |world: &world::World| {
        let (engine, caller, equal) = (world.engine.clone(), world.caller.clone(), equal.clone());
        async move { engine.backup().verify_to(&caller, equal).await.unwrap() }
    };
    let id = verify(&world).await;
    assert_eq!(world.ended(id).await.state, JobState::Succeeded);
    let weekly = ScheduleSpec {
        verify: VerifyWhen::Weekly,
        verify_level: Proof::Equal,
        ..spec("0 2 1 1 *", "UTC")
    };
    world.engine.schedule().set(&world.caller, weekly).await.unwrap();
    let world = world
        .instead(|config| {
            config.pg_bin = Some(tools.path().to_owned());
            config.verify_on = Some("nowhere".into());
        })
        .await;
    let store = world.console.store.pool().await;
    sqlx::query("update schedules set verify_at = clock_timestamp() - interval '1 minute'")
        .execute(&store)
        .await
        .unwrap();
    let failed: uuid::Uuid = until(|| async {
        sqlx::query_scalar("select id from jobs where created_by = 'pgsteward:schedule'")
            .fetch_optional(&store)
            .await
            .unwrap()
    })
    .await;
    let job = world.ended(JobId(failed)).await;
    assert_eq!(job.state, JobState::Failed);
    let fault = job.fault.unwrap();
    assert!(fault.message.contains("\"nowhere\""), "{fault}");
    let report = async |world: &world::World| {
        let report = world
            .engine
            .backup()
            .report(&world.caller, "main", backup.id)
            .await;
        report.unwrap()
    };
    let told = report(&world).await;
    let trial = told.trial.unwrap();
    assert!(
        !trial.tables.is_empty() && trial.restored_ms.is_some(),
        "{trial:?}"
    );
    assert!(
        trial.failure.unwrap().contains("\"nowhere\"") && trial.failed_at.unwrap() > trial.at,
        "it stands beside what was found before"
    );
    assert_eq!(told.backup.proof, Proof::Equal);
    let finding = || async {
        let view = world.engine.targets().view(&world.caller, "main").await.unwrap();
        view.findings
            .into_iter()
            .find(|finding| finding.key == "backup.unverified")
    };
    let found = until(finding).await;
    assert!(found.evidence.unwrap().contains("\"nowhere\""));

    // Verified as far by hand, it is nobody's concern any more.
    let world = world
        .instead(|config| {
            config.pg_bin = None;
            config.verify_on = None;
        })
        .await;
    let id = verify(&world).await;
    assert_eq!(world.ended(id).await.state, JobState::Succeeded);
    until(|| async {
        let view = world.engine.targets().view(&world.caller, "main").await.unwrap();
        let mut keys = view.findings.iter().map(|finding| finding.key.as_str());
        keys.all(|key| key != "backup.unverified").then_some(())
    })
    .await;
    assert_eq!(report(&world).await.trial.unwrap().failure, None);
}
