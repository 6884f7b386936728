//! Every trap is imported, and ends on each version as it does on PostgreSQL 15, where the other tests look at it closely.

use std::collections::BTreeMap;

use testkit::{Version, shared_of, sqlite::traps};
use tokio::sync::OnceCell;

use crate::program::{Done, Home};

/// How an import ended: the exit code, and the verdict or the first line of what was wrong.
type Ends = BTreeMap<&'static str, (i32, String)>;

/// Imports all traps into this version and compares.
pub async fn end_as_on_15(server: Version) {
    static ON_15: OnceCell<Ends> = OnceCell::const_new();
    let expected = ON_15.get_or_init(|| ends(Version::V15)).await;
    let identical = expected.values().filter(|(_, word)| word == "identical").count();
    assert!(identical > 30, "most traps arrive whole: {expected:?}");
    if server != Version::V15 {
        assert_eq!(&ends(server).await, expected, "PostgreSQL {server}, and 15");
    }
}

async fn ends(server: Version) -> Ends {
    let cluster = shared_of(server).await;
    let (store, target) = (cluster.database("store").await, cluster.database("imports").await);
    let home = Home::new()
        .with("DATABASE_URL", &target.url())
        .with("PGSTEWARD_STORE_URL", &store.url());
    traps()
        .map(|trap| {
            let file = trap.write(home.path());
            let schema = format!("of_{}", trap.name);
            let done = home.run(&[
                "import",
                "sqlite",
                file.to_str().unwrap(),
                "--schema",
                &schema,
                "--yes",
                "--json",
            ]);
            (trap.name, (done.code, word(&home, &done)))
        })
        .collect()
}

fn word(home: &Home, done: &Done) -> String {
    let report: Option<serde_json::Value> = serde_json::from_str(&done.out).ok();
    match report.as_ref().and_then(|report| report["verdict"].as_str()) {
        Some(verdict) => verdict.to_owned(),
        None => {
            let line = done.err.lines().find(|line| line.starts_with("error: "));
            let folder = home.path().to_str().unwrap();
            line.unwrap_or_else(|| panic!("{} {}", done.out, done.err))
                .replace(folder, "")
        }
    }
}
