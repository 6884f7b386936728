//! Backups against bare pg_dump, in turn, to the same disk.

use contract::jobs::{JobId, JobView, StepState};

use super::{bare::Bare, megabytes};
use crate::{
    Result,
    console::Console,
    jobs,
    plan::Plan,
    process::{self, Peak, Peaks},
    report::{Row, Section},
    timing::median,
    visitor::{Sessions, Visitor},
};

/// Times the wall time of bare pg_dump.
const BAR: f64 = 1.05;
/// Times the restore of which it is the proof.
const VERIFY_BAR: f64 = 1.5;
/// The part of a verification that restores.
const RESTORE: &str = "Restore into a throw-away server";
/// Megabytes that one running job may add.
const JOB_MEMORY: f64 = 32.0;

/// The job's named parts.
const PARTS: [&str; 4] = ["Dump", "Roles and tablespaces", "Hash and read back", "Store"];

/// One backup, in seconds.
struct Ours {
    id: JobId,
    whole: f64,
    parts: [f64; PARTS.len()],
}

/// Takes both in turn, after one bare dump that does not count.
pub async fn against_pg_dump(console: &Console, sessions: &mut Sessions, plan: &Plan) -> Result<Section> {
    let visitor = sessions.one().await?;
    let bare = Bare::new(console)?;
    bare.dump().await?;
    let before = process::memory(console.pid)?.resident;
    let mut bares = Vec::new();
    let mut ours = Vec::new();
    let mut peaks = Peaks::default();
    for _ in 0..plan.rounds {
        bares.push(bare.dump().await?);
        let peak = Peak::watch(console.pid);
        ours.push(back_up(&visitor).await?);
        let seen = peak.end().await?;
        peaks.alone = peaks.alone.max(seen.alone);
        peaks.with_children = peaks.with_children.max(seen.with_children);
    }
    let proven = verify(&visitor, &ours).await?;
    let peer = median(bares.iter().copied());
    let whole = median(ours.iter().map(|it| it.whole));
    let parts: Vec<f64> = (0..PARTS.len())
        .map(|part| median(ours.iter().map(|it| it.parts[part])))
        .collect();
    let dump = parts[0];
    let rest = whole - parts.iter().sum::<f64>();
    let spent: String = PARTS
        .iter()
        .zip(&parts)
        .map(|(name, seconds)| format!("{} {seconds:.2} s, ", name.to_lowercase()))
        .collect();
    let spent = format!("{spent}preparation and reporting {rest:.2} s");
    let ratio = |seconds: f64| seconds / peer;
    let added = megabytes(peaks.alone.saturating_sub(before));
    let bar = format!("≤ {BAR:.2} × pg_dump -Fc");
    let measured = |seconds: f64| format!("{:.2} × ({seconds:.2} s, bare {peer:.2} s)", ratio(seconds));
    let rows = vec![
        Row::new(
            "backup, its dump",
            &bar,
            measured(dump),
            ratio(dump) <= BAR,
            || "rows are counted and the archive is checked beside it, on the same cores".to_owned(),
        ),
        Row::new(
            "backup, whole and proven",
            &bar,
            measured(whole),
            ratio(whole) <= BAR,
            || spent.clone(),
        ),
        Row::new(
            "memory that a backup adds to the console",
            format!("≤ {JOB_MEMORY:.0} MB"),
            format!("{added:.1} MB"),
            added <= JOB_MEMORY,
            || format!("peak {:.1} MB", megabytes(peaks.alone)),
        ),
        proven,
    ];
    let note = format!(
        "Backup: the demonstration database of a million rows, {} rounds, each first `pg_dump -Fc` into a file and then the \
         console's backup of the same database to the same disk; medians. Whole is from the request to the job's last state: \
         {spent}, all by the job's own clock. Bare pg_dump makes its file durable, as \
         the console does; it neither counts the rows in its snapshot, nor hashes, nor reads the archive back through \
         pg_restore. Single values: bare {}; whole {}; dump {}.",
        plan.rounds,
        listed(bares.iter().copied()),
        listed(ours.iter().map(|it| it.whole)),
        listed(ours.iter().map(|it| it.parts[0])),
    );
    let memory = format!(
        "The console had {:.1} MB before the backups and {:.1} MB at most while they ran ({:.1} MB with pg_dump and pg_restore \
         as its children), looked at 50 times a second.",
        megabytes(before),
        megabytes(peaks.alone),
        megabytes(peaks.with_children),
    );
    Ok(Section {
        rows,
        notes: vec![note, memory],
        ..Section::default()
    })
}

/// Single values, in words.
pub(super) fn listed(values: impl Iterator<Item = f64>) -> String {
    let texts: Vec<String> = values.map(|value| format!("{value:.2} s")).collect();
    texts.join(", ")
}

/// Verifies the last backup to the end: read back, restored, every row compared.
async fn verify(visitor: &Visitor, ours: &[Ours]) -> Result<Row> {
    let backup = ours.last().ok_or("no backup was taken")?.id;
    let id = jobs::verify(visitor, backup).await?;
    let job = jobs::succeeded(visitor, id).await?;
    let whole =
        job.finished_at.ok_or("the verification has no end")? - job.started_at.unwrap_or(job.created_at);
    let whole = whole.as_seconds_f64();
    let restore = step(&job, RESTORE)?;
    let ratio = whole / restore;
    Ok(Row::new(
        "backup, restored and compared row for row",
        format!("≤ {VERIFY_BAR:.1} × its restore"),
        format!("{ratio:.2} × ({whole:.2} s, its restore {restore:.2} s)"),
        ratio <= VERIFY_BAR,
        || {
            "it is read back, and the throw-away server is made, before the restore; rows are hashed after it"
                .to_owned()
        },
    ))
}

async fn back_up(visitor: &Visitor) -> Result<Ours> {
    let id = jobs::back_up(visitor).await?;
    let job = jobs::succeeded(visitor, id).await?;
    let whole = job.finished_at.ok_or("the backup has no end")? - job.created_at;
    let whole = whole.as_seconds_f64();
    let mut parts = [0.0; PARTS.len()];
    for (part, name) in parts.iter_mut().zip(PARTS) {
        *part = step(&job, name)?;
    }
    Ok(Ours { id, whole, parts })
}

/// Seconds that a named part of the job took.
pub(super) fn step(job: &JobView, name: &str) -> Result<f64> {
    let step = job
        .progress
        .steps
        .iter()
        .find(|step| step.name == name && step.state == StepState::Done);
    let took = step.and_then(|step| step.duration_ms);
    took.map(|ms| ms as f64 / 1000.0)
        .ok_or_else(|| format!("{} does not say how long its part {name:?} took", job.title))
}
