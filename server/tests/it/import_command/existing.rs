//! Into tables that are there: AI-PAL's migrated schema.

use std::{
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};

use serde_json::Value;

use super::{
    sample,
    world::{World, folder},
};

/// A file that AI-PAL has written, beside the repository.
fn file() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples");
    let path = folder.join("ai_pal.db");
    assert!(
        path.is_file(),
        "{} is missing: put the sample files there",
        path.display()
    );
    path.canonicalize().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ai_pals_file_goes_into_its_migrated_schema() {
    let world = World::new("ai_pal").await;
    world.home.json(&["migrate", "up"]);
    // SQLite itself must not touch the sample.
    let copy = world.home.path().join("ai_pal.db");
    std::fs::copy(file(), &copy).unwrap();
    let report = world.identical(&copy, "public", &["--existing"]);
    let items = report["items"].as_array().unwrap().iter();
    let made: i64 = items
        .filter_map(|item| item["words"].as_str()?.split_once(" parents that its rows name"))
        .map(|(count, _)| count.parse::<i64>().unwrap())
        .sum();
    assert_eq!(made, 20, "the profiles that were missing: {report}");
    has_all(&world, &copy).await;
    let state = sums(&world).await;

    let twice = world.import(&copy, "public", &["--existing"]);
    twice.failed_with(&[
        "user_profiles, ",
        "rows",
        "have a key that user_profiles has already",
        "hint: ",
    ]);
    assert_eq!(sums(&world).await, state);

    world
        .execute(
            "update ffe_goals set description = 'mine' where goal_id = (select min(goal_id) from ffe_goals)",
        )
        .await;
    let changed = sums(&world).await;
    let skipped =
        world
            .home
            .json(&world.arguments(&copy, "public", &["--existing", "--on-conflict", "skip"]));
    assert_eq!(of(&skipped, "ffe_goals")["skipped"], 1000, "{skipped}");
    assert_eq!(sums(&world).await, changed);
    world.identical(&copy, "public", &["--existing", "--on-conflict", "upsert"]);
    let mine = "select count(*) from ffe_goals where description = 'mine'";
    assert_eq!(world.number(mine).await, 0);
    has_all(&world, &copy).await;
}

fn of<'a>(report: &'a Value, table: &str) -> &'a Value {
    let tables = report["tables"].as_array().unwrap();
    tables.iter().find(|it| it["name"] == table).unwrap()
}

/// Checks the number of rows of every table; the profiles are more by those that were missing.
async fn has_all(world: &World, file: &Path) {
    for (table, rows) in sample::counts(file) {
        let more = if table == "user_profiles" { 20 } else { 0 };
        let found = world.number(&format!("select count(*) from {table}")).await;
        assert_eq!(found, rows + more, "{table}");
    }
    let orphans = "select count(*) from ffe_goals where user_id not in (select user_id from user_profiles)";
    assert_eq!(world.number(orphans).await, 0);
}

/// A sum of all rows of each table.
async fn sums(world: &World) -> Vec<String> {
    let mut sums = Vec::new();
    for table in world.tables("public").await {
        let sum = format!(
            "select '{table} ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) from {table} t"
        );
        sums.extend(world.texts(&sum).await);
    }
    sums
}

/// The most memory of its own that a process has until it ends, in kB. Pages of the file that are mapped are not its own.
fn most_memory(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let now = std::fs::read_to_string(&status).unwrap_or_default();
        let own = now.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let own = own.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(own.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_refers_to_itself_takes_no_more_memory_the_longer_it_is() {
    let world = World::new("itself").await;
    world
        .execute("create table t (id integer primary key, parent integer references t, v text)")
        .await;
    let folder = folder();
    let file = folder.path().join("itself.db");
    sample::run(
        &file,
        "create table t (id integer primary key, parent integer references t, v text);
         insert into t
             with recursive n (i) as (select 1 union all select i + 1 from n where i < 1200000)
           select i, min(i + 1, 1200000), 'row ' || i from n",
    );
    let arguments = world.arguments(&file, "public", &["--existing"]);
    let mut child = world.home.command(&arguments).spawn().unwrap();
    let most = most_memory(&mut child);
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(world.number("select count(*) from t").await, 1_200_000);
    // The process itself, the 32 MB of its one job, and what the allocator keeps.
    assert!(most < 80 * 1024, "{most} kB");
}
