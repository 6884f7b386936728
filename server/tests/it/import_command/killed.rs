//! The program is killed with SIGKILL, again and again, and the same command goes on.

use std::{path::PathBuf, sync::Arc, time::Duration};

use nix::sys::signal::Signal;
use tokio::{runtime::Handle, task::JoinSet};

use super::{
    sample,
    state::{State, has_all},
    world::{World, folder},
};

/// Imports side by side; after a kill each has to wait until the dead process counts as dead.
const LANES: u64 = 5;
/// Kills in each.
const KILLS: usize = 4;
/// Where the dice begin; a failure says which throw it was.
const SEED: u64 = 20;

/// What an undisturbed import is like.
struct Calm {
    state: State,
    /// From the start of the command to its end.
    whole: Duration,
    /// From the start of the job that loads to its end.
    load: Duration,
    file: PathBuf,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_twenty_moments_the_same_command_ends_identical() {
    let files = folder();
    let file = files.path().join("ai_pal.db");
    sample::mixed(&file, 60_000);
    let world = World::new("calm").await;
    let begun = std::time::Instant::now();
    let report = world.identical(&file, "calm", &[]);
    let whole = begun.elapsed();
    has_all(&world, "calm", &file).await;
    let ms = |name: &str| report[name].as_u64().unwrap();
    let calm = Arc::new(Calm {
        state: State::of(&world, "calm").await,
        whole,
        load: Duration::from_millis(ms("load_ms") + ms("verify_ms")),
        file,
    });
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let calm = Arc::clone(&calm);
        // A thread for each, since it waits for processes in the middle of its work.
        let runtime = Handle::current();
        lanes.spawn_blocking(move || runtime.block_on(one(lane, &calm)));
    }
    let mut kills = 0;
    while let Some(lane) = lanes.join_next().await {
        kills += lane.unwrap();
    }
    assert!(kills >= 20, "{kills} kills");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_import_left_can_be_discarded_at_once() {
    let files = folder();
    let file = files.path().join("long.db");
    sample::long(&file);
    let world = World::new("discarded").await;
    let running = world.copying(&file, "s", &[]).await;
    running.signal(Signal::SIGKILL);
    assert_eq!(running.end().await.code, -1);
    let discarded = world.import(&file, "s", &["--discard"]);
    assert_eq!(discarded.code, 0, "{}", discarded.err);
    assert_eq!(world.tables("s").await, [""; 0]);
    let schemas = "select count(*) from pg_namespace where nspname = 's'";
    assert_eq!(world.number(schemas).await, 0, "the import had made it");
}

/// One import that is killed some times and then left alone; a new one when the kills came too late for it. Gives how many
/// processes were killed.
async fn one(lane: u64, calm: &Calm) -> usize {
    let world = World::new("killed").await;
    let mut dice = Dice(SEED + lane);
    let (mut kills, mut imports) = (0, 1);
    let mut first = true;
    while kills < KILLS {
        assert!(imports < 12, "lane {lane}: the kills always come too late");
        let schema = format!("s{imports}");
        // The first of an import may be killed at any time. A later one waits first until the dead process counts as
        // dead, and what is worth a kill comes after that.
        let (mut running, moment) = if first {
            (world.start(&calm.file, &schema, &[]), dice.below(calm.whole))
        } else {
            let running = world.loading(&calm.file, &schema, &[]).await;
            (running, dice.below(calm.load))
        };
        tokio::time::sleep(moment).await;
        first = running.is_over();
        let what = format!("lane {lane}, {schema}, after {kills} kills, {moment:?}");
        if first {
            let done = running.end().await;
            assert_eq!(done.code, 0, "{what}: {}", done.err);
            check(&world, &schema, calm, &what).await;
            imports += 1;
        } else {
            running.signal(Signal::SIGKILL);
            let done = running.end().await;
            // It may have ended between the look and the kill.
            kills += usize::from(done.code == -1);
        }
    }
    let schema = format!("s{imports}");
    let what = format!("lane {lane}, {schema}, at last");
    world.identical(&calm.file, &schema, &[]);
    check(&world, &schema, calm, &what).await;
    kills
}

async fn check(world: &World, schema: &str, calm: &Calm, what: &str) {
    has_all(world, schema, &calm.file).await;
    State::of(world, schema).await.must_be(&calm.state, what);
}

/// Dice that fall the same way each time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        most.mul_f64((z >> 11) as f64 / (1_u64 << 53) as f64)
    }
}
