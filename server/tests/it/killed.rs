//! Consoles that are killed with SIGKILL while they back up, restore, keep a schedule or watch: the next one leaves what is
//! whole, removes what is not, and does each thing once. `PGSTEWARD_FAULTS` says how many kills there are to be.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use contract::{
    backup::{BackupSpec, Proof, VerifySpec},
    jobs::{JobId, JobState, JobView},
    restore::{RestoreSpec, RestoredState},
    schedule::{ScheduleSpec, VerifyWhen},
};
use engine::{Caller, Engine};
use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use testkit::{Cluster, Database};
use tokio::{runtime::Handle, task::JoinSet};
use uuid::Uuid;

use crate::{
    beside::{self, until},
    program::{Home, PATIENCE, Serving},
};

/// Side by side: after a kill each waits until the dead process counts as dead.
const LANES: usize = 2;
/// Rows of the database.
const ROWS: i64 = 20_000;

fn faults(usual: usize) -> usize {
    let asked = std::env::var("PGSTEWARD_FAULTS").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(usual)
}

fn seed() -> u64 {
    let seed = std::env::var("PGSTEWARD_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos()));
    eprintln!("PGSTEWARD_SEED={seed}");
    seed
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn part(&mut self, of: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        of.mul_f64(((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

struct World {
    home: Home,
    cluster: &'static Cluster,
    target: Database,
    store: PgPool,
    engine: Engine,
    caller: Caller,
    /// The database of the store.
    tables: Database,
}

impl World {
    async fn new(variables: &[(&str, &str)]) -> Self {
        let cluster = testkit::shared().await;
        let (store, target) = (cluster.database("store").await, cluster.database("killed").await);
        let pool = target.pool().await;
        let sql = format!(
            "create table orders (id bigint generated always as identity primary key, note text not null);
             insert into orders (note) select repeat(md5(n::text), 30) from generate_series(1, {ROWS}) n;
             create index on orders (note);
             create table others (id int primary key, \"order\" bigint references orders);
             insert into others select n, n from generate_series(1, 1000) n;
             select lo_from_bytea(0, 'large');
             create view both_of_them as select 1 from orders join others on others.\"order\" = orders.id"
        );
        pool.execute(AssertSqlSafe(sql)).await.unwrap();
        pool.close().await;
        let mut home = Home::new()
            .with("DATABASE_URL", &target.url())
            .with("PGSTEWARD_MIGRATIONS", "none")
            .with("PGSTEWARD_STORE_URL", &store.url())
            .with("PGSTEWARD_ADMIN_PASSWORD", "nine boats on a lake");
        for (name, value) in variables {
            home = home.with(name, value);
        }
        // The program itself makes the store and its folders.
        let made = home.run(&["backup", "list"]);
        assert_eq!(made.code, 0, "{}", made.err);
        let engine = beside::engine(&home, &store, &target).await;
        Self {
            caller: engine.session().command_line("test"),
            engine,
            home,
            cluster,
            target,
            store: store.pool().await,
            tables: store,
        }
    }

    async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.store).await.unwrap()
    }

    async fn backup(&self) -> JobId {
        let spec = BackupSpec::whole(self.target.name());
        self.engine.backup().start(&self.caller, spec).await.unwrap()
    }

    async fn restore(&self, backup: Uuid) -> JobId {
        let spec = RestoreSpec {
            target: self.target.name().to_owned(),
            backup,
            parallel: Some(2),
            ..RestoreSpec::default()
        };
        self.engine.backup().restore(&self.caller, spec).await.unwrap()
    }

    /// Has a backup proven in a scratch database on its own server.
    async fn try_out(&self, backup: Uuid) -> JobId {
        let spec = VerifySpec {
            target: self.target.name().to_owned(),
            id: backup,
            level: Proof::Equal,
            on: Some(self.target.name().to_owned()),
        };
        self.engine.backup().verify_to(&self.caller, spec).await.unwrap()
    }

    async fn ended(&self, id: JobId) -> JobView {
        until(&self.engine, id, "it is over", |job| job.state.is_final()).await
    }

    async fn done(&self, id: JobId) -> Duration {
        let job = self.ended(id).await;
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
        (job.finished_at.unwrap() - job.started_at.unwrap())
            .to_std()
            .unwrap()
    }

    /// What a dead console's job has left, by name.
    async fn left(&self, id: JobId) -> Vec<String> {
        let number = id.0.simple().to_string();
        let mut left: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
            "select 'database ' || datname from pg_database where datname like '%{number}%'
              union all
             select 'role ' || rolname from pg_roles where rolname like '%{number}%'
              union all
             select 'session ' || application_name from pg_stat_activity where application_name like 'pgsteward %{id}'"
        )))
        .fetch_all(&mut self.cluster.admin().await)
        .await
        .unwrap();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let says = |file: &str| {
                let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).contains(&id.to_string())
            };
            if entry.file_name().to_string_lossy().parse::<i32>().is_ok()
                && (says("cmdline") || says("environ"))
            {
                left.push(format!("process {:?}", entry.file_name()));
            }
        }
        for folder in ["backups/.partial", "tool-secrets"] {
            let entries = std::fs::read_dir(self.home.data().join(folder));
            for entry in entries.into_iter().flatten().flatten() {
                left.push(format!("{folder}/{:?}", entry.file_name()));
            }
        }
        if self.number("select count(*) from backup_attempts").await > 0 {
            left.push("a row of an attempt".to_owned());
        }
        left
    }

    /// What is listed is whole; gives the newest. Those in `known` were looked at before.
    async fn all_listed_are_whole(&self, known: &mut HashSet<Uuid>, what: &str) -> Uuid {
        let name = self.target.name();
        let list = self.engine.backup().list(&self.caller, name).await.unwrap();
        for backup in list.backups.iter().filter(|backup| known.insert(backup.id)) {
            assert_eq!(backup.rows, ROWS + 1000, "{what}");
            let id = self
                .engine
                .backup()
                .verify(&self.caller, name, backup.id)
                .await
                .unwrap();
            let job = self.ended(id).await;
            assert_eq!(job.state, JobState::Succeeded, "{what}: {:?}", job.fault);
        }
        list.backups[0].id
    }

    /// Of a restore that came to its end: a whole database, which goes again. False when there is none.
    async fn whole_or_none(&self, id: JobId, what: &str) -> bool {
        let all = self
            .engine
            .backup()
            .restored(&self.caller, self.target.name())
            .await
            .unwrap();
        let Some(restored) = all.into_iter().find(|restored| restored.job == id) else {
            return false;
        };
        assert_eq!(restored.state, RestoredState::Ready, "{what}");
        let pool = PgPool::connect_with(self.cluster.socket_options(&restored.database))
            .await
            .unwrap();
        let rows: i64 =
            sqlx::query_scalar("select (select count(*) from orders) + (select count(*) from both_of_them)")
                .fetch_one(&pool)
                .await
                .unwrap();
        assert_eq!(rows, ROWS + 1000, "{what}");
        pool.close().await;
        let drop = format!("drop database \"{}\" with (force)", restored.database);
        self.cluster.execute(&drop).await;
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_is_killed_at_any_moment_leaves_whole_backups_and_databases_and_nothing_else() {
    let (kills, seed) = (faults(4), seed());
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let runtime = Handle::current();
        // A thread for each, since it waits for processes in the middle of its work.
        lanes.spawn_blocking(move || {
            runtime.block_on(one(seed.wrapping_add(lane as u64), kills.div_ceil(LANES)))
        });
    }
    let mut slowest = Duration::ZERO;
    while let Some(lane) = lanes.join_next().await {
        slowest = slowest.max(lane.unwrap());
    }
    eprintln!("{kills} kills; after the slowest start all was clean within {slowest:?}");
}

/// Kills so many consoles at work; gives the longest that one of the next took to clean up.
async fn one(seed: u64, kills: usize) -> Duration {
    let world = World::new(&[]).await;
    let mut dice = Dice(seed);
    let mut console = world.home.serve();
    // Calm ones tell how long each takes.
    let first = world.backup().await;
    let mut takes = [world.done(first).await, Duration::ZERO, Duration::ZERO];
    let mut newest = first.0;
    let restored = world.restore(newest).await;
    takes[1] = world.done(restored).await;
    assert!(world.whole_or_none(restored, "calm").await);
    let tried = world.try_out(newest).await;
    takes[2] = world.done(tried).await;
    assert_eq!(world.left(tried).await, [] as [&str; 0]);
    let (mut killed, mut tries, mut slowest, mut known) = (0, 0, Duration::ZERO, HashSet::new());
    while killed < kills {
        let (kind, name) = [(0, "back up"), (1, "restore"), (2, "try out")][tries % 3];
        let restores = kind == 1;
        tries += 1;
        assert!(
            tries < 20 + 4 * kills,
            "seed {seed}: the kills always come too late"
        );
        let id = match kind {
            0 => world.backup().await,
            1 => world.restore(newest).await,
            _ => world.try_out(newest).await,
        };
        until(&world.engine, id, "it begins", |job| {
            job.state != JobState::Queued
        })
        .await;
        let moment = dice.part(takes[kind]);
        let what = format!("seed {seed}, try {tries} ({name}), after {moment:?}");
        tokio::time::sleep(moment).await;
        console.stop(Signal::SIGKILL);
        console = world.home.serve();
        let ready = Instant::now();
        let job = world.ended(id).await;
        loop {
            let left = world.left(id).await;
            if left.is_empty() {
                break;
            }
            assert!(ready.elapsed() < PATIENCE, "{what}: {left:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        slowest = slowest.max(ready.elapsed());
        let whole = restores && world.whole_or_none(id, &what).await;
        match job.state {
            // Also when its database was ready, and is whole: the kill came before the job could say so.
            JobState::Interrupted => killed += 1,
            state => {
                assert_eq!(state, JobState::Succeeded, "{what}: {:?}", job.fault);
                assert_eq!(whole, restores, "{what}");
            }
        }
        newest = world.all_listed_are_whole(&mut known, &what).await;
    }
    console.stop(Signal::SIGINT);
    world.engine.close().await;
    slowest
}

/// Sets a schedule of the managed database.
async fn schedule(world: &World, cron: &str) {
    let spec = ScheduleSpec {
        target: world.target.name().to_owned(),
        cron: cron.into(),
        zone: "UTC".into(),
        jitter_s: 0,
        verify: VerifyWhen::Never,
        verify_level: Proof::ReadBack,
        alarm_hours: 1,
        parallel: 1,
        compression: Default::default(),
    };
    world.engine.schedule().set(&world.caller, spec).await.unwrap();
}

/// Kills one of two consoles, or both, and starts them again.
fn kill_some(consoles: &mut [Option<Serving>; 2], homes: [&Home; 2], which: usize) {
    let hit: &[usize] = match which % 3 {
        0 => &[0],
        1 => &[1],
        _ => &[0, 1],
    };
    for &number in hit {
        if let Some(console) = consoles[number].take() {
            console.stop(Signal::SIGKILL);
        }
    }
    for &number in hit {
        consoles[number] = Some(homes[number].serve());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn consoles_of_one_store_that_are_killed_run_each_due_time_once() {
    let (cycles, mut dice) = (faults(3), Dice(seed()));
    let folder = tempfile::tempdir().unwrap();
    // Both write here, perhaps as another user.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let shared = folder.path().join("backups").display().to_string();
    let world = World::new(&[("PGSTEWARD_BACKUP_URL", shared.as_str())]).await;
    let other = Home::new()
        .with("DATABASE_URL", &world.target.url())
        .with("PGSTEWARD_MIGRATIONS", "none")
        .with("PGSTEWARD_STORE_URL", &world.tables.url())
        .with("PGSTEWARD_BACKUP_URL", shared.as_str());
    schedule(&world, "* * * * *").await;
    let homes = [&world.home, &other];
    let mut consoles = [Some(world.home.serve()), Some(other.serve())];
    let quiet = async |what: &str, due: Option<chrono::DateTime<chrono::Utc>>| {
        let begun = Instant::now();
        loop {
            let (seen, busy): (bool, bool) = sqlx::query_as(
                "select exists (select from schedule_runs where due_at >= $1),
                        exists (select from schedule_runs where stage <> 'over')
                        or exists (select from jobs where state in ('queued', 'running', 'cancelling'))",
            )
            .bind(due)
            .fetch_one(&world.store)
            .await
            .unwrap();
            if (seen || due.is_none()) && !busy {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: seen {seen}, busy {busy}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    for cycle in 0..cycles {
        // As if what ran had run a day before, and the last minute were due.
        let mut transaction = world.store.begin().await.unwrap();
        transaction
            .execute("update schedule_runs set due_at = due_at - interval '1 day', begun_at = begun_at - interval '1 day'")
            .await
            .unwrap();
        let due: chrono::DateTime<chrono::Utc> = sqlx::query_scalar(
            "update schedules
                set settled_until = date_trunc('minute', clock_timestamp()) - interval '1 second'
             returning date_trunc('minute', clock_timestamp())",
        )
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
        transaction.commit().await.unwrap();
        let moment = dice.part(Duration::from_secs(7));
        let what = format!("cycle {cycle}, after {moment:?}");
        tokio::time::sleep(moment).await;
        kill_some(&mut consoles, homes, cycle);
        quiet(&what, Some(due)).await;
        let (first, note): (chrono::DateTime<chrono::Utc>, Option<String>) = sqlx::query_as(
            "select due_at, note from schedule_runs where due_at >= $1 order by due_at limit 1",
        )
        .bind(due)
        .fetch_one(&world.store)
        .await
        .unwrap();
        // Where the next minute has come meanwhile, one run makes up for both, and says so.
        assert!(
            first == due
                || note
                    .as_ref()
                    .is_some_and(|note| note.starts_with("Makes up for ")),
            "{what}: due {due}, begun {first}, {note:?}"
        );
    }
    world
        .engine
        .schedule()
        .pause(&world.caller, world.target.name())
        .await
        .unwrap();
    quiet("at last", None).await;
    let (runs, jobs, queued): (i64, i64, i64) = sqlx::query_as(
        "select count(job), count(distinct job),
                (select count(*) from jobs where kind = 'backup' and created_by = 'pgsteward:schedule')
           from schedule_runs",
    )
    .fetch_one(&world.store)
    .await
    .unwrap();
    assert!(runs >= 1);
    assert_eq!(
        (jobs, queued),
        (runs, runs),
        "one job for each due time that was begun"
    );
    let odd: i64 = world
        .number("select count(*) from schedule_runs where job is null and not (skipped and note like '%under way already%')")
        .await;
    assert_eq!(odd, 0);
    for console in consoles.into_iter().flatten() {
        console.stop(Signal::SIGINT);
    }
    world.engine.close().await;
}

/// Takes what is posted, and says yes.
fn takes_posts() -> (u16, Arc<Mutex<Vec<serde_json::Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = Arc::<Mutex<Vec<serde_json::Value>>>::default();
    let keeps = Arc::clone(&got);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_ok() && length > 0 {
                keeps.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            }
            (&stream)
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .ok();
        }
    });
    (port, got)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_is_told_once_by_whichever_console_lives_and_once_more_when_it_is_over() {
    let (port, got) = takes_posts();
    let hook = format!("http://127.0.0.1:{port}/hook");
    let world = World::new(&[("PGSTEWARD_WEBHOOK_URL", hook.as_str())]).await;
    schedule(&world, "0 0 1 1 *").await;
    let told = |event: &str| {
        let posts = got.lock().unwrap();
        posts
            .iter()
            .filter(|post| post["event"] == event && post["key"] == "backup.none")
            .count()
    };
    let wait = async |what: &str, reached: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !reached() {
            assert!(begun.elapsed() < PATIENCE, "{what}: {:?}", got.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let sent = async |count: i64| {
        let begun = Instant::now();
        while world
            .number("select count(*) from alarm_messages where sent_at is not null")
            .await
            < count
        {
            assert!(
                begun.elapsed() < PATIENCE,
                "it is not written down that it was sent"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let console = world.home.serve();
    wait("that there is no backup is told", &|| told("opened") == 1).await;
    sent(1).await;
    console.stop(Signal::SIGKILL);
    // As if half a minute had passed, so that the next console looks at once.
    let look = "update alarm_watch set looked_at = '-infinity'";
    world.store.execute(look).await.unwrap();
    let console = world.home.serve();
    let begun = Instant::now();
    while world
        .number("select count(*) from alarm_watch where looked_at = '-infinity'")
        .await
        > 0
    {
        assert!(begun.elapsed() < PATIENCE, "the next console does not look");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let made = world.home.run(&["backup", "create"]);
    assert_eq!(made.code, 0, "{}", made.err);
    console.stop(Signal::SIGKILL);
    world.store.execute(look).await.unwrap();
    let console = world.home.serve();
    wait("that there is one is told", &|| told("resolved") == 1).await;
    sent(2).await;
    assert_eq!((told("opened"), told("resolved")), (1, 1));
    let listed = world.home.json(&["schedule", "list"]);
    assert_eq!(listed[0]["spec"]["alarm_hours"], 1, "{listed}");
    console.stop(Signal::SIGINT);
    world.engine.close().await;
}
