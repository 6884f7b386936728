//! One path through the console, by command: what must come out of it is the same on every version.

use rusqlite::Connection;
use serde_json::Value;
use sqlx::PgPool;
use testkit::{Database, Version};

use crate::program::Home;

/// Rows of the imported file.
const PEOPLE: i64 = 500;

/// Counts all rows of all tables, whatever they are called.
pub const ALL_ROWS: &str = "select coalesce(sum((xpath('/row/n/text()', query_to_xml(
                                   format('select count(*) as n from %I.%I', schemaname, tablename),
                                   false, true, '')))[1]::text::bigint), 0)::bigint
                          from pg_tables
                         where schemaname not in ('pg_catalog', 'information_schema')";

/// A console that manages a fresh database.
pub struct Walk {
    /// Where its commands run.
    pub home: Home,
    /// The managed database.
    pub target: Database,
    /// To look into it.
    pub pool: PgPool,
}

/// Checks the configuration, migrates, optimizes, analyzes, shows sizes, imports, backs up and verifies, on a server of one
/// version with the client tools of another.
pub async fn walk(server: Version, tools: Version) -> Walk {
    let cluster = testkit::shared_of(server).await;
    // The store is of the same version, for the console's own statements must work there too.
    let (store, target) = (cluster.database("store").await, cluster.database("kept").await);
    let walk = Walk {
        home: Home::new()
            .with("DATABASE_URL", &target.url())
            .with("PGSTEWARD_MIGRATIONS", "ai_pal")
            .with("PGSTEWARD_STORE_URL", &store.url())
            .with("PG_BIN", tools.bin_dir().to_str().unwrap()),
        pool: target.pool().await,
        target,
    };
    walk.is_configured(server);
    walk.migrates();
    walk.optimizes();
    walk.imports();
    walk.shows_sizes();
    walk.backs_up(server, tools).await;
    walk
}

impl Walk {
    fn is_configured(&self, server: Version) {
        let parts = self.home.json(&["config", "check"]);
        let part = parts
            .as_array()
            .unwrap()
            .iter()
            .find(|part| part["name"] == self.target.name())
            .unwrap_or_else(|| panic!("{parts}"));
        assert!(
            part["ok"] == true && is_of(&part["version"], server),
            "PostgreSQL {server}: {parts}"
        );
    }

    fn migrates(&self) {
        let before = self.home.json(&["migrate", "status"])["pending"].as_i64();
        assert!(before > Some(0), "{before:?}");
        self.succeeds(&["migrate", "up"]);
        assert_eq!(self.home.json(&["migrate", "status"])["pending"], 0);
    }

    fn optimizes(&self) {
        self.succeeds(&["optimize"]);
        let again = self.home.run(&["create-indexes"]);
        assert!(
            again.code == 0 && again.out.contains("Nothing to do"),
            "{} {}",
            again.out,
            again.err
        );
        self.succeeds(&["analyze"]);
    }

    fn imports(&self) {
        let file = self.home.path().join("people.db");
        write_people(&file);
        let report = self
            .home
            .json(&["import", "sqlite", "people.db", "--schema", "imported", "--yes"]);
        assert_eq!(report["verdict"], "identical", "{report}");
    }

    fn shows_sizes(&self) {
        let stats = self.home.json(&["stats"]);
        let tables = stats["tables"].as_array().unwrap();
        for (schema, name) in [("public", "ari_snapshots"), ("imported", "people")] {
            assert!(
                tables
                    .iter()
                    .any(|table| table["schema"] == schema && table["name"] == name),
                "{schema}.{name}: {stats}"
            );
        }
    }

    async fn backs_up(&self, server: Version, tools: Version) {
        let rows: i64 = sqlx::query_scalar(ALL_ROWS).fetch_one(&self.pool).await.unwrap();
        assert!(rows > PEOPLE, "the ledger of migrations has rows too: {rows}");
        self.succeeds(&["backup", "create"]);
        self.succeeds(&["backup", "verify", "--latest"]);
        let list = self.home.json(&["backup", "list"]);
        let backup = &list["backups"][0];
        assert!(
            is_of(&backup["server_version"], server) && is_of(&backup["tool_version"], tools),
            "PostgreSQL {server}, tools {tools}: {backup}"
        );
        assert_eq!(backup["proof"], "read_back", "{backup}");
        assert_eq!(backup["rows"].as_i64(), Some(rows), "{backup}");
    }

    /// Runs a job that must end well.
    pub fn succeeds(&self, arguments: &[&str]) {
        let job = self.home.json(arguments);
        assert_eq!(job["state"], "succeeded", "{arguments:?}: {job}");
    }
}

/// Whether a version such as `17.11` or `17.11 (Debian …)` is of this major one.
fn is_of(version: &Value, major: Version) -> bool {
    version
        .as_str()
        .is_some_and(|text| text.starts_with(&format!("{major}.")))
}

/// A small file: rows with a key, without one, and of several types.
fn write_people(path: &std::path::Path) {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(&format!(
            "begin;
             create table people (id integer primary key autoincrement, name text not null, weight real, photo blob);
             insert into people (name, weight, photo)
                  with recursive n (i) as (select 1 union all select i + 1 from n where i < {PEOPLE})
                select 'person ' || i, i / 4.0, zeroblob(i % 9) from n;
             create table remarks (person integer references people (id), body text);
             insert into remarks values (1, 'first'), (1, 'first'), (2, null);
             create index remarks_by_person on remarks (person);
             commit;"
        ))
        .unwrap();
}
