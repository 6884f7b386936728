//! "Verified" means restored and equal to the snapshot, row for row; and what is not equal is found and named.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    time::Duration,
};

use contract::{
    Code,
    backup::{BackupReport, BackupSpec, BackupView, Proof, VerifySpec},
    jobs::{JobId, JobState, JobView},
    session::Role,
};
use engine::{Caller, Engine};
use sqlx::PgPool;
use testkit::Version;

use super::{
    support,
    world::{World, fill, over, processes_with, until, world},
};

/// Constraints, policies, grants, owners, comments and the like; `suffix` keeps the roles of several tests apart.
pub(super) async fn enrich(pool: &PgPool, suffix: &str) {
    let sql = format!(
        r#"create role "Reader {suffix}";
           create role owner_{suffix};
           grant usage on schema public to "Reader {suffix}";
           create type mood as enum ('good', 'b''ad');
           create domain positive as int check (value > 0);
           create table lines (
               id serial primary key,
               "order" bigint references orders,
               mood mood default 'good',
               amount positive,
               doubled int generated always as (amount * 2) stored,
               share float8,
               at timestamptz default now(),
               unique ("order", mood)
           );
           insert into lines ("order", mood, amount, share)
           select n, case when n % 3 = 0 then 'b''ad' else 'good' end::mood, n, 1.0 / n from generate_series(1, 150) n;
           create index on lines (abs(amount)) where amount > 3;
           create table parent (a int);
           create table child (z text) inherits (parent);
           alter table parent add column b int default 5;
           insert into child (a, z) values (1, E'tab\there'), (2, null);
           create table moods (m mood, v int) partition by hash (m);
           create table moods_0 partition of moods for values with (modulus 2, remainder 0);
           create table moods_1 partition of moods for values with (modulus 2, remainder 1);
           insert into moods select case when n % 2 = 0 then 'good' else 'b''ad' end::mood, n from generate_series(1, 40) n;
           create view good_lines as select l.id, o.note from lines l join orders o on o.id = l."order" where l.mood = 'good';
           create function twice(a int) returns int language sql immutable as 'select a * 2';
           revoke execute on function twice(int) from public;
           create function stamp() returns trigger language plpgsql as 'begin return new; end';
           create trigger stamp before insert on lines for each row execute function stamp();
           alter table lines enable row level security;
           create policy mine on lines for select to "Reader {suffix}" using (amount < 100);
           grant select on lines to "Reader {suffix}";
           grant update (note) on orders to "Reader {suffix}" with grant option;
           alter default privileges in schema public grant select on tables to "Reader {suffix}";
           alter table child owner to owner_{suffix};
           create table watched (a int check (a > twice(0)));
           insert into watched values (1), (2);
           create materialized view sums as select mood, sum(amount) from lines group by mood;
           alter materialized view sums owner to owner_{suffix};
           grant select on lines to owner_{suffix};
           comment on table lines is 'what was sold';
           comment on column lines.amount is 'pieces';
           comment on policy mine on lines is 'small ones';
           alter table lines owner to owner_{suffix};
           refresh materialized view sums;
           create publication news for table orders;
           create function told() returns event_trigger language plpgsql as 'begin end';
           create event trigger teller on sql_drop execute function told();
           create sequence numbers increment 5;
           select nextval('numbers'), nextval('numbers')"#
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(pool)
        .await
        .unwrap();
}

async fn verify(engine: &Engine, caller: &Caller, backup: &BackupView, level: Proof) -> JobView {
    let id = start(engine, caller, backup, level).await;
    until(engine, caller, id, |job| job.state.is_final()).await
}

async fn start(engine: &Engine, caller: &Caller, backup: &BackupView, level: Proof) -> JobId {
    let spec = VerifySpec {
        target: "main".into(),
        id: backup.id,
        level,
        on: None,
    };
    engine.backup().verify_to(caller, spec).await.unwrap()
}

async fn report(world: &World, backup: &BackupView) -> BackupReport {
    world
        .engine
        .backup()
        .report(&world.caller, "main", backup.id)
        .await
        .unwrap()
}

/// Nothing of a throw-away server is left.
fn gone(job: JobId) {
    assert_eq!(processes_with(&job.to_string()), [] as [&str; 0]);
    for top in fs::read_dir("/tmp").unwrap().flatten() {
        if top.file_name().to_string_lossy().starts_with("pgsteward-verify-") {
            assert!(!top.path().join(job.to_string()).exists());
        }
    }
}

#[tokio::test]
async fn what_is_restored_is_equal_to_the_snapshot_while_others_go_on_writing() {
    let world = world().await;
    enrich(&world.pool, "busy").await;
    let pool = world.pool.clone();
    let writer = tokio::spawn(async move {
        for n in 0_i32.. {
            let sql = format!(
                "insert into orders (note) values ('while it runs');
                 update orders set note = note || '!' where id = {} % 2000 + 1;
                 delete from parts where value = {n} % 300;
                 select nextval('numbers')",
                n * 7
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
                .execute(&pool)
                .await
                .unwrap();
        }
    });
    let backup = world.backup().await;
    writer.abort();
    assert!(backup.exact);
    assert_eq!(backup.notes, [] as [&str; 0]);
    let job = verify(&world.engine, &world.caller, &backup, Proof::Equal).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    gone(job.id);
    let listed = &world.list().await.backups[0];
    assert_eq!(
        (listed.proof, &listed.damage, &listed.concern),
        (Proof::Equal, &None, &None)
    );
    assert!(listed.proven_at > backup.proven_at && listed.proven_ms.unwrap() > 0);
    let trial = report(&world, &backup).await.trial.unwrap();
    assert_eq!((trial.differences, trial.failure), (Vec::new(), None));
    assert!(
        trial
            .notes
            .iter()
            .any(|note| note.contains("generated columns") && note.contains("public.lines (doubled)")),
        "{:?}",
        trial.notes
    );
    assert!(
        trial
            .tables
            .iter()
            .all(|table| table.equal && table.restored.is_some())
    );
    let orders = trial
        .tables
        .iter()
        .find(|table| table.name == "public.orders")
        .unwrap();
    assert!(orders.rows >= 2000);
    assert!(
        trial
            .compared
            .iter()
            .any(|(what, _)| what == "definition of policy")
    );
    // A lower level takes nothing away.
    let job = verify(&world.engine, &world.caller, &backup, Proof::Hash).await;
    assert!(job.outcome.unwrap().starts_with("Hash only"));
    let after = &world.list().await.backups[0];
    assert_eq!((after.proof, after.proven_at), (Proof::Equal, listed.proven_at));
}

/// The real programs, but a pg_restore that changes what it has restored.
async fn with_change(world: World, folder: &Path, sql: &str) -> World {
    let real = testkit::shared().await.bin_dir();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["pg_dump", "pg_dumpall", "initdb", "postgres"] {
        symlink(real.join(name), folder.join(name)).unwrap();
    }
    fs::write(folder.join("change.sql"), sql).unwrap();
    let script = format!(
        "#!/bin/sh\nREAL={}\n$REAL/pg_restore \"$@\" || exit $?\nfor a in \"$@\"; do case \"$a\" in\n\
         --dbname=*) db=\"${{a#--dbname=}}\";; --use-list=*Last.list) last=1;; esac; done\n\
         if [ -n \"$last\" ]; then exec $REAL/psql -X -q -v ON_ERROR_STOP=1 -d \"$db\" -f {}/change.sql; fi\n",
        real.display(),
        folder.display()
    );
    let path = folder.join("pg_restore");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    world
        .instead(|config| config.pg_bin = Some(folder.to_owned()))
        .await
}

#[tokio::test]
async fn whatever_is_not_as_it_was_is_found_named_and_never_listed_as_better_than_it_is() {
    let first = world().await;
    enrich(&first.pool, "differs").await;
    let backup = first.backup().await;
    let equal = verify(&first.engine, &first.caller, &backup, Proof::Equal).await;
    assert_eq!(equal.state, JobState::Succeeded, "{:?}", equal.fault);
    let folder = tempfile::tempdir().unwrap();
    let change = r#"
        update orders set note = note || ' ' where id = 17;
        delete from parts where ctid = (select min(ctid) from only parts_1) and tableoid = 'parts_1'::regclass;
        drop policy mine on lines;
        revoke select on lines from "Reader differs";
        select setval('numbers', 3);
        select lo_unlink(min(oid)) from pg_largeobject_metadata;
        comment on table lines is 'what was bought';
        alter table child owner to "Reader differs";
        drop trigger stamp on lines;
        create table added (a int);
    "#;
    let world = with_change(first, folder.path(), change).await;
    let job = verify(&world.engine, &world.caller, &backup, Proof::Equal).await;
    gone(job.id);
    assert_eq!(job.state, JobState::Failed);
    assert!(job.fault.unwrap().message.contains("not what its snapshot was"));
    let listed = &world.list().await.backups[0];
    assert_eq!(listed.proof, Proof::Restored);
    assert!(
        listed
            .damage
            .as_ref()
            .unwrap()
            .contains("not what its snapshot was"),
        "{listed:?}"
    );
    let trial = report(&world, &backup).await.trial.unwrap();
    let all = trial.differences.join("\n");
    for words in [
        "table public.orders has 2,000 rows as in the backup, but not the same ones",
        "table public.parts_1 has 149 rows, not 150",
        "policy mine on public.lines is missing",
        "table public.lines lost its grants: +Reader differs=SELECT",
        "sequence public.numbers stands at 3, not 6",
        "large object",
        "table public.lines has another comment",
        "table public.child belongs to Reader differs, not to owner_differs",
        "trigger stamp on public.lines is missing",
        "table public.added is not in the backup",
    ] {
        assert!(all.contains(words), "{words}: {all}");
    }
    let different: Vec<&str> = trial
        .tables
        .iter()
        .filter(|table| !table.equal)
        .map(|table| table.name.as_str())
        .collect();
    assert_eq!(different, ["public.orders", "public.parts_1"]);
    // Reading it back makes nothing of that good.
    let job = verify(&world.engine, &world.caller, &backup, Proof::ReadBack).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    assert!(world.list().await.backups[0].damage.is_some());
    // Another trial does, with tools that change nothing.
    let world = world.instead(|config| config.pg_bin = None).await;
    let job = verify(&world.engine, &world.caller, &backup, Proof::Equal).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    let listed = &world.list().await.backups[0];
    assert_eq!((listed.proof, &listed.damage), (Proof::Equal, &None));
    // A trial that comes to no end proves nothing, and takes nothing but says so.
    let folder = tempfile::tempdir().unwrap();
    let world = with_change(world, folder.path(), "select 1 / 0;").await;
    let job = verify(&world.engine, &world.caller, &backup, Proof::Restored).await;
    assert_eq!(job.state, JobState::Failed);
    gone(job.id);
    let listed = &world.list().await.backups[0];
    assert_eq!((listed.proof, &listed.damage), (Proof::Equal, &None));
    assert!(
        listed
            .concern
            .as_ref()
            .unwrap()
            .contains("not restored for trial")
    );
    // What is written down is sealed with the backup.
    let inventory = world.stored(&backup).join("inventory.json");
    let text = fs::read_to_string(&inventory).unwrap();
    fs::write(&inventory, text.replacen("\"count\":2000", "\"count\":1999", 1)).unwrap();
    let world = world.instead(|config| config.pg_bin = None).await;
    let job = verify(&world.engine, &world.caller, &backup, Proof::Equal).await;
    assert!(job.fault.unwrap().message.contains("inventory.json was changed"));
    assert!(world.list().await.backups[0].damage.is_some());
}

#[tokio::test]
async fn a_backup_of_every_version_is_equal_in_a_server_of_its_own() {
    for version in Version::ALL {
        let cluster = testkit::shared_of(version).await;
        let database = cluster.database("equal").await;
        let pool = database.pool().await;
        fill(&pool, 500).await;
        enrich(&pool, &format!("of_{version}")).await;
        let world = over(database, pool)
            .await
            .instead(|config| config.pg_bin = Some(version.bin_dir()))
            .await;
        let backup = world.backup().await;
        let job = verify(&world.engine, &world.caller, &backup, Proof::Equal).await;
        assert_eq!(job.state, JobState::Succeeded, "{version}: {:?}", job.fault);
        gone(job.id);
        if version == Version::V14 {
            // Without programs of its version it is said, and nothing is begun.
            let world = world
                .instead(|config| config.pg_bin = Some(Version::V15.bin_dir()))
                .await;
            let spec = VerifySpec {
                target: "main".into(),
                id: backup.id,
                level: Proof::Equal,
                on: None,
            };
            let fault = world
                .engine
                .backup()
                .verify_to(&world.caller, spec)
                .await
                .unwrap_err()
                .fault();
            assert_eq!(fault.code, Code::Conflict);
            assert!(fault.message.contains("PostgreSQL 14"), "{fault}");
            assert!(
                report(&world, &backup)
                    .await
                    .no_trial
                    .unwrap()
                    .contains("PostgreSQL 14")
            );
        }
    }
}

#[tokio::test]
async fn a_snapshot_that_was_not_counted_is_restored_and_never_called_equal() {
    let world = world().await;
    enrich(&world.pool, "inexact").await;
    let job = world
        .engine
        .backup()
        .start_as(&world.caller, BackupSpec::whole("main"), false)
        .await
        .unwrap();
    assert_eq!(world.ended(job).await.state, JobState::Succeeded);
    let backup = world.list().await.backups[0].clone();
    assert!(
        !backup.exact && backup.notes[0].contains("not compared"),
        "{backup:?}"
    );
    let spec = VerifySpec {
        target: "main".into(),
        id: backup.id,
        level: Proof::Equal,
        on: None,
    };
    let refused = world
        .engine
        .backup()
        .verify_to(&world.caller, spec)
        .await
        .unwrap_err();
    assert_eq!(refused.fault().code, Code::Conflict);
    let job = verify(&world.engine, &world.caller, &backup, Proof::Restored).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    gone(job.id);
    assert_eq!(world.list().await.backups[0].proof, Proof::Restored);
}

#[test]
fn a_console_that_vanishes_in_a_trial_leaves_no_server_no_folder_and_no_process() {
    let outer = tokio::runtime::Runtime::new().unwrap();
    let (world, backup) = outer.block_on(async {
        let world = world().await;
        enrich(&world.pool, "vanishes").await;
        let backup = world.backup().await;
        (world.instead(|config| config.works = false).await, backup)
    });
    let mut before = backup.proof;
    for moment in [0, 300, 900, 1800] {
        let inner = tokio::runtime::Runtime::new().unwrap();
        let config = world.config.clone();
        let id = inner.block_on(async {
            let mut config = config.clone();
            config.works = true;
            let engine = Engine::open(config).await.unwrap();
            let caller = support::caller(&engine, Role::Administrator).await;
            let id = start(&engine, &caller, &backup, Proof::Equal).await;
            until(&engine, &caller, id, |job| job.state != JobState::Queued).await;
            tokio::time::sleep(Duration::from_millis(moment)).await;
            id
        });
        inner.shutdown_background();
        outer.block_on(async {
            let mut config = config;
            config.works = true;
            let engine = Engine::open(config).await.unwrap();
            let job = until(&engine, &world.caller, id, |job| job.state.is_final()).await;
            assert!(
                matches!(job.state, JobState::Interrupted | JobState::Succeeded),
                "{job:?}"
            );
            gone(id);
            let listed = &engine.backup().list(&world.caller, "main").await.unwrap().backups[0];
            assert_eq!(listed.damage, None);
            // The proof is written down before the job ends; until then nothing has changed.
            let proven = listed.proof == Proof::Equal;
            assert!(
                proven || (job.state == JobState::Interrupted && listed.proof == before),
                "{:?} after {before:?}: {job:?}",
                listed.proof
            );
            before = listed.proof;
            engine.close().await;
        });
    }
}
