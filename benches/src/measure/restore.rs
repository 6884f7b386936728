//! Restores against bare pg_restore, in turn, on the same server; what they add to the console's memory, and how true their progress is.

use std::time::Instant;

use contract::{
    jobs::{JobId, JobView},
    restore::RestoreSpec,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use super::{backup, bare::Bare, megabytes};
use crate::{
    Result,
    console::Console,
    jobs,
    plan::Plan,
    process::{self, Peak},
    report::{Row, Section},
    timing::median,
    visitor::{Sessions, Visitor},
};

/// Times the wall time of bare pg_restore.
const BAR: f64 = 1.05;
/// Points of a hundred that the progress of a second run may be wrong by, on average.
const WRONG: f64 = 8.0;
/// Megabytes that one running job may add.
const JOB_MEMORY: f64 = 32.0;
/// Connections that load, in both.
const CONNECTIONS: i32 = 2;
/// Restores of the large database.
const LARGE_ROUNDS: usize = 3;
/// The part of the job in which pg_restore runs.
const LOAD: &str = "Load";
/// The database that the console makes.
const DATABASE: &str = "bench_restored";

/// One restore, in seconds.
struct Ours {
    whole: f64,
    load: f64,
    /// How far the shown progress was from the true one, in points, on average over the time.
    wrong: f64,
}

/// Takes both in turn, after one bare restore that does not count.
pub async fn against_pg_restore(console: &Console, sessions: &mut Sessions, plan: &Plan) -> Result<Section> {
    let visitor = sessions.one().await?;
    let bare = Bare::new(console)?;
    bare.dump().await?;
    bare.restore(CONNECTIONS).await?;
    let stored = taken(&visitor).await?;
    let (mut bares, mut ours) = (Vec::new(), Vec::new());
    // One more, since the second run's progress is what has a budget.
    for _ in 0..plan.rounds.max(2) {
        bares.push(bare.restore(CONNECTIONS).await?);
        ours.push(restored(&visitor, stored).await?);
    }
    let peer = median(bares.iter().copied());
    let whole = median(ours.iter().map(|it| it.whole));
    let load = median(ours.iter().map(|it| it.load));
    let second = ours.get(1).ok_or("there was no second run")?.wrong;
    let large = large(console, &visitor, &bare, plan).await?;
    let bar = format!("≤ {BAR:.2} × pg_restore -j {CONNECTIONS}");
    let measured =
        |seconds: f64, peer: f64| format!("{:.2} × ({seconds:.2} s, bare {peer:.2} s)", seconds / peer);
    let rest = format!(
        "{:.2} s are the archive's check, the comparison of every table and definition, owners and the name",
        whole - load
    );
    let size = format!("{:.1} GB", plan.bulk as f64 / 1e9);
    let more =
        "what does not grow with the rows: the roles, the definitions before and after, the name".to_owned();
    let added = megabytes(large.peak.saturating_sub(large.before));
    let rows = vec![
        Row::new(
            format!("a whole and compared restore of {size}"),
            &bar,
            measured(large.whole, large.bare),
            large.whole <= BAR * large.bare,
            || format!("its load alone takes {}", measured(large.load, large.bare)),
        ),
        Row::new(
            "a whole and compared restore of the demonstration",
            &bar,
            measured(whole, peer),
            whole <= BAR * peer,
            || format!("its load alone takes {}; {rest}, {more}", measured(load, peer)),
        ),
        Row::new(
            "progress of the second restore",
            format!("≤ {WRONG:.0} points wrong on average"),
            format!("{second:.1} points"),
            second <= WRONG,
            || "it goes by the course of the first one".to_owned(),
        ),
        Row::new(
            format!("memory that a restore of {size} adds to the console"),
            format!("≤ {JOB_MEMORY:.0} MB"),
            format!("{added:.1} MB"),
            added <= JOB_MEMORY,
            || format!("peak {:.1} MB", megabytes(large.peak)),
        ),
    ];
    let note = format!(
        "Restore: the demonstration database of a million rows, {} rounds, each first `pg_restore -j {CONNECTIONS}` of a bare \
         dump into an empty database and then the console's restore of its own backup beside the live one; medians. Whole is from the \
         request to the job's last state, with the SHA-256 of the archive before and the comparison of every row count and definition \
         after the load, which bare pg_restore has none of: {rest}. Single values: bare {}; whole {}; load {}; progress wrong by {} \
         points. The large one is the same database and a table of {size} more, {LARGE_ROUNDS} rounds; single values: bare {}; whole {}.",
        ours.len(),
        backup::listed(bares.iter().copied()),
        backup::listed(ours.iter().map(|it| it.whole)),
        backup::listed(ours.iter().map(|it| it.load)),
        ours.iter()
            .map(|it| format!("{:.1}", it.wrong))
            .collect::<Vec<_>>()
            .join(", "),
        backup::listed(large.bares.iter().copied()),
        backup::listed(large.wholes.iter().copied()),
    );
    Ok(Section {
        rows,
        notes: vec![note],
        ..Section::default()
    })
}

/// A backup of the managed database as it is; it has its job's id.
async fn taken(visitor: &Visitor) -> Result<JobId> {
    let id = jobs::back_up(visitor).await?;
    jobs::succeeded(visitor, id).await?;
    Ok(id)
}

/// Restores, and drops what was restored.
async fn restored(visitor: &Visitor, backup: JobId) -> Result<Ours> {
    let spec = RestoreSpec {
        target: jobs::TARGET.into(),
        backup: backup.0,
        into: Some(DATABASE.into()),
        parallel: Some(CONNECTIONS),
        ..RestoreSpec::default()
    };
    let begun = Instant::now();
    let id = jobs::restore(visitor, &spec).await?;
    let mut shown = Vec::new();
    let job = jobs::watched(visitor, id, |job| {
        shown.push((
            begun.elapsed().as_secs_f64(),
            job.progress.fraction.unwrap_or(0.0),
        ));
    })
    .await?;
    let whole = seconds(&job)?;
    let load = backup::step(&job, LOAD)?;
    let gone = jobs::drop_spare(visitor, DATABASE).await?;
    jobs::succeeded(visitor, gone).await?;
    Ok(Ours {
        whole,
        load,
        wrong: wrong(&shown, whole),
    })
}

/// From the request to the end.
fn seconds(job: &JobView) -> Result<f64> {
    let whole = job.finished_at.ok_or("the restore has no end")? - job.created_at;
    Ok(whole.as_seconds_f64())
}

/// How many points the shown progress was from the share of the time that had gone, on average.
fn wrong(shown: &[(f64, f64)], whole: f64) -> f64 {
    let during = shown.iter().filter(|(at, _)| *at < whole);
    let (sum, count) = during.fold((0.0, 0_u32), |(sum, count), (at, fraction)| {
        (sum + (fraction - at / whole).abs(), count + 1)
    });
    100.0 * sum / f64::from(count.max(1))
}

/// Restores of a large database beside bare ones, in seconds, and the console's memory before and at most during them.
struct Large {
    bares: Vec<f64>,
    wholes: Vec<f64>,
    bare: f64,
    whole: f64,
    load: f64,
    before: u64,
    peak: u64,
}

/// Makes the managed database large for a while.
async fn large(console: &Console, visitor: &Visitor, bare: &Bare, plan: &Plan) -> Result<Large> {
    let failed = |error: sqlx::Error| format!("the large table: {error}");
    let mut server = console.embedded().await?.connect().await.map_err(failed)?;
    let grown = grow(&mut server, plan.bulk).await.map_err(failed);
    let seen = match grown {
        Ok(()) => in_turn(console, visitor, bare).await,
        Err(why) => Err(why),
    };
    server
        .execute("drop schema if exists bench_bulk cascade")
        .await
        .map_err(failed)?;
    server.close().await.ok();
    seen
}

/// A table of so many bytes, in rows of a kilobyte.
async fn grow(server: &mut PgConnection, bytes: u64) -> std::result::Result<(), sqlx::Error> {
    let sql = format!(
        "create schema bench_bulk;
         create table bench_bulk.filler as
         select n, repeat(md5(n::text), 31) as words from generate_series(1, {}) n",
        bytes / 1024
    );
    server.execute(AssertSqlSafe(sql)).await.map(drop)
}

/// Takes both in turn.
async fn in_turn(console: &Console, visitor: &Visitor, bare: &Bare) -> Result<Large> {
    bare.dump().await?;
    let stored = taken(visitor).await?;
    let before = process::memory(console.pid)?.resident;
    let (mut bares, mut ours, mut peak) = (Vec::new(), Vec::new(), 0);
    for _ in 0..LARGE_ROUNDS {
        bares.push(bare.restore(CONNECTIONS).await?);
        let watch = Peak::watch(console.pid);
        ours.push(restored(visitor, stored).await?);
        peak = peak.max(watch.end().await?.alone);
    }
    let wholes: Vec<f64> = ours.iter().map(|it| it.whole).collect();
    Ok(Large {
        bare: median(bares.iter().copied()),
        whole: median(wholes.iter().copied()),
        load: median(ours.iter().map(|it| it.load)),
        bares,
        wholes,
        before,
        peak,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_that_keeps_with_the_clock_is_not_wrong() {
        assert_eq!(wrong(&[(1.0, 0.25), (2.0, 0.5), (9.0, 1.0)], 4.0), 0.0);
        assert_eq!(wrong(&[(1.0, 0.75), (2.0, 0.5)], 4.0), 25.0);
        assert_eq!(wrong(&[], 4.0), 0.0);
    }
}
