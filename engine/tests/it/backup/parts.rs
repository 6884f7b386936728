//! Backups of chosen parts: they hold just those, say what they lack, and never count as a backup of the database.

use std::process::Command;

use contract::{
    Code, Fault,
    backup::{BackupSpec, BackupView, Compression, Part, Proof, VerifySpec},
    jobs::{JobState, JobView},
    restore::{CheckLevel, RestoreCheck, RestoreSpec},
};
use sqlx::Executor;

use super::{
    restored::spec,
    world::{World, entries, world},
};

fn schema(schema: &str) -> Part {
    Part {
        schema: schema.to_owned(),
        table: None,
    }
}

fn table(name: &str) -> Part {
    Part {
        schema: "public".to_owned(),
        table: Some(name.to_owned()),
    }
}

fn of(only: &[Part], compression: Compression) -> BackupSpec {
    BackupSpec {
        only: only.to_vec(),
        compression,
        ..BackupSpec::whole("main")
    }
}

async fn job(world: &World, spec: BackupSpec) -> JobView {
    let id = world.engine.backup().start(&world.caller, spec).await.unwrap();
    world.ended(id).await
}

async fn taken(world: &World, spec: BackupSpec) -> BackupView {
    let job = job(world, spec).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    let list = world.list().await.backups;
    list.into_iter().find(|backup| backup.id == job.id.0).unwrap()
}

async fn refused(world: &World, spec: BackupSpec) -> Fault {
    let started = world.engine.backup().start(&world.caller, spec).await;
    started.unwrap_err().fault()
}

/// What an archive holds, as `pg_restore --list` tells it, without its comments.
async fn listed(world: &World, backup: &BackupView) -> Vec<String> {
    let done = Command::new(testkit::shared().await.bin_dir().join("pg_restore"))
        .arg("--list")
        .arg(world.stored(backup).join("archive.dump"))
        .output()
        .unwrap();
    assert!(done.status.success());
    let text = String::from_utf8(done.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with(';'));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_schema_alone_is_taken_and_said_to_be_that() {
    let world = world().await;
    let name = r#"Other "Schema""#;
    let backup = taken(&world, of(&[schema(name)], Compression::Usual)).await;
    assert_eq!((backup.tables, backup.rows), (1, 77));
    assert_eq!(backup.only, [schema(name)]);
    let note = &backup.notes[0];
    assert!(
        note.contains("Only these schemas") && note.contains(name) && note.contains("Large objects"),
        "{note}"
    );
    let inside = listed(&world, &backup).await;
    assert!(
        inside.iter().any(|line| line.contains("TABLE DATA Other")),
        "{inside:?}"
    );
    assert!(
        !inside
            .iter()
            .any(|line| line.contains("orders me") || line.contains("BLOB")),
        "{inside:?}"
    );
    // Where a backup of the database is asked for, it is none.
    assert!(!backup.is_sound() && !backup.is_whole());
    let target = world.engine.targets().view(&world.caller, "main").await.unwrap();
    assert!(
        target.findings.iter().any(|finding| finding.key == "backup.none"),
        "{:?}",
        target.findings
    );
    let verified = world.verified(&backup).await;
    assert_eq!(verified.state, JobState::Succeeded, "{:?}", verified.fault);
    let whole = world.backup().await;
    assert!(whole.is_sound() && whole.rows > backup.rows);
}

#[tokio::test]
async fn a_table_is_taken_with_its_partitions_wherever_they_lie() {
    let world = world().await;
    world
        .pool
        .execute(
            r#"create table "Other ""Schema"""."par*ts.3" partition of parts for values from (20) to (30);
               insert into parts values (21, 1), (22, 2);
               create table "par?" (id int);
               create table part (id int)"#,
        )
        .await
        .unwrap();
    let backup = taken(&world, of(&[table("parts")], Compression::None)).await;
    assert_eq!((backup.tables, backup.rows), (3, 302));
    // No name is a pattern for others.
    let backup = taken(&world, of(&[table("par?"), table("nothing")], Compression::Gzip)).await;
    assert_eq!((backup.tables, backup.rows), (2, 0));
    assert!(
        backup.notes[0].contains("public.par?, public.nothing"),
        "{:?}",
        backup.notes
    );
}

#[tokio::test]
async fn what_no_backup_can_be_of_is_refused_before_anything_is_written() {
    let world = world().await;
    let mixed = refused(
        &world,
        of(&[schema("public"), table("orders")], Compression::Usual),
    )
    .await;
    assert!(
        mixed.code == Code::Invalid && mixed.message.contains("together"),
        "{mixed}"
    );
    let unnamed = refused(&world, of(&[schema("")], Compression::Usual)).await;
    assert!(
        unnamed.code == Code::Invalid && unnamed.message.contains("no name"),
        "{unnamed}"
    );
    let many: Vec<Part> = (0..501).map(|number| table(&number.to_string())).collect();
    assert_eq!(
        refused(&world, of(&many, Compression::Usual)).await.code,
        Code::Invalid
    );

    for only in [table("Orders"), schema("pg_catalog"), schema("Public")] {
        let job = job(&world, of(std::slice::from_ref(&only), Compression::Usual)).await;
        let fault = job.fault.unwrap();
        assert!(
            fault.code == Code::Invalid && fault.message.contains(&only.to_string()),
            "{fault}"
        );
    }
    // The tools of these tests' usual cluster are older than this compression.
    let job = job(&world, of(&[], Compression::Zstd)).await;
    let fault = job.fault.unwrap();
    assert!(
        fault.code == Code::Invalid && fault.message.contains("zstd") && fault.message.contains("16"),
        "{fault}"
    );
    assert_eq!(entries(&world.folder().join(".partial")), [] as [&str; 0]);
    assert_eq!(world.list().await.backups, []);
}

#[tokio::test]
async fn rights_are_needed_for_the_chosen_parts_alone() {
    let world = world().await;
    let cluster = testkit::shared().await;
    cluster
        .execute("drop role if exists part_reader; create role part_reader login password 'p'")
        .await;
    world
        .pool
        .execute(
            "grant select on parts, parts_1, parts_2 to part_reader; revoke select on orders from public",
        )
        .await
        .unwrap();
    let url = cluster.url_of("part_reader", "p", cluster.port(), world.database.name());
    let world = world
        .instead(|config| {
            let parsed = engine::target::url::parse(&url).unwrap();
            config.targets[0].options = parsed.options;
            config.targets[0].password = parsed.password;
        })
        .await;
    let backup = taken(&world, of(&[table("parts")], Compression::Usual)).await;
    assert_eq!(backup.rows, 300);
    let job = job(&world, of(&[table("parts"), table("orders")], Compression::Usual)).await;
    let fault = job.fault.unwrap();
    assert!(
        fault.message.contains("part_reader may not read") && fault.message.contains("public.orders"),
        "{fault}"
    );
}

async fn needs(world: &World, only: &[Part]) -> Vec<String> {
    let looked = world
        .engine
        .backup()
        .look_at_parts(&world.caller, of(only, Compression::Usual))
        .await;
    looked.unwrap().unwrap().needs
}

/// What a plan says of what the parts need.
async fn check(world: &World, spec: RestoreSpec) -> RestoreCheck {
    let plan = world.engine.backup().plan_restore(&world.caller, spec).await;
    let checks = plan.unwrap().checks;
    checks
        .into_iter()
        .find(|check| check.key == "restore.needs")
        .unwrap()
}

#[tokio::test]
async fn what_chosen_parts_need_is_told_before_they_are_taken_and_before_they_are_restored() {
    let world = world().await;
    world
        .pool
        .execute(
            "create schema lib;
             create type lib.mood as enum ('fine');
             create function lib.touch() returns trigger language plpgsql as 'begin return new; end';
             create table customers (id int primary key);
             insert into customers values (1);
             create schema sales;
             create table sales.invoices (
                 id int generated always as identity primary key,
                 customer int references customers,
                 moods lib.mood[]);
             create trigger touch before insert on sales.invoices for each row execute function lib.touch();
             insert into sales.invoices (customer, moods) values (1, '{fine}')",
        )
        .await
        .unwrap();
    let invoices = Part {
        schema: "sales".to_owned(),
        table: Some("invoices".to_owned()),
    };
    let of_schema = [
        "function lib.touch() (for sales.invoices)",
        "table public.customers (for sales.invoices)",
        "type lib.mood (for sales.invoices)",
    ];
    let mut of_table = vec!["schema sales (for sales.invoices)"];
    of_table.extend(of_schema);
    assert_eq!(needs(&world, std::slice::from_ref(&invoices)).await, of_table);
    assert_eq!(needs(&world, &[schema("sales")]).await, of_schema);
    assert_eq!(needs(&world, &[schema("lib")]).await, [] as [&str; 0]);
    assert_eq!(
        needs(&world, &[table("orders"), table("parts")]).await,
        [] as [&str; 0]
    );
    assert_eq!(
        needs(&world, &[table("parts_1")]).await,
        ["table public.parts (for public.parts_1)"]
    );

    let backup = taken(&world, of(&[invoices], Compression::Usual)).await;
    assert!(
        backup.notes[1].contains("By themselves they cannot be restored")
            && of_table.iter().all(|need| backup.notes[1].contains(need)),
        "{:?}",
        backup.notes
    );
    let found = check(&world, spec(&backup)).await;
    assert_eq!(found.level, CheckLevel::Blocks);
    assert!(
        of_table.iter().all(|need| found.words.contains(need)),
        "{found:?}"
    );
    let refused = world.refused(spec(&backup)).await;
    assert!(refused.hint.unwrap().contains("--into-live"));
    let trial = VerifySpec {
        target: "main".to_owned(),
        id: backup.id,
        level: Proof::Restored,
        on: None,
    };
    let tried = world.engine.backup().verify_to(&world.caller, trial).await;
    let fault = tried.unwrap_err().fault();
    assert!(
        fault.code == Code::Conflict && fault.message.contains("function lib.touch()"),
        "{fault}"
    );

    // Beside what it needs, it is restored.
    world.pool.execute("drop table sales.invoices").await.unwrap();
    let into_live = |backup: &BackupView| RestoreSpec {
        into: Some(world.database.name().to_owned()),
        into_live: true,
        ..spec(backup)
    };
    let found = check(&world, into_live(&backup)).await;
    assert_eq!(found.level, CheckLevel::Fine, "{found:?}");
    let id = world.start_restore(into_live(&backup)).await;
    let job = world.ended(id).await;
    assert_eq!(
        job.state,
        JobState::Succeeded,
        "{:?} {:?}",
        job.fault,
        world.log(id).await
    );
    let rows: i64 = sqlx::query_scalar("select count(*) from sales.invoices where moods = '{fine}'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(rows, 1);
    world
        .pool
        .execute("drop table sales.invoices; drop function lib.touch()")
        .await
        .unwrap();
    let found = check(&world, into_live(&backup)).await;
    assert_eq!(found.level, CheckLevel::Blocks);
    assert!(
        found.words.contains("function lib.touch()") && !found.words.contains("customers"),
        "{found:?}"
    );

    // A part of a table that stays: only who owns that may add it.
    let backup = taken(&world, of(&[table("parts_1")], Compression::Usual)).await;
    world.pool.execute("drop table parts_1").await.unwrap();
    let found = check(&world, into_live(&backup)).await;
    assert_eq!(found.level, CheckLevel::Blocks);
    assert!(found.remedy.unwrap().contains("--as-superuser"));
    let as_superuser = RestoreSpec {
        as_superuser: true,
        ..into_live(&backup)
    };
    let id = world.start_restore(as_superuser).await;
    let job = world.ended(id).await;
    assert_eq!(
        job.state,
        JobState::Succeeded,
        "{:?} {:?}",
        job.fault,
        world.log(id).await
    );
    let rows: i64 = sqlx::query_scalar("select count(*) from parts")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(rows, 300);
}
