//! Two console processes on one store: when one is killed, the other cleans up what it left.

use std::os::unix::fs::PermissionsExt;

use contract::jobs::JobState;
use engine::jobs::test_job::{TestEnd, TestJob, Work, begin};
use nix::sys::signal::Signal;

use crate::{
    beside::{self, until},
    program::Home,
};

#[tokio::test]
async fn a_killed_consoles_job_is_cleaned_up_by_the_other_one() {
    let cluster = testkit::shared().await;
    let (store, target) = (cluster.database("store").await, cluster.database("main").await);
    let console = || {
        Home::new()
            .with("DATABASE_URL", &target.url())
            .with("PGSTEWARD_STORE_URL", &store.url())
            .with("PGSTEWARD_ADMIN_PASSWORD", "nine boats on a lake")
    };
    let (one, other) = (console(), console());
    let first = one.serve();

    let folder = tempfile::tempdir().unwrap();
    // The consoles write here, perhaps as another user.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let marker = folder.path().join("at-work");
    let engine = beside::engine(&one, &store, &target).await;
    let caller = engine.session().command_line("test");
    let job = TestJob {
        target: target.name().to_owned(),
        work_ms: 600_000,
        end: TestEnd::Succeed,
        marker: marker.clone(),
        deaf: false,
        work: Work::Change,
    };
    let id = begin(&engine, &caller, &job).await.unwrap();
    until(&engine, id, "the first console works", |job| {
        job.state == JobState::Running && marker.exists()
    })
    .await;
    let second = other.serve();

    first.stop(Signal::SIGKILL);
    let ended = until(&engine, id, "the job is over", |job| job.state.is_final()).await;
    assert_eq!(ended.state, JobState::Interrupted, "{ended:?}");
    assert!(!marker.exists(), "its clean-up did not run");
    let fault = ended.fault.unwrap();
    assert!(fault.hint.is_some(), "{fault:?}");

    // The target is free again, and the other console goes on working.
    let job = TestJob { work_ms: 100, ..job };
    let next = begin(&engine, &caller, &job).await.unwrap();
    until(&engine, next, "the next job succeeds", |job| {
        job.state == JobState::Succeeded
    })
    .await;
    second.stop(Signal::SIGINT);
    engine.close().await;
}
