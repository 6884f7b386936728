//! What the runner promises for every kind of job, shown on the kind that only tests have. That another process cleans
//! up after `kill -9` is proven with real processes in `server/tests`.

use std::{path::PathBuf, time::Duration};

use contract::{
    Code,
    audit::AuditQuery,
    jobs::{Event, JobId, JobQuery, JobState, JobView, Phase, StepState},
    session::Role,
};
use engine::{
    Caller, Engine,
    jobs::test_job::{TestEnd, TestJob, Work, begin},
};
use futures::StreamExt;

fn job(marker: &tempfile::TempDir, name: &str, work_ms: u64, end: TestEnd) -> TestJob {
    TestJob {
        target: "main".into(),
        work_ms,
        end,
        marker: marker.path().join(name),
        deaf: false,
        work: Work::Change,
    }
}

async fn console(works: bool) -> crate::support::Console {
    crate::support::engine(&testkit::shared().await.database("main").await, works).await
}

fn administrator(engine: &Engine) -> Caller {
    engine.session().command_line("test")
}

async fn until(engine: &Engine, id: JobId, what: impl Fn(&JobView) -> bool) -> JobView {
    let caller = administrator(engine);
    for _ in 0..2400 {
        let job = engine.jobs().detail(&caller, id).await.unwrap().job;
        if what(&job) {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("job {id} did not get there in 120 s");
}

async fn ended(engine: &Engine, id: JobId) -> JobView {
    until(engine, id, |job| job.state.is_final()).await
}

fn steps(job: &JobView) -> Vec<StepState> {
    job.progress.steps.iter().map(|step| step.state).collect()
}

#[tokio::test]
async fn an_ended_job_of_an_older_version_has_no_open_step_anywhere() {
    let world = console(false).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    let id = begin(&world, &caller, &job(&folder, "o", 1, TestEnd::Succeed))
        .await
        .unwrap();
    world.jobs().cancel(&caller, id).await.unwrap();
    let left = serde_json::json!({
        "phase": "dumping", "detail": null, "fraction": 0.22, "eta_s": 9,
        "waiting": {"pid": 1, "who": "a migration", "seconds": 3},
        "steps": [
            {"name": "Dump", "state": "running", "detail": "1 MB", "fraction": 0.23, "duration_ms": null},
            {"name": "Store", "state": "pending", "detail": null, "fraction": null, "duration_ms": null},
        ],
    });
    sqlx::query("update jobs set progress = $1")
        .bind(left)
        .execute(&world.store.pool().await)
        .await
        .unwrap();
    let listed = world
        .jobs()
        .list(&caller, JobQuery::default())
        .await
        .unwrap()
        .jobs;
    let detail = world.jobs().detail(&caller, id).await.unwrap().job;
    let Some(Event::Snapshot { jobs, .. }) = Box::pin(world.watch(&caller).unwrap()).next().await else {
        panic!("the snapshot comes first");
    };
    for view in [&listed[0], &detail, &jobs[0]] {
        assert_eq!(steps(view), [StepState::BrokenOff, StepState::NotBegun]);
        assert_eq!(
            view.progress.steps[0].fraction,
            Some(0.23),
            "how far it came is kept"
        );
        assert_eq!((&view.progress.waiting, view.progress.eta_s), (&None, None));
    }
}

#[tokio::test]
async fn a_job_succeeds_with_progress_log_and_audit() {
    let world = console(true).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    let id = begin(&world, &caller, &job(&folder, "m", 1500, TestEnd::Succeed))
        .await
        .unwrap();
    let halfway = until(&world, id, |job| job.progress.fraction.is_some_and(|f| f > 0.1)).await;
    assert_eq!(halfway.state, JobState::Running);
    assert_eq!(halfway.progress.phase, Phase::Preparing);
    let done = ended(&world, id).await;
    assert_eq!(done.state, JobState::Succeeded);
    assert_eq!(done.outcome.as_deref(), Some("worked"));
    assert_eq!(done.progress.fraction, Some(1.0));
    assert_eq!(steps(&done), [StepState::Done, StepState::Skipped]);
    assert_eq!(steps(&halfway), [StepState::Running, StepState::Pending]);
    assert!(done.version > halfway.version);
    let log = world.jobs().log(&caller, id, 0).await.unwrap();
    assert_eq!(log.len(), 51, "fifty parts and the outcome");
    assert!(
        log.windows(2).all(|pair| pair[1].number == pair[0].number + 1),
        "no line twice, none lost"
    );
    let audit = world.audit().list(&caller, AuditQuery::default()).await.unwrap();
    let outcomes: Vec<_> = audit
        .entries
        .iter()
        .filter(|e| e.job == Some(id))
        .map(|e| e.outcome.name())
        .collect();
    assert_eq!(outcomes, ["success"], "an act and its end are one row");
}

#[tokio::test]
async fn a_failure_keeps_its_fault_and_a_panic_does_not_kill_the_console() {
    let world = console(true).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    for (name, end, code) in [
        ("f", TestEnd::Fail, Code::Conflict),
        ("p", TestEnd::Panic, Code::Internal),
    ] {
        let spec = job(&folder, name, 50, end);
        let marker: PathBuf = spec.marker.clone();
        let id = begin(&world, &caller, &spec).await.unwrap();
        let over = ended(&world, id).await;
        assert_eq!(over.state, JobState::Failed);
        assert_eq!(over.fault.as_ref().unwrap().code, code);
        assert!(over.progress.fraction.unwrap() < 1.0);
        assert_eq!(steps(&over), [StepState::BrokenOff, StepState::NotBegun]);
        assert!(!marker.exists(), "the clean-up ran");
    }
}

#[tokio::test]
async fn cancelling_ends_and_cleans_up_even_a_job_that_does_not_listen() {
    let world = console(true).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    for deaf in [false, true] {
        let spec = TestJob {
            deaf,
            ..job(&folder, "c", 60_000, TestEnd::Succeed)
        };
        let marker = spec.marker.clone();
        let id = begin(&world, &caller, &spec).await.unwrap();
        until(&world, id, |job| {
            job.state == JobState::Running && job.progress.fraction.is_some()
        })
        .await;
        let asked_view = world.jobs().cancel(&caller, id).await.unwrap();
        assert_eq!(asked_view.state, JobState::Cancelling);
        let over = ended(&world, id).await;
        assert_eq!(over.state, JobState::Cancelled);
        assert_eq!(steps(&over), [StepState::BrokenOff, StepState::NotBegun]);
        assert!(!marker.exists());
        let again = world.jobs().cancel(&caller, id).await.unwrap_err().fault();
        assert_eq!(again.code, Code::Conflict);
    }
}

#[tokio::test]
async fn a_second_click_finds_the_first_job() {
    let world = console(true).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    let id = begin(&world, &caller, &job(&folder, "one", 2000, TestEnd::Succeed))
        .await
        .unwrap();
    let refused = begin(&world, &caller, &job(&folder, "two", 1, TestEnd::Succeed))
        .await
        .unwrap_err()
        .fault();
    assert_eq!(refused.code, Code::Conflict);
    assert!(
        refused.hint.unwrap().contains(&id.to_string()),
        "it says where the first one is"
    );
    world.jobs().cancel(&caller, id).await.unwrap();
    ended(&world, id).await;
    let free = begin(&world, &caller, &job(&folder, "three", 1, TestEnd::Succeed))
        .await
        .unwrap();
    assert_eq!(ended(&world, free).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_when_nobody_works() {
    let world = console(false).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    let id = begin(&world, &caller, &job(&folder, "w", 1, TestEnd::Succeed))
        .await
        .unwrap();
    assert_eq!(
        world.jobs().cancel(&caller, id).await.unwrap().state,
        JobState::Cancelled
    );
}

#[tokio::test]
async fn closing_the_console_interrupts_and_cleans_up() {
    let world = console(true).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    let spec = job(&folder, "s", 60_000, TestEnd::Succeed);
    let marker = spec.marker.clone();
    let id = begin(&world, &caller, &spec).await.unwrap();
    until(&world, id, |job| job.progress.fraction.is_some()).await;
    let second = world.beside(false).await;
    world.close().await;
    let over = second
        .jobs()
        .detail(&second.session().command_line("test"), id)
        .await
        .unwrap()
        .job;
    assert_eq!(over.state, JobState::Interrupted);
    assert_eq!(steps(&over), [StepState::BrokenOff, StepState::NotBegun]);
    assert!(over.fault.unwrap().hint.unwrap().contains("start it again"));
    assert!(!marker.exists());
}

#[tokio::test]
async fn two_consoles_share_one_queue_and_both_browsers_see_the_job_move() {
    let world = console(true).await;
    let other = world.beside(true).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    let mut first = Box::pin(world.watch(&caller).unwrap());
    let mut second = Box::pin(other.watch(&caller).unwrap());
    for stream in [&mut first, &mut second] {
        assert!(
            matches!(stream.next().await.unwrap(), Event::Snapshot { .. }),
            "the snapshot comes first"
        );
    }
    let id = begin(&world, &caller, &job(&folder, "b", 1000, TestEnd::Succeed))
        .await
        .unwrap();
    for stream in [&mut first, &mut second] {
        let mut fractions = Vec::new();
        let end = loop {
            let event = tokio::time::timeout(Duration::from_secs(120), stream.next())
                .await
                .unwrap()
                .unwrap();
            match event {
                Event::Job { job } if job.id == id && job.state.is_final() => break job,
                Event::Job { job } if job.id == id => fractions.extend(job.progress.fraction),
                _ => {}
            }
        };
        assert_eq!(end.state, JobState::Succeeded);
        assert!(fractions.len() >= 2 && fractions.is_sorted(), "{fractions:?}");
    }
    let jobs = other
        .jobs()
        .list(&caller, JobQuery::default())
        .await
        .unwrap()
        .jobs;
    assert_eq!(jobs.len(), 1, "it ran once");
}

#[tokio::test]
async fn a_viewer_sees_jobs_and_changes_none() {
    let world = console(true).await;
    let viewer = crate::support::caller(&world, Role::Viewer).await;
    let folder = tempfile::tempdir().unwrap();
    let refused = begin(&world, &viewer, &job(&folder, "v", 1, TestEnd::Succeed))
        .await
        .unwrap_err();
    assert_eq!(refused.fault().code, Code::Forbidden);
    let id = begin(
        &world,
        &administrator(&world),
        &job(&folder, "v", 30_000, TestEnd::Succeed),
    )
    .await
    .unwrap();
    assert_eq!(world.jobs().detail(&viewer, id).await.unwrap().job.id, id);
    assert_eq!(
        world.jobs().cancel(&viewer, id).await.unwrap_err().fault().code,
        Code::Forbidden
    );
}

fn of(work: Work, marker: &tempfile::TempDir, name: &str) -> TestJob {
    TestJob {
        work,
        ..job(marker, name, 120_000, TestEnd::Succeed)
    }
}

async fn running(engine: &Engine, id: JobId) -> JobView {
    until(engine, id, |job| job.state == JobState::Running).await
}

/// Until a job says that it waits for another one.
async fn waiting_for(engine: &Engine, id: JobId, other: JobId) {
    let view = until(engine, id, |job| {
        job.waits_for.as_ref().is_some_and(|waits| waits.id == other)
    })
    .await;
    assert_eq!(view.state, JobState::Queued);
    let first = engine
        .jobs()
        .detail(&administrator(engine), other)
        .await
        .unwrap()
        .job;
    assert_eq!(view.waits_for.as_ref().unwrap().title, first.title);
    assert!(view.turn().contains(&first.title), "{}", view.turn());
}

#[tokio::test]
async fn what_gets_along_runs_together_and_what_conflicts_waits_and_says_for_what() {
    let world = console(true).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    let start = async |work, name: &str| begin(&world, &caller, &of(work, &folder, name)).await.unwrap();
    let read = start(Work::Read, "read").await;
    running(&world, read).await;
    // ANALYZE and a verification beside a backup.
    let maintain = start(Work::Maintain, "maintain").await;
    let aside = start(Work::Aside, "aside").await;
    let second_aside = start(Work::Aside, "aside two").await;
    for id in [maintain, aside, second_aside] {
        assert_eq!(running(&world, id).await.waits_for, None);
    }
    // A migration is not.
    let change = start(Work::Change, "change").await;
    waiting_for(&world, change, read).await;
    world.jobs().cancel(&caller, read).await.unwrap();
    ended(&world, read).await;
    waiting_for(&world, change, maintain).await;
    world.jobs().cancel(&caller, maintain).await.unwrap();
    let changing = running(&world, change).await;
    assert_eq!(changing.waits_for, None);
    // What reads whole waits for the migration; what works aside does not.
    let read = start(Work::Read, "read again").await;
    waiting_for(&world, read, change).await;
    let third_aside = start(Work::Aside, "aside three").await;
    running(&world, third_aside).await;
    let json = serde_json::to_value(world.jobs().detail(&caller, read).await.unwrap().job).unwrap();
    assert_eq!(json["waits_for"]["id"], change.to_string());
    world.close().await;
}

#[tokio::test]
async fn an_endless_flow_of_jobs_that_get_along_does_not_starve_a_swap() {
    let world = console(true).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    let first = begin(&world, &caller, &of(Work::Aside, &folder, "first"))
        .await
        .unwrap();
    running(&world, first).await;
    let swap = TestJob {
        work_ms: 500,
        ..of(Work::Swap, &folder, "swap")
    };
    let swap = begin(&world, &caller, &swap).await.unwrap();
    waiting_for(&world, swap, first).await;
    let late = TestJob {
        work_ms: 50,
        ..of(Work::Aside, &folder, "late")
    };
    let late = begin(&world, &caller, &late).await.unwrap();
    waiting_for(&world, late, swap).await;
    world.jobs().cancel(&caller, first).await.unwrap();
    let swapped = ended(&world, swap).await;
    let last = ended(&world, late).await;
    assert_eq!(
        (swapped.state, last.state),
        (JobState::Succeeded, JobState::Succeeded)
    );
    assert!(last.started_at >= swapped.finished_at, "{last:?} {swapped:?}");
}

#[tokio::test]
async fn a_job_that_nobody_can_take_holds_up_no_other() {
    let world = console(false).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    let swap = begin(&world, &caller, &of(Work::Swap, &folder, "swap"))
        .await
        .unwrap();
    let aside = TestJob {
        work_ms: 50,
        ..of(Work::Aside, &folder, "aside")
    };
    let aside = begin(&world, &caller, &aside).await.unwrap();
    waiting_for(&world, aside, swap).await;
    // The process that queued it was killed before it could take it, and nobody has looked at it since.
    sqlx::query("update jobs set heartbeat_at = now() - interval '1 minute' where id = $1")
        .bind(swap.0)
        .execute(&world.store.pool().await)
        .await
        .unwrap();
    world.jobs().work_on(&caller, aside).await.unwrap();
    assert_eq!(ended(&world, aside).await.state, JobState::Succeeded);
    let left = world.jobs().detail(&caller, swap).await.unwrap().job;
    assert_eq!(left.state, JobState::Queued);
}

#[tokio::test]
async fn a_command_takes_the_place_of_one_that_was_killed_before_its_job_began() {
    let world = console(false).await;
    let command = world.beside(false).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    // Queued by a command that is killed before it could take it: nobody stands in line for this job.
    let left = begin(&world, &caller, &job(&folder, "left", 120_000, TestEnd::Succeed))
        .await
        .unwrap();
    let again = job(&folder, "again", 50, TestEnd::Succeed);
    let id = begin(&command, &caller, &again).await.unwrap();
    command.jobs().work_on(&caller, id).await.unwrap();
    assert_eq!(ended(&command, id).await.state, JobState::Succeeded);
    let left = world.jobs().detail(&caller, left).await.unwrap().job;
    assert_eq!(left.state, JobState::Interrupted);
    assert!(left.fault.is_some(), "{left:?}");
    assert!(!folder.path().join("left").exists(), "it never ran");
    command.close().await;
}

#[tokio::test]
async fn a_command_never_takes_the_place_of_one_that_lives() {
    let world = console(false).await;
    let command = world.beside(false).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    let first = begin(&world, &caller, &of(Work::Read, &folder, "first"))
        .await
        .unwrap();
    world.jobs().work_on(&caller, first).await.unwrap();
    running(&world, first).await;
    // One that waits for the first, its command beside it.
    let second = begin(&world, &caller, &of(Work::Change, &folder, "second"))
        .await
        .unwrap();
    world.jobs().work_on(&caller, second).await.unwrap();
    waiting_for(&world, second, first).await;
    for work in [Work::Read, Work::Change] {
        let refused = begin(&command, &caller, &of(work, &folder, "third"))
            .await
            .unwrap_err();
        assert_eq!(refused.fault().code, Code::Conflict);
        assert!(refused.fault().message.contains("under way already"));
    }
    running(&world, first).await;
    let waits = world.jobs().detail(&caller, second).await.unwrap().job;
    assert_eq!(waits.state, JobState::Queued);
    command.close().await;
}

/// Whether two classes may be at work together, as the documentation says.
fn get_along(one: Work, other: Work) -> bool {
    match (one, other) {
        (Work::Swap, _) | (_, Work::Swap) => false,
        (Work::Aside, _) | (_, Work::Aside) | (Work::Read, Work::Read) => true,
        (Work::Read, Work::Maintain) | (Work::Maintain, Work::Read) => true,
        (Work::Change | Work::Maintain, _) | (_, Work::Change) => false,
    }
}

#[tokio::test]
async fn the_store_keeps_jobs_that_conflict_apart_whoever_takes_them() {
    let world = console(false).await;
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    let pool = world.store.pool().await;
    const ALL: [Work; 5] = [Work::Aside, Work::Read, Work::Maintain, Work::Change, Work::Swap];
    let take = "update jobs set state = 'running', worker = $2, heartbeat_at = now() where id = $1";
    for one in ALL {
        for other in ALL {
            let first = begin(&world, &caller, &of(one, &folder, "one")).await.unwrap();
            sqlx::query(take)
                .bind(first.0)
                .bind(1_i64)
                .execute(&pool)
                .await
                .unwrap();
            // Of another kind: a second one of the same would be the first.
            let second: uuid::Uuid = sqlx::query_scalar(
                "insert into jobs (id, kind, target, database_id, title, spec, work, progress, created_by)
                 select gen_random_uuid(), 'migrate', target, database_id, title, spec, $2, progress, created_by
                   from jobs
                  where id = $1
                 returning id",
            )
            .bind(first.0)
            .bind(serde_json::to_value(other).unwrap().as_str().unwrap())
            .fetch_one(&pool)
            .await
            .unwrap();
            match sqlx::query(take).bind(second).bind(2_i64).execute(&pool).await {
                Ok(_) => assert!(get_along(one, other), "{one:?} beside {other:?}"),
                Err(error) => {
                    let code = error.as_database_error().unwrap().code().unwrap().into_owned();
                    assert_eq!(code, "23P01");
                    assert!(!get_along(one, other), "{one:?} not beside {other:?}");
                }
            }
            sqlx::query(
                "update jobs set state = 'failed', finished_at = now() where state in ('queued', 'running')",
            )
            .execute(&pool)
            .await
            .unwrap();
        }
    }
}

#[tokio::test]
async fn consoles_that_race_for_jobs_never_run_two_that_conflict() {
    let world = console(true).await;
    let beside = [world.beside(true).await, world.beside(true).await];
    let caller = administrator(&world);
    let folder = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for round in 0..4 {
        let mut mine = Vec::new();
        for work in [
            Work::Change,
            Work::Read,
            Work::Aside,
            Work::Maintain,
            Work::Swap,
            Work::Aside,
        ] {
            let job = TestJob {
                work_ms: 60,
                ..of(work, &folder, &format!("{work:?} {round} {}", mine.len()))
            };
            mine.push(begin(&world, &caller, &job).await.unwrap());
        }
        for &id in &mine {
            assert_eq!(ended(&world, id).await.state, JobState::Succeeded);
        }
        all.extend(mine);
    }
    let pool = world.store.pool().await;
    let together: i64 = sqlx::query_scalar(
        "select count(*)
           from jobs one
           join jobs other on other.id > one.id
           join work_conflicts conflict on conflict.work = one.work and conflict.other = other.work
          where one.started_at < other.finished_at
            and other.started_at < one.finished_at",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(together, 0);
    for engine in beside {
        engine.close().await;
    }
}
