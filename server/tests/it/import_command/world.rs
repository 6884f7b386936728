//! A console on databases of its own, and a command on it that is watched while it runs.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Output},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{Cluster, Database};

use super::program::{Done, Home, PATIENCE};

/// A console that manages one database.
pub struct World {
    /// Where its commands run.
    pub home: Home,
    /// The managed database.
    pub target: Database,
    /// To look into it.
    pub pool: PgPool,
    store: PgPool,
}

impl World {
    /// With store and target on the cluster that all tests share.
    pub async fn new(hint: &str) -> Self {
        Self::on(testkit::shared().await, hint).await
    }

    /// With the target on this cluster; the store is on the shared one.
    pub async fn on(cluster: &Cluster, hint: &str) -> Self {
        let store = testkit::shared().await.database("store").await;
        let target = cluster.database(hint).await;
        Self {
            home: Home::new()
                .with("DATABASE_URL", &target.url())
                .with("PGSTEWARD_MIGRATIONS", "ai_pal")
                .with("PGSTEWARD_STORE_URL", &store.url()),
            pool: target.pool().await,
            store: store.pool().await,
            target,
        }
    }

    /// The arguments of an import into a schema.
    pub fn arguments<'a>(&self, file: &'a Path, schema: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let file = file.to_str().unwrap();
        let always = ["import", "sqlite", file, "--schema", schema, "--yes"];
        [&always, more].concat()
    }

    /// Runs an import to its end.
    pub fn import(&self, file: &Path, schema: &str, more: &[&str]) -> Done {
        self.home.run(&self.arguments(file, schema, more))
    }

    /// Runs an import that must end well and identical; gives its report.
    pub fn identical(&self, file: &Path, schema: &str, more: &[&str]) -> Value {
        self.verdict("identical", file, schema, more)
    }

    /// Runs an import that must end well with a verdict; gives its report.
    pub fn verdict(&self, verdict: &str, file: &Path, schema: &str, more: &[&str]) -> Value {
        let report = self.home.json(&self.arguments(file, schema, more));
        assert_eq!(report["verdict"], verdict, "{report}");
        report
    }

    /// Starts an import, and gives it once the job that loads has begun.
    pub async fn loading(&self, file: &Path, schema: &str, more: &[&str]) -> Running {
        let before = self.loads().await;
        let running = self.start(file, schema, more);
        running
            .until("its job has begun", async || self.loads().await > before)
            .await
    }

    /// Starts an import, and gives it once rows are on their way into a table.
    pub async fn copying(&self, file: &Path, schema: &str, more: &[&str]) -> Running {
        let begun = async || {
            let rows = self.number(
                "select count(*)
                   from pg_stat_progress_copy
                  where datname = current_database()
                    and command = 'COPY FROM'
                    and tuples_processed > 0",
            );
            rows.await > 0
        };
        let running = self.start(file, schema, more);
        running.until("rows are on their way", begun).await
    }

    /// Starts an import.
    pub fn start(&self, file: &Path, schema: &str, more: &[&str]) -> Running {
        let arguments = self.arguments(file, schema, more);
        Running(self.home.command(&arguments).spawn().unwrap())
    }

    /// Starts an import, and gives it once the job that looks at the file has begun.
    pub async fn looking(&self, file: &Path, schema: &str, more: &[&str]) -> Running {
        let begun = async || {
            self.in_store("select count(*) from jobs where kind <> 'import' and started_at is not null")
                .await
                > 0
        };
        self.start(file, schema, more)
            .until("its look has begun", begun)
            .await
    }

    /// A number out of the store; zero before there is one.
    pub async fn in_store(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.store).await.unwrap_or(0)
    }

    /// Jobs that load and have begun. The store is empty before the first command.
    async fn loads(&self) -> i64 {
        self.in_store("select count(*) from jobs where kind = 'import' and started_at is not null")
            .await
    }

    /// A number out of the managed database.
    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Texts out of the managed database.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs a statement in the managed database.
    pub async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The tables of a schema, the import's own one among them.
    pub async fn tables(&self, schema: &str) -> Vec<String> {
        self.texts(&format!(
            "select tablename::text from pg_tables where schemaname = '{schema}' order by 1"
        ))
        .await
    }
}

/// A command that runs.
pub struct Running(Child);

impl Running {
    /// Waits while it runs; one that ends before has failed.
    async fn until(mut self, what: &str, mut reached: impl AsyncFnMut() -> bool) -> Self {
        let begun = Instant::now();
        while !reached().await {
            if self.0.try_wait().unwrap().is_some() {
                let done = ended(self.0.wait_with_output().unwrap());
                panic!("it ended before {what}: {} {}", done.code, done.err);
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }

    /// Waits for its end.
    pub async fn end(self) -> Done {
        let output = tokio::task::spawn_blocking(move || self.0.wait_with_output().unwrap());
        ended(output.await.unwrap())
    }

    /// Whether it has ended by itself.
    pub fn is_over(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

fn ended(output: Output) -> Done {
    Done {
        // A process that was killed has no code.
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A folder for files, which the program can enter when it has become another user.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

impl Done {
    /// Checks that it failed with these words, and a hint.
    pub fn failed_with(&self, words: &[&str]) {
        assert!(self.code != 0 && self.code != 130, "{} {}", self.out, self.err);
        assert!(self.err.contains("error: "), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
    }
}
