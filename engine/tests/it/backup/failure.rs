use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use contract::{
    Code, Fault,
    backup::BackupSpec,
    jobs::{JobId, JobState, StepState},
};
use sqlx::Executor;
use testkit::Database;

use super::world::{World, entries, over, processes_with, world};

/// Nothing of an attempt is left anywhere.
async fn nothing_is_left(world: &World, id: JobId) {
    assert_eq!(entries(&world.folder().join(".partial")), [] as [&str; 0]);
    assert_eq!(
        entries(&world.config.data_dir.join("tool-secrets")),
        [] as [&str; 0]
    );
    assert_eq!(processes_with(&format!("pgsteward backup {id}")), [] as [&str; 0]);
    assert_eq!(world.sessions(id).await, 0);
    assert_eq!(world.attempt_rows().await, 0);
    let list = world.list().await;
    assert!(list.backups.iter().all(|backup| backup.id != id.0));
    assert_eq!(list.attempts[0].id, id, "it is shown as what it is: an attempt");
}

async fn fails(world: &World) -> Fault {
    let id = world.start().await;
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Failed, "{job:?}");
    nothing_is_left(world, id).await;
    job.fault.unwrap()
}

#[tokio::test]
async fn while_it_runs_nothing_is_listed_and_cancel_leaves_nothing_within_ten_seconds() {
    let world = world().await;
    let holder = world.lock_orders().await;
    let id = world.start().await;
    let waiting = world
        .until(id, |job| job.progress.waiting.is_some())
        .await
        .progress
        .waiting
        .unwrap();
    assert!(
        waiting.who.contains("a migration") && waiting.who.contains("idle in transaction"),
        "{waiting:?}"
    );
    let list = world.list().await;
    assert_eq!(list.backups, []);
    assert_eq!(
        list.attempts
            .iter()
            .map(|job| (job.id, job.state))
            .collect::<Vec<_>>(),
        [(id, JobState::Running)]
    );
    assert!(
        world
            .folder()
            .join(".partial")
            .join(id.to_string())
            .join("archive.dump")
            .exists()
    );
    assert_eq!(world.attempt_rows().await, 1);
    assert_ne!(
        processes_with(&format!("pgsteward backup {id}")),
        [] as [&str; 0],
        "pg_dump is at work"
    );
    // Another look does not take it for a leftover.
    assert_eq!(world.list().await.attempts[0].state, JobState::Running);

    world.engine.jobs().cancel(&world.caller, id).await.unwrap();
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Cancelled);
    nothing_is_left(&world, id).await;
    holder.rollback().await.unwrap();
    world.backup().await;
}

#[tokio::test]
async fn a_second_click_finds_the_first_backup() {
    let world = world().await;
    let holder = world.lock_orders().await;
    let id = world.start().await;
    let spec = contract::backup::BackupSpec {
        target: "main".into(),
    };
    let fault = world
        .engine
        .backup()
        .start(&world.caller, spec)
        .await
        .unwrap_err()
        .fault();
    assert_eq!(fault.code, Code::Conflict);
    assert!(fault.hint.unwrap().contains(&id.to_string()));
    holder.rollback().await.unwrap();
    assert_eq!(world.ended(id).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_table_that_stays_locked_ends_it_with_who_to_look_for() {
    let world = world().await;
    let _holder = world.lock_orders().await;
    let fault = fails(&world).await;
    assert_eq!(fault.code, Code::TargetTimeout);
    assert!(fault.message.contains("stayed locked"), "{fault}");
    assert!(fault.hint.unwrap().contains("Activity"));
    assert!(fault.target.unwrap().message.contains("LOCK TABLE"));
}

#[tokio::test]
async fn a_lost_connection_is_said_to_be_one() {
    let world = world().await;
    let holder = world.lock_orders().await;
    let id = world.start().await;
    world.until(id, |job| job.progress.waiting.is_some()).await;
    let ended: i64 = sqlx::query_scalar(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'",
    )
    .bind(format!("pgsteward backup {id}"))
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(ended, 1);
    let job = world.ended(id).await;
    let fault = job.fault.unwrap();
    assert_eq!(fault.code, Code::TargetUnreachable, "{fault:?}");
    assert!(fault.message.contains("was lost while pg_dump worked"), "{fault}");
    nothing_is_left(&world, id).await;
    drop(holder);
}

/// A user who owns nothing and may read everything.
async fn reader(world: World, name: &str) -> World {
    let sql = format!(
        "drop role if exists {name}; create role {name} login password 'p'; grant pg_read_all_data to {name}"
    );
    testkit::shared().await.execute(&sql).await;
    let url =
        testkit::shared()
            .await
            .url_of(name, "p", testkit::shared().await.port(), world.database.name());
    world
        .instead(|config| {
            let parsed = engine::target::url::parse(&url).unwrap();
            config.targets[0].options = parsed.options;
            config.targets[0].password = parsed.password;
        })
        .await
}

#[tokio::test]
async fn row_security_that_would_shrink_the_backup_is_refused_with_the_remedy() {
    let world = world().await;
    world
        .pool
        .execute("alter table orders enable row level security")
        .await
        .unwrap();
    let world = reader(world, "rls_reader").await;
    let fault = fails(&world).await;
    assert_eq!(fault.code, Code::TargetRefused);
    assert!(
        fault.message.contains("Row security") && fault.message.contains("public.orders"),
        "{fault}"
    );
    assert!(fault.hint.unwrap().contains("BYPASSRLS"));
    testkit::shared()
        .await
        .execute("alter role rls_reader bypassrls")
        .await;
    let fault = fails(&world).await;
    assert!(
        fault.message.contains("large objects") && fault.hint.unwrap().contains("superuser"),
        "{}",
        fault.message
    );
    world
        .pool
        .execute("select lo_unlink(oid) from pg_largeobject_metadata")
        .await
        .unwrap();
    assert_eq!(world.backup().await.rows, 2382);
}

#[tokio::test]
async fn a_user_without_rights_learns_what_to_grant() {
    let world = world().await;
    world
        .pool
        .execute("create schema hidden; create table hidden.secrets (id int)")
        .await
        .unwrap();
    let world = reader(world, "weak_reader").await;
    testkit::shared()
        .await
        .execute("revoke pg_read_all_data from weak_reader")
        .await;
    let fault = fails(&world).await;
    assert_eq!(fault.code, Code::TargetRefused, "{fault:?}");
    assert!(
        fault.message.contains("may not read") && fault.hint.unwrap().contains("pg_read_all_data"),
        "{}",
        fault.message
    );
}

#[tokio::test]
async fn a_user_who_may_not_read_the_roles_gets_a_backup_that_says_so() {
    let world = world().await;
    world
        .pool
        .execute("revoke select on pg_catalog.pg_auth_members from public")
        .await
        .unwrap();
    let world = reader(world, "roleless_reader").await;
    // The right to read everything includes the catalogs.
    testkit::shared()
        .await
        .execute("revoke pg_read_all_data from roleless_reader")
        .await;
    world
        .pool
        .execute(
            r#"grant usage on schema "Other ""Schema""" to roleless_reader;
               grant select on all tables in schema public, "Other ""Schema""" to roleless_reader;
               grant select on all sequences in schema public to roleless_reader;
               select lo_unlink(oid) from pg_largeobject_metadata"#,
        )
        .await
        .unwrap();
    let id = world.start().await;
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    assert_eq!(job.progress.steps[1].state, StepState::Skipped);
    assert!(
        job.progress.steps[1]
            .detail
            .as_ref()
            .unwrap()
            .contains("not in this backup"),
        "{:?}",
        job.progress.steps[1]
    );
    let log = world.engine.jobs().log(&world.caller, id, 0).await.unwrap();
    assert!(
        log.iter()
            .any(|line| line.level.name() == "warn" && line.text.contains("Roles")),
        "{log:?}"
    );
    let refused = world
        .engine
        .backup()
        .open_globals(&world.caller, "main", id.0)
        .await
        .unwrap_err()
        .fault();
    assert_eq!(refused.code, Code::NotFound);
    let backup = world.list().await.backups.remove(0);
    assert_eq!(world.verified(&backup).await.state, JobState::Succeeded);
}

/// Tools that are the real ones but for pg_dump, which is this script; `$REAL` is the real folder.
async fn with_pg_dump(world: World, folder: &Path, script: &str) -> World {
    let real = testkit::shared().await.bin_dir();
    for (name, text) in [
        ("pg_dump", script),
        ("pg_dumpall", "exec $REAL/pg_dumpall \"$@\""),
        ("pg_restore", "exec $REAL/pg_restore \"$@\""),
    ] {
        let path = folder.join(name);
        let version = format!(
            "case \"$1\" in --version) exec {}/{name} --version;; esac",
            real.display()
        );
        fs::write(
            &path,
            format!("#!/bin/sh\nREAL={}\n{version}\n{text}\n", real.display()),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    world
        .instead(|config| config.pg_bin = Some(folder.to_owned()))
        .await
}

#[tokio::test]
async fn a_truncated_stream_is_not_stored_even_when_pg_dump_says_that_all_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let script = "$REAL/pg_dump \"$@\" 2>/dev/null | head -c 9000; exit 0";
    let world = with_pg_dump(world().await, folder.path(), script).await;
    let fault = fails(&world).await;
    assert!(fault.message.contains("could not be read back"), "{fault}");
}

#[tokio::test]
async fn a_complaint_counts_even_when_pg_dump_exits_with_zero() {
    let folder = tempfile::tempdir().unwrap();
    let script = "$REAL/pg_dump \"$@\"; echo 'pg_dump: error: something odd' >&2; exit 0";
    let world = with_pg_dump(world().await, folder.path(), script).await;
    let fault = fails(&world).await;
    assert!(fault.target.unwrap().message.contains("something odd"));
}

#[tokio::test]
async fn a_tool_that_the_system_killed_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let world = with_pg_dump(world().await, folder.path(), "kill -9 $$").await;
    let fault = fails(&world).await;
    assert!(fault.message.contains("signal 9"), "{fault}");
}

#[tokio::test]
async fn tools_that_cannot_speak_to_the_server_are_refused_before_anything_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["pg_dump", "pg_dumpall", "pg_restore"] {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{name} (PostgreSQL) 14.24'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let world = world()
        .await
        .instead(|config| config.pg_bin = Some(folder.path().to_owned()))
        .await;
    let fault = fails(&world).await;
    assert_eq!(fault.code, Code::Conflict);
    assert!(fault.message.contains("14.24"), "{fault}");
    // Once the console has seen the server, the page says it before anyone clicks.
    let list = world.list().await;
    assert!(list.warning.unwrap().contains("14.24"));
    fs::remove_file(folder.path().join("pg_restore")).unwrap();
    assert!(world.list().await.warning.unwrap().contains("pg_restore"));
}

#[tokio::test]
async fn a_server_that_is_down_fails_the_backup_and_not_the_page() {
    let database: Database = testkit::shared().await.database("down").await;
    let pool = database.pool().await;
    let world = over(database, pool).await;
    let world = world
        .instead(|config| {
            config.targets[0].options = config.targets[0].options.clone().socket("/nowhere").port(1)
        })
        .await;
    let spec = BackupSpec {
        target: "main".into(),
    };
    let refused = world.engine.backup().start(&world.caller, spec).await;
    assert_eq!(refused.unwrap_err().fault().code, Code::TargetUnreachable);
    assert_eq!(world.list().await.attempts, []);
}
