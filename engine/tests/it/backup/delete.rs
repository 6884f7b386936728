use std::{fs, time::Duration};

use contract::{
    Code,
    audit::AuditQuery,
    backup::{BackupSpec, DeleteBackup},
    session::Role,
};

use super::{
    support,
    world::{World, entries, world},
};

fn request(world: &World, id: uuid::Uuid) -> DeleteBackup {
    DeleteBackup {
        target: "main".into(),
        id,
        confirm: world.database.name().to_owned(),
    }
}

#[tokio::test]
async fn a_backup_is_deleted_whole_with_its_audit_entry() {
    let world = world().await;
    let backup = world.backup().await;
    let kept = world.backup().await;
    for confirm in ["", "main", "Shop", &format!("{} ", world.database.name())] {
        let wrong = DeleteBackup {
            confirm: confirm.to_owned(),
            ..request(&world, backup.id)
        };
        let fault = world
            .engine
            .backup()
            .delete(&world.caller, wrong)
            .await
            .unwrap_err()
            .fault();
        assert_eq!(
            (fault.code, fault.field.as_deref()),
            (Code::Invalid, Some("confirm")),
            "{confirm:?}"
        );
        assert!(fault.hint.unwrap().contains(world.database.name()));
    }
    assert_eq!(world.list().await.backups.len(), 2);
    world
        .engine
        .backup()
        .delete(&world.caller, request(&world, backup.id))
        .await
        .unwrap();
    assert_eq!(
        world
            .list()
            .await
            .backups
            .iter()
            .map(|listed| listed.id)
            .collect::<Vec<_>>(),
        [kept.id]
    );
    assert!(!world.stored(&backup).exists());
    assert_eq!(entries(&world.folder().join(".partial")), [] as [&str; 0]);
    let audit = world
        .engine
        .audit()
        .list(&world.caller, AuditQuery::default())
        .await
        .unwrap();
    let entry = &audit.entries[0];
    assert_eq!(
        (entry.event_type.as_str(), entry.severity.name()),
        ("backup.delete", "warning")
    );
    assert_eq!(entry.object.as_deref(), Some(backup.file.as_str()));
    let again = world
        .engine
        .backup()
        .delete(&world.caller, request(&world, backup.id))
        .await
        .unwrap_err();
    assert_eq!(again.fault().code, Code::NotFound);
}

#[tokio::test]
async fn a_backup_that_is_downloaded_cannot_be_deleted() {
    let world = world().await;
    let backup = world.backup().await;
    let download = world
        .engine
        .backup()
        .open(&world.caller, "main", backup.id)
        .await
        .unwrap();
    let refused = world
        .engine
        .backup()
        .delete(&world.caller, request(&world, backup.id))
        .await
        .unwrap_err()
        .fault();
    assert_eq!(refused.code, Code::Conflict);
    assert!(refused.message.contains("downloaded"), "{refused}");
    assert_eq!(world.list().await.backups.len(), 1);
    drop(download);
    // A file of the runtime is closed a moment after it is dropped.
    let begun = std::time::Instant::now();
    while let Err(error) = world
        .engine
        .backup()
        .delete(&world.caller, request(&world, backup.id))
        .await
    {
        assert!(error.fault().message.contains("downloaded"), "{error}");
        assert!(begun.elapsed() < crate::work::PATIENCE, "the download never ends");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let audit = world
        .engine
        .audit()
        .list(&world.caller, AuditQuery::default())
        .await
        .unwrap();
    let types: Vec<&str> = audit
        .entries
        .iter()
        .map(|entry| entry.event_type.as_str())
        .take(2)
        .collect();
    assert_eq!(types, ["backup.delete", "backup.download"]);
}

#[tokio::test]
async fn a_deletion_that_was_not_committed_did_not_happen_and_a_committed_one_did() {
    let world = world().await;
    let (undone, done) = (world.backup().await, world.backup().await);
    // As a process leaves it that dies between the rename and the commit, and one after the commit.
    for backup in [&undone, &done] {
        let deleted = world
            .folder()
            .join(".partial")
            .join(format!("deleted-{}", backup.id));
        fs::rename(world.stored(backup), deleted).unwrap();
    }
    let store = world.console.store.pool().await;
    sqlx::query("delete from backups where id = $1")
        .bind(done.id)
        .execute(&store)
        .await
        .unwrap();
    let list = world.list().await;
    assert_eq!(
        list.backups.iter().map(|listed| listed.id).collect::<Vec<_>>(),
        [undone.id]
    );
    assert_eq!(list.backups[0].damage, None);
    assert_eq!(entries(&world.folder().join(".partial")), [] as [&str; 0]);
}

#[tokio::test]
async fn each_act_asks_for_its_permission() {
    let world = world().await;
    let backup = world.backup().await;
    let viewer = support::caller(&world.engine, Role::Viewer).await;
    let operator = support::caller(&world.engine, Role::Operator).await;
    let backups = world.engine.backup();
    assert_eq!(backups.list(&viewer, "main").await.unwrap().backups.len(), 1);
    let spec = BackupSpec::whole("main");
    let codes = [
        backups.start(&viewer, spec).await.unwrap_err(),
        backups.verify(&viewer, "main", backup.id).await.unwrap_err(),
        backups.open(&viewer, "main", backup.id).await.unwrap_err(),
        backups
            .open_globals(&viewer, "main", backup.id)
            .await
            .unwrap_err(),
        backups
            .delete(&viewer, request(&world, backup.id))
            .await
            .unwrap_err(),
        backups
            .delete(&operator, request(&world, backup.id))
            .await
            .unwrap_err(),
    ]
    .map(|error| error.fault().code);
    assert_eq!(codes, [Code::Forbidden; 6]);
    assert!(backups.open(&operator, "main", backup.id).await.is_ok());
    let strange = uuid::Uuid::now_v7();
    assert_eq!(
        backups
            .open(&operator, "main", strange)
            .await
            .unwrap_err()
            .fault()
            .code,
        Code::NotFound
    );
    assert_eq!(
        backups
            .verify(&operator, "main", strange)
            .await
            .unwrap_err()
            .fault()
            .code,
        Code::NotFound
    );
    assert_eq!(
        backups.list(&operator, "../main").await.unwrap_err().fault().code,
        Code::NotFound
    );
}
