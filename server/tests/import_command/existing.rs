//! Into tables that are there: AI-PAL's migrated schema.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{sample, world::World};

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
    let made = report["items"].as_array().unwrap().iter().any(|item| {
        item["table"].as_str().is_some() && item["words"].as_str().unwrap().starts_with("20 parents")
    });
    assert!(made, "the 20 profiles that were missing are not in {report}");
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
