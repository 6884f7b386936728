//! A backup that the console took comes back whole, by the tools that took it, on a server of their version.

use std::process::Command;

use testkit::{Version, shared_of};

use crate::path::{ALL_ROWS, Walk};

/// Restores the walk's backup and compares the rows of all tables.
pub async fn comes_back(walk: &Walk, tools: Version) {
    let list = walk.home.json(&["backup", "list"]);
    let id = list["backups"][0]["id"].as_str().unwrap();
    walk.home.json(&["backup", "download", id, "-o", "copy.dump"]);

    let database = shared_of(tools).await.database("restored").await;
    let restored = Command::new(tools.bin_dir().join("pg_restore"))
        .args(["--exit-on-error", "--dbname", &database.url()])
        .arg(walk.home.path().join("copy.dump"))
        .output()
        .unwrap();
    assert!(
        restored.status.success(),
        "{}",
        String::from_utf8_lossy(&restored.stderr)
    );

    let mut rows = Vec::new();
    for pool in [&walk.pool, &database.pool().await] {
        let counted: i64 = sqlx::query_scalar(ALL_ROWS).fetch_one(pool).await.unwrap();
        rows.push(counted);
    }
    assert_eq!(rows[0], rows[1], "rows before and after");
}
