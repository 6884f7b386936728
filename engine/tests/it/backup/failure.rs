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
    let spec = contract::backup::BackupSpec::whole("main");
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
        fault.message.contains("weak_reader may not read") && fault.message.contains("hidden.secrets"),
        "{}",
        fault.message
    );
    assert!(
        fault
            .hint
            .unwrap()
            .contains("grant pg_read_all_data to weak_reader")
    );
    // It was told before pg_dump began.
    let jobs = world
        .engine
        .jobs()
        .list(&world.caller, contract::jobs::JobQuery::default())
        .await
        .unwrap()
        .jobs;
    assert_eq!(
        jobs[0].progress.steps[0].state,
        StepState::NotBegun,
        "{:?}",
        jobs[0]
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
    with_tool(world, folder, "pg_dump", script).await
}

/// Tools that are the real ones but for this one.
pub async fn with_tool(world: World, folder: &Path, tool: &str, script: &str) -> World {
    let real = testkit::shared().await.bin_dir();
    for name in ["pg_dump", "pg_dumpall", "pg_restore"] {
        let own = format!("exec $REAL/{name} \"$@\"");
        let text = if name == tool { script } else { &own };
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
async fn a_pg_dump_that_leaves_out_data_makes_no_backup_and_the_tables_are_named() {
    let mut world = world().await;
    let cases = [
        ("--schema-only", "public.orders (none of 2,000 rows)"),
        ("--exclude-table=orders", "public.orders (none of 2,000 rows)"),
        (
            "--exclude-table-data=orders",
            "public.orders (none of 2,000 rows)",
        ),
        // Without rows it is a table all the same.
        ("--exclude-table=nothing", "public.nothing (none of 0 rows)"),
        ("--data-only", "public.nothing (no definition)"),
    ];
    for (option, named) in cases {
        let folder = tempfile::tempdir().unwrap();
        world = with_pg_dump(
            world,
            folder.path(),
            &format!("exec $REAL/pg_dump \"$@\" {option}"),
        )
        .await;
        let fault = fails(&world).await;
        assert_eq!(fault.code, Code::Conflict, "{option}: {fault:?}");
        assert!(
            fault.message.contains("left out data") && fault.message.contains(named),
            "{option}: {fault}"
        );
        assert!(fault.hint.unwrap().contains("PG_BIN"));
    }
    assert_eq!(world.list().await.backups, []);
    let world = world.instead(|config| config.pg_bin = None).await;
    assert_eq!(world.backup().await.rows, 2382);
}

#[tokio::test]
async fn a_verification_finds_rows_that_are_not_in_the_archive() {
    let world = world().await;
    let backup = world.backup().await;
    let folder = tempfile::tempdir().unwrap();
    // A pg_restore from whose output one row is missing stands for an archive without it.
    let script = "$REAL/pg_restore \"$@\" | sed '/^77\\t/d'";
    let world = with_tool(world, folder.path(), "pg_restore", script).await;
    let job = world.verified(&backup).await;
    assert_eq!(job.state, JobState::Failed);
    let fault = job.fault.unwrap();
    assert!(
        fault
            .message
            .contains("lacks rows: public.orders (1,999 of 2,000 rows)"),
        "{fault}"
    );
}

#[tokio::test]
async fn rows_that_no_dump_holds_are_named_where_the_backup_is_shown() {
    let world = world().await;
    world
        .pool
        .execute(
            "create extension file_fdw;
             create server files foreign data wrapper file_fdw;
             create foreign table elsewhere (line text) server files options (filename '/etc/hostname')",
        )
        .await
        .unwrap();
    let id = world.start().await;
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    let backup = world.list().await.backups.remove(0);
    assert_eq!(backup.notes.len(), 1);
    for shown in [backup.notes[0].as_str(), job.outcome.as_deref().unwrap()] {
        assert!(
            shown.contains("foreign tables are not in this backup") && shown.contains("public.elsewhere"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_standby_with_an_unlogged_table_is_backed_up_and_the_table_is_named() {
    let primary = testkit::Cluster::start().await;
    let database = primary.database("shop").await;
    let pool = database.pool().await;
    super::world::fill(&pool, 200).await;
    let standby = primary.standby().await;
    primary.wait_for_standby(&standby).await;
    // The store is elsewhere: a standby takes no writes.
    let world = over(database.clone(), pool).await;
    let options = standby.socket_options(database.name());
    let world = world.instead(|config| config.targets[0].options = options).await;
    let backup = world.backup().await;
    assert_eq!(backup.rows, 580, "all but the two rows of the unlogged table");
    assert!(
        backup
            .notes
            .iter()
            .any(|note| note.contains("unlogged") && note.contains("public.quick")),
        "{:?}",
        backup.notes
    );
}

#[tokio::test]
async fn a_server_with_room_for_one_set_of_locks_is_backed_up() {
    let options = testkit::ClusterOptions::new()
        .max_connections(100)
        .setting("max_locks_per_transaction", "10");
    let cluster = testkit::Cluster::start_with(options).await;
    let database = cluster.database("many").await;
    let pool = database.pool().await;
    for batch in 0..30 {
        let sql = format!(
            "do $$ begin for n in 1..50 loop
               execute format('create table t_%s_%s as select 1 as n', {batch}, n);
             end loop; end $$"
        );
        pool.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    }
    let bare = std::process::Command::new(cluster.bin_dir().join("pg_dump"))
        .args(["--format=custom", "--no-sync", "--file=/dev/null"])
        .arg(format!("--dbname={}", database.url()))
        .status()
        .unwrap();
    assert!(bare.success(), "pg_dump alone passes");
    let world = over(database, pool).await;
    let backup = world.backup().await;
    assert_eq!((backup.tables, backup.rows), (1500, 1500));
}

#[tokio::test]
async fn a_tool_that_warns_without_end_does_not_fill_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let script = "seq 1 300000 | sed 's/^/pg_dump: warning: /' >&2; exec $REAL/pg_dump \"$@\"";
    let world = with_pg_dump(world().await, folder.path(), script).await;
    let id = world.start().await;
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    let store = world.console.store.pool().await;
    let rows: i64 = sqlx::query_scalar("select count(*) from job_log where job = $1")
        .bind(id.0)
        .fetch_one(&store)
        .await
        .unwrap();
    assert!(rows < 2_100, "{rows}");
    let last: Vec<String> =
        sqlx::query_scalar("select text from job_log where job = $1 order by number desc limit 2")
            .bind(id.0)
            .fetch_all(&store)
            .await
            .unwrap();
    assert_eq!(Some(&last[0]), job.outcome.as_ref());
    assert!(
        last[1].starts_with("298,0") && last[1].contains("more lines"),
        "{last:?}"
    );
}

/// Reaches the managed database over TCP through this proxy, and waits so long for it.
pub async fn through(world: World, proxy: &testkit::Proxy, seconds: u64) -> World {
    let url = testkit::shared()
        .await
        .url_of("postgres", "throw-away", proxy.port(), world.database.name());
    world
        .instead(|config| {
            let parsed = engine::target::url::parse(&url).unwrap();
            config.targets[0].options = parsed.options;
            config.targets[0].password = parsed.password;
            config.network_timeout = std::time::Duration::from_secs(seconds);
        })
        .await
}

#[tokio::test]
async fn a_network_that_goes_away_without_a_word_is_told_and_ends_the_backup() {
    let proxy = testkit::Proxy::start(testkit::shared().await.port()).await;
    let world = through(world().await, &proxy, 12).await;
    let holder = world.lock_orders().await;
    let id = world.start().await;
    // The server is at work for it: it waits for a lock.
    world.until(id, |job| job.progress.waiting.is_some()).await;
    proxy.stall();
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Failed, "{job:?}");
    let fault = job.fault.unwrap();
    assert_eq!(fault.code, Code::TargetUnreachable, "{fault:?}");
    assert!(
        fault.message.contains("Nothing came from main for 12 s"),
        "{fault}"
    );
    assert!(fault.hint.unwrap().contains("PGSTEWARD_NETWORK_TIMEOUT"));
    let log = world.engine.jobs().log(&world.caller, id, 0).await.unwrap();
    assert!(
        log.iter()
            .any(|line| line.text.contains("the job ends after 12 s of silence")),
        "{log:?}"
    );
    assert_eq!(processes_with(&format!("pgsteward backup {id}")), [] as [&str; 0]);
    assert_eq!(entries(&world.folder().join(".partial")), [] as [&str; 0]);
    holder.rollback().await.unwrap();
    // What hung is gone, and the next one works.
    proxy.cut().await;
    proxy.restore().await;
    world.backup().await;
}

#[tokio::test]
async fn the_tools_let_the_kernel_watch_their_connections() {
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    let script = format!("echo \"$@\" > {}; exec $REAL/pg_dump \"$@\"", said.display());
    let world = with_pg_dump(world().await, folder.path(), &script).await;
    world.backup().await;
    let said = fs::read_to_string(said).unwrap();
    for part in [
        "keepalives='1'",
        "keepalives_idle='30'",
        "keepalives_interval='30'",
        "keepalives_count='3'",
        "tcp_user_timeout='120000'",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_while_a_backup_ends_takes_nothing_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let (dumped, go) = (folder.path().join("dumped"), folder.path().join("go"));
    let script = format!(
        "$REAL/pg_dump \"$@\" || exit; touch {}; while [ ! -e {} ]; do sleep 0.05; done",
        dumped.display(),
        go.display()
    );
    let world = with_pg_dump(world().await, folder.path(), &script).await;
    let proxy = testkit::Proxy::start(testkit::shared().await.port()).await;
    let store =
        testkit::shared()
            .await
            .url_of("postgres", "throw-away", proxy.port(), world.console.store.name());
    let world = world
        .instead(|config| config.store = engine::target::url::parse(&store).unwrap().options)
        .await;
    let id = world.start().await;
    // The store itself is asked: the console's way there is about to go.
    let own = world.console.store.pool().await;
    let wait = async |what: &str, reached: &dyn Fn() -> bool| {
        for _ in 0..2400 {
            if reached() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("waited in vain: {what}");
    };
    wait("pg_dump is done", &|| dumped.exists()).await;
    proxy.cut().await;
    fs::write(&go, "").unwrap();
    let manifest = format!("{id}/manifest.json");
    wait("the backup is stored", &|| {
        entries(&world.folder())
            .iter()
            .any(|path| path.ends_with(&manifest) && !path.starts_with(".partial"))
    })
    .await;
    let state: String = sqlx::query_scalar("select state from jobs where id = $1")
        .bind(id.0)
        .fetch_one(&own)
        .await
        .unwrap();
    assert_eq!(state, "running");
    proxy.restore().await;
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    let list = world.list().await;
    assert_eq!(
        list.backups.iter().map(|backup| backup.id).collect::<Vec<_>>(),
        [id.0]
    );
    assert_eq!(list.attempts, []);
}

#[tokio::test]
async fn a_leftover_that_cannot_be_removed_is_told_and_stops_nothing() {
    let world = world().await;
    let backup = world.backup().await;
    let partial = world.folder().join(".partial");
    // What is no folder cannot be removed as one, whoever the user is.
    let id = uuid::Uuid::now_v7();
    fs::write(partial.join(id.to_string()), "").unwrap();
    for _ in 0..2 {
        let list = world.list().await;
        assert_eq!(list.backups, std::slice::from_ref(&backup));
        let warning = list.warning.unwrap();
        assert!(
            warning.contains(&id.to_string()) && warning.contains("by hand"),
            "{warning}"
        );
    }
    world.backup().await;
    fs::remove_file(partial.join(id.to_string())).unwrap();
    assert!(!world.list().await.warning.unwrap_or_default().contains("by hand"));
}

#[tokio::test]
async fn what_lies_in_a_files_place_and_is_none_holds_nobody_up() {
    let world = world().await;
    let backup = world.backup().await;
    let stored = world.stored(&backup);
    for name in ["archive.dump", "globals.sql"] {
        let path = stored.join(name);
        let good = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let job = world.verified(&backup).await;
        assert_eq!(job.state, JobState::Failed);
        let fault = job.fault.unwrap();
        assert!(
            fault.message.contains(&format!("{name} is no ordinary file")),
            "{fault}"
        );
        let opened = match name {
            "archive.dump" => world.engine.backup().open(&world.caller, "main", backup.id).await,
            _ => {
                world
                    .engine
                    .backup()
                    .open_globals(&world.caller, "main", backup.id)
                    .await
            }
        };
        assert!(opened.is_err());
        fs::remove_file(&path).unwrap();
        fs::write(&path, good).unwrap();
    }
    assert_eq!(world.verified(&backup).await.state, JobState::Succeeded);
    // An attempt's archive that is a pipe, too.
    let leftover = world
        .folder()
        .join(".partial")
        .join(uuid::Uuid::now_v7().to_string());
    fs::create_dir_all(&leftover).unwrap();
    nix::unistd::mkfifo(&leftover.join("archive.dump"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(world.list().await.backups.len(), 1);
    assert!(!leftover.exists());
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
    let spec = BackupSpec::whole("main");
    let refused = world.engine.backup().start(&world.caller, spec).await;
    assert_eq!(refused.unwrap_err().fault().code, Code::TargetUnreachable);
    assert_eq!(world.list().await.attempts, []);
}
