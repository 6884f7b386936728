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
    jobs::test_job::{TestEnd, TestJob, begin},
};
use futures::StreamExt;

fn job(marker: &tempfile::TempDir, name: &str, work_ms: u64, end: TestEnd) -> TestJob {
    TestJob {
        target: "main".into(),
        work_ms,
        end,
        marker: marker.path().join(name),
        deaf: false,
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
async fn one_exclusive_job_per_target_and_no_second_by_a_double_click() {
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
