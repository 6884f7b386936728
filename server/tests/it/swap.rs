//! The program is killed with SIGKILL in the middle of swaps: the live name leads to the whole old database or to the whole new
//! one, whoever connects gets in, and the console knows which it is.

use std::time::{Duration, Instant};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{Cluster, Database};
use tokio::{runtime::Handle, task::JoinSet};

use crate::program::{Home, PATIENCE};

/// Side by side: after a kill each waits until the dead process counts as dead.
const LANES: usize = 3;
/// Kills over all of them, unless `PGSTEWARD_FAULTS` says more.
const KILLS: usize = 6;

struct World {
    home: Home,
    cluster: &'static Cluster,
    live: Database,
    beside: Database,
    store: PgPool,
}

impl World {
    async fn new() -> Self {
        let cluster = testkit::shared().await;
        let store = cluster.database("store").await;
        let (live, beside) = (
            cluster.database("swapped").await,
            cluster.database("restored").await,
        );
        for (database, word, rows) in [(&live, "old", 5), (&beside, "new", 7)] {
            let sql = format!(
                "create table which (word text); insert into which select '{word}' from generate_series(1, {rows})"
            );
            let pool = database.pool().await;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
            pool.close().await;
        }
        let home = Home::new()
            .with("DATABASE_URL", &live.url())
            .with("PGSTEWARD_MIGRATIONS", "none")
            .with("PGSTEWARD_STORE_URL", &store.url());
        let made = home.run(&["backup", "create"]);
        assert_eq!(made.code, 0, "{}", made.err);
        let world = Self {
            home,
            cluster,
            store: store.pool().await,
            live,
            beside,
        };
        // What a restore leaves.
        sqlx::query(
            "insert into restores (job, backup, taken_at, database_id, target, name, wanted_name, oid, state, ended_at, report)
             select jobs.id, jobs.id, now(), database_id, target, $1, $1, $2, 'ready', now(), $3
               from jobs
              limit 1",
        )
        .bind(world.beside.name())
        .bind(world.oid(world.beside.name()).await.unwrap())
        .bind(serde_json::json!({"duration_ms": 1, "tables": 1, "rows": 7, "definitions": 1, "notes": []}))
        .execute(&world.store)
        .await
        .unwrap();
        world
    }

    async fn oid(&self, name: &str) -> Option<i64> {
        sqlx::query_scalar("select oid::int8 from pg_database where datname = $1")
            .bind(name)
            .fetch_optional(&mut self.cluster.admin().await)
            .await
            .unwrap()
    }

    /// The one word that the database under this name is full of, with its rows.
    async fn whole(&self, name: &str) -> (String, i64) {
        let begun = Instant::now();
        loop {
            let pool = sqlx::postgres::PgPoolOptions::new()
                .max_connections(1)
                .acquire_timeout(Duration::from_secs(30))
                .connect_with(self.cluster.socket_options(name))
                .await;
            let Ok(pool) = pool else {
                // Its name may have changed while this one stood at the door.
                assert!(begun.elapsed() < PATIENCE, "{name}: {pool:?}");
                continue;
            };
            let found: Vec<(String, i64)> = sqlx::query_as("select word, count(*) from which group by word")
                .fetch_all(&pool)
                .await
                .unwrap();
            pool.close().await;
            let [one] = found.as_slice() else {
                panic!("{name} is not whole: {found:?}")
            };
            return one.clone();
        }
    }

    async fn begun(&self) -> i64 {
        sqlx::query_scalar("select count(*) from jobs where kind = 'swap' and started_at is not null")
            .fetch_one(&self.store)
            .await
            .unwrap()
    }

    fn spare(&self) -> String {
        let list = self.home.json(&["backup", "databases"]);
        let databases = list["databases"].as_array().unwrap();
        assert_eq!(databases.len(), 1, "{list}");
        databases[0]["database"].as_str().unwrap().to_owned()
    }

    /// Swaps the other one in, and kills that once its job has run for so long; without a time, lets it end. True when it was
    /// killed.
    async fn swap(&self, moment: Option<Duration>) -> bool {
        let (spare, before) = (self.spare(), self.begun().await);
        let mut child = self
            .home
            .command(&["backup", "swap", &spare, "--confirm", self.live.name(), "--yes"])
            .spawn()
            .unwrap();
        if let Some(moment) = moment {
            let asked = Instant::now();
            while self.begun().await == before {
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                assert!(asked.elapsed() < PATIENCE, "its job never began");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            tokio::time::sleep(moment).await;
            kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).ok();
        }
        let output = child.wait_with_output().unwrap();
        let killed = output.status.code().is_none();
        if !killed {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        killed
    }

    /// All that must be so whenever no swap is at work.
    async fn agrees(&self, what: &str) {
        // One whole database under the name; a command on it is a command on that one.
        let (word, rows) = self.whole(self.live.name()).await;
        let made = self.home.run(&["backup", "create"]);
        assert_eq!(made.code, 0, "{what}: {}", made.err);
        let list = self.home.json(&["backup", "list"]);
        assert_eq!(list["backups"][0]["rows"], rows, "{what}: {list}");
        let (other, _) = self.whole(&self.spare()).await;
        assert_ne!(word, other, "{what}");
        let named: i64 =
            sqlx::query_scalar("select d.oid from database_names n join databases d on d.id = n.database_id")
                .fetch_one(&self.store)
                .await
                .unwrap();
        assert_eq!(self.oid(self.live.name()).await, Some(named), "{what}");
        let open: i64 = sqlx::query_scalar(
            "select (select count(*) from swaps where state = 'begun')
                  + (select count(*) from jobs where state in ('queued', 'running', 'cancelling'))",
        )
        .fetch_one(&self.store)
        .await
        .unwrap();
        assert_eq!(open, 0, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_of_a_swap_the_name_is_the_whole_old_or_the_whole_new_database() {
    let kills = std::env::var("PGSTEWARD_FAULTS").map_or(KILLS, |number| number.parse().unwrap());
    let seed = u64::from(std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos());
    eprintln!("seed {seed}");
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let runtime = Handle::current();
        // A thread for each, since it waits for processes in the middle of its work.
        lanes.spawn_blocking(move || {
            runtime.block_on(one(seed.wrapping_add(lane as u64), kills.div_ceil(LANES)))
        });
    }
    let mut sides = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        sides.extend(lane.unwrap());
    }
    assert!(sides.len() >= kills, "{sides:?}");
}

/// Kills so many swaps; gives what the name led to after each.
async fn one(seed: u64, kills: usize) -> Vec<String> {
    let world = World::new().await;
    // A calm one tells how long a swap's job takes.
    assert!(!world.swap(None).await);
    world.agrees("calm").await;
    let mut took: f64 = sqlx::query_scalar(
        "select extract(epoch from finished_at - started_at)::float8 from jobs where kind = 'swap' order by created_at limit 1",
    )
    .fetch_one(&world.store)
    .await
    .unwrap();
    let mut dice = seed;
    let mut sides = Vec::new();
    let mut late = 0;
    while sides.len() < kills {
        // SplitMix64.
        dice = dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z ^= z >> 29;
        let moment = Duration::from_secs_f64(took * (z >> 11) as f64 / (1_u64 << 53) as f64);
        let what = format!("seed {seed}, kill {}, after {moment:?}", sides.len() + 1);
        if world.swap(Some(moment)).await {
            world.agrees(&what).await;
            sides.push(world.whole(world.live.name()).await.0);
        } else {
            // It goes faster than the calm one did.
            took *= 0.7;
            late += 1;
            assert!(late < 50 + kills, "{what}: the kills always come too late");
        }
    }
    sides
}
