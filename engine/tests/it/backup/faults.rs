//! Faults at random moments. A usual run has a few of each; `PGSTEWARD_FAULTS` says how many there are to be, and
//! `PGSTEWARD_SEED` repeats what a run threw.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use contract::{
    backup::BackupView,
    jobs::{JobId, JobState, JobView},
    restore::RestoredState,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid},
};
use sqlx::{AssertSqlSafe, Executor};
use testkit::{Cluster, Disk, Proxy};

use super::{
    failure::through,
    restored::{left_on, spec},
    world::{World, entries, fill, over, processes_with},
};

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// SplitMix64.
pub struct Dice(u64);

impl Dice {
    /// Their seed is printed, so that a failure can be thrown again.
    #[expect(
        clippy::disallowed_methods,
        reason = "which faults, and how many, is asked of the tests that are run by hand with more"
    )]
    pub fn new() -> Self {
        let seed = std::env::var("PGSTEWARD_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos()));
        eprintln!("PGSTEWARD_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }

    /// A part of a time.
    pub fn part(&mut self, of: Duration) -> Duration {
        of.mul_f64(self.below(1000) as f64 / 1000.0)
    }
}

/// How many faults there are to be.
#[expect(
    clippy::disallowed_methods,
    reason = "which faults, and how many, is asked of the tests that are run by hand with more"
)]
pub fn faults(usual: usize) -> usize {
    let asked = std::env::var("PGSTEWARD_FAULTS").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(usual)
}

/// Other bytes than these, and what was done to them; nothing for a file that is gone.
fn harmed(dice: &mut Dice, good: &[u8], other: &[u8]) -> (&'static str, Option<Vec<u8>>) {
    loop {
        let mut bytes = good.to_vec();
        let at = dice.below(bytes.len());
        let end = (at + 1 + dice.below(64)).min(bytes.len());
        let (what, bytes) = match dice.below(9) {
            0 | 1 => {
                bytes[at] ^= 1 << dice.below(8);
                ("one bit flipped", Some(bytes))
            }
            2 => {
                bytes.truncate(at);
                ("cut off", Some(bytes))
            }
            3 => {
                bytes[at..end].fill(0);
                ("zeros in it", Some(bytes))
            }
            4 => {
                bytes.insert(at, dice.below(256) as u8);
                ("one byte more", Some(bytes))
            }
            5 => {
                bytes.drain(at..end);
                ("a piece lost", Some(bytes))
            }
            6 => {
                bytes.iter_mut().for_each(|byte| *byte = dice.below(256) as u8);
                ("noise", Some(bytes))
            }
            7 => ("another backup's", Some(other.to_vec())),
            _ => ("gone", None),
        };
        // A change that says the same is none: white space in the manifest.
        let same = bytes.as_ref().is_some_and(|bytes| {
            let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).ok();
            bytes == good || value(bytes).is_some_and(|value_of| Some(value_of) == value(good))
        });
        if !same {
            return (what, bytes);
        }
    }
}

fn put(path: &Path, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => fs::write(path, bytes).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
}

async fn small(rows: i32) -> World {
    let database = testkit::shared().await.database("faults").await;
    let pool = database.pool().await;
    fill(&pool, rows).await;
    over(database, pool).await
}

#[tokio::test]
async fn nothing_of_a_backup_that_was_changed_in_any_way_is_restored_or_called_good() {
    let (count, mut dice) = (faults(6), Dice::new());
    let cluster = testkit::shared().await;
    let world = small(300).await;
    let (backup, other) = (world.backup().await, world.backup().await);
    let (folder, beside) = (world.stored(&backup), world.stored(&other));
    let read = |folder: &Path, name: &str| fs::read(folder.join(name)).unwrap();
    let files: BTreeMap<&str, [Vec<u8>; 2]> = ["archive.dump", "globals.sql", "manifest.json"]
        .into_iter()
        .map(|name| (name, [read(&folder, name), read(&beside, name)]))
        .collect();
    for number in 0..count {
        // Most of a backup is its archive.
        let name = [
            "archive.dump",
            "archive.dump",
            "archive.dump",
            "manifest.json",
            "globals.sql",
        ][dice.below(5)];
        let [good, others] = &files[name];
        // The roles of two backups of one server are the same.
        let others = if name == "globals.sql" {
            &files["manifest.json"][1]
        } else {
            others
        };
        let (harm, bytes) = harmed(&mut dice, good, others);
        let what = format!("number {number}: {name}, {harm}");
        put(&folder.join(name), bytes.as_deref());
        // Roles are no part of what a restore loads, and those that are not what was written are not read.
        let asked = world.engine.backup().restore(&world.caller, spec(&backup)).await;
        if let Ok(id) = asked {
            let job = world.ended(id).await;
            match (job.state, name) {
                (JobState::Succeeded, "globals.sql") => drop_restored(&world, cluster, id, 300).await,
                (state, _) => {
                    assert_eq!(state, JobState::Failed, "{what}: {job:?}");
                    world.nothing_of(cluster, &job).await;
                }
            }
        }
        let verified = world
            .engine
            .backup()
            .verify(&world.caller, "main", backup.id)
            .await;
        if let Ok(id) = verified {
            let job = world.ended(id).await;
            assert_eq!(job.state, JobState::Failed, "{what}: {job:?}");
        }
        let list = world.list().await;
        let listed = list.backups.iter().find(|listed| listed.id == backup.id);
        assert!(
            listed.is_none_or(|listed| listed.damage.is_some()),
            "{what}: {listed:?}"
        );
        put(&folder.join(name), Some(good));
        // With the right bytes back it is a good one, so that the next change is found for what it is.
        let job = world.verified(&backup).await;
        assert_eq!(job.state, JobState::Succeeded, "{what}: {:?}", job.fault);
    }
    let restored = world.restore(spec(&backup)).await;
    drop_restored(&world, cluster, restored.job, 300).await;
}

/// A restored database that is ready and whole goes, for the next one.
async fn drop_restored(world: &World, cluster: &Cluster, id: JobId, rows: i64) {
    let restored = world.restored(id).await.unwrap();
    assert_eq!(restored.state, RestoredState::Ready);
    let pool = world.inside(cluster, &restored).await;
    let found: i64 = sqlx::query_scalar("select count(*) from orders")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(found, rows);
    pool.close().await;
    let drop = format!("drop database \"{}\" with (force)", restored.database);
    cluster.admin().await.execute(AssertSqlSafe(drop)).await.unwrap();
}

async fn live(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from orders")
        .fetch_one(&world.pool)
        .await
        .unwrap()
}

/// Runs a whole one, to know how long it takes.
async fn calm(world: &World, cluster: &Cluster, backup: &BackupView, rows: i64) -> Duration {
    let begun = Instant::now();
    let restored = world.restore(spec(backup)).await;
    let took = begun.elapsed();
    drop_restored(world, cluster, restored.job, rows).await;
    took
}

/// A pg_restore of this job that runs now.
fn tool_of(id: JobId) -> Option<Pid> {
    let mark = format!("pgsteward restore {id}");
    processes_with(&mark).into_iter().find_map(|found| {
        let pid: i32 = found.split('/').next()?.parse().ok()?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        (name.trim() == "pg_restore").then(|| Pid::from_raw(pid))
    })
}

#[tokio::test]
async fn a_pg_restore_that_is_killed_at_any_moment_leaves_nothing() {
    let (count, mut dice) = (faults(4), Dice::new());
    let cluster = testkit::shared().await;
    let world = small(1500).await;
    let backup = world.backup().await;
    let whole = calm(&world, cluster, &backup, 1500).await;
    let (mut killed, mut tries) = (0, 0);
    while killed < count {
        tries += 1;
        assert!(tries < 10 + 4 * count, "the kills always come too late");
        let id = world.start_restore(spec(&backup)).await;
        tokio::time::sleep(dice.part(whole)).await;
        let hit = loop {
            if let Some(pid) = tool_of(id) {
                break kill(pid, Signal::SIGKILL).is_ok();
            }
            let job = world.engine.jobs().detail(&world.caller, id).await.unwrap().job;
            if job.state.is_final() {
                break false;
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        };
        let job = world.ended(id).await;
        match job.state {
            JobState::Succeeded => drop_restored(&world, cluster, id, 1500).await,
            state => {
                assert!(hit, "{job:?}");
                assert_eq!(state, JobState::Failed, "{job:?}");
                world.nothing_of(cluster, &job).await;
                killed += 1;
            }
        }
        assert_eq!(live(&world).await, 1500);
    }
}

/// What must be so of a job whose server or line went away: it is over, and nothing of it runs here.
async fn is_over(world: &World, id: JobId, what: &str) -> JobView {
    let job = world.ended(id).await;
    assert!(
        matches!(job.state, JobState::Failed | JobState::Succeeded),
        "{what}: {job:?}"
    );
    for of in ["backup", "restore"] {
        assert_eq!(
            processes_with(&format!("pgsteward {of} {id}")),
            [] as [&str; 0],
            "{what}"
        );
    }
    let secrets = entries(&world.config.data_dir.join("tool-secrets"));
    assert_eq!(secrets, [] as [&str; 0], "{what}");
    assert_eq!(world.attempt_rows().await, 0, "{what}");
    job
}

/// Once the server is there again: what is listed is whole, and what was half made goes with the next restore.
async fn all_is_well(world: &World, cluster: &Cluster, jobs: &[JobId], rows: i64, what: &str) -> BackupView {
    let begun = Instant::now();
    // The console finds out by itself.
    while world
        .engine
        .backup()
        .start(&world.caller, contract::backup::BackupSpec::whole("main"))
        .await
        .is_err()
    {
        assert!(
            begun.elapsed() < PATIENCE,
            "{what}: the console does not find its database again"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let list = loop {
        let list = world.list().await;
        if list.attempts.iter().all(|job| job.state.is_final()) {
            break list;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    for backup in &list.backups {
        let job = world.verified(backup).await;
        assert_eq!(job.state, JobState::Succeeded, "{what}: {:?}", job.fault);
    }
    assert_eq!(
        entries(&world.folder().join(".partial")),
        [] as [&str; 0],
        "{what}"
    );
    let newest = list.backups.first().unwrap().clone();
    let restored = world.restore(spec(&newest)).await;
    drop_restored(world, cluster, restored.job, rows).await;
    let mut admin = cluster.admin().await;
    let begun = Instant::now();
    for id in jobs {
        // A server that comes back has sessions that end a moment later.
        loop {
            let mut left = left_on(&mut admin, *id).await;
            left.extend(sessions_of(world, *id).await);
            if left.is_empty() {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {left:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(live(world).await, rows, "{what}");
    newest
}

async fn sessions_of(world: &World, id: JobId) -> Vec<String> {
    match world.sessions(id).await {
        0 => Vec::new(),
        count => vec![format!("{count} sessions of the backup")],
    }
}

/// Begins a backup or a restore, in turn.
async fn begin(world: &World, backup: &BackupView, number: usize) -> JobId {
    match number % 2 {
        0 => world.start_restore(spec(backup)).await,
        _ => world.start().await,
    }
}

#[tokio::test]
async fn a_server_that_is_killed_at_any_moment_costs_no_more_than_the_job() {
    let (count, mut dice) = (faults(2), Dice::new());
    let cluster = Cluster::start().await;
    let database = cluster.database("killed").await;
    let pool = database.pool().await;
    fill(&pool, 1500).await;
    let world = over(database, pool).await;
    let mut backup = world.backup().await;
    let whole = calm(&world, &cluster, &backup, 1500).await;
    for number in 0..count {
        let id = begin(&world, &backup, number).await;
        let moment = dice.part(whole);
        let what = format!("number {number}, after {moment:?}");
        tokio::time::sleep(moment).await;
        cluster.kill9().await;
        let job = is_over(&world, id, &what).await;
        cluster.start_again().await;
        if job.state == JobState::Succeeded && number % 2 == 0 {
            drop_restored(&world, &cluster, id, 1500).await;
        }
        backup = all_is_well(&world, &cluster, &[id], 1500, &what).await;
    }
}

#[tokio::test]
async fn a_line_that_is_cut_at_any_moment_costs_no_more_than_the_job() {
    let (count, mut dice) = (faults(2), Dice::new());
    let cluster = testkit::shared().await;
    let proxy = Proxy::start(cluster.port()).await;
    let world = through(small(1500).await, &proxy, 120).await;
    let mut backup = world.backup().await;
    let whole = calm(&world, cluster, &backup, 1500).await;
    for number in 0..count {
        let id = begin(&world, &backup, number).await;
        let moment = dice.part(whole);
        let what = format!("number {number}, after {moment:?}");
        tokio::time::sleep(moment).await;
        proxy.cut().await;
        let job = is_over(&world, id, &what).await;
        proxy.restore().await;
        if job.state == JobState::Succeeded && number % 2 == 0 {
            drop_restored(&world, cluster, id, 1500).await;
        }
        backup = all_is_well(&world, cluster, &[id], 1500, &what).await;
    }
}

/// Only root can make a disk; where the tests run as someone else, nobody can say what a full one does.
fn can_make_disks() -> bool {
    Uid::effective().is_root()
}

#[tokio::test]
async fn a_servers_disk_that_is_full_ends_the_restore_and_leaves_nothing() {
    if !can_make_disks() {
        return;
    }
    let cluster = Cluster::start().await;
    // Beside the data folder, so that the server's user gets there; it goes before the cluster does.
    let disk = Disk::new(&cluster.folder().join("small"), "24m");
    let place = format!("create tablespace small location '{}'", disk.path().display());
    cluster.execute(&place).await;
    let database = cluster.database("full").await;
    let pool = database.pool().await;
    fill(&pool, 300).await;
    // 16 MB, which fit once.
    pool.execute(
        "create table large (n int, note text) tablespace small;
         insert into large select n, repeat(md5(n::text), 60) from generate_series(1, 8000) n",
    )
    .await
    .unwrap();
    let world = over(database, pool).await;
    let backup = world.backup().await;
    let fault = world.fails_to_restore(&cluster, spec(&backup)).await;
    let said = format!("{fault} {:?}", fault.target);
    assert!(said.contains("No space left on device"), "{said}");
    assert_eq!(live(&world).await, 300);
    disk.resize("96m");
    let restored = world.restore(spec(&backup)).await;
    drop_restored(&world, &cluster, restored.job, 300).await;
    cluster.stop().await;
}

#[tokio::test]
async fn the_consoles_disk_that_is_full_ends_the_backup_and_nothing_of_it_is_listed() {
    if !can_make_disks() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(&folder.path().join("small"), "160m");
    let (filler, mark) = (disk.path().join("filler"), folder.path().join("once"));
    // Something else fills the disk while pg_dump is at work, the first time.
    let script = format!(
        "if [ ! -e {mark} ]; then touch {mark}; head -c 200000000 /dev/zero > {filler} 2>/dev/null; fi; exec $REAL/pg_dump \"$@\"",
        mark = mark.display(),
        filler = filler.display(),
    );
    let tools = tempfile::tempdir().unwrap();
    let world = small(300).await;
    let world = super::failure::with_tool(world, tools.path(), "pg_dump", &script).await;
    let backups = disk.path().join("backups");
    let world = world.instead(|config| config.backup_dir = backups.clone()).await;
    let id = world.start().await;
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Failed, "{job:?}");
    let fault = job.fault.unwrap();
    assert!(
        format!("{fault} {:?}", fault.hint).contains("room") || fault.message.contains("full"),
        "{fault:?}"
    );
    assert_eq!(entries(&backups.join(".partial")), [] as [&str; 0]);
    assert_eq!(processes_with(&format!("pgsteward backup {id}")), [] as [&str; 0]);
    assert_eq!(world.sessions(id).await, 0);
    assert_eq!(world.attempt_rows().await, 0);
    assert_eq!(world.list().await.backups, []);
    fs::remove_file(&filler).unwrap();
    let backup = world.backup().await;
    assert_eq!(world.verified(&backup).await.state, JobState::Succeeded);
}
