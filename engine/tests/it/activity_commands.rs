//! Commands that tell how far they are, and sessions that are left alone or do not end: on real servers, held where a test
//! can look at them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
};

use contract::{
    Code,
    activity::{HolderKind, RunningCommand},
    session::Role,
};
use nix::{sys::signal::Signal, unistd::Pid};
use sqlx::postgres::PgPoolCopyExt;
use testkit::{Cluster, ClusterOptions};

use crate::{
    activity::{Test, end, is_alive, session, stat, test, until, until_everywhere, with},
    support,
    work::refused,
};

/// One command of a process that tells how far it is, once `what` holds.
async fn running(test: &Test, pid: i32, what: impl Fn(&RunningCommand) -> bool) -> RunningCommand {
    let found = until(&test.console, &test.viewer, |view| {
        let mine = view.running.iter().find(|command| command.pid == pid);
        mine.filter(|command| what(command)).cloned()
    });
    found.await.1
}

/// Breaks off what a session runs, as an operator does.
async fn cancelled(test: &Test, pid: i32) {
    let (_, shown) = until(&test.console, &test.operator, |view| {
        stat(view, pid).filter(|session| session.is_active()).cloned()
    })
    .await;
    let done = test
        .console
        .activity()
        .cancel_session(&test.operator, end(&shown))
        .await
        .unwrap();
    assert!(done.over, "{done:?}");
}

/// VACUUM, COPY and CLUSTER, each held in its middle.
pub async fn tell_how_far_they_are(cluster: &Cluster, test: &Test) {
    let options = || test.database.socket_options();
    let mut holder = session(options(), "holder").await;
    holder
        .run(
            "create table wide (id int, note text);
             insert into wide select n, repeat('x', 900) from generate_series(1, 3200) n;
             delete from wide where id % 2 = 0;
             create table lines (id int);
             create function stands_at() returns trigger language plpgsql as $f$
             begin
               if new.id = 20000 then perform pg_catalog.pg_advisory_xact_lock_shared(4711); end if;
               return new;
             end $f$;
             create trigger stands before insert on lines for each row execute function stands_at();
             create table kept (id int primary key);
             insert into kept select generate_series(1, 50);
             create function stands(n int) returns int language plpgsql immutable as $f$
             begin
               if n = 25 then perform pg_catalog.pg_advisory_xact_lock_shared(4712); end if;
               return n;
             end $f$;
             create index kept_stands on kept (stands(id))",
        )
        .await;

    // Each page costs it a rest.
    let mut vacuum = session(options(), "vacuum").await;
    vacuum
        .run("set vacuum_cost_delay = 100; set vacuum_cost_limit = 1")
        .await;
    let pid = vacuum.pid;
    let vacuum = vacuum.wait_for("vacuum wide");
    let told = running(test, pid, |command| {
        command.phase == "scanning heap" && command.fraction.is_some_and(|fraction| fraction > 0.0)
    })
    .await;
    assert_eq!(
        (told.command.as_str(), told.relation.as_deref()),
        ("VACUUM", Some("public.wide"))
    );
    assert!(told.of_phase && told.fraction.unwrap() < 1.0, "{told:?}");
    assert!(told.counted.as_ref().unwrap().ends_with(" blocks"), "{told:?}");
    assert!(told.who.starts_with("vacuum, role "), "{told:?}");
    cancelled(test, pid).await;
    vacuum.await.unwrap().1.unwrap_err();

    // A file has a size; it stands at a row until the lock is free.
    holder.run("begin; select pg_advisory_xact_lock(4711)").await;
    let file = cluster.folder().join("lines.txt");
    let lines: String = (1..=40_000).map(|number| format!("{number}\n")).collect();
    fs::write(&file, lines).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let copy = session(options(), "copy").await;
    let pid = copy.pid;
    let copy = copy.wait_for(&format!("copy lines from '{}'", file.display()));
    let told = running(test, pid, |command| {
        command
            .counted
            .as_ref()
            .is_some_and(|counted| counted.contains("19,999 rows"))
    })
    .await;
    assert_eq!(
        (
            told.command.as_str(),
            told.relation.as_deref(),
            told.phase.as_str()
        ),
        ("COPY FROM", Some("public.lines"), "copying")
    );
    assert!(
        told.fraction
            .is_some_and(|fraction| fraction > 0.2 && fraction < 1.0),
        "{told:?}"
    );
    holder.run("commit").await;
    copy.await.unwrap().1.unwrap();
    fs::remove_file(&file).unwrap();
    // What comes from a client has no size.
    let pool = test.database.pool().await;
    let mut stream = pool.copy_in_raw("copy kept from stdin").await.unwrap();
    stream.send(&b"1001\n1002\n"[..]).await.unwrap();
    let (_, told) = until(&test.console, &test.viewer, |view| {
        let counted = |command: &RunningCommand| {
            let counted = command.counted.as_ref();
            command.command == "COPY FROM" && counted.is_some_and(|counted| counted.contains("rows"))
        };
        view.running.iter().find(|command| counted(command)).cloned()
    })
    .await;
    assert_eq!((told.fraction, told.left_s), (None, None), "{told:?}");
    stream.abort("enough").await.unwrap();

    // It stands in the index that it builds anew.
    holder.run("begin; select pg_advisory_xact_lock(4712)").await;
    let cluster_by = session(options(), "cluster").await;
    let pid = cluster_by.pid;
    let cluster_by = cluster_by.wait_for("cluster kept using kept_pkey");
    let told = running(test, pid, |command| command.phase == "rebuilding index").await;
    assert_eq!(
        (told.command.as_str(), told.relation.as_deref()),
        ("CLUSTER", Some("public.kept"))
    );
    assert!(told.of_phase && told.fraction.is_none(), "{told:?}");
    cancelled(test, pid).await;
    cluster_by.await.unwrap().1.unwrap_err();
    holder.run("commit").await;
}

/// A pg_basebackup to nowhere that takes its time; ends with the test.
struct BaseBackup(Child);

impl BaseBackup {
    fn begin(cluster: &Cluster) -> Self {
        let child = Command::new(cluster.bin_dir().join("pg_basebackup"))
            .args([
                "--pgdata=-",
                "--format=tar",
                "--wal-method=none",
                "--checkpoint=fast",
            ])
            .args(["--max-rate=100", "--no-password", "--username=postgres"])
            .arg(format!("--host={}", cluster.socket_dir().display()))
            .arg(format!("--port={}", cluster.port()))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for BaseBackup {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A base backup, and that the session which streams it is left alone.
pub async fn base_backup(cluster: &Cluster, test: &Test) {
    let mut streams = BaseBackup::begin(cluster);
    let (_, told) = until(&test.console, &test.viewer, |view| {
        let found = view
            .running
            .iter()
            .find(|command| command.command == "BASE_BACKUP");
        found
            .filter(|command| {
                command.phase == "streaming database files"
                    && command.fraction.is_some_and(|fraction| fraction > 0.0)
            })
            .cloned()
    })
    .await;
    assert!(told.fraction.unwrap() < 0.98 && !told.of_phase, "{told:?}");
    assert!(told.counted.as_ref().unwrap().contains(" of "), "{told:?}");
    assert!(told.who.starts_with("pg_basebackup, role "), "{told:?}");
    let (_, shown) = until_everywhere(&test.console, &test.operator, |view| {
        stat(view, told.pid).cloned()
    })
    .await;
    assert!(
        shown
            .protected
            .as_ref()
            .is_some_and(|why| why.contains("streams to a standby, a subscriber or a backup")),
        "{shown:?}"
    );
    let activity = test.console.activity();
    for done in [
        activity.cancel_session(&test.operator, end(&shown)).await,
        activity.terminate_session(&test.operator, end(&shown)).await,
    ] {
        let fault = refused(done, Code::Conflict);
        assert!(fault.message.contains("is left alone"), "{fault}");
        assert_eq!(fault.hint.as_deref(), Some("End it at the other side."));
    }
    assert!(is_alive(&test.database, told.pid).await);
    assert!(streams.0.try_wait().unwrap().is_none(), "it goes on");
}

#[tokio::test]
async fn an_autovacuum_against_wraparound_is_left_alone() {
    let options = ClusterOptions::new()
        .setting("autovacuum_naptime", "1s")
        .setting("autovacuum_vacuum_cost_delay", "100ms")
        .setting("autovacuum_vacuum_cost_limit", "1");
    let cluster = Cluster::start_with(options).await;
    let test = with(cluster.database("old").await).await;
    let mut writer = session(test.database.socket_options(), "writer").await;
    // The lowest age that can be set; only what must be is vacuumed by itself here.
    writer
        .run(
            "create table old (id int, note text)
               with (autovacuum_enabled = false, autovacuum_freeze_max_age = 100000);
             insert into old select n, repeat('x', 900) from generate_series(1, 3200) n;
             create table burnt (id int)
               with (autovacuum_enabled = false);
             do $$
             begin
               for n in 1..100500 loop
                 begin
                   insert into burnt values (n);
                 exception when division_by_zero then null;
                 end;
               end loop;
             end $$",
        )
        .await;
    let (_, shown) = until_everywhere(&test.console, &test.operator, |view| {
        let mine = view.sessions.iter().find(|session| {
            session.kind.as_deref() == Some("autovacuum worker")
                && session
                    .query
                    .as_ref()
                    .is_some_and(|query| query.contains("public.old (to prevent wraparound)"))
        });
        mine.cloned()
    })
    .await;
    assert!(
        shown
            .protected
            .as_ref()
            .is_some_and(|why| why.contains("running out of transaction numbers")),
        "{shown:?}"
    );
    let activity = test.console.activity();
    for done in [
        activity.cancel_session(&test.operator, end(&shown)).await,
        activity.terminate_session(&test.operator, end(&shown)).await,
    ] {
        let fault = refused(done, Code::Conflict);
        assert!(fault.hint.unwrap().contains("autovacuum_vacuum_cost_limit"));
    }
    assert!(is_alive(&test.database, shown.key.pid).await);
    let (_, told) = until(&test.console, &test.viewer, |view| {
        view.running
            .iter()
            .find(|command| command.pid == shown.key.pid)
            .cloned()
    })
    .await;
    assert_eq!(told.command, "autovacuum: VACUUM");
}

/// Stops a process of a server where it is, until dropped.
struct Stopped(i32);

impl Stopped {
    fn new(pid: i32) -> Self {
        nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        nix::sys::signal::kill(Pid::from_raw(self.0), Signal::SIGCONT).ok();
    }
}

#[tokio::test]
async fn what_does_not_end_is_said_to_be_still_there() {
    let test = test().await;
    let sleeper = session(test.database.socket_options(), "sleeper").await;
    let pid = sleeper.pid;
    let sleeper = sleeper.wait_for("select pg_sleep(600)");
    let (_, shown) = until(&test.console, &test.operator, |view| {
        stat(view, pid).filter(|session| session.is_active()).cloned()
    })
    .await;
    let stopped = Stopped::new(pid);
    let activity = test.console.activity();
    let asked = activity
        .cancel_session(&test.operator, end(&shown))
        .await
        .unwrap();
    assert_eq!(
        (asked.over, asked.words.as_str()),
        (false, "Asked; its statement still runs after 2 s.")
    );
    let asked = activity
        .terminate_session(&test.operator, end(&shown))
        .await
        .unwrap();
    assert_eq!(
        (asked.over, asked.words.as_str()),
        (false, "Asked; the session is still there after 2 s.")
    );
    assert!(is_alive(&test.database, pid).await);
    drop(stopped);
    sleeper.await.unwrap().1.unwrap_err();
    until(&test.console, &test.viewer, |view| {
        stat(view, pid).is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_standby_whose_query_holds_dead_rows_is_named() {
    let options = ClusterOptions::new()
        .setting("hot_standby_feedback", "on")
        .setting("wal_receiver_status_interval", "1s");
    let cluster = Cluster::start_with(options).await;
    let database = cluster.database("fed_back").await;
    let standby = cluster.standby().await;
    let console = support::engine(&database, false).await;
    let test = Test {
        viewer: support::caller(&console, Role::Viewer).await,
        operator: support::caller(&console, Role::Operator).await,
        console,
        database,
    };
    let mut writer = session(test.database.socket_options(), "writer").await;
    writer
        .run("create table t (id int); insert into t values (1)")
        .await;
    cluster.wait_for_standby(&standby).await;
    let mut reader = session(standby.socket_options(test.database.name()), "report").await;
    reader
        .run("begin isolation level repeatable read; select count(*) from t")
        .await;
    for _ in 0..5 {
        writer.run("insert into t values (2)").await;
    }
    let (view, held) = until_everywhere(&test.console, &test.viewer, |view| {
        let found = view
            .horizon
            .iter()
            .find(|holder| holder.kind == HolderKind::Standby);
        found.filter(|holder| holder.xids >= 5).cloned()
    })
    .await;
    let sender = view
        .sessions
        .iter()
        .find(|session| session.kind.as_deref() == Some("walsender"));
    assert!(
        held.who.contains(&format!("pid {} ", sender.unwrap().key.pid)),
        "{held:?}"
    );
    assert!(
        held.who.starts_with("a standby or client that streams: pid "),
        "{held:?}"
    );
    assert!(held.remedy.contains("hot_standby_feedback"), "{held:?}");
    // With the query, it holds nothing more.
    reader.run("commit").await;
    until(&test.console, &test.viewer, |view| {
        let holds = |holder: &&contract::activity::HorizonHolder| {
            holder.kind == HolderKind::Standby && holder.xids >= 5
        };
        view.horizon.iter().find(holds).is_none().then_some(())
    })
    .await;
}
