//! Old backups go by rules, and the last good one never.

use contract::{
    Code,
    audit::AuditQuery,
    backup::{BackupView, DeleteBackup},
    jobs::{JobState, JobView, StepState},
    retention::{Mark, MarkBackup, Retention, RetentionSpec, RetentionView},
    session::Role,
};
use uuid::Uuid;

use super::{
    support,
    world::{World, world},
};

fn last(number: i32) -> RetentionSpec {
    RetentionSpec {
        target: "main".into(),
        keep: Retention {
            last: number,
            ..Retention::default()
        },
        zone: "UTC".into(),
    }
}

impl World {
    async fn keep(&self, spec: RetentionSpec) -> RetentionView {
        self.engine
            .backup()
            .set_retention(&self.caller, spec)
            .await
            .unwrap()
    }

    async fn pruned(&self) -> JobView {
        let id = self.engine.backup().prune(&self.caller, "main").await.unwrap();
        self.ended(id).await
    }

    async fn mark(&self, backup: &BackupView, mark: Mark) {
        let request = MarkBackup {
            target: "main".into(),
            id: backup.id,
            mark,
        };
        self.engine.backup().mark(&self.caller, request).await.unwrap();
    }

    async fn ids(&self) -> Vec<Uuid> {
        self.list().await.backups.iter().map(|backup| backup.id).collect()
    }

    async fn plan_of(&self, backup: &BackupView) -> (bool, String) {
        let view = self
            .engine
            .backup()
            .retention(&self.caller, "main")
            .await
            .unwrap();
        let verdict = view
            .plan
            .verdicts
            .iter()
            .find(|verdict| verdict.id == backup.id)
            .unwrap();
        (verdict.goes && view.plan.held.is_none(), verdict.why.clone())
    }

    /// `count` backups, newest first.
    async fn some(&self, count: usize) -> Vec<BackupView> {
        for _ in 0..count {
            self.backup().await;
        }
        self.list().await.backups
    }
}

#[tokio::test]
async fn what_no_rule_keeps_goes_and_what_is_pinned_or_in_use_stays() {
    let world = world().await;
    let all = world.some(5).await;
    let none = world
        .engine
        .backup()
        .prune(&world.caller, "main")
        .await
        .unwrap_err();
    assert_eq!(
        none.fault().code,
        Code::Conflict,
        "without a rule everything is kept"
    );
    // Shown before it is set, and nothing is changed by that.
    let plan = world
        .engine
        .backup()
        .plan_retention(&world.caller, last(1))
        .await
        .unwrap();
    assert_eq!((plan.going().count(), plan.held), (4, None));
    assert_eq!(
        world
            .engine
            .backup()
            .retention(&world.caller, "main")
            .await
            .unwrap()
            .set,
        None
    );
    world.mark(&all[1], Mark::Pin).await;
    let download = world
        .engine
        .backup()
        .open(&world.caller, "main", all[3].id)
        .await
        .unwrap();
    let view = world.keep(last(1)).await;
    assert_eq!(
        view.plan.going().map(|verdict| verdict.id).collect::<Vec<_>>(),
        [all[2].id, all[3].id, all[4].id]
    );
    assert_eq!(world.plan_of(&all[1]).await, (false, "pinned".to_owned()));

    let job = world.pruned().await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    assert_eq!(world.ids().await, [all[0].id, all[1].id, all[3].id]);
    assert!(
        job.outcome.as_deref().unwrap().contains("2 backups removed"),
        "{job:?}"
    );
    let states: Vec<StepState> = job.progress.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Done, StepState::Skipped, StepState::Done]);
    let audit = world
        .engine
        .audit()
        .list(&world.caller, AuditQuery::default())
        .await
        .unwrap();
    let deleted = audit
        .entries
        .iter()
        .filter(|entry| entry.event_type == "backup.delete");
    let deleted: Vec<&str> = deleted.filter_map(|entry| entry.detail.as_deref()).collect();
    assert_eq!(deleted.len(), 2);
    assert!(
        deleted
            .iter()
            .all(|detail| detail.ends_with("; no rule keeps it")),
        "{deleted:?}"
    );

    // What was in use goes the next time; a pin is no matter of time.
    drop(download);
    let begun = std::time::Instant::now();
    while world.ids().await.len() > 2 {
        assert!(begun.elapsed() < crate::work::PATIENCE, "it never goes");
        world.pruned().await;
    }
    assert_eq!(world.ids().await, [all[0].id, all[1].id]);
    world.mark(&all[1], Mark::Unpin).await;
    world.pruned().await;
    assert_eq!(world.ids().await, [all[0].id]);
    // The newest one stays, whatever the rules are.
    world.pruned().await;
    assert_eq!(world.ids().await, [all[0].id]);
}

#[tokio::test]
async fn one_that_cannot_be_deleted_does_not_stop_the_others() {
    let world = world().await;
    let all = world.some(4).await;
    world.keep(last(1)).await;
    // Something is in the way of where it would be moved to.
    let held = world
        .folder()
        .join(".partial")
        .join(format!("deleted-{}", all[2].id));
    std::fs::create_dir_all(held.join("in the way")).unwrap();
    let job = world.pruned().await;
    let fault = job.fault.unwrap();
    assert_eq!(job.state, JobState::Failed);
    assert!(
        fault
            .message
            .starts_with("1 old backup could not be removed. 2 backups removed"),
        "{fault}"
    );
    let states: Vec<StepState> = job.progress.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Done, StepState::Failed, StepState::Done]);
    std::fs::remove_dir_all(held).unwrap();
    assert_eq!(
        world.ids().await,
        [all[0].id, all[2].id],
        "what failed is there as before"
    );
    assert_eq!(world.pruned().await.state, JobState::Succeeded);
    assert_eq!(world.ids().await, [all[0].id]);
}

#[tokio::test]
async fn while_attempts_fail_or_a_clock_has_jumped_nothing_goes() {
    let world = world().await;
    let all = world.some(3).await;
    world.keep(last(1)).await;
    let store = world.console.store.pool().await;
    let held = || async {
        let job = world.pruned().await;
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
        assert_eq!(world.ids().await.len(), 3);
        job.outcome.unwrap()
    };
    // The last run was later than the store's clock is now.
    sqlx::query("update retention set ran_at = clock_timestamp() + interval '1 day'")
        .execute(&store)
        .await
        .unwrap();
    assert!(held().await.contains("went back"));
    sqlx::query("update retention set ran_at = null")
        .execute(&store)
        .await
        .unwrap();
    // The newest attempt failed.
    let attempt = |state: &'static str, seconds: f64| {
        sqlx::query(
            "update jobs set state = $2, created_at = created_at + make_interval(secs => $3) where id = $1",
        )
        .bind(all[0].id)
        .bind(state)
        .bind(seconds)
        .execute(&store)
    };
    attempt("failed", 3600.0).await.unwrap();
    assert!(held().await.contains("failed"));
    attempt("succeeded", -3600.0).await.unwrap();
    // The newest one is damaged.
    let archive = world.stored(&all[0]).join("archive.dump");
    let whole = std::fs::read(&archive).unwrap();
    std::fs::write(&archive, &whole[..whole.len() - 1]).unwrap();
    assert!(held().await.contains("damaged"));
    std::fs::write(&archive, &whole).unwrap();
    let job = world.pruned().await;
    assert!(
        job.outcome.as_deref().unwrap().contains("2 backups removed"),
        "{job:?}"
    );
    assert_eq!(world.ids().await, [all[0].id]);
}

#[tokio::test]
async fn marks_outlive_the_store_and_in_doubt_a_backup_stays() {
    let world = world().await;
    let all = world.some(2).await;
    let old = &all[1];
    world.mark(old, Mark::Pin).await;
    world.mark(old, Mark::Label("  before the move ".into())).await;
    world.mark(old, Mark::Note("Ask Ada.\nThen delete.".into())).await;
    let marks = |all: &[BackupView]| {
        all.iter()
            .find(|backup| backup.id == old.id)
            .unwrap()
            .marks
            .clone()
    };
    let set = marks(&world.list().await.backups);
    assert_eq!(
        (set.pinned, set.label.as_deref(), set.note.as_deref()),
        (true, Some("before the move"), Some("Ask Ada.\nThen delete."))
    );
    let words = |label: &str, note: &str| Mark::Words {
        label: label.into(),
        note: note.into(),
    };
    let refused = world
        .engine
        .backup()
        .mark(
            &world.caller,
            MarkBackup {
                target: "main".into(),
                id: old.id,
                mark: words("not kept", &"n".repeat(2001)),
            },
        )
        .await
        .unwrap_err()
        .fault();
    assert_eq!(refused.field.as_deref(), Some("note"));
    assert_eq!(marks(&world.list().await.backups), set, "neither of both");
    world.mark(old, words("", "  One.\r\nTwo. ")).await;
    let both = marks(&world.list().await.backups);
    assert_eq!((both.label, both.note.as_deref()), (None, Some("One.\nTwo.")));
    world
        .mark(old, words("before the move", "Ask Ada.\nThen delete."))
        .await;
    // The store's rows are lost, and the marks are there again.
    let store = world.console.store.pool().await;
    sqlx::query("delete from backups").execute(&store).await.unwrap();
    assert_eq!(marks(&world.list().await.backups), set);
    // A pinned one is not deleted by hand either.
    let request = || DeleteBackup {
        target: "main".into(),
        id: old.id,
        confirm: world.database.name().to_owned(),
    };
    let fault = world
        .engine
        .backup()
        .delete(&world.caller, request())
        .await
        .unwrap_err()
        .fault();
    assert_eq!(fault.message, "This backup is pinned.");
    // Someone takes the pin away in the file: the seal does not fit, so it stays pinned.
    let file = world.stored(old).join("marks.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"pinned\": true", "\"pinned\": false")).unwrap();
    let doubtful = marks(&world.list().await.backups);
    assert!(doubtful.pinned && doubtful.note.unwrap().contains("changed after"));
    world.mark(old, Mark::Unpin).await;
    world.mark(old, Mark::Label(String::new())).await;
    let set = marks(&world.list().await.backups);
    assert_eq!((set.pinned, set.label), (false, None));
    world
        .engine
        .backup()
        .delete(&world.caller, request())
        .await
        .unwrap();
    assert_eq!(world.ids().await, [all[0].id]);
}

#[tokio::test]
async fn retention_asks_for_its_permission_and_for_values_that_make_sense() {
    let world = world().await;
    let backup = world.backup().await;
    let operator = support::caller(&world.engine, Role::Operator).await;
    let viewer = support::caller(&world.engine, Role::Viewer).await;
    let backups = world.engine.backup();
    let pin = |mark| MarkBackup {
        target: "main".into(),
        id: backup.id,
        mark,
    };
    let codes = [
        backups.set_retention(&operator, last(3)).await.unwrap_err(),
        backups.prune(&operator, "main").await.unwrap_err(),
        backups.mark(&viewer, pin(Mark::Pin)).await.unwrap_err(),
    ]
    .map(|error| error.fault().code);
    assert_eq!(codes, [Code::Forbidden; 3]);
    assert!(backups.plan_retention(&viewer, last(3)).await.is_ok());
    assert!(backups.mark(&operator, pin(Mark::Pin)).await.is_ok());
    for (wrong, field) in [
        (last(-1), "last"),
        (
            RetentionSpec {
                zone: "Nowhere".into(),
                ..last(1)
            },
            "zone",
        ),
    ] {
        let fault = backups
            .set_retention(&world.caller, wrong)
            .await
            .unwrap_err()
            .fault();
        assert_eq!(fault.field.as_deref(), Some(field), "{fault}");
    }
    let long = backups
        .mark(&operator, pin(Mark::Label("x".repeat(81))))
        .await
        .unwrap_err();
    assert_eq!(long.fault().field.as_deref(), Some("label"));
    let strange = MarkBackup {
        id: Uuid::now_v7(),
        ..pin(Mark::Pin)
    };
    assert_eq!(
        backups.mark(&operator, strange).await.unwrap_err().fault().code,
        Code::NotFound
    );
}
