//! docs/rights.md: its statements are enough for what they are for, and what they are not for stays refused.

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use testkit::{Cluster, Database};

use crate::program::{Done, Home};

const DOC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rights.md");

/// Names of one walk, since roles are the whole cluster's.
struct Names(Vec<(&'static str, String)>);

impl Names {
    fn new(database: &Database) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let own = |name: &str| format!("{name}_{}_{number}", std::process::id());
        Self(vec![
            ("steward", own("steward")),
            ("steward_store", own("steward_store")),
            ("shop_owner", own("shop_owner")),
            ("pgsteward", own("pgsteward")),
            ("shop", database.name().to_owned()),
        ])
    }

    fn of(&self, name: &str) -> &str {
        &self.0.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// A text with the document's names replaced, whole words only.
    fn put(&self, text: &str) -> String {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut out = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let own = self.0.iter().find(|(known, _)| *known == word);
            match own {
                Some((_, name)) => out.push_str(&format!("\"{name}\"")),
                None => out.push_str(word),
            }
            let gap = after.find(is_word).unwrap_or(after.len());
            out.push_str(&after[..gap]);
            rest = &after[gap..];
        }
        out
    }
}

/// The statements of a block of the document.
fn block(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(DOC).unwrap();
    let start = format!("<!-- tested: {name} -->\n```sql\n");
    let body = text
        .split(&start)
        .nth(1)
        .unwrap_or_else(|| panic!("no block {name}"));
    let body = body.split("```").next().unwrap();
    body.split(';')
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_composed_store_is_made_by_the_statements_of_the_document() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../compose.yaml");
    let compose = std::fs::read_to_string(path).unwrap();
    let script = compose.split("<<'SQL'\n").nth(1).unwrap();
    let script = script.split("\n      SQL\n").next().unwrap();
    let made: Vec<String> = script
        .split(';')
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
        .map(|statement| statement.replace(":'password'", "'another long sentence'"))
        .collect();
    assert_eq!(made, block("store"));
    // The console logs in to its store as that role, and to the managed database as another.
    assert!(compose.contains("PGSTEWARD_STORE_URL: postgresql://steward_store:"));
    assert!(!compose.contains("DATABASE_URL: postgresql://steward_store:"));
}

struct Walk {
    names: Names,
    cluster: &'static Cluster,
    database: Database,
    home: Home,
}

impl Walk {
    /// A database whose tables belong to another role, and a console that logs in with what the blocks give.
    async fn new(blocks: &[&str]) -> Self {
        let cluster = testkit::shared().await;
        let database = cluster.database("shop").await;
        let names = Names::new(&database);
        let walk = Self {
            home: Home::new(),
            names,
            cluster,
            database,
        };
        walk.run("create role shop_owner").await;
        walk.run("grant create on schema public to shop_owner").await;
        walk.run("create table orders (id int primary key, note text)")
            .await;
        walk.run("insert into orders select n, 'note ' || n from generate_series(1, 100) as n")
            .await;
        walk.run("alter table orders owner to shop_owner").await;
        for name in blocks.iter().chain(&["store"]) {
            for statement in block(name) {
                walk.run(&statement).await;
            }
        }
        let port = cluster.port();
        let url = cluster.url_of(
            walk.names.of("steward"),
            "a long sentence",
            port,
            walk.database.name(),
        );
        let store = cluster.url_of(
            walk.names.of("steward_store"),
            "another long sentence",
            port,
            walk.names.of("pgsteward"),
        );
        let own = walk.home.path().join("own");
        std::fs::create_dir(&own).unwrap();
        std::fs::write(
            own.join("0001_made.sql"),
            "create table made (id int primary key);\n",
        )
        .unwrap();
        std::fs::write(
            walk.home.path().join("pgsteward.toml"),
            format!("[[target]]\nname = \"shop\"\nurl = \"{url}\"\nmigrations = \"own\"\n"),
        )
        .unwrap();
        let Self { home, .. } = walk;
        Self {
            home: home.with("PGSTEWARD_STORE_URL", &store),
            ..walk
        }
    }

    async fn run(&self, statement: &str) {
        let mut connection = PgConnection::connect_with(&self.database.socket_options())
            .await
            .unwrap();
        let sql = self.names.put(statement);
        sqlx::raw_sql(AssertSqlSafe(sql.clone()))
            .execute(&mut connection)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        connection.close().await.unwrap();
    }

    fn done(&self, arguments: &[&str]) -> Done {
        self.home.run(arguments)
    }

    fn works(&self, arguments: &[&str]) {
        let done = self.done(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}{}", done.out, done.err);
    }

    /// Roles and the store outlive the test's database.
    async fn clean(self) {
        let Self {
            names,
            cluster,
            database,
            ..
        } = self;
        drop(database);
        let mut admin = cluster.admin().await;
        for sql in [
            format!("drop database \"{}\" with (force)", names.of("pgsteward")),
            format!("drop role \"{}\"", names.of("steward_store")),
        ] {
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut admin)
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn the_rights_for_looks_are_enough_to_look_and_for_nothing_else() {
    let walk = Walk::new(&["looks"]).await;
    walk.works(&["config", "check"]);
    let stats = walk.done(&["stats"]);
    assert!(
        stats.code == 0 && stats.out.contains("orders"),
        "{}{}",
        stats.out,
        stats.err
    );
    walk.works(&["migrate", "status"]);
    walk.works(&["backup", "list"]);
    let refused = walk.done(&["-y", "migrate", "up"]);
    assert!(
        refused.code != 0 && refused.err.contains("permission denied"),
        "{}",
        refused.err
    );
    let refused = walk.done(&["backup", "create"]);
    assert!(
        refused.code != 0 && refused.err.contains("may not read all of"),
        "{}",
        refused.err
    );
    walk.clean().await;
}

#[tokio::test]
async fn the_rights_for_changes_are_enough_to_migrate_optimize_and_import() {
    let walk = Walk::new(&["looks", "change", "public"]).await;
    walk.works(&["-y", "migrate", "up"]);
    walk.works(&["-y", "optimize"]);
    walk.works(&["-y", "analyze"]);
    let file = walk.home.path().join("file.db");
    let made = rusqlite::Connection::open(&file).unwrap();
    made.execute_batch(
        "create table facts (id integer primary key, word text); insert into facts values (1, 'one')",
    )
    .unwrap();
    made.close().unwrap();
    // As root the program becomes another user, who must be able to read it.
    let readable = Command::new("chmod").arg("644").arg(&file).status().unwrap();
    assert!(readable.success());
    walk.works(&[
        "-y",
        "import",
        "sqlite",
        file.to_str().unwrap(),
        "--schema",
        "brought",
    ]);
    for schema in ["pg_catalog", "information_schema", "pg_toast"] {
        let refused = walk.done(&[
            "-y",
            "import",
            "sqlite",
            file.to_str().unwrap(),
            "--schema",
            schema,
        ]);
        assert_ne!(refused.code, 0);
        assert!(
            refused.err.contains("belongs to PostgreSQL itself"),
            "{}",
            refused.err
        );
    }
    walk.clean().await;
}

#[tokio::test]
async fn the_rights_for_backups_are_enough_to_back_up() {
    let walk = Walk::new(&["looks", "backup"]).await;
    walk.works(&["backup", "create"]);
    walk.works(&["backup", "verify", "--latest"]);
    walk.clean().await;
}

#[tokio::test]
async fn the_rights_for_restores_are_enough_to_restore() {
    let walk = Walk::new(&["looks", "backup", "restore"]).await;
    walk.works(&["backup", "create"]);
    let into = format!("{}_back", walk.database.name());
    let steward = walk.names.of("steward").to_owned();
    let restore = [
        "-y", "backup", "restore", "--latest", "--into", &into, "--owner", &steward,
    ];
    walk.works(&restore);
    walk.cluster.execute(&format!("drop database \"{into}\"")).await;
    walk.clean().await;
}
