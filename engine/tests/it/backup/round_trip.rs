use std::{collections::BTreeMap, path::Path, process::Command};

use contract::{
    backup::Proof,
    jobs::{JobState, Phase, StepState},
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::io::AsyncReadExt;

use super::world::{World, entries, over, world};

/// Rows and a hash over all of them, for each table of a database.
pub async fn contents(pool: &PgPool) -> BTreeMap<String, (i64, Option<String>)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', n.nspname, c.relname)
           from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
          where c.relkind = 'r'
            and n.nspname !~ '^pg_'
            and n.nspname <> 'information_schema'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut contents = BTreeMap::new();
    for table in tables {
        let sql = format!(
            "select count(*), md5(string_agg(md5(t::text), '' order by md5(t::text))) from only {table} t"
        );
        contents.insert(
            table,
            sqlx::query_as(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap(),
        );
    }
    contents
}

/// Restores an archive into a fresh database with PostgreSQL's own tool alone.
async fn restore(archive: &Path) -> PgPool {
    let cluster = testkit::shared().await;
    let database = cluster.database("restored").await;
    let done = Command::new(cluster.bin_dir().join("pg_restore"))
        .args(["--exit-on-error", "--single-transaction", "--username=postgres"])
        .arg(format!("--host={}", cluster.socket_dir().display()))
        .arg(format!("--port={}", cluster.port()))
        .arg(format!("--dbname={}", database.name()))
        .arg(archive)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    database.pool().await
}

fn manifest(world: &World, backup: &contract::backup::BackupView) -> Value {
    serde_json::from_slice(&std::fs::read(world.stored(backup).join("manifest.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn a_backup_restores_to_the_same_rows_with_postgresqls_own_tool() {
    let world = world().await;
    let before = contents(&world.pool).await;
    let backup = world.backup().await;
    assert_eq!(backup.proof, Proof::ReadBack);
    assert_eq!(backup.damage, None);
    assert_eq!(
        (backup.database.as_str(), backup.target.as_str()),
        (world.database.name(), "main")
    );
    assert_eq!(backup.migration, Some(7), "the newest that was applied");
    assert_eq!(backup.tables, 7);
    assert_eq!(backup.rows, before.values().map(|(rows, _)| rows).sum::<i64>());
    assert!(backup.database_bytes > 1_000_000 && backup.duration_ms > 0);

    let mut download = world
        .engine
        .backup()
        .open(&world.caller, "main", backup.id)
        .await
        .unwrap();
    assert_eq!(
        (&download.name, download.bytes, &download.sha256),
        (&backup.file, backup.bytes, &backup.sha256)
    );
    let stamp = backup.taken_at.format("%Y%m%dT%H%M%SZ");
    assert_eq!(download.name, format!("{}-{stamp}.dump", world.database.name()));
    let mut bytes = Vec::new();
    download.file.read_to_end(&mut bytes).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("a.dump");
    std::fs::write(&archive, &bytes).unwrap();
    let restored = restore(&archive).await;
    assert_eq!(contents(&restored).await, before);
    let objects: i64 = sqlx::query_scalar("select count(*) from pg_largeobject_metadata")
        .fetch_one(&restored)
        .await
        .unwrap();
    assert_eq!(objects, 2);

    let manifest = manifest(&world, &backup);
    assert_eq!(manifest["database"]["large_objects"], 2);
    assert_eq!(
        manifest["database"]["extensions"][0]["name"],
        "pg_stat_statements"
    );
    assert_eq!(manifest["database"]["owner"], "postgres");
    assert_eq!(manifest["database"]["encoding"], "UTF8");
    assert!(
        manifest["server"]["system_identifier"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 0
    );
    for table in manifest["tables"].as_array().unwrap() {
        let name = format!(
            "{}.{}",
            table["schema"].as_str().unwrap(),
            table["name"].as_str().unwrap()
        );
        let key = before.keys().find(|key| {
            key.replace("\"\"", "\u{1}")
                .replace('"', "")
                .replace('\u{1}', "\"")
                == name
        });
        assert_eq!(table["rows"], before[key.unwrap()].0, "{name}");
        assert!(
            table["dump_ms"].is_i64(),
            "{name} was not seen in pg_dump's words"
        );
    }
    let mut roles = world
        .engine
        .backup()
        .open_globals(&world.caller, "main", backup.id)
        .await
        .unwrap();
    let mut text = String::new();
    roles.file.read_to_string(&mut text).await.unwrap();
    assert!(
        text.contains("CREATE ROLE postgres") && !text.contains("PASSWORD"),
        "{text}"
    );
    let above = world.stored(&backup).parent().unwrap().to_owned();
    let above = above.file_name().unwrap().to_string_lossy();
    assert_eq!(
        entries(&world.folder()),
        [
            ".partial".to_owned(),
            above.to_string(),
            format!("{above}/{}", backup.id),
            format!("{above}/{}/archive.dump", backup.id),
            format!("{above}/{}/globals.sql", backup.id),
            format!("{above}/{}/inventory.json", backup.id),
            format!("{above}/{}/manifest.json", backup.id),
        ]
    );
    assert_eq!(world.attempt_rows().await, 0);
    assert_eq!(
        entries(&world.config.data_dir.join("tool-secrets")),
        [] as [&str; 0]
    );
}

#[tokio::test]
async fn rows_are_counted_in_the_snapshot_that_is_dumped() {
    let world = world().await;
    let writer = world.pool.clone();
    let stop = tokio_util::sync::CancellationToken::new();
    let stopped = stop.clone();
    let writing = tokio::spawn(async move {
        while !stopped.is_cancelled() {
            sqlx::raw_sql(
                "begin;
                 insert into orders (note) select 'late' from generate_series(1, 100);
                 delete from orders where id in (select id from orders where note <> 'late' order by id limit 7);
                 commit",
            )
            .execute(&writer)
            .await
            .unwrap();
        }
    });
    let mut seen = std::collections::HashSet::new();
    for _ in 0..2 {
        let backup = world.backup().await;
        let manifest = manifest(&world, &backup);
        let restored = restore(&world.stored(&backup).join("archive.dump")).await;
        let rows: i64 = sqlx::query_scalar("select count(*) from orders")
            .fetch_one(&restored)
            .await
            .unwrap();
        let counted = manifest["tables"]
            .as_array()
            .unwrap()
            .iter()
            .find(|table| table["name"] == "orders")
            .unwrap();
        assert_eq!(counted["rows"], rows);
        seen.insert(rows);
    }
    stop.cancel();
    writing.await.unwrap();
    assert_eq!(
        seen.len(),
        2,
        "nothing was written meanwhile, so nothing is proven"
    );
}

#[tokio::test]
async fn the_page_sees_each_part_go_by_and_the_list_knows_what_the_next_one_takes() {
    let world = world().await;
    let empty = world.list().await;
    assert_eq!((empty.backups.len(), empty.attempts.len()), (0, 0));
    assert!(
        empty.free_bytes.is_none_or(|free| free > 0),
        "the folder is made by the first backup"
    );
    assert_eq!(empty.expected_ms, None);
    let id = world.start().await;
    let job = world.ended(id).await;
    assert_eq!(
        (job.state, job.progress.phase),
        (JobState::Succeeded, Phase::Done)
    );
    let names: Vec<&str> = job.progress.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        ["Dump", "Roles and tablespaces", "Hash and read back", "Store"]
    );
    assert!(
        job.progress
            .steps
            .iter()
            .all(|step| step.state == StepState::Done && step.duration_ms.is_some())
    );
    let outcome = job.outcome.unwrap();
    assert!(
        outcome.contains("7 tables, 2,382 rows") && outcome.contains("read back whole"),
        "{outcome}"
    );
    let list = world.list().await;
    let backup = &list.backups[0];
    assert_eq!(list.expected_ms, Some(backup.duration_ms));
    assert!(list.free_bytes.unwrap() > 0);
    assert_eq!(list.location, world.folder().display().to_string());
    assert_eq!(list.attempts, []);
    assert_eq!(backup.job, Some(id));
    // A second one, which has the first one's times to go by.
    let second = world.backup().await;
    let newest: Vec<_> = world
        .list()
        .await
        .backups
        .iter()
        .map(|backup| backup.id)
        .collect();
    assert_eq!(newest, [second.id, backup.id]);
}

#[tokio::test]
async fn an_empty_database_is_backed_up_too() {
    let database = testkit::shared().await.database("empty").await;
    let pool = database.pool().await;
    let world = over(database, pool).await;
    let backup = world.backup().await;
    assert_eq!((backup.tables, backup.rows, backup.migration), (0, 0, None));
    assert_eq!(world.verified(&backup).await.state, JobState::Succeeded);
}
